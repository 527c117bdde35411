"""The findings of a study: its runs by arm, their differences, and what can be said of these."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from multimodal_ser.evaluation import metrics
from multimodal_ser.runs.records import read_run

if TYPE_CHECKING:
    from multimodal_ser.evaluation.contrast import Contrast
    from multimodal_ser.runs.run import Run

TEST = "test"


@dataclass(frozen=True)
class Comparison:
    """The runs of a study by arm, and how each differs from the baseline.

    contrasts: arm − baseline on the first metric; those in `family` carry Holm's correction.
    changes: arm → the same arm with another text source → arm − that, corrected as a family.
    references: runs on other utterances; elsewhere: arm → reference → arm − that, not paired.
    detectable: the gap in accuracy that this test part can show (see `smallest_detectable`); None
    for targets of numbers.
    """

    folder: Path
    runs: Mapping[str, Run]
    baseline: str
    contrasts: Mapping[str, Contrast]
    family: tuple[str, ...]
    detectable: float | None
    changes: Mapping[str, Mapping[str, Contrast]] = field(default_factory=dict)
    references: Mapping[str, Run] = field(default_factory=dict)
    elsewhere: Mapping[str, Mapping[str, Contrast]] = field(default_factory=dict)

    @property
    def first(self) -> Run:
        return next(iter(self.runs.values()))

    @property
    def metric(self) -> str:
        experiment = self.first.experiment
        return experiment.metrics_of(experiment.first)[0]

    @property
    def split_hash(self) -> str:
        return self.first.prepared.split_hash

    def table(self, part: str = TEST) -> pd.DataFrame:
        """One row for each arm: every metric with sd, interval and ensemble; the gap."""
        return pd.DataFrame.from_dict(
            {arm: self._row(arm, part) for arm in self.runs}, orient="index"
        ).rename_axis("arm")

    def _row(self, arm: str, part: str) -> dict[str, Any]:
        done = self.runs[arm]
        row: dict[str, Any] = {}
        for name, value in done.metrics[part]["metrics"].items():
            for key in ("mean", "sd", "low", "high", "ensemble"):
                row[f"{name} {key}"] = value[key]
        small = done.metrics[part]["without small classes"]
        if done.prepared.target.kind == "classes":
            row["macro_f1 without small classes"] = small.get("macro_f1")
        if arm in self.contrasts:
            contrast = self.contrasts[arm].plain()
            row |= {key: contrast[key] for key in ("gap", "low", "high", "p", "holm", "mcnemar")}
        record = read_run(done.folder)
        return row | {"parameters": record.parameters, "seconds": record.seconds("train")}

    def breakdown(self, column: str, metric: str | None = None, part: str = TEST) -> pd.DataFrame:
        """One row for each value of the column, one column for each arm.

        The numbers are accuracies, or the first metric for targets of numbers.
        """
        kind = self.first.prepared.target.kind
        metric = metric or ("accuracy" if kind == "classes" else self.metric)
        values = {
            arm: {
                value: row.get(metric, float("nan"))
                for value, row in done.metrics[part]["breakdown"][column].items()
            }
            for arm, done in self.runs.items()
        }
        return pd.DataFrame(values).rename_axis(column)

    def verdict(self) -> list[str]:
        """One sentence for each fused arm; the arm that is best on dev comes first."""
        arms = self.family or tuple(self.contrasts)
        ordered = sorted(arms, key=lambda arm: -dev_value(self.runs[arm], self.metric))
        sentences = [self.contrasts[arm].words(arm, self.baseline) for arm in ordered]
        further = [*self.changes.items(), *self.elsewhere.items()]
        pairs = [(arm, *pair) for arm, contrasts_of in further for pair in contrasts_of.items()]
        return [*sentences, *(contrast.words(arm, first) for arm, first, contrast in pairs)]

    def plain(self) -> dict[str, Any]:
        """Plain data for a report, without times, so that equal studies give equal bytes."""
        prepared = self.first.prepared
        return {
            "name": self.first.experiment.name,
            "split": self.split_hash,
            "leaks allowed": prepared.audit.stamps,
            "metric": self.metric,
            "baseline": self.baseline,
            "family": list(self.family),
            "detectable": self.detectable,
            "arms": {arm: self._place(done) for arm, done in self.runs.items()},
            "references": {name: self._place(done) for name, done in self.references.items()},
            "contrasts": {arm: contrast.plain() for arm, contrast in self.contrasts.items()},
            "changes": _plain(self.changes),
            "elsewhere": _plain(self.elsewhere),
            "verdict": self.verdict(),
        }

    def _place(self, done: Run) -> str:
        """The path of a run folder, relative to the folder that holds the study."""
        return Path(os.path.relpath(done.folder, self.folder.parent)).as_posix()


def dev_value(done: Run, metric: str) -> float:
    """The dev value, turned so that more is better."""
    if "dev" not in done.metrics:
        return 0.0
    return metrics.sign(metric) * done.metrics["dev"]["metrics"][metric]["mean"]


def study_folder(runs: Mapping[str, Run], asked: Sequence[Any]) -> Path:
    """The folder beside that of the first run, named by what was compared and how."""
    first = next(iter(runs.values())).folder
    key = json.dumps([*asked, *((arm, done.folder.name) for arm, done in runs.items())])
    return first.parent / f"study-{hashlib.sha256(key.encode()).hexdigest()[:12]}"


def _plain(pairs: Mapping[str, Mapping[str, Contrast]]) -> dict[str, dict[str, Any]]:
    return {
        arm: {other: contrast.plain() for other, contrast in pair.items()}
        for arm, pair in pairs.items()
    }
