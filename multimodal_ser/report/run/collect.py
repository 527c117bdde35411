"""Read what runs and studies left on disk. No model, no corpus, no sound is opened here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser.corpus.label_sets import THRESHOLD, matrix, written
from multimodal_ser.evaluation.metrics import sign
from multimodal_ser.evaluation.predictions import SCORE, classes_of
from multimodal_ser.files import json_of, lines_of, yaml_of
from multimodal_ser.studies.ensembles.manifest import Manifest
from multimodal_ser.types import DataError, listed

STUDY = "comparison.json"
_NUMBERS = {
    "breakdown", "classes", "clusters", "confusion", "metrics", "notices", "others", "unscored",
    "utterances",
}  # fmt: skip
_REQUIRED = ("config.yaml", "metrics.json", "audit.json")


@dataclass(frozen=True)
class Record:
    """The files of one run, read.

    opened: how often the test part of this split was opened in this folder of runs. classes: of
    the target that decides (or its labels), in the order of the confusion matrix, which JSON
    objects do not keep; none where it is a number. curves: a row an epoch for each trained model,
    none for classical learners.
    """

    folder: Path
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    audit: Mapping[str, Any]
    environment: Mapping[str, Any]
    log: Sequence[Mapping[str, Any]]
    opened: int
    classes: Sequence[str]
    parameters: int | None
    curves: Sequence[Sequence[Mapping[str, float]]]

    @property
    def part(self) -> str:
        """What the page is about: the first test part, or dev where the test is still sealed."""
        parts = sorted(self.metrics["parts"])
        return next((part for part in parts if part.startswith("test")), parts[0])

    @property
    def found(self) -> Mapping[str, Any]:
        """The numbers of that part."""
        return self.metrics["parts"][self.part]

    @property
    def metric(self) -> str:
        """The metric that decides: the first of the config's that fits the first target."""
        return self.names[0]

    @property
    def names(self) -> list[str]:
        """The metrics of the target that decides."""
        return [name for name in self.config["metrics"] if name in self.found["metrics"]]

    @property
    def target(self) -> str:
        """The target that decides: the first of the config's."""
        return next(iter(self.config["outputs"]))

    @property
    def kind(self) -> str:
        """Of that target: `classes`, `labels` or `numbers`."""
        return self.config["outputs"][self.target]["kind"]

    @property
    def encoders(self) -> list[str]:
        return list(self.config["encoders"])

    @property
    def date(self) -> str:
        """When the last stage ended, to the minute; a report has no clock of its own."""
        last = str(self.log[-1]["time"]) if self.log else ""
        return f"{last[:10]} {last[11:16]} UTC" if last else "not recorded"

    def seconds(self, stage: str) -> float | None:
        """All the time that a stage has taken in this folder."""
        spent = [float(row["seconds"]) for row in self.log if row["stage"] == stage]
        return sum(spent) if spent else None


@dataclass(frozen=True)
class Report:
    """One run, the arms of a study in the order they are shown, or an ensemble and its members."""

    folder: Path
    arms: Mapping[str, Record]
    comparison: Mapping[str, Any] | None = None
    ensemble: Manifest | None = None

    @property
    def first(self) -> Record:
        return next(iter(self.arms.values()))

    @property
    def leading(self) -> str:
        """The arm that is best on dev (the first without dev): never chosen by the test part."""
        return max(self.arms, key=lambda arm: _dev(self.arms[arm], self.first.metric))

    @property
    def title(self) -> str:
        name = str(self.first.config["name"])
        if self.comparison is None or self.ensemble is not None:
            return f"{name}: {next(iter(self.arms))}"
        return f"{name}: {len(self.arms)} arms compared"


def read(folder: Path) -> Report:
    """The report of a run folder or a study folder."""
    if is_study(folder):
        return _study(folder)
    record = read_run(folder)
    return Report(folder, {"+".join(record.encoders): record})


def is_study(folder: Path) -> bool:
    return (folder / STUDY).is_file()


def is_run(folder: Path) -> bool:
    return all((folder / name).is_file() for name in ("config.yaml", "metrics.json"))


def below(folder: Path) -> tuple[list[Path], list[Path]]:
    """Runs and studies anywhere below a folder, and the runs that have no numbers yet."""
    planned = sorted(path.parent for path in folder.rglob("config.yaml"))
    studies = sorted(path.parent for path in folder.rglob(STUDY))
    runs = [one for one in planned if is_run(one)]
    stopped = [one for one in planned if not is_run(one) and (one / "audit.json").is_file()]
    return [*runs, *studies], stopped


