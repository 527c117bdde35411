"""Whisper in batches says what Whisper says of each clip, and doubts what should be doubted.

The oracle is openai-whisper itself, clip by clip, on random checkpoints: they say nonsense, but
another nonsense for every sound. Where a limit is tried, its decoder is replaced by a script.
"""

import urllib.error
import urllib.request
import zipfile

import numpy as np
import pytest
import torch
import whisper
from whisper.audio import N_FRAMES, N_SAMPLES, log_mel_spectrogram, pad_or_trim
from whisper.decoding import DecodingResult
from whisper.model import ModelDimensions, Whisper
from whisper.tokenizer import get_tokenizer

from multimodal_ser.config import registry
from multimodal_ser.corpus import audio
from multimodal_ser.corpus.datasets import demo
from multimodal_ser.features.asr import _checkpoints
from multimodal_ser.features.asr.whisper import Limits, Recognizer
from multimodal_ser.types import ConfigError, Input, MissingError

RATE = 16000
HOT = (0.2, 0.4, 0.6, 0.8, 1.0)  # Whisper's own, after 0
PLAIN = {"condition_on_previous_text": False, "fp16": False}
FLUENT = "Qué alegría verte por aquí."
LOOP = "no se puede hacer nada, " * 12
SURE, UNSURE = -0.5, -1.5  # log probabilities on either side of Whisper's limit, -1


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A path for each seed; up to 12 tokens a text."""
    folder, made = tmp_path_factory.mktemp("whisper"), {}

    def of(seed=0):
        if seed not in made:
            path = folder / f"tiny-{seed}.pt"
            made[seed] = _checkpoints.write_tiny(path, seed=seed, text_context=24)
        return str(made[seed])

    return of


@pytest.fixture
def tiny(checkpoint):
    """Makes a recogniser over a random checkpoint."""

    def make(seed=0, **options):
        return Recognizer(model=checkpoint(seed), **({"language": "es"} | options))

    return make


def noise(seconds, seed=0, decibels=-20.0):
    """Gaussian, its root mean square `decibels` below full scale."""
    generator = np.random.default_rng(seed)
    drawn = generator.standard_normal(round(RATE * seconds)) * 10 ** (decibels / 20)
    return drawn.astype(np.float32)


def tone(seconds, pitch):
    time = np.arange(round(RATE * seconds)) / RATE
    return (0.3 * np.sin(2 * np.pi * pitch * time)).astype(np.float32)


def speech(count):
    """Utterances of the demo corpus, of several voices, at 16 kHz."""
    utterances = demo.load().utterances()
    chosen = utterances[:: len(utterances) // count][:count]
    return [audio.resample(*audio.read(one), RATE) for one in chosen]


@pytest.fixture(scope="module")
def fifty():
    """0.3 to 29 s: noise, tones, speech, and tones that begin or end in silence."""
    lengths = np.geomspace(0.3, 29, 30)
    noises = [noise(seconds, seed) for seed, seconds in enumerate(lengths[::3])]
    tones = [tone(seconds, 100 + 90 * place) for place, seconds in enumerate(lengths[1::3])]
    mixed = [
        np.concatenate([tone(seconds / 3, 300), np.zeros(7777, np.float32), noise(0.2, place)])
        for place, seconds in enumerate(lengths[2::3])
    ]
    return [*noises, *tones, *mixed, *speech(20)]


def inputs(clips, language=None):
    return [Input(one, RATE, language=language) for one in clips]


def words(transcripts):
    """What must not depend on the company; numbers may differ in their last bits."""
    return [(one.text, one.raw, one.language, one.flags, one.temperature) for one in transcripts]


def numbers(transcripts):
    return [(one.log_probability, one.no_speech, one.compression) for one in transcripts]


# Batches against Whisper itself


@pytest.mark.parametrize("seed", range(3))
def test_fifty_clips_in_batches_are_token_for_token_what_whisper_says_of_each(tiny, fifty, seed):
    """`transcribe` of openai-whisper, greedy and without timestamps, clip by clip."""
    recognizer = tiny(seed, fallback=False)
    batches = [recognizer.transcribe(inputs(fifty[at : at + 16])) for at in range(0, 50, 16)]
    found = [one for batch in batches for one in batch]
    greedy = {"temperature": 0, "without_timestamps": True, "language": "es"}
    theirs = [recognizer.model.transcribe(one, **greedy, **PLAIN) for one in fifty]
    encode = get_tokenizer(True, language="es").encode
    for mine, alone in zip(found, theirs, strict=True):
        assert encode(mine.raw) == encode(alone["text"].strip())
        (segment,) = alone["segments"]
        assert mine.log_probability == pytest.approx(segment["avg_logprob"], abs=1e-5)
        assert mine.no_speech == pytest.approx(segment["no_speech_prob"], abs=1e-7)
        assert mine.compression == segment["compression_ratio"]
    assert len({one.raw for one in found}) > 40, "the checkpoint tells clips apart"


def test_the_spectrogram_is_bit_for_bit_the_one_that_whisper_makes(tiny, fifty):
    """`transcribe` pads with 30 s of silence, cuts them off, then pads with zeros."""
    recognizer = tiny()
    edges = [noise(samples / RATE, samples) for samples in (1, 159, 160, 399, 401, 480_000)]
    ends_loud = np.concatenate([noise(1, 1, -50), noise(0.01, 2, 0)])
    for one in [*fifty, *edges, ends_loud]:
        whole = log_mel_spectrogram(one, 80, padding=N_SAMPLES)
        theirs = pad_or_trim(whole[:, : whole.shape[-1] - N_FRAMES], N_FRAMES)
        assert torch.equal(recognizer.mel(one), theirs), len(one)


def test_a_model_of_128_mels_is_heard_as_whisper_hears_it(tmp_path):
    """Whisper large-v3 has 128 mels and one language more."""
    recognizer = Recognizer(model=other_kind(tmp_path, 128, 51866), language="yue", fallback=False)
    (found,) = recognizer.transcribe(inputs([tone(1, 440)]))
    theirs = recognizer.model.transcribe(
        tone(1, 440), temperature=0, without_timestamps=True, language="yue", **PLAIN
    )
    assert found.raw == theirs["text"].strip()
    assert found.language == "yue"


def other_kind(folder, mels, vocabulary):
    torch.manual_seed(0)
    dims = ModelDimensions(mels, 1500, 32, 2, 1, vocabulary, 24, 32, 2, 1)
    model = Whisper(dims)
    torch.nn.init.normal_(model.decoder.positional_embedding)  # else whatever lay in memory
    path = folder / f"{mels}-{vocabulary}.pt"
    torch.save({"dims": vars(dims), "model_state_dict": model.state_dict()}, path)
    return str(path)


def test_a_clip_at_another_rate_is_resampled_and_its_length_is_told_in_seconds(tiny):
    recognizer = tiny(fallback=False)
    slow = noise(1.5)[:12_000]  # 1.5 s at 8 kHz
    found, told = recognizer.transcribe(
        [Input(slow, 8000), Input(audio.resample(slow, 8000, RATE), RATE)]
    )
    assert found == told
    assert found.seconds == 1.5


def test_a_clip_shorter_than_a_frame_has_no_words_as_with_whisper(tiny):
    """`transcribe` sees no frame in under 160 samples, so it decodes nothing."""
    recognizer = tiny()
    clips = [noise(samples / RATE) for samples in (1, 80, 159)]
    for one in clips:
        assert recognizer.model.transcribe(one, language="es", **PLAIN)["text"] == ""
    assert [one.text for one in recognizer.transcribe(inputs(clips))] == [None] * 3
    (heard,) = recognizer.transcribe(inputs([noise(160 / RATE)]))
    assert heard.text


# Fallback


class Script:
    """In place of Whisper's decoder: what each clip is to say at each temperature.

    said: for each clip, temperature → (text, log probability, probability of silence); at a
    temperature that is not named, as at 0. calls: the temperature and the clips of every pass.
    """

    def __init__(self, recognizer, clips, said):
        self.mels = [recognizer.mel(one) for one in clips]
        self.said = said
        self.calls = []

    def __call__(self, model, given, options):
        places = [self.place(one) for one in given]
        self.calls.append((options.temperature, places))
        return [self.result(place, options) for place in places]

    def place(self, given):
        """Which clip: by its spectrogram, or by the features that were made of it before."""
        if given.shape == (1,):
            return int(given)
        return next(place for place, mel in enumerate(self.mels) if torch.equal(mel, given))

    def result(self, place, options):
        said = self.said[place]
        text, log_probability, no_speech = said.get(options.temperature, said[0.0])
        return DecodingResult(
            audio_features=torch.tensor([float(place)]),
            language=options.language,
            text=text,
            avg_logprob=log_probability,
            no_speech_prob=no_speech,
            temperature=options.temperature,
            compression_ratio=whisper.utils.compression_ratio(text),
        )


@pytest.fixture
def scripted(tiny, monkeypatch):
    """Transcripts of clips that say what they are told to, and the passes that it took."""

    def hear(*said, **options):
        recognizer = tiny(**options)
        clips = [noise(0.3 + 0.1 * place, place) for place in range(len(said))]
        script = Script(recognizer, clips, said)
        monkeypatch.setattr(whisper, "decode", script)
        return recognizer.transcribe(inputs(clips)), script.calls

    return hear


def test_what_fails_a_limit_is_decoded_again_alone_until_it_passes_and_what_passes_is_not(scripted):
    found, calls = scripted(
        {0.0: (FLUENT, SURE, 0.1)},
        {0.0: (LOOP, SURE, 0.1), 0.2: (LOOP, SURE, 0.1), 0.4: (FLUENT, SURE, 0.1)},
        {0.0: ("¿Eh?", UNSURE, 0.1), 0.2: ("Ya", SURE, 0.1)},
    )
    assert calls == [(0.0, [0, 1, 2]), (0.2, [1]), (0.4, [1]), (0.2, [2])]
    assert [one.text for one in found] == [FLUENT, FLUENT, "Ya"]
    assert [one.temperature for one in found] == [0.0, 0.4, 0.2]
    assert [one.flags for one in found] == [(), ("decoded again",), ("decoded again",)]


def test_where_no_temperature_passes_the_last_text_is_kept_with_its_doubts(scripted):
    (found,), calls = scripted({0.0: ("¿Eh?", UNSURE, 0.1), 1.0: ("¿Qué?", UNSURE, 0.1)})
    assert [temperature for temperature, _ in calls] == [0.0, *HOT]
    assert (found.text, found.temperature) == ("¿Qué?", 1.0)
    assert found.flags == ("unsure", "decoded again")


def test_without_fallback_every_clip_is_decoded_once(scripted):
    (found,), calls = scripted({0.0: ("¿Eh?", UNSURE, 0.1)}, fallback=False)
    assert calls == [(0.0, [0])]
    assert (found.text, found.flags) == ("¿Eh?", ("unsure",))


def test_a_limit_itself_is_not_beyond_the_limit(scripted):
    """Whisper compares with < and >."""
    said = {0.0: (FLUENT, -1.0, 0.1)}
    ratio = whisper.utils.compression_ratio(FLUENT)
    found, calls = scripted(said, limits=Limits(compression=ratio))
    assert len(calls) == 1
    assert found[0].flags == ()


@pytest.fixture(scope="module")
def halves(checkpoint, fifty):
    """Twelve clips, and limits that half of them fail when they are decoded greedily."""
    clips = fifty[::4][:12]
    greedy = Recognizer(model=checkpoint(1), language="es", fallback=False)
    certain = sorted(one.log_probability for one in greedy.transcribe(inputs(clips)))
    limits = Limits(log_probability=(certain[5] + certain[6]) / 2, compression=100.0)
    return clips, limits, greedy


def test_with_a_model_the_clips_that_fail_are_drawn_anew_and_the_others_stay(tiny, halves):
    clips, limits, greedy = halves
    first = greedy.transcribe(inputs(clips))
    found = tiny(1, limits=limits).transcribe(inputs(clips))
    fails = [one.log_probability < limits.log_probability for one in first]
    assert sum(fails) == 6
    for failed, before, after in zip(fails, first, found, strict=True):
        if failed:
            passed = after.log_probability >= limits.log_probability
            assert after.temperature == 1.0 or passed
            assert after.temperature > 0
            assert after.raw != before.raw
        else:
            assert (after.raw, after.temperature) == (before.raw, 0.0)
    assert len({one.temperature for one in found}) > 1


def test_what_is_drawn_depends_on_the_sound_alone(tiny, halves):
    """Not on the company, its order, what was decoded before, nor on the state of torch."""
    clips, limits, _ = halves
    recognizer = tiny(1, limits=limits)
    together = recognizer.transcribe(inputs(clips))
    torch.manual_seed(99)
    turned = recognizer.transcribe(inputs(clips[::-1]))[::-1]
    alone = [recognizer.transcribe(inputs([one]))[0] for one in clips]
    for other in (turned, alone):
        assert words(other) == words(together)
        np.testing.assert_allclose(numbers(other), numbers(together), rtol=1e-4, atol=1e-6)
    (shorter,) = tiny(1, limits=limits).transcribe(inputs([clips[0][:-1]]))
    assert shorter.raw != together[0].raw or together[0].temperature == 0


@pytest.mark.parametrize("seconds", [1, 31], ids=["short", "long"])
def test_the_random_state_of_torch_is_left_as_it_was(tiny, seconds):
    recognizer = tiny()
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    (found,) = recognizer.transcribe(inputs([noise(seconds)]))
    assert found.temperature == 1.0, "it drew"
    assert torch.equal(torch.random.get_rng_state(), before)


# Long clips


@pytest.mark.parametrize("samples", [480_001, 16_000 * 47])
def test_a_clip_over_30_s_is_what_transcribe_says_of_it(tiny, samples):
    """With Whisper's own limits, each window told nothing of the one before."""
    clip = noise(samples / RATE, 3)
    recognizer = tiny(2, fallback=False)
    (found,) = recognizer.transcribe(inputs([clip]))
    theirs = recognizer.model.transcribe(clip, temperature=(0.0,), language="es", **PLAIN)
    assert found.raw == theirs["text"].strip()
    assert found.language == "es"
    assert found.seconds == samples / RATE
    tokens = [len(one["tokens"]) for one in theirs["segments"]]
    certain = [one["avg_logprob"] for one in theirs["segments"]]
    assert found.log_probability == pytest.approx(np.dot(tokens, certain) / sum(tokens))


