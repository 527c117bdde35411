"""Weigh the encoders against each other, utterance by utterance, and add them up.

After Hazarika et al. 2018 ("Self-Attentive Feature-Level Fusion for Multimodal Emotion Detection"):
the pooled vectors in a common width, a score of each, softmax over the encoders, their weighted
sum. Sizes, and that all encoders share one scorer, are our choice. An encoder that is missing
weighs nothing; where the model puts a learned vector in its place, that vector is weighed.

Parameters for 768 + 128 dims at the defaults (hidden 256) and 6 classes: 363,270 with the output
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
    """pool → Linear per encoder; weighted sum → Linear → ReLU → Dropout: `[B, hidden]`.

    A score is Linear → tanh → Linear; what would move all scores alike is left out, since softmax
    undoes it. A row with nothing at all is summed to zeros.
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
        names = sorted(dims)
        self.pools = nn.ModuleDict({name: Pool(pool, dims[name]) for name in names})
        self.project = nn.ModuleDict(
            {name: nn.Linear(width(pool, dims[name]), hidden) for name in names}
        )
        self.score = nn.Sequential(
            nn.Linear(hidden, hidden), nn.Tanh(), nn.Linear(hidden, 1, bias=False)
        )
        self.mix = nn.Linear(hidden, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        vectors, weights = self._weighed(features)
        fused = (vectors * weights.unsqueeze(-1)).sum(1)
        return self.dropout(torch.relu(self.mix(fused)))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """Encoder → its weight `[B]`; those of an utterance sum to 1."""
        return dict(zip(self.project, self._weighed(features)[1].unbind(1), strict=True))

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "hidden": [128, 256, 512],
            "dropout": {"low": 0.0, "high": 0.7},
            "pool": ["mean", "mean_std", "max"],
        }

    def _weighed(self, features: Mapping[str, Features]) -> tuple[Tensor, Tensor]:
        """The encoders' vectors `[B, M, hidden]` and their weights `[B, M]`."""
        parts = [self.project[name](pool(features[name])) for name, pool in self.pools.items()]
        present = torch.stack([features[name].present for name in self.pools], dim=1)
        vectors = torch.stack(parts, dim=1)
        scores = self.score(vectors).squeeze(-1)
        lowest = torch.finfo(scores.dtype).min
        return vectors, scores.masked_fill(~present, lowest).softmax(1) * present


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16}
