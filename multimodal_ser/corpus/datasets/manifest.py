"""Your own table: CSV, TSV, JSONL or Parquet with a row an utterance."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

from multimodal_ser.corpus.corpus import About, Corpus, build, data_root
from multimodal_ser.corpus.tables import read, renamed

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
    table = renamed(read(folder / path, "manifest"), columns or {})
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


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that load a table of two sentences, which this writes."""
    text = "id,text,label,speaker\na,Qué alegría,joy,one\nb,Qué pena,sadness,two\n"
    (folder / "table.csv").write_text(text, encoding="utf-8")
    return {"root": str(folder), "path": "table.csv"}
