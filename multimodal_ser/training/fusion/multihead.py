"""Each encoder's own frames look at each other in several ways at once, then one hidden layer.

`self_attention` with `heads`: the width is shared among them, and each weighs the frames anew. A
variant that CogniCIC describe for EmoSPeech 2024; they do not say how many heads, 8 are our choice,
and so is the rest that `self_attention` names. With one head it is that fusion; on pooled vectors
it is a linear map, too.

Parameters for 768 + 128 dims at the defaults (hidden 256) and 6 classes, whatever the heads:
888,582 with the output layer.
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

Positive = Annotated[int, Field(gt=0)]


class Fusion(nn.Module):
    """Linear → x + attention → pool per encoder; concat → Linear → ReLU → Dropout: `[B, hidden]`.

    heads: must divide `hidden`. pool: over what the frames have become.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        hidden: Positive = 256,
        heads: Positive = 8,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        pool: Pooling = "mean",
    ) -> None:
        super().__init__()
        self.attended = Attended(dims, hidden, heads, pool)
        self.mix = nn.Linear(self.attended.out_dim, hidden)
        self.dropout = nn.Dropout(dropout)
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        return self.dropout(torch.relu(self.mix(self.attended(features))))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """Encoder → what each frame asks of the others `[B, T, T]`, averaged over heads.

        A valid frame shares out 1 among the valid ones; all else is 0.
        """
        return self.attended.weights(features)

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "hidden": [128, 256, 512],
            "heads": [2, 4, 8],
            "dropout": {"low": 0.0, "high": 0.7},
            "pool": ["mean", "mean_std", "max"],
        }


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16, "heads": 4}
