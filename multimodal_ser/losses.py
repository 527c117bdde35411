"""Losses: pure functions of what a head says, the truth, and the weight of each row.

A row without a truth for a target (all zeros for classes, NaN for numbers) is left out of its loss.
`FOR` names the losses that fit each kind of output, the first one being its default.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
_LEAST = 1e-12


def cross_entropy(logits: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weighted mean over rows of −Σ truth · log softmax(logits); both `[B, C]`, weights `[B]`.

    truth is a distribution over the classes: one-hot for a label, shares of the votes for soft
    targets.
    """
    weighted = truth if weights is None else truth * weights[:, None]
    total = -(weighted * torch.log_softmax(logits, dim=-1)).sum()
    return total / weighted.sum().clamp(min=_LEAST)


def mse(guess: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weighted mean of squared errors; guess and truth `[B, 1]`, weights `[B]`."""
    truth, weight = _known(truth, weights)
    return (weight * (guess - truth) ** 2).sum() / weight.sum().clamp(min=_LEAST)


def ccc(guess: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """1 − Lin's concordance over the batch; guess and truth `[B, 1]`, weights `[B]`.

    2 cov / (var + var + (difference of the means)²), with the weights' moments.
    """
    truth, weight = _known(truth, weights)
    share = weight / weight.sum().clamp(min=_LEAST)
    centre_guess, centre_truth = (share * guess).sum(), (share * truth).sum()
    off_guess, off_truth = guess - centre_guess, truth - centre_truth
    spread = (share * (off_guess**2 + off_truth**2)).sum() + (centre_guess - centre_truth) ** 2
    return 1 - 2 * (share * off_guess * off_truth).sum() / spread.clamp(min=_LEAST)


FOR: dict[str, dict[str, Loss]] = {
    "classes": {"cross_entropy": cross_entropy},
    "numbers": {"ccc": ccc, "mse": mse},
}

BATCHWISE: tuple[Loss, ...] = (ccc,)  # a row's gradient depends on what is said of the others


def balanced_weights(truth: Tensor) -> Tensor:
    """`[C]`: rows / (classes · rows of the class), as scikit-learn's `balanced`; truth `[N, C]`."""
    counts = truth.sum(0)
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp(min=_LEAST))
    return torch.where(present, weights, torch.zeros_like(weights))


def _known(truth: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """The truth with 0 for NaN, and weights `[B, 1]` with 0 there."""
    known = (~truth.isnan()).to(truth.dtype)
    return truth.nan_to_num(), known if weights is None else known * weights[:, None]
