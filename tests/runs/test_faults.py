"""Kill it anywhere, start it again: the same bytes as if nothing had happened."""

import os
import random
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml

from multimodal_ser.features.asr._checkpoints import write_tiny
from tests.helpers.tones import tones_config, write_tones

pytestmark = pytest.mark.faults
MOMENTS = random.Random(20261121)


def command(verb, config):
    return [sys.executable, "-m", "multimodal_ser", verb, str(config)]


def start(verb, config, cache):
    environment = os.environ | {"MSER_CACHE": str(cache)}
    return subprocess.Popen(
        command(verb, config), env=environment, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL
    )


def finish(verb, config, cache):
    process = start(verb, config, cache)
    error = process.communicate(timeout=300)[1]
    assert process.returncode == 0, error.decode()


def killed_after(seconds, verb, config, cache):
    """True when the process was still at work when it was killed."""
    process = start(verb, config, cache)
    time.sleep(seconds)
    at_work = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return at_work


def predictions(folder):
    (found,) = Path(folder).rglob("predictions.csv")
    return found.read_bytes()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A corpus, its config maker, what a run gives and how long it takes."""
    folder = tmp_path_factory.mktemp("corpus")
    write_tones(folder, speakers=6, each=20)

    def config(runs):
        path = folder / f"{runs}.yaml"
        learner = {"name": "neural", "epochs": 60, "batch_size": 16}
        changes = {"learner": learner, "seeds": [0, 1], "runs_dir": str(folder / runs)}
        path.write_text(yaml.safe_dump(tones_config(folder, **changes)))
        return path

    began = time.monotonic()
    finish("run", config("calm"), folder / "calm-cache")
    return config, folder, predictions(folder / "calm"), time.monotonic() - began


@pytest.mark.parametrize("time_of", range(5))
def test_a_run_killed_at_a_random_moment_goes_on_to_the_same_bytes(undisturbed, time_of):
    config, folder, expected, seconds = undisturbed
    path, cache = config(f"run{time_of}"), folder / f"cache{time_of}"
    share = MOMENTS.uniform(0.15, 0.65)
    at_work = killed_after(share * seconds, "run", path, cache)
    finish("run", path, cache)
    assert predictions(folder / f"run{time_of}") == expected
    assert at_work, "the run had ended before the kill"


def test_an_embedding_killed_at_random_moments_loses_nothing(undisturbed):
    config, folder, expected, seconds = undisturbed
    path, cache = config("embedded"), folder / "embed-cache"
    for _ in range(5):
        killed_after(MOMENTS.uniform(0.15, 0.6) * seconds, "embed", path, cache)
    finish("embed", path, cache)
    finish("run", path, cache)
    assert predictions(folder / "embedded") == expected


def test_two_processes_fill_one_cache_and_one_run_folder_at_once(undisturbed):
    config, folder, expected, _ = undisturbed
    path, cache = config("twice"), folder / "twice-cache"
    both = [start("run", path, cache) for _ in range(2)]
    errors = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert predictions(folder / "twice") == expected


def written(folder):
    """Every result of a study: its comparison and all predictions, by their place."""
    found = [*Path(folder).rglob("comparison.json"), *Path(folder).rglob("predictions.csv")]
    return {path.relative_to(folder): path.read_bytes() for path in found}


def test_a_study_killed_in_the_middle_goes_on_to_the_same_bytes(undisturbed):
    config, folder, _, seconds = undisturbed
    calm = config("calm-study")
    began = time.monotonic()
    finish("compare", calm, folder / "calm-study-cache")
    seconds = time.monotonic() - began
    path, cache = config("killed-study"), folder / "killed-study-cache"
    at_work = [killed_after(share * seconds, "compare", path, cache) for share in (0.5, 0.4, 0.6)]
    finish("compare", path, cache)
    assert written(folder / "killed-study") == written(folder / "calm-study")
    assert at_work[0], "the study had ended before the kill"


def test_no_worker_outlives_a_killed_run(undisturbed):
    config, folder, _, seconds = undisturbed
    path, cache = config("orphans"), folder / "orphan-cache"
    killed_after(0.6 * seconds, "run", path, cache)
    time.sleep(3)
    marker = str(path)
    alive = []
    for entry in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            alive += [entry] if marker in entry.read_text() else []
        except OSError:
            continue
    assert not alive


def test_an_interrupted_run_ends_at_once_and_says_how_to_go_on(undisturbed):
    config, folder, expected, _ = undisturbed
    path, cache = config("interrupted"), folder / "interrupted-cache"
    process = start("run", path, cache)
    while not [*(folder / "interrupted").rglob("config.yaml")]:  # the plan; then comes the work
        time.sleep(0.01)
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=5)[1].decode()
    assert process.returncode == 130
    assert error.strip().endswith("the same command goes on from here")
    finish("run", path, cache)
    assert predictions(folder / "interrupted") == expected


def test_a_truncated_shard_is_found_and_computed_again(undisturbed):
    config, folder, expected, _ = undisturbed
    path, cache = config("cut"), folder / "cut-cache"
    finish("embed", path, cache)
    for shard in cache.rglob("*.safetensors"):
        shard.write_bytes(shard.read_bytes()[:-100])
    finish("run", path, cache)
    assert predictions(folder / "cut") == expected


def test_a_full_disk_stops_an_embedding_with_a_word_and_spoils_nothing(undisturbed):
    config, folder, expected, _ = undisturbed
    path, cache = config("full"), folder / "full-cache"
    stopped = subprocess.run(
        command("embed", path),
        env=os.environ | {"MSER_CACHE": str(cache)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000)),
        capture_output=True,
        text=True,
    )
    assert stopped.returncode == 4, stopped.stderr
    assert "cannot write" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    finish("run", path, cache)
    assert predictions(folder / "full") == expected
    assert not list(cache.rglob(".*.tmp"))


@pytest.fixture(scope="module")
def transcribed(tmp_path_factory):
    """A corpus of 96 noises, its config maker, and the table that nothing disturbed.

    One worker and six batches of 16; each file of the store is a batch.
    """
    folder, generator = tmp_path_factory.mktemp("spoken"), np.random.default_rng(0)
    rows = []
    for number in range(96):
        samples = 0.1 * generator.standard_normal(4000 + 40 * number)
        soundfile.write(folder / f"{number:03}.wav", samples, 8000)
        rows.append(
            [f"u{number:03}", f"{number:03}.wav", ["joy", "sad"][number % 2], f"s{number // 12}"]
        )
    table = pd.DataFrame(rows, columns=["id", "audio", "label", "speaker"])
    table.to_csv(folder / "table.csv", index=False)
    whisper = write_tiny(folder / "whisper.pt", text_context=16)

    def config(runs, **changes):
        path = folder / f"{runs}.yaml"
        asr = {"name": "whisper", "model": str(whisper), "language": "es"}
        rest = {"asr": asr, "workers": 1, "runs_dir": str(folder / runs)} | changes
        path.write_text(yaml.safe_dump(tones_config(folder, **rest)))
        return path

    finish("transcribe", config("calm"), folder / "calm-cache")
    return config, folder, transcripts_of(folder / "calm")


def transcripts_of(folder):
    (found,) = Path(folder).rglob("transcripts.csv")
    return found.read_bytes()


def batches_of(cache):
    """Path → bytes of every batch in the store."""
    return {path: path.read_bytes() for path in Path(cache).rglob("*.jsonl")}


def killed_at(batches, verb, config, cache):
    """Killed once so many batches are in the store; True when it was still at work."""
    process = start(verb, config, cache)
    while process.poll() is None and len(batches_of(cache)) < batches:
        time.sleep(0.002)
    at_work = process.poll() is None
    process.send_signal(signal.SIGKILL)
    process.communicate()
    return at_work


def test_a_transcription_killed_in_the_middle_loses_at_most_the_batch_in_work(transcribed):
    config, folder, expected = transcribed
    path, cache = config("killed"), folder / "killed-cache"
    for wanted in (1, 3):
        assert killed_at(wanted, "transcribe", path, cache), "it had ended before the kill"
        kept = batches_of(cache)
        assert wanted <= len(kept) < 6
        assert all(data.count(b"\n") == 16 for data in kept.values())
    finish("transcribe", path, cache)
    found = batches_of(cache)
    assert len(found) == 6, "no batch was decoded twice"
    assert kept.items() <= found.items()
    assert transcripts_of(folder / "killed") == expected


def test_two_transcriptions_at_once_give_the_same_table(transcribed):
    config, folder, expected = transcribed
    cache = folder / "twice-cache"
    paths = [config("first"), config("second", workers=2)]
    both = [start("transcribe", path, cache) for path in paths]
    errors = [process.communicate(timeout=300)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert transcripts_of(folder / "first") == transcripts_of(folder / "second") == expected


def test_damaged_transcripts_are_decoded_again_to_the_same_bytes(transcribed):
    config, folder, expected = transcribed
    path, cache = config("damaged"), folder / "damaged-cache"
    finish("transcribe", path, cache)
    for number, (shard, data) in enumerate(sorted(batches_of(cache).items())):
        spoilt = bytearray(data[: len(data) - 100 * (number % 3)])
        spoilt[50 * number] ^= 1
        shard.write_bytes(spoilt)
    finish("transcribe", path, cache)
    assert transcripts_of(folder / "damaged") == expected


def test_a_full_disk_stops_a_transcription_with_a_word_and_spoils_nothing(transcribed):
    """2,000 bytes hold the recipe, and no batch of 16."""
    config, folder, expected = transcribed
    path, cache = config("full"), folder / "full-cache"
    sounds = config("sounds", asr=None, encoders={"audio": {"name": "mfcc"}})
    finish("embed", sounds, cache)  # what the files hold is known, so only transcripts are new
    stopped = subprocess.run(
        command("transcribe", path),
        env=os.environ | {"MSER_CACHE": str(cache)},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000)),
        capture_output=True,
        text=True,
    )
    assert stopped.returncode == 4, stopped.stderr
    assert "cannot write" in stopped.stderr
    assert ".jsonl" in stopped.stderr
    assert "Traceback" not in stopped.stderr
    assert batches_of(cache) == {}
    finish("transcribe", path, cache)
    assert transcripts_of(folder / "full") == expected
    assert not list(cache.rglob(".*.tmp"))


def test_a_network_killed_in_the_middle_goes_on_from_its_last_epoch_to_the_same_bytes(tmp_path):
    write_tones(tmp_path, speakers=6, each=6)

    def config(runs):
        changes = {
            "encoders": {
                "net": {"name": "m5", "sample_rate": 8000},
                "words": {"name": "cnn_words"},
            },
            "augment": [{"name": "gain"}, {"name": "crop", "seconds": 0.4}],
            "learner": {"name": "neural", "epochs": 12, "batch_size": 16},
            "folds": [0],
            "device": "cpu",
            "runs_dir": str(tmp_path / runs),
        }
        path = tmp_path / f"{runs}.yaml"
        path.write_text(yaml.safe_dump(tones_config(tmp_path, **changes)))
        return path

    cache = tmp_path / "cache"
    finish("run", config("calm"), cache)
    for _ in range(3):
        killed_after_an_epoch(config("cut"), cache, tmp_path / "cut")
    finish("run", config("cut"), cache)
    assert predictions(tmp_path / "cut") == predictions(tmp_path / "calm")
    assert weights(tmp_path / "cut") == weights(tmp_path / "calm")


def killed_after_an_epoch(config, cache, runs):
    """Killed at a random moment after another epoch was written down."""
    before = {path: path.stat().st_mtime_ns for path in runs.rglob("*.checkpoint")}
    process = start("run", config, cache)
    while process.poll() is None:
        now = {path: path.stat().st_mtime_ns for path in runs.rglob("*.checkpoint")}
        if now and now != before:
            break
        time.sleep(0.02)
    time.sleep(MOMENTS.uniform(0, 0.3))
    assert process.poll() is None, "it was still at work"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    time.sleep(0.5)  # the workers follow


def weights(runs):
    (found,) = runs.rglob("learner/weights.safetensors")
    return found.read_bytes()
