"""One trial of a search: the experiment that its values make, trained and scored on dev.

Everything here works on a sealed corpus (see `sealing`), so no trial can see a row that is tested.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import optuna
import pandas as pd

from multimodal_ser.config import registry
from multimodal_ser.config.method import Encoding, Method, method_of
from multimodal_ser.config.read import applied
from multimodal_ser.evaluation import evaluate, metrics
from multimodal_ser.evaluation.predictions import columns_of
from multimodal_ser.features.encode import Encoded, Source, source_of
from multimodal_ser.runs.prepare import Prepared, encode, training_rows_of
from multimodal_ser.training import fit
from multimodal_ser.training.apply import predict
from multimodal_ser.training.balance import filed
from multimodal_ser.types import ConfigError, DivergedError, Fold

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import EncoderPart, Experiment
    from multimodal_ser.config.search_space import Assignment, Space
    from multimodal_ser.corpus.targets import Target
    from multimodal_ser.training.rows import TrainingRows

SLOTS = 10  # reports of one training to the pruner, at most
REASON = "reason"  # the attribute of a trial that says why it has no value
_LONGEST = 300  # characters of that


@dataclass(frozen=True)
class Bench:
    """What every trial of a study is given.

    rows_hash: of the sealed corpus. encoded: the features of each encoder that is frozen in some
    trial, by what `variant` says of it. sources: encoder → what it reads where it learns.
    """

    experiment: Experiment
    space: Space
    folds: tuple[Fold, ...]
    target: Target
    ids: np.ndarray
    rows_hash: str
    rows: TrainingRows
    encoded: Mapping[str, Encoded]
    sources: Mapping[str, Source]

    def rows_for(self, method: Method) -> TrainingRows:
        """The training rows for a method of the space."""
        return replace(
            self.rows,
            encoded={
                key: self.encoded[variant(key, encoding)] for key, encoding in method.cached.items()
            },
            sources={key: self.sources[key] for key in method.in_every_step},
        )

    @property
    def metric(self) -> str:
        return self.experiment.metrics_of(self.experiment.first)[0]

    @property
    def sign(self) -> int:
        return metrics.sign(self.metric)


def bench_of(prepared: Prepared, space: Space) -> Bench:
    """The bench, with the features of every variant in the cache; prepared: on a sealed corpus.

    The variants of an encoder are computed once, not once for each variant of the other encoders.
    """
    experiment = prepared.experiment
    encoded: dict[str, Encoded] = {}
    for alone in cached_variants(experiment, space):
        ((name, part),) = alone.encoders.items()
        if (called := variant(name, part)) not in encoded:
            encoded[called] = encode(replace(prepared, experiment=alone))[name]
    return Bench(
        experiment=experiment,
        space=space,
        folds=tuple(prepared.folds),
        target=prepared.target,
        ids=prepared.corpus.table["id"].to_numpy(),
        rows_hash=prepared.corpus.table_hash(),
        rows=training_rows_of(prepared, {}),
        encoded=encoded,
        sources={
            name: source_of(prepared.contents(registry.find("encoders", part.name).modality))
            for name, part in experiment.encoders.items()
        },
    )


def cached_variants(experiment: Experiment, space: Space) -> Iterator[Experiment]:
    """Each encoder alone, in every way in which a trial may find it frozen."""
    for name in experiment.encoders:
        alone, mine = experiment.with_encoders([name]), _features_of(space, name)
        if not any(
            name in method_of(variant_of).cached for variant_of in _made(alone, mine.corners())
        ):
            continue  # it learns, or is fitted: it may have no end of variants
        yield from (
            variant_of
            for variant_of in _made(alone, mine.variants())
            if name in method_of(variant_of).cached
        )


def _made(alone: Experiment, several: Sequence[Assignment]) -> Iterator[Experiment]:
    return (applied(alone, values, apart=True) for values in several or [{}])


def _features_of(space: Space, name: str) -> Space:
    """The parameters that change the features of one encoder."""
    kept = [
        parameter
        for parameter in space.parameters
        if parameter.key.startswith(f"encoders.{name}.")
        and parameter.key.split(".")[2] not in ("finetune", "normalize")
        and not parameter.domain.continuous  # the check allows it only for what is never cached
    ]
    return replace(space, parameters=tuple(kept))


def variant(name: str, part: EncoderPart | Encoding) -> str:
    """Everything that decides the features of an encoder, or its inputs in every step."""
    return json.dumps([name, part.name, part.options], sort_keys=True)


class Objective:
    """Called with a trial: the mean metric on dev over folds and seeds, or with its cost.

    A trial whose values contradict each other, or whose training diverges, is given up like one
    that is pruned, and says why.
    """

    def __init__(self, bench: Bench) -> None:
        self.bench = bench

    def __call__(self, trial: optuna.Trial) -> float | tuple[float, float]:
        began = time.perf_counter()
        values = self.bench.space.suggest(trial)
        try:
            experiment = applied(self.bench.experiment, values)
            scores, parameters = self._train(experiment, trial)
        except (ConfigError, DivergedError) as error:
            trial.set_user_attr(REASON, " ".join(str(error).split())[:_LONGEST])
            raise optuna.TrialPruned from None
        value = objective_of(scores, experiment.tune.objective, self.bench.sign)
        if experiment.tune.cost is None:
            return value
        seconds = time.perf_counter() - began
        return value, float(parameters) if experiment.tune.cost == "parameters" else seconds

    def _train(self, experiment: Experiment, trial: optuna.Trial) -> tuple[list[float], int]:
        """The dev value of each (fold, seed), and the number of parameters of the last model."""
        bench, scores, parameters = self.bench, [], 0
        method = method_of(experiment)
        rows = bench.rows_for(method)
        jobs = [(fold, seed) for fold in bench.folds for seed in experiment.seeds]
        for fold, seed in jobs:
            reports = Reports(trial, scores, bench.sign, _epochs_tell(experiment, bench.metric))
            trained = fit.fit(method, rows, fold, seed, watch=reports.epoch)
            scores_on_dev = predict(method, rows, trained, fold.dev).scores
            scores_on_dev = {**scores_on_dev, **filed(trained.thresholds)}
            answers = pd.DataFrame({"id": bench.ids[fold.dev]})
            answers = answers.assign(**columns_of(bench.target, fold.dev, scores_on_dev))
            scores.append(evaluate.value_of(answers, bench.metric))
            parameters = fit.learned_numbers(trained)
            if len(scores) < len(jobs):
                reports.job()
        return scores, parameters


class Reports:
    """Tells the pruner a trial's value: the mean over finished trainings and the current one."""

    def __init__(
        self, trial: optuna.Trial, scores: Sequence[float], sign: int, by_epoch: bool
    ) -> None:
        self.trial, self.scores, self.sign, self.by_epoch = trial, scores, sign, by_epoch
        self.alone = len(trial.study.directions) == 1
        self.slot = 0

    def epoch(self, done: int, epochs: int, best: float) -> None:
        """Report after an epoch; best: the best value so far, more is better."""
        slot = done * SLOTS // epochs
        if self.by_epoch and done < epochs and slot > self.slot:
            self.slot = slot
            self._tell(len(self.scores) * SLOTS + slot, [*self.scores, self.sign * best])

    def job(self) -> None:
        self._tell(len(self.scores) * SLOTS, self.scores)

    def _tell(self, step: int, scores: Sequence[float]) -> None:
        if not self.alone:
            return
        self.trial.report(float(np.mean(scores)), step)
        if self.trial.should_prune():
            raise optuna.TrialPruned


def objective_of(scores: Sequence[float], how: str, sign: int) -> float:
    """The mean; with `lower` the mean minus its standard error."""
    mean = float(np.mean(scores))
    if how == "mean":
        return mean
    return mean - sign * float(np.std(scores, ddof=1) / np.sqrt(len(scores)))


def _epochs_tell(experiment: Experiment, metric: str) -> bool:
    """Whether epochs are selected by the metric of the search; else only folds are reported."""
    chosen = experiment.learner.options.get("select")
    kind = experiment.outputs[experiment.first].kind
    return len(experiment.outputs) == 1 and (chosen or metrics.DEFAULTS[kind][0]) == metric
