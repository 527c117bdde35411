"""Loaders of speech from outside the studio: EMOVOME and MSP-Podcast, in their exact formats."""

import pytest

from multimodal_ser.config.read import check
from multimodal_ser.corpus.clusters import clusters
from multimodal_ser.corpus.datasets import emovome, msp_podcast
from multimodal_ser.corpus.tables import write_silence
from multimodal_ser.corpus.targets import of_classes, targets_of
from multimodal_ser.protocol import audit, splits
from multimodal_ser.types import DataError, MserError


def written(folder, name, *lines):
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text("\n".join(lines) + "\n", encoding="utf-8")


def column(corpus, name):
    return corpus.table[name].astype(object).fillna("-").tolist()


# EMOVOME


@pytest.fixture
def authors(tmp_path):
    """The layout of the authors' experiments: four messages of three speakers."""
    return tmp_path, emovome.EXAMPLE(tmp_path)


@pytest.fixture
def released(tmp_path):
    """The public release, as its folders lie; the order of the messages is that of partitions."""
    written(
        tmp_path,
        "labels.csv",
        "file_id,valence_E,arousal_E,category_E,valence_C",
        "10,-1,2,Anger,0",
        "9,1,-1,Joy,1",
        "8,0,0,Neutral,0",
    )
    written(tmp_path, "participants_ids.csv", "file_id,participant_id", "8,P1", "9,P2", "10,P2")
    written(
        tmp_path,
        "transcriptions.csv",
        "file_id,transcription",
        "8,Ya",
        "9,Qué bien",
        '10,"¡No, no!"',
    )
    written(
        tmp_path,
        "Baseline_emotion_recognition/partitions.csv",
        "file_id,partition",
        "9,development",
        "10,Development",
        "8,test",
    )
    for name in ("Emotions/8.ogg", "Emotions/9.ogg", "Emotions/10.ogg", "Lecture/P1.ogg"):
        write_silence(tmp_path / "Audios" / name)
    return tmp_path


def test_the_experts_table_gives_emotions_numbers_and_sides(authors):
    corpus = emovome.load(**authors[1])
    assert column(corpus, "id") == ["1", "2", "3", "4"]
    assert column(corpus, "label") == ["happiness", "sadness", "neutral", "sadness"]
    assert column(corpus, "valence") == [2, -1, 0, -2]
    assert column(corpus, "arousal") == [1, -1, 0, 2]
    assert column(corpus, "valence_class") == ["positive", "negative", "neutral", "negative"]
    assert column(corpus, "arousal_class") == ["high", "low", "neutral", "high"]
    assert column(corpus, "split") == ["train", "train", "dev", "test"]
    assert column(corpus, "speaker") == column(corpus, "group") == ["S01", "S01", "S02", "S03"]
    assert column(corpus, "audio")[1] == "audios/2.wav"
    assert set(corpus.table["language"]) == {"es"}
    assert corpus.about.notice == ""


def test_one_model_can_be_taught_category_valence_and_arousal(authors):
    corpus = emovome.load(**authors[1])
    outputs = {
        "category": {"column": "label"},
        "valence": {"column": "valence_class", "classes": ["negative", "neutral", "positive"]},
        "arousal": {"column": "arousal_class", "classes": ["low", "neutral", "high"]},
    }
    encoders = {"audio": {"name": "mfcc"}}
    named = {"name": "emovome", **authors[1]}
    raw = {"name": "three", "corpus": named, "encoders": encoders, "outputs": outputs}
    targets = targets_of(check(raw).outputs, corpus)
    assert targets["category"].classes == corpus.labels
    assert targets["valence"].codes.tolist() == [2, 0, 1, 0]
    assert targets["arousal"].codes.tolist() == [2, 0, 1, 2]


def test_the_shipped_parts_share_no_speaker(authors):
    table = emovome.load(**authors[1]).table
    folds = splits.make(table, "official", {})
    assert [fold.dev.tolist() for fold in folds] == [[2]]
    target = of_classes("label", table["label"], emovome.ABOUT.labels)
    assert audit.audit(table, folds, target).leaks == ()


