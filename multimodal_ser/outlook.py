"""What a run has before it, stage by stage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from multimodal_ser.config.experiment import Experiment
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.types import Fold


@dataclass(frozen=True)
class Stage:
    """One stage: how many inputs it has, how many are done, and about what the rest will take.

    done: None where that cannot be known. seconds and bytes: None where they cannot be estimated;
    `remark` says why.
    """

    name: str
    inputs: int
    done: int | None
    seconds: float | None = 0.0
    bytes: float | None = 0.0
    remark: str = ""


@dataclass(frozen=True)
class Outlook:
    """What a run of the experiment has before it. free: bytes on the disk of the cache."""

    experiment: Experiment
    corpus: Corpus
    folds: Sequence[Fold]
    split_hash: str
    stages: Sequence[Stage]
    workers: int
    free: int

    @property
    def seconds(self) -> float:
        """Of all stages that could be estimated."""
        return sum(one.seconds or 0.0 for one in self.stages)

    @property
    def bytes(self) -> float:
        """Of all stages that could be estimated."""
        return sum(one.bytes or 0.0 for one in self.stages)

    @property
    def whole(self) -> bool:
        """Every stage could be estimated."""
        return all(one.seconds is not None for one in self.stages)
