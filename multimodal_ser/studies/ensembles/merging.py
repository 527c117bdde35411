"""Merge the scores of several models for the same utterances.

They are merged by a rule (mean, max, vote), or by weights or a stacking that is learned on dev
(`fit`). On dev itself, each cluster gets scores from what was learned on the other clusters
(`cross_fitted`). Folds and seeds are unknown here: each of them is learned for itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy  # its parts are imported when they are first used
from pydantic import BaseModel, ConfigDict

from multimodal_ser.corpus.clusters import deal
from multimodal_ser.corpus.label_sets import EVEN
from multimodal_ser.evaluation.metrics import best_thresholds
from multimodal_ser.types import DataError

PARTS = 5


def fit(how: str, opinions: Opinions, truth: np.ndarray) -> Fit:
    """Learn weights or a stacking on the rows whose truth `[N, C]` is known (not NaN)."""
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
    """As `merged`, each cluster by what was learned on others; two clusters need a truth."""
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
    """`[N]` bool: the utterances with some known truth."""
    return np.array(~np.isnan(truth).all(axis=1))


def _parts(cluster: np.ndarray, taught: np.ndarray) -> np.ndarray:
    """The part of each utterance `[N]`: whole clusters are dealt out by their size alone.

    Their truth is not used, because the scores of a cluster must not depend on its own truth.
    """
    names, codes = np.unique(cluster[taught], return_inverse=True)
    count = min(PARTS, len(names))
    dealt = deal(codes, np.zeros_like(codes), np.full(count, 1 / count), seed=0)
    part_of = dict(zip(cluster[taught], dealt, strict=True))
    return np.array([part_of.get(name, 0) for name in cluster])


def _likeliest(opinions: Opinions, truth: np.ndarray) -> Fit:
    """The shares of the members that give the known truth the highest probability."""
    probable = np.where(truth == 1, opinions.scores, 1 - opinions.scores)
    counted = truth == (1 if opinions.kind == "classes" else truth)
    likelihoods = np.maximum(probable[:, counted], LEAST)
    members = len(likelihoods)

    def loss(shares: np.ndarray) -> tuple[float, np.ndarray]:
        whole = shares @ likelihoods
        return -float(np.log(whole).mean()), -(likelihoods / whole).mean(axis=1)

    solution = scipy.optimize.minimize(
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
    return _shares(scipy.optimize.nnls(system, np.append(np.zeros(len(off)), 1.0))[0])


def _shares(raw: np.ndarray) -> Fit:
    positive = np.clip(raw, 0, None)
    return Fit(weights=(positive / positive.sum()).tolist())


def _stack_classes(opinions: Opinions, truth: np.ndarray) -> Fit:
    codes = truth.argmax(axis=1)
    if len(np.unique(codes)) < 2:
        raise DataError("a part of dev that it is fitted on holds a single class")
    return Fit(regressions=[_logistic(logs(opinions.scores), codes)])


def _stack_labels(opinions: Opinions, truth: np.ndarray) -> Fit:
    """One logistic regression for each label."""
    labels = truth.astype(np.int64).T
    regressions = [
        _logistic(odds(opinions.scores[:, :, [at]]), codes) for at, codes in enumerate(labels)
    ]
    return Fit(regressions=regressions)


def _stack_numbers(opinions: Opinions, truth: np.ndarray) -> Fit:
    """Ridge regression in units of the truth; its penalty (1) is the same on every scale."""
    from sklearn.linear_model import Ridge  # only an ensemble that learns waits for it

    centre, spread = float(truth.mean()), float(truth.std()) or 1.0
    x = (opinions.scores[:, :, 0].T - centre) / spread
    machine: Any = Ridge(alpha=1.0).fit(x, (truth[:, 0] - centre) / spread)
    slopes = machine.coef_
    intercept = centre * (1 - slopes.sum()) + spread * machine.intercept_
    numbers = Regression(coefficients=[slopes.tolist()], intercepts=[float(intercept)], known=[0])
    return Fit(regressions=[numbers])


def _logistic(x: np.ndarray, codes: np.ndarray) -> Regression:
    """Multinomial logistic regression with half the squared weights as penalty.

    Where only one code occurs, it is certain.
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

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
    """The scores of all members for the same utterances of one target.

    scores `[M, N, C]`: by member, utterance and class (C = 1 for numbers). cuts: for labels the
    thresholds, of the same shape.
    """

    kind: str
    scores: np.ndarray
    cuts: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> Opinions:
        """The opinions of some utterances."""
        cuts = None if self.cuts is None else self.cuts[:, rows]
        return replace(self, scores=self.scores[:, rows], cuts=cuts)


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Regression(_Plain):
    """coefficients `[K, D]` and intercepts `[K]` for the K codes that occurred in the truth."""

    coefficients: list[list[float]]
    intercepts: list[float]
    known: list[int]

    def linear(self, x: np.ndarray) -> np.ndarray:
        """The linear scores `[N, K]`."""
        return x @ np.array(self.coefficients).T + np.array(self.intercepts)

    def probabilities(self, x: np.ndarray, codes: int) -> np.ndarray:
        """The probabilities `[N, codes]`; 0 for a code that did not occur."""
        filled = np.zeros((len(x), codes))
        filled[:, self.known] = scipy.special.softmax(self.linear(x), axis=1)
        return filled


