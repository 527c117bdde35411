"""The encoding stage: utterances → rows in the cache, each distinct input computed once."""

from __future__ import annotations

import hashlib
import inspect
import json
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from multimodal_ser import audio, components
from multimodal_ser.cache import Recipe, Store, write_atomically
from multimodal_ser.engines.local import spread
from multimodal_ser.types import DataError, Features, Input, Utterance, listed

_BATCH = 16
_SHARD_ROWS = 512


@dataclass(frozen=True, slots=True)
class Content:
    """What an input is, wherever it lies: its hash, and its length in samples or characters."""

    key: str
    length: int


@dataclass(frozen=True)
class Encoded:
    """Where the features of some utterances are: `keys` `[N]`, `""` for a missing modality."""

    root: Path
    recipe: Recipe
    keys: tuple[str, ...]

    def load(self) -> list[np.ndarray | None]:
        """`[T, D]` float32 for each utterance, None where the modality is missing."""
        store = Store(self.root, self.recipe)
        rows = store.get([key for key in dict.fromkeys(self.keys) if key])
        return [rows[key] if key else None for key in self.keys]


def text_content(utterance: Utterance) -> Content | None:
    """Of the text and its language; None where the text is missing."""
    if utterance.text is None:
        return None
    data = f"{utterance.language or ''}\n{utterance.text}".encode()
    return Content(hashlib.blake2b(data, digest_size=16).hexdigest(), len(utterance.text))


