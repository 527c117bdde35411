"""A corpus of tones that trains in a second, and the configs that tests begin with."""

import numpy as np
import pandas as pd
import soundfile

RATE = 8000
TONES = {"joy": 900, "neutral": 500, "sadness": 250}
WORDS = {"joy": "qué alegría", "neutral": "son las nueve", "sadness": "qué pena"}


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
    encoders = {
        "audio": {"name": "log_mel", "sample_rate": RATE, "n_mels": 16},
        "hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": RATE, "normalize": "standard"},
        "text": {"name": "tfidf", "svd": 8},
    }
    usual = {
        "fusion": {"name": "concat", "hidden": 16},
        "learner": {"name": "neural", "epochs": 4, "optimizer": {"lr": 0.01}},
        "seeds": [0],
        "workers": 2,
    }
    return table_config(folder, "tones", encoders) | usual | changes


def table_config(folder, name, encoders, **changes):
    """A config over `table.csv` of a folder: three folds, and all that a run leaves lies there."""
    return {
        "name": name,
        "corpus": {"name": "manifest", "root": str(folder), "path": "table.csv"},
        "protocol": {"name": "kfold", "folds": 3},
        "encoders": encoders,
        "runs_dir": str(folder / "runs"),
        "workers": 1,
    } | changes
