"""Clusters: the utterances that a split must keep together and a test must not count apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components


def clusters(table: pd.DataFrame) -> np.ndarray:
    """`[N]` of int: the connected component of speaker and group that each row is in.

    A row without a speaker or without a group is joined by the other alone; rows that have
    neither are never merged.
    """
    count = len(table)
    speaker = pd.factorize(table["speaker"])[0]
    group = pd.factorize(table["group"])[0]
    rows, nodes = [], []
    offset = count
    for codes in (speaker, group):
        known = np.flatnonzero(codes >= 0)
        rows.append(known)
        nodes.append(codes[known] + offset)
        offset += int(codes.max(initial=-1)) + 1
    ends = (np.concatenate(rows), np.concatenate(nodes))
    graph = coo_array((np.ones(len(ends[0]), dtype=np.int8), ends), shape=(offset, offset))
    return pd.factorize(connected_components(graph, directed=False)[1][:count])[0]


def cluster_names(table: pd.DataFrame) -> np.ndarray:
    """`[N]` of str: each cluster by the first speaker, group or id seen in it."""
    numbers = clusters(table)
    _, first = np.unique(numbers, return_index=True)
    known = table["speaker"].fillna(table["group"]).fillna(table["id"]).to_numpy()
    return known[first][numbers]
