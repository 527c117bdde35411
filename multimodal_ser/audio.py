"""The only file that opens sound."""

from __future__ import annotations

import hashlib
import math
import re
from pathlib import Path

import numpy as np
import soundfile
import soxr

from multimodal_ser.types import DataError, Utterance

_STREAMED = 2**31 - 1  # and above: a pipe wrote the header before it knew the length
_END_SLACK = 0.05  # seconds that a table's `end` may lie past the end of its file


def read(utterance: Utterance) -> tuple[np.ndarray, int]:
    """The segment as float32 mono `[N]` at the file's own rate; DataError if there is none."""
    path = utterance.audio
    try:
        with soundfile.SoundFile(str(path)) as sound:
            _refuse_truncated(sound, path)
            rate = sound.samplerate
            start = round(utterance.start * rate)
            stop = _stop(utterance, sound.frames, rate)
            if start >= stop:
                raise DataError(f"{path} has no samples from {utterance.start:g} s on")
            sound.seek(start)
            samples = sound.read(stop - start, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, TypeError) as error:  # TypeError: raw, without a header
        raise DataError(f"{path} is not readable as audio ({error})") from None
    if len(samples) < stop - start:
        raise DataError(f"{path} is truncated: {len(samples)} of {stop - start} samples")
    if not np.isfinite(samples).all():
        raise DataError(f"{path} holds NaN or infinite samples")
    return _channel(samples, utterance), rate


def has_sound(path: Path) -> bool:
    """A file that says it is audio and is not empty; its samples are not looked at."""
    try:
        return soundfile.info(str(path)).frames > 0
    except (soundfile.LibsndfileError, TypeError):
        return False


def resample(samples: np.ndarray, rate: int, target: int) -> np.ndarray:
    """At `target` Hz, sample for sample as librosa does it: soxr HQ, `ceil(N * ratio)` long."""
    if rate == target:
        return samples
    length = math.ceil(len(samples) * target / rate)
    changed = soxr.resample(samples, rate, target, quality="HQ")[:length]
    return np.pad(changed, (0, length - len(changed)))


def content_hash(samples: np.ndarray, rate: int) -> str:
    """What the segment sounds like, whatever file it came from."""
    digest = hashlib.blake2b(f"{rate}:".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(samples, dtype="<f4").tobytes())
    return digest.hexdigest()


def _refuse_truncated(sound: soundfile.SoundFile, path: Path | None) -> None:
    """libsndfile mends the header of a cut WAV or AIFF and says so in its log only."""
    found = re.search(r"^data\s*: (\d+) \(should be (\d+)\)", sound.extra_info, re.MULTILINE)
    if found and int(found[2]) < int(found[1]) < _STREAMED:
        raise DataError(f"{path} is truncated: {found[2]} of {found[1]} bytes")


def _stop(utterance: Utterance, frames: int, rate: int) -> int:
    if utterance.end is None:
        return frames
    if utterance.end > frames / rate + _END_SLACK:
        raise DataError(
            f"the segment ends at {utterance.end:g} s, but {utterance.audio} lasts "
            f"{frames / rate:.2f} s"
        )
    return min(round(utterance.end * rate), frames)


def _channel(samples: np.ndarray, utterance: Utterance) -> np.ndarray:
    """`mix` averages the channels of `[N, channels]`, a number picks one."""
    if utterance.channel == "mix":
        return samples.mean(axis=1) if samples.shape[1] > 1 else samples[:, 0]
    if not utterance.channel.isdecimal() or int(utterance.channel) >= samples.shape[1]:
        raise DataError(
            f"channel '{utterance.channel}' is not mix or one of the "
            f"{samples.shape[1]} channels (0 first) of {utterance.audio}"
        )
    return np.ascontiguousarray(samples[:, int(utterance.channel)])
