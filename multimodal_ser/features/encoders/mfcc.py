"""MFCC with the same values as those of librosa: the handcrafted baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders._mel import Mel, cosines, decibels
from multimodal_ser.features.encoders._spectral import at_rate, mask_of, padded
from multimodal_ser.features.encoders._statistics import STATISTICS, slopes, statistics
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]
_PARTS = {"none": 1, "mean": 1, "mean_std": 2, "stats": 2 * len(STATISTICS)}


class Encoder(nn.Module):
    """`pool: none` `[B, T, n_mfcc]`; `mean` `[B, 1, n_mfcc]`; `mean_std` twice that.

    `pool: stats` describes the distribution of each coefficient, and of its slope over nine frames,
    over the clip: STATISTICS of the coefficients, then of the slopes, `[B, 1, 10 n_mfcc]`. The
    defaults are librosa's (windows of 2048, hop 512, centred, top 80 dB). There are 128 mel bands,
    or `n_mfcc` bands if that is more.
    """

    modality = "audio"
    VERSION = 2
    VALUE_LIBRARIES = ("librosa", "numpy", "scipy", "soxr", "torch")

    def __init__(
        self,
        *,
        n_mfcc: Positive = 40,
        sample_rate: Positive = 22050,
        pool: Literal["none", "mean", "mean_std", "stats"] = "mean",
    ) -> None:
        super().__init__()
        bands = max(128, n_mfcc)
        self.sample_rate = sample_rate
        self.pool = pool
        self.dim = n_mfcc * _PARTS[pool]
        self.mel = Mel(sample_rate, 2048, 512, bands)
        self.cosines = cosines(bands, n_mfcc)

    @staticmethod
    def light(options: Mapping[str, Any]) -> bool:
        """Whether a clip has one small row, which may be computed while the clip is decoded."""
        return options["pool"] != "none"

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, T, dim]`, lengths `[B]` in frames, 0 where the sound is missing."""
        rows = [self._row(at_rate(utterance, self.sample_rate)) for utterance in inputs]
        x, lengths = padded(rows, (self.dim,))
        return {"x": x, "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        return Features(x, mask_of(lengths, x.shape[1]))

    def _row(self, samples: np.ndarray | None) -> np.ndarray | None:
        if samples is None:
            return None
        level = decibels(self.mel(samples))
        if self.pool == "mean":  # the transform is linear, so the mean can be taken first
            return level.mean(0, keepdims=True) @ self.cosines
        frames = level @ self.cosines
        if self.pool == "none":
            return frames
        if self.pool == "mean_std":
            return np.concatenate([frames.mean(0), frames.std(0)])[None]
        return np.concatenate([statistics(frames), statistics(slopes(frames))])[None]


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"n_mfcc": 13, "pool": "mean_std"}
