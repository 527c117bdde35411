"""Word vectors against files written by hand."""

import gzip

import numpy as np
import pytest
import torch

from multimodal_ser.config.registry import build
from multimodal_ser.types import ConfigError, DataError, Input, MissingError

LINES = ["alegría 1 2", "pena -1 0.5", "Son 3 3", "son 0 8", "pena 9 9"]


def write(folder, lines=LINES, name="words.vec", end="\n"):
    path = folder / name
    data = "".join(line + end for line in lines).encode()
    path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
    return path


def encode(path, *texts, **options):
    encoder = build("encoders", "word_vectors", {"file": str(path), **options})
    inputs = [Input(text=text) for text in texts]
    with torch.inference_mode():
        return encoder(**encoder.prepare(inputs)), encoder.remarks(inputs)


@pytest.mark.parametrize("header", [[], ["5 2"]])
@pytest.mark.parametrize("name", ["words.vec", "words.txt", "words.vec.gz"])
@pytest.mark.parametrize("end", ["\n", " \n", "\r\n"])
def test_every_form_of_the_file_gives_the_same_mean(tmp_path, header, name, end):
    path = write(tmp_path, [*header, *LINES], name, end)
    features, _ = encode(path, "Alegría, pena.")
    assert features.x.tolist() == [[[0.0, 1.25]]]  # the first line of pena, not the last
    assert features.mask.tolist() == [[True]]


def test_without_a_pool_there_is_a_frame_for_each_known_word_in_order(tmp_path):
    features, _ = encode(write(tmp_path), "pena y alegría", "son", pool="none")
    assert features.x[0].tolist() == [[-1, 0.5], [1, 2]]
    assert features.mask.tolist() == [[True, True], [True, False]]


@pytest.mark.parametrize(
    ("case", "expected"), [("keep", [3.0, 3.0]), ("lower", [0.0, 8.0]), ("either", [3.0, 3.0])]
)
def test_case_says_how_a_word_is_looked_up(tmp_path, case, expected):
    features, remarks = encode(write(tmp_path), "Son", "SON", case=case)
    assert features.x[0, 0].tolist() == expected
    assert features.x[1, 0].tolist() == ([0, 0] if case == "keep" else [0, 8])
    assert remarks == ["", "no known word" if case == "keep" else ""]


@pytest.mark.parametrize("pool", ["mean", "none"])
def test_a_text_of_unknown_words_is_there_and_says_nothing(tmp_path, pool):
    texts = ("xyz", None, " ", "pena xyz")
    features, remarks = encode(write(tmp_path), *texts, pool=pool)
    assert features.present.tolist() == [True, False, False, True]
    assert features.x[0].tolist() == [[0, 0]]
    assert remarks == ["no known word", "", "", "some words unknown"]


def test_only_the_vectors_that_were_asked_for_are_kept(tmp_path):
    encoder = build("encoders", "word_vectors", {"file": str(write(tmp_path))})
    encoder.prepare([Input(text="pena pena son")])
    assert {*encoder.vectors.kept} == {b"pena", b"son"}


def test_numbers_of_any_length_are_read_whole(tmp_path):
    features, _ = encode(write(tmp_path, ["a " + "0" * 90 + "7 -1e-3", "b 1 2"]), "a")
    np.testing.assert_allclose(features.x[0, 0], [7, -0.001], rtol=1e-6)


@pytest.mark.parametrize(
    ("lines", "match"),
    [
        (["3 2", "a 1 2", "b 1", "c 1 2"], "line 3: 1 numbers where 2 belong"),
        (["a 1 2", "b 1 2 3"], "line 2: 3 numbers where 2 belong"),
        (["a 1 2", ""], "line 2: 0 numbers"),
        (["9 2", "a 1 2"], "announces 9 words and holds 1: is it complete"),
        ([], "holds no word vector"),
    ],
)
def test_a_malformed_file_names_the_line(tmp_path, lines, match):
    with pytest.raises(DataError, match=match):
        encode(write(tmp_path, lines), "a")


@pytest.mark.parametrize("number", ["x", "nan", "inf"])
def test_what_is_no_number_names_the_line_when_the_word_is_needed(tmp_path, number):
    path = write(tmp_path, ["2 2", "a 1 2", f"b 1 {number}"])
    encode(path, "a")
    with pytest.raises(DataError, match="line 3"):
        encode(path, "b")


def test_files_that_are_not_there_or_not_text_say_what_to_take(tmp_path):
    with pytest.raises(MissingError, match=r"there is no file .*none\.vec; .*fasttext"):
        encode(tmp_path / "none.vec")
    with pytest.raises(ConfigError, match=r"take the \.vec file"):
        encode(tmp_path / "cc.es.300.bin")
    path = write(tmp_path, name="words.vec.gz")
    path.write_bytes(path.read_bytes()[:-12])
    with pytest.raises(DataError, match="cannot read"):
        encode(path)
