"""The results of a search as tables, and as the plain data of its report."""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna
import pandas as pd
from optuna.exceptions import ExperimentalWarning
from optuna.trial import FrozenTrial

from multimodal_ser.studies.search.trials import REASON, Bench

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import Experiment
    from multimodal_ser.config.search_space import Space
    from multimodal_ser.runs.prepare import Prepared
    from multimodal_ser.studies.search.claims import Claim
    from multimodal_ser.studies.search.studies import Plan

_FEWEST = 2  # different values, without which there is nothing to explain
_COLUMNS = ("fold", "number", "state", "value", "cost", "seconds", "reason")


@dataclass(frozen=True)
class Study:
    """The study of one outer fold, and the values that it chose.

    begun: the experiment of the fold before any value was changed; best: with the chosen values.
    """

    fold: int
    plan: Plan
    bench: Bench
    trials: Sequence[FrozenTrial]
    chosen: FrozenTrial
    best: Experiment

    @property
    def begun(self) -> Experiment:
        return self.bench.experiment


def trials(studies: Sequence[Study]) -> pd.DataFrame:
    """One row a trial that was completed or pruned; `param:<name>` is blank where not active."""
    rows = [_row(study.fold, trial) for study in studies for trial in study.trials]
    names = [parameter.name for parameter in studies[0].bench.space.parameters]
    return pd.DataFrame(rows, columns=[*_COLUMNS, *(f"param:{name}" for name in names)])


def reports(studies: Sequence[Study]) -> pd.DataFrame:
    """One row a report to the pruner."""
    rows = [
        (study.fold, number_of(trial), step, value)
        for study in studies
        for trial in study.trials
        for step, value in sorted(trial.intermediate_values.items())
    ]
    return pd.DataFrame(rows, columns=["fold", "number", "step", "value"])


def number_of(trial: FrozenTrial) -> int:
    """The place of a trial; the number in the storage would count failed trials as well."""
    return int(trial.user_attrs["place"])


def summary(
    folder: Path, prepared: Prepared, studies: Sequence[Study], claim: Claim | None
) -> dict[str, Any]:
    """Plain data for the report, without times, so that equal searches give equal bytes."""
    experiment, first = prepared.experiment, studies[0]
    return {
        "name": experiment.name,
        "metric": first.bench.metric,
        "direction": first.plan.directions[0],
        "objective": experiment.tune.objective,
        "cost": experiment.tune.cost,
        "seeds": experiment.seeds,
        "split": prepared.split_hash,
        "leaks allowed": prepared.audit.stamps,
        "sampler": first.plan.sampler,
        "pruner": first.plan.pruner,
        "space": first.bench.space.plain(),
        "studies": [_study(study) for study in studies],
        "final": None if claim is None else _final(folder, studies, claim),
    }


def importances(space: Space, trials: Sequence[FrozenTrial]) -> dict[str, float]:
    """The share of the variance of the values that each parameter explains, alone and with others.

    A parameter that only one branch has is weighed among the trials of that branch.
    """
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    shares = {}
    for when in dict.fromkeys(parameter.when for parameter in space.parameters):
        inside = [done for done in complete if when is None or done.params.get(when[0]) == when[1]]
        mine = {parameter.name for parameter in space.parameters if parameter.when == when}
        shares |= {name: share for name, share in _shares(inside).items() if name in mine}
    return shares


def _shares(complete: Sequence[FrozenTrial]) -> dict[str, float]:
    """The shares of the parameters that all these trials have; empty for too few trials."""
    if len({trial.values[0] for trial in complete}) < _FEWEST:
        return {}
    copy = optuna.create_study()
    for trial in complete:
        copy.add_trial(
            optuna.trial.create_trial(
                params=trial.params, distributions=trial.distributions, value=trial.values[0]
            )
        )
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        shares = optuna.importance.get_param_importances(copy, evaluator=evaluator)
    return {name: float(value) for name, value in shares.items()}


def _row(fold: int, trial: FrozenTrial) -> dict[str, Any]:
    values = trial.values if trial.state.name == "COMPLETE" else None
    spent = trial.duration.total_seconds() if trial.duration else None
    row = {
        "fold": fold,
        "number": number_of(trial),
        "state": trial.state.name.lower(),
        "value": values[0] if values else None,
        "cost": values[1] if values and len(values) > 1 else None,
        "seconds": spent,
        "reason": trial.user_attrs.get(REASON, ""),
    }
    return row | {f"param:{name}": value for name, value in trial.params.items()}


def _study(study: Study) -> dict[str, Any]:
    counts = Counter(trial.state.name.lower() for trial in study.trials)
    values = study.bench.space.values(study.chosen.params)
    return {
        "fold": study.fold,
        "inner": study.begun.tune.inner,
        "trials": {"complete": counts["complete"], "pruned": counts["pruned"]},
        "best": {
            "number": number_of(study.chosen),
            "value": study.chosen.values[0],
            "values": values,
        },
        "importances": importances(study.bench.space, study.trials),
        "pareto": _pareto(study),
    }


def _pareto(study: Study) -> list[int]:
    """The numbers of the trials that no other trial beats in both value and cost."""
    if len(study.plan.directions) == 1:
        return []
    sign = study.bench.sign
    complete = [trial for trial in study.trials if trial.state.name == "COMPLETE"]
    points = [(sign * done.values[0], -done.values[1], number_of(done)) for done in complete]
    return sorted(
        number
        for value, cost, number in points
        if not any(
            other >= value and less >= cost and (other, less) != (value, cost)
            for other, less, _ in points
        )
    )


def _final(folder: Path, studies: Sequence[Study], claim: Claim) -> dict[str, Any]:
    searched = sum(study.chosen.values[0] for study in studies) / len(studies)
    return {
        "how": studies[0].begun.tune.final,
        "seeds": list(claim.seeds),
        "runs": {
            name: {str(fold): os.path.relpath(done.folder, folder) for fold, done in runs.items()}
            for name, runs in (("best", claim.best), ("default", claim.default))
        },
        "contrast": claim.contrast.plain(),
        "tested": {key: claim.tested[key] for key in ("mean", "sd", "low", "high")},
        "optimism": {"searched": searched, "fresh": claim.fresh, "test": claim.tested["mean"]},
        "verdict": claim.verdict(),
    }
