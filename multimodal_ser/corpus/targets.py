"""What is to be predicted: the truth of every row, as classes, labels or numbers.

A spec says where the truth stands in the table of a corpus. A `Target` holds it for all rows, in
the form that a model learns and in the form that a table of predictions shows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from multimodal_ser.corpus import label_sets
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.types import DataError, listed, nearest

_SETS = "label:sets"
_FLAGS = {"0": 0, "0.0": 0, "false": 0, "1": 1, "1.0": 1, "true": 1}


class TargetSpec(Protocol):
    """Where the truth of one target stands in the table of a corpus; see `outputs.Output`."""

    @property
    def kind(self) -> str: ...
    @property
    def column(self) -> str | None: ...
    @property
    def columns(self) -> list[str] | None: ...
    @property
    def votes(self) -> float | None: ...
    @property
    def separator(self) -> str | None: ...
    @property
    def classes(self) -> list[str] | None: ...
    @property
    def edges(self) -> list[float] | None: ...
    @property
    def soft(self) -> bool: ...


def targets_of(specs: Mapping[str, TargetSpec], corpus: Corpus) -> dict[str, Target]:
    """The target of every spec, in their order."""
    return {name: _target(name, spec, corpus) for name, spec in specs.items()}


def of_classes(name: str, labels: pd.Series, classes: Sequence[str]) -> Target:
    """A target whose labels are all among the classes, or missing."""
    codes = pd.Categorical(labels, list(classes)).codes.astype(np.int64)
    learned = np.zeros((len(labels), len(classes)), dtype=np.float32)
    learned[np.flatnonzero(codes >= 0), codes[codes >= 0]] = 1
    return Target(name, tuple(classes), codes, learned, labels)


def of_labels(name: str, truth: np.ndarray, classes: Sequence[str]) -> Target:
    """A target of several labels at once. Its truth is `[N, C]` of 1, 0 and NaN (unknown).

    A row with some unknown labels is used for training, but it is not scored.
    """
    whole = np.asarray(~np.isnan(truth).any(axis=1))
    sets, set_of_row = np.unique(truth[whole] == 1, axis=0, return_inverse=True)
    codes = np.full(len(truth), -1)
    codes[whole] = set_of_row.ravel()
    cells = pd.Series(label_sets.written(truth == 1, classes), dtype="str")
    written = cells.mask(pd.Series(~whole))
    learned = truth.astype(np.float32)
    return Target(name, tuple(classes), codes, learned, written, sets=sets)


def of_numbers(name: str, numbers: pd.Series) -> Target:
    """A target of numbers, NaN where unknown."""
    values = numbers.to_numpy(dtype=np.float64)
    written = numbers.map("{:.8g}".format, na_action="ignore").astype("str")
    codes = np.full(len(values), -1)
    return Target(name, (), codes, values[:, None].astype(np.float32), written)


def _target(name: str, spec: TargetSpec, corpus: Corpus) -> Target:
    if spec.kind == "labels":
        return _labels(name, spec, corpus)
    column = spec.column or name
    values = _column(name, column, corpus)
    if spec.kind == "numbers":
        return of_numbers(name, _numbers(name, values, corpus))
    if spec.edges:
        classes = spec.classes or []
        values = _cut(_numbers(name, values, corpus), spec.edges, classes)
        return of_classes(name, values, classes)
    classes = spec.classes or _own_classes(column, values, corpus)
    words = values.astype("str")
    _check_labels(words, classes, corpus)
    target = of_classes(name, words, classes)
    return _with_votes(target, corpus.table, spec.soft) if column == "label" else target


def _column(name: str, column: str, corpus: Corpus) -> pd.Series:
    if column not in corpus.table.columns:
        columns = [*map(str, corpus.table.columns)]
        raise DataError(
            f"outputs.{name}: the corpus has no column '{column}'{nearest(column, columns)} "
            f"(it has {', '.join(columns)})"
        )
    return corpus.table[column]


def stratified(specs: Mapping[str, TargetSpec], corpus: Corpus) -> Corpus:
    """The corpus with the rarest label of each set in `label`, so that splits are stratified by it.

    The sets move to a column of their own, where their target reads them.
    """
    wanted = [
        spec
        for name, spec in specs.items()
        if spec.kind == "labels" and not spec.columns and not spec.votes
        if (spec.column or name) == "label"
    ]
    if not wanted:
        return corpus
    cells = corpus.table["label"]
    single = label_sets.rarest(cells, wanted[0].separator or label_sets.MARK).astype("str")
    table = corpus.table.assign(**{_SETS: cells, "label": single.mask(cells.isna())})
    return replace(corpus, table=table, labels=tuple(sorted(table["label"].dropna().unique())))


def _labels(name: str, spec: TargetSpec, corpus: Corpus) -> Target:
    """Labels of a column of sets, of columns of 0 and 1, or of the raters' votes."""
    if spec.columns:
        columns = [_flags(name, _column(name, column, corpus), corpus) for column in spec.columns]
        truth, classes = np.stack(columns, axis=1), spec.columns
    elif spec.votes:
        truth, classes = _voted(name, spec, corpus.table)
    else:
        truth, classes = _sets(name, spec, corpus)
    if np.isnan(truth).all():
        raise DataError(f"outputs.{name}: no row of the corpus has a label")
    return of_labels(name, truth, classes)


