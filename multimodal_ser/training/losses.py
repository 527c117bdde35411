"""Losses: pure functions of the outputs of a head, the truth, and the weight of each row.

A row without a truth for a target (all zeros for classes, NaN for labels and numbers) is left out
of its loss. `outputs.FOR` says which losses fit each kind of output.

The gradient of a row depends on the other rows through their truth and weights alone, never through
their outputs. So a batch may be divided over several devices. `BATCHWISE` names the losses for
which this is not true.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from multimodal_ser.config.outputs import FOR, Output

Loss = Callable[[Tensor, Tensor, Tensor | None], Tensor]
BATCHWISE = ("ccc",)
GAMMA = 2.0  # of `focal`, the best of Lin et al.
BETA = 0.999  # of `effective_weights`: a class counts for at most 1 / (1 − β) = 1000 rows
_LEAST = 1e-12


def cross_entropy(logits: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """Weighted mean over rows of −Σ truth · log softmax(logits); both `[B, C]`, weights `[B]`.

    truth is a distribution over the classes: one-hot for a label, shares of the votes for soft
    targets.
    """
    weighted = truth if weights is None else truth * weights[:, None]
    total = -(weighted * torch.log_softmax(logits, dim=-1)).sum()
    return total / weighted.sum().clamp(min=_LEAST)


def focal(
    logits: Tensor, truth: Tensor, weights: Tensor | None = None, *, gamma: float = GAMMA
) -> Tensor:
    """As `cross_entropy`, each term times (1 − p)^γ, so that what is easy counts less (Lin 2017).

    p is the probability of the term's class. gamma 0 is `cross_entropy`.
    """
    weighted = truth if weights is None else truth * weights[:, None]
    logs = torch.log_softmax(logits, dim=-1)
    doubt = (-torch.expm1(logs)).clamp(min=_LEAST) ** gamma
    return -(weighted * doubt * logs).sum() / weighted.sum().clamp(min=_LEAST)


def binary_cross_entropy(logits: Tensor, truth: Tensor, weights: Tensor | None = None) -> Tensor:
    """The weighted mean over the known cells of −log p(truth); each label is independent.

    logits and truth `[B, C]`, truth 0 or 1 (NaN: unknown), weights `[B]`.
    """
    truth, weight = _known(truth, weights)
    lost = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none")
    return (weight * lost).sum() / weight.sum().clamp(min=_LEAST)


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


BY_NAME: dict[str, Loss] = {
    "cross_entropy": cross_entropy,
    "focal": focal,
    "binary_cross_entropy": binary_cross_entropy,
    "ccc": ccc,
    "mse": mse,
}


def make(
    name: str,
    *,
    gamma: float | None = None,
    smoothing: float = 0.0,
    adjustment: float = 0.0,
    prior: Tensor | None = None,
) -> Loss:
    """The loss of that name, with its options bound.

    smoothing: `smoothed` truth. adjustment: τ of `adjusted` logits, whose prior `[C]` is that of
    the rows that train; a model that is only loaded to predict has no prior, and needs none.
    """
    loss = BY_NAME[name]
    if name == "focal" and gamma is not None:
        loss = partial(focal, gamma=gamma)
    if not smoothing and (not adjustment or prior is None):
        return loss
    return partial(_altered, loss, smoothing, adjustment, prior)


def losses_of(
    outputs: Mapping[str, Output], truth: Mapping[str, Tensor] | None = None
) -> dict[str, tuple[Loss, float]]:
    """Target → its loss and how much that counts.

    truth: what the rows that train are taught, from which the shares of the classes are taken;
    None: nothing will be trained.
    """
    return {
        name: (
            make(
                output.loss or FOR[output.kind][0],
                gamma=output.gamma,
                smoothing=output.smoothing,
                adjustment=output.adjustment,
                prior=prior_of(truth[name]) if truth and output.adjustment else None,
            ),
            output.weight,
        )
        for name, output in outputs.items()
    }


def smoothed(truth: Tensor, smoothing: float) -> Tensor:
    """(1 − ε) truth + ε / C for each of C classes `[B, C]`; a row without truth keeps none."""
    return (1 - smoothing) * truth + smoothing * truth.mean(-1, keepdim=True)


def adjusted(logits: Tensor, prior: Tensor, strength: float = 1.0) -> Tensor:
    """logits `[B, C]` + τ log prior `[C]`, in training only (Menon 2021).

    Without the prior the model then predicts the class that is likeliest if all classes are equally
    frequent, and these decisions have the smallest error averaged over classes. A class without
    training rows has no prior and stays as it is: the model learns that it is unlikely.
    """
    nonzero = torch.where(prior > 0, prior, torch.ones_like(prior))
    return logits + strength * nonzero.log().to(logits)


def prior_of(truth: Tensor) -> Tensor:
    """`[C]`: the share of each class in the truth `[N, C]` of the rows that train."""
    counts = truth.sum(0)
    return counts / counts.sum().clamp(min=_LEAST)


def balanced_weights(truth: Tensor) -> Tensor:
    """`[C]`: rows / (classes · rows of the class), as scikit-learn's `balanced`; truth `[N, C]`."""
    counts = truth.sum(0)
    present = counts > 0
    weights = counts.sum() / (present.sum() * counts.clamp(min=_LEAST))
    return torch.where(present, weights, torch.zeros_like(weights))


def effective_weights(truth: Tensor, beta: float = BETA) -> Tensor:
    """`[C]`: one over the effective number of rows, (1 − β^n) / (1 − β) (Cui 2019); truth `[N, C]`.

    Scaled as `balanced_weights` are, so that rows weigh 1 in the mean; β towards 1 gives those,
    β = 0 weighs all classes alike.
    """
    counts = truth.sum(0).double()
    present = counts > 0
    each = torch.where(present, (1 - beta) / (1 - beta**counts).clamp(min=_LEAST), 0.0)
    return (each * counts.sum() / (each * counts).sum().clamp(min=_LEAST)).to(truth.dtype)


def _altered(
    loss: Loss,
    smoothing: float,
    adjustment: float,
    prior: Tensor | None,
    logits: Tensor,
    truth: Tensor,
    weights: Tensor | None = None,
) -> Tensor:
    """A loss of adjusted logits and smoothed truth, where the config asks for them."""
    if adjustment and prior is not None:
        logits = adjusted(logits, prior, adjustment)
    return loss(logits, smoothed(truth, smoothing) if smoothing else truth, weights)


def _known(truth: Tensor, weights: Tensor | None) -> tuple[Tensor, Tensor]:
    """The truth with 0 in place of NaN, and weights `[B, 1]` that are 0 there."""
    has_number = (~truth.isnan()).to(truth.dtype)
    return truth.nan_to_num(), has_number if weights is None else has_number * weights[:, None]
