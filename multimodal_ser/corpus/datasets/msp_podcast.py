"""MSP-Podcast: English podcasts, cut into turns that five raters or more have heard.

`Labels/labels_consensus.csv` (in older releases `labels_concensus.csv`) names the sound of each
turn, the emotion most raters named, their mean activation (here arousal), valence and dominance
from 1 to 7, speaker and part. `Audios` or `Audio` holds the sound, `Transcripts` what was
said, one file a turn; where that is absent, so is the text. The folders may lie in folders of
their own names, as the archives unpack.

The group is the podcast, of which a name `MSP-PODCAST_0023_0410` is turn 410: a part without
speakers in common with another may still share recordings with it, and a turn of an unknown speaker
is kept with its podcast. `Test1`, `Test2` and `Test3` are the parts test, test2 and test3.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import (
    not_there,
    numbers,
    read,
    recoded,
    require,
    stripped,
    vote_columns,
    write_silence,
)
from multimodal_ser.types import DataError, listed

_WORDS = {"A": "anger", "S": "sadness", "H": "happiness", "U": "surprise", "F": "fear",
          "D": "disgust", "C": "contempt", "N": "neutral"}  # fmt: skip
ABOUT = About(
    name="msp_podcast",
    licence="academic or commercial licence of the MSP laboratory, signed by an institution",
    citation=(
        "Lotfian & Busso 2019, Building Naturalistic Emotionally Balanced Speech Corpus by "
        "Retrieving Emotional Speech From Existing Podcast Recordings, IEEE Transactions on "
        "Affective Computing 10(4), 471-483"
    ),
    home="https://www.lab-msp.com/MSP/MSP-Podcast.html",
    labels=tuple(_WORDS.values()),
    language="en",
    namespace="msp_podcast",
)
_OTHER, _NO_AGREEMENT = "other", "no agreement"
_CODES = {**_WORDS, "O": _OTHER, "X": _NO_AGREEMENT}
_VOTED = {
    "angry": "anger",
    "sad": "sadness",
    "happy": "happiness",
    "surprise": "surprise",
    "fear": "fear",
    "disgust": "disgust",
    "contempt": "contempt",
    "neutral": "neutral",
}
_SPLITS = {"Train": "train", "Development": "dev", "Validation": "dev", "Test": "test",
           "Test1": "test", "Test2": "test2", "Test3": "test3"}  # fmt: skip
_NUMBERS = {"arousal": "EmoAct", "valence": "EmoVal", "dominance": "EmoDom"}
_GENDERS = {"Female": "female", "Male": "male"}
_COLUMNS = ["FileName", "EmoClass", *_NUMBERS.values(), "SpkrID", "Gender", "Split_Set"]
_LABELS = ("labels_consensus.csv", "labels_concensus.csv")


def load(
    *,
    root: str = "msp_podcast",
    keep: tuple[Literal["other", "no agreement"], ...] = (),
    votes: bool = False,
    allow_missing: bool = False,
) -> Corpus:
    """The turns with one of eight emotions, in the order of the table; the others are counted.

    keep: of those others, the turns of another emotion (then a ninth class), or those on which the
    raters did not agree (then without a label, and of use for their numbers or votes). votes: how
    many raters named each class, by `labels_detailed.csv`. allow_missing: drop turns whose file is
    absent.
    """
    folder = data_root(root)
    path = _labels(folder)
    theirs = read(path, sniff=True)
    require(theirs, _COLUMNS, path)
    table = _ours(theirs, path)
    gone = table["label"].isin({_OTHER, _NO_AGREEMENT} - set(keep))
    counts = {f"label {label}": int(n) for label, n in table["label"][gone].value_counts().items()}
    table = table[~gone].reset_index(drop=True)
    table["label"] = table["label"].mask(table["label"] == _NO_AGREEMENT)
    table["audio"] = _prefix(folder, "Audios", "Audio") + table["id"]
    table["text"] = _texts(folder, table["id"])
    about = ABOUT
    if _OTHER in keep:
        about = replace(ABOUT, labels=(*(ABOUT.labels or ()), _OTHER))
    if votes:
        table, notice = _with_votes(table, path.parent / "labels_detailed.csv", about.labels or ())
        about = replace(about, notice=notice)
    corpus = build(table, about, root=folder, allow_missing=allow_missing)
    return replace(corpus, dropped={**counts, **corpus.dropped})


def _labels(folder: Path) -> Path:
    places = [folder / top / name for top in ("Labels/Labels", "Labels", "labels", ".")
              for name in _LABELS]  # fmt: skip
    for place in places:
        if place.is_file():
            return place
    raise not_there(f"Labels/{_LABELS[0]} under {folder}", ABOUT.home)


def _ours(theirs: pd.DataFrame, path: Path) -> pd.DataFrame:
    """The columns of a corpus, with the labels of all turns."""
    ids = stripped(theirs["FileName"])
    speaker = stripped(theirs["SpkrID"])
    gender = theirs.assign(Gender=_unless_unknown(stripped(theirs["Gender"])))
    return pd.DataFrame(
        {
            "id": ids,
            "label": recoded(theirs, "EmoClass", _CODES, path),
            "speaker": _unless_unknown(speaker),
            "group": ids.str.extract(r"^(MSP-PODCAST_\d+)_", expand=False),
            "gender": recoded(gender, "Gender", _GENDERS, path),
            "split": recoded(theirs, "Split_Set", _SPLITS, path),
            **{ours: numbers(theirs[column], ids, path, 1, 7) for ours, column in _NUMBERS.items()},
        }
    )


def _unless_unknown(names: pd.Series) -> pd.Series:
    """Speakers of whom nothing is known are no single one."""
    return names.mask(names.str.lower().isin(["unknown", "unk", "nan", "none", "-1"]))


def _prefix(folder: Path, *names: str) -> str:
    """What stands before a file's name: the first of these folders, or itself within itself."""
    for name in names:
        for place in (f"{name}/{name}", name):
            if (folder / place).is_dir():
                return f"{place}/"
    return f"{names[0]}/"


