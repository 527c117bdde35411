"""A finished run judges its test part again, with a change of the text that should not matter."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import chain

import pandas as pd

from multimodal_ser.evaluation.predictions import SCORE, answers, classes_of, codes
from multimodal_ser.features.augment.punctuation import MARK
from multimodal_ser.inference.load import stream
from multimodal_ser.inference.questions import Question
from multimodal_ser.runs.run import Run
from multimodal_ser.types import ConfigError, MissingError

_BATCH = 500  # questions


@dataclass(frozen=True)
class Moves:
    """flipped: share of the answers that name another class. mean, largest: how far the probability
    of the class that had won has moved, up or down.
    """

    flipped: float
    mean: float
    largest: float


def retold(done: Run, change: Callable[[str], str]) -> pd.DataFrame:
    """The predictions of the test part for the first target, from changed texts.

    Each model judges the rows that it was tested on. The sound stays as it was. An utterance that
    has no text and cannot be judged without one keeps its scores.
    """
    target = done.experiment.first
    if done.experiment.outputs[target].kind != "classes":
        raise ConfigError(f"outputs.{target}: only of classes can a winner be told")
    if "text" not in done.experiment.modalities:
        raise ConfigError("encoders: none reads text, so nothing would change")
    rows = done.part("test")
    questions_by_id = _questions(done, change)
    models = sorted(set(zip(rows["fold"], rows["seed"], strict=True)))
    answers_of_models = [
        _judged(done, rows, questions_by_id, int(fold), int(seed)) for fold, seed in models
    ]
    judged = pd.concat(answers_of_models).sort_index()
    return judged.assign(value=answers(judged))


def moves(before: pd.DataFrame, after: pd.DataFrame) -> Moves:
    """How two tables of predictions of classes differ; they have the same utterances and seeds."""
    before, after = (table.sort_values(["repeat", "seed", "id"]) for table in (before, after))
    won, wins = codes(before)[1], codes(after)[1]
    columns = [SCORE + name for name in classes_of(before)]
    every = range(len(won))
    moved = after[columns].to_numpy()[every, won] - before[columns].to_numpy()[every, won]
    return Moves(float((won != wins).mean()), float(abs(moved).mean()), float(abs(moved).max()))


def _questions(done: Run, change: Callable[[str], str]) -> dict[str, Question]:
    """Id → question, with the sound only where an encoder reads it."""
    table = done.prepared.corpus.table
    speakers = dict(zip(table["id"], table["speaker"].astype(object), strict=True))
    reads_sound = "audio" in done.experiment.modalities
    return {
        utterance.id: Question(
            utterance.id,
            utterance if reads_sound and utterance.audio else None,
            None if utterance.text is None else change(utterance.text),
            utterance.language,
            speakers[utterance.id] if pd.notna(speakers[utterance.id]) else None,
        )
        for utterance in done.prepared.corpus.utterances()
    }


def _judged(
    done: Run, rows: pd.DataFrame, questions_by_id: dict[str, Question], fold: int, seed: int
) -> pd.DataFrame:
    """The rows of one model with the scores that it gives now."""
    rows = rows[(rows["fold"] == fold) & (rows["seed"] == seed)].copy()
    chosen = [questions_by_id[name] for name in rows["id"]]
    batches = [chosen[start : start + _BATCH] for start in range(0, len(chosen), _BATCH)]
    how = {"workers": done.experiment.workers, "device": done.experiment.device}
    answers_given = chain.from_iterable(stream(done.folder, batches, fold=fold, seed=seed, **how))
    scores = {}
    for row, question, answer in zip(rows.index, chosen, answers_given, strict=True):
        if answer.error is None:
            scores[row] = answer.scores[done.experiment.first]
        elif question.text is not None or not isinstance(answer.error, MissingError):
            raise answer.error
    changed = pd.DataFrame.from_dict(scores, orient="index").add_prefix(SCORE)
    rows.loc[changed.index, list(changed.columns)] = changed
    return rows


_WORD = re.compile(r"\w")
_END = re.compile(r"[\s.,;:…]*$")
_ACCENT = re.compile(r"(?!(?<=[nN])\u0303)[\u0300-\u036f]")  # ñ is a letter of its own


def comma(text: str) -> str:
    """Commas for full stops, the last one too; dots of omission stay."""
    return MARK.sub(lambda mark: "," if mark[0] == "." else mark[0], text)


def unpunctuated(text: str) -> str:
    """Without marks."""
    bare = MARK.sub("", text)
    return bare if bare.strip() else text


def exclaimed(text: str) -> str:
    """Ending in an exclamation mark: for a full stop or comma, behind any other mark."""
    if not _WORD.search(text):
        return text
    return _END.sub("", text).removesuffix("!") + "!"


def lower(text: str) -> str:
    """In small letters."""
    return text.lower()


def unaccented(text: str) -> str:
    """Letters without accents (é, ü, ç), but for ñ, which makes other words."""
    return unicodedata.normalize("NFC", _ACCENT.sub("", unicodedata.normalize("NFD", text)))


CHANGES: Mapping[str, Callable[[str], str]] = {
    "comma": comma,
    "unpunctuated": unpunctuated,
    "exclaimed": exclaimed,
    "lower": lower,
    "unaccented": unaccented,
}
