"""What the best config of a search is worth: tested against the default with fresh seeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Experiment, Part
from multimodal_ser.evaluation import evaluate
from multimodal_ser.evaluation.contrast import Contrast, contrast
from multimodal_ser.runs.folder import RunFolder
from multimodal_ser.runs.run import Run, run
from multimodal_ser.training import model_folder
from multimodal_ser.types import DataError

_TEST = "test"
_FEWEST = 3  # fresh seeds


@dataclass(frozen=True)
class Claim:
    """The best config and the config as it was, trained anew with seeds new to the search.

    best and default: outer fold → run. tested: mean, sd and interval of the best config on the test
    part. fresh: its mean on dev with the fresh seeds, None where dev trains.
    """

    seeds: tuple[int, ...]
    best: Mapping[int, Run]
    default: Mapping[int, Run]
    contrast: Contrast
    tested: Mapping[str, Any]
    fresh: float | None

    def verdict(self) -> list[str]:
        return [self.contrast.words("the best config", "the default")]


def claim(default: Mapping[int, Experiment], best: Mapping[int, Experiment]) -> Claim:
    """Train both, score both on the test part, compare them.

    Outer fold → what its study began with, and what it chose; both `within` that fold, with
    `folds` where the protocol has others beside it.
    """
    first = next(iter(best.values()))
    seeds = fresh_seeds(first)
    chosen, usual = (
        {fold: run(final(experiment, seeds)) for fold, experiment in arms.items()}
        for arms in (best, default)
    )
    rows, others = (
        pd.concat([done.part(_TEST) for done in runs.values()], ignore_index=True)
        for runs in (chosen, usual)
    )
    if not len(rows) or rows["truth"].isna().all():
        raise DataError("the test part has no labels, so the winner cannot be scored on it")
    metric = first.metrics_of(first.first)[0]
    dev = [done.metrics["dev"] for done in chosen.values() if "dev" in done.metrics]
    values = [numbers["metrics"][metric]["mean"] for numbers in dev]
    return Claim(
        seeds=tuple(seeds),
        best=chosen,
        default=usual,
        contrast=contrast(rows, others, metric),
        tested=evaluate.evaluate(rows, [metric])[_TEST]["metrics"][metric],
        fresh=sum(values) / len(values) if values else None,
    )


def fresh_seeds(experiment: Experiment) -> list[int]:
    """As many seeds as the search had, at least three, and none of its own."""
    count = max(_FEWEST, len(experiment.seeds))
    first = max(experiment.seeds) + 1
    return list(range(first, first + count))


def final(experiment: Experiment, seeds: list[int]) -> Experiment:
    """The experiment outside its fold: dev selects as before, or it trains too.

    It trains with `tune.final: refit`. Then the options that were chosen within the fold are used,
    such as the middle one of the best epochs.
    """
    fresh: dict[str, Any] = {"within": None, "seeds": seeds}
    if experiment.tune.final == "refit":
        fresh |= {"refit": True, "learner": _settled(experiment)}
    return experiment.model_copy(update=fresh)


def _settled(experiment: Experiment) -> Part:
    """The learner with the options that several trainings chose on their dev parts."""
    part = experiment.learner
    learner = registry.find("learners", part.name)
    if learner.settled is None:
        return part
    done = run(experiment)
    folder = RunFolder(done.folder)
    states = [
        model_folder.read_files(folder.model(fold, seed) / "learner")
        for fold in done.prepared.folds
        for seed in experiment.seeds
    ]
    return Part(name=part.name, **learner.settled(states, part.options))
