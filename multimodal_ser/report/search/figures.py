"""The figures of a search, drawn by hand as those of a report: its course, and what it found."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from multimodal_ser.report.figures import axis, grid, scale, short, svg, text
from multimodal_ser.report.search.reading import Study, Trial

LEFT, RIGHT, TOP, BOTTOM, WIDTH = 46.0, 296.0, 10.0, 166.0, 316
MOST = 400  # trials in one figure
_FAR = 3.0  # quartile ranges from the quartiles; what lies further out is drawn at the end
_WIDE = 30.0  # most over least, from where a cost has a scale of powers

Limits = tuple[float, float]
Scale = Callable[[float], float]


def limits(study: Study) -> Limits:
    """What the axis of values spans: all of them, but for a tail at the worse end."""
    values = [trial.value for trial in study.trials if trial.value is not None]
    low, high = min(values), max(values)
    first, last = np.percentile(values, [25, 75])
    reach = _FAR * float(last - first)
    if not reach:
        return low, high
    return (max(low, first - reach), high) if study.sign > 0 else (low, min(high, last + reach))


def history(title: str, study: Study, span: Limits) -> str:
    """A dot a complete trial, a ring a pruned one at its last report, a line the best so far."""
    shown = study.drawn(MOST)
    last = max(trial.number for trial in study.trials)
    across = scale(0, max(last, 1), LEFT, RIGHT)
    up, parts = upright(span)
    best = best_so_far(study)
    ends = [*best, (last, best[-1][1])]
    parts.append(polyline([(across(x), up(y)) for x, y in ends], "bold"))
    for one in shown:
        x = across(one.number)
        if one.value is not None:
            parts.append(dot(x, up(one.value), one is study.best))
        elif one.reports:
            parts.append(ring(x, up(one.reports[-1][1])))
        else:
            parts.append(tick(x))
    parts += [text(LEFT, 184, "0"), text(RIGHT, 184, f"trial {last}", "end")]
    return svg(WIDTH, 192, title, parts)


def best_so_far(study: Study) -> list[tuple[int, float]]:
    """The corners of the stairs: (number, best value until then)."""
    corners: list[tuple[int, float]] = []
    for trial in study.trials:
        if trial.value is None:
            continue
        if not corners:
            corners.append((trial.number, trial.value))
        elif study.sign * (trial.value - corners[-1][1]) > 0:
            corners += [(trial.number, corners[-1][1]), (trial.number, trial.value)]
    return corners


def shares(title: str, rows: Sequence[tuple[str, float]]) -> str:
    """A share from 0 to 1 a row, as a bar below its name."""
    at, step = scale(0, 1, 14, 250), 38
    bottom = step * len(rows) + 4
    parts = [grid(at(mark), 2, bottom, f"{mark:g}") for mark in (0, 0.5, 1)]
    for place, (name, share) in enumerate(rows):
        y = step * place + 16
        parts += [
            text(14, y, short(name, 40)),
            f'<rect class="bar" x="14" y="{y + 5}" width="{at(share) - 14:.1f}" height="12"/>',
            text(at(share) + 6, y + 16, f"{share:.3f}"),
        ]
    return svg(WIDTH, bottom + 24, title, parts)


def front(title: str, study: Study, span: Limits, cost: str) -> str:
    """Value upwards, cost across; the trials that none beats in both, and the stairs they make."""
    shown = [trial for trial in study.drawn(MOST) if trial.value is not None]
    on_front = {trial.number for trial in study.front}
    costs = [trial.cost or 0.0 for trial in study.ranked]
    across, marks = _costs(min(costs), max(costs))
    up, parts = upright(span)
    parts += [grid(across(mark), BOTTOM, BOTTOM + 4, _amount(mark)) for mark in marks]
    parts += [
        dot(across(trial.cost or 0.0), up(trial.value or 0.0))
        for trial in shown
        if trial.number not in on_front
    ]
    edge = [(across(trial.cost or 0.0), up(trial.value or 0.0)) for trial in study.front]
    parts.append(polyline(list(_stairs(edge)), "bold"))
    parts += [dot(x, y, strong=True) for x, y in edge]
    parts.append(text(RIGHT, 204, cost, "end"))
    return svg(WIDTH, 212, title, parts)


def _costs(low: float, high: float) -> tuple[Scale, list[float]]:
    if low > 0 and high / low > _WIDE:
        line = scale(math.log(low), math.log(high), LEFT + 6, RIGHT)
        return (lambda value: line(math.log(value))), powers(low, high)
    line, marks = axis(low, high, LEFT + 6, RIGHT)
    return line, marks[:: max(1, len(marks) // 4)]


def _amount(value: float) -> str:
    """Short enough for an axis: 50k, 1.5M."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if value >= 10**power:
            return f"{value / 10**power:g}{letter}"
    return f"{value:g}"


def _stairs(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """Whoever pays less than the next one has the value of this one."""
    for place, (x, y) in enumerate(points):
        if place:
            yield x, points[place - 1][1]
        yield x, y


def powers(low: float, high: float) -> list[float]:
    """Powers of ten within the range, six at most; its ends where there are not two."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    every = max(1, math.ceil((last - first + 1) / 6))
    marks = [float(f"1e{power}") for power in range(first, last + 1, every)]
    return marks if len(marks) > 1 else [low, high]


def upright(span: Limits) -> tuple[Scale, list[str]]:
    """The axis of values: its scale, and a line with its number at each mark."""
    up, marks = axis(*span, BOTTOM, TOP)
    lines = [
        f'<line class="grid" x1="{LEFT:g}" x2="{RIGHT:g}" y1="{up(mark):.1f}" y2="{up(mark):.1f}"/>'
        + text(LEFT - 6, up(mark) + 4, f"{mark:.3g}", "end")
        for mark in marks
    ]
    return up, lines


def dot(x: float, y: float, strong: bool = False) -> str:
    size = 'r="5"' if strong else 'r="3" opacity="0.55"'
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" {size}/>'


def ring(x: float, y: float) -> str:
    return f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="3" opacity="0.55"/>'


def tick(x: float) -> str:
    """On the ground: a trial without any value."""
    return f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="{BOTTOM - 4:g}" y2="{BOTTOM + 4:g}"/>'


def polyline(points: Sequence[tuple[float, float]], kind: str) -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{corners}"/>'


def by_number(trials: Sequence[Trial]) -> Iterator[tuple[Trial, float]]:
    """The complete trials with a shift of −0.5 to 0.5 that keeps neighbours apart."""
    for trial in trials:
        if trial.value is not None:
            yield trial, trial.number * 0.618034 % 1 - 0.5
