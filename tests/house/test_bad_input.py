"""Bad input: a plain error or every row of it, never a traceback, a shorter corpus, a wrong number.

The tests of single files (`test_audio`, `test_manifest`, `test_corpus`) hold the usual mistakes;
here are the odd ones, end to end.
"""

import csv
import datetime
import decimal
import json
import os
import re
import sys
import unicodedata

import numpy as np
import pandas as pd
import pytest
import soundfile
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.config import registry
from multimodal_ser.corpus.audio import read
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.corpus.datasets import audiofolder
from multimodal_ser.corpus.datasets.manifest import load
from multimodal_ser.features.contents import audio_contents
from multimodal_ser.features.extraction import run_encoder
from multimodal_ser.runs.run import run
from multimodal_ser.types import DataError, Input, MserError, Utterance
from tests.helpers.command import mser

RATE = 16000
NOISE = np.random.default_rng(0).uniform(-0.5, 0.5, RATE).astype(np.float32)
ENCODERS = ["mfcc", "log_mel"]


@pytest.fixture(autouse=True)
def data(monkeypatch, tmp_path):
    monkeypatch.setenv("MSER_DATA", str(tmp_path))
    return tmp_path


def sound(path, samples=NOISE, rate=RATE, **how):
    soundfile.write(path, samples, rate, **how)
    return path


def heard(path, **where):
    samples, rate = read(Utterance(id="u", audio=path, **where))
    assert samples.dtype == np.float32 and samples.ndim == 1
    return samples, rate


def features(name, samples, rate):
    encoder = registry.build("encoders", name, {}).eval()
    (rows,) = run_encoder(encoder, [Input(samples=samples, rate=rate)])
    return rows


def written(folder, content, name="table.csv"):
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return name


def parquet(folder, columns):
    """A Parquet file of the given Arrow arrays, as another program would write it."""
    arrow = pytest.importorskip("pyarrow")
    from pyarrow import parquet as files

    files.write_table(arrow.table(columns), folder / "table.parquet")
    return "table.parquet"


def cells(corpus: Corpus, column):
    """A column with None where it is missing."""
    return [None if pd.isna(one) else one for one in corpus.table[column]]


# sound


@pytest.mark.parametrize(("subtype", "step"), [("ULAW", 1 / 30), ("ALAW", 1 / 30)])
def test_a_wav_of_eight_logarithmic_bits_is_the_sound_to_within_a_step(tmp_path, subtype, step):
    samples, _ = heard(sound(tmp_path / "a.wav", subtype=subtype))
    assert len(samples) == len(NOISE)
    assert np.abs(samples - NOISE).max() < step


def test_a_wav_that_can_only_be_read_from_its_start_is_read(tmp_path):
    """GSM cannot seek, and pads to whole blocks of 320 samples."""
    samples, rate = heard(sound(tmp_path / "a.wav", NOISE[:8000], 8000, subtype="GSM610"))
    assert rate == 8000 and 8000 <= len(samples) <= 8000 + 320


@pytest.mark.parametrize("rate", [8000, 44100, 96000])
def test_a_second_at_any_rate_has_the_frames_of_a_second(tmp_path, rate):
    """log_mel at 16 kHz: windows of 400 samples every 160; mfcc pooled over all of it."""
    time = np.arange(rate) / rate
    samples, _ = heard(sound(tmp_path / "a.wav", np.sin(2 * np.pi * 440 * time) / 2, rate))
    assert len(features("log_mel", samples, rate)) == (RATE - 400) // 160 + 1
    assert np.isfinite(features("mfcc", samples, rate)).all()


ODD_CLIPS = {
    "silence": (np.zeros(RATE), RATE),
    "one sample": (NOISE[:1], RATE),
    "one sample at 96 kHz": (NOISE[:1], 96000),
    "10 ms at 8 kHz": (NOISE[:80], 8000),
    "one sample of silence": (np.zeros(1), 8000),
    "a constant": (np.ones(RATE), RATE),
    "below any normal number": (NOISE * 1e-40, RATE),
    "16-bit steps as floats": (np.round(NOISE * 32767), RATE),
}


@pytest.mark.parametrize("encoder", ENCODERS)
@pytest.mark.parametrize(("samples", "rate"), ODD_CLIPS.values(), ids=ODD_CLIPS)
def test_an_odd_clip_has_finite_features(tmp_path, encoder, samples, rate):
    found, rate = heard(sound(tmp_path / "a.wav", samples, rate, subtype="FLOAT"))
    rows = features(encoder, found, rate)
    assert len(rows) and np.isfinite(rows).all()


@pytest.mark.parametrize("height", [1e30, 3e38])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_whose_power_is_no_number_are_an_error(tmp_path, height, channels):
    """A float32 ends at 3.4e38: the mean of two such channels is infinite, and so is a power."""
    loud = np.full((800, channels), height, dtype=np.float32)
    path = sound(tmp_path / "a.wav", loud, subtype="FLOAT")
    with pytest.raises(DataError, match=r"a\.wav holds samples beyond"):
        heard(path)


