"""A corpus and its split, from which all chapters of its page are made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from multimodal_ser.config.experiment import Part
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.protocol import splits
from multimodal_ser.report.corpus import measures
from multimodal_ser.report.corpus.measures import MISSING
from multimodal_ser.types import DataError, Fold

_UNUSED = "in no part"


@dataclass(frozen=True)
class View:
    """A corpus and its split.

    sounds: a row for each utterance, from `sound.measure`. folds: empty if the protocol cannot
    split the corpus; then `refused` is the reason.
    """

    corpus: Corpus
    protocol: Part
    sounds: pd.DataFrame
    folds: Sequence[Fold]
    refused: str

    @cached_property
    def table(self) -> pd.DataFrame:
        return self.corpus.table.reset_index(drop=True)

    @cached_property
    def columns(self) -> measures.Columns:
        return measures.columns(self.table)

    @cached_property
    def classes(self) -> list[str]:
        """The classes; empty if no utterance has a label."""
        return list(self.corpus.labels) if self.table["label"].notna().any() else []

    @cached_property
    def tested(self) -> pd.Series | None:
        """`[N]`: the part of each row; with several folds, the fold that tests it (no repeats)."""
        if not self.folds:
            return None
        part_of = np.full(len(self.table), _UNUSED, dtype=object)
        first = [fold for fold in self.folds if fold.repeat == self.folds[0].repeat]
        for fold in first:
            for part, rows in (fold.parts if len(first) == 1 else fold.tests).items():
                part_of[rows] = part if len(first) == 1 else f"fold {fold.number}"
        return pd.Series(part_of)

    @property
    def tested_by(self) -> str:
        """The title of `tested`: what its values are."""
        return "part" if len({fold.number for fold in self.folds}) == 1 else "fold that tests it"

    @cached_property
    def split_hash(self) -> str:
        return splits.split_hash(splits.split_table(self.table, self.folds)) if self.folds else ""

    def places(self) -> dict[str, np.ndarray]:
        """Class → its rows; rows without a label last. Empty if there are no classes."""
        labels = self.table["label"]
        rows_of = {name: np.flatnonzero(labels == name) for name in self.classes}
        if self.classes and labels.isna().any():
            rows_of[MISSING] = np.flatnonzero(labels.isna())
        return rows_of


def cut(corpus: Corpus, protocol: Part) -> tuple[list[Fold], str]:
    """The folds and an empty text; or no folds, and the reason why there are none."""
    try:
        return splits.make(corpus.table, protocol.name, protocol.options), ""
    except DataError as error:
        return [], str(error)
