"""Convolutions over each encoder's frames, which then attend to each other; mean and deviation.

After Krishna & Patil 2020 ("Multimodal Emotion Recognition Using Cross-Modal Attention and 1D
Convolutional Neural Networks"): convolutions of each modality, one attention each way, statistics
pooling, both joined. Their audio convolutions read the raw waveform: that is an encoder's work here
(`cnn_lstm` with `input: waveform, pool: none`), and these go over the frames that they are given.
Widths, heads, and that what is found is added to the frame that asks, are our choice.

Parameters for 768 + 128 dims at the defaults (hidden 128, 2 layers of kernel 3, 4 heads) and 6
classes: 641,158 with the output layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.pooling import Pool, Pooling, width
from multimodal_ser.training.fusion._attention import Attention, check_heads, silenced
from multimodal_ser.types import Features

Positive = Annotated[int, Field(gt=0)]


class Fusion(nn.Module):
    """`layers` of convolution → ReLU per encoder: `[B, T, hidden]`; x + attention(x, other); pool.

    This is done for all ordered pairs (one encoder asks, another answers), and the pooled results
    are joined: concat → Linear → ReLU → Dropout: `[B, hidden]`. A single encoder asks its own
    frames.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        hidden: Positive = 128,
        layers: Annotated[int, Field(ge=1, le=4)] = 2,
        kernel: Literal[1, 3, 5, 7, 9] = 3,
        heads: Positive = 4,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        pool: Pooling = "mean_std",
    ) -> None:
        super().__init__()
        check_heads(hidden, heads)
        names = sorted(dims)
        self.pairs = list(permutations(names, 2)) or [(name, name) for name in names]
        self.convolutions = nn.ModuleDict(
            {name: Convolutions(dims[name], hidden, layers, kernel) for name in names}
        )
        self.attentions = nn.ModuleList(Attention(hidden, heads) for _ in self.pairs)
        self.pools = nn.ModuleList(Pool(pool, hidden) for _ in self.pairs)
        self.mix = nn.Linear(len(self.pairs) * width(pool, hidden), hidden)
        self.dropout = nn.Dropout(dropout)
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        parts = []
        for pool, (_, attention, asks, answers) in zip(
            self.pools, self._asked(features), strict=True
        ):
            attended = asks.x + attention(asks.x, answers)
            parts.append(pool(Features(attended, asks.mask)))
        return self.dropout(torch.relu(self.mix(torch.cat(parts, dim=1))))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[tuple[str, str], Tensor]:
        """(who asks, who answers) → weights `[B, Tq, Tk]`, averaged over heads.

        A valid frame shares out 1 among the valid frames that it asks; all else is 0.
        """
        return {
            pair: attention.weights(asks.x, answers) * asks.mask.unsqueeze(-1)
            for pair, attention, asks, answers in self._asked(features)
        }

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "hidden": [64, 128, 256],
            "layers": [1, 2, 3],
            "kernel": [3, 5, 7],
            "heads": [2, 4, 8],
            "dropout": {"low": 0.0, "high": 0.7},
        }

    def _asked(self, features: Mapping[str, Features]) -> Iterator[tuple[Any, ...]]:
        """Each pair, its attention, the frames that ask and those that answer."""
        frames = {name: layers(features[name]) for name, layers in self.convolutions.items()}
        for (asking, answering), attention in zip(self.pairs, self.attentions, strict=True):
            yield (asking, answering), attention, frames[asking], frames[answering]


class Convolutions(nn.Module):
    """`[B, T, dim]` → `[B, T, hidden]`, as many frames as before; past an end there is silence."""

    def __init__(self, dim: int, hidden: int, layers: int, kernel: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv1d(hidden if layer else dim, hidden, kernel, padding=kernel // 2)
            for layer in range(layers)
        )

    def forward(self, features: Features) -> Features:
        for layer in self.layers:
            features = Features(torch.relu(layer(silenced(features).mT).mT), features.mask)
        return features


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16, "heads": 2}
