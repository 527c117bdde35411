"""The systems of five documents that can be run with public data and no pretrained weights.

A system is a config and what is set otherwise; `reproduce.py` runs them all, and each script of a
document its own. What `configs/seeds` has besides is listed with what it needs.
"""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from multimodal_ser.config.experiment import Experiment
from multimodal_ser.config.method import method_of
from multimodal_ser.config.read import load
from multimodal_ser.report.run import expected
from multimodal_ser.runs import doctor
from multimodal_ser.runs.folder import RunFolder
from multimodal_ser.runs.prepare import load_corpus
from multimodal_ser.runs.records import is_run, read_run
from multimodal_ser.runs.run import Run, run

ROOT = Path(__file__).parents[1]
SEEDS = ROOT / "configs" / "seeds"
_STAGES = ("encode", "train", "evaluate")


@dataclass(frozen=True)
class System:
    """One line of the table.

    title: what is run, in words; config: below `configs/`; changes: `key=value`; minutes: on two
    cores, about; otherwise: in what that is not the document's.
    """

    title: str
    config: str
    changes: tuple[str, ...] = ()
    minutes: float = 0.5
    otherwise: str = ""

    @property
    def quick(self) -> bool:
        return self.minutes < 1

    def experiment(self, runs: Path) -> Experiment:
        return load(ROOT / "configs" / self.config, [*self.changes, f"runs_dir={runs}"])

    @property
    def command(self) -> str:
        return shlex.join(["mser", "run", f"configs/{self.config}", *self.changes])


_DEMO = (
    "task=null",
    "expect=[]",
    "corpus={name: demo}",
    "protocol={name: kfold, folds: 6}",
    "allow_leak=[]",
    "learner.epochs=30",
    "seeds=[42, 43, 44]",
    "encoders.text={name: tfidf, words: [1, 2], characters: [2, 4], svd: 128, normalize: standard}",
)
_BUNDLED = "the bundled corpus, TF-IDF in BERT's place, 30 epochs"
_FOLD = ("protocol={name: official, dev: 0.15}", "folds=[0]", "allow_leak=[]")
_SPEECH = "corpus.channels=[speech]"
_M5 = ("learner.epochs=40",)
_RAW = (*_M5, "learner.optimizer.precision=bf16", "augment=[{name: crop, seconds: 3}]")
_SHORT = "40 epochs instead of 300"
_CROPS = f"{_SHORT}, crops of 3 s, bf16"
_UNSEEN = "EmoBox's fold 1: no actor of the test is in train"

