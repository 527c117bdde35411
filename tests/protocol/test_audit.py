"""The leak gate and the probes, on tables small enough to count by hand."""

import json
import unicodedata

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.corpus.targets import of_classes
from multimodal_ser.protocol.audit import audit
from multimodal_ser.protocol.near_duplicates import normalized
from multimodal_ser.types import Fold, LeakError

LABELS = ["anger", "joy", "fear"]
TEXT = ("id", "audio", "channel", "text", "label", "speaker", "group")


def table(count=6, **columns):
    """Rows that share nothing: each its own speaker, file and text; the group is the speaker."""
    made = {
        "id": [f"u{row}" for row in range(count)],
        "audio": [f"{row}.wav" for row in range(count)],
        "text": [f"text number {row}" for row in range(count)],
        "label": [LABELS[row % 2] for row in range(count)],
        "speaker": [f"s{row}" for row in range(count)],
        "channel": [None] * count,
        "start": np.nan,
        "end": np.nan,
    } | columns
    frame = pd.DataFrame(made | {"group": made.get("group", made["speaker"])})
    return frame.astype(dict.fromkeys(TEXT, "str"))


def fold(train, dev=(), test=(), number=0, **more):
    parts = {"train": train, "dev": dev, "test": test} | more
    return Fold(number, 0, {name: np.array(rows, np.int64) for name, rows in parts.items()})


HALVES = fold(train=[0, 1, 2], test=[3, 4, 5])
THIRDS = fold(train=[0, 1], dev=[2, 3], test=[4, 5])


def audited(frame, folds, **options):
    return audit(frame, folds, of_classes("label", frame["label"], LABELS), **options)


def leaks(frame, folds=(HALVES,), **options):
    return {leak.kind: leak for leak in audited(frame, list(folds), **options).leaks}


def segments(*rows, file="a.wav"):
    start, end = zip(*rows, strict=True)
    return table(len(rows), audio=[file] * len(rows), start=np.array(start), end=np.array(end))


def test_a_clean_table_has_no_leak_and_no_remark():
    hashes = [f"h{row}" for row in range(6)]
    options = {"audio": hashes, "reads_text": True, "allow": ["speaker", "group"]}
    found = audited(table(), [HALVES, THIRDS], **options)
    assert (found.leaks, found.remarks, found.stamps) == ((), (), [])
    found.refuse()


def test_a_speaker_on_both_sides_is_counted_once_and_named():
    found = leaks(table(speaker=["a", "b", "a", "a", "c", "b"]))
    assert found.keys() == {"speaker"}
    leak = found["speaker"]
    assert (leak.count, leak.where, leak.examples) == (2, "train/test", ("a", "b"))


def test_a_group_that_is_the_copy_of_its_speaker_is_not_reported_twice():
    speakers = ["a", "b", "c", "a", "d", "e"]
    assert leaks(table(speaker=speakers, group=speakers)).keys() == {"speaker"}


def test_a_group_of_different_speakers_on_both_sides_leaks():
    found = leaks(table(group=["v1", "v2", "v3", "v4", "v2", "v2"]))
    assert found.keys() == {"group"}
    leak = found["group"]
    assert (leak.count, leak.where, leak.examples) == (1, "train/test", ("v2",))


def test_a_group_named_like_one_of_its_speakers_still_leaks():
    speakers = ["1", "3", "5", "2", "4", "6"]  # dialogue 1 is speakers 1 and 2
    found = leaks(table(speaker=speakers, group=["1", "2", "3", "1", "4", "5"]))
    assert found.keys() == {"group"}
    assert found["group"].examples == ("1",)


@pytest.mark.parametrize(
    ("speakers", "where"),
    [
        (["a", "b", "a", "d", "e", "f"], "train/dev"),
        (["a", "b", "c", "d", "c", "f"], "dev/test"),
        (["a", "b", "a", "d", "a", "f"], "train/dev and train/test and dev/test"),
    ],
)
def test_each_pair_of_parts_is_looked_at_and_named(speakers, where):
    assert leaks(table(speaker=speakers), [THIRDS])["speaker"].where == where


