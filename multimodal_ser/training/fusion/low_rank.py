"""Every product of one number from each encoder, weighted by a tensor of low rank.

After Liu et al. 2018 ("Efficient Low-rank Multimodal Fusion with Modality-Specific Factors", ACL).
Each encoder's vector z has a 1 appended, so that the outer product of all of them holds every
product of numbers of some encoders. The tensor that weighs these is a sum over `rank` of outer
products, one factor W an encoder, and so the large product is never made: the fused vector is
the sum over ranks of the products over encoders of W[z, 1]. In the paper z comes from a small
network of each encoder; ours is Linear → LayerNorm → ReLU, which keeps a product of several in
bounds. Its learned weight of each rank is left out: the factors hold it already.

Parameters for 768 + 128 dims at the defaults (hidden 128, rank 4) and 6 classes: 248,326 with the
output layer.
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

Positive = Annotated[int, Field(gt=0)]


class Fusion(nn.Module):
    """z of an encoder is pool → Linear → LayerNorm → ReLU → Dropout; products of W[z, 1]: `[B, H]`.

    Of an encoder that is missing z is 0: what its 1 gives is left, and with it all products that
    the others make without it.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        hidden: Positive = 128,
        rank: Positive = 4,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        pool: Pooling = "mean",
    ) -> None:
        super().__init__()
        names = sorted(dims)
        self.pools = nn.ModuleDict({name: Pool(pool, dims[name]) for name in names})
        self.project = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.Linear(width(pool, dims[name]), hidden),
                    nn.LayerNorm(hidden),
                    nn.ReLU(),
                    nn.Dropout(dropout),
                )
                for name in names
            }
        )
        self.factors = nn.ModuleDict({name: nn.Linear(hidden, rank * hidden) for name in names})
        self.rank = rank
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        factors = [self._factor(name, features[name]) for name in self.project]
        return torch.stack(factors).prod(0).sum(1)

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "hidden": [64, 128, 256],
            "rank": [2, 4, 8, 16],
            "dropout": {"low": 0.0, "high": 0.5},
        }

    def _factor(self, name: str, part: Features) -> Tensor:
        """W[z, 1] of one encoder, `[B, rank, hidden]`; the 1 is the bias."""
        z = self.project[name](self.pools[name](part)) * part.present.unsqueeze(1)
        return self.factors[name](z).unflatten(1, (self.rank, -1))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16}
