"""Pools over time that look at valid frames only: x `[B, T, D]`, mask `[B, T]` → `[B, D']`.

A row without any valid frame gives zeros, with a zero gradient.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from multimodal_ser.types import Features

Pooling = Literal["mean", "mean_std", "max", "attentive"]


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


class AttentiveStatistics(nn.Module):
    """The weighted mean and deviation of the frames, by a learned weight of each: `[B, 2D]`.

    After Okabe et al. 2018 ("Attentive Statistics Pooling for Deep Speaker Embedding"). It starts
    with equal weights, as `mean_std`. The bias of the scores is left out, because softmax does not
    see it.
    """

    def __init__(self, dim: int, hidden: int = 128) -> None:
        super().__init__()
        last = nn.Linear(hidden, 1, bias=False)
        nn.init.zeros_(last.weight)
        self.score = nn.Sequential(nn.Linear(dim, hidden), nn.Tanh(), last)

    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        scores = self.score(x).squeeze(-1)
        lowest = torch.finfo(scores.dtype).min
        weights = (scores.masked_fill(~mask, lowest).softmax(1) * mask).unsqueeze(-1)
        centre = (x * weights).sum(1)
        variance = ((x - centre.unsqueeze(1)) ** 2 * weights).sum(1)
        return torch.cat([centre, (variance + 1e-10).sqrt() * mask.any(1, keepdim=True)], dim=1)


_POOLS = {"mean": mean, "mean_std": mean_std, "max": maximum}


def width(kind: Pooling, dim: int) -> int:
    """The width of a pooled vector of frames of width `dim`."""
    return 2 * dim if kind in ("mean_std", "attentive") else dim


class Pool(nn.Module):
    """A pool by name over frames of width `dim`. What padded frames hold changes nothing."""

    def __init__(self, kind: Pooling, dim: int) -> None:
        super().__init__()
        self.kind = kind
        self.attentive = AttentiveStatistics(dim) if kind == "attentive" else None

    def forward(self, features: Features) -> Tensor:
        x = features.x.masked_fill(~features.mask.unsqueeze(-1), 0.0)
        if self.attentive is not None:
            return self.attentive(x, features.mask)
        if x.shape[1] == 1 and self.kind != "mean_std":
            return x[:, 0]  # a single frame is its own mean and its own largest
        return _POOLS[self.kind](x, features.mask)
