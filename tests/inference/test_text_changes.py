"""Texts that lose or gain marks, capitals or accents, and not one word."""

import re
import unicodedata

import numpy as np
import pytest

from multimodal_ser.config import registry
from multimodal_ser.inference.robustness import (
    CHANGES,
    comma,
    exclaimed,
    lower,
    unaccented,
    unpunctuated,
)
from multimodal_ser.types import Input

TEXTS = [
    "¿Qué hora es? Son las 3.30, creo... ¡Vámonos!",
    "El Sr. García dijo: «no vuelvo más».",
    "mañana no hay pingüinos",
    "...",
    "¡!",
    "İzmir, STRASSE. Ça va?",
]


@pytest.mark.parametrize(
    ("change", "text", "wanted"),
    [
        (comma, "Sí. No, gracias.", "Sí, No, gracias,"),
        (comma, "Son 3.30... ¿no? e.g así.", "Son 3.30... ¿no? e.g así,"),
        (unpunctuated, "¿Sí? «No», dijo a las 3.30.", "Sí No dijo a las 3.30"),
        (unpunctuated, "¡...!", "¡...!"),
        (exclaimed, "Se fue. Volvió, … ", "Se fue. Volvió!"),
        (exclaimed, "¿Se fue?", "¿Se fue?!"),
        (exclaimed, "¡Se fue!", "¡Se fue!"),
        (exclaimed, "...", "..."),
        (lower, "¡QUÉ Frío! ẞ", "¡qué frío! ß"),
        (
            unaccented,
            "El año del pingüino, ¿café? ÑANDÚ ça",
            "El año del pinguino, ¿cafe? ÑANDU ca",
        ),
        (unaccented, unicodedata.normalize("NFD", "mañana iré"), "mañana ire"),
    ],
)
def test_a_change_by_hand(change, text, wanted):
    assert change(text) == wanted


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("name", CHANGES)
def test_the_words_stay_and_a_second_time_changes_nothing(name, text):
    once = CHANGES[name](text)
    assert CHANGES[name](once) == once
    assert once.strip()
    bare = re.compile(r"[^\w ]")
    plain = [
        bare.sub("", unicodedata.normalize("NFD", one)).casefold().split() for one in (text, once)
    ]
    assert plain[0] == plain[1]


@pytest.mark.parametrize("text", TEXTS)
def test_marks_and_capitals_go_as_in_the_augmentations_of_these_names(text):
    for change, name, kind in ((unpunctuated, "punctuation", "dropped"), (lower, "case", "lower")):
        options = {"kinds": (kind,)} | ({"rate": 1.0} if name == "punctuation" else {})
        augment = registry.build("augment", name, options)
        assert change(text) == augment(Input(text=text), np.random.default_rng(0)).text
