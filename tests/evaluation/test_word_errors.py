"""Word and character errors, by hand and against the textbook's recursion."""

import doctest
import time
import unicodedata
from functools import cache

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.evaluation import word_errors

short = st.text("abñ", max_size=9)


def recursion(reference, said):
    """(errors, substitutions, deletions, insertions): of all ways the first in this order."""

    @cache
    def best(i, j):
        if i == 0 or j == 0:
            return (i + j, 0, i, j)
        wrong = int(reference[i - 1] != said[j - 1])
        steps = (
            (best(i - 1, j - 1), (wrong, wrong, 0, 0)),
            (best(i - 1, j), (1, 0, 1, 0)),
            (best(i, j - 1), (1, 0, 0, 1)),
        )
        return min(tuple(map(sum, zip(*step, strict=True))) for step in steps)

    return best(len(reference), len(said))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("¿Qué ALEGRÍA, no?", ["qué", "alegría", "no"]),
        ("¡«No»… sí — ya – 'ahora' \"mismo\" “hoy”!", ["no", "sí", "ya", "ahora", "mismo", "hoy"]),
        ("no...no…no", ["no", "no", "no"]),
        ("ex-presidente l'amic l’amic", ["ex", "presidente", "l", "amic", "l", "amic"]),
        ("a las 10:30, un 0,1 % de 1.516.", ["a", "las", "10:30", "un", "0,1", "de", "1.516"]),
        ("año 2007, barra 3:", ["año", "2007", "barra", "3"]),
        (unicodedata.normalize("NFD", "Acción, año"), ["acción", "año"]),
        ("uno\u00a0dos\t\n tres", ["uno", "dos", "tres"]),
        ("des\u00adayuno", ["desayuno"]),
        ("STRASSE straße", ["strasse", "strasse"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        (" ¿…? ", []),
        ("", []),
    ],
)
def test_words_without_case_and_marks(text, expected):
    assert word_errors.words(text) == expected


def test_accents_and_tildes_are_spelling():
    assert word_errors.words("qué año") != word_errors.words("que ano")
    assert list(word_errors.tally("El año", "el ano", "words")) == [1, 0, 0, 2]


def test_characters_are_those_of_the_words_and_single_blanks():
    assert word_errors.characters("  ¡Ay,   mamá! ") == list("ay mamá")
    assert word_errors.characters("…") == []


@pytest.mark.parametrize(
    ("reference", "said", "expected"),
    [
        ("la casa es roja", "la casa es roja", (0, 0, 0)),
        ("la casa es roja", "la cosa es roja", (1, 0, 0)),
        ("la casa es roja", "la casa roja", (0, 1, 0)),
        ("la casa es roja", "la casa ya es muy roja", (0, 0, 2)),
        ("no me voy a casa", "me voy de la casa", (1, 1, 1)),
        ("buenos días", "", (0, 2, 0)),
        ("", "buenos días", (0, 0, 2)),
        ("", "", (0, 0, 0)),
        ("sí", "no", (1, 0, 0)),
    ],
)
def test_errors_by_hand(reference, said, expected):
    assert word_errors.errors(reference.split(), said.split()) == expected


def test_of_equally_short_ways_the_one_with_most_units_right_counts():
    """a b → b c is two substitutions with nothing right, or one deletion and one insertion."""
    assert word_errors.errors("ab", "bc") == (0, 1, 1)
    assert word_errors.errors("abc", "cab") == (0, 1, 1), "not three substitutions"


@given(short, short)
@settings(max_examples=300, deadline=None)
def test_errors_are_those_of_the_recursion(reference, said):
    assert word_errors.errors(reference, said) == recursion(reference, said)[1:]


@given(short, short)
def test_the_other_way_round_deletions_are_insertions(one, other):
    substitutions, deletions, insertions = word_errors.errors(one, other)
    assert word_errors.errors(other, one) == (substitutions, insertions, deletions)


@given(st.text(max_size=30))
def test_words_hold_no_blank_and_are_no_error_to_themselves(text):
    split = word_errors.words(text)
    assert word_errors.errors(split, split) == (0, 0, 0)
    assert all(split) and not any(one.isspace() for word in split for one in word)


def test_a_tally_holds_errors_and_the_length_of_the_reference():
    reference, said = "¿Dónde está mi papá?", "donde esta papá, eh"
    assert word_errors.tally(reference, said, "words").tolist() == [2, 1, 1, 4]
    # ó → o and á → a; «mi » goes and « eh» comes
    assert word_errors.tally(reference, said, "characters").tolist() == [2, 3, 3, 18]


def test_a_rate_is_pooled_over_utterances_not_averaged():
    """(0 + 1 + 1) errors of (1 + 8 + 1) words: 0.2; the mean of 0, 1/8 and 1 would be 0.375."""
    pairs = [
        ("sí", "sí"),
        ("me fui donde mis padres y ya está", "me fui donde mis padres y está"),
        ("no", "sí"),
    ]
    tallies = np.stack([word_errors.tally(*pair, "words") for pair in pairs])
    assert tallies.tolist() == [[0, 0, 0, 1], [0, 1, 0, 8], [1, 0, 0, 1]]
    assert word_errors.rate(tallies.sum(0)) == pytest.approx(0.2)
    assert word_errors.rate(tallies) == pytest.approx([0, 1 / 8, 1])


def test_a_rate_of_many_resamples_at_once():
    sums = np.array([[[1, 1, 0, 4], [0, 0, 6, 3]], [[0, 0, 0, 5], [0, 0, 2, 0]]])
    assert word_errors.rate(sums) == pytest.approx(np.array([[0.5, 2], [0, np.nan]]), nan_ok=True)


def test_without_a_reference_there_is_no_rate():
    for said in ("", "hola"):
        assert np.isnan(word_errors.rate(word_errors.tally("…", said, "words")))


def test_an_empty_transcript_is_all_deletions():
    assert word_errors.tally("tres palabras más", "", "words").tolist() == [0, 3, 0, 3]
    assert word_errors.rate(word_errors.tally("tres", "¿?", "characters")) == 1


@pytest.mark.slow
def test_a_thousand_characters_are_compared_at_once():
    """7 ms on the machine it was written on; the limit leaves room for a slow and busy one."""
    letters = np.random.default_rng(0).integers(ord("a"), ord("z") + 1, (2, 1000))
    one, other = ([chr(code) for code in row] for row in letters)
    times = []
    for _ in range(5):
        began = time.perf_counter()
        word_errors.errors(one, other)
        times.append(time.perf_counter() - began)
    assert min(times) < 0.03


def test_the_examples_are_as_written():
    assert doctest.testmod(word_errors) == (0, 3)
