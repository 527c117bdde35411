"""Read a table of predictions: the kind of its target, the truth, and the answers of the model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from multimodal_ser.corpus import label_sets
from multimodal_ser.corpus.label_sets import THRESHOLD
from multimodal_ser.types import DataError, listed

if TYPE_CHECKING:
    from multimodal_ser.corpus.targets import Target

SCORE = "score:"


def read(run: Path) -> pd.DataFrame:
    """The table that a run wrote. `NA` is a word like any other; only a blank is missing."""
    path = run / "predictions.csv"
    words = dict.fromkeys(("id", "cluster", "part", "target", "truth", "value"), "str")
    try:
        return pd.read_csv(path, dtype=words, keep_default_na=False, na_values=[""])
    except OSError:
        raise DataError(f"{run} is no finished run (it has no {path.name})") from None
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def classes_of(predictions: pd.DataFrame) -> list[str]:
    """The classes of a target, in the order of the score columns; none for a target of numbers.

    A table of several targets has the columns of all, empty where they are not of the target.
    """
    columns = [column for column in map(str, predictions.columns) if column.startswith(SCORE)]
    if predictions.empty or not predictions.iloc[0][columns].isna().any():
        filled = columns
    else:
        filled = [column for column in columns if predictions[column].notna().any()]
    return [column.removeprefix(SCORE) for column in filled]


def kind_of(predictions: pd.DataFrame) -> str:
    """`classes`, `labels` (which have thresholds beside their scores) or `numbers`."""
    classes = classes_of(predictions)
    if not classes:
        return "numbers"
    column = THRESHOLD + classes[0]
    has = column in predictions and bool(predictions[column].notna().all())
    return "labels" if has else "classes"


def numbers(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Truth (NaN: not scored) and prediction of a target of numbers, both `[N]`."""
    truth = pd.to_numeric(predictions["truth"], errors="coerce")
    odd = predictions["truth"][truth.isna() & predictions["truth"].notna()]
    if len(odd):
        raise DataError(f"the truth holds {list(odd[:5])}, which are no numbers")
    guess = predictions["value"].to_numpy(dtype=float)
    lost = predictions["id"][~np.isfinite(guess)]
    if len(lost):
        raise DataError(listed([*map(str, lost)], "predictions are no numbers"))
    return truth.to_numpy(dtype=float), guess


def truth(predictions: pd.DataFrame) -> np.ndarray:
    """`[N, C]`: 1 for what is true, 0 for what is not; or numbers `[N, 1]`. NaN is unknown."""
    kind = kind_of(predictions)
    if kind == "numbers":
        return numbers(predictions)[0][:, None]
    if kind == "labels":
        return sets(predictions)[0]
    class_codes = codes(predictions)[0]
    return np.where(
        class_codes[:, None] < 0,
        np.nan,
        class_codes[:, None] == np.arange(len(classes_of(predictions))),
    )


def codes(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Class codes of truth (−1: not scored) and guess, both `[N]`."""
    classes = classes_of(predictions)
    odd = predictions["truth"][~predictions["truth"].isin(classes)].dropna().unique()
    if len(odd):
        raise DataError(f"the truth holds {list(odd)}, which are not among {', '.join(classes)}")
    truth = pd.Categorical(predictions["truth"], classes).codes.astype(np.int64)
    return truth, predictions[[SCORE + name for name in classes]].to_numpy().argmax(1)


def sets(predictions: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Truth of 1, 0 and NaN (not scored) and guess (bool) of a target of labels, `[N, C]` each."""
    classes = classes_of(predictions)
    odd = label_sets.strangers(predictions["truth"], classes).unique()
    if len(odd):
        raise DataError(f"the truth holds {list(odd)}, which are not among {', '.join(classes)}")
    scores, cuts = (
        predictions[[prefix + name for name in classes]].to_numpy(dtype=float)
        for prefix in (SCORE, THRESHOLD)
    )
    return label_sets.matrix(predictions["truth"], classes), scores >= cuts


def answers(predictions: pd.DataFrame) -> list[Any]:
    """The class, the set of labels as one cell, or the number of each row, by its scores."""
    kind, classes = kind_of(predictions), classes_of(predictions)
    if kind == "numbers":
        return predictions["value"].tolist()
    if kind == "labels":
        return label_sets.written(sets(predictions)[1], classes)
    scores = predictions[[SCORE + name for name in classes]].to_numpy()
    return _likeliest(scores, classes)


def columns_of(
    target: Target, rows: np.ndarray, scores: Mapping[str, np.ndarray]
) -> dict[str, Any]:
    """The columns of a table of predictions that belong to this target, for some rows.

    scores: target → scores of these rows, and for labels the thresholds too (see `label_sets`).
    """
    own, classes = scores[target.name], target.classes
    about = {"target": target.name, "truth": target.written.to_numpy()[rows]}
    if not classes:
        return {**about, "value": [f"{number:.8g}" for number in own[:, 0]]}
    columns = {SCORE + name: own[:, at] for at, name in enumerate(classes)}
    if target.kind == "classes":
        return {**about, "value": _likeliest(own, classes), **columns}
    cuts = scores[THRESHOLD + target.name]
    columns |= {THRESHOLD + name: cut for name, cut in zip(classes, cuts, strict=True)}
    return {**about, "value": label_sets.written(own >= cuts, classes), **columns}


def _likeliest(scores: np.ndarray, classes: Sequence[str]) -> list[str]:
    return np.array(classes)[scores.argmax(1)].tolist()


def right(predictions: pd.DataFrame) -> np.ndarray:
    """For each scored row, whether the class (or the whole set of labels) is the true one."""
    if kind_of(predictions) == "labels":
        truth, guess = sets(predictions)
        return ((truth == 1) == guess).all(axis=1)[~np.isnan(truth).any(axis=1)]
    truth, guess = codes(predictions)
    return (truth == guess)[truth >= 0]


def ensemble(predictions: pd.DataFrame) -> pd.DataFrame:
    """One row for each utterance: its scores (or its `value`) averaged over seeds and repeats.

    The columns `id` and `truth` are kept, and the thresholds of labels are averaged too.
    """
    classes = classes_of(predictions)
    columns = [SCORE + name for name in classes] or ["value"]
    if kind_of(predictions) == "labels":
        columns += [THRESHOLD + name for name in classes]
    grouped = predictions.astype(dict.fromkeys(columns, float)).groupby("id", sort=True)
    return grouped[columns].mean().assign(truth=grouped["truth"].first()).reset_index()
