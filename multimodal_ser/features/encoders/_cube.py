"""The cube of three 512 × 90 spectrograms of a trimmed clip: power, mel, decibels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import librosa
import numpy as np

from multimodal_ser.features.encoders._mel import Mel, decibels

SIDE, FRAMES, PLANES = 512, 90, 3  # rows of a plane, its columns, how many there are
HOP = 512 / 22050  # seconds
_N_FFT, _TRIM = 1023, 30.0  # samples; dB below the loudest


@dataclass(frozen=True)
class Cube:
    """Edges more than 30 dB below the loudest part are cut off; then power of 512 bins, power in
    512 mel bands up to 8 kHz, and the same in decibels below the loudest, −80 at least.

    rate in Hz; hop in samples. Longer clips are cut, shorter ones repeat their last frame.
    """

    rate: int
    hop: int

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """samples `[N]` → `[90, 1536]`: the planes side by side."""
        trimmed, _ = librosa.effects.trim(samples, top_db=_TRIM)
        power = self._mel.spectra(trimmed)[:FRAMES]
        power = np.pad(power, ((0, FRAMES - len(power)), (0, 0)), mode="edge")
        mel = power @ self._bank
        return np.concatenate([power, mel, below_loudest(mel)], axis=1)

    @cached_property
    def _mel(self) -> Mel:
        return Mel(self.rate, _N_FFT, self.hop, SIDE)

    @cached_property
    def _bank(self) -> np.ndarray:
        """`[512 bins, 512 bands]`."""
        with warnings.catch_warnings():  # empty bands are part of this recipe
            warnings.filterwarnings("ignore", message="Empty filters")
            highest = min(8000.0, self.rate / 2)
            return librosa.filters.mel(sr=self.rate, n_fft=_N_FFT, n_mels=SIDE, fmax=highest).T


def below_loudest(power: np.ndarray) -> np.ndarray:
    """Decibels with 0 for the clip's maximum, −80 at least."""
    level = decibels(power)
    return level - level.max()
