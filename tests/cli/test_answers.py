"""predict and transcribe as a user types them: files, folders, streams, mistakes."""

import csv
import io
import json

import pytest
import soundfile
import yaml

from multimodal_ser import run
from multimodal_ser.features.asr._checkpoints import write_tiny
from tests.helpers.command import mser
from tests.helpers.tones import tones_config, write_tones


@pytest.fixture(scope="module")
def spoken(tmp_path_factory):
    """A finished run over tones whose words a random Whisper writes, and its config."""
    folder = tmp_path_factory.mktemp("spoken")
    write_tones(folder)
    whisper = write_tiny(folder / "whisper.pt", text_context=12)
    config = tones_config(
        folder,
        name="spoken",
        asr={"name": "whisper", "model": str(whisper), "fallback": False, "language": "es"},
        text_source="asr",
        learner={"name": "neural", "epochs": 2, "modality_dropout": 0.2},
    )
    (folder / "spoken.yaml").write_text(yaml.safe_dump(config))
    done = run(config, final=True)
    samples, rate = soundfile.read(folder / "s0-joy-0.wav")
    soundfile.write(folder / "recording.mp3", samples, rate)
    return folder, done.folder


def test_a_recording_has_a_label_a_probability_and_its_words(spoken):
    folder, done = spoken
    found = mser("predict", done, "recording.mp3", cwd=folder)
    assert found.returncode == 0, found.stderr
    (line,) = found.stdout.splitlines()
    source, label, words = line.split("  ", 2)
    assert source == "recording.mp3"
    assert label.split()[0] in ("joy", "neutral", "sadness")
    assert 1 / 3 <= float(label.split()[1]) <= 1
    assert words.startswith('"')


def test_a_folder_with_a_broken_file_answers_for_the_others_and_lists_it(spoken, tmp_path):
    folder, done = spoken
    for name in ("a.wav", "c.wav"):
        (tmp_path / name).write_bytes((folder / "s0-joy-0.wav").read_bytes())
    (tmp_path / "b.wav").write_text("no sound")
    found = mser("predict", done, tmp_path, "--csv", cwd=folder)
    assert found.returncode == 4
    rows = list(csv.DictReader(io.StringIO(found.stdout)))
    assert [row["source"] for row in rows] == [str(tmp_path / "a.wav"), str(tmp_path / "c.wav")]
    scores = [float(rows[0][f"score:{one}"]) for one in ("joy", "neutral", "sadness")]
    assert sum(scores) == pytest.approx(1)
    assert "1 could not be judged" in found.stderr and "b.wav is not readable" in found.stderr


def test_paths_come_through_a_pipe_in_json_with_provenance(spoken):
    folder, done = spoken
    names = [f"s{speaker}-joy-{turn}.wav" for speaker in range(6) for turn in range(2)] * 2
    found = mser("predict", done, "-", "--json", cwd=folder, given="\n".join(names) + "\n")
    assert found.returncode == 0, found.stderr
    answers = [json.loads(line) for line in found.stdout.splitlines()]
    assert [one["source"] for one in answers] == names
    said = answers[0]["transcript"]
    assert said["language"] == "es" and said["seconds"] == pytest.approx(0.3)
    assert {"raw", "flags", "log_probability", "compression", "no_speech"} <= set(said)
    assert answers[0]["text_source"] == "asr:whisper/whisper.pt"
    assert set(answers[0]["seconds"]) >= {"read", "transcribe", "encode audio", "decide"}


def test_mistakes_are_said_with_their_code(spoken, tmp_path):
    folder, done = spoken
    for words, code, what in (
        ((tmp_path, "recording.mp3"), 2, "is no run folder"),
        ((done, "recording.mp3", "--fold", 9), 2, "fold 9 is not there"),
        ((done, "recording.mp3", "--json", "--csv"), 2, "take one"),
        ((done, "nowhere.wav"), 4, "nowhere.wav"),
    ):
        found = mser("predict", *words, cwd=folder)
        assert found.returncode == code, found.stderr
        assert what in found.stderr


def test_transcribe_writes_a_table_and_says_how_many_words_differ(spoken):
    folder, _ = spoken
    found = mser("transcribe", "spoken.yaml", cwd=folder)
    assert found.returncode == 0, found.stderr
    lines = found.stdout.splitlines()
    assert lines[0] == "36 transcripts, 12 s of sound, 36 with text"
    assert [line.split()[0] for line in lines if "against the corpus" in line] == ["WER", "CER"]
    rows = list(csv.DictReader((folder / "runs" / "spoken" / "transcripts.csv").open()))
    assert len(rows) == 36
    assert rows[0]["engine"] == "whisper" and rows[0]["checksum"] and rows[0]["options"]
    none = mser("transcribe", "spoken.yaml", "text_source=reference", cwd=folder)
    assert none.returncode == 2
    assert "needs a recogniser" in none.stderr


def test_final_and_dev_only_exclude_each_other(spoken):
    found = mser("run", "spoken.yaml", "--final", "--dev-only", cwd=spoken[0])
    assert found.returncode == 2
    assert "--dev-only keeps sealed" in found.stderr
