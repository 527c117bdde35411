"""One learned query pools the frames of all encoders together: the winner of EmoSPeech 2024.

After Casals-Salvador et al. 2024 ("BSC-UPC at EmoSPeech-IberLEF2024: Attention Pooling for Emotion
Recognition"): the frames of speech and text, side by side in time, one attention pool, a small
perceptron. A frame's weight follows from what that frame holds, not from the other encoder's frame
of the same moment; for that there is cross_attention.

Parameters for 768 + 128 dims at the defaults (hidden 512, 2 layers) and 6 classes: 992,518 with the
output layer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.types import Features


class Fusion(nn.Module):
    """LayerNorm → Linear per encoder; one pool over all `[B, sum T, hidden]`; `layers` layers.

    Each layer is Linear → LayerNorm → GELU → Dropout: `[B, hidden]`. The query starts at zero, as
    the mean of all frames. A row with no frame at all is pooled to zeros.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        hidden: Annotated[int, Field(gt=0)] = 512,
        layers: Annotated[int, Field(ge=1, le=4)] = 2,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        self.project = nn.ModuleDict(
            {
                name: nn.Sequential(nn.LayerNorm(dims[name]), nn.Linear(dims[name], hidden))
                for name in sorted(dims)
            }
        )
        self.query = nn.Parameter(torch.zeros(hidden))
        self.layers = nn.Sequential(*(_layer(hidden, dropout) for _ in range(layers)))
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        frames = self._frames(features)
        return self.layers(torch.einsum("bt,bth->bh", self._weights(frames), frames.x))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """Encoder → the weight of each of its frames `[B, T]`; all encoders together sum to 1."""
        weights = self._weights(self._frames(features))
        lengths = [features[name].mask.shape[1] for name in self.project]
        return dict(zip(self.project, weights.split(lengths, dim=1), strict=True))

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "hidden": [256, 512],
            "layers": [2, 3],
            "dropout": {"low": 0.0, "high": 0.5},
        }

    def _frames(self, features: Mapping[str, Features]) -> Features:
        """Every encoder's frames in the common width, side by side: `[B, sum T, hidden]`."""
        parts = [
            project(features[name].x.masked_fill(~features[name].mask.unsqueeze(-1), 0.0))
            for name, project in self.project.items()
        ]
        masks = [features[name].mask for name in self.project]
        return Features(torch.cat(parts, dim=1), torch.cat(masks, dim=1))

    def _weights(self, frames: Features) -> Tensor:
        """`[B, sum T]`: softmax over the valid frames, 0 elsewhere."""
        scores = frames.x @ self.query / math.sqrt(len(self.query))
        lowest = torch.finfo(scores.dtype).min
        return scores.masked_fill(~frames.mask, lowest).softmax(1) * frames.mask


def _layer(hidden: int, dropout: float) -> nn.Module:
    return nn.Sequential(
        nn.Linear(hidden, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout)
    )


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16}
