"""The logits of a text model that was fine-tuned for emotion and has its own head."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders import _classifier, _finetune, _hf, _tokens, _weights
from multimodal_ser.types import Features, Finetune, Input


class Encoder(nn.Module):
    """Logits `[B, 1, K]` of the K labels of a text-classification checkpoint.

    model, revision: hub name or folder, and branch, tag or commit. max_length in tokens, special
    tokens included; None is the model's own limit. more_labels: new labels, which the head must
    learn. learning: the part that learns besides the head; None means all is frozen.
    """

    modality = "text"
    VERSION = 1
    TUNABLE = True
    VALUE_LIBRARIES = ("transformers", "tokenizers", "torch")
    BATCH = (64, 4500)
    ACCELERATED = (512, 2**17)  # characters
    labels = staticmethod(_classifier.labels_of)

    def __init__(
        self,
        learning: Finetune | None = None,
        *,
        model: str,
        revision: str | None = None,
        max_length: Annotated[int, Field(gt=0)] | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
        more_labels: tuple[str, ...] = (),
    ) -> None:
        super().__init__()
        kind = "AutoModelForSequenceClassification"
        self.tokenizer, self.network = _tokens.load(model, revision, kind)
        self.max_length = _tokens.longest(model, self.tokenizer, self.network, max_length)
        self.takes = set(inspect.signature(self.network.forward).parameters)
        body = self.network.base_model
        layers = _finetune.blocks(body)
        self.learning = _classifier.settle(self.network, body, layers, more_labels, learning)
        self.precision = precision
        if not self.learning:
            _hf.lighten(self.network, torch.bfloat16 if precision == "bf16" else None)
        self.dim: int = self.network.config.num_labels

    @staticmethod
    def weights_hash(options: Mapping[str, Any]) -> str:
        """The hash of the weights that compute the features, whatever their path."""
        return _weights.of_model(options["model"], options["revision"])

    @staticmethod
    def missing(options: Mapping[str, Any]) -> list[str]:
        """Messages about what the user must fetch first, with the command that does it."""
        return _weights.missing(options["model"], options["revision"])

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        if self.learning:
            self.learning.train(mode)
        return self

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """input_ids and attention_mask `[B, T]`, padded at the right; present `[B]`."""
        return _tokens.prepared(self.tokenizer, inputs, self.max_length, self.takes)

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """A remark for each text; it is not empty where the text is longer than the model reads."""
        if self.max_length is None:
            return [""] * len(inputs)
        return _tokens.truncated(self.tokenizer, _tokens.texts_of(inputs)[0], self.max_length)

    def forward(self, present: Tensor, **tokens: Tensor) -> Features:
        lengths, order, parts = tokens["attention_mask"].sum(1).tolist(), [], []
        for rows, longest in _tokens.alike(lengths, present.device):
            group = {key: ids[rows, :longest] for key, ids in tokens.items()}
            half = self.precision == "bf16" and not self.learning
            with torch.autocast(present.device.type, torch.bfloat16, enabled=half):
                parts.append(self.network(**group).logits.float())
            order += rows
        x = torch.cat(parts)[torch.tensor(order, device=present.device).argsort()]
        return Features(x.unsqueeze(1), present.unsqueeze(1))


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options for a random BERT with a head for four emotions, which this function writes."""
    _tokens.write_tiny(folder / "tiny-classifier", labels=("anger", "joy", "neutral", "sadness"))
    return {"model": str(folder / "tiny-classifier")}
