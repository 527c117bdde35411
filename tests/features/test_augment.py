"""Augmentations measured against what was asked of them, over many draws."""

import math
import re
import unicodedata
from collections import Counter

import numpy as np
import pytest
import soundfile
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError

from multimodal_ser.config.registry import build, find
from multimodal_ser.features.augmentation import Augmentation
from multimodal_ser.features.batches import Batch
from multimodal_ser.types import ConfigError, DataError, Features, Input, MissingError

RATE = 16000
TEXT = "Hoy no salgo, porque llueve mucho. Mañana, si puedo, vuelvo a casa. Qué pena me da."
SOUND_STEPS = {
    "speed": {},
    "gain": {},
    "noise": {},
    "reverb": {},
    "band": {"high": (10, 20)},
    "crop": {"seconds": 0.001},
}
TEXT_STEPS = {
    "token_dropout": {"rate": 0.9},
    "swap": {"rate": 0.5},
    "typos": {"rate": 0.5},
    "punctuation": {"rate": 0.9},
    "case": {},
}


def sound(samples, rate=RATE):
    return Input(np.asarray(samples, dtype=np.float32), rate)


def voice(seconds=1.0, rate=RATE):
    return sound(0.1 * np.random.default_rng(9).standard_normal(round(seconds * rate)), rate)


def draws(name, one, count, **options):
    augment = build("augment", name, options)
    return [augment(one, np.random.default_rng(seed)) for seed in range(count)]


def texts(name, text, count, **options):
    return [one.text for one in draws(name, Input(text=text), count, **options)]


def decibels(ratio):
    return 10 * np.log10(ratio)


def mean_square(samples):
    return np.mean(samples.astype(np.float64) ** 2)


def uniform(values, low, high):
    """Bounds kept, and the mean and spread of a uniform draw within five standard errors."""
    values = np.asarray(values)
    slack = 1e-3 * max(1, abs(low), abs(high))
    assert low - slack <= values.min()
    assert values.max() <= high + slack
    spread = (high - low) / math.sqrt(12)
    assert abs(values.mean() - (low + high) / 2) < 5 * spread / math.sqrt(len(values))
    assert abs(values.std() / spread - 1) < 5 / math.sqrt(len(values))


@pytest.mark.parametrize("kind", ["white", "pink"])
def test_noise_has_the_signal_to_noise_ratio_that_was_drawn(kind):
    one = voice(0.5)
    found = draws("noise", one, 200, kind=kind, snr=(3, 15))
    ratios = [
        decibels(mean_square(one.samples) / mean_square(each.samples - one.samples))
        for each in found
    ]
    uniform(ratios, 3, 15)


def octave_powers(samples):
    """Of the octaves above 125, 250 … 2000 Hz."""
    spectrum = np.abs(np.fft.rfft(samples)) ** 2
    hertz = np.fft.rfftfreq(len(samples), 1 / RATE)
    return np.array(
        [spectrum[(hertz >= low) & (hertz < 2 * low)].sum() for low in (125, 250, 500, 1000, 2000)]
    )


@pytest.mark.parametrize(("kind", "per_octave"), [("white", 3.01), ("pink", 0.0)])
def test_white_noise_gains_3_db_an_octave_and_pink_none(kind, per_octave):
    one = voice(2)
    added = [each.samples - one.samples for each in draws("noise", one, 20, kind=kind)]
    powers = np.mean([octave_powers(each) / mean_square(each) for each in added], axis=0)
    np.testing.assert_allclose(np.diff(decibels(powers)), per_octave, atol=0.5)


def write_noises(folder, rate=8000):
    """A tone of 1000 Hz and, a folder further down, one of 2000 Hz that is short."""
    (folder / "deep").mkdir()
    for name, hertz, seconds in (("long.wav", 1000, 3), ("deep/short.flac", 2000, 0.1)):
        time = np.arange(round(rate * seconds)) / rate
        soundfile.write(folder / name, 0.5 * np.sin(2 * np.pi * hertz * time), rate)
    (folder / "notes.txt").write_text("no sound")


def test_noise_of_a_folder_comes_from_all_its_files_at_the_clips_rate(tmp_path):
    write_noises(tmp_path)
    one = voice(0.5)
    found = draws("noise", one, 40, kind="folder", folder=str(tmp_path), snr=(0, 0))
    peaks = Counter()
    for each in found:
        added = each.samples - one.samples
        assert decibels(mean_square(one.samples) / mean_square(added)) == pytest.approx(0, abs=1e-3)
        peaks[2 * int(np.abs(np.fft.rfft(added)).argmax())] += 1
    assert set(peaks) == {1000, 2000}
    assert min(peaks.values()) >= 8  # 20 are expected; fewer than 8 has probability 2e-5


