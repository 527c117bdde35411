"""A parameter's domain: what a study stores of it, and the numbers that a range has."""

import json
from fractions import Fraction

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.config.search_space import Choice, Range

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
    max_leaves=3,
)


@settings(max_examples=60, deadline=None)
@given(st.lists(PLAIN, min_size=1, max_size=6, unique_by=json.dumps))
def test_a_study_tells_every_value_from_every_other(values):
    """Its storage holds null, true, numbers and text, and looks a value up by ==."""
    choice = Choice(tuple(values))
    kinds = {bool, int, float, str, type(None)}
    assert {type(one) for one in choice.stored} <= kinds
    distribution = optuna.distributions.CategoricalDistribution(choice.stored)
    for place, (value, stored) in enumerate(zip(values, choice.stored, strict=True)):
        assert distribution.to_internal_repr(stored) == place
        assert json.dumps(choice.read(stored)) == json.dumps(value)


def test_plain_values_are_stored_as_they_are_and_lists_as_their_text():
    assert Choice((6, "last", None, True)).stored == (6, "last", None, True)
    assert Choice((6, [6, 9], {"hidden": 3})).stored == (6, "[6, 9]", '{"hidden": 3}')
    assert Choice((1, True)).stored == ("1", "true")
    assert Choice(("[1]", [1])).stored == ('"[1]"', "[1]")


@pytest.mark.parametrize(
    ("low", "high", "step"), [(16, 128, 16), (0, 0.7, 0.1), (0.1, 0.3, 0.1), (-1, 1, 0.25)]
)
def test_every_number_of_a_range_with_steps_is_the_one_meant(low, high, step):
    """0.1 + 2 · 0.1 is 0.30000000000000004 in floating point, and 0.3 in a config."""
    first, last, each = (Fraction(str(one)) for one in (low, high, step))
    meant = [float(first + count * each) for count in range(int((last - first) / each) + 1)]
    found = Range(low, high, step=step, whole=isinstance(step, int)).every()
    assert list(found) == meant
    assert found[-1] == high


def test_whole_numbers_are_integers_one_by_one():
    found = Range(2, 5, whole=True).every()
    assert found == (2, 3, 4, 5) and {type(one) for one in found} == {int}


def test_a_suggested_step_is_the_same_number_as_a_listed_one():
    domain = Range(0.1, 0.7, step=0.2)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    found = {domain.suggested(study.ask(), "x") for _ in range(30)}
    assert found == set(domain.every()) == {0.1, 0.3, 0.5, 0.7}


def test_only_a_range_without_steps_is_continuous():
    assert Range(0, 1).continuous and Range(1, 9, log=True).continuous
    assert not Range(0, 1, step=0.5).continuous and not Range(0, 9, whole=True).continuous
    assert not Choice((1, 2)).continuous


def test_a_domain_is_said_in_words():
    assert str(Choice((1, "a", [2]))) == 'one of 1, "a", [2]'
    assert str(Range(1e-5, 0.01, log=True)) == "1e-05 to 0.01, log"
    assert str(Range(16, 128, step=16, whole=True)) == "whole numbers 16 to 128 in steps of 16"
