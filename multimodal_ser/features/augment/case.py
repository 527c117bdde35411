"""Another case: all small letters, all capitals, Title Case, or the first letter flipped."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from multimodal_ser.features.augment._draws import Share, happens
from multimodal_ser.features.augment._words import text_of, with_text
from multimodal_ser.types import Input

Kind = Literal["lower", "upper", "title", "first"]

_WORD = re.compile(r"\w(?:['’]?\w)*")
_LETTER = re.compile(r"[^\W\d_]")


class Augment:
    """Changes the case, which recognisers and writers choose as they please.

    kinds: one is drawn a text: `lower`, `upper`, `title` (every word's first letter a capital, its
    others small), `first` (only the text's first letter changes its case). Letters that other case
    would make different ones (ı, whose capital is I) are left alone. p: share of the texts that
    are changed.
    """

    modality = "text"
    STAGE = "input"

    def __init__(
        self,
        *,
        kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = (
            "lower",
            "upper",
            "title",
            "first",
        ),
        p: Share = 1.0,
    ) -> None:
        self.kinds = kinds
        self.p = p

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, text = happens(generator, self.p), text_of(utterance)
        if not acts or text is None:
            return utterance
        kind = self.kinds[int(generator.integers(len(self.kinds)))]
        return with_text(utterance, _CHANGES[kind](text))


def _mapped(text: str, change: Callable[[str], str]) -> str:
    """Letter by letter, without those that would become another letter."""
    changed = [(letter, change(letter)) for letter in text]
    return "".join(new if new.casefold() == old.casefold() else old for old, new in changed)


def _lower(text: str) -> str:
    return _mapped(text, str.lower)


def _upper(text: str) -> str:
    return _mapped(text, str.upper)


def _title(text: str) -> str:
    return _WORD.sub(lambda word: _mapped(word[0][0], str.title) + _lower(word[0][1:]), text)


def _first(text: str) -> str:
    return _LETTER.sub(lambda letter: _mapped(letter[0], str.swapcase), text, count=1)


_CHANGES: dict[str, Callable[[str], str]] = {
    "lower": _lower,
    "upper": _upper,
    "title": _title,
    "first": _first,
}


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"kinds": ("upper", "first")}
