"""The encoding stage: batches by a budget, layers picked behind the cache, weights in the key."""

import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from multimodal_ser.features import extraction
from multimodal_ser.features.contents import Content, text_content
from multimodal_ser.features.encode import encode, recipe_of
from multimodal_ser.features.encoders import hf_text
from multimodal_ser.types import ConfigError, DataError, MissingError, Utterance

TEXTS = ["Qué alegría", "No", "Son las nueve de la mañana", "Qué alegría", "Sí"]


def utterances():
    return [Utterance(f"u{row}", text=text) for row, text in enumerate(TEXTS)]


def encoded(root, options):
    rows = utterances()
    return encode("hf_text", options, rows, [text_content(one) for one in rows], root, workers=1)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return hf_text.EXAMPLE(tmp_path_factory.mktemp("model"))


def options_of(model, **changes):
    plain = {"revision": None, "max_length": None, "precision": "fp32", "pool": "mean"}
    return {**plain, "layer": "last", **model, **changes}


def at(folder, example):
    """The same model in another folder."""
    return options_of(example | {"model": str(folder)})


def planned(lengths, items, budget):
    contents = [Content(f"{row}", length) for row, length in enumerate(lengths)]
    rows = [Utterance(f"u{row}") for row in range(len(lengths))]
    encoder = SimpleNamespace(BATCH=(items, budget))
    batches = extraction.plan(encoder, rows, contents, torch.device("cpu"))
    return [[content.length for _, content in batch] for batch in batches]


def test_batches_hold_like_lengths_and_no_more_than_the_budget_once_padded():
    assert planned([9, 1, 5, 2, 5, 1], 3, None) == [[1, 1, 2], [5, 5, 9]]
    assert planned([9, 1, 5, 2, 5, 1], 9, 10) == [[1, 1, 2], [5, 5], [9]]
    assert planned([50, 60], 9, 10) == [[50], [60]], "longer than the budget goes alone"


def test_every_layer_costs_one_pass(tmp_path, model, monkeypatch):
    last = encoded(tmp_path, options_of(model, layer="last"))
    monkeypatch.setattr(
        "multimodal_ser.features.encode.fill", lambda *_, **__: pytest.fail("computed again")
    )
    first = encoded(tmp_path, options_of(model, layer=0))
    every = encoded(tmp_path, options_of(model, layer="weighted"))
    table = every.load()[0]
    assert table.ndim == 3
    np.testing.assert_array_equal(last.load()[0], table[:, -1])
    np.testing.assert_array_equal(first.load()[0], table[:, 0])
    assert not np.allclose(first.load()[0], last.load()[0])


def test_equal_texts_are_encoded_once_and_come_back_in_order(tmp_path, model):
    found = encoded(tmp_path, options_of(model))
    rows = found.load()
    assert len(set(found.keys)) == 4
    np.testing.assert_array_equal(rows[0], rows[3])


def test_a_layer_that_is_not_there_is_named(tmp_path, model):
    with pytest.raises(ConfigError, match="layer 99 is not there"):
        encoded(tmp_path, options_of(model, layer=99)).load()


def test_the_key_knows_the_weights_and_not_their_place(tmp_path):
    (tmp_path / "here").mkdir()
    here = hf_text.EXAMPLE(tmp_path / "here")
    source = Path(here["model"])
    there, other = (Path(shutil.copytree(source, tmp_path / name)) for name in ("there", "other"))
    weights = next(other.glob("*.safetensors"))
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    keys = [recipe_of("hf_text", at(folder, here)).key() for folder in (source, there, other)]
    assert keys[0] == keys[1] != keys[2]


def test_weights_that_are_nowhere_say_how_to_get_them(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(MissingError, match="hf download"):
        recipe_of("hf_text", options_of({"model": str(tmp_path / "nowhere")}))


def test_what_cannot_be_stored_stops_after_a_small_share(tmp_path, model, monkeypatch):
    class Full:
        free = 10

    monkeypatch.setattr(extraction.shutil, "disk_usage", lambda _: Full)
    with pytest.raises(DataError, match=r"these features need about .* and 0.0 are free"):
        encoded(tmp_path, options_of(model))


def test_what_is_large_is_said_before_it_comes(tmp_path, model, monkeypatch, capsys):
    monkeypatch.setattr(extraction, "_LARGE", 1)
    encoded(tmp_path, options_of(model))
    assert "4 inputs: about 0.0 GiB and 0 minutes are to come" in capsys.readouterr().err


def test_remarks_are_counted_also_when_nothing_is_computed(tmp_path, model):
    options = options_of(model, max_length=4)
    first = encoded(tmp_path, options)
    again = encoded(tmp_path, options)
    assert first.remarks == again.remarks
    ((remark, count),) = first.remarks
    assert "truncated to 4 tokens" in remark
    assert 1 <= count <= 5
