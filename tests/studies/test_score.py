"""Anybody's predictions: the golden score, what is refused, and the test against a run."""

import pandas as pd
import pytest
import yaml

from multimodal_ser import run
from multimodal_ser.studies.score import score
from multimodal_ser.types import DataError
from tests.helpers.tones import tones_config

# A fixed task of 8 test utterances of 4 speakers, and fixed answers, scored by hand:
#   truth  joy joy joy sad sad sad neu neu
#   guess  joy joy sad sad sad joy neu joy
# joy: 2 right, 4 guessed, 3 true: F1 4/7; sad: 2, 3, 3: 4/6; neu: 1, 1, 2: 2/3
TRUTH = ["joy", "joy", "joy", "sadness", "sadness", "sadness", "neutral", "neutral"]
GUESS = ["joy", "joy", "sadness", "sadness", "sadness", "joy", "neutral", "joy"]
GOLDEN = {
    "macro_f1": (4 / 7 + 2 / 3 + 2 / 3) / 3,
    "uar": (2 / 3 + 2 / 3 + 1 / 2) / 3,
    "accuracy": 5 / 8,
}


@pytest.fixture
def task(tmp_path):
    rows = [[f"t{one}", label, f"s{one // 2}", "test"] for one, label in enumerate(TRUTH)]
    rows += [[f"r{one}", label, f"r{one}", "train"] for one, label in enumerate(TRUTH)]
    table = pd.DataFrame(rows, columns=["id", "label", "speaker", "split"])
    table.assign(text="x " + table["id"]).to_csv(tmp_path / "task.csv", index=False)
    config = {
        "name": "golden",
        "corpus": {"name": "manifest", "root": str(tmp_path), "path": "task.csv"},
        "protocol": {"name": "official", "dev": 0},
        "encoders": {"text": {"name": "hashing"}},
    }
    path = tmp_path / "golden.yaml"
    path.write_text(yaml.safe_dump(config))
    return path


def answers(folder, table):
    path = folder / "answers.csv"
    table.to_csv(path, index=False)
    return path


def golden(column="value"):
    return pd.DataFrame({"id": [f"t{one}" for one in range(8)], column: GUESS})


@pytest.mark.parametrize("column", ["value", "label"])
def test_fixed_answers_get_the_score_worked_out_by_hand(task, tmp_path, column):
    found = score(answers(tmp_path, golden(column)), task)
    for name, value in GOLDEN.items():
        assert found.metrics["metrics"][name]["mean"] == pytest.approx(value)
    assert found.metrics["clusters"] == 4


def test_scores_give_the_same_as_the_answers_they_mean(task, tmp_path):
    table = golden()[["id"]]
    for name in ("joy", "neutral", "sadness"):
        table[f"score:{name}"] = [0.6 if guess == name else 0.2 for guess in GUESS]
    found = score(answers(tmp_path, table), task)
    assert found.metrics["metrics"]["macro_f1"]["mean"] == pytest.approx(GOLDEN["macro_f1"])


def test_a_test_part_without_labels_cannot_be_scored(task, tmp_path):
    table = pd.read_csv(tmp_path / "task.csv")
    table.loc[table["split"] == "test", "label"] = None
    table.to_csv(tmp_path / "task.csv", index=False)
    with pytest.raises(DataError, match="test part of the task has no labels"):
        score(answers(tmp_path, golden()), task)


def test_several_seeds_are_averaged(task, tmp_path):
    right = golden().assign(value=TRUTH, seed=1)
    found = score(answers(tmp_path, pd.concat([golden().assign(seed=0), right])), task)
    assert found.metrics["metrics"]["accuracy"]["mean"] == pytest.approx((5 / 8 + 1) / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.iloc[1:], r"(?s)test part have no prediction.*t0"),
        (lambda table: pd.concat([table, table]), "ids are predicted twice"),
        (lambda table: table.replace("t0", "r0"), "no prediction"),
        (lambda table: table.replace("neutral", "calm"), r"(?s)not among joy.*t6: calm"),
        (lambda table: table.rename(columns={"id": "file"}), "no column 'id'"),
        (
            lambda table: table.rename(columns={"value": "guess"}),
            "needs value or label or",
        ),
    ],
)
def test_a_file_that_cannot_be_scored_says_why(task, tmp_path, change, message):
    with pytest.raises(DataError, match=message):
        score(answers(tmp_path, change(golden())), task)


def test_a_runs_own_predictions_score_as_the_run_and_show_no_difference(tones):
    config = tones_config(tones, seeds=[0, 1])
    done = run(config)
    path = tones / "tones.yaml"
    path.write_text(yaml.safe_dump(config))
    own = answers(tones, done.part("test"))
    found = score(own, path, against=done.folder)
    for name, value in done.metrics["test"]["metrics"].items():
        assert found.metrics["metrics"][name]["by_seed"] == pytest.approx(value["by_seed"])
    assert found.contrast.gap == 0
    assert found.contrast.p == 1


def test_a_run_on_another_split_is_refused(tones):
    done = run(tones_config(tones))
    config = tones_config(tones, protocol={"name": "kfold", "folds": 3, "seed": 5})
    path = tones / "other.yaml"
    path.write_text(yaml.safe_dump(config))
    with pytest.raises(DataError, match="stands on split"):
        score(answers(tones, done.part("test")), path, against=done.folder)
    with pytest.raises(DataError, match="is no finished run"):
        score(answers(tones, done.part("test")), path, against=tones)
