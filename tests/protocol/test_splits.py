"""The nine protocols: disjoint where they say so, complete, stratified, repeatable."""

import hashlib
import re
from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.protocol import splits
from multimodal_ser.protocol.splits import find, make, names, split_hash, split_table
from multimodal_ser.types import ConfigError, DataError, MserError

CORPORA = {"train": ["one"], "test": ["two"]}
DISJOINT = {
    "disjoint": {},
    "holdout": {},
    "kfold": {},
    "loso": {},
    "cross": CORPORA,
    "leave_one_corpus_out": {},
}
LEAKY = {"official": {}, "ordered": {}, "random": {}}
EVERY = DISJOINT | LEAKY
WITH_DEV_SHARE = {name: options for name, options in EVERY.items() if name != "kfold"}
both = pytest.mark.parametrize(("name", "options"), EVERY.items(), ids=EVERY)


def utterances(**columns):
    """A table of the columns that splits read; those not given are unknown in every row."""
    count = len(next(iter(columns.values())))
    ids = [f"u{row:03}" for row in range(count)]
    known = {"id": ids, "corpus": ["one"] * count, "label": ["x"] * count} | columns
    text = ("id", "label", "speaker", "group", "split", "corpus")
    return pd.DataFrame(
        {name: pd.Series(known.get(name, [None] * count), dtype="str") for name in text}
    )


@pytest.fixture
def table():
    """Twelve speakers of four rows, labels balanced; p00 and p01 share a video, and so do p10 and
    p11 of the second corpus; one test row of the shipped split is p00's."""
    speaker = np.repeat([f"p{number:02}" for number in range(12)], 4)
    group = [{"p00": "v0", "p01": "v0", "p10": "v1", "p11": "v1"}.get(one, one) for one in speaker]
    split = np.repeat(["train", "dev", "test"], [32, 8, 8])
    split[0] = "test"
    corpus = np.repeat(["one", "two"], 24)
    return utterances(
        speaker=speaker, group=group, split=split, corpus=corpus, label=["x", "y"] * 24
    )


def ids_of(table, fold):
    return {part: table["id"].iloc[rows].tolist() for part, rows in fold.parts.items()}


def written(table, name, **options):
    return split_table(table, make(table, name, options))


def test_there_are_nine_protocols():
    assert names() == sorted(EVERY)


def test_an_unknown_protocol_is_an_error_with_the_nearest_name():
    with pytest.raises(ConfigError, match=r"no protocol is named 'kfolds'; did you mean kfold\?"):
        find("kfolds")


@both
def test_no_row_is_in_two_parts_or_twice_in_one(table, name, options):
    for fold in make(table, name, options):
        rows = np.concatenate(list(fold.parts.values()))
        assert len(set(rows.tolist())) == len(rows)
        assert set(rows.tolist()) <= set(range(len(table)))


@both
def test_no_part_is_empty(table, name, options):
    for fold in make(table, name, options):
        assert set(fold.parts) == {"train", "dev", "test"}
        assert min(len(rows) for rows in fold.parts.values()) > 0


def straddling(table, fold):
    """Speakers and groups seen in more than one of train, dev and all tests together."""
    seen = Counter()
    for rows in (fold.train, fold.dev, np.concatenate(list(fold.tests.values()))):
        for column in ("speaker", "group"):
            seen.update({(column, one) for one in table[column].iloc[rows].dropna()})
    return sorted(one for one, parts in seen.items() if parts > 1)


@pytest.mark.parametrize(("name", "options"), DISJOINT.items(), ids=DISJOINT)
def test_no_speaker_and_no_group_is_on_two_sides(table, name, options):
    for fold in make(table, name, options):
        assert straddling(table, fold) == []


@pytest.mark.parametrize("name", DISJOINT)
@pytest.mark.parametrize("shared", ["speaker", "group"])
def test_parts_that_share_a_speaker_or_group_are_refused_whoever_cut_them(
    monkeypatch, name, shared
):
    table = utterances(**{shared: [*"abca"]})
    cut = {"train": np.array([0, 1]), "dev": np.array([2]), "test": np.array([3])}
    monkeypatch.setitem(splits.PROTOCOLS, name, lambda table: [dict(cut)])
    with pytest.raises(DataError, match="fold 0: test shares speakers or rows with another part"):
        make(table, name, {})


