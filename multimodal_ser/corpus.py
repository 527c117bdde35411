"""A corpus: one validated table, its labels, its licence.

Loaders read the files of a corpus and call `build`; everything that can be wrong with a table is
checked here, once, and reported with the rows at fault.
"""

from __future__ import annotations

import dataclasses
import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.audio import has_sound
from multimodal_ser.types import DataError, Utterance, listed

TEXT_COLUMNS = (
    "id", "audio", "channel", "text", "text_source", "label", "speaker", "group", "gender",
    "language", "split", "corpus",
)  # fmt: skip
NUMBER_COLUMNS = ("start", "end", "valence", "arousal", "dominance", "age")
COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS)
_SOUND = ["audio", "channel", "start", "end"]


@dataclass(frozen=True)
class About:
    """What a corpus is, and on what terms. labels: None takes those of the table.

    Corpora that contain each other share a `namespace` and are never joined; `notice` is a
    sentence that every table shows.
    """

    name: str
    licence: str
    citation: str
    home: str
    labels: tuple[str, ...] | None = None
    language: str | None = None
    namespace: str = ""
    notice: str = ""


@dataclass(frozen=True)
class Corpus:
    """A table with one row an utterance, in the order of the corpus; columns as in `COLUMNS`.

    Columns beyond those pass through; `votes:<label>` count the raters' votes. `dropped` counts
    the rows left out, by reason.
    """

    about: About
    table: pd.DataFrame
    root: Path
    labels: tuple[str, ...]
    dropped: Mapping[str, int] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.table)

    def utterances(self) -> list[Utterance]:
        """Where each row's sound and text lie."""
        columns = ["id", *_SOUND, "text", "language"]
        rows = self.table[columns].astype(object)
        rows = rows.where(rows.notna(), None)
        return [
            Utterance(
                id=row[0],
                audio=None if row[1] is None else self.root / row[1],
                channel=row[2] or "mix",
                start=row[3] or 0.0,
                end=row[4],
                text=row[5],
                language=row[6],
            )
            for row in rows.itertuples(index=False)
        ]

    def table_hash(self) -> str:
        """Of every cell, whatever the order of the columns."""
        ordered = self.table.reindex(columns=sorted(self.table.columns))
        digest = hashlib.sha256("\t".join(ordered.columns).encode())
        digest.update(pd.util.hash_pandas_object(ordered, index=False).to_numpy().tobytes())
        return digest.hexdigest()

    def shuffled(self, modality: str, seed: int) -> Corpus:
        """Swap one modality at random within each speaker: what is left of it is the speaker."""
        columns = _SOUND if modality == "audio" else ["text"]
        table = self.table.copy()
        generator = np.random.default_rng(seed)
        speakers = table["speaker"].fillna("")
        for _, rows in sorted(table.groupby(speakers.to_numpy()).indices.items()):
            source = generator.permutation(rows)
            for column in columns:
                table.loc[rows, column] = self.table[column].to_numpy()[source]
        return dataclasses.replace(self, table=table)


def data_root(root: str) -> Path:
    """A corpus root as the config names it: relative to `MSER_DATA`, by default `data/`."""
    return (Path(os.environ.get("MSER_DATA", "data")) / root).absolute()


def build(
    table: pd.DataFrame,
    about: About,
    *,
    root: Path,
    allow_missing: bool = False,
    allow_outside: bool = False,
) -> Corpus:
    """Check a loader's table, complete its columns; DataError with the rows at fault."""
    if table.empty:
        raise DataError(f"the corpus '{about.name}' has no rows")
    table = _complete(table.reset_index(drop=True), about.name)
    _check_ids(table)
    _check_times(table)
    if not allow_outside:
        _check_inside(table, root)
    table, dropped = _check_files(table, root, allow_missing)
    labels = about.labels or tuple(sorted(table["label"].dropna().unique()))
    return Corpus(about, table, root, labels, dropped)


def join(corpora: Sequence[Corpus]) -> Corpus:
    """Several corpora as one; `corpus` says where a row came from, ids are made unique by it."""
    if len(corpora) == 1:
        return corpora[0]
    spaces = [corpus.about.namespace or corpus.about.name for corpus in corpora]
    if len(set(spaces)) < len(spaces):
        raise DataError(f"these corpora contain one another and cannot be joined: {spaces}")
    abouts = [corpus.about for corpus in corpora]
    about = About(
        name="+".join(one.name for one in abouts),
        licence="; ".join(f"{one.name}: {one.licence}" for one in abouts),
        citation="; ".join(one.citation for one in abouts),
        home="; ".join(one.home for one in abouts),
        namespace="+".join(spaces),
        notice=" ".join(one.notice for one in abouts if one.notice),
    )
    dropped = {
        f"{corpus.about.name}: {why}": count
        for corpus in corpora
        for why, count in corpus.dropped.items()
    }
    table = pd.concat([_prefixed(corpus) for corpus in corpora], ignore_index=True)
    labels = tuple(sorted({label for corpus in corpora for label in corpus.labels}))
    return Corpus(about, table, Path("/"), labels, dropped)


