"""The transcription stage: text for utterances that have none, each sound decoded once.

Like features, transcripts are kept by what they were made from: a store is named by the recogniser,
its options, versions and weights, a row by the hash of its sound and the language asked for. A
batch is one file, so a kill loses at most the batch that was being decoded.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
import torch

from multimodal_ser.config import registry
from multimodal_ser.corpus import audio
from multimodal_ser.corpus.clusters import clusters
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.evaluation import statistics, word_errors
from multimodal_ser.evaluation.word_errors import rate
from multimodal_ser.features.contents import Content, audio_contents
from multimodal_ser.features.contents import recalled as known_sounds
from multimodal_ser.features.encode import recipe_of
from multimodal_ser.features.extraction import Batch, find_device, plan, read_input
from multimodal_ser.features.store import Recipe, sign
from multimodal_ser.files import write_atomically
from multimodal_ser.parallel import spread
from multimodal_ser.types import Input, Transcript, Utterance

FOLDER = "transcripts"
_USUAL = 60  # characters of a text that is not written yet, where the corpus has no other
_SAID_EVERY = 30.0  # seconds between two lines of progress where there is no terminal
_UNITS: dict[str, Literal["words", "characters"]] = {"WER": "words", "CER": "characters"}
_COLUMNS = [field.name for field in fields(Transcript)]


class TranscriptStore:
    """The transcripts of one recipe; what a kill or a bad disk has left is read as not there.

    look_only: everything on disk stays as it is.
    """

    def __init__(self, root: Path, recipe: Recipe, *, look_only: bool = False) -> None:
        self.folder = root / FOLDER / recipe.key()
        if not look_only:
            sign(self.folder, recipe)
        self.rows: dict[str, Transcript] = {}
        for path in sorted(self.folder.glob("*.jsonl")):
            self.rows |= _read(path)

    def put(self, rows: Mapping[str, Transcript]) -> None:
        """Add the transcripts of a batch, by key."""
        lines = [
            json.dumps([key, asdict(transcript)], ensure_ascii=False)
            for key, transcript in rows.items()
        ]
        checked = [f"{zlib.crc32(line.encode()):08x} {line}\n" for line in lines]
        path = self.folder / f"{uuid.uuid4().hex}.jsonl"
        write_atomically(path, "".join(checked).encode())
        self.rows |= rows


def damaged(root: Path) -> list[str]:
    """Every file of transcripts with a row that is not as it was written, or with none."""
    paths = sorted((root / FOLDER).glob("*/*.jsonl"))
    lines = {path: path.read_bytes().rstrip(b"\n").split(b"\n") for path in paths}
    return [str(path) for path in paths if len(_read(path)) < len(lines[path])]


def _read(path: Path) -> dict[str, Transcript]:
    """The rows of a file that are whole."""
    transcripts = {}
    for row in path.read_bytes().split(b"\n"):
        checksum, _, line = row.partition(b" ")
        if line and checksum == b"%08x" % zlib.crc32(line):
            key, plain = json.loads(line)
            transcripts[key] = Transcript(**plain | {"flags": tuple(plain["flags"])})
    return transcripts


def transcribe(
    name: str,
    options: Mapping[str, Any],
    utterances: Sequence[Utterance],
    contents: Sequence[Content | None],
    root: Path,
    *,
    device: str = "auto",
    workers: int | None = None,
) -> list[Transcript | None]:
    """The transcript of each utterance, None without sound; only new sounds are decoded.

    Batches are planned over all utterances before the store is looked at, as for features, because
    the last bits of a log probability depend on the other inputs of a batch.
    """
    recognizer, place = registry.find("asr", name), find_device(device)
    recipe = recipe_of(name, options, kind="asr")
    store = TranscriptStore(root, recipe)
    asked = [_keyed(*pair) for pair in zip(utterances, contents, strict=True)]
    planned = plan(recognizer, utterances, asked, place)
    batches = [
        batch for batch in planned if not all(content.key in store.rows for _, content in batch)
    ]
    if batches:
        transcript_batches = recognised(name, options, recipe.source, batches, place, workers)
        progress = _Progress(sum(len(batch) for batch in batches))
        for batch, transcripts in zip(batches, transcript_batches, strict=True):
            pairs = zip(batch, transcripts, strict=True)
            store.put({new.key: row for (_, new), row in pairs if new.key not in store.rows})
            progress.see(transcripts)
        progress.close()
    return [store.rows[sought.key] if sought else None for sought in asked]


def recalled(
    name: str,
    options: Mapping[str, Any],
    utterances: Sequence[Utterance],
    contents: Sequence[Content | None],
    root: Path,
) -> list[Transcript | None]:
    """The transcripts that are stored; None for an utterance that is not transcribed yet."""
    store = TranscriptStore(root, recipe_of(name, options, kind="asr"), look_only=True)
    asked = [_keyed(*pair) for pair in zip(utterances, contents, strict=True)]
    return [store.rows.get(sought.key) if sought else None for sought in asked]


def _keyed(utterance: Utterance, content: Content | None) -> Content | None:
    """The sound, together with the language that it is said to be in."""
    return content and Content(f"{content.key}:{utterance.language or ''}", content.length)


def recognised(
    name: str,
    options: Mapping[str, Any],
    weights: str,
    batches: Sequence[Batch],
    device: torch.device,
    workers: int | None,
) -> Iterator[list[Transcript]]:
    """A recogniser in every worker, or one on the accelerator and the sound from the workers."""
    parts = [[utterance for utterance, _ in batch] for batch in batches]
    if device.type == "cpu":
        jobs = [(name, dict(options), weights, part) for part in parts]
        yield from spread(_hear, jobs, workers=workers)
        return
    recognizer = registry.build("asr", name, options).to(device)
    rate = recognizer.RATE
    for inputs in spread(_sound, [(part, rate) for part in parts], workers=workers):
        yield recognizer.transcribe(inputs)


def _hear(
    name: str, options: Mapping[str, Any], weights: str, utterances: Sequence[Utterance]
) -> list[Transcript | None]:
    recognizer = _recognizer(name, json.dumps(options, sort_keys=True), weights)
    return recognizer.transcribe([_input(utterance) for utterance in utterances])


def _sound(utterances: Sequence[Utterance], rate: int) -> list[Input]:
    inputs = [_input(utterance) for utterance in utterances]
    return [
        Input(
            audio.resample(utterance.samples, utterance.rate, rate),
            rate,
            language=utterance.language,
        )
        if utterance.samples is not None and utterance.rate is not None
        else utterance
        for utterance in inputs
    ]


def _input(utterance: Utterance) -> Input:
    sound = read_input(utterance, "audio")
    return Input(sound.samples, sound.rate, language=utterance.language)


@lru_cache(maxsize=2)
def _recognizer(name: str, options: str, weights: str) -> Any:
    """A recogniser, kept in this process as long as its `weights` are the same."""
    return registry.build("asr", name, json.loads(options))


def called(name: str, options: Mapping[str, Any]) -> str:
    """The `text_source` of a text that this recogniser wrote."""
    model = options.get("model")
    return f"asr:{name}/{Path(str(model)).name}" if model else f"asr:{name}"


def transcribed(
    corpus: Corpus,
    part: tuple[str, Mapping[str, Any]],
    source: str,
    root: Path,
    *,
    device: str = "auto",
    workers: int | None = None,
) -> tuple[Corpus, pd.DataFrame]:
    """The corpus with text from a recogniser, and a table of all transcripts with their origin.

    part: its name and options. source: with `asr` every row gets its transcript or no text; with
    `asr_where_missing` only rows with sound and without text do. Where nobody speaks there is no
    text.
    """
    name, options = part
    rows = to_hear(corpus, source)
    chosen = [
        utterance for utterance, wanted in zip(corpus.utterances(), rows, strict=True) if wanted
    ]
    contents = audio_contents(chosen, root, workers=workers)
    transcripts = transcribe(name, options, chosen, contents, root, device=device, workers=workers)
    written = _table(corpus.table[rows], transcripts, name, options)
    return filled(corpus, rows, transcripts, called(name, options)), written


def foreseen(
    corpus: Corpus, part: tuple[str, Mapping[str, Any]], source: str, root: Path
) -> Corpus:
    """As `transcribed`, but with the stored transcripts only; nothing is computed.

    A text that is not stored yet is replaced by a text of its own, of the usual length.
    """
    name, options = part
    rows = to_hear(corpus, source)
    utterances, sounds, texts = remembered(corpus, rows, part, root)
    own = corpus.table["text"].str.len().dropna()
    length = int(own.mean()) if len(own) else 0
    foreseen_texts = [
        text
        or (sound and Transcript(f"unheard {utterance.id}".ljust(length or _USUAL, "…"), "", None))
        for text, sound, utterance in zip(texts, sounds, utterances, strict=True)
    ]
    return filled(corpus, rows, foreseen_texts, called(name, options))


def remembered(
    corpus: Corpus, rows: np.ndarray, part: tuple[str, Mapping[str, Any]], root: Path
) -> tuple[list[Utterance], list[Content | None], list[Transcript | None]]:
    """The utterances of some rows, their sounds and texts, as far as the caches know them."""
    name, options = part
    utterances = [
        utterance for utterance, wanted in zip(corpus.utterances(), rows, strict=True) if wanted
    ]
    sounds = known_sounds(utterances, root)
    if registry.find("asr", name).missing(options):
        return utterances, sounds, [None] * len(utterances)
    return utterances, sounds, recalled(name, options, utterances, sounds, root)


def to_hear(corpus: Corpus, source: str) -> np.ndarray:
    """`[N]` bool: the rows whose text a recogniser shall write."""
    if source == "asr_where_missing":
        return (corpus.table["text"].isna() & corpus.table["audio"].notna()).to_numpy()
    return np.full(len(corpus), True)


def filled(
    corpus: Corpus, rows: np.ndarray, transcripts: Sequence[Transcript | None], source: str
) -> Corpus:
    """The corpus with these transcripts as texts of these rows; no text without a transcript."""
    table = corpus.table.copy()
    table.loc[rows, "text"] = pd.array(
        [transcript.text if transcript else None for transcript in transcripts], dtype="str"
    )
    sources = [
        source if transcript and transcript.text is not None else None for transcript in transcripts
    ]
    table.loc[rows, "text_source"] = pd.array(sources, dtype="str")
    return replace(corpus, table=table)


def _table(
    rows: pd.DataFrame,
    transcripts: Sequence[Transcript | None],
    name: str,
    options: Mapping[str, Any],
) -> pd.DataFrame:
    """One row for each transcript: its `id`, and how it came about."""
    has_sound = [transcript is not None for transcript in transcripts]
    table = pd.DataFrame(
        [asdict(transcript) for transcript in transcripts if transcript], columns=_COLUMNS
    )
    table.insert(0, "id", rows["id"].to_numpy()[has_sound])
    table.insert(2, "text_source", called(name, options))
    table["flags"] = pd.array(["; ".join(flags) for flags in table["flags"]], dtype="str")
    recipe = recipe_of(name, options, kind="asr")
    return table.assign(
        reference=rows["text"].to_numpy()[has_sound],
        engine=name,
        model=str(options.get("model", "")),
        checksum=recipe.source,
        options=recipe.options,
    )


def error_rates(corpus: Corpus, written: pd.DataFrame) -> dict[str, tuple[float, float, float]]:
    """`WER` and `CER` with 95 % intervals from whole clusters; empty without reference texts.

    They are computed over the rows that have a text of the corpus's own. Where the recogniser wrote
    nothing, all words count as deleted.
    """
    rows = written[written["reference"].notna()]
    if rows.empty:
        return {}
    place = pd.Series(clusters(corpus.table), index=corpus.table["id"])
    codes = pd.factorize(place[rows["id"]])[0]
    pairs = list(zip(rows["reference"], rows["text"].fillna(""), strict=True))
    rates = {}
    for name, unit in _UNITS.items():
        counts = np.stack([word_errors.tally(*pair, unit) for pair in pairs])
        tallies = statistics.summed(counts, codes)
        drawn = statistics.resampled(tallies[None], lambda sums: np.asarray(rate(sums)))
        low, high = statistics.interval(drawn, len(tallies))
        rates[name] = (float(rate(tallies.sum(0))), float(low), float(high))
    return rates


class _Progress:
    """Shows how far it is, and how much faster than speech, on a terminal in a moving line."""

    def __init__(self, total: int) -> None:
        self.total, self.done, self.seconds = total, 0, 0.0
        self.began = self.said = time.monotonic()

    def see(self, transcripts: Sequence[Transcript]) -> None:
        self.done += len(transcripts)
        self.seconds += sum(transcript.seconds for transcript in transcripts)
        now = time.monotonic()
        if sys.stderr.isatty():
            print(f"\r{self._line(now)}\033[K", end="", file=sys.stderr, flush=True)
        elif now - self.said > _SAID_EVERY:
            self.said = now
            print(self._line(now), file=sys.stderr, flush=True)

    def close(self) -> None:
        end = "\r" if sys.stderr.isatty() else ""
        print(f"{end}{self._line(time.monotonic())}", file=sys.stderr, flush=True)

    def _line(self, now: float) -> str:
        rate = self.seconds / max(now - self.began, 1e-9)
        return (
            f"transcribed {self.done} of {self.total} utterances, {self.seconds:.0f} s of sound at "
            f"{rate:.1f} audio-seconds per second"
        )