def test_non_experts_have_numbers_of_their_own_and_may_not_agree(authors):
    corpus = emovome.load(**authors[1], raters="non_experts")
    assert column(corpus, "valence") == [1, -1, 0, -1]
    assert column(corpus, "arousal") == [1, 0, "-", 1]
    assert column(corpus, "arousal_class") == ["high", "neutral", "-", "high"]
    assert column(corpus, "label") == ["happiness", "sadness", "neutral", "sadness"]
    assert corpus.about.notice == "1 messages have no arousal: the raters did not agree"


def test_a_number_of_the_non_experts_is_not_blamed_on_the_experts_table(authors):
    folder, options = authors
    written(folder, "split_testing.csv", "file\tsub_id\tvalence\tarousal", "4\tS03\t7\t1")
    assert len(emovome.load(**options)) == 4
    with pytest.raises(DataError, match=rf"'valence' of {folder} are no numbers .*\n  4: 7"):
        emovome.load(**options, raters="non_experts")


def test_the_release_is_read_with_its_words(released):
    corpus = emovome.load(root=str(released))
    assert column(corpus, "id") == ["9", "10", "8"]
    assert column(corpus, "split") == ["train", "train", "test"]
    assert column(corpus, "speaker") == ["P2", "P2", "P1"]
    assert column(corpus, "text") == ["Qué bien", "¡No, no!", "Ya"]
    assert column(corpus, "label") == ["happiness", "anger", "neutral"]
    assert column(corpus, "valence") == [1, -1, 0]
    assert corpus.table["audio"].isna().all()
    combined = emovome.load(root=str(released), columns={"valence": "valence_C"})
    assert column(combined, "valence_class") == ["positive", "neutral", "neutral"]


def test_messages_with_sound_need_no_words_and_the_read_texts_are_no_messages(released):
    written(released, "transcriptions.csv", "file_id,transcription", "9,Qué bien")
    corpus = emovome.load(root=str(released), audio_folder="Audios")
    expected = [f"Audios/Emotions/{one}.ogg" for one in (9, 10, 8)]
    assert column(corpus, "audio") == expected
    assert column(corpus, "text") == ["Qué bien", "-", "-"]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_sheet_saved_in_spain_is_read_as_well(authors, separator):
    """Semicolons, decimal commas, an export's `.0`, and names of columns in capitals."""
    folder, options = authors
    cells = [
        ("FILENAME", "Valencia", "Arousal", "Emotion"),
        ("003.ogg", '"0,5"', '"-1,5"', " Alegria"),
        ("1.0", "2.0", "1", "TRISTEZA"),
        ("2", "-1", "", "Asco"),
        ("4.wav", "0", "0", ""),
    ]
    written(folder, "labels_Psicologas.csv", *(separator.join(row) for row in cells))
    corpus = emovome.load(**options)
    assert column(corpus, "label") == ["sadness", "disgust", "happiness", "-"]
    assert column(corpus, "valence") == [2, -1, 0.5, 0]
    assert column(corpus, "arousal_class") == ["high", "-", "low", "neutral"]


def test_a_message_in_no_part_is_kept_without_one(authors):
    folder, options = authors
    written(folder, "split_testing.csv", "file\tsub_id\tvalence\tarousal")
    corpus = emovome.load(**options)
    assert column(corpus, "id") == ["1", "2", "3", "4"]
    assert column(corpus, "split") == ["train", "train", "dev", "-"]


def test_messages_without_a_file_are_listed_or_dropped_and_counted(authors):
    folder, options = authors
    (folder / "audios/3.wav").unlink()
    with pytest.raises(DataError, match=r"1 rows name a file .*\n  3: audios/3\.ogg\nallow_miss"):
        emovome.load(**options)
    corpus = emovome.load(**options, allow_missing=True)
    assert column(corpus, "id") == ["1", "2", "4"]
    assert sum(corpus.dropped.values()) == 1


