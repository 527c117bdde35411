"""The figures of a search as inline SVG: its history, the importances, and the front."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence

import numpy as np

from multimodal_ser.report.figures import axis, grid, scale, short, svg, text
from multimodal_ser.report.search.reading import Study, Trial

LEFT, RIGHT, TOP, BOTTOM, WIDTH = 46.0, 296.0, 10.0, 166.0, 316
MOST = 400  # trials in one figure
_FAR = 3.0  # quartile ranges; values further than this from the quartiles are drawn at the end
_WIDE = 30.0  # if the highest cost over the lowest is more than this, the cost has a log scale

Limits = tuple[float, float]
Scale = Callable[[float], float]


def limits(study: Study) -> Limits:
    """The limits of the axis of values: all values, but for a tail at the worse end."""
    values = [trial.value for trial in study.trials if trial.value is not None]
    low, high = min(values), max(values)
    first, last = np.percentile(values, [25, 75])
    reach = _FAR * float(last - first)
    if not reach:
        return low, high
    return (max(low, first - reach), high) if study.sign > 0 else (low, min(high, last + reach))


def history(title: str, study: Study, limits: Limits) -> str:
    """Value over trial number: dots are complete trials, rings pruned ones at their last report.

    The line is the best value so far.
    """
    trials = study.drawn(MOST)
    last_number = max(trial.number for trial in study.trials)
    x_of = scale(0, max(last_number, 1), LEFT, RIGHT)
    y_of, parts = upright(limits)
    corners = best_so_far(study)
    points = [*corners, (last_number, corners[-1][1])]
    parts.append(polyline([(x_of(x), y_of(y)) for x, y in points], "bold"))
    for trial in trials:
        x = x_of(trial.number)
        if trial.value is not None:
            parts.append(dot(x, y_of(trial.value), trial is study.best))
        elif trial.reports:
            parts.append(ring(x, y_of(trial.reports[-1][1])))
        else:
            parts.append(tick(x))
    parts += [text(LEFT, 184, "0"), text(RIGHT, 184, f"trial {last_number}", "end")]
    return svg(WIDTH, 192, title, parts)


def best_so_far(study: Study) -> list[tuple[int, float]]:
    """The corners of a step line: (trial number, best value until then)."""
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
    """A row for each share, 0 to 1: its name, and a bar below."""
    x_of, row_height = scale(0, 1, 14, 250), 38
    bottom = row_height * len(rows) + 4
    parts = [grid(x_of(mark), 2, bottom, f"{mark:g}") for mark in (0, 0.5, 1)]
    for index, (name, share) in enumerate(rows):
        y = row_height * index + 16
        parts += [
            text(14, y, short(name, 40)),
            f'<rect class="bar" x="14" y="{y + 5}" width="{x_of(share) - 14:.1f}" height="12"/>',
            text(x_of(share) + 6, y + 16, f"{share:.3f}"),
        ]
    return svg(WIDTH, bottom + 24, title, parts)


def front(title: str, study: Study, limits: Limits, cost: str) -> str:
    """Value over cost. Large dots and the step line are the trials that none beats in both."""
    trials = [trial for trial in study.drawn(MOST) if trial.value is not None]
    on_front = {trial.number for trial in study.front}
    costs = [trial.cost or 0.0 for trial in study.ranked]
    x_of, marks = _costs(min(costs), max(costs))
    y_of, parts = upright(limits)
    parts += [grid(x_of(mark), BOTTOM, BOTTOM + 4, _amount(mark)) for mark in marks]
    parts += [
        dot(x_of(trial.cost or 0.0), y_of(trial.value or 0.0))
        for trial in trials
        if trial.number not in on_front
    ]
    front_points = [(x_of(trial.cost or 0.0), y_of(trial.value or 0.0)) for trial in study.front]
    parts.append(polyline(list(_stairs(front_points)), "bold"))
    parts += [dot(x, y, strong=True) for x, y in front_points]
    parts.append(text(RIGHT, 204, cost, "end"))
    return svg(WIDTH, 212, title, parts)


def _costs(low: float, high: float) -> tuple[Scale, list[float]]:
    if low > 0 and high / low > _WIDE:
        x_of = scale(math.log(low), math.log(high), LEFT + 6, RIGHT)
        return (lambda value: x_of(math.log(value))), powers(low, high)
    x_of, marks = axis(low, high, LEFT + 6, RIGHT)
    return x_of, marks[:: max(1, len(marks) // 4)]


def _amount(value: float) -> str:
    """The value as a short text for an axis: 50k, 1.5M."""
    for power, letter in ((9, "G"), (6, "M"), (3, "k")):
        if value >= 10**power:
            return f"{value / 10**power:g}{letter}"
    return f"{value:g}"


def _stairs(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float]]:
    """The points of a step line: up to the cost of the next point, the value stays the same."""
    for index, (x, y) in enumerate(points):
        if index:
            yield x, points[index - 1][1]
        yield x, y


def powers(low: float, high: float) -> list[float]:
    """Powers of ten within the range, six at most; the two ends if there are fewer than two."""
    first, last = math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9)
    stride = max(1, math.ceil((last - first + 1) / 6))
    marks = [float(f"1e{power}") for power in range(first, last + 1, stride)]
    return marks if len(marks) > 1 else [low, high]


def upright(limits: Limits) -> tuple[Scale, list[str]]:
    """The vertical axis of values: its scale, and its grid lines with their numbers."""
    y_of, marks = axis(*limits, BOTTOM, TOP)
    lines = [
        f'<line class="grid" x1="{LEFT:g}" x2="{RIGHT:g}" '
        f'y1="{y_of(mark):.1f}" y2="{y_of(mark):.1f}"/>'
        + text(LEFT - 6, y_of(mark) + 4, f"{mark:.3g}", "end")
        for mark in marks
    ]
    return y_of, lines


def dot(x: float, y: float, strong: bool = False) -> str:
    size = 'r="5"' if strong else 'r="3" opacity="0.55"'
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" {size}/>'


def ring(x: float, y: float) -> str:
    return f'<circle class="ring" cx="{x:.1f}" cy="{y:.1f}" r="3" opacity="0.55"/>'


def tick(x: float) -> str:
    """A stroke at the foot of the figure: a trial without any value."""
    return f'<line class="zero" x1="{x:.1f}" x2="{x:.1f}" y1="{BOTTOM - 4:g}" y2="{BOTTOM + 4:g}"/>'


def polyline(points: Sequence[tuple[float, float]], kind: str) -> str:
    corners = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline class="{kind}" points="{corners}"/>'


def by_number(trials: Sequence[Trial]) -> Iterator[tuple[Trial, float]]:
    """Each complete trial with a shift of −0.5 to 0.5, so that neighbours do not overlap."""
    for trial in trials:
        if trial.value is not None:
            yield trial, trial.number * 0.618034 % 1 - 0.5
