"""What the spectral encoders share: inputs at one rate, frames padded into a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from multimodal_ser.corpus.audio import resample
from multimodal_ser.types import Input


def at_rate(one: Input, rate: int) -> np.ndarray | None:
    """The samples at `rate` Hz, None where the sound is missing."""
    if one.samples is None or one.rate is None:
        return None
    return resample(one.samples, one.rate, rate)


def padded(
    rows: Sequence[np.ndarray | None], width: tuple[int, ...] = ()
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows `[T, *width]` → `[B, T, *width]` with zeros after each row's end, and lengths `[B]`."""
    lengths = [0 if row is None else len(row) for row in rows]
    batch = np.zeros((len(rows), max([1, *lengths]), *width), dtype=np.float32)
    for place, row in zip(batch, rows, strict=True):
        if row is not None:
            place[: len(row)] = row
    return torch.from_numpy(batch), torch.tensor(lengths)


def mask_of(lengths: torch.Tensor, steps: int) -> torch.Tensor:
    """`[B, steps]` bool: the first `lengths` of each row."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)