@pytest.mark.parametrize("channel", ["0", "3", "mix"])
def test_four_channels_are_told_apart(tmp_path, channel):
    """Each channel is the one before at half its height."""
    path = sound(tmp_path / "a.wav", np.stack([NOISE / 2**n for n in range(4)], 1), subtype="FLOAT")
    share = {"0": 1, "3": 1 / 8, "mix": (1 + 1 / 2 + 1 / 4 + 1 / 8) / 4}[channel]
    np.testing.assert_allclose(heard(path, channel=channel)[0], NOISE * share, atol=1e-7)
    with pytest.raises(DataError, match="channel '7' is not mix or one of the 4 channels"):
        heard(path, channel="7")


def test_opus_is_read(tmp_path):
    path = sound(tmp_path / "a.opus", NOISE, format="OGG", subtype="OPUS")
    assert len(heard(path)[0]) == RATE


CONTAINERS = {
    "aiff": {}, "au": {}, "w64": {}, "rf64": {"format": "RF64"}, "ogg": {},
    "opus": {"format": "OGG", "subtype": "OPUS"}, "caf": {},
}  # fmt: skip


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
@pytest.mark.parametrize(("extension", "how"), CONTAINERS.items(), ids=CONTAINERS)
def test_a_cut_file_of_any_kind_is_an_error_and_not_a_shorter_clip(tmp_path, extension, how, share):
    """The last page of an Ogg says that it is the last; the others have a length in their head."""
    content = sound(tmp_path / f"a.{extension}", np.tile(NOISE, 10), **how).read_bytes()
    cut = tmp_path / f"cut.{extension}"
    cut.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(DataError, match=r"cut\.\w+ is (truncated|not readable)"):
        heard(cut)


@pytest.mark.parametrize("frames", [0, RATE + 1, 2**33, 2**36 - 1])
def test_a_flac_whose_head_promises_more_than_it_holds_is_an_error(tmp_path, frames):
    """The count is the low 36 bits of bytes 21 to 25; 0 means unknown, as a pipe leaves it."""
    content = bytearray(sound(tmp_path / "a.flac").read_bytes())
    content[21] = (content[21] & 0xF0) | (frames >> 32)
    content[22:26] = (frames & 0xFFFFFFFF).to_bytes(4, "big")
    (tmp_path / "a.flac").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.flac (does not say|is)"):
        heard(tmp_path / "a.flac")


@pytest.mark.parametrize("extension", ["wav", "flac", "ogg", "mp3"])
@pytest.mark.parametrize("count", [0, 4, 12, 44, 100])
def test_a_header_without_its_sound_is_an_error(tmp_path, extension, count):
    whole = sound(tmp_path / f"whole.{extension}").read_bytes()
    (tmp_path / f"a.{extension}").write_bytes(whole[:count])
    with pytest.raises(DataError, match=r"a\.\w+ (is not readable|is truncated|has no samples)"):
        heard(tmp_path / f"a.{extension}")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_a_file_that_may_not_be_read_is_an_error(tmp_path):
    path = sound(tmp_path / "a.wav")
    path.chmod(0)
    with pytest.raises(DataError, match=r"a\.wav is not readable"):
        heard(path)


MAGIC = [
    b"",
    b"RIFF\x24\0\0\0WAVEfmt ",
    b"fLaC\0\0\0\x22",
    b"OggS\0\x02",
    b"ID3\x04",
    b"\xff\xfb\x90",
]
MAGIC += [
    b"FORM\0\0\1\0AIFFCOMM",
    b".snd\0\0\0\x18",
    b"caff\0\1\0\0desc",
    b"RF64",
    b"riff.\x91\xcf\x11",
]


@settings(max_examples=150, deadline=None)
@given(head=st.sampled_from(MAGIC), tail=st.binary(max_size=200))
def test_any_bytes_called_sound_are_sound_or_a_plain_error(tmp_path_factory, head, tail):
    sound_or_error(tmp_path_factory, head + tail, "any.wav")


def sound_or_error(tmp_path_factory, content, name):
    path = tmp_path_factory.mktemp("any") / name
    path.write_bytes(content)
    try:
        samples, rate = heard(path)
    except DataError as error:
        assert name in str(error)
        return
    assert len(samples) and np.isfinite(samples).all() and rate > 0


@st.composite
def changes(draw):
    """What happens to a file: bytes flipped, cut out or put in, at shares of its length.

    Half of the places are in the first 128 bytes, where the head of a file is.
    """
    place = st.one_of(st.integers(0, 127), st.floats(0, 1, exclude_max=True))
    flip = st.tuples(st.just("flip"), place, st.integers(1, 255).map(lambda one: bytes([one])))
    cut = st.tuples(st.just("cut"), place, st.binary(min_size=1, max_size=40))
    insert = st.tuples(st.just("insert"), place, st.binary(min_size=1, max_size=40))
    return draw(st.lists(st.one_of(flip, cut, insert), min_size=1, max_size=4))


