"""Spanish MEACorpus 2023: emotion in the speech of Spanish YouTube videos, six classes.

Three headers were released, and the columns say which one it is:
`youtube_key,filename,segment_id,label,gender,start_time,end_time,transcription,split`;
`filename,label,transcription,split`, which names no video; and
`youtube_key,segment_id,label,gender,start_time,end_time,transcription,split,source`, which names
no file. The group is the video: its segments nearly always carry one label, and the shipped split
has segments of one video on both sides.

`start_time` and `end_time` say where in its video (ms) a segment lies; they are kept as
`video_start` and `video_end` (seconds), because the audio files hold the segment alone. The audio
is not public; who has it names its folder.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import read, recoded, require, seconds, stripped
from multimodal_ser.types import DataError

_LABELS = ("anger", "disgust", "fear", "joy", "neutral", "sadness")
ABOUT = About(
    name="meacorpus",
    licence="CC BY-NC 4.0 (annotations, transcriptions, metadata)",
    citation=(
        "Pan, García-Díaz, Rodríguez-García & Valencia-García 2024, Spanish MEACorpus 2023, "
        "Computer Standards & Interfaces 90, 103856"
    ),
    home="https://github.com/NLP-UMUTeam/Spanish-MEACorpus-2023",
    labels=_LABELS,
    language="es",
    namespace="meacorpus",
)
_SPLITS = {"train": "train", "val": "dev", "dev": "dev", "validation": "dev", "test": "test"}
_TIMES = {"start_time": "video_start", "end_time": "video_end"}
_NO_VIDEOS = "this table names no videos: whether train and test share some cannot be seen"


def load(
    *,
    root: str = "meacorpus",
    path: str = "meacorpus_2023_public_v2.csv",
    audio_folder: str | None = None,
    allow_missing: bool = False,
    allow_outside: bool = False,
) -> Corpus:
    """Read the table at `path`; it and `audio_folder` are relative to `root`.

    Without `audio_folder` the corpus is text. allow_missing: drop rows whose file is absent;
    allow_outside: accept audio outside `root`.
    """
    folder = data_root(root)
    source = folder / path
    theirs = read(source, home=ABOUT.home)
    require(theirs, ["label", "transcription", "split"], source)
    table = _ours(theirs, source)
    if audio_folder is not None:
        require(theirs, ["filename"], source)
        table["audio"] = f"{audio_folder}/" + table["id"]
    return build(
        table,
        ABOUT if "group" in table else replace(ABOUT, notice=_NO_VIDEOS),
        root=folder,
        allow_missing=allow_missing,
        allow_outside=allow_outside,
    )


def _ours(theirs: pd.DataFrame, source: Path) -> pd.DataFrame:
    """The columns of a corpus; those that are ours by name, or nobody's, pass through."""
    text = stripped(theirs["transcription"])
    times = {
        ours: seconds(theirs, name, source)
        for name, ours in _TIMES.items()
        if name in theirs.columns
    }
    kept = theirs.drop(columns=["filename", "transcription", *_TIMES], errors="ignore")
    return kept.rename(columns={"youtube_key": "group"}).assign(
        id=_ids(theirs, source),
        text=text,
        text_source=text.where(text.isna(), "asr:whisper"),
        label=recoded(theirs, "label", {label: label for label in _LABELS}, source),
        split=recoded(theirs, "split", _SPLITS, source),
        **times,
    )


def _ids(theirs: pd.DataFrame, source: Path) -> pd.Series:
    """The file's name, or the video and the number of the segment in it."""
    if "filename" in theirs.columns:
        return stripped(theirs["filename"])
    if {"youtube_key", "segment_id"} <= set(theirs.columns):
        return stripped(theirs["youtube_key"]) + "-" + stripped(theirs["segment_id"])
    raise DataError(
        f"{source} has neither 'filename' nor 'youtube_key' and 'segment_id'; "
        f"it has {', '.join(theirs.columns)}"
    )


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load a table of two segments, which this writes."""
    lines = (
        "youtube_key,filename,segment_id,label,gender,start_time,end_time,transcription,split",
        "video-A,1a-2b.mp3,0.mp3,anger,female,0.0,14570.0,¡Basta ya!,train",
        "video_B,3c-4d.mp3,9.mp3,joy,male,54367.0,61218.0,Qué alegría.,test",
    )
    (folder / "meacorpus_2023_public_v2.csv").write_text("\n".join(lines), encoding="utf-8")
    return {"root": str(folder)}
