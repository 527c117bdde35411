"""Each encoder's own frames look at each other, then one hidden layer over all encoders.

`concat` with an attention layer per encoder before the join, a variant that CogniCIC describe for
EmoSPeech 2024: one layer of scaled dot products with a single head. What they do not say is our
choice: what a frame finds is added to the frame, so that a layer which finds nothing is `concat`;
nothing is normed; frames have no position, so that their order means nothing. On pooled vectors
(one frame an encoder) there is nothing to choose among, and attention is but a linear map: the
encoders need `pool: none`.

Parameters for 768 + 128 dims at the defaults (hidden 256) and 6 classes: 888,582 with the output
layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.pooling import Pooling
from multimodal_ser.training.fusion._attention import Attended
from multimodal_ser.types import Features


class Fusion(nn.Module):
    """Linear → x + attention → pool per encoder; concat → Linear → ReLU → Dropout: `[B, hidden]`.

    pool: over what the frames have become.
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
        self.attended = Attended(dims, hidden, 1, pool)
        self.mix = nn.Linear(self.attended.out_dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        return self.dropout(torch.relu(self.mix(self.attended(features))))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """Encoder → what each frame asks of the others `[B, T, T]`: a valid one shares out 1."""
        return self.attended.weights(features)

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "hidden": [128, 256, 512],
            "dropout": {"low": 0.0, "high": 0.7},
            "pool": ["mean", "mean_std", "max"],
        }


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16}
