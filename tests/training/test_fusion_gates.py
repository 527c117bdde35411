"""Gated, low-rank, bottleneck and mixture fusion against their formulas written out row by row."""

import math
from functools import reduce

import pytest
import torch
from torch.nn.functional import gelu, layer_norm, linear

from multimodal_ser.config.registry import schema
from multimodal_ser.training.fusion import bottleneck, gated, low_rank, mixture
from multimodal_ser.training.model import head
from multimodal_ser.types import ConfigError, Features
from tests.helpers.fusion_rows import DIMS, features_of, made, parameters

each_set = pytest.mark.parametrize(
    "names", [("text",), ("audio", "text"), ("audio", "hand", "text")], ids="+".join
)


def through(layer, x):
    """A Linear or a LayerNorm by its numbers alone."""
    if isinstance(layer, torch.nn.LayerNorm):
        return layer_norm(x, x.shape[-1:], layer.weight, layer.bias)
    return linear(x, layer.weight, layer.bias)


def valid(features, row):
    """Encoder → the frames of one row `[T, D]`, none where it is missing."""
    return {name: part.x[row][part.mask[row]] for name, part in features.items()}


def pooled(features, row):
    """Encoder → the mean of the frames of one row, zeros where it is missing."""
    return {
        name: x.mean(0) if len(x) else torch.zeros(x.shape[1], dtype=torch.float64)
        for name, x in valid(features, row).items()
    }


def there(features, row):
    return [name for name, x in valid(features, row).items() if len(x)]


def shared(scores, names):
    """Softmax over the chosen of named scores, 0 for the rest."""
    raised = {name: torch.exp(score) * (name in names) for name, score in scores.items()}
    total = sum(raised.values())
    return {name: one / total if names else one for name, one in raised.items()}


def gated_row(fusion, features, row):
    x = pooled(features, row)
    everything = torch.cat(list(x.values()))
    scores = dict(zip(x, [through(gate, everything) for gate in fusion.gates], strict=False))
    scores[list(x)[-1]] = torch.zeros(8, dtype=torch.float64)
    shares = shared(scores, there(features, row))
    parts = {name: torch.tanh(through(fusion.project[name], x[name])) for name in x}
    return sum(shares[name] * part for name, part in parts.items()), shares


def outer(parts):
    """The outer product of vectors, an axis each."""
    return reduce(lambda left, right: left[..., None] * right, parts)


def low_rank_row(fusion, features, row):
    """The whole tensor of weights times the whole outer product."""
    long, factors = [], []
    for name, x in pooled(features, row).items():
        first, norm = fusion.project[name][:2]
        z = torch.relu(through(norm, through(first, x))) * (name in there(features, row))
        long.append(torch.cat([z, z.new_ones(1)]))
        factor = fusion.factors[name]
        whole = torch.cat([factor.weight, factor.bias.unsqueeze(1)], dim=1)
        factors.append(whole.unflatten(0, (3, 8)))  # rank, number of the result, [z, 1]
    weights = [sum(outer([one[i, k] for one in factors]) for i in range(3)) for k in range(8)]
    return torch.stack([(one * outer(long)).sum() for one in weights]), {}


def mixture_row(fusion, features, row):
    x = pooled(features, row)
    everything = torch.cat(list(x.values()))
    names, heard = list(x), list(x.values())
    asked = there(features, row)
    if len(x) > 1:
        names, heard, asked = [*names, "+".join(x)], [*heard, everything], [*asked, "+".join(x)]
    scores = through(fusion.gate, everything) if len(x) > 1 else x[names[0]].new_zeros(1)
    shares = shared(dict(zip(names, scores, strict=True)), asked)
    answers = [torch.relu(through(*pair)) for pair in zip(fusion.experts, heard, strict=True)]
    return sum(share * one for share, one in zip(shares.values(), answers, strict=True)), shares


