"""A checkpoint that already tells emotions, scored with its own head: as it is, or fine-tuned."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from multimodal_ser.features.batches import Dataset
from multimodal_ser.training import checkpoint_head
from multimodal_ser.training.learners import _gradient
from multimodal_ser.training.learners._gradient import Kept, Loop, Positive, Select, Watch
from multimodal_ser.training.learners._optimizer import Optimizer, Schedule
from multimodal_ser.training.losses import Loss

_USUAL = Optimizer(lr=1e-5, schedule=Schedule("linear", warmup=0.1))


class Learner:
    """Needs one encoder that has a head (`speech_classifier`, `text_classifier`), and no fusion.

    labels: label of the checkpoint → class of the task (or target of numbers); one that is not
    named means the class of its own name. The probabilities of labels that mean none are dropped,
    the others renormalised. score_unknown: what becomes of utterances whose class no label means:
    `zero`, they count as errors; `leave_out`, they are in no part. Numbers from 0 to 1 are moved to
    the `range` of their output.

    epochs: 0 scores the checkpoint as it is; more fine-tune from it, with `trainable` at the
    encoder. The other options are those of the gradient loop.
    """

    WANTS = "batches"
    TARGETS = ("classes", "numbers")
    OWN_HEAD = True
    settled = staticmethod(_gradient.settled)
    without_unknown = staticmethod(checkpoint_head.without_unknown)
    notices = staticmethod(checkpoint_head.notices)
    heads = staticmethod(checkpoint_head.heads)
    unit = staticmethod(checkpoint_head.unit)

    def __init__(
        self,
        model: Any,
        losses: Mapping[str, tuple[Loss, float]],
        *,
        labels: dict[str, str] = {},  # noqa: B006 (read only)
        score_unknown: Literal["zero", "leave_out"] = "zero",
        epochs: Annotated[int, Field(ge=0)] = 0,
        optimizer: Optimizer = _USUAL,
        batch_size: Positive = 8,
        select: Select | None = None,
    ) -> None:
        self.model = model
        self.loop = Loop(
            model,
            losses,
            optimizer=optimizer,
            epochs=epochs,
            batch_size=batch_size,
            select=select,
            patience=None,
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
        """Target → probabilities `[N, C]`, or numbers `[N, 1]` in the unit of the corpus."""
        return self.loop.predict(data)

    def state(self) -> dict[str, bytes]:
        return self.loop.state()

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.loop.load_state(files)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"epochs": 3, "batch_size": 8, "optimizer": {"lr": 0.003}}
