"""A corpus: one validated table, its labels, its licence.

Loaders read the files of a corpus and call `build`, which refuses a table that is not right.
"""

from __future__ import annotations

import dataclasses
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from pandas.api.types import is_object_dtype

from multimodal_ser.corpus.validation import check_files, check_inside, check_times, complete
from multimodal_ser.types import DataError, Utterance

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
    """A table with one row an utterance, in the order of the corpus.

    Columns as in `validation.COLUMNS`; others pass through, and `votes:<label>` count the raters'
    votes. `dropped` counts the rows left out, by reason.
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
        columns = (self.table[name] for name in ["id", *_SOUND, "text", "language"])
        cells = [column.astype(object).where(column.notna(), None).tolist() for column in columns]
        paths = {path: self.root / path for path in set(cells[1]) - {None}}
        return [
            Utterance(row, paths.get(audio), channel or "mix", start or 0.0, end, text, language)
            for row, audio, channel, start, end, text, language in zip(*cells, strict=True)
        ]

    def table_hash(self) -> str:
        """A hash of every cell, which does not depend on the order of the columns."""
        ordered = self.table.reindex(columns=sorted(self.table.columns))
        for column in map(str, ordered.columns):
            if is_object_dtype(ordered[column]):
                ordered[column] = ordered[column].map(repr)
        digest = hashlib.sha256("\t".join(ordered.columns).encode())
        digest.update(pd.util.hash_pandas_object(ordered, index=False).to_numpy().tobytes())
        return digest.hexdigest()

    def shuffled(self, modality: str, seed: int) -> Corpus:
        """The corpus with one modality exchanged at random between the utterances of each speaker.

        What a model can still learn from that modality is only who speaks. Utterances of unknown
        speakers are exchanged among each other.
        """
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
    table = complete(table.reset_index(drop=True), corpus=about.name, language=about.language)
    check_times(table)
    if not allow_outside:
        check_inside(table, root)
    table, dropped = check_files(table, root, allow_missing)
    labels = about.labels or tuple(sorted(table["label"].dropna().unique()))
    return Corpus(about, table, root, labels, dropped)


def join(corpora: Sequence[Corpus]) -> Corpus:
    """Several corpora as one corpus.

    A column `corpus` names the origin of each row and makes ids unique.
    """
    if len(corpora) == 1:
        return corpora[0]
    spaces = [corpus.about.namespace or corpus.about.name for corpus in corpora]
    if len(set(spaces)) < len(spaces):
        raise DataError(f"these corpora contain one another and cannot be joined: {spaces}")
    abouts = [corpus.about for corpus in corpora]
    names = [
        about.name
        if not [other.name for other in abouts[:place]].count(about.name)
        else f"{about.name}{place}"
        for place, about in enumerate(abouts)
    ]
    about = About(
        name="+".join(about.name for about in abouts),
        licence="; ".join(f"{about.name}: {about.licence}" for about in abouts),
        citation="; ".join(about.citation for about in abouts),
        home="; ".join(about.home for about in abouts),
        namespace="+".join(spaces),
        notice=" ".join(about.notice for about in abouts if about.notice),
    )
    dropped = {
        f"{corpus.about.name}: {why}": count
        for corpus in corpora
        for why, count in corpus.dropped.items()
    }
    table = pd.concat(
        [_prefixed(corpus, prefix) for corpus, prefix in zip(corpora, names, strict=True)],
        ignore_index=True,
    )
    labels = tuple(sorted({label for corpus in corpora for label in corpus.labels}))
    return Corpus(about, table, Path("/"), labels, dropped)


def _prefixed(corpus: Corpus, prefix: str) -> pd.DataFrame:
    """The table with the corpus's name before ids, speakers and groups, and with absolute paths."""
    table = corpus.table.copy()
    for column in ("id", "speaker", "group"):
        table[column] = prefix + "/" + table[column]
    root = corpus.root.absolute()
    table["audio"] = table["audio"].map(lambda path: str(root / path), na_action="ignore")
    return table
