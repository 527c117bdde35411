"""The gradient loop: trains the model, keeps the epoch that is best on dev."""

from __future__ import annotations

import copy
import json
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load, save
from torch import Tensor, nn

from multimodal_ser import metrics
from multimodal_ser.batches import Dataset
from multimodal_ser.losses import Loss
from multimodal_ser.types import DataError, Features

Positive = Annotated[int, Field(gt=0)]
Select = Literal[
    "macro_f1", "uar", "accuracy", "weighted_f1",
    "label_macro_f1", "label_micro_f1", "subset_accuracy",
    "ccc", "pearson", "mse",
]  # fmt: skip
_OPTIMIZERS = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}


@dataclass(frozen=True)
class Optimizer:
    """`lr` falls linearly to 0 over the epochs with `decay: linear`, by a cosine with `cosine`.

    clip: the longest that a step's gradient may be, None: any length.
    """

    name: Literal["adam", "adamw", "sgd"] = "adamw"
    lr: Annotated[float, Field(gt=0)] = 1e-3
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    decay: Literal["none", "linear", "cosine"] = "none"
    clip: Annotated[float, Field(gt=0)] | None = 1.0


class Learner:
    """Trains a `Model`; one epoch sees every training row once, in a seeded order.

    losses: target → its loss and how much that counts. select: the metric on dev whose best epoch
    is kept (the first of equals; without a dev part the last epoch), averaged over the targets that
    it fits; None: macro-F1 of classes and labels, CCC of numbers. Labels are scored at the
    thresholds that are best on dev in that epoch, as the model will be. patience: epochs without
    gain before training ends, None: never. modality_dropout: the share of training rows that lose
    one of their modalities in an epoch, so that the model can also do without it.
    """

    WANTS = "batches"
    TARGETS = ("classes", "labels", "numbers")

    def __init__(
        self,
        model: Any,
        losses: Mapping[str, tuple[Loss, float]],
        *,
        optimizer: Optimizer = Optimizer(),
        epochs: Positive = 50,
        batch_size: Positive = 64,
        select: Select | None = None,
        patience: Positive | None = None,
        modality_dropout: Annotated[float, Field(ge=0, le=1)] = 0.0,
    ) -> None:
        self.model = model
        self.losses = dict(losses)
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.select = select
        self.patience = patience
        self.modality_dropout = modality_dropout
        self.best_epoch = epochs - 1
        self.curve: list[dict[str, float]] = []

    def fit(self, train: Dataset, dev: Dataset | None, *, seed: int) -> None:
        """Ends with the weights of the chosen epoch; `curve` has a row an epoch."""
        generator = torch.Generator().manual_seed(seed)
        optimizer = self._make_optimizer()
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, self._share)
        best, best_value, since = None, -math.inf, 0
        self.curve = []
        for epoch in range(self.epochs):
            loss = self._epoch(train, train.epoch(generator), optimizer, epoch)
            schedule.step()
            row = {"epoch": epoch, "loss": loss}
            self.curve.append(row)
            if dev is None:
                continue
            value, scores = self._score(dev)
            row |= scores
            since += 1
            if value > best_value:
                best, best_value, since = copy.deepcopy(self.model.state_dict()), value, 0
                self.best_epoch = epoch
            if self.patience is not None and since >= self.patience:
                break
        if best is not None:
            self.model.load_state_dict(best)

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → probabilities `[N, C]` (each label's own), or numbers `[N, 1]`."""
        self.model.eval()
        with torch.inference_mode():
            parts = [self.model(batch.features) for batch in data.batches(256)]
        said = {target: torch.cat([part[target] for part in parts]) for target in data.targets}
        return {target: self._turned(target, one.double()).numpy() for target, one in said.items()}

    def _turned(self, target: str, said: Tensor) -> Tensor:
        kind = self._kind(target, said)
        if kind == "labels":
            return torch.sigmoid(said)
        return said.softmax(-1) if kind == "classes" else said

    def _kind(self, target: str, said: Tensor | np.ndarray) -> str:
        if target in self.model.multiple:
            return "labels"
        return "classes" if said.shape[1] > 1 else "numbers"

    def state(self) -> dict[str, bytes]:
        weights = {name: value.contiguous() for name, value in self.model.state_dict().items()}
        return {
            "weights.safetensors": save(weights),
            "curve.json": json.dumps(self.curve).encode(),
            "chosen.json": json.dumps({"epoch": self.best_epoch}).encode(),
        }

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.model.load_state_dict(load(files["weights.safetensors"]))
        self.curve = json.loads(files["curve.json"])
        self.best_epoch = json.loads(files["chosen.json"])["epoch"]

    @staticmethod
    def settled(states: Sequence[Mapping[str, bytes]]) -> dict[str, Any]:
        """What several trainings chose on dev, as options of one that has no dev: the epochs."""
        chosen = [json.loads(files["chosen.json"])["epoch"] + 1 for files in states]
        return {"epochs": round(statistics.median(chosen)), "patience": None}

    def _epoch(
        self,
        train: Dataset,
        order: Tensor,
        optimizer: torch.optim.Optimizer,
        epoch: int,
    ) -> float:
        """The mean loss over all batches."""
        self.model.train()
        total = 0.0
        for batch in train.batches(self.batch_size, order):
            said = self.model(self._thinned(batch.features))
            parts = [
                weight * loss(said[name], batch.targets[name], batch.weights)
                for name, (loss, weight) in self.losses.items()
            ]
            loss = torch.stack(parts).sum()
            value = loss.item()
            if not math.isfinite(value):
                raise DataError(
                    f"the loss became {value} in epoch {epoch}; lower the learning rate"
                )
            optimizer.zero_grad()
            loss.backward()
            if self.optimizer.clip is not None:
                nn.utils.clip_grad_norm_(self.model.parameters(), self.optimizer.clip)
            optimizer.step()
            total += value * len(next(iter(batch.targets.values())))
        return total / len(train)

    def _thinned(self, features: dict[str, Features]) -> dict[str, Features]:
        """In a share of the rows one modality at random is gone, and never all of several.

        A model of one modality loses it: what it then says is learned, too.
        """
        groups = self.model.groups
        if not self.modality_dropout:
            return features
        present = torch.stack(
            [torch.stack([features[name].present for name in group]).any(0) for group in groups], 1
        )
        lot = torch.rand(present.shape).masked_fill(~present, -1.0).argmax(1)
        share = torch.rand(len(present)) < self.modality_dropout
        spare = present.sum(1) > (len(groups) > 1)
        lost = torch.where(share & spare, lot, -1)
        return {
            name: Features(features[name].x, features[name].mask & (lost != at).unsqueeze(1))
            for at, group in enumerate(groups)
            for name in group
        }

    def _score(self, dev: Dataset) -> tuple[float, dict[str, float]]:
        """What selects (higher is better), and each metric's mean over the targets that it fits."""
        found: dict[str, list[float]] = {}
        for target, scores in self.predict(dev).items():
            kind = self._kind(target, scores)
            name = self.select or metrics.DEFAULTS[kind][0]
            if metrics.kind(name) == kind:
                sums = _sums(dev.targets[target].numpy(), scores, kind)
                found.setdefault(name, []).append(float(metrics.find(name)(sums)))
        signs = {name: -1 if name in metrics.LOWER_IS_BETTER else 1 for name in found}
        signed = [signs[name] * value for name, values in found.items() for value in values]
        means = {name: sum(values) / len(values) for name, values in found.items()}
        return sum(signed) / len(signed), means

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


def _sums(truth: np.ndarray, scores: np.ndarray, kind: str) -> np.ndarray:
    """What a metric is made of: a confusion matrix, agreements, the moments of two numbers."""
    if kind == "labels":
        guess = scores >= metrics.best_thresholds(truth, scores)
        return metrics.agreements(truth, guess).sum(0)
    if kind == "classes":
        codes = class_codes(truth)
        return metrics.confusion_matrix(codes, scores.argmax(1), scores.shape[1])
    return metrics.moments(truth[:, 0].astype(np.float64), scores[:, 0]).sum(0)


def class_codes(truth: np.ndarray) -> np.ndarray:
    """`[N]` class codes of distributions `[N, C]`; −1 where the votes give no single label."""
    return np.where(truth.max(1) == 1, truth.argmax(1), -1)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"epochs": 3, "batch_size": 8}
