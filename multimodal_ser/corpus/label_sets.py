"""Several labels at once: how a set of them stands in a cell, and when a label belongs to one.

A cell is `joy|surprise`; `-` is the empty set: somebody looked and found none of the labels. A
blank cell is not known. Truth is `[N, C]` of 1, 0 and NaN (not known).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd  # a config is checked before it is imported

MARK = "|"
NONE = "-"
THRESHOLD = "threshold:"
EVEN = 0.5  # where no dev part chooses another


def written(sets: np.ndarray, classes: Sequence[str]) -> list[str]:
    """The cell of each row of bool `[N, C]`, its labels in the order of the classes."""
    names = np.array(classes, dtype=object)
    return [cell(names[row]) for row in sets]


def cell(labels: Iterable[str]) -> str:
    """A set of labels as it is written."""
    return MARK.join(labels) or NONE


def parsed(cell: str, mark: str = MARK) -> list[str]:
    """The labels of a cell, blanks around them left out."""
    return [] if cell.strip() == NONE else [name.strip() for name in cell.split(mark)]


def can_stand(name: str) -> bool:
    """Whether a label of this name can be written into a cell without being misread."""
    return bool(name) and name != NONE and MARK not in name and name == name.strip()


def matrix(cells: pd.Series, classes: Sequence[str], mark: str = MARK) -> np.ndarray:
    """`[N, C]` truth of cells whose labels are all among the classes; see `strangers`."""
    place = {name: at for at, name in enumerate(classes)}
    truth = np.full((len(cells), len(classes)), np.nan)
    known = cells.notna().to_numpy()
    for row, cell in zip(np.flatnonzero(known), cells[known], strict=True):
        truth[row] = 0
        truth[row, [place[name] for name in parsed(str(cell), mark)]] = 1
    return truth


def strangers(cells: pd.Series, classes: Sequence[str], mark: str = MARK) -> pd.Series:
    """The cells that hold something other than the given labels."""
    allowed = set(classes)
    known = cells[cells.notna()]
    odd = [not allowed.issuperset(parsed(str(cell), mark)) for cell in known]
    return known[np.array(odd, dtype=bool)]


def rarest(cells: pd.Series, mark: str = MARK) -> pd.Series:
    """The rarest label of each set, counted over all rows; splits are stratified by it."""
    names = cells.map(lambda cell: parsed(str(cell), mark) or [NONE], na_action="ignore")
    counts = names.dropna().explode().value_counts()
    return names.map(
        lambda labels: min(labels, key=lambda name: (counts[name], name)), na_action="ignore"
    )
