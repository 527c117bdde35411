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

from multimodal_ser import components, metrics, splits
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
    raw: Mapping[str, Any], *, source: str = "config", allow_code: bool = True, card: bool = False
) -> Experiment:
    """The experiment with every default filled in; ConfigError with every problem at once."""
    problems: list[str] = []
    complete = copy.deepcopy(dict(raw))
    for path, part, options_of in _parts(complete):
        problems += _fill(path, part, options_of, allow_code)
    experiment: Experiment | None = None
    try:
        experiment = Experiment.model_validate(complete)
    except ValidationError as error:
        problems += [explain((), Experiment, one) for one in error.errors()]
    if experiment and not problems:
        problems = list(_contradictions(experiment, card))
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
    for path, (part, kind) in places.items():
        if isinstance(part, dict):
            yield path, part, _component(kind)
    if isinstance(raw["protocol"], dict):
        yield "protocol", raw["protocol"], _protocol
    encoders = raw.get("encoders")
    for key, part in encoders.items() if isinstance(encoders, dict) else ():
        if isinstance(part, dict):
            yield f"encoders.{key}", part, _component("encoders")


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


def _contradictions(experiment: Experiment, card: bool) -> Iterator[str]:
    """What each part allows and the whole does not."""
    yield from _of_outputs(experiment)
    if experiment.encoders or not card:
        yield from _of_learning(experiment)


def _of_outputs(experiment: Experiment) -> Iterator[str]:
    kinds = {output.kind for output in experiment.outputs.values()}
    for name in experiment.metrics:
        if metrics.kind(name) not in kinds:
            yield f"metrics: '{name}' scores {metrics.kind(name)}, and no output is of that kind"
    for target, output in experiment.outputs.items():
        if not experiment.metrics_of(target):
            usual = ", ".join(metrics.DEFAULTS[output.kind])
            yield f"outputs.{target}: no metric fits its kind (for example {usual})"
        if output.soft and (output.column or target) != "label":
            yield f"outputs.{target}.soft: raters' votes (votes:<label>) are of the column label"
    yield from _of_balance(experiment)


def _of_balance(experiment: Experiment) -> Iterator[str]:
    if experiment.balance_beta is not None and experiment.balance != "effective":
        yield "balance_beta: only balance: effective has one"
    if experiment.balance == "none":
        return
    kinds = {output.kind for output in experiment.outputs.values()}
    if "classes" not in kinds:
        yield "balance: only classes can be balanced, and no output is of that kind"
    elif experiment.outputs[experiment.balanced_target].adjustment:
        yield (
            f"outputs.{experiment.balanced_target}.adjustment: balance: {experiment.balance} makes "
            "up for rare classes already; take one of the two"
        )


def _of_learning(experiment: Experiment) -> Iterator[str]:
    if not experiment.encoders:
        yield "encoders: name at least one, such as {audio: {name: mfcc}}"
    learner = components.find("learners", experiment.learner.name)
    yield from _of_learner(experiment, learner)
    if learner.WANTS != "batches" and experiment.fusion:
        yield (
            f"fusion: only a learner that trains on batches uses one; '{experiment.learner.name}' "
            "joins the pooled features itself. Remove fusion:, or use learner: {name: neural}"
        )
    if learner.WANTS == "batches" and not experiment.fusion:
        yield f"fusion: '{experiment.learner.name}' needs one (for example concat)"
    select = experiment.learner.options.get("select")
    if select and metrics.kind(select) not in {one.kind for one in experiment.outputs.values()}:
        yield f"learner.select: no output is of the kind that '{select}' scores"
    known = dict.fromkeys(("audio", "text"), False)
    for key, part in experiment.encoders.items():
        encoder = components.find("encoders", part.name)
        known[encoder.modality] = True
        if learner.WANTS != "batches" and (
            part.attended or part.options.get("layer") == "weighted"
        ):
            yield f"encoders.{key}: weighted layers and pool: attention are learned by neural alone"
        columns = getattr(encoder, "columns", None)
        if learner.WANTS == "batches" and columns and columns(part.options) is None:
            yield f"encoders.{key}: a neural learner needs dense columns; set max_features or svd"
    yield from _of_text(experiment)
    dropped = experiment.learner.options.get("modality_dropout", 0)
    if dropped and len(experiment.modalities) < 2:
        yield "learner.modality_dropout: the encoders read one modality, so there is none to drop"
    if experiment.shuffle and not known[experiment.shuffle]:
        yield f"shuffle: no encoder reads {experiment.shuffle}, so it would have no effect"


def _of_text(experiment: Experiment) -> Iterator[str]:
    if experiment.text_source != "reference" and experiment.asr is None:
        yield f"text_source: '{experiment.text_source}' needs a recogniser, asr: {{name: whisper}}"
    if experiment.asr and "text" not in experiment.modalities:
        yield "asr: no encoder reads text, so it would have no effect"


def _of_learner(experiment: Experiment, learner: Any) -> Iterator[str]:
    """Whether the learner can predict what is asked for, and balance it as is asked for."""
    name, able = experiment.learner.name, ", ".join(learner.TARGETS)
    for target, output in experiment.outputs.items():
        if output.kind not in learner.TARGETS:
            yield f"outputs.{target}: '{name}' predicts {able}, no {output.kind}"
    if learner.WANTS != "batches":
        yield from _unused(experiment)
    if learner.WANTS != "batches" and len(experiment.outputs) > 1:
        yield f"outputs: '{name}' predicts one target; learner: {{name: neural}} takes several"
    if learner.WANTS != "batches" and experiment.balance == "sampler":
        yield f"balance: '{name}' does not draw batches; use weights"


def _unused(experiment: Experiment) -> Iterator[str]:
    """What says how batches are learned, for a learner that takes none."""
    for target, output in experiment.outputs.items():
        used = {"head": output.layers, "loss": output.loss == "focal"}
        names = [*(name for name, is_used in used.items() if is_used), *output.of_classes_alone]
        for name in names:
            yield (
                f"outputs.{target}.{name}: '{experiment.learner.name}' has its own, so it would "
                "have no effect; learner: {name: neural} has it"
            )
