"""The input of networks that are trained from scratch: samples, or short spectral frames."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Literal

import librosa
import numpy as np
from torch import Tensor

from multimodal_ser.features.encoders._mel import Mel, cosines, decibels
from multimodal_ser.features.encoders._spectral import at_rate, padded
from multimodal_ser.types import Input

Kind = Literal["waveform", "mfcc", "log_mel"]

_WINDOW, _HOP = 0.025, 0.01  # seconds


class Hearing:
    """Turns clips into the input of a network.

    `waveform`: samples `[N]`. `log_mel` and `mfcc`: frames `[T, bands]`, one every `hop` s; the
    window is `window` s, rounded up to a power of two in samples.

    Bands are in decibels, at most 80 below the clip's loudest. Each band or coefficient is shifted
    and scaled to mean 0 and standard deviation 1 over the clip. This removes the loudness and the
    effect of the recording channel; and 0, which masks and padding write, is the mean.

    trim: both ends are cut off where they are this many dB below the loudest part; None keeps them.
    """

    def __init__(
        self,
        kind: Kind,
        rate: int,
        bands: int = 1,
        *,
        trim: float | None = None,
        hop: float = _HOP,
        window: float = _WINDOW,
    ) -> None:
        self.kind = kind
        self.rate = rate
        self.bands = bands
        self.trim = trim
        self.hop = hop
        self.window = window

    def __call__(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, N]` or `[B, T, bands]` with zeros after each end; lengths `[B]`, 0 if missing."""
        sounds = [at_rate(utterance, self.rate) for utterance in inputs]
        rows = [None if sound is None else self.row(sound) for sound in sounds]
        x, lengths = padded(rows, () if self.kind == "waveform" else (self.bands,))
        return {"x": x, "lengths": lengths}

    def row(self, samples: np.ndarray) -> np.ndarray:
        """The network's input for one clip `[N]`: samples `[N']` or frames `[T, bands]`."""
        if self.trim is not None:
            samples, _ = librosa.effects.trim(samples, top_db=self.trim)
        if self.kind == "waveform":
            return samples
        level = decibels(self._mel(samples))
        return scaled(level if self.kind == "log_mel" else level @ self._cosines)

    @cached_property
    def _mel(self) -> Mel:
        width = 2 ** (round(self.window * self.rate) - 1).bit_length()
        bands = max(64, self.bands) if self.kind == "mfcc" else self.bands
        return Mel(self.rate, width, round(self.hop * self.rate), bands)

    @cached_property
    def _cosines(self) -> np.ndarray:
        return cosines(self._mel.bands, self.bands)


def scaled(frames: np.ndarray) -> np.ndarray:
    """`[T, D]` with mean 0 and standard deviation 1 a column; constant columns are only shifted."""
    centred = frames - frames.mean(0, keepdims=True)
    spread = centred.std(0, keepdims=True)
    return (centred / np.where(spread > 1e-3, spread, 1)).astype(np.float32)
