"""The corpus table: what is completed, what is refused, and what its hash sees."""

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.corpus.clusters import clusters
from multimodal_ser.corpus.corpus import About, build, data_root, join
from multimodal_ser.corpus.validation import COLUMNS
from multimodal_ser.types import DataError

ABOUT = About(name="toy", licence="MIT", citation="Nobody 2026", home="here")


def sentences(**columns):
    """Four rows of text, with more columns or other values."""
    table = {"id": list("abcd"), "text": ["uno", "dos", "tres", "cuatro"], "label": list("xyxy")}
    return pd.DataFrame(table | columns)


def clip(folder, name, seconds=0.1):
    soundfile.write(folder / name, np.zeros(int(8000 * seconds), dtype=np.float32), 8000)
    return name


BAD = {
    "misspelt column": ({"speker": list("ppqq")}, r"'speker'.*columns: \{speaker: speker\}"),
    "capital letter": ({"Speaker": list("ppqq")}, r"'Speaker'.*columns: \{speaker: Speaker\}"),
    "duplicate id": ({"id": ["a", "b", "b", "d"]}, r"1 ids appear more than once:\n  'b'"),
    "ids that differ by a blank": ({"id": ["a", "b", "b ", "d"]}, r"more than once:\n  'b'"),
    "missing id": ({"id": ["a", None, "c", " "]}, r"2 rows have no id:\n  row 1\n  row 3"),
    "end before start": ({"start": [0, 2, 0, 0], "end": [1, 1, 1, 1]}, r"b: start 2, end 1"),
    "empty segment": ({"start": [0, 0, 3, 0], "end": [1, 1, 3, 1]}, r"1 segments.*\n  c: "),
    "end of zero": ({"end": [1, 0, 1, 1]}, r"1 segments.*\n  b: start 0, end 0"),
    "negative start": ({"start": [0, 0, 0, -1]}, r"d: start -1"),
    "start is a word": ({"start": ["0", "1", "two", "3"]}, r"'start' are no .*\n  row 2: 'two'"),
    "decimal comma": ({"end": ["1", "1,5", "2", "2"]}, r"'end' are no numbers:\n  row 1: '1,5'"),
    "end is the word nan": ({"end": ["1", "2", "3", "nan"]}, r"row 3: 'nan'"),
    "age is a word": ({"age": ["30", "old", "", ""]}, r"'age' are no numbers:.*\n  row 1: 'old'"),
    "votes are words": ({"votes:x": ["1", "many", "2", "0"]}, r"votes:x(.|\n)*many"),
    "negative votes": ({"votes:x": [1, -1, 2, 0]}, r"votes:x(.|\n)*-1"),
    "audio outside": ({"audio": ["../s.wav", None, None, None]}, r"a: \.\./s\.wav"),
    "audio far outside": ({"audio": [None, "x/../../s.wav", None, None]}, r"b: x/\.\./\.\./s\.wav"),
    "audio absolute": ({"audio": ["/s.wav", None, None, None]}, r"outside.*allow_outside: true"),
    "file missing": ({"audio": ["s.wav", None, None, None]}, r"a: s\.wav\nallow_missing: true"),
    "sentence as file": ({"audio": ["y así " * 60, None, None, None]}, r"1 rows name a file"),
}  # fmt: skip


@pytest.mark.parametrize(("columns", "message"), BAD.values(), ids=BAD)
def test_a_bad_table_is_an_error_that_names_the_rows(tmp_path, columns, message):
    with pytest.raises(DataError, match=message):
        build(sentences(**columns), ABOUT, root=tmp_path)


def test_a_table_without_rows_is_an_error(tmp_path):
    with pytest.raises(DataError, match="'toy' has no rows"):
        build(sentences().iloc[:0], ABOUT, root=tmp_path)


def test_a_table_with_neither_audio_nor_text_names_every_column_it_has(tmp_path):
    table = pd.DataFrame({"id": ["a"], "label": ["x"], "wav_path": ["a.wav"]})
    with pytest.raises(DataError, match=r"no row has audio or text.*id, label, wav_path"):
        build(table, ABOUT, root=tmp_path)


def test_rows_with_neither_audio_nor_text_are_named(tmp_path):
    with pytest.raises(DataError, match=r"2 rows have neither audio nor text:\n  b\n  d"):
        build(sentences(text=["uno", "", "tres", None]), ABOUT, root=tmp_path)


def test_two_columns_of_one_name_are_an_error(tmp_path):
    table = pd.DataFrame([["a", "uno", "dos"]], columns=["id", "text", "text"])
    with pytest.raises(DataError, match="text"):
        build(table, ABOUT, root=tmp_path)


