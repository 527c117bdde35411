"""EMOVOME: 999 voice messages that 100 Spanish speakers sent to people they know.

Two experts gave every message one of seven emotions, and valence and arousal from -2 to 2; three
others gave valence and arousal from -1 to 1, where 10 says that they did not agree. Two layouts are
read, wherever under the root the files lie and whether tabs, commas or semicolons part the cells:

- that of the authors' experiments: `split_training.csv`, `split_validation.csv` and
  `split_testing.csv` (`file, sub_id, valence, arousal`: the numbers of the non-experts; a file with
  a minus is the same without it), and the experts' `labels_Psicologas.csv` (`Filename, Valencia,
  Arousal, Emotion`, in Spanish);
- the public release: `labels.csv`, `participants_ids.csv`, `transcriptions.csv`, and
  `partitions.csv`, whose two parts are development, from which a dev part is still to be taken,
  and test.

`valence_class` and `arousal_class` say on which side of 0 a number lies. The parts share no
speaker. The audio is lent on a signed agreement; who has it names its folder.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import (
    not_there,
    numbers,
    read,
    recoded,
    sounds,
    stripped,
    write_silence,
)
from multimodal_ser.types import DataError, listed

ABOUT = About(
    name="emovome",
    licence="CC BY 4.0 (labels, transcriptions); the audio on a signed agreement, for research",
    citation=(
        "Gómez-Zaragozá, del Amor, Castro-Bleda, Naranjo, Alcañiz Raya & Marín-Morales 2024, "
        "EMOVOME: A Dataset for Emotion Recognition in Spontaneous Real-Life Speech, "
        "arXiv:2403.02167"
    ),
    home="https://arxiv.org/abs/2402.17496",
    labels=("anger", "disgust", "fear", "happiness", "neutral", "sadness", "surprise"),
    language="es",
    namespace="emovome",
)
_EMOTIONS = {
    "ira": "anger",
    "asco": "disgust",
    "temor": "fear",
    "miedo": "fear",
    "alegria": "happiness",
    "joy": "happiness",
    "tristeza": "sadness",
    "sorpresa": "surprise",
    **{label: label for label in ABOUT.labels or ()},
}
_SIDES = {"valence": ("negative", "neutral", "positive"), "arousal": ("low", "neutral", "high")}
_SPLITS = {"train": "train", "training": "train", "development": "train", "dev": "train",
           "validation": "dev", "val": "dev", "test": "test", "testing": "test"}  # fmt: skip
_PARTS = ("training", "validation", "testing")
_KEY = ("file", "filename", "file_id")
_RATINGS = {
    "label": ("emotion", "category_e"),
    "valence": ("valencia", "valence", "valence_e"),
    "arousal": ("arousal", "arousal_e"),
}
_DISAGREED = ["10", "10.0"]
_SOUNDS = (".ogg", ".opus", ".wav", ".flac", ".mp3")


def load(
    *,
    root: str = "emovome",
    raters: Literal["experts", "non_experts"] = "experts",
    labels: str | None = None,
    columns: dict[Literal["label", "valence", "arousal"], str] | None = None,
    audio_folder: str | None = None,
    allow_missing: bool = False,
) -> Corpus:
    """The messages of train, dev and test, in the order of those files.

    raters: whose valence and arousal; the emotion is the experts' in both cases. labels: the table
    of the experts, relative to `root`, where it has another name; columns: ours → that table's,
    where they have other names. Without `audio_folder`, which is relative to `root`, the corpus is
    text. allow_missing: drop messages whose file is absent.
    """
    folder = data_root(root)
    if not folder.is_dir():
        raise not_there(f"folder at {folder}", ABOUT.home)
    source = folder / labels if labels is not None else _experts_table(folder)
    named = {ours: (theirs,) for ours, theirs in (columns or {}).items()}
    ratings = _table(source, {**_RATINGS, **named})
    parts = _parts(folder)
    table = _joined(parts, ratings, source)
    scale = source
    if raters == "non_experts":
        table, scale = table.assign(**_non_experts(parts, table["id"], folder)), folder
    table["label"] = _emotions(table["label"], source)
    table, notice = _rated(table, scale)
    table = table.merge(_beside(folder, "transcriptions.csv", "text", ("transcription",)), "left")
    if audio_folder is not None:
        table["audio"] = _audio(folder, audio_folder, table["id"])
    elif table["text"].isna().all():
        raise DataError(f"{folder} has no transcriptions.csv; audio_folder: names where audio lies")
    about = replace(ABOUT, notice=notice)
    return build(table, about, root=folder, allow_missing=allow_missing)


def _experts_table(folder: Path) -> Path:
    path = _find(folder, "labels.csv", "labels_Psicologas.csv")
    if path is None:
        sheet = _find(folder, "labels_Psicologas.xlsx")
        raise DataError(
            f"save {sheet} as labels_Psicologas.csv in UTF-8; sheets are not read"
            if sheet
            else f"no labels.csv and no labels_Psicologas.csv under {folder} (labels: names "
            f"another; the corpus: {ABOUT.home})"
        )
    return path


def _find(folder: Path, *names: str) -> Path | None:
    """The only file that is called so, anywhere under the folder."""
    paths = sorted(path for name in names for path in folder.rglob(name))
    if len(paths) > 1:
        raise DataError(listed([*map(str, paths)], "files could be meant; keep one"))
    return paths[0] if paths else None


def _table(path: Path, wanted: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """The id and the wanted columns, by any of their names, in whatever case."""
    theirs = read(path, sniff=True)
    names = {str(name).strip().lower(): name for name in theirs.columns}
    columns = {}
    for ours, spellings in {"id": _KEY, **wanted}.items():
        there = [names[spelling.lower()] for spelling in spellings if spelling.lower() in names]
        if not there:
            raise DataError(
                f"{path} has no column {' or '.join(spellings)} for the {ours}; it has "
                f"{', '.join(map(str, names.values()))}"
            )
        columns[ours] = stripped(theirs[there[0]])
    table = pd.DataFrame(columns)
    table["id"] = table["id"].map(_key, na_action="ignore")
    twice = table["id"][table["id"].duplicated()]
    if len(twice):
        raise DataError(listed([*map(str, twice)], f"messages appear more than once in {path}"))
    return table


def _key(name: str) -> str:
    """`-12`, `012`, `12.0` and `Emotions/12.ogg` are the message 12."""
    stem = Path(name).stem.removeprefix("-")
    return str(int(stem)) if stem.isdecimal() else stem


def _parts(folder: Path) -> pd.DataFrame:
    """`id`, `speaker` and `split`, with the numbers of the non-experts where they stand there."""
    places = {part: _find(folder, f"split_{part}.csv") for part in _PARTS}
    absent = [f"split_{part}.csv" for part in _PARTS if places[part] is None]
    if len(absent) == len(_PARTS):
        return _released_parts(folder)
    if absent:
        raise DataError(f"no {' and no '.join(absent)} under {folder}, but its siblings are there")
    wanted = {"speaker": ("sub_id",), "valence": ("valence",), "arousal": ("arousal",)}
    tables = [
        _table(path, wanted).assign(split=_SPLITS[part]) for part, path in places.items() if path
    ]
    parts = pd.concat(tables, ignore_index=True)
    twice = parts["id"][parts["id"].duplicated()]
    if len(twice):
        raise DataError(listed([*map(str, twice)], "messages are in two parts of the split"))
    return parts


def _released_parts(folder: Path) -> pd.DataFrame:
    speakers = _beside(folder, "participants_ids.csv", "speaker", ("participant_id", "sub_id"))
    split = _beside(folder, "partitions.csv", "split", ("split", "partition", "set"))
    split["split"] = split["split"].str.lower()
    place = _find(folder, "partitions.csv") or folder
    return _both(split.assign(split=recoded(split, "split", _SPLITS, place)), speakers)


def _beside(folder: Path, name: str, column: str, spellings: Sequence[str]) -> pd.DataFrame:
    """`id` and one column of a table that may be absent: then without rows."""
    place = _find(folder, name)
    if place is None:
        return pd.DataFrame({"id": [], column: []}, dtype="str")
    return _table(place, {column: spellings})


def _joined(parts: pd.DataFrame, ratings: pd.DataFrame, source: Path) -> pd.DataFrame:
    """The parts in their order with the experts' ratings, then messages that are in no part."""
    absent = parts["id"][~parts["id"].isin(ratings["id"])]
    if len(absent):
        raise DataError(listed([*map(str, absent)], f"messages have no row in {source}"))
    return _both(parts[["id", "speaker", "split"]], ratings)


