"""Render the demo corpus: 480 synthetic Spanish utterances whose emotion is planted by design.

Question: does a model read the voice, the words, or both? Real corpora cannot say, because nobody
knows which channel carried the emotion. Here every utterance says it, in the column `planted`:

    prosody   one fixed neutral sentence; only the voice tells the label
    words     emotional words in a flat voice; only the words tell the label
    both      words and voice agree
    irony     one channel is joyful, the other angry, disgusted, fearful or sad

Rule of irony: cheerfulness is the mask, so the channel that is not joyful tells the label. A model
of one channel fails on it, and a model of both has to weigh them against each other.

24 voices say 5 utterances of each group, and each of the 6 classes has 80 utterances. Voices are
formant synthesis (espeak-ng); an emotion moves its settings and a few filters, and random noise on
all of them makes the emotions overlap. Nothing here stands for how people sound.

    python experiments/make_demo_corpus.py multimodal_ser/corpus/datasets/_demo
    … --check    also renders some utterances again and compares the samples

Cost: about 40 seconds on one core and 3 MB. One seed decides everything, so another run gives the
same table and the same samples (with the same espeak-ng); only an Ogg stream number differs.
"""

from __future__ import annotations

import argparse
import io
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Hashable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import soundfile
import soxr
from make_demo_corpus_sentences import FIXED_SENTENCE, OPENINGS, OWN_CORES, SHARED_CORES
from numpy.typing import NDArray

Samples = NDArray[np.float64]

SEED = 20240611
RATE = 16_000
OPUS_LEVEL = 0.96
PEAK_LIMIT = 0.8
SHARED_CORE_SHARE = 0.12
MIN_PER_CLASS_AND_VOICE = 2
CHECKED = 12
NEGATIVE = ("anger", "disgust", "fear", "sadness")
GROUP_COUNTS = {
    "prosody": {"negative": 20, "joy": 20, "neutral": 20},
    "words": {"negative": 18, "joy": 24, "neutral": 24},
    "both": {"negative": 12, "joy": 36, "neutral": 36},
}
IRONY_COUNT = 15


class Prosody(NamedTuple):
    """How an utterance is said: the first four go to espeak-ng, the others to filters."""

    pitch: float  # espeak-ng -p, 0 to 99
    range: float  # per cent of the usual pitch range
    speed: float  # words per minute
    gap: float  # pause between words, in 10 ms
    level: float  # loudness, dB below full scale (RMS)
    tilt: float  # dB per octave around 1 kHz
    tremolo: float  # depth of a 6.5 Hz amplitude wave, 0 to 1
    breath: float  # aspiration noise, dB relative to the speech
    nasal: float  # dB of a resonance at 1.1 kHz
    smile: float  # dB of a resonance at 2.7 kHz


class Plan(NamedTuple):
    """What an utterance carries, before it has a text and a sound."""

    planted: str
    label: str
    words: str
    prosody: str


# Female and male in turn, so that any block of an even number of speakers holds as many of each.
VOICE_NAMES = """
    es+f1 es+m1 es-419+f2 es-419+m2 es+f3 es+m3 es-419+f4 es-419+m4 es+f5 es+m5 es-419+Annie
    es-419+m6 es+Alicia es+m7 es-419+f1 es-419+m8 es+f2 es+klatt es-419+f3 es-419+klatt4 es+f4
    es+Andy es-419+f5 es-419+pablo
"""
VOICES = VOICE_NAMES.split()

