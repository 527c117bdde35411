"""The rows that a learner of classes learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multimodal_ser.features.batches import Dataset
from multimodal_ser.types import DataError


@dataclass(frozen=True)
class Labelled:
    """The rows `[N]` with a single label, their codes `[N]` and weights `[N]` (None: equal)."""

    rows: np.ndarray
    codes: np.ndarray
    classes: int
    weights: np.ndarray | None


def labelled(data: Dataset) -> Labelled:
    """The rows with a single label; rows of divided votes are for learners of distributions."""
    (target,) = data.targets.values()
    truth = target.numpy()
    rows = np.flatnonzero(truth.max(1) == 1)
    weights = None if data.weights is None else data.weights.numpy()[rows]
    return Labelled(rows, truth[rows].argmax(1), truth.shape[1], weights)


def two_classes(train: Dataset, learner: str) -> Labelled:
    """The rows with a single label; DataError unless they have two classes or more."""
    labels = labelled(train)
    present = len(np.unique(labels.codes))
    if present < 2:
        raise DataError(f"the training part has {present} class; {learner} needs two")
    return labels
