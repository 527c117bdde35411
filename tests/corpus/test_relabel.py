"""Labels renamed, merged, dropped and mapped; every row that goes is counted by its label."""

from pathlib import Path

import pandas as pd
import pytest

from multimodal_ser.config.read import check
from multimodal_ser.corpus.corpus import About, build
from multimodal_ser.corpus.relabel import MAPS, canonical, relabel
from multimodal_ser.types import ConfigError, DataError

ABOUT = About(name="toy", licence="mine", citation="me", home="here")


def corpus(*labels):
    table = pd.DataFrame({"id": [f"u{one}" for one in range(len(labels))], "label": labels})
    return build(table.assign(text="x"), ABOUT, root=Path())


def labels_of(found):
    return found.table["label"].tolist()


def test_two_names_become_one_and_the_rest_stay():
    found = relabel(corpus("happy", "excited", "sad"), rename={"excited": "happy"})
    assert labels_of(found) == ["happy", "happy", "sad"]
    assert found.labels == ("happy", "sad")
    assert found.dropped == {}


def test_dropped_rows_are_counted_by_label():
    found = relabel(corpus("a", "b", "c", "b"), drop=["b", "c"])
    assert labels_of(found) == ["a"]
    assert found.dropped == {"label b": 2, "label c": 1}


def test_rows_without_a_label_are_not_dropped():
    found = relabel(corpus("happy", None, "odd"), use="big4")
    assert found.table["label"].isna().tolist() == [False, True]
    assert found.dropped == {"label odd": 1}


@pytest.mark.parametrize(
    ("given", "name"),
    [("Alegría", "joy"), ("ENFADO", "anger"), ("miedo", "fear"), ("hap", "joy"), ("zest", "zest")],
)
def test_a_label_is_known_in_both_languages_and_any_case(given, name):
    assert canonical(given) == name


@pytest.mark.parametrize(
    ("use", "expected"),
    [
        ("ekman6", ["anger", "joy", "surprise"]),
        ("ekman6+neutral", ["anger", "joy", "neutral", "surprise"]),
        ("big4", ["anger", "happiness", "neutral"]),
        ("valence_sign", ["negative", "positive", "neutral"]),
    ],
)
def test_a_shipped_map_takes_ravdess_names(use, expected):
    found = relabel(corpus("angry", "happy", "neutral", "surprised"), use=use)
    assert labels_of(found) == expected


def test_every_class_of_a_map_is_reached_from_a_known_name():
    for use, classes in MAPS.items():
        assert all(canonical(name) == name for name in classes), use


def test_a_label_that_is_not_there_is_an_error_with_those_that_are():
    with pytest.raises(DataError, match=r"no \['glee'\] \(it has happy, sad\)"):
        relabel(corpus("happy", "sad"), drop=["glee"])
    with pytest.raises(DataError, match="nothing is left of 2 rows"):
        relabel(corpus("x", "y"), use="big4")


def test_a_config_names_a_map_that_exists():
    base = {"name": "x", "corpus": {"name": "demo"}, "encoders": {"a": {"name": "mfcc"}}}
    assert check(base | {"labels": {"use": "big4"}}).labels.use == "big4"
    with pytest.raises(ConfigError, match=r"labels\.use"):
        check(base | {"labels": {"use": "big5"}})
