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
        """The answer as JSON holds it."""
        content = asdict(self)
        del content["error"]
        return content

    def row(self) -> dict[str, Any]:
        """The answer as a row of a table; labels are one cell, as in `predictions.csv`."""
        if self.error is not None:
            return {"source": self.source, "error": str(self.error)}
        single = len(self.scores) == 1
        scores = {
            f"{_SCORE}{name}" if single else f"{_SCORE}{target}:{name}": value
            for target, by_name in self.scores.items()
            for name, value in by_name.items()
        }
        transcript = self.transcript
        return {
            "source": self.source,
            **{
                target: cell(value) if isinstance(value, list) else value
                for target, value in self.values.items()
            },
            **scores,
            "text": self.text,
            "text_source": self.text_source,
            "flags": "; ".join(transcript.flags) if transcript else "",
            **{f"seconds:{stage}": value for stage, value in self.seconds.items()},
        }


def answered(
    answers: Sequence[Answer],
    scores: Mapping[str, np.ndarray],
    classes: Mapping[str, Sequence[str]],
    thresholds: Mapping[str, np.ndarray],
    abstain: float,
) -> list[Answer]:
    """The answers with the values that their scores mean.

    scores: target → `[N, C]`, a row for each answer without an error. thresholds: target of labels
    → `[C]`. abstain: no class or label is named whose probability is lower.
    """
    complete, rows = [], iter(range(len(answers)))
    for answer in answers:
        if answer.error is None:
            row = next(rows)
            values = {target: several[row] for target, several in scores.items()}
            answer = _with_values(answer, values, classes, thresholds, abstain)
        complete.append(answer)
    return complete


def _with_values(
    answer: Answer,
    scores_of_targets: Mapping[str, np.ndarray],
    classes: Mapping[str, Sequence[str]],
    thresholds: Mapping[str, np.ndarray],
    abstain: float,
) -> Answer:
    values: dict[str, str | list[str] | float | None] = {}
    scores = {}
    for target, row in scores_of_targets.items():
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
    return replace(answer, values=values, scores=scores)


def as_table(answers: Sequence[Answer]) -> pd.DataFrame:
    """A row a question; the first error is raised."""
    failed = [answer.error for answer in answers if answer.error is not None]
    if failed:
        raise failed[0]
    return pd.DataFrame([answer.row() for answer in answers])


def questions(what: Any, *, rate: int | None = None, text: str | None = None) -> list[Question]:
    """From a file, a folder, a table, samples with their `rate`, a DataFrame, or a list of those.

    text: of a single recording.
    """
    questions_asked = list(_each(what, rate))
    if text is None:
        return questions_asked
    if len(questions_asked) != 1:
        raise ConfigError(
            f"one text for {len(questions_asked)} recordings; give a table with a column text"
        )
    return [Question(questions_asked[0].source, questions_asked[0].sound, text)]


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
        for item in what:
            yield from _each(item, rate)


def _sounds(folder: Path) -> Iterator[Path]:
    """The sound files below a folder, sorted; the names of one folder at a time are in memory."""
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
        cells = {str(key): value for key, value in row.items() if pd.notna(value)}
        path = root / str(cells["audio"]) if "audio" in cells else None
        name = str(cells.get("id", path or f"row {number}"))
        end = _seconds(name, "end", cells["end"]) if "end" in cells else None
        start = _seconds(name, "start", cells.get("start", 0))
        channel = str(cells.get("channel", "mix"))
        text = str(cells["text"]).strip() if "text" in cells else ""
        yield Question(
            name,
            Utterance(name, path, channel, start, end) if path else None,
            text or None,
            cells.get("language"),
            cells.get("speaker"),
        )


def _seconds(name: str, column: str, value: Any) -> float:
    try:
        return float(value)
    except (TypeError, ValueError):
        raise DataError(f"{name}: {column} is '{value}', which is no number of seconds") from None