FLAT = Prosody(47, 40, 178, 0, -30.2, 0, 0.06, -34, 0, 0)
SHIFTS = {
    "anger": Prosody(6, 90, 14, 0, 5, 2.8, 0, 0, 0, 0),
    "disgust": Prosody(-8, 50, -18, 3, 0.5, 0, 0, 2, 9, -1),
    "fear": Prosody(16, 20, 25, 0, -1.5, 0, 0.4, 16, 0, 0),
    "joy": Prosody(18, 130, 7, 0, 2, 0.5, 0, 0, -1, 9),
    "neutral": Prosody(0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
    "sadness": Prosody(-8, 0, -28, 1, -4.5, -3, 0.04, 9, 0, -2),
}
BETWEEN_VOICES = Prosody(5, 0, 6, 0, 0.9, 0, 0, 0, 0, 0)
BETWEEN_UTTERANCES = Prosody(5, 20, 9, 0.7, 1.3, 0.6, 0.06, 2.5, 1.4, 1.4)
LOWEST = Prosody(10, 20, 125, 0, -40, -6, 0, -45, -6, -6)
HIGHEST = Prosody(99, 200, 240, 6, -21, 6, 0.7, -14, 14, 14)


def group_plans(planted: str) -> list[Plan]:
    if planted == "irony":
        sides = [(mask, label) for mask in ("words", "prosody") for label in NEGATIVE]
        return [
            Plan(planted, label, **{"words": label, "prosody": label, mask: "joy"})
            for mask, label in sides
            for _ in range(IRONY_COUNT)
        ]
    counts = GROUP_COUNTS[planted]
    flat = {"prosody": {"words": "neutral"}, "words": {"prosody": "neutral"}}.get(planted, {})
    return [
        Plan(planted, label, **{"words": label, "prosody": label, **flat})
        for label in (*NEGATIVE, "joy", "neutral")
        for _ in range(counts.get(label, counts["negative"]))
    ]


def deal(rng: np.random.Generator) -> list[list[Plan]]:
    """Hand every group's plans out in turn, so that each voice gets 5 of it, classes spread."""
    hands: list[list[Plan]] = [[] for _ in VOICES]
    for planted in (*GROUP_COUNTS, "irony"):
        turns = rng.permutation(len(VOICES))
        for index, plan in enumerate(group_plans(planted)):
            hands[turns[index % len(VOICES)]].append(plan)
    return hands


def every_class_in(hand: list[Plan]) -> bool:
    counts = Counter(plan.label for plan in hand)
    return all(counts[label] >= MIN_PER_CLASS_AND_VOICE for label in SHIFTS)


def voice_plans(rng: np.random.Generator) -> list[list[Plan]]:
    """Deal until every voice has enough of every class, then shuffle each voice's utterances."""
    hands = deal(rng)
    while not all(every_class_in(hand) for hand in hands):
        hands = deal(rng)
    return [[hand[index] for index in rng.permutation(len(hand))] for hand in hands]


def new_text(plan: Plan, used: Counter[tuple[str, str]], rng: np.random.Generator) -> str:
    """A text that nobody said yet, from a core that is rare under the plan's label so far."""
    shared = [core for core, emotions in SHARED_CORES.items() if plan.words in emotions]
    while True:
        cores = shared if rng.random() < SHARED_CORE_SHARE else OWN_CORES[plan.words]
        core = min(rng.permutation(cores), key=lambda core: used[plan.label, core])
        opening = rng.choice(OPENINGS)
        if not used[opening, core]:
            used.update([(opening, core), (plan.label, core)])
            return f"{opening}, {core}."


def draw_prosody(emotion: str, usual: Samples, rng: np.random.Generator) -> Prosody:
    drawn = rng.normal(usual + SHIFTS[emotion], BETWEEN_UTTERANCES)
    return Prosody(*(round(float(value), 2) for value in drawn.clip(LOWEST, HIGHEST)))


def build_table(rng: np.random.Generator) -> pd.DataFrame:
    used: Counter[tuple[str, str]] = Counter()
    rows = []
    for number, hand in enumerate(voice_plans(rng), start=1):
        usual = rng.normal(FLAT, BETWEEN_VOICES)
        for turn, plan in enumerate(hand, start=1):
            name = f"v{number:02d}-u{turn:02d}"
            fixed = plan.planted == "prosody"
            rows.append(
                {
                    "id": name,
                    "audio": f"audio/{name}.ogg",
                    "text": FIXED_SENTENCE if fixed else new_text(plan, used, rng),
                    "label": plan.label,
                    "speaker": f"v{number:02d}",
                    "gender": "female" if number % 2 else "male",
                    "language": "es",
                    "planted": plan.planted,
                    "words": plan.words,
                    "prosody": plan.prosody,
                    "voice": VOICES[number - 1],
                    **draw_prosody(plan.prosody, usual, rng)._asdict(),
                    "noise": round(float(rng.uniform(-66, -56)), 2),
                }
            )
    return pd.DataFrame(rows)


def speak(text: str, voice: str, prosody: Prosody) -> Samples:
    """The raw synthesis at RATE, quiet enough not to clip, with little silence around it."""
    command = ["espeak-ng", "-v", voice, "-a", "40", "-b", "1", "-m", "-z", "--stdin", "--stdout"]
    command += ["-p", f"{prosody.pitch:.0f}", "-s", f"{prosody.speed:.0f}"]
    command += ["-g", f"{prosody.gap:.0f}"]
    ssml = f'<speak><prosody range="{prosody.range:.0f}%">{text}</prosody></speak>'
    wav = subprocess.run(command, input=ssml.encode(), capture_output=True, check=True).stdout
    samples, rate = soundfile.read(io.BytesIO(wav))
    samples = soxr.resample(samples, rate, RATE)
    loud = np.flatnonzero(np.abs(samples) > 0.01 * np.abs(samples).max())
    pad = RATE // 20
    return samples[max(loud[0] - pad, 0) : loud[-1] + pad]


def rms(samples: Samples) -> float:
    return float(np.sqrt(np.mean(samples**2)))


def gain(decibels: float) -> float:
    return 10 ** (decibels / 20)


def resonance(hertz: Samples, center: float) -> Samples:
    """A bell of height 1 and about an octave wide."""
    return np.exp(-((np.log2(hertz / center) / 0.5) ** 2))


def filtered(samples: Samples, prosody: Prosody) -> Samples:
    """Tilt the spectrum and raise its two resonances."""
    hertz = np.maximum(np.fft.rfftfreq(samples.size, 1 / RATE), 100.0)
    decibels = prosody.tilt * np.log2(hertz / 1000)
    decibels += prosody.nasal * resonance(hertz, 1100) + prosody.smile * resonance(hertz, 2700)
    return np.fft.irfft(np.fft.rfft(samples) * 10 ** (decibels / 20), samples.size)


def breathed(samples: Samples, level: float, rng: np.random.Generator) -> Samples:
    """Add high-passed noise that follows the loudness of the speech."""
    window = np.hanning(RATE // 20)
    envelope = np.sqrt(np.convolve(samples**2, window / window.sum(), mode="same").clip(0))
    noise = np.diff(rng.standard_normal(samples.size + 1)) * envelope
    return samples + noise * gain(level) * rms(samples) / rms(noise)


def trembled(samples: Samples, depth: float, rng: np.random.Generator) -> Samples:
    phase = 2 * np.pi * (6.5 * np.arange(samples.size) / RATE + rng.random())
    return samples * (1 - depth * (1 + np.sin(phase)) / 2)


def render(row: dict[Hashable, Any], rng: np.random.Generator) -> Samples:
    prosody = Prosody(*(row[field] for field in Prosody._fields))
    samples = filtered(speak(row["text"], row["voice"], prosody), prosody)
    samples = trembled(breathed(samples, prosody.breath, rng), prosody.tremolo, rng)
    samples *= gain(prosody.level) / rms(samples)
    samples += gain(row["noise"]) * rng.standard_normal(samples.size)
    return samples * min(1.0, PEAK_LIMIT / np.abs(samples).max())


def write_audio(table: pd.DataFrame, out: Path) -> None:
    """Each utterance has its own noise stream, so that any of them can be rendered alone."""
    (out / "audio").mkdir(parents=True, exist_ok=True)
    for index, row in zip(table.index, table.to_dict("records"), strict=True):
        samples = render(row, np.random.default_rng([SEED, index]))
        path = out / row["audio"]
        soundfile.write(
            path, samples, RATE, format="OGG", subtype="OPUS", compression_level=OPUS_LEVEL
        )


def check_again(table: pd.DataFrame, out: Path) -> None:
    """Plan everything and render some utterances a second time; stop if anything differs."""
    if not build_table(np.random.default_rng(SEED)).equals(table):
        sys.exit("error: a second run planned another table")
    some = table.iloc[:: len(table) // CHECKED]
    with tempfile.TemporaryDirectory() as folder:
        write_audio(some, Path(folder))
        for name in some["audio"]:
            first, second = soundfile.read(out / name)[0], soundfile.read(Path(folder) / name)[0]
            if not np.array_equal(first, second):
                sys.exit(f"error: {name} differs when it is rendered again")
    print(f"same table, same samples in {len(some)} utterances rendered twice")


def main() -> None:
    parser = argparse.ArgumentParser(description="Render the synthetic Spanish demo corpus.")
    parser.add_argument("out", type=Path, metavar="OUT_FOLDER")
    parser.add_argument("--check", action="store_true", help="render some again and compare")
    arguments = parser.parse_args()
    if shutil.which("espeak-ng") is None:
        sys.exit("error: espeak-ng is not installed (Debian, Ubuntu: apt-get install espeak-ng)")
    table = build_table(np.random.default_rng(SEED))
    write_audio(table, arguments.out)
    table.to_csv(arguments.out / "utterances.csv", index=False, lineterminator="\n")
    if arguments.check:
        check_again(table, arguments.out)


if __name__ == "__main__":
    main()
