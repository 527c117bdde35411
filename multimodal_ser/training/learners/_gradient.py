"""The gradient loop: it trains a model and keeps the epoch that is best on dev."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Annotated, Any, Literal, Protocol

import numpy as np
import torch
from pydantic import Field
from safetensors.torch import load, save
from torch import Tensor

from multimodal_ser.distributed import world
from multimodal_ser.evaluation import metrics
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training.learners._optimizer import Optimizer
from multimodal_ser.training.learners._progress import Progress
from multimodal_ser.training.learners._steps import HALVES, Steps
from multimodal_ser.training.losses import Loss

Positive = Annotated[int, Field(gt=0)]
Select = Literal[
    "loss",
    "macro_f1", "uar", "accuracy", "weighted_f1",
    "label_macro_f1", "label_micro_f1", "subset_accuracy",
    "ccc", "pearson", "mse",
]  # fmt: skip
_ROWS = 256  # of cached features that are predicted at a time
_TURNED: dict[str, Callable[[Tensor], Tensor]] = {
    "classes": lambda said: said.softmax(-1),
    "labels": torch.sigmoid,
    "numbers": lambda said: said,
}


Watch = Callable[[int, int, float], None]  # epochs done, of how many, the best value so far


class Kept(Protocol):
    """Where a training that was stopped continues."""

    name: str

    def load(self) -> tuple[dict[str, Tensor], dict[str, Any]] | None: ...

    def save(self, tensors: Mapping[str, Tensor], plain: Mapping[str, Any]) -> None: ...


class Loop:
    """Trains a `Model`; an epoch sees every training row once, in a seeded order.

    losses: target → its loss and the weight of it. select: the metric on dev that chooses the
    epoch, averaged over the targets that it fits; the first of equal epochs is kept, and the last
    one where there is no dev part. With `loss` it is the training loss over all of dev. None:
    macro-F1 for classes and labels, CCC for numbers. Labels are scored with the thresholds that are
    best on dev in that epoch, as the finished model will be. patience: epochs without gain before
    training ends, None: never. With 0 epochs the model stays as it is.
    """

    def __init__(
        self,
        model: Any,
        losses: Mapping[str, tuple[Loss, float]],
        *,
        optimizer: Optimizer,
        epochs: int,
        batch_size: int,
        select: Select | None,
        patience: int | None,
    ) -> None:
        self.model = model
        self.losses = dict(losses)
        self.optimizer = optimizer
        self.epochs = epochs
        self.batch_size = batch_size
        self.select = select
        self.patience = patience
        self.best_epoch = epochs - 1
        self.curve: list[dict[str, float]] = []

    def fit(
        self,
        train: Dataset,
        dev: Dataset | None,
        *,
        seed: int,
        kept: Kept | None = None,
        watch: Watch | None = None,
    ) -> None:
        """Train. The model then has the weights of the chosen epoch, and `curve` a row an epoch.

        kept: where each epoch is written, and from where the training continues. watch: is called
        with each epoch, and may end the training by an exception.
        """
        if not self.epochs:
            return
        steps = self.steps_for(len(train))
        if steps.together.rank:
            torch.manual_seed(seed + steps.together.rank)  # other rows, other dropout
        progress = Progress(torch.Generator().manual_seed(seed))
        checkpoint = kept.load() if kept is not None else None
        if checkpoint is not None:
            progress.restore(self.model, steps, *checkpoint)
        while not progress.ends(self.epochs, self.patience):
            order = train.epoch(progress.generator, self.batch_size)
            row = {
                "epoch": progress.epoch,
                "loss": self._epoch(train, order, steps, progress.epoch),
            }
            value = None
            if dev is not None:
                value, scores = self._score(dev)
                row |= scores
            gain = progress.note(row, value, self.model)
            if dev is not None:
                steps.rates.saw(gain)
            if watch is not None and value is not None:
                watch(progress.epoch, self.epochs, progress.best_value)
            if kept is not None:
                kept.save(*progress.written(self.model, steps))
                progress.tell(kept.name, self.epochs)
        self.curve = progress.curve
        if progress.best is not None:
            self.model.load_learned(progress.best)
            self.best_epoch = progress.best_epoch

    def predict(self, data: Dataset) -> dict[str, np.ndarray]:
        """Target → probabilities `[N, C]` (each label's own), or numbers `[N, 1]`."""
        return self._turned(self._said(data))

    def _said(self, data: Dataset) -> dict[str, Tensor]:
        """Target → the outputs of its head, `[N, C]` on the CPU."""
        self.model.eval()
        order = data.sorted()
        cached = all(isinstance(part, Ragged) for part in data.features.values())
        size = _ROWS if cached else self.batch_size
        among = world()
        device = next(self.model.parameters(), torch.empty(0)).device
        pieces = []
        half = HALVES.get(self.optimizer.precision)
        with torch.inference_mode(), torch.autocast(device.type, half) if half else nullcontext():
            for rows in order.split(size)[among.rank :: among.size]:
                logits = self.model(data.batch(rows).to(device).features)
                pieces.append(
                    (rows, {name: values.float().cpu() for name, values in logits.items()})
                )
        pieces = among.collect(pieces)
        back = torch.cat([rows for rows, _ in pieces]).argsort()
        return {
            name: torch.cat([values[name] for _, values in pieces])[back] for name in data.targets
        }

    def _turned(self, logits: Mapping[str, Tensor]) -> dict[str, np.ndarray]:
        return {
            target: _TURNED[self._kind(target, values)](values.double()).numpy()
            for target, values in logits.items()
        }

    def _kind(self, target: str, logits: Tensor | np.ndarray) -> str:
        if target in self.model.multiple:
            return "labels"
        return "classes" if logits.shape[1] > 1 else "numbers"

    def state(self) -> dict[str, bytes]:
        weights = {name: weight.cpu().contiguous() for name, weight in self.model.learned().items()}
        return {
            "weights.safetensors": save(weights),
            "curve.json": json.dumps(self.curve).encode(),
            "chosen.json": json.dumps({"epoch": self.best_epoch}).encode(),
        }

    def load_state(self, files: Mapping[str, bytes]) -> None:
        self.model.load_learned(load(files["weights.safetensors"]))
        self.curve = json.loads(files["curve.json"])
        self.best_epoch = json.loads(files["chosen.json"])["epoch"]

    def steps_for(self, rows: int) -> Steps:
        total = (self.optimizer.schedule.over or self.epochs) * math.ceil(rows / self.batch_size)
        return Steps(self.model, self.losses, self.optimizer, total, world())

    def _epoch(self, train: Dataset, order: Tensor, steps: Steps, epoch: int) -> float:
        """Train for one epoch; returns the mean loss over all batches."""
        self.model.train()
        total, seen = 0.0, 0
        for batch in steps.batches(train, order, self.batch_size, epoch):
            total += steps.take(batch, epoch) * len(batch)
            seen += len(batch)
        return total / seen

    def _score(self, dev: Dataset) -> tuple[float, dict[str, float]]:
        """The value that selects (higher is better), and the values of dev for the curve."""
        logits = self._said(dev)
        value, means = self._metrics(dev, logits)
        if self.select != "loss":
            return value, means
        lost = sum(
            weight * loss(logits[name], dev.targets[name], None).item()
            for name, (loss, weight) in self.losses.items()
        )
        return -lost, {"dev_loss": lost, **means}

    def _metrics(
        self, dev: Dataset, logits: Mapping[str, Tensor]
    ) -> tuple[float, dict[str, float]]:
        """The mean over all targets (higher is better), and that of each metric."""
        by_metric: dict[str, list[float]] = {}
        for target, scores in self._turned(logits).items():
            kind = self._kind(target, scores)
            name = metrics.DEFAULTS[kind][0] if self.select in (None, "loss") else self.select
            if metrics.kind(name) == kind:
                sums = _sums(dev.targets[target].numpy(), scores, kind)
                by_metric.setdefault(name, []).append(float(metrics.find(name)(sums)))
        signed = [
            metrics.sign(name) * value for name, values in by_metric.items() for value in values
        ]
        means = {name: sum(values) / len(values) for name, values in by_metric.items()}
        return sum(signed) / len(signed), means


def settled(states: Sequence[Mapping[str, bytes]], options: Mapping[str, Any]) -> dict[str, Any]:
    """The options of a training without dev: the epochs that several trainings chose on dev.

    The learning rate falls as it did in those trainings.
    """
    if not options["epochs"]:
        return dict(options)
    chosen = [json.loads(files["chosen.json"])["epoch"] + 1 for files in states]
    optimizer = options["optimizer"]
    schedule = optimizer["schedule"]
    schedule = {**schedule, "over": schedule["over"] or options["epochs"]}
    return {
        **options,
        "epochs": round(statistics.median(chosen)),
        "patience": None,
        "optimizer": {**optimizer, "schedule": schedule},
    }


def _sums(truth: np.ndarray, scores: np.ndarray, kind: str) -> np.ndarray:
    """The sums from which a metric is computed: a confusion matrix, agreements, or moments."""
    if kind == "labels":
        guess = scores >= metrics.best_thresholds(truth, scores)
        return metrics.agreements(truth, guess).sum(0)
    if kind == "classes":
        codes = class_codes(truth)
        return metrics.confusion_matrix(codes, scores.argmax(1), scores.shape[1])
    return metrics.moments(truth[:, 0].astype(np.float64), scores[:, 0]).sum(0)


def class_codes(truth: np.ndarray) -> np.ndarray:
    """`[N]` class codes of distributions `[N, C]`; −1 where no single class has the most votes."""
    return np.where(truth.max(1) == 1, truth.argmax(1), -1)
