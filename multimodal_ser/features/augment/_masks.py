"""Spans to be masked, as in SpecAugment (Park et al. 2019)."""

from __future__ import annotations

from typing import Annotated, Literal

import numpy as np
from pydantic import Field

Count = Annotated[int, Field(gt=0)]
Fill = Literal["mean", "zero"]


def spans(
    generator: np.random.Generator, total: int, count: int, width: int, share: float
) -> list[tuple[int, int]]:
    """First place and end of up to `count` spans in `total` places.

    A width is uniform from 0 to `width`, but all spans together have at most `share` of the
    places, rounded down: where that is spent, the rest is left out.
    """
    left = int(share * total + 1e-9)  # 0.29 · 100 is a hair below 29
    drawn = []
    for _ in range(count):
        size = int(generator.integers(min(width, left) + 1))
        start = int(generator.integers(total - size + 1))
        drawn.append((start, start + size))
        left -= size
    return [(start, end) for start, end in drawn if end > start]