def _both(first: pd.DataFrame, second: pd.DataFrame) -> pd.DataFrame:
    """The messages of either, in the order of the first."""
    ids = pd.concat([first[["id"]], second[["id"]]]).drop_duplicates()
    return ids.merge(first, "left", on="id").merge(second, "left", on="id")


def _non_experts(parts: pd.DataFrame, ids: pd.Series, folder: Path) -> dict[str, pd.Series]:
    if "valence" not in parts:
        raise DataError(
            f"only split_training.csv and its siblings have numbers of the non-experts, and "
            f"{folder} has none (raters: experts; or columns: names those of its labels.csv)"
        )
    ours = parts.set_index("id").reindex(pd.Index(ids)).set_index(ids.index)
    return {name: ours[name] for name in _SIDES}


def _emotions(words: pd.Series, source: Path) -> pd.Series:
    plain = words.str.lower().map(_plain, na_action="ignore")
    return recoded(plain.to_frame(), "label", _EMOTIONS, source)


def _rated(table: pd.DataFrame, source: Path) -> tuple[pd.DataFrame, str]:
    """Numbers with their side of 0; what was not agreed on is missing, and said."""
    rated = table.copy()
    notices = []
    for name, sides in _SIDES.items():
        disagreed = table[name].isin(_DISAGREED)
        rated[name] = numbers(table[name].mask(disagreed), table["id"], source, -2, 2)
        rated[f"{name}_class"] = _side(rated[name], sides)
        if disagreed.any():
            notices.append(f"{disagreed.sum()} messages have no {name}: the raters did not agree")
    return rated, "; ".join(notices)


