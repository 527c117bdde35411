"""EmoSPeech at IberLEF 2024: 3,750 segments of Spanish MEACorpus, six classes.

The organisers ship `id,label,transcription` to train on and `id,transcription` to test, the latter
twice: the second file replaces 12 transcripts in which the recogniser looped. Neither has the test
labels nor the videos that the segments were cut from. Both stand in the table of MEACorpus 2023,
whose file names are the ids here; where that table lies beside them it is joined. With it the
leak is seen: 395 of the 750 test segments come from a video that is in train as well.

600 of the 750 test segments are in the training part of MEACorpus, so the two share a namespace
and are never joined into one corpus.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import read, recoded, require, stripped
from multimodal_ser.types import DataError, listed

_LABELS = {one: one for one in ("anger", "disgust", "fear", "joy", "neutral", "sadness")}
ABOUT = About(
    name="emospeech",
    licence="CC BY-NC 4.0 (annotations and transcriptions, as in MEACorpus)",
    citation=(
        "Pan, García-Díaz, Rodríguez-García, García-Sánchez & Valencia-García 2024, Overview of "
        "EmoSPeech at IberLEF 2024, Procesamiento del Lenguaje Natural 73"
    ),
    home="https://codalab.lisn.upsaclay.fr/competitions/17647",
    labels=tuple(_LABELS),
    language="es",
    namespace="meacorpus",
)
_TRAIN = "EmoSPeech_phase_2_train.csv"
_TESTS = {
    "first": "EmoSPeech_phase_2_test_public.csv",
    "second": "EmoSPeech_phase_2_test_public2.csv",
}
_MEACORPUS = "meacorpus_2023_public_v2.csv"
_ALONE = (
    "without the table of MEACorpus the test rows have no label, and the videos that train and "
    "test share are not seen"
)


def load(
    *,
    root: str = "emospeech",
    test: Literal["first", "second"] = "second",
    meacorpus: str | None = _MEACORPUS,
    audio_folder: str | None = None,
    allow_missing: bool = False,
    allow_outside: bool = False,
) -> Corpus:
    """The train rows, then those of one of the two test files; every path is relative to `root`.

    meacorpus: the table that gives test labels, videos (`group`) and gender; None goes without,
    as does the default where it is absent. Without `audio_folder` the corpus is text.
    allow_missing: drop rows whose file is absent; allow_outside: accept audio outside `root`.
    """
    folder = data_root(root)
    parts = [_part(folder / _TRAIN, "train"), _part(folder / _TESTS[test], "test")]
    table = pd.concat(parts, ignore_index=True)
    beside = _beside(folder, meacorpus)
    about = replace(ABOUT, notice=_ALONE)
    if beside is not None:
        table = _joined(table, beside)
        about = replace(ABOUT, notice=_overlap(table))
    if audio_folder is not None:
        table["audio"] = f"{audio_folder}/" + table["id"]
    return build(
        table,
        about,
        root=folder,
        allow_missing=allow_missing,
        allow_outside=allow_outside,
    )


def _beside(folder: Path, meacorpus: str | None) -> Path | None:
    """The table to join; one that was asked for by another name must be there."""
    if meacorpus is None or (meacorpus == _MEACORPUS and not (folder / meacorpus).exists()):
        return None
    return folder / meacorpus


def _part(path: Path, split: str) -> pd.DataFrame:
    theirs = read(path, home=ABOUT.home)
    require(theirs, ["id", "transcription", *(["label"] if split == "train" else [])], path)
    text = stripped(theirs["transcription"])
    table = pd.DataFrame({"id": stripped(theirs["id"]), "text": text, "split": split})
    table["text_source"] = text.where(text.isna(), "asr:whisper")
    if "label" in theirs.columns:
        table["label"] = recoded(theirs, "label", _LABELS, path)
    return table


def _joined(table: pd.DataFrame, path: Path) -> pd.DataFrame:
    """With the video, the gender and, where there is none yet, the label that MEACorpus gives."""
    theirs = read(path, home=ABOUT.home)
    require(theirs, ["filename", "youtube_key", "label", "gender", "split"], path)
    names = stripped(theirs["filename"])
    twice = names[names.duplicated()].unique()
    if len(twice):
        raise DataError(
            listed(list(map(str, twice)), f"file names appear more than once in {path}")
        )
    at = pd.Index(names).get_indexer(pd.Index(table["id"]))
    absent = table["id"][at < 0]
    if len(absent):
        raise DataError(
            listed(list(map(str, absent)), f"ids are not in {path} (meacorpus: null goes without)")
        )
    matched = theirs.assign(label=recoded(theirs, "label", _LABELS, path)).iloc[at]
    matched = matched.reset_index(drop=True)
    _check_agreement(table, matched["label"], path)
    return table.assign(
        group=matched["youtube_key"],
        gender=matched["gender"],
        label=matched["label"],
        meacorpus_split=matched["split"],
    )


def _overlap(table: pd.DataFrame) -> str:
    """What a model that was trained on MEACorpus has seen of the test."""
    tested = table["split"] == "test"
    seen = int((tested & (table["meacorpus_split"] == "train")).sum())
    return (
        f"{seen} of the {int(tested.sum())} test segments are in the training part of MEACorpus: "
        "a model that was trained there has seen them"
    )


def _check_agreement(table: pd.DataFrame, labels: pd.Series, path: Path) -> None:
    """A table that contradicts the labels of train is not the one to trust for those of test."""
    wrong = table.index[table["label"].notna() & (table["label"] != labels)]
    if len(wrong):
        rows = [f"{table['id'][row]}: {table['label'][row]}, there {labels[row]}" for row in wrong]
        raise DataError(listed(rows, f"labels differ from {path} (meacorpus: null goes without)"))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load two train rows and a test row with MEACorpus's table, which this writes."""
    test = "id,transcription\n3c.mp3,Qué pena.\n"
    tables = {
        _TRAIN: "id,label,transcription\n1a.mp3,joy,Qué alegría.\n2b.mp3,sadness,Lo siento.\n",
        _TESTS["first"]: test,
        _TESTS["second"]: test,
        _MEACORPUS: (
            "youtube_key,filename,segment_id,label,gender,start_time,end_time,transcription,split\n"
            "A,1a.mp3,0.mp3,joy,female,0.0,3000.0,Qué alegría.,train\n"
            "B,2b.mp3,0.mp3,sadness,male,0.0,4000.0,Lo siento.,test\n"
            "B,3c.mp3,1.mp3,sadness,male,4000.0,7000.0,Qué pena.,train\n"
        ),
    }
    for name, text in tables.items():
        (folder / name).write_text(text, encoding="utf-8")
    return {"root": str(folder)}
