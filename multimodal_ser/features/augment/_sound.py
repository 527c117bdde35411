"""What the augmentations of sound share: the samples of an input, and how loud they are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from multimodal_ser.types import Input


def sound_of(utterance: Input) -> tuple[np.ndarray, int] | None:
    """Samples and their rate in Hz; None where there is nothing to change."""
    if utterance.samples is None or utterance.rate is None or not len(utterance.samples):
        return None
    return utterance.samples, utterance.rate


def with_samples(utterance: Input, samples: np.ndarray) -> Input:
    """The same input with other samples, float32 as everywhere."""
    return replace(utterance, samples=np.array(samples, dtype=np.float32))


def power(samples: np.ndarray) -> float:
    """Mean square, in double precision: the square of a faint sample is no float32."""
    return float(np.mean(np.square(samples, dtype=np.float64)))


def repeated(samples: np.ndarray, length: int) -> np.ndarray:
    """`[length]`: the samples again and again from their beginning."""
    return np.resize(samples, length)
