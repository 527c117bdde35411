"""Rare classes among the rows that train: cut down, weighted or drawn alike. Never dev or test."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from multimodal_ser.batches import Dataset
from multimodal_ser.losses import BETA, balanced_weights, effective_weights
from multimodal_ser.types import DataError


def truncated(rows: np.ndarray, codes: np.ndarray, seed: int) -> np.ndarray:
    """As many rows of every class as the rarest has, drawn at random; rows `[N]` of `codes`.

    Rows without a single class are left out: they belong to none that could be counted.
    """
    labelled = rows[codes[rows] >= 0]
    if not len(labelled):
        raise DataError("balance: no training row has a single class, so none can be evened out")
    order = np.random.default_rng(seed).permutation(labelled)
    by_class = [order[codes[order] == code] for code in np.unique(codes[labelled])]
    fewest = min(len(some) for some in by_class)
    return np.sort(np.concatenate([some[:fewest] for some in by_class]))


def balanced(train: Dataset, target: str, how: str, beta: float | None = None) -> Dataset:
    """`weights`: each class counts alike in the loss; `sampler`: each is drawn alike.

    `effective`: one over the effective number of rows of each class, with this beta.
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