EXPERTS = "Filename,Valencia,Arousal,Emotion"
GOOD = ["1.wav,2,1,Ira", "2.wav,0,0,Ira", "3.wav,0,0,Ira"]
PART = "file\tsub_id\tvalence\tarousal"
WRONG_EMOVOME = {
    "an emotion": (
        ("labels_Psicologas.csv", EXPERTS, *GOOD, "4.wav,0,0,Ansiedad"),
        r"'ansiedad' in 1 rows",
    ),
    "out of range": (
        ("labels_Psicologas.csv", EXPERTS, *GOOD, "4.wav,3,0,Ira"),
        r"'valence' of .*Psicologas\.csv are no numbers from -2 to 2:\n  4: 3",
    ),
    "no number": (
        ("labels_Psicologas.csv", EXPERTS, *GOOD, "4.wav,0,alto,Ira"),
        r"'arousal' of .* from -2 to 2:\n  4: alto",
    ),
    "a row too few": (
        ("labels_Psicologas.csv", EXPERTS, *GOOD),
        r"1 messages have no row in .*Psicologas\.csv:\n  4",
    ),
    "a row twice": (
        ("labels_Psicologas.csv", EXPERTS, *GOOD, "03.ogg,0,0,Ira"),
        r"more than once in .*:\n  3",
    ),
    "a column": (
        ("labels_Psicologas.csv", "Filename,Valencia,Emotion", "1.wav,2,Ira"),
        r"no column arousal or arousal_e for the arousal; it has Filename, Valencia",
    ),
    "two parts": (
        ("split_testing.csv", PART, "-1\tS01\t0\t0"),
        r"in two parts of the split:\n  1",
    ),
    "another table": (
        ("labels.csv", EXPERTS, *GOOD),
        r"2 files could be meant; keep one:\n  .*labels\.csv",
    ),
    "two formats": (
        ("audios/old/4.ogg", ""),
        r"of one message; keep one:\n  4\.wav and old/4\.ogg",
    ),
}


@pytest.mark.parametrize(("file", "message"), WRONG_EMOVOME.values(), ids=WRONG_EMOVOME)
def test_what_is_not_emovome_is_an_error_that_says_why(authors, file, message):
    folder, options = authors
    written(folder, *file)
    with pytest.raises(DataError, match=message):
        emovome.load(**options)


def test_what_is_absent_is_an_error_that_says_what_to_do(authors, released):
    folder, options = authors
    assert folder == released
    (folder / "labels.csv").unlink()
    written(folder, "labels/labels_Psicologas.xlsx", "")
    (folder / "labels_Psicologas.csv").unlink()
    with pytest.raises(DataError, match=r"save .*\.xlsx as labels_Psicologas\.csv in UTF-8"):
        emovome.load(**options)
    (folder / "labels/labels_Psicologas.xlsx").unlink()
    with pytest.raises(DataError, match=r"no labels\.csv and no .*arxiv\.org"):
        emovome.load(**options)
    with pytest.raises(DataError, match=r"no folder at .*gone .*MSER_DATA"):
        emovome.load(root=str(folder / "gone"))


def test_a_split_with_a_part_missing_is_no_split(authors):
    folder, options = authors
    (folder / "split_validation.csv").unlink()
    with pytest.raises(DataError, match=r"no split_validation\.csv under .* siblings are there"):
        emovome.load(**options)


def test_without_words_somebody_must_say_where_the_sound_is(authors):
    with pytest.raises(DataError, match=r"no transcriptions\.csv; audio_folder: names where"):
        emovome.load(root=str(authors[0]))


def test_the_release_has_no_numbers_of_the_non_experts_by_a_known_name(released):
    with pytest.raises(DataError, match=r"only split_training.*columns: names those"):
        emovome.load(root=str(released), raters="non_experts")


# MSP-Podcast

HEADER = "FileName,EmoClass,EmoAct,EmoVal,EmoDom,SpkrID,Gender,Split_Set"
DETAILED = "FileName,EmoDetail"


def turns(folder, *rows, name="Labels/labels_consensus.csv", **options):
    """A corpus of these rows, each with a silent file under Audios."""
    written(folder, name, HEADER, *rows)
    for row in rows:
        write_silence(folder / "Audios" / row.split(",")[0])
    return msp_podcast.load(root=str(folder), **options)


