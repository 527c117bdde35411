"""Columns of a corpus as classes and numbers: four rows whose targets are written down by hand."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.config.read import check
from multimodal_ser.corpus.corpus import About, build
from multimodal_ser.corpus.targets import of_classes, of_numbers, targets_of
from multimodal_ser.types import DataError

ABOUT = About(name="four", licence="none", citation="none", home="here")
LABELS = ["joy", "sadness", "joy", None]
NUMBERS = {"kind": "numbers"}


def targets(folder, outputs, **columns):
    """Those of four rows of text with further columns; `label` is joy, sadness, joy, missing."""
    table = pd.DataFrame({"id": list("abcd"), "text": ["uno", "dos", "tres", "seis"]})
    table = table.assign(**({"label": LABELS} | columns))
    corpus = build(table, ABOUT, root=folder)
    encoders = {"text": {"name": "hashing"}}
    raw = {"name": "four", "corpus": {"name": "demo"}, "encoders": encoders, "outputs": outputs}
    return targets_of(check(raw).outputs, corpus)


def test_a_label_is_one_of_the_classes_or_unknown(tmp_path):
    found = targets(tmp_path, {"label": {"classes": ["sadness", "joy"]}})["label"]
    assert (found.name, found.kind, found.classes) == ("label", "classes", ("sadness", "joy"))
    assert found.codes.tolist() == [1, 0, 1, -1]
    assert found.learned.tolist() == [[0, 1], [1, 0], [0, 1], [0, 0]]
    assert found.known.tolist() == [True, True, True, False]
    assert found.written[:3].tolist() == LABELS[:3]
    assert pd.isna(found.written[3])


def test_without_a_list_the_corpus_has_its_own(tmp_path):
    assert targets(tmp_path, {"label": {}})["label"].classes == ("joy", "sadness")
    moods = targets(tmp_path, {"mood": {}}, mood=["tired", "awake", None, "tired"])["mood"]
    assert moods.classes == ("awake", "tired")
    assert moods.codes.tolist() == [1, 0, -1, 1]


def test_a_class_that_no_row_has_keeps_its_place(tmp_path):
    found = targets(tmp_path, {"label": {"classes": ["anger", "joy", "sadness"]}})["label"]
    assert found.learned.shape == (4, 3)
    assert found.codes.tolist() == [1, 2, 1, -1]


def test_a_label_outside_the_list_is_named_with_its_id(tmp_path):
    with pytest.raises(DataError, match=r"1 labels are not among joy, fear:\n  b: 'sadness'$"):
        targets(tmp_path, {"label": {"classes": ["joy", "fear"]}})


def test_every_label_outside_the_list_is_listed(tmp_path):
    with pytest.raises(DataError, match=r"2 labels .* anger, sadness:\n  a: 'joy'\n  c: 'joy'$"):
        targets(tmp_path, {"label": {"classes": ["anger", "sadness"]}})


def test_one_class_is_nothing_to_learn(tmp_path):
    with pytest.raises(DataError, match=r"two classes or more .*'mood' has \['calm'\]"):
        targets(tmp_path, {"mood": {}}, mood=["calm", "calm", None, "calm"])


@pytest.mark.parametrize("named", [{"moood": {}}, {"mine": {"column": "moood"}}])
def test_an_absent_column_is_named_with_the_nearest(tmp_path, named):
    message = rf"outputs.{next(iter(named))}: .* no column 'moood'; did you mean mood\? \(it has id"
    with pytest.raises(DataError, match=message):
        targets(tmp_path, named, mood=["calm", "awake", "calm", "awake"])


def test_numbers_are_learned_as_they_are_and_a_missing_one_is_nan(tmp_path):
    found = targets(tmp_path, {"valence": NUMBERS}, valence=[2, 0.25, None, -1])["valence"]
    assert (found.kind, found.classes) == ("numbers", ())
    np.testing.assert_array_equal(found.learned, np.float32([[2], [0.25], [np.nan], [-1]]))
    np.testing.assert_array_equal(found.numbers, [2, 0.25, np.nan, -1])
    assert found.known.tolist() == [True, True, False, True]
    assert found.codes.tolist() == [-1] * 4


def test_a_number_is_written_with_eight_digits_and_without_idle_ones(tmp_path):
    column = [1, 1 / 3, None, 1000.5]
    written = targets(tmp_path, {"valence": NUMBERS}, valence=column)["valence"].written
    assert written[[0, 1, 3]].tolist() == ["1", "0.33333333", "1000.5"]
    assert pd.isna(written[2])


def test_numbers_that_a_table_holds_as_words_are_numbers(tmp_path):
    found = targets(tmp_path, {"rating": NUMBERS}, rating=["1", None, "2.5", "3e0"])["rating"]
    np.testing.assert_array_equal(found.numbers, [1, np.nan, 2.5, 3])
    assert found.written[[0, 2, 3]].tolist() == ["1", "2.5", "3"]


@pytest.mark.parametrize("odd", ["many", "1,5", "inf", "-inf"])
def test_what_is_no_number_is_named_with_its_id(tmp_path, odd):
    message = rf"1 values of 'rating' are no numbers \(outputs.rating\):\n  b: '{odd}'$"
    with pytest.raises(DataError, match=message):
        targets(tmp_path, {"rating": NUMBERS}, rating=["1", odd, "3", None])


@pytest.mark.parametrize("output", [NUMBERS, {"edges": [1.0], "classes": ["low", "high"]}])
def test_a_column_without_any_number_is_empty(tmp_path, output):
    with pytest.raises(DataError, match=r"outputs.valence: the column 'valence' .* is empty"):
        targets(tmp_path, {"valence": output})


def test_a_column_of_numbers_has_no_classes_of_its_own(tmp_path):
    with pytest.raises(DataError, match=r"'valence' holds numbers: take kind: numbers, or cut"):
        targets(tmp_path, {"valence": {}}, valence=[1, 2, 3, 4])


def test_whole_numbers_can_be_named_as_classes(tmp_path):
    """A table with types (Parquet) has 1 where a CSV has the word."""
    found = targets(tmp_path, {"rating": {"classes": ["1", "2"]}}, rating=[1, 2, 1, 2])["rating"]
    assert found.codes.tolist() == [0, 1, 0, 1]


def test_a_number_on_an_edge_goes_to_the_class_above_and_a_missing_one_stays_missing(tmp_path):
    cut = {"column": "valence", "edges": [2.0, 3.0], "classes": ["low", "middle", "high"]}
    found = targets(tmp_path, {"sign": cut}, valence=[1.999, 2, None, 3])["sign"]
    assert found.classes == ("low", "middle", "high")
    assert found.codes.tolist() == [0, 1, -1, 2]
    assert not found.learned[2].any()
    assert found.written[[0, 1, 3]].tolist() == ["low", "middle", "high"]
    assert pd.isna(found.written[2])


def test_votes_teach_by_their_shares_where_there_is_no_label(tmp_path):
    """d has no label and 3 : 1 votes; the votes of a do not change its label."""
    votes = {"votes:joy": [0, 0, 0, 3], "votes:sadness": [5, None, None, 1]}
    found = targets(tmp_path, {"label": {}}, **votes)["label"]
    assert found.learned.tolist() == [[1, 0], [0, 1], [1, 0], [0.75, 0.25]]
    assert found.codes.tolist() == [0, 1, 0, -1]
    assert found.known.all()
    assert pd.isna(found.written[3])


def test_a_row_without_label_and_votes_is_unknown(tmp_path):
    votes = {"votes:joy": [1, 1, 1, 0], "votes:sadness": [0, 0, 0, None]}
    assert not targets(tmp_path, {"label": {}}, **votes)["label"].known[3]


def test_votes_for_a_class_outside_the_task_are_refused_where_they_would_be_lost(tmp_path):
    lost = {"votes:joy": [0, 0, 0, 1], "votes:fear": [0, 0, 0, 2]}
    with pytest.raises(DataError, match=r"(?s)1 rows have no label.*'votes:fear'.*\n  d$"):
        targets(tmp_path, {"label": {}}, **lost)
    kept = {"votes:joy": [0, 0, 0, 1], "votes:fear": [7, 0, 0, 0]}
    assert targets(tmp_path, {"label": {}}, **kept)["label"].learned[3].tolist() == [1, 0]
    asked = {"label": {"classes": ["fear", "joy", "sadness"]}}
    found = targets(tmp_path, asked, **lost)["label"]
    np.testing.assert_allclose(found.learned[3], [2 / 3, 1 / 3, 0], rtol=1e-6)


def test_votes_are_about_the_label_and_no_other_column(tmp_path):
    votes = {"votes:calm": [0, 0, 0, 1], "mood": ["calm", "awake", "calm", None]}
    assert not targets(tmp_path, {"mood": {}}, **votes)["mood"].known[3]


def test_targets_come_in_the_order_of_the_config(tmp_path):
    outputs = {"valence": NUMBERS, "label": {}, "arousal": NUMBERS}
    found = targets(tmp_path, outputs, valence=[1, 2, 3, 4], arousal=[4, 3, 2, 1])
    assert list(found) == ["valence", "label", "arousal"]
    assert [one.kind for one in found.values()] == ["numbers", "classes", "numbers"]


def test_a_target_can_be_made_of_a_series_alone():
    assert of_classes("label", pd.Series(["b", None, "a"]), ["a", "b"]).codes.tolist() == [1, -1, 0]
    assert of_numbers("age", pd.Series([30, 31])).written.tolist() == ["30", "31"]
