"""What the loaders share: strict reading of tables, checked columns, sound files of a folder."""

from __future__ import annotations

import csv
import json
import os
import re
import wave
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd

from multimodal_ser.corpus.validation import COLUMNS
from multimodal_ser.types import DataError, MissingError, listed

_LONGEST_CELL = 2**31 - 1  # characters; csv's own limit is 128 Ki


def not_there(what: str, home: str = "") -> DataError:
    """The error to raise where a corpus is absent; home: where it can be obtained."""
    ask = f"; {home}" if home else ""
    return DataError(f"no {what} (MSER_DATA and root: say where it lies{ask})")


def read(path: Path, what: str = "table", *, sniff: bool = False, home: str = "") -> pd.DataFrame:
    """The table at `path`, by its ending; `what` is how an error calls it.

    sniff: the cells of a `.csv` may stand between tabs or semicolons as well. home: `not_there`'s.
    """
    if path.suffix not in _READERS:
        raise DataError(f"{path}: a {what} is one of {', '.join(_READERS)}")
    reader = _sniffed if sniff and path.suffix == ".csv" else _READERS[path.suffix]
    try:
        return reader(path)
    except FileNotFoundError:
        raise not_there(f"{what} at {path}", home) from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 ({_bad_byte(path)}); save it as UTF-8") from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path} is empty") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def require(table: pd.DataFrame, columns: Sequence[str], path: Path) -> None:
    """DataError unless the table has all of these columns."""
    absent = [column for column in columns if column not in table.columns]
    if absent:
        raise DataError(f"{path} has no column {absent}; it has {', '.join(table.columns)}")


def renamed(table: pd.DataFrame, columns: Mapping[str, str]) -> pd.DataFrame:
    """The table under our names. columns: our name → theirs; one of theirs may serve twice."""
    unknown = sorted(set(columns) - set(COLUMNS))
    if unknown:
        raise DataError(f"columns: {unknown} are not among ours: {', '.join(COLUMNS)}")
    absent = [theirs for theirs in columns.values() if theirs not in table.columns]
    if absent:
        raise DataError(f"columns: the table has no {absent}; it has {', '.join(table.columns)}")
    taken = [ours for ours in columns if ours in table.columns and ours not in columns.values()]
    if taken:
        raise DataError(f"columns: the table has its own {taken}, which would be overwritten")
    kept = table.drop(columns=list(set(columns.values()) - set(columns)))
    return kept.assign(**{ours: table[theirs] for ours, theirs in columns.items()})


def recoded(table: pd.DataFrame, column: str, codes: Mapping[str, str], path: Path) -> pd.Series:
    """Their codes as our words; missing codes stay missing, and an unknown code is a DataError."""
    codes_found = stripped(table[column])
    unknown = (
        codes_found[codes_found.notna() & ~codes_found.isin(list(codes))]
        .value_counts()
        .sort_index()
    )
    if len(unknown):
        counts = [f"'{code}' in {count} rows" for code, count in unknown.items()]
        raise DataError(
            listed(counts, f"values of '{column}' of {path} are not among {', '.join(codes)}")
        )
    return codes_found.map(codes)


def stripped(column: pd.Series) -> pd.Series:
    """Text without blanks at its ends; text that is blank becomes missing."""
    text = column.astype("str").str.strip()
    return text.mask(text == "")


def seconds(table: pd.DataFrame, column: str, path: Path) -> pd.Series:
    """A column of milliseconds in seconds."""
    numbers = pd.to_numeric(table[column], errors="coerce")
    bad = table[column][numbers.isna() & table[column].notna()]
    if len(bad):
        raise DataError(listed([repr(cell) for cell in bad], f"'{column}' of {path} are no times"))
    return numbers / 1000


def numbers(column: pd.Series, ids: pd.Series, path: Path, low: float, high: float) -> pd.Series:
    """Numbers from low to high, missing ones still missing; a comma may be decimal."""
    cells = stripped(column)
    values = pd.to_numeric(cells.str.replace(",", "."), errors="coerce").astype("float64")
    wrong = cells.notna() & ~values.between(low, high)
    if wrong.any():
        rows = [f"{id_}: {cell}" for id_, cell in zip(ids[wrong], cells[wrong], strict=True)]
        what = f"values of '{column.name}' of {path} are no numbers from {low:g} to {high:g}"
        raise DataError(listed(rows, what))
    return values


def vote_columns(ballots: pd.DataFrame, ids: pd.Series, labels: Sequence[str]) -> pd.DataFrame:
    """`votes:<label>` of each id, for these labels; ballots: one row a vote, `id` and `label`."""
    counts = pd.crosstab(ballots["id"], ballots["label"])
    counts = counts.reindex(index=pd.Index(ids), columns=list(labels), fill_value=0)
    return counts.add_prefix("votes:").set_index(ids.index)


