"""Which utterances say the same, or nearly: their texts compared without case and punctuation."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.near_duplicates import near_duplicates
from multimodal_ser.parallel import alongside

_LARGE = 100_000  # rows
_MARKS = re.compile(r"[^\w\s]")


@dataclass(frozen=True)
class Alike:
    """codes: `[N]`, equal where texts are, −1 without text; pairs: rows `[P, 2]` nearly the same.

    Of equal texts only the first row stands in pairs.
    """

    codes: np.ndarray
    pairs: np.ndarray


def normalized(texts: pd.Series) -> pd.Series:
    """Texts as they are compared: case, punctuation, blanks and Unicode forms aside."""
    known = texts.dropna()
    plain = (unicodedata.normalize("NFKC", text).casefold() for text in known.tolist())
    words = [" ".join(_MARKS.sub(" ", text).split()) for text in plain]
    return pd.Series(words, index=known.index, dtype="str").reindex(texts.index)


def begin(texts: pd.Series) -> Callable[[], Alike]:
    """Compare them; many in another process, beside whatever the caller does before it asks."""
    if len(texts) < _LARGE:
        return lambda: compare(texts)
    return alongside(compare, texts)


def compare(texts: pd.Series) -> Alike:
    """Every text with every other."""
    words = normalized(texts)
    return Alike(pd.factorize(words)[0], near_duplicates(words))
