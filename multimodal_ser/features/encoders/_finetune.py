"""Which part of a pre-trained network learns, and how it behaves while it does."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

from torch import nn
from torch.utils.checkpoint import checkpoint

from multimodal_ser.types import ConfigError, Finetune, MissingError

_ATTENTION = (
    *("q_proj", "v_proj", "query", "value", "q_lin", "v_lin", "query_proj", "value_proj"),
    *("linear_q", "linear_v", "q", "v"),
)
_IDLE = ("masked_spec_embed", "pooler.", "adapter.")  # no hidden state depends on them
_HEARING = ("feature_extractor", "conv1", "conv2")  # what hears: convolutions over samples or mels


class Learning:
    """Opens a network to training.

    Layers below the highest that learn stay as they were in every respect: no gradient, no dropout.
    layers: those that what is read depends on; unread: those above.
    """

    def __init__(
        self,
        network: Any,
        layers: Sequence[nn.Module],
        how: Finetune,
        unread: Sequence[nn.Module] = (),
    ) -> None:
        network.requires_grad_(False)
        self.network = network
        self.alive: list[nn.Module] = [network]
        if how.lora:
            _add_adapters(network, how)
        elif how.top is not None:
            self.alive = self._top(layers, how.top)
        else:
            for name, parameter in network.named_parameters():
                parameter.requires_grad_(not name.startswith(_IDLE))
        self.still = [*unread, *([] if how.cnn else _hearing(network))]
        for module in self.still:
            module.requires_grad_(False)
        if not any(one.requires_grad for one in network.parameters()):
            raise ConfigError("trainable: the layer that is read depends on nothing that learns")
        if how.checkpointing:
            _checkpoint(layers)

    def train(self, mode: bool) -> None:
        """Only what learns leaves eval mode."""
        self.network.eval()
        for module in self.alive if mode else ():
            module.train()
        for module in self.still:
            module.eval()

    def _top(self, layers: Sequence[nn.Module], count: int) -> list[nn.Module]:
        """The highest layers; a norm behind the last one stays as it was."""
        if count > len(layers):
            raise ConfigError(f"trainable: top:{count}, but the model has {len(layers)} layers")
        highest = [*layers[len(layers) - count :]]
        for module in highest:
            module.requires_grad_(True)
        return highest


def parted(layers: Any, index: int | None) -> tuple[list[nn.Module], list[nn.Module]]:
    """The layers that a hidden state (0: below the first; None: all) depends on, and the others."""
    every = list(layers)
    return (every, []) if index is None else (every[:index], every[index:])


def blocks(network: Any) -> nn.ModuleList:
    """The layers of a transformer: the longest list of modules of one kind that it holds."""
    lists = [one for one in network.modules() if isinstance(one, nn.ModuleList)]
    found = [one for one in lists if len({type(block) for block in one}) == 1]
    if not found:
        raise ConfigError("trainable: this model has no list of layers")
    return max(found, key=len)


def _add_adapters(network: Any, how: Finetune) -> None:
    """Low-rank additions to what attention asks for and gives (Hu et al. 2021), by peft."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ModuleNotFoundError:
        raise MissingError(
            "trainable: lora needs peft: pip install 'multimodal_ser[peft]'"
        ) from None
    config = LoraConfig(
        r=how.rank,
        lora_alpha=how.alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=how.dropout,
        target_modules=[*_ATTENTION],
    )
    try:
        inject_adapter_in_model(config, network)
    except ValueError as error:
        raise ConfigError(f"trainable: lora finds no attention in this model: {error}") from None


def _hearing(network: Any) -> list[nn.Module]:
    found = (getattr(network, name, None) for name in _HEARING)
    return [one for one in found if isinstance(one, nn.Module)]


def _checkpoint(layers: Sequence[nn.Module]) -> None:
    """What a transformer's layer computes is computed again for the gradient, not kept."""
    for layer in layers:
        layer.gradient_checkpointing = True  # pyright: ignore[reportArgumentType]
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)  # pyright: ignore