def test_noise_takes_a_file_from_random_places(tmp_path):
    soundfile.write(tmp_path / "ramp.wav", np.linspace(0.1, 0.9, 4 * RATE), RATE, subtype="FLOAT")
    one = sound(np.full(RATE, 0.2))
    first = [
        (each.samples - one.samples)[0] / (each.samples - one.samples)[-1]
        for each in draws("noise", one, 20, kind="folder", folder=str(tmp_path))
    ]
    assert len(set(np.round(first, 3))) > 10


def test_noise_says_what_is_wrong_with_its_folder(tmp_path):
    with pytest.raises(ConfigError, match=r"noise: there is no folder .*nowhere"):
        build("augment", "noise", {"kind": "folder", "folder": str(tmp_path / "nowhere")})
    with pytest.raises(DataError, match=r"holds no sound file"):
        build("augment", "noise", {"kind": "folder", "folder": str(tmp_path)})
    with pytest.raises(ConfigError, match=r"noise: folder names the sound files of kind: folder"):
        build("augment", "noise", {"folder": str(tmp_path)})
    (tmp_path / "bad.wav").write_bytes(b"RIFF")
    with pytest.raises(DataError, match=r"(?s)1 noise files are empty or not readable.*bad.wav"):
        build("augment", "noise", {"kind": "folder", "folder": str(tmp_path)})


def test_gain_changes_the_level_by_the_decibels_drawn():
    one = voice(0.1)
    found = draws("gain", one, 300, db=(-10, 4))
    factors = [each.samples / one.samples for each in found]
    assert all(np.ptp(factor) < 1e-5 * factor[0] for factor in factors)
    uniform([2 * decibels(factor[0]) for factor in factors], -10, 4)


def test_p_is_the_share_of_utterances_that_are_touched():
    one = voice(0.01)
    touched = sum(each is not one for each in draws("gain", one, 1000, p=0.3))
    assert abs(touched - 300) < 5 * math.sqrt(1000 * 0.3 * 0.7)


def test_speed_makes_a_clip_shorter_and_its_pitch_higher_by_one_factor():
    time = np.arange(RATE) / RATE
    tone = sound(np.sin(2 * np.pi * 1000 * time))
    for factor in (0.8, 1.0, 1.25):
        (each,) = draws("speed", tone, 1, factor=(factor, factor))
        assert len(each.samples) == math.ceil(RATE / factor)
        spectrum = np.abs(np.fft.rfft(each.samples * np.hanning(len(each.samples))))
        hertz = spectrum.argmax() * RATE / len(each.samples)
        assert hertz == pytest.approx(1000 * factor, abs=RATE / len(each.samples))


def test_the_factors_of_speed_are_uniform():
    one = voice(0.5)
    uniform([8000 / len(each.samples) for each in draws("speed", one, 300)], 0.9, 1.1)


def click(place=200, seconds=1.5):
    samples = np.zeros(round(seconds * RATE))
    samples[place] = 1
    return sound(samples)


def reverberation_time(tail):
    """Schroeder 1965: the energy still to come, a line from −5 to −35 dB, prolonged to 60 dB."""
    energy = np.cumsum(tail[::-1].astype(np.float64) ** 2)[::-1]
    level = decibels(energy / energy[0] + 1e-12)
    used = (level <= -5) & (level >= -35)
    slope = np.polyfit(np.flatnonzero(used) / RATE, level[used], 1)[0]
    return -60 / slope


@pytest.mark.parametrize("rt60", [0.2, 0.5, 1.0])
def test_reverb_dies_away_in_the_time_asked_for(rt60):
    found = draws("reverb", click(), 12, rt60=(rt60, rt60), direct=(0, 0))
    times = [reverberation_time(each.samples[201:]) for each in found]
    np.testing.assert_allclose(times, rt60, rtol=0.1)
    assert np.mean(times) == pytest.approx(rt60, rel=0.03)


def test_the_direct_sound_of_reverb_stays_in_place_and_has_its_share_of_the_energy():
    one = click()
    found = draws("reverb", one, 100, rt60=(0.3, 0.3), direct=(2, 8))
    ratios = []
    for each in found:
        squared = each.samples.astype(np.float64) ** 2
        assert np.abs(each.samples[:200]).max() < 1e-6
        assert squared.argmax() == 200
        assert mean_square(each.samples) == pytest.approx(mean_square(one.samples), rel=1e-4)
        ratios.append(decibels(squared[200] / squared[201:].sum()))
    uniform(ratios, 2, 8)