class Fit(_Plain):
    """What was learned in order to merge one target; empty for a rule.

    weights: the share of each member. regressions: one, or for labels one for each label.
    thresholds: for labels.
    """

    weights: list[float] = []
    regressions: list[Regression] = []
    thresholds: list[float] = []

    def counts(self, members: int) -> list[float]:
        """The weight of each member.

        For a stacking it is the mean coefficient of the log-probability of a class for that class,
        of the log-odds of a label for that label, or of a number.
        """
        if self.weights:
            return self.weights
        own = [_own(regression, members) for regression in self.regressions]
        return np.mean(own, axis=0).tolist()


def _own(regression: Regression, members: int) -> np.ndarray:
    """`[M]`: the mean coefficient of each code for itself, centred over the codes."""
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
    """The merged scores `[N, C]`, and for labels their thresholds `[N, C]`."""
    scores = _RULES[how](opinions, fit)
    if opinions.cuts is None:
        return scores, None
    return scores, np.broadcast_to(thresholds(how, opinions.cuts, fit), scores.shape)


def thresholds(how: str, cuts: np.ndarray, fit: Fit = RULE) -> np.ndarray:
    """The thresholds of labels: those that were learned, else those of the members, merged.

    cuts: the thresholds of the members, `[M, …, C]`; they are merged as the scores are.
    """
    if fit.thresholds:
        return np.array(fit.thresholds)
    return cuts.mean(axis=0) if how in ("mean", "max") else np.full(cuts.shape[1:], EVEN)


def _mean(opinions: Opinions, fit: Fit) -> np.ndarray:
    return opinions.scores.mean(axis=0)


def _max(opinions: Opinions, fit: Fit) -> np.ndarray:
    """The highest score of each class; classes are scaled to a sum of 1."""
    highest = opinions.scores.max(axis=0)
    return highest / highest.sum(axis=1, keepdims=True) if opinions.kind == "classes" else highest


def _vote(opinions: Opinions, fit: Fit) -> np.ndarray:
    """The shares of the votes, with a thousandth of the weight on the mean probabilities.

    For labels each member votes yes or no for each label. A tie is a yes where the mean probability
    reaches the mean threshold.
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
    """The log-probability of every class by every member, `[N, M C]`."""
    logs = np.log(np.maximum(scores, LEAST))
    return logs.transpose(1, 0, 2).reshape(scores.shape[1], -1)


def odds(scores: np.ndarray) -> np.ndarray:
    """The log-odds of one label by every member, `[N, M]`."""
    return logs(scores) - logs(1 - scores)
