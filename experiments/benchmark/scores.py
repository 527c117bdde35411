"""Macro-F1 of 1,000 resamples of 1,000 items, against a call of scikit-learn each."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import f1_score

from benchmark import Rows, best
from multimodal_ser.evaluation import metrics


def rows() -> Rows:
    """Six classes."""
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(6, size=(2, 1000))
    picks = generator.integers(1000, size=(1000, 1000))

    def ours() -> None:
        matrices = [metrics.confusion_matrix(truth[pick], guess[pick], 6) for pick in picks]
        metrics.macro_f1(np.stack(matrices))

    def plain() -> None:
        for pick in picks:
            f1_score(truth[pick], guess[pick], average="macro")

    return {"macro-F1 of 1,000 resamples, against scikit-learn": (best(plain, 1), best(ours))}
