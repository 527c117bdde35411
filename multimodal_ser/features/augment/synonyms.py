"""Words replaced by others of the same meaning, from a list of the user's."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.features.augment._draws import Share, happens
from multimodal_ser.features.augment._words import text_of, with_text
from multimodal_ser.files import file_hash
from multimodal_ser.types import ConfigError, DataError, Input, MissingError

_WORD = re.compile(r"\w+(?:['’-]\w+)*")


class Augment:
    """Says the same in other words, so that emotion is not tied to the corpus's vocabulary.

    file: UTF-8; a line is a group of words that may stand for each other, parted by commas or
    tabs; empty lines and those that begin with # are skipped. A member of several words may be put
    in, but is not looked for. rate: probability of each word of the list to be replaced, by a
    random other of its groups; case is ignored, and a capital first letter stays one. Inflection
    is left alone, so write the forms that occur. p: share of the texts that are changed.
    """

    modality = "text"
    STAGE = "input"

    def __init__(self, *, file: str, rate: Share = 0.3, p: Share = 1.0) -> None:
        self.others = _read(Path(file))
        self.rate = rate
        self.p = p

    @staticmethod
    def files_hash(options: Mapping[str, Any]) -> str:
        """Of the list, wherever it lies."""
        return file_hash(Path(options["file"]))

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, text = happens(generator, self.p), text_of(utterance)
        if not acts or text is None:
            return utterance
        composed = unicodedata.normalize("NFC", text)
        changed = _WORD.sub(lambda word: self._replaced(word[0], generator), composed)
        return utterance if changed == composed else with_text(utterance, changed)

    def _replaced(self, word: str, generator: np.random.Generator) -> str:
        others = self.others.get(word.casefold())
        if not others or generator.random() >= self.rate:
            return word
        other = others[int(generator.integers(len(others)))]
        return other[0].upper() + other[1:] if word[0].isupper() else other


def _read(path: Path) -> dict[str, list[str]]:
    """Word, in small letters → what may stand for it, in the order of the file."""
    others: dict[str, list[str]] = {}
    for number, group in _groups(path):
        if len(group) < 2:
            raise DataError(f"{path}, line {number}: a group needs two different words, {group}")
        for word in group:
            so_far = others.setdefault(word.casefold(), [])
            so_far += [other for other in group if other != word and other not in so_far]
    if not others:
        raise DataError(f"{path} holds no group of synonyms (a line is: word, word, word)")
    return others


def _groups(path: Path) -> list[tuple[int, list[str]]]:
    """Number of a line and its different words."""
    groups = []
    for number, line in enumerate(_text(path).splitlines(), 1):
        words = [" ".join(word.split()) for word in line.split("\t" if "\t" in line else ",")]
        different = {word.casefold(): word for word in reversed(words) if word}
        if different and not line.startswith("#"):
            groups.append((number, list(reversed(different.values()))))
    return groups


def _text(path: Path) -> str:
    try:
        return unicodedata.normalize("NFC", path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise MissingError(f"synonyms: there is no file {path}") from None
    except IsADirectoryError:
        raise ConfigError(f"synonyms: {path} is a folder; name a file") from None
    except UnicodeDecodeError as error:
        raise DataError(f"{path} is not UTF-8: {error}") from None


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once: two groups, which this writes."""
    path = folder / "synonyms.csv"
    path.write_text("alegría, gozo\npena, lástima, tristeza\nmañana\tmadrugada\n", "utf-8")
    return {"file": str(path), "rate": 0.5}
