"""Inline SVG, drawn by hand: text stays text, and colours follow the theme of the page.

Every function gives one `<svg>` as text, with everything in it escaped. Units are CSS pixels; a
figure is narrow, so that its words stay readable on a phone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

import numpy as np

Row = tuple[str, float, float, float]
Line = Sequence[tuple[float, float]]

LETTER = 6.9  # mean width at 12 px
_MOST_POINTS, MOST_LINES = 60, 60
_CELLS = 26  # a side of a density


def forest(title: str, rows: Sequence[Row], strong: Sequence[bool]) -> str:
    """A gap (label, gap, low, high) a row, with its interval around a line at zero."""
    left, right, step = 14.0, 390.0, 44
    ends = [value for row in rows for value in row[1:] if math.isfinite(value)]
    at, marks = axis(min(0.0, *ends), max(0.0, *ends), left, right)
    bottom = step * len(rows) + 8
    parts = [grid(at(mark), 4, bottom, f"{mark:+.2g}" if mark else "0") for mark in marks]
    parts.append(f'<line class="zero" x1="{at(0):.1f}" x2="{at(0):.1f}" y1="4" y2="{bottom}"/>')
    for place, ((label, gap, low, high), filled) in enumerate(zip(rows, strong, strict=True)):
        y = step * place + 31
        parts += [
            text(left, y - 13, short(label, 54)),
            _whisker(at(low), at(high), y),
            f'<circle class="{"dot" if filled else "ring"}" cx="{at(gap):.1f}" cy="{y}" r="5"/>',
            text(right + 16, y + 4, f"{gap:+.3f}"),
        ]
    return svg(460, bottom + 26, title, parts)


def bars(title: str, rows: Sequence[Row]) -> str:
    """A share from 0 to 1 (label, value, low, high) a row, as a bar with its interval."""
    left, step = margin(row[0] for row in rows), 26
    at, right, bottom = scale(0, 1, left, left + 150), left + 150, step * len(rows) + 4
    parts = [grid(at(mark), 2, bottom, f"{mark:g}") for mark in (0, 0.5, 1)]
    for place, (label, value, low, high) in enumerate(rows):
        y = step * place + step / 2 + 2
        width = max(at(value) - left, 0)
        parts += [
            text(left - 8, y + 4, short(label), "end"),
            f'<rect class="bar" x="{left:.1f}" y="{y - 7}" width="{width:.1f}" height="14"/>',
            _whisker(at(low), at(high), y),
            text(right + 12, y + 4, f"{value:.3f}"),
        ]
    return svg(round(right + 54), bottom + 24, title, parts)


def curves(title: str, lines: Sequence[Line], above: Line, unit: str = "epoch") -> str:
    """Thin lines over epochs, and one above them, such as their mean, as a bold one."""
    points = [point for line in lines for point in line]
    last = max((x for x, _ in points), default=1.0)
    across = scale(0, last or 1.0, 44, 330)
    up, marks = axis(min(y for _, y in points), max(y for _, y in points), 166, 10)
    parts = [
        f'<line class="grid" x1="44" x2="330" y1="{up(mark):.1f}" y2="{up(mark):.1f}"/>'
        + text(38, up(mark) + 4, f"{mark:.3g}", "end")
        for mark in marks
    ]
    parts += [_path(line, across, up, "thin") for line in lines[:MOST_LINES]]
    parts.append(_path(above, across, up, "bold"))
    parts += [text(44, 186, "0"), text(330, 186, f"{unit} {last:g}", "end")]
    return svg(344, 194, title, parts)


def density(title: str, pairs: Sequence[tuple[float, float]]) -> str:
    """How many (across, up) pairs fall into each cell of a square grid, with its diagonal."""
    left, right, top, bottom = 44.0, 304.0, 8.0, 268.0
    ends = [value for pair in pairs for value in pair]
    across, marks = axis(min(ends), max(ends), left, right)
    up = scale(marks[0], marks[-1], bottom, top)
    size = (right - left) / _CELLS
    counts: dict[tuple[int, int], int] = {}
    for x, y in pairs:
        place = (_cell(across(x) - left, size), _cell(bottom - up(y), size))
        counts[place] = counts.get(place, 0) + 1
    most = max(counts.values())
    parts = [
        f'<rect class="bar" x="{left + x * size:.1f}" y="{bottom - (y + 1) * size:.1f}" '
        f'width="{size:.1f}" height="{size:.1f}" opacity="{0.15 + 0.85 * count / most:.2f}"/>'
        for (x, y), count in sorted(counts.items())
    ]
    parts.append(
        f'<line class="zero" x1="{left}" x2="{right}" y1="{bottom}" y2="{top}"/>'
        + "".join(text(across(mark), bottom + 18, f"{mark:g}", "middle") for mark in marks)
        + "".join(text(left - 6, up(mark) + 4, f"{mark:g}", "end") for mark in marks)
    )
    return svg(320, bottom + 26, title, parts)


def _cell(pixels: float, size: float) -> int:
    return min(int(pixels / size), _CELLS - 1)


def captioned(svg: str, caption: str) -> str:
    """A figure under its words, as HTML."""
    return f"<figure><figcaption>{escape(caption)}</figcaption>{svg}</figure>"


def mean_line(lines: Sequence[Line]) -> Line:
    """The mean at every epoch that at least half of the lines have reached."""
    values: dict[float, list[float]] = {}
    for line in lines:
        for x, y in line:
            values.setdefault(x, []).append(y)
    kept = sorted(x for x, value in values.items() if 2 * len(value) >= len(lines))
    return [(x, float(np.mean(values[x]))) for x in kept]


def ticks(low: float, high: float) -> list[float]:
    """Round numbers, three to seven of them, that embrace the range."""
    if high <= low:
        low, high = low - 0.5, low + 0.5
    rough = (high - low) / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * one for one in (1, 2, 5, 10) if power * one >= rough * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [round(step * count, 12) for count in range(first, last + 1)]


def axis(
    low: float, high: float, start: float, end: float
) -> tuple[Callable[[float], float], list[float]]:
    """The scale between two pixels, and its ticks."""
    marks = ticks(low, high)
    return scale(marks[0], marks[-1], start, end), marks


def scale(low: float, high: float, start: float, end: float) -> Callable[[float], float]:
    """A value beyond the axis (an infinite bound) is drawn at its end."""
    return lambda value: start + (min(max(value, low), high) - low) / (high - low) * (end - start)


def svg(width: int, height: float, title: str, parts: Sequence[str]) -> str:
    size = f'width="{width}" height="{height:g}" viewBox="0 0 {width} {height:g}"'
    return f'<svg role="img" {size}><title>{escape(title)}</title>{"".join(parts)}</svg>'


def text(x: float, y: float, text: str, anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}"'
    turned = "" if anchor == "start" else f' text-anchor="{anchor}"'
    return f"<text {place}{turned}>{escape(text)}</text>"


def grid(x: float, top: float, bottom: float, label: str) -> str:
    """A vertical line with its number below."""
    line = f'<line class="grid" x1="{x:.1f}" x2="{x:.1f}" y1="{top}" y2="{bottom}"/>'
    return line + text(x, bottom + 17, label, "middle")


def _whisker(low: float, high: float, y: float) -> str:
    return f'<line class="whisker" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>'


def _path(
    line: Line, across: Callable[[float], float], up: Callable[[float], float], kind: str
) -> str:
    """A polyline of some sixty points at most, the last one among them."""
    every = max(1, math.ceil(len(line) / _MOST_POINTS))
    kept = [*line[:-1:every], line[-1]]
    points = " ".join(f"{across(x):.0f},{up(y):.1f}" for x, y in kept)
    return f'<polyline class="{kind}" points="{points}"/>'


def short(label: str, letters: int = 30) -> str:
    return label if len(label) <= letters else label[: letters - 1] + "…"


def margin(labels: Iterable[str]) -> float:
    """Room for the longest label."""
    return 24 + LETTER * max(len(short(label)) for label in labels)
