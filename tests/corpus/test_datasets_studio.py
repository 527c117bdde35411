"""Loaders of what actors said: IEMOCAP, EMO-DB and SAVEE, in their exact formats."""

import pytest

from multimodal_ser.config.read import check
from multimodal_ser.corpus.datasets import emodb, iemocap, savee
from multimodal_ser.corpus.tables import write_silence
from multimodal_ser.corpus.targets import of_classes, targets_of
from multimodal_ser.protocol import audit, splits
from multimodal_ser.types import DataError


def column(corpus, name):
    return corpus.table[name].astype(object).fillna("-").tolist()


# IEMOCAP

TITLE = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
NEUTRAL = """[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu\t[2.5000, 2.0000, 1.5000]
C-E2:\tNeutral;\t()
C-E3:\tNeutral; Anger;\t(curious; a bit)
C-E4:\tOther;\t()
C-F1:\tSadness;\t()
A-E3:\tval 3; act 2; dom  2;\t()
A-F1:\tval 3; act 2; dom  1;\t(mildly aggravated)
"""


def turn(name, emotion, *raters, numbers="2.5000, 2.5000, 2.5000"):
    lines = [f"[10.0100 - 11.3925]\t{name}\t{emotion}\t[{numbers}]", *raters]
    return "\n".join([*lines, ""])


def dialogue(root, name, *turns, said=(), encoding="utf-8"):
    """A dialogue as it lies on the disk, with a silent file for each turn."""
    session = root / f"Session{name[4]}"
    lines = {"EmoEvaluation": [TITLE, "", *turns], "transcriptions": said}
    for folder, content in lines.items():
        place = session / "dialog" / folder / f"{name}.txt"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("\n".join(content), encoding=encoding)
    for one in turns:
        found = one.split("\t")
        if len(found) > 1:
            write_silence(session / "sentences" / "wav" / name / f"{found[1]}.wav")


def load(root, **options):
    return iemocap.load(root=str(root), **options)


@pytest.fixture
def emotions(tmp_path):
    """Every emotion once, in two dialogues of the first session and one of the fifth."""
    first = [turn(f"Ses01M_script01_1_F{n:03}", one) for n, one in enumerate(["ang", "exc", "xxx"])]
    second = [turn(f"Ses01F_impro08a_M{n:03}", one) for n, one in enumerate(["neu", "fru", "fea"])]
    fifth = [turn(f"Ses05M_impro01_F{n:03}", one) for n, one in enumerate(["sad", "hap", "sur"])]
    dialogue(tmp_path, "Ses01M_script01_1", *first)
    dialogue(tmp_path, "Ses01F_impro08a", *second)
    dialogue(tmp_path, "Ses05M_impro01", *fifth)
    return tmp_path


def test_a_turn_of_iemocap_says_who_speaks_and_how(tmp_path):
    said = [
        "Ses01F_impro01_F000 [006.2901-008.2357]: Excuse me. [LAUGHTER]",
        "M: Hm?",
        "Ses01F_impro01_MXX0 [007.0000-007.1000]: Mmhmm.",
    ]
    dialogue(tmp_path, "Ses01F_impro01", NEUTRAL, said=said)
    row = load(tmp_path).table.iloc[0]
    expected = {
        "id": "Ses01F_impro01_F000",
        "audio": "Session1/sentences/wav/Ses01F_impro01/Ses01F_impro01_F000.wav",
        "text": "Excuse me. [LAUGHTER]",
        "text_source": "reference",
        "label": "neutral",
        "valence": 2.5,
        "arousal": 2.0,
        "dominance": 1.5,
        "speaker": "Ses01F",
        "group": "Session1",
        "gender": "female",
        "language": "en",
        "split": "fold1",
        "dialogue": "Ses01F_impro01",
        "kind": "improvised",
    }
    assert row[list(expected)].to_dict() == expected


def test_the_speaker_is_who_speaks_and_not_who_wears_the_markers(emotions):
    corpus = load(emotions)
    assert column(corpus, "id") == [
        "Ses01F_impro08a_M000",
        "Ses01M_script01_1_F000",
        "Ses01M_script01_1_F001",
        "Ses05M_impro01_F000",
        "Ses05M_impro01_F001",
    ]
    assert column(corpus, "speaker") == ["Ses01M", "Ses01F", "Ses01F", "Ses05F", "Ses05F"]
    assert column(corpus, "gender") == ["male", "female", "female", "female", "female"]
    assert column(corpus, "kind")[:2] == ["improvised", "scripted"]
    assert column(corpus, "text") == ["-"] * 5


