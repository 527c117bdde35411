"""Voice and words that say different things (irony: a happy voice, a sad sentence).

A model of the sound alone and one of the text alone are asked about the same utterances. Where both
are sure, and of different classes, somebody should listen.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.evaluation.predictions import SCORE, classes_of, ensemble, kind_of
from multimodal_ser.types import DataError

SIDES = ("voice", "words", "fused")
CASES = ("disagree", "agree", "unsure")
SURE = 0.6  # probability from which on a model is taken at its word


def cases(
    voice: pd.DataFrame, words: pd.DataFrame, fused: pd.DataFrame, *, sure: float = SURE
) -> pd.DataFrame:
    """One row for each utterance, from three tables of predictions over the same utterances.

    A row has the id, the truth (it may be missing), for each side its class and its probability
    (`voice p`), averaged over seeds and repeats, and the case. Voice and words `disagree` or
    `agree` where both have a probability of at least `sure`; otherwise the case is `unsure`. The
    surest rows come first, by the smaller of the two probabilities.
    """
    tables = dict(zip(SIDES, (voice, words, fused), strict=True))
    heads = {side: _heads(table, side) for side, table in tables.items()}
    answers = heads["voice"]
    for side in SIDES[1:]:
        if list(heads[side]["id"]) != list(answers["id"]):
            raise DataError(f"{side} and voice were not asked about the same utterances")
        answers = answers.assign(**{name: heads[side][name] for name in (side, f"{side} p")})
    least = answers[["voice p", "words p"]].min(axis=1)
    agreement = np.where(answers["voice"] == answers["words"], "agree", "disagree")
    answers["case"] = np.where(least >= sure, agreement, "unsure")
    order = answers.assign(least=least).sort_values(["least", "id"], ascending=[False, True]).index
    return answers.loc[order].reset_index(drop=True)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """One row for each case: how many utterances it has, and how often each side is right.

    The column `neither` is the share where neither voice nor words is right. Only utterances with a
    known truth count; NaN where there are none.
    """
    with_truth = table[table["truth"].notna()]
    right = pd.DataFrame({side: with_truth[side] == with_truth["truth"] for side in SIDES})
    right["neither"] = ~(right["voice"] | right["words"])
    shares = right.groupby(with_truth["case"]).mean().reindex(CASES)
    counts = table["case"].value_counts().reindex(CASES, fill_value=0)
    return shares.astype(float).assign(utterances=counts)[["utterances", *SIDES, "neither"]]


def _heads(table: pd.DataFrame, side: str) -> pd.DataFrame:
    """For each id: the truth, the most probable class and its probability."""
    if kind_of(table) != "classes":
        raise DataError(f"{side}: only predictions of classes can disagree")
    rows, classes = ensemble(table), classes_of(table)
    scores = rows[[SCORE + name for name in classes]].to_numpy()
    named = [classes[code] for code in scores.argmax(1)]
    return rows[["id", "truth"]].assign(**{side: named, f"{side} p": scores.max(1)})
