"""The plain ways to train: a loop over ready tensors, and `transformers.Trainer`; no area."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import Trainer, TrainingArguments

from multimodal_ser.evaluation import metrics
from multimodal_ser.types import Features

_DEV = 256  # rows of dev at a time, as many as the learner takes


@dataclass(frozen=True)
class Settings:
    """Of both ways; half: the forward pass in bf16."""

    epochs: int
    batch: int
    rate: float
    half: bool = False


@dataclass(frozen=True)
class Ready:
    """Whole tensors, so that a batch is nothing but a choice of rows.

    given: rows → what the model is called with; truth: codes `[N]`.
    """

    given: Callable[[Tensor], dict[str, Any]]
    truth: Tensor


def loop(model: nn.Module, train: Ready, dev: Ready | None, given: Settings) -> None:
    """Fused AdamW, gradients of length 1 at most, NaN stops it, the best epoch on dev is kept."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=given.rate, weight_decay=0.0, fused=True)
    generator = torch.Generator().manual_seed(0)
    most, kept = -math.inf, None
    for _ in range(given.epochs):
        model.train()
        for rows in torch.randperm(len(train.truth), generator=generator).split(given.batch):
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16, enabled=given.half):
                said = model(train.given(rows))["label"]
            loss = cross_entropy(said.float(), train.truth[rows])
            loss.backward()
            length = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            if not math.isfinite(loss.item()) or not math.isfinite(length.item()):
                raise FloatingPointError("the loss or its gradient is not finite")
            optimizer.step()
        if dev is not None and (value := _macro_f1(model, dev)) > most:
            most = value
            kept = {name: one.detach().clone() for name, one in model.state_dict().items()}
    if kept is not None:
        model.load_state_dict(kept)


def _macro_f1(model: nn.Module, dev: Ready) -> float:
    model.eval()
    with torch.inference_mode():
        parts = torch.arange(len(dev.truth)).split(_DEV)
        guess = torch.cat([model(dev.given(rows))["label"].argmax(1) for rows in parts])
    matrix = metrics.confusion_matrix(dev.truth.numpy(), guess.numpy(), int(dev.truth.max()) + 1)
    return float(metrics.macro_f1(matrix))


class Named(nn.Module):
    """A head as Trainer wants it: vectors by name and labels in, loss and logits out."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, audio: Tensor, text: Tensor, labels: Tensor) -> dict[str, Tensor]:
        said = self.model({"audio": one_frame(audio), "text": one_frame(text)})["label"]
        return {"loss": cross_entropy(said, labels), "logits": said}


def one_frame(x: Tensor) -> Features:
    """Vectors `[B, D]` as features `[B, 1, D]`, none missing."""
    return Features(x.unsqueeze(1), torch.ones(len(x), 1, dtype=torch.bool, device=x.device))


def trainer(
    model: nn.Module,
    train: Sequence[Any],
    dev: Sequence[Any] | None,
    home: Path,
    given: Settings,
    *,
    cpu: bool = True,
    keep: bool = False,
    extractor: Any = None,
) -> None:
    """`transformers.Trainer` with the same optimizer and a score after each epoch.

    keep: the best epoch, for which Trainer writes every one of them; else nothing is written.
    extractor: of a speech model, by which its default collator pads each batch to the longest.
    """
    arguments = TrainingArguments(
        output_dir=str(home),
        per_device_train_batch_size=given.batch,
        per_device_eval_batch_size=_DEV,
        num_train_epochs=given.epochs,
        learning_rate=given.rate,
        lr_scheduler_type="constant",
        optim="adamw_torch_fused",
        weight_decay=0.0,
        max_grad_norm=1.0,
        eval_strategy="no" if dev is None else "epoch",
        save_strategy="epoch" if keep else "no",
        save_total_limit=1,
        save_only_model=True,
        load_best_model_at_end=keep,
        metric_for_best_model="macro_f1",
        logging_strategy="no",
        report_to=[],
        disable_tqdm=True,
        remove_unused_columns=False,
        use_cpu=cpu,
        bf16=given.half,
        seed=0,
    )
    data: dict[str, Any] = {"train_dataset": train, "eval_dataset": dev}
    made = Trainer(model, arguments, **data, processing_class=extractor, compute_metrics=_scores)
    made.train()


def _scores(said: Any) -> dict[str, float]:
    classes = said.predictions.shape[1]
    matrix = metrics.confusion_matrix(said.label_ids, said.predictions.argmax(1), classes)
    return {"macro_f1": float(metrics.macro_f1(matrix))}
