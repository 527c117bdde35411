"""The opinions of several models on the same utterances, made one.

They are merged by a rule (mean, max, vote), or as weights or a stacking learned on dev (`fit`).
On dev itself, each cluster is judged by what was learned on the others (`cross_fitted`). Nothing
here knows of folds and seeds: each of them learns for itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.optimize import minimize, nnls
from scipy.special import softmax
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from multimodal_ser.corpus.clusters import deal
from multimodal_ser.corpus.label_sets import EVEN
from multimodal_ser.evaluation.metrics import best_thresholds
from multimodal_ser.types import DataError

PARTS = 5


def fit(how: str, opinions: Opinions, truth: np.ndarray) -> Fit:
    """Learn weights or a stacking on the rows of truth `[N, C]` that are known (not NaN)."""
    rows = has_truth(truth)
    opinions, truth = opinions.of(rows), truth[rows]
    fitted = _FITS[how, opinions.kind](opinions, truth)
    if opinions.cuts is None:
        return fitted
    best = best_thresholds(truth, merged(how, opinions, fitted)[0])
    return fitted.model_copy(update={"thresholds": best.tolist()})


def cross_fitted(
    how: str, opinions: Opinions, truth: np.ndarray, cluster: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """As `merged`, each cluster by what was learned on others; two must have some truth."""
    part = _parts(cluster, has_truth(truth))
    scores = np.zeros(opinions.scores.shape[1:])
    cuts = None if opinions.cuts is None else np.zeros(scores.shape)
    for number in np.unique(part):
        held = part == number
        learned = fit(how, opinions.of(~held), truth[~held])
        scores[held], own = merged(how, opinions.of(held), learned)
        if cuts is not None:
            cuts[held] = own
    return scores, cuts


def has_truth(truth: np.ndarray) -> np.ndarray:
    """`[N]` bool: the utterances of which something is known."""
    return np.array(~np.isnan(truth).all(axis=1))


def _parts(cluster: np.ndarray, taught: np.ndarray) -> np.ndarray:
    """`[N]`: the part of each utterance, whole clusters dealt out by their size alone.

    Not by what is true of them: what is said of a cluster must not depend on its truth at all.
    """
    names, codes = np.unique(cluster[taught], return_inverse=True)
    count = min(PARTS, len(names))
    dealt = deal(codes, np.zeros_like(codes), np.full(count, 1 / count), seed=0)
    part_of = dict(zip(cluster[taught], dealt, strict=True))
    return np.array([part_of.get(name, 0) for name in cluster])


def _likeliest(opinions: Opinions, truth: np.ndarray) -> Fit:
    """The shares of the members that make what is known the most probable."""
    probable = np.where(truth == 1, opinions.scores, 1 - opinions.scores)
    counted = truth == (1 if opinions.kind == "classes" else truth)
    likelihoods = np.maximum(probable[:, counted], LEAST)
    members = len(likelihoods)

    def loss(shares: np.ndarray) -> tuple[float, np.ndarray]:
        whole = shares @ likelihoods
        return -float(np.log(whole).mean()), -(likelihoods / whole).mean(axis=1)

    solution = minimize(
        loss,
        np.full(members, 1 / members),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda weights: weights.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-10, "maxiter": 1000},
    )
    if not solution.success:
        raise DataError(f"no weights were found ({solution.message})")
    return _shares(solution.x)


def _nearest(opinions: Opinions, truth: np.ndarray) -> Fit:
    """The shares of the members with the least squared error.

    Shares s of sum 1 and without a negative one leave the error E s, where E `[N, M]` are the
    members' own. What makes |E u|² + (sum u − 1)² least without a negative one is u = c s for the
    best s and some c > 0, whatever the unit of E, so non-negative least squares finds it exactly.
    """
    off = (opinions.scores - truth)[:, :, 0].T
    off = off / (np.linalg.norm(off, axis=0).min() or 1.0)
    system = np.concatenate([off, np.ones((1, off.shape[1]))])
    return _shares(nnls(system, np.append(np.zeros(len(off)), 1.0))[0])


def _shares(raw: np.ndarray) -> Fit:
    positive = np.clip(raw, 0, None)
    return Fit(weights=(positive / positive.sum()).tolist())


def _stack_classes(opinions: Opinions, truth: np.ndarray) -> Fit:
    codes = truth.argmax(axis=1)
    if len(np.unique(codes)) < 2:
        raise DataError("a part of dev that it is fitted on holds a single class")
    return Fit(regressions=[_logistic(logs(opinions.scores), codes)])


def _stack_labels(opinions: Opinions, truth: np.ndarray) -> Fit:
    """A regression for each label."""
    labels = truth.astype(np.int64).T
    regressions = [
        _logistic(odds(opinions.scores[:, :, [at]]), codes) for at, codes in enumerate(labels)
    ]
    return Fit(regressions=regressions)


def _stack_numbers(opinions: Opinions, truth: np.ndarray) -> Fit:
    """Ridge in units of the truth, so that its penalty (1) means the same on every scale."""
    centre, spread = float(truth.mean()), float(truth.std()) or 1.0
    x = (opinions.scores[:, :, 0].T - centre) / spread
    machine: Any = Ridge(alpha=1.0).fit(x, (truth[:, 0] - centre) / spread)
    slopes = machine.coef_
    intercept = centre * (1 - slopes.sum()) + spread * machine.intercept_
    numbers = Regression(coefficients=[slopes.tolist()], intercepts=[float(intercept)], known=[0])
    return Fit(regressions=[numbers])


def _logistic(x: np.ndarray, codes: np.ndarray) -> Regression:
    """Multinomial, penalised by half the squared weights; a code that stands alone is certain."""
    present = np.unique(codes).tolist()
    if len(present) == 1:
        return Regression(coefficients=[[0.0] * x.shape[1]], intercepts=[0.0], known=present)
    machine: Any = LogisticRegression(C=1.0, solver="newton-cholesky", tol=1e-8)
    with warnings.catch_warnings():
        warnings.simplefilter("error", ConvergenceWarning)
        try:
            machine.fit(x, codes)
        except ConvergenceWarning:
            raise DataError("the regression has not converged") from None
    slopes, intercepts = machine.coef_, machine.intercept_
    if len(intercepts) == 1:  # two codes: the second against 0
        slopes = np.concatenate([np.zeros_like(slopes), slopes])
        intercepts = np.concatenate([np.zeros(1), intercepts])
    return Regression(coefficients=slopes.tolist(), intercepts=intercepts.tolist(), known=present)


_FITS: dict[tuple[str, str], Callable[[Opinions, np.ndarray], Fit]] = {
    ("weights", "classes"): _likeliest,
    ("weights", "labels"): _likeliest,
    ("weights", "numbers"): _nearest,
    ("stacking", "classes"): _stack_classes,
    ("stacking", "labels"): _stack_labels,
    ("stacking", "numbers"): _stack_numbers,
}


LEARNED = ("weights", "stacking")
_LEAN = 1e-3  # of a vote, towards the mean: it settles ties and can turn no vote
LEAST = 1e-6  # probability, so that its logarithm is finite


@dataclass(frozen=True)
class Opinions:
    """What members say of the same utterances of one target of a kind.

    scores `[M, N, C]`: by member, utterance and class (of numbers C = 1). cuts: of labels, the
    probability from which on each is one, of the same shape.
    """

    kind: str
    scores: np.ndarray
    cuts: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> Opinions:
        """Some utterances."""
        cuts = None if self.cuts is None else self.cuts[:, rows]
        return replace(self, scores=self.scores[:, rows], cuts=cuts)


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Regression(_Plain):
    """coefficients `[K, D]` and intercepts `[K]` of the K codes that were true of something."""

    coefficients: list[list[float]]
    intercepts: list[float]
    known: list[int]

    def linear(self, x: np.ndarray) -> np.ndarray:
        """`[N, K]`."""
        return x @ np.array(self.coefficients).T + np.array(self.intercepts)

    def probabilities(self, x: np.ndarray, codes: int) -> np.ndarray:
        """`[N, codes]`: 0 for a code that was never true."""
        filled = np.zeros((len(x), codes))
        filled[:, self.known] = softmax(self.linear(x), axis=1)
        return filled


class Fit(_Plain):
    """What was learned to merge one target; empty for a rule.

    weights: a share for each member. regressions: one, or of labels one for each of them.
    thresholds: of labels.
    """

    weights: list[float] = []
    regressions: list[Regression] = []
    thresholds: list[float] = []

    def counts(self, members: int) -> list[float]:
        """How much each member counts: its weight, or what a stacking makes of the log-probability
        of a class for that class (of a label's log-odds for it, of a number), the mean over them.
        """
        if self.weights:
            return self.weights
        own = [_own(regression, members) for regression in self.regressions]
        return np.mean(own, axis=0).tolist()


def _own(regression: Regression, members: int) -> np.ndarray:
    """`[M]`: the slopes of each code for what is said of itself, between the codes centred."""
    slopes = np.array(regression.coefficients)
    if slopes.shape == (1, members):
        return slopes[0]
    if slopes.shape[1] == members:
        return slopes[1] - slopes[0]
    slopes = (slopes - slopes.mean(axis=0)).reshape(len(slopes), members, -1)
    return np.mean(
        [row[:, code] for row, code in zip(slopes, regression.known, strict=True)], axis=0
    )


RULE = Fit()


def merged(how: str, opinions: Opinions, fit: Fit = RULE) -> tuple[np.ndarray, np.ndarray | None]:
    """Scores `[N, C]`, and of labels their thresholds `[N, C]`."""
    scores = _RULES[how](opinions, fit)
    if opinions.cuts is None:
        return scores, None
    return scores, np.broadcast_to(thresholds(how, opinions.cuts, fit), scores.shape)


def thresholds(how: str, cuts: np.ndarray, fit: Fit = RULE) -> np.ndarray:
    """From which score on a label is one: what was learned, else as the scores were merged.

    cuts: those of the members, `[M, …, C]`.
    """
    if fit.thresholds:
        return np.array(fit.thresholds)
    return cuts.mean(axis=0) if how in ("mean", "max") else np.full(cuts.shape[1:], EVEN)


def _mean(opinions: Opinions, fit: Fit) -> np.ndarray:
    return opinions.scores.mean(axis=0)


def _max(opinions: Opinions, fit: Fit) -> np.ndarray:
    """Of classes it is scaled to add up to 1 again."""
    highest = opinions.scores.max(axis=0)
    return highest / highest.sum(axis=1, keepdims=True) if opinions.kind == "classes" else highest


def _vote(opinions: Opinions, fit: Fit) -> np.ndarray:
    """The shares of the votes, a thousandth of them given to the mean probabilities.

    Of labels each member says yes or no to each, and a tie is a yes where the mean probability is
    not below the mean threshold.
    """
    mean = opinions.scores.mean(axis=0)
    if opinions.cuts is not None:
        votes, lean = opinions.scores >= opinions.cuts, (1 + mean - opinions.cuts.mean(axis=0)) / 2
    else:
        votes, lean = np.eye(mean.shape[1])[opinions.scores.argmax(axis=2)], mean
    return (1 - _LEAN) * votes.mean(axis=0) + _LEAN * lean


def _weighted(opinions: Opinions, fit: Fit) -> np.ndarray:
    return np.tensordot(np.array(fit.weights), opinions.scores, axes=1)


def _stacked(opinions: Opinions, fit: Fit) -> np.ndarray:
    if opinions.kind == "numbers":
        return fit.regressions[0].linear(opinions.scores[:, :, 0].T)
    if opinions.kind == "classes":
        return fit.regressions[0].probabilities(logs(opinions.scores), opinions.scores.shape[2])
    columns = [
        regression.probabilities(odds(opinions.scores[:, :, [place]]), 2)[:, 1]
        for place, regression in enumerate(fit.regressions)
    ]
    return np.stack(columns, axis=1)


_RULES: dict[str, Callable[[Opinions, Fit], np.ndarray]] = {
    "mean": _mean,
    "max": _max,
    "vote": _vote,
    "weights": _weighted,
    "stacking": _stacked,
}
HOW = tuple(_RULES)


def logs(scores: np.ndarray) -> np.ndarray:
    """`[N, M C]`: the log-probability of every class by every member."""
    logs = np.log(np.maximum(scores, LEAST))
    return logs.transpose(1, 0, 2).reshape(scores.shape[1], -1)


def odds(scores: np.ndarray) -> np.ndarray:
    """`[N, M]`: the log-odds of one label by every member."""
    return logs(scores) - logs(1 - scores)
