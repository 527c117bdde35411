"""The augmentations of a config, one after the other, each with its own random numbers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from multimodal_ser.features.batches import Batch
from multimodal_ser.types import Input

Key = tuple[int, ...]


class Augmentation:
    """The steps of a config in their order, seeded by run, epoch and utterance.

    A key is `(seed, epoch, row)`, for batches `(seed, epoch, batch)`: what happens to an utterance
    depends neither on the order of the batches nor on the number of workers. A step's place in the
    list is part of its seed, so one that is added at the end changes no other's draws.
    """

    def __init__(self, steps: Sequence[Any]) -> None:
        self.steps = list(steps)

    def of_input(self, utterance: Input, key: Key) -> Input:
        """The input with its sound and its text changed, where it has them."""
        for place, step in self._places("input"):
            utterance = step(utterance, np.random.default_rng([*key, place]))
        return utterance

    def of_frames(self, x: Tensor, modality: str, key: Key) -> Tensor:
        """The valid frames `[T, D]` of an encoder of this modality, changed."""
        for place, step in self._places("frames"):
            if step.modality in (None, modality):
                x = step(x, np.random.default_rng([*key, place]))
        return x

    def of_batch(self, batch: Batch, key: Key) -> Batch:
        """The batch, changed after padding."""
        for place, step in self._places("batch"):
            batch = step(batch, np.random.default_rng([*key, place]))
        return batch

    def touches_input(self, modality: str) -> bool:
        """Whether encoders of this modality cannot use what was cached."""
        return self._touches("input", modality)

    def touches_frames(self, modality: str) -> bool:
        """Whether features of this modality change from epoch to epoch."""
        return self._touches("frames", modality)

    def touches_batches(self) -> bool:
        """Whether rows of a batch are mixed."""
        return any(True for _ in self._places("batch"))

    def _touches(self, stage: str, modality: str) -> bool:
        return any(step.modality in (None, modality) for _, step in self._places(stage))

    def _places(self, stage: str) -> Iterator[tuple[int, Any]]:
        """The steps of one stage, each with its place among all steps."""
        return ((at, step) for at, step in enumerate(self.steps) if stage == step.STAGE)
