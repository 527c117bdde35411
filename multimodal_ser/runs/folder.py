"""What a run leaves on disk, so that any stage can go on from it and anyone can check it."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from multimodal_ser.distributed import world
from multimodal_ser.files import as_csv, as_json, version, write_atomically
from multimodal_ser.runs.records import is_run, read_config, read_run
from multimodal_ser.types import Fold, __version__

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import Experiment
    from multimodal_ser.corpus.corpus import Corpus
    from multimodal_ser.runs.prepare import Prepared
    from multimodal_ser.training.rows import TrainingRows

_LIBRARIES = ("numpy", "pandas", "scipy", "scikit-learn", "torch", "librosa", "soundfile", "soxr")


@dataclass(frozen=True)
class RunFolder:
    """`runs_dir/<name>/<fingerprint>`; the folder above it counts the openings of test parts.

    writes: whether this process may, of several that train together.
    """

    path: Path
    writes: bool = True

    @classmethod
    def of(cls, prepared: Prepared) -> RunFolder:
        return cls.of_corpus(prepared.experiment, prepared.corpus)

    @classmethod
    def of_corpus(cls, experiment: Experiment, corpus: Corpus) -> RunFolder:
        """corpus: with its transcripts, as it would be cut."""
        fingerprint = experiment.fingerprint(corpus.table_hash())
        return cls(experiment.runs_dir / experiment.name / fingerprint, world().first)

    def model(self, fold: Fold, seed: int) -> Path:
        return self.path / "models" / f"{fold.number}-{seed}"

    def final(self, seed: int) -> Path:
        """A model of every row, which no number speaks of."""
        return self.path / "models" / f"final-{seed}"

    def with_earlier_seeds(self, experiment: Experiment) -> Experiment:
        """New seeds join those that the folder already has."""
        if not (self.path / "config.yaml").exists():
            return experiment
        earlier = read_config(self.path)["seeds"]
        return experiment.model_copy(update={"seeds": sorted({*experiment.seeds, *earlier})})

    def write_plan(self, prepared: Prepared, experiment: Experiment) -> None:
        """The resolved config, the split and the audit, before anything is trained."""
        text = yaml.safe_dump(experiment.resolved(), sort_keys=False, allow_unicode=True)
        self.write("config.yaml", text.encode())
        self.write_table("split.csv", prepared.split)
        if prepared.transcripts is not None:
            self.write_table("transcripts.csv", prepared.transcripts)
        self.write_json("audit.json", audited(prepared) | {"differs": experiment.differs})

    def write_environment(self, rows: TrainingRows, device: str) -> None:
        """device: where frozen encoders ran; heads are trained on the CPU, a thread each."""
        remarks = {name: dict(encoded.remarks) for name, encoded in rows.encoded.items()}
        inputs = {"features": rows.hash(), "remarks": remarks}
        self.write_json("environment.json", surroundings(device) | inputs)

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        self.write(name, as_csv(table).encode())

    def write(self, name: str, data: bytes) -> None:
        if self.writes:
            write_atomically(self.path / name, data)

    def seen(self) -> dict[str, Any]:
        """Test scores where the group is in train and where not; nothing before there are any."""
        if not is_run(self.path):
            return {}
        tested = read_run(self.path).metrics["parts"].get("test", {})
        return tested.get("breakdown", {}).get("group in train", {})

    def write_json(self, name: str, what: Any) -> None:
        self.write(name, as_json(what).encode())

    def note_opening(self, split_hash: str) -> None:
        """One line each time test labels meet new scores, so that a report can count them."""
        line = {"time": _now(), "split": split_hash, "run": self.path.name}
        if self.writes:
            _append(self.path.parent / "opened.jsonl", line)

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """Log how long a stage took."""
        began = time.monotonic()
        yield
        seconds = round(time.monotonic() - began, 3)
        if self.writes:
            _append(self.path / "log.jsonl", {"time": _now(), "stage": name, "seconds": seconds})


def surroundings(device: str) -> dict[str, Any]:
    """The versions and the machine that a number was made with."""
    return {
        "multimodal_ser": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "device": device,
        "threads": 1,
    }


def audited(prepared: Prepared) -> dict[str, Any]:
    """What is known of a corpus and its cut before anything is learned, as plain data."""
    about = prepared.corpus.about
    return {
        "split": prepared.split_hash,
        "protocol": prepared.experiment.protocol.name,
        "target": prepared.target.name,
        "corpus": about.name,
        "licence": about.licence,
        "citation": about.citation,
        "notice": about.notice,
        "languages": sorted(prepared.corpus.table["language"].dropna().unique()),
        "utterances": len(prepared.corpus),
        "dropped": dict(prepared.corpus.dropped),
        "unused": prepared.unused,
        "missing": prepared.missing,
        "heard": prepared.heard,
        **prepared.audit.plain(),
    }


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _append(path: Path, line: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")
