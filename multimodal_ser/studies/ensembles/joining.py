"""Join the predictions of several runs row by row, and merge them into predictions of a run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from multimodal_ser.corpus.label_sets import THRESHOLD
from multimodal_ser.evaluation import predictions
from multimodal_ser.evaluation.predictions import SCORE, answers, kind_of
from multimodal_ser.studies.ensembles.merging import (
    LEARNED,
    Fit,
    Opinions,
    cross_fitted,
    fit,
    merged,
)
from multimodal_ser.types import DataError, listed

if TYPE_CHECKING:
    from multimodal_ser.runs.records import Record
    from multimodal_ser.studies.ensembles.members import Member

Fits = dict[int, dict[int, Fit]]
_KEYS = ["part", "repeat", "fold", "seed", "id"]
_HEAD = ["id", "cluster", "part", "repeat", "fold", "seed", "target", "truth"]


@dataclass(frozen=True)
class Joined:
    """Every member's scores of one target, row by row; truth `[N, C]`, NaN where unknown."""

    rows: pd.DataFrame
    classes: list[str]
    said: Opinions
    truth: np.ndarray


def join(
    members: Sequence[Member], target: str, parts: Sequence[str], seeds: Sequence[int]
) -> Joined:
    """Join fold with fold and seed with seed, sorted by part, fold, seed and id."""
    tables = [_rows(member.record, target, parts, seeds) for member in members]
    for member, table in zip(members[1:], tables[1:], strict=True):
        _refuse_other_rows(members[0].label, tables[0], member.label, table)
    classes, kind = members[0].record.classes_by_target[target], kind_of(tables[0])
    scores = _columns(tables, [SCORE + name for name in classes] or ["value"])
    for member, of_member in zip(members, scores, strict=True):
        lost = tables[0]["id"][~np.isfinite(of_member).all(axis=1)]
        if len(lost):
            raise DataError(listed([*lost], f"predictions of {member.label} are no numbers"))
    cuts = None
    if kind == "labels":
        cuts = _columns(tables, [THRESHOLD + name for name in classes])
    opinions = Opinions(kind, scores, cuts)
    return Joined(tables[0][_HEAD], classes, opinions, predictions.truth(tables[0]))


def merge(how: str, joined: Joined) -> tuple[pd.DataFrame, Fits]:
    """The merged rows as a run writes them, and what was learned: fold → seed → fit."""
    if how not in LEARNED:
        return _written(joined, *merged(how, joined.said)), {}
    scores = np.zeros(joined.said.scores.shape[1:])
    cuts = None if joined.said.cuts is None else np.zeros(scores.shape)
    fits: Fits = {}
    for fold, some in joined.rows.groupby("fold"):
        for seed, rows in some.groupby("seed"):
            places = rows.index.to_numpy()
            learned = _learn(how, joined, places, scores, cuts)
            fits.setdefault(int(str(fold)), {})[int(str(seed))] = learned
    return _written(joined, scores, cuts), fits


def _learn(
    how: str, joined: Joined, rows: np.ndarray, scores: np.ndarray, cuts: np.ndarray | None
) -> Fit:
    """Learn for one fold and seed: dev is cross-fitted, other parts use a fit on all of dev.

    scores, cuts: where the results are written.
    """
    about = joined.rows.iloc[rows]
    dev = rows[(about["part"] == "dev").to_numpy()]
    rest = np.setdiff1d(rows, dev)
    opinions, truth = joined.said.of(dev), joined.truth[dev]
    try:
        learned = fit(how, opinions, truth)
        of_dev = cross_fitted(how, opinions, truth, joined.rows["cluster"].to_numpy()[dev])
    except DataError as error:
        where = f"{about['target'].iloc[0]}, fold {about['fold'].iloc[0]}"
        raise DataError(
            f"{how} cannot be learned on dev ({where}): {error}; take mean, or a protocol with "
            "more of dev"
        ) from None
    for places, (merged_scores, at) in (
        (dev, of_dev),
        (rest, merged(how, joined.said.of(rest), learned)),
    ):
        scores[places] = merged_scores
        if cuts is not None:
            cuts[places] = at
    return learned


def _written(joined: Joined, scores: np.ndarray, cuts: np.ndarray | None) -> pd.DataFrame:
    if not joined.classes:
        return joined.rows.assign(value=[f"{number:.8g}" for number in scores[:, 0]])
    columns = {SCORE + name: scores[:, at] for at, name in enumerate(joined.classes)}
    if cuts is not None:
        columns |= {THRESHOLD + name: cuts[:, at] for at, name in enumerate(joined.classes)}
    rows = joined.rows.assign(value="", **columns)
    return rows.assign(value=answers(rows))


def _columns(tables: Sequence[pd.DataFrame], names: Sequence[str]) -> np.ndarray:
    """The columns of scores of all members, `[M, N, C]`."""
    return np.stack([table[[*names]].to_numpy(dtype=float) for table in tables])


def _rows(record: Record, target: str, parts: Sequence[str], seeds: Sequence[int]) -> pd.DataFrame:
    rows = record.of(target)
    rows = rows[rows["part"].isin(parts)]
    if len(record.seeds) == 1:
        rows = pd.concat([rows.assign(seed=seed) for seed in seeds])
    return rows.sort_values(_KEYS, ignore_index=True)


def _refuse_other_rows(
    name: str, first: pd.DataFrame, other_name: str, other: pd.DataFrame
) -> None:
    """Refuse different rows.

    Split, folds and seeds agree, so the corpus changed or a file is damaged.
    """
    if not first[_KEYS].equals(other[_KEYS]):
        ids = sorted(set(first["id"]) ^ set(other["id"]))
        what = f"{len(ids)} ids are in one only, such as {ids[0]}" if ids else "other folds, seeds"
        raise DataError(f"{name} and {other_name} did not score the same utterances: {what}")
    for column in ("truth", "cluster"):
        ours, theirs = first[column].fillna(""), other[column].fillna("")
        if (ours != theirs).any():
            row = int((ours != theirs).to_numpy().argmax())
            raise DataError(
                f"{name} and {other_name}: the {column} of {first['id'][row]} is '{ours[row]}' "
                f"against '{theirs[row]}'; run both on the same corpus"
            )
