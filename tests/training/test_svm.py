"""The machine against scikit-learn called directly, and cuts for its sigmoids that share nobody."""

import numpy as np
import pytest
import torch
from scipy import sparse
from sklearn.calibration import CalibratedClassifierCV
from sklearn.svm import SVC, LinearSVC

from multimodal_ser.config.read import check
from multimodal_ser.config.registry import build
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training.learners import svm
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.tones import tones_config

RNG = np.random.default_rng(4)
X = RNG.standard_normal((90, 5)).astype(np.float32) * [1, 2, 3, 0.5, 1]
X = X.astype(np.float32)
CODES = (X @ RNG.standard_normal((5, 3)) + RNG.gumbel(size=(90, 3))).argmax(1)
CLUSTERS = np.arange(90) % 9


def dataset(x=X, codes=CODES, classes=3, weights=None, clusters=CLUSTERS):
    part = x if sparse.issparse(x) else Ragged(torch.tensor(x), torch.ones(len(x), dtype=int))
    truth = torch.nn.functional.one_hot(torch.tensor(codes), classes).float()
    weights = None if weights is None else torch.tensor(weights)
    return Dataset({"text": part}, {"label": truth}, clusters, weights)


def fitted(train, **options):
    learner = build("learners", "svm", options)
    learner.fit(train, None, seed=0)
    return learner


def said(learner, data=None):
    return learner.predict(data or dataset())["label"]


def raised(margins):
    shares = np.exp(margins)
    return shares / shares.sum(1, keepdims=True)


@pytest.mark.parametrize(
    ("options", "machine"),
    [
        ({}, LinearSVC(C=1.0, random_state=0)),
        ({"C": 0.1}, LinearSVC(C=0.1, random_state=0)),
        ({"kernel": "rbf"}, SVC(gamma=1 / (5 * X.var()))),
        ({"kernel": "rbf", "gamma": "scale"}, SVC(gamma=1 / (5 * X.var()))),
        ({"kernel": "rbf", "gamma": "auto"}, SVC(gamma=1 / 5)),
        ({"kernel": "rbf", "gamma": 0.7, "C": 10.0}, SVC(gamma=0.7, C=10.0)),
    ],
)
def test_the_scores_of_margins_are_a_softmax_of_scikit_learns(options, machine):
    margins = machine.fit(X, CODES).decision_function(X)
    found = said(fitted(dataset(), scores="margin", **options))
    np.testing.assert_allclose(found, raised(margins), rtol=1e-6)


def test_a_number_for_gamma_may_be_written_as_yaml_reads_it():
    found = said(fitted(dataset(), kernel="rbf", gamma="1e-2", scores="margin"))
    margins = SVC(gamma=0.01).fit(X, CODES).decision_function(X)
    np.testing.assert_allclose(found, raised(margins), rtol=1e-6)


@pytest.mark.parametrize("gamma", ["scale", "auto", 0.5])
def test_a_linear_machine_with_a_gamma_is_refused_before_anything_runs(gamma, tmp_path):
    learner = {"name": "svm", "gamma": gamma}
    config = tones_config(tmp_path, learner=learner, fusion=None)
    with pytest.raises(ConfigError, match="learner: a linear machine has no gamma; leave it out"):
        check(config)
    assert check(config | {"learner": learner | {"kernel": "rbf"}}).learner.options["C"] == 1


def test_two_classes_are_judged_by_one_margin_in_both_directions():
    two = np.minimum(CODES, 1)
    margin = LinearSVC(random_state=0).fit(X, two).decision_function(X)
    found = said(fitted(dataset(codes=two, classes=2), scores="margin"))
    np.testing.assert_allclose(found, raised(np.stack([-margin, margin], 1)), rtol=1e-6)


def test_probabilities_are_sigmoids_fitted_on_parts_that_share_no_cluster():
    parts = svm.cluster_parts(CODES, CLUSTERS)
    assert len(parts) == 3
    for train, held in parts:
        assert not set(CLUSTERS[train]) & set(CLUSTERS[held])
    expected = CalibratedClassifierCV(SVC(), cv=parts, ensemble=False).fit(X, CODES)
    found = said(fitted(dataset(), kernel="rbf"))
    np.testing.assert_allclose(found, expected.predict_proba(X), rtol=1e-9)


def test_each_part_of_the_sigmoids_trains_every_class_however_few_clusters_hold_it():
    seen = 0
    for seed in range(300):
        generator = np.random.default_rng(seed)
        clusters = generator.integers(0, 6, 40)
        codes = np.where(generator.random(40) < 0.9, clusters // 2, generator.integers(0, 3, 40))
        if any(len(np.unique(clusters[codes == code])) < 2 for code in np.unique(codes)):
            continue
        seen += 1
        held = []
        for train, rest in svm.cluster_parts(codes, clusters):
            assert set(codes[train]) == set(codes)
            held.extend(rest)
        assert sorted(held) == list(range(40)), "each row is held out once"
    assert seen > 200


def test_a_class_of_one_speaker_has_no_probability_but_a_margin():
    alone = dataset(clusters=np.where(CODES == 2, 0, CLUSTERS))
    with pytest.raises(DataError, match=r"every class in two speakers .*scores: margin"):
        fitted(alone)
    assert said(fitted(alone, scores="margin")).shape == (90, 3)


def test_weights_become_those_of_the_classes():
    weights = np.array([1.0, 4.0, 0.5])
    found = said(fitted(dataset(weights=weights[CODES]), scores="margin"))
    machine = LinearSVC(random_state=0, class_weight=dict(enumerate(weights))).fit(X, CODES)
    np.testing.assert_allclose(found, raised(machine.decision_function(X)), rtol=1e-6)
    assert not np.allclose(found, said(fitted(dataset(), scores="margin")), atol=1e-2)


def test_rows_of_divided_votes_are_left_out():
    data = dataset()
    data.targets["label"][::4] = torch.tensor([0.5, 0.3, 0.2])
    kept = data.targets["label"].numpy().max(1) == 1
    machine = LinearSVC(random_state=0).fit(X[kept], CODES[kept])
    found = said(fitted(data, scores="margin"))
    np.testing.assert_allclose(found, raised(machine.decision_function(X)), rtol=1e-6)


@pytest.mark.parametrize("scores", ["probability", "margin"])
@pytest.mark.parametrize("kernel", ["linear", "rbf"])
def test_the_state_brings_back_every_score_and_a_second_fit_is_like_the_first(kernel, scores):
    data = dataset(codes=CODES * 2, classes=6)
    learner = fitted(data, kernel=kernel, scores=scores)
    found = said(learner)
    assert not found[:, [1, 3, 5]].any(), "classes that train lacks"
    again = build("learners", "svm", {"kernel": kernel, "scores": scores})
    again.load_state(learner.state())
    np.testing.assert_array_equal(said(again), found)
    learner.fit(data, None, seed=0)
    np.testing.assert_array_equal(said(learner), found)
