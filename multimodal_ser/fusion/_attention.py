"""Scaled dot products over frames that may be padding or missing altogether; shared by fusions."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import scaled_dot_product_attention

from multimodal_ser.types import ConfigError, Features


class Attention(nn.Module):
    """Several heads of scaled dot products: x `[B, Tq, hidden]` asks the valid frames of another.

    The keys have no bias: it would move all scores of one frame alike, which softmax undoes.
    """

    def __init__(self, hidden: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(hidden, hidden)
        self.key = nn.Linear(hidden, hidden, bias=False)
        self.value = nn.Linear(hidden, hidden)
        self.out = nn.Linear(hidden, hidden)

    def forward(self, x: Tensor, other: Features) -> Tensor:
        """`[B, Tq, hidden]`; zeros for a row whose other encoder is missing."""
        query, key, value = (
            self._split(part) for part in (self.query(x), self.key(other.x), self.value(other.x))
        )
        found = scaled_dot_product_attention(query, key, value, attn_mask=open_frames(other.mask))
        return self.out(found.transpose(1, 2).flatten(2)) * other.present[:, None, None]

    def weights(self, x: Tensor, other: Features) -> Tensor:
        """The mean of the heads' weights, written out: `[B, Tq, Tk]`."""
        query, key = self._split(self.query(x)), self._split(self.key(other.x))
        scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
        shares = scores.masked_fill(~open_frames(other.mask), float("-inf")).softmax(-1)
        return shares.mean(1) * other.mask.unsqueeze(1)

    def _split(self, x: Tensor) -> Tensor:
        """`[B, T, hidden]` → `[B, heads, T, hidden / heads]`."""
        return x.unflatten(-1, (self.heads, -1)).transpose(1, 2)


def positions(mask: Tensor, like: Tensor) -> Tensor:
    """Sines and cosines of how many valid frames come before; `[B, T, hidden]`, as `like` is.

    Counted by the mask `[B, T]`, so that a frame has the same position on whichever side padding
    stands, and never in half precision, which does not count far.
    """
    before = (mask.cumsum(1) - 1).clamp(min=0)
    hidden, dtype = like.shape[-1], torch.promote_types(like.dtype, torch.float32)
    half = (hidden + 1) // 2
    rates = 10_000.0 ** (-torch.arange(half, device=mask.device, dtype=dtype) / half)
    angles = before.unsqueeze(-1) * rates
    return torch.cat([angles.sin(), angles.cos()], dim=-1)[..., :hidden].to(like.dtype)


def open_frames(mask: Tensor) -> Tensor:
    """Which frames may be asked, `[B, 1, 1, Tk]`; all where none is valid: softmax needs one."""
    return (mask | ~mask.any(1, keepdim=True))[:, None, None]


def check_heads(hidden: int, heads: int) -> None:
    if hidden % heads:
        below = hidden - hidden % heads
        near = " or ".join(str(one) for one in (below, below + heads) if one)
        raise ConfigError(
            f"fusion: hidden {hidden} cannot be shared among {heads} heads; take hidden: {near}"
        )
