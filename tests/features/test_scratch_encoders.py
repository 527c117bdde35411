"""Encoders that are trained from scratch: their sizes by hand, what they hear, what they read."""

import json
from itertools import pairwise

import librosa
import numpy as np
import pytest
import torch

from multimodal_ser.config.registry import build, find
from multimodal_ser.types import ConfigError, DataError, Input, MissingError


def sound(seconds, seed=0, rate=16000):
    return np.random.default_rng(seed).normal(0, 0.1, round(seconds * rate)).astype(np.float32)


def size(module):
    return sum(one.numel() for one in module.parameters())


def given(name, samples, rate=16000, **options):
    return build("encoders", name, options).prepare([Input(samples=samples, rate=rate)])


def features(name, sounds, **options):
    """In eval mode, of a network whose every weight follows from seed 0."""
    torch.manual_seed(0)
    encoder = build("encoders", name, options).eval()
    with torch.inference_mode():
        return encoder(**encoder.prepare([Input(samples=one, rate=16000) for one in sounds]))


def conv(given, width, *kernel):
    return given * width * int(np.prod(kernel)) + width


def norm(width):
    return 2 * width


def linear(given, width):
    return given * width + width


def test_m5_with_a_head_of_eight_classes_has_558_088_parameters():
    layers = [(1, 128, 80), (128, 128, 3), (128, 256, 3), (256, 512, 3)]
    wanted = sum(conv(*layer) + norm(layer[1]) for layer in layers) + linear(512, 8)
    assert wanted == 558_088
    assert size(build("encoders", "m5", {})) + linear(512, 8) == wanted


def test_a_clip_shorter_than_a_step_of_m5_is_the_same_as_with_the_zeros_that_fill_it():
    short = sound(0.05)
    long = np.pad(short, (0, 1772 - len(short)))
    x = features("m5", [short, long]).x
    torch.testing.assert_close(x[0], x[1], rtol=0, atol=1e-6)


def test_m5_counts_as_many_steps_as_its_layers_give():
    encoder = build("encoders", "m5", {}).eval()
    for length in (1772, 1773, 2795, 2796, 5000, 48000):
        steps = encoder.layers(torch.zeros(1, 1, length)).shape[2]
        assert encoder.steps(torch.tensor([length])).item() == steps
    assert encoder.steps(torch.tensor([2795])).item() == 1  # 1,772 + 1,024 samples are two steps
    assert encoder.steps(torch.tensor([2796])).item() == 2


def test_trim_cuts_the_silence_at_both_ends_and_only_there():
    quiet = np.zeros(16000, np.float32)
    spoken = np.concatenate([sound(0.5), quiet, sound(0.5, 1)])
    framed = np.concatenate([quiet, spoken, quiet])
    whole, cut = given("m5", framed), given("m5", framed, trim=30)
    assert whole["lengths"].item() == len(framed)
    assert abs(cut["lengths"].item() - len(spoken)) < 2 * 2048  # the frames of librosa.effects.trim


def test_samples_at_the_rate_of_the_network_are_given_as_they_are():
    samples = sound(0.3)
    np.testing.assert_array_equal(given("m5", samples)["x"][0], samples)
    other = given("m5", samples, rate=8000)
    assert other["lengths"].item() == 2 * len(samples)


@pytest.mark.parametrize("input", ["mfcc", "log_mel"])
def test_frames_are_scaled_over_the_clip_whatever_its_level(input):
    samples = sound(0.5) * np.linspace(0.1, 1, 8000, dtype=np.float32)
    frames, louder = (given("m5", k * samples, input=input)["x"][0].numpy() for k in (1, 5))
    np.testing.assert_allclose(louder, frames, atol=1e-3)
    axis = 0 if input == "mfcc" else None
    np.testing.assert_allclose(frames.mean(axis), 0, atol=1e-5)
    np.testing.assert_allclose(frames.std(axis), 1, atol=1e-5)
    assert len(frames) == 1 + 8000 // 160


