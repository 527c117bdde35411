"""Scores of lookups without any model: what the split gives away by itself.

A model that does not beat these probes has learned nothing that the split did not give away. The
lookups use the dev part too, because they select nothing, and their scores should not depend on how
much was held out for selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import numpy as np
import pandas as pd

from multimodal_ser.evaluation import metrics

if TYPE_CHECKING:
    from multimodal_ser.corpus.targets import Target
    from multimodal_ser.types import Fold

Ties = Literal["first seen", "last seen", "first class", "last class"]
NOTHING = None
TIES: tuple[Ties, ...] = ("first seen", "last seen", "first class", "last class")


def probes(
    table: pd.DataFrame, folds: Sequence[Fold], target: Target
) -> dict[str, dict[str, float]]:
    """Scores on test of the majority (or the mean), and of the most frequent answer of the group.

    For numbers the group's answer is its mean; for labels it is a set of labels.
    """
    groups = pd.factorize(table["group"])[0]
    keys = {"majority" if target.classes else "mean": NOTHING, "same group": groups}
    scores = {}
    for name, key in keys.items():
        truth, guesses, _ = guessed(folds, target, key)
        sums = _sums(truth, guesses, target)
        chosen = metrics.DEFAULTS[target.kind]
        scores[name] = {metric: float(metrics.find(metric)(sums)) for metric in chosen}
    return scores


def tie_range(
    table: pd.DataFrame, folds: Sequence[Fold], target: Target
) -> tuple[float, float] | None:
    """Lowest and highest macro-F1 of the lookup by group over the ways to break ties."""
    if target.kind != "classes":
        return None
    groups, scores = pd.factorize(table["group"])[0], []
    for ties in TIES:
        truth, guesses, _ = guessed(folds, target, groups, ties)
        scores.append(float(metrics.macro_f1(_sums(truth, guesses, target))))
    return min(scores), max(scores)


def siblings(
    table: pd.DataFrame, folds: Sequence[Fold], target: Target
) -> dict[str, tuple[int, int]]:
    """Class (or `all`) → how many test items have another of their group in train, of how many."""
    seen = in_train(table, folds)
    rows = np.concatenate([rows for fold in folds for rows in fold.tests.values()])
    counts = {"all": (int(seen.sum()), len(rows))}
    for code, name in enumerate(target.classes):
        own = target.has(code)[rows]
        counts[name] = (int(seen[own].sum()), int(own.sum()))
    return counts


def in_train(table: pd.DataFrame, folds: Sequence[Fold]) -> np.ndarray:
    """For every test row of every fold, in order, whether its group stands in train too."""
    codes = pd.factorize(table["group"])[0]
    parts = [
        np.isin(codes[rows], codes[fold.train][codes[fold.train] >= 0])
        for fold in folds
        for rows in fold.tests.values()
    ]
    return np.concatenate(parts)


def guessed(
    folds: Sequence[Fold], target: Target, keys: np.ndarray | None, ties: Ties = "first seen"
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For every test utterance of every fold: its truth, the answer of the lookup, and its row.

    keys: `[N]` codes, −1 for none, by which the answers are looked up. With `NOTHING` there is no
    key at all, so the answer is that of the majority or the mean.
    """
    codes = np.full(len(target.codes), -1) if keys is None else keys
    parts = [
        (np.concatenate([fold.train, fold.dev]), rows)
        for fold in folds
        for rows in fold.tests.values()
    ]
    rows = np.concatenate([rows for _, rows in parts])
    if not target.classes:
        numbers = target.numbers
        means = [
            mean_lookup(codes, numbers, lookup_rows, test_rows) for lookup_rows, test_rows in parts
        ]
        return numbers[rows], np.concatenate(means), rows
    guesses = [
        lookup(codes, target.codes, lookup_rows, test_rows, ties)
        for lookup_rows, test_rows in parts
    ]
    return target.codes[rows], np.concatenate(guesses), rows


def lookup(
    keys: np.ndarray,
    labels: np.ndarray,
    lookup_rows: np.ndarray,
    test_rows: np.ndarray,
    ties: Ties = "first seen",
) -> np.ndarray:
    """Class codes for the test rows: the key's most frequent label in train, else the majority.

    keys: `[N]` codes, −1 for none; labels: `[N]` class codes, −1 for none.
    """
    lookup_rows = lookup_rows[labels[lookup_rows] >= 0]
    majority = int(np.bincount(labels[lookup_rows], minlength=1).argmax())
    lookup_rows = lookup_rows[keys[lookup_rows] >= 0]
    if not len(lookup_rows):
        return np.full(len(test_rows), majority)
    rows = pd.DataFrame(
        {"key": keys[lookup_rows], "label": labels[lookup_rows], "row": lookup_rows}
    )
    counts = rows.groupby(["key", "label"])["row"].agg(["size", "min", "max"]).reset_index()
    column, rising = {
        "first seen": ("min", True),
        "last seen": ("max", False),
        "first class": ("label", True),
        "last class": ("label", False),
    }[ties]
    ordered = counts.sort_values(["size", column], ascending=[False, rising])
    best = ordered.drop_duplicates("key").set_index("key")["label"]
    return pd.Series(keys[test_rows]).map(best).fillna(majority).to_numpy(dtype=np.int64)


def mean_lookup(
    keys: np.ndarray, numbers: np.ndarray, lookup_rows: np.ndarray, test_rows: np.ndarray
) -> np.ndarray:
    """Numbers for the test rows: the mean of the key's rows in train, else the mean of all rows."""
    lookup_rows = lookup_rows[~np.isnan(numbers[lookup_rows])]
    named = lookup_rows[keys[lookup_rows] >= 0]
    means = pd.Series(numbers[named]).groupby(keys[named]).mean()
    return pd.Series(keys[test_rows]).map(means).fillna(numbers[lookup_rows].mean()).to_numpy()


def gain(truth: np.ndarray, guesses: np.ndarray, plain: np.ndarray, target: Target) -> np.ndarray:
    """`[N]`: how much better each answer is than the majority or mean; NaN where nothing is scored.

    For classes it is the number of right answers more, for numbers the squared error less.
    """
    if target.classes:
        right = (guesses == truth).astype(float) - (plain == truth)
        return np.where(truth >= 0, right, np.nan)
    return (plain - truth) ** 2 - (guesses - truth) ** 2


def _sums(truth: np.ndarray, guesses: np.ndarray, target: Target) -> np.ndarray:
    if target.sets is not None:
        sets = np.where((truth < 0)[:, None], np.nan, target.sets[truth])
        return metrics.agreements(sets, target.sets[guesses]).sum(0)
    if target.classes:
        return metrics.confusion_matrix(truth, guesses, len(target.classes))
    return metrics.moments(truth, guesses).sum(0)
