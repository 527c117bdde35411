"""Clusters: who must stay together, against a naive union of sets."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.corpus.clusters import cluster_names, clusters, deal


def people(pairs):
    speaker, group = zip(*pairs, strict=True)
    columns = {"id": [f"u{row}" for row in range(len(pairs))], "speaker": speaker, "group": group}
    return pd.DataFrame({name: pd.Series(cells, dtype="str") for name, cells in columns.items()})


def naive(pairs):
    """Number of each row's set: sets that share a speaker or a group are merged until none do."""
    sets = [{row} for row in range(len(pairs))]
    for column in (0, 1):
        for value in {pair[column] for pair in pairs} - {None}:
            rows = {row for row, pair in enumerate(pairs) if pair[column] == value}
            touched = [one for one in sets if one & rows]
            sets = [one for one in sets if not one & rows] + [set().union(*touched)]
    sets.sort(key=min)
    return [next(number for number, one in enumerate(sets) if row in one)
            for row in range(len(pairs))]  # fmt: skip


NAMES = st.sampled_from([None, None, "1", "2", "3", "4", "5"])
PAIRS = st.lists(st.tuples(NAMES, NAMES), min_size=1, max_size=14)

CASES = {
    "one speaker in two videos": ([("p", "v"), ("p", "w"), ("q", "x")], [0, 0, 1]),
    "two speakers in one video": ([("p", "v"), ("q", "v"), ("q", "w")], [0, 0, 0]),
    "a chain over three": ([("p", "v"), ("r", "w"), ("q", "v"), ("q", "w")], [0, 0, 0, 0]),
    "unknown speakers are not one": ([(None, None), (None, None), ("p", None)], [0, 1, 2]),
    "unknown speakers of one video": ([(None, "v"), ("p", None), (None, "v")], [0, 1, 0]),
    "unknown groups of one speaker": ([("p", None), (None, "v"), ("p", None)], [0, 1, 0]),
    "a speaker named like a video": ([("7", "v"), ("p", "7")], [0, 1]),
}


@pytest.mark.parametrize(("pairs", "expected"), CASES.values(), ids=CASES)
def test_a_cluster_is_a_chain_of_shared_speakers_and_groups(pairs, expected):
    assert clusters(people(pairs)).tolist() == expected


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_clusters_are_the_naive_ones_numbered_as_first_seen(pairs):
    assert clusters(people(pairs)).tolist() == naive(pairs)


@settings(max_examples=50, deadline=None)
@given(PAIRS, st.randoms())
def test_clusters_do_not_depend_on_the_order_of_the_rows(pairs, chance):
    order = list(range(len(pairs)))
    chance.shuffle(order)
    straight, turned = clusters(people(pairs)), clusters(people([pairs[row] for row in order]))
    same = straight[order][:, None] == straight[order][None]
    np.testing.assert_array_equal(turned[:, None] == turned[None], same)


@settings(max_examples=50, deadline=None)
@given(PAIRS)
def test_two_clusters_never_have_one_name(pairs):
    names = cluster_names(people(pairs))
    np.testing.assert_array_equal(
        names[:, None] == names[None], np.equal.outer(naive(pairs), naive(pairs))
    )


def test_a_cluster_is_named_after_its_first_speaker_else_group_else_id():
    table = people([("p", "v"), ("q", "v"), (None, "w"), (None, None)])
    assert cluster_names(table).tolist() == ["p", "p", "w", "u3"]


def test_a_speaker_and_a_video_of_one_name_are_counted_apart():
    table = people([("001", "v"), (None, "001")])
    assert len(set(cluster_names(table))) == 2


def test_a_part_that_wants_little_is_dealt_a_cluster_all_the_same():
    """Two clusters of five rows, of which the second part wants one: it gets five."""
    cluster = np.repeat([0, 1], 5)
    dealt = deal(cluster, np.zeros(10, int), np.array([0.9, 0.1]), seed=0)
    assert sorted(dealt.tolist()) == [0] * 5 + [1] * 5


@settings(max_examples=50, deadline=None)
@given(
    st.lists(st.integers(1, 20), min_size=3, max_size=8),
    st.lists(st.integers(1, 50), min_size=2, max_size=3),
    st.integers(0, 9),
)
def test_every_part_with_a_share_is_dealt_whole_clusters_and_none_goes_without(sizes, wish, seed):
    cluster = np.repeat(np.arange(len(sizes)), sizes)
    shares = np.array([0, *wish]) / sum(wish)
    dealt = deal(cluster, np.arange(len(cluster)) % 2, shares, seed)
    assert set(dealt.tolist()) == set(range(1, len(shares)))
    assert len(set(zip(cluster.tolist(), dealt.tolist(), strict=True))) == len(sizes)
