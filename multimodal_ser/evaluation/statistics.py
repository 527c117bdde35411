"""How certain a number is when utterances come in clusters (speakers, videos).

Everything here works on tallies: additive counts `[…, K, M]` of K clusters from which a score is
computed after summing over clusters (a flattened confusion matrix; the moments of two numbers). So
a resample of whole clusters is one matrix product, and any metric is treated alike.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import scipy  # its parts are imported when they are first used

Score = Callable[[np.ndarray], np.ndarray]  # sums `[…, M]` → values `[…]`
_EXACT = 2**14
_BLOCK = 2048
_SIMULATED = 400
_MANY, _FEWER = 5000, 400  # clusters from which on a mean is resampled less often


def confusion_tallies(
    truth: np.ndarray, guess: np.ndarray, clusters: np.ndarray, classes: int
) -> np.ndarray:
    """`[K, C·C]`: each cluster's confusion matrix; codes `[N]`, a truth of −1 is not scored."""
    scored = truth >= 0
    count = int(clusters.max(initial=-1)) + 1
    cell = truth.astype(np.int64) * classes + guess
    flat = clusters[scored].astype(np.int64) * classes * classes + cell[scored]
    return np.bincount(flat, minlength=count * classes * classes).reshape(count, -1)


def summed(rows: np.ndarray, clusters: np.ndarray) -> np.ndarray:
    """`[K, M]`: the sum of each cluster's rows `[N, M]`."""
    sums = np.zeros((int(clusters.max(initial=-1)) + 1, rows.shape[1]))
    np.add.at(sums, clusters, rows)
    return sums


def of_confusions(metric: Callable[[np.ndarray], np.ndarray], classes: int) -> Score:
    """A metric of confusion matrices as a score of tallies."""
    return lambda sums: metric(sums.reshape(*sums.shape[:-1], classes, classes))


def resampled(tallies: np.ndarray, score: Score, *, draws: int = 2000, seed: int = 0) -> np.ndarray:
    """`[draws, …]`: the score, averaged over seeds, of K whole clusters drawn with replacement.

    tallies: `[S, K, M]`. The draws depend on K and `seed` only. So models on the same split are
    resampled together, and their differences are paired.
    """
    seeds, count, width = tallies.shape
    generator = np.random.default_rng(seed)
    flat = tallies.transpose(1, 0, 2).reshape(count, seeds * width).astype(float)
    values = []
    for first in range(0, draws, _BLOCK):
        rows = min(_BLOCK, draws - first)
        weights = generator.multinomial(count, np.full(count, 1 / count), rows)
        values.append(score((weights @ flat).reshape(rows, seeds, width)).mean(1))
    return np.concatenate(values)


def interval(values: np.ndarray, count: int, level: float = 0.95) -> tuple[Any, Any]:
    """Expanded percentile interval of resampled values `[draws, …]` over `count` clusters.

    With few clusters the percentile interval is too narrow; its levels are moved outwards as if
    from the normal to the t distribution, with the small-sample factor (Hesterberg 2015).
    """
    if count < 2:
        return np.full(values.shape[1:], -np.inf), np.full(values.shape[1:], np.inf)
    tail = scipy.special.ndtr(
        np.sqrt(count / (count - 1)) * scipy.special.stdtrit(count - 1, (1 - level) / 2)
    )
    low, high = np.quantile(values, [tail, 1 - tail], axis=0)
    return low, high