OTHERS = {"label no agreement": 1, "label fearful": 1, "label surprised": 1}
CLASSES = {
    4: (["neutral", "angry", "happy", "sad", "happy"], {**OTHERS, "label frustrated": 1}),
    5: (["neutral", "frustrated", "angry", "happy", "sad", "happy"], OTHERS),
    6: (["neutral", "frustrated", "angry", "excited", "sad", "happy"], OTHERS),
}


@pytest.mark.parametrize("classes", CLASSES)
def test_four_five_or_six_classes_and_the_rest_is_counted(emotions, classes):
    labels, dropped = CLASSES[classes]
    corpus = load(emotions, classes=classes)
    assert column(corpus, "label") == labels
    assert set(corpus.labels) == set(labels)
    assert len(corpus.labels) == classes
    assert corpus.dropped == dropped


def test_turns_without_agreement_may_stay_without_a_label(emotions):
    corpus = load(emotions, keep_no_agreement=True)
    assert column(corpus, "label") == ["neutral", "angry", "happy", "-", "sad", "happy"]
    assert "label no agreement" not in corpus.dropped


def test_dialogues_of_one_kind(emotions):
    assert column(load(emotions, kinds=("scripted",)), "label") == ["angry", "happy"]
    assert column(load(emotions, kinds=("improvised",)), "label") == ["neutral", "sad", "happy"]


def test_raters_vote_and_the_actors_do_not(tmp_path):
    dialogue(tmp_path, "Ses01F_impro01", NEUTRAL)
    corpus = load(tmp_path, votes=True)
    assert corpus.table.filter(like="votes:").iloc[0].to_dict() == {
        "votes:angry": 1,
        "votes:happy": 0,
        "votes:sad": 0,
        "votes:neutral": 2,
    }
    assert corpus.about.notice == "1 of 4 votes are for no class and left out"


def test_votes_teach_a_turn_without_agreement(tmp_path):
    """Happy and excited are one class of four: half the votes are for it."""
    raters = ["C-E1:\tHappiness;\t()", "C-E2:\tExcited;\t()", "C-E4:\tSadness; Neutral state;\t()"]
    both = [NEUTRAL, turn("Ses01F_impro01_M000", "xxx", *raters)]
    dialogue(tmp_path, "Ses01F_impro01", *both)
    corpus = load(tmp_path, keep_no_agreement=True, votes=True)
    named = {"name": "iemocap", "root": str(tmp_path)}
    raw = {"name": "soft", "corpus": named, "encoders": {"a": {"name": "mfcc"}}}
    target = targets_of(check({**raw, "outputs": {"label": {}}}).outputs, corpus)["label"]
    assert target.codes.tolist() == [3, -1]
    assert target.learned[1].tolist() == [0, 0.5, 0.25, 0.25]


def test_each_session_is_tested_once_by_models_that_have_not_heard_its_actors(tmp_path):
    for session in range(1, 6):
        name = f"Ses0{session}F_impro01"
        turns = [turn(f"{name}_{sex}000", one) for sex, one in (("F", "neu"), ("M", "ang"))]
        dialogue(tmp_path, name, *turns)
    table = load(tmp_path).table
    folds = splits.make(table, "official", {"dev": 0.25})
    tested = [set(table["group"].iloc[fold.parts["test"]]) for fold in folds]
    assert tested == [{f"Session{session}"} for session in range(1, 6)]
    assert [(len(fold.train), len(fold.dev)) for fold in folds] == [(6, 2)] * 5
    target = of_classes("label", table["label"], iemocap.ABOUT.labels)
    assert audit.audit(table, folds, target).leaks == ()


def test_the_folder_of_the_archive_is_found_and_what_lies_beside_dialogues_is_not(emotions):
    (emotions / "Session1/dialog/EmoEvaluation/Categorical").mkdir()
    (emotions / "Session1/dialog/EmoEvaluation/Categorical/Ses01F_impro08a_e2_cat.txt").touch()
    (emotions / "Session1/dialog/EmoEvaluation/._Ses01F_impro08a.txt").write_text("[\x00")
    inside = emotions / "IEMOCAP_full_release"
    inside.mkdir()
    for session in emotions.glob("Session?"):
        session.rename(inside / session.name)
    corpus = load(emotions)
    assert len(corpus) == 5
    assert corpus.root == inside


