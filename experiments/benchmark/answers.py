"""`mser predict` over many short files: files a second, and memory that does not grow with them.

The run is of the bundled corpus, voice and handcrafted features; the files are copies of its clips.
The plain way reads, encodes and scores file by file with the same predictor in this process.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil

from benchmark import Rows, best
from multimodal_ser import load, run
from multimodal_ser.corpus.datasets import demo

FILES, FEW = 10_000, 500


def rows() -> Rows:
    """Two minutes or so on two cores."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        audio = {"name": "log_mel", "hop": 0.02, "normalize": "standard"}
        handcrafted = {"name": "mfcc", "n_mfcc": 40, "pool": "mean_std", "normalize": "standard"}
        config = {
            "name": "answers",
            "corpus": {"name": "demo"},
            "protocol": {"name": "holdout"},
            "encoders": {"audio": audio, "handcrafted": handcrafted},
            "learner": {"name": "neural", "epochs": 2},
            "runs_dir": str(home / "runs"),
        }
        done = run(config)
        sounds = [one.audio for one in demo.load().utterances() if one.audio]
        for name, count in (("few", FEW), ("many", FILES)):
            (home / name).mkdir()
            for number in range(count):
                source = sounds[number % len(sounds)]
                (home / name / f"{number:05d}{source.suffix}").symlink_to(source)
        predictor = load(done.folder)
        few = sorted((home / "few").iterdir())
        alone = best(lambda: [predictor(path) for path in few], 1) * FILES / FEW
        small, _ = _predicted(done.folder, home / "few")
        large, seconds = _predicted(done.folder, home / "many")
        print(f"mser predict: {FILES / seconds:.0f} files a second; memory of all its processes at")
        print(f"most {small:.0f} MiB over {FEW} files, {large:.0f} MiB over {FILES}")
        return {"mser predict, 10,000 files, against one by one": (alone, seconds)}


def _predicted(folder: Path, sounds: Path) -> tuple[float, float]:
    """The most MiB that all processes held together, and the seconds."""
    began, most = time.perf_counter(), 0.0
    words = [sys.executable, "-m", "multimodal_ser", "predict", str(folder), str(sounds), "--json"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, env=os.environ) as process:
        assert process.stdout is not None
        reader = threading.Thread(target=process.stdout.read)
        reader.start()
        watched = psutil.Process(process.pid)
        while process.poll() is None:
            most = max(most, _memory(watched))
            time.sleep(0.2)
        reader.join()
    return most, time.perf_counter() - began


def _memory(process: psutil.Process) -> float:
    total = 0
    for one in [process, *process.children(recursive=True)]:
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue
    return total / 2**20
