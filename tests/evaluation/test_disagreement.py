"""Voice and words that say different things: three utterances by hand, and the page of them."""

import pandas as pd
import pytest

from multimodal_ser.evaluation.disagreement import cases, summary
from multimodal_ser.report.cells import Clip
from multimodal_ser.report.run.disagreement_page import page, verdict
from multimodal_ser.types import DataError

TRUTH = {"a": "sad", "b": "sad", "c": "joy", "d": "joy", "e": None}


def table(*seeds, kind="classes"):
    """Each seed's probability of joy for a, b …; the rest is that of sad."""
    rows = [
        [name, seed, TRUTH[name], joy, 1 - joy]
        for seed, several in enumerate(seeds)
        for name, joy in zip(TRUTH, several, strict=False)
    ]
    columns = ["id", "seed", "truth", "score:joy", "score:sad"]
    found = pd.DataFrame(rows, columns=columns).assign(repeat=0)
    thresholds = {"threshold:joy": 0.5, "threshold:sad": 0.5} if kind == "labels" else {}
    return found.assign(**thresholds)


VOICE = table((0.9, 0.8, 0.9, 0.55, 0.7), (0.7, 0.6, 0.9, 0.55, 0.7))  # .8 .7 .9 .55 .7
WORDS = table((0.1, 0.35, 0.7, 0.1, 0.2), (0.1, 0.25, 0.7, 0.1, 0.2))  # .1 .3 .7 .1 .2
FUSED = table((0.2, 0.6, 0.9, 0.9, 0.5), (0.2, 0.7, 0.9, 0.9, 0.1))


@pytest.fixture
def found():
    return cases(VOICE, WORDS, FUSED, sure=0.7)


def test_both_must_be_sure_of_different_classes_in_the_mean_of_the_seeds(found):
    told = found.set_index("id")
    assert told["case"].to_dict() == {
        "a": "disagree",  # joy .8, sad .9
        "b": "disagree",  # joy .7, sad .7
        "c": "agree",
        "d": "unsure",  # voice .55
        "e": "disagree",  # joy .7, sad .8
    }
    assert told.loc["a", ["voice", "words", "fused"]].tolist() == ["joy", "sad", "sad"]
    sure = told.loc["a", ["voice p", "words p", "fused p"]].tolist()
    assert sure == pytest.approx([0.8, 0.9, 0.8])
    assert list(found["id"]) == ["a", "b", "c", "e", "d"], "by the less sure of the two, then by id"


def test_shares_are_of_those_whose_truth_is_known(found):
    shares = summary(found)
    assert shares.loc["disagree"].tolist() == [3, 0.0, 1.0, 0.5, 0.0]  # a and b, both sad
    assert shares.loc["agree"].tolist() == [1, 1.0, 1.0, 1.0, 0.0]
    assert shares.loc["unsure"].tolist() == [1, 1.0, 0.0, 1.0, 0.0]  # d is joy, as voice says
    assert verdict(found) == [
        "Voice and words are sure of different classes in 3 of 5 test utterances.",
        "Right are then: voice 0%, words 100%, neither 0%; fused 50%.",
    ]


def test_a_case_that_never_happens_has_no_share():
    found = cases(VOICE, WORDS, FUSED, sure=0.99)
    assert summary(found)["utterances"].tolist() == [0, 0, 5]
    assert summary(found).loc["disagree"].isna().sum() == 4
    assert verdict(found) == ["Voice and words are never sure of different classes."]
    assert "Utterances</h2>" not in page("none", found.assign(text=""), {}, {})


def test_neither_is_right_where_the_truth_is_a_third_class():
    third = {"score:fear": 0.0}
    tables = [one.assign(**third, truth="fear") for one in (VOICE, WORDS, FUSED)]
    assert summary(cases(*tables, sure=0.7)).loc["disagree", "neither"] == 1.0


def test_the_page_escapes_what_was_said_and_plays_what_is_given(found):
    said = found.assign(text="<script>alert(1)</script>", planted="iro<ny")
    sound = "data:audio/wav;base64,AAAA"
    drawn = page("demo", said, {"split": "1234"}, {"a": Clip("", sound)}, columns=["planted"])
    assert "<script>alert" not in drawn and "&lt;script&gt;alert(1)" in drawn
    assert "iro&lt;ny" in drawn
    assert "Utterances</h2>" in drawn
    assert drawn.count(f'<audio controls preload="metadata" src="{sound}">') == 1
    assert ">b<" in drawn and ">d<" not in drawn, "only those that disagree are listed"
    assert "<audio" not in page("demo", said, {}, {}, why="no sound there")


def test_unlike_utterances_and_labels_are_refused():
    with pytest.raises(DataError, match="words and voice were not asked about the same utterances"):
        cases(VOICE, WORDS[WORDS["id"] != "b"], FUSED)
    with pytest.raises(DataError, match="fused: only predictions of classes can disagree"):
        cases(VOICE, WORDS, table((0.2, 0.6, 0.9, 0.9, 0.5), kind="labels"))
