"""The only file that opens sound, or writes it."""

from __future__ import annotations

import hashlib
import math
import os
import re
import struct
from pathlib import Path

import numpy as np
import soundfile
import soxr

from multimodal_ser.types import DataError, Utterance

_STREAMED = 2**31 - 1  # and above: a pipe wrote the header before it knew the length
_UNKNOWN = 2**62  # frames, and above: a FLAC from a pipe does not say how many it has
_BLOCK = 2**22  # frames read at a time, so that a header cannot ask for more than there is
_OGG_PAGE = 65307  # bytes, the longest there is
_LOUDEST = 1e9  # times full scale; beyond it the power of a spectrum overflows float32
_CUT = r"^\s*(?:data|SSND|Data Size|riff|Riff size)\s*: (\d+) \(should be (\d+)\)"
_END_SLACK = 0.05  # seconds that a table's `end` may lie past the end of its file


def read(utterance: Utterance) -> tuple[np.ndarray, int]:
    """The segment as float32 mono `[N]` at the file's own rate; DataError if there is none."""
    path = utterance.audio
    try:
        with soundfile.SoundFile(str(path)) as sound:
            _refuse_truncated(sound, path)
            if sound.format == "OGG":
                _refuse_cut_ogg(path)
            rate = sound.samplerate
            start = round(utterance.start * rate)
            stop = _stop(utterance, sound.frames, rate)
            if start >= stop:
                raise DataError(f"{path} has no samples from {utterance.start:g} s on")
            if start:  # some kinds (GSM) can only be read from their beginning
                sound.seek(start)
            samples = _frames(sound, stop - start)
    except (soundfile.LibsndfileError, TypeError, UnicodeError) as error:  # TypeError: a raw file
        raise DataError(f"{path} is not readable as audio ({error})") from None
    if len(samples) < stop - start:
        raise DataError(f"{path} is truncated: {len(samples)} of {stop - start} samples")
    if not np.isfinite(samples).all():
        raise DataError(f"{path} holds NaN or infinite samples")
    if np.abs(samples).max(initial=0) > _LOUDEST:
        raise DataError(f"{path} holds samples beyond {_LOUDEST:g}, where full scale is 1")
    return _channel(samples, utterance), rate


def length(utterance: Utterance) -> int:
    """The number of samples of a segment, from its file's header alone; DataError without one."""
    try:
        header = soundfile.info(str(utterance.audio))
    except (soundfile.LibsndfileError, TypeError, UnicodeError) as error:
        raise DataError(f"{utterance.audio} is not readable as audio ({error})") from None
    start = round(utterance.start * header.samplerate)
    return max(0, _stop(utterance, header.frames, header.samplerate) - start)


def has_sound(path: Path) -> bool:
    """Whether a file says that it is audio and is not empty; its samples are not read."""
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
    """A hash of a segment's samples: equal for equal sound, whatever its file."""
    digest = hashlib.blake2b(f"{rate}:".encode(), digest_size=16)
    digest.update(np.ascontiguousarray(samples, dtype="<f4").tobytes())
    return digest.hexdigest()


def _refuse_truncated(sound: soundfile.SoundFile, path: Path | None) -> None:
    """libsndfile mends the header of a cut WAV, AIFF or AU and says so in its log only."""
    sizes = re.search(_CUT, sound.extra_info, re.MULTILINE)
    if sizes and int(sizes[2]) < int(sizes[1]) < _STREAMED:
        raise DataError(f"{path} is truncated: {sizes[2]} of {sizes[1]} bytes")
    if sound.frames >= _UNKNOWN:
        raise DataError(f"{path} does not say how long it is; write it anew, not through a pipe")


def _refuse_cut_ogg(path: Path | None) -> None:
    """An Ogg file has no length in its header, but its last page is marked as the last."""
    with Path(str(path)).open("rb") as file:
        file.seek(max(0, file.seek(0, os.SEEK_END) - _OGG_PAGE))
        page = file.read().rpartition(b"OggS")[2]  # version, flags …, count of segments, segments
    sizes = page[23 : 23 + page[22]] if len(page) > 22 else b""
    if not sizes or len(page) < 23 + len(sizes) + sum(sizes) or not page[1] & 4:
        raise DataError(f"{path} is truncated: its last page is not the end of its stream")


def _frames(sound: soundfile.SoundFile, count: int) -> np.ndarray:
    """`[N, channels]`: the next `count` frames, or as many as there are."""
    blocks = []
    while count > 0:
        block = sound.read(min(count, _BLOCK), dtype="float32", always_2d=True)
        blocks.append(block)
        count = count - len(block) if len(block) == min(count, _BLOCK) else 0
    return np.concatenate(blocks)


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


def wav(samples: np.ndarray, rate: int) -> bytes:
    """float32 mono in −1 to 1 as 16-bit PCM: a 44-byte header, then the samples."""
    data = (np.clip(samples, -1, 1) * 32767).round().astype("<i2").tobytes()
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    head = struct.pack("<4sI4s", b"RIFF", 36 + len(data), b"WAVE")
    return head + form + struct.pack("<4sI", b"data", len(data)) + data
