"""Statistics of frames over a clip; each also works for a clip of one frame."""

from __future__ import annotations

import numpy as np

STATISTICS = ("mean", "std", "skew", "low", "high")
_REACH = 4  # frames on either side of a slope


def statistics(frames: np.ndarray) -> np.ndarray:
    """`[T, D]` → `[5 D]`: STATISTICS of every column, one statistic after the other.

    low and high are the 5 % and 95 % quantiles, which one outlier does not move. skew is the third
    standardised moment, and 0 where a column is constant.
    """
    mean, std = frames.mean(0), frames.std(0)
    centred = (frames - mean) / np.where(std > 1e-6, std, 1)
    low, high = np.quantile(frames, [0.05, 0.95], axis=0)
    return np.concatenate([mean, std, (centred**3).mean(0), low, high]).astype(np.float32)


def slopes(frames: np.ndarray) -> np.ndarray:
    """`[T, D]` → `[T, D]`: the change a frame of a line fitted to each frame and four on each side.

    Outside the clip, its first and last frame are repeated.
    """
    extended = np.pad(frames, ((_REACH, _REACH), (0, 0)), mode="edge")
    steps = range(1, _REACH + 1)
    ahead = [extended[_REACH + step : len(extended) - _REACH + step] for step in steps]
    behind = [extended[_REACH - step : len(extended) - _REACH - step] for step in steps]
    total = sum(
        step * (later - earlier) for step, later, earlier in zip(steps, ahead, behind, strict=True)
    )
    return np.asarray(total, dtype=np.float32) / (2 * sum(step**2 for step in steps))
