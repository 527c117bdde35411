"""What a search may try: parameters, what each may be, and what a trial makes of them.

A key is where a value stands in a config (`fusion.hidden`). A name is what a study calls it: the
same, but for what is searched inside a branch (`fusion[concat].hidden`), because other branches may
search the same key elsewhere. Nothing here knows what a key means.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from functools import cached_property
from itertools import product
from typing import Any, Protocol

Assignment = dict[str, Any]


@dataclass(frozen=True)
class Parameter:
    """One parameter.

    when: another parameter's name and the value it must have; None: it is always there.
    """

    name: str
    key: str
    domain: Domain
    when: tuple[str, Any] | None = None

    def plain(self) -> dict[str, Any]:
        when = None if self.when is None else list(self.when)
        domain = asdict(self.domain)
        domain |= {"values": list(domain["values"])} if "values" in domain else {}
        return {"name": self.name, "key": self.key, "when": when, **domain}

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Parameter:
        rest = {key: value for key, value in plain.items() if key not in ("name", "key", "when")}
        domain = Choice(tuple(rest["values"])) if "values" in rest else Range(**rest)
        when = None if plain["when"] is None else tuple(plain["when"])
        return cls(plain["name"], plain["key"], domain, when)

    def __str__(self) -> str:
        where = f" (where {self.when[0]} is {self.when[1]})" if self.when else ""
        return f"{self.domain}{where}"


@dataclass(frozen=True)
class Space:
    """Everything that is searched; a parameter stands after the one that it depends on.

    fixed: what a branch sets besides, such as `fusion[concat]` → {`fusion.pool`: max}.
    """

    parameters: tuple[Parameter, ...]
    fixed: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def suggest(self, trial: Trial) -> Assignment:
        """Dotted key → value, for the parameters that are active in this trial."""
        return self._assigned(lambda parameter: parameter.domain.suggested(trial, parameter.name))

    def values(self, params: Mapping[str, Any]) -> Assignment:
        """Dotted key → value, from the `params` of a finished trial."""
        return self._assigned(lambda parameter: parameter.domain.read(params[parameter.name]))

    def _assigned(self, value_of: Callable[[Parameter], Any]) -> Assignment:
        chosen: dict[str, Any] = {}
        assignment: Assignment = {}
        for parameter in self.parameters:
            if parameter.when is None or chosen.get(parameter.when[0]) == parameter.when[1]:
                chosen[parameter.name] = assignment[parameter.key] = value_of(parameter)
                assignment |= self._beside(parameter, assignment[parameter.key])
        return assignment

    def _beside(self, parameter: Parameter, value: Any) -> Mapping[str, Any]:
        """What a choice sets besides, if it is the choice of a branch; nothing otherwise."""
        return self.fixed.get(branch(parameter.name.removesuffix(".name"), value), {})

    def corners(self) -> list[Assignment]:
        """A few assignments that hold every choice, every branch and both ends of every range.

        They are not all combinations: each value stands among some values of the others.
        """
        return self._joined(lambda domain: domain.ends, _in_turn)

    def variants(self) -> list[Assignment]:
        """Every combination, where no range is continuous; `[{}]` where nothing is searched."""
        return self._joined(lambda domain: domain.every(), _crossed)

    def _joined(self, tried: Callable[[Domain], Sequence[Any]], join: Join) -> list[Assignment]:
        """The assignments of each parameter, joined with those of parameters that depend on it."""
        alone = [parameter for parameter in self.parameters if parameter.when is None]
        return join([self._below(free, tried, join) for free in alone])

    def _below(
        self, parameter: Parameter, tried: Callable[[Domain], Sequence[Any]], join: Join
    ) -> list[Assignment]:
        assignments: list[Assignment] = []
        for value in tried(parameter.domain):
            head = {parameter.key: value, **self._beside(parameter, value)}
            inner = [child for child in self.parameters if child.when == (parameter.name, value)]
            parts = [[{child.key: each} for each in tried(child.domain)] for child in inner]
            assignments += [head | rest for rest in join(parts)]
        return assignments

    def plain(self) -> dict[str, Any]:
        """The space for JSON; `of_plain` reads it back."""
        return {
            "parameters": [parameter.plain() for parameter in self.parameters],
            "fixed": {name: dict(values) for name, values in self.fixed.items()},
        }

    @classmethod
    def of_plain(cls, plain: Mapping[str, Any]) -> Space:
        return cls(tuple(map(Parameter.of_plain, plain["parameters"])), plain["fixed"])

    def differences(self, earlier: Space) -> list[str]:
        """The differences from another space, in words; the order of parameters does not matter."""
        now, then = self._said(), earlier._said()
        both = dict.fromkeys([*now, *then])
        return [
            f"{name}: {now.get(name, 'not searched')}; it was {then.get(name, 'not searched')}"
            for name in both
            if now.get(name) != then.get(name)
        ]

    def _said(self) -> dict[str, str]:
        texts = {parameter.name: str(parameter) for parameter in self.parameters}
        return texts | {
            name: f"sets {json.dumps(values, sort_keys=True)}"
            for name, values in self.fixed.items()
            if values
        }


Join = Callable[[Sequence[Sequence[Assignment]]], list[Assignment]]


def branch(place: str, name: str) -> str:
    """The name of one component among several at the same place."""
    return f"{place}[{name}]"


def _in_turn(several: Sequence[Sequence[Assignment]]) -> list[Assignment]:
    """As many assignments as the longest list has; shorter lists begin again."""
    longest = max((len(choices) for choices in several), default=1)
    return [_merged(choices[turn % len(choices)] for choices in several) for turn in range(longest)]


def _crossed(several: Sequence[Sequence[Assignment]]) -> list[Assignment]:
    return [_merged(parts) for parts in product(*several)]


def _merged(parts: Iterable[Assignment]) -> Assignment:
    return {key: value for part in parts for key, value in part.items()}


class Trial(Protocol):
    """Anything that proposes values, such as a trial of Optuna."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int: ...


