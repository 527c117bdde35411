"""A run folder, read: whatever a study, a report or a prediction knows of a run comes from here.

`runs/folder.py` writes what this file reads. No corpus and no sound is opened, and of a model only
where it lies and how many numbers it learned.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.evaluation import predictions
from multimodal_ser.evaluation.metrics import sign
from multimodal_ser.files import json_of, lines_of, yaml_of
from multimodal_ser.types import ConfigError, DataError

_FINISHED = ("config.yaml", "metrics.json", "audit.json", "predictions.csv")
_OF_RUN = ("leaks allowed", "split")
_OF_PART = (
    "breakdown", "classes", "clusters", "confusion", "metrics", "notices", "others", "unscored",
    "utterances",
)  # fmt: skip
_MODEL = re.compile(r"(final|\d+)-(\d+)")


@dataclass(frozen=True)
class Record:
    """The files of one run as plain data.

    config: resolved. audit: what was known of the corpus and its cut before anything was learned.
    environment: the versions and the machine. log: a row for each stage that has ended. metrics:
    the hash of the split and the numbers of each part; empty where only the plan was read.
    `seeds`, `folds` and `parts` are those that have predictions. Predictions and models are read
    when they are first asked for.
    """

    folder: Path
    config: Mapping[str, Any]
    audit: Mapping[str, Any]
    environment: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]]
    metrics: Mapping[str, Any] = field(default_factory=dict)

    @property
    def fingerprint(self) -> str:
        return self.folder.resolve().name

    @property
    def encoders(self) -> list[str]:
        return list(self.config["encoders"])

    @property
    def transductive(self) -> list[str]:
        """The encoders scaled by each speaker's own clips, those of the test among them."""
        parts = self.config["encoders"].items()
        return [name for name, part in parts if part.get("normalize") == "speaker"]

    @property
    def targets(self) -> dict[str, str]:
        """Each target and its kind: `classes`, `labels` or `numbers`. The first decides."""
        return {name: output["kind"] for name, output in self.config["outputs"].items()}

    @property
    def target(self) -> str:
        return next(iter(self.targets))

    @property
    def kind(self) -> str:
        return self.targets[self.target]

    @property
    def part(self) -> str:
        """The part that decides: the first test part, or dev where the test is still sealed."""
        parts = sorted(self.metrics["parts"])
        return next((part for part in parts if part.startswith("test")), parts[0])

    @property
    def numbers(self) -> Mapping[str, Any]:
        """The numbers of the part that decides."""
        return self.metrics["parts"][self.part]

    @property
    def metric_names(self) -> list[str]:
        """The metrics of the target that decides, in the order of the config. The first decides."""
        return [name for name in self.config["metrics"] if name in self.numbers["metrics"]]

    @property
    def metric(self) -> str:
        return self.metric_names[0]

    def on_dev(self, metric: str) -> float:
        """The value on dev, turned so that more is better; 0 where there is no dev."""
        numbers = self.metrics["parts"].get("dev")
        return sign(metric) * numbers["metrics"][metric]["mean"] if numbers else 0.0

    @property
    def opened(self) -> int:
        """How often the test part of this split was opened in the folder that holds this run."""
        rows = lines_of(self.folder.parent / "opened.jsonl")
        return sum(row["split"] == self.metrics["split"] for row in rows)

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """A row for each target, part, fold, seed and utterance; only a blank cell is missing."""
        return predictions.read(self.folder)

    def of(self, target: str) -> pd.DataFrame:
        return self.predictions[self.predictions["target"] == target]

    @cached_property
    def classes_by_target(self) -> dict[str, list[str]]:
        """Each target and its classes or labels; a target of numbers has none."""
        return {name: predictions.classes_of(self.of(name)) for name in self.targets}

    @property
    def classes(self) -> list[str]:
        """Those of the target that decides, in the order of the confusion matrix.

        The keys of a JSON object are sorted, so this order is read from the score columns.
        """
        return self.classes_by_target[self.target]

    @cached_property
    def seeds(self) -> list[int]:
        return sorted(map(int, self.predictions["seed"].unique()))

    @cached_property
    def folds(self) -> list[int]:
        """The numbers of the folds, which go on through repeats."""
        return sorted(map(int, self.predictions["fold"].unique()))

    @cached_property
    def parts(self) -> list[str]:
        return sorted(map(str, self.predictions["part"].unique()))

    @cached_property
    def models(self) -> dict[str, dict[int, Path]]:
        """The number of a fold, or `final` for models of every row → seed → the model's folder."""
        folders: dict[str, dict[int, Path]] = {}
        for path in sorted(self.folder.glob("models/*/model.json")):
            if match := _MODEL.fullmatch(path.parent.name):  # a draft has another name
                folders.setdefault(match[1], {})[int(match[2])] = path.parent
        return folders

    @property
    def parameters(self) -> int | None:
        """How many numbers the first model learned; None for classical learners or no model."""
        for folder in self._model_folders():
            return json_of(folder / "model.json").get("parameters")
        return None

    @cached_property
    def curves(self) -> list[list[dict[str, float]]]:
        """For each model that has a learning curve, a row for each epoch."""
        paths = [folder / "learner" / "curve.json" for folder in self._model_folders()]
        return [json_of(path) for path in paths if path.is_file()]

    def seconds(self, stage: str) -> float | None:
        """All the time that a stage has taken in this folder; None where it was not logged."""
        seconds = [float(row["seconds"]) for row in self.log if row["stage"] == stage]
        return sum(seconds) if seconds else None

    def _model_folders(self) -> list[Path]:
        return [folder for by_seed in self.models.values() for folder in by_seed.values()]


