"""Noise at a drawn signal-to-noise ratio: white, pink, or pieces of the files of a folder."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Literal

import numpy as np
from scipy import fft

from multimodal_ser.corpus import audio
from multimodal_ser.features.augment._draws import Decibels, Share, between, happens, ordered
from multimodal_ser.features.augment._sound import power, repeated, sound_of, with_samples
from multimodal_ser.files import file_hash
from multimodal_ser.types import ConfigError, DataError, Input, Utterance, listed

_SUFFIXES = {".wav", ".flac", ".ogg", ".opus", ".mp3", ".aif", ".aiff", ".au"}
_MOMENT = 0.05  # seconds; has a sample at any rate, and no file is too short for it


class Augment:
    """Adds noise, because recordings in use are seldom as clean as those of a corpus.

    kind: `white` has the same power in every hertz, `pink` in every octave; `folder` takes a piece
    of a random sound file below `folder`, from a random place, repeated where it is too short.
    snr: `[low, high]` in dB of the clip's power over that of the noise, both over the whole clip.
    A silent clip, or a silent piece of a noise file, leaves the clip as it is. p: share of the
    clips that get noise.
    """

    modality = "audio"
    STAGE = "input"

    def __init__(
        self,
        *,
        kind: Literal["white", "pink", "folder"] = "white",
        folder: str | None = None,
        snr: tuple[Decibels, Decibels] = (5.0, 20.0),
        p: Share = 1.0,
    ) -> None:
        if (kind == "folder") != (folder is not None):
            raise ConfigError("noise: folder names the sound files of kind: folder, and only these")
        self.files = _sounds_of(Path(folder)) if folder is not None else []
        self.kind = kind
        self.snr = ordered("noise: snr", snr)
        self.p = p

    @staticmethod
    def files_hash(options: Mapping[str, Any]) -> str:
        """Of the sound files, wherever they lie."""
        if options["folder"] is None:
            return ""
        return "-".join(file_hash(path) for path in _sounds_of(Path(options["folder"])))

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, sound = happens(generator, self.p), sound_of(utterance)
        if not acts or sound is None:
            return utterance
        samples, rate = sound
        ratio = 10 ** (between(generator, self.snr) / 10)
        added = self._draw(generator, len(samples), rate)
        loudness, own = power(samples), power(added)
        if not loudness or not own:
            return utterance
        return with_samples(utterance, samples + added * math.sqrt(loudness / own / ratio))

    def _draw(self, generator: np.random.Generator, length: int, rate: int) -> np.ndarray:
        if self.kind == "white":
            return generator.standard_normal(length)
        if self.kind == "pink":
            return _pink(generator, length)
        path = self.files[int(generator.integers(len(self.files)))]
        return _piece(path, generator.random(), length, rate)


def _pink(generator: np.random.Generator, length: int) -> np.ndarray:
    """A white spectrum times 1 / √frequency, without its mean."""
    size = 2 ** (max(length, 64) - 1).bit_length()
    bins = np.arange(size // 2 + 1)
    spectrum = generator.standard_normal((2, len(bins)))
    shaped = (spectrum[0] + 1j * spectrum[1]) / np.sqrt(np.maximum(bins, 1))
    shaped[0] = 0
    return np.asarray(fft.irfft(shaped, size))[:length]


def _piece(path: Path, place: float, length: int, rate: int) -> np.ndarray:
    """`[length]` at `rate` Hz; place in [0, 1) says where in the file. Only it is decoded."""
    samples_there, own_rate = _extent(path)
    seconds = max(length / rate, _MOMENT)
    start = max(0.0, samples_there / own_rate - seconds) * place
    end = min(start + seconds, samples_there / own_rate)
    samples, _ = audio.read(Utterance("", path, start=start, end=end))
    return repeated(audio.resample(samples, own_rate, rate), length)


@cache
def _extent(path: Path) -> tuple[int, int]:
    """Samples of a file and its rate, which only reading tells: of its first moment."""
    _, rate = audio.read(Utterance("", path, end=_MOMENT))
    return audio.length(Utterance("", path)), rate


def _sounds_of(folder: Path) -> list[Path]:
    """In an order that no file system decides; DataError if one of them is no sound."""
    if not folder.is_dir():
        raise ConfigError(f"noise: there is no folder {folder}")
    paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in _SUFFIXES)
    if not paths:
        raise DataError(f"noise: {folder} holds no sound file ({', '.join(sorted(_SUFFIXES))})")
    bad = [str(path) for path in paths if not audio.has_sound(path)]
    if bad:
        raise DataError(listed(bad, "noise files are empty or not readable as audio"))
    return paths


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"kind": "pink"}
