"""Typing errors: neighbouring keys, and letters doubled, dropped or transposed."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from multimodal_ser.features.augment._draws import Share, happens
from multimodal_ser.features.augment._words import chosen, text_of, with_text
from multimodal_ser.types import Input

Kind = Literal["neighbour", "doubled", "dropped", "transposed"]

_WORD = re.compile(r"[^\W\d_]+")
_ROWS = ("qwertyuiop", "asdfghjklñ", "zxcvbnm")


class Augment:
    """Misspells, because what people type is not what a corpus's transcribers typed.

    rate: probability of each letter to be mistyped. kinds: one of those that are possible is drawn
    for each: `neighbour` (a key beside it on a Spanish QWERTY keyboard; accents are lost),
    `doubled`, `dropped`, `transposed` (with the next letter of the word, unless it is the same).
    A word keeps one letter at least; digits and marks stay. p: share of the texts that are changed.
    """

    modality = "text"
    STAGE = "input"

    def __init__(
        self,
        *,
        rate: Share = 0.03,
        kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = (
            "neighbour",
            "doubled",
            "dropped",
            "transposed",
        ),
        p: Share = 1.0,
    ) -> None:
        self.rate = rate
        self.kinds = kinds
        self.p = p

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, text = happens(generator, self.p), text_of(utterance)
        if not acts or text is None:
            return utterance
        composed = unicodedata.normalize("NFC", text)
        changed = _WORD.sub(lambda word: self._mistyped(word[0], generator), composed)
        return utterance if changed == composed else with_text(utterance, changed)

    def _mistyped(self, word: str, generator: np.random.Generator) -> str:
        letters = list(word)
        for at, mistyped in enumerate(chosen(generator, len(word), self.rate)):
            if mistyped:
                self._mistype(letters, at, generator)
        return "".join(letters)

    def _mistype(self, letters: list[str], at: int, generator: np.random.Generator) -> None:
        """In place; a letter keeps its place in the list, so that later ones are still found."""
        possible = [kind for kind in self.kinds if _can(kind, letters, at)]
        kind = possible[int(generator.integers(len(possible)))] if possible else None
        if kind == "neighbour":
            near = _neighbours(letters[at])
            letters[at] = near[int(generator.integers(len(near)))]
        elif kind == "doubled":
            letters[at] *= 2
        elif kind == "dropped":
            letters[at] = ""
        elif kind == "transposed":
            letters[at], letters[at + 1] = letters[at + 1], letters[at]


def _can(kind: Kind, letters: list[str], at: int) -> bool:
    """Whether a typo at this place would change the word and leave a letter of it."""
    if kind == "neighbour":
        return bool(_neighbours(letters[at]))
    if kind == "dropped":
        return sum(map(bool, letters)) > 1
    return kind == "doubled" or (at + 1 < len(letters) and letters[at] != letters[at + 1])


def _neighbours(letter: str) -> str:
    """The keys beside the letter's, in its case; none for a letter that has no key."""
    plain = letter.lower()
    near = _KEYS.get(plain) or _KEYS.get(unicodedata.normalize("NFD", plain)[:1], "")
    return near.upper() if letter.isupper() else near


def _keys() -> dict[str, str]:
    """Key → those left and right of it and the two it touches in the row above and below."""
    places = {key: (row, at) for row, keys in enumerate(_ROWS) for at, key in enumerate(keys)}
    beside = {(0, -1), (0, 1), (1, -1), (1, 0), (-1, 0), (-1, 1)}
    return {
        key: "".join(
            other
            for other, (other_row, other_at) in places.items()
            if (other_row - row, other_at - at) in beside
        )
        for key, (row, at) in places.items()
    }


_KEYS = _keys()


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"rate": 0.3}
