"""A mixture of Gaussians for each class: every frame speaks for itself, whatever their order."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training.learners import _mixture
from multimodal_ser.training.learners._by_class import ByClass, Scores, enough
from multimodal_ser.training.learners._mixture import Mixture

Positive = Annotated[int, Field(gt=0)]
Above = Annotated[float, Field(gt=0)]


class Learner:
    """Classes are judged by log p(frames | class) + log p(class).

    The frames of one encoder are scaled by all that train; pooled vectors are utterances of one
    frame. floor: added to each variance, as a share of the column's over all frames. EM ends when a
    step gains less than `tolerance` a frame, or after `max_iter`. `scores: mean` divides by the
    number of frames before the softmax: the decisions are the same, but neighbouring frames say
    nearly the same, so `sum`, which takes each for news, is sure of everything. The priors are the
    classes' shares of the rows; `balance: weights` makes them alike.
    """

    WANTS = "frames"
    VECTORS = True
    TARGETS = ("classes",)

    def __init__(
        self,
        *,
        components: Positive = 8,
        covariance: Literal["diag", "full"] = "diag",
        floor: Above = 0.01,
        tolerance: Above = 1e-3,
        max_iter: Positive = 100,
        scores: Scores = "mean",
    ) -> None:
        self.components = components
        self.full = covariance == "full"
        self.floor = floor
        self.tolerance = tolerance
        self.max_iter = max_iter
        self.scores: Scores = scores
        self.judge = ByClass(Mixture, self._fit, _said)

    def fit(self, train: Dataset, dev: Dataset | None, *, seed: int) -> None:
        """`dev` is not used: nothing is selected. `seed` draws the frames that EM begins from."""
        self.judge.fit(train, "gmm", seed)

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → `[N, C]`."""
        return dict.fromkeys(data.targets, self.judge.predict(data, self.scores))

    def state(self) -> dict[str, bytes]:
        return self.judge.state()

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.judge.load_state(files)

    def _fit(self, part: Ragged, generator: torch.Generator) -> tuple[Mixture, list[float]]:
        enough(part, self.components)
        x, floor = part.frames, self.floor
        start, _ = _mixture.begin(x, self.components, self.full, floor, generator)
        step = partial(_mixture.step, x, floor=floor)
        return _mixture.climb(start, step, self.tolerance, self.max_iter)


def _said(part: Ragged, mixture: Mixture) -> Tensor:
    """The log p of all frames of each row `[N]`, 0 without frames."""
    sums = torch.zeros(len(part), dtype=torch.float64)
    rows = torch.repeat_interleave(part.lengths)
    return sums.index_add(0, rows, _mixture.log_likelihoods(part.frames, mixture))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"components": 2}
