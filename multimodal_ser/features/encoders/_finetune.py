"""Which part of a pre-trained network learns, and how the network behaves in training."""

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
_IDLE = ("masked_spec_embed", "pooler.", "adapter.")  # no hidden state depends on these weights
_CONVOLUTIONS = ("feature_extractor", "conv1", "conv2")  # over samples or mel frames


class Learning:
    """Sets which parts of a network learn.

    Where only the top layers learn, the layers below them stay as they were: they get no gradient
    and no dropout. layers: the layers that the features depend on. unread: the layers above them.
    alive: the modules that learn. still: the modules that never learn.
    """

    def __init__(
        self,
        network: Any,
        layers: Sequence[nn.Module],
        finetune: Finetune,
        unread: Sequence[nn.Module] = (),
    ) -> None:
        network.requires_grad_(False)
        self.network = network
        self.alive: list[nn.Module] = [network]
        if finetune.lora:
            _add_adapters(network, finetune)
        elif finetune.top is not None:
            self.alive = self._top(layers, finetune.top)
        else:
            for name, parameter in network.named_parameters():
                parameter.requires_grad_(not name.startswith(_IDLE))
        self.still = [*unread, *([] if finetune.cnn else _convolutions(network))]
        for module in self.still:
            module.requires_grad_(False)
        if not any(parameter.requires_grad for parameter in network.parameters()):
            raise ConfigError("trainable: the layer that is read depends on nothing that learns")
        if finetune.checkpointing:
            _checkpoint(layers)

    def train(self, mode: bool) -> None:
        """Set the mode of the modules that learn; all others stay in eval mode."""
        self.network.eval()
        for module in self.alive if mode else ():
            module.train()
        for module in self.still:
            module.eval()

    def _top(self, layers: Sequence[nn.Module], count: int) -> list[nn.Module]:
        """Let the `count` highest layers learn, and return them; a norm after them stays frozen."""
        if count > len(layers):
            raise ConfigError(f"trainable: top:{count}, but the model has {len(layers)} layers")
        highest = [*layers[len(layers) - count :]]
        for module in highest:
            module.requires_grad_(True)
        return highest


def parted(layers: Any, index: int | None) -> tuple[list[nn.Module], list[nn.Module]]:
    """The layers that hidden state `index` depends on, and the layers above them.

    0 is the input of the first layer; None means all hidden states.
    """
    modules = list(layers)
    return (modules, []) if index is None else (modules[:index], modules[index:])


def blocks(network: Any) -> nn.ModuleList:
    """The layers of a transformer: its longest list of modules of one class."""
    lists = [module for module in network.modules() if isinstance(module, nn.ModuleList)]
    uniform = [layers for layers in lists if len({type(layer) for layer in layers}) == 1]
    if not uniform:
        raise ConfigError("trainable: this model has no list of layers")
    return max(uniform, key=len)


def _add_adapters(network: Any, finetune: Finetune) -> None:
    """Add low-rank matrices to the query and value of attention (LoRA, Hu et al. 2021), by peft."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ModuleNotFoundError:
        raise MissingError(
            "trainable: lora needs peft: pip install 'multimodal_ser[peft]'"
        ) from None
    config = LoraConfig(
        r=finetune.rank,
        lora_alpha=finetune.alpha,  # pyright: ignore[reportArgumentType]
        lora_dropout=finetune.dropout,
        target_modules=[*_ATTENTION],
    )
    try:
        inject_adapter_in_model(config, network)
    except ValueError as error:
        raise ConfigError(f"trainable: lora finds no attention in this model: {error}") from None


def _convolutions(network: Any) -> list[nn.Module]:
    parts = (getattr(network, name, None) for name in _CONVOLUTIONS)
    return [part for part in parts if isinstance(part, nn.Module)]


def _checkpoint(layers: Sequence[nn.Module]) -> None:
    """Save memory: each layer computes its values again for the gradient and does not keep them."""
    for layer in layers:
        layer.gradient_checkpointing = True  # pyright: ignore[reportArgumentType]
        layer._gradient_checkpointing_func = partial(checkpoint, use_reentrant=False)  # pyright: ignore
