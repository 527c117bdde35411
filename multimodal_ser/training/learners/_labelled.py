"""The rows that a learner of classes learns from."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from multimodal_ser.features.batches import Dataset
from multimodal_ser.types import DataError


@dataclass(frozen=True)
class Labelled:
    """Where the rows with a single label are, `[N]`; codes `[N]`; weights `[N]` or none: alike."""

    rows: np.ndarray
    codes: np.ndarray
    classes: int
    weights: np.ndarray | None


def labelled(data: Dataset) -> Labelled:
    """A row of divided votes has no single label and is left to learners of distributions."""
    (target,) = data.targets.values()
    truth = target.numpy()
    rows = np.flatnonzero(truth.max(1) == 1)
    weights = None if data.weights is None else data.weights.numpy()[rows]
    return Labelled(rows, truth[rows].argmax(1), truth.shape[1], weights)


def two_classes(train: Dataset, learner: str) -> Labelled:
    """DataError unless there are two classes or more to tell apart."""
    labels = labelled(train)
    present = len(np.unique(labels.codes))
    if present < 2:
        raise DataError(f"the training part has {present} class; {learner} needs two")
    return labels