def test_silence_is_no_nan_in_any_form():
    for input in ("waveform", "mfcc", "log_mel"):
        assert torch.isfinite(features("m5", [np.zeros(4000, np.float32)], input=input).x).all()


def test_cnn_bilstm_with_a_head_of_eight_classes_has_2_112_864_parameters():
    direction = 4 * 40 * (40 + 40 + 2)  # four gates; two biases each
    wanted = 2 * direction + linear(80, 80) + conv(80, 32, 5) + conv(32, 64, 5)
    wanted += linear(128 // 4 * 64, 1000) + linear(1000, 8)
    assert wanted == 2_112_864
    assert size(build("encoders", "cnn_bilstm", {})) + linear(1000, 8) == wanted


def mfcc(samples, rate):
    return librosa.feature.mfcc(y=samples, sr=rate, n_mfcc=40).T


def test_cnn_bilstm_is_given_128_frames_of_mfcc_the_last_one_repeated():
    short, long = sound(0.5, rate=22050), sound(4, 1, rate=22050)
    filled, cut = (given("cnn_bilstm", one, rate=22050) for one in (short, long))
    wanted = mfcc(short, 22050)
    assert filled["x"].shape == cut["x"].shape == (1, 128, 40)
    assert filled["lengths"].item() == cut["lengths"].item() == 128
    scale = 5e-5 * np.abs(wanted).max()
    np.testing.assert_allclose(filled["x"][0, : len(wanted)], wanted, atol=scale)
    assert (filled["x"][0, len(wanted) :] == filled["x"][0, len(wanted) - 1]).all()
    long_frames = mfcc(long, 22050)[:128]
    np.testing.assert_allclose(cut["x"][0], long_frames, atol=5e-5 * np.abs(long_frames).max())


def test_cnn2d_with_a_head_of_eight_classes_has_25_471_112_parameters():
    wanted, last = conv(3, 16, 7, 7), 16
    for wide in (32, 64, 128):
        wanted += conv(last, wide, 3, 3) + norm(wide) + conv(wide, wide, 3, 3) + norm(wide)
        last = wide
    wanted += linear(128 * 32 * 6, 1024) + norm(1024) + linear(1024, 8)
    assert wanted == 25_471_112
    assert size(build("encoders", "cnn2d", {})) + linear(1024, 8) == wanted


def test_cnn2d_is_given_the_cube_that_the_spectrogram_encoder_makes():
    samples = sound(1.3)
    wanted = given("spectrogram", samples, kind="cube")["x"]
    found = given("cnn2d", samples, width=1, hidden=2)["x"]
    assert found.shape == (1, 90, 3 * 512)
    torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_the_planes_of_cnn2d_shrink_as_those_of_keras():
    encoder = build("encoders", "cnn2d", {"width": 1, "hidden": 2}).eval()
    x, shapes = torch.zeros(1, 3, 512, 90), []
    for layer in encoder.layers:
        x = layer(x)
        if isinstance(layer, torch.nn.Conv2d):
            shapes.append(tuple(x.shape[2:]))
    halves = [(256, 45), (128, 23), (64, 12), (32, 6)]
    assert shapes == [halves[0], *(one for pair in pairwise(halves) for one in pair)]


def test_where_a_size_is_even_cnn2d_has_the_odd_zero_at_the_end():
    """Keras: 512 → 256 with 7 / 2 needs 5 zeros, 2 before and 3 after."""
    zeros = build("encoders", "cnn2d", {"width": 1, "hidden": 2}).layers[0]
    assert zeros.padding == (2, 3, 2, 3)  # 90 → 45 too needs 5


def test_the_weights_of_cnn2d_start_as_he_draws_them():
    torch.manual_seed(0)
    layers = build("encoders", "cnn2d", {"hidden": 64}).layers
    linear = next(one for one in layers if isinstance(one, torch.nn.Linear))
    assert linear.weight.std().item() == pytest.approx((2 / linear.in_features) ** 0.5, rel=0.01)
    assert not linear.bias.any()


@pytest.mark.parametrize(("seconds", "steps"), [(0.1, 1), (0.5, 1), (1.0, 2), (3.0, 5)])
def test_cnn_lstm_on_log_mel_steps_on_every_half_second(seconds, steps):
    found = features("cnn_lstm", [sound(seconds)], width=4, hidden=8, pool="none")
    assert found.mask.sum().item() == steps  # of 16 whole frames of 32 ms


def test_cnn_lstm_on_samples_steps_on_every_256_and_its_last_step_is_the_pooled_one():
    options = {"input": "waveform", "width": 4, "hidden": 8}
    sounds = [sound(0.1), sound(0.25, 1)]
    steps = features("cnn_lstm", sounds, pool="none", **options)
    assert steps.mask.sum(1).tolist() == [1600 // 256, 4000 // 256]
    last = torch.stack([x[mask][-1] for x, mask in zip(steps.x, steps.mask, strict=True)])
    torch.testing.assert_close(features("cnn_lstm", sounds, **options).x[:, 0], last)


def test_cnn_lstm_has_the_layers_of_its_paper():
    lstm = 4 * 256 * (128 + 256 + 2)
    for options, kernel in (({"input": "waveform"}, (3,)), ({"input": "log_mel"}, (3, 3))):
        blocks = [(1, 64), (64, 64), (64, 128), (128, 128)]
        wanted = sum(conv(*one, *kernel) + norm(one[1]) for one in blocks) + lstm
        assert size(build("encoders", "cnn_lstm", options)) == wanted


def test_the_residual_network_has_about_700_000_parameters():
    def block(given, wide, short):
        body = 9 * given * wide + 9 * wide * wide + 2 * norm(wide)
        return body + (given * wide + norm(wide) if short else 0)

    stages = [(24, 24, 0), (24, 48, 1), (48, 96, 1), (96, 120, 1), (120, 120, 0)]
    wanted = 25 * 24 + norm(24) + sum(block(*one) for one in stages)
    assert size(build("encoders", "resnet_mel", {})) == wanted == 678_456


@pytest.mark.parametrize("name", ["resnet_mel", "vgg"])
def test_a_frame_of_the_deep_networks_is_a_sixteenth_of_those_given_rounded_up(name):
    sounds = [sound(0.1), sound(1.0, 1)]  # 11 and 101 frames
    found = features(name, sounds, width=4, pool="none")
    assert found.mask.sum(1).tolist() == [1, 7]


TEXTS = ("Qué alegría verte", "no", "Qué pena, no", "No, nunca más")


def texts(*said):
    return [Input(text=one) for one in said]


def words(name="gru_words", said=TEXTS, **options):
    encoder = build("encoders", name, {"size": 2, "min_count": 1, **options}).eval()
    encoder.fit(texts(*said))
    return encoder


def vector(encoder, word):
    return encoder.words.embedding.weight[encoder.words.words[word]].tolist()


def test_the_vocabulary_is_that_of_the_training_texts_commonest_first():
    encoder = words()
    assert list(encoder.words.words) == ["no", "qué", "alegría", "más", "nunca", "pena", "verte"]
    assert list(words(min_count=2).words.words) == ["no", "qué"]
    given = encoder.prepare([*texts("¡No, QUÉ va!", " ", "…"), Input()])
    assert given["ids"].tolist() == [[2, 3, 1], [0, 0, 0], [1, 0, 0], [0, 0, 0]]
    assert given["lengths"].tolist() == [3, 0, 1, 0]


def test_a_vocabulary_without_any_word_is_refused():
    with pytest.raises(DataError, match="no word stands 3 times in 2 training texts"):
        words(said=("a b", "b c"), min_count=3)


def test_unknown_words_share_a_vector_that_is_learned_and_padding_has_none():
    encoder = words("cnn_words", filters=4)
    unknown, other = encoder.prepare(texts("xyz")), encoder.prepare(texts("abc"))
    torch.testing.assert_close(encoder(**unknown).x, encoder(**other).x)
    encoder(**encoder.prepare(texts("xyz no", "no"))).x.sum().backward()
    gradient = encoder.words.embedding.weight.grad
    assert gradient[1].any()
    assert not gradient[0].any()


def vector_file(folder):
    path = folder / "words.vec"
    path.write_text("3 2\nno 1 2\npena -1 0.5\nluna 9 9\n", encoding="utf-8")
    return str(path)


@pytest.mark.parametrize("name", ["gru_words", "cnn_words"])
def test_given_vectors_are_where_a_word_begins_and_freeze_keeps_them(name, tmp_path):
    for freeze in (False, True):
        encoder = words(name, file=vector_file(tmp_path), freeze=freeze)
        assert vector(encoder, "no") == [1, 2]
        assert vector(encoder, "pena") == [-1, 0.5]
        assert vector(encoder, "verte") != [0, 0]  # not in the file: drawn
        assert "luna" not in encoder.words.words  # not in the texts that train
        assert encoder.words.embedding.weight.requires_grad is not freeze


def test_the_embedding_that_a_network_has_learned_is_reused_by_another(tmp_path):
    first = words("cnn_words", filters=4)
    with torch.no_grad():
        first.words.embedding.weight.add_(1)  # as if it had been trained
    folder = tmp_path / "encoders" / "text"
    folder.mkdir(parents=True)
    for name, data in first.state().items():
        (folder / name).write_bytes(data)
    second = words("gru_words", ("nunca digas no",), file=str(folder))
    assert vector(second, "nunca") == vector(first, "nunca")
    assert vector(second, "no") == vector(first, "no")
    assert json.loads((folder / "vocabulary.json").read_text("utf-8"))[0] == "no"


@pytest.mark.parametrize("name", ["gru_words", "cnn_words"])
def test_a_trained_word_network_comes_back_without_its_file_of_vectors(name, tmp_path):
    options = {"file": vector_file(tmp_path), "freeze": True}
    encoder = words(name, **options)
    (tmp_path / "words.vec").unlink()
    again = build("encoders", name, {"size": 2, "min_count": 1, **options}).eval()
    again.load_state(encoder.state())
    again.load_state_dict(encoder.state_dict())
    given = encoder.prepare(texts("Qué pena", "no sé"))
    torch.testing.assert_close(again(**given).x, encoder(**given).x, rtol=0, atol=0)


def test_vectors_that_cannot_be_used_say_why(tmp_path):
    with pytest.raises(ConfigError, match=r"size: 3, but the vectors of .*words\.vec have 2"):
        words(file=vector_file(tmp_path), size=3)
    with pytest.raises(ConfigError, match="freeze: needs a file: of word vectors"):
        words(freeze=True)
    with pytest.raises(MissingError, match=r"holds no vocabulary\.json and embedding\.safetensors"):
        words(file=str(tmp_path))
    gone = str(tmp_path / "none.vec")
    assert "there is no file" in find("encoders", "gru_words").missing({"file": gone})[0]
    assert find("encoders", "gru_words").missing({"file": None}) == []


def test_weights_are_told_apart_by_what_is_given_not_by_where_it_lies(tmp_path):
    find_hash = find("encoders", "cnn_words").weights_hash
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    here, there = vector_file(tmp_path / "a"), vector_file(tmp_path / "b")
    assert find_hash({"file": here}) == find_hash({"file": there})
    assert find_hash({"file": str(tmp_path / "a")}) == find_hash({"file": str(tmp_path / "b")})
    assert find_hash({"file": None}) == ""


def test_the_last_state_of_a_direction_is_that_after_its_last_word():
    encoder = words(hidden=3)
    with torch.inference_mode():
        given = encoder.prepare(texts("no", "qué pena verte"))
        last = encoder(**given).x[1, 0]
        vectors = encoder.words(given["ids"][1:])
        steps, _ = encoder.recurrent(vectors)
    torch.testing.assert_close(last, torch.cat([steps[0, -1, :3], steps[0, 0, 3:]]))
