"""A search space for tables and figures: the value of a cell, and its position on an axis."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from multimodal_ser.config.search_space import Choice, Domain, Parameter, Range, Space

_EDGE = 0.02  # a value this near to an end of a range without steps, as a share, is at the end
_FEWEST = 3  # with fewer values than these, every value would be at an end


def read(space: Space, cells: Mapping[str, str]) -> dict[str, Any]:
    """Parameter → value, of the parameters that a trial had.

    An empty cell means null if null is a choice, else that the parameter was absent.
    """

    def is_known(parameter: Parameter) -> bool:
        can_be_null = isinstance(parameter.domain, Choice) and None in parameter.domain.values
        return can_be_null or cells[parameter.name] != ""

    return _active(
        space, is_known, lambda parameter: _meant(parameter.domain, cells[parameter.name])
    )


def chosen(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameter → value, from `values`, whose keys are the dotted keys of a config."""
    return _active(
        space, lambda parameter: parameter.key in values, lambda parameter: values[parameter.key]
    )


def _active(
    space: Space, is_known: Callable[[Parameter], bool], value_of: Callable[[Parameter], Any]
) -> dict[str, Any]:
    """Parameter → value, of the parameters that are known and whose branch was chosen."""
    active: dict[str, Any] = {}
    for parameter in space.parameters:
        branch, needed = parameter.when or (None, None)
        if is_known(parameter) and (
            branch is None or (branch in active and active[branch] == needed)
        ):
            active[parameter.name] = value_of(parameter)
    return active


def _meant(domain: Domain, cell: str) -> Any:
    """The value that a cell stands for; the text itself if it is none of the choices."""
    if isinstance(domain, Range):
        return domain.read(float(cell))
    return next((value for value in domain.values if _is(cell, value)), cell)


def _is(cell: str, value: Any) -> bool:
    """Does the cell stand for the value? Numbers have eight digits; lists and sections are JSON."""
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
    """The position of a value in its domain, 0 to 1, on its scale. Choices have equal steps."""
    if isinstance(domain, Choice):
        steps = len(domain.values) - 1
        return domain.values.index(value) / steps if steps and value in domain.values else 0.5
    if domain.log:
        return math.log(value / domain.low) / math.log(domain.high / domain.low)
    return (value - domain.low) / (domain.high - domain.low)


def edge(domain: Domain, value: Any) -> str:
    """`lower` or `upper` if the value is at an end of its domain, else empty.

    A lowest value of 0 is no end, because few ranges go below 0.
    """
    if isinstance(domain, Choice) and not all(map(_number, domain.values)):
        return ""
    count = _count(domain)
    if count is not None and count < _FEWEST:
        return ""
    lowest, highest = min(domain.ends), max(domain.ends)
    at_lower, at_upper = value == lowest, value == highest
    if count is None:
        position = share(domain, value)
        at_lower, at_upper = position <= _EDGE, position >= 1 - _EDGE
    return "lower" if at_lower and lowest != 0 else "upper" if at_upper else ""


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _count(domain: Domain) -> int | None:
    """How many values a domain has; None if there are infinitely many."""
    if isinstance(domain, Choice):
        return len(domain.values)
    if domain.continuous:
        return None
    return round((domain.high - domain.low) / (domain.step or 1)) + 1


def count(space: Space) -> int | None:
    """How many different trials a space allows; None if there are infinitely many."""
    return _below(space, None)


def _below(space: Space, when: tuple[str, Any] | None) -> int | None:
    """The same, of the parameters that depend on `when` and of those below them."""
    combinations = 1
    for parameter in space.parameters:
        if parameter.when == when:
            counts = [*_each(space, parameter)]
            if None in counts:
                return None
            combinations *= sum(count for count in counts if count)
    return combinations


def _each(space: Space, parameter: Parameter) -> Iterator[int | None]:
    """For each value of a choice: how many different trials there are below it."""
    if isinstance(parameter.domain, Choice):
        yield from (_below(space, (parameter.name, value)) for value in parameter.domain.values)
    else:
        yield _count(parameter.domain)


def shown(value: Any) -> str:
    """The value as in YAML, with four digits."""
    if isinstance(value, str):
        return value
    return f"{value:.4g}" if isinstance(value, float) else json.dumps(value)


def heads(space: Space) -> dict[str, str]:
    """Parameter → the head of its column: the shortest end of its name that no other has."""
    names = [parameter.name for parameter in space.parameters]
    return {name: next(end for end in _ends(name) if _alone(end, names)) for name in names}


def _ends(name: str) -> Iterator[str]:
    """The ends of a dotted name, shortest first; an end such as `name` alone would say nothing."""
    parts = name.split(".")
    yield from (
        ".".join(parts[start:]) for start in range(len(parts) - 1, -1, -1) if parts[start] != "name"
    )
    yield name


def _alone(end: str, names: Sequence[str]) -> bool:
    return sum(f".{name}".endswith(f".{end}") for name in names) == 1
