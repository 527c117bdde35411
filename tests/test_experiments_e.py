"""The experiments with document E: each over tones, its table against the predictions."""

import disagreement
import pandas as pd
import punctuation
import pytest

from multimodal_ser import compare, run
from multimodal_ser.config import check
from multimodal_ser.stress import retold
from multimodal_ser.text_changes import CHANGES
from multimodal_ser.types import ConfigError

from .conftest import tones_config, write_tones

FAST = {"name": "neural", "epochs": 1, "optimizer": {"lr": 0.01}}


def cells(lines, name):
    """The row of a Markdown table that begins with a name."""
    (line,) = [one for one in lines if one.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.split("|")[1:-1]]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Words alone, a class in each; neutral has no accent."""
    folder = tmp_path_factory.mktemp("words")
    write_tones(folder)
    changes = {"encoders": {"text": {"name": "tfidf", "svd": 8}}, "metrics": ["accuracy"]}
    return run(tones_config(folder, **changes, seeds=[0, 1], learner=FAST))


def test_the_table_of_changes_says_what_becomes_of_the_predictions(spoken):
    lines = punctuation.described(spoken, ["unaccented", "lower"])
    before, after = (retold(spoken, one) for one in (str, CHANGES["unaccented"]))
    found = cells(lines, "unaccented")
    touched = ~before["id"].str.contains("neutral")
    assert found[1] == str(before["id"][touched].nunique()) == "24"
    other = (before["value"] != after["value"])[touched].mean()
    assert found[2] == f"{other:.1%}"
    right = [(rows["value"] == rows["truth"]).mean() for rows in (before, after)]
    assert found[5] == f"{right[1]:.3f}"
    assert found[6].startswith(f"{right[1] - right[0]:+.3f} (")
    assert f"accuracy {right[0]:.3f} with the texts as they are" in lines[0]
    assert cells(lines, "lower")[1:5] == ["0", "", "", ""], "all letters are small already"


def test_the_script_prints_what_it_writes(spoken, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(punctuation, "load", lambda path, settings: spoken.experiment)
    out = tmp_path / "table.md"
    monkeypatch.setattr("sys.argv", ["punctuation.py", "--changes", "comma", "--out", str(out)])
    punctuation.main()
    assert out.read_text("utf-8") == capsys.readouterr().out


@pytest.mark.parametrize("corpus", ["emospeech", "demo"])
def test_the_real_corpus_is_taken_where_it_is_at_hand(corpus, tmp_path, monkeypatch):
    monkeypatch.setenv("MSER_DATA", str(tmp_path))
    if corpus == "emospeech":
        (tmp_path / corpus).mkdir()
    assert punctuation.usual().name == f"punctuation-{corpus}.yaml"
    assert punctuation.usual().is_file()


@pytest.fixture(scope="module")
def heard(tmp_path_factory):
    """Voice of two encoders, words, and both; one utterance says another class than it sounds."""
    folder = tmp_path_factory.mktemp("heard")
    write_tones(folder)
    config = tones_config(folder, breakdown=["gender"], learner=FAST)
    return disagreement.sides(check(config))


def test_sides_are_the_arms_of_a_study(heard):
    arms = {side: [*one.experiment.encoders] for side, one in heard.items()}
    assert arms["voice"] == ["audio", "hand"]
    assert (arms["words"], arms["fused"]) == (["text"], ["audio", "hand", "text"])
    study = compare(heard["fused"].experiment, "all")
    assert {one.folder for one in heard.values()} < {one.folder for one in study.runs.values()}


def test_a_page_and_a_table_of_those_that_disagree_are_written(heard, tmp_path):
    found = disagreement.judged(heard, 0.34)  # of three classes: nobody is unsure
    rows = found[found["case"] == "disagree"]
    answers = [done.part("test").set_index("id")["value"] for done in heard.values()]
    assert set(rows["id"]) == set(answers[0].index[answers[0] != answers[1][answers[0].index]])
    path = disagreement.written(heard, found, tmp_path, 0.34, players=1)
    told = pd.read_csv(tmp_path / "disagreement.csv")
    assert list(told["id"]) == list(rows["id"])
    assert list(told["text"]) == list(rows["text"])
    assert path.read_text("utf-8").count("<audio") == min(len(rows), 1)
    lines = disagreement.described(found, ["gender"])
    assert cells(lines, "disagree")[1] == str(len(rows))


def test_one_modality_cannot_disagree_and_sure_is_a_probability(tones, heard):
    words = check(tones_config(tones, encoders={"text": {"name": "tfidf", "svd": 8}}))
    with pytest.raises(ConfigError, match="none reads audio"):
        disagreement.sides(words)
    with pytest.raises(ConfigError, match=r"--sure is a probability, such as 0\.6, and not 60"):
        disagreement.judged(heard, 60)
