"""Decide per encoder, then merge the decisions of those present: mean, max, weights or product.

mean, max and weights act on probabilities, product on their logarithms (their geometric mean, in
which one encoder can veto a class). An encoder that is missing has no say, so no learned vector
stands in for it: an utterance without text is decided as by audio alone.

Parameters for 768 + 128 dims at the defaults (hidden 256) and 6 classes: 231,430 with the output
layer, which all encoders share, and one more an encoder with `merge: weights`.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.pooling import Pool, Pooling, width
from multimodal_ser.types import Features


class Fusion(nn.Module):
    """pool → Linear → ReLU → Dropout for each encoder: `[B, M, hidden]` for M encoders."""

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        merge: Literal["mean", "max", "weights", "product"] = "mean",
        hidden: Annotated[int, Field(gt=0)] = 256,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        pool: Pooling = "mean",
    ) -> None:
        super().__init__()
        self.merge = merge
        self.pools = nn.ModuleDict({name: Pool(pool, dims[name]) for name in sorted(dims)})
        self.project = nn.ModuleDict(
            {name: nn.Linear(width(pool, dims[name]), hidden) for name in sorted(dims)}
        )
        self.dropout = nn.Dropout(dropout)
        if merge == "weights":
            self.weights = nn.Parameter(torch.zeros(len(dims)))
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        parts = [self.project[name](pool(features[name])) for name, pool in self.pools.items()]
        return self.dropout(torch.relu(torch.stack(parts, dim=1)))

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "merge": ["mean", "max", "weights", "product"],
            "hidden": [128, 256, 512],
            "dropout": {"low": 0.0, "high": 0.7},
        }


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16, "merge": "weights"}
