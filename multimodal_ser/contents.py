"""What each utterance holds, wherever it lies: hashes of decoded segments and of texts.

Decoding a corpus to know what is in it costs as much as a light encoder, so the answer is kept per
state of a file (path, size, time, segment, channel).
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from multimodal_ser import audio
from multimodal_ser.cache import write_atomically
from multimodal_ser.engines.local import spread
from multimodal_ser.types import DataError, Utterance, listed


@dataclass(frozen=True, slots=True)
class Content:
    """What an input is, wherever it lies: its hash, and its length in samples or characters."""

    key: str
    length: int


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
