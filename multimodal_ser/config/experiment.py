"""An experiment in pydantic models: what a YAML file may say, and nothing else.

Each class is one section of the file, and `Experiment` joins them. Everything here is plain data:
`read` reads it and fills in the defaults, and `check` finds what contradicts itself.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    field_validator,
    model_validator,
)

from multimodal_ser.config import registry
from multimodal_ser.config.outputs import Output, kind_of, with_loss
from multimodal_ser.evaluation import metrics
from multimodal_ser.types import Finetune, __version__, nearest

TextSource = Literal["reference", "asr", "asr_where_missing"]
Leak = Literal["speaker", "group", "audio", "overlap", "transcript"]
_NOT_A_RESULT = {
    "name", "runs_dir", "seeds", "workers", "device", "cache", "breakdown", "task", "submission",
    "expect", "search", "tune",
}  # fmt: skip
_NOT_THE_TASK = ("root", "dev", "seed")  # where it lies, and how somebody selects


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


def _as_section(value: Any) -> Any:
    return {} if value is None else value  # a key with nothing behind it


def _as_steps(value: Any) -> Any:
    return {"steps": value} if isinstance(value, list) else value


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(BaseModel):
    """A component by name; its options are checked against the component's own signature."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


if TYPE_CHECKING:
    Tuning = Finetune
else:

    class Tuning(registry.schema(Finetune)):
        """The section `finetune:`: all of the record but `trainable`, which stands beside it."""


class EncoderPart(Part):
    """An encoder, what happens to its features after the cache, and whether it learns.

    trainable: all of a pre-trained encoder, its highest layers (`top:2`), or low-rank additions
    (`lora`).
    """

    normalize: Literal["none", "standard", "speaker"] = "none"
    trainable: bool | str = False
    finetune: Tuning = Tuning()

    @field_validator("trainable")
    @classmethod
    def _known(cls, how: bool | str) -> bool | str:
        if isinstance(how, str) and not re.fullmatch(r"top:[1-9]\d*|lora", how):
            raise ValueError("one of true, false, lora, and top:<number of the highest layers>")
        return how

    @property
    def attended(self) -> bool:
        """Whether a learned query pools its frames, after the cache."""
        return self.options.get("pool") == "attention"


class Labels(_Section):
    """Other labels than the corpus ships; see `relabel`.

    space: a published table of emotion words, from which valence, arousal and dominance are made
    where the corpus has no ratings; see `emotion_space`.
    """

    use: Literal["ekman6", "ekman6+neutral", "big4", "valence_sign"] | None = None
    rename: dict[str, str] = {}
    drop: list[str] = []
    space: Literal["russell_mehrabian"] | None = None


class Published(_Section):
    """What others report on a task: metric → value, and where that stands."""

    system: str
    values: dict[str, float] = Field(min_length=1)
    source: str
    note: str = ""


class Expect(_Section):
    """What a document reports of the system that a config describes.

    A metric may stand below `values`, or beside the other keys. Ours is put beside it where its
    protocol (a name; None: the document does not say), part and classes are ours. classes: None
    takes those of the config. target: None is the first.
    """

    values: dict[str, FiniteFloat] = Field(min_length=1)
    protocol: str | None = None
    part: str = "test"
    target: str | None = None
    classes: list[str] | None = Field(default=None, min_length=2)
    source: str = Field(min_length=1)
    note: str = ""

    @model_validator(mode="before")
    @classmethod
    def _gathered(cls, raw: Any) -> Any:
        """The metrics moved below `values`, wherever they were written."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("values", {}), Mapping):
            return raw
        beside = {key: value for key, value in raw.items() if cls._is_value(key, value)}
        others = {key: value for key, value in raw.items() if key not in beside}
        return {**others, "values": {**raw.get("values", {}), **beside}}

    @classmethod
    def _is_value(cls, key: str, what: Any) -> bool:
        is_number = isinstance(what, int | float) and not isinstance(what, bool)
        return key not in cls.model_fields and (is_number or key in metrics.names())

    @field_validator("values")
    @classmethod
    def _known(cls, values: dict[str, float]) -> dict[str, float]:
        for name, value in values.items():
            if name not in metrics.names():
                near = nearest(name, metrics.names())
                raise ValueError(f"'{name}' is no metric{near} ({', '.join(metrics.names())})")
            if value > 1 and metrics.sign(name) > 0:
                raise ValueError(f"{name} is at most 1; write {value / 100:g} for {value:g} %")
        return values


class Task(_Section):
    """A task that others have worked on. conditions: what its card says of corpus, protocol and
    outputs; a run that differs there is not drawn among the published results.
    """

    title: str
    home: str
    averaging: str
    part: str = "test"
    published: list[Published] = []
    conditions: dict[str, Any] = {}


class Submission(_Section):
    """The file that a task wants, in a zip: its columns, by our name (id, value) → theirs.

    verified: the layout was accepted by the task's own page; False is said wherever it is written.
    """

    file: str = Field(pattern=r"^[\w.-]+$")
    columns: dict[Literal["id", "value"], str] = {"id": "id", "value": "label"}
    separator: str = Field(default=",", min_length=1, max_length=1)
    header: bool = True
    part: str = "test"
    verified: bool = False


class Augment(_Section):
    """What changes the rows that train, and never others: components in their order.

    copies: that many changed copies of each row join the training, made once and kept; None: each
    row is changed anew in each epoch.
    """

    steps: list[Part] = []
    copies: int | None = Field(default=None, gt=0)


class Within(_Section):
    """What one fold trains and selects on, its test part out of reach.

    folds: that many are cut of it, in whole clusters, each of which is dev once; None: its own dev.
    """

    fold: int = Field(default=0, ge=0)
    folds: int | None = Field(default=None, ge=2)


class CacheSection(_Section):
    """Where features are kept; None: `MSER_CACHE`, else the user's cache folder."""

    dir: Path | None = None


