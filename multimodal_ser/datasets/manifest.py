"""Your own table: CSV, TSV, JSONL or Parquet with a row an utterance."""

from __future__ import annotations

import csv
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd

from multimodal_ser.corpus import COLUMNS, About, Corpus, build, data_root
from multimodal_ser.types import DataError, MissingError

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
    if language is not None:
        known = table["language"] if "language" in table else pd.Series(pd.NA, index=table.index)
        table["language"] = known.fillna(language)
    labels = tuple(label_order) if label_order else None
    return build(
        table,
        replace(ABOUT, name=Path(path).stem, labels=labels),
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
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8 (byte {error.start}); save it as UTF-8") from None
    except pd.errors.EmptyDataError:
        raise DataError(f"{path} is empty") from None
    except (pd.errors.ParserError, ValueError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def _separated(separator: str) -> Callable[[Path], pd.DataFrame]:
    """All cells as text, so that an id of 007 stays one; strict about quotes and rows."""

    def read(path: Path) -> pd.DataFrame:
        _check_quotes(path, separator)
        return pd.read_csv(path, sep=separator, dtype=str, keep_default_na=False, na_values=[""])

    return read


def _check_quotes(path: Path, separator: str) -> None:
    """ValueError for a quote that never closes or a row of another width, naming the line."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, strict=True)
        width = len(next(reader, []))
        for row in reader:
            if row and len(row) != width:
                raise ValueError(f"line {reader.line_num} has {len(row)} cells, the header {width}")


def _lines(path: Path) -> pd.DataFrame:
    return pd.read_json(path, lines=True, dtype={}, convert_dates=False)


def _parquet(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except ImportError:
        raise MissingError("Parquet needs: pip install 'multimodal_ser[scale]'") from None


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
    return table.rename(columns={theirs: ours for ours, theirs in columns.items()})


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load a table of two sentences, which this writes."""
    text = "id,text,label,speaker\na,Qué alegría,joy,one\nb,Qué pena,sadness,two\n"
    (folder / "table.csv").write_text(text, encoding="utf-8")
    return {"root": str(folder), "path": "table.csv"}
