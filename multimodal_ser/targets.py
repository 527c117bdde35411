"""What is to be predicted: a column of the corpus as the classes or numbers of one output."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from multimodal_ser.components import nearest
from multimodal_ser.corpus import Corpus
from multimodal_ser.experiment import Experiment
from multimodal_ser.outputs import Output
from multimodal_ser.types import DataError, listed


@dataclass(frozen=True)
class Target:
    """One output over all rows of a corpus.

    classes: the task's list, empty for numbers. codes: `[N]` ints, −1 where no single class is
    true. learned: what a model is trained on, `[N, C]` distributions over the classes (zeros:
    unknown) or `[N, 1]` numbers (NaN: unknown), float32. written: `[N]` the truth as it stands in
    a table of predictions, missing where it is unknown. taught: what stands for `learned` in the
    rows that train, where that is something else.
    """

    name: str
    classes: tuple[str, ...]
    codes: np.ndarray
    learned: np.ndarray
    written: pd.Series
    taught: np.ndarray | None = None

    @property
    def kind(self) -> str:
        return "classes" if self.classes else "numbers"

    @property
    def known(self) -> np.ndarray:
        """`[N]` bool: the rows that can be learned from."""
        learned = self.learned > 0 if self.classes else ~np.isnan(self.learned)
        return np.asarray(learned.any(axis=1))

    @property
    def numbers(self) -> np.ndarray:
        """`[N]` float64, NaN where unknown: for targets of kind numbers."""
        return self.learned[:, 0].astype(np.float64)


def targets_of(experiment: Experiment, corpus: Corpus) -> dict[str, Target]:
    """Every output of the experiment, in its order."""
    return {name: _target(name, output, corpus) for name, output in experiment.outputs.items()}


def of_classes(name: str, labels: pd.Series, classes: Sequence[str]) -> Target:
    """A target whose labels are all among the classes, or missing."""
    codes = pd.Categorical(labels, list(classes)).codes.astype(np.int64)
    learned = np.zeros((len(labels), len(classes)), dtype=np.float32)
    learned[np.flatnonzero(codes >= 0), codes[codes >= 0]] = 1
    return Target(name, tuple(classes), codes, learned, labels)


def of_numbers(name: str, numbers: pd.Series) -> Target:
    """A target of numbers, NaN where unknown."""
    found = numbers.to_numpy(dtype=np.float64)
    written = numbers.map("{:.8g}".format, na_action="ignore").astype("str")
    codes = np.full(len(found), -1)
    return Target(name, (), codes, found[:, None].astype(np.float32), written)


def _target(name: str, output: Output, corpus: Corpus) -> Target:
    column = output.column or name
    if column not in corpus.table.columns:
        known = [*map(str, corpus.table.columns)]
        raise DataError(
            f"outputs.{name}: the corpus has no column '{column}'{nearest(column, known)} "
            f"(it has {', '.join(known)})"
        )
    values = corpus.table[column]
    if output.kind == "numbers":
        return of_numbers(name, _numbers(name, values, corpus))
    if output.edges:
        classes = output.classes or []
        values = _cut(_numbers(name, values, corpus), output.edges, classes)
        return of_classes(name, values, classes)
    classes = output.classes or _own_classes(column, values, corpus)
    words = values.astype("str")
    _check_labels(words, classes, corpus)
    target = of_classes(name, words, classes)
    return _with_votes(target, corpus.table, output.soft) if column == "label" else target


def _numbers(name: str, values: pd.Series, corpus: Corpus) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    odd = values[~np.isfinite(numbers) & values.notna()]
    if len(odd):
        ids = corpus.table["id"][odd.index]
        rows = [f"{one}: {value!r}" for one, value in zip(ids, odd, strict=True)]
        raise DataError(listed(rows, f"values of '{values.name}' are no numbers (outputs.{name})"))
    if numbers.isna().all():
        raise DataError(f"outputs.{name}: the column '{values.name}' of the corpus is empty")
    return numbers


def _cut(numbers: pd.Series, edges: Sequence[float], classes: Sequence[str]) -> pd.Series:
    """A number on an edge belongs to the class above it."""
    places = np.searchsorted(np.array(edges), numbers.to_numpy(dtype=float), side="right")
    words = pd.Series(np.array(classes, dtype=object)[places], index=numbers.index, dtype="str")
    return words.mask(numbers.isna())


def _own_classes(column: str, values: pd.Series, corpus: Corpus) -> list[str]:
    """The corpus's own list of labels; those of another column in sorted order."""
    if column == "label":
        found = list(corpus.labels)
    elif is_numeric_dtype(values):
        raise DataError(
            f"the column '{column}' holds numbers: take kind: numbers, or cut it with edges"
        )
    else:
        found = sorted(values.dropna().astype("str").unique())
    if len(found) < 2:
        raise DataError(f"a corpus needs two classes or more to learn from; '{column}' has {found}")
    return found


def _check_labels(values: pd.Series, classes: Sequence[str], corpus: Corpus) -> None:
    """A label outside the list is an error, not a dropped row."""
    odd = values[values.notna() & ~values.isin(list(classes))]
    if len(odd):
        ids = corpus.table["id"][odd.index]
        rows = [f"{one}: '{label}'" for one, label in zip(ids, odd, strict=True)]
        raise DataError(listed(rows, f"labels are not among {', '.join(classes)}"))


def _with_votes(target: Target, table: pd.DataFrame, soft: bool) -> Target:
    """Rows without a label learn from the shares of their votes; with `soft` all that have some."""
    taught = np.full(len(table), True) if soft else target.codes < 0
    _check_votes(target, table, taught)
    votes = np.zeros_like(target.learned)
    for code, name in enumerate(target.classes):
        if f"votes:{name}" in table:
            votes[:, code] = table[f"votes:{name}"].fillna(0)
    total = votes.sum(1, keepdims=True)
    shares = np.divide(votes, total, out=target.learned.copy(), where=total > 0)
    if soft and not total.any():
        columns = ", ".join(f"votes:{name}" for name in target.classes)
        raise DataError(f"outputs.{target.name}.soft: the corpus has no votes ({columns})")
    bare = (target.codes < 0)[:, None]
    learned = np.where(bare, shares, target.learned)
    return replace(target, learned=learned, taught=shares if soft else None)


def _check_votes(target: Target, table: pd.DataFrame, taught: np.ndarray) -> None:
    """A vote that would be lost in training is an error, not a smaller sum."""
    ours = {f"votes:{name}" for name in target.classes}
    for column in [one for one in map(str, table) if one.startswith("votes:") and one not in ours]:
        lost = table["id"][taught & (table[column].fillna(0) > 0)]
        if len(lost):
            learn = "rows have no label, and" if target.codes[lost.index].max() < 0 else "rows have"
            what = (
                f"{learn} votes in '{column}', which is no class of the task "
                "(name it in classes, or leave the column out)"
            )
            raise DataError(listed([*lost], what))
