"""Dotted keys (`learner.optimizer.lr`, `augment.steps.0.p`): the places of a config."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from multimodal_ser.types import ConfigError

COMPONENT = re.compile(
    r"corpus(\.\d+)?|protocol|asr|fusion|learner|encoders\.\w+|augment\.steps\.\d+"
)
"""Where a config names a component."""


def component_of(key: str) -> str:
    """The key of the component that this key names (`fusion` of `fusion.name`), else empty."""
    place, _, last = key.rpartition(".")
    return place if last == "name" and COMPONENT.fullmatch(place) else ""


def places(plain: Any, above: str = "") -> Iterator[tuple[str, Any]]:
    """Every key of plain data with its value; sections and lists have keys too."""
    for step, value in enumerate(plain) if isinstance(plain, list) else plain.items():
        yield f"{above}{step}", value
        if isinstance(value, dict | list):
            yield from places(value, f"{above}{step}.")


def put(raw: dict[str, Any], values: Mapping[str, Any]) -> None:
    """Set keys. Where a component gets another `name`, the options of the old component go."""
    for dotted, value in sorted(values.items(), key=lambda pair: not pair[0].endswith(".name")):
        *above, last = dotted.split(".")
        place: Any = raw
        for step in above:
            place = _below(place, step, dotted)
        if component_of(dotted) and place.get("name") != value:
            place.clear()
        place[_step(place, last, dotted)] = value


def _below(place: Any, step: str, dotted: str) -> Any:
    """The section or list at a step of a key; a new section where there is none."""
    at = _step(place, step, dotted)
    if isinstance(place, dict):
        place.setdefault(at, {})
    if not isinstance(place[at], dict | list):
        place[at] = {}
    return place[at]


def _step(place: Any, step: str, dotted: str) -> Any:
    if isinstance(place, dict):
        return step
    if step.isdecimal() and int(step) < len(place):
        return int(step)
    raise ConfigError(f"{dotted}: '{step}' is none of the {len(place)} places of a list, from 0")
