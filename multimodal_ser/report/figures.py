"""Figures as inline SVG: text stays text, and colours follow the theme of the page.

Each figure is one `<svg>` as text, with everything in it escaped. Units are CSS pixels. A figure
is narrow, so that its words stay readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np

Row = tuple[str, float, float, float]
Line = Sequence[tuple[float, float]]

LETTER = 6.9  # mean width of a letter at 12 px
_MOST_POINTS, MOST_LINES = 60, 60
_CELLS = 26  # cells on each side of a density figure


def forest(title: str, rows: Sequence[Row], filled: Sequence[bool]) -> str:
    """A row for each gap (label, gap, low, high): a dot with its interval, and a line at zero."""
    left, right, row_height = 14.0, 390.0, 44
    values = [value for row in rows for value in row[1:] if math.isfinite(value)]
    x_of, marks = axis(min(0.0, *values), max(0.0, *values), left, right)
    bottom = row_height * len(rows) + 8
    parts = [grid(x_of(mark), 4, bottom, f"{mark:+.2g}" if mark else "0") for mark in marks]
    parts.append(f'<line class="zero" x1="{x_of(0):.1f}" x2="{x_of(0):.1f}" y1="4" y2="{bottom}"/>')
    for index, ((label, gap, low, high), is_filled) in enumerate(zip(rows, filled, strict=True)):
        y = row_height * index + 31
        parts += [
            text(left, y - 13, short(label, 54)),
            _whisker(x_of(low), x_of(high), y),
            f'<circle class="{"dot" if is_filled else "ring"}" '
            f'cx="{x_of(gap):.1f}" cy="{y}" r="5"/>',
            text(right + 16, y + 4, f"{gap:+.3f}"),
        ]
    return svg(460, bottom + 26, title, parts)


def bars(title: str, rows: Sequence[Row]) -> str:
    """A row for each share (label, value, low, high), 0 to 1: a bar with its interval."""
    left, row_height = margin(row[0] for row in rows), 26
    x_of, right, bottom = scale(0, 1, left, left + 150), left + 150, row_height * len(rows) + 4
    parts = [grid(x_of(mark), 2, bottom, f"{mark:g}") for mark in (0, 0.5, 1)]
    for index, (label, value, low, high) in enumerate(rows):
        y = row_height * index + row_height / 2 + 2
        width = max(x_of(value) - left, 0)
        parts += [
            text(left - 8, y + 4, short(label), "end"),
            f'<rect class="bar" x="{left:.1f}" y="{y - 7}" width="{width:.1f}" height="14"/>',
            _whisker(x_of(low), x_of(high), y),
            text(right + 12, y + 4, f"{value:.3f}"),
        ]
    return svg(round(right + 54), bottom + 24, title, parts)


def curves(title: str, lines: Sequence[Line], bold: Line, unit: str = "epoch") -> str:
    """Thin lines over epochs, and one bold line above them, such as their mean."""
    points = [point for line in lines for point in line]
    last_x = max((x for x, _ in points), default=1.0)
    x_of = scale(0, last_x or 1.0, 44, 330)
    y_of, marks = axis(min(y for _, y in points), max(y for _, y in points), 166, 10)
    parts = [
        f'<line class="grid" x1="44" x2="330" y1="{y_of(mark):.1f}" y2="{y_of(mark):.1f}"/>'
        + text(38, y_of(mark) + 4, f"{mark:.3g}", "end")
        for mark in marks
    ]
    parts += [_path(line, x_of, y_of, "thin") for line in lines[:MOST_LINES]]
    parts.append(_path(bold, x_of, y_of, "bold"))
    parts += [text(44, 186, "0"), text(330, 186, f"{unit} {last_x:g}", "end")]
    return svg(344, 194, title, parts)


def density(title: str, pairs: Sequence[tuple[float, float]]) -> str:
    """A square grid: how many of the (x, y) pairs are in each cell, and the diagonal."""
    left, right, top, bottom = 44.0, 304.0, 8.0, 268.0
    values = [value for pair in pairs for value in pair]
    x_of, marks = axis(min(values), max(values), left, right)
    y_of = scale(marks[0], marks[-1], bottom, top)
    cell_size = (right - left) / _CELLS
    counts: dict[tuple[int, int], int] = {}
    for x, y in pairs:
        cell = (_cell(x_of(x) - left, cell_size), _cell(bottom - y_of(y), cell_size))
        counts[cell] = counts.get(cell, 0) + 1
    highest = max(counts.values())
    parts = [
        f'<rect class="bar" x="{left + x * cell_size:.1f}" y="{bottom - (y + 1) * cell_size:.1f}" '
        f'width="{cell_size:.1f}" height="{cell_size:.1f}" '
        f'opacity="{0.15 + 0.85 * count / highest:.2f}"/>'
        for (x, y), count in sorted(counts.items())
    ]
    parts.append(
        f'<line class="zero" x1="{left}" x2="{right}" y1="{bottom}" y2="{top}"/>'
        + "".join(text(x_of(mark), bottom + 18, f"{mark:g}", "middle") for mark in marks)
        + "".join(text(left - 6, y_of(mark) + 4, f"{mark:g}", "end") for mark in marks)
    )
    return svg(320, bottom + 26, title, parts)


def _cell(pixels: float, cell_size: float) -> int:
    return min(int(pixels / cell_size), _CELLS - 1)


def captioned(svg: str, caption: str) -> str:
    """The figure with its caption above it, as HTML."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def mean_line(lines: Sequence[Line]) -> Line:
    """The mean of the lines at each epoch that at least half of them have reached."""
    values: dict[float, list[float]] = {}
    for line in lines:
        for x, y in line:
            values.setdefault(x, []).append(y)
    common = sorted(x for x, line_values in values.items() if 2 * len(line_values) >= len(lines))
    return [(x, float(np.mean(values[x]))) for x in common]


def ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers; the first and the last enclose the range."""
    if high <= low:
        low, high = low - 0.5, low + 0.5
    least_step = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(least_step))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least_step * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * count, 12) for count in range(first, last + 1)]


def axis(
    low: float, high: float, start: float, end: float
) -> tuple[Callable[[float], float], list[float]]:
    """The scale from a value to a pixel, and its ticks."""
    marks = ticks(low, high)
    return scale(marks[0], marks[-1], start, end), marks


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A function from a value to its pixel. A value beyond the axis is drawn at its end."""
    return lambda value: start + (min(max(value, low), high) - low) / (high - low) * (end - start)


def svg(width: int, height: float, title: str, parts: Sequence[str]) -> str:
    size = f'width="{width}" height="{height:g}" viewBox="0 0 {width} {height:g}"'
    return f'<svg role="img" {size}><title>{escape(title)}</title>{"".join(parts)}</svg>'


def text(x: float, y: float, text: str, anchor: str = "start") -> str:
    position = f'x="{x:.1f}" y="{y:.1f}"'
    anchoring = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f"<text {position}{anchoring}>{escape(text)}</text>"


def grid(x: float, top: float, bottom: float, label: str) -> str:
    """A vertical grid line with its label below."""
    line = f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
    return line + text(x, bottom + 17, label, "middle")


def _whisker(low: float, high: float, y: float) -> str:
    return f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'


def _path(
    line: Line, x_of: Callable[[float], float], y_of: Callable[[float], float], kind: str
) -> str:
    """A polyline of about sixty points at most. The last point of the line is always kept."""
    stride = max(1, math.ceil(len(line) / _MOST_POINTS))
    kept = [*line[:-1:stride], line[-1]]
    points = " ".join(f"{x_of(x):.0f},{y_of(y):.1f}" for x, y in kept)
    return f'<polyline class="{kind}" points="{points}"/>'


def short(label: str, letters: int = 30) -> str:
    return label if len(label) <= letters else label[: letters - 1] + "…"


def margin(labels: Iterable[str]) -> float:
    """The left margin that leaves room for the longest label."""
    return 24 + LETTER * max(len(short(label)) for label in labels)
