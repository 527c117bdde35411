"""The state of a training, so that it can be stopped after any epoch and continued."""

from __future__ import annotations

import math
import sys
import time
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from multimodal_ser.training.learners._steps import Steps

_SILENCE = 15.0  # seconds


class Progress:
    """The next epoch, the best on dev so far, and the generator that orders the rows."""

    def __init__(self, generator: torch.Generator) -> None:
        self.generator = generator
        self.epoch = 0
        self.curve: list[dict[str, float]] = []
        self.best: dict[str, Tensor] | None = None
        self.best_epoch = 0
        self.best_value = -math.inf
        self.since = 0
        self.told = time.monotonic()

    def ends(self, epochs: int, patience: int | None) -> bool:
        return self.epoch >= epochs or (patience is not None and self.since >= patience)

    def note(self, row: dict[str, float], value: float | None, model: Any) -> bool:
        """Note a finished epoch and return whether dev gained.

        value: of dev, higher is better; None without dev.
        """
        self.curve.append(row)
        self.epoch += 1
        if value is None:
            return False
        gain = value > self.best_value
        self.since = 0 if gain else self.since + 1
        if gain:
            self.best = {
                name: tensor.detach().cpu().clone() for name, tensor in model.learned().items()
            }
            self.best_epoch, self.best_value = self.epoch - 1, value
        return gain

    def tell(self, name: str, epochs: int) -> None:
        """Print now and then how a long training goes."""
        if time.monotonic() - self.told < _SILENCE:
            return
        self.told = time.monotonic()
        row = ", ".join(
            f"{key} {value:.3f}" for key, value in self.curve[-1].items() if key != "epoch"
        )
        print(f"{name}: {self.epoch} of {epochs} epochs, {row}", file=sys.stderr, flush=True)

    def written(self, model: Any, steps: Steps) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """Everything that the next epochs depend on, as tensors and as plain data."""
        tensors = {
            **{f"model.{name}": tensor for name, tensor in model.learned().items()},
            **{f"best.{name}": tensor for name, tensor in (self.best or {}).items()},
            **{
                f"optimizer.{at}.{name}": tensor
                for at, state in steps.optimizer.state.items()
                for name, tensor in state.items()
            },
            "random.order": self.generator.get_state(),
            "random.cpu": torch.stack(steps.together.collect([torch.get_rng_state()])),
        }
        if steps.device.type == "cuda":
            state = torch.cuda.get_rng_state(steps.device)
            tensors["random.cuda"] = torch.stack(steps.together.collect([state]))
        plain = {
            "epoch": self.epoch,
            "curve": self.curve,
            "best_epoch": self.best_epoch,
            "best_value": self.best_value if math.isfinite(self.best_value) else None,
            "since": self.since,
            "taken": steps.taken,
            "pieces": steps.pieces,
            "plateaus": [steps.rates.plateaus, steps.rates.since],
            "scaler": steps.scaler.state_dict(),
        }
        return tensors, plain

    def restore(
        self, model: Any, steps: Steps, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]
    ) -> None:
        """Return to the state in which `written` was called."""
        self.epoch, self.curve, self.since = plain["epoch"], plain["curve"], plain["since"]
        self.best_epoch = plain["best_epoch"]
        self.best_value = -math.inf if plain["best_value"] is None else plain["best_value"]
        self.best = _under("best.", tensors) or None
        model.load_learned(_under("model.", tensors))
        states: dict[int, dict[str, Tensor]] = {}
        for path, tensor in _under("optimizer.", tensors).items():
            at, _, name = path.partition(".")
            states.setdefault(int(at), {})[name] = tensor
        steps.optimizer.restore(states)
        steps.taken, steps.pieces = plain["taken"], plain["pieces"]
        steps.rates.plateaus, steps.rates.since = plain["plateaus"]
        steps.scaler.load_state_dict(plain["scaler"])
        self.generator.set_state(tensors["random.order"])
        rank = steps.together.rank % len(tensors["random.cpu"])
        torch.set_rng_state(tensors["random.cpu"][rank])
        if "random.cuda" in tensors and steps.device.type == "cuda":
            torch.cuda.set_rng_state(tensors["random.cuda"][rank], steps.device)


def _under(prefix: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }
