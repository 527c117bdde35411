"""Metrics, each a pure function of this file found by its name.

Metrics of classes take a confusion matrix `[…, C, C]` (rows truth, columns predicted), so that
thousands of resamples are scored in one call; metrics of numbers take truth and predicted `[N]`.
A class that is neither in the truth nor predicted leaves a mean over classes; one that is
predicted but not in the truth counts 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def confusion_matrix(truth: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """`[C, C]` counts of class codes; a truth of −1 is not scored."""
    scored = truth >= 0
    flat = truth[scored].astype(np.int64) * classes + predicted[scored]
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes)


def accuracy(confusion: np.ndarray) -> np.ndarray:
    """The share of utterances whose class is right."""
    return _ratio(_right(confusion).sum(-1), confusion.sum((-2, -1)))


def uar(confusion: np.ndarray) -> np.ndarray:
    """Unweighted average recall: the mean recall over the classes that are in the truth."""
    in_truth = confusion.sum(-1) > 0
    return _ratio((recall(confusion) * in_truth).sum(-1), in_truth.sum(-1))


def macro_precision(confusion: np.ndarray) -> np.ndarray:
    """The mean precision over the classes in the truth or predicted."""
    return _mean_over_seen(precision(confusion), confusion)


def macro_f1(confusion: np.ndarray) -> np.ndarray:
    """The mean F1 over the classes in the truth or predicted."""
    return _mean_over_seen(f1(confusion), confusion)


def weighted_f1(confusion: np.ndarray) -> np.ndarray:
    """The mean F1 over classes, weighted by how often a class is in the truth."""
    return _ratio((f1(confusion) * confusion.sum(-1)).sum(-1), confusion.sum((-2, -1)))


def recall(confusion: np.ndarray) -> np.ndarray:
    """`[…, C]`; 0 where the class is not in the truth."""
    return _ratio(_right(confusion), confusion.sum(-1))


def precision(confusion: np.ndarray) -> np.ndarray:
    """`[…, C]`; 0 where the class is never predicted."""
    return _ratio(_right(confusion), confusion.sum(-2))


def f1(confusion: np.ndarray) -> np.ndarray:
    """`[…, C]`: 2 · right / (in the truth + predicted)."""
    return _ratio(2 * _right(confusion), confusion.sum(-1) + confusion.sum(-2))


def mse(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Mean squared error: lower is better."""
    return float(np.mean((truth - predicted) ** 2))


def ccc(truth: np.ndarray, predicted: np.ndarray) -> float:
    """Lin's concordance: 2 cov / (var + var + (difference of the means)²); 0 for two constants."""
    spread = truth.var() + predicted.var() + (truth.mean() - predicted.mean()) ** 2
    covariance = np.mean((truth - truth.mean()) * (predicted - predicted.mean()))
    return float(2 * covariance / spread) if spread > 0 else 0.0


CLASS_METRICS = ("accuracy", "macro_f1", "macro_precision", "uar", "weighted_f1")
NUMBER_METRICS = ("ccc", "mse")
LOWER_IS_BETTER = ("mse",)


def names() -> list[str]:
    return sorted((*CLASS_METRICS, *NUMBER_METRICS))


def find(name: str) -> Callable[..., Any]:
    """The metric of that name; config checks names before this is asked."""
    if name not in names():
        raise KeyError(name)
    return globals()[name]


def _right(confusion: np.ndarray) -> np.ndarray:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """0 where the bottom is 0."""
    return np.divide(top, bottom, out=np.zeros(np.shape(top), dtype=float), where=bottom > 0)


def _mean_over_seen(values: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    seen = (confusion.sum(-1) + confusion.sum(-2)) > 0
    return _ratio((values * seen).sum(-1), seen.sum(-1))
