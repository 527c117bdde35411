"""Logistic regression against scikit-learn called directly and against its own optimum."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from multimodal_ser.config.registry import build
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.types import ConfigError, DataError

RNG = np.random.default_rng(4)
X = RNG.standard_normal((90, 5)).astype(np.float32)
CODES = (X @ RNG.standard_normal((5, 3)) + RNG.gumbel(size=(90, 3))).argmax(1)
GRID = [1e-4, 1e-3, 1e-2, 0.1, 1.0, 10.0, 100.0]


def dataset(x=X, codes=CODES, classes=3, weights=None):
    part = x if sparse.issparse(x) else Ragged(torch.tensor(x), torch.ones(len(x), dtype=int))
    truth = torch.nn.functional.one_hot(torch.tensor(codes), classes).float()
    weights = None if weights is None else torch.tensor(weights)
    return Dataset({"text": part}, {"label": truth}, np.arange(x.shape[0]), weights)


def fitted(train, dev=None, **options):
    learner = build("learners", "logistic", options)
    learner.fit(train, dev, seed=0)
    return learner


def said(learner, data=None):
    return learner.predict(data or dataset())["label"]


def directly(C, x=X, codes=CODES, weights=None, at=X):
    machine = LogisticRegression(C=C, max_iter=1000).fit(x.astype(float), codes, weights)
    return machine.predict_proba(at.astype(float))


def test_the_probabilities_are_those_of_scikit_learn():
    np.testing.assert_allclose(said(fitted(dataset(), C=0.3)), directly(0.3), rtol=1e-9)


def test_the_coefficients_are_the_optimum_of_the_penalised_likelihood():
    # every derivative of C Σ w −log p(truth) + |W|² / 2 is 0; the solver ends below 1e-4 a row
    C, weights = 0.3, RNG.uniform(0.2, 3, 90)
    learner = fitted(dataset(weights=weights), C=C)
    off = weights[:, None] * (said(learner) - np.eye(3)[CODES])
    slope = X.T @ off + learner.arrays["coefficients"].T / C
    assert np.abs(slope).max() / weights.sum() < 2e-4
    assert np.abs(off.sum(0)).max() / weights.sum() < 2e-4
    assert np.abs(X.T @ off).max() / weights.sum() > 1e-2, "the penalty holds it back"


def test_weights_count_rows_as_often_as_they_say():
    counts = RNG.integers(1, 5, 90)
    found = said(fitted(dataset(weights=counts.astype(float)), C=0.3))
    np.testing.assert_allclose(found, directly(0.3, weights=counts), rtol=1e-9)
    repeated = directly(0.3, X.repeat(counts, 0), CODES.repeat(counts))
    np.testing.assert_allclose(found, repeated, atol=1e-3)
    assert not np.allclose(found, directly(0.3), atol=1e-2)


def test_two_classes_are_the_sigmoid_that_scikit_learn_fits():
    two = np.minimum(CODES, 1)
    found = said(fitted(dataset(codes=two, classes=2), C=0.3))
    np.testing.assert_allclose(found, directly(0.3, codes=two), rtol=1e-9)


@pytest.mark.parametrize("codes", [CODES + (CODES > 0), np.minimum(CODES, 1) * 3 + 1])
def test_a_class_that_is_missing_from_train_has_probability_0(codes):
    found = said(fitted(dataset(codes=codes, classes=5), C=0.3))
    present = np.unique(codes)
    np.testing.assert_allclose(found[:, present], directly(0.3, codes=codes), rtol=1e-9)
    assert (np.delete(found, present, axis=1) == 0).all()


def test_rows_of_divided_votes_are_left_out_with_their_weights():
    weights = RNG.uniform(0.2, 3, 90)
    data = dataset(weights=weights)
    data.targets["label"][::4] = torch.tensor([0.5, 0.3, 0.2])
    data.targets["label"][1::8] = 0.0
    kept = data.targets["label"].numpy().max(1) == 1
    expected = directly(0.3, X[kept], CODES[kept], weights[kept].astype(np.float64))
    np.testing.assert_allclose(said(fitted(data, C=0.3)), expected, rtol=1e-9)


@pytest.mark.parametrize("options", [{"C": 0.3}, {"C": None}])
def test_a_sparse_matrix_gives_what_the_dense_one_does(options):
    thin = X * (np.abs(X) > 1)
    dense, compressed = dataset(thin), dataset(sparse.csr_array(thin))
    found = said(fitted(compressed, compressed, **options), compressed)
    np.testing.assert_allclose(found, said(fitted(dense, dense, **options), dense), atol=1e-6)


def test_c_is_the_one_with_the_least_log_loss_on_dev():
    few, dev = slice(0, 30), slice(30, 90)
    losses = [
        -np.log(directly(C, X[few], CODES[few], at=X[dev])[np.arange(60), CODES[dev]]).mean()
        for C in GRID
    ]
    chosen = GRID[int(np.argmin(losses))]
    assert 1e-4 < chosen < 100, "an end of the grid would prove little"
    learner = fitted(dataset(X[few], CODES[few]), dataset(X[dev], CODES[dev]), C=None)
    assert [row["C"] for row in learner.tried] == pytest.approx(GRID)
    np.testing.assert_allclose([row["loss"] for row in learner.tried], losses, rtol=1e-7)
    np.testing.assert_allclose(said(learner), directly(chosen, X[few], CODES[few]), rtol=1e-9)


def test_the_log_loss_on_dev_honours_its_weights_and_skips_classes_that_train_lacks():
    weights = RNG.uniform(0.1, 5, 90)
    train = dataset(X[CODES < 2], CODES[CODES < 2])
    learner = fitted(train, dataset(weights=weights), C=None)
    for row in learner.tried:
        scores = directly(row["C"], X[CODES < 2], CODES[CODES < 2], at=X[CODES < 2])
        losses = -np.log(scores[np.arange(len(scores)), CODES[CODES < 2]])
        expected = (losses * weights[CODES < 2]).sum() / weights[CODES < 2].sum()
        assert row["loss"] == pytest.approx(expected, rel=1e-6)


def test_a_given_c_looks_at_no_dev_part():
    learner = fitted(dataset(), dataset(X[:5] * 9, (CODES[:5] + 1) % 3), C=0.3)
    np.testing.assert_allclose(said(learner), directly(0.3), rtol=1e-9)
    assert learner.tried == []


def test_c_cannot_be_chosen_without_a_dev_part():
    with pytest.raises(ConfigError, match=r"no dev part .* set C, or keep a dev part"):
        fitted(dataset(), C=None)


def test_c_cannot_be_chosen_on_classes_that_train_lacks():
    train = dataset(X[CODES < 2], CODES[CODES < 2])
    with pytest.raises(DataError, match="none of the 90 dev rows has a single class that is in"):
        fitted(train, dataset(codes=np.full(90, 2)), C=None)


def test_one_class_is_not_enough():
    with pytest.raises(DataError, match="the training part has 1 class; logistic needs two"):
        fitted(dataset(codes=np.zeros(90, int)))


def test_no_labelled_row_is_not_enough():
    data = dataset()
    data.targets["label"][:] = 0.0
    with pytest.raises(DataError, match="the training part has 0 class"):
        fitted(data)


@pytest.mark.parametrize("options", [{"C": 10.0}, {"C": None}])
def test_a_fit_that_has_not_converged_is_an_error_that_says_what_to_do(options):
    with pytest.raises(DataError, match=r"has not converged in 2 steps; .* raise max_iter"):
        fitted(dataset(), dataset(), max_iter=2, **options)


@pytest.mark.parametrize("codes", [CODES, np.minimum(CODES, 1) * 2])
def test_the_state_brings_back_every_probability_and_no_code(codes):
    learner = fitted(dataset(codes=codes, classes=4), dataset(codes=codes, classes=4), C=None)
    state = learner.state()
    assert set(state) == {"weights.safetensors", "tried.json"}
    again = build("learners", "logistic", {})
    again.load_state(state)
    np.testing.assert_array_equal(said(again), said(learner))
    assert again.tried == learner.tried
