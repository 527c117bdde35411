"""The modality study: one experiment with several sets of its encoders, all on one split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.config import Experiment
from multimodal_ser.run import Run, as_experiment, run
from multimodal_ser.types import ConfigError


@dataclass(frozen=True)
class Comparison:
    """The runs of a study by arm: the names of an arm's encoders joined by `+`."""

    runs: Mapping[str, Run]

    @property
    def split_hash(self) -> str:
        return next(iter(self.runs.values())).prepared.split_hash

    def table(self, part: str = "test") -> pd.DataFrame:
        """One row an arm: every metric as mean and sd over seeds."""
        rows = {}
        for arm, done in self.runs.items():
            values = done.metrics[part]["metrics"]
            rows[arm] = {
                f"{name} {key}": value[key]
                for name, value in values.items()
                for key in ("mean", "sd")
            }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm")

    def breakdown(self, column: str, metric: str = "accuracy", part: str = "test") -> pd.DataFrame:
        """One row a value of the column, one column an arm."""
        values = {
            arm: {
                value: row[metric] for value, row in done.metrics[part]["breakdown"][column].items()
            }
            for arm, done in self.runs.items()
        }
        return pd.DataFrame(values).rename_axis(column)


def compare(
    config: Experiment | Mapping[str, Any] | str | Path,
    arms: Sequence[str] | None = None,
) -> Comparison:
    """Run every arm (`a`, `b`, `a+b` …); by default each encoder alone, then all together."""
    experiment = as_experiment(config)
    encoders = list(experiment.encoders)
    chosen = list(dict.fromkeys(arms or [*encoders, "+".join(encoders)]))
    for arm in chosen:
        unknown = set(arm.split("+")) - set(encoders)
        if unknown:
            raise ConfigError(f"arm '{arm}': no encoder {sorted(unknown)} (has: {encoders})")
    return Comparison({arm: run(experiment.with_encoders(arm.split("+"))) for arm in chosen})