def _side(values: pd.Series, names: tuple[str, str, str]) -> pd.Series:
    """Below 0, 0 or above it, by name."""
    below, zero, above = (values < 0, values == 0, values > 0)
    signs = pd.Series(np.select([below, zero, above], names, ""), index=values.index, dtype="str")
    return signs.mask(values.isna())


def _plain(word: str) -> str:
    """Without accents."""
    letters = unicodedata.normalize("NFKD", word)
    return "".join(letter for letter in letters if not unicodedata.combining(letter))


def _audio(folder: Path, audio_folder: str, ids: pd.Series) -> pd.Series:
    """The file of each message, whatever its format; those that are not there are named as Ogg."""
    places: dict[str, str] = {}
    twice = []
    for path in sounds(folder / audio_folder, _SOUNDS, ABOUT.home):
        if places.setdefault(_key(path), path) != path:
            twice.append(f"{places[_key(path)]} and {path}")
    if twice:
        raise DataError(listed(twice, f"files under {audio_folder} are of one message; keep one"))
    return ids.map(lambda id_: f"{audio_folder}/{places.get(str(id_), f'{id_}.ogg')}")


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load four silent messages in the authors' layout, which this writes."""
    header = "file\tsub_id\tvalence\tarousal\n"
    parts = {"training": "1\tS01\t1\t1\n-2\tS01\t-1\t0\n", "validation": "3\tS02\t0\t10\n",
             "testing": "4\tS03\t-1\t1\n"}  # fmt: skip
    for part, rows in parts.items():
        (folder / f"split_{part}.csv").write_text(header + rows, encoding="utf-8")
    ratings = (
        "Filename,Valencia,Arousal,Emotion\n1.wav,2,1,Alegría\n2.wav,-1,-1,Tristeza\n"
        "3.wav,0,0,Neutral\n4.wav,-2,2,Tristeza\n"
    )
    (folder / "labels_Psicologas.csv").write_text(ratings, encoding="utf-8")
    for name in "1234":
        write_silence(folder / "audios" / f"{name}.wav")
    return {"root": str(folder), "audio_folder": "audios"}
