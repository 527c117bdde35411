"""Your own table: CSV, TSV, JSONL or Parquet with a row an utterance."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.corpus import About, Corpus, build, data_root
from multimodal_ser.types import DataError, MissingError
from multimodal_ser.validation import COLUMNS

ABOUT = About(
    name="manifest",
    licence="as the table's owner says",
    citation="as the table's owner says",
    home="your own",
)


def load(
    *,
    path: str,
    root: str = "",
    columns: dict[str, str] | None = None,
    label_order: list[str] | None = None,
    language: str | None = None,
    allow_missing: bool = False,
    allow_outside: bool = False,
) -> Corpus:
    """Read `path` and find its audio files, both relative to `root`.

    columns: our name → the table's name. language: of every row that has none of its own.
    allow_missing: drop rows whose file is absent; allow_outside: accept audio outside `root`.
    """
    folder = data_root(root)
    table = _renamed(_read(folder / path), columns or {})
    labels = tuple(label_order) if label_order else None
    return build(
        table,
        replace(
            ABOUT,
            name=Path(path).stem,
            labels=labels,
            language=language,
            namespace=str((folder / path).with_suffix("")),
        ),
        root=folder,
        allow_missing=allow_missing,
        allow_outside=allow_outside,
    )


def _read(path: Path) -> pd.DataFrame:
    if path.suffix not in _READERS:
        raise DataError(f"{path}: a manifest is one of {', '.join(_READERS)}")
    try:
        return _READERS[path.suffix](path)
    except FileNotFoundError:
        raise DataError(f"no manifest at {path} (MSER_DATA and root: say where it lies)") from None
    except UnicodeDecodeError:
        raise DataError(f"{path} is not UTF-8 ({_bad_byte(path)}); save it as UTF-8") from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path} is empty") from None
    except (ValueError, OSError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def _bad_byte(path: Path) -> str:
    """Where in the file: a reader only knows where in its buffer."""
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


def _check_rows(path: Path, separator: str) -> None:
    """ValueError for a quote that never closes, a row of another width or two columns of a name."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        try:
            header = next(reader, [])
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
    """One JSON object a line; the values keep their types."""
    rows = []
    for number, line in enumerate(path.read_text("utf-8-sig").splitlines(), 1):
        if line.strip():
            row = json.loads(line)
            if not isinstance(row, dict):
                raise ValueError(f"line {number} is no JSON object")
            rows.append(row)
    table = pd.DataFrame(rows, dtype=object)
    words = [name for name in table if all(isinstance(one, str) for one in table[name].dropna())]
    return table.astype(dict.fromkeys(words, "str"))


def _parquet(path: Path) -> pd.DataFrame:
    try:
        from pyarrow import parquet
    except ImportError:
        raise MissingError("Parquet needs: pip install 'multimodal_ser[scale]'") from None
    table = parquet.read_table(path)
    table.validate(full=True)  # else a bad byte is found only where a cell is read
    return table.to_pandas()


_READERS: dict[str, Callable[[Path], pd.DataFrame]] = {
    ".csv": _separated(","),
    ".tsv": _separated("\t"),
    ".jsonl": _lines,
    ".parquet": _parquet,
}


def _renamed(table: pd.DataFrame, columns: dict[str, str]) -> pd.DataFrame:
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


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load a table of two sentences, which this writes."""
    text = "id,text,label,speaker\na,Qué alegría,joy,one\nb,Qué pena,sadness,two\n"
    (folder / "table.csv").write_text(text, encoding="utf-8")
    return {"root": str(folder), "path": "table.csv"}
