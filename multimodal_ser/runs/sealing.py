"""A corpus without its test rows, for searches that choose by what is left."""

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

    The leak gate has seen the whole split before. The result holds nothing of a test row: not its
    text, sound or label, nor the fact that it exists.
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
        targets={name: target.take(rows) for name, target in prepared.targets.items()},
        sounds=None if sounds is None else [sounds[row] for row in rows],
    )


def _fold(folds: Sequence[Fold], number: int) -> Fold:
    for fold in folds:
        if fold.number == number:
            return fold
    numbers = [fold.number for fold in folds]
    raise ConfigError(f"within.fold: {number} is not there; the protocol makes {numbers}")


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
    return [Fold(cut.number, 0, {"train": cut.train, "dev": cut.parts["test"]}) for cut in cuts]
