"""From a config and the shape of its data to a model and the learner that trains it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Part
from multimodal_ser.config.method import Method
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training.losses import losses_of
from multimodal_ser.training.model import Model, head


def shape_of(method: Method, train: Dataset, present: Mapping[str, bool]) -> dict[str, Any]:
    """The shapes a model is built for: widths, and which encoders may be absent or give all layers.

    present: encoder that runs in every step → whether all training rows have its input.
    """
    dropped = method.learner.options.get("modality_dropout", 0) > 0
    ragged = {name: part for name, part in train.features.items() if isinstance(part, Ragged)}
    lacking = [name for name, part in ragged.items() if bool((part.lengths == 0).any())]
    lacking += [name for name, whole in present.items() if not whole]
    names = [*ragged, *present]
    return {
        "dims": {name: part.dim for name, part in ragged.items()},
        "absent": [name for name in names if dropped or name in lacking],
        "layers": {name: part.layers for name, part in ragged.items() if part.layers},
    }


def learning_encoders(method: Method, fitted: Mapping[str, Any]) -> dict[str, Any]:
    """Name → an encoder that learns, as it is before the first step."""
    return {
        name: fitted[name] if name in fitted else encoding.build()
        for name, encoding in method.learning.items()
    }


def with_encoders(shape: Mapping[str, Any], encoders: Mapping[str, Any]) -> dict[str, Any]:
    """The shape with the widths and layers of the encoders that learn."""
    dims = {name: encoder.dim for name, encoder in encoders.items()}
    layers = {name: encoder.mixed for name, encoder in encoders.items() if encoder.mixed}
    return {**shape, "dims": {**shape["dims"], **dims}, "layers": {**shape["layers"], **layers}}


def make_learner(
    method: Method,
    shape: Mapping[str, Any],
    encoders: Mapping[str, Any],
    truth: Mapping[str, torch.Tensor] | None = None,
) -> Any:
    """The learner, with its model around the encoders that learn.

    truth: target → what the training rows are taught; None: the model will be loaded, not trained.
    """
    name, options = method.learner.name, method.learner.options
    if method.learner_class.WANTS != "batches":
        return registry.build("learners", name, options)
    fusion, heads = _behind(method, shape)
    wanted = losses_of(method.outputs, truth)
    encodings = method.encodings.items()
    model = Model(
        fusion,
        heads,
        shape["dims"],
        shape["absent"],
        layers=shape["layers"],
        attended=[key for key, encoding in encodings if encoding.attended],
        modalities={key: encoding.modality for key, encoding in encodings},
        encoders=encoders,
    )
    model.multiple = frozenset(method.targets("labels"))
    model.rates = {key: how.finetune.lr for key, how in encodings if how.finetune}
    return registry.build("learners", name, options, model, wanted)


def _behind(method: Method, shape: Mapping[str, Any]) -> tuple[nn.Module, dict[str, Any]]:
    """The modules after the encoders: the fusion, and one head for each target."""
    own = method.learner_class.heads(method, shape["classes"])
    if own is not None:
        return registry.build("fusion", "join", {}, shape["dims"]), own
    part = method.fusion or Part(name="concat")
    fusion = registry.build("fusion", part.name, part.options, shape["dims"])
    return fusion, {
        target: head(fusion.out_dim, len(classes) or 1, **method.outputs[target].layers)
        for target, classes in shape["classes"].items()
    }
