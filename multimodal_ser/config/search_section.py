"""The section `search:` of a config, turned into a space.

    learner.optimizer.lr: {low: 1.0e-5, high: 1.0e-2, log: true}
    encoders.audio.layer: [6, 9, 12, last]
    fusion:
      - {name: concat, hidden: [128, 256], dropout: {low: 0.0, high: 0.7}}
      - {name: cross_attention, heads: [2, 4], depth: 1}

A list is a choice; low and high are a range. A list at the place of a component has a branch in
each of its entries, where a single value is set and not searched. A branch of the config's own
component starts from its options, any other from its defaults, as with `fusion.name=…` in a
command. What only an experiment can tell, such as whether a key is there, is for `checking`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Annotated, Any

from pydantic import (
    BaseModel,
    ConfigDict,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
)

from multimodal_ser.config.keys import COMPONENT, component_of
from multimodal_ser.config.messages import explain
from multimodal_ser.config.search_space import Choice, Parameter, Range, Space, branch

_MEASURED = "it decides what is measured, not how it is learned"
_SETTLED = "it is settled before a search begins; compare two configs"
_ASIDE = "it says where and how a search is done, not how anything is learned"
_REFUSED = {
    **dict.fromkeys(("corpus", "labels", "protocol", "folds", "seeds", "metrics"), _MEASURED),
    **dict.fromkeys(("allow_leak", "shuffle", "breakdown", "task", "expect"), _MEASURED),
    "submission": _MEASURED,
    **dict.fromkeys(("asr", "text_source", "train_fraction"), _SETTLED),
    **dict.fromkeys(("name", "runs_dir", "workers", "device", "cache", "tune", "search"), _ASIDE),
}
_OF_TRUTH = ("kind", "column", "columns", "votes", "separator", "classes", "edges")
_FORMS = "give a list, or {low: …, high: …}"


def _as_written(value: Any, checked: ValidatorFunctionWrapHandler) -> float:
    """A number as it was written: 16 stays 16, and text such as 1e-5 becomes a number."""
    number = checked(value)
    return int(number) if isinstance(value, int) else number


Number = Annotated[float, WrapValidator(_as_written)]


class _Limits(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
    low: Number
    high: Number
    log: bool = False
    step: Number | None = None

    def problems(self) -> Iterator[str]:
        """What Optuna would refuse, or change without a word."""
        rises = self.low < self.high
        if not rises:
            yield f"low must be below high (given {self.low} and {self.high})"
        if self.log and self.low <= 0:
            yield f"log needs low above 0 (given {self.low})"
        if self.log and self.step is not None:
            yield "a range is either log or has a step"
        if self.step is not None and self.step <= 0:
            yield f"step must be above 0 (given {self.step})"
        elif self.step is not None and rises:
            yield from self._beside(self.step)

    def _beside(self, step: float) -> Iterator[str]:
        low, high, each = (Decimal(str(number)) for number in (self.low, self.high, step))
        steps = (high - low) // each
        if low + steps * each != high:
            ends = [str(low + count * each) for count in (steps, steps + 1) if count]
            near = " or ".join(ends)
            yield f"steps of {step} from {self.low} miss {self.high}; take high: {near}"


def read(section: Mapping[str, Any]) -> tuple[Space, list[str]]:
    """The parts of the section that have a meaning, and all that is wrong with the others."""
    reading = _Reading()
    for key, what in section.items():
        above = [other for other in section if key.startswith(f"{other}.")]
        if above:
            reading.problems.append(f"search.{key}: it lies below search.{above[0]}; say it there")
        else:
            reading.entry(key, what)
    return Space(tuple(reading.parameters), reading.fixed), reading.problems


class _Reading:
    """The parameters that were read so far, by name, in an order that a space can have."""

    def __init__(self) -> None:
        self.parameters: list[Parameter] = []
        self.fixed: dict[str, dict[str, Any]] = {}
        self.problems: list[str] = []
        self.names: set[str] = set()

    def entry(self, key: str, what: Any) -> None:
        """Read one key of the section itself."""
        why, place = _refusal(key.split(".")), component_of(key)
        if why:
            self._wrong(key, why)
        elif place:
            self._wrong(key, f"name the components in a list, {place}: [{{name: …}}, {{name: …}}]")
        elif COMPONENT.fullmatch(key) and isinstance(what, list):
            self._branches(key, what)
        else:
            self._option(key, key, what)

    def _branches(self, place: str, parts: Sequence[Any]) -> None:
        named = []
        for at, part in enumerate(parts):
            name = part.get("name") if isinstance(part, Mapping) else None
            if not isinstance(name, str):
                self._wrong(f"{place}.{at}", f"a branch has a name, {{name: …}} (given {part!r})")
            elif name in [other for other, _ in named]:
                self._wrong(f"{place}.{at}", f"'{name}' has a branch already; join the two")
            else:
                named.append((name, part))
        if not parts:
            self._wrong(place, "the list is empty")
        if not named:
            return
        chooses = f"{place}.name"
        domain = Choice(tuple(name for name, _ in named))
        self.parameters.append(Parameter(chooses, chooses, domain))
        for name, part in named:
            here = branch(place, name)
            self.fixed[here] = {}
            for key, what in part.items():
                if key != "name":
                    self._option(f"{here}.{key}", f"{place}.{key}", what, (chooses, name), here)

    def _option(
        self,
        name: str,
        key: str,
        what: Any,
        when: tuple[str, str] | None = None,
        inside: str | None = None,
    ) -> None:
        """Read a list, a range, a section of these, or, in a branch, a value that it sets."""
        if isinstance(what, list):
            domain = self._choice(name, what)
        elif isinstance(what, Mapping) and {"low", "high"} & set(what):
            domain = self._range(name, what)
        elif isinstance(what, Mapping) and what:
            for inner, option in what.items():
                self._option(f"{name}.{inner}", f"{key}.{inner}", option, when, inside)
            return
        elif inside is not None:
            if self._is_new(name):
                self.fixed[inside][key] = what
            return
        else:
            self._wrong(name, f"one value is nothing to search; {_FORMS} (given {what!r})")
            return
        if domain is not None and self._is_new(name):
            self.parameters.append(Parameter(name, key, domain, when))

    def _choice(self, name: str, values: Sequence[Any]) -> Choice | None:
        if not values:
            self._wrong(name, "the list is empty")
            return None
        plain = [value for value in values if _is_plain(value)]
        for value in values:
            if not _is_plain(value):
                self._wrong(name, f"{value!r} is no plain value")
        texts = [json.dumps(value) for value in plain]
        for text in sorted({text for text in texts if texts.count(text) > 1}):
            self._wrong(name, f"{text} is there twice")
        return Choice(tuple(plain)) if plain else None

    def _range(self, name: str, what: Mapping[str, Any]) -> Range | None:
        try:
            limits = _Limits.model_validate(what)
        except ValidationError as error:
            above = ("search", name)
            self.problems += [explain(above, _Limits, error_line) for error_line in error.errors()]
            return None
        problems = [*limits.problems()]
        for problem in problems:
            self._wrong(name, problem)
        return None if problems else Range(**limits.model_dump())

    def _is_new(self, name: str) -> bool:
        """Whether a key is new; it may be written in one piece or as sections, but only once."""
        if name in self.names:
            self._wrong(name, "it is there twice")
        return name not in self.names and not self.names.add(name)

    def _wrong(self, name: str, what: str) -> None:
        self.problems.append(f"search.{name}: {what}")


def _refusal(steps: Sequence[str]) -> str:
    """Why a key cannot be searched; empty where it can."""
    if steps[0] == "outputs" and (len(steps) < 3 or steps[2] in _OF_TRUTH):
        return _MEASURED
    if steps[0] == "outputs" and steps[2] == "soft":
        return _SETTLED
    if steps == ["encoders"]:
        return "search one of them, such as encoders.audio"
    return _REFUSED.get(steps[0], "")


def _is_plain(value: Any) -> bool:
    """Whether JSON can hold the value."""
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return False
    return True
