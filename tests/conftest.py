"""A corpus of tones that trains in a second, and a cache that no other test session sees."""

import os

import numpy as np
import pandas as pd
import pytest
import soundfile
import torch

RATE = 8000
TONES = {"joy": 900, "neutral": 500, "sadness": 250}
WORDS = {"joy": "qué alegría", "neutral": "son las nueve", "sadness": "qué pena"}


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory):
    before = os.environ.get("MSER_CACHE")
    os.environ["MSER_CACHE"] = str(tmp_path_factory.mktemp("cache"))
    yield
    os.environ.pop("MSER_CACHE") if before is None else os.environ.update(MSER_CACHE=before)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """As in a worker; many small products are faster so on cores that others use, too."""
    torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def _same_weights():
    """What a test draws without a seed of its own is the same in every run of the suite."""
    torch.manual_seed(0)


def write_tones(folder, speakers=6, each=2):
    """A manifest of noisy tones: the class is in the pitch and in the words."""
    generator = np.random.default_rng(0)
    rows = []
    for speaker in range(speakers):
        for label, pitch in TONES.items():
            for turn in range(each):
                name = f"s{speaker}-{label}-{turn}"
                time = np.arange(int(RATE * (0.3 + 0.05 * turn))) / RATE
                tone = 0.3 * np.sin(2 * np.pi * (pitch + 10 * speaker) * time)
                noise = 0.03 * generator.standard_normal(len(time))
                soundfile.write(folder / f"{name}.wav", tone + noise, RATE)
                text = f"{WORDS[label]} {speaker} {turn}"
                rows.append([name, f"{name}.wav", text, label, f"s{speaker}"])
    table = pd.DataFrame(rows, columns=["id", "audio", "text", "label", "speaker"])
    table.to_csv(folder / "table.csv", index=False)
    return table


def tones_config(folder, **changes):
    """Three encoders over the tones, small enough for any test."""
    return {
        "name": "tones",
        "corpus": {"name": "manifest", "root": str(folder), "path": "table.csv"},
        "protocol": {"name": "kfold", "folds": 3},
        "encoders": {
            "audio": {"name": "log_mel", "sample_rate": RATE, "n_mels": 16},
            "hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE, "normalize": "standard"},
            "text": {"name": "tfidf", "svd": 8},
        },
        "fusion": {"name": "concat", "hidden": 16},
        "learner": {"name": "neural", "epochs": 4, "optimizer": {"lr": 0.01}},
        "seeds": [0],
        "runs_dir": str(folder / "runs"),
        "workers": 2,
    } | changes


@pytest.fixture
def tones(tmp_path):
    """A folder that holds the tones and their manifest."""
    write_tones(tmp_path)
    return tmp_path
