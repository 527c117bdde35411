"""The small records that stages hand to each other, and the errors that carry an exit code."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, ClassVar

from annotated_types import Ge, Gt, Lt

if TYPE_CHECKING:
    import numpy as np
    import torch

__version__ = "0.1.0"


class MserError(Exception):
    """An error that a user can mend; the command line prints it without a traceback."""

    exit_code: ClassVar[int] = 1


class ConfigError(MserError):
    """The config or the command is wrong."""

    exit_code = 2


class LeakError(MserError):
    """The split lets the models see what they are tested on."""

    exit_code = 3


class DataError(MserError):
    """The corpus, a file of it, or a number computed from it cannot be used."""

    exit_code = 4


class MissingError(MserError):
    """Something must be fetched or installed first."""

    exit_code = 5


class DivergedError(DataError):
    """A number became NaN or infinite in training. rows: of the data it happened on."""

    def __init__(self, message: str, rows: Sequence[int]) -> None:
        super().__init__(message)
        self.rows = list(rows)


def listed(problems: Sequence[str], what: str, limit: int = 20) -> str:
    """All problems of one kind as one message: the count, the first `limit`, how many more."""
    lines = [f"{len(problems)} {what}:", *(f"  {problem}" for problem in problems[:limit])]
    if len(problems) > limit:
        lines.append(f"  … and {len(problems) - limit} more")
    return "\n".join(lines)


def nearest(name: str, allowed: Sequence[str]) -> str:
    """`; did you mean …?`, or nothing when no allowed name is near."""
    near = difflib.get_close_matches(name, allowed, n=1)
    return f"; did you mean {near[0]}?" if near else ""


MODALITIES = ("audio", "text")


@dataclass(frozen=True, slots=True)
class Change:
    """How a copy differs from the utterance that it was made of.

    steps: names and options of augmentations as JSON; copy: its number; seed: of what it holds.
    """

    steps: str
    copy: int
    seed: int

    @property
    def key(self) -> tuple[int, int, int]:
        return 0, self.copy, self.seed


@dataclass(frozen=True, slots=True)
class Utterance:
    """Where one utterance lies. `start` and `end` in seconds, `end` None: to the end of file.

    change: what happens to its sound whenever it is read.
    """

    id: str
    audio: Path | None = None
    channel: str = "mix"
    start: float = 0.0
    end: float | None = None
    text: str | None = None
    language: str | None = None
    change: Change | None = None


@dataclass(frozen=True, slots=True)
class Input:
    """What an encoder may see of an utterance: no id, label, speaker or path.

    samples: float32 mono `[N]` at `rate` Hz, or None where the sound is missing.
    """

    samples: np.ndarray | None = None
    rate: int | None = None
    text: str | None = None
    language: str | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """What a recogniser heard. text: filtered, None where there is no speech; raw: unfiltered.

    seconds: of sound. flags: what is doubtful about it. temperature: 0 where it was decoded
    greedily. log_probability: mean of a token's; compression: bytes of the text over those of its
    compressed form; no_speech: probability that nobody speaks; None where nothing was decoded.
    """

    text: str | None
    raw: str
    language: str | None
    seconds: float = 0.0
    flags: tuple[str, ...] = ()
    temperature: float | None = None
    log_probability: float | None = None
    compression: float | None = None
    no_speech: float | None = None


@dataclass(frozen=True, slots=True)
class Features:
    """Encoded utterances: x `[B, T, D]`, mask `[B, T]` bool; an all-False row is missing."""

    x: torch.Tensor
    mask: torch.Tensor

    @property
    def present(self) -> torch.Tensor:
        """`[B]` bool: the rows that have this modality."""
        return self.mask.any(dim=1)


@dataclass(frozen=True, slots=True)
class Finetune:
    """What of a pre-trained encoder learns, and how; the config's section `finetune:`.

    trainable: True: all of it; `top:2`: so many of the highest layers; `lora`: nothing but low-rank
    additions to its attention, of this rank, scaled by alpha / rank. lr: its own learning rate,
    None: the learner's. cnn: the convolutions at the input of a speech model learn, too.
    checkpointing: what a layer computes is computed again for the gradient, which takes time and
    saves memory.
    """

    trainable: bool | str = True
    _: KW_ONLY
    lr: Annotated[float, Gt(0)] | None = None
    cnn: bool = False
    checkpointing: bool = False
    rank: Annotated[int, Gt(0)] = 8
    alpha: Annotated[float, Gt(0)] = 16.0
    dropout: Annotated[float, Ge(0), Lt(1)] = 0.0

    @property
    def top(self) -> int | None:
        """How many of the highest layers learn; None: all."""
        how = str(self.trainable)
        return int(how.removeprefix("top:")) if how.startswith("top:") else None

    @property
    def lora(self) -> bool:
        return self.trainable == "lora"


@dataclass(frozen=True)
class Fold:
    """One way to cut the corpus: part name → row positions. Numbered on through repeats."""

    number: int
    repeat: int
    parts: Mapping[str, np.ndarray]

    @property
    def train(self) -> np.ndarray:
        return self.parts["train"]

    @property
    def dev(self) -> np.ndarray:
        """Empty where nothing is selected."""
        return self.parts["dev"]

    @property
    def tests(self) -> dict[str, np.ndarray]:
        """`test`, and `test2` … where a corpus ships several."""
        return {name: rows for name, rows in self.parts.items() if name.startswith("test")}

    def scored(self, open_test: bool) -> list[str]:
        """The parts that models are scored on: dev if there is one, the tests once opened."""
        return [*(["dev"] if len(self.dev) else []), *(self.tests if open_test else [])]


@dataclass(frozen=True)
class Predictions:
    """What one model says of the utterances at `rows` `[N]`: target → scores `[N, C]`."""

    rows: np.ndarray
    scores: Mapping[str, np.ndarray]
