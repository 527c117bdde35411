"""Losses: pure functions of logits and targets."""

from __future__ import annotations

import torch
from torch import Tensor


def cross_entropy(logits: Tensor, truth: Tensor, class_weights: Tensor | None = None) -> Tensor:
    """Mean over rows of −Σ truth · log softmax(logits), both `[B, C]`.

    truth is a distribution over the classes: one-hot for a label, shares of the votes for soft
    targets. With `class_weights` `[C]` the mean is weighted by the weight of each row's truth.
    """
    weighted = truth if class_weights is None else truth * class_weights
    total = -(weighted * torch.log_softmax(logits, dim=-1)).sum()
    return total / weighted.sum().clamp(min=1e-12)


def balanced_weights(truth: Tensor) -> Tensor:
    """`[C]`: rows / (classes · rows of the class), as scikit-learn's `balanced`; truth `[N, C]`."""
    counts = truth.sum(0)
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp(min=1e-12))
    return torch.where(present, weights, torch.zeros_like(weights))