class Tune(_Section):
    """How the trials of a search are judged, and what is claimed in the end.

    objective: of a trial, over its folds and seeds: the mean, or `lower`, the mean minus a standard
    error. tune_on: the fold that is tuned and claimed. nested: every fold has a search of its own.
    inner: so many folds are cut from train and dev, None: the dev part judges. cost: what else is
    to be small. final: the chosen trial is trained as in the search (same), or on train and dev.
    """

    objective: Literal["mean", "lower"] = "mean"
    tune_on: int | None = Field(default=None, ge=0)
    nested: bool = False
    inner: int | None = Field(default=None, ge=2)
    cost: Literal["seconds", "parameters"] | None = None
    final: Literal["same", "refit"] = "same"

    @model_validator(mode="after")
    def _fits(self) -> Tune:
        if self.nested and self.tune_on is not None:
            raise ValueError("nested tunes every fold, tune_on one of them; leave one of the two")
        return self


class Experiment(BaseModel):
    """One experiment: a corpus, a protocol, encoders, a fusion, a learner, seeds, metrics.

    folds: the numbers of those that are run, None: all. within: the test parts are never seen.
    refit: dev trains, too, and nothing is selected. balance_beta: β of `balance: effective`, None:
    0.999. search: dotted key → what a search may try there, see `search.reading`; without any key,
    what the components say of themselves.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[\w.-]+$")
    corpus: Annotated[list[Part], BeforeValidator(_as_list)] = Field(min_length=1)
    labels: Labels | None = None
    protocol: Part = Part(name="kfold")
    folds: Annotated[list[int], Field(min_length=1)] | None = None
    within: Within | None = None
    refit: bool = False
    allow_leak: list[Leak] = []
    shuffle: Literal["audio", "text"] | None = None
    train_fraction: Annotated[float, Field(gt=0, le=1)] = 1.0
    asr: Part | None = None
    text_source: TextSource = "reference"
    encoders: dict[Annotated[str, Field(pattern=r"^\w+$")], EncoderPart] = {}
    fusion: Part | None = None
    outputs: dict[str, Output] = Field(default={"label": Output()}, min_length=1)
    augment: Annotated[Augment, BeforeValidator(_as_steps)] = Augment()
    balance: Literal["none", "truncate", "weights", "effective", "sampler"] = "none"
    balance_beta: Annotated[float, Field(ge=0, lt=1)] | None = None
    learner: Part = Part(name="neural")
    seeds: list[Annotated[int, Field(ge=0)]] = Field(default=[0], min_length=1)
    metrics: list[str] = Field(default=["macro_f1", "uar", "accuracy"], min_length=1)
    breakdown: list[str] = []
    task: Task | None = None
    expect: Annotated[list[Expect], BeforeValidator(_as_list)] = []
    submission: Submission | None = None
    search: Annotated[dict[str, Any], BeforeValidator(_as_section)] = {}
    tune: Tune = Tune()
    runs_dir: Path = Path("runs")
    cache: CacheSection = CacheSection()
    workers: int | None = Field(default=None, ge=1)
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    @field_validator("seeds")
    @classmethod
    def _distinct(cls, seeds: list[int]) -> list[int]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a seed is named twice")
        return sorted(seeds)

    @model_validator(mode="before")
    @classmethod
    def _usual(cls, raw: Any) -> Any:
        """Fill in what is not written: metrics and losses that fit, and the use of a recogniser."""
        if not isinstance(raw, Mapping):
            return raw
        raw = dict(raw)
        if raw.get("asr"):
            raw.setdefault("text_source", "asr_where_missing")
        outputs = raw.get("outputs", {"label": {}})
        if not isinstance(outputs, Mapping):
            return raw
        raw["outputs"] = {name: with_loss(output) for name, output in outputs.items()}
        if "metrics" not in raw:
            kinds = dict.fromkeys(kind_of(output) for output in outputs.values())
            raw["metrics"] = [name for kind in kinds for name in metrics.DEFAULTS.get(kind, ())]
        return raw

    @field_validator("metrics")
    @classmethod
    def _known(cls, chosen: list[str]) -> list[str]:
        for name in chosen:
            if name not in metrics.names():
                near = nearest(name, metrics.names())
                raise ValueError(f"'{name}' is no metric{near} ({', '.join(metrics.names())})")
        return chosen

    def metrics_of(self, target: str) -> list[str]:
        """The metrics of the config that fit the kind of this target."""
        kind = self.outputs[target].kind
        return [name for name in self.metrics if metrics.kind(name) == kind]

    def targets(self, kind: str) -> list[str]:
        """The targets of one kind, in their order."""
        return [name for name, output in self.outputs.items() if output.kind == kind]

    @property
    def first(self) -> str:
        """The first target, which decides."""
        return next(iter(self.outputs))

    @property
    def transductive(self) -> list[str]:
        """The encoders scaled by each speaker's own clips, those of the test among them."""
        return [name for name, part in self.encoders.items() if part.normalize == "speaker"]

    @property
    def differs(self) -> list[str]:
        """The keys in which the experiment is not the task that its card describes."""
        if self.task is None:
            return []
        mine, conditions = self.resolved(), self.task.conditions
        keys = [key for key, theirs in conditions.items() if not _says(mine.get(key), theirs)]
        keys += [key for key in ("shuffle", "folds", "within", "refit") if getattr(self, key)]
        decides = next(iter(conditions.get("outputs") or {}), self.first)
        return keys if decides == self.first or "outputs" in keys else [*keys, "outputs"]

    def resolved(self) -> dict[str, Any]:
        """Plain data from which `check` makes the same experiment again."""
        return self.model_dump(mode="json")

    def with_encoders(self, chosen: Collection[str]) -> Experiment:
        """The same experiment with only some of its encoders."""
        kept = {key: part for key, part in self.encoders.items() if key in chosen}
        unread = {"asr": None, "text_source": "reference"}
        update = {} if "text" in _modalities(kept) else unread
        return self.model_copy(update={"encoders": kept, **update})

    @property
    def modalities(self) -> set[str]:
        """The modalities that the encoders read."""
        return _modalities(self.encoders)

    def fingerprint(self, table_hash: str) -> str:
        """A hash of all that decides the result.

        Where files lie and which seeds were run is not in it.
        """
        what = {key: value for key, value in self.resolved().items() if key not in _NOT_A_RESULT}
        what["corpus"] = [
            {key: part[key] for key in part if key != "root"} for part in what["corpus"]
        ]
        what["outputs"] = list(what["outputs"].items())  # the first of them decides
        text = json.dumps([what, table_hash, __version__], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


def _modalities(encoders: Mapping[str, EncoderPart]) -> set[str]:
    return {registry.find("encoders", part.name).modality for part in encoders.values()}


def _says(mine: Any, theirs: Any) -> bool:
    """Whether the config says all that the card says; how a dev part is held out is left open."""
    if isinstance(mine, list) and isinstance(theirs, Mapping):
        return len(mine) == 1 and _says(mine[0], theirs)
    if isinstance(mine, Mapping) and isinstance(theirs, Mapping):
        keys = [key for key in theirs if key not in _NOT_THE_TASK]
        return all(_says(mine.get(key), theirs[key]) for key in keys)
    return mine == theirs
