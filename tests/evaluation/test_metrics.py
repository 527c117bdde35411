"""Metrics against scikit-learn, and by hand where the package's convention is its own."""

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    balanced_accuracy_score,
    f1_score,
    precision_recall_fscore_support,
    precision_score,
)
from sklearn.metrics import confusion_matrix as sklearn_confusion

from multimodal_ser.evaluation import metrics

CLASSES = 4
ORACLES = {
    "accuracy": accuracy_score,
    "uar": balanced_accuracy_score,
    "macro_f1": lambda truth, guess: f1_score(truth, guess, average="macro", zero_division=0),
    "macro_precision": lambda truth, guess: precision_score(
        truth, guess, average="macro", zero_division=0
    ),
    "weighted_f1": lambda truth, guess: f1_score(truth, guess, average="weighted", zero_division=0),
}
# truth a a a b b, predicted a a b b c, of classes a b c d: c is predicted only, d is nowhere
BY_HAND = np.array([[2, 1, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
codes = st.lists(
    st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1, max_size=30
)


def columns(pairs):
    return np.array(pairs)[:, 0], np.array(pairs)[:, 1]


@pytest.mark.parametrize("name", sorted(ORACLES))
@settings(max_examples=50, deadline=None)
@given(pairs=codes)
def test_a_class_metric_is_scikit_learns_over_the_classes_seen(name, pairs):
    truth, guess = columns(pairs)
    matrix = metrics.confusion_matrix(truth, guess, CLASSES)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # scikit-learn warns of classes that are only predicted
        expected = ORACLES[name](truth, guess)
    assert float(metrics.find(name)(matrix)) == pytest.approx(expected, abs=1e-12)


def test_every_class_metric_has_an_oracle_here():
    assert sorted(ORACLES) == sorted(metrics.CLASS_METRICS)


@settings(max_examples=50, deadline=None)
@given(pairs=codes)
def test_per_class_values_are_scikit_learns(pairs):
    truth, guess = columns(pairs)
    matrix = metrics.confusion_matrix(truth, guess, CLASSES)
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, guess, labels=range(CLASSES), zero_division=0
    )
    np.testing.assert_allclose(metrics.precision(matrix), precision)
    np.testing.assert_allclose(metrics.recall(matrix), recall)
    np.testing.assert_allclose(metrics.f1(matrix), f1)


@settings(max_examples=50, deadline=None)
@given(pairs=codes)
def test_a_confusion_matrix_has_the_truth_in_its_rows(pairs):
    truth, guess = columns(pairs)
    expected = sklearn_confusion(truth, guess, labels=range(CLASSES))
    np.testing.assert_array_equal(metrics.confusion_matrix(truth, guess, CLASSES), expected)


def test_a_row_without_truth_is_not_counted():
    matrix = metrics.confusion_matrix(np.array([0, -1, 1, -1]), np.array([0, 0, 1, 1]), 2)
    assert matrix.tolist() == [[1, 0], [0, 1]]


def test_small_integers_such_as_pandas_codes_do_not_overflow():
    codes = np.array([15, 3], np.int8)
    matrix = metrics.confusion_matrix(codes, codes, 20)
    assert np.argwhere(matrix).tolist() == [[3, 3], [15, 15]]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("accuracy", 3 / 5),
        ("uar", (2 / 3 + 1 / 2) / 2),  # c and d are not in the truth: no recall
        ("macro_f1", (4 / 5 + 2 / 4 + 0) / 3),  # c counts 0, d leaves the mean
        ("macro_precision", (1 + 1 / 2 + 0) / 3),
        ("weighted_f1", (3 * 4 / 5 + 2 * 2 / 4) / 5),
    ],
)
def test_predicted_but_absent_counts_zero_and_a_class_seen_nowhere_leaves_the_mean(name, expected):
    assert float(metrics.find(name)(BY_HAND)) == pytest.approx(expected)


@pytest.mark.parametrize("name", metrics.CLASS_METRICS)
def test_many_confusions_at_once_equal_one_by_one(name):
    stack = np.random.default_rng(0).integers(0, 4, (50, CLASSES, CLASSES))
    stack[0], stack[1] = 0, BY_HAND  # nothing scored; classes that are absent
    metric = metrics.find(name)
    one_by_one = [float(metric(matrix)) for matrix in stack]
    np.testing.assert_allclose(metric(stack), one_by_one, rtol=0, atol=1e-15)


@pytest.mark.parametrize("name", ["precision", "recall", "f1"])
def test_per_class_values_of_many_confusions_equal_one_by_one(name):
    stack = np.random.default_rng(1).integers(0, 3, (20, CLASSES, CLASSES))
    metric = getattr(metrics, name)
    np.testing.assert_array_equal(metric(stack), np.stack([metric(one) for one in stack]))


