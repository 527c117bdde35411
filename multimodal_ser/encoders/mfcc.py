"""MFCC, number for number as librosa computes them: the handcrafted baseline."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import librosa
import numpy as np
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.encoders._spectral import at_rate, mask_of, padded
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]


class Encoder(nn.Module):
    """`pool: mean` `[B, 1, n_mfcc]`, `mean_std` `[B, 1, 2 n_mfcc]`, `none` `[B, T, n_mfcc]`.

    librosa's defaults (windows of 2048, hop 512, centred, top 80 dB); the mel bands are raised to
    `n_mfcc` where that asks for more than 128.
    """

    modality = "audio"
    VERSION = 1
    VALUE_LIBRARIES = ("librosa", "numpy", "scipy", "soxr")

    def __init__(
        self,
        *,
        n_mfcc: Positive = 40,
        sample_rate: Positive = 22050,
        pool: Literal["none", "mean", "mean_std"] = "mean",
    ) -> None:
        super().__init__()
        self.n_mfcc = n_mfcc
        self.sample_rate = sample_rate
        self.pool = pool
        self.dim = 2 * n_mfcc if pool == "mean_std" else n_mfcc

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, T, dim]`, lengths `[B]` in frames, 0 where the sound is missing."""
        rows = [self._one(at_rate(one, self.sample_rate)) for one in inputs]
        x, lengths = padded(rows, (self.dim,))
        return {"x": x, "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        return Features(x, mask_of(lengths, x.shape[1]))

    def _one(self, samples: np.ndarray | None) -> np.ndarray | None:
        if samples is None:
            return None
        with warnings.catch_warnings():  # a clip shorter than one window is padded, as it should
            warnings.filterwarnings("ignore", message="n_fft=")
            frames = librosa.feature.mfcc(
                y=samples, sr=self.sample_rate, n_mfcc=self.n_mfcc, n_mels=max(128, self.n_mfcc)
            ).T
        if self.pool == "none":
            return frames
        pooled = [frames.mean(0)] if self.pool == "mean" else [frames.mean(0), frames.std(0)]
        return np.concatenate(pooled)[None]


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"n_mfcc": 13, "pool": "mean_std"}
