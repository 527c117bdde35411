"""The experiments with document E: each over tones, its table against the predictions."""

import punctuation
import pytest

from multimodal_ser import run
from multimodal_ser.stress import retold
from multimodal_ser.text_changes import CHANGES

from .conftest import tones_config, write_tones


def cells(lines, name):
    """The row of a Markdown table that begins with a name."""
    (line,) = [one for one in lines if one.startswith(f"| {name} |")]
    return [cell.strip() for cell in line.split("|")[1:-1]]


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """Words alone, a class in each; neutral has no accent."""
    folder = tmp_path_factory.mktemp("words")
    write_tones(folder)
    words = {"text": {"name": "tfidf", "svd": 8}}
    return run(tones_config(folder, encoders=words, metrics=["accuracy"], seeds=[0, 1]))


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
