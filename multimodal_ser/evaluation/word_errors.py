"""Word and character error rates of transcripts.

Errors are tallied per utterance and summed before they are divided: a rate is pooled, so an
utterance counts by its length and one wrong short answer does not weigh as much as a wrong speech.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from typing import Literal

import numpy as np

_IN_NUMBER = re.compile(r"(?<=\d)[.,:](?=\d)")


def words(text: str) -> list[str]:
    """Words as they are compared: case, punctuation, blanks and the Unicode form (NFC) aside.

    Accents and ñ are spelling and stay. Numbers stay as they are written, with the point, comma
    or colon between two digits: `1.516` is one word, and another than `1516` or `mil quinientos`.
    An apostrophe or hyphen splits: writers and recognisers disagree on `ex-presidente` and
    `ex presidente`, and an elision (`l'amic`) is two words. Symbols (`%`, `€`) go like
    punctuation, characters that are never seen (a soft hyphen) without a blank.

    >>> words("¿Qué… «pasó» a las 10:30, ex-presidente?")
    ['qué', 'pasó', 'a', 'las', '10:30', 'ex', 'presidente']
    """
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).casefold())
    kept = {mark.start() for mark in _IN_NUMBER.finditer(folded)}
    plain = (
        character if place in kept else _letter(character) for place, character in enumerate(folded)
    )
    return "".join(plain).split()


def characters(text: str) -> list[str]:
    """The characters of the same words with single blanks between them; a blank is one, too.

    >>> characters("¡No, sí!")
    ['n', 'o', ' ', 's', 'í']
    """
    return list(" ".join(words(text)))


def errors(reference: Sequence[str], hypothesis: Sequence[str]) -> tuple[int, int, int]:
    """Substitutions, deletions and insertions of the shortest edit from reference to hypothesis.

    Among edits of equal length it takes one with the fewest substitutions, which leaves the most
    units right. So all three counts are unique, whatever the order of the search, and exchanging
    the two sides exchanges deletions and insertions.

    >>> errors("la casa roja".split(), "casa roja grande".split())
    (0, 1, 1)
    """
    # One integer holds both aims: an error costs `unit`, a substitution one more, and the
    # substitutions together stay below a unit.
    unit = min(len(reference), len(hypothesis)) + 1
    count, substitutions = divmod(_cheapest(reference, hypothesis, unit), unit)
    deletions = (count - substitutions + len(reference) - len(hypothesis)) // 2
    return substitutions, deletions, deletions - len(reference) + len(hypothesis)


def tally(reference: str, hypothesis: str, unit: Literal["words", "characters"]) -> np.ndarray:
    """`[4]` that add up: substitutions, deletions, insertions, units in the reference."""
    split = {"words": words, "characters": characters}[unit]
    units = split(reference)
    return np.array([*errors(units, split(hypothesis)), len(units)])


def rate(sums: np.ndarray) -> np.ndarray | float:
    """Errors per unit of the reference, from tallies `[…, 4]` that were summed before.

    It is above 1 where much is inserted, and NaN without a reference.
    """
    sums = np.asarray(sums, dtype=float)
    unknown = np.full(sums.shape[:-1], np.nan)
    length = sums[..., 3]
    return np.divide(sums[..., :3].sum(-1), length, out=unknown, where=length > 0)[()]


def _letter(character: str) -> str:
    """The character itself if it spells a word, nothing if it is never seen, else a blank."""
    category = unicodedata.category(character)
    if category[0] in "LMN":
        return character
    return "" if category == "Cf" else " "


def _cheapest(reference: Sequence[str], hypothesis: Sequence[str], unit: int) -> int:
    """The cost of the cheapest edit, computed for all prefixes of the hypothesis row by row.

    The row holds cost − j · unit at position j. An insertion then costs nothing, and the cheapest
    series of insertions is a running minimum.
    """
    codes = {unit_of_text: code for code, unit_of_text in enumerate(dict.fromkeys(hypothesis))}
    hypothesis_codes = np.array(
        [codes[unit_of_text] for unit_of_text in hypothesis], dtype=np.int64
    )
    row = np.zeros(len(hypothesis) + 1, dtype=np.int64)
    for unit_of_text in reference:
        below = row + unit
        matched = np.where(hypothesis_codes == codes.get(unit_of_text, -1), -unit, 1)
        np.minimum(below[1:], row[:-1] + matched, out=below[1:])
        row = np.minimum.accumulate(below)
    return int(row[-1]) + len(hypothesis) * unit