@pytest.mark.parametrize("name", metrics.CLASS_METRICS)
def test_no_order_of_the_classes_changes_a_metric(name):
    order = [2, 0, 3, 1]
    metric = metrics.find(name)
    assert float(metric(BY_HAND[order][:, order])) == pytest.approx(float(metric(BY_HAND)))


def ccc(truth, predicted):
    return float(metrics.ccc(metrics.moments(truth, predicted).sum(0)))


def mse(truth, predicted):
    return float(metrics.mse(metrics.moments(truth, predicted).sum(0)))


def test_ccc_and_mse_by_hand():
    truth, predicted = np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 5.0])
    # means 2 and 3, variances 2/3 and 2, covariance 1
    assert ccc(truth, predicted) == pytest.approx(2 * 1 / (2 / 3 + 2 + 1))
    assert mse(truth, predicted) == pytest.approx((1 + 0 + 4) / 3)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), count=st.integers(2, 40))
def test_ccc_is_lins_formula(seed, count):
    truth, predicted = np.random.default_rng(seed).normal(size=(2, count))
    covariance = np.cov(truth, predicted, ddof=0)
    distance = (truth.mean() - predicted.mean()) ** 2
    expected = 2 * covariance[0, 1] / (covariance[0, 0] + covariance[1, 1] + distance)
    assert ccc(truth, predicted) == pytest.approx(expected)


def test_ccc_falls_with_a_shift_that_correlation_does_not_see():
    truth = np.array([0.0, 1.0, 2.0, 3.0])
    assert ccc(truth, truth) == pytest.approx(1)
    assert ccc(truth, -truth + 3) == pytest.approx(-1)
    assert ccc(truth, truth + 10) < 0.05


def test_a_constant_prediction_has_no_concordance():
    constant = np.full(3, 2.0)
    assert ccc(np.array([1.0, 2.0, 3.0]), constant) == 0
    assert ccc(constant, constant) == 0


def test_pearson_is_numpys_correlation_and_0_for_a_constant():
    truth, predicted = np.random.default_rng(0).normal(size=(2, 30)) + 100
    sums = metrics.moments(truth, predicted).sum(0)
    assert metrics.pearson(sums) == pytest.approx(np.corrcoef(truth, predicted)[0, 1])
    constant = metrics.moments(truth, np.full(30, 3.3)).sum(0)
    assert (metrics.pearson(constant), metrics.ccc(constant)) == (0, 0)


def test_a_truth_that_is_not_known_has_no_moments():
    truth, predicted = np.array([1.0, np.nan, 3.0]), np.array([2.0, 9.0, 5.0])
    expected = metrics.moments(truth[[0, 2]], predicted[[0, 2]]).sum(0)
    np.testing.assert_array_equal(metrics.moments(truth, predicted).sum(0), expected)


def test_many_sums_are_scored_in_one_call():
    truth, predicted = np.random.default_rng(0).normal(size=(2, 4, 10))
    moments = np.stack(
        [metrics.moments(*pair).sum(0) for pair in zip(truth, predicted, strict=True)]
    )
    alone = [ccc(*pair) for pair in zip(truth, predicted, strict=True)]
    np.testing.assert_allclose(metrics.ccc(moments), alone)


def test_a_metric_says_what_it_scores():
    assert {metrics.kind(name) for name in metrics.CLASS_METRICS} == {"classes"}
    assert {metrics.kind(name) for name in metrics.NUMBER_METRICS} == {"numbers"}


@pytest.mark.parametrize(
    ("scores", "truth", "expected"),
    [
        ([0.1, 0.7], [0, 1], 0.5),  # as good as midway, at 0.4
        ([0.3, 0.9], [0, 1], 0.5),  # as good as midway, at 0.6
        ([0.1, 0.7], [0, 0], 0.5),  # never true
        # F1 is 2/3 for the first alone and for all four, that is from 0.575 and from 0.2 on
        ([0.6, 0.55, 0.52, 0.4], [1, 0, 0, 1], 0.575),
        # and here from 0.8 and from 0.225 on
        ([0.9, 0.7, 0.6, 0.45], [1, 0, 0, 1], 0.225),
    ],
)
def test_of_thresholds_with_equal_f1_the_one_nearest_to_a_half_is_taken(scores, truth, expected):
    found = metrics.best_thresholds(np.array([truth], float).T, np.array([scores]).T)
    np.testing.assert_allclose(found, [expected], rtol=0, atol=1e-12)


def test_only_a_listed_metric_is_found():
    assert metrics.find("uar") is metrics.uar
    assert {name for name in metrics.names() if metrics.sign(name) < 0} == {"mse"}
    with pytest.raises(KeyError, match="confusion_matrix"):
        metrics.find("confusion_matrix")
