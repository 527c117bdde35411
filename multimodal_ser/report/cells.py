"""What a page is made of, as plain data: the page, Markdown and LaTeX draw the same cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "–"
_LARGEST = 1e300


@dataclass(frozen=True)
class Cell:
    """text over `under` (an interval); `value` sorts; heat 0 to 1 colours; audio is a data URI."""

    text: str
    under: str = ""
    value: float | None = None
    heat: float | None = None
    href: str = ""
    audio: str = ""


Cells = list[Cell]


@dataclass(frozen=True)
class Table:
    """The first cell of a row names it; the rows of `foot` stay below whatever is sorted."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Cells]
    foot: Sequence[Cells] = ()
    folded: bool = False

    @property
    def sortable(self) -> bool:
        """A matrix is read in its own order."""
        return all(cell.heat is None for row in self.rows for cell in row)

    @property
    def numeric(self) -> list[bool]:
        """The columns that hold numbers or nothing."""
        columns = zip(*self.rows, *self.foot, strict=True)
        found = [
            all(one.value is not None or one.text == NONE for one in column) for column in columns
        ]
        return found or [False] * len(self.header)


def number(value: float | None, how: str = ".3f") -> Cell:
    """An infinite bound (one cluster) sorts at the end and is written as such."""
    if value is None:
        return Cell(NONE)
    return Cell(format(value, how), value=min(max(value, -_LARGEST), _LARGEST))


def spread(value: Mapping[str, Any]) -> str:
    """mean ± sd; a single seed has no sd."""
    sd = value["sd"]
    return f"{value['mean']:.3f}" if sd is None else f"{value['mean']:.3f} ± {sd:.3f}"


def interval(value: Mapping[str, Any]) -> str:
    return f"{value['low']:.3f} to {value['high']:.3f}"


def ranged(value: Mapping[str, Any]) -> Cell:
    """mean ± sd over its interval."""
    return Cell(spread(value), interval(value), value["mean"])


def probability(value: float | None, few: bool = False) -> Cell:
    """As in the verdict; the word `few` where the test means little."""
    if value is None:
        return Cell(NONE)
    text = "< 0.001" if value < 0.001 else f"{value:.3f}"
    return Cell(text, "few" if few else "", value)


@dataclass(frozen=True)
class Clip:
    """What was said, and its sound as a data URI (empty where there is none)."""

    text: str
    audio: str = ""


@dataclass(frozen=True)
class Section:
    """lines, then figures, then tables; `code` (what → text) is folded away; grid: side by side."""

    key: str
    title: str
    lines: Sequence[str] = ()
    figures: Sequence[str] = ()
    tables: Sequence[Table] = ()
    code: Mapping[str, str] | None = None
    grid: bool = False

    @property
    def filled(self) -> bool:
        return bool(self.lines or self.figures or self.tables or self.code)
