"""A researcher's own table: four formats, one corpus, and a plain word for each broken file."""

import json

import numpy as np
import pandas as pd
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.corpus.datasets.manifest import load
from multimodal_ser.types import DataError, MserError

FORMATS = ["csv", "tsv", "jsonl", "parquet"]
ROWS = pd.DataFrame(
    {
        "id": ["007", "1e5", "c", "d"],
        "text": ['Dijo "no", y se fue', "¿Qué?\nNada", "tres", "NA"],
        "label": ["joy", "anger", None, "None"],
        "speaker": ["01", "01", None, "2"],
        "start": [0.25, None, 0.0, 1.5],
        "end": [1.125, None, 3.5, 2.0],
        "valence": [-0.5, 0.1, None, 3.0],
        "mood": ["ok", "1.50", None, "null"],
    }
)


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("MSER_DATA", str(tmp_path))
    return tmp_path


def write(table, path):
    if path.suffix == ".parquet":
        table.to_parquet(path)
    elif path.suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        table.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
    return path.name


def written(folder, content, name="table.csv"):
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


@pytest.mark.parametrize("extension", FORMATS[1:])
def test_every_format_gives_the_table_of_the_csv(data, extension):
    expected = load(path=write(ROWS, data / "table.csv"))
    corpus = load(path=write(ROWS, data / f"table.{extension}"))
    pd.testing.assert_frame_equal(corpus.table, expected.table, check_like=True)
    assert corpus.table_hash() == expected.table_hash()
    assert corpus.about == expected.about


@pytest.mark.parametrize("extension", FORMATS)
def test_cells_are_what_was_written(data, extension):
    table = load(path=write(ROWS, data / f"table.{extension}")).table
    for column in ("id", "text", "label", "speaker", "mood"):
        assert table[column].fillna("-").tolist() == ROWS[column].fillna("-").tolist()
    for column in ("start", "end", "valence"):
        np.testing.assert_array_equal(table[column], ROWS[column])


@pytest.mark.parametrize("extension", FORMATS)
def test_votes_are_numbers_in_every_format(data, extension):
    table = ROWS.assign(**{"votes:joy": [3, 0, 2, 1]})
    votes = load(path=write(table, data / f"table.{extension}")).table["votes:joy"]
    assert votes.sum() == 6


@pytest.mark.parametrize("extension", ["csv", "jsonl"])
def test_whole_numbers_stay_whole_beside_an_empty_cell(data, extension):
    lines = {
        "csv": "id,text,label\n1,uno,0\n2,dos,\n3,tres,1\n",
        "jsonl": '{"id": 1, "text": "uno", "label": 0}\n{"id": 2, "text": "dos", "label": null}\n'
        '{"id": 3, "text": "tres", "label": 1}\n',
    }
    corpus = load(path=written(data, lines[extension], f"table.{extension}"))
    assert corpus.table["id"].tolist() == ["1", "2", "3"]
    assert corpus.labels == ("0", "1")


def test_a_json_key_that_a_line_leaves_out_is_a_missing_cell(data):
    lines = '{"id": "a", "text": "uno", "label": "x"}\n\n{"id": "b", "text": "dos"}\n'
    table = load(path=written(data, lines, "table.jsonl")).table
    assert table["label"].fillna("-").tolist() == ["x", "-"]


@pytest.mark.parametrize("extension", FORMATS)
def test_columns_renames_theirs_to_ours(data, extension):
    theirs = ROWS.rename(columns={"text": "transcripción", "label": "Emotion"})
    name = write(theirs, data / f"table.{extension}")
    table = load(path=name, columns={"text": "transcripción", "label": "Emotion"}).table
    assert table["label"].fillna("-").tolist() == ["joy", "anger", "-", "None"]
    assert table["text"].iloc[0] == 'Dijo "no", y se fue'


def test_columns_can_swap_two(data):
    name = written(data, "id,text,label\na,joy,qué bien\n")
    table = load(path=name, columns={"text": "label", "label": "text"}).table
    assert (table["text"][0], table["label"][0]) == ("qué bien", "joy")


def test_one_column_of_theirs_can_be_two_of_ours(data):
    soundfile.write(data / "a.wav", np.zeros(80), 8000)
    name = written(data, "file,label\na.wav,joy\n")
    table = load(path=name, columns={"id": "file", "audio": "file"}).table
    assert (table["id"][0], table["audio"][0]) == ("a.wav", "a.wav")


def test_a_renamed_column_does_not_hide_one_that_is_there(data):
    name = written(data, "id,text,transcript\na,raw,clean\n")
    with pytest.raises(DataError, match="text"):
        load(path=name, columns={"text": "transcript"})


def test_two_columns_of_one_name_are_an_error_and_not_the_first_of_them(data):
    with pytest.raises(DataError, match="label"):
        load(path=written(data, "id,text,label,label\na,uno,joy,anger\n"))