def sounds(folder: Path, endings: Collection[str], home: str) -> list[str]:
    """Sound files anywhere under the folder (links followed), relative to it, sorted; hidden aside.

    DataError, with where the corpus is to be had, when there are none.
    """
    if not folder.is_dir():
        raise not_there(f"folder at {folder}", home)
    paths = [
        Path(top, name).relative_to(folder)
        for top, _, names in os.walk(folder, followlinks=True, onerror=_refuse)
        for name in names
    ]
    audio_files = [path for path in paths if path.suffix.lower() in endings]
    odd = [repr(os.fsencode(path)) for path in audio_files if not _is_text(str(path))]
    if odd:
        raise DataError(listed(odd, f"names of files under {folder} are not UTF-8; rename them"))
    shown = sorted(
        path.as_posix()
        for path in audio_files
        if not any(part.startswith(".") for part in path.parts)
    )
    if not shown:
        kinds = sorted({path.suffix or path.name for path in paths}) or "nothing"
        raise DataError(f"{folder} has no {' or '.join(endings)} files, but {kinds} ({home})")
    return shown


def named(folder: Path, pattern: re.Pattern[str], form: str, home: str) -> Iterator[re.Match[str]]:
    """The match of the pattern in the name of each recording below the folder, in their order.

    DataError names the files that do not match.
    """
    paths = sounds(folder, (".flac", ".wav"), home)
    matches = [pattern.fullmatch(path) for path in paths]
    unclear = [path for path, match in zip(paths, matches, strict=True) if match is None]
    if unclear:
        raise DataError(listed(unclear, f"files under {folder} are not named {form}"))
    return (match for match in matches if match)


def _is_text(name: str) -> bool:
    """False where a file name or a JSON escape holds something that is not a character."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def _refuse(error: OSError) -> NoReturn:
    """Raise the error: a folder that cannot be read would otherwise be left out without a word."""
    raise DataError(f"{error.filename} cannot be read: {error.strerror}")


def write_silence(path: Path) -> None:
    """Write a tenth of a second of silence, for examples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(16000)
        file.writeframes(bytes(2 * 1600))


def _bad_byte(path: Path) -> str:
    """The position of a bad byte in the file; a reader knows its position in the buffer only."""
    try:
        path.read_bytes().decode()
    except UnicodeDecodeError as error:
        return f"byte {error.start}"
    return "in one of its cells"


def _separated(separator: str) -> Callable[[Path], pd.DataFrame]:
    """All cells as text, so that an id of 007 stays one; strict about quotes and rows."""

    def read(path: Path) -> pd.DataFrame:
        _check_rows(path, separator)
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, na_values=[""])

    return read


def _sniffed(path: Path) -> pd.DataFrame:
    """The table, split at the separator that is most frequent in its first line."""
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    return _separated(max(",\t;", key=header.count))(path)


def _check_rows(path: Path, separator: str) -> None:
    """ValueError for a quote that never closes, a row of another width or two columns of a name."""
    csv.field_size_limit(_LONGEST_CELL)
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        try:
            header = next((row for row in reader if row), [])
            twice = sorted({name for name in header if header.count(name) > 1})
            if twice:
                raise ValueError(f"the header names {twice} twice")
            for row in reader:
                if row and len(row) != len(header):
                    raise ValueError(
                        f"line {reader.line_num} has {len(row)} cells, the header {len(header)}"
                    )
        except csv.Error as error:
            raise ValueError(f"line {reader.line_num}: {error}") from None


def _lines(path: Path) -> pd.DataFrame:
    """One JSON object a line; the values keep their types. Text may hold Unicode's line ends."""
    rows = []
    for number, line in enumerate(path.read_text("utf-8-sig").split("\n"), 1):
        if line.strip():
            rows.append(_object(line, number))
    table = pd.DataFrame(rows, dtype=object)
    words = [name for name in table if all(isinstance(cell, str) for cell in table[name].dropna())]
    return table.astype(dict.fromkeys(words, "str"))


def _object(line: str, number: int) -> dict[str, Any]:
    """The JSON object of a line; ValueError with its number if it is none, or names a key twice."""
    try:
        row = json.loads(line, object_pairs_hook=_distinct)
        if not isinstance(row, dict):
            raise ValueError("it is no JSON object")
        json.dumps(row, ensure_ascii=False).encode()  # half a surrogate pair is no text
    except (ValueError, RecursionError) as error:
        raise ValueError(f"line {number}: {error}") from None
    return row


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise ValueError(f"it names {sorted({key for key in keys if keys.count(key) > 1})} twice")
    return dict(pairs)


def _parquet(path: Path) -> pd.DataFrame:
    try:
        from pyarrow import DictionaryType, parquet
    except ImportError:
        raise MissingError("Parquet needs: pip install 'multimodal_ser[scale]'") from None
    table = parquet.read_table(path)
    table.validate(full=True)  # else a bad byte is found only where a cell is read
    for place, column in enumerate(table.schema):
        if isinstance(column.type, DictionaryType):
            plain = table.column(place).cast(column.type.value_type)
            table = table.set_column(place, column.name, plain)
    # an index is a column of the file as any other; whole numbers stay whole beside a missing one
    frame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    return frame[[name for name in frame if not re.fullmatch(r"__index_level_\d+__", name)]]


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".jsonl": _lines,
    ".parquet": _parquet,
}