def test_missing_files_are_counted_and_the_first_twenty_listed(tmp_path):
    names = [f"{number:02}.wav" for number in range(25)]
    with pytest.raises(DataError, match="25 rows name a file") as caught:
        build(pd.DataFrame({"id": names, "audio": names}), ABOUT, root=tmp_path)
    assert [name in str(caught.value) for name in names] == [True] * 20 + [False] * 5
    assert "… and 5 more" in str(caught.value)


def test_allow_missing_drops_the_rows_and_counts_them(tmp_path):
    audio = [clip(tmp_path, "a.wav"), "gone.wav", None, "gone.wav"]
    corpus = build(sentences(audio=audio), ABOUT, root=tmp_path, allow_missing=True)
    assert corpus.table["id"].tolist() == ["a", "c"]
    assert corpus.dropped == {"file missing or unreadable": 2}


def test_allow_missing_drops_files_without_sound_whatever_they_are_called(tmp_path):
    clip(tmp_path, "empty.wav", 0)
    for name in ("text.wav", "text.raw"):
        (tmp_path / name).write_text("no sound at all")
    audio = [clip(tmp_path, "a.wav"), "empty.wav", "text.wav", "text.raw"]
    corpus = build(sentences(audio=audio), ABOUT, root=tmp_path, allow_missing=True)
    assert corpus.table["id"].tolist() == ["a"]
    assert corpus.dropped == {"file missing or unreadable": 3}


def test_nothing_is_counted_as_dropped_when_all_files_are_there(tmp_path):
    audio = [clip(tmp_path, f"{name}.wav") for name in "abcd"]
    corpus = build(sentences(audio=audio), ABOUT, root=tmp_path, allow_missing=True)
    assert len(corpus) == 4 and corpus.dropped == {}


def test_allow_missing_does_not_make_an_empty_corpus(tmp_path):
    table = sentences(audio=["gone.wav"] * 4)
    with pytest.raises(DataError, match="none of the 4 audio files is under"):
        build(table, ABOUT, root=tmp_path, allow_missing=True)


def test_a_folder_is_not_an_audio_file(tmp_path):
    (tmp_path / "clips").mkdir()
    with pytest.raises(DataError, match="a: clips"):
        build(sentences(audio=["clips", None, None, None]), ABOUT, root=tmp_path)


@pytest.mark.parametrize("path", ["sub/../a.wav", "./a.wav", "..a.wav"])
def test_a_path_that_stays_under_the_root_is_accepted(tmp_path, path):
    (tmp_path / "sub").mkdir()
    clip(tmp_path, path)
    corpus = build(sentences(audio=[path, None, None, None]), ABOUT, root=tmp_path)
    assert corpus.utterances()[0].audio.is_file()


def test_allow_outside_accepts_a_path_above_the_root(tmp_path):
    (tmp_path / "root").mkdir()
    table = sentences(audio=["../" + clip(tmp_path, "a.wav"), None, None, None])
    corpus = build(table, ABOUT, root=tmp_path / "root", allow_outside=True)
    assert corpus.utterances()[0].audio.is_file()


def test_blank_text_is_missing_and_has_no_source(tmp_path):
    table = sentences(text=["hola", "", " \t\n", None], audio=[clip(tmp_path, "a.wav")] * 4)
    corpus = build(table, ABOUT, root=tmp_path)
    assert corpus.table["text"].isna().tolist() == [False, True, True, True]
    assert corpus.table["text_source"].fillna("-").tolist() == ["reference", "-", "-", "-"]


@pytest.mark.parametrize("word", ["nan", "None", "NA", "null", "0"])
def test_a_word_that_looks_missing_is_a_word(tmp_path, word):
    corpus = build(sentences(text=[word] * 4, label=[word] * 4), ABOUT, root=tmp_path)
    assert corpus.table["text"].tolist() == corpus.table["label"].tolist() == [word] * 4


def test_the_source_of_a_transcript_is_kept(tmp_path):
    source = ["asr:whisper/tiny", None, "asr:whisper/tiny", ""]
    corpus = build(sentences(text_source=source), ABOUT, root=tmp_path)
    expected = ["asr:whisper/tiny", "reference"] * 2
    assert corpus.table["text_source"].tolist() == expected


def test_every_column_exists_and_extra_ones_pass_through(tmp_path):
    corpus = build(sentences(mood=[1, 2, 3, 4]), ABOUT, root=tmp_path)
    assert set(corpus.table.columns) == {*COLUMNS, "mood"}
    assert corpus.table["mood"].tolist() == [1, 2, 3, 4]


