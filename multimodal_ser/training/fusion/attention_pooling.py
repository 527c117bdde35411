"""One learned query pools the frames of all encoders together: the winner of EmoSPeech 2024.

After Casals-Salvador et al. 2024 ("BSC-UPC at EmoSPeech-IberLEF2024: Attention Pooling for Emotion
Recognition") and the code they published: the normed frames of speech and text, side by side in
time, one attention pool, a perceptron of three layers of 512. Both of theirs had 1024 dims; ours
brings encoders of unlike widths to `hidden` first. The learned mix of a speech model's layers is
the encoder's `layer: weighted`.

A frame's weight follows from what that frame holds, not from the other encoder's frame of the same
moment. What coincides can be told only where the frames of both carry a code of their moment, as
those of encoders with positions may; else there is cross_attention.

Parameters with the output layer of 6 classes at the defaults (hidden 512, 3 layers): 1,256,198 for
768 + 128 dims, 1,061,382 for 1024 + 1024.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.training.fusion._attention import silenced
from multimodal_ser.types import Features


class Fusion(nn.Module):
    """LayerNorm per encoder; one pool over all frames `[B, sum T, D]`; `layers` layers.

    D is the width of the encoders, or `hidden`, to which a Linear brings them where they differ.
    The query's scores are plain dot products. Dropout, then the layers, each Linear → LayerNorm →
    GELU → Dropout, to `[B, hidden]`. The query starts at zero, as the mean of all frames; theirs is
    drawn at random, which among few frames may leave but one to begin with, and a model that never
    hears the other encoder. A row with no frame at all is pooled to zeros.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        hidden: Annotated[int, Field(gt=0)] = 512,
        layers: Annotated[int, Field(ge=1, le=8)] = 3,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        alike = len(set(dims.values())) == 1
        self.project = nn.ModuleDict(
            {
                name: nn.Sequential(
                    nn.LayerNorm(dims[name]),
                    *([] if alike else [nn.Linear(dims[name], hidden)]),
                )
                for name in sorted(dims)
            }
        )
        width = next(iter(dims.values())) if alike else hidden
        self.query = nn.Parameter(torch.zeros(width))
        steps = pairwise([width, *[hidden] * layers])
        self.layers = nn.Sequential(
            nn.Dropout(dropout), *(_layer(*step, dropout) for step in steps)
        )
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
        """Every encoder's frames, normed and of one width, side by side: `[B, sum T, D]`."""
        parts = [project(silenced(features[name])) for name, project in self.project.items()]
        masks = [features[name].mask for name in self.project]
        return Features(torch.cat(parts, dim=1), torch.cat(masks, dim=1))

    def _weights(self, frames: Features) -> Tensor:
        """`[B, sum T]`: softmax over the valid frames, 0 elsewhere."""
        scores = frames.x @ self.query
        lowest = torch.finfo(scores.dtype).min
        return scores.masked_fill(~frames.mask, lowest).softmax(1) * frames.mask


def _layer(width: int, hidden: int, dropout: float) -> nn.Module:
    return nn.Sequential(
        nn.Linear(width, hidden), nn.LayerNorm(hidden), nn.GELU(), nn.Dropout(dropout)
    )


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16}
