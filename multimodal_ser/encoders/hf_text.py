"""BETO or any other pre-trained text model, by its hub name or its folder: hidden states."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.encoders import _tokens
from multimodal_ser.pooling import Pool, width
from multimodal_ser.types import ConfigError, Features, Input

Pools = Literal["none", "mean", "mean_std", "max", "cls", "attention"]
_FRAMES = ("none", "attention")


class Encoder(nn.Module):
    """Hidden states of the tokens `[B, T, D]`, or pooled `[B, 1, D]` (`mean_std`: 2 D).

    The frames, and so `mean`, `mean_std` and `max`, are of all tokens but padding, the special
    ones ([CLS], [SEP]) included: what "the last hidden states, averaged" means in most papers.
    `cls` is the first token. The model's own pooler is never used, as many checkpoints leave it
    random. layer: 0 is the embeddings, negative ones count from the end, `weighted` gives all.
    max_length in tokens with the special ones, None: all that the model takes. precision: bf16
    computes in half the bits where that is safe, and is then equal in a batch to 1e-2 only.
    """

    modality = "text"
    VERSION = 1
    VALUE_LIBRARIES = ("transformers", "tokenizers", "torch")
    BATCH = (64, 3000)

    def __init__(
        self,
        *,
        model: str = "dccuchile/bert-base-spanish-wwm-cased",
        revision: str | None = None,
        layer: int | Literal["last", "weighted"] = "last",
        pool: Pools = "mean",
        max_length: Annotated[int, Field(gt=0)] | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        super().__init__()
        self.tokenizer, self.network = _tokens.load(model, revision)
        self.max_length = _tokens.longest(model, self.tokenizer, self.network, max_length)
        self.layer = layer
        self.pool = pool
        self.precision = precision
        self.layers = self.network.config.num_hidden_layers + 1
        if isinstance(layer, int) and not -self.layers <= layer < self.layers:
            raise ConfigError(
                f"layer: {layer} is outside {-self.layers} … {self.layers - 1}, which '{model}' has"
            )
        size = self.network.config.hidden_size
        self.over_time = Pool(pool) if pool in ("mean", "mean_std", "max") else None
        self.dim = width(self.over_time.kind, size) if self.over_time else size
        self.takes = set(inspect.signature(self.network.forward).parameters)

    @staticmethod
    def stored(options: Mapping[str, Any]) -> dict[str, Any]:
        """Pooled: the table of all layers, so that each costs one pass; frames: the one layer."""
        if options["pool"] in _FRAMES:
            return {**options, "pool": "none"}
        return {**options, "layer": "weighted"}

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """input_ids and attention_mask `[B, T]`, padded at the right; present `[B]`."""
        texts, present = _tokens.texts_of(list(inputs))
        tokens = self.tokenizer(
            texts,
            padding=True,
            truncation=self.max_length is not None,
            max_length=self.max_length,
            return_tensors="pt",
        )
        return {key: tokens[key] for key in tokens if key in self.takes} | {"present": present}

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        present: Tensor,
        token_type_ids: Tensor | None = None,
    ) -> Features:
        kinds = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        half = self.precision == "bf16"
        with torch.autocast(input_ids.device.type, torch.bfloat16, enabled=half):
            said = self.network(
                input_ids=input_ids,
                attention_mask=attention_mask,
                output_hidden_states=self.layer != "last",
                **kinds,
            )
        mask = attention_mask.bool() & present.unsqueeze(1)
        pooled = [self._pooled(one.float(), mask) for one in self._chosen(said)]
        x = torch.stack(pooled, dim=1) if self.layer == "weighted" else pooled[0]
        return Features(x, mask if self.pool in _FRAMES else mask.any(1, keepdim=True))

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """Which texts are longer than the model reads."""
        texts, _ = _tokens.texts_of(list(inputs))
        most = self.max_length
        counts = [len(one) for one in self.tokenizer(texts, verbose=False)["input_ids"]]
        remark = f"truncated to {most} tokens"
        return [remark if most is not None and count > most else "" for count in counts]

    def _chosen(self, said: Any) -> list[Tensor]:
        """The layers asked for, each `[B, T, D]`; the last one as the model gives it out."""
        if self.layer == "last":
            return [said.last_hidden_state]
        layers = [*said.hidden_states[:-1], said.last_hidden_state]
        return layers if self.layer == "weighted" else [layers[int(self.layer)]]

    def _pooled(self, x: Tensor, mask: Tensor) -> Tensor:
        """`[B, T, D]` → `[B, T or 1, dim]`, zeros where the mask is False."""
        if self.over_time is not None:
            return self.over_time(Features(x, mask)).unsqueeze(1)
        x = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        return x[:, :1] if self.pool == "cls" else x


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once: a random BERT and its tokenizer, which this writes."""
    _tokens.write_tiny(folder / "tiny-bert")
    return {"model": str(folder / "tiny-bert")}