def test_a_clip_of_exactly_30_s_is_decoded_in_the_batch(tiny, monkeypatch):
    recognizer = tiny(fallback=False)
    monkeypatch.setattr(recognizer.model, "transcribe", None)
    (found,) = recognizer.transcribe(inputs([noise(30)]))
    assert found.text


def test_a_long_clip_is_drawn_alike_alone_and_among_others(tiny):
    recognizer, clips = tiny(), [noise(1), noise(33, 4), noise(2, 5)]
    torch.manual_seed(1)
    together = recognizer.transcribe(inputs(clips))
    torch.manual_seed(2)
    (alone,) = recognizer.transcribe(inputs(clips[1:2]))
    assert alone == together[1]
    assert "decoded again" in alone.flags


def window(text, log_probability, no_speech, tokens=5, temperature=0.0):
    return {
        "text": text,
        "tokens": [1] * tokens,
        "avg_logprob": log_probability,
        "no_speech_prob": no_speech,
        "temperature": temperature,
    }


@pytest.fixture
def windows(tiny, monkeypatch):
    """The transcript of a long clip whose windows say what they are told to."""

    def hear(*said):
        recognizer = tiny()
        text = "".join(one["text"] for one in said)
        result = {"text": text, "segments": list(said), "language": "es"}
        monkeypatch.setattr(recognizer.model, "transcribe", lambda samples, **options: result)
        (found,) = recognizer.transcribe(inputs([noise(31)]))
        return found

    return hear