@pytest.mark.parametrize("name", ["holdout", "kfold", "random"])
def test_every_row_is_in_exactly_one_part_of_a_fold(table, name):
    for fold in make(table, name, {}):
        rows = np.concatenate(list(fold.parts.values()))
        assert sorted(rows.tolist()) == list(range(len(table)))


@pytest.mark.parametrize(("name", "options"), WITH_DEV_SHARE.items(), ids=WITH_DEV_SHARE)
def test_dev_zero_takes_no_dev_part(table, name, options):
    shipped = table.assign(split=table["split"].replace("dev", "train"))
    for fold in make(shipped, name, {**options, "dev": 0.0}):
        assert len(fold.dev) == 0
        assert len(fold.train) > 0


@both
def test_equal_seeds_cut_equally(table, name, options):
    again = written(table.copy(), name, **options)
    pd.testing.assert_frame_equal(written(table, name, **options), again)


@pytest.mark.parametrize("name", [name for name in EVERY if name != "ordered"])
def test_another_seed_cuts_otherwise(table, name):
    shipped = table.assign(split=table["split"].replace("dev", "train"))
    hashes = [split_hash(written(shipped, name, seed=seed, **EVERY[name])) for seed in range(5)]
    assert len(set(hashes)) > 1


def test_official_is_the_shipped_split(table):
    (fold,) = make(table, "official", {})
    for part in ("train", "dev", "test"):
        assert ids_of(table, fold)[part] == table["id"][table["split"] == part].tolist()


def test_official_takes_dev_from_train_by_cluster_where_none_is_shipped(table):
    shipped = table.assign(split=["train"] * 40 + ["test"] * 8)
    (fold,) = make(shipped, "official", {"dev": 0.2})
    assert sorted([*fold.train, *fold.dev]) == list(range(40))
    assert fold.tests["test"].tolist() == list(range(40, 48))
    sides = [set(table["group"].iloc[rows]) for rows in (fold.train, fold.dev)]
    assert not sides[0] & sides[1]
    assert len(fold.dev) == 8


def test_official_keeps_a_second_test_part(table):
    shipped = table.assign(split=["train"] * 30 + ["dev"] * 6 + ["test"] * 6 + ["test2"] * 6)
    (fold,) = make(shipped, "official", {})
    assert {part: rows.tolist() for part, rows in fold.tests.items()} == {
        "test": [*range(36, 42)],
        "test2": [*range(42, 48)],
    }


@pytest.mark.parametrize("odd", ["Test", "valid", "test-2", "development"])
def test_a_shipped_part_of_another_name_is_an_error(table, odd):
    shipped = table.assign(split=table["split"].replace("dev", odd))
    with pytest.raises(DataError, match=rf"split column holds \['{odd}'\]; known are train, dev"):
        make(shipped, "official", {})


@pytest.mark.parametrize("name", ["official", "disjoint"])
@pytest.mark.parametrize("part", ["train", "test"])
def test_a_shipped_split_needs_train_and_test(table, name, part):
    shipped = table.assign(split=table["split"].where(table["split"] != part))
    left = str(sorted({"dev", "test", "train"} - {part}))
    with pytest.raises(DataError, match=rf"needs train and test; .* has {re.escape(left)}"):
        make(shipped, name, {})


def test_disjoint_takes_the_shared_clusters_out_of_train_and_nothing_else(table):
    """p00 has a test row and shares a video with p01: their seven train rows go."""
    (fold,) = make(table, "disjoint", {})
    assert fold.train.tolist() == list(range(8, 32))
    assert fold.dev.tolist() == list(range(32, 40))
    assert fold.tests["test"].tolist() == [0, *range(40, 48)]


def test_disjoint_takes_the_speakers_of_a_shipped_dev_part_out_of_train():
    shipped = ["train"] * 4 + ["dev", "test"]
    (fold,) = make(utterances(speaker=[*"aabbbc"], split=shipped), "disjoint", {})
    assert fold.train.tolist() == [0, 1]
    assert fold.dev.tolist() == [4]


