"""Words left out at random, as a recogniser or a hasty writer leaves them out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.features.augment._draws import Share, happens
from multimodal_ser.features.augment._words import chosen, parted, text_of, with_text
from multimodal_ser.types import Input


class Augment:
    """Drops words, so that no single one decides.

    A word is whatever stands between blanks. rate: probability of each to be left out; where all
    would be, one random word stays. What stays is joined by single blanks. p: share of the texts
    that are changed.
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
        words, _ = parted(text)
        dropped = chosen(generator, len(words), self.rate)
        kept = [word for word, gone in zip(words, dropped, strict=True) if not gone]
        if len(kept) == len(words):
            return utterance
        return with_text(utterance, " ".join(kept or [words[int(generator.integers(len(words)))]]))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"rate": 0.5}
