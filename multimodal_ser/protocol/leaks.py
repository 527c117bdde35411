"""Searches for what train, dev and test share. They are pure functions and judge nothing."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from multimodal_ser.types import Fold

_ROLES = ("train", "dev", "test")


def straddling(codes: np.ndarray, folds: Sequence[Fold]) -> tuple[np.ndarray, str]:
    """For each row whether its value stands in two of train, dev and test, and in which of them.

    codes: `[N]` values, −1 for none.
    """
    straddles = np.zeros(codes.max(initial=-1) + 2, dtype=bool)  # the last: no value
    where: dict[str, None] = {}
    for fold in folds:
        held_by = {name: held(codes[rows], len(straddles)) for name, rows in roles(fold).items()}
        for part, other in combinations(held_by, 2):
            shared = held_by[part] & held_by[other]
            if shared.any():
                where[f"{part}/{other}"] = None
                straddles |= shared
    return straddles[codes], " and ".join(where)


def held(codes: np.ndarray, count: int) -> np.ndarray:
    """`[count]` bool: the values that occur; −1 is no value."""
    flags = np.zeros(count, dtype=bool)
    flags[codes] = True
    flags[-1] = False
    return flags


def roles(fold: Fold) -> dict[str, np.ndarray]:
    """train, dev and test, where test is all test parts together."""
    return {"train": fold.train, "dev": fold.dev, "test": np.concatenate([*fold.tests.values()])}


def overlapping(table: pd.DataFrame, folds: Sequence[Fold]) -> tuple[np.ndarray, str]:
    """Segments of one file and channel that share some time and stand in different parts.

    Returns pairs of row positions `[P, 2]`, and the parts. Identical segments are another kind of
    leak.
    """
    pairs = _overlaps(table)
    where: dict[str, None] = {}
    straddles = np.zeros(len(pairs), dtype=bool)
    for fold in folds:
        role = np.full(len(table), "", dtype=object)
        for name, rows in roles(fold).items():
            role[rows] = name
        role_of_first, other = role[pairs[:, 0]], role[pairs[:, 1]]
        apart = (role_of_first != other) & (role_of_first != "") & (other != "")
        straddles |= apart
        where |= {
            "/".join(sorted(pair, key=_ROLES.index)): None
            for pair in zip(role_of_first[apart], other[apart], strict=True)
        }
    return pairs[straddles], " and ".join(where)


def _overlaps(table: pd.DataFrame) -> np.ndarray:
    """`[P, 2]` row pairs of one file whose segments share time and sound but are not the same."""
    with_sound = table[table["audio"].notna()]
    code = pd.factorize(with_sound["audio"])[0]
    channel = with_sound["channel"].fillna("mix").to_numpy()
    start = with_sound["start"].fillna(0.0).to_numpy()
    end = with_sound["end"].fillna(np.inf).to_numpy()
    order = np.lexsort((end, start, code))
    rows, code, channel = with_sound.index.to_numpy()[order], code[order], channel[order]
    start, end = start[order], end[order]
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    for step in range(1, len(rows)):
        shares = (code[step:] == code[:-step]) & (start[step:] < end[:-step])
        if not shares.any():
            break
        first_channel, other = channel[:-step], channel[step:]
        same_sound = (first_channel == other) | (first_channel == "mix") | (other == "mix")
        same = (
            (start[step:] == start[:-step]) & (end[step:] == end[:-step]) & (first_channel == other)
        )
        at = np.flatnonzero(shares & same_sound & ~same)
        pairs.append(np.stack([rows[at], rows[at + step]], axis=1))
    return np.concatenate(pairs)


def identical_sounds(table: pd.DataFrame, keys: pd.Series) -> list[list[str]]:
    """Ids of utterances that are the same sample by sample, in whatever part."""
    ids = pd.Series(table["id"].to_numpy())
    twice = keys.duplicated(keep=False) & keys.notna()
    return [some.tolist() for _, some in ids[twice].groupby(keys[twice], sort=False)]


def nearly_identical(codes: np.ndarray, pairs: np.ndarray, folds: Sequence[Fold]) -> np.ndarray:
    """`[P]` bool: the two texts of the pair stand in different parts.

    codes: `[N]`, equal where texts are equal, so that every row of a text counts.
    """
    apart = np.zeros(len(pairs), dtype=bool)
    for fold in folds if len(pairs) else ():
        parts = np.stack([held(codes[rows], codes.max() + 2) for rows in roles(fold).values()])
        parts_of_first, other = parts[:, codes[pairs[:, 0]]], parts[:, codes[pairs[:, 1]]]
        apart |= (parts_of_first[:, None] & other[None] & ~np.eye(3, dtype=bool)[..., None]).any(
            (0, 1)
        )
    return apart
