"""The parts of a report as plain data: HTML, Markdown and LaTeX all draw the same cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

NONE = "–"
_LARGEST = 1e300


@dataclass(frozen=True)
class Cell:
    """One cell of a table.

    text: the upper line. under: the smaller line below it, such as an interval. value: the number
    by which the column is sorted. heat: 0 to 1, the strength of the colour. audio: a data URI.
    """

    text: str
    under: str = ""
    value: float | None = None
    heat: float | None = None
    href: str = ""
    audio: str = ""


Cells = list[Cell]


@dataclass(frozen=True)
class Table:
    """A table. The first cell of a row is its name. The rows of `foot` are never sorted."""

    caption: str
    header: Sequence[str]
    rows: Sequence[Cells]
    foot: Sequence[Cells] = ()
    folded: bool = False

    @property
    def sortable(self) -> bool:
        """False for a table with heat, which is a matrix: its order has a meaning."""
        return all(cell.heat is None for row in self.rows for cell in row)

    @property
    def numeric(self) -> list[bool]:
        """For each column: are all its cells numbers or empty?"""
        columns = zip(*self.rows, *self.foot, strict=True)
        are_numbers = [
            all(cell.value is not None or cell.text == NONE for cell in column)
            for column in columns
        ]
        return are_numbers or [False] * len(self.header)


def number(value: float | None, format_spec: str = ".3f") -> Cell:
    """A cell with a number. An infinite bound (of one cluster) is written as such, sorted last."""
    if value is None:
        return Cell(NONE)
    return Cell(format(value, format_spec), value=min(max(value, -_LARGEST), _LARGEST))


def spread(summary: Mapping[str, Any]) -> str:
    """mean ± sd as text; a single seed has no sd."""
    sd = summary["sd"]
    return f"{summary['mean']:.3f}" if sd is None else f"{summary['mean']:.3f} ± {sd:.3f}"


def interval(summary: Mapping[str, Any]) -> str:
    return f"{summary['low']:.3f} to {summary['high']:.3f}"


def ranged(summary: Mapping[str, Any]) -> Cell:
    """A cell with mean ± sd, and its interval below."""
    return Cell(spread(summary), interval(summary), summary["mean"])


def probability(value: float | None, few: bool = False) -> Cell:
    """A cell with p, written as in the verdict, and the word `few` below if clusters are few."""
    if value is None:
        return Cell(NONE)
    text = "< 0.001" if value < 0.001 else f"{value:.3f}"
    return Cell(text, "few" if few else "", value)


@dataclass(frozen=True)
class Clip:
    """The transcript of an utterance, and its sound as a data URI (empty without sound)."""

    text: str
    audio: str = ""


@dataclass(frozen=True)
class Section:
    """One chapter of a report: lines, then figures, then tables.

    code: title → text, folded away. grid: the figures and tables stand side by side.
    """

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
