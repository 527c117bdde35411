"""Judge anybody's predictions with the numbers and tests that our own runs get."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from multimodal_ser import evaluation, splits
from multimodal_ser.clusters import cluster_names
from multimodal_ser.config import Experiment
from multimodal_ser.contrast import Contrast, contrast
from multimodal_ser.corpus import Corpus
from multimodal_ser.preparation import classes_of, load_corpus
from multimodal_ser.run import as_experiment
from multimodal_ser.types import ConfigError, DataError, listed


@dataclass(frozen=True)
class Scored:
    """Numbers of some predictions on a task, and how they differ from a run if one was named."""

    metrics: dict[str, Any]
    split_hash: str
    contrast: Contrast | None


def score(
    predictions: str | Path,
    task: Experiment | str | Path,
    *,
    against: Path | None = None,
    part: str = "test",
) -> Scored:
    """Score a CSV on a task's test part.

    The file has a row an utterance: `id`, and either the class in `value` (or `label`) or a column
    `score:<class>` for every class; `seed` where there are several runs. against: a run folder.
    """
    experiment = as_experiment(task)
    corpus = load_corpus(experiment)
    classes = classes_of(experiment, corpus)
    folds = splits.make(corpus.table, experiment.protocol.name, experiment.protocol.options)
    if part not in folds[0].parts:
        raise ConfigError(f"the task has no part '{part}' (has: {', '.join(folds[0].parts)})")
    owner = {row: fold.number for fold in folds for row in fold.parts[part]}
    rows = _predictions(Path(predictions), corpus, owner, classes).assign(part=part)
    if rows["truth"].isna().all():
        raise DataError(f"the {part} part of the task has no labels to score against")
    found = evaluation.evaluate(rows, experiment.metrics)[part]
    split_hash = splits.split_hash(splits.split_table(corpus.table, folds))
    difference = None
    if against is not None:
        other = _run(against, split_hash)
        difference = contrast(rows, other[other["part"] == part], experiment.metrics[0])
    return Scored(found, split_hash, difference)


def _predictions(
    path: Path, corpus: Corpus, owner: dict[int, int], classes: list[str]
) -> pd.DataFrame:
    """The file in the form of a run's own predictions; every id of the part, and no other."""
    given = _read(path, classes)
    table = corpus.table
    rows = pd.DataFrame(
        {
            "id": table["id"].iloc[list(owner)],
            "cluster": cluster_names(table)[list(owner)],
            "truth": table["label"].iloc[list(owner)],
            "fold": list(owner.values()),
        }
    )
    for seed, some in given.groupby("seed"):
        _refuse_other_ids(rows["id"], some["id"], f"seed {seed}: ")
    joined = rows.merge(given, on="id")
    return joined.assign(repeat=0, target="label")


def _read(path: Path, classes: list[str]) -> pd.DataFrame:
    try:
        given = pd.read_csv(path, dtype={"id": "str", "value": "str", "label": "str"})
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    columns = [evaluation.SCORE + name for name in classes]
    if "id" not in given:
        raise DataError(f"{path} has no column 'id' (has: {', '.join(given.columns)})")
    if "seed" not in given:
        given["seed"] = 0
    if set(columns) <= set(given.columns):
        if not np.isfinite(given[columns].to_numpy(dtype=float)).all():
            raise DataError(f"{path} holds scores that are no numbers")
        return given[["id", "seed", *columns]]
    answer = next((name for name in ("value", "label") if name in given), None)
    if answer is None:
        raise DataError(
            f"{path} needs 'value' or {', '.join(columns)}; it has {', '.join(given.columns)}"
        )
    odd = given[~given[answer].isin(classes)]
    if len(odd):
        wrong = [f"{one}: {label}" for one, label in zip(odd["id"], odd[answer], strict=True)]
        raise DataError(listed(wrong, f"predictions are not among {', '.join(classes)}"))
    chosen = pd.DataFrame(
        {
            column: (given[answer] == name) * 1.0
            for column, name in zip(columns, classes, strict=True)
        }
    )
    return pd.concat([given[["id", "seed"]], chosen], axis=1)


def _refuse_other_ids(wanted: pd.Series, given: pd.Series, where: str) -> None:
    twice = given[given.duplicated()].unique().tolist()
    if twice:
        raise DataError(listed(twice, f"{where}ids are predicted twice"))
    missing = sorted(set(wanted) - set(given))
    if missing:
        raise DataError(listed(missing, f"{where}utterances of the test part have no prediction"))
    extra = sorted(set(given) - set(wanted))
    if extra:
        raise DataError(listed(extra, f"{where}ids are not in the test part"))


def _run(folder: Path, split_hash: str) -> pd.DataFrame:
    """A run's predictions, if it stands on the same split."""
    try:
        text = (folder / "metrics.json").read_text("utf-8")
        rows = pd.read_csv(folder / "predictions.csv", dtype={"id": "str", "cluster": "str"})
    except OSError:
        raise DataError(f"{folder} is no finished run (it has no predictions.csv)") from None
    other = yaml.safe_load(text)["split"]
    if other != split_hash:
        raise DataError(f"{folder} stands on split {other}, the task on {split_hash}")
    return rows
