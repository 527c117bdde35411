"""Raw samples, cut into frames, for networks that learn from raw sound."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders._spectral import at_rate, mask_of, padded
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]


class Encoder(nn.Module):
    """`[B, T, hop]`: frames of `hop` samples end to end, zeros after the last sample.

    The flattened frames of a clip are its samples. T is as short as that of a spectrogram.
    """

    modality = "audio"
    FRAMES = True
    VERSION = 1
    VALUE_LIBRARIES = ("numpy", "soxr")

    def __init__(self, *, sample_rate: Positive = 16000, hop: Positive = 160) -> None:
        super().__init__()
        self.sample_rate = sample_rate
        self.dim = hop

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, T, hop]`, lengths `[B]` in frames, 0 where the sound is missing."""
        sounds = [at_rate(utterance, self.sample_rate) for utterance in inputs]
        rows = [None if sound is None else self._cut(sound) for sound in sounds]
        x, lengths = padded(rows, (self.dim,))
        return {"x": x, "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        return Features(x, mask_of(lengths, x.shape[1]))

    def _cut(self, samples: np.ndarray) -> np.ndarray:
        return np.pad(samples, (0, -len(samples) % self.dim)).reshape(-1, self.dim)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {}
