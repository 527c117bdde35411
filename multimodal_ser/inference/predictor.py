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
    """Calls give a table; `answers` gives the same one by one, with what went wrong."""

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
            target: np.mean([one.thresholds[target] for one in models], axis=0)
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

    def answers(self, asked: Sequence[Question], *, abstain: float = 0.0) -> list[Answer]:
        """In order; a question that cannot be answered spoils no other. abstain: name no class and
        no label whose probability is lower.
        """
        heard, said = self.judge(asked)
        targets = said[0] if said else ()
        scores = {target: np.mean([one[target] for one in said], axis=0) for target in targets}
        return answered(heard, scores, self.classes, self.thresholds, abstain)

    def judge(self, asked: Sequence[Question]) -> tuple[list[Answer], list[dict[str, np.ndarray]]]:
        """Answers without values yet, and what each model says of those that have no error: target
        → scores `[N, C]`; nothing where all have one.
        """
        stages: dict[str, float] = {}
        with _timed(stages, "read"):
            heard = [self._input(one) for one in asked]
        inputs = [one if isinstance(one, Input) else Input() for one in heard]
        with _timed(stages, "transcribe"):
            words = self._transcripts(inputs)
        inputs = [_with_text(one, found) for one, found in zip(inputs, words, strict=True)]
        faults = [
            one if isinstance(one, MserError) else self._lacking(known, found)
            for one, known, found in zip(heard, inputs, words, strict=True)
        ]
        good = [place for place, fault in enumerate(faults) if fault is None]
        said = self._scores([inputs[place] for place in good], [asked[p] for p in good], stages)
        seconds = {stage: value / max(len(asked), 1) for stage, value in stages.items()}
        answers = [
            Answer(one.source, error=fault) for one, fault in zip(asked, faults, strict=True)
        ]
        for place in good:
            transcript = words[place]
            answers[place] = Answer(
                asked[place].source,
                text=inputs[place].text,
                text_source=self._source(asked[place], transcript),
                transcript=transcript if isinstance(transcript, Transcript) else None,
                seconds=seconds,
            )
        return answers, said

    def _input(self, asked: Question) -> Input | MserError:
        """What the models may see of it."""
        language = asked.language or self.language
        try:
            if isinstance(asked.sound, tuple):
                samples, rate = asked.sound
                sound = Input(_checked_samples(samples), rate)
            else:
                sound = read_input(asked.sound, "audio") if asked.sound else Input()
        except DataError as error:
            return error
        return Input(sound.samples, sound.rate, text=asked.text, language=language)

    def _transcripts(self, inputs: Sequence[Input]) -> list[Transcript | MserError | None]:
        """What the run's recogniser hears where sound has no text, or why there is none."""
        found: list[Transcript | MserError | None] = [None] * len(inputs)
        places = [
            place
            for place, one in enumerate(inputs)
            if one.text is None and one.samples is not None
        ]
        if not places or self.experiment.asr is None or "text" not in self.experiment.modalities:
            return found
        try:
            recognizer = self._recognizer
        except (ConfigError, MissingError) as error:
            return [error if place in places else None for place in range(len(inputs))]
        for place, said in zip(
            places, recognizer.transcribe([inputs[place] for place in places]), strict=True
        ):
            found[place] = said
        return found

    @property
    def transductive(self) -> bool:
        """A speaker's clips are scaled by each other, so all of them must be asked at once."""
        return bool(self.experiment.transductive)

    @cached_property
    def _recognizer(self) -> Any:
        part = self.experiment.asr
        assert part is not None
        return registry.build("asr", part.name, part.options).to(self.device)

    def _lacking(self, one: Input, said: Transcript | MserError | None) -> MserError | None:
        """Why a question cannot be answered: it lacks what the models cannot do without."""
        read = self.experiment.modalities
        has = {"audio": one.samples is not None, "text": one.text is not None}
        if not any(has[modality] for modality in read):
            return MissingError(f"there is no {' and no '.join(sorted(read))} to judge")
        for modality in sorted(read):
            if not has[modality] and not self._can_do_without(modality):
                return MissingError(self._wanting(modality, said))
        return None

    def _wanting(self, modality: str, said: Transcript | MserError | None) -> str:
        asked = f"the model reads {modality} and has never been trained without it; "
        if modality == "audio":
            return f"{asked}give sound"
        if isinstance(said, MserError):
            return f"{asked}give a text, or the recogniser of the run: {said}"
        if said is not None:
            return f"{asked}and nobody speaks in this sound ({'; '.join(said.flags)})"
        return f"{asked}give a text (the run names no recogniser to write one: asr)"

    def _can_do_without(self, modality: str) -> bool:
        encodings = self.method.encodings.items()
        names = [name for name, encoding in encodings if encoding.modality == modality]
        nets = [one.learner.model for one in self.models]
        return all(
            net is not None and (net.merge is not None or all(name in net.absent for name in names))
            for net in nets
        )

    def _scores(
        self, inputs: Sequence[Input], asked: Sequence[Question], stages: dict[str, float]
    ) -> list[dict[str, np.ndarray]]:
        """Target → scores `[N, C]`, of each model."""
        if not inputs:
            return []
        parts = {}
        for name, frozen in self.frozen.items():
            with _timed(stages, f"encode {name}"):
                parts[name] = self._ragged(name, frozen.rows(inputs))
                if frozen.encoding.normalize == "speaker":
                    parts[name] = scale_by_speaker(parts[name], _speakers(name, asked))
        with _timed(stages, "decide"), one_thread():
            return [self._score(model, parts, inputs) for model in self.models]

    def _ragged(self, name: str, rows: Sequence[np.ndarray | None]) -> Ragged:
        """Of its right width also where all are missing."""
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
        learning = {name: _live_inputs(one, inputs) for name, one in model.encoders.items()}
        widths = {target: max(1, len(classes)) for target, classes in self.classes.items()}
        unknown = {target: torch.zeros(len(inputs), width) for target, width in widths.items()}
        known = {**parts, **fitted, **learning}
        data = apply.join(model, known, unknown, np.arange(len(inputs)))
        return apply.score(model, data)

    def _source(self, asked: Question, said: Transcript | MserError | None) -> str | None:
        """Whose words the answer was read from."""
        if "text" not in self.experiment.modalities:
            return None
        if asked.text is not None:
            return "given"
        part = self.experiment.asr
        heard = isinstance(said, Transcript) and said.text is not None
        return called(part.name, part.options) if part and heard else None


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
    """What an encoder that has learned is called with."""
    rate = encoder.rate
    return LiveInputs(encoder, lambda row: at_rate(inputs[row], rate), np.arange(len(inputs)))


def _with_text(one: Input, said: Transcript | MserError | None) -> Input:
    return replace(one, text=said.text) if isinstance(said, Transcript) else one


def _speakers(name: str, asked: Sequence[Question]) -> np.ndarray:
    """`[N]` codes; ConfigError where a speaker is not named."""
    named = [one.speaker for one in asked]
    if None in named:
        raise ConfigError(
            f"encoders.{name} is scaled by each speaker's own clips: give a table that names the "
            "speaker of every clip (column speaker), all clips of a speaker at once"
        )
    return pd.factorize(np.array(named, dtype=object))[0].astype(np.int64)


def _checked_samples(samples: np.ndarray) -> np.ndarray:
    found = np.asarray(samples, dtype=np.float32)
    if found.ndim != 1 or not len(found) or not np.isfinite(found).all():
        raise DataError(f"samples are finite numbers [N] of one channel, not {found.shape}")
    return found


@contextmanager
def _timed(stages: dict[str, float], name: str) -> Iterator[None]:
    began = time.perf_counter()
    yield
    stages[name] = stages.get(name, 0.0) + time.perf_counter() - began
