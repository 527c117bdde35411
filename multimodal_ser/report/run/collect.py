"""The runs that a page shows: one, the arms of a study, or an ensemble and its members."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from multimodal_ser.evaluation import predictions
from multimodal_ser.evaluation.predictions import SCORE
from multimodal_ser.files import json_of
from multimodal_ser.runs.records import Record, is_run, read_run
from multimodal_ser.types import DataError, listed

if TYPE_CHECKING:
    from multimodal_ser.studies.ensembles.manifest import Manifest

STUDY = "comparison.json"


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
        return max(self.arms, key=lambda arm: self.arms[arm].on_dev(self.first.metric))

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


def below(folder: Path) -> tuple[list[Path], list[Path]]:
    """Runs and studies anywhere below a folder, and the runs that have no numbers yet."""
    planned = sorted(path.parent for path in folder.rglob("config.yaml"))
    studies = sorted(path.parent for path in folder.rglob(STUDY))
    runs = [folder_planned for folder_planned in planned if is_run(folder_planned)]
    stopped = [
        folder_planned
        for folder_planned in planned
        if not is_run(folder_planned) and (folder_planned / "audit.json").is_file()
    ]
    return [*runs, *studies], stopped


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
    rows = record.of(record.target)
    rows = rows[rows["part"] == record.part]
    merged = predictions.ensemble(rows)
    cells = rows.groupby("id", sort=True)[["cluster", "truth"]].first().fillna("").reset_index()
    answers = cells.assign(guess=predictions.answers(merged))
    if record.kind == "numbers":
        return answers
    scores = merged[[SCORE + name for name in record.classes]]
    if record.kind == "classes":
        return answers.assign(confidence=scores.max(axis=1))
    return answers.assign(off=np.abs(scores - predictions.truth(merged)).max(axis=1))


def date(record: Record) -> str:
    """When the last stage ended, to the minute; a report has no clock of its own."""
    last = str(record.log[-1]["time"]) if record.log else ""
    return f"{last[:10]} {last[11:16]} UTC" if last else "not recorded"


def _study(folder: Path) -> Report:
    comparison = json_of(folder / STUDY)
    homes = {arm: folder.parent / name for arm, name in comparison["arms"].items()}
    absent = [f"{arm}: {home}" for arm, home in homes.items() if not is_run(home)]
    if absent:
        raise DataError(listed(absent, f"run folders of the study {folder} are missing"))
    arms = {arm: read_run(home) for arm, home in homes.items()}
    widest = max(arms.values(), key=lambda record: len(record.encoders)).encoders
    return Report(
        folder, dict(sorted(arms.items(), key=lambda item: _place(item, widest))), comparison
    )


def _place(item: tuple[str, Record], widest: Sequence[str]) -> tuple[int, list[int], str]:
    """Single encoders first, in the order of the config, then the fused arms."""
    arm, record = item
    place_of = {name: place for place, name in enumerate(widest)}
    places = [place_of.get(name, len(widest)) for name in record.encoders]
    return len(places), places, arm
