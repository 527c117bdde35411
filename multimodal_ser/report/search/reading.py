"""Read the files of a search from its folder. No study, model or corpus is opened."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.config.search_space import Space
from multimodal_ser.files import json_of, lines_of, yaml_of
from multimodal_ser.report.search import space as spaces
from multimodal_ser.types import DataError, listed

SEARCH = "search.json"
_BEGUN = "space.json"
_TABLES = ("trials.csv", "reports.csv")


@dataclass(frozen=True)
class Trial:
    """One trial of a search.

    value, cost: None if the trial was pruned. reason: why it was given up, else empty. values:
    parameter → value, of the active parameters. reports: (step, value) in order.
    """

    number: int
    state: str
    value: float | None
    cost: float | None
    seconds: float | None
    reason: str
    values: Mapping[str, Any]
    reports: Sequence[tuple[float, float]]


@dataclass(frozen=True)
class Study:
    """The search on one fold.

    told: the entry of the fold in `search.json`. trials: in the order of their numbers. sign: −1
    if less is better. config: the file of the winner's config, and its text. claimed: the file of
    the config that was trained anew for the claim. default: the config before the search; empty
    while the test part is sealed.
    """

    fold: int
    told: Mapping[str, Any]
    trials: Sequence[Trial]
    sign: int
    config: tuple[str, str]
    claimed: str
    default: Mapping[str, Any]

    @property
    def value(self) -> float:
        """The value of the best trial, on dev."""
        return self.told["best"]["value"]

    @cached_property
    def best(self) -> Trial:
        return next(trial for trial in self.trials if trial.number == self.told["best"]["number"])

    @cached_property
    def ranked(self) -> list[Trial]:
        """The complete trials, best first. As `trials.csv` rounds, others may look as good."""
        trials = [trial for trial in self.trials if trial.value is not None]
        return sorted(
            trials,
            key=lambda trial: (
                trial is not self.best,
                -self.sign * (trial.value or 0.0),
                trial.number,
            ),
        )

    @cached_property
    def leading(self) -> list[Trial]:
        """The best tenth of the complete trials, at least one."""
        ranked = self.ranked
        return ranked[: math.ceil(len(ranked) / 10)]

    @property
    def front(self) -> list[Trial]:
        """The trials that no other beats in both value and cost, cheapest first."""
        trials = [trial for trial in self.trials if trial.number in self.told["pareto"]]
        return sorted(trials, key=lambda trial: (trial.cost or 0.0, trial.number))

    @property
    def given_up(self) -> list[Trial]:
        return [trial for trial in self.trials if trial.reason]

    def drawn(self, most: int) -> list[Trial]:
        """At most `most` trials for a figure, in the order of their numbers.

        Up to half of them are from the best tenth; of the others every second, third, … is taken.
        """
        leading = self.leading[: most // 2]
        numbers = {trial.number for trial in leading}
        other_trials = [trial for trial in self.trials if trial.number not in numbers]
        stride = max(1, math.ceil(len(other_trials) / max(most - len(leading), 1)))
        return sorted([*leading, *other_trials[::stride]], key=lambda trial: trial.number)


@dataclass(frozen=True)
class Search:
    """A search.

    told: `search.json`. opened: how often the test part was opened in this folder of runs.
    """

    folder: Path
    told: Mapping[str, Any]
    space: Space
    studies: Sequence[Study]
    opened: int

    @property
    def metric(self) -> str:
        return self.told["metric"]

    @property
    def final(self) -> Mapping[str, Any] | None:
        """The result on test; None while the test part is sealed."""
        return self.told["final"]

    @property
    def tested(self) -> Mapping[str, Any] | None:
        """The winner's mean, sd, low and high on test; None while the test part is sealed."""
        return None if self.final is None else self.final["tested"]

    @property
    def searched(self) -> float:
        """The value of the best trial on dev, the mean over the folds."""
        return sum(study.value for study in self.studies) / len(self.studies)

    @property
    def title(self) -> str:
        count = len(self.space.parameters)
        return (
            f"{self.told['name']}: {count} {'parameter' if count == 1 else 'parameters'} searched"
        )

    def counts(self) -> dict[str, int]:
        """State → number of trials in all studies. Given-up trials are counted as pruned."""
        states = [trial.state for study in self.studies for trial in study.trials]
        return {state: states.count(state) for state in dict.fromkeys(["complete", *states])}


