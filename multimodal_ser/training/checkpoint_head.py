"""The head of a checkpoint: what its own labels mean in a task, and its scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn

from multimodal_ser.config import registry
from multimodal_ser.config.method import Method
from multimodal_ser.corpus.targets import Target
from multimodal_ser.types import ConfigError, DataError, Fold, nearest

_NEVER = -1e4  # of a class that the checkpoint does not know: its probability is 0 exactly


class Classes(nn.Module):
    """Logits of the checkpoint's labels `[…, K]` → logits of the task's classes `[…, C]`.

    columns: for each class the labels that mean it; their probabilities are summed. A softmax over
    the classes then equals the checkpoint's own softmax, renormalised without the labels that mean
    no class.
    """

    def __init__(self, columns: Sequence[Sequence[int]]) -> None:
        super().__init__()
        self.columns = [list(column) for column in columns]

    def forward(self, x: Tensor) -> Tensor:
        never = x.new_full(x.shape[:-1], _NEVER)
        parts = [x[..., column].logsumexp(-1) if column else never for column in self.columns]
        return torch.stack(parts, dim=-1)


class Number(nn.Module):
    """One of the checkpoint's numbers `[…, K]`, in the unit of the corpus: `[…, 1]`."""

    def __init__(self, column: int, low: float, high: float) -> None:
        super().__init__()
        self.column, self.low, self.high = column, low, high

    def forward(self, x: Tensor) -> Tensor:
        return self.low + (self.high - self.low) * x[..., self.column, None]


def heads(method: Method, classes: Mapping[str, Sequence[str]]) -> dict[str, nn.Module]:
    """Target → the module that turns the checkpoint's logits into those of the task."""
    named = method.learner.options["labels"]
    meaning = _meaning(_labels(method), named, [*_wanted(classes)])
    modules: dict[str, nn.Module] = {}
    for target, names in classes.items():
        columns = [
            [place for place, meant in enumerate(meaning) if meant == name] for name in names
        ]
        if names:
            modules[target] = Classes(columns)
        else:
            span = method.outputs[target].range or (0.0, 1.0)
            modules[target] = Number(meaning.index(target), *span)
    return modules


def unknown(method: Method, targets: Mapping[str, Target]) -> list[str]:
    """The classes (and targets of numbers) that no label of the checkpoint means.

    ConfigError for a map that names labels or classes which are not there, or that means nothing.
    """
    classes = {name: target.classes for name, target in targets.items()}
    wanted = [*_wanted(classes)]
    labels, named = _labels(method), method.learner.options["labels"]
    problems = [*_mistakes(labels, named, wanted)]
    meaning = _meaning(labels, named, wanted)
    absent = [name for name in wanted if name not in meaning]
    both_lists = f"it says {', '.join(labels)}; the task has {', '.join(wanted)}"
    if not problems and len(absent) == len(wanted):
        problems.append(
            f"learner.labels: no label of the checkpoint means anything here ({both_lists})"
        )
    lost = [name for name in absent if name in targets]
    if not problems and lost:
        problems.append(f"outputs.{lost[0]}: the checkpoint gives no such number ({both_lists})")
    if not problems and absent and _learns(method):
        problems.append(
            f"learner.labels: the checkpoint does not know {', '.join(absent)}; to learn them, "
            f"set encoders.{_key(method)}.more_labels: [{', '.join(absent)}]"
        )
    if problems and not (absent and _learns(method) and _left_out(method)):
        raise ConfigError("\n  ".join(problems))
    return absent


def without_unknown(
    method: Method, targets: Mapping[str, Target], folds: Sequence[Fold]
) -> list[Fold]:
    """The folds; with `score_unknown: leave_out` without the rows of unknown classes."""
    absent = unknown(method, targets)
    if not absent or not _left_out(method):
        return list(folds)
    (target,) = (target for target in targets.values() if target.kind == "classes")
    codes = [code for code, name in enumerate(target.classes) if name in absent]
    lost = np.isin(target.codes, codes)
    without = []
    for fold in folds:
        parts = {name: rows[~lost[rows]] for name, rows in fold.parts.items()}
        bare = [name for name, rows in parts.items() if len(fold.parts[name]) and not len(rows)]
        if bare:
            raise DataError(
                f"score_unknown: leave_out leaves nothing of {', '.join(bare)} in fold "
                f"{fold.number}: the checkpoint knows none of its classes"
            )
        without.append(Fold(fold.number, fold.repeat, parts))
    return without


def notices(method: Method, targets: Mapping[str, Target]) -> list[str]:
    """Sentences for the report about the classes that the checkpoint does not know."""
    absent = unknown(method, targets)
    if not absent:
        return []
    sentence = f"the checkpoint does not know {', '.join(absent)}"
    if not _left_out(method):
        counts = "counts" if len(absent) == 1 else "count"
        return [f"{sentence}, which {counts} as an error"]
    (target,) = (target for target in targets.values() if target.kind == "classes")
    count = sum(int(target.has(target.classes.index(name)).sum()) for name in absent)
    return [f"{sentence}: {count} utterances are left out"]


def unit(values: np.ndarray) -> tuple[float, float]:
    """Centre 0 and spread 1: the checkpoint's numbers are in the unit of the corpus already."""
    return 0.0, 1.0


def _labels(method: Method) -> list[str]:
    (encoding,) = method.encodings.values()
    return registry.find("encoders", encoding.name).labels(encoding.options)


def _key(method: Method) -> str:
    return next(iter(method.encodings))


def _learns(method: Method) -> bool:
    return method.learner.options["epochs"] > 0


def _left_out(method: Method) -> bool:
    return method.learner.options["score_unknown"] == "leave_out"


def _wanted(classes: Mapping[str, Sequence[str]]) -> Iterator[str]:
    """The classes or targets of numbers that a label of the checkpoint may mean."""
    for target, names in classes.items():
        yield from names or (target,)


def _meaning(
    labels: Sequence[str], named: Mapping[str, str], wanted: Sequence[str]
) -> list[str | None]:
    """For each label the class of the task that it means, or None.

    A label that the map leaves out means the class of its own name.
    """
    own = {name.casefold(): name for name in wanted}
    return [named.get(name, own.get(name.casefold())) for name in labels]


def _mistakes(
    labels: Sequence[str], named: Mapping[str, str], wanted: Sequence[str]
) -> Iterator[str]:
    for label, meant in named.items():
        if label not in labels:
            near = nearest(label, [*labels])
            yield f"learner.labels.{label}: the checkpoint says {', '.join(labels)}{near}"
        if meant not in wanted:
            near = nearest(meant, [*wanted])
            yield f"learner.labels.{label}: the task has no '{meant}' ({', '.join(wanted)}){near}"
