"""Predictions → numbers. Needs `predictions.csv` only: no model, no audio.

Out-of-fold predictions are pooled within a seed (and repeat) and scored; the value is the mean
over those, ± their standard deviation, with a 95 % interval from resampling whole clusters. The
mean of folds and the ensemble over seeds have columns of their own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser.evaluation import metrics, statistics
from multimodal_ser.evaluation.predictions import (
    classes_of,
    codes,
    ensemble,
    kind_of,
    numbers,
    sets,
)

FEW_CLUSTERS = 10
SMALL_CLASS = 10  # test items under which a class tells more about chance than about a model
_COLLAPSE = 0.9
_FLAT = 0.1  # of the spread of the truth


def score_of(predictions: pd.DataFrame, metric: str) -> statistics.Score:
    """A metric as a score of the tallies of such predictions."""
    function = metrics.find(metric)
    if kind_of(predictions) != "classes":
        return function
    return statistics.of_confusions(function, len(classes_of(predictions)))


def tallies(predictions: pd.DataFrame) -> np.ndarray:
    """The tallies of predictions by seed and repeat (S) and by cluster (K): `[S, K, M]`, sorted.

    They are confusion counts for classes, agreements for labels, and moments for numbers. A cluster
    without a scored utterance is left out, because it would make the result look more certain than
    it is.
    """
    kind, classes = kind_of(predictions), len(classes_of(predictions))
    predictions = predictions[predictions["truth"].notna()].reset_index(drop=True)
    cluster = pd.factorize(predictions["cluster"], sort=True)[0]
    tallied = _tallier(predictions, cluster, kind)
    counts = [
        tallied(np.asarray(rows))
        for rows in predictions.groupby(["repeat", "seed"], sort=True).indices.values()
    ]
    width = {"classes": classes * classes, "labels": 2 + 3 * classes, "numbers": 6}[kind]
    array = np.zeros((len(counts), int(cluster.max(initial=-1)) + 1, width))
    for place, count in zip(array, counts, strict=True):
        place[: len(count)] = count
    return array


def _tallier(
    predictions: pd.DataFrame, cluster: np.ndarray, kind: str
) -> Callable[[np.ndarray], np.ndarray]:
    """Row numbers → the tallies `[K, M]` of those rows."""
    if kind == "classes":
        truth, guess = codes(predictions)
        classes = len(classes_of(predictions))
        return lambda rows: statistics.confusion_tallies(
            truth[rows], guess[rows], cluster[rows], classes
        )
    added = _additive(predictions, kind)
    return lambda rows: statistics.summed(added[rows], cluster[rows])


def _additive(predictions: pd.DataFrame, kind: str) -> np.ndarray:
    """`[N, M]`: the part of each row in the sums that a metric of labels or numbers needs."""
    if kind == "labels":
        return metrics.agreements(*sets(predictions))
    return metrics.moments(*numbers(predictions))


def evaluate(
    predictions: pd.DataFrame,
    chosen: Sequence[str],
    breakdown: Mapping[str, pd.Series] | None = None,
) -> dict[str, Any]:
    """Part → metric values, values per class and per breakdown column, and notices, of one target.

    breakdown: column → its value for each row of `predictions`. A part without any truth has no
    values, and a target of numbers has no classes.
    """
    result: dict[str, Any] = {}
    for part, rows in predictions.groupby("part", sort=True):
        if rows["truth"].isna().all():
            continue
        counts = tallies(rows)
        classes, single = classes_of(rows), kind_of(rows) == "classes"
        result[str(part)] = {
            "utterances": int(rows["id"].nunique()),
            "clusters": counts.shape[1],
            "unscored": int(rows[rows["truth"].isna()]["id"].nunique()),
            "metrics": {
                name: values | _bounds(rows, counts, name)
                for name, values in _values(rows, chosen).items()
            },
            "breakdown": {
                column: _per_value(rows, values[rows.index], chosen)
                for column, values in (breakdown or {}).items()
            },
            "notices": list(notices(rows)),
            "without small classes": _without_small(rows, counts) if single else {},
            "classes": _per_class(rows, counts) if classes else {},
            "confusion": counts.sum(1).mean(0).reshape(len(classes), -1).tolist() if single else [],
        }
    return result


def measure(
    predictions: pd.DataFrame,
    chosen: Mapping[str, Sequence[str]],
    breakdown: Mapping[str, pd.Series] | None = None,
) -> dict[str, Any]:
    """Part → the numbers of the first target, with those of the other targets under `others`.

    chosen: target → its metrics.
    """
    by_target = {
        name: evaluate(predictions[predictions["target"] == name], names, breakdown)
        for name, names in chosen.items()
    }
    first = by_target.pop(next(iter(chosen)))
    for part, own in first.items():
        own["others"] = {name: parts[part] for name, parts in by_target.items() if part in parts}
    return first


def notices(rows: pd.DataFrame) -> Iterator[str]:
    """What a reader must see before any number: a model that collapsed, and in how many seeds."""
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
    several = kind_of(rows) == "labels"
    guess = sets(rows)[1] if several else np.eye(len(classes), dtype=bool)[codes(rows)[1]]
    predicted = guess.sum(0)
    never = [name for name, count in zip(classes, predicted, strict=True) if not count]
    if never:
        yield f"never predicts {', '.join(never)}"
    shares = predicted / len(rows)
    always = [name for name, share in zip(classes, shares, strict=True) if share > _COLLAPSE]
    if several and guess.any(axis=1).mean() < 1 - _COLLAPSE:
        always = ["none of the labels"]
    if always:
        yield f"predicts {', '.join(always)} for more than {_COLLAPSE:.0%} of utterances"


def _values(rows: pd.DataFrame, chosen: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Metric → its mean and spread over seeds and repeats, mean of folds, and ensemble."""
    sums = _sums_of(rows)
    by_seed = {
        f"{seed}" if not repeat else f"{seed}/{repeat}": sums(places)
        for (repeat, seed), places in _groups(rows, ["repeat", "seed"])
    }
    by_fold = [sums(places) for _, places in _groups(rows, ["fold", "seed"])]
    merged = ensemble(rows)
    of_ensemble = _sums_of(merged)(np.arange(len(merged)))
    result = {}
    for name in chosen:
        metric = metrics.find(name)
        values = np.array([float(metric(counts)) for counts in by_seed.values()])
        result[name] = {
            "mean": float(values.mean()),
            "sd": float(values.std(ddof=1)) if len(values) > 1 else None,
            "by_seed": dict(zip(by_seed, values.tolist(), strict=True)),
            "mean_of_folds": float(np.mean([float(metric(counts)) for counts in by_fold])),
            "ensemble": float(metric(of_ensemble)),
        }
    return result


