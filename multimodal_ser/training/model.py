"""The model that is trained: absent vectors, a fusion, one output head a target."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import torch
from torch import Tensor, nn

from multimodal_ser.features.batches import Given
from multimodal_ser.features.pooling import Attention
from multimodal_ser.types import ConfigError, Features, MissingError

MERGES = ("mean", "max", "weights", "product")
_ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


class Model(nn.Module):
    """features → logits `[B, C]` for each target.

    dims: encoder → D. absent: the encoders that miss some training rows; each gets a learned
    vector that stands in for it. layers: encoder → L, where all layers are given and their mix is
    learned; attended: the encoders whose frames a learned query pools before the fusion;
    modalities: encoder → what it reads, by which `groups` of encoders go missing together;
    encoders: those that learn, which are called with what was prepared for them. A fusion with a
    `merge` decides per encoder and needs no absent vectors: its `[B, M, H]` goes through the heads
    one encoder at a time, and the probabilities of those present are merged.

    dropout: the share of training rows that lose one of their modalities in a step. rates: encoder
    that learns → its own learning rate, None for the learner's. multiple: the targets of which
    several labels may be true.
    """

    def __init__(
        self,
        fusion: nn.Module,
        heads: Mapping[str, nn.Module],
        dims: Mapping[str, int],
        absent: Collection[str] = (),
        *,
        layers: Mapping[str, int] | None = None,
        attended: Collection[str] = (),
        modalities: Mapping[str, str] | None = None,
        encoders: Mapping[str, nn.Module] | None = None,
    ) -> None:
        super().__init__()
        self.dims = dict(dims)
        self.dropout = 0.0
        self.rates: dict[str, float | None] = {}
        self.multiple: frozenset[str] = frozenset()
        kinds = {name: (modalities or {}).get(name, name) for name in sorted(dims)}
        self.groups = [
            [name for name, own in kinds.items() if own == kind]
            for kind in sorted({*kinds.values()})
        ]
        self.encoders = nn.ModuleDict(encoders or {})
        self.mixes = nn.ModuleDict(
            {name: LayerMix(count) for name, count in (layers or {}).items()}
        )
        self.pools = nn.ModuleDict({name: Attention(dims[name]) for name in sorted(attended)})
        self.fusion = fusion
        self.heads = nn.ModuleDict(heads)
        self.merge: str | None = getattr(fusion, "merge", None)
        if self.merge not in (None, *MERGES):
            raise ConfigError(f"a fusion merges by one of {', '.join(MERGES)}, not '{self.merge}'")
        names = sorted(absent) if self.merge is None else []
        self.absent = nn.ParameterDict(
            {name: nn.Parameter(torch.randn(dims[name]) * 0.02) for name in names}
        )

    def forward(self, given: Mapping[str, Given]) -> dict[str, Tensor]:
        features = {name: self._encoded(name, given[name]) for name in sorted(given)}
        if self.training and self.dropout:
            features = thinned(features, self.groups, self.dropout)
        ordered = {name: self._one(name, part) for name, part in features.items()}
        if self.merge is None:
            fused = self.fusion({name: self._stand_in(name, ordered[name]) for name in ordered})
            return {target: head(fused) for target, head in self.heads.items()}
        present = torch.stack([part.present for part in ordered.values()], dim=1)
        fused = self.fusion(ordered)
        return {
            target: self._merged(target, head(fused), present)
            for target, head in self.heads.items()
        }

    def _merged(self, target: str, outputs: Tensor, present: Tensor) -> Tensor:
        merging = merge_numbers if outputs.shape[-1] == 1 else merge
        merging = merge_labels if target in self.multiple else merging
        return merging(
            outputs, present, self.merge or "mean", getattr(self.fusion, "weights", None)
        )

    def learned(self) -> dict[str, Tensor]:
        """The state without the weights that a pre-trained encoder keeps as they were loaded."""
        still = {
            f"encoders.{name}.{path}"
            for name, encoder in self.encoders.items()
            for path, parameter in encoder.named_parameters()
            if encoder.TUNABLE and not parameter.requires_grad
        }
        return {
            name: parameter for name, parameter in self.state_dict().items() if name not in still
        }

    def load_learned(self, state: Mapping[str, Tensor]) -> None:
        """Load what `learned` gave; all other weights stay as they are."""
        self.load_state_dict({**self.state_dict(), **state})

    def _encoded(self, name: str, given: Given) -> Features:
        return given if isinstance(given, Features) else self.encoders[name](**given)

    def _one(self, name: str, part: Features) -> Features:
        """The features of one encoder, with layers mixed and frames pooled where it asks."""
        if name in self.mixes:
            part = self.mixes[name](part)
        return self.pools[name](part) if name in self.pools else part

    def _stand_in(self, name: str, part: Features) -> Features:
        """The features; each missing row becomes one frame, the learned vector of its encoder."""
        if part.mask[:, 0].all():
            return part  # the usual case, seen at a glance
        missing = ~part.present
        if not missing.any():
            return part
        if name not in self.absent:
            raise MissingError(
                f"'{name}' is missing for {int(missing.sum())} utterances, and this model has "
                "never been trained without it"
            )
        first = torch.zeros_like(part.mask)
        first[:, 0] = missing
        x = torch.where(missing[:, None, None], self.absent[name].expand_as(part.x), part.x)
        return Features(x, part.mask | first)


def thinned(
    features: Mapping[str, Features], groups: Sequence[Sequence[str]], share: float
) -> dict[str, Features]:
    """Features that lose one group of encoders, drawn at random, in a share of the rows.

    A row never loses all of several groups. Where there is one group only, it may go, and the model
    learns what to say then.
    """
    present = torch.stack(
        [torch.stack([features[name].present for name in group]).any(0) for group in groups], 1
    )
    lot = torch.rand(present.shape).to(present.device).masked_fill(~present, -1.0).argmax(1)
    chosen = (torch.rand(len(present)) < share).to(present.device)
    spare = present.sum(1) > (len(groups) > 1)
    lost = torch.where(chosen & spare, lot, -1)
    return {
        name: Features(features[name].x, features[name].mask & (lost != at).unsqueeze(1))
        for at, group in enumerate(groups)
        for name in sorted(group)
    }


class LayerMix(nn.Module):
    """Softmax weights over layers, learned with the head: x `[B, L, T, D]` → `[B, T, D]`."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self.weights = nn.Parameter(torch.zeros(layers))

    def forward(self, features: Features) -> Features:
        shares = torch.softmax(self.weights, dim=0)
        return Features(torch.einsum("l,bltd->btd", shares, features.x), features.mask)


