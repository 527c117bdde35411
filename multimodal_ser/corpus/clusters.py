"""Clusters: utterances that a split must keep together and a test must not count apart."""

from __future__ import annotations

import numpy as np
import pandas as pd
import scipy  # its parts are imported when they are first used


def clusters(table: pd.DataFrame) -> np.ndarray:
    """The cluster of each row, int `[N]`: the connected component of its speaker and its group.

    A row without a speaker is joined by its group alone, and a row without a group by its speaker
    alone. Rows that have neither are never merged.
    """
    count = len(table)
    speaker = pd.factorize(table["speaker"])[0]
    group = pd.factorize(table["group"])[0]
    rows, nodes = [], []
    offset = count
    for codes in (speaker, group):
        named = np.flatnonzero(codes >= 0)
        rows.append(named)
        nodes.append(codes[named] + offset)
        offset += int(codes.max(initial=-1)) + 1
    ends = (np.concatenate(rows), np.concatenate(nodes))
    graph = scipy.sparse.coo_array(
        (np.ones(len(ends[0]), dtype=np.int8), ends), shape=(offset, offset)
    )
    return pd.factorize(
        scipy.sparse.csgraph.connected_components(graph, directed=False)[1][:count]
    )[0]


def cluster_names(table: pd.DataFrame) -> np.ndarray:
    """The name of each cluster, `[N]` of str: its first speaker, group or id.

    A number is added to a name that another cluster has already.
    """
    numbers = clusters(table)
    _, first = np.unique(numbers, return_index=True)
    filled = table["speaker"].fillna(table["group"]).fillna(table["id"])
    names = filled.iloc[first].reset_index(drop=True)
    turn = names.groupby(names).cumcount()
    names = names.where(turn == 0, names + "#" + (turn + 1).astype("str"))
    return names.to_numpy()[numbers]


def deal(cluster: np.ndarray, labels: np.ndarray, shares: np.ndarray, seed: int) -> np.ndarray:
    """The part of each row, `[N]`, when whole clusters are dealt out to parts, stratified by label.

    The method is greedy. The largest clusters come first, and each goes to the part where it brings
    the class counts nearest to what the part should hold. Clusters of equal size come in a seeded
    order. Every part that has a share gets at least one cluster.
    """
    _, cluster = np.unique(cluster, return_inverse=True)
    counts = np.zeros((cluster.max() + 1, labels.max() + 1))
    np.add.at(counts, (cluster, labels), 1)
    order = np.random.default_rng(seed).permutation(len(counts))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    wished = np.outer(shares, counts.sum(0))
    weight = 1 / np.maximum(wished, 1e-9)
    have = np.zeros_like(wished)
    dealt = np.empty(len(counts), dtype=np.int64)
    closed = shares == 0
    empty = int((~closed).sum())
    for position, group in enumerate(order):
        cost = ((counts[group] ** 2 + 2 * counts[group] * (have - wished)) * weight).sum(1)
        cost = np.where(closed, np.inf, cost)
        if len(order) - position <= empty:
            cost = np.where(have.any(1), np.inf, cost)
        part = int(cost.argmin())
        empty -= not have[part].any()
        have[part] += counts[group]
        dealt[group] = part
    return dealt[cluster]