COGNICIC = (
    System("TF-IDF and a linear machine, official split", "emospeech-task1-tfidf.yaml"),
    System(
        "the same without the training rows that share a video with the test",
        "emospeech-task1-tfidf.yaml",
        ("protocol={name: disjoint, dev: 0}",),
    ),
    System("A, word CNN (Park 2020), official split", "seeds/a-word_cnn.yaml", minutes=4),
    System("A2, concat-MLP", "seeds/a2-concat-mlp.yaml", _DEMO, 0.3, _BUNDLED),
    System("A3, attention in each", "seeds/a3-self_attention.yaml", _DEMO, 8, _BUNDLED),
    System("A4, multi-head attention in each", "seeds/a4-multihead.yaml", _DEMO, 8, _BUNDLED),
    System("A5, 56 MFCC", "seeds/a5-mfcc56.yaml", _DEMO, 0.3, _BUNDLED),
    System("A5, 256 MFCC", "seeds/a5-mfcc256.yaml", _DEMO, 0.3, _BUNDLED),
)
DEEP_FEELING = (
    System("B4, SVM, MFCC", "ravdess-svm.yaml", minutes=0.9, otherwise="RAVDESS, six folds"),
    System("B4, GMM, MFCC", "ravdess-gmm.yaml", minutes=2, otherwise="RAVDESS, six folds"),
    System("B4, HMM, MFCC", "ravdess-hmm.yaml", minutes=2, otherwise="RAVDESS, six folds"),
    System("B4, SVM, eGeMAPS", "ravdess-svm-egemaps.yaml", (), 0.9, "RAVDESS, six folds"),
    System("B4, GMM, eGeMAPS", "ravdess-gmm-egemaps.yaml", (), 0.9, "RAVDESS, six folds"),
)
ESCUCHANDO = (
    System("C1, M5, raw waveform, random split", "seeds/c1-m5.yaml", _RAW, 40, _CROPS),
    System("C1, M5, raw waveform", "seeds/c1-m5.yaml", (*_RAW, *_FOLD), 40, f"{_CROPS}; {_UNSEEN}"),
    System("C2, M5, trimmed, random split", "seeds/c2-m5-trimmed.yaml", _RAW, 40, _CROPS),
    System("C2, M5, MFCC, random split", "seeds/c2-m5-mfcc.yaml", _M5, 3, _SHORT),
    System("C2, M5, MFCC", "seeds/c2-m5-mfcc.yaml", (*_M5, *_FOLD), 3, f"{_SHORT}; {_UNSEEN}"),
    System("C2, M5, spectrogram, random split", "seeds/c2-m5-spectrogram.yaml", _M5, 3, _SHORT),
    System(
        "C2, M5, spectrogram",
        "seeds/c2-m5-spectrogram.yaml",
        (*_M5, *_FOLD),
        3,
        f"{_SHORT}; {_UNSEEN}",
    ),
)
SANTAMARIA = (
    System(
        "D1, CNN and BiLSTM, ordered 80/20",
        "seeds/d1-cnn_bilstm.yaml",
        (_SPEECH, "learner.epochs=150"),
        2,
        "speech alone, of which one actor straddles; 150 epochs at most",
    ),
    System(
        "D1, CNN and BiLSTM",
        "seeds/d1-cnn_bilstm.yaml",
        (_SPEECH, *_FOLD, "learner.epochs=150"),
        2,
        f"speech alone, 150 epochs at most; {_UNSEEN}",
    ),
    System(
        "D2, 2-D CNN, ordered 80/20",
        "seeds/d2-cnn2d.yaml",
        (_SPEECH, "learner.epochs=150", "learner.optimizer.precision=bf16"),
        40,
        "speech alone, of which one actor straddles; 150 epochs at most, bf16",
    ),
    System(
        "D2, 2-D CNN",
        "seeds/d2-cnn2d.yaml",
        (_SPEECH, *_FOLD, "learner.epochs=150", "learner.optimizer.precision=bf16"),
        40,
        f"speech alone, 150 epochs at most, bf16; {_UNSEEN}",
    ),
)
SYSTEMS = (*COGNICIC, *DEEP_FEELING, *ESCUCHANDO, *SANTAMARIA)


@dataclass(frozen=True)
class Measured:
    """A system that was run: metric, mean, interval; seconds of all its stages."""

    system: System
    split: str
    metric: str
    value: Mapping[str, Any]
    seeds: int
    seconds: float
    reported: list[str] = field(default_factory=list)

    @property
    def ours(self) -> str:
        few = "" if self.value["high"] < float("inf") else " (few clusters)"
        spread = f" ± {self.value['sd']:.3f}" if self.value["sd"] is not None else ""
        return (
            f"{self.metric} {self.value['mean']:.3f}{spread} "
            f"({self.value['low']:.3f} to {self.value['high']:.3f}){few}"
        )


def measure(system: System, runs: Path) -> Measured:
    """Run it, or take the run that there is."""
    done = run(system.experiment(runs))
    first = done.metrics["test"]
    metric = done.experiment.metrics_of(done.experiment.first)[0]
    record = read_run(done.folder)
    return Measured(
        system=system,
        split=done.prepared.split_hash,
        metric=metric,
        value=first["metrics"][metric],
        seeds=len(done.experiment.seeds),
        seconds=sum(record.seconds(stage) or 0.0 for stage in _STAGES),
        reported=reported(done),
    )


