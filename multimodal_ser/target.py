"""One output over all rows of a corpus: what is true, what is learned, what is answered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser import label_sets
from multimodal_ser.label_sets import THRESHOLD
from multimodal_ser.predictions import SCORE


@dataclass(frozen=True)
class Target:
    """One output over all rows of a corpus.

    classes: the task's list, empty for numbers. codes: `[N]` ints, −1 where no single class is
    true. learned: what a model is trained on, `[N, C]` distributions over the classes (zeros:
    unknown), `[N, C]` labels of 1 and 0 or `[N, 1]` numbers (both NaN: unknown), float32. written:
    `[N]` the truth as it stands in a table of predictions, missing where it is unknown. taught:
    what stands for `learned` in the rows that train, where that is something else. sets: of kind
    labels, bool `[S, C]`, every set of labels that is true somewhere; `codes` are then of those, −1
    where any label is not known.
    """

    name: str
    classes: tuple[str, ...]
    codes: np.ndarray
    learned: np.ndarray
    written: pd.Series
    taught: np.ndarray | None = None
    sets: np.ndarray | None = None

    @property
    def kind(self) -> str:
        if self.sets is not None:
            return "labels"
        return "classes" if self.classes else "numbers"

    @property
    def known(self) -> np.ndarray:
        """`[N]` bool: the rows that can be learned from."""
        learned = self.learned > 0 if self.kind == "classes" else ~np.isnan(self.learned)
        return np.asarray(learned.any(axis=1))

    def has(self, code: int) -> np.ndarray:
        """`[N]` bool: the rows of which that class or label is true."""
        return self.codes == code if self.sets is None else self.learned[:, code] == 1

    def take(self, rows: np.ndarray) -> Target:
        """The same of some rows."""
        return replace(
            self,
            codes=self.codes[rows],
            learned=self.learned[rows],
            written=self.written.iloc[rows].reset_index(drop=True),
            taught=None if self.taught is None else self.taught[rows],
        )

    def answers(self, rows: np.ndarray, found: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """The columns of a table of predictions that are about this target, of some rows.

        found: target → scores of those rows, and of labels their thresholds (see `label_sets`).
        """
        scores = found[self.name]
        known = {"target": self.name, "truth": self.written.to_numpy()[rows]}
        if not self.classes:
            return {**known, "value": [f"{number:.8g}" for number in scores[:, 0]]}
        columns = {SCORE + name: scores[:, at] for at, name in enumerate(self.classes)}
        if self.kind == "labels":
            cuts = found[THRESHOLD + self.name]
            columns |= {THRESHOLD + name: cut for name, cut in zip(self.classes, cuts, strict=True)}
            value = label_sets.written(scores >= cuts, self.classes)
        else:
            value = np.array(self.classes)[scores.argmax(1)]
        return {**known, "value": value, **columns}

    @property
    def numbers(self) -> np.ndarray:
        """`[N]` float64, NaN where unknown: for targets of kind numbers."""
        return self.learned[:, 0].astype(np.float64)
