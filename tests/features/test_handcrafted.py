"""MFCC, prosody, spectrograms, samples: against librosa, formulas and tones that are known."""

import warnings

import librosa
import numpy as np
import pytest
import scipy.stats
import torch

from multimodal_ser.config.registry import build
from multimodal_ser.features.encoders._mel import Mel
from multimodal_ser.features.encoders._statistics import STATISTICS, slopes, statistics
from multimodal_ser.features.encoders._yin import periods
from multimodal_ser.features.encoders.prosody import Encoder as Prosody
from multimodal_ser.types import ConfigError, Input

RATE = 22050
HANDCRAFTED = {
    "mfcc": {"pool": "stats", "sample_rate": 16000},
    "prosody": {},
    "spectrogram": {"kind": "cube"},
    "waveform": {},
}


def tone(pitch, seconds=1.0, rate=16000, amplitude=0.3):
    return amplitude * np.sin(2 * np.pi * pitch * np.arange(int(seconds * rate)) / rate)


def noise(count, seed=0):
    return 0.1 * np.random.default_rng(seed).standard_normal(count)


def rows_of(name, sounds, rate=16000, **options):
    """Each sound's valid frames `[T, D]`."""
    encoder = build("encoders", name, options).eval()
    inputs = [Input(samples=one.astype(np.float32), rate=rate) for one in sounds]
    with torch.inference_mode():
        features = encoder(**encoder.prepare(inputs))
    return [x[mask].numpy() for x, mask in zip(features.x, features.mask, strict=True)]


def librosa_mfcc(samples, count):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return librosa.feature.mfcc(
            y=samples.astype(np.float32), sr=RATE, n_mfcc=count, n_mels=max(128, count)
        ).T


@pytest.mark.parametrize("count", [13, 40, 56, 128, 256])
@pytest.mark.parametrize("length", [1, 7, 511, 512, 1024, 2047, 2048, 5000, 63 * 512, 64 * 512])
def test_mfcc_are_librosas_number_for_number(count, length):
    fading = noise(length) * np.exp(-8 * np.arange(length) / RATE)
    sounds = [noise(length), tone(220, length / RATE, RATE), np.zeros(length), fading]
    for found, sound in zip(
        rows_of("mfcc", sounds, RATE, n_mfcc=count, pool="none"), sounds, strict=True
    ):
        wanted = librosa_mfcc(sound[:length], count)
        assert found.shape == wanted.shape
        np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-5 * np.abs(wanted).max())


def test_mfcc_of_twenty_seconds_and_of_another_rate_are_librosas():
    long = noise(20 * RATE) * np.linspace(0.001, 1, 20 * RATE)
    wanted = librosa_mfcc(long, 40)
    (found,) = rows_of("mfcc", [long], RATE, n_mfcc=40, pool="none")
    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-5 * np.abs(wanted).max())
    short = noise(16000).astype(np.float32)
    (found,) = rows_of("mfcc", [short], 16000, n_mfcc=40, pool="none")
    resampled = librosa.resample(short, orig_sr=16000, target_sr=RATE, res_type="soxr_hq")
    wanted = librosa_mfcc(resampled, 40)
    np.testing.assert_allclose(found, wanted, rtol=0, atol=5e-5 * np.abs(wanted).max())


def test_pooled_mfcc_are_means_and_deviations_of_the_frames():
    sound = noise(30000)
    frames = librosa_mfcc(sound, 20)
    for pool, wanted in {
        "mean": frames.mean(0),
        "mean_std": np.concatenate([frames.mean(0), frames.std(0)]),
    }.items():
        (found,) = rows_of("mfcc", [sound], RATE, n_mfcc=20, pool=pool)
        np.testing.assert_allclose(found[0], wanted, rtol=0, atol=5e-5 * np.abs(frames).max())


def test_the_statistics_are_those_of_scipy_column_by_column():
    frames = np.random.default_rng(0).gamma(2, size=(50, 3))
    found = dict(zip(STATISTICS, statistics(frames).reshape(5, 3), strict=True))
    np.testing.assert_allclose(found["mean"], frames.mean(0), rtol=1e-5)
    np.testing.assert_allclose(found["std"], frames.std(0), rtol=1e-5)
    np.testing.assert_allclose(found["skew"], scipy.stats.skew(frames), rtol=1e-5)
    np.testing.assert_allclose(found["low"], np.percentile(frames, 5, axis=0), rtol=1e-5)
    np.testing.assert_allclose(found["high"], np.percentile(frames, 95, axis=0), rtol=1e-5)


def test_the_slope_of_a_straight_line_is_its_step_away_from_the_edges():
    line = 3.0 * np.arange(20)[:, None] + 7
    np.testing.assert_allclose(slopes(line)[4:-4], 3.0, rtol=1e-6)
    assert not slopes(np.ones((1, 2))).any()


