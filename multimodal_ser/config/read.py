"""Read an experiment from YAML and `key=value`, and find every mistake at once.

`load` gives an `Experiment` whose components have all their options, defaults included. So the
config in a run folder says exactly what was run. Keys and names are looked at first, before a
component is imported, which takes seconds; values of options are looked at where these are right.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import BaseModel, ValidationError

from multimodal_ser.config import registry, search_section
from multimodal_ser.config.experiment import EncoderPart, Experiment, Part
from multimodal_ser.config.keys import put
from multimodal_ser.config.messages import UNKNOWN, explain, unknown_key
from multimodal_ser.types import ConfigError

if TYPE_CHECKING:
    from multimodal_ser.config.search_space import Space

_MORE = "values of options are looked at once every key and name is right"
_CONDITIONS = ("corpus", "labels", "protocol", "outputs")


def load(
    path: Path, overrides: Sequence[str] = (), *, allow_code: bool = True, card: bool = False
) -> Experiment:
    """Read a YAML config, apply `dotted.key=value`, and check everything.

    card: a task card is accepted as well. It has no encoders, but it is enough to load, describe,
    audit and score a corpus.
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

    ran: the config comes from a run, such as an arm of a study, to which some rules for users do
    not apply.
    """
    how = _How(allow_code, card, ran)
    experiment, problems = _examined(raw, how)
    searched = raw.get("search")
    if isinstance(searched, Mapping) and all(isinstance(key, str) for key in searched) and not ran:
        if experiment and not problems:
            problems = _searched(searched, experiment, how)[1]
        else:
            problems += search_section.read(searched)[1]
    if problems or experiment is None:
        raise _wrong(source, problems, _look(copy.deepcopy(dict(raw)))[1])
    return experiment


def with_fusion(experiment: Experiment, name: str) -> Experiment:
    """The same experiment with another fusion, at its defaults unless the config names it."""
    if experiment.fusion is None or experiment.fusion.name == name:
        return experiment
    return applied(experiment, {"fusion": {"name": name}}, source=f"fusion {name}")


def applied(
    experiment: Experiment,
    values: Mapping[str, Any],
    *,
    source: str = "trial",
    apart: bool = False,
) -> Experiment:
    """The experiment with some keys set, as on the command line, and without a search.

    apart: its parts are checked one by one, and may contradict each other.
    """
    made, problems = _examined(_set(experiment, values), _How(ran=apart))
    if problems or made is None:
        raise _wrong(source, problems)
    return made


def space_of(experiment: Experiment, *, source: str = "config") -> Space:
    """The search space of the config, or that of its components; ConfigError with every problem."""
    from multimodal_ser.config import search_check

    section = experiment.search or search_check.own(experiment)
    space, problems = _searched(section, experiment, _How())
    if not section:
        problems = ["search: no component says what to search; name keys, such as learner.C"]
    if problems:
        raise _wrong(source, problems)
    return space


@dataclass(frozen=True)
class _How:
    """Which kinds of config are accepted; see `check`."""

    allow_code: bool = True
    card: bool = False
    ran: bool = False


def _examined(raw: Mapping[str, Any], how: _How) -> tuple[Experiment | None, list[str]]:
    """The complete experiment, if it is one, and its problems, but for those of the search."""
    complete = copy.deepcopy(dict(raw))
    wrong, is_unknown = _look(complete)
    if is_unknown:
        return None, wrong
    problems = [line for place in _parts(complete) for line in _fill(*place, how.allow_code)]
    if wrong:
        return None, problems + wrong
    experiment = Experiment.model_validate(complete)
    if not problems and not how.ran:
        from multimodal_ser.config.check import contradictions

        problems = list(contradictions(experiment, how.card))
    return experiment, problems


def _look(raw: dict[str, Any]) -> tuple[list[str], bool]:
    """What can be seen before a component is imported, and whether a key or a name is unknown.

    These are keys, names, and values of sections, but no values of a component's options.
    """
    unknown = [line for place in _parts(raw) for line in _unknown(*place)]
    errors: Sequence[Any] = []
    try:
        Experiment.model_validate(raw)
    except ValidationError as error:
        errors = error.errors()
    lines = [explain((), Experiment, error) for error in errors]
    is_unknown = bool(unknown) or any(error["type"] in UNKNOWN for error in errors)
    return [*unknown, *lines], is_unknown


def _searched(
    section: Mapping[str, Any], experiment: Experiment, how: _How
) -> tuple[Space, list[str]]:
    from multimodal_ser.config import search_check

    return search_check.examine(
        section, experiment, lambda values: _examined(_set(experiment, values), how)
    )


def _set(experiment: Experiment, values: Mapping[str, Any]) -> dict[str, Any]:
    raw = experiment.resolved() | {"search": {}}
    put(raw, values)
    return raw


def _wrong(source: str, problems: Sequence[str], more: bool = False) -> ConfigError:
    """more: others may be found once these are mended."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return ConfigError("\n  ".join([f"{source}: {count}", *problems, *([_MORE] if more else ())]))