SPEECH = [
    "MSP-PODCAST_0001_0008.wav,N,2.2,4,2.6,127,Male,Train",
    "MSP-PODCAST_0001_0019.wav,X,4.8,3.4,4.6,Unknown,Female,Train",
    "MSP-PODCAST_0002_0033.wav,O,5.2,6,5,Unknown,Unknown,Development",
    "MSP-PODCAST_0003_0100.wav,A,7,1,6.2,8,Male,Test1",
    "MSP-PODCAST_0004_0200.wav,H,6,6.5,6,9,Female,Test2",
]


def test_a_row_of_msp_podcast_says_who_feels_what_in_which_podcast(tmp_path):
    written(tmp_path, "Transcripts/MSP-PODCAST_0003_0100.txt", "I said, ", " no.")
    row = turns(tmp_path, *SPEECH).table.iloc[1]
    expected = {
        "id": "MSP-PODCAST_0003_0100.wav",
        "audio": "Audios/MSP-PODCAST_0003_0100.wav",
        "text": "I said, no.",
        "text_source": "reference",
        "label": "anger",
        "arousal": 7,
        "valence": 1,
        "dominance": 6.2,
        "speaker": "8",
        "group": "MSP-PODCAST_0003",
        "gender": "male",
        "language": "en",
        "split": "test",
    }
    assert row[list(expected)].to_dict() == expected


def test_what_is_no_emotion_of_the_eight_is_dropped_and_counted(tmp_path):
    corpus = turns(tmp_path, *SPEECH)
    assert column(corpus, "label") == ["neutral", "anger", "happiness"]
    assert corpus.dropped == {"label no agreement": 1, "label other": 1}
    assert len(corpus.labels) == 8
    assert column(corpus, "text") == ["-", "-", "-"]


def test_or_kept_as_a_class_and_as_rows_without_one(tmp_path):
    corpus = turns(tmp_path, *SPEECH, keep=("other", "no agreement"))
    assert column(corpus, "label") == ["neutral", "-", "other", "anger", "happiness"]
    assert column(corpus, "valence") == [4, 3.4, 6, 1, 6.5]
    assert corpus.labels[-1] == "other"
    assert corpus.dropped == {}


def test_unknown_speakers_are_apart_unless_they_share_a_podcast(tmp_path):
    rows = [
        "MSP-PODCAST_0001_0001.wav,N,2,4,2,Unknown,Male,Train",
        "MSP-PODCAST_0001_0002.wav,N,2,4,2,,Unknown,Train",
        "MSP-PODCAST_0002_0001.wav,N,2,4,2,Unknown,,Train",
        "MSP-PODCAST_0003_0001.wav,N,2,4,2,12,Male,Train",
        "MSP-PODCAST_0004_0001.wav,N,2,4,2,12,Male,Train",
    ]
    corpus = turns(tmp_path, *rows)
    assert column(corpus, "speaker") == ["-", "-", "-", "12", "12"]
    assert column(corpus, "gender") == ["male", "-", "-", "male", "male"]
    assert clusters(corpus.table).tolist() == [0, 0, 1, 2, 2]


def test_the_parts_are_those_that_the_protocol_official_knows(tmp_path):
    names = ["Train", "Train", "Development", "Test1", "Test2", "Test3", "Validation"]
    rows = [
        f"MSP-PODCAST_000{place}_0001.wav,N,2,4,2,{place},Male,{name}"
        for place, name in enumerate(names)
    ]
    corpus = turns(tmp_path, *rows)
    parts = ["train", "train", "dev", "test", "test2", "test3", "dev"]
    assert column(corpus, "split") == parts
    fold = splits.make(corpus.table, "official", {})[0]
    assert sorted(fold.tests) == ["test", "test2", "test3"]


@pytest.mark.parametrize(
    ("labels", "audio"),
    [
        ("Labels/labels_concensus.csv", "Audio"),
        ("labels_consensus.csv", "Audios/Audios"),
        ("Labels/Labels/labels_consensus.csv", "Audios"),
    ],
)
def test_releases_differ_in_the_names_of_their_folders(tmp_path, labels, audio):
    written(tmp_path, labels, HEADER, SPEECH[0])
    write_silence(tmp_path / audio / "MSP-PODCAST_0001_0008.wav")
    corpus = msp_podcast.load(root=str(tmp_path))
    assert column(corpus, "audio") == [f"{audio}/MSP-PODCAST_0001_0008.wav"]


