"""An ensemble as a function: every member judges, and the scores are merged as in its folder."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from multimodal_ser.inference.questions import Answer, Question, answered, as_table, questions
from multimodal_ser.studies.ensembles.merging import RULE, Fit, Opinions, merged, thresholds

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import Part
    from multimodal_ser.inference.predictor import Predictor


class EnsemblePredictor:
    """Called as a `Predictor` is.

    members: each with a model for every seed, or with a single one for all of them. classes: target
    → its classes in the order of what was learned. fits: target → for each seed what was learned,
    several where there is a model of every row: their mean. Empty for a rule.
    """

    def __init__(
        self,
        how: str,
        members: Sequence[Predictor],
        *,
        seeds: int,
        classes: Mapping[str, Sequence[str]],
        fits: Mapping[str, Sequence[Sequence[Fit]]],
    ) -> None:
        self.how = how
        self.members = members
        self.seeds = seeds
        self.fits = fits
        self.classes = classes
        self.thresholds = {
            target: np.mean(
                [thresholds(how, decided, fit) for decided, fit in self._cuts_and_fits(target)],
                axis=0,
            )
            for target in members[0].thresholds
        }

    def __call__(self, what: Any, *, rate: int | None = None, text: str | None = None) -> Any:
        """A table with a row a question; the first error is raised. See `Predictor`."""
        return as_table(self.answers(questions(what, rate=rate, text=text)))

    @property
    def transductive(self) -> bool:
        """Whether a member scales a speaker's clips by each other."""
        return any(member.transductive for member in self.members)

    def answers(self, questions_asked: Sequence[Question], *, abstain: float = 0.0) -> list[Answer]:
        """The answers in order; a question that a member cannot judge has an error instead."""
        answers_of_members, scores_of_members = zip(*self._judged(questions_asked), strict=True)
        together = [_together(several) for several in zip(*answers_of_members, strict=True)]
        scores_of_whole = []
        for answers, of_models in zip(answers_of_members, scores_of_members, strict=True):
            own = [
                whole.error is None
                for answer, whole in zip(answers, together, strict=True)
                if answer.error is None
            ]
            scores_of_whole.append(
                [{target: rows[own] for target, rows in scores.items()} for scores in of_models]
            )
        scores = {}
        if any(answer.error is None for answer in together):
            scores = {target: self._merged(target, scores_of_whole) for target in self.classes}
        return answered(together, scores, self.classes, self.thresholds, abstain)

    def _judged(
        self, asked: Sequence[Question]
    ) -> Iterator[tuple[list[Answer], list[dict[str, np.ndarray]]]]:
        """Each member's judgement. Members with the same recogniser share its transcripts."""
        spoken: list[tuple[Part, list[Answer]]] = []
        for member in self.members:
            part, listens = member.experiment.asr, "text" in member.experiment.modalities
            earlier = next((answers for other, answers in spoken if other == part), None)
            given = asked
            if earlier is not None:
                given = [_with_words(*pair) for pair in zip(asked, earlier, strict=True)]
            answers, scores = member.judge(given)
            if part is not None and listens and earlier is None:
                spoken.append((part, answers))
            yield answers, scores

    def _merged(
        self, target: str, scores_of_members: Sequence[Sequence[Mapping[str, np.ndarray]]]
    ) -> np.ndarray:
        """`[N, C]`: the scores merged within each seed, then their mean over the seeds."""
        kind, merged_scores = self._kind(target), []
        for seed in range(self.seeds):
            scores = np.stack(
                [
                    _in_order(
                        _of_seed(models, seed)[target], member.classes[target], self.classes[target]
                    )
                    for models, member in zip(scores_of_members, self.members, strict=True)
                ]
            )
            decided = self._cuts(target, seed)[:, None] if kind == "labels" else None
            opinions = Opinions(kind, scores, decided)
            merged_scores += [
                merged(self.how, opinions, fit)[0] for fit in self._fits(target, seed)
            ]
        return np.mean(merged_scores, axis=0)

    def _kind(self, target: str) -> str:
        if not self.classes[target]:
            return "numbers"
        return "labels" if target in self.members[0].thresholds else "classes"

    def _fits(self, target: str, seed: int) -> Sequence[Fit]:
        return self.fits[target][seed] if target in self.fits else [RULE]

    def _cuts_and_fits(self, target: str) -> Iterator[tuple[np.ndarray, Fit]]:
        for seed in range(self.seeds):
            for fit in self._fits(target, seed):
                yield self._cuts(target, seed), fit

    def _cuts(self, target: str, seed: int) -> np.ndarray:
        """`[M, C]`: the thresholds of the members' models of one seed."""
        cuts = []
        for member in self.members:
            own = np.array(_of_seed(member.models, seed).thresholds[target])
            cuts.append(_in_order(own, member.classes[target], self.classes[target]))
        return np.stack(cuts)


def _of_seed(models: Sequence[Any], seed: int) -> Any:
    """The scores of the model of a seed; a single model stands for every seed."""
    return models[seed] if len(models) > 1 else models[0]


def _in_order(values: np.ndarray, names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """`[…, C]`: the columns of a member in the order of the ensemble's classes."""
    places = [list(names).index(name) for name in wanted]
    return values[..., places] if places else values


def _with_words(question: Question, answer: Answer) -> Question:
    """The question with the text of the recogniser, where there is one."""
    is_transcribed = answer.transcript is not None and answer.text is not None
    return replace(question, text=answer.text) if is_transcribed else question


def _together(answers: Sequence[Answer]) -> Answer:
    """One answer without values: the first error, else the text that some member has read."""
    failed = next((answer for answer in answers if answer.error is not None), None)
    if failed is not None:
        return failed
    first = next((answer for answer in answers if answer.text_source is not None), answers[0])
    seconds: dict[str, float] = {}
    for answer in answers:
        for stage, spent in answer.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    return replace(first, seconds=seconds)
