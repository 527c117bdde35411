"""What several models say of the same utterances, made one: by a rule, or as learned on dev.

mean, max: of the scores. vote: one member, one vote. weights: the mean with a share for each
member. stacking: a regression on what all of them say.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from pydantic import BaseModel, ConfigDict
from scipy.special import softmax

from multimodal_ser.corpus.label_sets import EVEN

LEARNED = ("weights", "stacking")
_LEAN = 1e-3  # of a vote, towards the mean: it settles ties and can turn no vote
LEAST = 1e-6  # probability, so that its logarithm is finite


@dataclass(frozen=True)
class Said:
    """What members say of the same utterances of one target of a kind.

    scores `[M, N, C]`: by member, utterance and class (of numbers C = 1). cuts: of labels, the
    probability from which on each is one, of the same shape.
    """

    kind: str
    scores: np.ndarray
    cuts: np.ndarray | None = None

    def of(self, rows: np.ndarray) -> Said:
        """Some utterances."""
        cuts = None if self.cuts is None else self.cuts[:, rows]
        return replace(self, scores=self.scores[:, rows], cuts=cuts)


class _Plain(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Regression(_Plain):
    """coefficients `[K, D]` and intercepts `[K]` of the K codes that were true of something."""

    coefficients: list[list[float]]
    intercepts: list[float]
    known: list[int]

    def linear(self, x: np.ndarray) -> np.ndarray:
        """`[N, K]`."""
        return x @ np.array(self.coefficients).T + np.array(self.intercepts)

    def probabilities(self, x: np.ndarray, codes: int) -> np.ndarray:
        """`[N, codes]`: 0 for a code that was never true."""
        found = np.zeros((len(x), codes))
        found[:, self.known] = softmax(self.linear(x), axis=1)
        return found


class Fit(_Plain):
    """What was learned to merge one target; empty for a rule.

    weights: a share for each member. regressions: one, or of labels one for each of them.
    thresholds: of labels.
    """

    weights: list[float] = []
    regressions: list[Regression] = []
    thresholds: list[float] = []

    def counts(self, members: int) -> list[float]:
        """How much each member counts: its weight, or what a stacking makes of the log-probability
        of a class for that class (of a label's log-odds for it, of a number), the mean over them.
        """
        if self.weights:
            return self.weights
        own = [_own(one, members) for one in self.regressions]
        return np.mean(own, axis=0).tolist()


def _own(one: Regression, members: int) -> np.ndarray:
    """`[M]`: the slopes of each code for what is said of itself, between the codes centred."""
    slopes = np.array(one.coefficients)
    if slopes.shape == (1, members):
        return slopes[0]
    if slopes.shape[1] == members:
        return slopes[1] - slopes[0]
    slopes = (slopes - slopes.mean(axis=0)).reshape(len(slopes), members, -1)
    return np.mean([row[:, code] for row, code in zip(slopes, one.known, strict=True)], axis=0)


RULE = Fit()


def merged(how: str, said: Said, fit: Fit = RULE) -> tuple[np.ndarray, np.ndarray | None]:
    """Scores `[N, C]`, and of labels their thresholds `[N, C]`."""
    scores = _RULES[how](said, fit)
    if said.cuts is None:
        return scores, None
    return scores, np.broadcast_to(thresholds(how, said.cuts, fit), scores.shape)


def thresholds(how: str, cuts: np.ndarray, fit: Fit = RULE) -> np.ndarray:
    """From which score on a label is one: what was learned, else as the scores were merged.

    cuts: those of the members, `[M, …, C]`.
    """
    if fit.thresholds:
        return np.array(fit.thresholds)
    return cuts.mean(axis=0) if how in ("mean", "max") else np.full(cuts.shape[1:], EVEN)


def _mean(said: Said, fit: Fit) -> np.ndarray:
    return said.scores.mean(axis=0)


def _max(said: Said, fit: Fit) -> np.ndarray:
    """Of classes it is scaled to add up to 1 again."""
    highest = said.scores.max(axis=0)
    return highest / highest.sum(axis=1, keepdims=True) if said.kind == "classes" else highest


def _vote(said: Said, fit: Fit) -> np.ndarray:
    """The shares of the votes, a thousandth of them given to the mean probabilities.

    Of labels each member says yes or no to each, and a tie is a yes where the mean probability is
    not below the mean threshold.
    """
    mean = said.scores.mean(axis=0)
    if said.cuts is not None:
        votes, lean = said.scores >= said.cuts, (1 + mean - said.cuts.mean(axis=0)) / 2
    else:
        votes, lean = np.eye(mean.shape[1])[said.scores.argmax(axis=2)], mean
    return (1 - _LEAN) * votes.mean(axis=0) + _LEAN * lean


def _weighted(said: Said, fit: Fit) -> np.ndarray:
    return np.tensordot(np.array(fit.weights), said.scores, axes=1)


def _stacked(said: Said, fit: Fit) -> np.ndarray:
    if said.kind == "numbers":
        return fit.regressions[0].linear(said.scores[:, :, 0].T)
    if said.kind == "classes":
        return fit.regressions[0].probabilities(logs(said.scores), said.scores.shape[2])
    columns = [
        one.probabilities(odds(said.scores[:, :, [place]]), 2)[:, 1]
        for place, one in enumerate(fit.regressions)
    ]
    return np.stack(columns, axis=1)


_RULES: dict[str, Callable[[Said, Fit], np.ndarray]] = {
    "mean": _mean,
    "max": _max,
    "vote": _vote,
    "weights": _weighted,
    "stacking": _stacked,
}
HOW = tuple(_RULES)


def logs(scores: np.ndarray) -> np.ndarray:
    """`[N, M C]`: the log-probability of every class by every member."""
    logs = np.log(np.maximum(scores, LEAST))
    return logs.transpose(1, 0, 2).reshape(scores.shape[1], -1)


def odds(scores: np.ndarray) -> np.ndarray:
    """`[N, M]`: the log-odds of one label by every member."""
    return logs(scores) - logs(1 - scores)
