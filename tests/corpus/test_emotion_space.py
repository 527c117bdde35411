"""Emotion words as points of valence, arousal and dominance, and back by the nearest one."""

import json
from pathlib import Path

import label_space
import numpy as np
import pandas as pd
import pytest
import yaml

from multimodal_ser import report
from multimodal_ser.config.read import check
from multimodal_ser.corpus.corpus import About, build
from multimodal_ser.corpus.emotion_space import (
    DIMENSIONS,
    POINTS,
    nearest,
    placed,
    round_trip,
    to_space,
)
from multimodal_ser.runs.prepare import load_corpus
from multimodal_ser.runs.run import run
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.command import called
from tests.helpers.tones import table_config
from tests.report.test_report import Page

ABOUT = About(name="toy", licence="mine", citation="me", home="here")


# The points: three rows as printed in Russell & Mehrabian 1977, table 4


@pytest.mark.parametrize(
    ("labels", "printed"),
    [
        (["angry", "anger", "ira", "Enfado"], (-0.51, 0.59, 0.25)),
        (["sad", "tristeza"], (-0.63, -0.27, -0.33)),
        (["bored", "aburrimiento"], (-0.65, -0.62, -0.33)),
        (["excited", "exc"], (0.62, 0.75, 0.38)),
        (["neutral", "calm"], (0, 0, 0)),
    ],
)
def test_a_word_has_its_printed_point_in_any_of_its_forms(labels, printed):
    assert to_space(labels).tolist() == [list(printed)] * len(labels)


def test_no_label_is_no_point_and_none_at_all_is_an_empty_table():
    found = to_space([None, "joy", float("nan")])
    assert np.isnan(found).all(axis=1).tolist() == [True, False, True]
    assert to_space([]).shape == (0, 3)


def test_words_without_a_point_are_named_with_the_way_out():
    with pytest.raises(DataError, match=r"point in the space: frustrated, other; .*labels\.drop"):
        to_space(["other", "joy", "frustrated", "other"])


# The nearest word


def test_every_word_is_nearest_to_itself_on_any_scale():
    words = list(POINTS)
    assert nearest(to_space(words), words) == words
    likert = 4 + 3 * to_space(words)  # −1, 0 and 1 are 1, 4 and 7
    assert nearest(likert, words, scale=(1, 7)) == words


def test_the_nearest_is_by_euclid_over_all_three():
    """Halfway between fear and anger but for dominance, which alone tells the two apart."""
    middle = (to_space(["fear"]) + to_space(["anger"]))[0] / 2
    values = np.array([[middle[0], middle[1], dominance] for dominance in (-0.5, 0.5)])
    assert nearest(values, ["anger", "fear"]) == ["fear", "anger"]
    generator = np.random.default_rng(0)
    some, words = generator.uniform(-1, 1, (50, 3)), ["joy", "sadness", "neutral", "disgust"]
    by_hand = [
        min(words, key=lambda word: sum((POINTS[word][at] - row[at]) ** 2 for at in range(3)))
        for row in some
    ]
    assert nearest(some, words) == by_hand


def test_a_dimension_that_nobody_rated_is_left_out():
    values = to_space(["anger", "sadness", "joy"])
    values[:, 2] = np.nan
    assert nearest(values, ["joy", "sadness", "anger"]) == ["anger", "sadness", "joy"]


@pytest.mark.parametrize(
    ("values", "labels", "scale", "message"),
    [
        ([[1.0, 4.0, 7.0]], ["joy"], (1, 5), "ratings from 1 to 7 are not on a scale from 1 to 5"),
        ([[3.0, 3.0, 3.0]], ["joy"], (5, 1), r"a scale rises \(given 5 to 1\)"),
        ([[0, 0, 0], [0, 0, np.nan]], ["joy"], (-1, 1), "some rows have no value"),
        ([[np.nan] * 3], ["joy"], (-1, 1), "some rows have no value"),
        ([[0, 0, 0]], ["calm", "joy", "neutral"], (-1, 1), r"one point(.|\n)*calm and neutral"),
    ],
)
def test_what_has_no_nearest_word_is_an_error(values, labels, scale, message):
    with pytest.raises(DataError, match=message):
        nearest(np.array(values), labels, scale=scale)


def test_half_a_point_beside_the_scale_is_still_on_it():
    assert nearest(np.array([[5.5, 3.0, 3.0]]), ["joy", "sadness"], scale=(1, 5)) == ["joy"]


def test_a_round_trip_counts_where_each_label_lands():
    values = [POINTS["joy"], POINTS["anger"], POINTS["anger"], (0.01, 0, 0), POINTS["sadness"]]
    truth = ["happy", "angry", "angry", "happy", "angry"]
    found = round_trip(truth, np.array(values))
    assert found.index.tolist() == found.columns.tolist() == ["angry", "happy"]
    assert (found.index.name, found.columns.name) == ("label", "nearest")
    # the middle: 0.82 from anger, 1.06 from joy; sadness: 1.04 from anger, 1.82 from joy
    assert found.to_numpy().tolist() == [[3, 0], [1, 1]]


# In a config


def corpus(**columns):
    table = pd.DataFrame({"id": ["a", "b", "c"], "text": "x", "label": ["joy", None, "sad"]})
    return build(table.assign(**columns), ABOUT, root=Path())


