"""What a dry run foretells, against what the run then does; and that it leaves no trace."""

import os
import socket
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

from multimodal_ser.cli import _tables, app
from multimodal_ser.config import registry
from multimodal_ser.features.contents import Content
from multimodal_ser.features.store import inventory
from multimodal_ser.runs import estimates
from multimodal_ser.runs.dry_run import dry_run
from multimodal_ser.runs.estimates import Cost, few
from multimodal_ser.runs.prepare import encode, prepare
from multimodal_ser.runs.run import run
from multimodal_ser.training import fit
from multimodal_ser.types import ConfigError, DataError, Utterance
from tests.helpers.tones import RATE, tones_config

HUB = "somebody/never-fetched"


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """The hub is not asked, whatever is built here; the workers' own sockets are no network."""

    def refuse(*_, **__):
        raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket, "create_connection", refuse)


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """A cache of this test's own, in which nothing is kept yet."""
    monkeypatch.setenv("MSER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def stages(config, **options):
    return {one.name: one for one in dry_run(config, **options).stages}


def traces(*folders):
    """Every file and folder with its size and times."""
    paths = sorted(path for folder in folders for path in folder.rglob("*"))
    return [(path, path.stat().st_size, path.stat().st_mtime_ns) for path in paths]


def example(kind, name, folder):
    return {"name": name} | registry.module(kind, name).EXAMPLE(folder)


def counts(found):
    return {name: (one.inputs, one.done) for name, one in found.items()}


def test_everything_is_to_do_before_a_run_and_nothing_after_it(tones, cache):
    config = tones_config(tones, seeds=[0, 1])
    before = stages(config)
    frozen = {"decode": 36, "encode audio": 36, "encode hand": 36}
    assert counts(before) == {name: (count, 0) for name, count in (frozen | {"train": 6}).items()}
    assert all(one.seconds > 0 and one.bytes > 0 for one in before.values())
    run(config)
    after = stages(config)
    assert counts(after) == {name: (one.inputs, one.inputs) for name, one in before.items()}
    assert all(one.seconds == 0 and one.bytes == 0 for one in after.values())


def test_it_leaves_everything_as_it_was(tones, cache):
    config = tones_config(tones)
    before = traces(tones)
    dry_run(config)
    assert traces(tones) == before
    assert not cache.exists()
    assert not (tones / "runs").exists()
    run(config)
    (damaged,) = [path for path in cache.rglob("*.safetensors") if "mfcc" in str(path)]
    damaged.write_bytes(damaged.read_bytes()[:100])
    before = traces(tones)
    found = stages(config | {"seeds": [0, 1]})
    assert traces(tones) == before
    assert found["encode hand"].done == 0, "a shard that cannot be read holds nothing"
    assert found["encode audio"].done == 36


def test_a_sealed_test_leaves_the_models_to_be_scored(tones, cache):
    config = tones_config(tones)
    run(config, open_test=False)
    assert stages(config, open_test=False)["train"].done == 3
    assert stages(config)["train"].done == 0


def test_new_seeds_join_those_of_the_folder(tones, cache):
    run(tones_config(tones))
    train = stages(tones_config(tones, seeds=[5]))["train"]
    assert (train.inputs, train.done) == (6, 3)
    assert "seeds" in train.remark


@pytest.mark.parametrize(
    "encoder",
    [
        {"name": "log_mel", "sample_rate": RATE, "n_mels": 40},
        {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE},
    ],
)
def test_the_bytes_foretold_are_those_that_are_written(encoder, tones, cache):
    config = tones_config(tones, encoders={"one": encoder})
    foretold = stages(config)["encode one"].bytes
    encode(prepare(config_of(config), encoding=True))
    (store,) = inventory(cache)
    assert store["bytes"] / 1.5 < foretold < store["bytes"] * 1.5


def config_of(raw):
    from multimodal_ser.config.read import check

    return check(raw)


def test_pre_trained_encoders_are_counted_by_their_batches(tones, cache):
    encoders = {
        "speech": example("encoders", "hf_speech", tones / "speech") | {"pool": "none"},
        "words": example("encoders", "hf_text", tones),
    }
    config = tones_config(tones, encoders=encoders)
    before = stages(config)
    assert counts(before)["encode speech"] == counts(before)["encode words"] == (36, 0)
    encode(prepare(config_of(config), encoding=True))
    written = {row["store"].partition("-")[0]: row["bytes"] for row in inventory(cache)}
    for key, kind in (("encode speech", "hf_speech"), ("encode words", "hf_text")):
        name = f"features/{kind}"
        assert written[name] / 1.5 < before[key].bytes < written[name] * 1.5
    assert counts(stages(config))["encode speech"] == (36, 36)


def test_weights_that_are_not_there_are_said_and_nothing_else_is_lost(tones, cache):
    encoders = {
        "audio": {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE},
        "words": {"name": "hf_text", "model": HUB},
    }
    found = stages(tones_config(tones, encoders=encoders))
    lacking = found["encode words"]
    assert (lacking.inputs, lacking.done, lacking.seconds, lacking.bytes) == (36, None, None, None)
    assert f"hf download {HUB}" in lacking.remark
    assert found["encode audio"].seconds > 0
    assert found["train"].remark == "not known without words"


def test_transcripts_are_counted_and_stand_for_the_texts_that_nobody_has_heard(tones, cache):
    table = tones / "table.csv"
    text = table.read_text()
    table.write_text(text.replace("qué pena", ""))
    config = tones_config(
        tones,
        encoders={"words": example("encoders", "hf_text", tones)},
        asr=example("asr", "whisper", tones) | {"fallback": False},
        text_source="asr",
        allow_leak=["transcript"],
    )
    before = stages(config)
    assert counts(before)["decode"] == counts(before)["transcribe"] == (36, 0)
    assert counts(before)["encode words"] == (36, 0)
    assert before["transcribe"].seconds > 0
    run(config)
    after = stages(config)
    assert counts(after)["transcribe"] == (36, 36)
    assert {one.inputs - one.done for one in after.values()} == {0}


def test_a_recogniser_that_is_not_there_is_said(tones, cache):
    config = tones_config(
        tones,
        encoders={"words": {"name": "tfidf", "svd": 8}},
        asr={"name": "whisper", "model": "large-v3"},
        text_source="asr",
    )
    lacking = stages(config)["transcribe"]
    assert (lacking.inputs, lacking.done, lacking.seconds) == (36, None, None)
    assert "whisper.load_model('large-v3')" in lacking.remark


@pytest.mark.parametrize("learner", ["logistic", "svm"])
def test_a_classical_learner_is_fitted_whole(learner, tones, cache):
    config = tones_config(tones, learner={"name": learner}, encoders={
        "hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE},
        "text": {"name": "tfidf"},
    })  # fmt: skip
    del config["fusion"]
    train = stages(config)["train"]
    assert (train.inputs, train.done) == (3, 0)
    assert train.seconds > 0


@pytest.mark.parametrize("learner", ["gmm", "hmm"])
def test_a_learner_of_frames_is_fitted_whole(learner, tones, cache):
    frames = {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE, "pool": "none"}
    config = tones_config(tones, learner={"name": learner}, encoders={"hand": frames}, fusion=None)
    found = stages(config)
    assert (found["train"].inputs, found["train"].done) == (3, 0)
    assert found["train"].seconds > 0
    assert found["encode hand"].bytes > 0


def test_more_epochs_take_longer_in_proportion(tones, cache, monkeypatch):
    ticks = iter(range(1000))
    monkeypatch.setattr(estimates.time, "perf_counter", lambda: float(next(ticks)))
    few_epochs, many = (
        stages(tones_config(tones, workers=1, learner={"name": "neural", "epochs": epochs}))
        for epochs in (1, 11)
    )
    assert few_epochs["train"].seconds == pytest.approx(3.0)  # folds × one tick of a whole fit
    assert many["train"].seconds == pytest.approx(3.0 * 11)


def test_a_config_that_cannot_run_is_refused_as_by_a_run(tones, cache):
    wrong = tones_config(tones, learner={"name": "logistic"}, encoders={
        "audio": {"name": "log_mel", "sample_rate": RATE, "n_mels": 16},
    })  # fmt: skip
    del wrong["fusion"]
    with pytest.raises(ConfigError, match="a vector for every frame"):
        dry_run(wrong)
    (tones / "s0-joy-0.wav").unlink()
    with pytest.raises(DataError, match="1 rows name a file"):
        dry_run(tones_config(tones))


def test_a_sample_lies_between_the_shortest_and_the_longest():
    pairs = [(Utterance(str(n)), Content(str(n), n)) for n in range(100)]
    assert [content.length for _, content in few(pairs, 3)] == [16, 50, 83]
    assert few(pairs[:2], 3) == pairs[:2]


def test_a_cost_grows_with_length_and_falls_with_workers():
    # 4 inputs, 100 samples in all, took 2 s: 10 of 500 take 10 s, 5 workers 2 s, and 1 s to begin
    cost = Cost(inputs=4, length=100, seconds=2.0, bytes=40, ready=1.0)
    assert cost.of(10, 500, workers=5) == (pytest.approx(3.0), pytest.approx(100.0))
    frames = Cost(inputs=4, length=100, seconds=2.0, bytes=40, constant=False)
    assert frames.of(10, 500, workers=20) == (pytest.approx(1.0), pytest.approx(200.0))
    assert cost.of(0, 0, workers=2) == (0.0, 0.0)


def test_random_features_are_no_more_than_fit_and_of_every_class(tones, cache, monkeypatch):
    seen = []
    original = fit.fit

    def watched(method, material, fold, seed):
        seen.append((material, fold))
        return original(method, material, fold, seed)

    monkeypatch.setattr("multimodal_ser.training.fit.fit", watched)
    monkeypatch.setattr(estimates, "_ROWS", 12)
    dry_run(tones_config(tones))
    material, fold = seen[0]
    assert len(material.codes) <= 12
    assert len(material.utterances) == len(material.codes) == len(fold.train) + len(fold.dev)
    assert set(material.codes[fold.train]) == {0, 1, 2}
    assert not np.intersect1d(fold.train, fold.dev).size


def test_the_table_warns_of_a_disk_that_is_too_small(tones, cache, monkeypatch, capsys):
    monkeypatch.setattr("multimodal_ser.runs.dry_run.free", lambda _: 100)
    _tables.show_outlook(dry_run(tones_config(tones)))
    assert "! the disk is too small" in capsys.readouterr().out


def test_it_says_which_encoders_are_scaled_by_speaker(tones, cache, capsys):
    for normalize in ("speaker", "standard"):
        config = tones_config(tones)
        config["encoders"]["audio"]["normalize"] = normalize
        _tables.show_outlook(dry_run(config))
        assert ("! transductive: audio" in capsys.readouterr().out) == (normalize == "speaker")


def test_the_command_prints_a_table_and_runs_nothing(tones, cache):
    path = tones / "tones.yaml"
    path.write_text(yaml.safe_dump(tones_config(tones)))
    done = CliRunner().invoke(app, ["run", str(path), "--dry-run", "--final", "seeds=[0, 7]"])
    assert done.exit_code == 0, done.output
    for word in (
        "36 utterances",
        "folds: 3, seeds: 0, 7",
        "encode audio",
        "workers: 2",
        "2 more models",
    ):
        assert word in done.stdout
    assert "disk is too small" not in done.stdout
    assert sorted(Path(os.environ["MSER_CACHE"]).parent.glob("[rc]*")) == []