def butterworth(hertz, cutoff, order=4):
    """Power response of a digital low-pass: bilinear, so a frequency counts by its tangent."""
    warped = np.tan(np.pi * np.asarray(hertz) / RATE) / np.tan(np.pi * cutoff / RATE)
    return 1 / (1 + warped ** (2 * order))


def response(samples, hertz):
    """Amplitude at these frequencies of what a click in the middle of a second became."""
    return np.abs(np.fft.rfft(samples.astype(np.float64), RATE))[list(hertz)]


def test_a_low_pass_attenuates_as_a_butterworth_does_once_or_twice():
    hertz, one = (250, 500, 1000, 1500, 2000), click(RATE // 2, 1)
    power = butterworth(hertz, 1000)
    for zero_phase, expected in ((True, power), (False, np.sqrt(power))):
        (each,) = draws("band", one, 1, kinds=("low",), low=(1000, 1000), zero_phase=zero_phase)
        np.testing.assert_allclose(response(each.samples, hertz), expected, rtol=0.01, atol=1e-5)
    assert decibels(power[4] ** 2) < -48  # what `order: 4` promises an octave above, both ways


def test_a_high_pass_attenuates_below_and_a_telephone_on_both_sides():
    one = click(RATE // 2, 1)
    (high,) = draws("band", one, 1, kinds=("high",), high=(400, 400))
    expected = 1 - butterworth((100, 200, 400, 800), 400)
    np.testing.assert_allclose(
        response(high.samples, (100, 200, 400, 800)), expected, rtol=0.01, atol=1e-4
    )
    (telephone,) = draws("band", one, 1, kinds=("telephone",))
    edges, kept = (60, 300, 3400, 7000), (700, 1000, 1500)
    level = 2 * decibels(response(telephone.samples, edges))
    assert level[0] < -60
    assert level[3] < -60
    np.testing.assert_allclose(level[1:3], -6.02, atol=0.1)
    np.testing.assert_allclose(response(telephone.samples, kept), 1, atol=0.01)


def test_zero_phase_delays_nothing_and_causal_foresees_nothing():
    one = click(RATE // 2, 1)
    (both,) = draws("band", one, 1, kinds=("low",), zero_phase=True)
    (causal,) = draws("band", one, 1, kinds=("low",), zero_phase=False)
    assert np.abs(both.samples).argmax() == RATE // 2
    assert not causal.samples[: RATE // 2].any()
    assert np.abs(causal.samples).argmax() > RATE // 2


def test_a_band_that_reaches_past_the_rate_cuts_nothing_or_says_so():
    one = voice(0.1, 4000)
    (low,) = draws("band", one, 1, kinds=("low",), low=(3000, 3000))
    assert low is one
    with pytest.raises(ConfigError, match=r"band: nothing lies above 2500 Hz at a rate of 4000"):
        draws("band", one, 1, kinds=("high",), high=(2500, 2500))


@pytest.mark.parametrize(("seconds", "rate"), [(5.5, 16000), (0.33, 22050), (1.0, 8000)])
def test_a_crop_is_exactly_as_long_as_asked_and_repeats_what_is_shorter(seconds, rate):
    for length in (1, 7, round(seconds * rate) - 1, round(seconds * rate), 7 * rate):
        one = sound(np.arange(length), rate)
        (each,) = draws("crop", one, 1, seconds=seconds)
        assert len(each.samples) == round(seconds * rate)
        start = each.samples[0]
        expected = (start + np.arange(round(seconds * rate))) % length
        np.testing.assert_array_equal(each.samples, expected)
        assert start == 0 or length > round(seconds * rate)


def test_a_crop_may_begin_anywhere():
    one = sound(np.arange(1000), 100)
    starts = [each.samples[0] for each in draws("crop", one, 2000, seconds=9)]
    assert set(starts) == set(range(101))
    uniform(starts, 0, 100)


@given(
    arrays(np.float32, st.integers(1, 60), elements=st.floats(-1, 1, width=32)),
    st.sampled_from([8000, 16000, 44100]),
    st.integers(0, 5),
)
@settings(max_examples=60, deadline=None)
def test_sound_of_any_length_and_content_stays_sound(samples, rate, seed):
    for name, options in SOUND_STEPS.items():
        augment = build("augment", name, options)
        found = augment(Input(samples, rate), np.random.default_rng(seed)).samples
        assert found.dtype == np.float32
        assert found.ndim == 1
        assert len(found) >= 1
        assert np.isfinite(found).all()
        assert samples.any() or not found.any(), f"{name} makes sound of silence"


def hidden(name, frames, columns, seed, **options):
    """Which of the rows (or columns) are hidden."""
    augment = build("augment", name, {"fill": "zero"} | options)
    found = augment(torch.ones(frames, columns), np.random.default_rng(seed))
    lines = found if name == "time_mask" else found.T
    assert all(len(set(line.tolist())) == 1 for line in lines)
    return (lines[:, 0] == 0).numpy()


def longest(flags):
    return max([0, *map(len, re.findall("1+", "".join("1" if flag else "0" for flag in flags)))])


@pytest.mark.parametrize("name", ["time_mask", "frequency_mask"])
@pytest.mark.parametrize("total", [1, 2, 5, 300])
@pytest.mark.parametrize("share", [0.0, 0.2, 0.29, 0.5, 1.0])
def test_masks_never_hide_more_than_their_share(name, total, share):
    shape = (total, 3) if name == "time_mask" else (3, total)
    for seed in range(40):
        flags = hidden(name, *shape, seed, masks=3, width=100, share=share)
        assert flags.sum() <= share * total + 1e-9


@pytest.mark.parametrize("name", ["time_mask", "frequency_mask"])
def test_the_width_of_a_mask_is_uniform_from_0_to_the_widest_and_it_lies_anywhere(name):
    shape = (80, 2) if name == "time_mask" else (2, 80)
    masks = [hidden(name, *shape, seed, masks=1, width=10, share=0.5) for seed in range(1500)]
    widths = Counter(longest(flags) for flags in masks)
    assert set(widths) == set(range(11))
    assert max(widths.values()) < 1500 / 11 + 5 * math.sqrt(1500 / 11)
    assert min(widths.values()) > 1500 / 11 - 5 * math.sqrt(1500 / 11)
    for width in (1, 10):
        starts = [int(flags.argmax()) for flags in masks if flags.sum() == width]
        assert min(starts) < 8
        assert max(starts) > 80 - width - 8


def test_a_mask_holds_the_mean_or_zero():
    x = torch.randn(50, 20, generator=torch.Generator().manual_seed(1))
    time = build("augment", "time_mask", {"masks": 1, "share": 1.0})
    found = time(x, np.random.default_rng(3))
    changed = (found != x).all(1)
    assert changed.any()
    torch.testing.assert_close(found[changed], x.mean(0).expand(int(changed.sum()), -1))
    torch.testing.assert_close(found[~changed], x[~changed], rtol=0, atol=0)
    frequency = build("augment", "frequency_mask", {"masks": 1, "share": 1.0})
    found = frequency(x, np.random.default_rng(3))
    changed = (found != x).all(0)
    assert changed.any()
    torch.testing.assert_close(found[:, changed], x.mean().expand(50, int(changed.sum())))


def batch_of(rows=4, weights=None):
    """Cached frames, prepared samples, a class and a number, of which row i is easily known."""
    value = torch.arange(1.0, rows + 1)
    lengths = torch.arange(rows) % 3 + 1
    mask = torch.arange(3) < lengths.unsqueeze(1)
    x = value[:, None, None] * torch.tensor([1.0, 10.0]) * mask.unsqueeze(-1)
    prepared = {"x": value[:, None] * (torch.arange(5) < 5), "lengths": lengths + 2}
    truth = torch.nn.functional.one_hot(torch.arange(rows) % 3, 3).float()
    targets = {"label": truth, "valence": value[:, None] / 10}
    return Batch(
        {"frames": Features(x, mask), "samples": prepared}, targets, weights, torch.arange(len(x))
    )


def test_mixup_is_the_formula_on_rows_worked_by_hand():
    batch = batch_of(weights=torch.tensor([1.0, 2.0, 4.0, 8.0]))

    class Fixed:
        """Draws that are written here."""

        def random(self):
            return 0.0

        def beta(self, a, b, rows):
            return np.array([0.5, 0.25, 0.75, 0.5])

        def permutation(self, rows):
            return np.array([1, 0, 3, 3])

    found = build("augment", "mixup", {"alpha": 1.0})(batch, Fixed())
    # rows hold 1, 2, 3, 4; .5·1+.5·2, .25·2+.75·1, .75·3+.25·4, 4
    mixed = torch.tensor([1.5, 1.25, 3.25, 4.0])
    x, mask = found.features["frames"].x, found.features["frames"].mask
    torch.testing.assert_close(x[:, 0, 0], mixed)
    torch.testing.assert_close(x[:, 0, 1], 10 * mixed)
    # lengths 1, 2, 3, 1: the second frame of row 0 is half of row 1's, as row 0 has none
    assert mask.sum(1).tolist() == [2, 2, 3, 1]
    torch.testing.assert_close(x[:, 1, 0], torch.tensor([1.0, 0.5, 2.25, 0.0]))
    torch.testing.assert_close(found.features["samples"]["x"], mixed[:, None].expand(4, 5))
    assert found.features["samples"]["lengths"].tolist() == [4, 4, 5, 3]
    torch.testing.assert_close(found.targets["valence"][:, 0], mixed / 10)
    expected = torch.tensor([[0.5, 0.5, 0], [0.75, 0.25, 0], [0.25, 0, 0.75], [1, 0, 0]])
    torch.testing.assert_close(found.targets["label"], expected)
    torch.testing.assert_close(found.weights, torch.tensor([1.5, 1.25, 5.0, 8.0]))


@pytest.mark.parametrize("alpha", [0.2, 1.0, 4.0])
def test_the_share_of_mixup_is_beta(alpha):
    rows = 64
    truth = torch.eye(rows)
    batch = Batch({}, {"label": truth}, None, torch.arange(len(truth)))
    kept = []
    for seed in range(60):
        found = build("augment", "mixup", {"alpha": alpha})(batch, np.random.default_rng(seed))
        own, others = found.targets["label"].diagonal(), found.targets["label"].sum(1)
        torch.testing.assert_close(others, torch.ones(rows))
        kept += own[(found.targets["label"] > 0).sum(1) == 2].tolist()
    spread = math.sqrt(1 / (4 * (2 * alpha + 1)))  # of Beta(α, α), whose mean is a half
    assert np.mean(kept) == pytest.approx(0.5, abs=5 * spread / math.sqrt(len(kept)))
    assert np.std(kept) == pytest.approx(spread, rel=0.05)


def test_mixup_leaves_a_row_alone_where_it_or_its_partner_lacks_something():
    def lacking(what):
        batch = batch_of(9)
        if what == "frames":
            batch.features["frames"].mask[4] = False
        elif what == "samples":
            batch.features["samples"]["lengths"][4] = 0
        elif what == "label":
            batch.targets["label"][4] = 0
        elif what == "valence":
            batch.targets["valence"][4] = math.nan
        return batch

    augment = build("augment", "mixup", {"alpha": 1.0})
    for seed in range(12):
        generator = np.random.default_rng(seed)
        generator.random(), generator.beta(1, 1, 9)
        partner = generator.permutation(9)
        alone = {4, int(np.flatnonzero(partner == 4)[0])}
        for what in ("frames", "samples", "label", "valence"):
            batch = lacking(what)
            found = augment(batch, np.random.default_rng(seed))
            changed = (found.features["samples"]["x"] != batch.features["samples"]["x"]).any(1)
            assert not changed[list(alone)].any()
            assert {row for row in range(9) if changed[row]} == {
                row for row in range(9) if row not in alone and partner[row] != row
            }
            for row in alone:
                for target, truth in batch.targets.items():
                    torch.testing.assert_close(
                        found.targets[target][row], truth[row], rtol=0, atol=0, equal_nan=True
                    )
                mask = batch.features["frames"].mask
                assert torch.equal(found.features["frames"].mask[row], mask[row])
                assert (
                    found.features["samples"]["lengths"][row]
                    == (batch.features["samples"]["lengths"][row])
                )


def test_mixup_mixes_all_layers_and_is_blind_to_padding():
    batch = batch_of()
    plain = batch.features["frames"]
    layers = torch.stack([plain.x, 2 * plain.x], dim=1)
    junk = layers.masked_fill(~plain.mask[:, None, :, None], math.nan)
    augment = build("augment", "mixup", {"alpha": 1.0})
    expected = augment(batch, np.random.default_rng(2)).features["frames"].x
    deep = Batch({"frames": Features(junk, plain.mask)}, batch.targets, None, batch.rows)
    found = augment(deep, np.random.default_rng(2)).features["frames"].x
    torch.testing.assert_close(found, torch.stack([expected, 2 * expected], dim=1))


def test_mixup_refuses_token_ids():
    ids = {"input_ids": torch.ones(4, 3, dtype=torch.long), "attention_mask": torch.ones(4, 3)}
    batch = Batch({"text": ids}, {"label": torch.eye(4)}, None, torch.arange(4))
    with pytest.raises(ConfigError, match=r"encoders.text learns from attention_mask, input_ids"):
        build("augment", "mixup", {})(batch, np.random.default_rng(0))


def test_token_dropout_drops_its_rate_of_words_in_their_order():
    words = [f"w{at}" for at in range(50)]
    found = [text.split() for text in texts("token_dropout", " ".join(words), 200, rate=0.2)]
    for kept in found:
        assert kept == [word for word in words if word in set(kept)]
    dropped = 1 - np.mean([len(kept) / 50 for kept in found])
    assert dropped == pytest.approx(0.2, abs=5 * math.sqrt(0.2 * 0.8 / 10000))


def test_of_words_that_would_all_be_dropped_any_one_stays():
    assert set(texts("token_dropout", "uno dos tres", 40, rate=1.0)) == {"uno", "dos", "tres"}


def test_swap_moves_words_by_one_place_and_keeps_blanks():
    text = "  uno dos\ttres\n cuatro cinco "
    for found in texts("swap", text, 100, rate=0.4):
        assert Counter(found.split()) == Counter(text.split())
        assert re.findall(r"\s+", found) == re.findall(r"\s+", text)
        places = [text.split().index(word) for word in found.split()]
        assert all(abs(at - place) <= 1 for at, place in enumerate(places))
    assert texts("swap", "a b c d e", 1, rate=1.0) == ["b a d c e"]


def test_swap_swaps_its_rate_of_pairs():
    found = texts("swap", "uno dos", 2000, rate=0.3)
    swapped = Counter(found)["dos uno"] / 2000
    assert swapped == pytest.approx(0.3, abs=5 * math.sqrt(0.3 * 0.7 / 2000))


WORDS = "el murciélago come feliz cardillo y kiwi"
LETTERS = sum(letter.isalpha() for letter in WORDS)


@pytest.mark.parametrize(("kind", "change"), [("doubled", 1), ("dropped", -1)])
def test_typos_mistype_their_rate_of_letters(kind, change):
    found = texts("typos", WORDS, 300, rate=0.1, kinds=(kind,))
    rate = change * np.mean([len(text) - len(WORDS) for text in found]) / LETTERS
    slack = 5 * math.sqrt(0.1 * 0.9 / LETTERS / 300)
    lost = 0.1 / LETTERS if kind == "dropped" else 0  # the one letter of y stays
    assert rate == pytest.approx(0.1 - lost, abs=slack)


def test_neighbours_are_beside_the_key_in_its_case():
    beside = {"s": set("adwezx"), "q": set("wa"), "ñ": set("lp"), "m": set("njk"), "á": set("qwsz")}
    for letter, near in beside.items():
        for case in (str.lower, str.upper):
            found = texts("typos", case(letter), 80, rate=1.0, kinds=("neighbour",))
            assert set(found) == {case(one) for one in near}, letter
    found = texts("typos", WORDS, 200, rate=0.1, kinds=("neighbour",))
    wrong = [sum(a != b for a, b in zip(text, WORDS, strict=True)) for text in found]
    assert np.mean(wrong) / LETTERS == pytest.approx(0.1, abs=5 * math.sqrt(0.09 / LETTERS / 200))


def test_transposed_letters_stay_in_their_word():
    for text in texts("typos", WORDS, 50, rate=0.5, kinds=("transposed",)):
        assert [sorted(word) for word in text.split()] == [sorted(word) for word in WORDS.split()]
    assert texts("typos", "ab", 1, rate=1.0, kinds=("transposed",)) == ["ba"]
    assert texts("typos", "aa 12 ?!", 1, rate=1.0, kinds=("transposed",)) == ["aa 12 ?!"]


def test_typos_leave_every_word_a_letter_and_digits_alone():
    found = texts("typos", "Sí, a las 9:30 y 45", 100, rate=1.0)
    for text in found:
        assert len(text.split()) == 6
        assert re.findall(r"\d+|[,:]", text) == [",", "9", ":", "30", "45"]


def test_punctuation_is_exchanged_or_dropped_and_what_belongs_to_a_word_stays():
    text = "¡Hola! Son 3.5, ¿no? «Sí»… (9:30) Don't e-mail. Bueno... 🙂"
    exchanged = texts("punctuation", text, 1, rate=1.0, kinds=("exchanged",))
    assert exchanged == ["¡Hola! Son 3.5. ¿no? «Sí»… (9:30) Don't e-mail, Bueno... 🙂"]
    dropped = texts("punctuation", text, 1, rate=1.0, kinds=("dropped",))
    assert dropped == ["Hola Son 3.5 no Sí 9:30 Don't e-mail Bueno 🙂"]


def test_punctuation_changes_its_rate_of_marks():
    text = ", ".join("abcdefghijk")
    for kind in ("dropped", "exchanged"):
        found = texts("punctuation", text, 300, rate=0.4, kinds=(kind,))
        changed = 1 - np.mean([each.count(",") for each in found]) / 10
        assert changed == pytest.approx(0.4, abs=5 * math.sqrt(0.24 / 3000))


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("lower", "¡hola, émile! don't ı straße 3b"),
        ("upper", "¡HOLA, ÉMILE! DON'T ı STRASSE 3B"),
        ("title", "¡Hola, Émile! Don't ı Straße 3b"),
        ("first", "¡Hola, ÉMILE! don't ı straße 3b"),
    ],
)
def test_case_is_the_one_asked_for(kind, expected):
    assert texts("case", "¡hola, ÉMILE! don't ı straße 3b", 1, kinds=(kind,)) == [expected]


def write_list(folder, text):
    path = folder / "list.txt"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_synonyms_come_from_the_list_alone_and_keep_a_capital(tmp_path):
    path = write_list(
        tmp_path, "# mine\n\npena, lástima ,de pesar\nPENA\ttristeza\nhoy,en este día\n"
    )
    found = texts("synonyms", "Qué pena. PENA, hoy-día: Hoy", 200, file=path, rate=1.0)
    said = [re.fullmatch(r"Qué (.*)\. (.*), hoy-día: En este día", text) for text in found]
    firsts, seconds = Counter(one[1] for one in said), {one[2] for one in said}
    assert set(firsts) == {"lástima", "de pesar", "tristeza"}
    assert min(firsts.values()) > 40
    assert seconds == {"Lástima", "De pesar", "Tristeza"}


def test_synonyms_replace_their_rate_of_known_words(tmp_path):
    path = write_list(tmp_path, "pena, lástima")
    found = texts("synonyms", "pena " * 10 + "otra", 300, file=path, rate=0.25)
    replaced = np.mean([text.count("lástima") for text in found]) / 10
    assert replaced == pytest.approx(0.25, abs=5 * math.sqrt(0.25 * 0.75 / 3000))
    assert all(text.endswith("otra") for text in found)


def test_synonyms_find_a_word_in_any_unicode_form(tmp_path):
    path = write_list(tmp_path, unicodedata.normalize("NFD", "pésame, condolencia"))
    text = unicodedata.normalize("NFD", "Un pésame")
    assert texts("synonyms", text, 1, file=path, rate=1.0) == ["Un condolencia"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("uno, dos\ntres\n", r"line 2: a group needs two different words, \['tres'\]"),
        ("uno, Uno,\n", r"line 1: a group needs two different words"),
        ("# nothing\n", r"holds no group of synonyms"),
    ],
)
def test_a_list_that_is_none_is_refused(tmp_path, text, error):
    with pytest.raises(DataError, match=error):
        build("augment", "synonyms", {"file": write_list(tmp_path, text)})


def test_a_list_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(MissingError, match=r"synonyms: there is no file .*none"):
        build("augment", "synonyms", {"file": str(tmp_path / "none")})
    with pytest.raises(ConfigError, match=r"is a folder; name a file"):
        build("augment", "synonyms", {"file": str(tmp_path)})
    (tmp_path / "latin.txt").write_bytes("mañana, día".encode("latin-1"))
    with pytest.raises(DataError, match=r"latin.txt is not UTF-8"):
        build("augment", "synonyms", {"file": str(tmp_path / "latin.txt")})


@given(st.text(max_size=40), st.integers(0, 5))
@settings(max_examples=200, deadline=None)
def test_any_text_keeps_a_word_and_what_each_promises_to_keep(text, seed):
    found = {}
    for name, options in TEXT_STEPS.items():
        augment = build("augment", name, options)
        found[name] = augment(Input(text=text), np.random.default_rng(seed)).text
        assert bool(found[name].strip()) == bool(text.strip()), name
    assert Counter(found["swap"].split()) == Counter(text.split())
    assert re.findall(r"\w+", found["punctuation"]) == re.findall(r"\w+", text)
    assert found["case"].casefold() == text.casefold()
    assert not Counter(found["token_dropout"].split()) - Counter(text.split())


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("noise", "snr"),
        ("gain", "db"),
        ("speed", "factor"),
        ("reverb", "rt60"),
        ("reverb", "direct"),
        ("band", "low"),
        ("band", "high"),
    ],
)
def test_a_range_begins_with_its_lower_bound(name, key):
    with pytest.raises(ConfigError, match=rf"{name}: {key} is \[2, 1\].*\[1, 2\]"):
        build("augment", name, {key: (2, 1)})


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("gain", {"p": 1.1}),
        ("gain", {"p": math.nan}),
        ("gain", {"db": (0, math.inf)}),
        ("speed", {"factor": (0, 1)}),
        ("crop", {"seconds": 0}),
        ("crop", {}),
        ("band", {"kinds": ()}),
        ("mixup", {"alpha": 0}),
        ("time_mask", {"share": 2}),
        ("swap", {"rate": -0.1}),
        ("case", {"kinds": ("small",)}),
    ],
)
def test_an_option_out_of_range_is_refused(name, options):
    with pytest.raises(ValidationError, match=r"Options"):
        build("augment", name, options)


