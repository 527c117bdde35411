"""Judge predictions of any origin with the same numbers and tests as those of our own runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from multimodal_ser.config.read import load
from multimodal_ser.corpus import label_sets
from multimodal_ser.corpus.clusters import cluster_names
from multimodal_ser.corpus.targets import Target, targets_of
from multimodal_ser.evaluation import evaluate
from multimodal_ser.evaluation.contrast import Contrast, contrast
from multimodal_ser.evaluation.predictions import SCORE
from multimodal_ser.protocol import splits
from multimodal_ser.runs.prepare import load_corpus
from multimodal_ser.runs.records import read_run
from multimodal_ser.types import ConfigError, DataError, listed

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import Experiment
    from multimodal_ser.corpus.corpus import Corpus


@dataclass(frozen=True)
class Scored:
    """The numbers of predictions on a task, and their difference from a run if one is named."""

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

    The file has a row an utterance: `id`, and either the answer in `value` (or in a column named
    as the target, such as `label`) or a column `score:<class>` for every class; `seed` where there
    are several runs. Labels are answered as `joy|surprise` (`-`: none of them), or by scores from
    `threshold:<label>` on (else from 0.5 on). The task's first target is judged. against: a run
    folder.
    """
    experiment = load(Path(task), card=True) if isinstance(task, str | Path) else task
    corpus = load_corpus(experiment)
    target = targets_of(experiment.outputs, corpus)[experiment.first]
    folds = splits.make(corpus.table, experiment.protocol.name, experiment.protocol.options)
    if part not in folds[0].parts:
        raise ConfigError(f"the task has no part '{part}' (has: {', '.join(folds[0].parts)})")
    owner = {row: fold.number for fold in folds for row in fold.parts[part]}
    rows = _predictions(Path(predictions), corpus, owner, target).assign(part=part)
    if rows["truth"].isna().all():
        raise DataError(f"the {part} part of the task has no labels to score against")
    numbers = evaluate.evaluate(rows, experiment.metrics_of(target.name))[part]
    split_hash = splits.split_hash(splits.split_table(corpus.table, folds))
    difference = None
    if against is not None:
        run = read_run(against)
        own = run.metrics["split"]
        if own != split_hash:
            raise DataError(f"{against} stands on split {own}, the task on {split_hash}")
        other, metric = run.of(target.name), experiment.metrics_of(target.name)[0]
        difference = contrast(rows, other[other["part"] == part], metric)
    return Scored(numbers, split_hash, difference)


def _predictions(path: Path, corpus: Corpus, owner: dict[int, int], target: Target) -> pd.DataFrame:
    """The file in the form of a run's own predictions; it must hold exactly the ids of the part."""
    given = _read(path, target)
    table = corpus.table
    rows = pd.DataFrame(
        {
            "id": table["id"].iloc[list(owner)],
            "cluster": cluster_names(table)[list(owner)],
            "truth": target.written.iloc[list(owner)],
            "fold": list(owner.values()),
        }
    )
    for seed, some in given.groupby("seed"):
        _refuse_other_ids(rows["id"], some["id"], f"seed {seed}: ")
    joined = rows.merge(given, on="id")
    return joined.assign(repeat=0, target=target.name)


def _read(path: Path, target: Target) -> pd.DataFrame:
    """The columns id and seed, and the scores of every class or the number in `value`."""
    try:
        # every cell as a word, so that a label NA is not a missing one
        given = pd.read_csv(path, dtype="str", keep_default_na=False)
    except (OSError, UnicodeDecodeError, pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    classes = target.classes
    columns = [SCORE + name for name in classes]
    if "id" not in given:
        raise DataError(f"{path} has no column 'id' (has: {', '.join(given.columns)})")
    if "seed" not in given:
        given["seed"] = "0"
    given["seed"] = _column_of_numbers(given, "seed", path).astype("int64")
    if classes and set(columns) <= set(given.columns):
        scores = {column: _column_of_numbers(given, column, path) for column in columns}
        return given[["id", "seed"]].assign(**scores, **_thresholds(given, target, path))
    answer = next((name for name in ("value", target.name) if name in given), None)
    if answer is None:
        raise DataError(
            f"{path} needs {' or '.join(['value', target.name, *columns])}; "
            f"it has {', '.join(given.columns)}"
        )
    if not classes:
        return given[["id", "seed"]].assign(value=_column_of_numbers(given, answer, path))
    several = target.kind == "labels"
    odd = given[~given[answer].isin(classes)]
    if several:
        odd = given.loc[label_sets.strangers(given[answer], classes).index]
    if len(odd):
        wrong = [f"{id_}: {label}" for id_, label in zip(odd["id"], odd[answer], strict=True)]
        raise DataError(listed(wrong, f"predictions are not among {', '.join(classes)}"))
    chosen = np.stack([given[answer] == name for name in classes], axis=1) * 1.0
    if several:
        chosen = label_sets.matrix(given[answer], classes)
    scores = dict(zip(columns, chosen.T, strict=True))
    return given[["id", "seed"]].assign(**scores, **_even(target))


def _thresholds(given: pd.DataFrame, target: Target, path: Path) -> dict[str, Any]:
    """The thresholds of labels: those in the file, or 0.5."""
    if not set(_even(target)) <= set(given.columns):
        return _even(target)
    return {column: _column_of_numbers(given, column, path) for column in _even(target)}


def _even(target: Target) -> dict[str, float]:
    names = target.classes if target.kind == "labels" else ()
    return {label_sets.THRESHOLD + name: label_sets.EVEN for name in names}


def _column_of_numbers(given: pd.DataFrame, column: str, path: Path) -> pd.Series:
    values = pd.to_numeric(given[column], errors="coerce").astype("float64")
    bad = given[~np.isfinite(values)]
    if len(bad):
        rows = [f"{id_}: {value!r}" for id_, value in zip(bad["id"], bad[column], strict=True)]
        raise DataError(listed(rows, f"values of '{column}' of {path} are no numbers"))
    return values


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
