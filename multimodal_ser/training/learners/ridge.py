"""Ridge regression on pooled features, its penalty chosen by leaving one row out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from safetensors.numpy import load, save
from sklearn.linear_model import Ridge, RidgeCV

from multimodal_ser.features.batches import Dataset
from multimodal_ser.types import DataError

_GRID = np.logspace(-3, 6, 19)


class Learner:
    """Least squares with a penalty of `alpha` on the squared weights, the intercept left free.

    alpha: None chooses it for each target among 19 from 1e-3 to 1e6 by the weighted squared error
    of every training row when the fit leaves it out, which has a closed form. That needs rows² or
    columns² of memory, whichever is less; with a given alpha sparse columns stay sparse.
    """

    WANTS = "pooled"
    TARGETS = ("numbers",)

    def __init__(self, *, alpha: Annotated[float, Field(ge=0)] | None = None) -> None:
        self.alpha = alpha
        self.columns: dict[str, np.ndarray] = {}
        self.constants: dict[str, dict[str, float]] = {}

    def fit(self, train: Dataset, dev: Dataset | None, *, seed: int) -> None:
        """Each target for itself, on the rows where it is known; `dev` and `seed` are not used."""
        x = train.pooled()
        self.columns, self.constants = {}, {}
        for name, target in train.targets.items():
            truth = target.numpy()[:, 0].astype(np.float64)
            has_number = np.flatnonzero(~np.isnan(truth))
            if len(has_number) < 2:
                raise DataError(
                    f"{len(has_number)} training rows have a number for '{name}'; ridge needs two"
                )
            weights = None if train.weights is None else train.weights.numpy()[has_number]
            machine = self._machine().fit(
                x[has_number].astype(np.float64), truth[has_number], weights
            )
            self.columns[name] = np.ascontiguousarray(machine.coef_)
            alpha = float(machine.alpha_ if self.alpha is None else self.alpha)
            self.constants[name] = {"intercept": float(machine.intercept_), "alpha": alpha}

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → numbers `[N, 1]`."""
        x = data.pooled()
        return {
            name: (x @ weights + self.constants[name]["intercept"])[:, None]
            for name, weights in self.columns.items()
        }

    def state(self) -> dict[str, bytes]:
        return {
            "weights.safetensors": save(self.columns),
            "constants.json": json.dumps(self.constants, sort_keys=True).encode(),
        }

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.columns = load(files["weights.safetensors"])
        self.constants = json.loads(files["constants.json"])

    def _machine(self) -> Any:
        return RidgeCV(alphas=_GRID) if self.alpha is None else Ridge(alpha=self.alpha, tol=1e-8)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"alpha": 0.1}