def test_the_numbers_of_a_long_clip_are_means_over_tokens_and_its_temperature_the_highest(windows):
    """(10 · −0.2 + 30 · −0.6) / 40 = −0.5 and (10 · 0.4 + 30 · 0.0) / 40 = 0.1."""
    found = windows(window(" Ya.", -0.2, 0.4, 10), window(" Voy.", -0.6, 0.0, 30, temperature=0.4))
    assert found.text == "Ya. Voy."
    assert found.log_probability == pytest.approx(-0.5)
    assert found.no_speech == pytest.approx(0.1)
    assert found.temperature == 0.4
    assert found.flags == ("decoded again",)


def test_whether_somebody_speaks_is_judged_window_by_window(windows):
    """The first is sure, the second is heard as speech: Whisper keeps both, so the text stays.

    Their means, −1.65 and 0.65, would be those of silence.
    """
    found = windows(window(" Ya.", -0.3, 0.9), window(" ¿Eh?", -3.0, 0.4))
    assert found.text == "Ya. ¿Eh?"
    assert found.flags == ("unsure",)


def test_a_long_clip_in_which_whisper_skips_every_window_has_no_text(windows):
    found = windows()
    assert (found.text, found.raw, found.flags) == (None, "", ("no speech",))
    assert found.seconds == 31


