"""What encoders with a classifier head share: the names of the labels, and the training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from multimodal_ser.features.encoders._finetune import Learning
from multimodal_ser.features.encoders._hf import load_config
from multimodal_ser.types import ConfigError, Finetune

_DEVIATION = 0.02  # standard deviation of new, untrained weights, as in BERT


def labels_of(options: Mapping[str, Any]) -> list[str]:
    """The label of each column of the logits; new labels, which the head must learn, come last."""
    names = load_config(options["model"], options["revision"]).id2label
    return [str(names[column]) for column in sorted(names)] + list(options["more_labels"])


def settle(
    network: Any, body: Any, layers: Any, more_labels: Sequence[str], finetune: Finetune | None
) -> Learning | None:
    """Add the new labels to the last layer, and set what the training may change.

    Returns None where the network stays frozen. body: the part of the network that gives hidden
    states, and `layers` are its layers. The head always learns, and so does the pooler that some
    text models have before the head.
    """
    if not finetune:
        if more_labels:
            raise ConfigError(
                f"more_labels: {list(more_labels)} must be learned; set trainable: true"
            )
        return None
    if more_labels:
        _widen(network, len(more_labels))
    learning = Learning(body, list(layers), finetune)
    for module in _head(network, body):
        module.requires_grad_(True)
        learning.alive.append(module)
    return learning


def _head(network: Any, body: Any) -> list[nn.Module]:
    """The modules that follow the hidden states, and the pooler."""
    modules = [module for module in network.children() if module is not body]
    pooler = getattr(body, "pooler", None)
    return [*modules, *([pooler] if isinstance(pooler, nn.Module) else [])]


def _widen(network: Any, count: int) -> None:
    """Add rows for `count` more labels to the last linear layer; the old rows keep their values."""
    name, last = [
        (path, module) for path, module in network.named_modules() if isinstance(module, nn.Linear)
    ][-1]
    wide = nn.Linear(last.in_features, last.out_features + count, bias=last.bias is not None)
    with torch.no_grad():
        nn.init.normal_(wide.weight, std=_DEVIATION)
        wide.weight[: last.out_features] = last.weight
        if last.bias is not None:
            nn.init.zeros_(wide.bias)
            wide.bias[: last.out_features] = last.bias
    network.set_submodule(name, wide)
    network.num_labels = network.config.num_labels = wide.out_features
