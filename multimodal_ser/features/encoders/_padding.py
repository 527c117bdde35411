"""Padding that means nothing: zeros after each row's end, kept through layers that blur them."""

from __future__ import annotations

import torch
from torch import Tensor

from multimodal_ser.features.encoders._spectral import mask_of


def whole(lengths: Tensor, steps: int) -> bool:
    """No row has an end before the batch has: as in training on crops, there is nothing to do."""
    return bool((lengths == steps).all())


def halved(lengths: Tensor, times: int = 1) -> Tensor:
    """How many steps of stride 2 meet a row: half of it, rounded up, so that none has none."""
    return -(-lengths // 2**times)


def silenced(x: Tensor, lengths: Tensor | None) -> Tensor:
    """x `[B, C, T, …]` with zeros from `lengths` `[B]` on; None: every row is whole."""
    if lengths is None:
        return x
    mask = mask_of(lengths, x.shape[2])
    return torch.where(mask.reshape(len(x), 1, -1, *[1] * (x.ndim - 3)), x, x.new_zeros(()))
