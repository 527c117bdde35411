"""Loaders of speech from outside the studio: EMOVOME and MSP-Podcast, in their exact formats."""

import pytest

from multimodal_ser import audit, splits
from multimodal_ser.config import check
from multimodal_ser.datasets import emovome
from multimodal_ser.datasets._tables import write_silence
from multimodal_ser.targets import of_classes, targets_of
from multimodal_ser.types import DataError


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
    targets = targets_of(check(raw), corpus)
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
        r"'valence' of .*Psicologas\.csv are no numbers from -2 to 2:\n  row 4: 3",
    ),
    "no number": (
        ("labels_Psicologas.csv", EXPERTS, *GOOD, "4.wav,0,alto,Ira"),
        r"'arousal' of .* from -2 to 2:\n  row 4: alto",
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