def mean_interval(
    values: np.ndarray,
    clusters: np.ndarray,
    *,
    level: float = 0.95,
    draws: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """The interval of the mean of `values` `[N]` over cluster codes `[N]`.

    Over thousands of clusters fewer draws do: the quantiles of a mean are then nearly normal.
    """
    _, codes = np.unique(clusters, return_inverse=True)
    tallies = np.stack([np.bincount(codes, values), np.bincount(codes)], axis=1)[None]
    draws = draws if tallies.shape[1] < _MANY else min(draws, _FEWER)
    drawn = resampled(tallies, lambda sums: sums[..., 0] / sums[..., 1], draws=draws, seed=seed)
    low, high = interval(drawn, tallies.shape[1], level)
    return float(low), float(high)


def swap_test(
    left: np.ndarray, right: np.ndarray, score: Score, *, draws: int = 10_000, seed: int = 0
) -> float:
    """Two-sided p-value that two models score alike, by exchanging their outputs in whole clusters.

    left, right: tallies `[S, K, M]` of both models on the same clusters. The gap, averaged over
    seeds, is divided into the contributions of the clusters. The contribution of a cluster is half
    of the change of the gap when the models are exchanged in this cluster alone. An exchange turns
    the sign of the contribution. For accuracy and UAR, whose gaps are sums over clusters, this
    equals scoring the exchanged outputs.

    Macro-F1 is not a sum, so the remainder is shared by all clusters. The test then holds its level
    also when the two models err in different rare classes. Scoring exchanged outputs would reject a
    true null three times too often there, because mixtures of unlike models differ less than the
    models do. A cluster in which both models say the same contributes nothing, so a few lucky hits
    are no proof. Up to 2^14 exchanges all are made, otherwise random ones with the +1 correction.
    """
    influence = _influence(left.astype(float), right.astype(float), score)
    count = len(influence)
    observed = abs(influence.sum()) - 1e-12
    if 2**count <= _EXACT:
        signs = 1 - 2 * ((np.arange(2**count)[:, None] >> np.arange(count)) & 1)
        return float(np.mean(np.abs(signs @ influence) >= observed))
    generator = np.random.default_rng(seed)
    hits = 0
    for first in range(0, draws, _BLOCK):
        signs = 1 - 2 * generator.integers(0, 2, (min(_BLOCK, draws - first), count))
        hits += int((np.abs(signs @ influence) >= observed).sum())
    return (1 + hits) / (1 + draws)


def _influence(first: np.ndarray, second: np.ndarray, score: Score) -> np.ndarray:
    """`[K]`: the contribution of each cluster to the gap; their sum is the gap."""
    whole, whole_other = (model.sum(1, keepdims=True) for model in (first, second))
    gap = (score(whole) - score(whole_other)).mean()
    exchanged = score(whole - first + second) - score(whole_other - second + first)
    added = (gap - exchanged.mean(0)) / 2
    return added + (gap - added.sum()) / len(added)


def holm(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values that hold the family-wise error, in the order given."""
    order = np.argsort(p_values, kind="stable")
    factors = len(order) - np.arange(len(order))
    raised = np.maximum.accumulate(np.asarray(p_values)[order] * factors)
    adjusted = np.empty(len(order))
    adjusted[order] = np.minimum(raised, 1.0)
    return adjusted.tolist()


def mcnemar(one_right: np.ndarray, other_right: np.ndarray) -> float:
    """Exact two-sided p of McNemar's test on bool `[N]`: assumes independent utterances."""
    gained = int((one_right & ~other_right).sum())
    lost = int((~one_right & other_right).sum())
    return min(1.0, 2 * float(scipy.special.bdtr(min(gained, lost), gained + lost, 0.5)))


def equivalence(values: np.ndarray, gap: float, count: int, margin: float) -> float:
    """p that two scores are further apart than `margin`: two one-sided t tests (TOST).

    values: resampled differences; gap: the observed one; count: clusters. Below .05: equivalent.
    """
    if count < 2:
        return 1.0
    error = _error(values, count)
    if error == 0:
        return 0.0 if abs(gap) < margin else 1.0
    return float(scipy.special.stdtr(count - 1, -(margin - abs(gap)) / error))


def difference(values: np.ndarray, gap: float, count: int) -> float:
    """Two-sided p-value that two scores of different utterances are equal, by a t test.

    values: resampled differences; gap: the observed one; count: clusters of the smaller side.
    """
    if count < 2:
        return 1.0
    error = _error(values, count)
    if error == 0:
        return float(gap == 0)
    return float(2 * scipy.special.stdtr(count - 1, -abs(gap) / error))


def _error(values: np.ndarray, count: int) -> float:
    """The standard error of resampled values, with the small-sample factor of the bootstrap."""
    return float(values.std(ddof=1)) * float(np.sqrt(count / (count - 1)))


def smallest_detectable(
    sizes: Sequence[int],
    *,
    accuracy: float = 0.5,
    correlation: float = 0.3,
    power: float = 0.8,
    level: float = 0.05,
    simulations: int = 200,
    seed: int = 0,
) -> float:
    """The gap in accuracy that the swap test would find with this power, by simulation.

    sizes: utterances in each cluster. Two models whose errors have nothing in common, of which one
    is right with `accuracy` and the other with `accuracy + gap`, both correlated within a cluster;
    models that share their errors show smaller gaps. Found to 0.01; infinite where no gap up to
    `1 − accuracy` is enough. Beyond 400 clusters the gap of 400 is scaled by the square root.
    """
    if len(sizes) < 2:
        return float("inf")  # one cluster shows nothing, however wide the gap
    if len(sizes) > _SIMULATED:
        some = np.random.default_rng(seed).choice(sizes, _SIMULATED, replace=False).tolist()
        options = {"power": power, "level": level, "simulations": simulations, "seed": seed}
        gap = smallest_detectable(some, accuracy=accuracy, correlation=correlation, **options)
        return gap * float(np.sqrt(_SIMULATED / len(sizes)))
    steps = np.arange(0.01, 1 - accuracy + 1e-9, 0.01)
    low, high = 0, len(steps)
    while low < high:
        middle = (low + high) // 2
        gap = _power(sizes, accuracy, steps[middle], correlation, level, simulations, seed)
        low, high = (low, middle) if gap >= power else (middle + 1, high)
    return float(steps[low]) if low < len(steps) else float("inf")


def _power(
    sizes: Sequence[int],
    accuracy: float,
    gap: float,
    correlation: float,
    level: float,
    simulations: int,
    seed: int,
) -> float:
    """The share of simulated studies in which the swap test finds the gap."""
    generator = np.random.default_rng(seed)
    rejected = 0
    for _ in range(simulations):
        first = _simulated(sizes, accuracy, correlation, generator)
        other = _simulated(sizes, min(accuracy + gap, 1.0), correlation, generator)
        p = swap_test(first, other, lambda sums: sums[..., 0] / sums[..., 1], draws=499, seed=1)
        rejected += p < level
    return rejected / simulations


def _simulated(
    sizes: Sequence[int], rate: float, correlation: float, generator: np.random.Generator
) -> np.ndarray:
    """Tallies `[1, K, 2]` (right, all) of a model whose hits are correlated within clusters.

    A latent normal with the cluster's share of its variance equal to `correlation`.
    """
    codes = np.repeat(np.arange(len(sizes)), sizes)
    shared = generator.standard_normal(len(sizes))[codes] * np.sqrt(correlation)
    own = generator.standard_normal(len(codes)) * np.sqrt(1 - correlation)
    right = shared + own < scipy.special.ndtri(rate)
    return np.stack([np.bincount(codes, right), np.bincount(codes)], axis=1)[None]
