"""A fusion and its heads by gradient descent, encoders that learn among them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from multimodal_ser.features.batches import Dataset
from multimodal_ser.training.learners import _gradient
from multimodal_ser.training.learners._gradient import Kept, Loop, Positive, Select, Watch
from multimodal_ser.training.learners._optimizer import Optimizer
from multimodal_ser.training.losses import Loss

_USUAL = Optimizer()


class Learner:
    """Trains a `Model`; see `_gradient.Loop` for what the options do.

    epochs: 0 scores what nobody has trained, a head at random over encoders as they are.
    modality_dropout: the share of training rows that lose one of their modalities in an epoch, so
    that the model can also do without it.
    """

    WANTS = "batches"
    TARGETS = ("classes", "labels", "numbers")
    settled = staticmethod(_gradient.settled)

    def __init__(
        self,
        model: Any,
        losses: Mapping[str, tuple[Loss, float]],
        *,
        optimizer: Optimizer = _USUAL,
        epochs: Annotated[int, Field(ge=0)] = 50,
        batch_size: Positive = 64,
        select: Select | None = None,
        patience: Positive | None = None,
        modality_dropout: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> None:
        model.dropout = modality_dropout
        self.model = model
        self.loop = Loop(
            model,
            losses,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            select=select,
            patience=patience,
        )

    def fit(
        self,
        train: Dataset,
        dev: Dataset | None,
        *,
        seed: int,
        kept: Kept | None = None,
        watch: Watch | None = None,
    ) -> None:
        """kept: where each epoch is written down, and from where the training goes on."""
        self.loop.fit(train, dev, seed=seed, kept=kept, watch=watch)

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → probabilities `[N, C]` (each label's own), or numbers `[N, 1]`."""
        return self.loop.predict(data)

    def state(self) -> dict[str, bytes]:
        return self.loop.state()

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.loop.load_state(files)

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "optimizer": {
                "lr": {"low": 1e-4, "high": 1e-2, "log": True},
                "weight_decay": {"low": 1e-6, "high": 1e-1, "log": True},
            },
            "batch_size": [16, 32, 64, 128],
        }


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"epochs": 3, "batch_size": 8}