def test_columns_that_neither_side_has_are_errors_that_say_what_there_is(data):
    name = written(data, "id,text\na,uno\n")
    with pytest.raises(DataError, match=r"\['emotion'\] are not among ours: id, audio"):
        load(path=name, columns={"emotion": "text"})
    with pytest.raises(DataError, match=r"table has no \['Emotion'\]; it has id, text"):
        load(path=name, columns={"label": "Emotion"})


def test_json_keys_that_are_numbers_can_be_renamed(data):
    """What pandas writes for a table without names."""
    name = written(data, '{"0": "a", "1": "uno"}\n{"0": "b", "1": "dos"}\n', "table.jsonl")
    table = load(path=name, columns={"id": "0", "text": "1"}).table
    assert table["text"].tolist() == ["uno", "dos"]
    with pytest.raises(DataError, match=r"table has no \['2'\]; it has 0, 1"):
        load(path=name, columns={"id": "0", "text": "2"})


@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl"])
def test_a_byte_order_mark_is_no_part_of_the_first_column(data, extension):
    path = data / f"table.{extension}"
    write(ROWS, path)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load(path=path.name).table["id"].tolist() == ["007", "1e5", "c", "d"]


def test_a_path_and_its_audio_are_relative_to_the_root(data):
    (data / "mine" / "clips").mkdir(parents=True)
    soundfile.write(data / "mine" / "clips" / "a.wav", np.zeros(80), 8000)
    written(data / "mine", "id,audio\na,clips/a.wav\n")
    corpus = load(path="table.csv", root="mine")
    assert corpus.utterances()[0].audio == data / "mine" / "clips" / "a.wav"
    assert corpus.about.name == "table"


def test_the_label_order_is_that_of_the_config_else_of_the_alphabet(data):
    name = written(data, "id,text,label\na,uno,joy\nb,dos,anger\n")
    assert load(path=name).labels == ("anger", "joy")
    assert load(path=name, label_order=["joy", "anger", "fear"]).labels == ("joy", "anger", "fear")


@pytest.mark.parametrize("cell", ["", "  "])
def test_the_language_is_that_of_the_row_else_of_the_config(data, cell):
    rows = f"id,text,language\na,uno,{cell}\nb,two,en\n"
    assert load(path=written(data, rows), language="es").table["language"].tolist() == ["es", "en"]
    plain = written(data, "id,text\na,uno\nb,dos\n")
    assert load(path=plain, language="es").table["language"].tolist() == ["es", "es"]


def test_audio_above_the_root_needs_allow_outside(data):
    (data / "mine").mkdir()
    soundfile.write(data / "a.wav", np.zeros(80), 8000)
    written(data / "mine", "id,audio\na,../a.wav\n")
    with pytest.raises(DataError, match=r"outside .*allow_outside: true.*\n  a: \.\./a\.wav"):
        load(path="table.csv", root="mine")
    corpus = load(path="table.csv", root="mine", allow_outside=True)
    assert corpus.utterances()[0].audio.samefile(data / "a.wav")


def test_missing_files_are_dropped_only_when_allowed(data):
    soundfile.write(data / "a.wav", np.zeros(80), 8000)
    name = written(data, "id,audio\na,a.wav\nb,b.wav\n")
    with pytest.raises(DataError, match=r"1 rows name a file .*\n  b: b\.wav"):
        load(path=name)
    corpus = load(path=name, allow_missing=True)
    assert (len(corpus), corpus.dropped) == (1, {"file missing or unreadable": 1})


BROKEN = {
    "latin-1": ("id,text\na,qu\xe9\n".encode("latin-1"), r"not UTF-8 \(byte \d+\)"),
    "utf-16": ("id,text\na,uno\n".encode("utf-16"), r"not UTF-8 \(byte 0\)"),
    "open quote": ('id,text\na,uno\nb,"dos\nc,tres\n', r"cannot be read: .*line \d"),
    "text after a quote": ('id,text\na,"uno" dos\n', r"cannot be read: .*line 2"),
    "short row": ("id,text,label\na,uno,x\nb,dos\n", "line 3 has 2 cells, the header 3"),
    "long row": ("id,text\na,uno\nb,dos, y tres\n", "line 3 has 3 cells, the header 2"),
    "long rows only": ("id,text\na,uno,x\nb,dos,y\n", "line 2 has 3 cells, the header 2"),
    "no bytes": ("", "is empty"),
    "blank lines": ("\n\n\n", "is empty"),
    "header alone": ("id,text\n", "'table' has no rows"),
    "semicolons": ("id;text\na;uno\n", "id;text"),
}


@pytest.mark.parametrize(("content", "message"), BROKEN.values(), ids=BROKEN)
def test_a_broken_csv_is_an_error_that_says_where(data, content, message):
    with pytest.raises(DataError, match=message):
        load(path=written(data, content))


