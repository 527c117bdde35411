"""Punctuation dropped, or full stops and commas exchanged."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from multimodal_ser.features.augment._draws import Share, happens
from multimodal_ser.features.augment._words import text_of, with_text
from multimodal_ser.types import Input

Kind = Literal["dropped", "exchanged"]

_CLOSING, _OPENING = r".,;:!?…»”\")\]", r"¿¡«“\"(\["
MARK = re.compile(rf"(?:\.{{2,}}|[{_CLOSING}])(?![{_CLOSING}{_OPENING}]*\w)|(?<!\w)[{_OPENING}]")
"""A mark that nobody says; one with letters on both sides, as in 3.5, belongs to its word."""
_EXCHANGED = {".": ",", ",": "."}


class Augment:
    """Changes marks that nobody said: recognisers guess them, and no score should hang on them.

    kinds: one is drawn a text: `dropped`, or `exchanged` (full stops for commas and the other way
    round; other marks stay). rate: probability of each mark to be changed. Marks inside a word or
    a number (3.5, e.g) belong to it and stay, as do apostrophes, dashes and emoji. A text of
    nothing but marks stays as it is. p: share of the texts that are changed.
    """

    modality = "text"
    STAGE = "input"

    def __init__(
        self,
        *,
        kinds: Annotated[tuple[Kind, ...], Field(min_length=1)] = ("dropped", "exchanged"),
        rate: Share = 0.5,
        p: Share = 1.0,
    ) -> None:
        self.kinds = kinds
        self.rate = rate
        self.p = p

    def __call__(self, utterance: Input, generator: np.random.Generator) -> Input:
        acts, text = happens(generator, self.p), text_of(utterance)
        if not acts or text is None:
            return utterance
        kind = self.kinds[int(generator.integers(len(self.kinds)))]

        def changed(mark: re.Match[str]) -> str:
            if generator.random() >= self.rate:
                return mark[0]
            return "" if kind == "dropped" else _EXCHANGED.get(mark[0], mark[0])

        return with_text(utterance, MARK.sub(changed, text))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"rate": 1.0}
