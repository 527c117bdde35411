"""Which texts are equal, which nearly; and that another process says the same."""

import os
import unicodedata

import numpy as np
import pandas as pd
import pytest

from multimodal_ser import parallel
from multimodal_ser.config import read
from multimodal_ser.protocol import near_duplicates
from multimodal_ser.runs import prepare
from tests.helpers.tones import tones_config


def series(*values):
    return pd.Series(values, dtype="str")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("¡Qué ALEGRÍA!", "qué alegría"),
        ("a  b\tc\n", " a b c"),
        ("bien-hecho", "bien hecho"),
        ("¿Sí?, «no»… 'o'", "sí no o"),
        ("STRASSE", "straße"),
        ("ﬁn ２", "fin 2"),
        (unicodedata.normalize("NFD", "acción"), unicodedata.normalize("NFC", "acción")),
        ("uno\u00a0dos\u3000tres", "uno dos tres"),
    ],
)
def test_texts_are_compared_without_case_marks_blanks_and_unicode_forms(one, other):
    first, second = near_duplicates.normalized(series(one, other))
    assert first == second
    assert first == " ".join(first.split())


def test_accents_and_words_still_tell_texts_apart():
    found = near_duplicates.normalized(series("qué", "que", "año", "ano", "no no", "no"))
    assert found.nunique() == 6


def test_missing_texts_stay_missing_and_rows_keep_their_index():
    given = pd.Series(["A", None, "b!"], index=[7, 3, 5], dtype="str")
    found = near_duplicates.normalized(given)
    assert found.index.tolist() == [7, 3, 5]
    assert found.isna().tolist() == [False, True, False]
    assert found.dropna().tolist() == ["a", "b"]


def test_normal_texts_are_normal():
    given = series("¡Qué  ALEGRÍA!", "la Casa-Blanca", None)
    once = near_duplicates.normalized(given)
    pd.testing.assert_series_equal(near_duplicates.normalized(once), once)


SENTENCES = series(
    "Dice el Gobierno que no sube los impuestos",
    None,
    "¡dice el gobierno que NO sube los impuestos!",
    "Dice el Gobierno que no sube los impuestos hoy",
    "algo del todo distinto se oye aquí",
)


def test_equal_texts_share_a_code_and_only_the_first_stands_in_pairs():
    found = near_duplicates.compare(SENTENCES)
    assert found.codes.tolist() == [0, -1, 0, 1, 2]
    assert found.pairs.tolist() == [[0, 3]], "7 of 8 neighbouring words are shared"


def test_texts_without_any_are_compared_with_nothing():
    found = near_duplicates.compare(series(None, None))
    assert found.codes.tolist() == [-1, -1]
    assert found.pairs.shape == (0, 2)


def same(one, other):
    return np.array_equal(one.codes, other.codes) and np.array_equal(one.pairs, other.pairs)


def no_process(*_):
    raise AssertionError("few texts need no other process")


def test_few_texts_are_compared_here_once_they_are_asked_for(monkeypatch):
    monkeypatch.setattr(near_duplicates, "alongside", no_process)
    ask = near_duplicates.begin(SENTENCES)
    assert same(ask(), near_duplicates.compare(SENTENCES))


@pytest.fixture
def few_is_many(monkeypatch):
    monkeypatch.setattr(near_duplicates, "_LARGE", len(SENTENCES))
    yield
    parallel.shut_down()


def test_many_texts_are_compared_in_another_process(few_is_many, monkeypatch):
    begun = []

    def alongside(function, *job):
        begun.append(function)
        return parallel.alongside(function, *job)

    monkeypatch.setattr(near_duplicates, "alongside", alongside)
    expected = near_duplicates.compare(SENTENCES)
    monkeypatch.setattr(near_duplicates, "near_duplicates", no_process)  # in this process alone
    found = near_duplicates.begin(SENTENCES)()
    assert len(begun) == 1
    assert same(found, expected)


def test_one_text_less_is_few(few_is_many, monkeypatch):
    monkeypatch.setattr(near_duplicates, "alongside", no_process)
    assert near_duplicates.begin(SENTENCES[:-1])().codes.tolist() == [0, -1, 0, 1]


def test_an_answer_may_be_asked_for_late_and_twice(few_is_many):
    ask = near_duplicates.begin(SENTENCES)
    parallel.alongside(os.getpid)()  # whatever else the worker does in the meantime
    assert same(ask(), ask())


def test_an_answer_outlives_the_workers_that_other_stages_start(few_is_many):
    """Sound is decoded by more workers while the texts are compared, which ends the first ones."""
    ask = near_duplicates.begin(SENTENCES)
    assert list(parallel.spread(len, [("ab",), ("c",)], workers=2)) == [2, 1]
    assert same(ask(), near_duplicates.compare(SENTENCES))


def test_a_corpus_of_many_texts_is_audited_as_one_of_few(tones, monkeypatch):
    experiment = read.check(tones_config(tones, workers=2))
    few = prepare.prepare(experiment).audit.plain()
    monkeypatch.setattr(near_duplicates, "_LARGE", 1)
    many = prepare.prepare(experiment).audit.plain()
    parallel.shut_down()
    assert many == few