def _read(path: Path) -> dict[str, Any]:
    """The config, on top of the task card if its `task` names one by its path."""
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

    A card without labels takes those of the corpus as they are, which is a condition too.
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
    values = {}
    for override in overrides:
        dotted, equals, text = override.partition("=")
        if not equals or not dotted:
            raise ConfigError(f"'{override}' is not key=value")
        try:
            values[dotted] = yaml.safe_load(text)
        except yaml.YAMLError:
            raise ConfigError(f"the value of '{override}' is not valid YAML") from None
    put(raw, values)
    return raw


def _parts(raw: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Every place of a config that names a component, the part there, and its kind.

    Places without a name get the default.
    """
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
            yield path, part, kind
    if isinstance(raw["protocol"], dict):
        yield "protocol", raw["protocol"], "protocol"
    encoders = raw.get("encoders")
    for key, part in encoders.items() if isinstance(encoders, dict) else ():
        if isinstance(part, dict):
            yield f"encoders.{key}", part, "encoders"


def _steps(raw: dict[str, Any]) -> list[Any]:
    """The steps of `augment`, which may be written as a list or as a section."""
    section = raw.get("augment")
    steps = section.get("steps") if isinstance(section, dict) else section
    return steps if isinstance(steps, list) else []


def _named(raw: dict[str, Any], key: str, name: str) -> Any:
    """The part under `key`; its component is called `name` unless the part names another."""
    part = raw.setdefault(key, {})
    if isinstance(part, dict):
        part.setdefault("name", name)
    return part


def _unknown(path: str, part: dict[str, Any], kind: str) -> list[str]:
    """The component's name, or those keys of its options, that are not there, by source text."""
    name = part.get("name")
    if not isinstance(name, str):
        return []  # the experiment's own check says so
    try:
        keys = registry.options(kind, name)
    except ConfigError as error:
        return [f"{path}.name: {error}"]
    if keys is None:  # code of the user's, which is not read
        return []
    ours = _ours(path)
    strangers = _strangers(part, keys | {key: {} for key in ("name", *ours)})
    return [
        unknown_key((path,), {"loc": steps, "input": value}, keys, ours)
        for steps, value in strangers
    ]


def _strangers(part: Mapping[str, Any], keys: Mapping[str, Any]) -> Iterator[tuple[Any, Any]]:
    """The steps to each key that is not allowed, and its value; values are left aside."""
    for key, value in part.items():
        if key not in keys:
            yield (key,), value
        elif keys[key] and isinstance(value, Mapping):
            yield from (((key, *loc), given) for loc, given in _strangers(value, keys[key]))


def _ours(path: str) -> list[str]:
    """The keys of a place, beside the name, that are not options of its component."""
    fields = (EncoderPart if path.startswith("encoders.") else Part).model_fields
    return [field for field in fields if field != "name"]


def _fill(path: str, part: dict[str, Any], kind: str, allow_code: bool) -> list[str]:
    """Check a component's options and complete them in place."""
    name = part.get("name")
    if not isinstance(name, str):
        return []
    try:
        schema = _schema(kind, name, allow_code)
    except ConfigError as error:
        return [f"{path}.name: {error}"]
    ours = _ours(path)
    options = {key: value for key, value in part.items() if key not in ("name", *ours)}
    try:
        checked = schema.model_validate(options)
    except ValidationError as error:
        return [explain((path,), schema, line, ours) for line in error.errors()]
    part.update(checked.model_dump(mode="json"))
    return []


def _schema(kind: str, name: str, allow_code: bool) -> type[BaseModel]:
    if kind == "protocol":
        from multimodal_ser.protocol import splits

        return registry.schema(splits.find(name))
    return registry.schema(registry.find(kind, name, allow_code=allow_code))
