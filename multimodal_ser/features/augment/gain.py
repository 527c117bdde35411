"""A clip louder or softer by a drawn number of decibels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.features.augment._draws import Decibels, Share, between, happens, ordered
from multimodal_ser.features.augment._sound import sound_of, with_samples
from multimodal_ser.types import Input


class Augment:
    """Changes the level, which tells more about the microphone than about the speaker.

    db: `[low, high]`, the change of amplitude in decibels, uniform. Samples may come to lie beyond
    full scale and are not clipped. p: share of the clips that are changed. An encoder that levels
    its input (wav2vec 2.0 does) hears no difference.
    """

    modality = "audio"
    STAGE = "input"

    def __init__(self, *, db: tuple[Decibels, Decibels] = (-6.0, 6.0), p: Share = 1.0) -> None:
        self.db = ordered("gain: db", db)
        self.p = p

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, sound = happens(generator, self.p), sound_of(utterance)
        if not acts or sound is None:
            return utterance
        factor = 10 ** (between(generator, self.db) / 20)
        return with_samples(utterance, sound[0] * np.float32(factor))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"db": (-12, -3)}
