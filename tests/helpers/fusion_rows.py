"""Rows for the tests of fusions: some too long, some too short, some without a modality."""

import torch
from torch.nn.functional import pad

from multimodal_ser.config.registry import build
from multimodal_ser.training.model import Model, head
from multimodal_ser.types import Features

DIMS = {"audio": 3, "hand": 2, "text": 4}
LENGTHS = {"audio": (4, 2, 0, 3), "hand": (1, 1, 1, 0), "text": (2, 5, 3, 0)}
THREE = tuple(DIMS)
CLOSE = {"rtol": 1e-9, "atol": 1e-9}
SMALL = {
    "attention_pooling": {"hidden": 8},
    "bottleneck": {"hidden": 8, "heads": 2, "depth": 3, "bottlenecks": 2},
    "coattention_cnn": {"hidden": 8, "heads": 2},
    "cross_attention": {"hidden": 8, "heads": 2, "depth": 2},
    "dual_gru": {"hidden": 8},
    "feature_attention": {"hidden": 8},
    "gated": {"hidden": 8},
    "joint_cls": {"hidden": 8, "heads": 2},
    "low_rank": {"hidden": 8, "rank": 3},
    "mixture": {"hidden": 8},
    "multihead": {"hidden": 8, "heads": 2},
    "self_attention": {"hidden": 8},
}


def features_of(names=THREE, padding=0.0, longest=5, lengths=LENGTHS):
    """Rows of several lengths, float64; the third has no audio, the last has audio alone."""
    found = {}
    for number, name in enumerate(names):
        generator = torch.Generator().manual_seed(number)
        shape = len(lengths[name]), longest, DIMS[name]
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        mask = torch.arange(longest) < torch.tensor(lengths[name]).unsqueeze(1)
        found[name] = Features(x.masked_fill(~mask.unsqueeze(-1), padding), mask)
    return found


def made(name, names=THREE, **options):
    """Every parameter drawn anew, so that none is 0 or 1 where the formula needs it."""
    fusion = build("fusion", name, SMALL[name] | options, {one: DIMS[one] for one in names})
    generator = torch.Generator().manual_seed(9)
    for parameter in fusion.parameters():
        parameter.data = torch.randn(parameter.shape, generator=generator) * 0.5
    return fusion.double().eval()


def valid(part, row):
    """The frames of one row `[T, D]`, none where it is missing."""
    return part.x[row][part.mask[row]]


def padded(part, holds, longest):
    """The same frames in `longest`, padding filled with what it is to hold."""
    more = (0, longest - part.mask.shape[1])
    mask = pad(part.mask, more)
    x = pad(part.x, (0, 0, *more)).masked_fill(~mask[..., None], holds)
    return Features(x.requires_grad_(), mask)


def parameters(fusion):
    """How many numbers learn, an output layer of six classes among them."""
    model = Model(fusion, {"label": head(fusion.out_dim, 6)}, {})
    return sum(one.numel() for one in model.parameters())
