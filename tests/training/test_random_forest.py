"""The forest against scikit-learn called directly, and a state that holds no code."""

import numpy as np
import pytest
import skops.io
import torch
from scipy import sparse
from sklearn.ensemble import RandomForestClassifier

from multimodal_ser.config.registry import build, find, schema
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.types import ConfigError, DataError

RNG = np.random.default_rng(4)
X = RNG.standard_normal((90, 8)).astype(np.float32)  # of 8 columns the root is 2, log2 is 3
CODES = (X @ RNG.standard_normal((8, 3)) + RNG.gumbel(size=(90, 3))).argmax(1)


def dataset(x=X, codes=CODES, classes=3, weights=None):
    part = x if sparse.issparse(x) else Ragged(torch.tensor(x), torch.ones(len(x), dtype=int))
    truth = torch.nn.functional.one_hot(torch.tensor(codes), classes).float()
    weights = None if weights is None else torch.tensor(weights)
    return Dataset({"text": part}, {"label": truth}, np.arange(x.shape[0]), weights)


def fitted(train, seed=0, **options):
    learner = build("learners", "random_forest", {"trees": 20} | options)
    learner.fit(train, None, seed=seed)
    return learner


def said(learner, data=None):
    return learner.predict(data or dataset())["label"]


def directly(x=X, codes=CODES, weights=None, at=X, seed=0, **options):
    forest = RandomForestClassifier(20, random_state=seed, **options).fit(x, codes, weights)
    return forest.predict_proba(at)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({}, {}),
        ({"depth": 2}, {"max_depth": 2}),
        ({"min_leaf": 7}, {"min_samples_leaf": 7}),
        ({"max_features": "log2"}, {"max_features": "log2"}),
        ({"max_features": 1.0}, {"max_features": 1.0}),
    ],
)
def test_the_probabilities_are_those_of_scikit_learn(ours, theirs):
    found = said(fitted(dataset(), **ours))
    np.testing.assert_array_equal(found, directly(**theirs))
    assert not ours or not np.array_equal(found, directly()), "the option changes nothing here"


def test_each_seed_grows_a_forest_of_its_own():
    seeds = [said(fitted(dataset(), seed)) for seed in (0, 1)]
    np.testing.assert_array_equal(seeds[1], directly(seed=1))
    assert not np.array_equal(*seeds)


def test_weights_count_rows_and_rows_of_divided_votes_are_left_out_with_theirs():
    weights = RNG.uniform(0.2, 3, 90)
    data = dataset(weights=weights)
    data.targets["label"][::4] = torch.tensor([0.5, 0.3, 0.2])
    kept = data.targets["label"].numpy().max(1) == 1
    expected = directly(X[kept], CODES[kept], weights[kept])
    np.testing.assert_array_equal(said(fitted(data)), expected)
    assert not np.array_equal(expected, directly(X[kept], CODES[kept]))


def test_a_sparse_matrix_gives_what_the_dense_one_does():
    thin = X * (np.abs(X) > 1)
    compressed = dataset(sparse.csr_array(thin))
    found = said(fitted(compressed), compressed)
    np.testing.assert_allclose(found, said(fitted(dataset(thin)), dataset(thin)), atol=1e-12)


def test_a_class_that_is_missing_from_train_has_probability_0():
    found = said(fitted(dataset(codes=CODES * 2, classes=6)))
    np.testing.assert_array_equal(found[:, [0, 2, 4]], directly())
    assert not found[:, [1, 3, 5]].any()


def test_one_class_is_not_enough():
    with pytest.raises(DataError, match="has 1 class; random_forest needs two"):
        fitted(dataset(codes=np.zeros(90, int)))


@pytest.mark.parametrize("share", [0.0, 1.5, "all"])
def test_a_share_of_columns_is_one(share):
    with pytest.raises(ValueError, match="max_features"):
        schema(find("learners", "random_forest")).model_validate({"max_features": share})


def test_the_state_brings_back_every_probability():
    learner = fitted(dataset())
    state = learner.state()
    assert set(state) == {"machine.skops", "classes.txt"}
    again = build("learners", "random_forest", {})
    again.load_state(state)
    np.testing.assert_array_equal(said(again), said(learner))


class Foreign:
    """What no forest is made of."""


@pytest.mark.parametrize("name", ["random_forest", "svm"])
def test_a_state_of_other_types_is_refused(name):
    files = {"machine.skops": skops.io.dumps(Foreign()), "classes.txt": b"3"}
    with pytest.raises(ConfigError, match=r"types that are not trusted: .*Foreign"):
        build("learners", name, {}).load_state(files)
