"""Mixtures of Gaussians and how they are fitted, in the log domain and in 64 bits.

Shapes: N frames of D columns, K Gaussians.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import torch
from torch import Tensor

_ROWS = 2**14  # frames at a time
_EMPTY = 1e-10  # of a frame, below which a Gaussian has none

Model = TypeVar("Model")


class Mixture(NamedTuple):
    """weights `[K]`, means `[K, D]`, covariances `[K, D]` (the diagonals) or `[K, D, D]`."""

    weights: Tensor
    means: Tensor
    covariances: Tensor


class Moments(NamedTuple):
    """Sums over frames that belong to the Gaussians in shares: counts `[K]`, sums `[K, D]` of x,
    products `[K, D]` of x² or `[K, D, D]` of x xᵀ.
    """

    counts: Tensor
    sums: Tensor
    products: Tensor

    def plus(self, other: Moments) -> Moments:
        return Moments(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))


def log_densities(x: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """log N(x | mean, covariance) `[N, K]` of frames `[N, D]`."""
    if covariances.ndim == 2:
        squares = x.square() @ (1 / covariances).T - 2 * x @ (means / covariances).T
        squares = squares + (means.square() / covariances).sum(1)
        volumes = covariances.log().sum(1)
    else:
        roots = torch.linalg.cholesky(covariances)
        pairs = zip(means, roots, strict=True)  # one by one, which is faster than a batch of them
        squares = torch.stack([_distances(x, *pair) for pair in pairs], 1)
        volumes = 2 * roots.diagonal(dim1=1, dim2=2).log().sum(1)
    return -0.5 * (squares + volumes + means.shape[1] * math.log(2 * math.pi))


def log_likelihoods(x: Tensor, mixture: Mixture) -> Tensor:
    """log p(x) of each frame `[N]`."""
    return torch.cat([_joint(piece, mixture).logsumexp(1) for piece in _pieces(x)])


def moments(x: Tensor, shares: Tensor, full: bool) -> Moments:
    """The sums over frames `[N, D]`, shared among the Gaussians by `[N, K]`."""
    if full:
        products = torch.stack([(x * share.unsqueeze(1)).T @ x for share in shares.T])
    else:
        products = shares.T @ x.square()
    return Moments(shares.sum(0), shares.T @ x, products)


def gaussians(moments: Moments, floor: float, means: Tensor, covariances: Tensor) -> list[Tensor]:
    """The most likely means and covariances; floor: added to each variance, so that none is 0.

    A Gaussian without any frame keeps its own.
    """
    there = moments.counts > _EMPTY
    counts = torch.where(there, moments.counts, 1.0).unsqueeze(1)
    new = moments.sums / counts
    if covariances.ndim == 2:
        spread = moments.products / counts - new.square() + floor
    else:
        spread = moments.products / counts.unsqueeze(2) - new.unsqueeze(2) * new.unsqueeze(1)
        spread = spread + floor * torch.eye(new.shape[1], dtype=new.dtype)
    wide = there.reshape(-1, *[1] * (covariances.ndim - 1))
    return [torch.where(there.unsqueeze(1), new, means), torch.where(wide, spread, covariances)]


def step(x: Tensor, mixture: Mixture, floor: float) -> tuple[Mixture, float]:
    """One EM step, and the mean log p(x) before it."""
    full, total, total_moments = mixture.covariances.ndim == 3, 0.0, None
    for piece in _pieces(x):
        joint = _joint(piece, mixture)
        likelihood = joint.logsumexp(1)
        here = moments(piece, (joint - likelihood.unsqueeze(1)).exp(), full)
        total_moments = here if total_moments is None else total_moments.plus(here)
        total += float(likelihood.sum())
    assert total_moments is not None, "a mixture is fitted to some frames"
    fitted = gaussians(total_moments, floor, mixture.means, mixture.covariances)
    return Mixture(total_moments.counts / len(x), *fitted), total / len(x)


def begin(
    x: Tensor, count: int, full: bool, floor: float, generator: torch.Generator
) -> tuple[Mixture, Tensor]:
    """A first mixture of `count` Gaussians, and the Gaussian of each frame `[N]`.

    The seeds are frames far from each other, drawn as in k-means++. Each Gaussian is fitted to the
    frames that are nearest to its seed.
    """
    x = x.double()
    nearest = torch.cdist(x, seeds(x, count, generator)).argmin(1)
    shares = torch.nn.functional.one_hot(nearest, count).double()
    whole = moments(x, torch.ones(len(x), 1, dtype=x.dtype), full)
    blank = torch.zeros_like(whole.sums), torch.zeros_like(whole.products)
    first = [part.expand(count, *part.shape[1:]) for part in gaussians(whole, floor, *blank)]
    nearest_moments = moments(x, shares, full)
    return Mixture(
        nearest_moments.counts / len(x), *gaussians(nearest_moments, floor, *first)
    ), nearest


def seeds(x: Tensor, count: int, generator: torch.Generator) -> Tensor:
    """`[count, D]` frames, each drawn by its squared distance from the frames before."""
    chosen = [int(torch.randint(len(x), (1,), generator=generator))]
    away = torch.full((len(x),), torch.inf, dtype=x.dtype)
    for _ in range(count - 1):
        away = torch.minimum(away, (x - x[chosen[-1]]).square().sum(1))
        passed = away.cumsum(0)
        place = torch.rand(1, generator=generator, dtype=x.dtype) * passed[-1]
        chosen.append(min(int(torch.searchsorted(passed, place, right=True)), len(x) - 1))
    return x[chosen]


def climb(
    model: Model, step: Callable[[Model], tuple[Model, float]], tolerance: float, most: int
) -> tuple[Model, list[float]]:
    """EM steps until one gains less than `tolerance`, and the values that each began from."""
    values: list[float] = []
    while len(values) < most:
        model, value = step(model)
        values.append(value)
        if len(values) > 1 and value - values[-2] < tolerance:
            break
    return model, values


def _distances(x: Tensor, mean: Tensor, root: Tensor) -> Tensor:
    """(x − mean)ᵀ covariance⁻¹ (x − mean) `[N]`. root: lower, of the covariance."""
    return torch.linalg.solve_triangular(root, (x - mean).T, upper=False).square().sum(0)


def _joint(x: Tensor, mixture: Mixture) -> Tensor:
    """log p(Gaussian, x) `[N, K]`; −inf for one that has no weight."""
    return log_densities(x, mixture.means, mixture.covariances) + mixture.weights.log()


def _pieces(x: Tensor) -> list[Tensor]:
    return [some.double() for some in x.split(_ROWS)]