def test_the_group_is_the_speaker_where_none_is_given(tmp_path):
    table = sentences(speaker=["p", "p", "q", None], group=["v1", None, "v2", None])
    group = build(table, ABOUT, root=tmp_path).table["group"]
    assert group.fillna("-").tolist() == ["v1", "p", "v2", "-"]


def test_votes_are_numbers_even_when_a_csv_gave_them_as_text(tmp_path):
    table = build(sentences(**{"votes:x": ["2", "1", None, "0"]}), ABOUT, root=tmp_path).table
    assert table["votes:x"].sum() == 3


def test_labels_are_those_of_the_card_in_its_order_else_sorted(tmp_path):
    card = About(name="toy", licence="", citation="", home="", labels=("z", "y", "x"))
    assert build(sentences(), card, root=tmp_path).labels == ("z", "y", "x")
    assert build(sentences(label=["y", None, "x", "y"]), ABOUT, root=tmp_path).labels == ("x", "y")


def test_building_leaves_the_given_table_alone(tmp_path):
    table = sentences(text=[" uno ", "dos", "tres", "cuatro"], group=["v", "", "", ""])
    before = table.copy()
    build(table, ABOUT, root=tmp_path)
    pd.testing.assert_frame_equal(table, before)


def test_rows_are_numbered_anew_whatever_index_the_table_came_with(tmp_path):
    table = sentences().set_index(pd.Index([9, 9, 3, 1]))
    corpus = build(table, ABOUT, root=tmp_path)
    assert corpus.table.index.tolist() == [0, 1, 2, 3]
    assert corpus.table["id"].tolist() == list("abcd")


def test_utterances_say_where_sound_and_text_lie(tmp_path):
    audio = [clip(tmp_path, "a.wav"), "a.wav", None, None]
    table = sentences(
        audio=audio,
        start=[0.5, None, None, None],
        end=[0.75, None, None, None],
        channel=["1", None, None, None],
        text=[None, "dos", "tres", "cuatro"],
        language=["es", None, None, None],
    )
    one, two, three, _ = build(table, ABOUT, root=tmp_path).utterances()
    assert (one.id, one.audio, one.channel) == ("a", tmp_path / "a.wav", "1")
    assert (one.start, one.end, one.text, one.language) == (0.5, 0.75, None, "es")
    assert (two.channel, two.start, two.end, two.text) == ("mix", 0.0, None, "dos")
    assert three.audio is None and three.language is None


def test_the_data_root_is_relative_to_the_environment(monkeypatch, tmp_path):
    monkeypatch.setenv("MSER_DATA", str(tmp_path))
    assert data_root("emospeech") == tmp_path / "emospeech"
    monkeypatch.delenv("MSER_DATA")
    monkeypatch.chdir(tmp_path)
    assert data_root("emospeech") == tmp_path / "data" / "emospeech"


def full_table():
    """Every column filled, sound aside, and one column of the table's own."""
    words = {column: list("pqrs") for column in COLUMNS[:12] if column != "audio"}
    numbers = {column: [0.5, 1.5, 2.5, 3.5] for column in COLUMNS[12:]}
    return sentences(**(words | numbers | {"end": [2.5, 3.5, 4.5, 5.5], "mood": [1, 2, 3, 4]}))


@pytest.mark.parametrize("column", [*(name for name in COLUMNS if name != "audio"), "mood"])
def test_the_hash_changes_with_any_cell(tmp_path, column):
    table = full_table()
    changed = table.copy()
    changed.loc[2, column] = (
        "t" if isinstance(table.loc[2, column], str) else table.loc[2, column] - 1
    )
    hashes = [build(one, ABOUT, root=tmp_path).table_hash() for one in (table, changed)]
    assert hashes[0] != hashes[1]


def test_the_hash_changes_with_the_audio_path(tmp_path):
    names = [clip(tmp_path, "a.wav"), clip(tmp_path, "b.wav")]
    tables = [sentences(audio=[name, None, None, None]) for name in names]
    assert len({build(table, ABOUT, root=tmp_path).table_hash() for table in tables}) == 2


def test_the_hash_does_not_change_with_the_order_of_the_columns(tmp_path):
    table = sentences(mood=list("ijkl"), speaker=list("ppqq"))
    turned = table[table.columns[::-1]]
    hashes = {build(one, ABOUT, root=tmp_path).table_hash() for one in (table, turned)}
    assert len(hashes) == 1


def test_the_hash_changes_with_the_order_of_rows_and_with_a_column_s_name(tmp_path):
    table = sentences(mood=list("ijkl"))
    others = [table, table[::-1], table.rename(columns={"mood": "weather"}), table[:3]]
    assert len({build(one, ABOUT, root=tmp_path).table_hash() for one in others}) == 4


