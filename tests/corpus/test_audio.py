"""Opening sound: exact samples of any format, and no broken file passed on."""

import itertools
import struct
import wave

import librosa
import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from multimodal_ser.corpus.audio import content_hash, read, resample
from multimodal_ser.types import DataError, Utterance

RATE = 8000


def noise(seconds=0.5, channels=1, seed=0):
    """Whole 16-bit steps, so that nothing is lost on the way through a 16-bit file."""
    shape = (int(RATE * seconds), channels)
    steps = np.random.default_rng(seed).integers(-20000, 20000, shape)
    return (steps / 32768).astype(np.float32).squeeze()


def heard(path, **where):
    samples, rate = read(Utterance(id="u", audio=path, **where))
    assert samples.dtype == np.float32 and samples.ndim == 1
    return samples, rate


@pytest.fixture
def clip(tmp_path):
    """Half a second of noise, and the file that holds it."""
    soundfile.write(tmp_path / "a.wav", noise(), RATE)
    return tmp_path / "a.wav"


@pytest.mark.parametrize("width", [1, 2, 3, 4])
def test_a_wav_of_any_depth_gives_its_integers_over_full_scale(tmp_path, width):
    """8-bit WAV is unsigned around 128, the others signed and little-endian."""
    full = 2 ** (8 * width - 1)
    steps = [0, 1, -1, full // 2, -full, full - 1]
    offset = full if width == 1 else 0
    with wave.open(str(tmp_path / "a.wav"), "wb") as file:
        file.setparams((1, width, RATE, 0, "NONE", ""))
        for step in steps:
            file.writeframes((step + offset).to_bytes(width, "little", signed=width > 1))
    samples, rate = heard(tmp_path / "a.wav")
    np.testing.assert_array_equal(samples, np.array([s / full for s in steps], dtype=np.float32))
    assert rate == RATE


@pytest.mark.parametrize("subtype", ["FLOAT", "DOUBLE"])
def test_a_float_wav_is_read_as_written_also_beyond_full_scale(tmp_path, subtype):
    written = np.array([0.0, 1e-7, -0.3, 1.0, -1.7], dtype=np.float32)
    soundfile.write(tmp_path / "a.wav", written, RATE, subtype=subtype)
    np.testing.assert_array_equal(heard(tmp_path / "a.wav")[0], written)


def test_flac_gives_the_samples_of_the_wav(clip, tmp_path):
    soundfile.write(tmp_path / "a.flac", noise(), RATE)
    np.testing.assert_array_equal(heard(tmp_path / "a.flac")[0], heard(clip)[0])


@pytest.mark.parametrize("extension", ["ogg", "mp3"])
def test_lossy_files_sound_like_what_was_written(tmp_path, extension):
    tone = 0.5 * np.sin(2 * np.pi * 220 * np.arange(16000) / 16000)
    soundfile.write(tmp_path / f"a.{extension}", tone, 16000)
    samples, rate = heard(tmp_path / f"a.{extension}")
    assert (len(samples), rate) == (16000, 16000)
    assert np.corrcoef(samples, tone)[0, 1] > 0.99


def test_mix_is_the_mean_of_the_channels(tmp_path):
    stereo = noise(channels=2)
    soundfile.write(tmp_path / "a.wav", stereo, RATE)
    expected = (stereo[:, 0].astype(np.float64) + stereo[:, 1]) / 2
    np.testing.assert_allclose(heard(tmp_path / "a.wav")[0], expected, rtol=0, atol=1e-7)


@pytest.mark.parametrize("channel", [0, 1])
def test_a_number_picks_one_channel(tmp_path, channel):
    stereo = noise(channels=2)
    soundfile.write(tmp_path / "a.wav", stereo, RATE)
    samples, _ = heard(tmp_path / "a.wav", channel=str(channel))
    np.testing.assert_array_equal(samples, stereo[:, channel])


@pytest.mark.parametrize("channel", ["2", "-1", "left", "1.0", "²"])
def test_a_channel_that_is_not_there_is_an_error_that_says_which_are(tmp_path, channel):
    soundfile.write(tmp_path / "a.wav", noise(channels=2), RATE)
    with pytest.raises(DataError, match=r"channel '.*' is not mix or one of the 2 channels"):
        heard(tmp_path / "a.wav", channel=channel)


@pytest.mark.parametrize(
    ("start", "end", "first", "last"),
    [
        (0.0, 0.25, 0, 2000),
        (0.125, 0.25, 1000, 2000),
        (0.25, None, 2000, 4000),
        (0.0001, 0.0002, 1, 2),
    ],
)
def test_a_segment_is_exactly_its_samples(clip, start, end, first, last):
    samples, _ = heard(clip, start=start, end=end)
    np.testing.assert_array_equal(samples, noise()[first:last])


def test_segments_that_meet_leave_no_gap_and_do_not_overlap(clip):
    cuts = [0.0, 0.0333, 0.1, 0.1 + 1 / 3, 0.4991, None]
    parts = [heard(clip, start=start, end=end)[0] for start, end in itertools.pairwise(cuts)]
    np.testing.assert_array_equal(np.concatenate(parts), noise())


def test_an_end_just_past_the_file_is_its_end(clip):
    """A table that rounds 0.5 s up to 0.54 s is not wrong."""
    np.testing.assert_array_equal(heard(clip, start=0.25, end=0.54)[0], noise()[2000:])


def test_an_end_far_past_the_file_is_an_error(clip):
    with pytest.raises(DataError, match=r"the segment ends at 0\.7 s, but .*a\.wav lasts 0\.50 s"):
        heard(clip, end=0.7)


@pytest.mark.parametrize(("start", "end"), [(0.5, None), (3.0, None), (0.52, 0.54)])
def test_a_start_past_the_file_is_an_error(clip, start, end):
    with pytest.raises(DataError, match=rf"a\.wav has no samples from {start:g} s on"):
        heard(clip, start=start, end=end)


@pytest.mark.parametrize("extension", ["wav", "flac", "mp3"])  # an Ogg has no length to miss
@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_a_truncated_file_is_an_error_and_not_a_shorter_clip(tmp_path, extension, share):
    whole = tmp_path / f"whole.{extension}"
    soundfile.write(whole, noise(seconds=10.0), RATE)
    assert len(heard(whole)[0]) == 80000
    cut = tmp_path / f"cut.{extension}"
    cut.write_bytes(whole.read_bytes()[: int(whole.stat().st_size * share)])
    with pytest.raises(DataError, match=r"cut\..* (is truncated|is not readable|has no)"):
        heard(cut)


def test_a_truncation_is_counted_in_samples_of_the_segment(tmp_path):
    """From 0.5 s to the end of two seconds there should be 12,000 samples."""
    soundfile.write(tmp_path / "whole.mp3", noise(seconds=2.0), RATE)
    cut = tmp_path / "cut.mp3"
    whole = (tmp_path / "whole.mp3").read_bytes()
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DataError, match=r"truncated: \d+ of 12000 samples"):
        heard(cut, start=0.5)


