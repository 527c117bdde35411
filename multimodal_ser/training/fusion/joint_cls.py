"""One frame stands for each encoder and asks the others' frames: for two networks tuned together.

After Siriwardhana et al. 2020 ("Jointly Fine-Tuning 'BERT-like' Self Supervised Models to Improve
Multimodal Speech Emotion Recognition"). coattention: the CLS token of one network asks all frames
of the other, what it finds is added to it, and so for each ordered pair. concat: the CLS tokens
side by side, a shallow fusion which can do better, as they report. There is no hidden layer: the
networks that are tuned are the model. Which encoder has a CLS token, a fusion cannot know: the
first frame of a speech model is only the first, and `summary: mean` may say more.

Their attention is as wide as the token that asks, with 16 heads; ours is `hidden` wide, and the
result as wide as the token, so that any widths go together.

Parameters for 768 + 128 dims at the defaults (hidden 768, 16 heads) and 6 classes: 2,761,862 with
the output layer; 5,382 with concat, all of them the output layer's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import permutations
from pathlib import Path
from typing import Annotated, Any, Literal

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.pooling import mean
from multimodal_ser.training.fusion._attention import Attention, check_heads, silenced
from multimodal_ser.types import Features

Positive = Annotated[int, Field(gt=0)]


class Fusion(nn.Module):
    """A summary of each encoder `[B, D]`, and what it finds in another; concat → Dropout.

    `[B, sum of the widths]`, with co-attention once for every other encoder. An encoder alone is
    its summary. summary: the first valid frame, or the mean of all. hidden, heads: of the
    attention. One that is missing adds zeros, whether it asks or answers.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        how: Literal["coattention", "concat"] = "coattention",
        summary: Literal["first", "mean"] = "first",
        hidden: Positive = 768,
        heads: Positive = 16,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.1,
    ) -> None:
        super().__init__()
        if how == "coattention":
            check_heads(hidden, heads)
        self.names = sorted(dims)
        self.pairs = list(permutations(self.names, 2)) if how == "coattention" else []
        self.summarise = _first if summary == "first" else mean
        self.attentions = nn.ModuleList(
            Attention(hidden, heads, asks=dims[asking], answers=dims[answering])
            for asking, answering in self.pairs
        )
        self.dropout = nn.Dropout(dropout)
        self.out_dim = sum(dims[asking] for asking, _ in self.pairs) or sum(dims.values())

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        if self.pairs:
            parts = [
                asks.x + attention(asks.x, answers) * asks.mask.unsqueeze(-1)
                for _, attention, asks, answers in self._asked(features)
            ]
        else:
            parts = [self._summary(features[name]).x for name in self.names]
        return self.dropout(torch.cat(parts, dim=2).squeeze(1))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[tuple[str, str], Tensor]:
        """(who asks, who answers) → the weight of each frame that answers `[B, T]`.

        They sum to 1 over the valid ones where both are there, else all are 0. Without
        co-attention there are none.
        """
        return {
            pair: (attention.weights(asks.x, answers) * asks.mask.unsqueeze(-1)).squeeze(1)
            for pair, attention, asks, answers in self._asked(features)
        }

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {
            "how": ["coattention", "concat"],
            "summary": ["first", "mean"],
            "hidden": [256, 768],
            "heads": [4, 8, 16],
            "dropout": {"low": 0.0, "high": 0.5},
        }

    def _asked(self, features: Mapping[str, Features]) -> Iterator[tuple[Any, ...]]:
        """Each pair, its attention, the summary that asks, and the frames that answer."""
        for (asking, answering), attention in zip(self.pairs, self.attentions, strict=True):
            answers = Features(silenced(features[answering]), features[answering].mask)
            yield (asking, answering), attention, self._summary(features[asking]), answers

    def _summary(self, features: Features) -> Features:
        """A single frame `[B, 1, D]`."""
        x = self.summarise(silenced(features), features.mask)
        return Features(x.unsqueeze(1), features.present.unsqueeze(1))


def _first(x: Tensor, mask: Tensor) -> Tensor:
    """The first valid frame of each row `[B, D]`; zeros where none is and x holds zeros."""
    return x[torch.arange(len(x), device=x.device), mask.int().argmax(1)]


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16, "heads": 2}
