"""Multinomial logistic regression on pooled features, its penalty given or chosen on dev."""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from safetensors.numpy import load, save
from scipy import sparse
from scipy.special import log_softmax, softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression

from multimodal_ser.features.batches import Dataset
from multimodal_ser.training.learners._labelled import Labelled, labelled, two_classes
from multimodal_ser.types import ConfigError, DataError

Matrix = np.ndarray | sparse.csr_array
_GRID = 10.0 ** np.arange(-4, 3)


@dataclass(frozen=True)
class _Rows:
    """The rows with a single label: x `[N, D]` float64, codes `[N]`, weights `[N]` or none."""

    x: Matrix
    codes: np.ndarray
    weights: np.ndarray | None


class Learner:
    """Probabilities are a softmax of linear scores, penalised by the squared weights over 2 C.

    C: the larger, the freer; None takes that of seven from 1e-4 to 100 with the least log loss on
    dev (the smallest of equals), over the rows of dev whose class was in train; `tried` has a row
    for each. Nothing is fitted on dev. max_iter: steps of L-BFGS, which must suffice.
    """

    WANTS = "pooled"
    TARGETS = ("classes",)

    def __init__(
        self,
        *,
        C: Annotated[float, Field(gt=0)] | None = 1.0,
        max_iter: Annotated[int, Field(gt=0)] = 1000,
    ) -> None:
        self.C = C
        self.max_iter = max_iter
        self.arrays: dict[str, np.ndarray] = {}
        self.tried: list[dict[str, float]] = []

    def fit(self, train: Dataset, dev: Dataset | None, *, seed: int) -> None:
        """Rows without a single label are left out; the problem is convex, `seed` has no use."""
        labels = two_classes(train, "logistic")
        rows = _rows(train, labels)
        self.tried = []
        if self.C is not None:
            self.arrays = self._fit(rows, self.C, labels.classes)
            return
        held = _held(dev, rows.codes)
        best = np.inf
        for C in _GRID:
            arrays = self._fit(rows, C, labels.classes)
            loss = _log_loss(arrays, held)
            self.tried.append({"C": float(C), "loss": loss})
            if loss < best:
                best, self.arrays = loss, arrays

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → probabilities `[N, C]`; 0 for a class that was not in train."""
        seen = self.arrays["known"]
        scores = np.zeros((len(data), len(seen)))
        scores[:, seen] = softmax(_linear(self.arrays, data.pooled()), axis=1)
        return dict.fromkeys(data.targets, scores)

    def state(self) -> dict[str, bytes]:
        return {
            "weights.safetensors": save(self.arrays),
            "tried.json": json.dumps(self.tried).encode(),
        }

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.arrays = load(files["weights.safetensors"])
        self.tried = json.loads(files["tried.json"])

    @staticmethod
    def settled(
        states: Sequence[Mapping[str, bytes]], options: Mapping[str, Any]
    ) -> dict[str, Any]:
        """The options of a fit without dev: the middle one of the C that several fits chose."""
        tried = [json.loads(files["tried.json"]) for files in states]
        chosen = [min(rows, key=lambda row: row["loss"])["C"] for rows in tried if rows]
        middle = {"C": sorted(chosen)[(len(chosen) - 1) // 2]} if chosen else {}
        return {**options, **middle}

    def _fit(self, rows: _Rows, C: float, classes: int) -> dict[str, np.ndarray]:
        """Coefficients `[K, D]` and intercepts `[K]` for the K of C classes that are in train."""
        machine: Any = LogisticRegression(C=C, max_iter=self.max_iter)
        with warnings.catch_warnings():
            warnings.simplefilter("error", ConvergenceWarning)
            try:
                machine.fit(rows.x, rows.codes, rows.weights)
            except ConvergenceWarning:
                raise DataError(
                    f"logistic regression with C = {C:g} has not converged in {self.max_iter} "
                    "steps; scale the features (normalize: standard), raise max_iter, or set a "
                    "lower C"
                ) from None
        coefficients, intercepts = machine.coef_, machine.intercept_
        if len(intercepts) == 1:  # two classes: the scores of the second against 0
            coefficients = np.concatenate([np.zeros_like(coefficients), coefficients])
            intercepts = np.concatenate([np.zeros(1), intercepts])
        return {
            "coefficients": np.ascontiguousarray(coefficients),
            "intercepts": intercepts,
            "known": np.isin(np.arange(classes), machine.classes_),
        }


def _rows(data: Dataset, labels: Labelled) -> _Rows:
    return _Rows(data.pooled()[labels.rows].astype(np.float64), labels.codes, labels.weights)


def _held(dev: Dataset | None, codes: np.ndarray) -> _Rows:
    """The rows of dev that can compare values of C; ConfigError or DataError without any."""
    if dev is None:
        raise ConfigError(
            "learner.C: there is no dev part to choose it on; set C, or keep a dev part "
            "(protocol: {dev: 0.1})"
        )
    rows = _rows(dev, labelled(dev))
    seen = np.flatnonzero(np.isin(rows.codes, codes))
    if not len(seen):
        raise DataError(
            f"none of the {len(dev)} dev rows has a single class that is in train, so C cannot be "
            "chosen on them; set C"
        )
    weights = None if rows.weights is None else rows.weights[seen]
    return _Rows(rows.x[seen], rows.codes[seen], weights)


def _linear(arrays: Mapping[str, np.ndarray], x: Matrix) -> np.ndarray:
    """The scores of the classes that were in train, `[N, K]`."""
    return x @ arrays["coefficients"].T + arrays["intercepts"]


def _log_loss(arrays: Mapping[str, np.ndarray], rows: _Rows) -> float:
    """The weighted mean of −log p(truth)."""
    logs = log_softmax(_linear(arrays, rows.x), axis=1)
    place = np.cumsum(arrays["known"])[rows.codes] - 1
    return float(-np.average(logs[np.arange(len(place)), place], weights=rows.weights))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"C": 1.0}