def attended(attention, x):
    """`[T, 8]` after two heads of self-attention over all of it, and the mean of the weights."""
    query, key, value = (
        through(part, x).unflatten(1, (2, 4))
        for part in (attention.query, attention.key, attention.value)
    )
    shares = torch.einsum("qhd,khd->hqk", query, key).div(math.sqrt(4)).softmax(-1)
    found = torch.einsum("hqk,khd->qhd", shares, value).flatten(1)
    return through(attention.out, found), shares.mean(0)


def place(step):
    """Sines, then cosines, of the step over 10000^(k / 4)."""
    angles = [step / 10_000 ** (k / 4) for k in range(4)]
    return [*map(math.sin, angles), *map(math.cos, angles)]


def bottleneck_row(fusion, features, row):
    frames = {}
    for name, x in valid(features, row).items():
        places = torch.tensor([place(step) for step in range(len(x))], dtype=torch.float64)
        first, norm = fusion.project[name]
        frames[name] = through(norm, through(first, x)) + places.reshape(-1, 8)
    tokens, weights = fusion.tokens, {}
    for exchange in (*fusion.first, fusion.gathering, fusion.last):
        versions = []
        for name, layer in exchange.layers.items():
            x = torch.cat([frames[name], tokens])
            found, shares = attended(layer.attention, through(layer.norm, x))
            x = x + found
            norm, wide, _, _, narrow = layer.feed
            x = x + through(narrow, gelu(through(wide, through(norm, x))))
            if len(frames[name]):
                versions.append(x[-2:])
            if exchange is fusion.gathering:
                weights[name] = shares[-2:, :-2] if len(frames[name]) else x.new_zeros(2, 0)
            frames[name] = x[:-2]
        tokens = torch.stack(versions).mean(0) if versions else tokens * 0
    parts = [through(fusion.norms[name], x) for name, x in frames.items()]
    means = [x.mean(0) if len(x) else torch.zeros(8, dtype=torch.float64) for x in parts]
    return torch.relu(through(fusion.mix, torch.cat(means))), weights


BY_HAND = {
    "bottleneck": bottleneck_row,
    "gated": gated_row,
    "low_rank": low_rank_row,
    "mixture": mixture_row,
}


@pytest.mark.parametrize("name", BY_HAND)
@each_set
def test_a_fusion_is_its_formula_on_the_valid_frames_of_each_row(name, names):
    fusion, features = made(name, names), features_of(names, padding=torch.nan)
    found = fusion(features)
    told = fusion.explain(features) if hasattr(fusion, "explain") else {}
    assert found.shape == (4, fusion.out_dim)
    for row in range(4):
        expected, shares = BY_HAND[name](fusion, features, row)
        torch.testing.assert_close(found[row], expected, rtol=1e-9, atol=1e-9)
        assert list(told) == list(shares)
        for key, share in shares.items():
            index = (row, *(slice(length) for length in share.shape))
            torch.testing.assert_close(told[key][index], share, rtol=1e-9, atol=1e-9)
            assert told[key][row].sum().item() == pytest.approx(share.sum().item())


def test_the_gate_of_two_encoders_is_the_papers_sigmoid():
    fusion, features = made("gated", ("audio", "text")), features_of(("audio", "text"))
    for row in (0, 1):  # those that have both
        audio, text = pooled(features, row).values()
        z = torch.sigmoid(through(fusion.gates[0], torch.cat([audio, text])))
        h = [
            torch.tanh(through(fusion.project[key], x))
            for key, x in (("audio", audio), ("text", text))
        ]
        torch.testing.assert_close(fusion(features)[row], z * h[0] + (1 - z) * h[1])
        torch.testing.assert_close(fusion.explain(features)["audio"][row], z)


@pytest.mark.parametrize("name", ["gated", "mixture"])
def test_gates_share_out_one_and_are_shut_where_there_is_nothing(name):
    features = features_of()
    shares = made(name).explain(features)
    for key in DIMS:
        assert (shares[key][features[key].present] > 0).all()
        assert (shares[key][~features[key].present] == 0).all()
    total = sum(shares.values())
    torch.testing.assert_close(total, torch.ones_like(total))