def changed(content, steps):
    for what, place, more in steps:
        at = min(place if isinstance(place, int) else int(place * len(content)), len(content))
        head, tail = content[:at], content[at:]
        if what == "flip":
            content = head + bytes(one ^ more[0] for one in tail[:1]) + tail[1:]
        elif what == "cut":
            content = head + tail[len(more) :]
        else:
            content = head + more + tail
    return content


@pytest.fixture(scope="module")
def clips(tmp_path_factory):
    folder = tmp_path_factory.mktemp("clips")
    names = [f"a.{extension}" for extension in ("wav", "flac", "ogg", "mp3", "aiff")]
    return {name: sound(folder / name, NOISE[:4000], 8000).read_bytes() for name in names}


@pytest.mark.parametrize("name", ["a.wav", "a.flac", "a.ogg", "a.mp3", "a.aiff"])
@settings(max_examples=100, deadline=None)
@given(steps=changes())
def test_damaged_sound_is_sound_or_a_plain_error(tmp_path_factory, clips, name, steps):
    sound_or_error(tmp_path_factory, changed(clips[name], steps), name)


# names of files


NAMES = ["with blank.wav", "canción niño.wav", "😀.wav", "two\nlines.wav", "a|b,\"c'.wav", "-x.wav"]


def test_any_name_of_a_file_is_found_and_remembered(tmp_path):
    """As a table and as a folder, and a second time from memory."""
    (tmp_path / "mine" / "joy").mkdir(parents=True)
    for place, name in enumerate(NAMES):
        sound(tmp_path / "mine" / "joy" / name, NOISE[: 100 + place])
    with (tmp_path / "table.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(
            [["id", "audio"], *([name, f"mine/joy/{name}"] for name in NAMES)]
        )
    table = load(path="table.csv")
    assert table.table["id"].tolist() == NAMES
    folder = audiofolder.load(root="mine")
    assert sorted(folder.table["audio"]) == sorted(f"joy/{name}" for name in NAMES)
    for corpus in (table, folder, table):
        contents = audio_contents(corpus.utterances(), tmp_path / "cache", workers=1)
        assert sorted(one.length for one in contents if one) == [*range(100, 100 + len(NAMES))]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="names are Unicode there")
def test_a_file_name_that_is_no_text_is_an_error_that_shows_it(tmp_path):
    """An archive that was packed in Latin-1."""
    (tmp_path / "mine" / "joy").mkdir(parents=True)
    path = sound(tmp_path / "mine" / "joy" / "a.wav")
    path.rename(os.fsdecode(os.fsencode(path.parent) + b"/caf\xe9.wav"))
    with pytest.raises(DataError, match=r"not UTF-8.*\n.*caf\\xe9\.wav"):
        audiofolder.load(root="mine")


def test_a_path_with_a_nul_is_not_the_file_before_it(tmp_path):
    """The C library ends a name there."""
    sound(tmp_path / "a.wav")
    line = json.dumps({"id": "a", "audio": "a.wav\0b", "text": "uno"})
    other = json.dumps({"id": "b", "audio": "a.wav", "text": "dos"})
    name = written(tmp_path, f"{line}\n{other}\n", "table.jsonl")
    with pytest.raises(DataError, match="1 rows name a file that is not under"):
        load(path=name)
    corpus = load(path=name, allow_missing=True)
    assert corpus.table["id"].tolist() == ["b"]
    assert corpus.dropped == {"file missing or unreadable": 1}


def test_folders_and_broken_links_that_are_called_wav_are_no_sound(tmp_path):
    (tmp_path / "folder.wav").mkdir()
    (tmp_path / "link.wav").symlink_to("gone.wav")
    sound(tmp_path / "a.wav")
    name = written(tmp_path, "id,audio\na,a.wav\nb,folder.wav\nc,link.wav\n")
    with pytest.raises(DataError, match=r"2 rows name.*\n  b: folder\.wav\n  c: link\.wav"):
        load(path=name)
    corpus = load(path=name, allow_missing=True)
    assert (len(corpus), corpus.dropped) == (1, {"file missing or unreadable": 2})


def test_a_link_is_followed_and_a_path_out_of_the_root_is_not(tmp_path):
    """A corpus of links to an archive is usual; an absolute path or `..` is another machine's."""
    (tmp_path / "mine").mkdir()
    away = sound(tmp_path / "away.wav")
    (tmp_path / "mine" / "link.wav").symlink_to(away)
    name = written(tmp_path / "mine", "id,audio\na,link.wav\n")
    assert heard(load(path=name, root="mine").utterances()[0].audio)[1] == RATE
    for path in (away, "../away.wav", "./x/../../away.wav"):
        written(tmp_path / "mine", f"id,audio\na,{path}\n")
        with pytest.raises(DataError, match=r"1 audio paths lie outside .*allow_outside: true"):
            load(path=name, root="mine")


