"""Metrics, each a pure function of this file found by its name.

Metrics of classes take a confusion matrix `[…, C, C]` (rows truth, columns predicted), metrics of
labels the counts of `agreements` `[…, 2 + 3 C]`, metrics of numbers the moments `[…, 6]` of truth
and prediction, so that thousands of resamples are scored in one call.
A class or label that is neither in the truth nor predicted leaves a mean over classes; one that is
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


def support(confusion: np.ndarray) -> np.ndarray:
    """`[…, C]`: how often each class is in the truth."""
    return confusion.sum(-1)


def f1(confusion: np.ndarray) -> np.ndarray:
    """`[…, C]`: 2 · right / (in the truth + predicted)."""
    return _ratio(2 * _right(confusion), confusion.sum(-1) + confusion.sum(-2))


def agreements(truth: np.ndarray, guess: np.ndarray) -> np.ndarray:
    """Counts that can be added up, one row of them for each utterance: `[N, 2 + 3 C]`.

    They are 1, whether the whole set is right, and for each label: right, true, predicted. truth:
    `[N, C]` of 1, 0 and NaN (unknown); guess: bool. A row with an unknown label is not scored, and
    its counts are all zeros.
    """
    true, scored = truth == 1, ~np.isnan(truth).any(axis=1, keepdims=True)
    whole = (true == guess).all(axis=1, keepdims=True)
    return np.concatenate([scored, whole, true & guess, true, guess], axis=1) * scored * 1.0


def label_macro_f1(sums: np.ndarray) -> np.ndarray:
    """The mean F1 over the labels in the truth or predicted."""
    _, true, predicted = _by_label(sums)
    seen = (true + predicted) > 0
    return _ratio((label_f1(sums) * seen).sum(-1), seen.sum(-1))


def label_micro_f1(sums: np.ndarray) -> np.ndarray:
    """F1 over all pairs of an utterance and a label."""
    right, true, predicted = _by_label(sums)
    return _ratio(2 * right.sum(-1), true.sum(-1) + predicted.sum(-1))


def subset_accuracy(sums: np.ndarray) -> np.ndarray:
    """The share of utterances whose whole set of labels is right."""
    return _ratio(sums[..., 1], sums[..., 0])


def label_f1(sums: np.ndarray) -> np.ndarray:
    """`[…, C]`: 2 · right / (true + predicted)."""
    right, true, predicted = _by_label(sums)
    return _ratio(2 * right, true + predicted)


def label_recall(sums: np.ndarray) -> np.ndarray:
    """`[…, C]`; 0 where the label is never true."""
    right, true, _ = _by_label(sums)
    return _ratio(right, true)


def label_precision(sums: np.ndarray) -> np.ndarray:
    """`[…, C]`; 0 where the label is never predicted."""
    right, _, predicted = _by_label(sums)
    return _ratio(right, predicted)


def label_support(sums: np.ndarray) -> np.ndarray:
    """`[…, C]`: how often each label is true."""
    return _by_label(sums)[1]


def best_thresholds(truth: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """`[C]`: for each label the threshold on its probability that gives the best F1.

    truth: `[N, C]` of 1, 0 and NaN (unknown); scores: `[N, C]`. Among equally good thresholds the
    one nearest to 0.5 is taken, and 0.5 for a label that is never true.
    """
    is_known = ~np.isnan(truth)
    pairs = zip(truth.T, scores.T, is_known.T, strict=True)
    return np.array(
        [
            _best_threshold(truth_of_label[rows] == 1, scores_of_label[rows])
            for truth_of_label, scores_of_label, rows in pairs
        ]
    )


def moments(truth: np.ndarray, predicted: np.ndarray) -> np.ndarray:
    """Sums that can be added up, `[N, 6]`: 1, truth, predicted, truth², predicted², their product.

    A row whose truth is NaN is not scored, and its moments are all zeros.
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
LABEL_METRICS = ("label_macro_f1", "label_micro_f1", "subset_accuracy")
NUMBER_METRICS = ("ccc", "mse", "pearson")
DEFAULTS = {
    "classes": ("macro_f1", "uar", "accuracy"),
    "labels": LABEL_METRICS,
    "numbers": ("ccc", "pearson", "mse"),
}
_LOWER_IS_BETTER = ("mse",)
BY_CLASS: dict[str, dict[str, Callable[..., Any]]] = {
    "classes": {"precision": precision, "recall": recall, "f1": f1, "support": support},
    "labels": {
        "precision": label_precision,
        "recall": label_recall,
        "f1": label_f1,
        "support": label_support,
    },
}


def names() -> list[str]:
    return sorted((*CLASS_METRICS, *LABEL_METRICS, *NUMBER_METRICS))


def sign(name: str) -> int:
    """1 for a metric of which more is better, −1 for one of which less is better.

    So the value times the sign is always better when it is larger.
    """
    return -1 if name in _LOWER_IS_BETTER else 1


def kind(name: str) -> str:
    """What a metric scores: `classes`, `labels` or `numbers`."""
    if name in LABEL_METRICS:
        return "labels"
    return "classes" if name in CLASS_METRICS else "numbers"


def find(name: str) -> Callable[..., Any]:
    """The metric of this name. The check of the config refuses unknown names before."""
    if name not in names():
        raise KeyError(name)
    return globals()[name]


def _by_label(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Right, true, predicted: `[…, C]` each."""
    count = (sums.shape[-1] - 2) // 3
    right, true, predicted = (sums[..., 2 + at * count :][..., :count] for at in range(3))
    return right, true, predicted


def _best_threshold(true: np.ndarray, scores: np.ndarray) -> float:
    """A threshold midway between two neighbouring scores, rounded to 6 digits."""
    if not true.any():
        return 0.5
    steps = np.unique(scores)
    tried = np.unique(np.round([0.5, steps[0] / 2, *(steps[1:] + steps[:-1]) / 2], 6))
    order = np.argsort(scores)
    place = np.searchsorted(scores[order], tried)  # the rows from there on are predicted
    right = np.append(np.cumsum(true[order][::-1])[::-1], 0)[place]
    value = _ratio(2.0 * right, true.sum() + len(scores) - place)
    best = tried[value == value.max()]
    return float(best[np.abs(best - 0.5).argmin()])


def _right(confusion: np.ndarray) -> np.ndarray:
    return np.diagonal(confusion, axis1=-2, axis2=-1)


def _ratio(top: np.ndarray, bottom: np.ndarray) -> np.ndarray:
    """0 where the bottom is 0."""
    return np.divide(top, bottom, out=np.zeros(np.shape(top), dtype=float), where=bottom > 0)


def _mean_over_seen(values: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    seen = (confusion.sum(-1) + confusion.sum(-2)) > 0
    return _ratio((values * seen).sum(-1), seen.sum(-1))


def _centred(sums: np.ndarray) -> tuple[np.ndarray, ...]:
    """Means, variances and the covariance of truth and prediction, from their moments.

    A variance that is smaller than its rounding error is set to 0, so that a constant does not seem
    to vary.
    """
    mean, other_mean, squares, others, product = (
        _ratio(sums[..., place], sums[..., 0]) for place in range(1, 6)
    )
    spread = np.where(squares - mean**2 > 1e-12 * squares, squares - mean**2, 0.0)
    other = np.where(others - other_mean**2 > 1e-12 * others, others - other_mean**2, 0.0)
    covariance = np.where((spread > 0) & (other > 0), product - mean * other_mean, 0.0)
    return mean, other_mean, spread, other, covariance