@pytest.mark.parametrize("name", ["gated", "mixture"])
def test_an_encoder_alone_needs_no_gate(name):
    fusion = made(name, ("text",))
    assert not [key for key, _ in fusion.named_parameters() if "gate" in key]
    assert list(fusion.explain(features_of(("text",)))) == ["text"]


def test_mixing_the_vectors_of_experts_is_mixing_their_logits():
    fusion, features, output = made("mixture"), features_of(), head(8, 3).double()
    shares = torch.stack(list(fusion.explain(features).values()), dim=1)
    means = [torch.stack([pooled(features, row)[key] for row in range(4)]) for key in DIMS]
    heard = [*means, torch.cat(means, dim=1)]
    logits = [
        output(torch.relu(through(*pair))) for pair in zip(fusion.experts, heard, strict=True)
    ]
    expected = (shares.unsqueeze(-1) * torch.stack(logits, dim=1)).sum(1)
    torch.testing.assert_close(output(fusion(features)), expected)


def test_a_low_rank_product_without_one_encoder_is_what_its_one_leaves_of_the_others():
    fusion, features = made("low_rank", ("audio", "text")), features_of(("audio", "text"))
    first, norm = fusion.project["text"][:2]
    z = torch.relu(through(norm, through(first, pooled(features, 2)["text"])))
    kept = through(fusion.factors["text"], z).view(3, 8) * fusion.factors["audio"].bias.view(3, 8)
    torch.testing.assert_close(fusion(features)[2], kept.sum(0))


def test_what_one_encoder_says_reaches_another_one_exchange_later():
    fusion, features = made("bottleneck", depth=2), features_of()
    x = features["audio"].x.clone()
    x[0, 0] += 1
    other = features | {"audio": Features(x, features["audio"].mask)}
    heard = []
    for one in (features, other):
        frames, tokens = fusion.gathering(*fusion.before_last(one))
        heard.append((frames["text"].x, fusion.last(frames, tokens)[0]["text"].x))
    (before, after), (before_other, after_other) = heard
    torch.testing.assert_close(before_other, before, rtol=0, atol=0)
    assert not torch.allclose(after_other[0], after[0])
    torch.testing.assert_close(after_other[1:], after[1:], rtol=0, atol=0)


def test_a_single_exchange_or_a_width_that_the_heads_cannot_share_is_refused():
    with pytest.raises(ValueError, match=r"depth\n.*greater than or equal to 2"):
        schema(bottleneck.Fusion).model_validate({"depth": 1})
    with pytest.raises(ConfigError, match="hidden 30 cannot be shared among 4 heads"):
        bottleneck.Fusion(DIMS, hidden=30, heads=4)


LAYER = 3 * (128 * 128 + 128) + 128 * 128 + 2 * 2 * 128 + 128 * 512 + 512 + 512 * 128 + 128
COUNTS = {
    # of each encoder: Linear; one gate for the first of two
    gated: 896 * 256 + 2 * 256 + 896 * 256 + 256,
    # of each encoder: Linear and norm, a factor of rank 4
    low_rank: 896 * 128 + 2 * (128 + 2 * 128) + 2 * (128 * 512 + 512),
    # of each encoder: Linear and norm, two layers (query, value, out and key, two norms, two that
    # feed) and a last norm; four tokens; the layer that mixes
    bottleneck: 896 * 128 + 2 * 3 * 128 + 2 * (2 * LAYER + 2 * 128) + 4 * 128 + 256 * 128 + 128,
    # three experts; a gate
    mixture: 896 * 256 + 2 * 256 + 896 * 256 + 256 + 896 * 3 + 3,
}


@pytest.mark.parametrize("fusion", COUNTS, ids=lambda one: one.__name__.rpartition(".")[2])
def test_a_fusion_of_768_and_128_dims_has_as_many_parameters_as_it_says(fusion):
    dims = {"text": 768, "audio": 128}
    made = fusion.Fusion(dims)
    expected = COUNTS[fusion] + made.out_dim * 6 + 6
    assert parameters(made) == expected
    assert f"{expected:,}" in fusion.__doc__
