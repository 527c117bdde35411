"""What the audio encoders share: sounds at one sample rate, and rows padded into a batch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from multimodal_ser.corpus.audio import resample
from multimodal_ser.types import Input


def at_rate(utterance: Input, rate: int) -> np.ndarray | None:
    """The samples `[N]` at `rate` Hz, or None where the sound is missing."""
    if utterance.samples is None or utterance.rate is None:
        return None
    return resample(utterance.samples, utterance.rate, rate)


def padded(
    rows: Sequence[np.ndarray | None], width: tuple[int, ...] = ()
) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows `[T, *width]` → `[B, T, *width]` with zeros after each row's end, and lengths `[B]`."""
    lengths = [0 if row is None else len(row) for row in rows]
    batch = np.zeros((len(rows), max([1, *lengths]), *width), dtype=np.float32)
    for padded_row, row in zip(batch, rows, strict=True):
        if row is not None:
            padded_row[: len(row)] = row
    return torch.from_numpy(batch), torch.tensor(lengths)


def mask_of(lengths: torch.Tensor, steps: int) -> torch.Tensor:
    """`[B, steps]` bool: true for the first `lengths` steps of each row."""
    return torch.arange(steps, device=lengths.device) < lengths.unsqueeze(1)
