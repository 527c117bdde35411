"""Gradient steps on whole batches, which may be divided into pieces and processes."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from multimodal_ser.distributed import World, refuse_batch_norm
from multimodal_ser.features.batches import Batch, Dataset
from multimodal_ser.training.learners._optimizer import Optimizer, Rates, build
from multimodal_ser.training.losses import BATCHWISE, Loss
from multimodal_ser.types import ConfigError, DivergedError, Features, MserError

HALVES = {"bf16": torch.bfloat16, "fp16": torch.float16}


class Steps:
    """The steps of one training.

    The gradient of a piece is that of the loss over the whole batch, in which the outputs of all
    other rows are constants. So the pieces of all processes sum up to the gradient of the batch.
    """

    def __init__(
        self,
        model: Any,
        losses: Mapping[str, tuple[Loss, float]],
        settings: Optimizer,
        steps: int,
        together: World,
    ) -> None:
        self.model = model
        self.losses = losses
        self.settings = settings
        self.together = together
        self.device = next(model.parameters()).device
        if settings.precision == "fp16" and self.device.type == "cpu":
            raise ConfigError("precision fp16 needs a GPU; bf16 works on every device")
        if settings.accumulate > 1:
            refuse_batch_norm(model, "pieces of a batch")
        self.wrapped = together.wrap(model)
        self.optimizer = build(settings, model)
        self.rates = Rates(self.optimizer, settings.schedule, steps)
        self.learning = [parameter for parameter in model.parameters() if parameter.requires_grad]
        self.scaler = torch.amp.GradScaler(  # pyright: ignore[reportPrivateImportUsage]
            self.device.type, enabled=settings.precision == "fp16"
        )
        self.pieces = settings.accumulate
        self.taken = 0

    def batches(self, data: Dataset, order: Tensor, size: int, epoch: int) -> Iterator[Batch]:
        """This process's share of each batch; rows that only fill a batch up have no weight."""
        made = self._made(data, order, size, epoch)
        return made if self.device.type == "cpu" else ahead(made)

    def _made(self, data: Dataset, order: Tensor, size: int, epoch: int) -> Iterator[Batch]:
        for rows in _split(order, size, data.lengths is not None):
            mine, fillers = self.together.share(rows)
            batch = data.batch(mine, epoch)
            if self.together.size > 1:
                weights = torch.ones(len(mine)) if batch.weights is None else batch.weights.clone()
                weights[len(mine) - fillers :] = 0.0
                batch = replace(batch, weights=weights)
            yield batch if self.device.type == "cpu" else batch.to(self.device)

    def take(self, batch: Batch, epoch: int) -> float:
        """One step; returns the loss before it. DivergedError where a number is not finite."""
        self.rates.set(self.taken)
        loss = self._learn(batch)
        self.scaler.unscale_(self.optimizer)  # pyright: ignore[reportArgumentType]
        norm = nn.utils.get_total_norm(
            [parameter.grad for parameter in self.learning if parameter.grad is not None]
        )
        value, length = torch.stack([loss, norm.to(loss)]).tolist()  # an accelerator waits once
        if not math.isfinite(value) or not (math.isfinite(length) or self.scaler.is_enabled()):
            raise self._divergence(batch, epoch, value, length)
        if length > (self.settings.clip or math.inf):
            nn.utils.clip_grads_with_norm_(self.learning, self.settings.clip or math.inf, norm)
        self.scaler.step(self.optimizer)  # pyright: ignore[reportArgumentType]
        self.scaler.update()
        self.taken += 1
        return value

    def said(self, batch: Batch, model: nn.Module | None = None) -> dict[str, Tensor]:
        """The outputs of the model, in 32 bits."""
        half = HALVES.get(self.settings.precision)
        context = torch.autocast(self.device.type, half) if half else nullcontext()
        with context:
            logits = (model or self.model)(batch.features)
        return logits if half is None else {name: values.float() for name, values in logits.items()}

    def _learn(self, batch: Batch) -> Tensor:
        """The gradient of a batch; in smaller pieces from now on if memory runs out."""
        while True:
            self._forget()
            try:
                if self.pieces == 1 and self.together.size == 1:
                    return self._whole(batch)
                return self._in_pieces(batch)
            except torch.OutOfMemoryError as error:
                self._halve(len(batch), error)

    def _forget(self) -> None:
        """As `zero_grad`, without its bookkeeping, which would slow a small head down."""
        for parameter in self.learning:
            parameter.grad = None

    def _whole(self, batch: Batch) -> Tensor:
        loss = self._loss(self.said(batch), batch.targets, batch.weights)
        self.scaler.scale(loss).backward()
        return loss.detach()

    def _in_pieces(self, batch: Batch) -> Tensor:
        truth = {name: self.together.gather(target) for name, target in batch.targets.items()}
        weights = None if batch.weights is None else self.together.gather(batch.weights)
        first, size = self.together.rank * len(batch), -(-len(batch) // self.pieces)
        pieces = torch.arange(len(batch), device=self.device).split(size)
        others = self._others(batch, pieces)
        pieces_said = []
        for piece in pieces:
            with self.together.waiting(self.wrapped, piece is pieces[-1]):
                logits = self.said(batch.cut(piece), self.wrapped)
                whole = {
                    name: _put(
                        values, others.get(name), first + piece, len(batch) * self.together.size
                    )
                    for name, values in logits.items()
                }
                loss = self._loss(whole, truth, weights) * self.together.size
                self.scaler.scale(loss).backward()
            pieces_said.append({name: values.detach() for name, values in logits.items()})
        return self._loss(self._joined(pieces_said), truth, weights)

    def _others(self, batch: Batch, pieces: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """The outputs of all rows, where a loss needs them for each row."""
        names = {getattr(loss, "__name__", "") for loss, _ in self.losses.values()}
        if not names & {*BATCHWISE}:
            return {}
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(devices):  # the same dropout comes again
            return self._joined([self.said(batch.cut(piece)) for piece in pieces])

    def _joined(self, pieces_said: list[dict[str, Tensor]]) -> dict[str, Tensor]:
        return {
            name: self.together.gather(
                torch.cat([piece_logits[name] for piece_logits in pieces_said])
            )
            for name in pieces_said[0]
        }

    def _loss(
        self, logits: Mapping[str, Tensor], truth: Mapping[str, Tensor], weights: Tensor | None
    ) -> Tensor:
        parts = [
            weight * loss(logits[name], truth[name], weights)
            for name, (loss, weight) in self.losses.items()
        ]
        return parts[0] if len(parts) == 1 else torch.stack(parts).sum()

    def _halve(self, rows: int, error: torch.OutOfMemoryError) -> None:
        if self.pieces >= rows or self.together.size > 1:
            raise MserError(
                f"the memory of {self.device} does not suffice for {-(-rows // self.pieces)} "
                "utterances at a time; set learner.optimizer.accumulate, crop, or take a smaller "
                f"model ({str(error).partition('. ')[0]})"
            ) from None
        refuse_batch_norm(self.model, "pieces of a batch (the memory does not suffice for a whole)")
        self._forget()
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        self.pieces *= 2
        print(f"out of memory: batches are cut into {self.pieces} pieces now", file=sys.stderr)

    def _divergence(self, batch: Batch, epoch: int, value: float, length: float) -> DivergedError:
        """The error, with the rows that caused it, where that can be seen."""
        where = f"in step {self.taken} (epoch {epoch})"
        strange = _strange(batch)
        if strange.any():
            return DivergedError(f"features are NaN or infinite {where}", _rows(batch, strange))
        with torch.no_grad():
            logits = torch.cat(list(self.said(batch).values()), dim=1)
        lost = ~logits.isfinite().all(1)
        what = f"the gradient's length became {length}" if math.isfinite(value) else ""
        return DivergedError(
            f"{what or f'the loss became {value}'} {where}; lower the learning rate, or clip",
            _rows(batch, lost if lost.any() else torch.ones_like(lost)),
        )


def ahead(batches: Iterator[Batch]) -> Iterator[Batch]:
    """A batch is read and prepared in a thread while an accelerator learns from the one before."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, batches, None)
        while (batch := waiting.result()) is not None:
            waiting = thread.submit(next, batches, None)
            yield batch


def _split(order: Tensor, size: int, live: bool) -> list[Tensor]:
    """Batches; where encoders learn, no batch has a single row, which batch norm cannot use."""
    batches = list(order.split(size))
    if live and len(batches) > 1 and len(batches[-1]) == 1:
        batches[-2:] = [torch.cat(batches[-2:])]
    return batches


def _put(logits: Tensor, others: Tensor | None, places: Tensor, rows: int) -> Tensor:
    """The outputs of a piece at its places among all rows `[rows, C]`; the others are constants."""
    whole = logits.new_zeros(rows, logits.shape[1]) if others is None else others
    return whole.index_copy(0, places, logits)


def _strange(batch: Batch) -> Tensor:
    """`[B]` bool: the rows that were not finite before they reached the model."""
    strange = torch.zeros(len(batch), dtype=torch.bool, device=batch.rows.device)
    for given in batch.features.values():
        tensors = [given.x] if isinstance(given, Features) else given.values()
        for tensor in tensors:
            if tensor.is_floating_point():
                strange |= ~tensor.flatten(1).isfinite().all(1)
    return strange


def _rows(batch: Batch, chosen: Tensor) -> list[int]:
    return batch.rows[chosen].tolist()
