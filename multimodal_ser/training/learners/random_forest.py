"""Random forest on pooled features."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from sklearn.ensemble import RandomForestClassifier

from multimodal_ser.features.batches import Dataset
from multimodal_ser.training.learners._labelled import two_classes
from multimodal_ser.training.learners._machines import packed, unpacked

Positive = Annotated[int, Field(gt=0)]
Share = Annotated[float, Field(gt=0, le=1)]


class Learner:
    """Probabilities are the mean over the trees of the shares of the classes in their leaves.

    depth: None lets each tree grow until its leaves hold one class; min_leaf: the fewest rows of a
    leaf; max_features: of how many columns each cut takes the best, their root, their logarithm to
    the base of 2, or a share. `balance: weights` becomes weights of rows.
    """

    WANTS = "pooled"
    TARGETS = ("classes",)

    def __init__(
        self,
        *,
        trees: Positive = 500,
        depth: Positive | None = None,
        min_leaf: Positive = 1,
        max_features: Literal["sqrt", "log2"] | Share = "sqrt",
    ) -> None:
        self.options: dict[str, Any] = {
            "n_estimators": trees,
            "max_depth": depth,
            "min_samples_leaf": min_leaf,
            "max_features": max_features,
        }
        self.machine: Any = None
        self.classes = 0

    def fit(self, train: Dataset, dev: Dataset | None, *, seed: int) -> None:
        """`dev` is not used: nothing is selected."""
        labels = two_classes(train, "random_forest")
        self.classes = labels.classes
        self.machine = RandomForestClassifier(**self.options, random_state=seed, n_jobs=1)
        self.machine.fit(train.pooled()[labels.rows], labels.codes, labels.weights)

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → probabilities `[N, C]`; 0 for a class that was not in train."""
        scores = np.zeros((len(data), self.classes))
        scores[:, self.machine.classes_] = self.machine.predict_proba(data.pooled())
        return dict.fromkeys(data.targets, scores)

    def state(self) -> dict[str, bytes]:
        return {"machine.skops": packed(self.machine), "classes.txt": str(self.classes).encode()}

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.machine = unpacked(files["machine.skops"], ["sklearn.tree._tree.Tree"])
        self.classes = int(files["classes.txt"])


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"trees": 10}
