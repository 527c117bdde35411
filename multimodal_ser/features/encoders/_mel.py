"""Power spectra and mel bands of many frames, fast: what librosa computes, without its copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import librosa
import numpy as np
import torch
from scipy.fft import dct
from scipy.signal import get_window

_FRAMES = 64  # transformed at a time: half a megabyte at 2048 samples, so that it stays near
_BINS = 128  # of the spectrum in one product: a narrow strip meets few of the mel bands
AMIN = 1e-10  # power below which decibels are not taken


@dataclass(frozen=True)
class Mel:
    """Mel bands (Slaney) of centred Hann windows of `n_fft` samples every `hop`: as many
    as begin within the clip, 1 + N // hop for even n_fft.

    highest: the upper end of the last band in Hz, None for half the rate.
    """

    rate: int
    n_fft: int
    hop: int
    bands: int
    highest: float | None = None

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """samples `[N]` → power in each band `[T, bands]` float32."""
        blocks = []
        for squares in self._squares(samples):
            power = np.zeros((len(squares), self.bands), dtype=np.float32)
            for bins, touched, weights in self._strips:
                power[:, touched] += squares[:, bins] @ weights
            blocks.append(power)
        return np.concatenate(blocks)

    def spectra(self, samples: np.ndarray) -> np.ndarray:
        """samples `[N]` → power in each bin `[T, 1 + n_fft // 2]` float32."""
        return np.concatenate([one[:, ::2] + one[:, 1::2] for one in self._squares(samples)])

    def _squares(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Blocks of frames `[F, 2 bins]`: the squares of real and imaginary parts in turn."""
        centred = np.pad(samples.astype(np.float32, copy=False), self.n_fft // 2)
        windows = np.lib.stride_tricks.sliding_window_view(centred, self.n_fft)[:: self.hop]
        for first in range(0, len(windows), _FRAMES):
            frames = windows[first : first + _FRAMES] * self._taper
            spectrum = torch.fft.rfft(torch.from_numpy(frames)).numpy().view(np.float32)
            yield np.multiply(spectrum, spectrum, out=spectrum)

    @cached_property
    def _taper(self) -> np.ndarray:
        return np.asarray(get_window("hann", self.n_fft), dtype=np.float32)

    @cached_property
    def _strips(self) -> list[tuple[slice, slice, np.ndarray]]:
        """Where columns of squares meet bands, and the weights there.

        The matrix is zero but for a narrow diagonal; each row stands twice, for the square of the
        real and that of the imaginary part, so that their sum costs nothing.
        """
        bands = librosa.filters.mel(
            sr=self.rate, n_fft=self.n_fft, n_mels=self.bands, fmax=self.highest
        )
        weights = np.repeat(bands.T, 2, axis=0)
        strips = []
        for first in range(0, len(weights), 2 * _BINS):
            strip = weights[first : first + 2 * _BINS]
            touched = np.flatnonzero(strip.any(axis=0))
            if len(touched):
                columns = slice(int(touched[0]), int(touched[-1]) + 1)
                bins = slice(first, first + len(strip))
                strips.append((bins, columns, np.ascontiguousarray(strip[:, columns])))
        return strips


def decibels(power: np.ndarray, depth: float | None = 80.0) -> np.ndarray:
    """10 log10 of a clip's power, nothing lower than `depth` dB below the clip's maximum."""
    level = 10 * np.log10(np.maximum(power, np.float32(AMIN)))
    return level if depth is None else np.maximum(level, level.max() - np.float32(depth))


def cosines(bands: int, count: int) -> np.ndarray:
    """`[bands, count]` float32: level in bands → the first coefficients of its orthonormal DCT."""
    transform = np.asarray(dct(np.eye(bands), axis=0, norm="ortho"))[:count].T
    return np.ascontiguousarray(transform, dtype=np.float32)
