"""The figures of the parameters: the value over each parameter, and all parameters together."""

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
_SPREAD = 10  # width over which the lines through one choice are spread
_ASIDE, _START = 14.0, 48.0  # x for trials without a parameter; x where its axis starts


def against(parameter: Parameter, metric: str, study: Study, limits: Limits) -> str:
    """The value of the trials over one parameter."""
    title = f"{metric} against {parameter.name}"
    if isinstance(parameter.domain, Choice):
        return _strips(title, parameter.name, parameter.domain, study, limits)
    return _cloud(title, parameter.name, parameter.domain, study, limits)


def _cloud(title: str, name: str, domain: Range, study: Study, limits: Limits) -> str:
    """Value over a range, on its scale. Strokes at the foot are trials without a value."""
    x_of = scale(0, 1, LEFT + 6, RIGHT)
    y_of, parts = upright(limits)
    for mark in _marks(domain):
        parts.append(grid(x_of(share(domain, mark)), BOTTOM, BOTTOM + 4, f"{mark:g}"))
    for trial in study.drawn(MOST):
        if name not in trial.values:
            continue
        x = x_of(share(domain, trial.values[name]))
        if trial.value is None:
            parts.append(tick(x))
        else:
            parts.append(dot(x, y_of(trial.value), trial is study.best))
    return svg(WIDTH, 194, title, parts)


def _marks(domain: Range) -> list[float]:
    """Round numbers within a range."""
    if domain.log:
        return powers(domain.low, domain.high)
    marks = [mark for mark in ticks(domain.low, domain.high) if domain.low <= mark <= domain.high]
    return [mark for mark in marks if mark == int(mark)] if domain.whole else marks


def _strips(title: str, name: str, domain: Choice, study: Study, limits: Limits) -> str:
    """A strip for each choice, with the value along it.

    The stroke is the median of the complete trials of the choice.
    """
    bottom = _ROW * len(domain.values) + 6
    x_of, marks = axis(*limits, 20, RIGHT)
    parts = [grid(x_of(mark), 2, bottom, f"{mark:.3g}") for mark in marks]
    trials = study.drawn(MOST)
    for index, value in enumerate(domain.values):
        y = _ROW * index + 27
        own_trials = [trial for trial in trials if _has(trial, name, value)]
        parts += [
            dot(x_of(trial.value or 0.0), y + 10 * shift, trial is study.best)
            for trial, shift in by_number(own_trials)
        ]
        own_values = [trial.value or 0.0 for trial in study.ranked if _has(trial, name, value)]
        if own_values:
            x = x_of(float(np.median(own_values)))
            stroke = f'x1="{x:.1f}" x2="{x:.1f}" y1="{y - 9}" y2="{y + 9}"'
            parts.append(f'<line class="whisker" {stroke}/>')
        parts.append(text(6, y - 12, f"{short(shown(value), 36)}: {len(own_values)}"))
    return svg(WIDTH, bottom + 24, title, parts)


def _has(trial: Trial, name: str, value: Any) -> bool:
    return name in trial.values and trial.values[name] == value


def parallel(title: str, search: Search, study: Study, limits: Limits) -> str:
    """A line for each trial, through an axis for each parameter and, at the bottom, the value's.

    The best tenth is drawn strong. A trial without a parameter passes at the left of its axis.
    """
    x_of, ticks_of_value = axis(*limits, _START, RIGHT)
    rows = [
        (parameter, 26 + _GAP * index) for index, parameter in enumerate(search.space.parameters)
    ]
    bottom = 26 + _GAP * len(rows)
    leading_numbers = {trial.number for trial in study.leading}

    def line(trial: Trial, shift: float) -> list[tuple[float, float]]:
        corners = [(_place(parameter, trial, shift), y) for parameter, y in rows]
        return [*corners, (x_of(trial.value or 0.0), bottom)]

    shifted_trials = [*by_number(study.drawn(MOST))]
    weak = [
        polyline(line(*pair), "thin")
        for pair in shifted_trials
        if pair[0].number not in leading_numbers
    ]
    strong = [
        polyline(line(*pair), "strong")
        for pair in shifted_trials
        if pair[0].number in leading_numbers
    ]
    axes = [part for parameter, y in rows for part in _axis(parameter, y)]
    value_axis = _ends(
        search.metric, bottom, f"{ticks_of_value[0]:.3g}", f"{ticks_of_value[-1]:.3g}"
    )
    return svg(WIDTH, bottom + 24, title, [*weak, *strong, *axes, *value_axis])


_x_of_share: Scale = scale(0, 1, _START, RIGHT)


def _place(parameter: Parameter, trial: Trial, shift: float) -> float:
    """The x of a trial's line on this axis. Lines through one choice are side by side."""
    aside = _SPREAD * shift
    if parameter.name not in trial.values:
        return _ASIDE + aside
    x = _x_of_share(share(parameter.domain, trial.values[parameter.name]))
    return x + aside if isinstance(parameter.domain, Choice) else x


def _axis(parameter: Parameter, y: float) -> list[str]:
    """An axis: its name above, and its ends or its choices below."""
    aside = [] if parameter.when is None else [text(_ASIDE, y + 16, NONE, "middle")]
    if isinstance(parameter.domain, Range):
        ends = f"{parameter.domain.low:g}", f"{parameter.domain.high:g}"
        return [*aside, *_ends(parameter.name, y, *ends)]
    values = parameter.domain.values
    letters = max(2, int((RIGHT - _START) / LETTER / len(values)))
    names = [
        text(
            _x_of_share(position),
            y + 16,
            short(shown(value), letters),
            _SIDES.get(position, "middle"),
        )
        for value, position in ((value, share(parameter.domain, value)) for value in values)
    ]
    return [*aside, *_rule(parameter.name, y), *names]


_SIDES = {0.0: "start", 1.0: "end"}


def _ends(name: str, y: float, low: str, high: str) -> list[str]:
    return [*_rule(name, y), text(_START, y + 16, low), text(RIGHT, y + 16, high, "end")]


def _rule(name: str, y: float) -> list[str]:
    line = f'<line class="whisker" x1="{_START:g}" x2="{RIGHT:g}" y1="{y:g}" y2="{y:g}"/>'
    return [line, text(_START, y - 8, short(name, 40))]
