"""Predictions → numbers. Needs `predictions.csv` only: no model, no audio.

Out-of-fold predictions are pooled within a seed (and repeat) and scored; the value is the mean
over those, ± their standard deviation. The mean of folds and the ensemble over seeds have columns
of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser import metrics
from multimodal_ser.types import DataError

SCORE = "score:"
_COLLAPSE = 0.9


def classes_of(predictions: pd.DataFrame) -> list[str]:
    """The task's classes, in the order of the score columns."""
    return [
        column.removeprefix(SCORE)
        for column in map(str, predictions.columns)
        if column.startswith(SCORE)
    ]


def confusion(predictions: pd.DataFrame) -> np.ndarray:
    """`[C, C]` counts; rows without a single true label are not scored."""
    classes = classes_of(predictions)
    odd = predictions["truth"][~predictions["truth"].isin(classes)].dropna().unique()
    if len(odd):
        raise DataError(f"the truth holds {list(odd)}, which are not among {', '.join(classes)}")
    truth = pd.Categorical(predictions["truth"], classes).codes.astype(np.int64)
    guess = predictions[[SCORE + one for one in classes]].to_numpy().argmax(1)
    return metrics.confusion_matrix(truth, guess, len(classes))


def evaluate(
    predictions: pd.DataFrame,
    chosen: Sequence[str],
    breakdown: Mapping[str, pd.Series] | None = None,
) -> dict[str, Any]:
    """Part → metric values, per class, per value of the breakdown columns, notices.

    breakdown: column → its value by utterance id.
    """
    result: dict[str, Any] = {}
    for part, rows in predictions.groupby("part", sort=True):
        result[str(part)] = {
            "utterances": int(rows["id"].nunique()),
            "clusters": int(rows["cluster"].nunique()),
            "unscored": int(rows[rows["truth"].isna()]["id"].nunique()),
            "metrics": {name: _values(rows, name) for name in chosen},
            "classes": _per_class(rows),
            "breakdown": {
                column: _per_value(rows, rows["id"].map(values), chosen)
                for column, values in (breakdown or {}).items()
            },
            "notices": list(notices(rows)),
        }
    return result


def notices(rows: pd.DataFrame) -> Iterator[str]:
    """What a reader must know before any number: a model that has collapsed, in how many seeds."""
    seen: dict[str, int] = {}
    groups = rows.groupby(["repeat", "seed"], sort=True)
    for _, some in groups:
        for notice in _collapses(some):
            seen[notice] = seen.get(notice, 0) + 1
    for notice, count in seen.items():
        yield notice if count == groups.ngroups else f"{notice} ({count} of {groups.ngroups} seeds)"


def _collapses(rows: pd.DataFrame) -> Iterator[str]:
    classes = classes_of(rows)
    guesses = rows[[SCORE + one for one in classes]].to_numpy().argmax(1)
    predicted = np.bincount(guesses, minlength=len(classes))
    never = [name for name, count in zip(classes, predicted, strict=True) if not count]
    if never:
        yield f"never predicts {', '.join(never)}"
    if predicted.max() > _COLLAPSE * predicted.sum():
        yield f"predicts {classes[predicted.argmax()]} for more than {_COLLAPSE:.0%} of utterances"


def _values(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    metric = metrics.find(name)
    by_seed = {
        f"{seed}" if not repeat else f"{seed}/{repeat}": float(metric(confusion(some)))
        for (repeat, seed), some in rows.groupby(["repeat", "seed"], sort=True)
    }
    values = np.array(list(by_seed.values()))
    folds = [float(metric(confusion(some))) for _, some in rows.groupby(["fold", "seed"])]
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
        "by_seed": by_seed,
        "mean_of_folds": float(np.mean(folds)),
        "ensemble": float(metric(confusion(_ensemble(rows)))),
    }


def _ensemble(rows: pd.DataFrame) -> pd.DataFrame:
    """The scores of an utterance averaged over seeds and repeats."""
    scores = [SCORE + name for name in classes_of(rows)]
    grouped = rows.groupby("id", sort=True)
    return grouped[scores].mean().assign(truth=grouped["truth"].first()).reset_index()


def _per_class(rows: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 as means over seeds; how many utterances are in the truth."""
    matrices = [confusion(some) for _, some in rows.groupby(["repeat", "seed"], sort=True)]
    stacked = np.stack(matrices)
    scored = {"precision": metrics.precision, "recall": metrics.recall, "f1": metrics.f1}
    values = {name: metric(stacked).mean(0) for name, metric in scored.items()}
    support = stacked.sum(2).mean(0)
    return {
        label: {
            **{name: float(value[code]) for name, value in values.items()},
            "utterances": float(support[code]),
        }
        for code, label in enumerate(classes_of(rows))
    }


def _per_value(
    rows: pd.DataFrame, values: pd.Series, chosen: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Accuracy first, then the chosen metrics, of the utterances with each value of a column."""
    found = {}
    for value, some in rows.groupby(values.fillna("unknown").to_numpy(), sort=True):
        scored = {
            name: _values(some, name)["mean"] for name in dict.fromkeys(["accuracy", *chosen])
        }
        found[str(value)] = {"utterances": int(some["id"].nunique()), **scored}
    return found
