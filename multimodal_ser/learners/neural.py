"""The gradient loop: trains the model, keeps the epoch that is best on dev."""

from __future__ import annotations

import copy
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load, save
from torch import Tensor, nn

from multimodal_ser import losses, metrics
from multimodal_ser.batches import Dataset
from multimodal_ser.types import DataError

Positive = Annotated[int, Field(gt=0)]
_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@dataclass(frozen=True)
class Optimizer:
    """`lr` falls linearly to 0 over the epochs with `decay: linear`, by a cosine with `cosine`."""

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    decay: Literal["none", "linear", "cosine"] = "none"


class Learner:
    """Trains a `Model`; one epoch sees every training row once, in a seeded order.

    select: the metric on dev whose best epoch is kept (the first of equals; without a dev part
    the last epoch); patience: epochs without gain before training ends, None: never.
    """

    WANTS = "batches"
    TARGETS = ("classes",)

    def __init__(
        self,
        model: nn.Module,
        *,
        optimizer: Optimizer = Optimizer(),
        epochs: Positive = 50,
        batch_size: Positive = 64,
        select: Literal["macro_f1", "uar", "accuracy", "weighted_f1"] = "macro_f1",
        patience: Positive | None = None,
        clip: Annotated[float, Field(gt=0)] | None = 1.0,
        class_weights: Literal["none", "balanced"] = "none",
    ) -> None:
        self.model = model
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.select = select
        self.patience = patience
        self.clip = clip
        self.class_weights = class_weights
        self.curve: list[dict[str, float]] = []

    def fit(self, train: Dataset, dev: Dataset | None, *, seed: int) -> None:
        """Ends with the weights of the chosen epoch; `curve` has a row an epoch."""
        generator = torch.Generator().manual_seed(seed)
        optimizer = self._make_optimizer()
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._share)
        weights = self._weights(train)
        best, best_value, since = None, -math.inf, 0
        self.curve = []
        for epoch in range(self.epochs):
            order = torch.randperm(len(train), generator=generator)
            loss = self._epoch(train, order, optimizer, weights, epoch)
            schedule.step()
            row = {"epoch": epoch, "loss": loss}
            self.curve.append(row)
            if dev is None:
                continue
            row[self.select] = value = self._score(dev)
            since += 1
            if value > best_value:
                best, best_value, since = copy.deepcopy(self.model.state_dict()), value, 0
            if self.patience is not None and since >= self.patience:
                break
        if best is not None:
            self.model.load_state_dict(best)

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → probabilities `[N, C]`."""
        self.model.eval()
        with torch.inference_mode():
            parts = [self.model(features) for features, _ in data.batches(256)]
        return {
            target: torch.cat([part[target] for part in parts]).double().softmax(-1).numpy()
            for target in data.targets
        }

    def state(self) -> dict[str, bytes]:
        weights = {name: value.contiguous() for name, value in self.model.state_dict().items()}
        return {"weights.safetensors": save(weights), "curve.json": json.dumps(self.curve).encode()}

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.model.load_state_dict(load(files["weights.safetensors"]))
        self.curve = json.loads(files["curve.json"])

    def _epoch(
        self,
        train: Dataset,
        order: Tensor,
        optimizer: torch.optim.Optimizer,
        weights: Mapping[str, Tensor | None],
        epoch: int,
    ) -> float:
        """The mean loss over all batches."""
        self.model.train()
        total = 0.0
        for features, targets in train.batches(self.batch_size, order):
            logits = self.model(features)
            loss = torch.stack(
                [
                    losses.cross_entropy(logits[name], targets[name], weights[name])
                    for name in targets
                ]
            ).sum()
            value = loss.item()
            if not math.isfinite(value):
                raise DataError(
                    f"the loss became {value} in epoch {epoch}; lower the learning rate"
                )
            optimizer.zero_grad()
            loss.backward()
            if self.clip is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.clip)
            optimizer.step()
            total += value * len(next(iter(targets.values())))
        return total / len(train)

    def _score(self, dev: Dataset) -> float:
        """The selecting metric, averaged over the targets."""
        metric = metrics.find(self.select)
        values = []
        for target, scores in self.predict(dev).items():
            truth = class_codes(dev.targets[target].numpy())
            matrix = metrics.confusion_matrix(truth, scores.argmax(1), scores.shape[1])
            values.append(float(metric(matrix)))
        return sum(values) / len(values)

    def _make_optimizer(self) -> torch.optim.Optimizer:
        options: dict[str, Any] = {
            "lr": self.optimizer.lr,
            "weight_decay": self.optimizer.weight_decay,
        }
        if self.optimizer.name != "sgd":
            options["fused"] = True
        return _OPTIMIZERS[self.optimizer.name](self.model.parameters(), **options)

    def _share(self, epoch: int) -> float:
        """The learning rate of an epoch, as a share of `lr`."""
        done = epoch / self.epochs
        shares = {"none": 1.0, "linear": 1 - done, "cosine": (1 + math.cos(math.pi * done)) / 2}
        return shares[self.optimizer.decay]

    def _weights(self, train: Dataset) -> dict[str, Tensor | None]:
        if self.class_weights == "none":
            return dict.fromkeys(train.targets)
        return {name: losses.balanced_weights(truth) for name, truth in train.targets.items()}


def class_codes(truth: np.ndarray) -> np.ndarray:
    """`[N]` class codes of distributions `[N, C]`; −1 where the votes give no single label."""
    return np.where(truth.max(1) == 1, truth.argmax(1), -1)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"epochs": 3, "batch_size": 8}