def is_there(system: System, runs: Path) -> bool:
    """It was run to its end before."""
    experiment = system.experiment(runs)
    folder = RunFolder.of_corpus(experiment, load_corpus(experiment))
    return is_run(folder.path)


def reported(done: Run) -> list[str]:
    """What the document says, and where that is of something else."""
    found = []
    for one in expected.beside(done.experiment.resolved(), done.metrics):
        values = ", ".join(f"{name} {value:g}" for name, value in one.told.values.items())
        apart = f" [{'; '.join(one.differs)}]" if one.differs else ""
        found.append(values + apart)
    return found


@dataclass(frozen=True)
class Unrun:
    """A config of `configs/seeds` that is not run here. hours: on two cores, estimated."""

    config: str
    reported: str
    needs: str
    hours: float

    @property
    def cells(self) -> tuple[str, ...]:
        hours = f"{self.hours:.1f}" if self.hours >= 0.1 else "< 0.1"
        return self.config, self.reported, self.needs, hours


def elsewhere(chosen: Iterable[System]) -> list[Unrun]:
    """What `configs/seeds` has besides, as far as this machine cannot run it."""
    ran = {system.config for system in chosen}
    found = []
    for path in sorted(SEEDS.glob("*.yaml")):
        if f"seeds/{path.name}" not in ran:
            experiment = load(path)
            told = [
                ", ".join(f"{name} {value:g}" for name, value in one.values.items())
                for one in experiment.expect
            ]
            lacking = ", ".join(needs(experiment)) or "nothing but time"
            found.append(Unrun(path.stem, "; ".join(told), lacking, hours(experiment)))
    return found


def needs(experiment: Experiment) -> list[str]:
    """What is missing here: recordings or tables of a corpus, weights by their names."""
    found = []
    for one in doctor.needs(experiment):
        kind, _, name = one.what.partition(".")
        if one.code and kind == "encoders":
            options = experiment.encoders[name].options
            found.append(str(options.get("model") or options.get("file") or one.detail))
        elif one.code:
            found.append(one.what)
    return list(dict.fromkeys(found))


# About how many utterances a corpus has, and how long two cores take for one of four seconds: from
# the speeds of `benchmark.py` and of the runs above.
_SIZES = {"emospeech": 3750, "emovome": 999, "iemocap": 5531, "msp_podcast": 60_000}
_FORWARD = {"hf_speech": 0.3, "speech_classifier": 0.3, "hf_text": 0.02, "text_classifier": 0.02}
_LARGE, _LEARNING = 3.5, 3.0  # times as long: 300 million parameters; backwards, too


def hours(experiment: Experiment) -> float:
    """Of one pass for what is frozen, of all epochs and seeds for what learns."""
    rows = sum(_SIZES.get(part.name, 1440) for part in experiment.corpus)
    passes = experiment.learner.options.get("epochs", 1) * len(experiment.seeds) * _LEARNING
    each = 0.0
    for part in method_of(experiment).encodings.values():
        large = any(word in str(part.options.get("model", "")) for word in ("large", "300m"))
        once = _FORWARD.get(part.name, 0.005) * (_LARGE if large else 1.0)
        each += once * (passes if part.learns else 1.0)
    return rows * each / 3600


@lru_cache(maxsize=1)
def commit() -> str:
    """The code that this is; a `+` where it was changed since."""
    command = ["git", "-C", str(ROOT)]
    head = subprocess.run(
        [*command, "rev-parse", "--short", "HEAD"], capture_output=True, text=True
    )
    changed = subprocess.run(
        [*command, "status", "--porcelain", "--", "multimodal_ser", "configs"],
        capture_output=True,
        text=True,
    )
    return f"{head.stdout.strip() or 'unknown'}{'+' if changed.stdout.strip() else ''}"
