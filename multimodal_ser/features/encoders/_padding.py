"""Keeps padding at zero after layers that would mix it with valid steps."""

from __future__ import annotations

import torch
from torch import Tensor

from multimodal_ser.features.encoders._spectral import mask_of


def whole(lengths: Tensor, steps: int) -> bool:
    """Whether every row fills the batch, as in training on crops: then nothing is padded."""
    return bool((lengths == steps).all())


def halved(lengths: Tensor, times: int = 1) -> Tensor:
    """The lengths after `times` strides of 2: half, rounded up, so that a row keeps a step."""
    return -(-lengths // 2**times)


def silenced(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x `[B, C, T, …]` with zeros from `lengths` `[B]` on; None means that no row is padded."""
    if lengths is None:
        return x
    mask = mask_of(lengths, x.shape[2])
    return torch.where(mask.reshape(len(x), 1, -1, *[1] * (x.ndim - 3)), x, x.new_zeros(()))
