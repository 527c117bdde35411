"""Whisper, as OpenAI's package runs it: many short clips at a time, long ones by windows."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from multimodal_ser.corpus.audio import resample
from multimodal_ser.features.asr import _checkpoints
from multimodal_ser.features.asr._loops import collapse, compression_ratio, loop
from multimodal_ser.types import ConfigError, Input, Transcript

_RATE = 16000
_WINDOW = 30 * _RATE  # samples that the model hears at a time
_HOP = 160  # samples from one frame of the spectrogram to the next; less is no frame
_TAIL = 3200  # samples of silence, beyond what the last frames of a clip see: a product of fewer
# than 12 frames is rounded otherwise than one of 30 s
_FRAME = 400  # samples over which the level is taken: 25 ms
_SPECIAL = re.compile(r"<\|[^|]*\|>")  # tokens that are no words, should a model say one
_TEMPERATURES = (0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True)
class Limits:
    """Limits beyond which a transcript is doubted; Whisper's own numbers, except the level.

    compression: the bytes of the text over those of its compressed form; loops have more.
    log_probability: the mean over the tokens; it is lower where the model is unsure. no_speech: the
    probability of silence, which counts where the model is unsure as well. level: of the loudest 25
    ms in dB of full scale; nothing quieter is decoded, because the model invents words in silence.
    """

    compression: float = 2.4
    log_probability: float = -1.0
    no_speech: Annotated[float, Field(ge=0, le=1)] = 0.6
    level: float = -60.0


class Recognizer:
    """Utterances up to 30 s are decoded greedily in batches, longer ones window by window.

    model: a name of Whisper's, a checkpoint's path, or a folder that holds one `.pt`. language: a
    code (`es`), None takes the one the corpus names for the utterance, else what the model hears.
    fallback: what fails a limit is decoded again, alone, at higher temperatures, the draws seeded
    by its sound. loops: a phrase that is repeated without end is cut to its first time.
    """

    VERSION = 1
    VALUE_LIBRARIES = ("openai-whisper", "numpy", "soxr", "torch")
    RATE = _RATE
    BATCH = (16, None)
    ACCELERATED = (64, None)

    def __init__(
        self,
        *,
        model: str = "small",
        language: str | None = None,
        fallback: bool = True,
        loops: Literal["cut", "keep"] = "cut",
        limits: Limits = Limits(),
    ) -> None:
        self.model = _checkpoints.load(model)
        self.language = _checked_language(self.model, language)
        self.temperatures = _TEMPERATURES if fallback else ()
        self.loops = loops
        self.limits = limits

    def to(self, device: torch.device) -> Recognizer:
        """Move the model to a device; on a GPU it computes in fp16."""
        self.model = self.model.to(device)
        return self

    @staticmethod
    def weights_hash(options: Mapping[str, Any]) -> str:
        """A hash of the checkpoint, wherever it lies."""
        return _checkpoints.weights_hash(options["model"])

    @staticmethod
    def missing(options: Mapping[str, Any]) -> list[str]:
        """What must be fetched first, with the command that fetches it."""
        return _checkpoints.missing(options["model"])

    def transcribe(self, inputs: Sequence[Input]) -> list[Transcript | None]:
        """Transcripts in order, None without sound; the other inputs of a batch change nothing."""
        sounds = [_at_rate(utterance) for utterance in inputs]
        transcripts: dict[int, Transcript] = {}
        short: dict[str | None, list[int]] = {}
        for place, (utterance, samples) in enumerate(zip(inputs, sounds, strict=True)):
            if samples is None:
                continue
            language = self._language_of(utterance)
            if len(samples) < _HOP or _level(samples) < self.limits.level:
                transcripts[place] = Transcript(None, "", language, flags=("silence",))
            elif len(samples) > _WINDOW:
                transcripts[place] = self._long(samples, language)
            else:
                short.setdefault(language, []).append(place)
        for language, places in short.items():
            clips = [clip for place in places if (clip := sounds[place]) is not None]
            transcripts |= zip(places, self._short(clips, language), strict=True)
        return [
            None if samples is None else replace(transcripts[place], seconds=len(samples) / _RATE)
            for place, samples in enumerate(sounds)
        ]

    def _language_of(self, utterance: Input) -> str | None:
        """The language of an utterance; None where the model shall detect it."""
        named = (utterance.language or "").lower().split("-")[0]
        return self.language or (named if named in _languages(self.model) else None)

    @property
    def _multilingual(self) -> bool:
        return self.model.is_multilingual

    def _short(self, clips: Sequence[np.ndarray], language: str | None) -> list[Transcript]:
        """Clips up to 30 s: one pass of the decoder for all, single passes for those that fail."""
        mels = torch.stack([self.mel(clip) for clip in clips])
        results = self._decoded(mels, language, 0.0)
        transcripts = []
        for samples, first in zip(clips, results, strict=True):
            last = self._again(samples, first, language)
            transcripts.append(
                self._judged(
                    last.text,
                    last.language,
                    last.temperature,
                    last.avg_logprob,
                    last.no_speech_prob,
                    self._silent(last.avg_logprob, last.no_speech_prob),
                )
            )
        return transcripts

    def _long(self, samples: np.ndarray, language: str | None) -> Transcript:
        """A long clip window by window; no window knows the text before it; means over all tokens.

        Whisper leaves silent windows out, so the rest is not judged by its means.
        """
        with _seeded(samples, 0.0):
            result: Any = self.model.transcribe(
                samples,
                language=language if self._multilingual else "en",
                temperature=(0.0, *self.temperatures),
                compression_ratio_threshold=self.limits.compression,
                logprob_threshold=self.limits.log_probability,
                no_speech_threshold=self.limits.no_speech,
                condition_on_previous_text=False,
                fp16=self.model.device.type != "cpu",
            )
        parts = [segment for segment in result["segments"] if segment["tokens"]]
        if not parts:
            return Transcript(None, "", result["language"], flags=("no speech",))
        counts = [len(part["tokens"]) for part in parts]

        def mean(key: str) -> float:
            return float(np.average([part[key] for part in parts], weights=counts))

        hottest = max(part["temperature"] for part in parts)
        means = mean("avg_logprob"), mean("no_speech_prob")
        return self._judged(result["text"], result["language"], hottest, *means, silent=False)

    def mel(self, samples: np.ndarray) -> torch.Tensor:
        """`[mels, 3000]` as `transcribe` makes it: silence after the clip, then blank frames."""
        from whisper.audio import HOP_LENGTH, N_FRAMES, log_mel_spectrogram, pad_or_trim

        sound = torch.from_numpy(samples).to(self.model.device)
        mel: Any = log_mel_spectrogram(sound, self.model.dims.n_mels, padding=_TAIL)
        whole: Any = pad_or_trim(mel[:, : len(samples) // HOP_LENGTH], N_FRAMES)
        return whole

    def _decoded(self, mel: torch.Tensor, language: str | None, temperature: float) -> list[Any]:
        """Whisper's results for `[B, mels, 3000]`, or for features that it has encoded already."""
        from whisper import DecodingOptions, decode

        options = DecodingOptions(
            language=language if self._multilingual else "en",
            temperature=temperature,
            without_timestamps=True,
            fp16=self.model.device.type != "cpu",
        )
        results: Any = decode(self.model, mel, options)
        return results

    def _again(self, samples: np.ndarray, result: Any, language: str | None) -> Any:
        """The first result within the limits, else the last one."""
        for temperature in self.temperatures:
            if not self._fails(result):
                break
            with _seeded(samples, temperature):
                features = result.audio_features.unsqueeze(0)
                (result,) = self._decoded(features, language, temperature)
        return result

    def _fails(self, result: Any) -> bool:
        if self._silent(result.avg_logprob, result.no_speech_prob):
            return False  # no temperature turns it into speech
        unsure = result.avg_logprob < self.limits.log_probability
        return unsure or result.compression_ratio > self.limits.compression

    def _silent(self, log_probability: float, no_speech: float) -> bool:
        unsure = log_probability < self.limits.log_probability
        return unsure and no_speech > self.limits.no_speech

    def _judged(
        self,
        decoded: str,
        language: str,
        temperature: float,
        log_probability: float,
        no_speech: float,
        silent: bool,
    ) -> Transcript:
        """The transcript, filtered, with everything that makes it doubtful."""
        raw = _SPECIAL.sub("", decoded).strip()
        ratio, looping = compression_ratio(raw), loop(raw) is not None
        unsure = log_probability < self.limits.log_probability
        doubts = {
            "no speech": silent or not raw,
            "loop": looping,
            "repetitive": ratio > self.limits.compression and not looping,
            "unsure": unsure,
            "decoded again": temperature > 0,
        }
        text = collapse(raw) if looping and self.loops == "cut" else raw
        return Transcript(
            text=None if doubts["no speech"] else text,
            raw=raw,
            language=language,
            flags=tuple(name for name, holds in doubts.items() if holds),
            temperature=temperature,
            log_probability=log_probability,
            compression=ratio,
            no_speech=no_speech,
        )


