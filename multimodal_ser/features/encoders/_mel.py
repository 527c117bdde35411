"""Fast power spectra and mel bands: the same values as librosa, without its copies."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import librosa
import numpy as np
import torch
from scipy.fft import dct
from scipy.signal import get_window

_FRAMES = 64  # transformed at a time: half a megabyte at 2048 samples, which fits in the cache
_BINS = 128  # of the spectrum in one product: a narrow strip overlaps few mel bands
AMIN = 1e-10  # lower powers are raised to this before decibels are taken


@dataclass(frozen=True)
class Mel:
    """Mel bands (Slaney) of centred Hann windows of `n_fft` samples, one every `hop` samples.

    There are as many windows as start within the clip: 1 + N // hop for an even n_fft. highest:
    the upper end of the last band in Hz, None for half the rate.
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
            for bins, columns, weights in self._strips:
                power[:, columns] += squares[:, bins] @ weights
            blocks.append(power)
        return np.concatenate(blocks)

    def spectra(self, samples: np.ndarray) -> np.ndarray:
        """samples `[N]` → power in each bin `[T, 1 + n_fft // 2]` float32."""
        return np.concatenate([block[:, ::2] + block[:, 1::2] for block in self._squares(samples)])

    def _squares(self, samples: np.ndarray) -> Iterator[np.ndarray]:
        """Blocks of frames `[F, 2 bins]`: squares of the real and imaginary parts, alternating."""
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
        """The blocks of the mel matrix that are not zero: (rows, columns, weights).

        Rows are columns of squares, and columns are bands. The matrix is zero outside a narrow
        diagonal. Each row occurs twice, for the square of the real and of the imaginary part, so
        that the product also adds the two.
        """
        bands = librosa.filters.mel(
            sr=self.rate, n_fft=self.n_fft, n_mels=self.bands, fmax=self.highest
        )
        weights = np.repeat(bands.T, 2, axis=0)
        strips = []
        for first in range(0, len(weights), 2 * _BINS):
            strip = weights[first : first + 2 * _BINS]
            filled = np.flatnonzero(strip.any(axis=0))
            if len(filled):
                columns = slice(int(filled[0]), int(filled[-1]) + 1)
                bins = slice(first, first + len(strip))
                strips.append((bins, columns, np.ascontiguousarray(strip[:, columns])))
        return strips


def decibels(power: np.ndarray, depth: float | None = 80.0) -> np.ndarray:
    """10 log10 of a clip's power, at most `depth` dB below its maximum; None sets no limit."""
    level = 10 * np.log10(np.maximum(power, np.float32(AMIN)))
    return level if depth is None else np.maximum(level, level.max() - np.float32(depth))


def cosines(bands: int, count: int) -> np.ndarray:
    """`[bands, count]` float32: a matrix from band levels to the first DCT coefficients (ortho)."""
    transform = np.asarray(dct(np.eye(bands), axis=0, norm="ortho"))[:count].T
    return np.ascontiguousarray(transform, dtype=np.float32)
