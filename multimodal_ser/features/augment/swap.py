"""Neighbouring words that change places."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.features.augment._draws import Share, happens
from multimodal_ser.features.augment._words import chosen, joined, parted, text_of, with_text
from multimodal_ser.types import Input


class Augment:
    """Disturbs the order of the words and keeps their bag, so that order matters less.

    rate: probability of two neighbours that have not moved yet to change places, from left to
    right; a word moves once at most. Blanks stay where they are. p: share of the texts that are
    changed.
    """

    modality = "text"
    STAGE = "input"

    def __init__(self, *, rate: Share = 0.1, p: Share = 1.0) -> None:
        self.rate = rate
        self.p = p

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, text = happens(generator, self.p), text_of(utterance)
        if not acts or text is None:
            return utterance
        words, blanks = parted(text)
        moved = -1
        for at, swaps in enumerate(chosen(generator, len(words) - 1, self.rate)):
            if swaps and at > moved:
                words[at], words[at + 1] = words[at + 1], words[at]
                moved = at + 1
        return with_text(utterance, joined(words, blanks))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"rate": 0.6}