def _sets(name: str, spec: TargetSpec, corpus: Corpus) -> tuple[np.ndarray, Sequence[str]]:
    column, mark = spec.column or name, spec.separator or label_sets.MARK
    moved = column == "label" and _SETS in corpus.table
    cells = _column(name, _SETS if moved else column, corpus).astype("str").str.strip()
    cells = cells.mask(cells == "")
    labels = {label for cell in cells.dropna() for label in label_sets.parsed(cell, mark)}
    classes = spec.classes or sorted(labels)
    allowed = [label for label in classes if label_sets.can_stand(label)]
    odd = label_sets.strangers(cells, allowed, mark)
    if len(odd):
        ids = corpus.table["id"][odd.index]
        rows = [f"{name}: '{cell}'" for name, cell in zip(ids, odd, strict=True)]
        what = f"cells of '{column}' are no labels among {', '.join(allowed)} (outputs.{name})"
        raise DataError(listed(rows, what))
    if len(classes) < 2:
        raise DataError(f"outputs.{name}: two labels or more are needed; '{column}' has {classes}")
    return label_sets.matrix(cells, classes, mark), classes


def _flags(name: str, values: pd.Series, corpus: Corpus) -> np.ndarray:
    """`[N]` of 1, 0 and NaN."""
    flags = values.astype("str").str.strip().str.lower().map(_FLAGS).astype("float64")
    odd = values[values.notna() & flags.isna()]
    if len(odd):
        ids = corpus.table["id"][odd.index]
        rows = [f"{name}: {value!r}" for name, value in zip(ids, odd, strict=True)]
        raise DataError(listed(rows, f"values of '{values.name}' are not 0 or 1 (outputs.{name})"))
    return flags.to_numpy()


def _voted(name: str, spec: TargetSpec, table: pd.DataFrame) -> tuple[np.ndarray, Sequence[str]]:
    """Labels by votes: a label is true if it has its share of all votes of the row.

    Votes for something that is no class count among all votes.
    """
    columns = [column for column in map(str, table) if column.startswith("votes:")]
    classes = spec.classes or [column.removeprefix("votes:") for column in columns]
    absent = [label for label in classes if f"votes:{label}" not in columns]
    if absent or len(classes) < 2:
        wanted = ", ".join(f"votes:{label}" for label in absent) or "votes:<label>"
        raise DataError(f"outputs.{name}.votes: the corpus has no columns {wanted}")
    total = table[columns].fillna(0).sum(axis=1).to_numpy(dtype=float)[:, None]
    votes = table[[f"votes:{label}" for label in classes]].fillna(0).to_numpy(dtype=float)
    shares = np.divide(votes, total, out=np.full_like(votes, np.nan), where=total > 0)
    return np.where(np.isnan(shares), np.nan, shares >= (spec.votes or 0)), classes


