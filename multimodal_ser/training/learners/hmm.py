"""A hidden Markov model for each class: frames in their order, each said by one of few states."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training.learners import _markov, _mixture
from multimodal_ser.training.learners._by_class import ByClass, Scores, enough
from multimodal_ser.training.learners._markov import Markov

Positive = Annotated[int, Field(gt=0)]
Above = Annotated[float, Field(gt=0)]
_FRAMES = 2**15  # of sequences at a time, padding included


class Learner:
    """Classes are judged by log p(frames | class) + log p(class).

    topology: `ergodic` goes from any state to any; `left_right` begins in the first one and stays
    or goes on to the next. components: Gaussians of diagonal covariance a state. Scaling, floor,
    tolerance, max_iter, scores and priors are those of `gmm`, which is this with a single state.
    """

    WANTS = "frames"
    TARGETS = ("classes",)

    def __init__(
        self,
        *,
        states: Positive = 4,
        topology: Literal["ergodic", "left_right"] = "ergodic",
        components: Positive = 1,
        floor: Above = 0.01,
        tolerance: Above = 1e-3,
        max_iter: Positive = 50,
        scores: Scores = "mean",
    ) -> None:
        self.sizes = (states, components)
        self.left_right = topology == "left_right"
        self.floor = floor
        self.tolerance = tolerance
        self.max_iter = max_iter
        self.scores: Scores = scores
        self.judge = ByClass(Markov, self._fit, _said)

    def fit(self, train: Dataset, dev: Dataset | None, *, seed: int) -> None:
        """`dev` is not used: nothing is selected. `seed` draws the frames that EM begins from."""
        self.judge.fit(train, "hmm", seed)

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → `[N, C]`."""
        return dict.fromkeys(data.targets, self.judge.predict(data, self.scores))

    def state(self) -> dict[str, bytes]:
        return self.judge.state()

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.judge.load_state(files)

    def _fit(self, part: Ragged, generator: torch.Generator) -> tuple[Markov, list[float]]:
        enough(part, self.sizes[0] * self.sizes[1])
        x, floor, on = part.frames, self.floor, self.left_right
        start = _markov.begin(x, part.lengths, self.sizes, floor, generator, left_right=on)
        sequences = [(x, mask) for _, x, mask in _sequences(part)]
        step = partial(_markov.step, sequences, floor=floor)
        return _mixture.climb(start, step, self.tolerance, self.max_iter)


def _sequences(part: Ragged) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """Rows of like length: their padded frames `[B, T, D]` in 64 bits, and the mask `[B, T]`."""
    order = part.lengths.argsort(descending=True, stable=True)
    while len(order):
        count = max(1, _FRAMES // max(1, int(part.lengths[order[0]])))
        rows, order = order[:count], order[count:]
        batch = part.batch(rows)
        yield rows, batch.x.double(), batch.mask


def _said(part: Ragged, model: Markov) -> Tensor:
    """The log p of the frames of each row `[N]`, 0 without frames."""
    tensor = torch.zeros(len(part), dtype=torch.float64)
    for rows, x, mask in _sequences(part):
        tensor[rows] = _markov.log_likelihoods(x, mask, model)
    return tensor


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"states": 2}
