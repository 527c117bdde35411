"""How long a command takes to answer, against the bare imports that it needs.

The plain way is a process that imports those libraries and ends. A misspelt key needs none but
those of reading a config; a report needs pandas; `doctor` and a prediction of MFCC and a support
vector machine need torch, librosa and scikit-learn as well. The last row is a run of one fold and
seed, 20 epochs of a head, whose features are in the cache; its plain way is what a run must import.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from benchmark import Rows, alternately
from multimodal_ser import run
from multimodal_ser.corpus.datasets import demo

_READ = ("typer", "yaml", "pydantic", "numpy")
_REPORT = (*_READ, "pandas")
_MODELS = (*_REPORT, "torch", "librosa", "scipy.signal")
_CLASSICAL = (*_MODELS, "sklearn.svm", "sklearn.calibration", "skops.io")
_TIMES = 5


def rows() -> Rows:
    """A minute or so on two cores."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        svm = run(_config(home, "svm", learner={"name": "svm"}))
        head = _config(home, "head", learner={"name": "neural", "epochs": 20})
        run(head)
        again = home / "head.json"
        again.write_text(json.dumps(head | {"runs_dir": str(home / "again")}), "utf-8")
        clip = next(one.audio for one in demo.load().utterances() if one.audio)
        commands = {
            "a misspelt key": (_READ, ("run", again, "learner.epohcs=1"), 2),
            "mser report of a run": (_REPORT, ("report", svm.folder), 0),
            "mser doctor": (_CLASSICAL, ("doctor", svm.folder / "config.yaml"), 0),
            "mser predict, one file": (_CLASSICAL, ("predict", svm.folder, clip, "--fold", "0"), 0),
            "a warm run: one head, 20 epochs": (_MODELS, ("run", again, "seeds=[{turn}]"), 0),
        }
        result = {}
        for name, (libraries, words, code) in commands.items():
            plain, ours = alternately(*_pair(libraries, words, code), times=_TIMES)
            result[name] = (plain, ours)
        return result


def _config(home: Path, name: str, **changes: object) -> dict[str, object]:
    mfcc = {"name": "mfcc", "n_mfcc": 40, "pool": "mean_std", "normalize": "standard"}
    return {
        "name": name,
        "corpus": {"name": "demo"},
        "protocol": {"name": "holdout"},
        "encoders": {"handcrafted": mfcc},
        "runs_dir": str(home / "runs"),
        **changes,
    }


def _pair(libraries: tuple[str, ...], words: tuple[object, ...], code: int) -> list[partial[None]]:
    plain = [sys.executable, "-c", f"import {', '.join(libraries)}"]
    turns = iter(range(1000))
    return [partial(_call, plain, 0, turns), partial(_call, [*_MSER, *words], code, turns)]


_MSER = (sys.executable, "-m", "multimodal_ser")


def _call(words: Sequence[object], code: int, turns: Iterator[int]) -> None:
    """Run the command; `{turn}` in it is another number in each turn, so that nothing is done."""
    turn = next(turns)
    done = subprocess.run(
        [str(word).format(turn=turn) for word in words], env=os.environ, capture_output=True
    )
    assert done.returncode == code, done.stderr.decode()
