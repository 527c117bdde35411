"""Changed copies of the training rows, made once: more rows for encoders that are cached.

The copies stand after all rows of the corpus, in K blocks of N rows. Rows that never train have
copies without content, which no encoder reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from multimodal_ser.features.contents import Content, text_content
from multimodal_ser.features.extraction import augmentation_of
from multimodal_ser.types import Change, Fold, Input, Utterance


def with_copies(rows: np.ndarray, copies: int, count: int) -> np.ndarray:
    """The rows and their copies, of a corpus of `count` rows."""
    return np.concatenate([rows + block * count for block in range(copies + 1)])


def extended(
    steps: str,
    copies: int,
    files: str,
    folds: Sequence[Fold],
    utterances: Sequence[Utterance],
    sounds: Sequence[Content | None] | None,
) -> tuple[list[Utterance], list[Content | None], list[Content | None]]:
    """Utterances, their sounds and their texts, followed by those of the copies.

    steps: names and options of the augmentations as JSON; copies: how many of each row; files: the
    hash of the files that the steps read. sounds: those of the corpus, None where nothing reads
    sound.
    """
    own: list[Content | None] = list(sounds or [None] * len(utterances))
    everything = [*utterances], [*own], [text_content(utterance) for utterance in utterances]
    trained = np.unique(np.concatenate([fold.train for fold in folds])).tolist()
    for copy in range(copies):
        block = [Utterance(utterance.id) for utterance in utterances]
        sound: list[Content | None] = [None] * len(utterances)
        for row in trained:
            block[row], sound[row] = _copy(utterances[row], own[row], (steps, files), copy)
        everything[0].extend(block)
        everything[1].extend(sound)
        everything[2].extend(text_content(changed) for changed in block)
    return everything


def _copy(
    utterance: Utterance, sound: Content | None, how: tuple[str, str], copy: int
) -> tuple[Utterance, Content | None]:
    """An utterance with its text changed, and its sound marked to be changed when it is read.

    how: the steps, and the hash of the files that they read. The random numbers depend on the
    content of the sound and the text, not on the name or the place of the utterance.
    """
    steps, held = how
    text = text_content(utterance)
    contents = f"{sound.key if sound else ''}/{text.key if text else ''}"
    seed = int.from_bytes(hashlib.blake2b(contents.encode(), digest_size=4).digest())
    change = Change(steps, copy, seed)
    hears = augmentation_of(steps).touches_input("audio")
    changed_input = augmentation_of(steps).of_input(
        Input(text=utterance.text, language=utterance.language), change.key
    )
    changed = replace(utterance, text=changed_input.text, change=change if hears else None)
    if sound is None or not hears:
        return changed, sound
    key = hashlib.blake2b(f"{sound.key}/{steps}/{held}/{copy}/{seed}".encode(), digest_size=16)
    return changed, Content(key.hexdigest(), sound.length)
