"""One output over all rows of a corpus: what is true, what is learned, what is answered."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd


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

    @property
    def numbers(self) -> np.ndarray:
        """`[N]` float64, NaN where unknown: for targets of kind numbers."""
        return self.learned[:, 0].astype(np.float64)
