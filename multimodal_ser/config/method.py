"""A method: what training must know of an experiment, without corpus, protocol and folders.

It says how each encoder runs, what joins the encoders, and what is trained. An encoder runs in one
of four ways. cached: it is frozen, and the features of every utterance are computed once. fitted:
it is fitted on the training rows of each fold before anything else. learning: it is a part of the
model and runs in every step. fresh: it is frozen or fitted, but runs in every step, because
`augment` changes its inputs; rows that do not train still come from the cache.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Augment, EncoderPart, Experiment, Part
from multimodal_ser.config.outputs import Output
from multimodal_ser.types import Finetune


@dataclass(frozen=True)
class Encoding:
    """One encoder of an experiment and how it runs: its component by name, with its options.

    finetune: how a pre-trained encoder is trained further; None: its weights stay as they are.
    attended: whether a learned query pools its frames, after the cache.
    """

    name: str
    options: Mapping[str, Any]
    modality: str
    normalize: str
    learns: bool
    fitted: bool
    fresh: bool
    attended: bool
    finetune: Finetune | None

    @property
    def cached(self) -> bool:
        """Whether the features of every utterance are computed once.

        This is true for some fresh encoders as well.
        """
        return not self.learns and not self.fitted

    @property
    def in_every_step(self) -> bool:
        return self.learns or self.fresh

    def build(self) -> Any:
        """A new encoder, before any training."""
        if self.finetune is None:
            return registry.build("encoders", self.name, self.options)
        return registry.build("encoders", self.name, self.options, self.finetune)


@dataclass(frozen=True)
class Method:
    """The part of an experiment that decides how a model is built and trained on given rows.

    encodings: the name of an encoder in the config → how it runs. device: the device in the config.
    """

    encodings: Mapping[str, Encoding]
    fusion: Part | None
    outputs: Mapping[str, Output]
    learner: Part
    augment: Augment
    balance: str
    balance_beta: float | None
    device: str

    @property
    def learning(self) -> dict[str, Encoding]:
        return {key: encoding for key, encoding in self.encodings.items() if encoding.learns}

    @property
    def fitted(self) -> dict[str, Encoding]:
        return {key: encoding for key, encoding in self.encodings.items() if encoding.fitted}

    @property
    def cached(self) -> dict[str, Encoding]:
        return {key: encoding for key, encoding in self.encodings.items() if encoding.cached}

    @property
    def in_every_step(self) -> dict[str, Encoding]:
        """The encoders that learn, then those that are fresh, as hashes of trainings order them."""
        fresh = {key: encoding for key, encoding in self.encodings.items() if encoding.fresh}
        return {**self.learning, **fresh}

    @property
    def augment_files(self) -> str:
        """A hash of the files that the augmentations read, wherever they lie; empty for none."""
        kinds = [(registry.find("augment", step.name), step.options) for step in self.augment.steps]
        hashes = [kind.files_hash(options) for kind, options in kinds if kind.files_hash]
        return "/".join(hashes)

    def steps_of_every_epoch(self) -> list[Any]:
        """The augmentations that change the training rows in every epoch, in their order."""
        steps = [] if self.augment.copies else self.augment.steps
        return [registry.build("augment", step.name, step.options) for step in steps]

    @property
    def learner_class(self) -> Any:
        return registry.find("learners", self.learner.name)

    def targets(self, kind: str) -> list[str]:
        """The targets of one kind, in their order."""
        return [name for name, output in self.outputs.items() if output.kind == kind]

    @property
    def balanced_target(self) -> str:
        """The target that `balance` evens out: the first target of classes."""
        return self.targets("classes")[0]


def method_of(experiment: Experiment) -> Method:
    """The method of an experiment."""
    return Method(
        encodings=encodings_of(experiment.encoders, experiment.augment),
        fusion=experiment.fusion,
        outputs=experiment.outputs,
        learner=experiment.learner,
        augment=experiment.augment,
        balance=experiment.balance,
        balance_beta=experiment.balance_beta,
        device=experiment.device,
    )


def encodings_of(encoders: Mapping[str, EncoderPart], augment: Augment) -> dict[str, Encoding]:
    """How each encoder runs together with these augmentations."""
    steps = (
        [] if augment.copies else [registry.find("augment", step.name) for step in augment.steps]
    )
    changed = {step.modality for step in steps if step.STAGE == "input"}
    return {key: _encoding(part, changed) for key, part in encoders.items()}


def _encoding(part: EncoderPart, changed: Collection[str | None]) -> Encoding:
    """How one encoder runs.

    changed: the modalities whose inputs change in every epoch; None is both.
    """
    encoder = registry.find("encoders", part.name)
    learns = bool(part.trainable) or encoder.TRAINED
    return Encoding(
        name=part.name,
        options=part.options,
        modality=encoder.modality,
        normalize=part.normalize,
        learns=learns,
        fitted=encoder.fit is not None,
        fresh=not learns and bool({None, encoder.modality} & {*changed}),
        attended=part.attended,
        finetune=Finetune(part.trainable, **vars(part.finetune)) if part.trainable else None,
    )


def touches(encoders: Mapping[str, EncoderPart], step_name: str) -> bool:
    """Whether an augmentation changes what some encoder reads or gives."""
    step = registry.find("augment", step_name)
    for part in encoders.values():
        fits = step.modality in (None, registry.find("encoders", part.name).modality)
        if fits and (step.STAGE != "frames" or has_frames(part)):
            return True
    return False


def has_frames(part: EncoderPart) -> bool:
    """Whether an encoder gives frames of which parts can be blanked out."""
    encoder = registry.find("encoders", part.name)
    if encoder.TRAINED:
        return encoder.frames is not None and encoder.frames(part.options)
    if part.trainable:
        return False
    pool = part.options.get("pool")
    return encoder.FRAMES if pool is None else pool in ("none", "attention")


def can_be_mixed(part: EncoderPart) -> bool:
    """Whether two rows of the inputs or outputs of an encoder can be mixed."""
    encoder = registry.find("encoders", part.name)
    return encoder.frames is not None if encoder.TRAINED else not part.trainable


def subset(experiment: Experiment, chosen: Collection[str]) -> Experiment:
    """The experiment with some of its encoders, and with the augmentations that touch them."""
    small = experiment.with_encoders(chosen)
    steps = [step for step in small.augment.steps if touches(small.encoders, step.name)]
    copies = small.augment.copies if steps else None
    return small.model_copy(update={"augment": Augment(steps=steps, copies=copies)})