def steps_of(*parts):
    return Augmentation([build("augment", name, options) for name, options in parts])


GAIN, NOISE = ("gain", {}), ("noise", {})
SWAP, MASK = ("swap", {"rate": 0.5}), ("time_mask", {"share": 0.5})


def test_steps_act_in_their_order_on_sound_and_text():
    both = Input(voice(0.1).samples, RATE, TEXT)
    found = steps_of(GAIN, SWAP, ("crop", {"seconds": 0.05})).of_input(both, (0, 1, 2))
    assert len(found.samples) == 800
    assert found.text != TEXT
    assert Counter(found.text.split()) == Counter(TEXT.split())


def test_a_key_decides_alone_what_happens():
    steps, one = steps_of(NOISE, SWAP), Input(voice(0.1).samples, RATE, TEXT)
    keys = [(seed, epoch, row) for seed in (0, 1) for epoch in (0, 1) for row in (0, 1, 2)]
    there = {key: steps.of_input(one, key).samples.tobytes() for key in keys}
    back = {key: steps.of_input(one, key).samples.tobytes() for key in reversed(keys)}
    assert there == back
    assert len(set(there.values())) == len(keys)


def test_a_step_at_the_end_changes_no_other_and_two_alike_differ():
    one = voice(0.1)
    alone = steps_of(GAIN).of_input(one, (0, 0, 0)).samples / one.samples
    more = steps_of(GAIN, SWAP, MASK).of_input(one, (0, 0, 0)).samples / one.samples
    np.testing.assert_array_equal(more, alone)
    twice = steps_of(GAIN, GAIN).of_input(one, (0, 0, 0)).samples / one.samples
    assert twice[0] != pytest.approx(alone[0] ** 2, rel=1e-3)


