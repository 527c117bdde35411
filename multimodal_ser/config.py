"""An experiment as the user writes it: YAML and `key=value`, every mistake found at once.

`load` gives an `Experiment` whose component options are complete (defaults filled in), so that
what a run writes down is what was run.
"""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from multimodal_ser import __version__, components, metrics, splits
from multimodal_ser.mistakes import explain
from multimodal_ser.types import ConfigError

Leak = Literal["speaker", "group", "audio", "overlap", "transcript"]
_NOT_A_RESULT = {"name", "runs_dir", "seeds", "workers", "cache", "breakdown"}


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(BaseModel):
    """A component by name; its options are checked against the component's own signature."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class EncoderPart(Part):
    """An encoder and what happens to its features after the cache."""

    normalize: Literal["none", "standard", "speaker"] = "none"


class Head(_Section):
    """A hidden layer before the output layer."""

    hidden: int = Field(gt=0)
    activation: Literal["relu", "gelu", "tanh"] = "relu"
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Output(_Section):
    """One target. `classes` is the task's list; None: the corpus's own."""

    kind: Literal["classes"] = "classes"
    classes: list[str] | None = Field(default=None, min_length=2)
    head: Literal["linear"] | Head = "linear"
    loss: Literal["cross_entropy"] = "cross_entropy"


class Labels(_Section):
    """Other labels than the corpus ships; see `label_maps`."""

    use: Literal["ekman6", "ekman6+neutral", "big4", "valence_sign"] | None = None
    rename: dict[str, str] = {}
    drop: list[str] = []


class CacheSection(_Section):
    """Where features are kept; None: `MSER_CACHE`, else the user's cache folder."""

    dir: Path | None = None


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


class Experiment(_Section):
    """One experiment: a corpus, a protocol, encoders, a fusion, a learner, seeds, metrics."""

    name: str = Field(pattern=r"^[\w.-]+$")
    corpus: Annotated[list[Part], BeforeValidator(_as_list)] = Field(min_length=1)
    labels: Labels | None = None
    protocol: Part = Part(name="kfold")
    allow_leak: list[Leak] = []
    shuffle: Literal["audio", "text"] | None = None
    train_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    encoders: dict[Annotated[str, Field(pattern=r"^\w+$")], EncoderPart] = Field(min_length=1)
    fusion: Part | None = None
    outputs: dict[str, Output] = Field(default={"label": Output()}, min_length=1)
    learner: Part = Part(name="neural")
    seeds: list[int] = Field(default=[0], min_length=1)
    metrics: list[str] = Field(default=["macro_f1", "uar", "accuracy"], min_length=1)
    breakdown: list[str] = []
    runs_dir: Path = Path("runs")
    cache: CacheSection = CacheSection()
    workers: int | None = Field(default=None, ge=1)

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is named twice")
        return sorted(seeds)

    @field_validator("metrics")
    @classmethod
    def _known(cls, chosen: list[str]) -> list[str]:
        for name in chosen:
            if name not in metrics.names():
                near = components.nearest(name, metrics.names())
                raise ValueError(f"'{name}' is no metric{near} ({', '.join(metrics.names())})")
        return chosen

    def resolved(self) -> dict[str, Any]:
        """Plain data that `check` turns into the same experiment again."""
        return self.model_dump(mode="json")

    def with_encoders(self, chosen: Collection[str]) -> Experiment:
        """The same experiment with some of its encoders only."""
        kept = {key: part for key, part in self.encoders.items() if key in chosen}
        return self.model_copy(update={"encoders": kept})

    def with_fusion(self, name: str) -> Experiment:
        """The same experiment with another fusion, at its defaults unless it is the one named."""
        if self.fusion is None or self.fusion.name == name:
            return self
        return check(self.resolved() | {"fusion": {"name": name}}, source=f"fusion {name}")

    def fingerprint(self, table_hash: str) -> str:
        """Names what decides the result: not where things lie, nor which seeds were run."""
        what = {key: value for key, value in self.resolved().items() if key not in _NOT_A_RESULT}
        what["corpus"] = [
            {key: part[key] for key in part if key != "root"} for part in what["corpus"]
        ]
        text = json.dumps([what, table_hash, __version__], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def load(path: Path, overrides: Sequence[str] = (), *, allow_code: bool = True) -> Experiment:
    """Read a YAML config, apply `dotted.key=value`, check everything."""
    return check(_override(_read(path), overrides), source=str(path), allow_code=allow_code)


def check(raw: Mapping[str, Any], *, source: str = "config", allow_code: bool = True) -> Experiment:
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
        problems = list(_contradictions(experiment))
    if problems or experiment is None:
        count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
        raise ConfigError("\n  ".join([f"{source}: {count}", *problems]))
    return experiment


def _read(path: Path) -> dict[str, Any]:
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


def _contradictions(experiment: Experiment) -> Iterator[str]:
    """What each part allows and the whole does not."""
    for name in experiment.metrics:
        if name in metrics.NUMBER_METRICS:
            yield f"metrics: '{name}' scores numbers, and the output is of kind classes"
    for target in experiment.outputs:
        if target != "label":
            yield f"outputs.{target}: unknown target; allowed: label"
    learner = components.find("learners", experiment.learner.name)
    if learner.WANTS != "batches" and experiment.fusion:
        yield (
            f"fusion: only a learner that trains on batches uses one; '{experiment.learner.name}' "
            "joins the pooled features itself. Remove fusion:, or use learner: {name: neural}"
        )
    if learner.WANTS == "batches" and not experiment.fusion:
        yield f"fusion: '{experiment.learner.name}' needs one (for example concat)"
    known = dict.fromkeys(("audio", "text"), False)
    for key, part in experiment.encoders.items():
        encoder = components.find("encoders", part.name)
        known[encoder.modality] = True
        columns = getattr(encoder, "columns", None)
        if learner.WANTS == "batches" and columns and columns(part.options) is None:
            yield f"encoders.{key}: a neural learner needs dense columns; set max_features or svd"
    if experiment.shuffle and not known[experiment.shuffle]:
        yield f"shuffle: no encoder reads {experiment.shuffle}, so it would have no effect"
