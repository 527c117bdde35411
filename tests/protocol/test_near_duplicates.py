"""Nearly the same texts, against every pair compared in sets of word pairs."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.protocol.near_duplicates import near_duplicates


def series(texts):
    return pd.Series(texts, dtype="str")


def index(one, other):
    """Jaccard index of the pairs of neighbouring words."""
    first, second = (
        set(zip(text.split(), text.split()[1:], strict=False)) for text in (one, other)
    )
    return len(first & second) / len(first | second)


def brute(texts, threshold):
    """Every pair of different texts of four words or more, each text by its first row."""
    rows = {}
    for row, text in enumerate(texts):
        if isinstance(text, str) and len(text.split()) >= 4:
            rows.setdefault(text, row)
    pairs = combinations(rows, 2)
    return sorted([rows[one], rows[two]] for one, two in pairs if index(one, two) >= threshold)


def random_texts(count=300, seed=0):
    """Sentences out of few words, and for each third one a neighbour with some words changed."""
    generator = np.random.default_rng(seed)
    words = [f"w{number}" for number in range(40)]
    texts = []
    for number in range(count):
        text = generator.choice(words, generator.integers(1, 15)).tolist()
        if number % 3 == 2:
            text = texts[generator.integers(len(texts))].split()
            for _ in range(generator.integers(0, 3)):
                text[generator.integers(len(text))] = str(generator.choice(words))
        texts.append(" ".join(text))
    return texts


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.6, 0.7, 0.8, 1.0])
@pytest.mark.parametrize("seed", range(3))
def test_the_pairs_are_those_of_brute_force(threshold, seed):
    texts = random_texts(seed=seed)
    expected = brute(texts, threshold)
    assert len(expected) >= (threshold < 0.8)
    assert near_duplicates(series(texts), threshold=threshold).tolist() == expected


SENTENCES = st.lists(st.sampled_from("abcde"), max_size=9).map(" ".join)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(st.none() | SENTENCES, max_size=14), st.sampled_from([0.07, 0.3, 0.5, 0.6, 2 / 3, 1])
)
def test_no_pair_is_missed_or_added_whatever_the_words(texts, threshold):
    assert near_duplicates(series(texts), threshold=threshold).tolist() == brute(texts, threshold)


def test_one_word_changed_in_a_long_sentence_is_found_and_half_of_them_is_not():
    """Of 12 word pairs a slip in the middle breaks two: 10 shared of 14 in either, 0.71."""
    words = [
        "no",
        "puedo",
        "creer",
        "que",
        "esto",
        "haya",
        "pasado",
        "otra",
        "vez",
        "en",
        "la",
        "misma",
        "calle",
    ]
    slip = [*words[:6], "ocurrido", *words[7:]]
    half = [*words[:6], "x", "y", "z", "u", "v", "t", "s"]
    texts = series([" ".join(one) for one in (words, slip, half)])
    assert near_duplicates(texts).tolist() == [[0, 1]]
    assert near_duplicates(texts, threshold=0.71).tolist() == [[0, 1]]
    assert near_duplicates(texts, threshold=0.72).tolist() == []


def test_planted_changes_are_found_among_thousands():
    generator = np.random.default_rng(0)
    drawn = generator.integers(0, 500, (5000, 12))
    changed = drawn[:50].copy()
    changed[:, 5] = 1000
    texts = series([" ".join(f"w{word}" for word in row) for row in [*drawn, *changed]])
    assert near_duplicates(texts).tolist() == [[row, 5000 + row] for row in range(50)]


@pytest.mark.parametrize(
    "texts",
    {
        "none": [],
        "one": ["a b c d e"],
        "missing": [None, None, np.nan],
        "identical": ["a b c d e"] * 5,
        "short": ["a b c", "a b d", "a b", "", "a"],
    }.values(),
    ids=["none", "one", "missing", "identical", "short"],
)
def test_nothing_to_compare_gives_no_pair(texts):
    found = near_duplicates(series(texts))
    assert found.shape == (0, 2)
    assert found.dtype == np.int64


def test_of_equal_texts_the_first_row_stands_in_the_pair_whatever_the_index():
    texts = series([None, "a b c d e f g", "a b c d e f g", "x a b c d e f g", "x a b c d e f g"])
    texts.index = pd.Index([7, 7, 3, 2, 1])
    assert near_duplicates(texts).tolist() == [[1, 3]]


def test_a_crowd_of_many_copies_is_one_chain_and_not_all_its_pairs():
    count = 3000
    family = [f"one two three four five six seven eight n{number}" for number in range(count)]
    pairs = near_duplicates(series([*family, "a stranger who says something else"]))
    assert len(pairs) < 10 * count
    assert {*zip(range(count - 1), range(1, count), strict=True)} <= {*map(tuple, pairs.tolist())}
    assert pairs.max() < count


def test_a_crowd_hides_no_pair_that_also_meets_elsewhere():
    """Two texts with a rare shingle of their own, amid hundreds that share all the others."""
    family = [f"one two three four five six x{number} y{number}" for number in range(400)]
    family[10] = "one two three four five six rare word"
    family[390] = "one two three four five six rare word indeed"
    assert [10, 390] in near_duplicates(series(family)).tolist()
