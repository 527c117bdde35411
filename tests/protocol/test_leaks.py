"""Pure searches for what train, dev and test share, against sets and hand-counted rows."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.protocol.leaks import (
    held,
    identical_sounds,
    nearly_identical,
    overlapping,
    roles,
    straddling,
)
from multimodal_ser.types import Fold

PARTS = ["train", "dev", "test"]


def fold(train, dev=(), test=(), number=0, **more):
    parts = {"train": train, "dev": dev, "test": test} | more
    return Fold(number, 0, {name: np.array(rows, np.int64) for name, rows in parts.items()})


def codes(*values):
    """Value codes, −1 for None."""
    return pd.factorize(pd.Series(values, dtype="object"))[0]


# held, roles


def test_a_value_is_held_once_however_often_and_none_is_no_value():
    assert held(np.array([2, 0, 2, -1]), 4).tolist() == [True, False, True, False]


def test_all_test_parts_are_one_role():
    found = roles(fold([0], dev=[1], test=[2], test2=[3, 4]))
    assert {name: rows.tolist() for name, rows in found.items()} == {
        "train": [0],
        "dev": [1],
        "test": [2, 3, 4],
    }


# straddling


def test_every_row_of_a_value_in_two_parts_is_flagged_also_those_in_no_part():
    rows, where = straddling(codes("a", "b", "a", "c", "a"), [fold([0, 1], test=[2, 3])])
    assert rows.tolist() == [True, False, True, False, True]
    assert where == "train/test"


def test_rows_without_a_value_share_nothing():
    rows, where = straddling(codes(None, "b", None, "c"), [fold([0, 1], test=[2, 3])])
    assert (rows.tolist(), where) == ([False] * 4, "")


def test_a_value_in_no_part_but_one_does_not_straddle():
    rows, where = straddling(codes("a", "a", "b", "b"), [fold([0], test=[2])])
    assert (rows.tolist(), where) == ([False] * 4, "")


def test_no_rows_and_no_folds_share_nothing():
    rows, where = straddling(np.array([], dtype=np.int64), [fold([])])
    assert (rows.tolist(), where) == ([], "")
    rows, where = straddling(codes("a", "a"), [])
    assert (rows.tolist(), where) == ([False, False], "")


def test_parts_are_named_in_the_order_they_are_found_and_each_pair_once():
    values = codes("a", "a", "b", "b")
    one = fold([0], dev=[1], test=[2, 3])
    other = fold([2], dev=[0, 1], test=[3], number=1)
    assert straddling(values, [one, other, one])[1] == "train/dev and train/test"


@settings(max_examples=60, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd") | st.none(), st.sampled_from([*PARTS, ""])), min_size=1
    )
)
def test_straddling_is_the_intersection_of_sets(rows):
    values = [value for value, _ in rows]
    cut = {part: [at for at, (_, own) in enumerate(rows) if own == part] for part in PARTS}
    sets = {part: {values[at] for at in where} - {None} for part, where in cut.items()}
    shared = set()
    names = []
    for one, other in (("train", "dev"), ("train", "test"), ("dev", "test")):
        shared |= sets[one] & sets[other]
        names += [f"{one}/{other}"] if sets[one] & sets[other] else []
    flags, where = straddling(codes(*values), [fold(**cut)])
    assert flags.tolist() == [value in shared for value in values]
    assert where == " and ".join(names)


# overlapping


def segments(*rows):
    """(file, channel, start, end), in seconds."""
    table = pd.DataFrame(rows, columns=["audio", "channel", "start", "end"])
    return table.astype({"audio": "str", "channel": "str", "start": float, "end": float})


def test_the_pairs_are_rows_of_different_parts_and_the_earlier_segment_stands_first():
    table = segments(("f", None, 2, 4), ("f", None, 0, 3), ("f", None, 2.5, 3.5))
    pairs, where = overlapping(table, [fold([0], dev=[1], test=[2])])
    assert sorted(map(tuple, pairs.tolist())) == [(0, 2), (1, 0), (1, 2)]
    assert set(where.split(" and ")) == {"train/dev", "train/test", "dev/test"}


def test_identical_segments_are_another_leak_but_not_on_another_channel_of_the_mix():
    same = segments(("f", None, 0, 2), ("f", None, 0, 2))
    assert len(overlapping(same, [fold([0], test=[1])])[0]) == 0
    mixed = segments(("f", "mix", 0, 2), ("f", "1", 0, 2))
    assert overlapping(mixed, [fold([0], test=[1])])[0].tolist() in ([[0, 1]], [[1, 0]])


def test_a_long_segment_meets_those_far_behind_short_ones():
    short = [("f", None, at, at + 0.5) for at in range(1, 6)]
    table = segments(("f", None, 0, 5.2), *short)
    pairs, where = overlapping(table, [fold([0], test=[5])])
    assert (pairs.tolist(), where) == ([[0, 5]], "train/test")


def test_rows_without_sound_and_rows_in_no_part_overlap_with_nothing():
    table = segments((None, None, 0, 2), ("f", None, 0, 2), ("f", None, 1, 3), (None, None, 1, 3))
    assert overlapping(table, [fold([0, 1], test=[3])])[1] == ""
    assert overlapping(table, [fold([0, 1], test=[2])])[0].tolist() == [[1, 2]]


def test_whole_files_are_no_overlap_of_each_other():
    table = segments(("a", None, None, None), ("b", None, None, None), ("a", None, 3, 4))
    assert overlapping(table, [fold([0], test=[1, 2])])[0].tolist() == [[0, 2]]
    assert overlapping(table, [fold([0, 2], test=[1])])[1] == ""


SEGMENT = st.tuples(
    st.sampled_from("fg"),
    st.sampled_from(["mix", "0", "1"]),
    st.integers(0, 6),
    st.integers(1, 6),
    st.sampled_from([*PARTS, ""]),
)


def overlap(one, other):
    """The definition, pair by pair: one file, shared time, shared sound, and not the very same."""
    (file, channel, start, length, part), (file2, channel2, start2, length2, part2) = one, other
    if file != file2 or part == part2 or "" in (part, part2):
        return False
    if channel != channel2 and "mix" not in (channel, channel2):
        return False
    if (channel, start, length) == (channel2, start2, length2):
        return False
    return start < start2 + length2 and start2 < start + length


@settings(max_examples=100, deadline=None)
@given(st.lists(SEGMENT, min_size=2, max_size=12))
def test_overlaps_are_those_of_the_definition(rows):
    table = segments(*((file, channel, at, at + span) for file, channel, at, span, _ in rows))
    cut = {part: [at for at, row in enumerate(rows) if row[4] == part] for part in PARTS}
    pairs, where = overlapping(table, [fold(**cut)])
    expected = {
        (one, other)
        for other in range(len(rows))
        for one in range(other)
        if overlap(rows[one], rows[other])
    }
    assert {tuple(sorted(pair)) for pair in pairs.tolist()} == expected
    assert len(pairs) == len(expected)
    assert bool(where) == bool(expected)


# identical sounds


def sounds(*keys):
    """Utterances z9, z8 …, so that no id is the number of its row."""
    table = pd.DataFrame({"id": [f"z{9 - at}" for at in range(len(keys))]})
    return identical_sounds(table, pd.Series(keys, dtype="str"))


def test_three_copies_are_one_set():
    assert sounds("x", "x", "y", "x") == [["z9", "z8", "z6"]]


def test_the_ids_are_those_of_the_equal_rows_also_behind_others():
    assert sounds("a", "b", "x", None, "y", "x", "y") == [["z7", "z4"], ["z5", "z3"]]


def test_utterances_without_sound_are_no_copies_of_each_other():
    assert sounds(None, None, "a", None) == []
    assert sounds(None, "a", None, "a") == [["z8", "z6"]]


# nearly identical texts

ALIKE = np.array([[0, 2]])  # rows 0 and 2 hold nearly the same


def test_a_pair_within_one_part_tells_nothing():
    found = nearly_identical(codes("A", "x", "B"), ALIKE, [fold([0, 2], test=[1])])
    assert found.tolist() == [False]


@pytest.mark.parametrize("cut", [fold([0], dev=[2]), fold([1, 2], test=[0]), fold([], [0], [2])])
def test_a_pair_in_two_parts_is_flagged_whichever_they_are(cut):
    assert nearly_identical(codes("A", "x", "B"), ALIKE, [cut]).tolist() == [True]


def test_every_row_of_a_text_counts_and_not_its_first_alone():
    values = codes("A", "A", "B")  # A stands first in train, and in test as well
    assert nearly_identical(values, ALIKE, [fold([0, 2], test=[1])]).tolist() == [True]
    assert nearly_identical(values, ALIKE, [fold([0, 1, 2])]).tolist() == [False]


def test_one_text_on_both_sides_is_no_pair_of_two_texts():
    """A is in train and test, and B in no part: that is the leak of identical texts alone."""
    assert nearly_identical(codes("A", "A", "B"), ALIKE, [fold([0], test=[1])]).tolist() == [False]


def test_any_fold_will_do_and_no_pairs_are_none():
    values = codes("A", None, "B")
    folds = [fold([0, 2], test=[1]), fold([0], test=[2], number=1)]
    assert nearly_identical(values, ALIKE, folds).tolist() == [True]
    assert nearly_identical(values, ALIKE[:0], folds).tolist() == []
    assert nearly_identical(codes(None, None), ALIKE[:0], folds).tolist() == []


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ABCD"), st.sampled_from([*PARTS, ""])), min_size=2))
def test_a_pair_of_texts_is_flagged_where_two_rows_of_them_are_apart(rows):
    texts = [text for text, _ in rows]
    first = {text: texts.index(text) for text in sorted(set(texts), key=texts.index)}
    pairs = [(one, other) for one in first.values() for other in first.values() if one < other]
    cut = {part: [at for at, (_, own) in enumerate(rows) if own == part] for part in PARTS}
    parts = {text: {own for mine, own in rows if mine == text} - {""} for text in first}
    expected = [
        any(a != b for a in parts[texts[one]] for b in parts[texts[other]]) for one, other in pairs
    ]
    given_pairs = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    assert nearly_identical(codes(*texts), given_pairs, [fold(**cut)]).tolist() == expected
