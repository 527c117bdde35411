"""A corpus without the rows that are tested, for whoever chooses by what is left."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multimodal_ser.protocol import splits
from multimodal_ser.types import ConfigError, Fold

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import Within
    from multimodal_ser.runs.prepare import Prepared


def sealed(prepared: Prepared) -> Prepared:
    """What `within` leaves: the rows that one fold trains and selects on, and no others.

    The gate has looked at the whole split before. Nothing that is handed on holds a tested row:
    neither its text, its sound, its label, nor that it exists.
    """
    within = prepared.experiment.within
    if within is None:
        return prepared
    fold = _fold(prepared.folds, within.fold)
    rows = np.sort(np.concatenate([fold.train, fold.dev]))
    table = prepared.corpus.table.iloc[rows].reset_index(drop=True)
    corpus = replace(prepared.corpus, table=table)
    folds = _folds(table, fold, rows, within)
    sounds = prepared.sounds
    return replace(
        prepared,
        corpus=corpus,
        folds=folds,
        split=splits.split_table(table, folds),
        targets={name: one.take(rows) for name, one in prepared.targets.items()},
        sounds=None if sounds is None else [sounds[row] for row in rows],
    )


def _fold(folds: Sequence[Fold], number: int) -> Fold:
    for fold in folds:
        if fold.number == number:
            return fold
    known = [fold.number for fold in folds]
    raise ConfigError(f"within.fold: {number} is not there; the protocol makes {known}")


def _folds(table: pd.DataFrame, fold: Fold, rows: np.ndarray, within: Within) -> list[Fold]:
    """The fold without its test, or new ones of its rows, each of which is dev once."""
    if within.folds is None:
        if not len(fold.dev):
            raise ConfigError(
                "within: the protocol keeps no dev part to choose by; set protocol.dev, or "
                "within.folds to cut the training part anew"
            )
        parts = {name: np.searchsorted(rows, fold.parts[name]) for name in ("train", "dev")}
        return [Fold(fold.number, fold.repeat, parts)]
    cuts = splits.make(table, "kfold", {"folds": within.folds, "dev": False})
    return [Fold(one.number, 0, {"train": one.train, "dev": one.parts["test"]}) for one in cuts]
