"""Weights and stacking, learned on dev, and what they say of dev: of each cluster by the others.

Nothing here knows of folds and seeds: each of them learns for itself.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from scipy.optimize import minimize, nnls
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression, Ridge

from multimodal_ser.corpus.clusters import deal
from multimodal_ser.evaluation.metrics import best_thresholds
from multimodal_ser.merging import LEAST, Fit, Regression, Said, logs, merged, odds
from multimodal_ser.types import DataError

PARTS = 5


def fit(how: str, said: Said, truth: np.ndarray) -> Fit:
    """Learn weights or a stacking on the rows of truth `[N, C]` that are known (not NaN)."""
    rows = known(truth)
    said, truth = said.of(rows), truth[rows]
    found = _FITS[how, said.kind](said, truth)
    if said.cuts is None:
        return found
    best = best_thresholds(truth, merged(how, said, found)[0])
    return found.model_copy(update={"thresholds": best.tolist()})


def cross_fitted(
    how: str, said: Said, truth: np.ndarray, cluster: np.ndarray
) -> tuple[np.ndarray, np.ndarray | None]:
    """As `merged`, each cluster by what was learned on others; two must have some truth."""
    part = _parts(cluster, known(truth))
    scores = np.zeros(said.scores.shape[1:])
    cuts = None if said.cuts is None else np.zeros(scores.shape)
    for one in np.unique(part):
        held = part == one
        learned = fit(how, said.of(~held), truth[~held])
        scores[held], own = merged(how, said.of(held), learned)
        if cuts is not None:
            cuts[held] = own
    return scores, cuts


def known(truth: np.ndarray) -> np.ndarray:
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
    return np.array([part_of.get(one, 0) for one in cluster])


def _likeliest(said: Said, truth: np.ndarray) -> Fit:
    """The shares of the members that make what is known the most probable."""
    probable = np.where(truth == 1, said.scores, 1 - said.scores)
    counted = truth == (1 if said.kind == "classes" else truth)
    likelihoods = np.maximum(probable[:, counted], LEAST)
    members = len(likelihoods)

    def loss(shares: np.ndarray) -> tuple[float, np.ndarray]:
        whole = shares @ likelihoods
        return -float(np.log(whole).mean()), -(likelihoods / whole).mean(axis=1)

    found = minimize(
        loss,
        np.full(members, 1 / members),
        jac=True,
        method="SLSQP",
        bounds=[(0, 1)] * members,
        constraints={"type": "eq", "fun": lambda one: one.sum() - 1, "jac": np.ones_like},
        options={"ftol": 1e-10, "maxiter": 1000},
    )
    if not found.success:
        raise DataError(f"no weights were found ({found.message})")
    return _shares(found.x)


def _nearest(said: Said, truth: np.ndarray) -> Fit:
    """The shares of the members with the least squared error.

    Shares s of sum 1 and without a negative one leave the error E s, where E `[N, M]` are the
    members' own. What makes |E u|² + (sum u − 1)² least without a negative one is u = c s for the
    best s and some c > 0, whatever the unit of E, so non-negative least squares finds it exactly.
    """
    off = (said.scores - truth)[:, :, 0].T
    off = off / (np.linalg.norm(off, axis=0).min() or 1.0)
    system = np.concatenate([off, np.ones((1, off.shape[1]))])
    return _shares(nnls(system, np.append(np.zeros(len(off)), 1.0))[0])


def _shares(found: np.ndarray) -> Fit:
    positive = np.clip(found, 0, None)
    return Fit(weights=(positive / positive.sum()).tolist())


def _stack_classes(said: Said, truth: np.ndarray) -> Fit:
    codes = truth.argmax(axis=1)
    if len(np.unique(codes)) < 2:
        raise DataError("a part of dev that it is fitted on holds a single class")
    return Fit(regressions=[_logistic(logs(said.scores), codes)])


def _stack_labels(said: Said, truth: np.ndarray) -> Fit:
    """A regression for each label."""
    labels = truth.astype(np.int64).T
    found = [_logistic(odds(said.scores[:, :, [at]]), codes) for at, codes in enumerate(labels)]
    return Fit(regressions=found)


def _stack_numbers(said: Said, truth: np.ndarray) -> Fit:
    """Ridge in units of the truth, so that its penalty (1) means the same on every scale."""
    centre, spread = float(truth.mean()), float(truth.std()) or 1.0
    x = (said.scores[:, :, 0].T - centre) / spread
    machine: Any = Ridge(alpha=1.0).fit(x, (truth[:, 0] - centre) / spread)
    slopes = machine.coef_
    intercept = centre * (1 - slopes.sum()) + spread * machine.intercept_
    found = Regression(coefficients=[slopes.tolist()], intercepts=[float(intercept)], known=[0])
    return Fit(regressions=[found])


def _logistic(x: np.ndarray, codes: np.ndarray) -> Regression:
    """Multinomial, penalised by half the squared weights; a code that stands alone is certain."""
    found = np.unique(codes).tolist()
    if len(found) == 1:
        return Regression(coefficients=[[0.0] * x.shape[1]], intercepts=[0.0], known=found)
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
    return Regression(coefficients=slopes.tolist(), intercepts=intercepts.tolist(), known=found)


_FITS: dict[tuple[str, str], Callable[[Said, np.ndarray], Fit]] = {
    ("weights", "classes"): _likeliest,
    ("weights", "labels"): _likeliest,
    ("weights", "numbers"): _nearest,
    ("stacking", "classes"): _stack_classes,
    ("stacking", "labels"): _stack_labels,
    ("stacking", "numbers"): _stack_numbers,
}