def test_disjoint_cleans_dev_of_the_speakers_of_any_test_part():
    shipped = ["train"] * 4 + ["dev"] * 4 + ["test", "test2"]
    speaker = [*"aabb", *"cdee", "c", "d"]
    (fold,) = make(utterances(speaker=speaker, split=shipped), "disjoint", {})
    assert {part: rows.tolist() for part, rows in fold.parts.items()} == {
        "train": [0, 1, 2, 3],
        "dev": [6, 7],
        "test": [8],
        "test2": [9],
    }


def test_two_test_parts_may_share_a_speaker():
    shipped = ["train"] * 4 + ["dev", "test", "test2"]
    (fold,) = make(utterances(speaker=[*"aabbcdd"], split=shipped), "disjoint", {})
    assert {part: rows.tolist() for part, rows in fold.tests.items()} == {"test": [5], "test2": [6]}


def test_disjoint_follows_a_chain_through_rows_of_other_parts():
    """a and c never meet, but b's rows tie video v to video w."""
    shipped = ["train", "train", "train", "train", "test"]
    table = utterances(speaker=[*"xyabc"], group=[*"mnvvw"], split=shipped)
    table.loc[len(table)] = ["u9", "x", "b", "w", None, "one"]
    (fold,) = make(table, "disjoint", {"dev": 0.0})
    assert fold.train.tolist() == [0, 1]


def test_holdout_holds_out_the_share_that_was_asked_for():
    """Twenty speakers of five rows: a fifth is four speakers; a quarter of the rest, four more."""
    table = utterances(speaker=np.repeat([f"p{one}" for one in range(20)], 5))
    (fold,) = make(table, "holdout", {"test": 0.2, "dev": 0.25})
    assert {part: len(rows) for part, rows in fold.parts.items()} == {
        "train": 60,
        "dev": 20,
        "test": 20,
    }


