"""Transcripts in which the recogniser repeats a phrase without end, as Whisper does.

A run counts as a loop when a phrase of at most 20 words is said at least 3 times in a row and the
run covers at least 16 words, so a single word must come 16 times and one of six words 3 times.
The numbers come from the 5,129 transcripts of Spanish MEACorpus 2023, made with Whisper, which
hold those of EmoSPeech 2024:

- four run away: 33 to 62 repetitions of 6 or 10 words, 337 to 372 words in 13 s;
- one stops by itself: 3 repetitions of 6 words that are all of 13 s, half the usual pace;
- speakers repeat one word up to 5 times (`no, no, no, no, no`), two or three words 3 times, so
  9 words at most, and longer phrases twice and the beginning of a third (17 words);
- in one the two cannot be told apart without its sound: three words 6 times in 8 s, at the pace
  of speech. It is found, too.

So a chant at a demonstration that is transcribed three times over may be found; none was there.
The share of the text tells nothing: loops cover 95 % and more of it, but so does one cry repeated.
A loop without blanks (`aaaa…`, or Chinese) is one word here; its compression ratio shows it.
"""

from __future__ import annotations

import re
import unicodedata
import zlib
from collections.abc import Sequence
from dataclasses import dataclass

_LONGEST_PHRASE = 20  # words
_REPETITIONS = 3
_COVERED = 16  # words
_WORD = re.compile(r"[\w\u0300-\u036f]+")  # with accents written apart


@dataclass(frozen=True)
class Loop:
    """A loop in a text: characters `start:kept` hold the phrase, `start:end` all its repetitions.

    words: the number of words of the phrase; repetitions: the complete ones, with the first. The
    marks before the first word and after the last word belong to neither.
    """

    start: int
    kept: int
    end: int
    words: int
    repetitions: int


def loop(text: str) -> Loop | None:
    """The first repeated phrase, compared without case and punctuation; None in honest speech."""
    all_loops = loops(text)
    return all_loops[0] if all_loops else None


def loops(text: str) -> list[Loop]:
    """Every repeated phrase, in the order of the text; none shares a word with another."""
    places = list(_WORD.finditer(text))
    words = [unicodedata.normalize("NFC", place.group()).casefold() for place in places]
    loops_in_text, first = [], 0
    while first < len(words):
        period, after = _repeated(words, first)
        if period:
            repetitions = (after - first) // period
            after += _cut(words, after, period)
            start, end = places[first].start(), places[after - 1].end()
            loops_in_text.append(
                Loop(start, places[first + period - 1].end(), end, period, repetitions)
            )
        first = after
    return loops_in_text


def collapse(text: str) -> str:
    """The text with each loop cut down to its first occurrence.

    What stands before the loop's first word and after its last is kept to the byte, so the
    sentence ends with the mark that ended the last repetition.

    >>> collapse("Dijo: " + "no se puede hacer nada, " * 4 + "no se. Y se fue.")
    'Dijo: no se puede hacer nada. Y se fue.'
    """
    for repeated in reversed(loops(text)):
        text = text[: repeated.kept] + text[repeated.end :]
    return text


def compression_ratio(text: str) -> float:
    """Bytes of UTF-8 per byte compressed by zlib, as openai-whisper counts; it distrusts > 2.4."""
    return len(text.encode()) / len(zlib.compress(text.encode()))


def _repeated(words: Sequence[str], first: int) -> tuple[int, int]:
    """How many words the phrase has whose loop begins at `first`, and the place after the loop.

    If several phrases fit, the shortest is taken; without a loop it is 0 and the place of the next
    word.
    """
    for period in range(1, _LONGEST_PHRASE + 1):
        after = _run(words, first, period)
        if after - first >= max(_COVERED, _REPETITIONS * period):
            return period, after
    return 0, first + 1


def _run(words: Sequence[str], first: int, period: int) -> int:
    """The place after the words from `first` on that repeat every `period` words."""
    after = min(first + period, len(words))
    while after < len(words) and words[after] == words[after - period]:
        after += 1
    return after


def _cut(words: Sequence[str], after: int, period: int) -> bool:
    """Whether the last word of the text is the beginning of the loop's next word.

    A recogniser at its limit of tokens often stops inside a word.
    """
    return after == len(words) - 1 and words[after - period].startswith(words[after])
