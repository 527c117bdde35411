"""The period of each frame by YIN: de Cheveigné & Kawahara 2002, all frames at once."""

from __future__ import annotations

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

_DIP = 0.15  # the first dip of the difference function that is deeper is the period
_TINY = 1e-12


def periods(frames: np.ndarray, shortest: int, longest: int) -> tuple[np.ndarray, np.ndarray]:
    """frames `[T, W + longest + 1]` → period in samples `[T]`, aperiodicity `[T]`.

    Lags from `shortest` to `longest` are compared over W samples. Aperiodicity: 0 for an exact
    repetition, near 1 for noise, 1 for silence.
    """
    normalized = _normalized(_differences(frames.astype(np.float64), longest + 1))
    inner = normalized[:, shortest : longest + 1]
    lower = inner <= normalized[:, shortest - 1 : longest]
    dips = lower & (inner < normalized[:, shortest + 1 : longest + 2]) & (inner < _DIP)
    first = np.where(dips.any(axis=1), dips.argmax(axis=1), inner.argmin(axis=1)) + shortest
    row = np.arange(len(frames))
    before, at, after = (normalized[row, first + step] for step in (-1, 0, 1))
    return first + _vertex(before, at, after), np.clip(at, 0, 1)


def _differences(frames: np.ndarray, lags: int) -> np.ndarray:
    """`[T, lags + 1]`: the squared difference of the first W samples and those `lag` later."""
    width = frames.shape[1] - lags
    size = next_fast_len(frames.shape[1], real=True)
    whole, start = np.asarray(rfft(frames, size)), np.asarray(rfft(frames[:, :width], size))
    correlation = np.asarray(irfft(whole * start.conj(), size))[:, : lags + 1]
    energy = (frames[:, :width] ** 2).sum(axis=1, keepdims=True)
    gained = np.cumsum(frames[:, width:] ** 2 - frames[:, :lags] ** 2, axis=1)
    later = energy + np.pad(gained, ((0, 0), (1, 0)))
    return np.maximum(energy + later - 2 * correlation, 0)


def _normalized(differences: np.ndarray) -> np.ndarray:
    """Each difference over the mean of those at all shorter lags; 1 where nothing differs."""
    lags = np.arange(1, differences.shape[1])
    total = np.cumsum(differences[:, 1:], axis=1)
    silent = total <= _TINY
    ratio = np.where(silent, 1.0, differences[:, 1:] * lags / np.where(silent, 1.0, total))
    return np.pad(ratio, ((0, 0), (1, 0)), constant_values=1.0)


def _vertex(before: np.ndarray, at: np.ndarray, after: np.ndarray) -> np.ndarray:
    """Where the parabola through three neighbours is lowest, within half a step of the middle."""
    curve = before - 2 * at + after
    shift = (before - after) / (2 * np.where(curve > _TINY, curve, 1))
    return np.where(curve > _TINY, np.clip(shift, -0.5, 0.5), 0)
