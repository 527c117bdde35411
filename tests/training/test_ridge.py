"""Ridge regression against the closed form, and its penalty against leaving rows out for real."""

import numpy as np
import pytest
import torch
from scipy import sparse

from multimodal_ser.config.registry import build
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.types import DataError

RNG = np.random.default_rng(3)
X = RNG.standard_normal((40, 6)).astype(np.float32)
Y = X @ RNG.standard_normal(6) * 0.4 + RNG.standard_normal(40) + 2


def dataset(x=X, y=Y, weights=None, **others):
    part = x if sparse.issparse(x) else Ragged(torch.tensor(x), torch.ones(len(x), dtype=int))
    targets = {name: torch.tensor(one)[:, None] for name, one in {"valence": y, **others}.items()}
    weights = None if weights is None else torch.tensor(weights)
    return Dataset({"text": part}, targets, np.arange(x.shape[0]), weights)


def fitted(data, **options):
    learner = build("learners", "ridge", options)
    learner.fit(data, None, seed=0)
    return learner


def closed_form(x, y, alpha, weights=None):
    """Weights and intercept of the penalised least squares, the intercept unpenalised."""
    weights = np.ones(len(x)) if weights is None else weights
    wide = np.column_stack([np.ones(len(x)), x.astype(float)])
    penalty = alpha * np.diag([0.0] + [1.0] * x.shape[1])
    found = np.linalg.solve(wide.T @ (weights[:, None] * wide) + penalty, wide.T @ (weights * y))
    return found[1:], found[0]


def said(x, y, alpha, weights=None, at=X):
    coefficients, intercept = closed_form(x, y, alpha, weights)
    return at @ coefficients + intercept


def test_a_given_penalty_is_the_closed_form():
    found = fitted(dataset(), alpha=2.5).predict(dataset())["valence"]
    assert found.shape == (40, 1)
    np.testing.assert_allclose(found[:, 0], said(X, Y, 2.5), rtol=1e-6)


@pytest.mark.parametrize("options", [{}, {"alpha": 2.5}])
def test_weights_count_rows_as_often_as_they_say(options):
    counts = RNG.integers(1, 4, 40)
    learner = fitted(dataset(weights=counts.astype(float)), **options)
    alpha = learner.constants["valence"]["alpha"]
    twice = said(X.repeat(counts, 0), Y.repeat(counts), alpha)
    np.testing.assert_allclose(learner.predict(dataset())["valence"][:, 0], twice, rtol=1e-6)


def test_the_chosen_penalty_has_the_least_error_when_rows_are_left_out_one_by_one():
    grid = 10 ** np.linspace(-3, 6, 19)
    rest = [np.delete(np.arange(40), row) for row in range(40)]
    errors = [
        sum((said(X[few], Y[few], alpha, at=X[row]) - Y[row]) ** 2 for row, few in enumerate(rest))
        for alpha in grid
    ]
    learner = fitted(dataset())
    chosen = grid[np.argmin(errors)]
    assert 1e-3 < chosen < 1e6
    assert learner.constants["valence"]["alpha"] == pytest.approx(chosen)
    np.testing.assert_allclose(
        learner.predict(dataset())["valence"][:, 0], said(X, Y, chosen), rtol=1e-5
    )


@pytest.mark.parametrize("options", [{}, {"alpha": 2.5}])
def test_a_sparse_matrix_gives_what_the_dense_one_does(options):
    thin = X * (np.abs(X) > 1)
    dense = fitted(dataset(thin), **options).predict(dataset(thin))["valence"]
    data = dataset(sparse.csr_array(thin))
    np.testing.assert_allclose(fitted(data, **options).predict(data)["valence"], dense, atol=1e-5)


def test_rows_without_truth_are_left_out_of_their_own_target_only():
    gaps = Y.copy()
    gaps[::4] = np.nan
    learner = fitted(dataset(y=gaps, arousal=-Y), alpha=1.0)
    found = learner.predict(dataset())
    known = ~np.isnan(gaps)
    np.testing.assert_allclose(found["valence"][:, 0], said(X[known], Y[known], 1.0), rtol=1e-6)
    np.testing.assert_allclose(found["arousal"][:, 0], -said(X, Y, 1.0), rtol=1e-6)


def test_a_target_that_is_known_once_cannot_be_fitted():
    one = np.full(40, np.nan)
    one[3] = 2.0
    with pytest.raises(DataError, match="1 training rows have a number for 'valence'"):
        fitted(dataset(y=one))


def test_the_state_brings_back_every_number_and_no_code():
    learner = fitted(dataset(arousal=Y**2))
    state = learner.state()
    assert set(state) == {"weights.safetensors", "constants.json"}
    again = build("learners", "ridge", {})
    again.load_state(state)
    for name, scores in learner.predict(dataset()).items():
        np.testing.assert_array_equal(again.predict(dataset())[name], scores)
