"""Encoders that are trained from scratch: their sizes by hand, what they hear, what they read."""

import numpy as np
import pytest
import torch

from multimodal_ser.components import build
from multimodal_ser.types import Input


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
