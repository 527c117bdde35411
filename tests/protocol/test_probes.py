"""Lookups without a model, on tables small enough to count by hand."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.corpus.targets import of_classes, of_numbers
from multimodal_ser.protocol.probes import (
    NOTHING,
    gain,
    guessed,
    lookup,
    mean_lookup,
    probes,
    siblings,
    tie_range,
)
from multimodal_ser.types import Fold


def table(labels, group):
    return pd.DataFrame({"label": labels, "group": group}).astype("str")


def target(frame):
    return of_classes("label", frame["label"], ["anger", "joy"])


def fold(train, dev=(), test=(), number=0):
    parts = {"train": train, "dev": dev, "test": test}
    return Fold(number, 0, {name: np.array(rows, np.int64) for name, rows in parts.items()})


HALVES = fold(train=[0, 1, 2], test=[3, 4, 5])


def test_a_lookup_gives_the_commonest_label_of_the_key_in_train():
    keys = pd.factorize(pd.Series(["x", "x", "x", "y", "x", "y"]))[0]
    labels = np.array([0, 1, 1, 0, 0, 2])
    assert lookup(keys, labels, np.arange(4), np.array([4, 5])).tolist() == [1, 0]


def test_a_tie_goes_to_the_label_seen_first():
    keys = pd.factorize(pd.Series(["x", "x", "y", "y", "x", "y"]))[0]
    labels = np.array([2, 0, 0, 2, 1, 1])
    assert lookup(keys, labels, np.arange(4), np.array([4, 5])).tolist() == [2, 0]


def test_an_unknown_or_missing_key_gets_the_majority_of_train():
    keys = pd.factorize(pd.Series(["x", None, "y", "new", None]))[0]
    labels = np.array([2, 0, 2, 1, 1])
    assert lookup(keys, labels, np.arange(3), np.array([3, 4])).tolist() == [2, 2]


def test_a_row_without_a_label_teaches_a_lookup_nothing():
    keys = pd.factorize(pd.Series(["x", "x", "x", "y", "x"]))[0]
    labels = np.array([-1, -1, 1, 0, 0])
    assert lookup(keys, labels, np.arange(4), np.array([4])).tolist() == [1]


def test_the_probes_by_hand():
    frame = table(
        labels=["anger", "anger", "joy", "joy", "joy", "anger"],
        group=["g1", "g1", "g2", "g2", "g1", "g3"],
    )
    found = probes(frame, [HALVES], target(frame))
    # truth joy joy anger; majority: three times anger; same group: joy anger anger
    assert found == {
        "majority": pytest.approx({"macro_f1": 0.25, "uar": 0.5, "accuracy": 1 / 3}),
        "same group": pytest.approx({"macro_f1": 2 / 3, "uar": 0.75, "accuracy": 2 / 3}),
    }


def test_the_probes_know_all_that_is_not_tested_in_every_fold():
    frame = table(["anger", "anger", "joy", "joy", "joy", "anger"], ["g"] * 6)
    folds = [fold([0], dev=[2, 3, 4], test=[1, 5]), fold([2], dev=[0, 1], test=[3], number=1)]
    # the group's commonest label: joy for 1 and 5 (wrong twice), anger for 3 (wrong)
    assert probes(frame, folds, target(frame))["same group"]["accuracy"] == 0
    turned = [fold([2, 3], dev=[4, 0], test=[1, 5])]
    assert probes(frame, turned, target(frame))["majority"]["accuracy"] == 0


@pytest.mark.parametrize(
    ("ties", "expected"),
    [("first seen", 2), ("last seen", 0), ("first class", 0), ("last class", 2)],
)
def test_every_way_to_break_a_tie(ties, expected):
    keys, labels = np.zeros(4, int), np.array([2, 0, 1, 1])
    asked = np.array([2])
    assert lookup(keys, labels, np.arange(2), asked, ties).tolist() == [expected]


def test_the_range_over_ties_holds_the_probe_and_says_both_ends():
    frame = table(["anger", "joy", "anger", "joy"], ["g", "g", "h", "g"])
    found = tie_range(frame, [fold([0, 1, 2], test=[3])], target(frame))
    assert found == pytest.approx((0.0, 1.0)), "anger first: wrong; joy last: right"


def test_siblings_count_test_items_of_a_group_that_train_knows():
    frame = table(["anger", "joy", "anger", "anger", "joy", "joy"], list("abcacz"))
    assert siblings(frame, [HALVES], target(frame)) == {
        "all": (2, 3),
        "anger": (1, 1),
        "joy": (1, 2),
    }


def test_a_missing_group_is_no_sibling_of_another():
    frame = pd.DataFrame({"label": ["anger", "joy"] * 3, "group": [None] * 6})
    assert siblings(frame, [HALVES], target(frame))["all"] == (0, 3)


def test_numbers_are_looked_up_as_the_mean_of_their_key():
    keys, numbers = np.array([0, 0, 1, 0, 2, -1]), np.array([1.0, 3.0, 8.0, 0.0, 0.0, 0.0])
    found = mean_lookup(keys, numbers, np.arange(3), np.array([3, 4, 5]))
    assert found.tolist() == [2.0, 4.0, 4.0]


def test_the_probes_of_numbers_by_hand():
    frame = pd.DataFrame({"group": ["g", "g", "h", "g", "h", "h"]})
    values = of_numbers("valence", pd.Series([1.0, 3.0, 8.0, 2.0, 8.0, 8.0]))
    found = probes(frame, [HALVES], values)
    assert found["same group"] == pytest.approx({"ccc": 1.0, "pearson": 1.0, "mse": 0.0})
    assert found["mean"]["ccc"] == 0
    assert found["mean"]["mse"] == pytest.approx((4 + 16 + 16) / 3)


def test_a_gain_is_right_answers_more_or_squared_error_less():
    frame = table(["anger", "joy"], ["a", "b"])
    truth, plain, guess = np.array([0, 1, -1]), np.array([0, 0, 0]), np.array([1, 1, 0])
    better = gain(truth, guess, plain, target(frame))
    assert better[:2].tolist() == [-1, 1]
    assert np.isnan(better[2])
    numbers = of_numbers("valence", pd.Series([1.0]))
    assert gain(np.array([1.0]), np.array([2.0]), np.array([4.0]), numbers).tolist() == [8.0]


def test_nothing_is_never_known():
    frame = table(["anger", "joy", "joy", "anger"], list("abab"))
    truth, guesses, rows = guessed([fold([0, 1, 2], test=[3])], target(frame), NOTHING)
    assert (truth.tolist(), guesses.tolist(), rows.tolist()) == ([0], [1], [3])