def _prefixed(corpus: Corpus) -> pd.DataFrame:
    """The table with ids, speakers and groups that no other corpus has, and absolute paths."""
    table = corpus.table.copy()
    for column in ("id", "speaker", "group"):
        table[column] = corpus.about.name + "/" + table[column]
    root = corpus.root.absolute()
    table["audio"] = table["audio"].map(lambda path: str(root / path), na_action="ignore")
    return table


def _complete(table: pd.DataFrame, name: str) -> pd.DataFrame:
    """Every known column, of its type, blank text as missing; near-misses of a name are errors."""
    extra = [str(column) for column in table.columns if column not in COLUMNS]
    absent = [column for column in COLUMNS if column not in table.columns]
    for column in extra:
        near = difflib.get_close_matches(column.lower(), absent, n=1, cutoff=0.8)
        if near:
            raise DataError(
                f"column '{column}' looks like '{near[0]}', which is absent; rename it with "
                f"columns: {{{near[0]}: {column}}} (columns found: {', '.join(table.columns)})"
            )
    table = table.copy()
    for column in TEXT_COLUMNS:
        table[column] = _as_text(table[column]) if column in table.columns else _blank(table)
    for column in NUMBER_COLUMNS:
        if column in table.columns:
            table[column] = _as_number(table, column)
        else:
            table[column] = np.nan
    table["group"] = table["group"].where(table["group"].notna(), table["speaker"])
    table["corpus"] = table["corpus"].fillna(name)
    _check_content(table, extra)
    table["text_source"] = table["text_source"].mask(
        table["text_source"].isna() & table["text"].notna(), "reference"
    )
    return table


def _check_content(table: pd.DataFrame, extra: Sequence[str]) -> None:
    bare = table["audio"].isna() & table["text"].isna()
    if bare.all():
        raise DataError(f"no row has audio or text (columns found: {', '.join(extra) or 'none'})")
    if bare.any():
        raise DataError(
            listed([*table["id"][bare].astype(str)], "rows have neither audio nor text")
        )


def _blank(table: pd.DataFrame) -> pd.Series:
    return pd.Series(np.nan, index=table.index, dtype="str")


def _as_text(column: pd.Series) -> pd.Series:
    text = column.astype("str").str.strip()
    return text.mask(column.isna() | (text == ""))


def _as_number(table: pd.DataFrame, column: str) -> pd.Series:
    numbers = pd.to_numeric(table[column], errors="coerce")
    bad = table.index[numbers.isna() & table[column].notna()]
    if len(bad):
        rows = [f"row {row}: {table[column][row]!r}" for row in bad]
        raise DataError(listed(rows, f"values of '{column}' are no numbers"))
    return numbers.astype("float64")


def _check_ids(table: pd.DataFrame) -> None:
    if table["id"].isna().any():
        rows = [f"row {row}" for row in table.index[table["id"].isna()]]
        raise DataError(listed(rows, "rows have no id"))
    twice = table["id"][table["id"].duplicated()].unique()
    if len(twice):
        raise DataError(listed([f"'{one}'" for one in twice], "ids appear more than once"))


def _check_times(table: pd.DataFrame) -> None:
    start, end = table["start"].fillna(0.0), table["end"].fillna(np.inf)
    wrong = table.index[(start < 0) | (end <= start)]
    if len(wrong):
        rows = [f"{table['id'][row]}: start {start[row]:g}, end {end[row]:g}" for row in wrong]
        raise DataError(listed(rows, "segments end before they start (times are in seconds)"))


def _check_inside(table: pd.DataFrame, root: Path) -> None:
    paths = table["audio"].dropna()
    outside = [
        f"{name}: {path}"
        for name, path in zip(table["id"][paths.index], paths, strict=True)
        if Path(path).is_absolute() or os.path.normpath(path).startswith("..")
    ]
    if outside:
        raise DataError(
            listed(outside, f"audio paths lie outside {root} (allow_outside: true permits them)")
        )


def _check_files(
    table: pd.DataFrame, root: Path, allow_missing: bool
) -> tuple[pd.DataFrame, dict[str, int]]:
    """All rows whose file is not there, or with `allow_missing` the table without them.

    Only `allow_missing` opens every file, so that what is dropped does not depend on the encoders.
    """
    paths = table["audio"].dropna().unique()
    usable = has_sound if allow_missing else Path.is_file
    absent = [path for path in paths if not usable(root / path)]
    missing = table["audio"].isin(absent)
    if not absent:
        return table, {}
    if not allow_missing:
        rows = [f"{table['id'][row]}: {table['audio'][row]}" for row in table.index[missing]]
        raise DataError(
            listed(rows, f"rows name a file that is not under {root}")
            + "\nallow_missing: true drops such rows, and the report counts them"
        )
    kept = table[~missing].reset_index(drop=True)
    if kept.empty:
        raise DataError(f"none of the {len(table)} audio files is under {root}")
    return kept, {"file missing or unreadable": int(missing.sum())}
