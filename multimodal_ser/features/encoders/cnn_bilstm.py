"""A baseline: an LSTM, then convolutions, over 128 MFCC frames of a clip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders._mel import Mel, cosines, decibels
from multimodal_ser.features.encoders._spectral import at_rate, padded
from multimodal_ser.types import Features, Input

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(ge=0, lt=1)]

_STEPS, _POOL = 128, 4


class Encoder(nn.Module):
    """`[B, 1, hidden]` of 128 MFCC frames; longer clips are cut, shorter ones repeat the last.

    The layers are BiLSTM of `n_mfcc` units a direction → Linear of twice that on every step, ReLU →
    convolution 5 → 32, ReLU → max-pool 4 → convolution 5 → 64, ReLU → flatten 32 steps → Linear,
    ReLU. Dropout follows each but the last. The MFCC are those of librosa (windows of 2048, hop
    512), and they are not scaled. At 22,050 Hz the frames are 2.97 s. There are 2,104,856
    parameters with the default options.
    """

    modality = "audio"
    VERSION = 1
    VALUE_LIBRARIES = ("librosa", "numpy", "scipy", "soxr", "torch")
    TRAINED = True

    def __init__(
        self,
        *,
        n_mfcc: Positive = 40,
        sample_rate: Positive = 22050,
        hidden: Positive = 1000,
        dropout: Share = 0.5,
    ) -> None:
        super().__init__()
        self.rate = sample_rate
        self.dim = hidden
        self.n_mfcc = n_mfcc
        self.mel = Mel(sample_rate, 2048, 512, max(128, n_mfcc))
        self.cosines = cosines(self.mel.bands, n_mfcc)
        self.recurrent = nn.LSTM(n_mfcc, n_mfcc, batch_first=True, bidirectional=True)
        self.steps = nn.Sequential(
            nn.Linear(2 * n_mfcc, 2 * n_mfcc), nn.ReLU(), nn.Dropout(dropout)
        )
        self.layers = nn.Sequential(
            nn.Conv1d(2 * n_mfcc, 32, 5, padding=2),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.MaxPool1d(_POOL),
            nn.Conv1d(32, 64, 5, padding=2),
            nn.ReLU(),
            nn.Dropout(dropout),
            nn.Flatten(),
            nn.Linear(64 * _STEPS // _POOL, hidden),
            nn.ReLU(),
        )

    @staticmethod
    def frames(options: Mapping[str, Any]) -> bool:
        """Whether x holds frames rather than samples."""
        return True

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, 128, n_mfcc]`, lengths `[B]`: 128, or 0 where the sound is missing."""
        sounds = [at_rate(utterance, self.rate) for utterance in inputs]
        rows = [None if sound is None else self._coefficients(sound) for sound in sounds]
        x, lengths = padded(rows, (self.n_mfcc,))
        return {"x": nn.functional.pad(x, (0, 0, 0, _STEPS - x.shape[1])), "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        steps = self.steps(self.recurrent(x)[0])
        return Features(self.layers(steps.mT).unsqueeze(1), (lengths > 0).unsqueeze(1))

    def _coefficients(self, samples: np.ndarray) -> np.ndarray:
        """samples `[N]` → MFCC frames `[128, n_mfcc]`."""
        frames = (decibels(self.mel(samples)) @ self.cosines)[:_STEPS]
        return np.pad(frames, ((0, _STEPS - len(frames)), (0, 0)), mode="edge")


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"n_mfcc": 13, "hidden": 32}
