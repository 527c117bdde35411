"""eGeMAPS are openSMILE's own numbers, and a clip of any length has them."""

import importlib.util

import numpy as np
import pytest
import torch

from multimodal_ser.config.registry import build
from multimodal_ser.features.encoders import egemaps
from multimodal_ser.types import Input, MissingError

RATE = 16000
MISSING = importlib.util.find_spec("opensmile") is None
installed = pytest.mark.skipif(MISSING, reason="needs pip install multimodal_ser[egemaps]")


def voice(seconds, rate=RATE):
    time = np.arange(max(1, round(seconds * rate))) / rate
    partials = sum(np.sin(2 * np.pi * 150 * k * time) / k for k in range(1, 20))
    return (0.1 * partials * (1 + np.sin(2 * np.pi * 3 * time))).astype(np.float32)


def rows_of(sounds, rate=RATE, **options):
    encoder = build("encoders", "egemaps", options).eval()
    inputs = [Input(samples=one, rate=rate) for one in sounds]
    with torch.inference_mode():
        features = encoder(**encoder.prepare(inputs))
    return [x[mask].numpy() for x, mask in zip(features.x, features.mask, strict=True)]


@installed
@pytest.mark.parametrize(
    ("pool", "level"), [("functionals", "Functionals"), ("none", "LowLevelDescriptors")]
)
def test_the_numbers_are_those_of_opensmile(pool, level):
    import opensmile

    smile = opensmile.Smile(
        feature_set=opensmile.FeatureSet.eGeMAPSv02,
        feature_level=getattr(opensmile.FeatureLevel, level),
    )
    wanted = smile.process_signal(voice(0.5), RATE)
    (found,) = rows_of([voice(0.5)], pool=pool)
    np.testing.assert_array_equal(found, wanted.to_numpy(dtype=np.float32))
    assert build("encoders", "egemaps", {"pool": pool}).dim == wanted.shape[1]


@installed
def test_the_pitch_of_a_voice_is_among_the_functionals():
    """Column 0 is the mean F0 in semitones above 27.5 Hz."""
    (found,) = rows_of([voice(1.0)])
    assert 27.5 * 2 ** (found[0, 0] / 12) == pytest.approx(150, rel=0.02)


@installed
@pytest.mark.parametrize("rate", [8000, 16000, 44100])
@pytest.mark.parametrize("pool", ["functionals", "none"])
def test_a_short_or_silent_clip_has_numbers(rate, pool):
    sounds = [voice(0.0, rate), voice(0.03, rate), np.zeros(rate // 5, np.float32)]
    for row in rows_of(sounds, rate, pool=pool):
        assert len(row)
        assert np.isfinite(row).all()


@installed
def test_a_clip_that_was_filled_up_is_remarked_on():
    inputs = [Input(samples=voice(length), rate=RATE) for length in (0.05, 0.1)]
    encoder = build("encoders", "egemaps", {})
    assert encoder.remarks([*inputs, Input()]) == ["padded to 0.1 s", "", ""]


@installed
def test_one_rate_for_all_makes_files_of_two_rates_alike():
    (high,) = rows_of([voice(0.5, 48000)], 48000, sample_rate=16000)
    (low,) = rows_of([voice(0.5)], sample_rate=16000)
    assert high[0, 0] == pytest.approx(low[0, 0], rel=0.01)


def test_without_the_extra_the_way_to_get_it_is_said(monkeypatch):
    monkeypatch.setattr(egemaps, "find_spec", lambda name: None)
    with pytest.raises(MissingError, match=r"pip install 'multimodal_ser\[egemaps\]'"):
        build("encoders", "egemaps", {})