# Silence, loops, doubts


@pytest.mark.parametrize(
    "clip",
    [
        np.zeros(3 * RATE, np.float32),
        np.zeros(40 * RATE, np.float32),
        noise(3, decibels=-70),
        np.zeros(1, np.float32),
        np.zeros(0, np.float32),
    ],
    ids=["3 s", "40 s", "quiet noise", "one sample", "no sample"],
)
def test_silence_is_flagged_and_never_decoded(tiny, clip):
    recognizer = tiny()
    recognizer.model = None  # whatever asks it anything fails
    (found,) = recognizer.transcribe(inputs([clip]))
    assert (found.text, found.raw, found.flags) == (None, "", ("silence",))
    assert (found.temperature, found.log_probability, found.no_speech) == (None, None, None)
    assert (found.language, found.seconds) == ("es", len(clip) / RATE)


@pytest.mark.parametrize(("decibels", "silent"), [(-59.9, False), (-60.1, True)])
def test_the_level_is_the_root_mean_square_in_decibels_of_full_scale(tiny, decibels, silent):
    """A square wave of amplitude a has a root mean square of a in every frame."""
    amplitude = 10 ** (decibels / 20)
    wave = np.where(np.arange(RATE) // 20 % 2, amplitude, -amplitude).astype(np.float32)
    (found,) = tiny(fallback=False).transcribe(inputs([wave]))
    assert ("silence" in found.flags) is silent


def test_one_loud_moment_in_a_quiet_clip_is_decoded(tiny):
    clip = noise(3, decibels=-80)
    clip[-300:] += noise(1)[:300]
    (found,) = tiny(fallback=False).transcribe(inputs([clip]))
    assert found.text


def test_the_level_below_which_nothing_is_decoded_can_be_chosen(tiny):
    clip = noise(1, decibels=-50)
    (heard,) = tiny(fallback=False).transcribe(inputs([clip]))
    (silent,) = tiny(limits=Limits(level=-40.0)).transcribe(inputs([clip]))
    assert heard.text
    assert silent.flags == ("silence",)


def test_silence_between_clips_disturbs_no_other(tiny):
    recognizer = tiny(fallback=False)
    clips = [noise(1), np.zeros(RATE, np.float32), tone(2, 440)]
    mixed = recognizer.transcribe([*inputs(clips), Input()])
    without = recognizer.transcribe(inputs([clips[0], clips[2]]))
    assert words([mixed[0], mixed[2]]) == words(without)
    assert mixed[1].flags == ("silence",)
    assert mixed[3] is None


def test_a_loop_is_flagged_and_cut_to_its_first_time(scripted):
    (found,), _ = scripted({0.0: (f"Dijo: {LOOP}", SURE, 0.1)})
    assert found.text == "Dijo: no se puede hacer nada,"
    assert found.raw == f"Dijo: {LOOP}".strip()
    assert found.flags == ("loop", "decoded again")


def test_a_loop_is_flagged_and_kept_if_that_is_asked_for(scripted):
    (found,), _ = scripted({0.0: (LOOP, SURE, 0.1)}, loops="keep", fallback=False)
    assert found.text == found.raw == LOOP.strip()
    assert found.flags == ("loop",)


def test_what_repeats_without_words_is_repetitive_and_stays(scripted):
    """One word of 200 letters: no loop, but its compression is beyond 2.4."""
    (found,), _ = scripted({0.0: ("ja" * 100, SURE, 0.1)}, fallback=False)
    assert found.text == "ja" * 100
    assert found.compression == whisper.utils.compression_ratio("ja" * 100)
    assert found.flags == ("repetitive",)


def test_unsure_and_probably_silence_is_no_speech_and_not_decoded_again(scripted):
    (found,), calls = scripted({0.0: (LOOP, UNSURE, 0.7)})
    assert len(calls) == 1
    assert (found.text, found.raw) == (None, LOOP.strip())
    assert set(found.flags) == {"no speech", "loop", "unsure"}
    assert found.no_speech == 0.7


@pytest.mark.parametrize(
    ("log_probability", "no_speech", "flags"),
    [(SURE, 0.99, ()), (UNSURE, 0.6, ("unsure",)), (UNSURE, 0.61, ("no speech", "unsure"))],
)
def test_no_speech_needs_both_doubt_and_a_probability_above_the_limit(
    scripted, log_probability, no_speech, flags
):
    (found,), _ = scripted({0.0: (FLUENT, log_probability, no_speech)}, fallback=False)
    assert found.flags == flags
    assert (found.text is None) is ("no speech" in flags)


def test_a_decoder_that_says_nothing_has_heard_no_speech(scripted):
    (found,), _ = scripted({0.0: ("  ", SURE, 0.1)})
    assert (found.text, found.raw, found.flags) == (None, "", ("no speech",))


def test_limits_that_are_chosen_decide_what_is_doubted(scripted):
    limits = Limits(compression=100.0, log_probability=-2.0)
    found, calls = scripted(
        {0.0: ("ja" * 100, SURE, 0.1)}, {0.0: (FLUENT, UNSURE, 0.9)}, limits=limits
    )
    assert len(calls) == 1
    assert [one.flags for one in found] == [(), ()]


# Language


@pytest.fixture
def asked_languages(monkeypatch):
    """The language of every pass of the decoder, None where it was to hear it."""
    passes, decode = [], whisper.decode

    def noted(model, mel, options):
        passes.append(options.language)
        return decode(model, mel, options)

    monkeypatch.setattr(whisper, "decode", noted)
    return passes


@pytest.mark.parametrize(
    ("fixed", "named", "asked"),
    [
        ("fr", "es", "fr"),
        ("fr", None, "fr"),
        (None, "es", "es"),
        (None, "es-MX", "es"),
        (None, "PT-br", "pt"),
        (None, "tlh", None),
        (None, "", None),
        (None, None, None),
    ],
)
def test_the_language_is_the_fixed_one_else_the_utterance_s_else_the_model_s(
    tiny, asked_languages, fixed, named, asked
):
    recognizer = tiny(language=fixed, fallback=False)
    (found,) = recognizer.transcribe(inputs([tone(1, 440)], named))
    assert asked_languages == [asked]
    mel = recognizer.mel(tone(1, 440))
    _, heard = whisper.detect_language(recognizer.model, mel)
    assert found.language == (asked or max(heard, key=heard.get))


def test_a_batch_of_several_languages_keeps_its_order(tiny, fifty):
    recognizer = tiny(language=None, fallback=False)
    clips, languages = fifty[:9], ["es", None, "de", "es-MX", "xx", "es", "de", None, "es"]
    asked = [Input(one, RATE, language=named) for one, named in zip(clips, languages, strict=True)]
    together = recognizer.transcribe(asked)
    alone = [recognizer.transcribe([one])[0] for one in asked]
    assert words(together) == words(alone)
    assert [together[place].language for place in (0, 2, 3, 5, 6)] == ["es", "de", "es", "es", "de"]


def test_the_language_that_was_heard_is_kept_when_a_clip_is_drawn_anew(tiny):
    recognizer = tiny(language=None)
    (found,) = recognizer.transcribe(inputs([tone(1, 440)]))
    _, heard = whisper.detect_language(recognizer.model, recognizer.mel(tone(1, 440)))
    assert found.temperature == 1.0
    assert found.language == max(heard, key=heard.get)


def test_the_utterance_s_language_goes_to_long_clips_too(tiny):
    recognizer = tiny(language=None, fallback=False)
    (found,) = recognizer.transcribe(inputs([noise(31)], "es-MX"))
    theirs = recognizer.model.transcribe(noise(31), temperature=(0.0,), language="es", **PLAIN)
    assert (found.language, found.raw) == ("es", theirs["text"].strip())


@pytest.mark.parametrize("seconds", [1, 31], ids=["short", "long"])
def test_a_model_that_knows_one_language_takes_no_other(tmp_path, seconds):
    """51864 tokens make a model English-only."""
    path = other_kind(tmp_path, 80, 51864)
    (found,) = Recognizer(model=path).transcribe(inputs([noise(seconds)], "es"))
    assert found.language == "en"
    with pytest.raises(ConfigError, match=r"'es' is none that this model knows .*\(en\)"):
        Recognizer(model=path, language="es")


@pytest.mark.parametrize(
    ("wrong", "near"), [("ess", "es"), ("spanish", "es"), ("Spanihs", "es"), ("ES", "es")]
)
def test_an_unknown_language_is_refused_with_the_nearest(tiny, wrong, near):
    with pytest.raises(ConfigError, match=f"language: '{wrong}'.*did you mean {near}\\?"):
        tiny(language=wrong)


def test_a_language_that_came_with_larger_models_is_not_asked_of_a_smaller_one(
    tiny, asked_languages
):
    """Cantonese, the hundredth, is known from 51866 tokens on."""
    with pytest.raises(ConfigError, match="'yue' is none that this model knows"):
        tiny(language="yue")
    (found,) = tiny(language=None, fallback=False).transcribe(inputs([noise(1)], "yue-HK"))
    assert asked_languages == [None]
    assert found.text


# Checkpoints


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """A machine that has fetched nothing and cannot; the list holds every attempt."""
    attempts = []

    def refuse(url, *rest, **options):
        attempts.append(url)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr(urllib.request, "urlopen", refuse)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return attempts


def test_a_model_that_cannot_be_fetched_is_missing_with_the_command_that_fetches_it(offline):
    command = r"python -c \"import whisper; whisper.load_model\('tiny'\)\""
    for ask in (_checkpoints.load, _checkpoints.weights_hash):
        with pytest.raises(MissingError, match=f"{command}.*no route to host"):
            ask("tiny")
    with pytest.raises(MissingError, match=command):
        Recognizer(model="tiny")
    assert len(offline) == 3


def test_what_is_missing_is_said_without_trying_to_fetch_it(offline):
    (told,) = Recognizer.missing({"model": "large-v3"})
    assert "whisper.load_model('large-v3')" in told
    assert offline == []


def test_a_download_that_broke_off_is_fetched_again(offline, tmp_path):
    """Whisper compares the file with the hash in the address."""
    place = tmp_path / "cache" / "whisper" / "tiny.pt"
    place.parent.mkdir(parents=True)
    place.write_bytes(b"half of it")
    with (
        pytest.warns(UserWarning, match="does not match"),
        pytest.raises(MissingError, match="'tiny' is not on this machine"),
    ):
        _checkpoints.load("tiny")


def test_without_a_cache_of_its_own_a_model_is_looked_for_and_put_in_the_users(
    tmp_path, monkeypatch, offline
):
    """An empty variable counts as none, as the XDG specification has it."""
    monkeypatch.setenv("XDG_CACHE_HOME", "")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MissingError, match="no route to host"):
        _checkpoints.load("tiny")
    assert [one.name for one in tmp_path.iterdir()] == ["home"]
    assert (tmp_path / "home" / ".cache" / "whisper").is_dir()