@pytest.mark.parametrize("extension", ["opus", "aiff", "OGG"])
def test_no_sound_of_a_folder_is_left_out_for_its_kind(tmp_path, extension):
    (tmp_path / "mine" / "joy").mkdir(parents=True)
    sound(tmp_path / "mine" / "joy" / "a.wav")
    how = {"opus": {"format": "OGG", "subtype": "OPUS"}}.get(extension, {})
    sound(tmp_path / "mine" / "joy" / f"b.{extension}", **how)
    assert len(audiofolder.load(root="mine")) == 2


@pytest.mark.parametrize("extension", ["m4a", "wma", "webm"])
def test_sound_of_a_kind_that_cannot_be_read_is_not_left_out_in_silence(tmp_path, extension):
    (tmp_path / "mine" / "joy").mkdir(parents=True)
    sound(tmp_path / "mine" / "joy" / "a.wav")
    written(tmp_path / "mine" / "joy", b"\0\0\0\x20ftyp", f"b.{extension}")
    with pytest.raises(DataError, match=rf"joy/b\.{extension}"):
        audiofolder.load(root="mine")


# tables of text


LINE_ENDS = {
    "windows": 'id,text,mood\r\na,uno,x\r\nb,"dos\ny tres",y\r\n',
    "old mac": 'id,text,mood\ra,uno,x\rb,"dos\ny tres",y\r',
    "mark and quotes": '\ufeff"id","text","mood"\n"a","uno","x"\n"b","dos\ny tres","y"',
    "blank lines": '\n\nid,text,mood\n\na,uno,x\n\n\nb,"dos\ny tres",y\n\n',
    "nothing at the end": 'id,text,mood\na,uno,x\nb,"dos\ny tres",y',
    "a column without a name": 'id,text,mood,\na,uno,x,\nb,"dos\ny tres",y,\n',
}


@pytest.mark.parametrize("content", LINE_ENDS.values(), ids=LINE_ENDS)
def test_every_way_to_end_a_line_gives_the_same_cells(data, content):
    corpus = load(path=written(data, content))
    assert cells(corpus, "id") == ["a", "b"]
    assert cells(corpus, "text") == ["uno", "dos\ny tres"]
    assert cells(corpus, "mood") == ["x", "y"]


@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl"])
def test_a_very_long_cell_is_read_whole(data, extension):
    long = "palabra " * 130_000 + "fin"
    separator = "\t" if extension == "tsv" else ","
    content = f"id{separator}text\na{separator}{long}\n"
    if extension == "jsonl":
        content = json.dumps({"id": "a", "text": long})
    assert cells(load(path=written(data, content, f"table.{extension}")), "text") == [long]


def test_a_hundred_columns_pass_through(data):
    names = [f"feature_{number}" for number in range(100)]
    content = ",".join(["id", "text", *names]) + "\n" + ",".join(["a", "uno", *names]) + "\n"
    corpus = load(path=written(data, content))
    assert corpus.table[names].iloc[0].tolist() == names


@pytest.mark.parametrize("extension", ["csv", "jsonl"])
def test_a_nul_is_a_character_and_not_the_end_of_a_cell(data, extension):
    content = "id,text\na\0x,uno\0dos\na,tres\n"
    if extension == "jsonl":
        rows = [{"id": "a\0x", "text": "uno\0dos"}, {"id": "a", "text": "tres"}]
        content = "\n".join(map(json.dumps, rows))
    corpus = load(path=written(data, content, f"table.{extension}"))
    assert cells(corpus, "id") == ["a\0x", "a"]
    assert cells(corpus, "text") == ["uno\0dos", "tres"]


@pytest.mark.parametrize("column", ["end", "valence", "age", "votes:joy"])
@pytest.mark.parametrize("number", ["inf", "-Infinity", "1e999", "0x10", "1_000", "1 000", "5 s"])
def test_a_number_that_is_none_or_has_no_end_is_an_error(data, column, number):
    content = f"id,text,{column}\na,uno,1\nb,dos,{number}\n"
    with pytest.raises(DataError, match=rf"'{column}' are no numbers:\n  row 1: '{number}'"):
        load(path=written(data, content))


BAD_LINES = {
    "a key twice": ('{"id": "b", "text": "uno", "text": "dos"}', "text.*twice"),
    "too deep": ('{"id": "b", "text": "x", "mood": ' + "[" * 100_000, "recursion"),
    "half a character": ('{"id": "b", "text": "\\ud800"}', "surrogates"),
    "half a character in a key": ('{"id": "b", "text": "x", "\\ud800": 1}', "surrogates"),
    "not closed": ('{"id": "b", "text": ', "Expecting value"),
    "a list": ('["b", "uno"]', "no JSON object"),
}  # fmt: skip