def test_a_remark_in_another_encoding_is_no_obstacle(tmp_path):
    said = ["Ses01F_impro01_F000 [006.2901-008.2357]: It\u2019s a caf\u00e9."]
    dialogue(tmp_path, "Ses01F_impro01", NEUTRAL, said=said, encoding="cp1252")
    assert column(load(tmp_path), "text") == ["It\u2019s a caf\u00e9."]


def test_a_mean_half_a_point_beside_the_scale_is_kept(tmp_path):
    dialogue(tmp_path, "Ses01F_impro01", turn("Ses01F_impro01_F000", "hap", numbers="5.5, 5, 0.5"))
    row = load(tmp_path).table.iloc[0]
    assert row[["valence", "arousal", "dominance"]].tolist() == [5.5, 5, 0.5]


WRONG_TURNS = {
    "an emotion": (turn("Ses01F_impro01_F000", "joy"), r"'emotion' .*\n  'joy' in 1 rows"),
    "a number": (
        turn("Ses01F_impro01_F000", "neu", numbers="6.0, 2, 2"),
        r"'valence' .* no numbers from 0\.5 to 5\.5:\n  Ses01F_impro01_F000: 6\.0",
    ),
    "no number": (
        turn("Ses01F_impro01_F000", "neu", numbers="2, x, 2"),
        r"'arousal' .* no numbers .*:\n  Ses01F_impro01_F000: x",
    ),
    "a name": (turn("Ses06F_impro01_F000", "neu"), r"no turns .*:\n  .*impro01\.txt: \[10"),
    "a line cut short": (
        "[6.2901 - 8.2357]\tSes01F_impro01_F000\tneu",
        "1 lines under .* no turns",
    ),
    "no line": ("", r"no turn is rated in .*EmoEvaluation/\*\.txt"),
    "none of the classes": (turn("Ses01F_impro01_F000", "oth"), "'iemocap' has no rows"),
}


@pytest.mark.parametrize(("one", "message"), WRONG_TURNS.values(), ids=WRONG_TURNS)
def test_what_is_no_turn_of_iemocap_is_an_error_that_says_why(tmp_path, one, message):
    dialogue(tmp_path, "Ses01F_impro01", one)
    with pytest.raises(DataError, match=message):
        load(tmp_path)


def test_a_vote_for_an_unknown_emotion_is_an_error(tmp_path):
    one = turn("Ses01F_impro01_F000", "neu", "C-E2:\tNeutral; Boredom;\t()")
    dialogue(tmp_path, "Ses01F_impro01", one)
    assert len(load(tmp_path)) == 1
    with pytest.raises(DataError, match=r"'Boredom' in 1 rows"):
        load(tmp_path, votes=True)


def test_what_is_absent_of_iemocap_is_named(emotions, tmp_path):
    with pytest.raises(DataError, match=r"no Session1/dialog/EmoEvaluation under .*sail\.usc"):
        load(tmp_path / "gone")
    next(emotions.glob("Session5/**/*F001.wav")).unlink()
    with pytest.raises(
        DataError, match=r"1 rows name a file .*\n  Ses05M_impro01_F001: Session5/s"
    ):
        load(emotions)
    corpus = load(emotions, allow_missing=True)
    assert (len(corpus), sum(corpus.dropped.values())) == (4, 5)


# EMO-DB


def silent(folder, *names):
    for name in names:
        write_silence(folder / name)


def test_a_name_of_emodb_says_everything(tmp_path):
    silent(tmp_path, "wav/03a01Fa.wav")
    expected = {
        "id": "03a01Fa",
        "audio": "wav/03a01Fa.wav",
        "text": "Der Lappen liegt auf dem Eisschrank.",
        "text_source": "reference",
        "label": "happiness",
        "speaker": "03",
        "group": "03",
        "gender": "male",
        "age": 31,
        "language": "de",
        "sentence": "a01",
        "version": "a",
    }
    row = emodb.load(root=str(tmp_path)).table.iloc[0]
    assert row[list(expected)].to_dict() == expected