def _texts(folder: Path, ids: pd.Series) -> pd.Series:
    """What was said in each turn; missing where there is no file or nothing in it."""
    place = folder / _prefix(folder, "Transcripts", "Transcript", "Transcriptions")
    there = {path.name for path in place.iterdir()} if place.is_dir() else set()
    texts, odd = [], []
    for id_ in ids:
        name = f"{Path(str(id_)).stem}.txt"
        try:
            text = (place / name).read_text("utf-8-sig") if name in there else ""
            texts.append(" ".join(text.split()))
        except UnicodeDecodeError:
            odd.append(name)
    if odd:
        raise DataError(listed(odd, f"files of {place} are not UTF-8; save them as UTF-8"))
    return pd.Series(texts, index=ids.index, dtype="str")


def _with_votes(
    table: pd.DataFrame, path: Path, labels: tuple[str, ...]
) -> tuple[pd.DataFrame, str]:
    """With `votes:<label>` for these labels, and what is to be said of the votes left out."""
    theirs = read(path, sniff=True)
    require(theirs, ["FileName"], path)
    ballots = pd.DataFrame({"id": stripped(theirs["FileName"]), "label": _voted(theirs, path)})
    ballots = ballots[ballots["id"].isin(table["id"])].dropna()
    unheard = table["id"][~table["id"].isin(ballots["id"])]
    if len(unheard):
        what = f"turns have no votes in {path} (votes: false goes without)"
        raise DataError(listed([*map(str, unheard)], what))
    left = int((~ballots["label"].isin(list(labels))).sum())
    notice = f"{left} of {len(ballots)} votes are for other emotions and left out" if left else ""
    return pd.concat([table, vote_columns(ballots, table["id"], labels)], axis=1), notice


def _voted(theirs: pd.DataFrame, path: Path) -> pd.Series:
    """The emotion of each ballot. Raters may write a word of their own: that is another emotion.

    It has a column of its own, or is the second of `WORKER01; Angry; Angry,Annoyed; A:5.0; …`.
    """
    if "EmoClass_Major" in theirs.columns:
        words = theirs["EmoClass_Major"]
    elif "EmoDetail" in theirs.columns:
        words = theirs["EmoDetail"].fillna("").str.split(";").str[1]
    else:
        shown = ", ".join(map(str, theirs.columns))
        raise DataError(f"{path} has neither 'EmoClass_Major' nor 'EmoDetail'; it has {shown}")
    words = stripped(words).str.lower()
    classes = words.map(_VOTED)
    if classes.isna().all():
        shown = ", ".join(map(str, words.dropna().unique()[:5]))
        raise DataError(f"{path}: no vote is for one of {', '.join(_VOTED)}; they are for {shown}")
    return classes.fillna(_OTHER).mask(words.isna())


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load three silent turns with votes, which this writes."""
    rows = (
        "MSP-PODCAST_0001_0008.wav,N,2.2,4.0,2.6,127,Male,Train",
        "MSP-PODCAST_0001_0019.wav,X,4.8,3.4,4.6,Unknown,Female,Train",
        "MSP-PODCAST_0002_0033.wav,H,5.2,6.0,5.0,5,Female,Development",
        "MSP-PODCAST_0003_0100.wav,A,6.0,1.8,6.2,8,Male,Test1",
    )
    labels = folder / "Labels"
    labels.mkdir()
    lines = [",".join(_COLUMNS), *rows, ""]
    (labels / "labels_consensus.csv").write_text("\n".join(lines), encoding="utf-8")
    names = [row.split(",")[0] for row in rows]
    ballots = [
        f'{name},"WORKER0{rater}; {word}; {word},Annoyed; A:4.0; V:4.0; D:4.0; "'
        for name, word in zip(names, ("Neutral", "Sad", "Happy", "Angry"), strict=True)
        for rater in range(5)
    ]
    detailed = "\n".join(["FileName,EmoDetail", *ballots, ""])
    (labels / "labels_detailed.csv").write_text(detailed, encoding="utf-8")
    (folder / "Transcripts").mkdir()
    for name in names:
        write_silence(folder / "Audios" / name)
        text = folder / "Transcripts" / name.replace(".wav", ".txt")
        text.write_text("Well, I would not\n", encoding="utf-8")
    return {"root": str(folder), "votes": True}