def test_stats_of_one_frame_are_finite_and_do_not_vary():
    (found,) = rows_of("mfcc", [noise(5)], RATE, n_mfcc=4, pool="stats")
    parts = found[0].reshape(2, 5, 4)
    assert np.isfinite(found).all()
    assert not parts[0, 1].any()
    assert not parts[1].any()


def hertz(frames):
    return 27.5 * 2 ** (frames[:, 0] / 12)


@pytest.mark.parametrize("pitch", [61, 75, 110, 157, 220, 330, 441, 499])
@pytest.mark.parametrize("partials", [1, 8])
def test_a_tone_has_its_pitch_to_a_hundredth(pitch, partials):
    parts = [tone(pitch * k, amplitude=0.2 / k) for k in range(1, partials + 1)]
    (frames,) = rows_of("prosody", [sum(parts)], pool="none")
    inner = frames[5:-5]
    assert (inner[:, 1] == 1).all()
    np.testing.assert_allclose(hertz(inner), pitch, rtol=0.01)


def test_a_missing_fundamental_is_still_heard():
    (frames,) = rows_of("prosody", [tone(400) + tone(600) + tone(800)], pool="none")
    np.testing.assert_allclose(hertz(frames[5:-5]), 200, rtol=0.01)


def test_the_period_is_that_of_the_definition():
    signal = tone(123, rate=8000) + noise(8000) * 0.1
    frames = np.stack([signal[at : at + 301] for at in (0, 500, 3000)])
    shortest, longest, width = 20, 100, 200
    for frame, period, aperiodicity in zip(
        frames, *periods(frames, shortest, longest), strict=True
    ):
        difference = [
            sum((frame[j] - frame[j + lag]) ** 2 for j in range(width))
            for lag in range(longest + 2)
        ]
        normal = [1.0] + [
            difference[lag] * lag / sum(difference[1 : lag + 1]) for lag in range(1, longest + 2)
        ]
        lags = range(shortest, longest + 1)
        dips = [k for k in lags if normal[k] < 0.15 and normal[k - 1] >= normal[k] < normal[k + 1]]
        assert abs(period - dips[0]) <= 0.5
        assert aperiodicity == pytest.approx(normal[dips[0]], abs=1e-6)


def test_noise_and_silence_have_no_pitch_and_no_nan():
    sounds = [noise(16000), np.zeros(16000), np.zeros(1), np.ones(300), noise(2)]
    for frames in rows_of("prosody", sounds, pool="none"):
        assert np.isfinite(frames).all()
        assert not frames[:, :2].any()
    for row in rows_of("prosody", sounds):
        assert np.isfinite(row).all()


def test_level_crossings_and_centroid_of_a_tone_are_those_of_the_formulas():
    (frames,) = rows_of("prosody", [tone(400, amplitude=0.5)], pool="none")
    inner = frames[5:-5]
    np.testing.assert_allclose(inner[:, 2], 10 * np.log10(0.125), atol=0.1)
    np.testing.assert_allclose(inner[:, 3], 400, rtol=0.01)
    np.testing.assert_allclose(inner[:, 5], 2 * 400 / 16000, rtol=0.05)
    (two,) = rows_of("prosody", [tone(1000) + tone(3000)], pool="none")
    np.testing.assert_allclose(two[5:-5, 3], 2000, rtol=0.01)
    np.testing.assert_allclose(two[5:-5, 4], 1000, rtol=0.02)


def described(sound):
    (row,) = rows_of("prosody", [sound])
    return dict(zip(Prosody.NAMES, row[0], strict=True))


def test_pauses_and_syllables_are_counted():
    burst = tone(150, 0.2) * np.hanning(3200)
    gap = np.zeros(4800)
    said = described(np.concatenate([gap, burst, gap, burst, gap, burst, burst, gap]))
    span = 4 * 0.2 + 2 * 0.3
    assert said["seconds"] == pytest.approx(2.0, abs=0.01)
    assert said["pauses per second"] * span == pytest.approx(2, rel=0.15)
    assert said["syllables per second"] * span == pytest.approx(4, rel=0.15)
    assert said["pause seconds"] == pytest.approx(0.3, abs=0.06)
    assert said["pause share"] == pytest.approx(0.6 / span, abs=0.1)
    assert described(tone(150))["pauses per second"] == 0


def test_louder_is_only_louder():
    sound = np.concatenate([tone(150, 0.4), tone(200, 0.4), noise(3200)])
    soft, loud = described(0.2 * sound), described(sound)
    for name in Prosody.NAMES:
        gain = 20 * np.log10(5) if name.startswith("level") else 0
        shifted = gain if not name.endswith(("std", "slope", "change")) else 0
        assert loud[name] == pytest.approx(soft[name] + shifted, rel=0.01, abs=0.05), name


def test_a_rising_voice_has_a_rising_slope():
    time = np.arange(16000) / 16000
    glide = 0.3 * np.sin(2 * np.pi * 110 * (2**time - 1) / np.log(2))  # an octave a second
    assert described(glide)["pitch slope"] == pytest.approx(12, rel=0.05)
    assert described(glide[::-1])["pitch slope"] == pytest.approx(-12, rel=0.05)