def test_the_letters_of_emodb_are_german(tmp_path):
    silent(tmp_path, *(f"0{3 if letter < 'M' else 8}b02{letter}b.wav" for letter in "WLEAFTN"))
    corpus = emodb.load(root=str(tmp_path))
    names, labels = column(corpus, "id"), column(corpus, "label")
    found = {name[5]: label for name, label in zip(names, labels, strict=True)}
    assert found == {
        "W": "anger",
        "L": "boredom",
        "E": "disgust",
        "A": "fear",
        "F": "happiness",
        "T": "sadness",
        "N": "neutral",
    }


def test_every_speaker_and_sentence_of_emodb_has_a_name(tmp_path):
    """Five men and five women, ten sentences of words alone."""
    men, women = ("03", "10", "11", "12", "15"), ("08", "09", "13", "14", "16")
    sentences = ("a01", "a02", "a04", "a05", "a07", "b01", "b02", "b03", "b09", "b10")
    pairs = list(zip((*men, *women), sentences, strict=True))
    silent(tmp_path, *(f"wav/{speaker}{sentence}Na.wav" for speaker, sentence in pairs))
    table = emodb.load(root=str(tmp_path)).table
    sexes = dict(zip(table["speaker"], table["gender"], strict=True))
    assert sexes == {**dict.fromkeys(men, "male"), **dict.fromkeys(women, "female")}
    assert table["text"].nunique() == 10
    assert table["text"].str.fullmatch(r"[A-ZÄÖÜ][\w, ]+[.?]").all()
    assert table["age"].between(21, 35).all()


# SAVEE


@pytest.mark.parametrize("form", ["AudioData/{}/{}.wav", "ALL/{}_{}.wav"])
def test_both_ways_that_savee_is_unpacked_have_the_same_ids(tmp_path, form):
    codes = ["a01", "d02", "f03", "h04", "n30", "sa06", "su07"]
    silent(tmp_path, *(form.format("JK", code) for code in codes))
    corpus = savee.load(root=str(tmp_path))
    assert column(corpus, "id") == [f"JK_{code}" for code in codes]
    assert tuple(column(corpus, "label")) == corpus.labels
    assert set(corpus.table["speaker"]) == {"JK"}
    assert set(corpus.table["gender"]) == {"male"}
    assert corpus.table["text"].isna().all()


# all of them


ODD = {
    emodb: [
        "wav/04a01Fa.wav",  # no such speaker
        "wav/03a03Fa.wav",  # no such sentence
        "wav/03a01Xa.wav",
        "wav/03a01F.wav",
        "wav/03a01fa.wav",
    ],
    savee: ["DC/s01.wav", "DC/a1.wav", "XX_a01.wav", "a01.wav", "DC-a01.wav"],
}
GOOD = {emodb: "wav/03a01Fa.wav", savee: "AudioData/DC/a01.wav"}
each = pytest.mark.parametrize("loader", GOOD, ids=["emodb", "savee"])


@each
def test_every_name_that_does_not_parse_is_listed(loader, tmp_path):
    silent(tmp_path, GOOD[loader], *ODD[loader])
    with pytest.raises(DataError, match=r"5 files under .* are not named like") as error:
        loader.load(root=str(tmp_path))
    assert [line.strip() for line in str(error.value).splitlines()[1:]] == sorted(ODD[loader])


@each
def test_a_recording_that_lies_there_twice_is_an_error(loader, tmp_path):
    silent(tmp_path, GOOD[loader], f"again/{GOOD[loader]}")
    with pytest.raises(DataError, match="ids appear more than once"):
        loader.load(root=str(tmp_path))


@each
def test_no_folder_is_an_error_that_says_where_to_get_it(loader, tmp_path):
    with pytest.raises(DataError, match=rf"no folder at .*MSER_DATA.*{loader.ABOUT.home}"):
        loader.load(root=str(tmp_path / "gone"))


@each
def test_a_file_that_is_no_audio_is_dropped_when_allowed_and_counted(loader, tmp_path):
    silent(tmp_path, GOOD[loader])
    bad = GOOD[loader].replace("F", "N").replace("a01.wav", "a02.wav")
    (tmp_path / bad).touch()
    corpus = loader.load(root=str(tmp_path), allow_missing=True)
    assert (len(corpus), sum(corpus.dropped.values())) == (1, 1)


@pytest.mark.parametrize("loader", [emodb, iemocap, savee])
def test_a_loaded_corpus_has_a_type_for_every_cell(loader, tmp_path):
    corpus = loader.load(**loader.EXAMPLE(tmp_path))
    assert len(corpus.table_hash()) == 64
    assert [one.id for one in corpus.utterances()] == column(corpus, "id")
