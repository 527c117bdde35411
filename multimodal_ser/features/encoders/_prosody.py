"""The arithmetic of prosody: the frames of a clip, and the statistics of these frames."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.fft import next_fast_len, rfft
from scipy.ndimage import uniform_filter1d
from scipy.signal import find_peaks, get_window

from multimodal_ser.features.encoders._yin import periods

FRAME_NAMES = ("pitch", "voiced", "level", "centroid", "spread", "crossings")
_OVER_VOICED = ("pitch", "level", "centroid", "spread", "crossings")
_STATISTICS = (
    "mean", "std", "min", "5 %", "25 %", "50 %", "75 %", "95 %", "max", "slope", "change"
)  # fmt: skip
_OF_CLIP = (
    "seconds", "voiced share", "voiced runs per second", "voiced run seconds",
    "pause share", "pauses per second", "pause seconds", "syllables per second",
)  # fmt: skip
NAMES = (*(f"{part} {name}" for part in _OVER_VOICED for name in _STATISTICS), *_OF_CLIP)

HOP = 0.01  # seconds
REFERENCE = 27.5  # Hz, where pitch is 0 semitones
_APERIODIC = 0.3
_QUIET = 40.0  # dB below the loudest frame; quieter frames are not voiced
_FLOOR = -80.0  # dB of full scale; quieter frames are not voiced
_SILENT = 1e-5  # amplitude; its square is added to the power, so that silence is −100 dB
_PAUSE, _SHORTEST_PAUSE = 30.0, 10  # dB below the loudest frame, frames
_PROMINENCE, _SMOOTHED, _APART = 2.0, 5, 8  # of a syllable: dB, frames, frames
_BLOCK = 32  # frames at a time, few enough for the processor's cache


@dataclass(frozen=True)
class Grid:
    """How a clip is cut into frames.

    Frames are centred every 10 ms, and each is three periods of the lowest pitch long. rate in Hz;
    lowest and highest: the limits of the pitch in Hz.
    """

    rate: int
    lowest: float
    highest: float

    @property
    def hop(self) -> int:
        return round(HOP * self.rate)

    @property
    def lags(self) -> tuple[int, int]:
        """The shortest and the longest period in samples."""
        return int(self.rate / self.highest), int(np.ceil(self.rate / self.lowest))

    @property
    def width(self) -> int:
        return 3 * self.lags[1]


def frames_of(samples: np.ndarray, grid: Grid) -> np.ndarray:
    """samples `[N]` → frames `[1 + N // hop, 6]` float32, in the order of FRAME_NAMES.

    Pitch is in semitones, level in dB of full scale, centroid and spread of the power spectrum in
    Hz, and crossings of zero are a share of the samples.
    """
    level_parts, columns = [], []
    for frames in _blocks(samples, grid):
        period, aperiodicity = periods(frames, *grid.lags)
        level_parts.append(10 * np.log10((frames**2).mean(axis=1) + _SILENT**2))
        semitones = 12 * np.log2(grid.rate / period / REFERENCE)
        crossings = (np.diff(np.signbit(frames), axis=1) != 0).mean(axis=1)
        columns.append([semitones, aperiodicity, *_brightness(frames, grid.rate), crossings])
    pitch, aperiodicity, centroid, spread, crossings = np.concatenate(columns, axis=1)
    level = np.concatenate(level_parts)
    loud = level > max(level.max() - _QUIET, _FLOOR)
    voiced = (aperiodicity < _APERIODIC) & loud
    values = [np.where(voiced, pitch, 0), voiced, level, centroid, spread, crossings]
    return np.stack(values, axis=1).astype(np.float32)


def described(frames: np.ndarray) -> np.ndarray:
    """Frames `[T, 6]` → the statistics NAMES of the clip `[63]`, float32."""
    columns = zip(FRAME_NAMES, frames.T.astype(np.float64), strict=True)
    by_name: dict[str, np.ndarray] = dict(columns)
    voiced = np.flatnonzero(by_name["voiced"])
    seconds = voiced * HOP
    parts = [_distribution(by_name[name][voiced], seconds) for name in _OVER_VOICED]
    return np.concatenate([*parts, _timing(by_name)]).astype(np.float32)


def _blocks(samples: np.ndarray, grid: Grid) -> Iterator[np.ndarray]:
    """Blocks of frames `[F, width]` float64; the clip's mean is subtracted first."""
    zero_mean = samples.astype(np.float64) - samples.mean(dtype=np.float64)
    centred = np.pad(zero_mean, (grid.width // 2, grid.width - grid.width // 2))
    frames = np.lib.stride_tricks.sliding_window_view(centred, grid.width)[:: grid.hop]
    for first in range(0, 1 + len(samples) // grid.hop, _BLOCK):
        yield frames[first : first + _BLOCK]


def _brightness(frames: np.ndarray, rate: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of the frequency in Hz, weighted by power; 0 for silence."""
    width = frames.shape[1]
    size = next_fast_len(width, real=True)
    power = np.abs(np.asarray(rfft(frames * get_window("hann", width), size))) ** 2
    frequency = np.arange(power.shape[1]) * rate / size
    total = power.sum(axis=1)
    share = power / np.where(total > 1e-12, total, np.inf)[:, None]
    centroid = share @ frequency
    return centroid, np.sqrt(np.maximum(share @ frequency**2 - centroid**2, 0))


def _distribution(values: np.ndarray, seconds: np.ndarray) -> np.ndarray:
    """_STATISTICS of the values at these times; zeros if there are no values.

    The slope is per second, and the change is per frame.
    """
    if not len(values):
        return np.zeros(len(_STATISTICS))
    quantiles = np.quantile(values, [0, 0.05, 0.25, 0.5, 0.75, 0.95, 1])
    time = seconds - seconds.mean()
    slope = time @ values / max(time @ time, HOP**2)
    change = np.abs(np.diff(values)).mean() if len(values) > 1 else 0.0
    return np.array([values.mean(), values.std(), *quantiles, slope, change])


def _timing(by_name: dict[str, np.ndarray]) -> list[float]:
    """The values _OF_CLIP.

    All but the length are taken over the span from the first to the last loud frame.
    """
    level, voiced = by_name["level"], by_name["voiced"] > 0
    loud = level >= level.max() - _PAUSE
    span = slice(np.flatnonzero(loud)[0], np.flatnonzero(loud)[-1] + 1)
    frames = len(loud[span])
    pauses = [length for length in _runs(~loud[span]) if length >= _SHORTEST_PAUSE]
    runs = _runs(voiced[span])
    per_second = 1 / (frames * HOP)
    return [
        (len(level) - 1) * HOP,
        float(voiced[span].mean()),
        len(runs) * per_second,
        float(np.mean(runs)) * HOP if len(runs) else 0.0,
        sum(pauses) / frames,
        len(pauses) * per_second,
        float(np.mean(pauses)) * HOP if pauses else 0.0,
        _syllables(level[span], voiced[span]) * per_second,
    ]


def _runs(flags: np.ndarray) -> np.ndarray:
    """The lengths of the runs of true values."""
    edges = np.flatnonzero(np.diff(np.pad(flags.astype(np.int8), 1)))
    return edges[1::2] - edges[::2]


def _syllables(level: np.ndarray, voiced: np.ndarray) -> int:
    """The number of peaks of the smoothed level that lie in a voiced frame."""
    smooth = np.pad(uniform_filter1d(level, _SMOOTHED, mode="nearest"), 1, constant_values=-200.0)
    peaks, _ = find_peaks(smooth, prominence=_PROMINENCE, distance=_APART)
    return int(voiced[peaks - 1].sum())