BALLOTS = {
    "in one cell": [
        DETAILED,
        'MSP-PODCAST_0001_0008.wav,"WORKER1; Neutral; Neutral,Concerned; A:2.0; V:4.0; D:3.0; "',
        'MSP-PODCAST_0001_0008.wav,"WORKER2; Sad; ; A:2.0; V:4.0; D:3.0; "',
        'MSP-PODCAST_0001_0008.wav,"WORKER3; Other-Bored, a bit; Sad; A:2.0; V:4.0; D:3.0; "',
        'MSP-PODCAST_0001_0019.wav,"WORKER1; Angry; Angry; A:6.0; V:2.0; D:6.0; "',
    ],
    "in columns": [
        "FileName,WorkerID,EmoClass_Major,EmoClass_Second,EmoAct,EmoVal,EmoDom",
        'MSP-PODCAST_0001_0008.wav,1,Neutral,"Neutral,Concerned",2,4,3',
        "MSP-PODCAST_0001_0008.wav,2,Sad,,2,4,3",
        "MSP-PODCAST_0001_0008.wav,3,Curious,Sad,2,4,3",
        "MSP-PODCAST_0001_0008.wav,4,,Sad,2,4,3",
        "MSP-PODCAST_0001_0019.wav,1,Angry,Angry,6,2,6",
    ],
}


@pytest.mark.parametrize("lines", BALLOTS.values(), ids=BALLOTS)
def test_votes_are_counted_by_class_and_what_is_left_out_is_said(tmp_path, lines):
    written(tmp_path, "Labels/labels_detailed.csv", *lines)
    keep = {"keep": ("no agreement",), "votes": True}
    corpus = turns(tmp_path, *SPEECH[:2], **keep)
    counts = corpus.table.filter(like="votes:")
    assert counts.columns.tolist() == [f"votes:{label}" for label in corpus.labels]
    assert counts.iloc[0][counts.iloc[0] > 0].to_dict() == {"votes:neutral": 1, "votes:sadness": 1}
    assert counts.iloc[1][counts.iloc[1] > 0].to_dict() == {"votes:anger": 1}
    assert corpus.about.notice == "1 of 4 votes are for other emotions and left out"
    both = turns(tmp_path, *SPEECH[:2], votes=True, keep=("no agreement", "other"))
    assert column(both, "votes:other") == [1, 0]
    assert both.about.notice == ""


def test_votes_teach_a_turn_without_agreement(tmp_path):
    """Soft targets are the shares of the votes; the turn without a label is not scored."""
    written(tmp_path, "Labels/labels_detailed.csv", *BALLOTS["in columns"])
    corpus = turns(tmp_path, *SPEECH[:2], keep=("no agreement",), votes=True)
    named = {"name": "msp_podcast", "root": str(tmp_path)}
    outputs = {"label": {"soft": True}}
    raw = {"name": "soft", "corpus": named, "encoders": {"a": {"name": "mfcc"}}, "outputs": outputs}
    target = targets_of(check(raw).outputs, corpus)["label"]
    assert target.codes.tolist() == [corpus.labels.index("neutral"), -1]
    assert target.taught is not None
    assert target.taught[0].tolist() == [0, 0.5, 0, 0, 0, 0, 0, 0.5]
    assert target.learned[1].tolist() == [1, 0, 0, 0, 0, 0, 0, 0]


ROW = "MSP-PODCAST_0001_0001.wav,N,2,4,2,1,Male,Train"
WRONG_MSP = {
    "a letter": (ROW.replace(",N,", ",Q,"), r"values of 'EmoClass' .*\n  'Q' in 1 rows"),
    "a part": (ROW.replace("Train", "Test9"), r"'Split_Set' .* not among Train, Development"),
    "a gender": (ROW.replace("Male", "M"), r"'Gender' .*not among Female, Male"),
    "below 1": (
        ROW.replace("N,2", "N,0.5"),
        r"'EmoAct' .* no numbers from 1 to 7:\n.*0001\.wav: 0",
    ),
    "above 7": (ROW.replace(",4,", ",7.5,"), r"'EmoVal' .* no numbers from 1 to 7:\n.*: 7\.5"),
    "no number": (ROW.replace(",4,", ",x,"), r"'EmoVal' .* no numbers .*\n.*: x"),
    "no emotion": (ROW.replace(",N,", ",X,"), r"corpus 'msp_podcast' has no rows"),
    "width": (ROW + ",1", "line 2 has 9 cells, the header 8"),
}