def value_of(rows: pd.DataFrame, name: str) -> float:
    """The value of a metric over all rows together."""
    return float(metrics.find(name)(_sums_of(rows)(np.arange(len(rows)))))


def _sums_of(rows: pd.DataFrame) -> Callable[[np.ndarray], np.ndarray]:
    """Row numbers → the counts or moments of these rows, from which metrics are computed."""
    kind = kind_of(rows)
    if kind == "classes":
        (truth, guess), count = codes(rows), len(classes_of(rows))
        return lambda places: metrics.confusion_matrix(truth[places], guess[places], count)
    added = _additive(rows, kind)
    return lambda places: added[places].sum(0)


def _groups(rows: pd.DataFrame, columns: list[str]) -> list[tuple[tuple[Any, ...], np.ndarray]]:
    """The values of the columns, sorted, each with the numbers of its rows."""
    return sorted(rows.groupby(columns).indices.items())  # pyright: ignore[reportReturnType]


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
    classes, sums, kind = classes_of(rows), counts.sum(1), kind_of(rows)
    scored = {
        name: statistics.of_confusions(metric, len(classes)) if kind == "classes" else metric
        for name, metric in metrics.BY_CLASS[kind].items()
    }
    values = {name: score(sums).mean(0) for name, score in scored.items()}
    drawn = statistics.resampled(counts, scored["f1"])
    values["low"], values["high"] = statistics.interval(drawn, counts.shape[1])
    values["utterances"] = values.pop("support")
    return {
        label: {name: float(value[code]) for name, value in values.items()}
        for code, label in enumerate(classes)
    }


def _per_value(
    rows: pd.DataFrame, values: pd.Series, chosen: Sequence[str]
) -> dict[str, dict[str, float]]:
    """For each value of a column: accuracy first (of classes), then the chosen metrics."""
    numbers = {}
    first = ["accuracy"] if kind_of(rows) == "classes" else []
    names = [*first, *(name for name in chosen if name not in first)]
    for value, some in rows.groupby(values.fillna("unknown").to_numpy(), sort=True):
        scored = _means(some, names) if some["truth"].notna().any() else {}
        numbers[str(value)] = {"utterances": int(some["id"].nunique()), **scored}
    return numbers


def _means(rows: pd.DataFrame, names: Sequence[str]) -> dict[str, float]:
    """Metric → its mean over seeds and repeats."""
    sums = _sums_of(rows)
    by_seed = [sums(places) for _, places in _groups(rows, ["repeat", "seed"])]
    return {
        name: float(np.array([float(metrics.find(name)(counts)) for counts in by_seed]).mean())
        for name in names
    }