@pytest.mark.parametrize("repeats", [1, 3])
def test_kfold_tests_every_row_once_in_each_repeat(table, repeats):
    folds = make(table, "kfold", {"folds": 4, "repeats": repeats})
    assert [fold.number for fold in folds] == list(range(4 * repeats))
    assert [fold.repeat for fold in folds] == [one // 4 for one in range(4 * repeats)]
    for repeat in range(repeats):
        tested = [fold.tests["test"] for fold in folds if fold.repeat == repeat]
        assert sorted(np.concatenate(tested).tolist()) == list(range(len(table)))


def test_repeats_cut_differently(table):
    folds = make(table, "kfold", {"folds": 3, "repeats": 2})
    cuts = [{tuple(fold.tests["test"]) for fold in folds if fold.repeat == one} for one in (0, 1)]
    assert cuts[0] != cuts[1]


def test_the_dev_part_of_a_fold_is_the_test_part_of_the_next(table):
    folds = make(table, "kfold", {"folds": 4, "repeats": 2})
    for first in (0, 4):
        for step in range(4):
            following = folds[first + (step + 1) % 4].tests["test"]
            np.testing.assert_array_equal(folds[first + step].dev, following)


def test_kfold_without_dev_trains_on_all_that_is_not_tested(table):
    for fold in make(table, "kfold", {"folds": 2, "dev": False}):
        assert len(fold.dev) == 0
        assert len(fold.train) + len(fold.tests["test"]) == len(table)


def test_two_folds_have_no_third_for_dev(table):
    with pytest.raises(ConfigError, match=r"folds: 3 or more \(or dev: false\)"):
        make(table, "kfold", {"folds": 2})


@pytest.mark.parametrize("by", ["speaker", "group"])
def test_loso_tests_each_speaker_or_group_once_and_alone(table, by):
    tested = [table.iloc[fold.tests["test"]] for fold in make(table, "loso", {"by": by})]
    assert sorted(row for one in tested for row in one.index) == list(range(len(table)))
    assert sorted(one[by].iloc[0] for one in tested) == sorted(table[by].unique())
    assert {one[by].nunique() for one in tested} == {1}


def test_loso_keeps_the_whole_cluster_of_the_tested_speaker_out(table):
    """p00 and p01 share a video: who is tested on p00 never saw p01."""
    folds = make(table, "loso", {})
    (fold,) = [fold for fold in folds if "p00" in set(table["speaker"].iloc[fold.tests["test"]])]
    seen = set(table["speaker"].iloc[[*fold.train, *fold.dev]])
    assert seen == {f"p{number:02}" for number in range(2, 12)}


@pytest.mark.parametrize("by", ["speaker", "group"])
def test_loso_refuses_rows_of_nobody_and_names_them(table, by):
    table.loc[5, by] = None
    with pytest.raises(DataError, match=rf"1 rows have no {by}:\n  u005"):
        make(table, "loso", {"by": by})


def test_cross_tests_all_of_the_other_corpus_and_trains_on_none_of_it(table):
    (fold,) = make(table, "cross", CORPORA)
    assert fold.tests["test"].tolist() == list(range(24, 48))
    assert sorted([*fold.train, *fold.dev]) == list(range(24))


def test_cross_drops_training_rows_of_a_speaker_who_is_tested(table):
    table.loc[20:23, "speaker"] = "p11"
    (fold,) = make(table, "cross", CORPORA)
    assert sorted([*fold.train, *fold.dev]) == list(range(20))


@pytest.mark.parametrize(
    ("train", "test"), [(["one"], ["three"]), (["one"], ["one", "two"]), ([], ["two"])]
)
def test_cross_needs_known_corpora_apart(table, train, test):
    with pytest.raises(ConfigError, match=r"train and test, apart, out of \['one', 'two'\]"):
        make(table, "cross", {"train": train, "test": test})


def test_leave_one_corpus_out_tests_each_corpus_once(table):
    table["corpus"] = np.repeat(["one", "two", "three"], 16)
    folds = make(table, "leave_one_corpus_out", {})
    tested = [set(table["corpus"].iloc[fold.tests["test"]]) for fold in folds]
    assert sorted(tested, key=sorted) == [{"one"}, {"three"}, {"two"}]
    assert sorted(np.concatenate([fold.tests["test"] for fold in folds])) == list(range(48))


def test_leave_one_corpus_out_needs_two(table):
    with pytest.raises(ConfigError, match=r"two corpora or more, got \['one'\]"):
        make(table.assign(corpus="one"), "leave_one_corpus_out", {})


def test_ordered_cuts_in_the_order_of_the_file():
    table = utterances(speaker=[*"ab" * 10])
    (fold,) = make(table, "ordered", {"train": 0.8, "dev": 0.25})
    assert fold.train.tolist() == list(range(12))
    assert fold.dev.tolist() == list(range(12, 16))
    assert fold.tests["test"].tolist() == list(range(16, 20))


def test_random_cuts_by_utterance_and_stratifies():
    """A hundred rows, six of ten labelled x: 72, 8 and 20 rows, and 12 of the 20 are x."""
    table = utterances(speaker=["p", "q"] * 50, label=["x"] * 60 + ["y"] * 40)
    (fold,) = make(table, "random", {})
    assert {part: len(rows) for part, rows in fold.parts.items()} == {
        "train": 72,
        "dev": 8,
        "test": 20,
    }
    assert Counter(table["label"].iloc[fold.tests["test"]]) == {"x": 12, "y": 8}
    assert straddling(table, fold)


def test_folds_of_speakers_with_one_label_each_are_balanced_exactly():
    """Ten speakers who only say x and ten who only say y: two of each in each of five folds."""
    speaker = np.repeat([f"p{one:02}" for one in range(20)], 3)
    table = utterances(speaker=speaker, label=np.repeat(["x", "y"] * 10, 3))
    for fold in make(table, "kfold", {"folds": 5, "seed": 4}):
        for rows in (fold.dev, fold.tests["test"]):
            assert Counter(table["label"].iloc[rows]) == {"x": 6, "y": 6}


@pytest.mark.parametrize("seed", range(3))
def test_stratification_is_close_when_speakers_are_uneven(seed):
    """Forty speakers of 3 to 20 rows, each with a bent of their own."""
    chance = np.random.default_rng(seed)
    sizes = chance.integers(3, 21, 40)
    label = np.concatenate(
        [chance.choice([*"xyz"], size, p=chance.dirichlet([1, 1, 1])) for size in sizes]
    )
    table = utterances(speaker=np.repeat([f"p{one}" for one in range(40)], sizes), label=label)
    wish = pd.Series(label).value_counts(normalize=True)
    for fold in make(table, "kfold", {"folds": 5, "seed": seed}):
        got = table["label"].iloc[fold.tests["test"]].value_counts(normalize=True)
        assert abs(got - wish).max() < 0.06
        assert abs(len(fold.tests["test"]) / len(table) - 0.2) < 0.03


def test_rows_of_unknown_speakers_are_dealt_one_by_one():
    table = utterances(id=[f"u{row}" for row in range(40)], label=["x", "y"] * 20)
    folds = make(table, "kfold", {"folds": 5})
    assert [len(fold.tests["test"]) for fold in folds] == [8] * 5
    (fold,) = make(table, "holdout", {"test": 0.25})
    assert len(fold.tests["test"]) == 10


def test_more_folds_than_clusters_is_an_error():
    """Four speakers, but two of them share a video: three clusters."""
    table = utterances(speaker=[*"abcd"] * 3, group=[*"vvwx"] * 3)
    assert len(make(table, "kfold", {"folds": 3})) == 3
    with pytest.raises(DataError, match="4 folds need as many speakers or groups; got 3"):
        make(table, "kfold", {"folds": 4})


@pytest.mark.parametrize("name", ["holdout", "official"])
def test_one_cluster_cannot_be_cut(name):
    table = utterances(speaker=["p"] * 8, split=["train"] * 6 + ["test"] * 2)
    with pytest.raises(DataError, match=r"one speaker or group|speakers or groups cannot be cut"):
        make(table, name, {})


def test_a_share_that_leaves_a_part_empty_is_an_error():
    with pytest.raises(DataError, match="fold 0: the test part is empty"):
        make(utterances(speaker=[*"abcd"]), "ordered", {"train": 0.99})


@pytest.mark.parametrize("name", ["official", "disjoint", "ordered"])
def test_labels_that_are_tested_but_never_trained_on_are_an_error(name):
    shipped = ["train"] * 6 + ["test"] * 4
    table = utterances(speaker=[*"abcdefghij"], label=[*"xyxyxy", *"xzwx"], split=shipped)
    options = {"train": 0.6} if name == "ordered" else {}
    with pytest.raises(DataError, match="fold 0: tested but never trained on: w, z"):
        make(table, name, {**options, "dev": 0.0})


def test_a_label_that_only_one_speaker_has_cannot_be_tested_in_a_fold(table):
    table.loc[table["speaker"] == "p05", "label"] = "z"
    with pytest.raises(DataError, match="tested but never trained on: z"):
        make(table, "loso", {})


def test_an_unlabelled_test_row_is_no_unseen_label(table):
    table.loc[40:43, "label"] = None
    (fold,) = make(table, "official", {})
    assert fold.tests["test"].tolist() == [0, *range(40, 48)]


def test_the_written_split_has_a_line_for_each_row_of_each_part():
    table = utterances(speaker=[*"abc"], split=["test", "dev", "train"])
    lines = written(table, "official").to_csv(index=False).split()
    assert lines == ["repeat,fold,part,id", "0,0,dev,u001", "0,0,test,u000", "0,0,train,u002"]


def test_the_split_hash_is_that_of_its_parts_and_ids():
    table = utterances(speaker=[*"abc"], split=["test", "dev", "train"])
    lines = "0,0,dev\nu001\n0,0,test\nu000\n0,0,train\nu002\n"
    expected = hashlib.sha256(lines.encode()).hexdigest()[:8]
    assert split_hash(written(table, "official")) == expected


def test_the_split_hash_is_of_the_split_alone(table):
    """Neither the order of the rows nor what is in other columns changes who is where."""
    other = table.iloc[::-1].reset_index(drop=True).assign(text="hola", label="x")
    assert split_hash(written(other, "official")) == split_hash(written(table, "official"))


def test_the_split_hash_changes_with_one_row(table):
    moved = table.copy()
    moved.loc[8, "split"] = "dev"
    left_out = table.copy()
    left_out.loc[8, "split"] = None
    hashes = {split_hash(written(one, "official")) for one in (table, moved, left_out)}
    assert len(hashes) == 3


ROW = st.tuples(
    st.sampled_from([None, *"abcdef"]),
    st.sampled_from([None, *"vwxyz"]),
    st.sampled_from([None, "joy", "anger", "fear"]),
    st.sampled_from(["train", "dev", "test", "test2", None]),
    st.sampled_from(["one", "two"]),
)
OPTIONS = {
    "official": [{}, {"dev": 0.0}],
    "disjoint": [{}, {"dev": 0.5}],
    "holdout": [{}, {"test": 0.5, "dev": 0.0}, {"test": 0.9}],
    "kfold": [{"folds": 3}, {"folds": 2, "dev": False}, {"folds": 3, "repeats": 2}],
    "loso": [{}, {"by": "group"}, {"dev": 0.0}],
    "cross": [CORPORA, {**CORPORA, "dev": 0.0}],
    "leave_one_corpus_out": [{}, {"dev": 0.3}],
    "ordered": [{}, {"train": 0.1}],
    "random": [{}, {"test": 0.6}],
}


@pytest.mark.parametrize("name", EVERY)
@settings(max_examples=30, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=24), data=st.data())
def test_any_table_is_cut_cleanly_or_refused(name, rows, data):
    speaker, group, label, split, corpus = zip(*rows, strict=True)
    table = utterances(speaker=speaker, group=group, label=label, split=split, corpus=corpus)
    try:
        folds = make(table, name, data.draw(st.sampled_from(OPTIONS[name])))
    except MserError:
        return
    for fold in folds:
        used = np.concatenate(list(fold.parts.values())).tolist()
        assert len(used) == len(set(used))
        assert len(fold.train) and all(len(part) for part in fold.tests.values())
        assert name in LEAKY or straddling(table, fold) == []


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(ROW, min_size=1, max_size=24), seed=st.integers(0, 99))
def test_kfold_never_refuses_a_table_with_clusters_enough(rows, seed):
    """Five rows of nobody and of no group are five clusters."""
    speaker, group, *_ = zip(*rows, strict=True)
    table = utterances(speaker=[*speaker, *[None] * 5], group=[*group, *[None] * 5])
    for fold in make(table, "kfold", {"seed": seed}):
        assert straddling(table, fold) == []
        assert sum(len(part) for part in fold.parts.values()) == len(table)


