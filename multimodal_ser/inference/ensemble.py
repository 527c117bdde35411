"""An ensemble as a function: every member judges, and their scores are merged as they once were."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from multimodal_ser.inference.questions import Answer, Question, answered, as_table, questions
from multimodal_ser.studies.ensembles.merging import RULE, Fit, Said, merged, thresholds

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
                [thresholds(how, cuts, one) for cuts, one in self._cuts_and_fits(target)], axis=0
            )
            for target in members[0].thresholds
        }

    def __call__(self, what: Any, *, rate: int | None = None, text: str | None = None) -> Any:
        """A table with a row a question; the first error is raised. See `Predictor`."""
        return as_table(self.answers(questions(what, rate=rate, text=text)))

    @property
    def transductive(self) -> bool:
        """A member scales a speaker's clips by each other."""
        return any(one.transductive for one in self.members)

    def answers(self, asked: Sequence[Question], *, abstain: float = 0.0) -> list[Answer]:
        """In order; what one member cannot judge has no answer, and spoils no other."""
        heard, said = zip(*self._judged(asked), strict=True)
        together = [_together(several) for several in zip(*heard, strict=True)]
        kept = []
        for answers, of_models in zip(heard, said, strict=True):
            own = [
                all_of.error is None
                for one, all_of in zip(answers, together, strict=True)
                if one.error is None
            ]
            kept.append([{target: rows[own] for target, rows in one.items()} for one in of_models])
        scores = {}
        if any(one.error is None for one in together):
            scores = {target: self._merged(target, kept) for target in self.classes}
        return answered(together, scores, self.classes, self.thresholds, abstain)

    def _judged(
        self, asked: Sequence[Question]
    ) -> Iterator[tuple[list[Answer], list[dict[str, np.ndarray]]]]:
        """What each member makes of it. Those that have the same recogniser hear with it once."""
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
        self, target: str, said: Sequence[Sequence[Mapping[str, np.ndarray]]]
    ) -> np.ndarray:
        """`[N, C]`: merged seed by seed, the mean over them. said: by member and model."""
        kind, found = self._kind(target), []
        for seed in range(self.seeds):
            scores = np.stack(
                [
                    _in_order(
                        _of_seed(models, seed)[target], member.classes[target], self.classes[target]
                    )
                    for models, member in zip(said, self.members, strict=True)
                ]
            )
            cuts = self._cuts(target, seed)[:, None] if kind == "labels" else None
            of_kind = Said(kind, scores, cuts)
            found += [merged(self.how, of_kind, one)[0] for one in self._fits(target, seed)]
        return np.mean(found, axis=0)

    def _kind(self, target: str) -> str:
        if not self.classes[target]:
            return "numbers"
        return "labels" if target in self.members[0].thresholds else "classes"

    def _fits(self, target: str, seed: int) -> Sequence[Fit]:
        return self.fits[target][seed] if target in self.fits else [RULE]

    def _cuts_and_fits(self, target: str) -> Iterator[tuple[np.ndarray, Fit]]:
        for seed in range(self.seeds):
            for one in self._fits(target, seed):
                yield self._cuts(target, seed), one

    def _cuts(self, target: str, seed: int) -> np.ndarray:
        """`[M, C]`: the thresholds of the members' models of one seed."""
        cuts = []
        for member in self.members:
            own = np.array(_of_seed(member.models, seed).thresholds[target])
            cuts.append(_in_order(own, member.classes[target], self.classes[target]))
        return np.stack(cuts)


def _of_seed(models: Sequence[Any], seed: int) -> Any:
    """A single one stands for every seed."""
    return models[seed] if len(models) > 1 else models[0]


def _in_order(values: np.ndarray, names: Sequence[str], wanted: Sequence[str]) -> np.ndarray:
    """`[…, C]`: the columns of a member in the order of the ensemble's classes."""
    places = [list(names).index(name) for name in wanted]
    return values[..., places] if places else values


def _with_words(asked: Question, answer: Answer) -> Question:
    """The question as it was heard, if it was heard."""
    heard = answer.transcript is not None and answer.text is not None
    return replace(asked, text=answer.text) if heard else asked


def _together(several: Sequence[Answer]) -> Answer:
    """One answer without values: the first error there is, and the words that somebody has read."""
    wrong = next((one for one in several if one.error is not None), None)
    if wrong is not None:
        return wrong
    first = next((one for one in several if one.text_source is not None), several[0])
    seconds: dict[str, float] = {}
    for one in several:
        for stage, spent in one.seconds.items():
            seconds[stage] = seconds.get(stage, 0.0) + spent
    return replace(first, seconds=seconds)
