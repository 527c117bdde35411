"""Hidden states of BETO or any other pre-trained text model, by hub name or folder."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.encoders import _finetune, _hf, _tokens, _weights
from multimodal_ser.features.encoders._finetune import Learning
from multimodal_ser.features.pooling import Pool, width
from multimodal_ser.types import Features, Finetune, Input

Pools = Literal["none", "mean", "mean_std", "max", "cls", "attention"]
_FRAMES = ("none", "attention")


class Encoder(nn.Module):
    """Hidden states of the tokens `[B, T, D]`, or pooled `[B, 1, D]` (`mean_std`: 2 D).

    The frames are all tokens except padding, and `mean`, `mean_std` and `max` are taken over them.
    The special tokens ([CLS], [SEP]) are included, as in most papers that average the last hidden
    states. `cls` is the first token. The model's own pooler is never used, since it is random in
    many checkpoints. layer: 0 is the embeddings, negative numbers count from the end, `weighted` is
    all layers. max_length in tokens, special tokens included; None is the model's own limit.
    precision: bf16 computes in half the bits where that is safe; rows then depend on their batch by
    up to 1e-2. learning: the part that learns; None means that all is frozen.
    """

    modality = "text"
    VERSION = 2
    TUNABLE = True
    VALUE_LIBRARIES = ("transformers", "tokenizers", "torch")
    BATCH = (64, 4500)
    ACCELERATED = (512, 2**17)  # characters

    def __init__(
        self,
        learning: Finetune | None = None,
        *,
        model: str = "dccuchile/bert-base-spanish-wwm-cased",
        revision: str | None = None,
        layer: _hf.Layer = "last",
        pool: Pools = "mean",
        max_length: Annotated[int, Field(gt=0)] | None = None,
        precision: Literal["fp32", "bf16"] = "fp32",
    ) -> None:
        super().__init__()
        self.tokenizer, self.network = _tokens.load(model, revision)
        self.max_length = _tokens.longest(model, self.tokenizer, self.network, max_length)
        self.layers = self.network.config.num_hidden_layers + 1
        self.chosen = _hf.layer_index(layer, self.layers)
        self.pool = pool
        self.precision = precision
        self.learning: Learning | None = None
        if learning:
            needed, unread = _finetune.parted(_finetune.blocks(self.network), self.chosen)
            self.learning = Learning(self.network, needed, learning, unread)
        else:
            _hf.lighten(self.network, torch.bfloat16 if precision == "bf16" else None)
        size = self.network.config.hidden_size
        self.over_time: Pool | None = None
        self.dim = size
        if pool == "mean" or pool == "mean_std" or pool == "max":
            self.over_time = Pool(pool, size)
            self.dim = width(pool, size)
        self.takes = set(inspect.signature(self.network.forward).parameters)

    @staticmethod
    def stored(options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the stored features.

        Pooled features are stored for all layers, so that one pass serves each layer. Frames are
        stored for the one layer.
        """
        return _hf.stored_options(options)

    @staticmethod
    def weights_hash(options: Mapping[str, Any]) -> str:
        """The hash of the weights that compute the features, whatever their path."""
        return _weights.of_model(options["model"], options["revision"])

    @staticmethod
    def missing(options: Mapping[str, Any]) -> list[str]:
        """Messages about what the user must fetch first, with the command that does it."""
        return _weights.missing(options["model"], options["revision"])

    @property
    def mixed(self) -> int:
        """How many layers the features hold for mixing; 0 where they hold one layer."""
        return self.layers if self.chosen is None else 0

    def train(self, mode: bool = True) -> Encoder:
        super().train(mode)
        if self.learning:
            self.learning.train(mode)
        return self

    def prepare(self, inputs: Sequence[Input]) -> dict[str, Tensor]:
        """input_ids and attention_mask `[B, T]`, padded at the right; present `[B]`."""
        return _tokens.prepared(self.tokenizer, inputs, self.max_length, self.takes)

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor,
        present: Tensor,
        token_type_ids: Tensor | None = None,
    ) -> Features:
        tokens = {"input_ids": input_ids, "attention_mask": attention_mask}
        if token_type_ids is not None:
            tokens["token_type_ids"] = token_type_ids
        parts, order, frames = [], [], self.pool in _FRAMES
        mask = attention_mask.bool() & present.unsqueeze(1)
        for rows, longest in _tokens.alike(attention_mask.sum(1).tolist(), input_ids.device):
            states = self._states({key: ids[rows, :longest] for key, ids in tokens.items()})
            pooled = [self._pooled(state.float(), mask[rows, :longest]) for state in states]
            missing = mask.shape[1] - longest if frames else 0
            parts.append(nn.functional.pad(torch.stack(pooled, dim=1), (0, 0, 0, missing)))
            order += rows
        x = torch.cat(parts)[torch.tensor(order, device=input_ids.device).argsort()]
        mask = mask if frames else mask.any(1, keepdim=True)
        return Features(x if self.chosen is None else x[:, 0], mask)

    def _states(self, tokens: dict[str, Tensor]) -> list[Tensor]:
        """The hidden states of the chosen layers, each `[B, T, D]`."""
        last = self.chosen == self.layers - 1
        if self.learning:  # the learner sets the precision
            return self._select(self.network(**tokens, output_hidden_states=not last))
        half = self.precision == "bf16"
        with torch.autocast(tokens["input_ids"].device.type, torch.bfloat16, enabled=half):
            return self._select(self.network(**tokens, output_hidden_states=not last))

    def remarks(self, inputs: Sequence[Input]) -> list[str]:
        """A remark for each text; it is not empty where the text is longer than the model reads."""
        if self.max_length is None:
            return [""] * len(inputs)
        return _tokens.truncated(self.tokenizer, _tokens.texts_of(inputs)[0], self.max_length)

    def _select(self, output: Any) -> list[Tensor]:
        """The chosen layers, each `[B, T, D]`; the last layer is the model's final output."""
        if self.chosen == self.layers - 1:
            return [output.last_hidden_state]
        layers = [*output.hidden_states[:-1], output.last_hidden_state]
        return layers if self.chosen is None else [layers[self.chosen]]

    def _pooled(self, x: Tensor, mask: Tensor) -> Tensor:
        """`[B, T, D]` → `[B, T or 1, dim]`, zeros where the mask is False."""
        if self.over_time is not None:
            return self.over_time(Features(x, mask)).unsqueeze(1)
        x = x.masked_fill(~mask.unsqueeze(-1), 0.0)
        return x[:, :1] if self.pool == "cls" else x


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options for a random BERT and its tokenizer, which this function writes."""
    _tokens.write_tiny(folder / "tiny-bert")
    return {"model": str(folder / "tiny-bert")}
