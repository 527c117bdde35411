"""Spectrograms for networks: log-mel planes, or the cube of three 512 × 90 spectrograms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders._cube import HOP, PLANES, SIDE, Cube, below_loudest
from multimodal_ser.features.encoders._mel import Mel
from multimodal_ser.features.encoders._spectral import at_rate, mask_of, padded
from multimodal_ser.features.encoders._statistics import slopes
from multimodal_ser.types import ConfigError, Features, Input

Positive = Annotated[int, Field(gt=0)]
Seconds = Annotated[float, Field(gt=0)]

_WINDOW = 0.025  # seconds, of log_mel
_HOPS = {"log_mel": 0.01, "cube": HOP}  # seconds


class Encoder(nn.Module):
    """Planes side by side: `log_mel` `[B, T, planes n_mels]`, `cube` `[B, 90, 3 · 512]`.

    `log_mel`: decibels relative to the clip's loudest band, at least −80, in windows of 25 ms. With
    `planes: 3`, their slopes over nine frames and the slopes of these slopes follow.
    `cube`: edges more than 30 dB below the loudest part are cut off first. The planes are the power
    of 512 bins (n_fft 1023), the power in 512 mel bands up to 8 kHz, and this mel power in decibels
    as above. The hop is that of 512 samples at 22,050 Hz, so 90 frames are 2.09 s. Longer clips are
    cut; shorter clips repeat their last frame. Below 2 kHz some mel bands are narrower than a bin
    and stay empty.
    hop in seconds; None is 0.01 for `log_mel` and 512 / 22050 for `cube`.
    """

    modality = "audio"
    FRAMES = True
    VERSION = 1
    VALUE_LIBRARIES = ("librosa", "numpy", "scipy", "soxr", "torch")

    def __init__(
        self,
        *,
        kind: Literal["log_mel", "cube"] = "log_mel",
        sample_rate: Positive = 16000,
        n_mels: Positive = 64,
        planes: Literal[1, 3] = 1,
        hop: Seconds | None = None,
    ) -> None:
        super().__init__()
        if kind == "cube" and (planes, n_mels) != (1, 64):
            raise ConfigError("spectrogram: n_mels and planes belong to kind: log_mel, not to cube")
        self.kind = kind
        self.planes = planes
        self.sample_rate = sample_rate
        self.dim = PLANES * SIDE if kind == "cube" else planes * n_mels
        step = round((hop or _HOPS[kind]) * sample_rate)
        if step < 1:
            raise ConfigError(f"spectrogram: hop {hop} s is less than a sample at {sample_rate} Hz")
        width = 2 ** (round(_WINDOW * sample_rate) - 1).bit_length()
        self.mel = Mel(sample_rate, width, step, n_mels)
        self.cube = Cube(sample_rate, step)

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, T, dim]`, lengths `[B]` in frames, 0 where the sound is missing."""
        transform = self.cube if self.kind == "cube" else self._log_mel
        sounds = [at_rate(utterance, self.sample_rate) for utterance in inputs]
        rows = [None if sound is None else transform(sound) for sound in sounds]
        x, lengths = padded(rows, (self.dim,))
        return {"x": x, "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        return Features(x, mask_of(lengths, x.shape[1]))

    def _log_mel(self, samples: np.ndarray) -> np.ndarray:
        level = below_loudest(self.mel(samples))
        if self.planes == 1:
            return level
        slope = slopes(level)
        return np.concatenate([level, slope, slopes(slope)], axis=1)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {"n_mels": 24, "planes": 3}
