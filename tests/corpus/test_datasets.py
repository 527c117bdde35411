"""The loaders of named corpora: the exact formats in small, and the figures of the real files."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import soundfile

from multimodal_ser.corpus.corpus import join
from multimodal_ser.corpus.datasets import (
    audiofolder,
    emobank,
    emospeech,
    manifest,
    meacorpus,
    ravdess,
)
from multimodal_ser.corpus.targets import of_classes
from multimodal_ser.protocol import audit, probes, splits
from multimodal_ser.types import DataError, MserError

LABELS = ("anger", "disgust", "fear", "joy", "neutral", "sadness")


def touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def written(folder, name, *lines):
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder / name


def column(corpus, name):
    return corpus.table[name].fillna("-").tolist()


# RAVDESS


def test_a_name_of_ravdess_says_everything(tmp_path):
    touch(tmp_path, "Actor_12/03-01-06-01-02-01-12.wav", "Actor_07/03-01-01-01-01-02-07.flac")
    corpus = ravdess.load(root=str(tmp_path))
    row = corpus.table.iloc[1]
    expected = {
        "id": "03-01-06-01-02-01-12",
        "audio": "Actor_12/03-01-06-01-02-01-12.wav",
        "text": "Dogs are sitting by the door",
        "text_source": "reference",
        "label": "fearful",
        "speaker": "12",
        "group": "12",
        "gender": "female",
        "language": "en",
        "split": "fold2",
        "vocal_channel": "speech",
        "intensity": "normal",
        "statement": "2",
        "repetition": "1",
    }
    assert row[list(expected)].to_dict() == expected
    assert column(corpus, "gender") == ["male", "female"]
    assert column(corpus, "label") == ["neutral", "fearful"]
    assert corpus.labels[:3] == ("neutral", "calm", "happy")


def test_the_channels_are_chosen_and_the_archives_order_is_kept(tmp_path):
    """Speech and song unpacked side by side, as Zenodo ships them: songs come first."""
    speech = "Audio_Speech_Actors_01-24/Actor_01/03-01-03-02-01-01-01.wav"
    song = "Audio_Song_Actors_01-24/Actor_01/03-02-03-02-01-01-01.wav"
    touch(tmp_path, speech, song)
    assert column(ravdess.load(root=str(tmp_path)), "audio") == [speech]
    both = ravdess.load(root=str(tmp_path), channels=("speech", "song"))
    assert column(both, "audio") == [song, speech]
    assert column(both, "vocal_channel") == ["song", "speech"]
    assert column(both, "intensity") == ["strong", "strong"]


def test_a_channel_that_is_not_there_is_an_error_and_not_an_empty_share(tmp_path):
    touch(tmp_path, "Actor_01/03-01-03-02-01-01-01.wav")
    with pytest.raises(DataError, match=r"no song, only \{'speech': 1\} .*zenodo"):
        ravdess.load(root=str(tmp_path), channels=("speech", "song"))


ODD_NAMES = [
    "Actor_01/03-01-03-02-01-01-02.wav",  # of another actor than its folder
    "Actor_25/03-01-03-02-01-01-25.wav",
    "Actor_01/03-01-09-02-01-01-01.wav",
    "Actor_01/03-03-03-02-01-01-01.wav",
    "Actor_01/02-01-03-02-01-01-01.wav",  # a video without sound
    "Actor_01/03-01-03-02-01-01-01 (1).wav",
    "Actor_01/03-01-03-02-01-01.wav",
    "03-01-03-02-01-01-01.wav",
    "notes/a.flac",
]


def test_every_name_that_does_not_parse_is_listed(tmp_path):
    touch(tmp_path, "Actor_01/03-01-03-02-01-01-01.wav", *ODD_NAMES)
    with pytest.raises(DataError, match=r"not named Actor_NN/03-CC-EE") as error:
        ravdess.load(root=str(tmp_path))
    lines = str(error.value).splitlines()
    assert lines[0].startswith(f"{len(ODD_NAMES)} files")
    assert [line.strip() for line in lines[1:]] == sorted(ODD_NAMES)


def test_hidden_files_and_other_kinds_are_no_part_of_a_corpus(tmp_path):
    """What macOS and notebooks leave behind."""
    touch(tmp_path, "Actor_01/03-01-03-02-01-01-01.WAV", "readme.txt", ".cache/a.wav")
    touch(tmp_path, "Actor_01/._03-01-03-02-01-01-01.wav", "__MACOSX.zip")
    assert len(ravdess.load(root=str(tmp_path))) == 1


def test_a_folder_that_may_not_be_read_is_an_error(tmp_path, monkeypatch):
    touch(tmp_path, "Actor_01/03-01-03-02-01-01-01.wav", "Actor_02/03-01-03-02-01-01-02.wav")
    scan = os.scandir

    def guarded(path):
        if "Actor_02" in str(path):
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(DataError, match="Actor_02 cannot be read: Permission denied"):
        ravdess.load(root=str(tmp_path))


def test_linked_folders_are_followed(tmp_path):
    touch(tmp_path, "far/03-01-03-02-01-01-01.wav")
    (tmp_path / "near").mkdir()
    (tmp_path / "near" / "Actor_01").symlink_to(tmp_path / "far")
    assert len(ravdess.load(root=str(tmp_path / "near"))) == 1


def test_a_recording_in_two_formats_or_folders_is_an_error(tmp_path):
    touch(tmp_path, *(f"Actor_01/03-01-03-02-01-01-01.{kind}" for kind in ("wav", "flac")))
    with pytest.raises(DataError, match="ids appear more than once"):
        ravdess.load(root=str(tmp_path))


def test_no_folder_and_no_sound_are_errors_that_say_where_to_get_it(tmp_path):
    with pytest.raises(DataError, match=r"no folder at .*gone .*MSER_DATA.*zenodo"):
        ravdess.load(root=str(tmp_path / "gone"))
    touch(tmp_path, "ravdess.zip")
    with pytest.raises(DataError, match=r"no \.flac or \.wav files, but \['\.zip'\] .*zenodo"):
        ravdess.load(root=str(tmp_path))


def test_a_file_that_is_no_audio_is_dropped_when_allowed_and_counted(tmp_path):
    touch(tmp_path, "Actor_01/03-01-03-02-01-01-01.wav")
    soundfile.write(tmp_path / "Actor_01/03-01-03-02-01-02-01.wav", np.zeros(80), 8000)
    assert len(ravdess.load(root=str(tmp_path))) == 2
    corpus = ravdess.load(root=str(tmp_path), allow_missing=True)
    assert (len(corpus), sum(corpus.dropped.values())) == (1, 1)


# MEACorpus

FULL = "youtube_key,filename,segment_id,label,gender,start_time,end_time,transcription,split"
SHORT = "filename,label,transcription,split"
BY_SEGMENT = "youtube_key,segment_id,label,gender,start_time,end_time,transcription,split,source"


def load_mea(folder, *lines, **options):
    written(folder, "table.csv", *lines)
    return meacorpus.load(root=str(folder), path="table.csv", **options)


def test_the_first_header_of_meacorpus(tmp_path):
    corpus = load_mea(
        tmp_path, FULL, 'k-_1,a.mp3,0.mp3,joy,male,500.0,9342.5,"  Sí, señor. ",train'
    )
    row = corpus.table.iloc[0]
    expected = {
        "id": "a.mp3",
        "group": "k-_1",
        "label": "joy",
        "gender": "male",
        "text": "Sí, señor.",
        "text_source": "asr:whisper",
        "video_start": 0.5,
        "video_end": 9.3425,
        "split": "train",
        "language": "es",
        "segment_id": "0.mp3",
    }
    assert row[list(expected)].to_dict() == expected
    assert row[["audio", "speaker", "start", "end"]].isna().all()
    assert corpus.labels == LABELS
    assert corpus.about.notice == ""


def test_the_second_header_has_no_video_and_says_so(tmp_path):
    corpus = load_mea(tmp_path, SHORT, "a.mp3,joy,Sí,train", "b.mp3,fear,No,test")
    assert column(corpus, "id") == ["a.mp3", "b.mp3"]
    assert corpus.table[["group", "gender"]].isna().all(axis=None)
    assert "names no videos" in corpus.about.notice


def test_the_third_header_names_segments_by_their_video(tmp_path):
    corpus = load_mea(tmp_path, BY_SEGMENT, "k-_1,7,joy,female,0,4000,Sí,val,radio")
    row = corpus.table.iloc[0]
    assert (row["id"], row["group"], row["split"]) == ("k-_1-7", "k-_1", "dev")
    assert (row["source"], row["video_end"]) == ("radio", 4.0)


def test_audio_is_looked_for_only_where_it_is_said_to_be(tmp_path):
    lines = [SHORT, "a.mp3,joy,Sí,train", "b.mp3,fear,No,test"]
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.mp3", np.zeros(8000), 8000)
    with pytest.raises(DataError, match=r"1 rows name a file .*\n  b\.mp3: clips/b\.mp3"):
        load_mea(tmp_path, *lines, audio_folder="clips")
    corpus = load_mea(tmp_path, *lines, audio_folder="clips", allow_missing=True)
    assert column(corpus, "audio") == ["clips/a.mp3"]
    outside = str(tmp_path / "clips")
    with pytest.raises(DataError, match="lie outside"):
        load_mea(tmp_path, *lines, audio_folder=outside)
    with pytest.raises(DataError, match=r"has no column \['filename'\]; it has youtube_key"):
        load_mea(tmp_path, BY_SEGMENT, "k,7,joy,female,0,4,Sí,test,x", audio_folder="clips")


def test_a_blank_transcript_has_no_source(tmp_path):
    (tmp_path / "clips").mkdir()
    soundfile.write(tmp_path / "clips" / "a.wav", np.zeros(80), 8000)
    corpus = load_mea(tmp_path, SHORT, 'a.wav,joy," ",train', audio_folder="clips")
    assert corpus.table[["text", "text_source"]].isna().all(axis=None)


BAD_MEA = {
    "label": ([SHORT, "a,joy,Sí,train", "b,Joy,No,test"], r"'Joy' in 1 rows"),
    "split": ([SHORT, "a,joy,Sí,train", "b,joy,No,eval"], r"'split' .*not among train, val, dev"),
    "time": ([FULL, "k,a,0,joy,male,0:00,4,Sí,train"], r"'start_time' .* are no times:\n  '0:00'"),
    "header": (["label,transcription,split", "joy,Sí,train"], "neither 'filename' nor 'youtube"),
    "column": (["filename,label,text", "a,joy,Sí"], r"no column \['transcription', 'split'\]"),
    "twice": ([SHORT, "a,joy,Sí,train", "a,joy,No,test"], "ids appear more than once"),
    "quote": ([SHORT, 'a,joy,"Sí,train'], "cannot be read"),
}


@pytest.mark.parametrize(("lines", "message"), BAD_MEA.values(), ids=BAD_MEA)
def test_a_table_that_is_not_meacorpus_is_an_error_that_says_why(tmp_path, lines, message):
    with pytest.raises(DataError, match=message):
        load_mea(tmp_path, *lines)


# EmoSPeech


@pytest.fixture
def challenge(tmp_path):
    """Two train rows and a test row, whose video is that of the second."""
    emospeech.EXAMPLE(tmp_path)
    return tmp_path


def test_the_table_of_meacorpus_gives_labels_videos_and_gender(challenge):
    corpus = emospeech.load(root=str(challenge))
    assert column(corpus, "id") == ["1a.mp3", "2b.mp3", "3c.mp3"]
    assert column(corpus, "split") == ["train", "train", "test"]
    assert column(corpus, "label") == ["joy", "sadness", "sadness"]
    assert column(corpus, "group") == ["A", "B", "B"]
    assert column(corpus, "gender") == ["female", "male", "male"]
    assert corpus.about.notice.startswith("1 of the 1 test segments are in the training part of")


@pytest.mark.parametrize("how", ["not asked for", "absent"])
def test_without_that_table_the_test_has_no_labels_and_every_table_says_so(challenge, how):
    options = {"meacorpus": None} if how == "not asked for" else {}
    if how == "absent":
        (challenge / "meacorpus_2023_public_v2.csv").unlink()
    corpus = emospeech.load(root=str(challenge), **options)
    assert column(corpus, "label") == ["joy", "sadness", "-"]
    assert corpus.table[["group", "gender"]].isna().all(axis=None)
    assert "test rows have no label" in corpus.about.notice


def test_a_table_asked_for_by_name_must_be_there(challenge):
    with pytest.raises(DataError, match=r"no table at .*v3\.csv"):
        emospeech.load(root=str(challenge), meacorpus="v3.csv")


def test_which_test_file_is_read(challenge):
    path = challenge / "EmoSPeech_phase_2_test_public.csv"
    written(challenge, path.name, "id,transcription", "3c.mp3,Junta de la Junta")
    assert column(emospeech.load(root=str(challenge)), "text")[2] == "Qué pena."
    first = emospeech.load(root=str(challenge), test="first")
    assert column(first, "text")[2] == "Junta de la Junta"
    path.unlink()
    with pytest.raises(DataError, match=r"no table at .*test_public\.csv"):
        emospeech.load(root=str(challenge), test="first")


def test_an_order_of_rows_of_its_own_does_not_mix_up_the_join(challenge):
    path = challenge / "meacorpus_2023_public_v2.csv"
    header, *rows = path.read_text("utf-8").splitlines()
    expected = emospeech.load(root=str(challenge)).table
    extra = "Z,9z.mp3,0.mp3,fear,male,0,1,Otro,train"
    written(challenge, path.name, header, extra, *reversed(rows))
    pd.testing.assert_frame_equal(emospeech.load(root=str(challenge)).table, expected)


JOINS = {
    "a row less": (lambda rows: rows[:-1], r"1 ids are not in .*null goes without\):\n  3c\.mp3"),
    "a row twice": (lambda rows: [*rows, rows[1]], r"more than once in .*\n  1a\.mp3"),
    "another label": (
        lambda rows: [rows[0], rows[1].replace("joy", "fear"), *rows[2:]],
        r"labels differ from .*\n  1a\.mp3: joy, there fear",
    ),
    "a label that is none": (
        lambda rows: [*rows[:-1], rows[-1].replace("sadness", "sad")],
        "'sad' in 1 rows",
    ),
    "a release without videos": (
        lambda _: [SHORT, "1a.mp3,joy,Sí,train"],
        r"no column \['youtube_key', 'gender'\]",
    ),
}


@pytest.mark.parametrize(("change", "message"), JOINS.values(), ids=JOINS)
def test_a_table_that_does_not_fit_is_not_joined_in_part(challenge, change, message):
    path = challenge / "meacorpus_2023_public_v2.csv"
    written(challenge, path.name, *change(path.read_text("utf-8").splitlines()))
    with pytest.raises(DataError, match=message):
        emospeech.load(root=str(challenge))


def test_emospeech_and_meacorpus_are_never_joined(challenge):
    both = [emospeech.load(root=str(challenge)), meacorpus.load(root=str(challenge))]
    with pytest.raises(DataError, match="contain one another"):
        join(both)


def test_the_audio_of_emospeech_is_named_by_its_ids(challenge):
    (challenge / "wav").mkdir()
    for name in ("1a", "2b", "3c"):
        soundfile.write(challenge / "wav" / f"{name}.mp3", np.zeros(8000), 8000)
    corpus = emospeech.load(root=str(challenge), audio_folder="wav")
    assert column(corpus, "audio") == ["wav/1a.mp3", "wav/2b.mp3", "wav/3c.mp3"]


# EmoBank


def test_a_sentence_of_emobank_has_three_numbers_and_its_document(tmp_path):
    emobank.EXAMPLE(tmp_path)
    corpus = emobank.load(root=str(tmp_path))
    row = corpus.table.iloc[0]
    assert row[["valence", "arousal", "dominance"]].tolist() == [3.0, 3.0, 3.2]
    assert row["text"] == 'Remember what she said? "'
    assert column(corpus, "group") == ["110CYL068", "110CYL068", "SemEval_800"]
    assert column(corpus, "split") == ["train", "test", "dev"]
    assert corpus.table[["label", "speaker", "audio"]].isna().all(axis=None)
    assert (corpus.labels, column(corpus, "language")) == ((), ["en"] * 3)


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["id,split,V,A,text", "a_1_2,train,3,3,Hm"], r"no column \['D'\]; it has id, split, V"),
        (["id,split,V,A,D,text", "a_1_2,train,3,high,3,Hm"], "'arousal' are no numbers"),
        (["id,split,V,A,D,text", "a_1_2,valid,3,3,3,Hm"], "'valid' in 1 rows"),
    ],
)
def test_a_table_that_is_not_emobank_is_an_error(tmp_path, lines, message):
    written(tmp_path, "emobank.csv", *lines)
    with pytest.raises(DataError, match=message):
        emobank.load(root=str(tmp_path))


@pytest.mark.parametrize("loader", [emobank, emospeech, meacorpus])
def test_a_table_that_is_not_there_is_an_error(tmp_path, loader):
    with pytest.raises(DataError, match=r"no table at .*\.csv \(MSER_DATA and root"):
        loader.load(root=str(tmp_path))


# audiofolder


def test_the_folder_is_the_class_and_the_path_the_id(tmp_path):
    touch(tmp_path, "joy/b.wav", "joy/a.FLAC", "anger/a.mp3", "anger/notes.txt", "sad/x.ogg")
    corpus = audiofolder.load(root=str(tmp_path), language="es")
    assert column(corpus, "id") == ["anger/a.mp3", "joy/a.FLAC", "joy/b.wav", "sad/x.ogg"]
    assert column(corpus, "audio") == column(corpus, "id")
    assert column(corpus, "label") == ["anger", "joy", "joy", "sad"]
    assert (corpus.labels, column(corpus, "language")) == (("anger", "joy", "sad"), ["es"] * 4)
    assert corpus.about.name == tmp_path.name
    ordered = audiofolder.load(root=str(tmp_path), label_order=["sad", "joy", "anger"])
    assert ordered.labels == ("sad", "joy", "anger")


def test_a_file_that_lies_in_no_class_is_an_error_and_not_left_out(tmp_path):
    touch(tmp_path, "joy/a.wav", "b.wav", "train/joy/c.wav")
    with pytest.raises(
        DataError, match=r"2 files are not in .*metadata\.csv\):\n  b\.wav\n  train"
    ):
        audiofolder.load(root=str(tmp_path))


def test_a_folder_without_sound_or_no_folder_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"but nothing \(or write a metadata\.csv"):
        audiofolder.load(root=str(tmp_path))
    with pytest.raises(DataError, match=r"no folder at .*gone"):
        audiofolder.load(root=str(tmp_path / "gone"))


METADATA = {
    "csv": ["file_name,transcription,label", 'clips/a.wav,"Sí, ya",joy', "clips/b.wav,No,"],
    "jsonl": [
        '{"file_name": "clips/a.wav", "transcription": "Sí, ya", "label": "joy"}',
        '{"file_name": "clips/b.wav", "transcription": "No", "label": null}',
    ],
}


@pytest.mark.parametrize("kind", METADATA)
def test_metadata_name_the_files(tmp_path, kind):
    touch(tmp_path, "clips/a.wav", "clips/b.wav", "clips/not_listed.wav")
    written(tmp_path, f"metadata.{kind}", *METADATA[kind])
    corpus = audiofolder.load(root=str(tmp_path), columns={"text": "transcription"})
    assert column(corpus, "id") == ["clips/a.wav", "clips/b.wav"]
    assert column(corpus, "audio") == ["clips/a.wav", "clips/b.wav"]
    assert column(corpus, "text") == ["Sí, ya", "No"]
    assert column(corpus, "label") == ["joy", "-"]


def test_metadata_may_have_ids_of_their_own_and_other_names(tmp_path):
    touch(tmp_path, "a.wav")
    written(tmp_path, "metadata.csv", "id,file_name,label", "007,a.wav,joy")
    assert column(audiofolder.load(root=str(tmp_path)), "id") == ["007"]
    written(tmp_path, "metadata.csv", "key,path,label", "k1,a.wav,joy")
    corpus = audiofolder.load(root=str(tmp_path), columns={"audio": "path", "id": "key"})
    assert (column(corpus, "id"), column(corpus, "audio")) == (["k1"], ["a.wav"])
    by_path = audiofolder.load(root=str(tmp_path), columns={"audio": "path"})
    assert column(by_path, "id") == ["a.wav"]


def test_metadata_that_cannot_be_followed_are_errors(tmp_path):
    touch(tmp_path, "joy/a.wav")
    with pytest.raises(DataError, match=r"no metadata\.csv whose columns"):
        audiofolder.load(root=str(tmp_path), columns={"text": "transcription"})
    written(tmp_path, "metadata.csv", "path,label", "joy/a.wav,joy")
    with pytest.raises(
        DataError, match=r"metadata\.csv has no column \['file_name'\]; it has path"
    ):
        audiofolder.load(root=str(tmp_path))
    written(tmp_path, "metadata.csv", "file_name,label", "joy/b.wav,joy", "../a.wav,joy")
    with pytest.raises(DataError, match=r"lie outside .*\n  \.\./a\.wav"):
        audiofolder.load(root=str(tmp_path))
    written(tmp_path, "metadata.csv", "file_name,label", "joy/a.wav,joy", "joy/b.wav,joy")
    with pytest.raises(DataError, match=r"1 rows name a file .*\n  joy/b\.wav"):
        audiofolder.load(root=str(tmp_path))
    written(tmp_path, "metadata.jsonl", '{"file_name": "joy/a.wav"}')
    with pytest.raises(DataError, match=r"metadata\.csv and metadata\.jsonl; keep one"):
        audiofolder.load(root=str(tmp_path))


def test_a_pattern_finds_the_speaker_in_the_path(tmp_path):
    touch(tmp_path, "joy/s1_a.wav", "joy/s2_a.wav", "sad/s1_b.wav")
    corpus = audiofolder.load(root=str(tmp_path), speaker_pattern=r"/(s\d)_")
    assert column(corpus, "speaker") == ["s1", "s2", "s1"]
    assert column(corpus, "group") == ["s1", "s2", "s1"]


PATTERNS = {
    "not one": ("(", r"'\(' is no regular expression: missing \)"),
    "no group": (r"s\d", "has 0 groups; it needs 1"),
    "two groups": (r"(s)(\d)", "has 2 groups; it needs 1"),
    "no match": (r"(s1)_", r"1 paths name no speaker .*\n  joy/s2_a\.wav"),
    "an empty match": (r"(x?)", "2 paths name no speaker"),
    "a group left out": (r"s1|(s2)", r"1 paths name no speaker .*\n  joy/s1_a\.wav"),
}


@pytest.mark.parametrize(("pattern", "message"), PATTERNS.values(), ids=PATTERNS)
def test_a_pattern_that_does_not_give_every_speaker_is_an_error(tmp_path, pattern, message):
    touch(tmp_path, "joy/s1_a.wav", "joy/s2_a.wav")
    with pytest.raises(DataError, match=message):
        audiofolder.load(root=str(tmp_path), speaker_pattern=pattern)


def test_a_pattern_does_not_overrule_speakers_that_are_named(tmp_path):
    touch(tmp_path, "s1_a.wav")
    written(tmp_path, "metadata.csv", "file_name,speaker", "s1_a.wav,Ana")
    with pytest.raises(DataError, match="have a column 'speaker' already"):
        audiofolder.load(root=str(tmp_path), speaker_pattern=r"(s\d)")


def test_json_text_may_hold_a_line_separator(tmp_path):
    """U+2028 and U+0085 end lines for `str.splitlines`, but not in JSON Lines."""
    line = '{"id": "a", "text": "uno\u2028dos\u0085tres"}'
    written(tmp_path, "table.jsonl", line, '{"id": "b", "text": "dos"}')
    corpus = manifest.load(root=str(tmp_path), path="table.jsonl")
    assert column(corpus, "text") == ["uno\u2028dos\u0085tres", "dos"]


@pytest.mark.parametrize("loader", [audiofolder, emobank, emospeech, meacorpus, ravdess])
def test_a_loaded_corpus_has_a_type_for_every_cell(loader, tmp_path):
    """The hash of a table needs it, and so do the records that stages pass on."""
    corpus = loader.load(**loader.EXAMPLE(tmp_path))
    assert corpus.table_hash() == loader.load(**loader.EXAMPLE(tmp_path)).table_hash()
    assert [one.id for one in corpus.utterances()] == column(corpus, "id")


@pytest.mark.parametrize("loader", [emobank, emospeech, meacorpus])
@pytest.mark.parametrize(
    "content", [b"", b"\n", b"id,split\n", b"\xff\xfe", b'"', b"id;V;A\n1;2;3"]
)
def test_any_wreck_of_a_table_is_a_plain_error(loader, content, tmp_path):
    options = loader.EXAMPLE(tmp_path)
    for path in tmp_path.glob("*.csv"):
        before = path.read_bytes()
        path.write_bytes(content)
        if "test_public.csv" not in path.name:
            with pytest.raises(MserError, match=path.stem):
                loader.load(**options)
        path.write_bytes(before)


# the real corpora; sizes as their authors publish them, overlaps counted apart in plain Python


def real(loader, folder, **options):
    """The corpus under MSER_DATA, or a skip that says what is missing."""
    place = os.environ.get("MSER_DATA")
    if not place or not (Path(place) / folder).is_dir():
        pytest.skip(f"needs the folder '{folder}' under MSER_DATA")
    return loader.load(root=folder, **options)


EMOBOX = [  # its file of folds for RAVDESS
    {1, 11, 20, 21},
    {4, 10, 12, 14},
    {8, 9, 19, 23},
    {3, 5, 7, 24},
    {2, 15, 16, 18},
    {6, 13, 17, 22},
]


def test_ravdess_has_its_1440_files_and_six_folds_of_four_actors():
    corpus = real(ravdess, "ravdess")
    table = corpus.table
    counts = table["label"].value_counts()
    assert len(corpus) == 1440
    assert table["speaker"].nunique() == 24
    assert counts.pop("neutral") == 96
    assert (counts == 192).all() and len(counts) == 7
    assert table["audio"].is_monotonic_increasing
    folds = splits.make(table, "official", {})
    tested = [{int(one) for one in table["speaker"].iloc[fold.parts["test"]]} for fold in folds]
    assert tested == EMOBOX
    target = of_classes("label", table["label"], corpus.labels)
    assert audit.audit(table, folds, target).leaks == ()


def test_emospeech_knows_every_label_and_its_split_shares_videos():
    corpus = real(emospeech, "emospeech")
    table = corpus.table
    test = table[table["split"] == "test"]
    train = table[table["split"] == "train"]
    assert (len(train), len(test)) == (3000, 750)
    assert table[["label", "group", "gender"]].notna().all(axis=None)
    assert (test["label"] == "fear").sum() == 6
    assert test["group"].isin(train["group"]).sum() == 395


def test_twelve_transcripts_differ_between_the_two_test_files():
    one = real(emospeech, "emospeech", test="first").table
    two = real(emospeech, "emospeech").table
    assert (one["id"] == two["id"]).all()
    assert (one["text"] != two["text"]).sum() == 12


def test_most_of_the_test_of_emospeech_is_in_the_train_of_meacorpus():
    table = real(meacorpus, "emospeech").table
    challenge = real(emospeech, "emospeech").table
    tested = challenge["id"][challenge["split"] == "test"]
    assert len(table) == 5129
    assert table["split"].value_counts().to_dict() == {"train": 4102, "test": 1027}
    assert (table["video_end"] - table["video_start"]).between(2, 15).all()
    assert tested.isin(table["id"][table["split"] == "train"]).sum() == 600


@pytest.mark.parametrize(
    ("loader", "expected"),
    [(emospeech, 0.8428), (meacorpus, 0.828)],
    ids=["emospeech", "meacorpus"],
)
def test_a_lookup_of_the_video_scores_without_any_model(loader, expected):
    """Same video → its commonest train label (ties: the first), else the majority: macro-F1."""
    corpus = real(loader, "emospeech")
    for protocol, score in (("official", expected), ("disjoint", 0.093)):
        folds = splits.make(corpus.table, protocol, {"dev": 0.0})
        target = of_classes("label", corpus.table["label"], corpus.labels)
        found = probes.probes(corpus.table, folds, target)
        assert found["same group"]["macro_f1"] == pytest.approx(score, abs=0.0005)
    if loader is emospeech:
        assert len(folds[0].train) == 2373


def test_emobank_has_10062_sentences_and_its_split_shares_documents():
    table = real(emobank, "emobank").table
    parts = {"train": 8062, "dev": 1000, "test": 1000}
    assert table["split"].value_counts().to_dict() == parts
    numbers = table[["valence", "arousal", "dominance"]]
    assert numbers.ge(1).all(axis=None) and numbers.le(5).all(axis=None)
    headlines = table["group"].str.startswith("SemEval_")
    assert (headlines.sum(), table["group"][~headlines].nunique()) == (1192, 135)
    train, test = (table[table["split"] == part] for part in ("train", "test"))
    assert test["group"].isin(train["group"]).sum() == 882
