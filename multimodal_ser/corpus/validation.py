"""All that can be wrong with the table of a corpus, with the rows at fault and the remedy."""

from __future__ import annotations

import difflib
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from multimodal_ser.corpus.audio import has_sound
from multimodal_ser.types import DataError, listed

TEXT_COLUMNS = (
    "id", "audio", "channel", "text", "text_source", "label", "speaker", "group", "gender",
    "language", "split", "corpus",
)  # fmt: skip
NUMBER_COLUMNS = ("start", "end", "valence", "arousal", "dominance", "age")
_NAMES = ("label", "speaker", "group")  # those that look the same are the same, however encoded
COLUMNS = (*TEXT_COLUMNS, *NUMBER_COLUMNS)
_MAY_LEAVE = r"^[/\\]|:|\.\."  # without one of these a path is relative and never goes up


def complete(table: pd.DataFrame, *, corpus: str, language: str | None) -> pd.DataFrame:
    """The table with every known column, each of its type; blank text is missing."""
    columns = [str(column) for column in table.columns]
    _check_names(columns)
    table = table.copy()
    for column in TEXT_COLUMNS:
        table[column] = _as_text(table[column]) if column in table.columns else _blank(table)
    for column in NUMBER_COLUMNS:
        if column in table.columns:
            table[column] = _as_number(table, column)
        else:
            table[column] = np.nan
    for column in columns:
        if column.startswith("votes:"):
            table[column] = _as_number(table, column)
            if (table[column] < 0).any():
                raise DataError(f"'{column}' holds {table[column].min():g}; votes are counts")
    table["group"] = table["group"].fillna(table["speaker"])
    table["corpus"] = table["corpus"].fillna(corpus)
    if language:
        table["language"] = table["language"].fillna(language)
    _check_content(table, columns)
    table["text_source"] = table["text_source"].mask(
        table["text_source"].isna() & table["text"].notna(), "reference"
    )
    return table


def _check_names(columns: Sequence[str]) -> None:
    """Refuse a column name that stands twice, or that nearly equals one of ours that is absent."""
    twice = sorted({name for name in columns if columns.count(name) > 1})
    if twice:
        raise DataError(f"columns appear twice: {', '.join(twice)}")
    absent = [column for column in COLUMNS if column not in columns]
    for column in set(columns) - set(COLUMNS):
        near = difflib.get_close_matches(column.lower(), absent, n=1, cutoff=0.8)
        if near and not column.lower().startswith((f"{near[0]}_", f"{near[0]}:")):
            raise DataError(
                f"column '{column}' looks like '{near[0]}', which is absent; rename it with "
                f"columns: {{{near[0]}: {column}}} (columns found: {', '.join(columns)})"
            )


def _check_content(table: pd.DataFrame, columns: Sequence[str]) -> None:
    bare = table["audio"].isna() & table["text"].isna()
    if bare.all():
        raise DataError(f"no row has audio or text (columns found: {', '.join(columns)})")
    _check_ids(table)
    if bare.any():
        raise DataError(
            listed([*table["id"][bare].astype(str)], "rows have neither audio nor text")
        )


def _blank(table: pd.DataFrame) -> pd.Series:
    return pd.Series(np.nan, index=table.index, dtype="str")


def _as_text(column: pd.Series) -> pd.Series:
    strings = isinstance(column.dtype, pd.StringDtype)  # hold nothing else, however many they are
    several = list | dict | tuple | np.ndarray
    odd = [] if strings else [cell for cell in column if isinstance(cell, several)]
    if odd:
        raise DataError(f"'{column.name}' holds {odd[0]!r}, where one value is expected")
    text = _words(column).str.strip()
    if column.name in _NAMES:
        text = text.str.normalize("NFC")
    return text.mask(column.isna() | (text == ""))


def _words(column: pd.Series) -> pd.Series:
    try:
        return column.astype("str")
    except UnicodeError as error:
        raise DataError(f"'{column.name}' holds what is no text ({error})") from None


def _as_number(table: pd.DataFrame, column: str) -> pd.Series:
    cells = table[column]
    if is_bool_dtype(cells) or not is_numeric_dtype(cells):  # as words: a date is no number
        cells = _words(cells)
    numbers = pd.to_numeric(cells, errors="coerce").astype("float64")
    bad = table.index[~np.isfinite(numbers) & table[column].notna()]
    if len(bad):
        rows = [f"row {row}: {table[column][row]!r}" for row in bad]
        raise DataError(listed(rows, f"values of '{column}' are no numbers"))
    return numbers


def _check_ids(table: pd.DataFrame) -> None:
    if table["id"].isna().any():
        rows = [f"row {row}" for row in table.index[table["id"].isna()]]
        raise DataError(listed(rows, "rows have no id"))
    twice = table["id"][table["id"].duplicated()].unique()
    if len(twice):
        raise DataError(listed([f"'{id_}'" for id_ in twice], "ids appear more than once"))


def check_times(table: pd.DataFrame) -> None:
    start, end = table["start"].fillna(0.0), table["end"].fillna(np.inf)
    wrong = table.index[(start < 0) | (end <= start)]
    if len(wrong):
        rows = [f"{table['id'][row]}: start {start[row]:g}, end {end[row]:g}" for row in wrong]
        raise DataError(listed(rows, "segments end before they start (times are in seconds)"))


def check_inside(table: pd.DataFrame, root: Path) -> None:
    paths = table["audio"].dropna()
    paths = paths[paths.str.contains(_MAY_LEAVE)]
    outside = [
        f"{name}: {path}"
        for name, path in zip(table["id"][paths.index], paths, strict=True)
        if Path(path).is_absolute() or Path(os.path.normpath(path)).parts[:1] == ("..",)
    ]
    if outside:
        raise DataError(
            listed(outside, f"audio paths lie outside {root} (allow_outside: true permits them)")
        )


def check_files(
    table: pd.DataFrame, root: Path, allow_missing: bool
) -> tuple[pd.DataFrame, dict[str, int]]:
    """All rows whose file is not there, or with `allow_missing` the table without them.

    Only `allow_missing` opens every file, so that what is dropped does not depend on the encoders.
    """
    paths = table["audio"].dropna().unique()
    is_file = os.path.isfile  # False, not an error, for a name too long or with a NUL
    absent = [
        path
        for path in paths
        if not is_file(root / path) or (allow_missing and not has_sound(root / path))
    ]
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
