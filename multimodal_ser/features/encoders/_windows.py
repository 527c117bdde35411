"""The input of each kind of speech model; long clips are cut into overlapping windows."""

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
    """First frame and end of each window of `width` frames; the last one starts earlier to fit."""
    if frames <= width:
        return [(0, frames)]
    starts = [*range(0, frames - width, width - overlap), frames - width]
    return [(start, start + width) for start in starts]


def kept(windows: Sequence[Span]) -> list[Span]:
    """The frames that are used of each window: two windows meet in the middle of their overlap."""
    if not windows:
        return []
    seams = [(before[1] + after[0]) // 2 for before, after in pairwise(windows)]
    return list(zip([windows[0][0], *seams], [*seams, windows[-1][1]], strict=True))


def packed(
    rows: Sequence[Sequence[np.ndarray]], places: Sequence[Sequence[Span]]
) -> tuple[Tensor, Tensor, Tensor]:
    """A batch of B clips of at most K windows each; a missing clip has no window.

    Returns values `[B, K, N, …]` with zeros after each end; the lengths `[B, K]` of the windows, 0
    where there is no window; and spans `[B, K, 2]` in frames. rows: the windows of each clip.
    places: the spans of these windows.
    """
    windows = [window for row in rows for window in row]
    shape = np.max([window.shape for window in windows], axis=0) if windows else (1,)
    count = max([1, *map(len, rows)])
    values = np.zeros((len(rows), count, *shape), dtype=np.float32)
    lengths = torch.zeros(len(rows), count, dtype=torch.long)
    bounds = torch.zeros(len(rows), count, 2, dtype=torch.long)
    for clip, (row, place) in enumerate(zip(rows, places, strict=True)):
        for number, (window, span) in enumerate(zip(row, place, strict=True)):
            values[clip, number, : len(window)] = window
            lengths[clip, number] = len(window)
            bounds[clip, number] = torch.tensor(span)
    return torch.from_numpy(values), lengths, bounds


def joined(hidden: Sequence[Tensor], bounds: Tensor, blank: Tensor) -> tuple[Tensor, Tensor]:
    """Join the windows' frames `[L, T, D]` to clips: x `[B, L, T, D]`, mask `[B, T]`.

    hidden: the frames of all windows, in order. bounds: spans `[B, K, 2]`. blank `[L, 1, D]`: its
    empty slice stands for a clip without any window.
    """
    remaining, clips = iter(hidden), []
    for row in bounds.tolist():
        windows = [(start, end) for start, end in row if end]
        states = islice(remaining, len(windows))
        parts = [
            frames[:, first - start : end - start]
            for frames, (start, _), (first, end) in zip(states, windows, kept(windows), strict=True)
        ]
        clips.append(torch.cat(parts, dim=1) if parts else blank[:, :0])
    lengths = torch.tensor([clip.shape[1] for clip in clips], device=bounds.device)
    steps = max(1, *(clip.shape[1] for clip in clips))
    x = torch.stack([pad(clip, (0, 0, 0, steps - clip.shape[1])) for clip in clips])
    return x, torch.arange(steps, device=bounds.device) < lengths.unsqueeze(1)


class Waveform:
    """The input of models that read samples through unpadded convolutions."""

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
        """Samples `[N]` a window, scaled over the whole clip; the last one keeps the remainder."""
        values = self.extractor(samples, sampling_rate=self.extractor.sampling_rate)
        values = _filled(np.asarray(values["input_values"][0], dtype=np.float32), self.least)
        ends = [(end - 1) * self.stride + self.least for _, end in windows[:-1]]
        starts = [start * self.stride for start, _ in windows]
        return [values[start:end] for start, end in zip(starts, [*ends, None], strict=True)]


class Mel:
    """The input of w2v-BERT: `stride` mel frames side by side, scaled over the whole clip."""

    FRAME, HOP = 400, 160  # samples of a mel frame and between two frames; the extractor fixes both

    def __init__(self, extractor: Any, config: Any) -> None:
        self.extractor = extractor
        self.stride = self.HOP * extractor.stride
        self.least = self.FRAME + self.HOP * max(1, extractor.stride - 1)  # a variance needs two

    def frames(self, samples: int) -> int:
        """Whole frames only: the extractor masks the last one where a mel frame is missing."""
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
    """The input of Whisper's encoder: silence fills every window up to `chunk_length` (30 s)."""

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
