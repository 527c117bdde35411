"""What one parameter of a search may be: one of some values, or a number from a range."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property
from typing import Any, Protocol


class Trial(Protocol):
    """Whatever proposes values, such as a trial of Optuna."""

    def suggest_categorical(self, name: str, choices: Sequence[Any]) -> Any: ...

    def suggest_float(
        self, name: str, low: float, high: float, *, step: float | None = None, log: bool = False
    ) -> float: ...

    def suggest_int(
        self, name: str, low: int, high: int, *, step: int = 1, log: bool = False
    ) -> int: ...


@dataclass(frozen=True)
class Choice:
    """One of some values, which may be lists and sections."""

    values: tuple[Any, ...]
    continuous = False

    @cached_property
    def stored(self) -> tuple[Any, ...]:
        """What a study holds of each: itself, or its JSON text where it is a list or a section.

        A study takes values for the same that Python does, such as 1 and true; then each is stored
        as its text.
        """
        texts = tuple(json.dumps(value) for value in self.values)
        stored = tuple(
            text if isinstance(value, list | dict) else value
            for value, text in zip(self.values, texts, strict=True)
        )
        return stored if len(set(stored)) == len(stored) else texts

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.values

    def every(self) -> tuple[Any, ...]:
        return self.values

    def suggested(self, trial: Trial, name: str) -> Any:
        return self.read(trial.suggest_categorical(name, self.stored))

    def read(self, stored: Any) -> Any:
        return self.values[self.stored.index(stored)]

    def __str__(self) -> str:
        return "one of " + ", ".join(map(json.dumps, self.values))


@dataclass(frozen=True)
class Range:
    """The numbers from low to high, both among them; whole: integers. step: every one, if None."""

    low: float
    high: float
    log: bool = False
    step: float | None = None
    whole: bool = False

    @property
    def continuous(self) -> bool:
        return not self.whole and self.step is None

    @property
    def ends(self) -> tuple[Any, ...]:
        return self.low, self.high

    def every(self) -> tuple[Any, ...]:
        """All of them, of a range that is not continuous."""
        steps = (Decimal(str(self.high)) - Decimal(str(self.low))) // Decimal(str(self.step or 1))
        return tuple(self._after(count) for count in range(int(steps) + 1))

    def suggested(self, trial: Trial, name: str) -> float:
        if self.whole:
            low, high, step = int(self.low), int(self.high), int(self.step or 1)
            return trial.suggest_int(name, low, high, step=step, log=self.log)
        found = trial.suggest_float(name, self.low, self.high, step=self.step, log=self.log)
        return self.read(found)

    def read(self, stored: float) -> float:
        """The number that is meant: a sum of steps is a hair beside it in floating point."""
        if self.whole:
            return int(stored)
        if self.step is None:
            return float(stored)
        return self._after(round((stored - self.low) / self.step))

    def _after(self, steps: int) -> float:
        found = Decimal(str(self.low)) + steps * Decimal(str(self.step or 1))
        return int(found) if self.whole else float(found)

    def __str__(self) -> str:
        kind = "whole numbers " if self.whole else ""
        steps = f" in steps of {self.step}" if self.step else ""
        return f"{kind}{self.low} to {self.high}{steps}{', log' if self.log else ''}"


Domain = Choice | Range
