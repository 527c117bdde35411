"""Each encoder's frames look at every other encoder's, so that what coincides can be told.

After the Multimodal Transformer of Tsai et al. 2019 ("Multimodal Transformer for Unaligned
Multimodal Language Sequences", ACL). Ours differs in that the frames are projected one by one, not
by a convolution, normed before the position is added, and pooled at once, where MulT reads the last
frame of a further self-attention.

Parameters for 768 + 128 dims at the defaults (hidden 128, 4 heads, depth 2) and 6 classes: 943,238
with the output layer.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.pooling import Pool, Pooling, width
from multimodal_ser.training.fusion._attention import Attention, Placed, check_heads, feed
from multimodal_ser.types import Features

Positive = Annotated[int, Field(gt=0)]


class Fusion(nn.Module):
    """frames `[B, T, D]` → `[B, T, hidden]`; a stack of blocks a pair of encoders; pool → `[B, H]`.

    The pooled results of all ordered pairs (one encoder asks, another answers) are joined, and one
    hidden layer follows: `[B, hidden]`. An encoder alone asks its own frames. Pooled encoders are a
    single frame, whose answer needs no choice; one that is missing answers with nothing.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        hidden: Positive = 128,
        heads: Positive = 4,
        depth: Positive = 2,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.2,
        pool: Pooling = "mean",
    ) -> None:
        super().__init__()
        check_heads(hidden, heads)
        names = sorted(dims)
        self.pairs = [(name, other) for name in names for other in names if name != other]
        self.pairs = self.pairs or [(name, name) for name in names]
        self.project = Placed(dims, hidden)
        self.stacks = nn.ModuleList(Stack(hidden, heads, depth, dropout) for _ in self.pairs)
        self.pool = Pool(pool, hidden)
        self.mix = nn.Linear(len(self.pairs) * width(pool, hidden), hidden)
        self.dropout = nn.Dropout(dropout)
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        parts = [self.pool(stack(*asked)) for _, stack, *asked in self._asked(features)]
        return self.dropout(torch.relu(self.mix(torch.cat(parts, dim=1))))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[tuple[str, str], Tensor]:
        """(who asks, who answers) → weights `[B, Tq, Tk]` of the last block, averaged over heads.

        The weights of a valid frame sum to 1 over the valid frames that it asks; rows and columns
        of padding and of what is missing are 0. To be called in eval mode.
        """
        return {pair: stack.weights(*asked) for pair, stack, *asked in self._asked(features)}

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "hidden": [64, 128, 256],
            "heads": [2, 4, 8],
            "depth": [1, 2, 3],
            "dropout": {"low": 0.0, "high": 0.5},
        }

    def _asked(self, features: Mapping[str, Features]) -> Iterator[tuple[Any, ...]]:
        """Each pair, its stack, the frames that ask, and those that answer; None: the same."""
        frames = self.project(features)
        for (asking, answering), stack in zip(self.pairs, self.stacks, strict=True):
            yield (
                (asking, answering),
                stack,
                frames[asking],
                None if asking == answering else frames[answering],
            )


class Stack(nn.Module):
    """`depth` blocks and a norm. The frames that answer stay as they are, as in MulT.

    Without another encoder, frames ask what the block before has made of themselves.
    """

    def __init__(self, hidden: int, heads: int, depth: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.ModuleList(Block(hidden, heads, dropout) for _ in range(depth - 1))
        self.last = Block(hidden, heads, dropout)
        self.norm = nn.LayerNorm(hidden)

    def forward(self, frames: Features, other: Features | None) -> Features:
        """`[B, Tq, hidden]`, with the mask of the frames that ask."""
        before = self._before(frames, other)
        return Features(self.norm(self.last(before.x, other or before)), frames.mask)

    def weights(self, frames: Features, other: Features | None) -> Tensor:
        """`[B, Tq, Tk]` of the last block."""
        before = self._before(frames, other)
        return self.last.weights(before.x, other or before) * frames.mask.unsqueeze(-1)

    def _before(self, frames: Features, other: Features | None) -> Features:
        """What the last block is given."""
        for block in self.first:
            frames = Features(block(frames.x, other or frames), frames.mask)
        return frames


class Block(nn.Module):
    """x + attention(norm x, norm other), then x + feed(norm x): pre-norm, `[B, Tq, hidden]`."""

    def __init__(self, hidden: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.asking = nn.LayerNorm(hidden)
        self.answering = nn.LayerNorm(hidden)
        self.attention = Attention(hidden, heads)
        self.feed = feed(hidden, dropout)
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, other: Features) -> Tensor:
        answers = Features(self.answering(other.x), other.mask)
        x = x + self.dropout(self.attention(self.asking(x), answers))
        return x + self.dropout(self.feed(x))

    def weights(self, x: Tensor, other: Features) -> Tensor:
        answers = Features(self.answering(other.x), other.mask)
        return self.attention.weights(self.asking(x), answers)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16, "heads": 2}