def audio_contents(
    utterances: Sequence[Utterance], root: Path, *, workers: int | None = None
) -> list[Content | None]:
    """The content of every segment; DataError lists all that cannot be read.

    Remembered per file state, so that a corpus is decoded for this once. One in a hundred is
    decoded again; where one differs from memory, nothing is believed and all are.
    """
    states = [_state(utterance) for utterance in utterances]
    memory = _remembered(root)
    known = sorted({state for state in states if state and state in memory})
    recheck = set(random.SystemRandom().sample(known, -(-len(known) // 100)))
    found = _decode_contents(utterances, states, recheck, workers)
    if any(memory[state] != content for state, content in found.items()):
        memory = {}
    wanted = {state for state in states if state and state not in memory}
    new = _decode_contents(utterances, states, wanted - set(found), workers) | {
        state: content for state, content in found.items() if state in wanted
    }
    if new:
        plain = {state: [content.key, content.length] for state, content in new.items()}
        path = root / "contents" / f"{uuid.uuid4().hex}.json"
        write_atomically(path, json.dumps(plain).encode())
    memory |= new
    return [memory[state] if state else None for state in states]


def verify_contents(root: Path) -> list[str]:
    """Decode again what is remembered of files that have not changed since; what differs."""
    remembered = _remembered(root)
    utterances = {state: _from_state(state) for state in remembered}
    current = {
        state: one
        for state, one in utterances.items()
        if one.audio is not None and one.audio.is_file() and _state(one) == state
    }
    found = _decode_contents([*current.values()], [*current], set(current), None)
    return [state for state, content in found.items() if content != remembered[state]]


def encode(
    name: str,
    options: Mapping[str, Any],
    utterances: Sequence[Utterance],
    contents: Sequence[Content | None],
    root: Path,
    *,
    workers: int | None = None,
    label: str = "",
) -> Encoded:
    """Fill the cache with a frozen encoder's features of the utterances.

    Batches are planned over all of them before the cache is looked at, so that what a batch
    computes does not depend on what an earlier run had finished.
    """
    recipe = recipe_of(name, options)
    store = Store(root, recipe)
    shard: dict[str, np.ndarray] = {}
    batches = [
        batch
        for batch in _plan(utterances, contents)
        if not all(content.key in store for _, content in batch)
    ]
    jobs = [(name, dict(options), [utterance for utterance, _ in batch]) for batch in batches]
    for batch, rows in zip(
        batches, spread(_encode_batch, jobs, workers=workers, label=label), strict=True
    ):
        for (_, content), row in zip(batch, rows, strict=True):
            if content.key not in store:
                shard[content.key] = row
        if len(shard) >= _SHARD_ROWS:
            store.put(shard)
            shard = {}
    store.put(shard)
    return Encoded(root, recipe, tuple(content.key if content else "" for content in contents))


def recipe_of(name: str, options: Mapping[str, Any]) -> Recipe:
    """Code from outside the package is part of the recipe by its source."""
    encoder = components.find("encoders", name)
    source = ""
    if name not in components.names("encoders"):
        text = inspect.getsource(components.module("encoders", name))
        source = hashlib.sha256(text.encode()).hexdigest()[:16]
    text = json.dumps(dict(options), sort_keys=True)
    return Recipe(name, text, encoder.VERSION, tuple(encoder.VALUE_LIBRARIES), source=source)


def read_input(utterance: Utterance, modality: str) -> Input:
    """What an encoder of this modality may see of the utterance."""
    if modality == "text":
        return Input(text=utterance.text, language=utterance.language)
    if utterance.audio is None:
        return Input()
    samples, rate = audio.read(utterance)
    return Input(samples=samples, rate=rate)


def run_encoder(encoder: Any, inputs: Sequence[Input]) -> list[np.ndarray]:
    """`[T, D]` for each input, without padding; `[0, D]` for a missing one."""
    with torch.inference_mode():
        features: Features = encoder(**encoder.prepare(inputs))
    pairs = zip(features.x, features.mask, strict=True)
    return [x[mask].to(torch.float32).numpy() for x, mask in pairs]


def _plan(
    utterances: Sequence[Utterance], contents: Sequence[Content | None]
) -> list[list[tuple[Utterance, Content]]]:
    """Batches of distinct inputs of like length."""
    distinct = {
        content.key: (utterance, content)
        for utterance, content in zip(utterances, contents, strict=True)
        if content
    }
    ordered = sorted(distinct.values(), key=lambda pair: (pair[1].length, pair[1].key))
    return [ordered[first : first + _BATCH] for first in range(0, len(ordered), _BATCH)]


def _encode_batch(
    name: str, options: dict[str, Any], utterances: list[Utterance]
) -> list[np.ndarray]:
    encoder = _encoder(name, json.dumps(options, sort_keys=True))
    inputs = [read_input(utterance, encoder.modality) for utterance in utterances]
    rows = run_encoder(encoder, inputs)
    bad = [one.id for one, row in zip(utterances, rows, strict=True) if not np.isfinite(row).all()]
    if bad:
        raise DataError(listed(bad, f"utterances got NaN or infinite features from {name}"))
    return rows


@lru_cache(maxsize=4)
def _encoder(name: str, options: str) -> Any:
    return components.build("encoders", name, json.loads(options)).eval()


def _state(utterance: Utterance) -> str:
    """Names a segment of a file as it is now; empty where there is no audio."""
    if utterance.audio is None:
        return ""
    try:
        stat = utterance.audio.stat()
    except OSError as error:
        raise DataError(f"{utterance.id}: {utterance.audio}: {error.strerror}") from None
    parts = (utterance.audio, stat.st_size, stat.st_mtime_ns,
             utterance.start, utterance.end, utterance.channel)  # fmt: skip
    return "|".join(map(str, parts))


def _from_state(state: str) -> Utterance:
    path, _, _, start, end, channel = state.rsplit("|", 5)
    stop = None if end == "None" else float(end)
    return Utterance(path, Path(path), channel, float(start), stop)


def _remembered(root: Path) -> dict[str, Content]:
    memory: dict[str, Content] = {}
    for path in sorted((root / "contents").glob("*.json")):
        plain = json.loads(path.read_text("utf-8"))
        memory |= {state: Content(key, length) for state, (key, length) in plain.items()}
    return memory


def _decode_contents(
    utterances: Sequence[Utterance],
    states: Sequence[str],
    wanted: set[str],
    workers: int | None,
) -> dict[str, Content]:
    distinct = {
        state: one for state, one in zip(states, utterances, strict=True) if state in wanted
    }
    blocks = list(_blocks(list(distinct.values()), 64))
    label = f"decode {len(distinct)} segments" if len(distinct) > 64 else ""
    results = spread(_hash_block, [(block,) for block in blocks], workers=workers, label=label)
    outcomes = dict(zip(distinct, (one for block in results for one in block), strict=True))
    failed = {state: outcome for state, outcome in outcomes.items() if isinstance(outcome, str)}
    if failed:
        pairs = zip(states, utterances, strict=True)
        rows = [f"{one.id}: {failed[state]}" for state, one in pairs if state in failed]
        raise DataError(listed(rows, "segments cannot be read"))
    return outcomes


def _blocks(items: list[Utterance], size: int) -> Iterator[list[Utterance]]:
    for first in range(0, len(items), size):
        yield items[first : first + size]


def _hash_block(utterances: list[Utterance]) -> list[Content | str]:
    return [_hash(utterance) for utterance in utterances]


def _hash(utterance: Utterance) -> Content | str:
    """The content, or what is wrong with the segment."""
    try:
        samples, rate = audio.read(utterance)
    except DataError as error:
        return str(error)
    return Content(audio.content_hash(samples, rate), len(samples))
