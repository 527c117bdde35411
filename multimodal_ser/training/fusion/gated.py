"""A gate for every number of the fused vector says which encoder it is taken from.

After Arevalo et al. 2017 ("Gated Multimodal Units for Information Fusion", ICLR workshop): for two
encoders h₁ = tanh(W₁x₁), h₂ = tanh(W₂x₂), z = σ(W[x₁, x₂]), and z·h₁ + (1 − z)·h₂. For more than
two the paper gives each a sigmoid of its own, whose sum is left open; ours share out 1 by a
softmax. The score of the last encoder is held at 0, since a softmax does not change when one number
is taken off all its scores; and as softmax(s, 0) is (σ(s), 1 − σ(s)), the unit of two is the
paper's, with as many parameters, but that ours adds a bias to each product.

Parameters for 768 + 128 dims at the defaults (hidden 256) and 6 classes: 461,062 with the output
layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.pooling import Pool, Pooling, width
from multimodal_ser.types import Features


class Fusion(nn.Module):
    """pool → Linear → tanh per encoder; the sum of gate · h over encoders; Dropout: `[B, hidden]`.

    The gate of an encoder that is missing is shut, and the others share its part. A row with
    nothing at all gives zeros.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        hidden: Annotated[int, Field(gt=0)] = 256,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        pool: Pooling = "mean",
    ) -> None:
        super().__init__()
        widths = {name: width(pool, dims[name]) for name in sorted(dims)}
        self.pools = nn.ModuleDict({name: Pool(pool, dims[name]) for name in widths})
        self.project = nn.ModuleDict(
            {name: nn.Linear(wide, hidden) for name, wide in widths.items()}
        )
        self.gates = nn.ModuleList(
            nn.Linear(sum(widths.values()), hidden) for _ in range(len(widths) - 1)
        )
        self.dropout = nn.Dropout(dropout)
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        pooled = self._pooled(features)
        parts = [torch.tanh(project(pooled[name])) for name, project in self.project.items()]
        shares = self._shares(features, pooled)
        return self.dropout((shares * torch.stack(parts, dim=1)).sum(1))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """Encoder → how open its gates are `[B, hidden]`; all encoders together give 1."""
        shares = self._shares(features, self._pooled(features))
        return dict(zip(self.pools, shares.unbind(1), strict=True))

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {"hidden": [128, 256, 512], "dropout": {"low": 0.0, "high": 0.7}}

    def _pooled(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        return {name: pool(features[name]) for name, pool in self.pools.items()}

    def _shares(self, features: Mapping[str, Features], pooled: Mapping[str, Tensor]) -> Tensor:
        """`[B, M, hidden]`: softmax over the encoders that are there, 0 for the others."""
        everything = torch.cat(list(pooled.values()), dim=1)
        scores = [gate(everything) for gate in self.gates]
        scores.append(everything.new_zeros(len(everything), self.out_dim))
        there = torch.stack([features[name].present for name in pooled], dim=1).unsqueeze(-1)
        lowest = torch.finfo(everything.dtype).min
        return torch.stack(scores, dim=1).masked_fill(~there, lowest).softmax(1) * there


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16}
