"""The file of a task: its layout to the letter, its answers averaged by hand, its bytes."""

import io
import zipfile

import numpy as np
import pandas as pd
import pytest

from multimodal_ser import run
from multimodal_ser.config.experiment import Submission
from multimodal_ser.runs.submission import answers, pack
from multimodal_ser.types import DataError
from tests.helpers.tones import tones_config

# id, seed, score of anger: u1 is joy in one seed of three and anger in the mean (0.55)
ROWS = [
    ("u2", 0, 0.1),
    ("u1", 0, 0.9),
    ("u10", 0, 0.4),
    ("u2", 1, 0.2),
    ("u1", 1, 0.4),
    ("u10", 1, 0.7),
    ("u2", 2, 0.3),
    ("u1", 2, 0.35),
    ("u10", 2, 0.3),
]
ANSWERS = [("u1", "anger"), ("u10", "joy"), ("u2", "joy")]


@pytest.fixture
def predictions():
    """Of a test part with three seeds, and of a dev part that says the contrary."""
    rows = pd.DataFrame(ROWS, columns=["id", "seed", "score:anger"])
    rows["score:joy"] = 1 - rows["score:anger"]
    rows = rows.assign(truth="joy", cluster=rows["id"], repeat=0, fold=0, target="label")
    dev = rows.assign(id="dev-" + rows["id"], **{"score:anger": 1.0, "score:joy": 0.0})
    return pd.concat([dev.assign(part="dev"), rows.assign(part="test")], ignore_index=True)


def numbers(values, target="valence"):
    """id → the number of each seed."""
    rows = [
        (name, seed, f"{one}") for name, said in values.items() for seed, one in enumerate(said)
    ]
    table = pd.DataFrame(rows, columns=["id", "seed", "value"])
    return table.assign(part="test", repeat=0, fold=0, cluster="c", truth="1", target=target)


def content(data):
    """Name and text of the one file in a zip."""
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        (name,) = file.namelist()
        return name, file.read(name).decode()


def test_the_usual_layout_is_a_table_of_id_and_label(predictions):
    name, text = content(pack(predictions, Submission(file="answers.csv")))
    assert name == "answers.csv"
    assert text == "id,label\nu1,anger\nu10,joy\nu2,joy\n"


def test_columns_come_in_the_order_and_by_the_names_of_the_layout(predictions):
    columns = {"value": "Emotion", "id": "Name"}
    layout = Submission(file="out.tsv", columns=columns, separator="\t")
    assert content(pack(predictions, layout))[1] == "Emotion\tName\nanger\tu1\njoy\tu10\njoy\tu2\n"


def test_without_a_header_there_are_answers_only(predictions):
    layout = Submission(file="answers.txt", header=False, separator=" ")
    assert content(pack(predictions, layout))[1] == "u1 anger\nu10 joy\nu2 joy\n"


def test_answers_without_ids_are_still_in_the_order_of_the_ids(predictions):
    layout = Submission(file="answers.txt", columns={"value": "label"}, header=False)
    assert content(pack(predictions, layout))[1] == "anger\njoy\njoy\n"


def test_another_part_can_be_asked_for(predictions):
    text = content(pack(predictions, Submission(file="dev.csv", part="dev")))[1]
    assert text == "id,label\ndev-u1,anger\ndev-u10,anger\ndev-u2,anger\n"


def test_the_answer_is_that_of_the_mean_scores_over_seeds(predictions):
    found = answers(predictions[predictions["part"] == "test"])
    assert list(found.itertuples(index=False, name=None)) == ANSWERS


def test_the_answer_is_averaged_over_repeats_too():
    rows = pd.DataFrame({"id": ["u", "u"], "score:anger": [0.9, 0.4], "score:joy": [0.1, 0.6]})
    rows = rows.assign(seed=0, repeat=[0, 1], truth="joy")
    assert answers(rows)["value"].tolist() == ["anger"]


def test_a_number_is_the_mean_over_seeds():
    layout = Submission(file="v.csv", columns={"id": "id", "value": "valence"})
    name, text = content(pack(numbers({"b": [1.5, 2.0], "a": [-1, 0.5]}), layout))
    assert (name, text) == ("v.csv", "id,valence\na,-0.25\nb,1.75\n")


def test_a_label_that_holds_the_separator_is_quoted():
    rows = pd.DataFrame({"id": ["u"], "score:no, thanks": [0.9], "score:yes": [0.1]})
    rows = rows.assign(part="test", seed=0, repeat=0, truth="yes")
    assert content(pack(rows, Submission(file="a.csv")))[1] == 'id,label\nu,"no, thanks"\n'


def test_equal_answers_are_equal_bytes_whatever_the_order_of_the_rows(predictions):
    layout = Submission(file="answers.csv")
    first = pack(predictions, layout)
    assert pack(predictions.sample(frac=1, random_state=0), layout) == first
    surer = predictions.assign(**{"score:anger": predictions["score:anger"].round(1)})
    assert [*answers(surer)["value"]] == [*answers(predictions)["value"]]
    assert pack(surer, layout) == first
    swapped = {"score:anger": "score:joy", "score:joy": "score:anger"}
    assert pack(predictions.rename(columns=swapped), layout) != first


def test_a_part_that_was_not_scored_is_named_beside_those_that_were(predictions):
    message = r"submission: there is no part 'test2' \(there is dev, test\)"
    with pytest.raises(DataError, match=message):
        pack(predictions, Submission(file="answers.csv", part="test2"))


WORDS = {"encoders": {"text": {"name": "tfidf", "svd": 8}}, "workers": 1}
SUBMISSION = {"file": "predictions.csv", "columns": {"id": "id", "value": "emotion"}}


def test_a_run_writes_the_answers_of_its_seed_ensemble(tones):
    done = run(tones_config(tones, **WORDS, seeds=[0, 1, 2], submission=SUBMISSION))
    name, text = content((done.folder / "submission.zip").read_bytes())
    found = pd.read_csv(io.StringIO(text))
    assert name == "predictions.csv"
    rows = done.part("test")
    means = rows.groupby("id")[["score:joy", "score:neutral", "score:sadness"]].mean()
    assert found["id"].tolist() == means.index.tolist()
    oracle = np.array(["joy", "neutral", "sadness"])[means.to_numpy().argmax(1)]
    assert found["emotion"].tolist() == oracle.tolist()


def test_a_run_writes_no_submission_unasked_or_while_the_test_is_sealed(tones):
    sealed = run(tones_config(tones, **WORDS, submission=SUBMISSION), open_test=False)
    assert not (sealed.folder / "submission.zip").exists()
    plain = run(tones_config(tones, **WORDS))
    assert plain.folder == sealed.folder
    assert not (plain.folder / "submission.zip").exists()
    asked = run(tones_config(tones, **WORDS, submission=SUBMISSION))
    assert (asked.folder / "submission.zip").exists()


def test_a_part_that_the_split_has_not_is_refused_before_anything_is_trained(tones):
    config = tones_config(tones, **WORDS, submission=SUBMISSION | {"part": "test2"})
    with pytest.raises(DataError, match=r"submission: there is no part 'test2' \(there is dev"):
        run(config)
    assert not list((tones / "runs").rglob("models"))