def is_search(folder: Path) -> bool:
    return (folder / SEARCH).is_file()


def below(folder: Path) -> tuple[list[Path], list[Path]]:
    """The folders of the searches below a folder: those that have ended, and all others."""
    begun = sorted(path.parent for path in folder.rglob(_BEGUN))
    ended = sorted(path.parent for path in folder.rglob(SEARCH))
    return ended, [path for path in begun if not is_search(path)]


def read(folder: Path) -> Search:
    """The search of a folder. DataError if a file is missing, damaged, or of another version."""
    absent = [name for name in (SEARCH, *_TABLES) if not (folder / name).is_file()]
    if absent:
        raise DataError(f"{folder} is not a whole search folder: it has no {', '.join(absent)}")
    summary = json_of(folder / SEARCH)
    try:
        space = Space.of_plain(summary["space"])
        studies = _studies(folder, summary, space)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(
            f"{folder / SEARCH} or its tables are of another version ({error}); search again"
        ) from None
    openings = lines_of(folder.parent / "opened.jsonl")
    opened = sum(row.get("split") == summary["split"] for row in openings)
    return Search(folder, summary, space, studies, opened)


def _studies(folder: Path, summary: Mapping[str, Any], space: Space) -> list[Study]:
    sign = -1 if summary["direction"] == "minimize" else 1
    trials, reports = (_table(folder / name) for name in _TABLES)
    studies = []
    for row in summary["studies"]:
        fold = row["fold"]
        suffix = ".yaml" if len(summary["studies"]) == 1 else f"-{fold}.yaml"
        study = Study(
            fold=fold,
            told=row,
            trials=list(_trials(_of_fold(trials, fold), _of_fold(reports, fold), space)),
            sign=sign,
            config=(f"best{suffix}", _text(folder / f"best{suffix}")),
            claimed=f"claim{suffix}",
            default=_default(folder, summary["final"], fold),
        )
        _refuse_strangers(folder, study)
        studies.append(study)
    return studies


def _trials(table: pd.DataFrame, reports: pd.DataFrame, space: Space) -> Iterator[Trial]:
    reports_of: dict[int, list[tuple[float, float]]] = {}
    for row in reports.to_dict("records"):
        reports_of.setdefault(int(row["number"]), []).append(
            (float(row["step"]), float(row["value"]))
        )
    rows = sorted(table.to_dict("records"), key=lambda row: int(row["number"]))
    for row in rows:
        cells = {parameter.name: row[f"param:{parameter.name}"] for parameter in space.parameters}
        yield Trial(
            number=int(row["number"]),
            state=row["state"],
            value=_number(row["value"]),
            cost=_number(row["cost"]),
            seconds=_number(row["seconds"]),
            reason=row["reason"],
            values=spaces.read(space, cells),
            reports=reports_of.get(int(row["number"]), []),
        )


def _refuse_strangers(folder: Path, study: Study) -> None:
    """Refuse a table of trials that belongs to another search than `search.json`."""
    numbers = {trial.number for trial in study.trials}
    unknown = sorted({study.told["best"]["number"], *study.told["pareto"]} - numbers)
    if unknown:
        names = [f"fold {study.fold}: {number}" for number in unknown]
        raise DataError(listed(names, f"trials are not in {folder / _TABLES[0]}"))


def _default(folder: Path, final: Mapping[str, Any] | None, fold: int) -> Mapping[str, Any]:
    """The resolved config of the run that the winner was compared with; empty if it is gone."""
    if final is None:
        return {}
    path = folder / final["runs"]["default"][str(fold)] / "config.yaml"
    return yaml_of(path) if path.is_file() else {}


def _of_fold(table: pd.DataFrame, fold: int) -> pd.DataFrame:
    return table[table["fold"] == str(fold)]


def _table(path: Path) -> pd.DataFrame:
    """A table with all cells as text, so that a value may be called NA or 1.0."""
    try:
        return pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def _number(cell: str) -> float | None:
    return float(cell) if cell else None