def read_run(folder: Path) -> Record:
    """DataError where a file is missing or damaged; curves and parameters may be absent."""
    absent = [name for name in _REQUIRED if not (folder / name).is_file()]
    if absent:
        raise DataError(f"{folder} is not a whole run folder: it has no {', '.join(absent)}")
    metrics = json_of(folder / "metrics.json")
    _refuse_foreign(folder, metrics)
    environment = folder / "environment.json"
    models = [json_of(path) for path in sorted(folder.glob("models/*/model.json"))[:1]]
    openings = lines_of(folder.parent / "opened.jsonl")
    return Record(
        folder=folder,
        config=yaml_of(folder / "config.yaml"),
        metrics=metrics,
        audit=json_of(folder / "audit.json"),
        environment=json_of(environment) if environment.exists() else {},
        log=lines_of(folder / "log.jsonl"),
        opened=sum(row["split"] == metrics["split"] for row in openings),
        classes=_classes(folder, metrics),
        parameters=models[0].get("parameters") if models else None,
        curves=[json_of(path) for path in sorted(folder.glob("models/*/learner/curve.json"))],
    )


def _refuse_foreign(folder: Path, metrics: Any) -> None:
    """Numbers of another version are not guessed at."""
    parts = metrics.get("parts") if isinstance(metrics, dict) else None
    absent = [
        f"{part}: {key}"
        for part, found in (parts or {}).items()
        for key in sorted(_NUMBERS - set(found))
    ]
    if absent or not parts:
        raise DataError(
            f"{folder / 'metrics.json'} is of another version (without "
            f"{', '.join(absent) or 'parts'}); run its config again"
        )


def mistakes(record: Record) -> pd.DataFrame:
    """Wrong utterances of the part, surest first: id, cluster, truth, guess, confidence.

    The guess is the ensemble's: scores averaged over seeds and repeats. Of numbers all are wrong;
    the furthest off come first, and `off` stands for the confidence; of labels it is how far the
    probability of one of them is from what is true of it.
    """
    answers = ensemble(record)
    answers = answers[answers["truth"] != ""]
    if record.kind == "numbers":
        off = (answers["guess"] - answers["truth"].astype(float)).abs()
        wrong, column = answers.assign(off=off), "off"
    else:
        wrong = answers[answers["truth"] != answers["guess"]]
        column = "confidence" if record.kind == "classes" else "off"
    return wrong.sort_values([column, "id"], ascending=[False, True], ignore_index=True)


def ensemble(record: Record) -> pd.DataFrame:
    """One row an utterance of the part, by id; an empty truth is not scored."""
    table = _predictions(record.folder)
    rows = table[(table["part"] == record.part) & (table["target"] == record.target)]
    columns = [SCORE + name for name in record.classes] or ["value"]
    cut_at = [THRESHOLD + name for name in record.classes] if record.kind == "labels" else []
    # beside other targets their blank cells make words of all
    rows = rows.astype(dict.fromkeys([*columns, *cut_at], float))
    grouped = rows.groupby("id", sort=True)
    answers = grouped[["cluster", "truth"]].first()
    if not record.classes:
        return answers.assign(guess=grouped["value"].mean()).reset_index()
    scores = grouped[columns].mean()
    if record.kind == "labels":
        cuts = grouped[cut_at].mean().to_numpy()
        truth = matrix(answers["truth"].mask(answers["truth"] == ""), record.classes)
        answers["guess"] = written(scores.to_numpy() >= cuts, record.classes)
        off = np.abs(scores.to_numpy() - truth).max(axis=1)
        return answers.assign(off=off).reset_index()
    answers["guess"] = [record.classes[code] for code in scores.to_numpy().argmax(1)]
    return answers.assign(confidence=scores.max(axis=1)).reset_index()


def _classes(folder: Path, metrics: Mapping[str, Any]) -> list[str]:
    """Those of the first target, out of the score columns of all."""
    own = next(iter(metrics["parts"].values()))["classes"]
    return [name for name in classes_of(_predictions(folder, rows=0)) if name in own]


def _study(folder: Path) -> Report:
    comparison = json_of(folder / STUDY)
    homes = {arm: folder.parent / name for arm, name in comparison["arms"].items()}
    absent = [f"{arm}: {home}" for arm, home in homes.items() if not is_run(home)]
    if absent:
        raise DataError(listed(absent, f"run folders of the study {folder} are missing"))
    arms = {arm: read_run(home) for arm, home in homes.items()}
    widest = max(arms.values(), key=lambda one: len(one.encoders)).encoders
    return Report(
        folder, dict(sorted(arms.items(), key=lambda item: _place(item, widest))), comparison
    )


def _place(item: tuple[str, Record], widest: Sequence[str]) -> tuple[int, list[int], str]:
    """Single encoders first, in the order of the config, then the fused arms."""
    arm, record = item
    known = {name: place for place, name in enumerate(widest)}
    places = [known.get(name, len(widest)) for name in record.encoders]
    return len(places), places, arm


def _dev(record: Record, metric: str) -> float:
    found = record.metrics["parts"].get("dev")
    if not found:
        return 0.0
    return sign(metric) * found["metrics"][metric]["mean"]


def _predictions(folder: Path, rows: int | None = None) -> pd.DataFrame:
    """A class may be called NA or None, so an empty cell is the only missing one."""
    path = folder / "predictions.csv"
    words = dict.fromkeys(("id", "cluster", "part", "target", "truth"), str)
    try:
        return pd.read_csv(path, dtype=words, keep_default_na=False, nrows=rows)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
