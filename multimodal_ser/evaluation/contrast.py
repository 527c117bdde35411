"""Compare two sets of predictions: the gap, how certain it is, and one sentence that says it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser.evaluation import evaluate, metrics, statistics
from multimodal_ser.evaluation.predictions import classes_of, right
from multimodal_ser.types import DataError

LEVEL = 0.05


@dataclass(frozen=True)
class Contrast:
    """The gap between two models on a metric (first − second), with its interval and its p-value.

    p: from the test that exchanges whole clusters. holm: p corrected for its family of tests, None
    outside a family. equivalent: p of the two one-sided tests that the scores differ by less than a
    `margin` that was stated beforehand. mcnemar: for classes, in the first seed; it assumes
    independent utterances, so it is a convention of the field and not a claim. by_cluster: the gap
    in each cluster, where there are too few clusters for a test to mean much.
    """

    metric: str
    gap: float
    low: float
    high: float
    p: float
    mcnemar: float | None
    clusters: int
    holm: float | None = None
    by_cluster: Mapping[str, float] | None = None
    margin: float | None = None
    equivalent: float | None = None

    @property
    def few(self) -> bool:
        return self.clusters < evaluate.FEW_CLUSTERS

    @property
    def shown(self) -> bool:
        """Whether a difference is shown at the 5 % level, corrected where there is a family."""
        return (self.p if self.holm is None else self.holm) < LEVEL

    def plain(self) -> dict[str, Any]:
        return asdict(self)

    def words(self, first: str, second: str) -> str:
        """A sentence that a reviewer accepts."""
        p = f"p {_p(self.p)}" if self.holm is None else f"corrected p {_p(self.holm)}"
        certain = f"(95 % {self.low:.3f} to {self.high:.3f}, {p})"
        few = f"; few clusters ({self.clusters}), look at each of them" if self.few else ""
        if self.shown:
            return f"{self._shown_words(first, second)} {certain}{few}"
        if self.equivalent is not None and self.equivalent < LEVEL:
            near = f"are equivalent within {self.margin:g} {self.metric}, p {_p(self.equivalent)}"
            return f"{first} and {second} {near} {certain}{few}"
        if self.low > 0 or self.high < 0:
            odd = f"the interval excludes 0, the test does not {certain}"
            return f"{first} against {second}: {odd}{few}"
        if not math.isfinite(self.high - self.low):  # a single cluster bounds nothing
            return f"no difference between {first} and {second} can be shown {certain}{few}"
        widest = math.ceil(max(abs(self.low), abs(self.high)) * 1000) / 1000
        excluded = f"the interval excludes gaps above {widest:.3f} {certain}"
        return f"no difference between {first} and {second} can be shown; {excluded}{few}"

    def _shown_words(self, first: str, second: str) -> str:
        """The sentence for a difference that is shown; of an error the better model has less."""
        size, better = f"{abs(self.gap):.3f}", self.gap > 0
        if metrics.sign(self.metric) < 0:
            verb = "lowers" if better else "raises"
            return f"{first} {verb} {self.metric} by {size} against {second}"
        return f"{first} {'adds' if better else 'loses'} {size} {self.metric} over {second}"


def contrast(
    rows_of_first: pd.DataFrame, other: pd.DataFrame, metric: str, *, margin: float | None = None
) -> Contrast:
    """Compare two prediction tables of one part; they must hold the same utterances and seeds."""
    rows_of_first, other = (_aligned(rows) for rows in (rows_of_first, other))
    classes = classes_of(rows_of_first)
    _refuse_unlike(rows_of_first, other)
    first, second = evaluate.tallies(rows_of_first), evaluate.tallies(other)
    if len(first) != len(second):
        first, second = _paired(first, second)
    score = evaluate.score_of(rows_of_first, metric)
    sign = metrics.sign(metric)
    gap = sign * float((score(first.sum(1)) - score(second.sum(1))).mean())
    drawn = sign * (statistics.resampled(first, score) - statistics.resampled(second, score))
    low, high = statistics.interval(drawn, first.shape[1])
    few = first.shape[1] < evaluate.FEW_CLUSTERS
    return Contrast(
        metric=metric,
        gap=gap,
        low=float(low),
        high=float(high),
        p=statistics.swap_test(first, second, score),
        mcnemar=statistics.mcnemar(_right(rows_of_first), _right(other)) if classes else None,
        clusters=first.shape[1],
        by_cluster=_by_cluster(rows_of_first, sign * (score(first) - score(second)).mean(0))
        if few
        else None,
        margin=margin,
        equivalent=statistics.equivalence(drawn, gap, first.shape[1], margin) if margin else None,
    )


def apart(
    first: pd.DataFrame, second: pd.DataFrame, metric: str, *, margin: float | None = None
) -> Contrast:
    """Compare predictions of different utterances, where nothing can be paired.

    The clusters of both sides are resampled separately. p is that of a t test with the standard
    error of the bootstrap and the degrees of freedom of the side with fewer clusters.
    """
    sides = [evaluate.tallies(rows) for rows in (first, second)]
    scores = [evaluate.score_of(rows, metric) for rows in (first, second)]
    sign = metrics.sign(metric)
    values = [
        float(score(counts.sum(1)).mean()) for score, counts in zip(scores, sides, strict=True)
    ]
    drawn = [
        statistics.resampled(counts, score, seed=seed)
        for seed, (score, counts) in enumerate(zip(scores, sides, strict=True))
    ]
    gap, gaps = sign * (values[0] - values[1]), sign * (drawn[0] - drawn[1])
    clusters = min(counts.shape[1] for counts in sides)
    low, high = statistics.interval(gaps, clusters)
    return Contrast(
        metric=metric,
        gap=gap,
        low=float(low),
        high=float(high),
        p=statistics.difference(gaps, gap, clusters),
        mcnemar=None,
        clusters=clusters,
        margin=margin,
        equivalent=statistics.equivalence(gaps, gap, clusters, margin) if margin else None,
    )


def corrected(family: Mapping[str, Contrast]) -> dict[str, Contrast]:
    """The same contrasts with Holm's correction over all of them."""
    adjusted = statistics.holm([contrasted.p for contrasted in family.values()])
    return {
        name: replace(contrasted, holm=p)
        for (name, contrasted), p in zip(family.items(), adjusted, strict=True)
    }


