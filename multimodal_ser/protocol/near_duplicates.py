"""Texts that are equal or nearly equal: two cuts of one sentence, or the same words with a slip.

Texts are compared without case, punctuation and Unicode forms (`normalized`).

Two texts are compared by the pairs of neighbouring words that they hold, their shingles. Single
words would make unrelated texts alike ("de la ciudad de …"), and three words in a row are broken by
one slip.

Not every text is compared with every other. Shingles are numbered from the rarest on. Two texts
whose Jaccard index reaches t share one of the first `size - ceil(t * size) + 1` shingles of either
text (the prefix filter of Chaudhuri, Ganti & Kaushik 2006, ICDE; Bayardo, Ma & Srikant 2007, WWW).
So only texts that share such a shingle are compared, and no pair is lost by chance. Where more than
`_WHOLE` texts share a shingle, each is compared with its next `_NEIGHBOURS` only, in the order of
size and row. A family of many copies then comes back as a chain and not as all its pairs, and a
pair that shares only very frequent shingles may be lost.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.parallel import alongside

_LEAST_WORDS = 4  # shorter ones are common phrases
_WHOLE = 64
_NEIGHBOURS = 4
_BLOCK = 1_000_000
_TEXTS = 50_000


def near_duplicates(texts: pd.Series, *, threshold: float = 0.6) -> np.ndarray:
    """Pairs of different texts that are nearly equal: row positions `[P, 2]`, first < second.

    texts: normalised (single blanks between words); they may be missing. Of equal texts only the
    first row stands in pairs, and texts of fewer than four words stand in none. threshold, in (0,
    1]: the least Jaccard index of their shingles. The pairs are sorted.
    """
    words, rows, lengths = _words(texts)
    if len(rows) < 2:
        return np.zeros((0, 2), dtype=np.int64)
    owner, shingle = _shingles(words, lengths)
    size = np.bincount(owner)
    least = np.ceil(threshold * size - 1e-9).astype(np.int64)  # 0.07 * 100 is 7.000000000000001
    met, text = _meetings(owner, shingle, size, size - least + 1)
    close = np.zeros(0, dtype=np.int64)
    for pairs in _candidates(met, text, size, least):
        new = pairs[_jaccard(*np.divmod(pairs, len(rows)), shingle, size) >= threshold]
        close = _distinct(np.concatenate([close, new]))
    return rows[np.stack(np.divmod(close, len(rows)), axis=1)]


def _words(texts: pd.Series) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The words of all texts that count, as numbers `[W]`, with these texts' rows and sizes `[N]`.

    Texts are split in blocks, so that the strings of only one block are in memory.
    """
    distinct_texts = texts.reset_index(drop=True).dropna().drop_duplicates()
    counted = [(text, text.count(" ") + 1) for text in distinct_texts.tolist()]
    lengths = np.array([count for _, count in counted], dtype=np.int64)
    long = [text for text, count in counted if count >= _LEAST_WORDS]
    numbers: defaultdict[str, int] = defaultdict()
    numbers.default_factory = numbers.__len__
    words = [np.zeros(0, dtype=np.int64)]
    for begin in range(0, len(long), _TEXTS):
        block = " ".join(long[begin : begin + _TEXTS]).split(" ")
        words.append(np.array([*map(numbers.__getitem__, block)], dtype=np.int64))
    counts = lengths >= _LEAST_WORDS
    return np.concatenate(words), distinct_texts.index.to_numpy()[counts], lengths[counts]


