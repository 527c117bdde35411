"""One expert for each encoder and one for all together; a gate says how much each expert counts.

A mixture of experts (Jacobs et al. 1991, "Adaptive Mixtures of Local Experts"). That one expert
gets one encoder, and another gets all of them, is our design: where voice or words mislead, or
where they mean something only together, the gate can turn to the right expert. The linear output
layer turns the mean of the experts' vectors into the mean of their logits.

Parameters for 768 + 128 dims at the defaults (hidden 256) and 6 classes: 463,753 with the output
layer.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field
from torch import Tensor, nn

from multimodal_ser.features.pooling import Pool, Pooling, width
from multimodal_ser.types import Features


class Fusion(nn.Module):
    """pool; an expert is Linear → ReLU; their mean by a softmax gate; Dropout: `[B, hidden]`.

    The experts are those of the encoders, in order, and then the joint one, which a single encoder
    does not need. The expert of a missing encoder does not count. The joint expert always counts,
    and gets zeros for what is missing.
    """

    def __init__(
        self,
        dims: Mapping[str, int],
        *,
        hidden: Annotated[int, Field(gt=0)] = 256,
        dropout: Annotated[float, Field(ge=0, lt=1)] = 0.5,
        pool: Pooling = "mean",
    ) -> None:
        super().__init__()
        widths = {name: width(pool, dims[name]) for name in sorted(dims)}
        self.pools = nn.ModuleDict({name: Pool(pool, dims[name]) for name in widths})
        sizes = list(widths.values()) + ([sum(widths.values())] if len(widths) > 1 else [])
        self.experts = nn.ModuleList(nn.Linear(wide, hidden) for wide in sizes)
        self.gate = nn.Linear(sum(widths.values()), len(sizes)) if len(widths) > 1 else None
        self.dropout = nn.Dropout(dropout)
        self.out_dim = hidden

    def forward(self, features: Mapping[str, Features]) -> Tensor:
        inputs = self._heard(features)
        answers = [expert(x) for expert, x in zip(self.experts, inputs, strict=True)]
        shares = self._shares(features, inputs[-1]).unsqueeze(-1)
        return self.dropout((shares * torch.relu(torch.stack(answers, dim=1))).sum(1))

    @torch.no_grad()
    def explain(self, features: Mapping[str, Features]) -> dict[str, Tensor]:
        """Expert → its weight `[B]`; the weights sum to 1.

        The joint expert is named like `audio+text`.
        """
        shares = self._shares(features, self._heard(features)[-1])
        names = [*self.pools, *(["+".join(self.pools)] if self.gate is not None else [])]
        return dict(zip(names, shares.unbind(1), strict=True))

    @staticmethod
    def search_space() -> dict[str, Any]:
        return {"hidden": [128, 256, 512], "dropout": {"low": 0.0, "high": 0.7}}

    def _heard(self, features: Mapping[str, Features]) -> list[Tensor]:
        """What each expert is given; the last hears everything."""
        pooled = [pool(features[name]) for name, pool in self.pools.items()]
        return [*pooled, torch.cat(pooled, dim=1)] if self.gate is not None else pooled

    def _shares(self, features: Mapping[str, Features], everything: Tensor) -> Tensor:
        """`[B, experts]`: a softmax over the experts that count."""
        there = [features[name].present for name in self.pools]
        if self.gate is None:
            return there[0].unsqueeze(1).to(everything.dtype)
        asked = torch.stack([*there, torch.ones_like(there[0])], dim=1)
        return self.gate(everything).masked_fill(~asked, float("-inf")).softmax(1)


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"hidden": 16}