def _aligned(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.sort_values(["repeat", "seed", "id"], ignore_index=True)


def _refuse_unlike(left: pd.DataFrame, right: pd.DataFrame) -> None:
    """DataError unless both have the same utterances, truth, clusters and classes."""
    keys = ["id", "truth", "cluster"]
    first, second = (
        rows[keys].astype("str").drop_duplicates().sort_values("id", ignore_index=True)
        for rows in (left, right)
    )
    if not first.equals(second):
        ids = sorted(set(first["id"]) ^ set(second["id"]))
        what = f"{len(ids)} ids are in one only, such as {ids[0]}" if ids else "truth or clusters"
        raise DataError(f"the two were not scored on the same utterances: {what}")
    if classes_of(left) != classes_of(right):
        raise DataError("the two were not scored on the same classes")


def _paired(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Both tables with the same seeds: one of a single seed is repeated for each of the other."""
    if 1 not in (len(first), len(second)):
        raise DataError(
            f"one has {len(first)} seeds and the other {len(second)}; give both the same seeds"
        )
    count = max(len(first), len(second))
    return np.repeat(first, count // len(first), 0), np.repeat(second, count // len(second), 0)


def _right(rows: pd.DataFrame) -> np.ndarray:
    """`[N]` bool of the first seed: the answer (for labels the whole set) is the truth."""
    chosen = rows[rows["seed"] == rows["seed"].min()]
    chosen = chosen[chosen["repeat"] == chosen["repeat"].min()]
    return right(chosen)


def _by_cluster(rows: pd.DataFrame, gaps: np.ndarray) -> dict[str, float]:
    names: Sequence[str] = sorted(rows["cluster"][rows["truth"].notna()].unique())
    return {str(name): float(gap) for name, gap in zip(names, gaps, strict=True)}


def _p(value: float) -> str:
    return "< 0.001" if value < 0.001 else f"{value:.3f}"
