"""Protocols: ways to cut a corpus into train, dev and test, proven disjoint before use.

A protocol is a function of this file found by its name; its keyword-only parameters are its
options. It gets the table and returns, per fold, part name → row positions. Clusters (connected
components of speakers and groups) stay whole in every protocol but `official`, `ordered` and
`random`, whose leaks are the leak gate's business.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from multimodal_ser.corpus.clusters import clusters, deal
from multimodal_ser.types import ConfigError, DataError, Fold, listed, nearest

Parts = dict[str, np.ndarray]
Share = Annotated[float, Field(ge=0, lt=1)]


def names() -> list[str]:
    return sorted(PROTOCOLS)


def find(name: str) -> Callable[..., list[Parts]]:
    """The protocol of that name, or ConfigError with the nearest one."""
    if name not in PROTOCOLS:
        near = nearest(name, names())
        raise ConfigError(f"no protocol is named '{name}'{near} (allowed: {', '.join(names())})")
    return PROTOCOLS[name]


def make(table: pd.DataFrame, name: str, options: Mapping[str, Any]) -> list[Fold]:
    """The folds of a protocol; DataError where a fold could not be trained or scored."""
    cuts = find(name)(table, **options)
    folds = [
        Fold(number, int(cut.pop("repeat", np.array(0))), {key: np.sort(cut[key]) for key in cut})
        for number, cut in enumerate(cuts)
    ]
    cluster = np.arange(len(table)) if name in _MAY_SHARE else clusters(table)
    for fold in folds:
        prove(table, fold, cluster)
    return folds


def thinned(table: pd.DataFrame, fold: Fold, fraction: float) -> Fold:
    """The fold with a fraction of its training rows, in whole clusters and stratified."""
    if fraction == 1:
        return fold
    kept = _take(table, fold.train, 1 - fraction, seed=fold.number)[0]
    return replace(fold, parts={**fold.parts, "train": kept})


def refitted(fold: Fold) -> Fold:
    """The fold with its dev part among the training rows."""
    train = np.sort(np.concatenate([fold.train, fold.dev]))
    return replace(fold, parts={**fold.parts, "train": train, "dev": fold.dev[:0]})


def split_table(table: pd.DataFrame, folds: Sequence[Fold]) -> pd.DataFrame:
    """The split as it is written down: one row for each utterance of each part of each fold."""
    ids = pd.Series(table["id"].to_numpy())
    place = pd.factorize(ids, sort=True)[0]
    parts = [
        (fold.repeat, fold.number, part, rows[np.argsort(place[rows])])
        for fold in sorted(folds, key=lambda fold: fold.number)
        for part, rows in sorted(fold.parts.items())
    ]
    repeats, numbers, names, rows = zip(*parts, strict=True)
    sizes, taken = [len(row) for row in rows], ids.array[np.concatenate(rows)]
    counted = {"repeat": np.repeat(repeats, sizes), "fold": np.repeat(numbers, sizes)}
    return pd.DataFrame({**counted, "part": pd.Series(names).repeat(sizes).array, "id": taken})


def split_hash(written: pd.DataFrame) -> str:
    """Eight hex digits that every table shows: equal digits mean equal splits."""
    digest = hashlib.sha256()
    for (repeat, fold, part), ids in written.groupby(["repeat", "fold", "part"])["id"]:
        digest.update("\n".join([f"{repeat},{fold},{part}", *ids.tolist(), ""]).encode())
    return digest.hexdigest()[:8]


def official(table: pd.DataFrame, *, dev: Share = 0.1, seed: int = 0) -> list[Parts]:
    """The split as shipped, by the column `split` (train, dev, test, test2 …).

    Where no dev part is shipped, it is taken from train. Where the column holds fold1, fold2 …,
    each of these folds is tested once.
    """
    split = table["split"].fillna("")
    if split.str.fullmatch(r"fold\d+").all():
        return _official_folds(table, split, dev, seed)
    parts_named = [name for name in split.unique() if _is_part(name)]
    unknown = sorted(set(split.unique()) - set(parts_named) - {""})
    if unknown:
        raise DataError(f"the split column holds {unknown}; known are train, dev, test, test2 …")
    parts = {name: np.flatnonzero(split == name) for name in parts_named}
    if not {"train", "test"} <= set(parts):
        raise DataError(f"official needs train and test; the split column has {sorted(parts)}")
    if "dev" not in parts:
        parts["train"], parts["dev"] = _take_dev(table, parts["train"], dev, seed)
    return [parts]


def _official_folds(table: pd.DataFrame, split: pd.Series, dev: float, seed: int) -> list[Parts]:
    cuts = []
    for name in sorted(split.unique(), key=lambda fold: int(fold[4:])):
        train, chosen = _take_dev(table, np.flatnonzero(split != name), dev, seed)
        cuts.append({"train": train, "dev": chosen, "test": np.flatnonzero(split == name)})
    return cuts


def disjoint(table: pd.DataFrame, *, dev: Share = 0.1, seed: int = 0) -> list[Parts]:
    """The official split without the train rows that share a cluster with a later part."""
    shipped = official(table, dev=0.0)
    if len(shipped) > 1:
        raise ConfigError("protocol: the corpus ships folds, which official takes as they are")
    parts, cluster = shipped[0], clusters(table)
    tests = [rows for name, rows in parts.items() if name.startswith("test")]
    if len(parts["dev"]):
        parts["dev"] = _without(parts["dev"], tests, cluster)
    parts["train"] = _without(parts["train"], [*tests, parts["dev"]], cluster)
    if not len(parts["dev"]):
        parts["train"], parts["dev"] = _take_dev(table, parts["train"], dev, seed)
    return [parts]


def holdout(
    table: pd.DataFrame, *, test: Share = 0.2, dev: Share = 0.1, seed: int = 0
) -> list[Parts]:
    """Whole clusters at random, stratified: `test` of all, `dev` of the rest."""
    return _three(clusters(table), table, test, dev, seed)


def kfold(
    table: pd.DataFrame,
    *,
    folds: Annotated[int, Field(ge=2)] = 5,
    repeats: Annotated[int, Field(ge=1)] = 1,
    dev: bool = True,
    seed: int = 0,
) -> list[Parts]:
    """Every cluster is tested once; the dev part of a fold is the test part of the next one."""
    if dev and folds < 3:
        raise ConfigError("protocol: kfold with a dev part needs folds: 3 or more (or dev: false)")
    cluster, labels = clusters(table), _labels(table)
    if cluster.max() + 1 < folds:
        raise DataError(f"{folds} folds need as many speakers or groups; got {cluster.max() + 1}")
    cuts = []
    for repeat in range(repeats):
        part_of = deal(cluster, labels, np.full(folds, 1 / folds), seed + repeat)
        for fold in range(folds):
            following = (fold + 1) % folds if dev else -1
            held = (part_of == fold) | (part_of == following)
            cuts.append(
                {
                    "repeat": np.array(repeat),
                    "train": np.flatnonzero(~held),
                    "dev": np.flatnonzero(part_of == following),
                    "test": np.flatnonzero(part_of == fold),
                }
            )
    return cuts


def loso(
    table: pd.DataFrame,
    *,
    by: Literal["speaker", "group"] = "speaker",
    dev: Share = 0.1,
    seed: int = 0,
) -> list[Parts]:
    """Leave one out: each speaker (or group) is tested once, its whole cluster out of train."""
    unknown = table["id"][table[by].isna()]
    if len(unknown):
        raise DataError(listed(list(unknown), f"rows have no {by}"))
    cluster = clusters(table)
    cuts = []
    for rows in table.groupby(table[by].to_numpy()).indices.values():
        rest = _without(np.arange(len(table)), [rows], cluster)
        train, chosen = _take_dev(table, rest, dev, seed)
        cuts.append({"train": train, "dev": chosen, "test": rows})
    return cuts


def cross(
    table: pd.DataFrame, *, train: list[str], test: list[str], dev: Share = 0.1, seed: int = 0
) -> list[Parts]:
    """Train on some corpora and test on others, by the `corpus` column."""
    corpora = sorted(table["corpus"].unique())
    unknown = sorted({*train, *test} - set(corpora))
    if unknown or set(train) & set(test) or not train or not test:
        raise ConfigError(f"protocol: cross needs train and test, apart, out of {corpora}")
    rows = {part: np.flatnonzero(table["corpus"].isin(chosen))
            for part, chosen in (("train", train), ("test", test))}  # fmt: skip
    rest = _without(rows["train"], [rows["test"]], clusters(table))
    kept, chosen = _take_dev(table, rest, dev, seed)
    return [{"train": kept, "dev": chosen, "test": rows["test"]}]


def leave_one_corpus_out(table: pd.DataFrame, *, dev: Share = 0.1, seed: int = 0) -> list[Parts]:
    """Each corpus is tested once by models that saw the others."""
    corpora = sorted(table["corpus"].unique())
    if len(corpora) < 2:
        raise ConfigError(
            f"protocol: leave_one_corpus_out needs two corpora or more, got {corpora}"
        )
    cuts = []
    for held in corpora:
        others = [corpus for corpus in corpora if corpus != held]
        cuts += cross(table, train=others, test=[held], dev=dev, seed=seed)
    return cuts


def ordered(table: pd.DataFrame, *, train: Share = 0.8, dev: Share = 0.1) -> list[Parts]:
    """The first `train` of the rows train (their last `dev` are the dev part), the rest test."""
    rows = np.arange(len(table))
    cut = round(train * len(rows))
    held = round(dev * cut)
    return [{"train": rows[: cut - held], "dev": rows[cut - held : cut], "test": rows[cut:]}]


def random(
    table: pd.DataFrame, *, test: Share = 0.2, dev: Share = 0.1, seed: int = 0
) -> list[Parts]:
    """Utterances at random, whoever speaks. This leaks, and it is here to show by how much."""
    return _three(np.arange(len(table)), table, test, dev, seed)


_MAY_SHARE = ("official", "ordered", "random")
PROTOCOLS: dict[str, Callable[..., list[Parts]]] = {
    function.__name__: function
    for function in (
        official, disjoint, holdout, kfold, loso, cross, leave_one_corpus_out, ordered, random,
    )
}  # fmt: skip


def _three(
    cluster: np.ndarray, table: pd.DataFrame, test: float, dev: float, seed: int
) -> list[Parts]:
    """One cut into train, dev and test."""
    shares = np.array([(1 - test) * (1 - dev), (1 - test) * dev, test])
    if (groups := len(np.unique(cluster))) < (shares > 0).sum():
        raise DataError(
            f"{groups} speakers or groups cannot be cut into train, dev and test "
            "(dev: 0 needs one less)"
        )
    part_of = deal(cluster, _labels(table), shares, seed)
    train, chosen, held = (np.flatnonzero(part_of == part) for part in range(3))
    return [{"train": train, "dev": chosen, "test": held}]


def _is_part(name: str) -> bool:
    return name in ("train", "dev") or (name.startswith("test") and (name[4:] or "2").isdecimal())


def _labels(table: pd.DataFrame) -> np.ndarray:
    return pd.factorize(table["label"].fillna(""), sort=True)[0]


def _without(rows: np.ndarray, others: Sequence[np.ndarray], cluster: np.ndarray) -> np.ndarray:
    """The rows that share no cluster with any of the other rows."""
    return rows[~np.isin(cluster[rows], cluster[np.concatenate(others)])]


def _take_dev(
    table: pd.DataFrame, rows: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    if share == 0:
        return rows, rows[:0]
    return _take(table, rows, share, seed)


def _take(
    table: pd.DataFrame, rows: np.ndarray, share: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """The rows without and with about `share` of them, in whole clusters."""
    cluster = clusters(table)[rows]
    if len(np.unique(cluster)) < 2:
        raise DataError(
            "all rows belong to one speaker or group, so no dev part can be held out (dev: 0)"
        )
    part_of = deal(cluster, _labels(table)[rows], np.array([1 - share, share]), seed)
    return rows[part_of == 0], rows[part_of == 1]


def prove(table: pd.DataFrame, fold: Fold, cluster: np.ndarray) -> None:
    """Raise unless no part is empty, no cluster is in two parts, and no label is only in test."""
    roles = {part: 0 if part in fold.tests else 1 + place for place, part in enumerate(fold.parts)}
    owner = np.full(cluster.max() + 1, -1)
    for part, rows in fold.parts.items():
        if part != "dev" and not len(rows):
            raise DataError(f"fold {fold.number}: the {part} part is empty")
        if not np.isin(owner[cluster[rows]], [-1, roles[part]]).all():
            raise DataError(f"fold {fold.number}: {part} shares speakers or rows with another part")
        owner[cluster[rows]] = roles[part]
    codes, labels = pd.factorize(table["label"])
    held = codes[np.concatenate(list(fold.tests.values()))]
    unseen = labels[np.setdiff1d(held[held >= 0], codes[fold.train])]
    if len(unseen):
        shown = ", ".join(sorted(unseen))
        raise DataError(f"fold {fold.number}: tested but never trained on: {shown}")
