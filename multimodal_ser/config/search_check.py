"""What is wrong with a search space, given the config that it belongs to.

Experiments are made of the corners of the space and are checked, and each problem is told at the
key that is searched. So every value of a choice and both ends of a range are right before the first
trial.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from multimodal_ser.config import registry, search_section
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.config.keys import component_of, places
from multimodal_ser.config.messages import nearest_path
from multimodal_ser.config.method import method_of
from multimodal_ser.config.search_space import Assignment, Parameter, Range, Space, branch

Attempt = Callable[[Assignment], tuple[Experiment | None, list[str]]]


@dataclass(frozen=True)
class _Corner:
    """One assignment: its right part, the experiment that this makes, and its problems."""

    values: Assignment
    experiment: Experiment | None
    problems: list[str]

    @cached_property
    def plain(self) -> dict[str, Any]:
        return dict(places(self.experiment.resolved())) if self.experiment else {}

    def has(self, parameter: Parameter) -> bool:
        """Whether a value is in the right part of this assignment."""
        when = parameter.when
        active = when is None or self.values.get(when[0]) == when[1]
        return active and parameter.key in self.values


def own(experiment: Experiment) -> dict[str, Any]:
    """The search space that the components of a config suggest, as a section `search:`."""
    parts = {
        f"encoders.{name}": ("encoders", encoder) for name, encoder in experiment.encoders.items()
    }
    parts |= {"fusion": ("fusion", experiment.fusion), "learner": ("learners", experiment.learner)}
    section: dict[str, Any] = {}
    for place, (kind, part) in parts.items():
        component = registry.find(kind, part.name) if part else None
        space = component.search_space() if component else {}
        section |= {f"{place}.{key}": what for key, what in space.items()}
    return section


def examine(
    section: Mapping[str, Any], experiment: Experiment, attempt: Attempt
) -> tuple[Space, list[str]]:
    """The space of a section, and everything that is wrong with it.

    attempt: gives for an assignment the experiment that it makes of this one, or its problems.
    """
    space, problems = search_section.read(section)
    strange = dict(_unknown(space, experiment))
    problems += [f"search.{name}: {what}" for name, what in strange.items()]
    space = _without(space, strange)
    corners = [_right_part(corner, attempt) for corner in space.corners()]
    space = replace(
        space, parameters=tuple(_typed(parameter, corners) for parameter in space.parameters)
    )
    for corner in corners:
        problems += [*corner.problems, *_of_features(space, experiment, corner)]
    problems += _of_steps(space)
    return space, list(dict.fromkeys(problems))


def _unknown(space: Space, experiment: Experiment) -> Iterator[tuple[str, str]]:
    """Name → what is wrong, for each parameter that has no place in the config."""
    plain = dict(places(experiment.resolved() | {"search": {}}))
    for parameter in space.parameters:
        key = component_of(parameter.key) or parameter.key
        if parameter.when is None and not _is_there(key, plain):
            yield parameter.name, f"unknown key{nearest_path(key, list(plain))}"


def _without(space: Space, names: Mapping[str, Any]) -> Space:
    """The space without some parameters and without those that depend on them."""
    kept = [parameter for parameter in space.parameters if parameter.name not in names]
    kept = [each for each in kept if each.when is None or each.when[0] not in names]
    return replace(space, parameters=tuple(kept))


def _is_there(key: str, plain: Mapping[str, Any]) -> bool:
    """Whether the key stands in the config, or below a single value where a section may stand."""
    above = key
    while above and above not in plain:
        above = above.rpartition(".")[0]
    return above == key or not isinstance(plain.get(above, {}), dict | list)


def _right_part(corner: Assignment, attempt: Attempt) -> _Corner:
    """The assignment without its wrong values, which are removed until the rest is right.

    So no problem hides another one.
    """
    left, problems = corner, []
    while True:
        experiment, lines = attempt(left)
        if not lines or not left:
            return _Corner(left, experiment, problems)
        wrong = {line: key for line in lines for key in left if _is_about(line, key)}
        if wrong:
            problems += [
                f"search.{_called(key, left)}{line.removeprefix(key)}"
                for line, key in wrong.items()
            ]
            guilty = {*wrong.values()}
        else:
            causes = {line: _causes(line, left, attempt) for line in lines}
            problems += [
                f"search ({', '.join(f'{key}: {left[key]}' for key in keys)}): {line}"
                for line, keys in causes.items()
            ]
            guilty = {keys[0] for keys in causes.values()}
        for key in guilty:
            left = _less(left, key)


def _is_about(line: str, key: str) -> bool:
    where = line.partition(": ")[0]
    return where == key or where.startswith(f"{key}.")


def _causes(line: str, values: Assignment, attempt: Attempt) -> list[str]:
    """The values without which a problem disappears; all values where there are none."""
    alone = [key for key in values if line not in attempt(_less(values, key))[1]]
    return alone or list(values)


def _less(values: Assignment, key: str) -> Assignment:
    """The assignment without a key; with a branch its options go as well."""
    place = component_of(key)
    below = f"{place}." if place else f"{key}."
    return {
        name: value for name, value in values.items() if name != key and not name.startswith(below)
    }


def _called(key: str, values: Assignment) -> str:
    """The name of a key in the space: that of its branch comes first."""
    for chooses, name in values.items():
        place = component_of(chooses)
        if place and key != chooses and key.startswith(f"{place}."):
            return branch(place, name) + key.removeprefix(place)
    return key


def _typed(parameter: Parameter, corners: list[_Corner]) -> Parameter:
    """The range as whole numbers where the check makes whole numbers of its ends."""
    domain = parameter.domain
    ends = [corner.plain[parameter.key] for corner in corners if corner.has(parameter)]
    if not isinstance(domain, Range) or not ends:
        return parameter
    kind = int if all(isinstance(end, int) for end in ends) else float
    low, high, whole = kind(domain.low), kind(domain.high), kind is int
    return replace(parameter, domain=replace(domain, low=low, high=high, whole=whole))


def _of_steps(space: Space) -> Iterator[str]:
    for parameter in space.parameters:
        step = (
            parameter.domain.step
            if isinstance(parameter.domain, Range) and parameter.domain.whole
            else None
        )
        if step is not None and step != int(step):
            yield f"search.{parameter.name}: step must be whole, as what it leads to (given {step})"


def _of_features(space: Space, base: Experiment, corner: _Corner) -> Iterator[str]:
    """Features that every trial would compute anew, or that no audit would check for leaks."""
    experiment = corner.experiment
    if experiment is None:
        return
    endless = [
        parameter
        for parameter in space.parameters
        if parameter.domain.continuous and corner.has(parameter)
    ]
    for name in method_of(experiment).cached:
        for unbounded in endless:
            if unbounded.key.startswith(f"encoders.{name}.") and ".finetune." not in unbounded.key:
                yield (
                    f"search.{unbounded.name}: features would be computed anew in every trial; "
                    "give a list or a step"
                )
    for key in corner.values if experiment.augment.copies else ():
        if key.startswith("augment."):
            yield f"search.{key}: copies would be changed anew in every trial; unset augment.copies"
    for name, part in experiment.encoders.items():
        reads, should = (
            registry.find("encoders", choice.name).modality
            for choice in (part, base.encoders[name])
        )
        if reads != should:
            yield (
                f"search.encoders.{branch(name, part.name)}: it reads {reads}, and the encoder of "
                f"the config reads {should}, for which alone leaks are looked for"
            )
