"""From a config and the shape of its data to a model and the learner that trains it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from multimodal_ser.config import modes, registry
from multimodal_ser.config.experiment import Experiment, Part
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training import checkpoint_head
from multimodal_ser.training.losses import losses_of
from multimodal_ser.training.model import Model, head


def shape_of(experiment: Experiment, train: Dataset, present: Mapping[str, bool]) -> dict[str, Any]:
    """Dims of the encoders, which of them training leaves out at times, which give all layers.

    present: encoder that runs in every step → whether no row that trains lacks what it reads.
    """
    dropped = experiment.learner.options.get("modality_dropout", 0) > 0
    ragged = {name: part for name, part in train.features.items() if isinstance(part, Ragged)}
    lacking = [name for name, part in ragged.items() if bool((part.lengths == 0).any())]
    lacking += [name for name, whole in present.items() if not whole]
    names = [*ragged, *present]
    return {
        "dims": {name: part.dim for name, part in ragged.items()},
        "absent": [name for name in names if dropped or name in lacking],
        "layers": {name: part.layers for name, part in ragged.items() if part.layers},
    }


def learning_encoders(experiment: Experiment, fitted: Mapping[str, Any]) -> dict[str, Any]:
    """Name → an encoder that learns, as it is before the first step."""
    return {
        name: fitted[name] if name in fitted else modes.build(experiment.encoders[name])
        for name in modes.learning(experiment)
    }


def with_encoders(shape: Mapping[str, Any], encoders: Mapping[str, Any]) -> dict[str, Any]:
    """The shape with what the encoders that learn will give."""
    dims = {name: one.dim for name, one in encoders.items()}
    layers = {name: one.mixed for name, one in encoders.items() if getattr(one, "mixed", 0)}
    return {**shape, "dims": {**shape["dims"], **dims}, "layers": {**shape["layers"], **layers}}


def make_learner(
    experiment: Experiment,
    shape: Mapping[str, Any],
    encoders: Mapping[str, Any],
    truth: Mapping[str, torch.Tensor] | None = None,
) -> Any:
    """encoders: those that learn, which become a part of the model.

    truth: what the rows that train are taught; None: it will be loaded, not trained.
    """
    name, options = experiment.learner.name, experiment.learner.options
    if registry.find("learners", name).WANTS != "batches":
        return registry.build("learners", name, options)
    fusion, heads = _behind(experiment, shape)
    wanted = losses_of(experiment.outputs, truth)
    parts = experiment.encoders.items()
    model = Model(
        fusion,
        heads,
        shape["dims"],
        shape["absent"],
        layers=shape["layers"],
        attended=[key for key, part in parts if part.attended],
        modalities={key: registry.find("encoders", part.name).modality for key, part in parts},
        encoders=encoders,
    )
    model.multiple = frozenset(experiment.targets("labels"))
    model.rates = {key: part.finetune.lr for key, part in parts if part.trainable}
    return registry.build("learners", name, options, model, wanted)


def _behind(experiment: Experiment, shape: Mapping[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """What stands behind the encoders: the fusion, and a head for each target."""
    if checkpoint_head.used(experiment):
        whole = registry.build("fusion", "join", {}, shape["dims"])
        return whole, checkpoint_head.heads(experiment, shape["classes"])
    part = experiment.fusion or Part(name="concat")
    fusion = registry.build("fusion", part.name, part.options, shape["dims"])
    return fusion, {
        target: head(fusion.out_dim, len(classes) or 1, **experiment.outputs[target].layers)
        for target, classes in shape["classes"].items()
    }
