"""A random window of every clip, so that clips of any length make batches of one length."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.features.augment._draws import Positive, Share, happens
from multimodal_ser.features.augment._sound import repeated, sound_of, with_samples
from multimodal_ser.types import Input


class Augment:
    """Exactly `round(seconds · rate)` samples, so a model cannot go by how long a clip is.

    seconds: length of the window; its place is uniform. A shorter clip is repeated from its
    beginning until it is long enough: silence at the end would tell its length. p: share of the
    clips that are cut.
    """

    modality = "audio"
    STAGE = "input"

    def __init__(self, *, seconds: Positive, p: Share = 1.0) -> None:
        self.seconds = seconds
        self.p = p

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, sound = happens(generator, self.p), sound_of(utterance)
        if not acts or sound is None:
            return utterance
        samples, rate = sound
        length = max(1, round(self.seconds * rate))
        if len(samples) <= length:
            return with_samples(utterance, repeated(samples, length))
        start = int(generator.integers(len(samples) - length + 1))
        return with_samples(utterance, samples[start : start + length])


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"seconds": 0.5}
