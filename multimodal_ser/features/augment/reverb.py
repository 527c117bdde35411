"""A room around the speaker: the clip convolved with noise that dies away."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from scipy.signal import fftconvolve

from multimodal_ser.features.augment._draws import Decibels, Share, between, happens, ordered
from multimodal_ser.features.augment._sound import power, sound_of, with_samples
from multimodal_ser.types import Input

Seconds = Annotated[float, Field(gt=0, le=10)]

_DECAY = 3 * math.log(10)  # nepers in which an amplitude falls by 60 dB


class Augment:
    """Reverberation, because most microphones stand in rooms that no corpus was recorded in.

    The impulse response is the direct sound and white noise that decays exponentially from the
    next sample on, cut where it is 60 dB down. rt60: `[low, high]`, seconds of that decay.
    direct: `[low, high]`, dB of the direct sound's energy over that of all noise. The direct sound
    stays where it was, the end is cut to the clip's length, and the mean power is kept.
    p: share of the clips that are changed.
    """

    modality = "audio"
    STAGE = "input"

    def __init__(
        self,
        *,
        rt60: tuple[Seconds, Seconds] = (0.2, 0.8),
        direct: tuple[Decibels, Decibels] = (0.0, 10.0),
        p: Share = 1.0,
    ) -> None:
        self.rt60 = ordered("reverb: rt60", rt60)
        self.direct = ordered("reverb: direct", direct)
        self.p = p

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, sound = happens(generator, self.p), sound_of(utterance)
        if not acts or sound is None:
            return utterance
        samples, rate = sound
        rt60, ratio = between(generator, self.rt60), 10 ** (between(generator, self.direct) / 10)
        response = _response(generator, round(rt60 * rate), ratio)
        wet = fftconvolve(samples.astype(np.float64), response[: len(samples)])[: len(samples)]
        loudness = power(wet)
        if not loudness:
            return utterance
        return with_samples(utterance, wet * math.sqrt(power(samples) / loudness))


def _response(generator: np.random.Generator, length: int, ratio: float) -> np.ndarray:
    """`[1 + length]`: 1, then noise with 1 / ratio of its energy and 60 dB of decay."""
    decay = np.exp(-_DECAY / max(1, length) * np.arange(length))
    tail = generator.standard_normal(length) * decay
    energy = float(np.sum(tail**2)) or 1.0
    return np.concatenate([[1.0], tail / math.sqrt(energy * ratio)])


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"rt60": (0.2, 0.3)}
