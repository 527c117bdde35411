"""Predictions → numbers. Needs `predictions.csv` only: no model, no audio.

Out-of-fold predictions are pooled within a seed (and repeat) and scored; the value is the mean
over those, ± their standard deviation, with a 95 % interval from resampling whole clusters. The
mean of folds and the ensemble over seeds have columns of their own.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser import metrics, statistics
from multimodal_ser.types import DataError, listed

SCORE = "score:"
FEW_CLUSTERS = 10
SMALL_CLASS = 10  # test items under which a class tells more about chance than about a model
_COLLAPSE = 0.9
_FLAT = 0.1  # of the spread of the truth


def classes_of(predictions: pd.DataFrame) -> list[str]:
    """The classes of a target, in the order of the score columns; none for a target of numbers.

    A table of several targets has the columns of all, empty where they are not of the target.
    """
    columns = [column for column in map(str, predictions.columns) if column.startswith(SCORE)]
    filled = predictions[columns].notna().any() if len(predictions) else dict.fromkeys(columns, 1)
    return [column.removeprefix(SCORE) for column in columns if filled[column]]


def numbers(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Truth (NaN: not scored) and prediction of a target of numbers, both `[N]`."""
    truth = pd.to_numeric(predictions["truth"], errors="coerce")
    odd = predictions["truth"][truth.isna() & predictions["truth"].notna()]
    if len(odd):
        raise DataError(f"the truth holds {list(odd[:5])}, which are no numbers")
    guess = predictions["value"].to_numpy(dtype=float)
    lost = predictions["id"][~np.isfinite(guess)]
    if len(lost):
        raise DataError(listed([*map(str, lost)], "predictions are no numbers"))
    return truth.to_numpy(dtype=float), guess


def score_of(predictions: pd.DataFrame, metric: str) -> statistics.Score:
    """A metric as a score of the tallies of such predictions."""
    classes = classes_of(predictions)
    found = metrics.find(metric)
    return statistics.of_confusions(found, len(classes)) if classes else found


