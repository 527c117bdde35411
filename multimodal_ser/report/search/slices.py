"""The figures of the parameters: the value against each of them, and all of them together."""

from __future__ import annotations

from typing import Any

import numpy as np

from multimodal_ser.config.search_space import Choice, Parameter, Range
from multimodal_ser.report.cells import NONE
from multimodal_ser.report.figures import LETTER, axis, grid, scale, short, svg, text, ticks
from multimodal_ser.report.search.figures import (
    BOTTOM,
    LEFT,
    MOST,
    RIGHT,
    WIDTH,
    Limits,
    Scale,
    by_number,
    dot,
    polyline,
    powers,
    tick,
    upright,
)
from multimodal_ser.report.search.reading import Search, Study, Trial
from multimodal_ser.report.search.space import share, shown

_ROW, _GAP = 34, 62
_SPREAD = 10  # so far apart are the lines through one choice
_ASIDE, _START = 14.0, 48.0  # where the trials pass that do not have a parameter; its axis


def against(parameter: Parameter, metric: str, study: Study, span: Limits) -> str:
    """The value of the trials against one parameter."""
    title = f"{metric} against {parameter.name}"
    if isinstance(parameter.domain, Choice):
        return _strips(title, parameter.name, parameter.domain, study, span)
    return _cloud(title, parameter.name, parameter.domain, study, span)


def _cloud(title: str, name: str, domain: Range, study: Study, span: Limits) -> str:
    """Value upwards, a range across, on its scale; strokes at the foot: trials without a value."""
    across = scale(0, 1, LEFT + 6, RIGHT)
    up, parts = upright(span)
    for mark in _marks(domain):
        parts.append(grid(across(share(domain, mark)), BOTTOM, BOTTOM + 4, f"{mark:g}"))
    for trial in study.drawn(MOST):
        if name not in trial.values:
            continue
        x = across(share(domain, trial.values[name]))
        if trial.value is None:
            parts.append(tick(x))
        else:
            parts.append(dot(x, up(trial.value), trial is study.best))
    return svg(WIDTH, 194, title, parts)


def _marks(domain: Range) -> list[float]:
    """Round numbers within a range."""
    if domain.log:
        return powers(domain.low, domain.high)
    marks = [mark for mark in ticks(domain.low, domain.high) if domain.low <= mark <= domain.high]
    return [mark for mark in marks if mark == int(mark)] if domain.whole else marks


def _strips(title: str, name: str, domain: Choice, study: Study, span: Limits) -> str:
    """A strip a choice, the value across; the stroke is the median of its complete trials."""
    bottom = _ROW * len(domain.values) + 6
    across, marks = axis(*span, 20, RIGHT)
    parts = [grid(across(mark), 2, bottom, f"{mark:.3g}") for mark in marks]
    drawn = study.drawn(MOST)
    for place, value in enumerate(domain.values):
        y = _ROW * place + 27
        own = [trial for trial in drawn if _has(trial, name, value)]
        parts += [
            dot(across(trial.value or 0.0), y + 10 * shift, trial is study.best)
            for trial, shift in by_number(own)
        ]
        values_there = [trial.value or 0.0 for trial in study.ranked if _has(trial, name, value)]
        if values_there:
            x = across(float(np.median(values_there)))
            stroke = f'x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9}" y2="{y + 9}"'
            parts.append(f'<line class="whisker" {stroke}/>')
        parts.append(text(6, y - 12, f"{short(shown(value), 36)}: {len(values_there)}"))
    return svg(WIDTH, bottom + 24, title, parts)


def _has(trial: Trial, name: str, value: Any) -> bool:
    return name in trial.values and trial.values[name] == value


def parallel(title: str, search: Search, study: Study, span: Limits) -> str:
    """An axis a parameter, one below the other, and the value last; a line a trial.

    The best tenth is strong. Left of an axis pass the trials that do not have its parameter.
    """
    along, ends = axis(*span, _START, RIGHT)
    rows = [
        (parameter, 26 + _GAP * place) for place, parameter in enumerate(search.space.parameters)
    ]
    bottom = 26 + _GAP * len(rows)
    leading = {trial.number for trial in study.leading}

    def line(trial: Trial, shift: float) -> list[tuple[float, float]]:
        places = [(_place(parameter, trial, shift), y) for parameter, y in rows]
        return [*places, (along(trial.value or 0.0), bottom)]

    drawn = [*by_number(study.drawn(MOST))]
    weak = [polyline(line(*pair), "thin") for pair in drawn if pair[0].number not in leading]
    strong = [polyline(line(*pair), "strong") for pair in drawn if pair[0].number in leading]
    axes = [part for parameter, y in rows for part in _axis(parameter, y)]
    last = _ends(search.metric, bottom, f"{ends[0]:.3g}", f"{ends[-1]:.3g}")
    return svg(WIDTH, bottom + 24, title, [*weak, *strong, *axes, *last])


_across: Scale = scale(0, 1, _START, RIGHT)


def _place(parameter: Parameter, trial: Trial, shift: float) -> float:
    """Where a line passes; those through one choice lie side by side."""
    aside = _SPREAD * shift
    if parameter.name not in trial.values:
        return _ASIDE + aside
    place = _across(share(parameter.domain, trial.values[parameter.name]))
    return place + aside if isinstance(parameter.domain, Choice) else place


def _axis(parameter: Parameter, y: float) -> list[str]:
    """A line under its name; its ends, or its choices, below."""
    aside = [] if parameter.when is None else [text(_ASIDE, y + 16, NONE, "middle")]
    if isinstance(parameter.domain, Range):
        ends = f"{parameter.domain.low:g}", f"{parameter.domain.high:g}"
        return [*aside, *_ends(parameter.name, y, *ends)]
    values = parameter.domain.values
    room = max(2, int((RIGHT - _START) / LETTER / len(values)))
    names = [
        text(_across(place), y + 16, short(shown(value), room), _SIDES.get(place, "middle"))
        for value, place in ((value, share(parameter.domain, value)) for value in values)
    ]
    return [*aside, *_rule(parameter.name, y), *names]


_SIDES = {0.0: "start", 1.0: "end"}


def _ends(name: str, y: float, low: str, high: str) -> list[str]:
    return [*_rule(name, y), text(_START, y + 16, low), text(RIGHT, y + 16, high, "end")]


def _rule(name: str, y: float) -> list[str]:
    line = f'<line class="whisker" x1="{_START:g}" x2="{RIGHT:g}" y1="{y:g}" y2="{y:g}"/>'
    return [line, text(_START, y - 8, short(name, 40))]