@pytest.mark.parametrize(
    "ask", [_checkpoints.load, _checkpoints.missing, _checkpoints.weights_hash]
)
def test_an_unknown_name_is_refused_with_the_nearest(ask):
    with pytest.raises(ConfigError, match=r"'smal' is no file.*did you mean small\?"):
        ask("smal")


@pytest.mark.parametrize("count", [0, 2])
def test_a_folder_must_hold_one_checkpoint(tmp_path, checkpoint, count):
    for number in range(count):
        (tmp_path / f"{number}.pt").symlink_to(checkpoint())
    with pytest.raises(ConfigError, match=f"holds {count} files .pt, not one"):
        Recognizer(model=str(tmp_path))


def test_a_folder_that_holds_one_checkpoint_is_that_checkpoint(tmp_path, checkpoint):
    (tmp_path / "weights.pt").symlink_to(checkpoint())
    (tmp_path / "README.md").write_text("about it")
    assert _checkpoints.weights_hash(str(tmp_path)) == _checkpoints.weights_hash(checkpoint())
    assert Recognizer.missing({"model": str(tmp_path)}) == []
    assert Recognizer(model=str(tmp_path), language="es").transcribe(inputs([noise(1)]))[0].raw


def saved(what):
    return lambda path: torch.save(what, path)