@pytest.mark.parametrize(("line", "message"), BAD_LINES.values(), ids=BAD_LINES)
def test_a_bad_line_of_json_is_named_by_its_number(data, line, message):
    """A text that is a number makes the column one of objects, which is read another way."""
    good = '{"id": "a", "text": 1}\n\n'
    with pytest.raises(DataError, match=rf"table\.jsonl cannot be read: line 3\b.*{message}"):
        load(path=written(data, good + line + "\n", "table.jsonl"))


@pytest.mark.parametrize(
    "number", ["true", "1" + "0" * 400, "Infinity", '"1,5"', "[1]", '{"s": 1}']
)
def test_a_json_value_that_is_no_time_is_an_error(data, number):
    line = '{"id": "a", "text": "uno", "end": ' + number + "}"
    with pytest.raises(DataError, match="'end' are no numbers:\n  row 0"):
        load(path=written(data, line, "table.jsonl"))


def test_missing_values_of_json_are_missing_cells(data):
    lines = (
        '{"id": "a", "text": "uno", "label": null, "end": NaN, "speaker": NaN, "mood": {"x": 1}}'
    )
    corpus = load(path=written(data, lines, "table.jsonl"))
    assert [cells(corpus, column)[0] for column in ("label", "end", "speaker")] == [None] * 3
    assert cells(corpus, "mood") == [{"x": 1}]


# Parquet


def test_a_column_that_is_the_index_is_a_column(data):
    """A lost speaker would let a split put one person on both sides."""
    table = pd.DataFrame({"id": ["a", "b"], "text": ["uno", "dos"], "speaker": ["p", "q"]})
    for index in ("id", "speaker", ["speaker", "id"]):
        table.set_index(index).to_parquet(data / "table.parquet")
        corpus = load(path="table.parquet")
        assert cells(corpus, "id") == ["a", "b"]
        assert cells(corpus, "speaker") == ["p", "q"]


def test_the_row_numbers_of_a_filtered_table_are_no_column(data):
    table = pd.DataFrame({"id": ["a", "b", "c"], "text": ["uno", "dos", "tres"]})
    table.iloc[[0, 2]].to_parquet(data / "table.parquet")
    corpus = load(path="table.parquet")
    assert cells(corpus, "id") == ["a", "c"]
    assert not [name for name in corpus.table if "index" in name]


def test_whole_numbers_stay_whole_and_apart_beside_a_missing_one(data):
    """2^53 and 2^53 + 1 are one float: two speakers would be one, two ids a duplicate."""
    arrow = pytest.importorskip("pyarrow")
    columns = {
        "id": arrow.array([2**53, 2**53 + 1, 3]),
        "text": ["uno", "dos", "tres"],
        "label": arrow.array([0, None, 1]),
        "speaker": arrow.array([2**53, 2**53 + 1, None]),
        "group": arrow.array([7, None, 7]).dictionary_encode(),
        "channel": arrow.array([0, 1, None]),
    }
    corpus = load(path=parquet(data, columns))
    assert corpus.labels == ("0", "1")
    assert cells(corpus, "speaker") == ["9007199254740992", "9007199254740993", None]
    assert cells(corpus, "group") == ["7", "9007199254740993", "7"]
    assert cells(corpus, "channel") == ["0", "1", None]


def test_odd_types_of_parquet_are_the_words_and_numbers_they_stand_for(data):
    arrow = pytest.importorskip("pyarrow")
    columns = {
        "id": [datetime.date(2020, 1, 1), datetime.date(2020, 1, 2)],
        "text": arrow.array(["uno", "dos"]).dictionary_encode(),
        "label": arrow.array([b"joy", b"alegr\xc3\xada"]),
        "start": arrow.array([decimal.Decimal("0.50"), None]),
        "valence": arrow.array([0.25, None]).dictionary_encode(),
        "mood": arrow.array([[("k", 1)], []], arrow.map_(arrow.string(), arrow.int64())),
        "gender": arrow.nulls(2),
    }
    corpus = load(path=parquet(data, columns))
    assert cells(corpus, "id") == ["2020-01-01", "2020-01-02"]
    assert cells(corpus, "text") == ["uno", "dos"]
    assert cells(corpus, "label") == ["joy", "alegría"]
    assert cells(corpus, "start") == [0.5, None]
    assert cells(corpus, "valence") == [0.25, None]
    assert cells(corpus, "gender") == [None, None]
    assert len(corpus.table_hash()) == 64


ODD_CELLS = {
    "seconds as a duration": ("start", [datetime.timedelta(seconds=1)], r"'start' are no numbers"),
    "a date as a time": ("end", [datetime.datetime(2020, 1, 1)], r"'end' are no numbers"),
    "a clock as a time": ("end", [datetime.time(0, 0, 1)], r"'end' are no numbers"),
    "true as a number": ("valence", [True], r"'valence' are no numbers"),
    "a list as a text": ("text", [["uno", "dos"]], r"'text' holds .*one value is expected"),
    "a record as a label": ("label", [{"k": "joy"}], r"'label' holds .*one value is expected"),
    "bytes that are no text": ("text", [b"qu\xe9"], r"'text' holds what is no text"),
}


