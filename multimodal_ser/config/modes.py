"""How each encoder of an experiment runs.

cached: frozen, once. fitted: anew in every fold, on the rows that train. learning: in the model, in
every step. fresh: frozen or fitted, and in every step all the same, because `augment` changes what
it reads; what is not trained on still comes from the cache.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Augment, EncoderPart, Experiment
from multimodal_ser.types import Finetune


def learns(part: EncoderPart) -> bool:
    """In the model: because its kind always does, or because the config says so."""
    return bool(part.trainable) or getattr(registry.find("encoders", part.name), "TRAINED", False)


def learning(experiment: Experiment) -> list[str]:
    return [name for name, part in experiment.encoders.items() if learns(part)]


def fitted(experiment: Experiment) -> list[str]:
    """Those that look at the rows that train before anything else does."""
    return [
        name
        for name, part in experiment.encoders.items()
        if hasattr(registry.find("encoders", part.name), "fit")
    ]


def cached(experiment: Experiment) -> list[str]:
    """Those whose features of every utterance are computed once, the fresh ones among them."""
    others = {*learning(experiment), *fitted(experiment)}
    return [name for name in experiment.encoders if name not in others]


def fresh(experiment: Experiment) -> list[str]:
    """Those that must read every utterance anew in every epoch, because a step changes it."""
    if experiment.augment.copies:
        return []
    steps = [registry.find("augment", step.name) for step in experiment.augment.steps]
    changed = {step.modality for step in steps if step.STAGE == "input"}
    others = learning(experiment)
    return [
        name
        for name, part in experiment.encoders.items()
        if name not in others and changed & {None, registry.find("encoders", part.name).modality}
    ]


def in_every_step(experiment: Experiment) -> list[str]:
    return [*learning(experiment), *fresh(experiment)]


def touches(experiment: Experiment, name: str) -> bool:
    """Whether a step changes what some encoder reads or gives."""
    step = registry.find("augment", name)
    for part in experiment.encoders.values():
        fits = step.modality in (None, registry.find("encoders", part.name).modality)
        if fits and (step.STAGE != "frames" or frames_of(part)):
            return True
    return False


def frames_of(part: EncoderPart, samples: bool = False) -> bool:
    """Whether an encoder has frames that can be blanked out (or, with samples, rows to mix)."""
    encoder = registry.find("encoders", part.name)
    if getattr(encoder, "TRAINED", False):
        frames = getattr(encoder, "frames", None)
        return frames is not None and (samples or frames(part.options))
    if learns(part):
        return False
    pool = part.options.get("pool")
    many = getattr(encoder, "FRAMES", False) if pool is None else pool in ("none", "attention")
    return samples or many


def subset(experiment: Experiment, chosen: Collection[str]) -> Experiment:
    """The experiment with some of its encoders, and the augmentation that touches them."""
    small = experiment.with_encoders(chosen)
    steps = [one for one in small.augment.steps if touches(small, one.name)]
    copies = small.augment.copies if steps else None
    return small.model_copy(update={"augment": Augment(steps=steps, copies=copies)})


def build(part: EncoderPart) -> Any:
    """An encoder that learns, with its weights before training, or any other as it is."""
    if not part.trainable:
        return registry.build("encoders", part.name, part.options)
    return registry.build("encoders", part.name, part.options, finetune_of(part))


def finetune_of(part: EncoderPart) -> Finetune:
    tuned, how = part.finetune, part.trainable
    top = int(how.partition(":")[2]) if isinstance(how, str) and how.startswith("top:") else None
    return Finetune(
        top=top,
        lora=how == "lora",
        cnn=tuned.cnn,
        checkpointing=tuned.checkpointing,
        rank=tuned.rank,
        alpha=tuned.alpha,
        dropout=tuned.dropout,
    )
