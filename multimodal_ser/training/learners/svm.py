"""Support vector machine on pooled features, linear or RBF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from scipy.special import softmax
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import LeaveOneGroupOut, StratifiedGroupKFold
from sklearn.svm import SVC, LinearSVC

from multimodal_ser.features.batches import Dataset
from multimodal_ser.training.learners._labelled import two_classes
from multimodal_ser.training.learners._machines import packed, unpacked
from multimodal_ser.types import ConfigError, DataError

Positive = Annotated[float, Field(gt=0)]
Scores = Literal["probability", "margin"]
_TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)


class Learner:
    """Probabilities by sigmoids fitted on cluster-disjoint parts of the training rows.

    gamma: of the RBF kernel exp(−gamma |a − b|²); scale is 1 / (columns · variance of all numbers),
    auto is 1 / columns, and None is scale. `scores: margin` fits no sigmoid: the scores are a
    softmax of the margins, so the decisions are the machine's own, and the values are no
    probabilities. `balance: weights` becomes class weights.
    """

    WANTS = "pooled"
    TARGETS = ("classes",)

    def __init__(
        self,
        *,
        kernel: Literal["linear", "rbf"] = "linear",
        C: Positive = 1.0,
        gamma: Literal["scale", "auto"] | Positive | None = None,
        scores: Scores = "probability",
    ) -> None:
        if kernel == "linear" and gamma is not None:
            raise ConfigError("a linear machine has no gamma; leave it out, or set kernel: rbf")
        width: Any = gamma or "scale"
        self.plain: Any = (
            LinearSVC(C=C, random_state=0)
            if kernel == "linear"
            else SVC(C=C, gamma=width, decision_function_shape="ovr")
        )
        self.scores = scores
        self.machine: Any = None
        self.classes = 0

    def fit(self, train: Dataset, dev: Dataset | None, *, seed: int) -> None:
        """`dev` is not used: nothing is selected. `seed` has no use: the problem is convex."""
        labels = two_classes(train, "svm")
        machine: Any = clone(self.plain)
        if labels.weights is not None:
            machine.set_params(class_weight=_by_class(labels.codes, labels.weights))
        if self.scores == "probability":
            parts = cluster_parts(labels.codes, train.clusters[labels.rows])
            calibration: dict[str, Any] = {"cv": parts, "ensemble": False}
            machine = CalibratedClassifierCV(machine, **calibration)
        machine.fit(train.pooled()[labels.rows], labels.codes)
        if self.scores == "probability":
            machine.cv = None  # row numbers, of no use after the fit
        self.machine, self.classes = machine, labels.classes

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → `[N, C]`; 0 for a class that was not in train."""
        x = data.pooled()
        if self.scores == "probability":
            values = self.machine.predict_proba(x)
        else:
            values = _softmax(self.machine.decision_function(x))
        scores = np.zeros((len(data), self.classes))
        scores[:, self.machine.classes_] = values
        return dict.fromkeys(data.targets, scores)

    def state(self) -> dict[str, bytes]:
        return {"machine.skops": packed(self.machine), "classes.txt": str(self.classes).encode()}

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.machine = unpacked(files["machine.skops"], _TRUSTED)
        self.classes = int(files["classes.txt"])


def _by_class(codes: np.ndarray, weights: np.ndarray) -> dict[int, float]:
    """Class → the mean weight of its rows.

    Class weights and row weights differ in a linear machine of one class against the rest: class
    weights change the class alone, row weights would change the rest as well.
    """
    return {int(code): float(weights[codes == code].mean()) for code in np.unique(codes)}


def cluster_parts(codes: np.ndarray, clusters: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Cuts of the training rows in whole clusters, each of which trains every class.

    There are up to three cuts with similar shares of the classes, or else one for each cluster.
    """
    fewest = min(len(np.unique(clusters[codes == code])) for code in np.unique(codes))
    if fewest < 2:
        raise DataError(
            "probabilities need every class in two speakers or groups of the training part; "
            "use learner: {scores: margin}"
        )
    alike = StratifiedGroupKFold(min(3, fewest), shuffle=True, random_state=0)
    parts = list(alike.split(codes, codes, clusters))
    if all(np.isin(codes, codes[rows]).all() for rows, _ in parts):
        return parts
    return list(LeaveOneGroupOut().split(codes, codes, clusters))


def _softmax(margins: np.ndarray) -> np.ndarray:
    """The softmax `[N, C]` of margins; for two classes there is one column of margins."""
    if margins.ndim == 1:
        margins = np.stack([-margins, margins], axis=1)
    return softmax(margins, axis=1)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"kernel": "rbf"}
