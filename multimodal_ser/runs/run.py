"""One experiment from corpus to numbers: the only file that knows the order of the stages.

    corpus → folds → leak gate → features → train (fold × seed) → predictions → metrics

Every stage leaves files in the run folder (or the cache), so a run that was stopped anywhere goes
on from there when it is started again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser.config.experiment import Experiment, Part
from multimodal_ser.config.method import Method, method_of
from multimodal_ser.config.read import check, load
from multimodal_ser.corpus.clusters import cluster_names
from multimodal_ser.distributed import first_then_others, world
from multimodal_ser.evaluation import evaluate
from multimodal_ser.evaluation.predictions import columns_of
from multimodal_ser.features.extraction import find_device
from multimodal_ser.parallel import one_thread, spread
from multimodal_ser.runs.folder import RunFolder
from multimodal_ser.runs.prepare import Prepared, encode, prepare, training_rows_of
from multimodal_ser.runs.sealing import sealed
from multimodal_ser.runs.submission import check_part, pack
from multimodal_ser.training import fit, model_folder
from multimodal_ser.training.rows import TrainingRows
from multimodal_ser.types import Fold

Config = Experiment | Mapping[str, Any] | str | Path
"""An experiment, plain data, or the path of a YAML file."""


@dataclass(frozen=True)
class Run:
    """A finished run: what was cut and checked, every prediction and every number."""

    folder: Path
    experiment: Experiment
    prepared: Prepared
    predictions: pd.DataFrame
    metrics: dict[str, Any]

    def table(self, part: str = "test") -> pd.DataFrame:
        """One row a target and metric: mean ± sd over seeds, 95 % interval, other means."""
        columns = ["mean", "sd", "low", "high", "mean_of_folds", "ensemble"]
        first = {self.experiment.first: self.metrics[part]}
        rows = {
            (target, metric): value
            for target, numbers in (first | self.metrics[part]["others"]).items()
            for metric, value in numbers["metrics"].items()
        }
        table = pd.DataFrame(rows).T[columns].astype(float).rename_axis(["target", "metric"])
        return table if len(self.experiment.outputs) > 1 else table.droplevel("target")

    def part(self, name: str, target: str | None = None) -> pd.DataFrame:
        """The predictions of a part for one target, by default the first."""
        rows = self.predictions
        wanted = target or self.experiment.first
        return rows[(rows["part"] == name) & (rows["target"] == wanted)]


def run(
    config: Config,
    *,
    open_test: bool = True,
    final: bool = False,
) -> Run:
    """Run one experiment, or go on with it; the test parts are scored only if `open_test`.

    final: when all is scored, also train a model a seed on every row, for `load` and no score.
    """
    experiment = as_experiment(config)
    among = world(cpu=fit.place_of(method_of(experiment)).type == "cpu")
    with first_then_others():
        prepared = sealed(prepare(experiment, encoding=experiment.within is None))
    if prepared.experiment.submission is not None:
        scored = [part for fold in prepared.folds for part in fold.scored(True)]
        check_part(scored, prepared.experiment.submission)
    folder = RunFolder.of(prepared)
    experiment = folder.with_earlier_seeds(prepared.experiment)
    folder.write_plan(prepared, experiment)
    prepared.audit.refuse()
    with folder.stage("encode"), first_then_others():
        rows = training_rows_of(prepared, encode(prepared))
    with folder.stage("train"):
        _train(prepared, experiment.seeds, rows, folder, open_test)
        among.wait()
    with folder.stage("evaluate"):
        predictions = _collect(prepared, experiment.seeds, folder, open_test)
        measured = _measure(prepared, predictions)
    folder.write_table("predictions.csv", predictions)
    if experiment.submission is not None and open_test:
        chosen = predictions[predictions["target"] == experiment.first]
        folder.write("submission.zip", pack(chosen, experiment.submission))
    stamps = {"split": prepared.split_hash, "leaks allowed": prepared.audit.stamps}
    folder.write_json("metrics.json", {**stamps, "parts": measured})
    folder.write_environment(rows, str(find_device(experiment.device)))
    if final:
        with folder.stage("final"):
            _train_final(prepared, experiment.seeds, rows, folder)
    return Run(folder.path, experiment, prepared, predictions, measured)


def as_experiment(config: Config) -> Experiment:
    """An experiment from a path, from plain data, or as it is."""
    if isinstance(config, Experiment):
        return config
    return check(config) if isinstance(config, Mapping) else load(Path(config))


def _train(
    prepared: Prepared,
    seeds: Sequence[int],
    rows: TrainingRows,
    folder: RunFolder,
    open_test: bool,
) -> None:
    """Train every (fold, seed) that is not finished, each with one thread."""
    jobs, method, features = [], prepared.method, rows.hash()
    for fold in prepared.folds:
        parts = fold.scored(open_test)
        for seed in seeds:
            model = folder.model(fold, seed)
            if not model_folder.is_finished(model, features, parts):
                jobs.append((method, rows, fold, seed, model, parts))
    if jobs and open_test and any(fold.tests for fold in prepared.folds):
        folder.note_opening(prepared.split_hash)
    _do(jobs, method, prepared.experiment.workers, f"train {'+'.join(method.encodings)}")


def _do(jobs: Sequence[tuple[Any, ...]], method: Method, workers: int | None, label: str) -> None:
    """Run the trainings, spread over the cores.

    They run one after the other where several processes share each of them, or where one
    accelerator serves them all. A single one on cached features runs in this process.
    """
    if world().size > 1:
        for job in jobs:
            fit.job(*job)
        return
    on_cpu = fit.place_of(method).type == "cpu"
    if len(jobs) == 1 and on_cpu and not method.in_every_step:
        with one_thread():  # as in a worker, whose start may take longer than the training
            fit.job(*jobs[0])
        return
    for _ in spread(fit.job, jobs, workers=workers if on_cpu else 1, label=label):
        pass


def _train_final(
    prepared: Prepared, seeds: Sequence[int], rows: TrainingRows, folder: RunFolder
) -> None:
    """Train on every row with a target, with what the folds chose on dev."""
    method, learner = prepared.method, prepared.method.learner
    models = [folder.model(fold, seed) for fold in prepared.folds for seed in seeds]
    settled, options = method.learner_class.settled, learner.options
    if settled is not None:
        options = settled([model_folder.read_files(model / "learner") for model in models], options)
    method = replace(method, learner=Part(name=learner.name, **options))
    has_target = np.any([target.known for target in prepared.targets.values()], axis=0)
    nothing = np.array([], dtype=np.int64)
    everything = Fold(-1, 0, {"train": np.flatnonzero(has_target), "dev": nothing})
    if method.augment.copies:  # so far of the rows that train in some fold
        whole = replace(prepared, folds=[everything])
        with first_then_others():
            rows = training_rows_of(whole, encode(whole))
    thresholds = fit.settled_thresholds(models)
    chosen = json.dumps([options, thresholds], sort_keys=True)
    rows = replace(rows, thresholds=thresholds, chosen=chosen)
    jobs = [
        (method, rows, everything, seed, folder.final(seed), [])
        for seed in seeds
        if not model_folder.is_finished(folder.final(seed), rows.hash())
    ]
    _do(jobs, method, prepared.experiment.workers, "train final models")


def _collect(
    prepared: Prepared, seeds: Sequence[int], folder: RunFolder, open_test: bool
) -> pd.DataFrame:
    """All predictions in one long sorted table."""
    ids = prepared.corpus.table["id"].to_numpy()
    cluster = cluster_names(prepared.corpus.table)
    frames = []
    for fold in prepared.folds:
        for part in fold.scored(open_test):
            rows = fold.parts[part]
            for seed in seeds:
                scores = model_folder.read_scores(folder.model(fold, seed), part)
                for target in prepared.targets.values():
                    frame = pd.DataFrame({"id": ids[rows], "cluster": cluster[rows], "part": part})
                    frame[["repeat", "fold", "seed"]] = fold.repeat, fold.number, seed
                    frames.append(frame.assign(**columns_of(target, rows, scores)))
    order = ["target", "part", "repeat", "fold", "seed", "id"]
    return pd.concat(frames).sort_values(order, ignore_index=True)


def _measure(prepared: Prepared, predictions: pd.DataFrame) -> dict[str, Any]:
    """Part → the numbers of the first target, and those of every other one under `others`."""
    experiment, method = prepared.experiment, prepared.method
    table = prepared.corpus.table.set_index("id")
    breakdown = {column: predictions["id"].map(table[column]) for column in experiment.breakdown}
    if prepared.audit.siblings:
        breakdown |= {"group in train": _seen(prepared, predictions)}
    chosen = {name: experiment.metrics_of(name) for name in experiment.outputs}
    measured = evaluate.measure(predictions, chosen, breakdown)
    if notices := method.learner_class.notices(method, prepared.targets):
        for numbers in measured.values():
            numbers["notices"] = [*notices, *numbers["notices"]]
    return measured


def _seen(prepared: Prepared, predictions: pd.DataFrame) -> pd.Series:
    """For each prediction, yes or no: is another utterance of its group in the training part?"""
    group = pd.factorize(prepared.corpus.table["group"])[0]
    ids = prepared.corpus.table["id"].to_numpy()
    in_train = {
        fold.number: set(ids[np.isin(group, group[fold.train][group[fold.train] >= 0])])
        for fold in prepared.folds
    }
    pairs = zip(predictions["fold"], predictions["id"], strict=True)
    return pd.Series(
        ["yes" if utterance in in_train[fold] else "no" for fold, utterance in pairs],
        index=predictions.index,
    )
