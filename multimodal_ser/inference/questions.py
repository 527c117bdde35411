"""What may be asked of a finished run, and what comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser.corpus.label_sets import cell
from multimodal_ser.corpus.tables import read
from multimodal_ser.types import ConfigError, DataError, MserError, Transcript, Utterance

_SCORE = "score:"
_SOUND = {".aif", ".aiff", ".au", ".flac", ".mp3", ".oga", ".ogg", ".opus", ".wav"}
_TABLES = {".csv", ".tsv", ".jsonl", ".parquet"}


@dataclass(frozen=True)
class Question:
    """What is to be judged. source: how an answer names it. sound: where it lies, or the samples
    `[N]` and their rate. text: given, else transcribed.
    """

    source: str
    sound: Utterance | tuple[np.ndarray, int] | None = None
    text: str | None = None
    language: str | None = None
    speaker: str | None = None


@dataclass(frozen=True)
class Answer:
    """What a run says. values: target → class, labels or number, None where it abstains. scores:
    target → class → probability. text_source: whose words were read, None where none were. seconds:
    stage → its share of the batch. error: why there is none, and then nothing else counts.
    """

    source: str
    values: Mapping[str, str | list[str] | float | None] = field(default_factory=dict)
    scores: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    text: str | None = None
    text_source: str | None = None
    transcript: Transcript | None = None
    seconds: Mapping[str, float] = field(default_factory=dict)
    error: MserError | None = None

    def plain(self) -> dict[str, Any]:
        """As JSON holds it."""
        found = asdict(self)
        del found["error"]
        return found

    def row(self) -> dict[str, Any]:
        """As one row of a table, where labels are one cell, as in `predictions.csv`."""
        if self.error is not None:
            return {"source": self.source, "error": str(self.error)}
        single = len(self.scores) == 1
        scores = {
            f"{_SCORE}{name}" if single else f"{_SCORE}{target}:{name}": value
            for target, found in self.scores.items()
            for name, value in found.items()
        }
        said = self.transcript
        return {
            "source": self.source,
            **{
                target: cell(value) if isinstance(value, list) else value
                for target, value in self.values.items()
            },
            **scores,
            "text": self.text,
            "text_source": self.text_source,
            "flags": "; ".join(said.flags) if said else "",
            **{f"seconds:{stage}": value for stage, value in self.seconds.items()},
        }


def answered(
    heard: Sequence[Answer],
    scores: Mapping[str, np.ndarray],
    classes: Mapping[str, Sequence[str]],
    thresholds: Mapping[str, np.ndarray],
    abstain: float,
) -> list[Answer]:
    """With what the scores mean: target → `[N, C]`, a row an answer that has no error.

    thresholds: of targets of labels, `[C]`. abstain: no class and no label that is less probable is
    named.
    """
    found, rows = [], iter(range(len(heard)))
    for one in heard:
        if one.error is None:
            row = next(rows)
            values = {target: several[row] for target, several in scores.items()}
            one = _with_values(one, values, classes, thresholds, abstain)
        found.append(one)
    return found


def _with_values(
    heard: Answer,
    found: Mapping[str, np.ndarray],
    classes: Mapping[str, Sequence[str]],
    thresholds: Mapping[str, np.ndarray],
    abstain: float,
) -> Answer:
    values: dict[str, str | list[str] | float | None] = {}
    scores = {}
    for target, row in found.items():
        names = classes[target]
        if not names:
            values[target] = float(row[0])
            continue
        scores[target] = dict(zip(names, map(float, row), strict=True))
        if target in thresholds:
            named = row >= np.maximum(thresholds[target], abstain)
            values[target] = [name for name, is_in in zip(names, named, strict=True) if is_in]
            continue
        values[target] = names[int(row.argmax())] if row.max() >= abstain else None
    return replace(heard, values=values, scores=scores)


def as_table(answers: Sequence[Answer]) -> pd.DataFrame:
    """A row a question; the first error is raised."""
    failed = [one.error for one in answers if one.error is not None]
    if failed:
        raise failed[0]
    return pd.DataFrame([one.row() for one in answers])


def questions(what: Any, *, rate: int | None = None, text: str | None = None) -> list[Question]:
    """From a file, a folder, a table, samples with their `rate`, a DataFrame, or a list of those.

    text: of a single recording.
    """
    found = list(_each(what, rate))
    if text is None:
        return found
    if len(found) != 1:
        raise ConfigError(f"one text for {len(found)} recordings; give a table with a column text")
    return [Question(found[0].source, found[0].sound, text)]


def of_path(path: Path) -> Iterator[Question]:
    """A sound file; every sound below a folder, in sorted order; every row of a table."""
    if path.is_dir():
        yield from map(_of_file, _sounds(path))
    elif path.suffix.lower() in _TABLES:
        yield from _of_table(read(path), path.parent)
    else:
        yield _of_file(path)


def _each(what: Any, rate: int | None) -> Iterator[Question]:
    if isinstance(what, pd.DataFrame):
        yield from _of_table(what, Path())
    elif isinstance(what, np.ndarray):
        if rate is None:
            raise ConfigError("samples need their rate: predictor(samples, rate=16000)")
        yield Question("samples", (what, rate))
    elif isinstance(what, str | os.PathLike):
        path = Path(what)
        if not path.exists():
            raise DataError(f"{path}: no such file or folder")
        yield from of_path(path)
    else:
        for one in what:
            yield from _each(one, rate)


def _sounds(folder: Path) -> Iterator[Path]:
    """Below a folder, in sorted order, a folder's names in memory at a time."""
    for here, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            if Path(name).suffix.lower() in _SOUND:
                yield Path(here, name)


def _of_file(path: Path) -> Question:
    return Question(str(path), Utterance(str(path), path))


def _of_table(table: pd.DataFrame, root: Path) -> Iterator[Question]:
    """A row a question; paths are relative to where the table lies."""
    if not {"audio", "text"} & set(table.columns):
        names = ", ".join(map(str, table.columns))
        raise DataError(f"a table of questions has a column audio or text; this has {names}")
    for number, row in enumerate(table.to_dict("records")):
        known = {str(key): value for key, value in row.items() if pd.notna(value)}
        path = root / str(known["audio"]) if "audio" in known else None
        name = str(known.get("id", path or f"row {number}"))
        end = _seconds(name, "end", known["end"]) if "end" in known else None
        start = _seconds(name, "start", known.get("start", 0))
        channel = str(known.get("channel", "mix"))
        text = str(known["text"]).strip() if "text" in known else ""
        yield Question(
            name,
            Utterance(name, path, channel, start, end) if path else None,
            text or None,
            known.get("language"),
            known.get("speaker"),
        )


def _seconds(name: str, column: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DataError(f"{name}: {column} is '{value}', which is no number of seconds") from None