def _at_rate(utterance: Input) -> np.ndarray | None:
    if utterance.samples is None or utterance.rate is None:
        return None
    return resample(utterance.samples, utterance.rate, _RATE)


def _level(samples: np.ndarray) -> float:
    """The loudest frame's root mean square in dB of full scale."""
    whole = np.pad(samples, (0, -len(samples) % _FRAME)).reshape(-1, _FRAME)
    power = float(np.square(whole, dtype=np.float64).mean(1).max(initial=0.0))
    return 10 * math.log10(max(power, 1e-20))


@contextmanager
def _seeded(samples: np.ndarray, temperature: float) -> Iterator[None]:
    """A generator whose numbers depend on the sound and the temperature alone."""
    digest = hashlib.blake2b(samples.tobytes(), digest_size=6, salt=b"%.1f" % temperature)
    with torch.random.fork_rng():
        torch.manual_seed(int.from_bytes(digest.digest(), "big"))
        yield


def _languages(model: Any) -> dict[str, str]:
    """Code → name of those that the model has a token for; Cantonese came with `large-v3`."""
    from whisper.tokenizer import LANGUAGES

    count = model.num_languages if model.is_multilingual else 1  # the first is English
    return dict(list(LANGUAGES.items())[:count])


def _checked_language(model: Any, language: str | None) -> str | None:
    allowed = _languages(model)
    if language is None or language in allowed:
        return language
    codes = {name: code for code, name in allowed.items()} | {code: code for code in allowed}
    near = difflib.get_close_matches(language.lower(), codes, n=1)
    hint = f"; did you mean {codes[near[0]]}?" if near else ""
    raise ConfigError(
        f"language: '{language}' is none that this model knows{hint} ({', '.join(allowed)})"
    )


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once: a random Whisper, which this writes."""
    return {"model": str(_checkpoints.write_tiny(folder / "tiny-whisper.pt")), "language": "es"}