NO_CHECKPOINTS = {
    "text": lambda path: path.write_text("not a model"),
    "empty": lambda path: path.write_bytes(b""),
    "module": saved(torch.nn.Linear(2, 2)),
    "tensor": saved(torch.zeros(3)),
    "list": saved([1, 2]),
    "other weights": saved({"weight": torch.zeros(3)}),
    "no numbers": saved({"dims": {"n_mels": 80}, "model_state_dict": {}}),
    "none": saved({"dims": None, "model_state_dict": None}),
    "zip": lambda path: zipfile.ZipFile(path, "w").writestr("a", "b"),
    "old format": lambda path: torch.save({}, path, _use_new_zipfile_serialization=False),
}


@pytest.mark.filterwarnings("ignore:Using a non-tuple sequence")  # of torch, where a tensor lies
@pytest.mark.parametrize("write", NO_CHECKPOINTS.values(), ids=NO_CHECKPOINTS.keys())
def test_a_file_that_is_no_checkpoint_is_refused_by_name(tmp_path, write):
    path = tmp_path / "model.pt"
    write(path)
    with pytest.raises(
        ConfigError, match=r"model: .*model\.pt (is no checkpoint|cannot be loaded)"
    ):
        Recognizer(model=str(path))


@pytest.mark.parametrize("kept", [0.3, 0.999])
def test_half_a_checkpoint_is_refused(tmp_path, checkpoint, kept):
    whole = (tmp_path / "whole.pt").resolve()
    _checkpoints.write_tiny(whole)
    path = tmp_path / "half.pt"
    path.write_bytes(whole.read_bytes()[: int(kept * whole.stat().st_size)])
    with pytest.raises(ConfigError, match=r"half\.pt is no checkpoint"):
        Recognizer(model=str(path))