@pytest.mark.parametrize(("row", "message"), WRONG_MSP.values(), ids=WRONG_MSP)
def test_what_is_not_msp_podcast_is_an_error_that_says_why(tmp_path, row, message):
    with pytest.raises(DataError, match=message):
        turns(tmp_path, row)


def test_what_is_absent_of_msp_podcast_is_named(tmp_path):
    with pytest.raises(
        DataError, match=r"no Labels/labels_consensus\.csv under .*MSER_DATA.*lab-ms"
    ):
        msp_podcast.load(root=str(tmp_path))
    written(tmp_path, "labels_consensus.csv", "FileName,EmoClass", "a.wav,N")
    with pytest.raises(DataError, match=r"no column \['EmoAct', .*it has FileName, EmoClass"):
        msp_podcast.load(root=str(tmp_path))
    written(tmp_path, "labels_consensus.csv", HEADER, ROW)
    with pytest.raises(
        DataError, match=r"1 rows name a file .*\n.*: Audios/MSP-PODCAST_0001_0001\.wav"
    ):
        msp_podcast.load(root=str(tmp_path))


WRONG_VOTES = {
    "absent": ([], r"no table at .*labels_detailed\.csv"),
    "of another release": (
        [DETAILED, "MSP-PODCAST_0009_0001.wav,W; Sad; ;"],
        r"turns have no votes in .*\(votes: false goes without\):\n  MSP-PODCAST_0001_0001\.wav",
    ),
    "of no emotion": (
        [DETAILED, "MSP-PODCAST_0001_0001.wav,W; 4.0; ;"],
        "no vote is for one of angry, .*they are for 4.0",
    ),
    "without emotions": (
        ["FileName,Worker", "MSP-PODCAST_0001_0001.wav,W"],
        "neither 'EmoClass_Major' nor 'EmoDetail'; it has FileName, Worker",
    ),
}


@pytest.mark.parametrize(("lines", "message"), WRONG_VOTES.values(), ids=WRONG_VOTES)
def test_votes_that_cannot_be_counted_are_an_error(tmp_path, lines, message):
    if lines:
        written(tmp_path, "Labels/labels_detailed.csv", *lines)
    with pytest.raises(DataError, match=message):
        turns(tmp_path, ROW, votes=True)


def test_a_transcript_in_another_encoding_is_named(tmp_path):
    (tmp_path / "Transcripts").mkdir()
    (tmp_path / "Transcripts/MSP-PODCAST_0001_0001.txt").write_bytes(b"caf\xe9")
    with pytest.raises(DataError, match=r"1 files of .*Transcripts are not UTF-8.*\n.*_0001\.txt"):
        turns(tmp_path, ROW)


# both


@pytest.mark.parametrize("loader", [emovome, msp_podcast])
def test_a_loaded_corpus_has_a_type_for_every_cell(loader, tmp_path):
    corpus = loader.load(**loader.EXAMPLE(tmp_path))
    assert len(corpus.table_hash()) == 64
    assert [one.id for one in corpus.utterances()] == column(corpus, "id")


@pytest.mark.parametrize("loader", [emovome, msp_podcast])
@pytest.mark.parametrize("content", [b"", b"\n", b"id,split\n", b"\xff\xfe", b'"', b"a;b\n1;2;3"])
def test_any_wreck_of_a_table_is_a_plain_error(loader, content, tmp_path):
    options = loader.EXAMPLE(tmp_path)
    for path in tmp_path.rglob("*.csv"):
        before = path.read_bytes()
        path.write_bytes(content)
        with pytest.raises(MserError, match=path.stem):
            loader.load(**options)
        path.write_bytes(before)
