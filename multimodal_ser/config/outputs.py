"""The outputs of an experiment: what is predicted, by which head, and what counts as an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from multimodal_ser.corpus.label_sets import can_stand

FOR = {
    "classes": ("cross_entropy", "focal"),
    "labels": ("binary_cross_entropy",),
    "numbers": ("ccc", "mse"),
}
"""Kind of output → the names of its losses, the usual one first; see `losses`."""


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Head(_Section):
    """input dropout → Linear → activation → dropout → Linear. hidden: None is the input's width."""

    hidden: int | None = Field(default=None, gt=0)
    activation: Literal["relu", "gelu", "tanh"] = "relu"
    dropout: float = Field(default=0.0, ge=0, lt=1)
    input_dropout: float = Field(default=0.0, ge=0, lt=1)


WAGNER = Head(activation="tanh", dropout=0.1, input_dropout=0.1)  # Wagner et al. 2023, as released


class Output(_Section):
    """One target: a column of the corpus, by default the one of its own name.

    classes: the task's list, None: the corpus's own; with `edges`, a column of numbers is cut there
    into that many classes and one more. head: `wagner` is that of Wagner et al. 2023. loss: None
    takes the usual one of the kind. gamma: of `focal`, None: 2. smoothing: ε of label smoothing.
    adjustment: τ of logit adjustment by the classes' shares in train. soft: where raters have
    voted, train on the shares of their votes and not on the label, which still scores. weight: how
    much the target counts beside others. range: of numbers, the ends of their scale, to which a
    checkpoint's own numbers from 0 to 1 are moved.

    Labels, of which several may be true, stand in one cell with a separator between them (None:
    `|`; a cell `-`: none of them; blank: not known), or in `columns` of 0 and 1, one a label; or by
    `votes`: true is a label that has at least this share of an utterance's votes.
    """

    kind: Literal["classes", "labels", "numbers"] = "classes"
    column: str | None = None
    columns: list[str] | None = Field(default=None, min_length=2)
    votes: Annotated[float, Field(gt=0, le=1)] | None = None
    separator: str | None = Field(default=None, min_length=1)
    classes: list[str] | None = Field(default=None, min_length=2)
    edges: list[float] | None = Field(default=None, min_length=1)
    head: Literal["linear", "wagner"] | Head = "linear"
    loss: Literal["cross_entropy", "focal", "binary_cross_entropy", "ccc", "mse"] | None = None
    gamma: Annotated[float, Field(ge=0)] | None = None
    smoothing: float = Field(default=0.0, ge=0, lt=1)
    adjustment: float = Field(default=0.0, ge=0)
    soft: bool = False
    weight: float = Field(default=1.0, gt=0)
    range: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Output:
        problems = [*self._of_columns(), *self._of_labels(), *self._of_loss()]
        if problems:
            raise ValueError("; ".join(problems))
        return self

    def _of_columns(self) -> Iterator[str]:
        if self.kind == "numbers" and (self.classes or self.edges):
            yield "numbers have no classes and no edges"
        if self.range and (self.kind != "numbers" or self.range[0] >= self.range[1]):
            yield "range: two rising numbers, for kind numbers alone"
        if self.kind == "classes" and self.edges and not self._cuts():
            yield "edges must rise, and classes must name one class more than edges"
        if self.soft and self.edges:
            yield "soft: nobody has voted on a number that is cut by edges"

    def _cuts(self) -> bool:
        edges = self.edges or []
        return len(self.classes or ()) == len(edges) + 1 and not _falls(edges)

    def _of_labels(self) -> Iterator[str]:
        """Check where labels stand and whether their names can be told apart in one cell."""
        if self.kind != "labels":
            for name in self._given("columns", "votes", "separator"):
                yield f"{name}: only labels have it, and the kind is {self.kind}"
            return
        places = self._given("column", "columns", "votes")
        if len(places) > 1:
            yield f"labels stand in one of {', '.join(places)}"
        if self.edges:
            yield "labels have no edges"
        if self.columns and self.classes:
            yield "classes: columns name the labels"
        if self.separator and (self.columns or self.votes):
            yield "separator: only a column of sets has one"
        names = self.columns or self.classes or []
        yield from (f"no label may be called {name!r}" for name in names if not can_stand(name))
        if len(set(names)) < len(names):
            yield "a label is named twice"

    def _given(self, *names: str) -> list[str]:
        return [name for name in names if getattr(self, name) is not None]

    def _of_loss(self) -> Iterator[str]:
        allowed = FOR[self.kind]
        if self.loss is not None and self.loss not in allowed:
            yield f"kind {self.kind} has the losses {', '.join(allowed)}"
        if self.gamma is not None and self.loss != "focal":
            yield "gamma: only loss: focal has one"
        if self.kind != "classes":
            for name in self.of_classes_alone:
                yield f"{name}: only classes have it, and the kind is {self.kind}"

    @property
    def of_classes_alone(self) -> list[str]:
        """The options in use that make sense for classes only."""
        return [name for name in ("smoothing", "adjustment", "soft") if getattr(self, name)]

    @property
    def layers(self) -> dict[str, Any]:
        """The hidden part of the head as options of `model.head`; empty without one."""
        layers = WAGNER if self.head == "wagner" else self.head
        return layers.model_dump() if isinstance(layers, Head) else {}


def _falls(edges: Sequence[float]) -> bool:
    return any(low >= high for low, high in pairwise(edges))


def _as_plain(output: Any) -> dict[str, Any]:
    return dict(output) if isinstance(output, Mapping) else {}


def kind_of(output: Any) -> str:
    return output.kind if isinstance(output, Output) else _as_plain(output).get("kind", "classes")


def with_loss(output: Any) -> Any:
    losses = FOR.get(kind_of(output)) if isinstance(output, Mapping) else None
    if not losses or output.get("loss"):
        return output
    return {**output, "loss": losses[0]}
