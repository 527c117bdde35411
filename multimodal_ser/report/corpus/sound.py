"""The sound of a corpus for its page: numbers of every segment, and clips of a few."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from multimodal_ser.corpus import audio
from multimodal_ser.corpus.audio import wav
from multimodal_ser.parallel import spread
from multimodal_ser.types import DataError, Utterance, listed

SILENCE = 30.0  # dB below the loudest frame
SOUND = ["seconds", "trimmed", "rate", "silent"]
RATE = 16000  # Hz, of the players and of the spectrogram
LONGEST = 10.0  # seconds of one clip
_TOGETHER = 80.0  # seconds of all clips, so that the page stays under 5 MB
_BLOCK = 32
_COLUMNS, _BANDS, _WINDOW, _STEP, _RANGE = 300, 64, 1024, 160, 80.0


@dataclass(frozen=True)
class Clip:
    """The start of a segment.

    seconds: of the whole segment. shown: seconds of the clip. low, high `[300]`: the envelope,
    relative to the loudest sample. mel `[64, frames]`: dB relative to the loudest cell, −80 to 0,
    low bands first. player: a data URI.
    """

    seconds: float
    shown: float
    low: np.ndarray
    high: np.ndarray
    mel: np.ndarray
    player: str


def measure(utterances: Sequence[Utterance], *, workers: int | None = None) -> pd.DataFrame:
    """A row for each utterance: seconds, seconds without silent ends, rate in Hz, silent or not.

    Silent means that all samples are 0. Without sound all are NaN. Every file is read once, and
    only these numbers are kept. DataError lists all files that cannot be read.
    """
    with_sound = [
        index for index, utterance in enumerate(utterances) if utterance.audio is not None
    ]
    blocks = [with_sound[first : first + _BLOCK] for first in range(0, len(with_sound), _BLOCK)]
    jobs = [([utterances[index] for index in block],) for block in blocks]
    label = f"measure {len(with_sound)} segments" if len(with_sound) > _BLOCK else ""
    table = [row for block in spread(_measure, jobs, workers=workers, label=label) for row in block]
    failed = [row for row in table if isinstance(row, str)]
    if failed:
        raise DataError(listed(failed, "segments cannot be read"))
    return pd.DataFrame(table, index=with_sound, columns=SOUND, dtype=float).reindex(
        range(len(utterances))
    )


def _measure(utterances: Sequence[Utterance]) -> list[tuple[float, ...] | str]:
    """For each segment its numbers, or a text that says why it cannot be read."""
    rows: list[tuple[float, ...] | str] = []
    for utterance in utterances:
        try:
            samples, rate = audio.read(utterance)
        except DataError as error:
            rows.append(f"{utterance.id}: {error}")
            continue
        silent = not samples.any()
        loud = 0 if silent else _loud(samples)
        rows.append((len(samples) / rate, loud / rate, float(rate), float(silent)))
    return rows


def _loud(samples: np.ndarray) -> int:
    """How many samples are left without silent ends, 30 dB or more below the loudest frame."""
    import librosa

    return len(librosa.effects.trim(samples, top_db=SILENCE)[0])


def clips(utterances: Sequence[Utterance]) -> list[Clip | None]:
    """A clip of each utterance, 10 s at most, and 80 s at most of all together.

    None for an utterance without sound.
    """
    with_sound = sum(utterance.audio is not None for utterance in utterances)
    longest = min(LONGEST, _TOGETHER / max(with_sound, 1))
    return [
        _clip(utterance, longest) if utterance.audio is not None else None
        for utterance in utterances
    ]


def _clip(utterance: Utterance, longest: float) -> Clip:
    samples, rate = audio.read(utterance)
    start = samples[: round(longest * rate)]
    sound = audio.resample(start, rate, RATE)
    low, high = envelope(sound, _COLUMNS)
    return Clip(
        seconds=len(samples) / rate,
        shown=len(start) / rate,
        low=low,
        high=high,
        mel=log_mel(sound),
        player="data:audio/wav;base64," + base64.b64encode(wav(sound, RATE)).decode(),
    )


def envelope(samples: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and the highest sample `[count]` of equal stretches of samples `[N]`.

    Both are relative to the peak: −1 to 1.
    """
    edges = np.linspace(0, len(samples), count + 1).astype(int)[:-1]
    edges = np.minimum(edges, len(samples) - 1)
    peak = max(float(np.abs(samples).max()), 1e-9)
    low, high = np.minimum.reduceat(samples, edges), np.maximum.reduceat(samples, edges)
    return low / peak, high / peak


def log_mel(samples: np.ndarray) -> np.ndarray:
    """The log-mel spectrogram `[64, frames]` of 16 kHz mono, some 300 frames at most.

    In dB relative to the loudest cell, cut at −80.
    """
    import librosa

    long_enough = np.pad(samples, (0, max(_WINDOW - len(samples), 0)))
    power = librosa.feature.melspectrogram(
        y=long_enough,
        sr=RATE,
        n_fft=_WINDOW,
        hop_length=max(_STEP, -(-len(long_enough) // _COLUMNS)),
        n_mels=_BANDS,
        fmax=RATE / 2,
    )
    decibels = 10 * np.log10(np.maximum(power, 1e-10) / max(float(power.max()), 1e-10))
    return np.maximum(decibels, -_RANGE)
