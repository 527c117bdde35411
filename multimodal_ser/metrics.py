"""Metrics, each a pure function of this file found by its name.

Metrics of classes take a confusion matrix `[…, C, C]` (rows truth, columns predicted), metrics of
numbers the moments `[…, 6]` of truth and prediction, so that thousands of resamples are scored in
one call.
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


def moments(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """`[N, 6]` that add up: 1, truth, predicted, truth², predicted², their product.

    A truth that is NaN is not scored: all zeros.
    """
    rows = [np.ones(len(truth)), truth, predicted, truth**2, predicted**2, truth * predicted]
    return np.where(np.isnan(truth)[:, None], 0.0, np.stack(rows, axis=1))


def ccc(sums: np.ndarray) -> np.ndarray:
    """Lin's concordance: 2 cov / (var + var + (difference of the means)²); 0 for two constants."""
    mean, other, spread, others, covariance = _centred(sums)
    return _ratio(2 * covariance, spread + others + (mean - other) ** 2)


def pearson(sums: np.ndarray) -> np.ndarray:
    """Correlation of truth and prediction; 0 where one of them does not vary."""
    _, _, spread, others, covariance = _centred(sums)
    return _ratio(covariance, np.sqrt(spread * others))


def mse(sums: np.ndarray) -> np.ndarray:
    """Mean squared error: lower is better."""
    return _ratio(sums[..., 3] - 2 * sums[..., 5] + sums[..., 4], sums[..., 0])


CLASS_METRICS = ("accuracy", "macro_f1", "macro_precision", "uar", "weighted_f1")
NUMBER_METRICS = ("ccc", "mse", "pearson")
DEFAULTS = {"classes": ("macro_f1", "uar", "accuracy"), "numbers": ("ccc", "pearson", "mse")}
LOWER_IS_BETTER = ("mse",)


def names() -> list[str]:
    return sorted((*CLASS_METRICS, *NUMBER_METRICS))


def kind(name: str) -> str:
    """What it scores: `classes` or `numbers`."""
    return "classes" if name in CLASS_METRICS else "numbers"


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


def _centred(sums: np.ndarray) -> tuple[np.ndarray, ...]:
    """Means, variances and covariance of truth and prediction out of their moments.

    A variance below the rounding of its moments is 0: a constant does not vary by noise.
    """
    one, two, squares, others, product = (
        _ratio(sums[..., place], sums[..., 0]) for place in range(1, 6)
    )
    spread = np.where(squares - one**2 > 1e-12 * squares, squares - one**2, 0.0)
    other = np.where(others - two**2 > 1e-12 * others, others - two**2, 0.0)
    covariance = np.where((spread > 0) & (other > 0), product - one * two, 0.0)
    return one, two, spread, other, covariance
