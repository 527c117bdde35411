"""Whether a fold can be trained and scored, and keeps apart what must be."""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.types import DataError, Fold


def prove(table: pd.DataFrame, fold: Fold, cluster: np.ndarray) -> None:
    """No part empty, no cluster in two of train, dev and test, no label only in test."""
    roles = {part: 0 if part in fold.tests else 1 + place for place, part in enumerate(fold.parts)}
    owner = np.full(cluster.max() + 1, -1)
    for part, rows in fold.parts.items():
        if part != "dev" and not len(rows):
            raise DataError(f"fold {fold.number}: the {part} part is empty")
        if not np.isin(owner[cluster[rows]], [-1, roles[part]]).all():
            raise DataError(f"fold {fold.number}: {part} shares speakers or rows with another part")
        owner[cluster[rows]] = roles[part]
    codes, labels = pd.factorize(table["label"])
    held = codes[np.concatenate(list(fold.tests.values()))]
    unseen = labels[np.setdiff1d(held[held >= 0], codes[fold.train])]
    if len(unseen):
        shown = ", ".join(sorted(unseen))
        raise DataError(f"fold {fold.number}: tested but never trained on: {shown}")
