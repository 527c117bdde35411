"""What the doctor finds and what it misses, with no network and without loading anything."""

import json
import os
import socket
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from multimodal_ser.cli import app
from multimodal_ser.config import read, registry
from multimodal_ser.config.contracts import Component
from multimodal_ser.features.encoders import egemaps
from multimodal_ser.runs import doctor
from multimodal_ser.types import ConfigError
from tests.helpers.tones import tones_config

HUB = "somebody/never-fetched"
ASKED = [
    name for name in registry.names("encoders")
    if registry.find("encoders", name).missing is not Component.missing
]  # fmt: skip


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Whoever opens a socket here fails."""

    class Refused(socket.socket):
        def __init__(self, *_, **__):
            raise AssertionError("the network was asked")

    monkeypatch.setattr(socket, "socket", Refused)


@pytest.fixture
def hub(tmp_path, monkeypatch):
    """An empty local cache of the hub."""
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def cached(hub, name, files):
    """A model of the hub as its client leaves it, of these files."""
    folder = hub / f"models--{name.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("c0ffee")
    for file, text in files.items():
        path = folder / "snapshots" / "c0ffee" / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def ask(tones, *words, **changes):
    path = tones / "tones.yaml"
    path.write_text(yaml.safe_dump(tones_config(tones, **changes)))
    return CliRunner().invoke(app, ["doctor", str(path), *words])


def needed(tones, **changes):
    return doctor.needs(read.check(tones_config(tones, **changes)))


def found(tones, **encoder):
    """The finding of one encoder."""
    findings = needed(tones, encoders={"one": encoder})
    (one,) = [finding for finding in findings if finding.what == "encoders.one"]
    return one


def test_without_a_config_it_shows_the_machine_and_is_content():
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0, done.output
    for word in ("Python", "torch", "transformers", "device", "cores", "cache", "free"):
        assert word in done.stdout


def test_libraries_and_extras_are_those_that_the_package_announces(monkeypatch):
    lines = ["torch<3,>=2", "gone>=1", "gone-too>=2; extra == 'egemaps'", "numpy; extra == 'scale'"]
    monkeypatch.setattr(doctor, "requires", lambda _: lines)
    found = {one.what: one for one in doctor.machine()}
    assert found["torch"].code == 0
    assert found["gone"].detail == "not installed: pip install gone"
    assert "numpy" not in found
    assert doctor.exit_code([*found.values()]) == 5
    extras = {one.what: one for one in doctor.extras()}
    assert extras["egemaps"].detail == "not installed: pip install 'multimodal_ser[egemaps]'"
    assert extras["scale"].detail == "installed"
    assert doctor.exit_code([*extras.values()]) == 0, "an extra is optional"


def test_the_data_folder_and_the_size_of_the_cache_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("MSER_DATA", str(tmp_path / "nowhere"))
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "shard").write_bytes(bytes(3 * 2**20))
    cache, data = doctor.places(tmp_path / "cache")
    assert "holds 3.0 MiB" in cache.detail
    assert "is no folder" in data.detail
    assert f"MSER_DATA={tmp_path / 'nowhere'}" in data.detail
    untouched, _ = doctor.places(tmp_path / "not" / "made")
    assert "holds 0.0 MiB" in untouched.detail
    assert not (tmp_path / "not").exists()


def test_a_config_that_has_everything_exits_0(tones):
    done = ask(tones)
    assert done.exit_code == 0, done.output
    assert "36 utterances under" in done.stdout
    assert "all of it is there" in done.stdout
    assert not (tones / "runs").exists()


def test_all_that_is_missing_is_said_at_once_with_what_is_there(tones, hub):
    encoders = {
        "voice": {"name": "hf_speech", "model": HUB, "revision": "v2"},
        "words": {"name": "word_vectors", "file": str(tones / "gone.vec")},
        "hand": {"name": "mfcc"},
    }
    (tones / "s0-joy-0.wav").unlink()
    done = ask(tones, encoders=encoders, asr={"name": "whisper", "model": "large-v3"})
    assert done.exit_code == 5
    assert f"hf download {HUB} --revision v2" in done.stdout
    assert "gone.vec" in done.stdout
    assert "whisper.load_model('large-v3')" in done.stdout
    assert "1 rows name a file" in done.stdout
    assert "  encoders.hand            mfcc" in done.stdout
    assert "4 of 6 are missing" in done.stdout
    assert not hub.exists()


def test_what_an_encoder_was_not_told_to_read_is_not_named(tones):
    done = ask(tones, encoders={"words": {"name": "cnn_words"}})
    assert "cnn_words\n" in done.stdout


def test_a_mistake_in_the_config_is_exit_2(tones):
    done = CliRunner().invoke(app, ["doctor", str(tones / "gone.yaml")])
    assert isinstance(done.exception, ConfigError)
    done = ask(tones, "learner.lrr=1")
    assert isinstance(done.exception, ConfigError)
    done = ask(tones, asr={"name": "whisper", "model": "smal"})
    assert done.exit_code == 2
    assert "did you mean small?" in done.stdout


def test_a_corpus_that_is_not_there_is_named_with_its_home(tones, monkeypatch):
    monkeypatch.setenv("MSER_DATA", str(tones))
    for name in ("ravdess", "emobank"):
        (finding,) = [
            one
            for one in needed(tones, corpus={"name": name}, protocol={"name": "random"})
            if one.what == f"corpus {name}"
        ]
        assert finding.code == 5
        assert registry.module("datasets", name).ABOUT.home in finding.detail


@pytest.mark.parametrize("name", ASKED)
def test_an_encoder_that_can_be_built_misses_nothing(name, tmp_path, monkeypatch):
    monkeypatch.setattr(egemaps, "find_spec", lambda _: True)
    home = registry.module("encoders", name)
    options = registry.schema(home.Encoder)(**home.EXAMPLE(tmp_path)).model_dump(mode="json")
    assert doctor.missing("encoders", name, options) == []


@pytest.mark.parametrize("name", ["hf_speech", "hf_text", "sentence"])
def test_a_model_is_a_whole_folder_or_wholly_in_the_local_cache(name, tones, hub):
    assert f"hf download {HUB}" in found(tones, name=name, model=HUB).detail
    (tones / "empty").mkdir()
    assert "holds no config.json" in found(tones, name=name, model=str(tones / "empty")).detail
    gone = found(tones, name=name, model=str(tones / "gone"))
    assert "there is no folder" in gone.detail
    assert gone.code == 5
    (tones / "empty" / "config.json").write_text("{}")
    assert found(tones, name=name, model=str(tones / "empty")).code == 0
    cached(hub, "a/bare", {"config.json": "{}"})
    assert found(tones, name=name, model="a/bare").code == 5
    cached(hub, "a/whole", {"config.json": "{}", "model.safetensors": ""})
    assert found(tones, name=name, model="a/whole").code == 0
    assert found(tones, name=name, model="a/whole", revision="other").code == 5


def test_a_download_that_was_stopped_between_two_shards_is_not_whole(tones, hub):
    index = json.dumps({"weight_map": {"a": "one.safetensors", "b": "two.safetensors"}})
    files = {"config.json": "{}", "model.safetensors.index.json": index, "one.safetensors": ""}
    cached(hub, "a/half", files)
    assert found(tones, name="hf_text", model="a/half").code == 5
    cached(hub, "a/all", files | {"two.safetensors": ""})
    assert found(tones, name="hf_text", model="a/all").code == 0


def test_a_folder_of_sentence_transformers_needs_no_config_of_its_own(tones):
    (tones / "static").mkdir()
    (tones / "static" / "modules.json").write_text("[]")
    assert found(tones, name="sentence", model=str(tones / "static")).code == 0
    assert found(tones, name="hf_text", model=str(tones / "static")).code == 5


def test_egemaps_needs_its_extra(tones, monkeypatch):
    monkeypatch.setattr(egemaps, "find_spec", lambda _: None)
    lacking = found(tones, name="egemaps")
    assert lacking.code == 5
    assert "pip install 'multimodal_ser[egemaps]'" in lacking.detail
    monkeypatch.setattr(egemaps, "find_spec", lambda _: True)
    assert found(tones, name="egemaps").code == 0


def test_a_device_that_is_not_there_is_a_mistake(tones, monkeypatch):
    import torch

    monkeypatch.setattr(torch.accelerator, "is_available", lambda: False)
    assert doctor.exit_code(needed(tones, device="cuda")) == 2
    assert doctor.exit_code(needed(tones, device="auto")) == 0


def test_a_card_is_named_with_its_memory(monkeypatch):
    from types import SimpleNamespace

    import torch

    card = SimpleNamespace(name="Some Card", total_memory=24 * 2**30)
    monkeypatch.setattr(doctor, "find_device", lambda: torch.device("cuda"))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: card)
    assert doctor.Finding("device", "cuda: Some Card, 24.0 GiB") in doctor.machine()


def test_nothing_is_written(tones):
    folders = Path(os.environ["MSER_CACHE"]), tones
    before = [sorted(folder.rglob("*")) for folder in folders]
    needed(tones)
    assert [sorted(folder.rglob("*")) for folder in folders] == before
