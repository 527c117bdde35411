"""The period of each frame by YIN (de Cheveigné & Kawahara 2002), for all frames at once."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

_DIP = 0.15  # the period is the first dip of the difference function that is deeper than this
_TINY = 1e-12


def periods(frames: np.ndarray, shortest: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """frames `[T, W + longest + 1]` → period in samples `[T]`, aperiodicity `[T]`.

    Lags from `shortest` to `longest` are compared over W samples. Aperiodicity is 0 for an exact
    repetition, near 1 for noise, and 1 for silence.
    """
    normalized = _normalized(_differences(frames.astype(np.float64), longest + 1))
    inner = normalized[:, shortest : longest + 1]
    lower = inner <= normalized[:, shortest - 1 : longest]
    dips = lower & (inner < normalized[:, shortest + 1 : longest + 2]) & (inner < _DIP)
    first = np.where(dips.any(axis=1), dips.argmax(axis=1), inner.argmin(axis=1)) + shortest
    row = np.arange(len(frames))
    before, middle, after = (normalized[row, first + step] for step in (-1, 0, 1))
    return first + _vertex(before, middle, after), np.clip(middle, 0, 1)


def _differences(frames: np.ndarray, lags: int) -> np.ndarray:
    """`[T, lags + 1]`: the squared difference between the first W samples and those a lag later."""
    width = frames.shape[1] - lags
    size = next_fast_len(frames.shape[1], real=True)
    whole, start = np.asarray(rfft(frames, size)), np.asarray(rfft(frames[:, :width], size))
    correlation = np.asarray(irfft(whole * start.conj(), size))[:, : lags + 1]
    energy = (frames[:, :width] ** 2).sum(axis=1, keepdims=True)
    change = np.cumsum(frames[:, width:] ** 2 - frames[:, :lags] ** 2, axis=1)
    later = energy + np.pad(change, ((0, 0), (1, 0)))
    return np.maximum(energy + later - 2 * correlation, 0)


def _normalized(differences: np.ndarray) -> np.ndarray:
    """Each difference divided by the mean over all lags up to its own; 1 where nothing differs."""
    lags = np.arange(1, differences.shape[1])
    total = np.cumsum(differences[:, 1:], axis=1)
    silent = total <= _TINY
    ratio = np.where(silent, 1.0, differences[:, 1:] * lags / np.where(silent, 1.0, total))
    return np.pad(ratio, ((0, 0), (1, 0)), constant_values=1.0)


def _vertex(before: np.ndarray, middle: np.ndarray, after: np.ndarray) -> np.ndarray:
    """The offset of the minimum of a parabola through three points, at most half a step."""
    curve = before - 2 * middle + after
    shift = (before - after) / (2 * np.where(curve > _TINY, curve, 1))
    return np.where(curve > _TINY, np.clip(shift, -0.5, 0.5), 0)