def test_steps_say_what_they_touch():
    steps = steps_of(GAIN, MASK, ("mixup", {}))
    assert [steps.touches_input(one) for one in ("audio", "text")] == [True, False]
    assert [steps.touches_frames(one) for one in ("audio", "text")] == [True, True]
    assert steps.touches_batches()
    nothing = steps_of()
    assert not nothing.touches_input("audio")
    assert not nothing.touches_frames("audio")
    assert not nothing.touches_batches()


class OnlyText:
    """A step of somebody's own."""

    modality = "text"
    STAGE = "frames"

    def __call__(self, x, generator):
        return x + 1


def test_frames_of_the_other_modality_are_left_alone():
    x = torch.zeros(4, 3)
    steps = Augmentation([OnlyText()])
    assert steps.of_frames(x, "audio", (0, 0, 0)) is x
    assert (steps.of_frames(x, "text", (0, 0, 0)) == 1).all()
    assert [steps.touches_frames(one) for one in ("audio", "text")] == [False, True]


def test_batches_are_mixed_by_their_own_key():
    steps, batch = steps_of(("mixup", {"alpha": 1.0})), batch_of()
    first = steps.of_batch(batch, (0, 0, 0)).targets["label"]
    assert torch.equal(steps.of_batch(batch, (0, 0, 0)).targets["label"], first)
    assert not torch.equal(steps.of_batch(batch, (0, 0, 1)).targets["label"], first)
    assert steps_of(GAIN).of_batch(batch, (0, 0, 0)) is batch


def test_a_step_of_an_unknown_stage_is_refused(tmp_path, monkeypatch):
    code = "class Augment:\n    modality = 'text'\n    STAGE = 'later'\n"
    (tmp_path / "steps").mkdir()
    (tmp_path / "steps" / "late.py").write_text(code)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        ConfigError, match=r"augment: 'steps.late' has STAGE 'later'.*input, frames"
    ):
        find("augment", "steps.late")
