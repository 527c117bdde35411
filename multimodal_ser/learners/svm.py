"""Support vector machine on pooled features, linear or RBF."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import skops.io
from pydantic import Field
from sklearn.calibration import CalibratedClassifierCV
from sklearn.model_selection import StratifiedGroupKFold
from sklearn.svm import SVC, LinearSVC

from multimodal_ser.batches import Dataset
from multimodal_ser.types import ConfigError, DataError

Scores = Literal["probability", "margin"]


class Learner:
    """Probabilities by sigmoids fitted on cluster-disjoint parts of the training rows.

    `scores: margin` skips that: the scores are a softmax of the margins, so the decisions are the
    machine's own, and the values are no probabilities. `balance: weights` becomes class weights.
    """

    WANTS = "pooled"
    TARGETS = ("classes",)

    def __init__(
        self,
        *,
        kernel: Literal["linear", "rbf"] = "linear",
        C: Annotated[float, Field(gt=0)] = 1.0,
        scores: Scores = "probability",
    ) -> None:
        self.machine: Any = (
            LinearSVC(C=C, random_state=0)
            if kernel == "linear"
            else SVC(C=C, decision_function_shape="ovr")
        )
        self.scores = scores

    def fit(self, train: Dataset, dev: Dataset | None, *, seed: int) -> None:
        """`dev` is not used: nothing is selected."""
        (target,) = train.targets.values()
        x, truth = train.pooled(), target.numpy()
        labelled = truth.max(1) == 1
        x, codes = x[labelled], truth[labelled].argmax(1)
        self.classes = truth.shape[1]
        if len(np.unique(codes)) < 2:
            raise DataError(f"the training part has {len(np.unique(codes))} class; svm needs two")
        if train.weights is not None:
            self.machine.set_params(class_weight=_by_class(codes, train.weights.numpy()[labelled]))
        if self.scores == "probability":
            parts = _cluster_parts(codes, train.clusters[labelled])
            calibration: dict[str, Any] = {"cv": parts, "ensemble": False}
            self.machine = CalibratedClassifierCV(self.machine, **calibration)
        self.machine.fit(x, codes)
        if self.scores == "probability":
            self.machine.cv = None  # row numbers, of no use after the fit

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
        return {
            "machine.skops": skops.io.dumps(self.machine),
            "classes.txt": str(self.classes).encode(),
        }

    def load_state(self, files: Mapping[str, bytes]) -> None:
        """Nothing but scikit-learn's own types is accepted."""
        data = files["machine.skops"]
        unknown = set(skops.io.get_untrusted_types(data=data)) - set(_TRUSTED)
        if unknown:
            raise ConfigError(f"machine.skops holds types that are not trusted: {sorted(unknown)}")
        self.machine = skops.io.loads(data, trusted=list(_TRUSTED))
        self.classes = int(files["classes.txt"])


_TRUSTED = (
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
)


def _by_class(codes: np.ndarray, weights: np.ndarray) -> dict[int, float]:
    """Class → its mean weight. A linear machine of one class against the rest weighs the class
    alone, not the rest; weights of rows would weigh both.
    """
    return {int(code): float(weights[codes == code].mean()) for code in np.unique(codes)}


def _cluster_parts(codes: np.ndarray, clusters: np.ndarray) -> list[tuple[np.ndarray, np.ndarray]]:
    """Up to three cuts of the training rows in whole clusters, each class on both sides."""
    fewest = min(len(np.unique(clusters[codes == code])) for code in np.unique(codes))
    if fewest < 2:
        raise DataError(
            "probabilities need every class in two speakers or groups of the training part; "
            "use learner: {scores: margin}"
        )
    cut = StratifiedGroupKFold(min(3, fewest), shuffle=True, random_state=0)
    return list(cut.split(codes, codes, clusters))


def _softmax(margins: np.ndarray) -> np.ndarray:
    """`[N, C]`; two classes come as one column of margins."""
    if margins.ndim == 1:
        margins = np.stack([-margins, margins], axis=1)
    raised = np.exp(margins - margins.max(1, keepdims=True))
    return raised / raised.sum(1, keepdims=True)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"kernel": "rbf"}
