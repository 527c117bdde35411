"""A search from a config to a claim: the order of its stages, and what it leaves on disk.

    space → gate → sealed corpus → features → trials → best and default, fresh seeds, test once

The test part is out of reach until the end: the gate looks at the split once, in this process, and
what the trials are given has no tested row.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import yaml
from optuna.trial import FrozenTrial

from multimodal_ser.config.experiment import Experiment, Within
from multimodal_ser.config.read import applied, space_of
from multimodal_ser.config.search_space import Space
from multimodal_ser.evaluation import metrics
from multimodal_ser.files import as_csv, as_json, write_atomically
from multimodal_ser.runs.prepare import Prepared, prepare
from multimodal_ser.runs.run import Config, as_experiment
from multimodal_ser.runs.sealing import sealed
from multimodal_ser.studies.search import studies, tables, workers
from multimodal_ser.studies.search.claims import Claim, claim
from multimodal_ser.studies.search.storage import shown
from multimodal_ser.studies.search.studies import Plan, refuse_mistakes
from multimodal_ser.studies.search.tables import Study, number_of
from multimodal_ser.studies.search.trials import SLOTS, Bench, Objective, bench_of
from multimodal_ser.types import ConfigError, DataError

_USUAL = "hyperband"  # stands for none where several objectives leave nothing to prune by


@dataclass(frozen=True)
class Settings:
    """The options of a search.

    trials: how many are complete or pruned in the end. storage: a URL or a file, None: a journal in
    the folder of the search. timeout: seconds after which no trial starts.
    """

    trials: int
    workers: int = 1
    storage: str | None = None
    timeout: float | None = None
    sampler: str = "tpe"
    pruner: str = _USUAL
    seed: int = 0


@dataclass(frozen=True)
class Search:
    """A finished search. summary: what its report says; claim: None while the test is sealed."""

    folder: Path
    studies: Sequence[Study]
    claim: Claim | None
    summary: Mapping[str, Any]

    def table(self) -> pd.DataFrame:
        """One row for each trial: state, value, cost, seconds, and the values that it tried."""
        return tables.trials(self.studies)


def tune(
    config: Config,
    settings: Settings,
    *,
    finish: bool = True,
    search: bool = True,
) -> Search:
    """Search the values that the config names, and test the best config against the default.

    finish: open the test at the end. search: False uses the trials that are there.
    """
    experiment = as_experiment(config).model_copy(update={"within": None, "refit": False})
    space, intended = space_of(experiment), _intended(experiment, settings)
    prepared = prepare(experiment)
    prepared.audit.refuse()
    folder = folder_of(prepared, space)
    write_atomically(folder / "space.json", as_json(space.plain()).encode())
    done = []
    for fold in _folds(prepared):
        inside = _within(prepared, fold)
        bench = bench_of(sealed(replace(prepared, experiment=inside)), space)
        plan = _plan(bench, intended, folder, fold)
        if search:
            workers.search(plan, partial(Objective, bench), settings.workers)
        done.append(_studied(fold, plan, bench))
    write_atomically(folder / "trials.csv", as_csv(tables.trials(done)).encode())
    write_atomically(folder / "reports.csv", as_csv(tables.reports(done)).encode())
    best = {study.fold: study.best for study in done}
    _write_configs(folder, "best", best)
    final_claim = None
    if finish:
        final_claim = claim({study.fold: study.begun for study in done}, best)
        claimed = {fold: run.experiment for fold, run in final_claim.best.items()}
        _write_configs(folder, "claim", claimed)
    summary = tables.summary(folder, prepared, done, final_claim)
    write_atomically(folder / "search.json", as_json(summary).encode())
    return Search(folder, done, final_claim, summary)


def _write_configs(folder: Path, name: str, experiments: Mapping[int, Experiment]) -> None:
    """`best.yaml`, or `best-<fold>.yaml` where there are several."""
    for fold, experiment in experiments.items():
        file = name if len(experiments) == 1 else f"{name}-{fold}"
        text = yaml.safe_dump(experiment.resolved(), sort_keys=False, allow_unicode=True)
        write_atomically(folder / f"{file}.yaml", text.encode())


def folder_of(prepared: Prepared, space: Space) -> Path:
    """`runs_dir/<name>/search-<hash>`: of the config, the space and the corpus."""
    experiment = prepared.experiment
    what = [
        experiment.fingerprint(prepared.corpus.table_hash()),
        space.plain(),
        experiment.tune.model_dump(mode="json", exclude={"final"}),
        experiment.seeds,
    ]
    digest = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()[:12]
    return experiment.runs_dir / experiment.name / f"search-{digest}"


def _folds(prepared: Prepared) -> list[int]:
    """The outer folds that are searched; none contains the test rows of another."""
    tune = prepared.experiment.tune
    numbers = [fold.number for fold in prepared.folds]
    if tune.tune_on is not None:
        if tune.tune_on not in numbers:
            raise ConfigError(f"tune.tune_on: {tune.tune_on} is not there; the folds are {numbers}")
        return [tune.tune_on]
    if len(numbers) > 1 and not tune.nested:
        raise ConfigError(
            f"tune: the protocol makes {len(numbers)} folds, and a value chosen on the dev parts "
            "of "
            f"all would have seen their tests. Set tune.nested=true ({len(numbers)} studies, one a "
            "fold), or tune.tune_on=0 to search in one fold and claim that one alone"
        )
    return numbers


def _within(prepared: Prepared, fold: int) -> Experiment:
    """The experiment of one outer fold."""
    experiment = prepared.experiment
    inside = {
        "within": Within(fold=fold, folds=experiment.tune.inner),
        "folds": [fold] if len(prepared.folds) > 1 else None,
    }
    return applied(experiment.model_copy(update=inside), {})


def _intended(experiment: Experiment, settings: Settings) -> Plan:
    """The plan of a study; everything that is wrong with it, before anything is computed."""
    more = metrics.sign(experiment.metrics_of(experiment.first)[0]) > 0
    best, several = "maximize" if more else "minimize", experiment.tune.cost is not None
    if settings.storage:
        shown(settings.storage)  # refuses what is no place
    return refuse_mistakes(
        Plan(
            name=experiment.name,
            storage=settings.storage or "",
            folder=experiment.runs_dir,
            directions=(best, "minimize") if several else (best,),
            sampler=settings.sampler,
            pruner="none" if several and settings.pruner == _USUAL else settings.pruner,
            seed=settings.seed,
            trials=settings.trials,
            timeout=settings.timeout,
        )
    )


def _plan(bench: Bench, intended: Plan, folder: Path, fold: int) -> Plan:
    experiment = bench.experiment
    about = {
        "space": bench.space.plain(),
        "experiment": experiment.fingerprint(bench.rows_hash),
        "seeds": experiment.seeds,
        "objective": experiment.tune.objective,
        "cost": experiment.tune.cost,
    }
    return replace(
        intended,
        name=f"{experiment.name}-{folder.name.removeprefix('search-')}-{fold}",
        storage=intended.storage or str(folder / f"fold-{fold}.journal"),
        folder=folder,
        steps=SLOTS * len(bench.folds) * len(experiment.seeds),
        about=about,
    )


def _studied(fold: int, plan: Plan, bench: Bench) -> Study:
    trials = studies.trials(plan)
    complete = [trial for trial in trials if trial.state.name == "COMPLETE"]
    if not complete:
        raise DataError(
            f"fold {fold}: none of {len(trials)} trials is complete, so nothing can be chosen; ask "
            "for more trials, or --pruner none (trials.csv says why each was given up)"
        )

    def order(trial: FrozenTrial) -> tuple[float, ...]:
        """The best first; of equals the cheapest, then the first."""
        value, *cost = trial.values
        return (-bench.sign * value, *cost, number_of(trial))

    chosen = min(complete, key=order)
    best = applied(bench.experiment, bench.space.values(chosen.params))
    return Study(fold, plan, bench, trials, chosen, best)
