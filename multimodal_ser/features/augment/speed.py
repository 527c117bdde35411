"""A clip played faster or slower, pitch and all (Ko et al. 2015)."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from multimodal_ser.corpus import audio
from multimodal_ser.features.augment._draws import Share, between, happens, ordered
from multimodal_ser.features.augment._sound import sound_of, with_samples
from multimodal_ser.types import Input

Factor = Annotated[float, Field(ge=0.1, le=10)]


class Augment:
    """Resamples the clip, which changes tempo, pitch and formants together: as good as new voices.

    factor: `[low, high]`, how many times as fast, uniform; 1.1 makes a clip 1 / 1.1 as long and
    every frequency 1.1 times as high. Pitch tells of emotion, so keep the range narrow. p: share
    of the clips that are changed.
    """

    modality = "audio"
    STAGE = "input"

    def __init__(self, *, factor: tuple[Factor, Factor] = (0.9, 1.1), p: Share = 1.0) -> None:
        self.factor = ordered("speed: factor", factor)
        self.p = p

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, sound = happens(generator, self.p), sound_of(utterance)
        if not acts or sound is None:
            return utterance
        samples, rate = sound
        played = max(1, round(rate * between(generator, self.factor)))
        return with_samples(utterance, audio.resample(samples, played, rate))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"factor": (0.8, 0.9)}
