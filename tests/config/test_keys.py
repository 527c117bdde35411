"""A dotted key reaches sections and lists, and another component leaves its options behind."""

import copy

import pytest

from multimodal_ser.config.keys import component_of, places, put
from multimodal_ser.types import ConfigError

PLAIN = {
    "learner": {"name": "neural", "epochs": 3, "optimizer": {"name": "adamw", "lr": 0.1}},
    "encoders": {"audio": {"name": "mfcc", "n_mfcc": 13}},
    "augment": {"steps": [{"name": "noise", "p": 0.5}, {"name": "gain"}]},
    "fusion": None,
}


def after(**values):
    raw = copy.deepcopy(PLAIN)
    put(raw, {key.replace("__", "."): value for key, value in values.items()})
    return raw


def test_every_place_is_listed_with_what_is_there():
    assert dict(places({"a": {"b": [1, {"c": None}]}, "d": {}})) == {
        "a": {"b": [1, {"c": None}]},
        "a.b": [1, {"c": None}],
        "a.b.0": 1,
        "a.b.1": {"c": None},
        "a.b.1.c": None,
        "d": {},
    }


def test_putting_back_every_place_changes_nothing():
    raw = copy.deepcopy(PLAIN)
    put(raw, copy.deepcopy(dict(places(PLAIN))))
    assert raw == PLAIN


def test_a_key_is_set_below_sections_lists_and_what_was_not_there():
    raw = after(learner__optimizer__lr=0.2, augment__steps__1__p=1, fusion__hidden=4, name="x")
    assert raw["learner"] == PLAIN["learner"] | {"optimizer": {"name": "adamw", "lr": 0.2}}
    assert raw["augment"]["steps"] == [{"name": "noise", "p": 0.5}, {"name": "gain", "p": 1}]
    assert raw["fusion"] == {"hidden": 4} and raw["name"] == "x"


def test_a_whole_entry_of_a_list_is_replaced():
    assert after(augment__steps__0={"name": "crop"})["augment"]["steps"][0] == {"name": "crop"}


@pytest.mark.parametrize(
    ("key", "left"),
    [
        ("learner.name", {"name": "other"}),
        ("encoders.audio.name", {"name": "other"}),
        ("augment.steps.0.name", {"name": "other"}),
        ("learner.optimizer.name", {"name": "other", "lr": 0.1}),
    ],
)
def test_another_name_clears_a_component_and_nothing_else(key, left):
    raw = copy.deepcopy(PLAIN)
    put(raw, {key: "other"})
    assert dict(places(raw))[key.rpartition(".")[0]] == left


def test_the_same_name_keeps_the_options_and_a_new_one_is_set_before_its_own():
    assert after(learner__epochs=4, learner__name="neural")["learner"]["epochs"] == 4
    assert after(learner__C=4, learner__name="svm")["learner"] == {"C": 4, "name": "svm"}


@pytest.mark.parametrize("key", ["augment.steps.2.p", "augment.steps.p", "augment.steps.-1"])
def test_a_place_that_a_list_does_not_have_is_said(key):
    with pytest.raises(ConfigError, match=rf"{key}: '\S+' is none of the 2 places of a list"):
        put(copy.deepcopy(PLAIN), {key: 1})


@pytest.mark.parametrize(
    ("key", "place"),
    [
        ("fusion.name", "fusion"),
        ("encoders.audio.name", "encoders.audio"),
        ("augment.steps.10.name", "augment.steps.10"),
        ("corpus.name", "corpus"),
        ("fusion", ""),
        ("name", ""),
        ("learner.optimizer.name", ""),
        ("encoders.name", ""),
        ("fusion.hidden", ""),
    ],
)
def test_only_the_name_of_a_component_names_one(key, place):
    assert component_of(key) == place
