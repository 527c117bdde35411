"""The content of each utterance, wherever it lies: hashes of decoded segments and of texts.

To decode a corpus in order to know its content costs as much as a light encoder. So the result is
kept for each state of a file (path, size, time, segment, channel).
"""

from __future__ import annotations

import hashlib
import json
import random
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from multimodal_ser.corpus import audio
from multimodal_ser.files import write_atomically
from multimodal_ser.parallel import spread
from multimodal_ser.types import DataError, Utterance, listed

UNHEARD = "unheard:"
_HEADERS = 2048  # of so many new segments at most the header is read to say how long they are
_NOTED = 4096  # segments after which what is known of them is written down


class DecodeHook(Protocol):
    """Something else that is made of a segment while it is decoded, so that it is decoded once."""

    @property
    def encode_clip(self) -> Callable[[np.ndarray, int], Any]:
        """samples and rate → what is made of them. It runs in a worker."""
        ...

    def keep(self, key: str, encoded: Any, /) -> None:
        """Keep what was made of the segment whose content is `key`."""


@dataclass(frozen=True, slots=True)
class Content:
    """The content of an input: its hash, and its length in samples or characters."""

    key: str
    length: int


def text_content(utterance: Utterance) -> Content | None:
    """The content of the text and its language; None where there is no text."""
    if utterance.text is None:
        return None
    data = f"{utterance.language or ''}\n{utterance.text}".encode()
    return Content(hashlib.blake2b(data, digest_size=16).hexdigest(), len(utterance.text))


def audio_contents(
    utterances: Sequence[Utterance],
    root: Path,
    *,
    workers: int | None = None,
    on_decode: DecodeHook | None = None,
) -> list[Content | None]:
    """The content of every segment; DataError lists all that cannot be read.

    Remembered per file state, so that a corpus is decoded for this once. One in a hundred is
    decoded again; where one differs from memory, nothing is believed and all are.
    """
    states = [_state(utterance) for utterance in utterances]
    memory = _remembered(root)
    states_known = sorted({state for state in states if state and state in memory})
    recheck = set(random.SystemRandom().sample(states_known, -(-len(states_known) // 100)))
    decoded_again = dict(_decoded(utterances, states, recheck, workers))
    if any(memory[state] != content for state, content in decoded_again.items()):
        memory = {}
    wanted = {state for state in states if state and state not in memory}
    new: dict[str, Content] = {}
    try:
        for state, content in _decoded(utterances, states, wanted, workers, on_decode):
            new[state] = content
            if len(new) == _NOTED:
                _note(root, new)
                memory, new = memory | new, {}
    finally:
        _note(root, new)
    memory |= new
    return [memory[state] if state else None for state in states]


def recalled(utterances: Sequence[Utterance], root: Path) -> list[Content | None]:
    """As `audio_contents`, but from memory alone: nothing is decoded and nothing is written.

    A segment that is not in memory gets a key of its own, which starts with `UNHEARD`, and the
    length from its header. Where there are very many of these, some headers are read and the others
    get the mean length.
    """
    states = [_state(utterance) for utterance in utterances]
    memory = _remembered(root)
    new = {
        state: utterance
        for state, utterance in zip(states, utterances, strict=True)
        if state and state not in memory
    }
    asked = [*new][:: -(-len(new) // _HEADERS) or 1]
    lengths = {state: audio.length(new[state]) for state in asked}
    usual = sum(lengths.values()) // max(len(lengths), 1)
    memory |= {state: Content(UNHEARD + state, lengths.get(state, usual)) for state in new}
    return [memory[state] if state else None for state in states]


def _note(root: Path, new: Mapping[str, Content]) -> None:
    if new:
        plain = {state: [content.key, content.length] for state, content in new.items()}
        path = root / "contents" / f"{uuid.uuid4().hex}.json"
        write_atomically(path, json.dumps(plain).encode())


def verify_contents(root: Path) -> list[str]:
    """Decode every remembered file that has not changed, and name those of other content."""
    remembered = _remembered(root)
    utterances = {state: _from_state(state) for state in remembered}
    current = {
        state: utterance
        for state, utterance in utterances.items()
        if utterance.audio is not None and utterance.audio.is_file() and _state(utterance) == state
    }
    decoded = _decoded([*current.values()], [*current], set(current), None)
    return [state for state, content in decoded if content != remembered[state]]


def _state(utterance: Utterance) -> str:
    """The name of a segment of a file as the file is now; empty where there is no audio."""
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


def _decoded(
    utterances: Sequence[Utterance],
    states: Sequence[str],
    wanted: set[str],
    workers: int | None,
    on_decode: DecodeHook | None = None,
) -> Iterator[tuple[str, Content]]:
    """State and content of each segment wanted; at the end DataError lists those that failed."""
    distinct = {
        state: utterance
        for state, utterance in zip(states, utterances, strict=True)
        if state in wanted
    }
    pairs = list(distinct.items())
    blocks = [pairs[first : first + 32] for first in range(0, len(pairs), 32)]
    encode_clip = on_decode.encode_clip if on_decode else None
    jobs = [([utterance for _, utterance in block], encode_clip) for block in blocks]
    label = f"decode {len(distinct)} segments" if len(distinct) > 64 else ""
    failed: dict[str, str] = {}
    if len(jobs) == 1 and encode_clip is None:  # a worker would start longer than it decodes
        outcomes = iter([_hash_block(*jobs[0])])
    else:
        outcomes = spread(_hash_block, jobs, workers=workers, label=label)
    for block, outcome in zip(blocks, outcomes, strict=True):
        for (state, _), result in zip(block, outcome, strict=True):
            if isinstance(result, str):
                failed[state] = result
                continue
            content, encoded = result
            if on_decode:
                on_decode.keep(content.key, encoded)
            yield state, content
    if failed:
        named = zip(states, utterances, strict=True)
        rows = [f"{utterance.id}: {failed[state]}" for state, utterance in named if state in failed]
        raise DataError(listed(rows, "segments cannot be read"))


EncodeClip = Callable[[np.ndarray, int], Any]


def _hash_block(
    utterances: Sequence[Utterance], encode_clip: EncodeClip | None
) -> list[tuple[Content, Any] | str]:
    return [_hash(utterance, encode_clip) for utterance in utterances]


def _hash(utterance: Utterance, encode_clip: EncodeClip | None) -> tuple[Content, Any] | str:
    """The content and what was encoded, or a sentence on what is wrong with the segment."""
    try:
        samples, rate = audio.read(utterance)
        encoded = encode_clip(samples, rate) if encode_clip else None
    except DataError as error:
        return str(error)
    return Content(audio.content_hash(samples, rate), len(samples)), encoded
