"""Ways to make up for rare classes: fewer, weighted or drawn training rows; thresholds on dev.

Dev and test rows are never left out or weighted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from multimodal_ser.corpus.label_sets import EVEN, THRESHOLD
from multimodal_ser.evaluation.metrics import best_thresholds
from multimodal_ser.features.batches import Dataset
from multimodal_ser.training.losses import BETA, balanced_weights, effective_weights
from multimodal_ser.types import DataError


def truncated(rows: np.ndarray, codes: np.ndarray, seed: int) -> np.ndarray:
    """As many rows of every class as the rarest class has, drawn at random; rows `[N]` of `codes`.

    Rows without a single class are left out, because they cannot be counted in any class.
    """
    labelled = rows[codes[rows] >= 0]
    if not len(labelled):
        raise DataError("balance: no training row has a single class, so none can be evened out")
    order = np.random.default_rng(seed).permutation(labelled)
    by_class = [order[codes[order] == code] for code in np.unique(codes[labelled])]
    fewest = min(len(some) for some in by_class)
    return np.sort(np.concatenate([some[:fewest] for some in by_class]))


def balanced(train: Dataset, target: str, how: str, beta: float | None = None) -> Dataset:
    """`weights`: each class counts alike in the loss; `sampler`: each class is drawn equally often.

    `effective`: each class counts by one over its effective number of rows, with this beta.
    """
    if how not in ("weights", "effective", "sampler"):
        return train
    truth = train.targets[target]
    if how == "effective":
        rows = truth @ effective_weights(truth, BETA if beta is None else beta)
    else:
        rows = truth @ balanced_weights(truth)
    rows = torch.where(truth.any(1), rows, torch.ones_like(rows))  # known for another target alone
    return replace(train, **{"sampling" if how == "sampler" else "weights": rows})


def thresholds(
    targets: Sequence[str], classes: Mapping[str, Sequence[str]], learner: Any, dev: Any
) -> dict[str, list[float]]:
    """Target of labels → for each label the probability from which on it is predicted.

    They are chosen on dev, a `Dataset`; 0.5 without dev. classes: target → its labels.
    """
    if dev is None or not targets:
        return {name: [EVEN] * len(classes[name]) for name in targets}
    scores = learner.predict(dev)
    return {
        name: best_thresholds(dev.targets[name].numpy(), scores[name]).tolist() for name in targets
    }


def filed(thresholds: Mapping[str, Sequence[float]]) -> dict[str, np.ndarray]:
    """Thresholds as they are stored beside the scores of a part: `threshold:<target>` → `[C]`."""
    return {THRESHOLD + name: np.array(values) for name, values in thresholds.items()}