@pytest.mark.parametrize(("column", "values", "message"), ODD_CELLS.values(), ids=ODD_CELLS)
def test_a_parquet_value_that_cannot_be_meant_is_an_error(data, column, values, message):
    name = parquet(data, {"id": ["a"], "text": ["uno"], column: values})
    with pytest.raises(DataError, match=message):
        load(path=name)


def test_columns_that_are_numbers_can_be_renamed_and_counted(data):
    """What pandas writes for a table without names; it reads them back as integers."""
    pd.DataFrame([["a", "uno"]]).to_parquet(data / "table.parquet")
    assert cells(load(path="table.parquet", columns={"id": "0", "text": "1"}), "text") == ["uno"]
    with pytest.raises(DataError, match=r"no row has audio or text .*0, 1"):
        load(path="table.parquet")


# labels


NFC, NFD = (unicodedata.normalize(form, "alegría") for form in ("NFC", "NFD"))


@pytest.mark.parametrize("column", ["label", "speaker", "group"])
def test_names_that_look_the_same_are_the_same(data, column):
    """A Mac writes the accent as a letter of its own: José must not be two people of a split."""
    rows = "".join(f"{place},x,{name}\n" for place, name in enumerate([NFC, NFD, f" {NFD} "]))
    corpus = load(path=written(data, f"id,text,{column}\n{rows}"))
    assert len(corpus) == 3
    assert set(corpus.table[column]) == {NFC}


def test_labels_that_differ_by_case_or_accent_are_all_there(data):
    content = "id,text,label\na,x,Alegría\nb,x,alegría\nc,x,alegria\nd,x, alegria\n"
    corpus = load(path=written(data, content))
    assert corpus.labels == ("Alegría", "alegria", "alegría")
    assert len(corpus) == 4


# tables from anywhere


WORDS = st.text(max_size=6)
NUMBERS = st.floats(-100, 100).map(lambda number: round(number, 3))
TEXTS = ["label", "speaker", "group", "gender", "language", "mood"]
LOOKS = {"label", "speaker", "group"}


@st.composite
def tables(draw):
    """Rows of our columns with cells missing; mostly with an id and a text, so that more is met."""
    columns = draw(st.lists(st.sampled_from([*TEXTS, "valence", "start"]), unique=True))
    sound_rows = draw(st.integers(0, 4)) > 0
    rows = []
    for place in range(draw(st.integers(1, 4))):
        row = {"id": f"u{place}", "text": "x" + draw(WORDS)}
        if not sound_rows:
            row = {
                "id": draw(st.one_of(st.none(), WORDS)),
                "text": draw(st.one_of(st.none(), WORDS)),
            }
        for column in columns:
            values = WORDS if column in TEXTS else NUMBERS.map(abs)
            row[column] = draw(st.one_of(st.none(), values))
        rows.append(row)
    return rows


def write(rows, folder, extension):
    path = folder / f"table.{extension}"
    if extension == "parquet":
        pd.DataFrame(rows, dtype=object).to_parquet(path)
    elif extension == "jsonl":
        path.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    else:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, delimiter="\t" if extension == "tsv" else ",")
            writer.writerows([list(rows[0]), *([*row.values()] for row in rows)])
    return path.name


def expected(cell):
    """A cell as the corpus should hold it, up to the form of its accents."""
    if cell is None or isinstance(cell, float):
        return cell
    return cell.strip() or None


@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl", "parquet"])
@settings(max_examples=100, deadline=None)
@given(rows=tables())
def test_any_table_keeps_every_row_and_word_or_says_what_is_wrong(
    tmp_path_factory, extension, rows
):
    folder = tmp_path_factory.mktemp("any")
    name = write(rows, folder, extension)
    try:
        corpus = load(path=name, root=str(folder))
    except DataError as error:
        shown = [*rows[0], "table", *(repr(row["id"]) for row in rows)]
        assert re.search(r"row \d", str(error)) or any(word in str(error) for word in shown)
        return
    assert len(corpus) == len(rows) - sum(corpus.dropped.values())
    for column in rows[0]:
        given_cells = [expected(row[column]) for row in rows]
        found = cells(corpus, column)
        if column == "group":  # by default the speaker
            speakers = [expected(row.get("speaker")) for row in rows]
            given_cells = [a or b for a, b in zip(given_cells, speakers, strict=True)]
        if column in LOOKS:
            given_cells, found = (
                [one and unicodedata.normalize("NFC", one) for one in some]
                for some in (given_cells, found)
            )
        if column != "mood":  # a column of the table's own passes through as it is
            assert found == given_cells, column


