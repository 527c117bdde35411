"""The experiments with document E: each over tones, its table against the predictions."""

from dataclasses import replace

import balancing
import disagreement
import numpy as np
import pages
import pandas as pd
import punctuation
import pytest
import yaml
from sklearn.metrics import recall_score

from multimodal_ser import compare, run
from multimodal_ser.config.read import check, load
from multimodal_ser.inference.robustness import CHANGES, retold
from multimodal_ser.studies.compare import side_by_side
from multimodal_ser.types import ConfigError
from tests.helpers.tones import tones_config, write_tones

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


@pytest.mark.parametrize("script", [punctuation, balancing])
@pytest.mark.parametrize("corpus", ["emospeech", "demo"])
def test_the_real_corpus_is_taken_where_it_is_at_hand(corpus, script, tmp_path, monkeypatch):
    monkeypatch.setenv("MSER_DATA", str(tmp_path))
    if corpus == "emospeech":
        (tmp_path / corpus).mkdir()
    assert script.usual(script.__name__).name == f"{script.__name__}-{corpus}.yaml"
    assert script.usual(script.__name__).is_file()


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
    named = heard["fused"].experiment.model_copy(update={"breakdown": ["text"]})
    with pytest.raises(ConfigError, match="breakdown: text is a name of this table"):
        disagreement.judged({**heard, "fused": replace(heard["fused"], experiment=named)}, 0.6)


@pytest.fixture(scope="module")
def uneven(tmp_path_factory):
    """A config of tones, of which each speaker has two joyful, one neutral, one sad."""
    folder = tmp_path_factory.mktemp("uneven")
    rows = write_tones(folder)
    rows = rows[rows["id"].str.endswith("0") | (rows["label"] == "joy")]
    rows.to_csv(folder / "table.csv", index=False)
    hand = {"hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": 8000, "normalize": "standard"}}
    path = folder / "tones-weights.yaml"
    changes = {"encoders": hand, "learner": FAST, "balance": "weights", "seeds": [0, 1]}
    changes |= {"name": "tones-weights", "metrics": ["uar", "accuracy"]}
    path.write_text(yaml.safe_dump(tones_config(folder, **changes)))
    return path


def test_every_way_is_held_against_none_with_the_recall_of_each_class(uneven):
    arms = balancing.balanced(uneven, ["truncate", "sampler"], [])
    found = side_by_side(arms)
    assert found.baseline == "tones-none"
    assert found.family == ("tones-truncate", "tones-sampler")
    lines = balancing.described(found)
    rows = {line.split("|")[1].strip(): line for line in lines if line.startswith("| ")}
    assert rows["none"].split("|")[2].strip() == "8", "two speakers of six train in a fold"
    assert rows["truncate"].split("|")[2].strip() == "6"
    for label, trained, tested in (("joy", 4, 12), ("neutral", 2, 6), ("sadness", 2, 6)):
        recalls = []
        for done in found.runs.values():
            part = done.part("test")
            each = [
                recall_score(one["truth"], one["value"], labels=[label], average=None)[0]
                for _, one in part.groupby("seed")
            ]
            recalls.append(f"{np.mean(each):.3f}")
        assert cells(lines, label) == [label, str(trained), str(tested), *recalls]
    assert lines.index(rows["joy"]) > lines.index(rows["sadness"]), "the rarest come first"


def test_a_way_that_cannot_be_is_said_before_anything_runs(uneven):
    machine = ["learner={name: svm, scores: margin}", "fusion=null"]
    with pytest.raises(ConfigError, match="'svm' does not draw batches"):
        balancing.balanced(uneven, ["weights", "sampler"], machine)
    assert not (uneven.parent / "runs" / "tones-weights").exists()
    numbers = ["outputs={valence: {kind: numbers}}", "balance=none", "metrics=[ccc]"]
    with pytest.raises(ConfigError, match=r"outputs\.valence: only classes can be balanced"):
        balancing.balanced(uneven, [], [*numbers, "learner.select=ccc"])


def test_the_ways_of_one_document_config_are_its_other_configs():
    seeds = pages.CONFIGS / "seeds"
    arms = balancing.balanced(seeds / "e3-weights.yaml", balancing.WAYS[1:], [])
    assert [one.name for one in arms] == ["e3-none", "e3-truncate", "e3-weights", "e3-sampler"]
    for one in arms[1:]:
        assert one == load(seeds / f"{one.name}.yaml")
