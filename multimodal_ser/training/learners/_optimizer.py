"""The optimizer, its learning rates, and how these change."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor
from torch.optim.adam import adam
from torch.optim.sgd import sgd

_MOMENTS = ("exp_avg", "exp_avg_sq")
_BETAS = {"beta1": 0.9, "beta2": 0.999}
Positive = Annotated[float, Field(gt=0)]


@dataclass(frozen=True)
class Schedule:
    """Every learning rate rises from 0 over the first `warmup` of all steps, and then falls.

    linear and cosine end at 0 after `over` epochs, None: the last; inverse: lr / (1 + rate · step);
    plateau: times `factor` after each `patience` epochs without gain on dev.
    """

    decay: Literal["none", "linear", "cosine", "inverse", "plateau"] = "none"
    warmup: Annotated[float, Field(ge=0, lt=1)] = 0.0
    rate: Positive = 1e-4
    factor: Annotated[float, Field(gt=0, lt=1)] = 0.5
    patience: Annotated[int, Field(gt=0)] = 5
    over: Annotated[int, Field(gt=0)] | None = None

    def share(self, step: int, steps: int, plateaus: int) -> float:
        """The share of the learning rate in a step; plateaus: how often dev did not gain."""
        rising = self.warmup * steps
        if step < rising:
            return (step + 1) / (rising + 1)
        done = min((step - rising) / max(steps - rising, 1), 1.0)
        return {
            "none": 1.0,
            "linear": 1 - done,
            "cosine": (1 + math.cos(math.pi * done)) / 2,
            "inverse": 1 / (1 + self.rate * step),
            "plateau": self.factor**plateaus,
        }[self.decay]

    @property
    def constant(self) -> bool:
        return self.decay == "none" and not self.warmup


@dataclass(frozen=True)
class Optimizer:
    """clip: the longest that a step's gradient may be, None: any length.

    accumulate: into how many pieces each batch is cut to save memory; the gradient is that of the
    whole. precision: of the forward pass; the weights stay in 32 bits.
    """

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    lr: Positive = 1e-3
    eps: Positive = 1e-8
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    clip: Positive | None = 1.0
    schedule: Schedule = Schedule()
    accumulate: Annotated[int, Field(gt=0)] = 1
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"


def build(settings: Optimizer, model: Any) -> Updates:
    """One group of parameters for each encoder that has a rate of its own, one for the rest."""
    rates = {name: rate for name, rate in model.rates.items() if rate is not None}
    own: dict[str, list[Any]] = {"": [], **{name: [] for name in rates}}
    for path, parameter in model.named_parameters():
        if parameter.requires_grad:
            home = path.split(".")[1] if path.startswith("encoders.") else ""
            own[home if home in rates else ""].append(parameter)
    groups = [
        {"params": parameters, "lr": rates.get(name, settings.lr)}
        for name, parameters in own.items()
        if parameters
    ]
    return Updates(settings, groups)


class Updates:
    """The updates of the parameters, by torch's own functions for Adam, AdamW and SGD.

    torch's optimizer classes import its compiler with their first step, which takes longer than a
    small head trains. `param_groups` and `step` are named as theirs, as a `GradScaler` wants it.
    state: number of a parameter → its moments and count of steps, from its first gradient on.
    """

    def __init__(self, settings: Optimizer, groups: list[dict[str, Any]]) -> None:
        self.settings = settings
        self.param_groups = groups
        self.state: dict[int, dict[str, Tensor]] = {}

    @torch.no_grad()
    def step(self) -> None:
        first = 0
        for group in self.param_groups:
            numbered = enumerate(group["params"], first)
            with_gradient = [(at, each) for at, each in numbered if each.grad is not None]
            first += len(group["params"])
            if with_gradient:
                self._update(with_gradient, group["lr"])

    def restore(self, state: dict[int, dict[str, Tensor]]) -> None:
        """Go on from such a state, wherever its tensors lie."""
        parameters = [each for group in self.param_groups for each in group["params"]]
        self.state = {
            at: {name: tensor.to(parameters[at].device) for name, tensor in values.items()}
            for at, values in state.items()
        }

    def _update(self, numbered: list[tuple[int, Any]], rate: float) -> None:
        parameters = [parameter for _, parameter in numbered]
        gradients = [parameter.grad for parameter in parameters]
        options = {"lr": rate, "weight_decay": self.settings.weight_decay, "maximize": False}
        if self.settings.name == "sgd":
            none: list[Tensor | None] = [None] * len(parameters)
            flags = {"momentum": 0.0, "dampening": 0.0, "nesterov": False}
            sgd(parameters, gradients, none, **flags, **options)
            return
        states = [self._state(at, parameter) for at, parameter in numbered]
        moments = [[state[name] for state in states] for name in _MOMENTS]
        counts = [state["step"] for state in states]
        decoupled = self.settings.name == "adamw"
        flags = {"eps": self.settings.eps, "amsgrad": False, **_BETAS, **options}
        adam(
            *(parameters, gradients, moments[0], moments[1], [], counts),
            fused=True,
            decoupled_weight_decay=decoupled,
            **flags,
        )

    def _state(self, at: int, parameter: Tensor) -> dict[str, Tensor]:
        if at not in self.state:
            moments = {name: torch.zeros_like(parameter) for name in _MOMENTS}
            count = torch.zeros((), dtype=torch.float32, device=parameter.device)
            self.state[at] = {"step": count, **moments}
        return self.state[at]


class Rates:
    """The learning rates of an optimizer, step by step."""

    def __init__(self, optimizer: Updates, schedule: Schedule, steps: int) -> None:
        self.optimizer = optimizer
        self.schedule = schedule
        self.steps = steps
        self.whole = [group["lr"] for group in optimizer.param_groups]
        self.plateaus = self.since = 0

    def set(self, step: int) -> None:
        if self.schedule.constant:
            return
        share = self.schedule.share(step, self.steps, self.plateaus)
        for group, rate in zip(self.optimizer.param_groups, self.whole, strict=True):
            group["lr"] = rate * share

    def saw(self, gain: bool) -> None:
        """Called after an epoch, with whether dev gained."""
        self.since = 0 if gain else self.since + 1
        if self.since >= self.schedule.patience:
            self.since, self.plateaus = 0, self.plateaus + 1