def test_the_weights_of_another_shape_are_refused(tmp_path, checkpoint):
    given = torch.load(checkpoint(), weights_only=True)
    given["dims"]["n_text_layer"] = 2
    torch.save(given, tmp_path / "odd.pt")
    with pytest.raises(ConfigError, match=r"odd\.pt cannot be loaded as a Whisper: .*\n.*decoder"):
        Recognizer(model=str(tmp_path / "odd.pt"))


def test_the_hash_is_of_the_weights_wherever_they_lie(tmp_path, checkpoint):
    (tmp_path / "elsewhere.pt").symlink_to(checkpoint(0))
    first = Recognizer.weights_hash({"model": checkpoint(0)})
    assert Recognizer.weights_hash({"model": str(tmp_path / "elsewhere.pt")}) == first
    assert Recognizer.weights_hash({"model": checkpoint(1)}) != first


def test_a_recogniser_does_not_learn(tiny):
    model = tiny().model
    assert not model.training
    assert not any(one.requires_grad for one in model.parameters())


def test_options_are_checked_against_what_they_may_be():
    options = registry.schema(Recognizer)
    for wrong, match in (
        ({"loops": "drop"}, "'cut' or 'keep'"),
        ({"limits": {"no_speech": 2}}, "less than or equal to 1"),
        ({"limits": {"levle": -50}}, "levle"),
        ({"langauge": "es"}, "langauge"),
    ):
        with pytest.raises(ValueError, match=match):
            options.model_validate(wrong)