def test_a_wav_of_unknown_length_as_a_pipe_writes_it_is_read_whole(clip, tmp_path):
    content = bytearray(clip.read_bytes())
    content[4:8] = content[40:44] = struct.pack("<I", 0xFFFFFFFF)
    (tmp_path / "pipe.wav").write_bytes(content)
    np.testing.assert_array_equal(heard(tmp_path / "pipe.wav")[0], noise())


@pytest.mark.parametrize("name", ["a.wav", "a.mp3", "a.flac", "a.ogg", "a", "a.raw", "a.txt"])
@pytest.mark.parametrize("content", [b"", b"not sound at all\n" * 40], ids=["empty", "text"])
def test_a_file_without_sound_is_an_error_whatever_its_name(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=rf"{name} is not readable as audio"):
        heard(tmp_path / name)


def test_a_wav_without_samples_is_an_error(tmp_path):
    soundfile.write(tmp_path / "a.wav", np.zeros(0, dtype=np.float32), RATE)
    with pytest.raises(DataError, match=r"a\.wav has no samples from 0 s on"):
        heard(tmp_path / "a.wav")


def test_a_file_that_is_not_there_or_is_a_folder_is_an_error(tmp_path):
    for path in (tmp_path / "gone.wav", tmp_path):
        with pytest.raises(DataError, match="is not readable as audio"):
            heard(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_sample_that_is_no_number_is_an_error(tmp_path, bad):
    samples = noise()
    samples[1234] = bad
    soundfile.write(tmp_path / "a.wav", samples, RATE, subtype="FLOAT")
    with pytest.raises(DataError, match=r"a\.wav holds NaN or infinite samples"):
        heard(tmp_path / "a.wav")
    np.testing.assert_array_equal(heard(tmp_path / "a.wav", end=0.1)[0], samples[:800])


@settings(max_examples=50, deadline=None)
@given(place=st.integers(0, 47), value=st.integers(0, 255))
def test_a_damaged_header_is_an_error_or_finite_sound(tmp_path_factory, place, value):
    path = tmp_path_factory.mktemp("damaged") / "a.wav"
    soundfile.write(path, noise(seconds=0.05), RATE)
    content = bytearray(path.read_bytes())
    content[place] = value
    path.write_bytes(content)
    try:
        samples, rate = heard(path)
    except DataError:
        return
    assert len(samples) and np.isfinite(samples).all() and rate > 0


def by_librosa(samples, rate, target):
    changed = librosa.resample(samples, orig_sr=rate, target_sr=target)
    return librosa.util.fix_length(changed, size=int(np.ceil(len(samples) * target / rate)))


@pytest.mark.parametrize("rate", [8000, 11025, 22050, 32000, 44100, 48000])
@pytest.mark.parametrize("count", [1, 7, 441, 4001])
def test_resampling_is_that_of_librosa_sample_for_sample(rate, count):
    samples = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    for target in (16000, 22050):
        changed = resample(samples, rate, target)
        assert changed.dtype == np.float32
        np.testing.assert_array_equal(changed, by_librosa(samples, rate, target))


@settings(max_examples=50, deadline=None)
@given(
    count=st.integers(1, 3000), rate=st.integers(4000, 50000), target=st.sampled_from([8000, 16000])
)
def test_any_rate_and_length_is_resampled_as_librosa_does_it(count, rate, target):
    samples = np.random.default_rng(count).uniform(-1, 1, count).astype(np.float32)
    np.testing.assert_array_equal(
        resample(samples, rate, target), by_librosa(samples, rate, target)
    )


def test_a_tone_keeps_its_pitch_and_height_when_resampled():
    """440 Hz at 44.1 kHz becomes 440 Hz at 16 kHz, edges aside, to 1e-3."""
    wide, narrow = (
        np.sin(2 * np.pi * 440 * np.arange(rate // 2) / rate) for rate in (44100, 16000)
    )
    changed = resample(wide.astype(np.float32), 44100, 16000)
    np.testing.assert_allclose(changed[400:-400], narrow[400:-400], atol=1e-3)


def test_sound_at_the_wanted_rate_is_left_alone():
    samples = noise()
    np.testing.assert_array_equal(resample(samples, RATE, RATE), samples)


def test_the_content_hash_is_of_the_samples_whatever_the_file(clip, tmp_path):
    soundfile.write(tmp_path / "other.flac", noise(), RATE)
    padded = np.concatenate([noise(seed=1), noise(), noise(seed=2)])
    soundfile.write(tmp_path / "long.wav", padded, RATE)
    soundfile.write(tmp_path / "stereo.wav", np.stack([noise(seed=3), noise()], axis=1), RATE)
    hashes = {
        content_hash(*heard(clip)),
        content_hash(*heard(tmp_path / "other.flac")),
        content_hash(*heard(tmp_path / "long.wav", start=0.5, end=1.0)),
        content_hash(*heard(tmp_path / "stereo.wav", channel="1")),
    }
    assert len(hashes) == 1


def test_the_content_hash_changes_with_the_rate_and_with_one_step_of_one_sample():
    changed = noise()
    changed[99] += 1 / 32768
    others = [(noise(), RATE), (noise(), 16000), (changed, RATE), (noise()[:-1], RATE)]
    others += [(noise()[::-1], RATE), (np.append(noise(), np.float32(0)), RATE)]
    assert len({content_hash(samples, rate) for samples, rate in others}) == len(others)


def test_the_content_hash_does_not_depend_on_the_layout_in_memory():
    stereo = noise(channels=2)
    view, copy = stereo[:, 1], stereo[:, 1].copy()
    assert content_hash(view, RATE) == content_hash(copy, RATE)
    assert content_hash(copy.astype(np.float64), RATE) == content_hash(copy, RATE)
