"""The sections of a config: what stands below one key of an experiment.

Everything here is plain data, and each section is checked by itself; `experiment` joins them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator, model_validator

from multimodal_ser.evaluation import metrics
from multimodal_ser.types import nearest


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Part(BaseModel):
    """A component by name; its options are checked against the component's own signature."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def options(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Tuning(_Section):
    """How a pre-trained encoder learns where it does; see `types.Finetune`.

    lr: its own learning rate, None: the learner's. rank, alpha, dropout: of `trainable: lora`.
    """

    lr: float | None = Field(default=None, gt=0)
    cnn: bool = False
    checkpointing: bool = False
    rank: int = Field(default=8, gt=0)
    alpha: float = Field(default=16.0, gt=0)
    dropout: float = Field(default=0.0, ge=0, lt=1)


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
        """Its frames are pooled by a learned query, behind the cache."""
        return self.options.get("pool") == "attention"


class Labels(_Section):
    """Other labels than the corpus ships; see `label_maps`.

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
        """The metrics below `values`, wherever they were written."""
        if not isinstance(raw, Mapping) or not isinstance(raw.get("values", {}), Mapping):
            return raw
        beside = {key: one for key, one in raw.items() if cls._is_value(key, one)}
        others = {key: one for key, one in raw.items() if key not in beside}
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
            if value > 1 and name not in metrics.LOWER_IS_BETTER:
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
