"""The rows of a corpus for training: what each teaches, and where its features are."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from multimodal_ser.types import Input, Utterance

if TYPE_CHECKING:
    from multimodal_ser.features.encode import Encoded, Source


@dataclass(frozen=True)
class TrainingRows:
    """The rows of a corpus as training sees them.

    encoded: the cached encoders; sources: those that run in every step; targets: target → what is
    learned of it, `[N, C]` or `[N, 1]`; classes: target → its classes, none for numbers; codes:
    `[N]` classes of the target that `balance` evens out; clusters and speakers: `[N]` codes;
    taught: target → what stands for `targets` in the rows that train, where that is something
    else; copies: how many of each row stand behind all rows, in blocks; chosen: what folds have
    chosen for a training of every row; thresholds: target of labels → those to decide by, where
    folds have chosen them.
    """

    encoded: Mapping[str, Encoded]
    sources: Mapping[str, Source]
    utterances: tuple[Utterance, ...]
    targets: Mapping[str, np.ndarray]
    classes: Mapping[str, Sequence[str]]
    codes: np.ndarray
    clusters: np.ndarray
    speakers: np.ndarray
    taught: Mapping[str, np.ndarray] = field(default_factory=dict)
    copies: int = 0
    chosen: str = ""
    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def hash(self) -> str:
        """A hash of every feature or input key; other keys mean other models."""
        digest = hashlib.sha256()
        for name, encoded in sorted(self.encoded.items()):
            digest.update(
                f"{name}={encoded.recipe.key()}@{encoded.layer}:{','.join(encoded.keys)};".encode()
            )
        for name, encoded in sorted(self.sources.items()):
            digest.update(f"{name}~{encoded.recipe}:{','.join(encoded.keys)};".encode())
        digest.update(self.chosen.encode())
        return digest.hexdigest()[:16]

    def text(self, row: int) -> Input:
        """The text of a row that a fitted encoder reads."""
        return Input(text=self.utterances[row].text, language=self.utterances[row].language)


def repeated(rows: TrainingRows, utterances: Sequence[Utterance], copies: int) -> TrainingRows:
    """The rows with their copies behind them, in blocks; utterances: of rows and copies."""

    def tile(values: np.ndarray) -> np.ndarray:
        return np.concatenate([values] * (copies + 1))

    return replace(
        rows,
        utterances=tuple(utterances),
        targets={name: tile(truth) for name, truth in rows.targets.items()},
        taught={name: tile(truth) for name, truth in rows.taught.items()},
        codes=tile(rows.codes),
        clusters=tile(rows.clusters),
        speakers=tile(rows.speakers),
        copies=copies,
    )
