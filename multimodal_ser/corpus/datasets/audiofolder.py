"""Your own sound files: a folder a class, or a Hugging Face audiofolder with its metadata.

Either `<class>/<file>`, where the folder is the label and the id is the path; or `metadata.csv`
(`.jsonl`, `.parquet`) with the column `file_name`, which is the path of the file and, where there
is no column `id`, the id. The other columns are as in a manifest.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import read, renamed, require, sounds, write_silence
from multimodal_ser.types import DataError, listed

ABOUT = About(
    name="audiofolder",
    licence="as the files' owner says",
    citation="as the files' owner says",
    home="your own",
)
_SOUND = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".aiff", ".aif", ".au")
_FOREIGN = (".m4a", ".aac", ".mp4", ".wma", ".amr", ".webm")


def load(
    *,
    root: str = "audiofolder",
    columns: dict[str, str] | None = None,
    speaker_pattern: str | None = None,
    label_order: list[str] | None = None,
    language: str | None = None,
    allow_missing: bool = False,
    allow_outside: bool = False,
) -> Corpus:
    r"""The files that the metadata name, or else every sound file of the folders.

    columns: our name → the metadata's. speaker_pattern: a regular expression whose one group is
    the speaker, searched in each path relative to `root` (`s(\d+)_` for `joy/s07_01.wav`).
    allow_missing: drop files that are absent or unreadable; allow_outside: accept audio outside
    `root`.
    """
    folder = data_root(root)
    table = _metadata(folder, columns)
    if table is None:
        table = _classes(folder)
    if speaker_pattern is not None:
        table = _with_speakers(table, speaker_pattern)
    labels = tuple(label_order) if label_order else None
    return build(
        table,
        replace(ABOUT, name=folder.name, labels=labels, language=language, namespace=str(folder)),
        root=folder,
        allow_missing=allow_missing,
        allow_outside=allow_outside,
    )


def _metadata(folder: Path, columns: dict[str, str] | None) -> pd.DataFrame | None:
    """The table beside the files, by our names; None where there is none."""
    endings = (".csv", ".jsonl", ".parquet")
    paths = [
        folder / f"metadata{ending}"
        for ending in endings
        if (folder / f"metadata{ending}").exists()
    ]
    if len(paths) > 1:
        raise DataError(f"{folder} has {' and '.join(path.name for path in paths)}; keep one")
    if not paths and columns:
        raise DataError(f"columns: {folder} has no metadata.csv whose columns could be renamed")
    if not paths:
        return None
    table = read(paths[0])
    ours = {"audio": "file_name", **(columns or {})}
    require(table, [ours["audio"]], paths[0])
    if "id" not in table.columns:
        ours = {"id": ours["audio"], **ours}
    return renamed(table, ours)


def _classes(folder: Path) -> pd.DataFrame:
    """A row a file of `<class>/<file>`; a file that lies elsewhere has no class."""
    hint = "or write a metadata.csv with the column file_name"
    paths = sounds(folder, (*_SOUND, *_FOREIGN), hint)
    foreign = [path for path in paths if path.lower().endswith(_FOREIGN)]
    if foreign:
        raise DataError(listed(foreign, "files are of a kind that cannot be read (make them FLAC)"))
    astray = [path for path in paths if path.count("/") != 1]
    if astray:
        wanted = f"files are not in {folder}/<class>/ (move them, or write a metadata.csv)"
        raise DataError(listed(astray, wanted))
    labels = [path.partition("/")[0] for path in paths]
    return pd.DataFrame({"id": paths, "audio": paths, "label": labels})


def _with_speakers(table: pd.DataFrame, pattern: str) -> pd.DataFrame:
    """The speaker that each path names; DataError where one names none."""
    try:
        expression = re.compile(pattern)
    except re.error as error:
        raise DataError(f"speaker_pattern: '{pattern}' is no regular expression: {error}") from None
    if expression.groups != 1:
        raise DataError(f"speaker_pattern: '{pattern}' has {expression.groups} groups; it needs 1")
    if "speaker" in table.columns:
        raise DataError("speaker_pattern: the metadata have a column 'speaker' already")
    paths = table["audio"].fillna("").astype("str")
    speakers = [match and match[1] for match in map(expression.search, paths)]
    nobody = [path for path, speaker in zip(paths, speakers, strict=True) if not speaker]
    if nobody:
        raise DataError(listed(nobody, f"paths name no speaker by '{pattern}'"))
    return table.assign(speaker=pd.Series(speakers, index=table.index, dtype="str"))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load a silent file of each of two classes, which this writes."""
    for name in ("joy/s1_a.wav", "sadness/s2_a.wav"):
        write_silence(folder / name)
    return {"root": str(folder), "speaker_pattern": r"(s\d+)_"}
