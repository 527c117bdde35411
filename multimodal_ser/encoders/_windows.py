"""Long clips in overlapping windows: where they lie, how they are batched and joined again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

Span = tuple[int, int]


def spans(frames: int, width: int, overlap: int) -> list[Span]:
    """First frame and end of each window of `width` frames; the last one is pulled back to fit."""
    if frames <= width:
        return [(0, frames)]
    starts = [*range(0, frames - width, width - overlap), frames - width]
    return [(start, start + width) for start in starts]


def kept(windows: Sequence[Span]) -> list[Span]:
    """The frames that each window gives: two windows meet in the middle of what they share."""
    seams = [(before[1] + after[0]) // 2 for before, after in zip(windows, windows[1:], strict=False)]
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
        parts = [
            frames[:, first - start : end - start]
            for (start, _), (first, end), frames in zip(
                windows, kept(windows) if windows else (), remaining, strict=False
            )
        ]
        clips.append(torch.cat(parts, dim=1) if parts else blank[:, :0])
    lengths = torch.tensor([clip.shape[1] for clip in clips], device=where.device)
    steps = max(1, *(clip.shape[1] for clip in clips))
    x = blank.new_zeros(len(clips), blank.shape[0], steps, blank.shape[2])
    for place, clip in zip(x, clips, strict=True):
        place[:, : clip.shape[1]] = clip
    return x, torch.arange(steps, device=where.device) < lengths.unsqueeze(1)