SOURCES = {
    "csv": b'id,text,label,start\na,uno,joy,0.5\nb,"dos, y\ntres",anger,\n',
    "tsv": "id\ttext\tlabel\na\tuno\tjoy\nb\t¿dos?\tanger\n".encode(),
    "jsonl": '{"id": "a", "text": "uno", "end": 1}\n{"id": "b", "text": "¿dos?"}\n'.encode(),
}  # fmt: skip


@pytest.mark.parametrize("extension", ["csv", "tsv", "jsonl", "parquet"])
@settings(max_examples=100, deadline=None)
@given(steps=changes())
def test_a_damaged_table_is_a_corpus_or_a_plain_error(tmp_path_factory, extension, steps):
    folder = tmp_path_factory.mktemp("any")
    path = folder / f"table.{extension}"
    if extension == "parquet":
        pd.DataFrame({"id": ["a", "b"], "text": ["uno", "¿dos?"]}).to_parquet(path)
    source = SOURCES.get(extension) or path.read_bytes()
    path.write_bytes(changed(source, steps))
    corpus_or_error(path)


def corpus_or_error(path):
    try:
        corpus = load(path=path.name, root=str(path.parent))
    except MserError as error:
        assert str(error)
        return
    assert len(corpus.utterances()) == len(corpus) > 0
    assert len(corpus.table_hash()) == 64


HEADS = [b"", b'{"id": ', b'{"id": "a", "text": "', b"PAR1", b"\xff\xfe", b"\xef\xbb\xbf"]


@settings(max_examples=100, deadline=None)
@given(
    head=st.sampled_from(HEADS),
    tail=st.binary(max_size=60),
    extension=st.sampled_from(["csv", "jsonl", "parquet"]),
)
def test_any_bytes_called_a_table_are_a_corpus_or_a_plain_error(
    tmp_path_factory, head, tail, extension
):
    path = tmp_path_factory.mktemp("any") / f"table.{extension}"
    path.write_bytes(head + tail)
    corpus_or_error(path)


# from the config to the exit code


def rows_of(speakers=6, labels=("joy", "anger")):
    """Two rows of each speaker and label, the class in the words."""
    rows = [
        [f"u{speaker}-{label}-{turn}", f"{label} {speaker} {turn}", label, f"s{speaker}"]
        for speaker in range(speakers)
        for label in labels
        for turn in range(2)
    ]
    return pd.DataFrame(rows, columns=["id", "text", "label", "speaker"])


def config_of(folder, **changed_keys):
    """A text-only experiment that is done at once, written down."""
    config = {
        "name": "bad",
        "corpus": {"name": "manifest", "root": str(folder), "path": "table.csv"},
        "protocol": {"name": "kfold", "folds": 3},
        "encoders": {"text": {"name": "hashing", "buckets": 32}},
        "learner": {"name": "svm", "scores": "margin"},
        "runs_dir": str(folder / "runs"),
        "cache": {"dir": str(folder / "cache")},
        "workers": 1,
    } | changed_keys
    (folder / "config.yaml").write_text(yaml.safe_dump(config), encoding="utf-8")
    return folder / "config.yaml"


def as_sound(table, folder, samples_of):
    """The table with a file a row, and a config that reads them."""
    for place in range(len(table)):
        sound(folder / f"{place}.wav", samples_of(place), 8000)
    return table.assign(audio=[f"{place}.wav" for place in range(len(table))])


