"""Prosody in plain units: pitch, level, brightness, pauses and speaking rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders._prosody import FRAME_NAMES, NAMES, Grid, described, frames_of
from multimodal_ser.features.encoders._spectral import at_rate, mask_of, padded
from multimodal_ser.types import ConfigError, Features, Input

Hertz = Annotated[float, Field(gt=0)]


class Encoder(nn.Module):
    """`pool: none`: FRAME_NAMES every 10 ms, `[B, T, 6]`; `stats`: NAMES, `[B, 1, 63]`.

    Pitch is found by YIN, in semitones above 27.5 Hz, and is 0 in unvoiced frames. A frame is
    voiced where two conditions hold: its difference to itself one period later is below 0.3 of the
    mean over shorter lags, and its level is within 40 dB of the clip's loudest frame and above
    −80 dB of full scale. The statistics are over the voiced frames, and 0 if there are none.
    A pause lasts 0.1 s or more, is more than 30 dB below the loudest frame, and lies between louder
    frames. A syllable is a peak of the smoothed level in a voiced frame, with a prominence of 2 dB.
    """

    modality = "audio"
    VERSION = 1
    VALUE_LIBRARIES = ("numpy", "scipy", "soxr")
    FRAME_NAMES = FRAME_NAMES
    NAMES = NAMES

    def __init__(
        self,
        *,
        sample_rate: Annotated[int, Field(ge=4000)] = 16000,
        lowest: Hertz = 60.0,
        highest: Hertz = 500.0,
        pool: Literal["none", "stats"] = "stats",
    ) -> None:
        super().__init__()
        if not lowest < highest <= sample_rate / 8:
            raise ConfigError(
                f"prosody: lowest {lowest:g} Hz must lie below highest {highest:g} Hz, and that at "
                f"or below an eighth of sample_rate {sample_rate} Hz"
            )
        self.grid = Grid(sample_rate, lowest, highest)
        self.pool = pool
        self.dim = len(FRAME_NAMES if pool == "none" else NAMES)

    @staticmethod
    def light(options: Mapping[str, Any]) -> bool:
        """Whether a clip has one small row, which may be computed while the clip is decoded."""
        return options["pool"] == "stats"

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """x `[B, T, dim]`, lengths `[B]` in frames, 0 where the sound is missing."""
        rows = [self._row(at_rate(utterance, self.grid.rate)) for utterance in inputs]
        x, lengths = padded(rows, (self.dim,))
        return {"x": x, "lengths": lengths}

    def forward(self, x: Tensor, lengths: Tensor) -> Features:
        return Features(x, mask_of(lengths, x.shape[1]))

    def _row(self, samples: np.ndarray | None) -> np.ndarray | None:
        if samples is None:
            return None
        frames = frames_of(samples, self.grid)
        return frames if self.pool == "none" else described(frames)[None]


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build the encoder at once."""
    return {}
