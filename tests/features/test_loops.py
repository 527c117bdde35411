"""Phrases without end are found and cut; what people repeat stays."""

import csv
import doctest
import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.features.asr import _loops
from multimodal_ser.features.asr._loops import Loop, collapse, compression_ratio, loop, loops

PHRASE = "de la Junta de Extremadura"


def shape(text):
    return [(found.words, found.repetitions) for found in loops(text)]


@pytest.mark.parametrize(
    ("text", "expected", "left"),
    [
        ("Ya " + "no " * 20 + "vengo.", (1, 20), "Ya no vengo."),
        ("Y, " + "que sí, " * 9 + "claro.", (2, 9), "Y, que sí, claro."),
        ("El plan " + f"{PHRASE} " * 8 + "sigue.", (5, 8), f"El plan {PHRASE} sigue."),
        ("El plan" + f" {PHRASE}" * 8, (5, 8), f"El plan {PHRASE}"),
        (f"{PHRASE}, " * 3 + f"{PHRASE}.", (5, 4), f"{PHRASE}."),
        ("Dijo «" + "¿y tú quién eres? " * 4 + "» él", (4, 4), "Dijo «¿y tú quién eres? » él"),
        ("a b c d e f. " * 3, (6, 3), "a b c d e f. "),
    ],
    ids=["one word", "two", "five, in the middle", "at the end", "with commas", "marks", "six"],
)
def test_a_loop_is_found_and_cut_to_its_first_occurrence(text, expected, left):
    assert shape(text) == [expected]
    assert collapse(text) == left


def test_a_loop_says_where_its_phrase_and_its_repetitions_are():
    text = "¡Ay! " + "Uno dos, tres y cuatro. " * 4 + "Fin."
    assert loop(text) == Loop(start=5, kept=27, end=99, words=5, repetitions=4)
    assert text[5:27] == "Uno dos, tres y cuatro"
    assert text[5:99] == ("Uno dos, tres y cuatro. " * 4)[:-2]


@pytest.mark.parametrize("end", ["", " de la", " de la Junta de", " de la Junta de Extrem", " d"])
def test_a_last_repetition_that_is_cut_goes_as_well(end):
    text = "El plan" + f" {PHRASE}" * 6 + end
    assert shape(text) == [(5, 6)]
    assert collapse(text) == f"El plan {PHRASE}"


def test_only_the_last_word_of_a_text_is_taken_for_a_cut_one():
    assert collapse(f"{PHRASE} " * 6 + "d no") == f"{PHRASE} d no"


def test_case_marks_accents_written_apart_and_lines_do_not_hide_a_repetition():
    text = (
        "¡Viva el café! viva, el\ncafé... «Viva» EL CAFE\u0301; viva el café " + "viva el café " * 2
    )
    assert shape(text) == [(3, 6)]
    assert collapse(text) == "¡Viva el café "


def test_each_of_several_loops_is_cut():
    text = "Hoy " + "no se sabe nada, " * 5 + "pero " + "ya " * 18 + "veremos."
    assert shape(text) == [(4, 5), (1, 18)]
    assert collapse(text) == "Hoy no se sabe nada, pero ya veremos."


def test_of_several_periods_the_shortest_is_named():
    """Six words twice over are also twelve."""
    assert shape("que no se puede hacer nada, " * 12) == [(6, 12)]


def test_a_phrase_of_twenty_words_is_found_and_one_of_twenty_one_is_not():
    twenty = " ".join(f"palabra{number}" for number in range(20))
    assert shape(f"{twenty}. " * 3) == [(20, 3)]
    assert shape(f"{twenty} más. " * 3) == []


