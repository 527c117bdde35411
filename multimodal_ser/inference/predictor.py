"""A finished run as a function: question → transcript → features → scores → answer."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import torch

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.config.method import Encoding, method_of
from multimodal_ser.features.batches import Part, Ragged, scale_by_speaker
from multimodal_ser.features.encode import stored_form
from multimodal_ser.features.extraction import read_input, run_encoder
from multimodal_ser.features.live import LiveInputs, at_rate
from multimodal_ser.features.transcripts import called
from multimodal_ser.inference.questions import Answer, Question, answered, as_table, questions
from multimodal_ser.parallel import one_thread
from multimodal_ser.training import apply
from multimodal_ser.types import (
    ConfigError,
    DataError,
    Input,
    MissingError,
    MserError,
    Transcript,
)


class Predictor:
    """Call it for a table of answers, or use `answers` for each answer with its error."""

    def __init__(
        self,
        experiment: Experiment,
        models: Sequence[apply.Trained],
        *,
        language: str | None,
        device: torch.device,
    ) -> None:
        self.experiment = experiment
        self.models = models
        self.language = language
        self.device = device
        self.classes: Mapping[str, Sequence[str]] = (models[0].shape or {})["classes"]
        self.thresholds = {
            target: np.mean([model.thresholds[target] for model in models], axis=0)
            for target in experiment.targets("labels")
        }
        self.method = method_of(experiment)
        self.frozen = {
            name: _Frozen(encoding, device) for name, encoding in self.method.cached.items()
        }

    def __call__(self, what: Any, *, rate: int | None = None, text: str | None = None) -> Any:
        """A table with a row a question; the first error is raised.

        what: a file, a folder, samples `[N]` (with their `rate`), a list of those, or a DataFrame
        with columns of `audio`, `text`, `start`, `end`, `channel`, `language`, `speaker`.
        """
        return as_table(self.answers(questions(what, rate=rate, text=text)))

    def answers(self, questions_asked: Sequence[Question], *, abstain: float = 0.0) -> list[Answer]:
        """The answers, in the order of the questions; one that fails does not affect another.

        abstain: no class or label is named whose probability is lower.
        """
        answers, scores_of_models = self.judge(questions_asked)
        targets = scores_of_models[0] if scores_of_models else ()
        scores = {
            target: np.mean([scores[target] for scores in scores_of_models], axis=0)
            for target in targets
        }
        return answered(answers, scores, self.classes, self.thresholds, abstain)

    def judge(
        self, questions_asked: Sequence[Question]
    ) -> tuple[list[Answer], list[dict[str, np.ndarray]]]:
        """Answers without values, and for each model the scores of the answers without an error.

        Scores: target → `[N, C]`; the list is empty where every answer has an error.
        """
        stages: dict[str, float] = {}
        with _timed(stages, "read"):
            sounds = [self._input(question) for question in questions_asked]
        inputs = [sound if isinstance(sound, Input) else Input() for sound in sounds]
        with _timed(stages, "transcribe"):
            transcripts = self._transcripts(inputs)
        inputs = [_with_text(*pair) for pair in zip(inputs, transcripts, strict=True)]
        faults = [
            sound if isinstance(sound, MserError) else self._lacking(judged, transcript)
            for sound, judged, transcript in zip(sounds, inputs, transcripts, strict=True)
        ]
        answerable = [place for place, fault in enumerate(faults) if fault is None]
        scores_of_models = self._scores(
            [inputs[place] for place in answerable],
            [questions_asked[place] for place in answerable],
            stages,
        )
        seconds = {stage: value / max(len(questions_asked), 1) for stage, value in stages.items()}
        answers = [
            Answer(question.source, error=fault)
            for question, fault in zip(questions_asked, faults, strict=True)
        ]
        for place in answerable:
            transcript = transcripts[place]
            answers[place] = Answer(
                questions_asked[place].source,
                text=inputs[place].text,
                text_source=self._source(questions_asked[place], transcript),
                transcript=transcript if isinstance(transcript, Transcript) else None,
                seconds=seconds,
            )
        return answers, scores_of_models

    def _input(self, question: Question) -> Input | MserError:
        """The part of a question that the models may see, or why it cannot be read."""
        language = question.language or self.language
        try:
            if isinstance(question.sound, tuple):
                samples, rate = question.sound
                sound = Input(_checked_samples(samples), rate)
            else:
                sound = read_input(question.sound, "audio") if question.sound else Input()
        except DataError as error:
            return error
        return Input(sound.samples, sound.rate, text=question.text, language=language)

    def _transcripts(self, inputs: Sequence[Input]) -> list[Transcript | MserError | None]:
        """The transcript of each sound without a text, or why there is none."""
        transcripts: list[Transcript | MserError | None] = [None] * len(inputs)
        places = [
            place
            for place, sound in enumerate(inputs)
            if sound.text is None and sound.samples is not None
        ]
        if not places or self.experiment.asr is None or "text" not in self.experiment.modalities:
            return transcripts
        try:
            recognizer = self._recognizer
        except (ConfigError, MissingError) as error:
            return [error if place in places else None for place in range(len(inputs))]
        for place, transcript in zip(
            places, recognizer.transcribe([inputs[place] for place in places]), strict=True
        ):
            transcripts[place] = transcript
        return transcripts

    @property
    def transductive(self) -> bool:
        """Whether a speaker's clips are scaled by each other, so that all must be asked at once."""
        return bool(self.experiment.transductive)

    @cached_property
    def _recognizer(self) -> Any:
        part = self.experiment.asr
        assert part is not None
        return registry.build("asr", part.name, part.options).to(self.device)

    def _lacking(
        self, judged: Input, transcript: Transcript | MserError | None
    ) -> MserError | None:
        """Why a question cannot be answered: an input is missing that the models need."""
        read = self.experiment.modalities
        has = {"audio": judged.samples is not None, "text": judged.text is not None}
        if not any(has[modality] for modality in read):
            return MissingError(f"there is no {' and no '.join(sorted(read))} to judge")
        for modality in sorted(read):
            if not has[modality] and not self._can_do_without(modality):
                return MissingError(self._wanting(modality, transcript))
        return None

    def _wanting(self, modality: str, transcript: Transcript | MserError | None) -> str:
        reason = f"the model reads {modality} and has never been trained without it; "
        if modality == "audio":
            return f"{reason}give sound"
        if isinstance(transcript, MserError):
            return f"{reason}give a text, or the recogniser of the run: {transcript}"
        if transcript is not None:
            return f"{reason}and nobody speaks in this sound ({'; '.join(transcript.flags)})"
        return f"{reason}give a text (the run names no recogniser to write one: asr)"

    def _can_do_without(self, modality: str) -> bool:
        encodings = self.method.encodings.items()
        names = [name for name, encoding in encodings if encoding.modality == modality]
        networks = [model.learner.model for model in self.models]
        return all(
            network is not None
            and (network.merge is not None or all(name in network.absent for name in names))
            for network in networks
        )

    def _scores(
        self, inputs: Sequence[Input], questions_asked: Sequence[Question], stages: dict[str, float]
    ) -> list[dict[str, np.ndarray]]:
        """Target → scores `[N, C]`, of each model."""
        if not inputs:
            return []
        parts = {}
        for name, frozen in self.frozen.items():
            with _timed(stages, f"encode {name}"):
                parts[name] = self._ragged(name, frozen.rows(inputs))
                if frozen.encoding.normalize == "speaker":
                    parts[name] = scale_by_speaker(parts[name], _speakers(name, questions_asked))
        with _timed(stages, "decide"), one_thread():
            return [self._score(model, parts, inputs) for model in self.models]

    def _ragged(self, name: str, rows: Sequence[np.ndarray | None]) -> Ragged:
        """The rows as one part, which has its width even where every row is missing."""
        if any(row is not None for row in rows):
            return Ragged.of(rows)
        shape = self.models[0].shape or {}
        width = (*filter(None, [shape["layers"].get(name)]), shape["dims"][name])
        return Ragged(torch.zeros(0, *width), torch.zeros(len(rows), dtype=torch.long))

    def _score(
        self, model: apply.Trained, parts: Mapping[str, Part], inputs: Sequence[Input]
    ) -> dict[str, np.ndarray]:
        fitted = {
            name: apply.fitted_rows(self.method.learner_class, encoder, inputs)
            for name, encoder in model.fitted.items()
            if name not in model.encoders
        }
        learning = {name: _live_inputs(encoder, inputs) for name, encoder in model.encoders.items()}
        widths = {target: max(1, len(classes)) for target, classes in self.classes.items()}
        unknown = {target: torch.zeros(len(inputs), width) for target, width in widths.items()}
        all_parts = {**parts, **fitted, **learning}
        data = apply.join(model, all_parts, unknown, np.arange(len(inputs)))
        return apply.score(model, data)

    def _source(self, question: Question, transcript: Transcript | MserError | None) -> str | None:
        """Where the text of the answer comes from: it was given, or a recogniser wrote it."""
        if "text" not in self.experiment.modalities:
            return None
        if question.text is not None:
            return "given"
        part = self.experiment.asr
        is_transcribed = isinstance(transcript, Transcript) and transcript.text is not None
        return called(part.name, part.options) if part and is_transcribed else None


