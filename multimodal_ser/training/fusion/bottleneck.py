"""Encoders exchange through a few tokens, into which each must put what the others need to know.

After Nagrani et al. 2021 ("Attention Bottlenecks for Multimodal Fusion", NeurIPS). A layer joins an
encoder's frames with the bottleneck tokens and lets all of them attend to each other; each encoder
leaves its own version of the tokens, and the mean of the versions is what all see in the next
layer. Ours differs in that every layer exchanges, where theirs begin in the upper half of a deep
network, and in that frames are pooled and joined under one hidden layer, where theirs are read from
a token an encoder and their logits averaged.

Parameters for 768 + 128 dims at the defaults (hidden 128, 4 heads, depth 2, 4 tokens) and 6
classes: 942,726 with the output layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.pooling import Pool, Pooling, mean, width
from multimodal_ser.training.fusion._attention import Attention, Placed, check_heads, feed
from multimodal_ser.types import Features

Positive = Annotated[int, Field(gt=0)]


class Fusion(nn.Module):
    """frames `[B, T, D]` → `[B, T, hidden]`; `depth` exchanges; pool; one hidden layer.

    The result is `[B, hidden]`. There are two exchanges at least: what the tokens gather in one is
    read in the next. An encoder that is missing leaves no version of the tokens.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        hidden: Positive = 128,
        heads: Positive = 4,
        depth: Annotated[int, Field(ge=2)] = 2,
        bottlenecks: Positive = 4,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        pool: Pooling = "mean",
    ) -> None:
        super().__init__()
        check_heads(hidden, heads)
        names = sorted(dims)
        self.project = Placed(dims, hidden)
        self.tokens = nn.Parameter(torch.randn(bottlenecks, hidden) * 0.02)
        self.first = nn.ModuleList(
            Exchange(names, hidden, heads, dropout) for _ in range(depth - 2)
        )
        self.gathering = Exchange(names, hidden, heads, dropout)
        self.last = Exchange(names, hidden, heads, dropout)
        self.norms = nn.ModuleDict({name: nn.LayerNorm(hidden) for name in names})
        self.pool = Pool(pool, hidden)
        self.mix = nn.Linear(len(names) * width(pool, hidden), hidden)
        self.dropout = nn.Dropout(dropout)
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        frames, _ = self.last(*self.gathering(*self.before_last(features)))
        parts = [
            self.pool(Features(norm(frames[name].x), frames[name].mask))
            for name, norm in self.norms.items()
        ]
        return self.dropout(torch.relu(self.mix(torch.cat(parts, dim=1))))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """Encoder → what each token takes from its frames `[B, bottlenecks, T]`, mean of the heads.

        Of the last exchange that another reads. What a row lacks to 1 the tokens take from each
        other. To be called in eval mode.
        """
        return self.gathering.weights(*self.before_last(features))

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "hidden": [64, 128, 256],
            "heads": [2, 4, 8],
            "depth": [2, 3, 4],
            "bottlenecks": [2, 4, 8],
            "dropout": {"low": 0.0, "high": 0.5},
        }

    def before_last(self, features: Mapping[str, Features]) -> tuple[dict[str, Features], Tensor]:
        """The frames and tokens that the last exchange but one is given."""
        frames = self.project(features)
        rows = len(next(iter(frames.values())).mask)
        tokens = self.tokens.expand(rows, -1, -1)
        for exchange in self.first:
            frames, tokens = exchange(frames, tokens)
        return frames, tokens


class Exchange(nn.Module):
    """A layer of each encoder over its frames and the tokens, and the mean of what it made of them.

    Frames `[B, T, hidden]`, tokens `[B, bottlenecks, hidden]`.
    """

    def __init__(self, names: Sequence[str], hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.layers = nn.ModuleDict({name: Layer(hidden, heads, dropout) for name in names})

    def forward(
        self, frames: Mapping[str, Features], tokens: Tensor
    ) -> tuple[dict[str, Features], Tensor]:
        after, versions = {}, []
        for name, layer, joined in self._joined(frames, tokens):
            x = layer(joined)
            after[name] = Features(x[:, : -tokens.shape[1]], frames[name].mask)
            versions.append(x[:, -tokens.shape[1] :])
        there = torch.stack([part.present for part in after.values()], dim=1)
        merged = mean(torch.stack(versions, dim=1).flatten(2), there)
        return after, merged.view_as(tokens)

    def weights(self, frames: Mapping[str, Features], tokens: Tensor) -> dict[str, Tensor]:
        """Encoder → how the tokens weigh its frames: `[B, bottlenecks, T]`."""
        return {
            name: layer.weights(tokens, joined)[..., : -tokens.shape[1]]
            for name, layer, joined in self._joined(frames, tokens)
        }

    def _joined(
        self, frames: Mapping[str, Features], tokens: Tensor
    ) -> Iterator[tuple[str, Any, Features]]:
        """Each encoder, its layer, its frames followed by the tokens, which are always there."""
        for name, layer in self.layers.items():
            mask = nn.functional.pad(frames[name].mask, (0, tokens.shape[1]), value=True)
            yield name, layer, Features(torch.cat([frames[name].x, tokens], dim=1), mask)


class Layer(nn.Module):
    """x + attention(norm x), then x + feed(norm x): pre-norm, `[B, T, hidden]`."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(hidden)
        self.attention = Attention(hidden, heads)
        self.feed = feed(hidden, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, joined: Features) -> Tensor:
        x = self.norm(joined.x)
        x = joined.x + self.dropout(self.attention(x, Features(x, joined.mask)))
        return x + self.dropout(self.feed(x))

    def weights(self, asking: Tensor, joined: Features) -> Tensor:
        """`[B, Tq, Tk]`."""
        return self.attention.weights(self.norm(asking), Features(self.norm(joined.x), joined.mask))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16, "heads": 2, "bottlenecks": 2}