@pytest.mark.parametrize(
    "text",
    [
        "",
        "…",
        "Hola.",
        "No, no, no, no, no.",
        "ja " * 12,
        "Jajajajajajajajajajajajajajajajaja",
        "mucha, mucha, mucha, mucha radio",
        "Luchaba todos los días, todos los días, todos los días.",
        "¡Ayúdame, ayúdame! Por favor, ayúdame, ayúdame. Ayúdame.",
        "No están cumpliendo con la ley, no están cumpliendo con la ley, no cumplen.",
        "El equipo tiene que ser más que Messi, el equipo tiene que ser más que Messi, el equipo",
        "Han subido la luz, han subido el gas, han subido el pan, han subido los pisos, han subido",
    ],
)
def test_laughter_emphasis_and_lists_are_no_loops(text):
    assert loop(text) is None
    assert collapse(text) == text


def test_three_repetitions_and_sixteen_words_are_asked_for():
    assert loop("no " * 15) is None and loop("no " * 16)
    assert loop("a b c d e " * 2 + "a b c d") is None, "14 words, not three times"
    assert loop("a b c d e " * 3) is None, "15 words"
    assert loop("a b c d e " * 3 + "a")
    assert loop("a b c d e f g h i j " * 2 + "a b c d e f g h i") is None, (
        "29 words, not three times"
    )


texts = st.lists(st.sampled_from(["no", "sí", "ya", "Ya,", "¡no!", "a\u0301", "\n"]), max_size=60)


@given(texts, st.integers(0, 20))
@settings(max_examples=200, deadline=None)
def test_collapsing_only_takes_away_what_the_loops_hold(words, repeated):
    text = " ".join(words + words[-3:] * repeated)
    found = loops(text)
    edges = [0, *(edge for one in found for edge in (one.kept, one.end)), len(text)]
    assert edges == sorted(edges)
    kept = "".join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))
    assert collapse(text) == kept
    assert all(one.start < one.kept < one.end for one in found)


def test_the_compression_ratio_is_whisper_s():
    """Its own function, on texts of both kinds and on letters of two bytes."""
    theirs = pytest.importorskip("whisper.utils").compression_ratio
    for text in (f"{PHRASE} " * 30, "¿Qué pasó en el año 2007?", "ñ" * 500, ""):
        assert compression_ratio(text) == theirs(text)
    assert compression_ratio(f"{PHRASE} " * 30) > 2.4 > compression_ratio("¿Qué pasó ayer?")


def test_the_example_is_as_written():
    assert doctest.testmod(_loops) == (0, 1)


# The real transcripts


def real(name):
    """Transcripts by id of one file of EmoSPeech, or a skip that says what is missing."""
    place = os.environ.get("MSER_DATA")
    if not place or not (Path(place) / "emospeech").is_dir():
        pytest.skip("needs the folder 'emospeech' under MSER_DATA")
    with (Path(place) / "emospeech" / name).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {row.get("id") or row["filename"]: row["transcription"] for row in rows}


def test_the_loops_of_emospeech_are_found_and_nothing_else():
    """Every run of 3 repetitions or 8 words was read: see the module for what is a loop and why.

    Of the 12 transcripts that the second test file replaces only one loops; the others hold at
    most 10 words of up to 15 s, which no look at the text alone can tell from a short answer.
    """
    first = real("EmoSPeech_phase_2_test_public.csv")
    second = real("EmoSPeech_phase_2_test_public2.csv")
    train = real("EmoSPeech_phase_2_train.csv")
    every = real("meacorpus_2023_public_v2.csv")
    found = {id: shape(text)[0] for id, text in every.items() if loop(text)}
    assert len(every) == 5129
    assert sorted(found.values()) == [(3, 6), (6, 3), (6, 60), (6, 62), (10, 33), (10, 35)]
    parts = (first, second, train)
    assert [sum(map(bool, map(loop, part.values()))) for part in parts] == [1, 0, 5]
    replaced = [text for id, text in first.items() if text != second[id]]
    assert len(replaced) == 12
    short = [len(text.split()) for text in replaced if not loop(text)]
    assert len(short) == 11 and max(short) == 10
    assert all(loop(collapse(every[id])) is None for id in found)
    assert max(len(collapse(every[id]).split()) for id in found) < 40
