"""Bayes' rule over a model of the frames of each class."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load, save
from torch import Tensor

from multimodal_ser.features.batches import Dataset, Ragged, Scaling
from multimodal_ser.training.learners._labelled import Labelled, two_classes
from multimodal_ser.types import DataError

Scores = Literal["mean", "sum"]


class ByClass:
    """The common part of `gmm` and `hmm`: scaled frames, and for each class a model and a prior.

    kind: the type of a model, a tuple of tensors. fit: makes a model of the utterances of one
    class, and returns the values that each step began from. score: utterances and a model → log
    p(frames | class) `[N]`.
    """

    def __init__(
        self,
        kind: Any,
        fit: Callable[[Ragged, torch.Generator], tuple[Any, list[float]]],
        score: Callable[[Ragged, Any], Tensor],
    ) -> None:
        self.kind = kind
        self.fit_one = fit
        self.said = score
        self.models: dict[int, Any] = {}
        self.steps: dict[str, list[float]] = {}

    def fit(self, train: Dataset, learner: str, seed: int) -> None:
        """Fit one model for each class.

        A row without frames still counts for the prior of its class.
        """
        labels, part = two_classes(train, learner), train.frames()
        self.prior, self.scaling = priors(labels), Scaling.fit(part)
        part = self.scaling.apply(part)
        generator = torch.Generator().manual_seed(seed)
        self.models, self.steps = {}, {}
        for code in np.unique(labels.codes).tolist():
            rows = labels.rows[labels.codes == code]
            of_class = part.take(rows[part.lengths.numpy()[rows] > 0])
            try:
                self.models[code], self.steps[str(code)] = self.fit_one(of_class, generator)
            except DataError as error:
                raise DataError(f"class {code + 1} of the task: {error}") from None

    def predict(self, data: Dataset, scores: Scores) -> np.ndarray:
        """`[N, C]`; the priors for a row without frames, 0 for a class that was not in train."""
        part = self.scaling.apply(data.frames())
        joint = self.prior.log().repeat(len(part), 1)
        for code, model in self.models.items():
            joint[:, code] += self.said(part, model)
        if scores == "mean":
            joint /= part.lengths.clamp(min=1).unsqueeze(1)
        return joint.softmax(1).numpy()

    def state(self) -> dict[str, bytes]:
        tensors = {"prior": self.prior, **vars(self.scaling)}
        for code, model in self.models.items():
            tensors |= {f"{code}.{name}": value for name, value in model._asdict().items()}
        return {
            "models.safetensors": save(
                {name: tensor.contiguous() for name, tensor in tensors.items()}
            ),
            "steps.json": json.dumps(self.steps).encode(),
        }

    def load_state(self, files: Mapping[str, bytes]) -> None:
        tensors = load(files["models.safetensors"])
        self.prior = tensors["prior"]
        self.scaling = Scaling(tensors["centre"], tensors["spread"])
        self.models = {
            code: self.kind(*(tensors[f"{code}.{name}"] for name in self.kind._fields))
            for code in self.prior.nonzero()[:, 0].tolist()
        }
        self.steps = json.loads(files["steps.json"])


def priors(labels: Labelled) -> Tensor:
    """The share of each class in the weights `[C]`; balanced weights make them equal."""
    weights = np.ones(len(labels.rows)) if labels.weights is None else labels.weights
    sums = np.bincount(labels.codes, weights, minlength=labels.classes)
    return torch.from_numpy(sums / sums.sum())


def enough(part: Ragged, gaussians: int) -> None:
    """DataError where a class has fewer frames than Gaussians."""
    if len(part.frames) < gaussians:
        raise DataError(
            f"{len(part.frames)} frames in the training part are too few for {gaussians} "
            "Gaussians; set fewer components (or states)"
        )