def test_the_byte_that_is_not_utf_8_is_counted_from_the_start_of_the_file(data):
    content = b"id,text\n" + b"a,uno\n" * 50_000 + b"b,qu\xe9\n"
    with pytest.raises(DataError, match=rf"byte {content.index(0xE9)}\)"):
        load(path=written(data, content))


BROKEN_LINES = {
    "not json": "id,text\na,uno\n",
    "cut off": '{"id": "a", "text": "uno"}\n{"id": "b", "te',
    "a number": "3\n",
    "a word": '"a"\n',
    "a list": '["a", "uno"]\n',
    "null": "null\n",
    "an array of rows": '[{"id": "a", "text": "uno"}]\n',
    "numbers among rows": '{"id": "a", "text": "uno"}\n3\n',
    "latin-1": '{"id": "a", "text": "qu\xe9"}\n'.encode("latin-1"),
    "no bytes": "",
}


@pytest.mark.parametrize("content", BROKEN_LINES.values(), ids=BROKEN_LINES)
def test_a_broken_jsonl_is_an_error_that_names_the_file(data, content):
    with pytest.raises(DataError, match=r"table"):
        load(path=written(data, content, "table.jsonl"))


def test_a_list_in_a_column_that_is_ours_is_no_text(data):
    line = json.dumps({"id": "a", "text": ["uno", "dos"]})
    with pytest.raises(DataError, match="text"):
        load(path=written(data, line, "table.jsonl"))


@pytest.mark.parametrize("share", [0.0, 0.5, 0.99])
def test_a_broken_parquet_is_an_error_that_names_the_file(data, share):
    write(ROWS, data / "whole.parquet")
    content = (data / "whole.parquet").read_bytes()
    name = written(data, content[: int(len(content) * share)], "table.parquet")
    with pytest.raises(DataError, match=r"table\.parquet"):
        load(path=name)


@pytest.mark.parametrize("name", ["table.xlsx", "table", "table.csv.gz"])
def test_an_unknown_extension_is_an_error_that_lists_the_known(data, name):
    written(data, "id,text\na,uno\n", name)
    with pytest.raises(DataError, match=r"one of \.csv, \.tsv, \.jsonl, \.parquet"):
        load(path=name)


@pytest.mark.parametrize("extension", FORMATS)
def test_a_table_that_is_not_there_or_is_a_folder_is_an_error(data, extension):
    with pytest.raises(DataError, match=r"no manifest at .*MSER_DATA"):
        load(path=f"gone.{extension}")
    (data / f"folder.{extension}").mkdir()
    with pytest.raises(DataError, match="folder"):
        load(path=f"folder.{extension}")


CELLS = st.text(alphabet="ab1\"',;\t\n\r \0é️\ufeff", max_size=60)
BYTES = st.one_of(
    st.binary(max_size=60),
    CELLS.map(str.encode),
    CELLS.map(lambda cells: ("id,text\n" + cells).encode()),
    CELLS.map(lambda cells: ("id,audio,start\n" + cells).encode()),
    st.binary(max_size=40).map(lambda tail: b'id,text\na,"' + tail),
)


def loads_or_says_why(folder, content, extension):
    name = written(folder, content, f"table.{extension}")
    try:
        corpus = load(path=name, root=str(folder))
    except MserError:
        return
    assert len(corpus) > 0
    assert len(corpus.utterances()) == len(corpus)
    assert corpus.table["id"].is_unique and len(corpus.table_hash()) == 64


@pytest.mark.parametrize("extension", ["csv", "tsv"])
@settings(max_examples=50, deadline=None)
@given(content=BYTES)
def test_any_bytes_are_a_corpus_or_a_plain_error(tmp_path_factory, extension, content):
    loads_or_says_why(tmp_path_factory.mktemp("any"), content, extension)


CELL = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=5))
VALUE = st.one_of(CELL, CELL, CELL, st.lists(CELL, max_size=2))
KEYS = st.sampled_from(["id", "text", "start", "label", "mood", "1"])


@settings(max_examples=50, deadline=None)
@given(rows=st.lists(st.dictionaries(KEYS, VALUE), max_size=4), sound=st.booleans())
def test_any_json_lines_are_a_corpus_or_a_plain_error(tmp_path_factory, rows, sound):
    """Half of them with an id and a text in every row, so that the other columns are reached."""
    if sound:
        rows = [row | {"id": f"u{place}", "text": "hola"} for place, row in enumerate(rows)]
    content = "\n".join(json.dumps(row) for row in rows)
    loads_or_says_why(tmp_path_factory.mktemp("any"), content, "jsonl")


@settings(max_examples=30, deadline=None)
@given(place=st.integers(0, 2000), value=st.integers(0, 255))
def test_a_parquet_with_a_wrong_byte_is_a_corpus_or_a_plain_error(tmp_path_factory, place, value):
    folder = tmp_path_factory.mktemp("any")
    write(ROWS, folder / "table.parquet")
    content = bytearray((folder / "table.parquet").read_bytes())
    content[place % len(content)] = value
    loads_or_says_why(folder, bytes(content), "parquet")