def test_the_hash_sees_a_cell_that_is_a_list(tmp_path):
    tables = [sentences(words=[["a"], ["b"], [], last]) for last in (["c"], ["d"])]
    hashes = [build(table, ABOUT, root=tmp_path).table_hash() for table in tables]
    assert hashes[0] != hashes[1]


@pytest.fixture
def spoken(tmp_path):
    """Two speakers and one row of nobody known, every segment and every text different."""
    clip(tmp_path, "a.wav", 1.0)
    count = 13
    return build(
        pd.DataFrame(
            {
                "id": [f"u{row}" for row in range(count)],
                "audio": "a.wav",
                "start": [row / 20 for row in range(count)],
                "end": [row / 20 + 0.01 * (row + 1) for row in range(count)],
                "channel": [str(row % 2) for row in range(count)],
                "text": [f"frase {row}" for row in range(count)],
                "label": [f"l{row % 3}" for row in range(count)],
                "speaker": ["p"] * 6 + ["q"] * 6 + [None],
            }
        ),
        ABOUT,
        root=tmp_path,
    )


SOUND = ["audio", "channel", "start", "end"]


@pytest.mark.parametrize(("modality", "columns"), [("audio", SOUND), ("text", ["text"])])
def test_shuffling_moves_one_modality_within_the_speaker_and_nothing_else(
    spoken, modality, columns
):
    before, after = spoken.table, spoken.shuffled(modality, seed=3).table
    kept = [column for column in before.columns if column not in columns]
    pd.testing.assert_frame_equal(after[kept], before[kept])
    cells = [list(one[columns].itertuples(index=False, name=None)) for one in (before, after)]
    for rows in (slice(0, 6), slice(6, 12), slice(12, 13)):
        assert sorted(cells[0][rows]) == sorted(cells[1][rows])
    assert cells[0][:6] != cells[1][:6] and cells[0][6:12] != cells[1][6:12]


def test_shuffling_follows_its_seed_and_leaves_the_corpus_alone(spoken):
    before = spoken.table.copy()
    one, same, other = (spoken.shuffled("text", seed).table["text"].tolist() for seed in (1, 1, 2))
    assert one == same != other
    pd.testing.assert_frame_equal(spoken.table, before)


def corpus_of(folder, name, namespace="", **columns):
    folder.mkdir()
    clip(folder, "a.wav")
    about = About(name, "MIT", "c", "h", namespace=namespace, notice=f"{name} warns.")
    table = sentences(**({"audio": ["a.wav", None, None, None]} | columns))
    return build(table, about, root=folder, allow_missing=True)


def test_joined_corpora_share_no_id_and_no_speaker(tmp_path):
    pair = [corpus_of(tmp_path / name, name, speaker=list("ppqq")) for name in ("one", "two")]
    table = join(pair).table
    assert table["id"].tolist() == [f"{name}/{row}" for name in ("one", "two") for row in "abcd"]
    assert clusters(table).tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert table["corpus"].tolist() == ["one"] * 4 + ["two"] * 4


def test_an_unknown_speaker_stays_unknown_when_corpora_are_joined(tmp_path):
    joined = join([corpus_of(tmp_path / name, name) for name in ("one", "two")])
    assert joined.table[["speaker", "group"]].isna().all(axis=None)
    assert len(set(clusters(joined.table))) == 8


def test_joined_corpora_find_their_own_files(tmp_path):
    joined = join([corpus_of(tmp_path / name, name) for name in ("one", "two")])
    found = [utterance.audio for utterance in joined.utterances() if utterance.audio]
    assert found == [tmp_path / "one" / "a.wav", tmp_path / "two" / "a.wav"]


def test_a_join_keeps_labels_notices_and_the_count_of_dropped_rows(tmp_path):
    one = corpus_of(tmp_path / "one", "one", audio=["gone.wav", None, None, None])
    two = corpus_of(tmp_path / "two", "two", label=list("zywz"))
    joined = join([one, two])
    assert joined.labels == ("w", "x", "y", "z")
    assert joined.dropped == {"one: file missing or unreadable": 1}
    assert joined.about.notice == "one warns. two warns."
    assert len(joined) == 7


def test_corpora_that_contain_each_other_are_not_joined(tmp_path):
    pair = [corpus_of(tmp_path / name, name, namespace="mea") for name in ("one", "two")]
    with pytest.raises(DataError, match="contain one another and cannot be joined"):
        join(pair)


def test_a_corpus_alone_is_joined_to_itself(spoken):
    assert join([spoken]) is spoken
