"""Pools over time that look at valid frames only: x `[B, T, D]`, mask `[B, T]` → `[B, D']`.

A row without any valid frame gives zeros, with a zero gradient.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from multimodal_ser.types import Features

Pooling = Literal["mean", "mean_std", "max"]


def mean(x: Tensor, mask: Tensor) -> Tensor:
    """`[B, D]`."""
    weight = mask.unsqueeze(-1).to(x.dtype)
    return (x * weight).sum(1) / weight.sum(1).clamp(min=1)


def mean_std(x: Tensor, mask: Tensor) -> Tensor:
    """`[B, 2D]`: mean and population standard deviation."""
    weight = mask.unsqueeze(-1).to(x.dtype)
    count = weight.sum(1).clamp(min=1)
    centre = (x * weight).sum(1) / count
    variance = (((x - centre.unsqueeze(1)) * weight) ** 2).sum(1) / count
    return torch.cat([centre, (variance + 1e-10).sqrt() * mask.any(1, keepdim=True)], dim=1)


def maximum(x: Tensor, mask: Tensor) -> Tensor:
    """`[B, D]`."""
    highest = x.masked_fill(~mask.unsqueeze(-1), float("-inf")).amax(1)
    return highest.masked_fill(~mask.any(1, keepdim=True), 0.0)


class Attention(nn.Module):
    """A learned query weighs the frames: features `[B, T, D]` → one frame `[B, 1, D]`."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.score = nn.Linear(dim, 1)

    def forward(self, features: Features) -> Features:
        scores = self.score(features.x).squeeze(-1).masked_fill(~features.mask, -1e9)
        weights = torch.softmax(scores, dim=1) * features.mask
        x = (features.x.masked_fill(~features.mask.unsqueeze(-1), 0.0) * weights.unsqueeze(-1)).sum(
            1
        )
        return Features(x.unsqueeze(1), features.present.unsqueeze(1))


_POOLS = {"mean": mean, "mean_std": mean_std, "max": maximum}


def width(kind: Pooling, dim: int) -> int:
    """How wide a pooled vector of frames of `dim` is."""
    return 2 * dim if kind == "mean_std" else dim


class Pool(nn.Module):
    """A pool by name, blind to whatever a padded frame holds."""

    def __init__(self, kind: Pooling) -> None:
        super().__init__()
        self.kind = kind

    def forward(self, features: Features) -> Tensor:
        x = features.x.masked_fill(~features.mask.unsqueeze(-1), 0.0)
        if x.shape[1] == 1 and self.kind != "mean_std":
            return x[:, 0]  # a single frame is its own mean and its own largest
        return _POOLS[self.kind](x, features.mask)