def test_a_value_is_counted_once_over_all_folds():
    frame = table(speaker=["a", "a", "b", "c", "c", "d"])
    folds = [fold([0, 2, 4], test=[1, 3, 5]), fold([1, 3], test=[0, 2, 4], number=1)]
    assert leaks(frame, folds)["speaker"].count == 2


def test_rows_in_no_part_do_not_leak_and_all_test_parts_are_one_test():
    frame = table(speaker=["a", "b", "a", "c", "c", "b"])  # row 2 is left out
    assert leaks(frame, [fold([0, 1], test=[3], test2=[4])]) == {}
    leak = leaks(frame, [fold([0, 1], test=[3], test2=[4, 5])])["speaker"]
    assert (leak.examples, leak.where) == (("b",), "train/test")


def test_a_long_list_is_cut_and_says_so():
    frame = table(14, speaker=[f"s{row % 7}" for row in range(14)])
    leak = leaks(frame, [fold(range(7), test=range(7, 14))])["speaker"]
    assert (leak.count, leak.examples) == (7, ("s0", "s1", "s2", "s3", "s4"))
    assert leak.line() == "speaker: 7 in train/test (s0, s1, s2, s3, s4, …)"


def test_identical_sound_leaks_whatever_the_file_and_shows_its_rows():
    leak = leaks(table(), audio=["x", "y", "z", "p", "y", "q"])["audio"]
    assert (leak.count, leak.where, leak.examples) == (1, "train/test", ("u1", "u4"))


def test_nothing_is_compared_when_no_encoder_reads_audio():
    assert leaks(segments((0, 2), (3, 4), (5, 6), (1, 2), (7, 8), (8, 9))) == {}


def test_segments_of_one_file_that_share_time_leak():
    frame = segments((0, 2), (3, 4), (5, 6), (1, 3), (7, 8), (5.5, 7))
    leak = leaks(frame, audio=list("abcdef"))["overlap"]
    assert (leak.count, leak.where) == (2, "train/test")
    assert leak.examples == ("u0 and u3", "u2 and u5")


def test_segments_that_touch_share_nothing():
    frame = segments((0, 1), (2, 3), (4, 5), (1, 2), (3, 4), (5, 6))
    assert leaks(frame, audio=list("abcdef")) == {}


def test_a_segment_without_an_end_lasts_to_the_end_of_its_file():
    frame = segments((0, 1), (1, 2), (2, None), (99, 100), (0.2, 0.5), (1.1, 1.5))
    pairs = ("u0 and u4", "u1 and u5", "u2 and u3")
    assert leaks(frame, audio=list("abcdef"))["overlap"].examples == pairs


def test_overlap_within_one_part_is_no_leak():
    frame = segments((0, 2), (1, 3), (2, 4), (5, 7), (6, 8), (7, 9))
    assert leaks(frame, audio=list("abcdef")) == {}


@pytest.mark.parametrize(
    "columns",
    [{"audio": ["a.wav"] * 3 + ["b.wav"] * 3}, {"channel": ["0", "0", "0", "1", "1", "1"]}],
)
def test_another_file_or_another_channel_is_no_overlap(columns):
    frame = segments((0, 2), (3, 4), (5, 6), (1, 3), (3, 4), (5, 6)).assign(**columns)
    assert leaks(frame, audio=list("abcdef")) == {}


def test_the_mix_of_all_channels_overlaps_each_of_them():
    frame = segments((0, 2), (3, 4), (5, 6), (1, 2), (7, 8), (8, 9))
    frame["channel"] = pd.Series(["mix", "0", "0", "0", "0", "0"], dtype="str")
    assert leaks(frame, audio=list("abcdef"))["overlap"].examples == ("u0 and u3",)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 9), st.integers(1, 9)), min_size=4, max_size=12))
def test_overlaps_are_those_of_a_double_loop(lengths):
    rows = [(start, start + length) for start, length in lengths]
    half = len(rows) // 2
    expected = sum(
        one != other and one[0] < other[1] and other[0] < one[1]
        for one in rows[:half]
        for other in rows[half:]
    )
    cut = fold(range(half), test=range(half, len(rows)))
    hashes = [str(row) for row in rows]
    found = leaks(segments(*rows), [cut], audio=hashes)
    assert (found["overlap"].count if "overlap" in found else 0) == expected
    assert ("audio" in found) == bool(set(rows[:half]) & set(rows[half:]))