def _shingles(words: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The set of shingles of each text, as text number and shingle number `[S]`, sorted by both.

    Shingles are numbered from the rarest on.
    """
    within = np.ones(len(words), dtype=bool)
    within[np.cumsum(lengths) - 1] = False
    at = np.flatnonzero(within)
    both = words[at] * (words.max() + 1) + words[at + 1]
    order = np.argsort(both)
    kind = np.cumsum(np.diff(both[order], prepend=both[order[0]]) != 0)
    counts = np.bincount(kind)
    number = np.empty(len(counts), dtype=np.int64)
    number[np.argsort(counts, kind="stable")] = np.arange(len(counts))
    numbered = np.empty_like(both)
    numbered[order] = number[kind]
    owner = np.repeat(np.arange(len(lengths)), lengths - 1)
    return np.divmod(_distinct(owner * len(counts) + numbered), len(counts))


def _meetings(
    owner: np.ndarray, shingle: np.ndarray, size: np.ndarray, prefix: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The shingles of the prefixes and their texts, sorted by shingle, size and row."""
    inside = np.arange(len(owner)) - (np.cumsum(size) - size)[owner] < prefix[owner]
    by_size = np.argsort(size, kind="stable")
    place = np.empty_like(by_size)
    place[by_size] = np.arange(len(size))
    met, place = np.divmod(np.sort(shingle[inside] * len(size) + place[owner[inside]]), len(size))
    return met, by_size[place]


def _candidates(
    met: np.ndarray, text: np.ndarray, size: np.ndarray, least: np.ndarray
) -> Iterator[np.ndarray]:
    """Blocks of pairs that share a shingle and are of like size, as first * texts + second."""
    crowd = np.bincount(met)[met] > _WHOLE
    at, block = np.arange(len(text)), np.zeros(0, dtype=np.int64)
    for step in range(1, _WHOLE):
        at = at[at + step < len(text)]
        if step > _NEIGHBOURS:
            at = at[~crowd[at]]
        at = at[met[at] == met[at + step]]
        first, second = text[at], text[at + step]
        near = least[second] <= size[first]
        at = at[near]  # sizes rise within a meeting, so one too far apart ends the search
        pairs = np.minimum(first, second)[near] * len(size) + np.maximum(first, second)[near]
        block = np.concatenate([block, pairs])
        if len(block) > _BLOCK:
            yield from _parts(_distinct(block))
            block = block[:0]
    yield _distinct(block)


def _parts(pairs: np.ndarray) -> Iterator[np.ndarray]:
    for begin in range(0, len(pairs), _BLOCK):
        yield pairs[begin : begin + _BLOCK]


def _jaccard(
    left: np.ndarray, right: np.ndarray, shingle: np.ndarray, size: np.ndarray
) -> np.ndarray:
    """`[P]`: the number of shingles in both texts of a pair over the number of those in either."""
    texts = np.stack([left, right], axis=1).ravel()
    held = size[texts]
    first = (np.cumsum(size) - size)[texts] - (np.cumsum(held) - held)
    kinds = shingle.max() + 1
    pair = np.repeat(np.arange(len(texts)) // 2, held)
    keys = np.sort(pair * kinds + shingle[np.repeat(first, held) + np.arange(len(pair))])
    twice = keys[1:][keys[1:] == keys[:-1]] // kinds
    shared = np.bincount(twice, minlength=len(left))
    return shared / (size[left] + size[right] - shared)


def _distinct(numbers: np.ndarray) -> np.ndarray:
    """The sorted distinct values; a plain sort is several times faster here than `unique`."""
    numbers = np.sort(numbers)
    return numbers[np.diff(numbers, prepend=-1) != 0]


_LARGE = 100_000  # rows
_MARKS = re.compile(r"[^\w\s]")


@dataclass(frozen=True)
class Alike:
    """codes `[N]`: equal where texts are equal, −1 without text; pairs: rows `[P, 2]` nearly equal.

    Of equal texts only the first row stands in pairs.
    """

    codes: np.ndarray
    pairs: np.ndarray


def normalized(texts: pd.Series) -> pd.Series:
    """The texts as they are compared: without case, punctuation, extra blanks and Unicode forms."""
    filled = texts.dropna()
    plain = (unicodedata.normalize("NFKC", text).casefold() for text in filled.tolist())
    words = [" ".join(_MARKS.sub(" ", text).split()) for text in plain]
    return pd.Series(words, index=filled.index, dtype="str").reindex(texts.index)


def begin(texts: pd.Series) -> Callable[[], Alike]:
    """Start the comparison; a large one runs in another process until its result is needed."""
    if len(texts) < _LARGE:
        return lambda: compare(texts)
    return alongside(compare, texts)


def compare(texts: pd.Series) -> Alike:
    """Compare every text with every other."""
    words = normalized(texts)
    return Alike(pd.factorize(words)[0], near_duplicates(words))