def test_prosody_names_every_column_once():
    encoder = build("encoders", "prosody", {})
    assert len(set(Prosody.NAMES)) == len(Prosody.NAMES) == encoder.dim
    assert build("encoders", "prosody", {"pool": "none"}).dim == len(Prosody.FRAME_NAMES)


@pytest.mark.parametrize("wrong", [{"lowest": 500, "highest": 60}, {"highest": 3000}])
def test_a_range_of_pitch_that_cannot_be_is_refused(wrong):
    with pytest.raises(ConfigError, match="an eighth of sample_rate 16000 Hz"):
        build("encoders", "prosody", wrong)


def test_log_mel_planes_are_decibels_below_the_loudest_and_their_slopes():
    sound = noise(8000).astype(np.float32)
    (found,) = rows_of("spectrogram", [sound], n_mels=24, planes=3)
    mel = librosa.feature.melspectrogram(y=sound, sr=16000, n_fft=512, hop_length=160, n_mels=24)
    wanted = librosa.power_to_db(mel, ref=np.max).T
    np.testing.assert_allclose(found[:, :24], wanted, atol=1e-3)
    np.testing.assert_allclose(found[:, 24:48], slopes(wanted), atol=1e-3)
    np.testing.assert_allclose(found[:, 48:], slopes(slopes(wanted)), atol=1e-3)


def cube(sound):
    (found,) = rows_of("spectrogram", [sound], kind="cube")
    return found.reshape(-1, 3, 512).transpose(1, 0, 2)


@pytest.mark.filterwarnings("ignore:Empty filters")
def test_the_cube_holds_power_mel_and_decibels_of_the_trimmed_clip():
    sound = np.concatenate([np.zeros(8000), noise(12000), np.zeros(8000)]).astype(np.float32)
    trimmed, _ = librosa.effects.trim(sound, top_db=30)
    power = np.abs(librosa.stft(trimmed, n_fft=1023, hop_length=372)) ** 2
    mel = librosa.filters.mel(sr=16000, n_fft=1023, n_mels=512, fmax=8000) @ power
    decibels = librosa.power_to_db(mel, ref=np.max)
    found, steps = cube(sound), power.shape[1]
    assert found.shape == (3, 90, 512)
    for plane, wanted in zip(found, (power, mel, decibels), strict=True):
        np.testing.assert_allclose(plane[:steps].T, wanted, atol=1e-4 * np.abs(wanted).max())
        assert (plane[steps:] == plane[steps - 1]).all()


def test_a_long_clip_is_cut_to_the_cube_and_silence_is_no_nan():
    assert cube(noise(80000)).shape == (3, 90, 512)
    for silent in (np.zeros(16000), np.zeros(1)):
        assert np.isfinite(cube(silent)).all()


def test_a_transform_of_odd_size_gives_as_many_frames_as_librosa():
    for length in (1, 371, 372, 373, 372 * 64, 372 * 64 + 1):
        sound = noise(length).astype(np.float32)
        wanted = np.abs(librosa.stft(np.pad(sound, 511), n_fft=1023, hop_length=372, center=False))
        assert Mel(16000, 1023, 372, 8).spectra(sound).shape == wanted.T.shape


def test_options_of_another_kind_of_spectrogram_are_refused():
    with pytest.raises(ConfigError, match="belong to kind: log_mel"):
        build("encoders", "spectrogram", {"kind": "cube", "planes": 3})
    with pytest.raises(ConfigError, match="less than a sample at 16000 Hz"):
        build("encoders", "spectrogram", {"hop": 1e-6})


@pytest.mark.parametrize("length", [1, 159, 160, 161, 4000])
def test_the_frames_of_a_waveform_laid_flat_are_its_samples(length):
    sound = noise(length).astype(np.float32)
    (frames,) = rows_of("waveform", [sound])
    assert frames.shape == (-(-length // 160), 160)
    np.testing.assert_array_equal(frames.ravel()[:length], sound)
    assert not frames.ravel()[length:].any()


def test_a_waveform_at_another_rate_is_that_of_librosa():
    sound = noise(5000).astype(np.float32)
    (frames,) = rows_of("waveform", [sound], sample_rate=8000, hop=64)
    wanted = librosa.resample(sound, orig_sr=16000, target_sr=8000, res_type="soxr_hq")
    np.testing.assert_allclose(frames.ravel()[: len(wanted)], wanted, atol=1e-6)


@pytest.mark.parametrize("name", HANDCRAFTED)
def test_a_clip_among_64_of_other_lengths_is_what_it_is_alone(name):
    sounds = [noise(200 + 311 * at, seed=at) for at in range(64)]
    together = rows_of(name, sounds, **HANDCRAFTED[name])
    for at in (0, 17, 63):
        (alone,) = rows_of(name, [sounds[at]], **HANDCRAFTED[name])
        np.testing.assert_allclose(together[at], alone, rtol=1e-5, atol=1e-5)
