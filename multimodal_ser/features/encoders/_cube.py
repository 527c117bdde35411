"""Three 512 × 90 spectrograms of a trimmed clip form a cube: power, mel power, decibels."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from functools import cached_property

import librosa
import numpy as np

from multimodal_ser.features.encoders._mel import Mel, decibels

SIDE, FRAMES, PLANES = 512, 90, 3  # rows of a plane, columns of a plane, number of planes
HOP = 512 / 22050  # seconds
_N_FFT, _TRIM = 1023, 30.0  # samples; dB below the loudest


@dataclass(frozen=True)
class Cube:
    """Computes the cube of a clip.

    Edges more than 30 dB below the loudest part are cut off first. The three planes are the power
    of 512 bins, the power in 512 mel bands up to 8 kHz, and this mel power in decibels: 0 is the
    clip's maximum, and −80 is the lowest value. Longer clips are cut; shorter clips repeat their
    last frame. rate in Hz; hop in samples.
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
        with warnings.catch_warnings():  # this recipe allows empty bands
            warnings.filterwarnings("ignore", message="Empty filters")
            highest = min(8000.0, self.rate / 2)
            return librosa.filters.mel(sr=self.rate, n_fft=_N_FFT, n_mels=SIDE, fmax=highest).T


def below_loudest(power: np.ndarray) -> np.ndarray:
    """Decibels relative to the clip's maximum, which is 0; nothing is lower than −80."""
    level = decibels(power)
    return level - level.max()