def head(
    width: int,
    classes: int,
    hidden: int | None = 0,
    activation: str = "relu",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
) -> nn.Module:
    """The output layers `[…, width]` → `[…, classes]`, with a hidden layer unless `hidden` is 0.

    A `hidden` of None is as wide as the input.
    """
    if hidden == 0:
        return nn.Linear(width, classes)
    between = hidden or width
    return nn.Sequential(
        *([nn.Dropout(input_dropout)] if input_dropout else []),
        nn.Linear(width, between),
        _ACTIVATIONS[activation](),
        nn.Dropout(dropout),
        nn.Linear(between, classes),
    )


def merge(logits: Tensor, present: Tensor, how: str, weights: Tensor | None = None) -> Tensor:
    """One decision from several: logits `[B, M, C]`, present `[B, M]` → log-probabilities `[B, C]`.

    `mean`, `max` and `weights` act on probabilities, `product` on their logarithms (a product of
    experts, geometric mean); weights are a softmax over the encoders present.
    """
    present = present | ~present.any(1, keepdim=True)  # nothing there: the heads of silence
    here = present.unsqueeze(-1)
    logs = torch.log_softmax(logits, dim=-1)
    if how == "product":
        total = (logs * here).sum(1) / here.sum(1).clamp(min=1)
        return torch.log_softmax(total, dim=-1)
    if how == "max":
        return torch.log_softmax(logs.masked_fill(~here, float("-inf")).amax(1), dim=-1)
    return torch.logsumexp(logs + _shares(present, weights, logits).unsqueeze(-1), dim=1)


def merge_numbers(
    numbers: Tensor, present: Tensor, how: str, weights: Tensor | None = None
) -> Tensor:
    """The mean over the encoders that are present, with weights if given: `[B, M, 1]` → `[B, 1]`.

    Numbers have no probabilities, so there is no maximum and no product.
    """
    present = present | ~present.any(1, keepdim=True)
    return (numbers * _shares(present, weights, numbers).exp().unsqueeze(-1)).sum(1)


def _shares(present: Tensor, weights: Tensor | None, like: Tensor) -> Tensor:
    """Logarithm of how much each encoder counts `[B, M]`, −inf where it is missing."""
    preference = like.new_zeros(present.shape[1]) if weights is None else weights
    return torch.log_softmax(preference.masked_fill(~present, float("-inf")), dim=1)


def merge_labels(
    logits: Tensor, present: Tensor, how: str, weights: Tensor | None = None
) -> Tensor:
    """As `merge`, with a separate decision for each label: logits `[B, M, C]` → logits `[B, C]`."""
    coins = torch.stack([logits, torch.zeros_like(logits)], dim=-1)  # is one, is none
    merged = [merge(coin, present, how, weights) for coin in coins.unbind(2)]
    return torch.stack([coin[:, 0] - coin[:, 1] for coin in merged], dim=1)