@dataclass(frozen=True)
class Choice:
    """One of some values, which may also be lists and sections."""

    values: tuple[Any, ...]
    continuous = False

    @cached_property
    def stored(self) -> tuple[Any, ...]:
        """What a study stores for each value: itself, or for a list or a section its JSON text.

        A study takes two values as one where Python does, such as 1 and true; then it stores the
        text of each.
        """
        texts = tuple(json.dumps(value) for value in self.values)
        stored = tuple(
            text if isinstance(value, list | dict) else value
            for value, text in zip(self.values, texts, strict=True)
        )
        return stored if len(set(stored)) == len(stored) else texts

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.values

    def every(self) -> tuple[Any, ...]:
        return self.values

    def suggested(self, trial: Trial, name: str) -> Any:
        return self.read(trial.suggest_categorical(name, self.stored))

    def read(self, stored: Any) -> Any:
        return self.values[self.stored.index(stored)]

    def __str__(self) -> str:
        return "one of " + ", ".join(map(json.dumps, self.values))


@dataclass(frozen=True)
class Range:
    """The numbers from low to high, both included.

    whole: integers only; step: every number if None.
    """

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def continuous(self) -> bool:
        return not self.whole and self.step is None

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.low, self.high

    def every(self) -> tuple[Any, ...]:
        """All numbers of a range that is not continuous."""
        steps = (Decimal(str(self.high)) - Decimal(str(self.low))) // Decimal(str(self.step or 1))
        return tuple(self._after(count) for count in range(int(steps) + 1))

    def suggested(self, trial: Trial, name: str) -> float:
        if self.whole:
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return trial.suggest_int(name, low, high, step=step, log=self.log)
        number = trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)
        return self.read(number)

    def read(self, stored: float) -> float:
        """The number that is meant: in floating point a sum of steps differs from it a little."""
        if self.whole:
            return int(stored)
        if self.step is None:
            return float(stored)
        return self._after(round((stored - self.low) / self.step))

    def _after(self, steps: int) -> float:
        number = Decimal(str(self.low)) + steps * Decimal(str(self.step or 1))
        return int(number) if self.whole else float(number)

    def __str__(self) -> str:
        kind = "whole numbers " if self.whole else ""
        steps = f" in steps of {self.step}" if self.step else ""
        return f"{kind}{self.low} to {self.high}{steps}{', log' if self.log else ''}"


Domain = Choice | Range