# Train says which label each text has, the majority is anger; eight people repeat the others.
TOLD = ["anger", "anger", "joy", "fear"]
SPOKEN = ["¡Vete ya!", "Déjame.", "Qué alegría", "Tengo miedo"]
REPEATED = fold(range(4), test=range(4, 12))


def repeated(labels, **columns):
    texts = SPOKEN + ["qué alegría!", "TENGO  miedo"] * 4
    return table(12, text=texts, label=TOLD + labels, **columns)


def test_texts_on_both_sides_leak_when_they_give_the_label_away():
    found = audited(repeated(["joy", "fear"] * 4), [REPEATED], reads_text=True)
    (leak,) = found.leaks
    assert (leak.kind, leak.count, leak.where) == ("transcript", 2, "train/test")
    assert leak.examples == ("qué alegría", "tengo miedo")
    assert "+1.000 accuracy" in leak.note
    assert found.remarks == ()


def test_texts_on_both_sides_are_a_remark_when_no_encoder_reads_them():
    found = audited(repeated(["joy", "fear"] * 4), [REPEATED], reads_text=False)
    (remark,) = found.remarks
    assert found.leaks == ()
    assert remark.startswith("identical texts in train/test: 2, but no encoder reads text")


def test_texts_that_do_not_carry_the_label_are_a_remark():
    found = audited(repeated(["anger"] * 8), [REPEATED], reads_text=True)
    assert found.leaks == ()
    (remark,) = found.remarks
    assert remark.startswith("identical texts in train/test: 2, but they carry no label")
    assert "-1.000 accuracy" in remark


def test_one_person_who_repeats_texts_proves_nothing():
    speakers = ["a", "b", "c", "d"] + ["e"] * 8
    frame = repeated(["joy", "fear"] * 4, speaker=speakers)
    found = audited(frame, [REPEATED], reads_text=True)
    assert (found.leaks, len(found.remarks)) == ((), 1)


def test_missing_speakers_groups_texts_and_sounds_are_not_one():
    frame = table(speaker=[None] * 6, text=[None] * 6)
    found = audited(frame, [HALVES], audio=[""] * 6, reads_text=True)
    assert (found.leaks, found.remarks) == ((), ())


def test_texts_are_compared_without_case_punctuation_blanks_and_unicode_forms():
    texts = pd.Series(["¡Qué  ALEGRÍA!", unicodedata.normalize("NFD", "qué alegría"), None])
    assert normalized(texts).tolist()[:2] == ["qué alegría"] * 2
    assert normalized(texts).isna().tolist() == [False, False, True]


def leaking_speaker_and_audio(allow):
    frame = table(speaker=["a", "b", "c", "a", "d", "e"])
    return audited(frame, [HALVES], allow=allow, audio=["x", "y", "z", "p", "y", "q"])


def test_allowing_a_kind_lets_just_that_kind_through():
    found = leaking_speaker_and_audio(["speaker"])
    assert found.stamps == ["speaker"]
    with pytest.raises(LeakError, match=r"audio: 1 in train/test \(u1, u4\)") as caught:
        found.refuse()
    assert "speaker: 1" not in str(caught.value)
    assert "allow_leak: [audio]" in str(caught.value)
    leaking_speaker_and_audio(["audio", "speaker"]).refuse()


def test_a_refusal_names_every_kind_and_leaves_with_3():
    found = leaking_speaker_and_audio([])
    with pytest.raises(LeakError, match=r"speaker: 1(.|\n)*audio: 1(.|\n)*\[audio, speaker\]"):
        found.refuse()
    assert LeakError.exit_code == 3


def test_an_audit_is_plain_data_that_says_what_was_allowed():
    plain = json.loads(json.dumps(leaking_speaker_and_audio(["speaker"]).plain()))
    allowed = {leak["kind"]: leak["allowed"] for leak in plain["leaks"]}
    assert allowed == {"speaker": True, "audio": False}
