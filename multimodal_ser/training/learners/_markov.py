"""Hidden Markov models and how they are fitted, in the log domain and in 64 bits.

Shapes: B sequences of at most T frames of D columns, S states, K Gaussians a state. What stands
past the end of a sequence means nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import torch
from torch import Tensor

from multimodal_ser.training.learners import _mixture
from multimodal_ser.training.learners._mixture import gaussians, log_densities, moments

_NEVER = 1e-10  # so rarely is a state left or visited of which nothing can be learned
Sequences = tuple[Tensor, Tensor]


class Markov(NamedTuple):
    """Probabilities of a hidden Markov model with Gaussian mixtures.

    start `[S]`: of the first state. transitions `[S, S]`: from a state (row) to the next (column).
    weights `[S, K]`, means and variances `[S, K, D]`: the mixture of the frames in each state.
    """

    start: Tensor
    transitions: Tensor
    weights: Tensor
    means: Tensor
    variances: Tensor


class Counts(NamedTuple):
    """Expected counts over sequences: first states, transitions, Gaussians; and their log p."""

    start: Tensor
    transitions: Tensor
    said: _mixture.Moments
    value: Tensor


def log_likelihoods(x: Tensor, mask: Tensor, model: Markov) -> Tensor:
    """log p of each sequence `[B]`, 0 without any frame. x `[B, T, D]`, mask `[B, T]`."""
    logs = _said(_joint(x, mask, model), mask)
    return forward(logs, mask, model)[:, -1].logsumexp(1)


def forward(logs: Tensor, mask: Tensor, model: Markov) -> Tensor:
    """log p(frames up to t, state at t) `[B, T, S]`, which does not change after the end.

    logs: log p(frame | state) `[B, T, S]`.
    """
    moves = model.transitions.log()
    now = model.start.log() + logs[:, 0]
    tensor = [now]
    for t in range(1, logs.shape[1]):
        after = (now.unsqueeze(2) + moves).logsumexp(1) + logs[:, t]
        now = torch.where(mask[:, t : t + 1], after, now)
        tensor.append(now)
    return torch.stack(tensor, 1)


def backward(logs: Tensor, mask: Tensor, model: Markov) -> Tensor:
    """log p(frames after t | state at t) `[B, T, S]`, 0 at the end and after it."""
    moves = model.transitions.log()
    now = torch.zeros_like(logs[:, 0])
    tensor = [now]
    for t in range(logs.shape[1] - 1, 0, -1):
        before = (moves + (logs[:, t] + now).unsqueeze(1)).logsumexp(2)
        now = torch.where(mask[:, t : t + 1], before, now)
        tensor.append(now)
    return torch.stack(tensor[::-1], 1)


def expected(x: Tensor, mask: Tensor, model: Markov) -> Counts:
    """The expected counts of these sequences, each of which has one frame at least."""
    joint = _joint(x, mask, model)
    logs = _said(joint, mask)
    ahead, behind = forward(logs, mask, model), backward(logs, mask, model)
    value = ahead[:, -1].logsumexp(1)
    states = (ahead + behind - value[:, None, None]).exp()
    inner = (joint - logs.unsqueeze(3)).exp()
    shares = (states.unsqueeze(3) * inner)[mask].flatten(1)
    there = mask[:, 1:]
    before = (ahead[:, :-1] - value[:, None, None])[there]
    after = (logs + behind)[:, 1:][there]
    moves = before.unsqueeze(2) + model.transitions.log() + after.unsqueeze(1)
    emission_moments = moments(x[mask], shares, full=False)
    return Counts(states[:, 0].sum(0), moves.exp().sum(0), emission_moments, value.sum())


def step(sequences: Iterable[Sequences], model: Markov, floor: float) -> tuple[Markov, float]:
    """One Baum-Welch step, and the mean log p of a frame before it."""
    counts_so_far = None
    for x, mask in sequences:
        here = expected(x, mask, model)
        counts_so_far = here if counts_so_far is None else _plus(counts_so_far, here)
    assert counts_so_far is not None, "a model is fitted to some sequences"
    size, (states, count) = counts_so_far.said.counts.sum(), model.weights.shape
    flat = model.means.flatten(0, 1), model.variances.flatten(0, 1)
    means, variances = gaussians(counts_so_far.said, floor, *flat)
    return Markov(
        counts_so_far.start / counts_so_far.start.sum(),
        _rows(counts_so_far.transitions, model.transitions),
        _rows(counts_so_far.said.counts.reshape(states, count), model.weights),
        means.reshape(states, count, -1),
        variances.reshape(states, count, -1),
    ), float(counts_so_far.value / size)


def begin(
    x: Tensor,
    lengths: Tensor,
    sizes: tuple[int, int],
    floor: float,
    generator: torch.Generator,
    *,
    left_right: bool,
) -> Markov:
    """A first model from frames `[sum of lengths, D]`; sizes: S and K.

    With the topology from left to right, each sequence is cut into S parts of similar length, one
    for each state. Otherwise a state is a region of the frames. A state with fewer frames than
    Gaussians starts with all frames. The probability to leave a state is such that a sequence
    passes S of them.
    """
    states, count = sizes
    if left_right:
        place = torch.cat([torch.arange(length) for length in lengths.tolist()])
        home = place * states // torch.repeat_interleave(lengths, lengths)
    else:
        _, home = _mixture.begin(x, states, False, floor, generator)
    parts = []
    for state in range(states):
        own = x[home == state]
        own = own if len(own) >= count else x
        parts.append(_mixture.begin(own, count, False, floor, generator)[0])
    leave = min(0.5, states * len(lengths) / len(x))
    emissions = [torch.stack(states_of) for states_of in zip(*parts, strict=True)]
    return Markov(*_moves(states, leave, left_right), *emissions)


def _moves(states: int, leave: float, left_right: bool) -> tuple[Tensor, Tensor]:
    """start and transitions; from left to right the last state is never left."""
    stay = torch.eye(states, dtype=torch.float64)
    if left_right:
        on = torch.diag(torch.ones(states - 1, dtype=torch.float64), 1)
        on[-1, -1] = 1
        return stay[0], (1 - leave) * stay + leave * on
    others = (1 - stay) / (states - 1) if states > 1 else stay
    return stay.mean(0), (1 - leave) * stay + leave * others


def _joint(x: Tensor, mask: Tensor, model: Markov) -> Tensor:
    """log p(frame, Gaussian | state) `[B, T, S, K]`, 0 past the end."""
    densities = log_densities(x[mask], model.means.flatten(0, 1), model.variances.flatten(0, 1))
    joint = densities.new_zeros(*mask.shape, *model.weights.shape)
    joint[mask] = densities.unflatten(1, model.weights.shape) + model.weights.log()
    return joint


def _said(joint: Tensor, mask: Tensor) -> Tensor:
    """log p(frame | state) `[B, T, S]`, 0 past the end."""
    return joint.logsumexp(3).masked_fill(~mask.unsqueeze(2), 0.0)


def _rows(counts: Tensor, before: Tensor) -> Tensor:
    """Each row divided by its sum; where nothing was counted, the row as it was."""
    sums = counts.sum(1, keepdim=True)
    there = sums > _NEVER
    return torch.where(there, counts / torch.where(there, sums, 1.0), before)


def _plus(first: Counts, second: Counts) -> Counts:
    emission_moments = first.said.plus(second.said)
    return Counts(
        first.start + second.start,
        first.transitions + second.transitions,
        emission_moments,
        first.value + second.value,
    )