def codes(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Class codes of truth (−1: not scored) and guess, both `[N]`."""
    classes = classes_of(predictions)
    odd = predictions["truth"][~predictions["truth"].isin(classes)].dropna().unique()
    if len(odd):
        raise DataError(f"the truth holds {list(odd)}, which are not among {', '.join(classes)}")
    truth = pd.Categorical(predictions["truth"], classes).codes.astype(np.int64)
    return truth, predictions[[SCORE + one for one in classes]].to_numpy().argmax(1)


def confusion(predictions: pd.DataFrame) -> np.ndarray:
    """`[C, C]` counts; rows without a single true label are not scored."""
    return metrics.confusion_matrix(*codes(predictions), len(classes_of(predictions)))


def ensemble(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row an utterance: its scores (or its number, as `value`) averaged over seeds and repeats.

    With `id` and `truth`.
    """
    columns = [SCORE + name for name in classes_of(predictions)] or ["value"]
    grouped = predictions.astype(dict.fromkeys(columns, float)).groupby("id", sort=True)
    return grouped[columns].mean().assign(truth=grouped["truth"].first()).reset_index()


def tallies(predictions: pd.DataFrame) -> np.ndarray:
    """`[S, K, M]`: confusion counts (moments of numbers) by seed and repeat, and by cluster.

    Both in sorted order. A cluster without a scored utterance is no cluster: it would only feign
    certainty.
    """
    classes = len(classes_of(predictions))
    predictions = predictions[predictions["truth"].notna()].reset_index(drop=True)
    cluster = pd.factorize(predictions["cluster"], sort=True)[0]
    truth, guess = codes(predictions) if classes else numbers(predictions)
    counts = []
    for rows in predictions.groupby(["repeat", "seed"], sort=True).indices.values():
        of = (truth[rows], guess[rows])
        if classes:
            counts.append(statistics.confusion_tallies(*of, cluster[rows], classes))
        else:
            counts.append(statistics.summed(metrics.moments(*of), cluster[rows]))
    width = classes * classes or 6
    found = np.zeros((len(counts), int(cluster.max(initial=-1)) + 1, width))
    for place, count in zip(found, counts, strict=True):
        place[: len(count)] = count
    return found


def evaluate(
    predictions: pd.DataFrame,
    chosen: Sequence[str],
    breakdown: Mapping[str, pd.Series] | None = None,
) -> dict[str, Any]:
    """Part → metric values, per class, per value of the breakdown columns, notices; of one target.

    breakdown: column → its value for each row of `predictions`. A part without any truth has no
    values; a target of numbers has no classes.
    """
    result: dict[str, Any] = {}
    for part, rows in predictions.groupby("part", sort=True):
        if rows["truth"].isna().all():
            continue
        counts = tallies(rows)
        classes = classes_of(rows)
        result[str(part)] = {
            "utterances": int(rows["id"].nunique()),
            "clusters": counts.shape[1],
            "unscored": int(rows[rows["truth"].isna()]["id"].nunique()),
            "metrics": {name: _values(rows, name) | _bounds(rows, counts, name) for name in chosen},
            "breakdown": {
                column: _per_value(rows, values[rows.index], chosen)
                for column, values in (breakdown or {}).items()
            },
            "notices": list(notices(rows)),
            "without small classes": _without_small(rows, counts) if classes else {},
            "classes": _per_class(rows, counts) if classes else {},
            "confusion": counts.sum(1).mean(0).reshape(len(classes), -1).tolist()
            if classes
            else [],
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
    if not classes:
        truth, guess = numbers(rows)
        deviation, wanted = float(guess.std()), float(np.nanstd(truth))
        if deviation < _FLAT * wanted:
            yield f"predicts nearly one number (sd {deviation:.2g}, of the truth {wanted:.2g})"
        return
    guesses = rows[[SCORE + one for one in classes]].to_numpy().argmax(1)
    predicted = np.bincount(guesses, minlength=len(classes))
    never = [name for name, count in zip(classes, predicted, strict=True) if not count]
    if never:
        yield f"never predicts {', '.join(never)}"
    if predicted.max() > _COLLAPSE * predicted.sum():
        yield f"predicts {classes[predicted.argmax()]} for more than {_COLLAPSE:.0%} of utterances"


def _values(rows: pd.DataFrame, name: str) -> dict[str, Any]:
    by_seed = {
        f"{seed}" if not repeat else f"{seed}/{repeat}": _value(some, name)
        for (repeat, seed), some in rows.groupby(["repeat", "seed"], sort=True)
    }
    values = np.array(list(by_seed.values()))
    folds = [_value(some, name) for _, some in rows.groupby(["fold", "seed"])]
    return {
        "mean": float(values.mean()),
        "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
        "by_seed": by_seed,
        "mean_of_folds": float(np.mean(folds)),
        "ensemble": _value(ensemble(rows), name),
    }


def _value(rows: pd.DataFrame, name: str) -> float:
    """A metric of all rows together."""
    if classes_of(rows):
        return float(metrics.find(name)(confusion(rows)))
    return float(metrics.find(name)(metrics.moments(*numbers(rows)).sum(0)))


def _bounds(rows: pd.DataFrame, counts: np.ndarray, name: str) -> dict[str, float]:
    """The interval of a metric's mean over seeds."""
    drawn = statistics.resampled(counts, score_of(rows, name))
    low, high = statistics.interval(drawn, counts.shape[1])
    return {"low": float(low), "high": float(high)}


def _without_small(rows: pd.DataFrame, counts: np.ndarray) -> dict[str, Any]:
    """Macro-F1 over the classes with enough items, when some have too few."""
    classes = classes_of(rows)
    matrices = counts.sum(1).reshape(-1, len(classes), len(classes))
    support = matrices.sum(2).mean(0)
    small = [name for name, count in zip(classes, support, strict=True) if count < SMALL_CLASS]
    if not small or len(small) == len(classes):
        return {}
    kept = [code for code, name in enumerate(classes) if name not in small]
    return {"macro_f1": float(metrics.f1(matrices)[:, kept].mean()), "left out": small}


def _per_class(rows: pd.DataFrame, counts: np.ndarray) -> dict[str, dict[str, float]]:
    """Precision, recall and F1 as means over seeds, the interval of F1, the items in the truth."""
    classes = classes_of(rows)
    matrices = counts.sum(1).reshape(-1, len(classes), len(classes))
    scored = {"precision": metrics.precision, "recall": metrics.recall, "f1": metrics.f1}
    values = {name: metric(matrices).mean(0) for name, metric in scored.items()}
    drawn = statistics.resampled(counts, statistics.of_confusions(metrics.f1, len(classes)))
    values["low"], values["high"] = statistics.interval(drawn, counts.shape[1])
    values["utterances"] = matrices.sum(2).mean(0)
    return {
        label: {name: float(value[code]) for name, value in values.items()}
        for code, label in enumerate(classes)
    }


def _per_value(
    rows: pd.DataFrame, values: pd.Series, chosen: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Accuracy (of classes) first, then the chosen metrics, for each value of a column."""
    found = {}
    first = ["accuracy"] if classes_of(rows) else []
    names = [*first, *(name for name in chosen if name not in first)]
    for value, some in rows.groupby(values.fillna("unknown").to_numpy(), sort=True):
        told = some["truth"].notna().any()
        scored = {name: _values(some, name)["mean"] for name in names} if told else {}
        found[str(value)] = {"utterances": int(some["id"].nunique()), **scored}
    return found
