"""From predictions to numbers: 2 seeds, 2 folds of 3 and 1 utterances, all worked by hand."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.evaluation.evaluate import evaluate, notices
from multimodal_ser.evaluation.metrics import confusion_matrix
from multimodal_ser.evaluation.predictions import classes_of, codes
from multimodal_ser.types import DataError

# seed, fold, id, truth, score of anger: the guess is anger above 0.5
ROWS = [
    (1, 0, "u0", "anger", 0.9),
    (1, 0, "u1", "anger", 0.4),
    (1, 0, "u2", "joy", 0.2),
    (1, 1, "u3", "joy", 0.9),
    (2, 0, "u0", "anger", 0.7),
    (2, 0, "u1", "anger", 0.8),
    (2, 0, "u2", "joy", 0.1),
    (2, 1, "u3", "joy", 0.6),
]
# F1 of seed 1: ½ and ½; of seed 2: 2·2/(2+3) and 2·1/(2+1)
MACRO_F1 = [0.5, (4 / 5 + 2 / 3) / 2]


@pytest.fixture
def predictions():
    frame = pd.DataFrame(ROWS, columns=["seed", "fold", "id", "truth", "score:anger"])
    frame["score:joy"] = 1 - frame["score:anger"]
    cluster = frame["id"].map({"u0": "c0", "u1": "c0", "u2": "c1", "u3": "c2"})
    return frame.assign(part="test", repeat=0, target="label", cluster=cluster)


def guesses(*counts, classes=("anger", "joy", "fear")):
    """Predictions that say each class so many times."""
    codes = np.repeat(np.arange(len(counts)), counts)
    scores = pd.DataFrame(np.eye(len(classes))[codes], columns=[f"score:{c}" for c in classes])
    return scores.assign(truth="anger", repeat=0, seed=0)


def test_a_seed_is_scored_on_its_pooled_folds_and_the_value_is_the_mean_over_seeds(predictions):
    accuracy = evaluate(predictions, ["accuracy"])["test"]["metrics"]["accuracy"]
    assert accuracy["by_seed"] == {"1": 0.5, "2": 0.75}
    assert accuracy["mean"] == pytest.approx(0.625)
    assert accuracy["sd"] == pytest.approx(np.sqrt(2 * 0.125**2 / 1))


def test_macro_f1_is_that_of_the_pooled_folds(predictions):
    found = evaluate(predictions, ["macro_f1"])["test"]["metrics"]["macro_f1"]
    assert list(found["by_seed"].values()) == pytest.approx(MACRO_F1)
    assert found["mean"] == pytest.approx(np.mean(MACRO_F1))


def test_the_mean_of_folds_weighs_a_small_fold_as_much_as_a_large_one(predictions):
    found = evaluate(predictions, ["accuracy", "macro_f1"])["test"]["metrics"]
    # seed 1: 2 of 3 right (each class's F1 2/3), 0 of 1; seed 2: all of 3, 0 of 1
    assert found["accuracy"]["mean_of_folds"] == pytest.approx((2 / 3 + 0 + 1 + 0) / 4)
    assert found["macro_f1"]["mean_of_folds"] == pytest.approx((2 / 3 + 0 + 1 + 0) / 4)


def test_the_ensemble_averages_the_scores_of_an_utterance_over_seeds(predictions):
    # anger: u0 .8, u1 .6, u2 .15, u3 .75, so u3 alone is wrong
    accuracy = evaluate(predictions, ["accuracy"])["test"]["metrics"]["accuracy"]
    assert accuracy["ensemble"] == pytest.approx(0.75)


def test_the_ensemble_goes_by_scores_and_not_by_votes(predictions):
    third = predictions[predictions["seed"] == 1].assign(seed=3)
    third.loc[third["id"] == "u1", ["score:anger", "score:joy"]] = [0.45, 0.55]
    # u1: two votes of three for joy, yet anger has (.4 + .8 + .45) / 3
    rows = pd.concat([predictions, third])
    accuracy = evaluate(rows, ["accuracy"])["test"]["metrics"]["accuracy"]
    assert accuracy["ensemble"] == pytest.approx(0.75)


def test_the_order_of_the_rows_does_not_matter(predictions):
    shuffled = predictions.sample(frac=1, random_state=0)
    assert evaluate(shuffled, ["uar"]) == evaluate(predictions, ["uar"])


def test_one_seed_has_no_deviation(predictions):
    only = predictions[predictions["seed"] == 2]
    accuracy = evaluate(only, ["accuracy"])["test"]["metrics"]["accuracy"]
    assert (accuracy["mean"], accuracy["sd"], accuracy["ensemble"]) == (0.75, None, 0.75)


def test_repeats_are_scored_apart_like_seeds(predictions):
    again = predictions.assign(repeat=1, fold=predictions["fold"] + 2, truth="anger")
    rows = pd.concat([predictions, again])
    accuracy = evaluate(rows, ["accuracy"])["test"]["metrics"]["accuracy"]
    assert accuracy["by_seed"] == {"1": 0.5, "2": 0.75, "1/1": 0.5, "2/1": 0.75}


def test_each_part_is_scored_by_itself(predictions):
    rows = pd.concat([predictions, predictions.iloc[:1].assign(part="dev")])
    found = evaluate(rows, ["accuracy"])
    assert {part: one["metrics"]["accuracy"]["mean"] for part, one in found.items()} == {
        "dev": 1.0,
        "test": 0.625,
    }


def test_utterances_and_clusters_are_counted_once_over_the_seeds(predictions):
    found = evaluate(predictions, ["accuracy"])["test"]
    assert (found["utterances"], found["clusters"], found["unscored"]) == (4, 3, 0)


def test_rows_without_truth_are_not_scored_and_counted(predictions):
    unknown = predictions[predictions["id"] == "u0"].assign(id="u4", truth=None)
    found = evaluate(pd.concat([predictions, unknown]), ["accuracy", "macro_f1"])["test"]
    assert (found["utterances"], found["unscored"]) == (5, 1)
    assert found["metrics"]["accuracy"]["by_seed"] == {"1": 0.5, "2": 0.75}
    assert found["metrics"]["accuracy"]["ensemble"] == pytest.approx(0.75)
    assert found["metrics"]["macro_f1"]["mean"] == pytest.approx(np.mean(MACRO_F1))
    assert found["classes"]["anger"]["utterances"] == 2


def test_a_truth_that_is_no_class_of_the_task_is_an_error_not_a_dropped_row(predictions):
    predictions.loc[predictions["id"] == "u3", "truth"] = "boredom"
    with pytest.raises(DataError, match="boredom"):
        evaluate(predictions, ["accuracy"])


def test_per_class_values_are_means_over_seeds(predictions):
    anger = evaluate(predictions, [])["test"]["classes"]["anger"]
    assert anger.pop("low") <= anger["f1"] <= anger.pop("high")
    assert anger == pytest.approx(
        {
            "precision": (1 / 2 + 2 / 3) / 2,
            "recall": (1 / 2 + 1) / 2,
            "f1": (1 / 2 + 4 / 5) / 2,
            "utterances": 2,
        }
    )


def test_a_class_seen_nowhere_leaves_the_mean_and_keeps_its_line(predictions):
    found = evaluate(predictions.assign(**{"score:fear": 0.0}), ["macro_f1"])["test"]
    assert found["metrics"]["macro_f1"]["mean"] == pytest.approx(np.mean(MACRO_F1))
    assert set(found["classes"]["fear"].values()) == {0.0}


def test_a_breakdown_scores_the_utterances_of_each_value(predictions):
    gender = pd.Series({"u0": "f", "u1": "m", "u2": "f", "u3": "m", "not predicted": "x"})
    by_row = {"gender": predictions["id"].map(gender)}
    found = evaluate(predictions, ["uar"], by_row)["test"]["breakdown"]["gender"]
    assert found == {
        "f": pytest.approx({"utterances": 2, "accuracy": 1.0, "uar": 1.0}),
        # seed 1 has u1 and u3 wrong, seed 2 only u3
        "m": pytest.approx({"utterances": 2, "accuracy": 0.25, "uar": 0.25}),
    }


def test_a_class_that_is_never_predicted_is_said():
    assert list(notices(guesses(5, 5, 0))) == ["never predicts fear"]
    assert list(notices(guesses(4, 4, 2))) == []


def test_one_class_for_more_than_nine_tenths_is_said():
    assert list(notices(guesses(90, 5, 5))) == []
    assert list(notices(guesses(4, 91, 5))) == ["predicts joy for more than 90% of utterances"]


def test_a_model_that_says_one_class_only_is_said_twice():
    found = list(notices(guesses(0, 0, 7)))
    assert found == ["never predicts anger, joy", "predicts fear for more than 90% of utterances"]


def test_a_seed_that_collapses_among_others_is_said_with_their_number():
    sound, collapsed = guesses(5, 4, 6), guesses(0, 10, 1).assign(seed=1)
    assert list(notices(pd.concat([sound, collapsed]))) == [
        "never predicts anger (1 of 2 seeds)",
        "predicts joy for more than 90% of utterances (1 of 2 seeds)",
    ]


def test_notices_stand_with_the_numbers(predictions):
    collapsed = predictions.assign(**{"score:anger": 0.9, "score:joy": 0.1})
    assert evaluate(collapsed, ["accuracy"])["test"]["notices"] == [
        "never predicts joy",
        "predicts anger for more than 90% of utterances",
    ]


def test_classes_stand_in_the_order_of_their_columns(predictions):
    swapped = predictions[[*reversed(predictions.columns)]]
    assert classes_of(predictions) == ["anger", "joy"]
    assert classes_of(swapped) == ["joy", "anger"]
    # anger: u0 u0 u1 right, u1 once taken for joy; joy: u2 u2 right, u3 u3 taken for anger
    assert confusion_matrix(*codes(predictions), 2).tolist() == [[3, 1], [2, 2]]
    assert confusion_matrix(*codes(swapped), 2).tolist() == [[2, 2], [1, 3]]


def test_numbers_are_plain_so_that_they_can_be_written(predictions):
    gender = predictions["id"].map({"u0": "f"})
    found = evaluate(predictions, ["accuracy"], {"gender": gender})["test"]
    values = [*found["metrics"]["accuracy"].values(), *found["classes"]["joy"].values()]
    assert {type(value) for value in values} == {float, dict}