@pytest.mark.parametrize("seed", range(3))
def test_holdout_fills_three_parts_when_one_speaker_has_most_rows(seed):
    table = utterances(speaker=["p"] * 22 + [*"qrstuv"])
    (fold,) = make(table, "holdout", {"seed": seed})
    assert set(range(22)) <= set(fold.train.tolist())
    assert len(fold.dev) and len(fold.tests["test"])


def test_shipped_folds_are_each_tested_once_with_dev_out_of_whole_speakers():
    rows = [
        [f"u{speaker}-{label}", f"s{speaker}", label, f"fold{1 + speaker // 4}"]
        for speaker in range(12)
        for label in ("joy", "fear")
    ]
    shipped = pd.DataFrame(rows, columns=["id", "speaker", "label", "split"]).assign(group=None)
    folds = make(shipped, "official", {"dev": 0.2})
    assert [sorted(set(shipped["split"].iloc[fold.parts["test"]])) for fold in folds] == [
        ["fold1"],
        ["fold2"],
        ["fold3"],
    ]
    for fold in folds:
        speakers = [set(shipped["speaker"].iloc[fold.parts[part]]) for part in ("train", "dev")]
        assert speakers[1]
        assert not speakers[0] & speakers[1]
    with pytest.raises(ConfigError, match="ships folds"):
        make(shipped, "disjoint", {})
