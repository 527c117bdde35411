"""One experiment from corpus to numbers: the only file that knows the order of the stages.

    corpus → folds → leak gate → features → train (fold × seed) → predictions → metrics

Every stage leaves files in the run folder (or the cache), so a run that was stopped anywhere goes
on from there when it is started again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser import components, evaluation, features, training
from multimodal_ser.clusters import cluster_names
from multimodal_ser.config import Experiment, check, load
from multimodal_ser.engines.local import spread
from multimodal_ser.features import Encoded
from multimodal_ser.preparation import Prepared, cache_root, make_material, prepare
from multimodal_ser.run_folder import RunFolder
from multimodal_ser.training import Material


@dataclass(frozen=True)
class Run:
    """A finished run: what was cut and checked, every prediction and every number."""

    folder: Path
    experiment: Experiment
    prepared: Prepared
    predictions: pd.DataFrame
    metrics: dict[str, Any]

    def table(self, part: str = "test") -> pd.DataFrame:
        """One row a metric: mean ± sd over seeds, 95 % interval, mean of folds, seed ensemble."""
        values = self.metrics[part]["metrics"]
        columns = ["mean", "sd", "low", "high", "mean_of_folds", "ensemble"]
        return pd.DataFrame(values).T[columns].astype(float).rename_axis("metric")

    def part(self, name: str) -> pd.DataFrame:
        """The predictions of one part."""
        return self.predictions[self.predictions["part"] == name]


def run(config: Experiment | Mapping[str, Any] | str | Path, *, open_test: bool = True) -> Run:
    """Run one experiment, or go on with it; the test parts are scored only if `open_test`."""
    prepared = prepare(as_experiment(config))
    folder = RunFolder.of(prepared)
    experiment = folder.with_earlier_seeds(prepared.experiment)
    folder.write_plan(prepared, experiment)
    prepared.audit.refuse()
    with folder.stage("encode"):
        material = make_material(prepared, encode(prepared))
    with folder.stage("train"):
        _train(prepared, experiment, material, folder, open_test)
    with folder.stage("evaluate"):
        predictions = _collect(prepared, experiment, folder, open_test)
        measured = _measure(prepared, experiment, predictions)
    folder.write_table("predictions.csv", predictions)
    stamps = {"split": prepared.split_hash, "leaks allowed": prepared.audit.stamps}
    folder.write_json("metrics.json", {**stamps, "parts": measured})
    folder.write_environment(material)
    return Run(folder.path, experiment, prepared, predictions, measured)


def as_experiment(config: Experiment | Mapping[str, Any] | str | Path) -> Experiment:
    """An experiment from a path, from plain data, or as it is."""
    if isinstance(config, Experiment):
        return config
    return check(config) if isinstance(config, Mapping) else load(Path(config))


def encode(prepared: Prepared) -> dict[str, Encoded]:
    """Every frozen encoder's features in the cache; fitted encoders are left to each fold."""
    experiment = prepared.experiment
    utterances = prepared.corpus.utterances()
    encoded = {}
    for name, part in experiment.encoders.items():
        encoder = components.find("encoders", part.name)
        if not hasattr(encoder, "fit"):
            encoded[name] = features.encode(
                part.name,
                part.options,
                utterances,
                prepared.contents[encoder.modality],
                cache_root(experiment),
                workers=experiment.workers,
                label=f"encode {name}",
            )
    return encoded


def _train(
    prepared: Prepared,
    experiment: Experiment,
    material: Material,
    folder: RunFolder,
    open_test: bool,
) -> None:
    """Every (fold, seed) that is not finished, each in its own one-thread process."""
    jobs = []
    for fold in prepared.folds:
        wanted = fold.scored(open_test)
        for seed in experiment.seeds:
            model = folder.model(fold, seed)
            if not training.is_finished(model, material, wanted):
                jobs.append((experiment, material, fold, seed, model, wanted))
    if jobs and open_test:
        folder.note_opening(prepared.split_hash)
    label = f"train {'+'.join(experiment.encoders)}"
    for _ in spread(training.job, jobs, workers=experiment.workers, label=label):
        pass


def _collect(
    prepared: Prepared, experiment: Experiment, folder: RunFolder, open_test: bool
) -> pd.DataFrame:
    """All predictions in one long sorted table."""
    table = prepared.corpus.table
    ids, truth = table["id"].to_numpy(), table["label"].to_numpy()
    cluster, classes = cluster_names(table), np.array(prepared.classes)
    frames = []
    for fold in prepared.folds:
        for part in fold.scored(open_test):
            rows = fold.parts[part]
            for seed in experiment.seeds:
                scores = training.read_scores(folder.model(fold, seed), part)["label"]
                frame = pd.DataFrame({"id": ids[rows], "cluster": cluster[rows], "part": part})
                frame[["repeat", "fold", "seed"]] = fold.repeat, fold.number, seed
                frame["target"], frame["truth"] = "label", truth[rows]
                frame["value"] = classes[scores.argmax(1)]
                frame[[evaluation.SCORE + name for name in classes]] = scores
                frames.append(frame)
    order = ["target", "part", "repeat", "fold", "seed", "id"]
    return pd.concat(frames).sort_values(order, ignore_index=True)


def _measure(
    prepared: Prepared, experiment: Experiment, predictions: pd.DataFrame
) -> dict[str, Any]:
    table = prepared.corpus.table.set_index("id")
    breakdown = {column: table[column] for column in experiment.breakdown}
    return evaluation.evaluate(predictions, experiment.metrics, breakdown)
