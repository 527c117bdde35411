"""Masked pools: formulas, blindness to padding, rows without a single frame."""

import numpy as np
import pytest
import torch

from multimodal_ser.features.pooling import Pool, width
from multimodal_ser.types import Features

KINDS = ["mean", "mean_std", "max", "attentive"]
# 1e-10 under the root keeps its gradient finite and moves a deviation by 1e-5 at most
CLOSE = {"rtol": 1e-5, "atol": 1.1e-5}
FORMULAS = {
    "mean": lambda frames: frames.mean(0),
    "mean_std": lambda frames: np.concatenate([frames.mean(0), frames.std(0)]),
    "max": lambda frames: frames.max(0),
    "attentive": lambda frames: attentive(make("attentive"), frames),
}


def make(kind, dim=3):
    """The same at every call; the attentive one with weights that differ from frame to frame."""
    torch.manual_seed(0)
    pool = Pool(kind, dim)
    if kind == "attentive":
        torch.nn.init.normal_(pool.attentive.score[2].weight)
    return pool.requires_grad_(False)


def attentive(pool, frames):
    """Okabe et al. 2018, equations 3 to 6, of one clip without padding `[T, D]`."""
    first, _, last = pool.attentive.score
    scores = np.tanh(frames @ first.weight.numpy().T + first.bias.numpy()) @ last.weight.numpy()[0]
    weights = np.exp(scores) / np.exp(scores).sum()
    centre = weights @ frames
    return np.concatenate([centre, np.sqrt(weights @ frames**2 - centre**2)])


def clips(lengths, padding=0.0, frames=6, dim=3):
    """Negative frames, so that a padding of zero would win every maximum."""
    x = -1 - torch.rand(len(lengths), frames, dim, generator=torch.Generator().manual_seed(0))
    mask = torch.arange(frames) < torch.tensor(lengths).unsqueeze(1)
    return Features(x.masked_fill(~mask.unsqueeze(-1), padding), mask)


@pytest.mark.parametrize("kind", KINDS)
def test_a_pool_is_its_formula_over_the_valid_frames(kind):
    lengths = [6, 3, 1]
    features = clips(lengths)
    pooled = make(kind)(features).numpy()
    for row, length in enumerate(lengths):
        expected = FORMULAS[kind](features.x[row, :length].numpy())
        np.testing.assert_allclose(pooled[row], expected, **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", [1e6, -1e6, float("inf"), float("nan")])
def test_what_padding_holds_changes_nothing(kind, padding):
    expected = make(kind)(clips([4, 0, 6]))
    assert torch.equal(make(kind)(clips([4, 0, 6], padding)), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_clip_pools_alike_alone_and_in_a_longer_batch(kind):
    batch = clips([2, 6])
    alone = Features(batch.x[:1, :2], batch.mask[:1, :2])
    torch.testing.assert_close(make(kind)(batch)[:1], make(kind)(alone))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", [0.0, float("nan")])
def test_a_batch_of_single_frames_pools_as_one_with_padding_behind_them(kind, padding):
    batch = clips([1, 0, 1], padding)
    alone = Features(batch.x[:, :1], batch.mask[:, :1])
    assert torch.equal(make(kind)(alone), make(kind)(batch))


@pytest.mark.parametrize("kind", KINDS)
def test_frames_need_not_be_first(kind):
    features = clips([3, 6])
    moved = Features(features.x.roll(2, 1), features.mask.roll(2, 1))
    torch.testing.assert_close(make(kind)(moved), make(kind)(features))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("padding", [0.0, float("nan")])
def test_an_empty_row_gives_zeros_and_a_zero_gradient(kind, padding):
    features = clips([0, 6], padding)
    x = features.x.requires_grad_()
    pooled = make(kind)(Features(x, features.mask))
    pooled.sum().backward()
    assert torch.equal(pooled[0], torch.zeros(width(kind, 3)))
    assert torch.equal(x.grad[0], torch.zeros(6, 3))
    assert x.grad[1].isfinite().all()
    assert x.grad[1].any()


def test_frames_that_do_not_vary_have_a_finite_gradient():
    x = torch.ones(1, 4, 2, requires_grad=True)
    Pool("mean_std", 2)(Features(x, torch.ones(1, 4, dtype=torch.bool))).sum().backward()
    assert x.grad.isfinite().all()


def test_attentive_statistics_begin_as_mean_and_deviation():
    features = clips([6, 3, 0])
    fresh = Pool("attentive", 3)(features)
    torch.testing.assert_close(fresh, make("mean_std")(features), rtol=1e-5, atol=1e-6)


def test_the_deviation_of_loud_frames_does_not_cancel():
    # mean 1e4, deviation 1: E[x²] − E[x]² in float32 would give 0, or a negative number
    frames = torch.tensor([9_999.0, 10_001.0]).repeat(50).reshape(1, 100, 1)
    pooled = Pool("mean_std", 1)(Features(frames, torch.ones(1, 100, dtype=torch.bool)))
    torch.testing.assert_close(pooled, torch.tensor([[10_000.0, 1.0]]))


@pytest.mark.parametrize("kind", KINDS)
def test_the_width_is_that_of_the_pooled_vector(kind):
    assert make(kind, 5)(clips([2], dim=5)).shape == (1, width(kind, 5))