def is_run(folder: Path) -> bool:
    """A run whose numbers are written stands in this folder."""
    return all((folder / name).is_file() for name in ("config.yaml", "metrics.json"))


def read_run(folder: Path, *further: str) -> Record:
    """A finished run. further: files that it must also have.

    DataError where a file is missing, is damaged, or holds numbers of another version, which are
    not guessed at.
    """
    _refuse_absent(folder, (*_FINISHED, *further))
    path = folder / "metrics.json"
    metrics = json_of(path)
    if absent := ", ".join(_absent_numbers(metrics)):
        raise DataError(f"{path} is of another version (without {absent}); run its config again")
    return replace(read_plan(folder), metrics=metrics)


def read_plan(folder: Path) -> Record:
    """A run without its numbers, which may have been stopped before there were any.

    ConfigError where no run was ever begun in the folder, DataError where a file is damaged.
    """
    refuse_no_run(folder)
    _refuse_absent(folder, ("audit.json",))
    environment = folder / "environment.json"
    return Record(
        folder=folder,
        config=read_config(folder),
        audit=json_of(folder / "audit.json"),
        environment=json_of(environment) if environment.exists() else {},
        log=lines_of(folder / "log.jsonl"),
    )


def read_config(folder: Path) -> dict[str, Any]:
    """The resolved config, which is the first file that a run writes."""
    return yaml_of(folder / "config.yaml")


def refuse_no_run(folder: Path) -> None:
    """ConfigError where no run was ever begun: then the path is wrong, and no file is damaged."""
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"{folder} is no run folder (it has no config.yaml)")


def _refuse_absent(folder: Path, names: Sequence[str]) -> None:
    absent = [name for name in names if not (folder / name).is_file()]
    if absent:
        raise DataError(f"{folder} is no finished run (it has no {', '.join(absent)})")


def _absent_numbers(metrics: Any) -> list[str]:
    """The keys that numbers of this version have, and these have not."""
    if not isinstance(metrics, dict) or not metrics.get("parts"):
        return ["parts"]
    parts = metrics["parts"].items()
    absent = [f"{part}: {key}" for part, own in parts for key in _OF_PART if key not in own]
    return [*(key for key in _OF_RUN if key not in metrics), *absent]