def _numbers(name: str, values: pd.Series, corpus: Corpus) -> pd.Series:
    numbers = pd.to_numeric(values, errors="coerce")
    odd = values[~np.isfinite(numbers) & values.notna()]
    if len(odd):
        ids = corpus.table["id"][odd.index]
        rows = [f"{name}: {value!r}" for name, value in zip(ids, odd, strict=True)]
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
    """The labels that the corpus lists; for another column its values in sorted order."""
    if column == "label":
        classes = list(corpus.labels)
    elif is_numeric_dtype(values):
        raise DataError(
            f"the column '{column}' holds numbers: take kind: numbers, or cut it with edges"
        )
    else:
        classes = sorted(values.dropna().astype("str").unique())
    if len(classes) < 2:
        raise DataError(
            f"a corpus needs two classes or more to learn from; '{column}' has {classes}"
        )
    return classes


def _check_labels(values: pd.Series, classes: Sequence[str], corpus: Corpus) -> None:
    """A label that is not in the list is an error; its row is not dropped."""
    odd = values[values.notna() & ~values.isin(list(classes))]
    if len(odd):
        ids = corpus.table["id"][odd.index]
        rows = [f"{name}: '{label}'" for name, label in zip(ids, odd, strict=True)]
        raise DataError(listed(rows, f"labels are not among {', '.join(classes)}"))


def _with_votes(target: Target, table: pd.DataFrame, soft: bool) -> Target:
    """Rows without a label learn from the shares of their votes.

    With `soft` every row that has votes learns from them.
    """
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
    """A vote that training would ignore is an error; it does not make the sum smaller."""
    ours = {f"votes:{name}" for name in target.classes}
    votes = [name for name in map(str, table) if name.startswith("votes:") and name not in ours]
    for column in votes:
        lost = table["id"][taught & (table[column].fillna(0) > 0)]
        if len(lost):
            learn = "rows have no label, and" if target.codes[lost.index].max() < 0 else "rows have"
            what = (
                f"{learn} votes in '{column}', which is no class of the task "
                "(name it in classes, or leave the column out)"
            )
            raise DataError(listed([*lost], what))


@dataclass(frozen=True)
class Target:
    """One output over all rows of a corpus.

    classes: the task's list, empty for numbers. codes: `[N]` ints, −1 where no single class is
    true. learned: what a model is trained on, `[N, C]` distributions over the classes (zeros:
    unknown), `[N, C]` labels of 1 and 0 or `[N, 1]` numbers (both NaN: unknown), float32. written:
    `[N]` the truth as it stands in a table of predictions, missing where it is unknown. taught:
    what stands for `learned` in the rows that train, where that is something else. sets: of kind
    labels, bool `[S, C]`, every set of labels that is true somewhere; `codes` are then of those, −1
    where any label is not known.
    """

    name: str
    classes: tuple[str, ...]
    codes: np.ndarray
    learned: np.ndarray
    written: pd.Series
    taught: np.ndarray | None = None
    sets: np.ndarray | None = None

    @property
    def kind(self) -> str:
        if self.sets is not None:
            return "labels"
        return "classes" if self.classes else "numbers"

    @property
    def known(self) -> np.ndarray:
        """`[N]` bool: the rows that can be learned from."""
        learned = self.learned > 0 if self.kind == "classes" else ~np.isnan(self.learned)
        return np.asarray(learned.any(axis=1))

    def has(self, code: int) -> np.ndarray:
        """`[N]` bool: the rows for which this class or label is true."""
        return self.codes == code if self.sets is None else self.learned[:, code] == 1

    def take(self, rows: np.ndarray) -> Target:
        """The target of some rows only."""
        return replace(
            self,
            codes=self.codes[rows],
            learned=self.learned[rows],
            written=self.written.iloc[rows].reset_index(drop=True),
            taught=None if self.taught is None else self.taught[rows],
        )

    @property
    def numbers(self) -> np.ndarray:
        """`[N]` float64, NaN where unknown: for targets of kind numbers."""
        return self.learned[:, 0].astype(np.float64)