class _Frozen:
    """A frozen encoder as the run used it: the same stored form, the same layer of it."""

    def __init__(self, encoding: Encoding, device: torch.device) -> None:
        self.encoding = encoding
        self.device = device
        self.stored, self.layer = stored_form(encoding.name, encoding.options)

    @cached_property
    def encoder(self) -> Any:
        """Built at the first question, because a run may need none of it."""
        encoder = registry.build("encoders", self.encoding.name, self.stored).eval()
        return encoder.to(self.device) if encoder.ACCELERATED else encoder

    def rows(self, inputs: Sequence[Input]) -> list[np.ndarray | None]:
        """`[T, D]` or `[T, L, D]` for each input, None where it has nothing to encode."""
        light = not self.encoder.ACCELERATED
        with one_thread() if light else nullcontext():
            rows = run_encoder(self.encoder, inputs)
        if self.layer is not None:
            rows = [row[:, self.layer] for row in rows]
        return [row.astype(np.float32, copy=False) if len(row) else None for row in rows]


def _live_inputs(encoder: Any, inputs: Sequence[Input]) -> LiveInputs:
    """The inputs of an encoder that has learned."""
    rate = encoder.rate
    return LiveInputs(encoder, lambda row: at_rate(inputs[row], rate), np.arange(len(inputs)))


def _with_text(sound: Input, transcript: Transcript | MserError | None) -> Input:
    return replace(sound, text=transcript.text) if isinstance(transcript, Transcript) else sound


def _speakers(name: str, questions_asked: Sequence[Question]) -> np.ndarray:
    """`[N]` codes; ConfigError where a speaker is not named."""
    named = [question.speaker for question in questions_asked]
    if None in named:
        raise ConfigError(
            f"encoders.{name} is scaled by each speaker's own clips: give a table that names the "
            "speaker of every clip (column speaker), all clips of a speaker at once"
        )
    return pd.factorize(np.array(named, dtype=object))[0].astype(np.int64)


def _checked_samples(samples: np.ndarray) -> np.ndarray:
    array = np.asarray(samples, dtype=np.float32)
    if array.ndim != 1 or not len(array) or not np.isfinite(array).all():
        raise DataError(f"samples are finite numbers [N] of one channel, not {array.shape}")
    return array


@contextmanager
def _timed(stages: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    stages[name] = stages.get(name, 0.0) + time.perf_counter() - began
