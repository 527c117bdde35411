"""The outputs of an experiment: what is predicted, by which head, and what counts as an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from multimodal_ser.losses import FOR


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Head(_Section):
    """A hidden layer before the output layer."""

    hidden: int = Field(gt=0)
    activation: Literal["relu", "gelu", "tanh"] = "relu"
    dropout: float = Field(default=0.0, ge=0, lt=1)


class Output(_Section):
    """One target: a column of the corpus, by default the one of its own name.

    classes: the task's list, None: the corpus's own; with `edges`, a column of numbers is cut there
    into that many classes and one more. loss: None takes the usual one of the kind. weight: how
    much it counts beside other targets.
    """

    kind: Literal["classes", "numbers"] = "classes"
    column: str | None = None
    classes: list[str] | None = Field(default=None, min_length=2)
    edges: list[float] | None = Field(default=None, min_length=1)
    head: Literal["linear"] | Head = "linear"
    loss: Literal["cross_entropy", "ccc", "mse"] | None = None
    weight: float = Field(default=1.0, gt=0)

    @model_validator(mode="after")
    def _fits(self) -> Output:
        allowed = list(FOR[self.kind])
        if self.loss is not None and self.loss not in allowed:
            raise ValueError(f"kind {self.kind} has the losses {', '.join(allowed)}")
        if self.kind == "numbers" and (self.classes or self.edges):
            raise ValueError("numbers have no classes and no edges")
        if self.edges and (len(self.classes or ()) != len(self.edges) + 1 or _falls(self.edges)):
            raise ValueError("edges must rise, and classes must name one class more than edges")
        return self


def _falls(edges: Sequence[float]) -> bool:
    return any(low >= high for low, high in pairwise(edges))


def _as_plain(output: Any) -> dict[str, Any]:
    return dict(output) if isinstance(output, Mapping) else {}


def kind_of(output: Any) -> str:
    return output.kind if isinstance(output, Output) else _as_plain(output).get("kind", "classes")


def with_loss(output: Any) -> Any:
    known = FOR.get(kind_of(output)) if isinstance(output, Mapping) else None
    if not known or output.get("loss"):
        return output
    return {**output, "loss": next(iter(known))}
