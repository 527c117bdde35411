"""What a space means on paper: which value a cell stands for, how far up its axis it lies."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from multimodal_ser.config.search_space import Choice, Domain, Parameter, Range, Space

_EDGE = 0.02  # of a range without steps: so near to its end
_FEWEST = 3  # values, or every one of them would be at an end


def read(space: Space, cells: Mapping[str, str]) -> dict[str, Any]:
    """Parameter → value, of what a trial had; a blank cell means null where that is a choice."""

    def is_known(parameter: Parameter) -> bool:
        nothing = isinstance(parameter.domain, Choice) and None in parameter.domain.values
        return nothing or cells[parameter.name] != ""

    return _active(
        space, is_known, lambda parameter: _meant(parameter.domain, cells[parameter.name])
    )


def chosen(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameter → value, from the dotted keys of a config."""
    return _active(
        space, lambda parameter: parameter.key in values, lambda parameter: values[parameter.key]
    )


def _active(
    space: Space, is_known: Callable[[Parameter], bool], value_of: Callable[[Parameter], Any]
) -> dict[str, Any]:
    """What of those that are known was there at all."""
    active: dict[str, Any] = {}
    for parameter in space.parameters:
        above, value = parameter.when or (None, None)
        if is_known(parameter) and (above is None or (above in active and active[above] == value)):
            active[parameter.name] = value_of(parameter)
    return active


def _meant(domain: Domain, cell: str) -> Any:
    """A cell that no choice has stays the text that it is."""
    if isinstance(domain, Range):
        return domain.read(float(cell))
    return next((value for value in domain.values if _is(cell, value)), cell)


def _is(cell: str, value: Any) -> bool:
    """Numbers are written with eight digits, lists and sections as JSON."""
    if isinstance(value, str):
        return cell in (value, json.dumps(value))
    if value is None:
        return cell in ("", "null")
    if isinstance(value, bool):
        return cell.lower() == json.dumps(value)
    try:
        number = json.loads(cell)
    except ValueError:
        return False
    if isinstance(value, int | float):
        return not isinstance(number, bool) and number == float(f"{value:.8g}")
    return number == value


def share(domain: Domain, value: Any) -> float:
    """How far up the domain a value is, 0 to 1, on its scale; choices are at equal steps."""
    if isinstance(domain, Choice):
        last = len(domain.values) - 1
        return domain.values.index(value) / last if last and value in domain.values else 0.5
    if domain.log:
        return math.log(value / domain.low) / math.log(domain.high / domain.low)
    return (value - domain.low) / (domain.high - domain.low)


def edge(domain: Domain, value: Any) -> str:
    """The end that a value lies at, `lower` or `upper`; few ranges go below 0, so 0 is none."""
    if isinstance(domain, Choice) and not all(map(_number, domain.values)):
        return ""
    count = _count(domain)
    if count is not None and count < _FEWEST:
        return ""
    least, most = min(domain.ends), max(domain.ends)
    below, above = value == least, value == most
    if count is None:
        place = share(domain, value)
        below, above = place <= _EDGE, place >= 1 - _EDGE
    return "lower" if below and least != 0 else "upper" if above else ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(domain: Domain) -> int | None:
    """How many values there are, None where there is no end of them."""
    if isinstance(domain, Choice):
        return len(domain.values)
    if domain.continuous:
        return None
    return round((domain.high - domain.low) / (domain.step or 1)) + 1


def count(space: Space) -> int | None:
    """How many trials can differ, None where there is no end of them."""
    return _below(space, None)


def _below(space: Space, when: tuple[str, Any] | None) -> int | None:
    """Of the parameters that depend on the same."""
    combinations = 1
    for parameter in space.parameters:
        if parameter.when == when:
            counts = [*_each(space, parameter)]
            if None in counts:
                return None
            combinations *= sum(each for each in counts if each)
    return combinations


def _each(space: Space, parameter: Parameter) -> Iterator[int | None]:
    """For each value of a choice, how many trials can differ below it."""
    if isinstance(parameter.domain, Choice):
        yield from (_below(space, (parameter.name, value)) for value in parameter.domain.values)
    else:
        yield _count(parameter.domain)


def shown(value: Any) -> str:
    """As in YAML, with four digits."""
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def heads(space: Space) -> dict[str, str]:
    """Parameter → the shortest end of its name that no other has, for the head of a column."""
    names = [parameter.name for parameter in space.parameters]
    return {name: next(end for end in _ends(name) if _alone(end, names)) for name in names}


def _ends(name: str) -> Iterator[str]:
    """From the last word on, then more of it; `name` alone would tell nothing."""
    parts = name.split(".")
    yield from (".".join(parts[at:]) for at in range(len(parts) - 1, -1, -1) if parts[at] != "name")
    yield name


def _alone(end: str, names: Sequence[str]) -> bool:
    return sum(f".{name}".endswith(f".{end}") for name in names) == 1
