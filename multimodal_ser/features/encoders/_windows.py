"""How each kind of speech model hears a clip, and long clips in overlapping windows."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice, pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import pad

Span = tuple[int, int]


def spans(frames: int, width: int, overlap: int) -> list[Span]:
    """First frame and end of each window of `width` frames; the last one is pulled back to fit."""
    if frames <= width:
        return [(0, frames)]
    starts = [*range(0, frames - width, width - overlap), frames - width]
    return [(start, start + width) for start in starts]


def kept(windows: Sequence[Span]) -> list[Span]:
    """The frames that each window gives: two windows meet in the middle of what they share."""
    if not windows:
        return []
    seams = [(before[1] + after[0]) // 2 for before, after in pairwise(windows)]
    return list(zip([windows[0][0], *seams], [*seams, windows[-1][1]], strict=True))


def packed(
    rows: Sequence[Sequence[np.ndarray]], places: Sequence[Sequence[Span]]
) -> tuple[Tensor, Tensor, Tensor]:
    """B clips in at most K windows, a missing clip in none.

    values `[B, K, N, …]`, zeros after each end; lengths `[B, K]` of them, 0 where there is no
    window; spans `[B, K, 2]` in frames.
    """
    windows = [window for row in rows for window in row]
    shape = np.max([window.shape for window in windows], axis=0) if windows else (1,)
    most = max([1, *map(len, rows)])
    values = np.zeros((len(rows), most, *shape), dtype=np.float32)
    lengths = torch.zeros(len(rows), most, dtype=torch.long)
    where = torch.zeros(len(rows), most, 2, dtype=torch.long)
    for at, (row, place) in enumerate(zip(rows, places, strict=True)):
        for number, (window, span) in enumerate(zip(row, place, strict=True)):
            values[at, number, : len(window)] = window
            lengths[at, number] = len(window)
            where[at, number] = torch.tensor(span)
    return torch.from_numpy(values), lengths, where


def joined(hidden: Sequence[Tensor], where: Tensor, blank: Tensor) -> tuple[Tensor, Tensor]:
    """The windows' frames `[L, T, D]`, in order, as clips: x `[B, L, T, D]`, mask `[B, T]`.

    where: spans `[B, K, 2]`; blank `[L, 1, D]`: what stands for a clip without any window.
    """
    remaining, clips = iter(hidden), []
    for row in where.tolist():
        windows = [(start, end) for start, end in row if end]
        found = islice(remaining, len(windows))
        parts = [
            frames[:, first - start : end - start]
            for frames, (start, _), (first, end) in zip(found, windows, kept(windows), strict=True)
        ]
        clips.append(torch.cat(parts, dim=1) if parts else blank[:, :0])
    lengths = torch.tensor([clip.shape[1] for clip in clips], device=where.device)
    steps = max(1, *(clip.shape[1] for clip in clips))
    x = torch.stack([pad(clip, (0, 0, 0, steps - clip.shape[1])) for clip in clips])
    return x, torch.arange(steps, device=where.device) < lengths.unsqueeze(1)


class Waveform:
    """Models that read samples through unpadded convolutions."""

    def __init__(self, extractor: Any, config: Any) -> None:
        self.extractor = extractor
        self.layers = list(zip(config.conv_kernel, config.conv_stride, strict=True))
        self.stride = math.prod(config.conv_stride)
        self.least = 1
        for kernel, stride in reversed(self.layers):
            self.least = (self.least - 1) * stride + kernel

    def frames(self, samples: int) -> int:
        for kernel, stride in self.layers:
            samples = (samples - kernel) // stride + 1
        return samples

    def cut(self, samples: np.ndarray, windows: Sequence[Span]) -> list[np.ndarray]:
        """Samples `[N]` a window, scaled over the whole clip; the last has the clip's odd end."""
        values = self.extractor(samples, sampling_rate=self.extractor.sampling_rate)
        values = _filled(np.asarray(values["input_values"][0], dtype=np.float32), self.least)
        ends = [(end - 1) * self.stride + self.least for _, end in windows[:-1]]
        starts = [start * self.stride for start, _ in windows]
        return [values[start:end] for start, end in zip(starts, [*ends, None], strict=True)]


class Mel:
    """w2v-BERT: `stride` mel frames side by side, scaled over the whole clip."""

    FRAME, HOP = 400, 160  # samples of one mel frame and between two, fixed in the extractor

    def __init__(self, extractor: Any, config: Any) -> None:
        self.extractor = extractor
        self.stride = self.HOP * extractor.stride
        self.least = self.FRAME + self.HOP * max(1, extractor.stride - 1)  # a variance needs two

    def frames(self, samples: int) -> int:
        """Only whole frames: the extractor masks the last one where a mel frame is wanting."""
        return ((samples - self.FRAME) // self.HOP + 1) // self.extractor.stride

    def cut(self, samples: np.ndarray, windows: Sequence[Span]) -> list[np.ndarray]:
        """`[N, mels * stride]` a window."""
        values = self.extractor(
            _filled(samples, self.least),
            sampling_rate=self.extractor.sampling_rate,
            return_tensors="np",
        )["input_features"][0]
        return [values[start:end] for start, end in windows]


class Whisper:
    """Whisper's encoder: every window is filled up to `chunk_length` (30 s) with silence."""

    def __init__(self, extractor: Any, config: Any) -> None:
        self.extractor = extractor
        self.stride = 2 * extractor.hop_length
        self.least = 1

    def frames(self, samples: int) -> int:
        return -(-samples // self.stride)

    def cut(self, samples: np.ndarray, windows: Sequence[Span]) -> list[np.ndarray]:
        """`[mels, 3000]` a window."""
        rate, step = self.extractor.sampling_rate, self.stride
        pieces = [samples[start * step : end * step] for start, end in windows]
        return [
            np.asarray(self.extractor(piece, sampling_rate=rate)["input_features"][0])
            for piece in pieces
        ]


def _filled(samples: np.ndarray, least: int) -> np.ndarray:
    return np.pad(samples, (0, max(0, least - len(samples))))