NEURAL = {
    "learner": {"name": "neural", "epochs": 2},
    "fusion": {"name": "concat", "hidden": 4},
}
REFUSED = {
    "one class": (lambda: rows_of(labels=("joy",)), {}, "two classes or more"),
    "no label at all": (lambda: rows_of().assign(label=""), {}, "two classes or more"),
    "one speaker": (lambda: rows_of().assign(speaker="s"), {}, "3 folds need as many speakers"),
    "one speaker cut in three": (
        lambda: rows_of().assign(speaker="s"),
        {"protocol": {"name": "holdout"}},
        "1 speakers or groups cannot be cut",
    ),
    "fewer speakers than folds": (lambda: rows_of(2), {}, "3 folds need as many speakers"),
    "a label that the task has not": (
        rows_of,
        {"outputs": {"label": {"classes": ["joy", "sadness"]}}},
        r"12 .*labels? .*\n  u0-anger-0",
    ),
    "no text to read": (
        lambda: rows_of().assign(text=" ", audio="0.wav"),
        {},
        "reads text, and no row of the corpus has any",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("table", "keys", "message"), REFUSED.values(), ids=REFUSED)
def test_a_corpus_that_cannot_be_learned_from_is_a_data_error(tmp_path, table, keys, message):
    sound(tmp_path / "0.wav")
    table().to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(DataError, match=message):
        run(config_of(tmp_path, **keys))


@pytest.mark.parametrize("scores", ["margin", "probability"])
def test_a_training_part_of_one_class_is_a_data_error(tmp_path, scores):
    """anger is in the dev part alone: nothing is tested that was not trained, and yet."""
    table = rows_of(3).assign(split=["train"] * 4 + ["dev"] * 4 + ["test"] * 4)
    table["label"] = table["label"].mask(table["split"] != "dev", "joy")
    table.to_csv(tmp_path / "table.csv", index=False)
    learner = {"name": "svm", "scores": scores}
    with pytest.raises(DataError, match=r"training part.* class|class.*training part"):
        run(config_of(tmp_path, protocol={"name": "official"}, learner=learner))


def test_votes_for_a_class_that_the_task_has_not_are_not_left_out(tmp_path):
    """Nine of ten raters said surprise: the row is not one of joy."""
    votes = {"votes:joy": "", "votes:anger": "", "votes:surprise": ""}
    table = rows_of().assign(**votes)
    table.loc[0, ["label", "votes:joy", "votes:surprise"]] = ["", "1", "9"]
    table.to_csv(tmp_path / "table.csv", index=False)
    with pytest.raises(DataError, match=r"votes:surprise"):
        run(config_of(tmp_path, **NEURAL))


@pytest.mark.parametrize("normalize", ["none", "standard", "speaker"])
def test_a_corpus_of_silence_is_learned_from_without_a_nan(tmp_path, normalize):
    """Clips of different lengths, or the gate would find them to be the same."""
    table = as_sound(rows_of(), tmp_path, lambda place: np.zeros(100 + 50 * place))
    table.to_csv(tmp_path / "table.csv", index=False)
    encoders = {name: {"name": name, "normalize": normalize} for name in ENCODERS}
    done = run(config_of(tmp_path, encoders=encoders, **NEURAL))
    scores = done.predictions.filter(like="score:")
    assert np.isfinite(scores.to_numpy()).all()


ODD = ['a,"b"', "a\nb", "😀 é", "a|b", "007", "7", "[/b]", "<b>", "NA", "nan"]


def test_ids_and_labels_of_any_letters_go_through_to_every_table(tmp_path):
    """Labels that a CSV reader would take for missing, and those that are marks somewhere."""
    table = rows_of(labels=("NA", "[/red]"))
    table["id"] = ODD + table["id"].tolist()[len(ODD) :]
    table.to_csv(tmp_path / "table.csv", index=False)
    config = config_of(tmp_path)
    path = run(config).folder / "predictions.csv"
    found = pd.read_csv(path, dtype=str, keep_default_na=False)
    test = found[found["part"] == "test"]
    assert sorted(test["id"]) == sorted(table["id"])
    truth = dict(zip(table["id"], table["label"], strict=True))
    assert [truth[one] for one in test["id"]] == test["truth"].tolist()
    answers = tmp_path / "answers.csv"
    test[["id"]].assign(value=test["truth"]).to_csv(answers, index=False)
    judged = mser("score", answers, "--task", config, "--against", path.parent)
    assert judged.returncode == 0, judged.stderr
    assert "1.000" in judged.stdout


BAD_ANSWERS = {
    "scores that are words": {"score:joy": "much", "score:anger": "0"},
    "an endless score": {"score:joy": "inf", "score:anger": "0"},
    "an answer that is no class": {"value": "jooy"},
    "a seed that is a word": {"value": "joy", "seed": "first"},
}


@pytest.mark.parametrize("columns", BAD_ANSWERS.values(), ids=BAD_ANSWERS)
def test_predictions_that_cannot_be_judged_are_a_data_error(tmp_path, columns):
    from multimodal_ser.config.read import load as load_config
    from multimodal_ser.studies.score import score

    table = rows_of()
    table.to_csv(tmp_path / "table.csv", index=False)
    table[["id"]].assign(**columns).to_csv(tmp_path / "answers.csv", index=False)
    with pytest.raises(DataError, match=r"answers\.csv|among|seed"):
        score(tmp_path / "answers.csv", load_config(config_of(tmp_path)))


def spoil_times(table, folder):
    return as_sound(table, folder, lambda _: NOISE[:800]).assign(start="0", end="80")


def spoil_sound(table, folder):
    table = as_sound(table, folder, lambda place: NOISE[: 800 + place])
    (folder / "3.wav").write_bytes((folder / "3.wav").read_bytes()[:500])
    return table


@pytest.mark.parametrize(
    ("spoil", "verb", "code", "message"),
    [
        (spoil_times, "audit", 4, "the segment ends at 80 s, but"),
        (spoil_sound, "run", 4, "u0-anger-1: "),
    ],
    ids=["milliseconds for seconds", "a cut file"],
)
def test_the_command_line_names_what_is_wrong_and_leaves_with_its_code(
    tmp_path, spoil, verb, code, message
):
    spoil(rows_of(), tmp_path).to_csv(tmp_path / "table.csv", index=False)
    done = mser(verb, config_of(tmp_path, encoders={"audio": {"name": "mfcc"}}))
    assert (done.returncode, message in done.stderr) == (code, True), done.stderr
