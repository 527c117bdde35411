"""What the augmentations of text share: its words, and the blanks between them."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from multimodal_ser.types import Input


def text_of(utterance: Input) -> str | None:
    """The text; None where there is nothing to change."""
    return utterance.text if utterance.text and utterance.text.strip() else None


def with_text(utterance: Input, text: str) -> Input:
    """The same input with another text, unless that is blank: no text becomes a missing one."""
    return replace(utterance, text=text) if text.strip() else utterance


def parted(text: str) -> tuple[list[str], list[str]]:
    """Words (whatever stands between blanks) and the blanks, of which there is one more."""
    pieces = re.split(r"(\S+)", text)
    return pieces[1::2], pieces[::2]


def joined(words: list[str], blanks: list[str]) -> str:
    """The inverse of `parted`."""
    pairs = zip(blanks, [*words, ""], strict=True)
    return "".join(blank + word for blank, word in pairs)


def chosen(generator: np.random.Generator, count: int, rate: float) -> list[bool]:
    """Each of `count` places by itself with probability `rate`."""
    return (generator.random(count) < rate).tolist()
