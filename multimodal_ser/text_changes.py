"""What a text may lose or gain without another word being said: marks, capitals, accents.

A recogniser guesses these and a writer chooses them, so a score that hangs on them hangs on
nothing that was said. Marks inside a word or a number (3.5, e.g) belong to it and stay, and a text
of nothing but marks stays as it is, as in the augmentation of the same name.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Mapping

from multimodal_ser.features.augment.punctuation import MARK

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
