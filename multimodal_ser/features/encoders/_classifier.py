"""What checkpoints with a head of their own share: the names of what they say, and its learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from multimodal_ser.features.encoders._finetune import Learning
from multimodal_ser.features.encoders._hf import load_config
from multimodal_ser.types import ConfigError, Finetune

_DEVIATION = 0.02  # of weights that nobody has trained, as in BERT


def labels_of(options: Mapping[str, Any]) -> list[str]:
    """What each column of the logits stands for, those that are yet to be learned last."""
    named = load_config(options["model"], options["revision"]).id2label
    return [str(named[at]) for at in sorted(named)] + list(options["more_labels"])


def settle(
    network: Any, body: Any, layers: Any, more: Sequence[str], how: Finetune | None
) -> Learning | None:
    """Widen the last layer by the labels that are to be learned, and open what learns.

    body: the part of the network that gives hidden states, in `layers`. The head always learns, and
    the pooler that some text models have before it.
    """
    if not how:
        if more:
            raise ConfigError(f"more_labels: {list(more)} must be learned; set trainable: true")
        return None
    if more:
        _widen(network, len(more))
    learning = Learning(body, list(layers), how)
    for module in _head(network, body):
        module.requires_grad_(True)
        learning.alive.append(module)
    return learning


def _head(network: Any, body: Any) -> list[nn.Module]:
    """The modules behind the hidden states."""
    own = [one for one in network.children() if one is not body]
    pooler = getattr(body, "pooler", None)
    return [*own, *([pooler] if isinstance(pooler, nn.Module) else [])]


def _widen(network: Any, more: int) -> None:
    """Rows for more labels behind those of the last layer, which stay as they are."""
    name, last = [(n, m) for n, m in network.named_modules() if isinstance(m, nn.Linear)][-1]
    wide = nn.Linear(last.in_features, last.out_features + more, bias=last.bias is not None)
    with torch.no_grad():
        nn.init.normal_(wide.weight, std=_DEVIATION)
        wide.weight[: last.out_features] = last.weight
        if last.bias is not None:
            nn.init.zeros_(wide.bias)
            wide.bias[: last.out_features] = last.bias
    network.set_submodule(name, wide)
    network.num_labels = network.config.num_labels = wide.out_features
