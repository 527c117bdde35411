"""How fast are we against the plain way? Ratios within one run, best of three.

    python experiments/benchmark.py [--json FILE]

About a minute on two cores, on the bundled corpus and generated arrays. A ratio above 1 is in our
favour. Times are noisy on shared machines; ratios less so.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import librosa
import numpy as np
from sklearn.metrics import f1_score

from multimodal_ser import metrics
from multimodal_ser.cache import Recipe, Store
from multimodal_ser.contents import audio_contents
from multimodal_ser.datasets import demo
from multimodal_ser.features import encode

MFCC = {"n_mfcc": 128, "sample_rate": 22050, "pool": "mean"}


def best(function: Callable[[], object], times: int = 3) -> float:
    """Seconds of the fastest of some calls."""
    seconds = []
    for _ in range(times):
        began = time.perf_counter()
        function()
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def mfcc_rows() -> dict[str, tuple[float, float]]:
    """The bundled corpus: MFCC means into an empty cache, against a loop of librosa calls."""
    utterances = demo.load().utterances()

    def plain() -> None:
        for one in utterances:
            samples, rate = librosa.load(str(one.audio), sr=22050)
            librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=128).mean(1)

    def ours(workers: int) -> None:
        with tempfile.TemporaryDirectory() as folder:
            root = Path(folder)
            contents = audio_contents(utterances, root, workers=workers)
            encode("mfcc", MFCC, utterances, contents, root, workers=workers)

    ours(1), ours(2)  # starts the workers
    loop, one, two = best(plain), best(lambda: ours(1)), best(lambda: ours(2))
    return {
        "MFCC 128, one process, against a librosa loop": (loop, one),
        "MFCC 128, two processes, against one": (one, two),
    }


def cache_rows() -> dict[str, tuple[float, float]]:
    """20,000 vectors of 768 from the cache, against one .npy file an utterance."""
    rows = {
        f"{key:08d}": row[None]
        for key, row in enumerate(np.random.default_rng(0).random((20000, 768), np.float32))
    }
    with tempfile.TemporaryDirectory() as folder:
        root, recipe = Path(folder), Recipe("bench", "{}", 1, ())
        store = Store(root, recipe)
        keys = list(rows)
        for first in range(0, len(keys), 512):
            store.put({key: rows[key] for key in keys[first : first + 512]})
        for key in keys:
            np.save(root / f"{key}.npy", rows[key])
        ours = best(lambda: Store(root, recipe).get(keys))
        plain = best(lambda: [np.load(root / f"{key}.npy") for key in keys])
    return {"20,000 cached vectors, against a file each": (plain, ours)}


def metric_rows() -> dict[str, tuple[float, float]]:
    """Macro-F1 of 1,000 resamples of 1,000 items, against scikit-learn a call each."""
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(6, size=(2, 1000))
    picks = generator.integers(1000, size=(1000, 1000))

    def ours() -> None:
        matrices = [metrics.confusion_matrix(truth[pick], guess[pick], 6) for pick in picks]
        metrics.macro_f1(np.stack(matrices))

    def plain() -> None:
        for pick in picks:
            f1_score(truth[pick], guess[pick], average="macro")

    return {"macro-F1 of 1,000 resamples, against scikit-learn": (best(plain, 1), best(ours))}


def main() -> None:
    parser = argparse.ArgumentParser(description="Ratios to the plain way, best of three.")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    options = parser.parse_args()
    rows = mfcc_rows() | cache_rows() | metric_rows()
    for name, (plain, ours) in rows.items():
        print(f"{name:52} {plain:8.3f} s {ours:8.3f} s   {plain / ours:6.2f} x")
    if options.json:
        plain = {name: {"plain_s": a, "ours_s": b, "ratio": a / b} for name, (a, b) in rows.items()}
        options.json.write_text(json.dumps(plain, indent=1), "utf-8")


if __name__ == "__main__":
    main()
