"""The encoders' pooled vectors side by side, and nothing learned: for whole networks.

Parameters for 768 + 128 dims and 6 classes: 5,382, all of the output layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from multimodal_ser.features.pooling import Pool, Pooling, width
from multimodal_ser.types import Features


class Fusion(nn.Module):
    """pool → concat: `[B, sum of the widths]`."""

    def __init__(self, dims: Mapping[str, int], *, pool: Pooling = "mean") -> None:
        super().__init__()
        self.pools = nn.ModuleDict({name: Pool(pool, dims[name]) for name in sorted(dims)})
        self.out_dim = sum(width(pool, dim) for dim in dims.values())

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        return torch.cat([pool(features[name]) for name, pool in self.pools.items()], dim=1)

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {"pool": ["mean", "mean_std", "max"]}


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {}