def test_a_corpus_of_labels_gets_the_dimensions_and_says_where_they_are_from():
    found = placed(corpus())
    np.testing.assert_array_equal(
        found.table[list(DIMENSIONS)], [POINTS["joy"], [np.nan] * 3, POINTS["sadness"]]
    )
    assert found.about.notice.startswith("valence, arousal, dominance are no ratings: they are")


def test_ratings_of_its_own_are_never_touched():
    found = placed(corpus(valence=[5.0, np.nan, 1.0]))
    assert found.table["valence"].tolist()[::2] == [5.0, 1.0]
    assert found.table["arousal"].tolist()[::2] == [POINTS["joy"][1], POINTS["sadness"][1]]
    assert found.about.notice.startswith("arousal, dominance are no ratings")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (dict.fromkeys(DIMENSIONS, 3.0), "ratings of its own in every dimension"),
        ({"label": None}, "no labels"),
    ],
)
def test_a_corpus_of_which_nothing_would_be_made_is_an_error(columns, message):
    with pytest.raises(DataError, match=rf"labels\.space: the corpus has {message}"):
        placed(corpus(**columns))


def config(folder, **changes):
    usual = {
        "labels": {"rename": {"bliss": "joy"}, "space": "russell_mehrabian"},
        "protocol": {"name": "kfold", "folds": 4},
        "outputs": {name: {"kind": "numbers"} for name in DIMENSIONS},
        "learner": {"name": "neural", "epochs": 1},
    }
    return table_config(folder, "space", {"text": {"name": "hashing"}}) | usual | changes


def write_table(folder, **columns):
    labels = ["bliss", "sad", "angry", "neutral"] * 4
    rows = [
        [f"u{at}", f"words {label} {at}", label, f"s{at // 4}"] for at, label in enumerate(labels)
    ]
    table = pd.DataFrame(rows, columns=["id", "text", "label", "speaker"]).assign(**columns)
    table.to_csv(folder / "table.csv", index=False)
    return table


def test_a_config_learns_the_dimensions_and_its_report_says_that_nobody_rated_them(tmp_path):
    write_table(tmp_path)
    done = run(config(tmp_path))
    truth = done.part("test", "valence").set_index("id")["truth"].astype(float)
    assert truth["u0"] == POINTS["joy"][0], "bliss is joy after labels.rename"
    assert truth["u1"] == POINTS["sadness"][0]
    notice = json.loads((done.folder / "audit.json").read_text())["notice"]
    assert "made from the labels, by the table of Russell & Mehrabian 1977" in notice
    page = Page(report.write(done.folder).read_text("utf-8"))
    assert f"table: {notice}" in page.words


def test_a_label_without_a_point_stops_before_anything_is_learned(tmp_path):
    write_table(tmp_path)
    with pytest.raises(DataError, match="without a point in the space: bliss"):
        load_corpus(check(config(tmp_path, labels={"space": "russell_mehrabian"})))


def test_a_space_that_no_output_is_taken_from_is_a_config_error(tmp_path):
    with pytest.raises(ConfigError, match=r"labels\.space: no output is of valence, arousal, dom"):
        check(config(tmp_path, outputs={"label": {"kind": "classes"}}))
    with pytest.raises(ConfigError, match=r"labels\.space: Input should be 'russell_mehrabian'"):
        check(config(tmp_path, labels={"space": "russel"}))
    sign = {"kind": "classes", "column": "valence", "edges": [0], "classes": ["low", "high"]}
    assert check(config(tmp_path, outputs={"sign": sign})).labels.space == "russell_mehrabian"


# The experiment


def test_the_experiment_prints_the_confusion_of_labels_and_what_their_ratings_say(tmp_path):
    """On a scale from 1 to 7 all are rated as their words but for one sad that is rated angry."""
    labels = write_table(tmp_path)["label"].replace("bliss", "joy")
    ratings = 4 + 3 * to_space(labels.tolist())
    ratings[1], ratings[3] = 4 + 3 * np.array(POINTS["anger"]), np.nan
    write_table(tmp_path, **dict(zip(DIMENSIONS, ratings.T, strict=True)))
    card = config(tmp_path, labels={"rename": {"bliss": "joy"}})
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(card))
    done = called(label_space.main, tmp_path / "card.yaml", "--scale", 1, 7)
    assert done.returncode == 0, done.stderr
    rows = [line.split() for line in done.stdout.splitlines()]
    assert "15 utterances by valence, arousal, dominance; 1 have no label" in done.stdout
    assert ["sad", "1", "0", "0", "3"] in rows
    assert ["angry", "4", "0", "0", "0"] in rows
    # recalls 1, 1, 1, 3/4; 14 of 15; of three labels of four the first is the commonest
    assert "nearest label: uar 0.938, accuracy 0.933" in done.stdout
    assert "commonest label: uar 0.250, accuracy 0.267" in done.stdout


def test_the_experiment_says_what_a_corpus_lacks_and_leaves_with_its_code(tmp_path):
    write_table(tmp_path)
    (tmp_path / "card.yaml").write_text(yaml.safe_dump(config(tmp_path, labels=None)))
    done = called(label_space.main, tmp_path / "card.yaml", "--set", "corpus.language=en")
    assert (done.returncode, done.stderr) == (4, "table: no utterance has a label and ratings\n")
