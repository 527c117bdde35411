"""Read an experiment from YAML and `key=value`, with every mistake found at once.

`load` gives an `Experiment` whose component options are complete (defaults filled in), so that
what a run writes down is what was run.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from multimodal_ser import components, splits
from multimodal_ser.contradictions import contradictions
from multimodal_ser.experiment import EncoderPart, Experiment, Part
from multimodal_ser.mistakes import explain
from multimodal_ser.types import ConfigError

_CONDITIONS = ("corpus", "labels", "protocol", "outputs")


def load(
    path: Path, overrides: Sequence[str] = (), *, allow_code: bool = True, card: bool = False
) -> Experiment:
    """Read a YAML config, apply `dotted.key=value`, check everything.

    card: a task card will do, which has no encoders: enough to load, describe, audit and score.
    """
    raw = _override(_read(path), overrides)
    return check(raw, source=str(path), allow_code=allow_code, card=card)


def check(
    raw: Mapping[str, Any],
    *,
    source: str = "config",
    allow_code: bool = True,
    card: bool = False,
    ran: bool = False,
) -> Experiment:
    """The experiment with every default filled in; ConfigError with every problem at once.

    ran: it is that of a run, such as an arm of a study, to which not every rule for users applies.
    """
    problems: list[str] = []
    complete = copy.deepcopy(dict(raw))
    for path, part, options_of in _parts(complete):
        problems += _fill(path, part, options_of, allow_code)
    experiment: Experiment | None = None
    try:
        experiment = Experiment.model_validate(complete)
    except ValidationError as error:
        problems += [explain((), Experiment, one) for one in error.errors()]
    if experiment and not problems and not ran:
        problems = list(contradictions(experiment, card))
    if problems or experiment is None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError("\n  ".join([f"{source}: {count}", *problems]))
    return experiment


def with_fusion(experiment: Experiment, name: str) -> Experiment:
    """The same experiment with another fusion, at its defaults unless it is the one named."""
    if experiment.fusion is None or experiment.fusion.name == name:
        return experiment
    return check(experiment.resolved() | {"fusion": {"name": name}}, source=f"fusion {name}")


def _read(path: Path) -> dict[str, Any]:
    """The config on top of the card that its `task` names, if it names one by its path."""
    raw = _read_yaml(path)
    card = raw.get("task")
    if isinstance(card, str):
        below = _read_yaml(path.parent / card)
        if not isinstance(below.get("task"), dict):
            raise ConfigError(f"{path.parent / card} is no task card: it has no task: section")
        return {**below, **raw, "task": _conditioned(below)}
    return {**raw, "task": _conditioned(raw)} if isinstance(card, dict) else raw


def _conditioned(card: Mapping[str, Any]) -> dict[str, Any]:
    """The task section with what its card says of corpus, protocol and outputs.

    A card without labels: takes those of the corpus as they are, which is a condition, too.
    """
    conditions = {key: copy.deepcopy(card[key]) for key in _CONDITIONS if key in card}
    conditions = {"labels": None, **conditions}
    return {"conditions": conditions, **card["task"]}


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        raw = yaml.safe_load(path.read_text("utf-8"))
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is not valid YAML: {error}") from None
    if not isinstance(raw, dict):
        raise ConfigError(f"{path} must hold `key: value` lines")
    return raw


def _override(raw: dict[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """Set dotted keys. Another `name` for a component leaves the old one's options behind."""
    for override in sorted(overrides, key=lambda one: ".name=" not in one):
        dotted, equals, text = override.partition("=")
        if not equals or not dotted:
            raise ConfigError(f"'{override}' is not key=value")
        try:
            value = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"the value of '{override}' is not valid YAML") from None
        *parents, last = dotted.split(".")
        place = raw
        for parent in parents:
            if not isinstance(place.get(parent), dict):
                place[parent] = {}
            place = place[parent]
        if last == "name" and parents and place.get("name") != value:
            place.clear()
        place[last] = value
    return raw


OptionsOf = Callable[[str, bool], type[BaseModel]]


def _component(kind: str) -> OptionsOf:
    def options_of(name: str, allow_code: bool) -> type[BaseModel]:
        return components.schema(components.find(kind, name, allow_code=allow_code))

    return options_of


def _protocol(name: str, allow_code: bool) -> type[BaseModel]:
    return components.schema(splits.find(name))


def _parts(raw: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], OptionsOf]]:
    """Every place of a config that names a component, the unnamed ones set to their defaults."""
    learner = _named(raw, "learner", "neural")
    _named(raw, "protocol", "kfold")
    if isinstance(learner, dict) and (raw.get("fusion") or learner["name"] == "neural"):
        _named(raw, "fusion", "concat")
    corpus = raw.get("corpus")
    several = dict(enumerate(corpus)) if isinstance(corpus, list) else {}
    places = {f"corpus.{index}": (part, "datasets") for index, part in several.items()}
    places["corpus"] = (corpus, "datasets")
    places["asr"] = (raw.get("asr"), "asr")
    places["fusion"] = (raw.get("fusion"), "fusion")
    places["learner"] = (learner, "learners")
    for index, step in enumerate(_steps(raw)):
        places[f"augment.steps.{index}"] = (step, "augment")
    for path, (part, kind) in places.items():
        if isinstance(part, dict):
            yield path, part, _component(kind)
    if isinstance(raw["protocol"], dict):
        yield "protocol", raw["protocol"], _protocol
    encoders = raw.get("encoders")
    for key, part in encoders.items() if isinstance(encoders, dict) else ():
        if isinstance(part, dict):
            yield f"encoders.{key}", part, _component("encoders")


def _steps(raw: dict[str, Any]) -> list[Any]:
    """The steps of `augment`, which may be a list or a section."""
    section = raw.get("augment")
    steps = section.get("steps") if isinstance(section, dict) else section
    return steps if isinstance(steps, list) else []


def _named(raw: dict[str, Any], key: str, name: str) -> Any:
    """The part under `key`, which is called `name` unless it says otherwise."""
    part = raw.setdefault(key, {})
    if isinstance(part, dict):
        part.setdefault("name", name)
    return part


def _fill(path: str, part: dict[str, Any], options_of: OptionsOf, allow_code: bool) -> list[str]:
    """Check a component's options and complete them in place."""
    name = part.get("name")
    if not isinstance(name, str):
        return []  # the experiment's own check says so
    try:
        schema = options_of(name, allow_code)
    except ConfigError as error:
        return [f"{path}.name: {error}"]
    ours = set(EncoderPart.model_fields if path.startswith("encoders.") else Part.model_fields)
    options = {key: value for key, value in part.items() if key not in ours}
    try:
        checked = schema.model_validate(options)
    except ValidationError as error:
        return [explain((path,), schema, one, ours - {"name"}) for one in error.errors()]
    part.update(checked.model_dump(mode="json"))
    return []
