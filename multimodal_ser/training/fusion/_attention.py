"""Scaled dot products over frames that may be padding or missing altogether; shared by fusions."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from multimodal_ser.features.pooling import Pool, Pooling, width
from multimodal_ser.types import ConfigError, Features


class Attention(nn.Module):
    """Several heads of scaled dot products: x `[B, Tq, hidden]` asks the valid frames of another.

    asks, answers: the width of the frames that ask and of those that answer, None: `hidden`. The
    keys have no bias, because a softmax does not see what moves all scores of a frame alike.
    """

    def __init__(
        self, hidden: int, heads: int, *, asks: int | None = None, answers: int | None = None
    ) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(asks or hidden, hidden)
        self.key = nn.Linear(answers or hidden, hidden, bias=False)
        self.value = nn.Linear(answers or hidden, hidden)
        self.out = nn.Linear(hidden, asks or hidden)

    def forward(self, x: Tensor, other: Features) -> Tensor:
        """The answers, as wide as x: `[B, Tq, asks]`; zeros for a row without the other encoder."""
        query, key, value = (
            self._split(part) for part in (self.query(x), self.key(other.x), self.value(other.x))
        )
        tensor = scaled_dot_product_attention(query, key, value, attn_mask=open_frames(other.mask))
        return self.out(tensor.transpose(1, 2).flatten(2)) * other.present[:, None, None]

    def weights(self, x: Tensor, other: Features) -> Tensor:
        """The mean of the heads' weights, written out: `[B, Tq, Tk]`."""
        query, key = self._split(self.query(x)), self._split(self.key(other.x))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        shares = scores.masked_fill(~open_frames(other.mask), float("-inf")).softmax(-1)
        return shares.mean(1) * other.mask.unsqueeze(1)

    def _split(self, x: Tensor) -> Tensor:
        """`[B, T, hidden]` → `[B, heads, T, hidden / heads]`."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


class Attended(nn.Module):
    """Each encoder's frames look at each other, are pooled and joined: `[B, out_dim]`.

    Linear `[B, T, D]` → `[B, T, hidden]`, x + attention(x, x), pool. An encoder that is missing
    adds zeros.
    """

    def __init__(self, dims: Mapping[str, int], hidden: int, heads: int, pool: Pooling) -> None:
        super().__init__()
        check_heads(hidden, heads)
        names = sorted(dims)
        self.project = nn.ModuleDict({name: nn.Linear(dims[name], hidden) for name in names})
        self.attentions = nn.ModuleDict({name: Attention(hidden, heads) for name in names})
        self.pools = nn.ModuleDict({name: Pool(pool, hidden) for name in names})
        self.out_dim = len(names) * width(pool, hidden)

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        parts = []
        for name, attention, frames in self._asked(features):
            attended = frames.x + attention(frames.x, frames)
            parts.append(self.pools[name](Features(attended, frames.mask)))
        return torch.cat(parts, dim=1)

    def weights(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """Encoder → weights `[B, T, T]`, averaged over heads; rows and columns of padding are 0."""
        return {
            name: attention.weights(frames.x, frames) * frames.mask.unsqueeze(-1)
            for name, attention, frames in self._asked(features)
        }

    def _asked(self, features: Mapping[str, Features]) -> Iterator[tuple[str, Any, Features]]:
        """Each encoder, its attention, and its frames in the common width."""
        for name, project in self.project.items():
            x = project(silenced(features[name]))
            yield name, self.attentions[name], Features(x, features[name].mask)


class Placed(nn.ModuleDict):
    """Each encoder's frames in one width, normed, with their positions: `[B, T, hidden]`."""

    def __init__(self, dims: Mapping[str, int], hidden: int) -> None:
        super().__init__(
            {
                name: nn.Sequential(nn.Linear(dims[name], hidden), nn.LayerNorm(hidden))
                for name in sorted(dims)
            }
        )

    def forward(self, features: Mapping[str, Features]) -> dict[str, Features]:
        placed = {}
        for name, project in self.items():
            x, mask = project(silenced(features[name])), features[name].mask
            placed[name] = Features(x + positions(mask, x), mask)
        return placed


def feed(hidden: int, dropout: float) -> nn.Sequential:
    """What follows attention in a pre-norm layer, frame by frame."""
    return nn.Sequential(
        nn.LayerNorm(hidden),
        nn.Linear(hidden, 4 * hidden),
        nn.GELU(),
        nn.Dropout(dropout),
        nn.Linear(4 * hidden, hidden),
    )


def silenced(features: Features) -> Tensor:
    """x `[B, T, D]` with zeros in place of padding."""
    return features.x.masked_fill(~features.mask.unsqueeze(-1), 0.0)


def positions(mask: Tensor, like: Tensor) -> Tensor:
    """Sines and cosines of the number of valid frames before: `[B, T, hidden]`, typed as `like`.

    Positions are counted by the mask `[B, T]`, so a frame has the same position on whichever side
    the padding stands. They are never counted in half precision, which cannot count far.
    """
    before = (mask.cumsum(1) - 1).clamp(min=0)
    hidden, dtype = like.shape[-1], torch.promote_types(like.dtype, torch.float32)
    half = (hidden + 1) // 2
    rates = 10_000.0 ** (-torch.arange(half, device=mask.device, dtype=dtype) / half)
    angles = before.unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :hidden].to(like.dtype)


def open_frames(mask: Tensor) -> Tensor:
    """The frames that may be asked, `[B, 1, 1, Tk]`.

    Where no frame is valid all may be asked, because a softmax needs one.
    """
    return (mask | ~mask.any(1, keepdim=True))[:, None, None]


def check_heads(hidden: int, heads: int) -> None:
    """ConfigError with the nearest width where the heads cannot share this one."""
    if hidden % heads:
        below = hidden - hidden % heads
        near = " or ".join(str(width) for width in (below, below + heads) if width)
        raise ConfigError(
            f"fusion: hidden {hidden} cannot be shared among {heads} heads; take hidden: {near}"
        )
