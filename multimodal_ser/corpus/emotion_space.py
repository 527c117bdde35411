"""Emotion words as points of valence, arousal and dominance, and points as their nearest word.

The points are the means of Russell & Mehrabian 1977, Evidence for a three-factor theory of
emotions, Journal of Research in Personality 11, 273-294, table 4, on scales from −1 to 1; pleasure
is called valence here. Each was read in two transcriptions of that table, which agree on it; of
`frustrated` they give different points, so it has none here. Neutral is no word of the table: it is
the middle of the scales. Labels are understood as in `relabel`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multimodal_ser.corpus.relabel import canonical
from multimodal_ser.types import DataError, listed

if TYPE_CHECKING:
    from multimodal_ser.corpus.corpus import Corpus

DIMENSIONS = ("valence", "arousal", "dominance")
POINTS = {
    "anger": (-0.51, 0.59, 0.25),
    "anxiety": (0.01, 0.59, -0.15),
    "boredom": (-0.65, -0.62, -0.33),
    "contempt": (-0.24, 0.31, 0.21),  # contemptuous
    "disgust": (-0.60, 0.35, 0.11),
    "excitement": (0.62, 0.75, 0.38),
    "fear": (-0.64, 0.60, -0.43),
    "joy": (0.81, 0.51, 0.46),  # happy
    "neutral": (0.0, 0.0, 0.0),
    "sadness": (-0.63, -0.27, -0.33),
    "surprise": (0.40, 0.67, -0.13),
}
_EXCITED = (
    "exc",
    "excited",
    "excitement",
)  # to relabel they are joy; the table tells them apart
_BESIDE = 1.25  # half a point beside a scale from 1 to 5: some shipped means lie there


def to_space(labels: Sequence[str | None]) -> np.ndarray:
    """`[N, 3]` in the order of DIMENSIONS, NaN without a label; DataError for a word without a
    point.
    """
    point_of = {
        label: POINTS.get(_word(label)) for label in dict.fromkeys(labels) if pd.notna(label)
    }
    strange = sorted(label for label, point in point_of.items() if point is None)
    if strange:
        raise DataError(
            f"labels without a point in the space: {', '.join(strange)}; rename or drop them "
            f"(labels.rename, labels.drop). There are points for {', '.join(POINTS)}"
        )
    rows = [point_of[label] if pd.notna(label) else (np.nan,) * 3 for label in labels]
    return np.array(rows, dtype=np.float64).reshape(-1, 3)


def nearest(
    values: np.ndarray, labels: Sequence[str], *, scale: tuple[float, float] = (-1.0, 1.0)
) -> list[str]:
    """For each row of values `[N, 3]` the label whose point is nearest in Euclidean distance.

    scale: the lowest and the highest rating, which become −1 and 1; nothing else is scaled. A
    dimension that no row has is left out.
    """
    points = _distinct(labels)
    placed = _placed(values, scale)
    rated = ~np.isnan(placed).all(axis=0)
    if np.isnan(placed[:, rated]).any() or not rated.any():
        raise DataError("some rows have no value in a dimension that others are rated in")
    gaps = placed[:, None, rated] - points[None, :, rated]
    return [labels[int(place)] for place in (gaps**2).sum(axis=2).argmin(axis=1)]


def round_trip(
    truth: Sequence[str], values: np.ndarray, *, scale: tuple[float, float] = (-1.0, 1.0)
) -> pd.DataFrame:
    """Counts of labels (rows) by the label that is nearest to their ratings (columns).

    This shows what the table of words keeps of a corpus that has labels and ratings of the same
    utterances.
    """
    labels = sorted(set(truth))
    counts = pd.crosstab(pd.Series(truth), pd.Series(nearest(values, labels, scale=scale)))
    whole = counts.reindex(index=labels, columns=labels, fill_value=0)
    return whole.rename_axis(index="label", columns="nearest")


def placed(corpus: Corpus) -> Corpus:
    """The corpus with the missing dimensions computed from its labels, on a scale from −1 to 1.

    These values are no ratings. A notice of the corpus says so wherever its numbers are shown.
    """
    table = corpus.table
    made = [name for name in DIMENSIONS if table[name].isna().all()]
    if not made or table["label"].isna().all():
        what = "ratings of its own in every dimension" if not made else "no labels"
        raise DataError(f"labels.space: the corpus has {what}, so nothing would be made")
    points = pd.DataFrame(to_space(table["label"].tolist()), columns=list(DIMENSIONS))
    notice = (
        f"{', '.join(made)} are no ratings: they are made from the labels, by the table of "
        "Russell & Mehrabian 1977."
    )
    about = corpus.about
    return dataclasses.replace(
        corpus,
        table=table.assign(**{name: points[name].to_numpy() for name in made}),
        about=dataclasses.replace(about, notice=f"{about.notice} {notice}".strip()),
    )


def _word(label: str) -> str:
    return "excitement" if label.strip().casefold() in _EXCITED else canonical(label)


def _distinct(labels: Sequence[str]) -> np.ndarray:
    """The points of the labels; DataError where two labels have the same point."""
    points = to_space(labels)
    first: dict[str, str] = {}
    same = [
        f"{first[_word(label)]} and {label}"
        for label in labels
        if first.setdefault(_word(label), label) != label
    ]
    if same:
        raise DataError(listed(same, "labels are one point; merge them (labels.rename)"))
    return points


def _placed(values: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    low, high = scale
    if not low < high:
        raise DataError(f"a scale rises (given {low:g} to {high:g})")
    array = 2 * (np.asarray(values, dtype=np.float64) - low) / (high - low) - 1
    if (np.abs(array) > _BESIDE).any():
        least, most = np.nanmin(values), np.nanmax(values)
        raise DataError(
            f"ratings from {least:g} to {most:g} are not on a scale from {low:g} to {high:g}"
        )
    return array
