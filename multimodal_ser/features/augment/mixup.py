"""Every row a mixture of itself and a random other row of its batch (Zhang et al. 2018)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from multimodal_ser.features.augment._draws import Positive, Share, happens
from multimodal_ser.features.batches import Batch
from multimodal_ser.types import ConfigError, Features

Part = Features | Mapping[str, Tensor]


class Augment:
    """x' = λ x + (1 − λ) x of the partner, and the truth alike: fewer sharp borders are learned.

    alpha: λ ~ Beta(alpha, alpha), a draw a row; small values hardly mix, 1 is uniform. Partners
    are a random permutation of the batch. A row has one λ and one partner for all its encoders,
    its targets and its weight. Frames are mixed where they lie after padding, and the mask is that
    of both. Where a row or its partner lacks a modality or a truth (all zeros for classes, NaN for
    numbers), the row stays as it is, whole. p: share of the batches that are mixed.
    """

    modality = None
    STAGE = "batch"

    def __init__(self, *, alpha: Positive = 0.2, p: Share = 1.0) -> None:
        self.alpha = alpha
        self.p = p

    def __call__(self, batch: Batch, generator: np.random.Generator) -> Batch:
        acts, rows = happens(generator, self.p), _rows(batch)
        share = torch.from_numpy(generator.beta(self.alpha, self.alpha, rows))
        partner = torch.from_numpy(generator.permutation(rows))
        for name, part in batch.features.items():
            _refuse_ids(name, part)
        if not acts or not rows:
            return batch
        whole = _whole(batch)
        mixed = whole & whole[partner]
        pairs = _Pairs(
            torch.where(mixed, share, 1.0), torch.where(mixed, partner, torch.arange(rows))
        )
        return replace(
            batch,
            features={name: pairs.part(part) for name, part in batch.features.items()},
            targets={name: pairs.mix(truth) for name, truth in batch.targets.items()},
            weights=None if batch.weights is None else pairs.mix(batch.weights),
        )


class _Pairs:
    """Row i keeps `share[i]` of itself and takes the rest from row `partner[i]`."""

    def __init__(self, share: Tensor, partner: Tensor) -> None:
        self.share = share
        self.partner = partner

    def mix(self, x: Tensor) -> Tensor:
        partner = self.partner.to(x.device)
        share = self.share.to(x.device, x.dtype).reshape(-1, *[1] * (x.ndim - 1))
        return share * x + (1 - share) * x[partner]

    def part(self, part: Part) -> Part:
        if isinstance(part, Features):
            mask = part.mask | part.mask[self.partner.to(part.mask.device)]
            return Features(self.mix(_silenced(part)), mask)
        lengths = part["lengths"]
        longer = torch.maximum(lengths, lengths[self.partner.to(lengths.device)])
        return {**part, "x": self.mix(part["x"]), "lengths": longer}


def _silenced(part: Features) -> Tensor:
    """x with zeros where the mask says padding; `[B, T, D]`, or `[B, L, T, D]` of all layers."""
    blank = ~part.mask.unsqueeze(-1)
    return part.x.masked_fill(blank.unsqueeze(1) if part.x.ndim == 4 else blank, 0.0)


def _rows(batch: Batch) -> int:
    return len(next(iter(batch.targets.values())))


def _whole(batch: Batch) -> Tensor:
    """`[B]`: the rows that have every modality and every truth."""
    present = [_present(part) for part in batch.features.values()]
    has_truth = [_known(truth) for truth in batch.targets.values()]
    return torch.stack([has.cpu() for has in [*present, *has_truth]]).all(0)


def _present(part: Part) -> Tensor:
    if isinstance(part, Features):
        return part.present
    return part["lengths"] > 0


def _known(truth: Tensor) -> Tensor:
    """One column is a number, several are a distribution over classes."""
    finite = torch.isfinite(truth).all(1)
    return finite if truth.shape[1] == 1 else finite & (truth != 0).any(1)


def _refuse_ids(name: str, part: Part) -> None:
    if isinstance(part, Features):
        return
    if not {"x", "lengths"} <= set(part) or not part["x"].is_floating_point():
        raise ConfigError(
            f"mixup: encoders.{name} learns from {', '.join(sorted(part))}, which cannot be mixed; "
            "leave mixup out, or freeze this encoder so that its features are mixed"
        )


def EXAMPLE(folder: Path) -> dict[str, Any]:
    """Options that build it at once."""
    return {"alpha": 0.4}
