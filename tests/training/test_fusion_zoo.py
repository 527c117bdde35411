"""Each fusion against its formula, row by row on valid frames in float64; how large each one is."""

import pytest
import torch

from multimodal_ser.config.registry import build, module
from multimodal_ser.training.fusion import late
from multimodal_ser.training.model import Model, head
from tests.helpers.fusion_rows import (
    CLOSE,
    DIMS,
    LENGTHS,
    THREE,
    features_of,
    made,
    parameters,
    valid,
)
from tests.training.test_fusion_attention import attend, linear

ZOO = (
    "self_attention", "multihead", "feature_attention", "dual_gru", "coattention_cnn", "joint_cls"
)  # fmt: skip
CASES = {name: (name, {}) for name in ZOO} | {
    "self_attention deviation": ("self_attention", {"pool": "mean_std"}),
    "multihead 4": ("multihead", {"heads": 4, "pool": "max"}),
    "feature_attention deviation": ("feature_attention", {"pool": "mean_std"}),
    "coattention_cnn wide": ("coattention_cnn", {"layers": 1, "kernel": 5, "pool": "mean"}),
    "dual_gru of LSTM": ("dual_gru", {"cell": "lstm"}),
    "joint_cls mean": ("joint_cls", {"summary": "mean", "heads": 4}),
    "joint_cls concat": ("joint_cls", {"how": "concat"}),
    "joint_cls concat mean": ("joint_cls", {"how": "concat", "summary": "mean"}),
}
HEADS = {"self_attention": 1, "multihead": 2, "coattention_cnn": 2, "joint_cls": 2}

each_case = pytest.mark.parametrize("case", CASES)


def pooled(kind, x, width):
    """Zeros where there is no frame; 1e-10 keeps the gradient of a deviation finite."""
    if not len(x):
        return x.new_zeros(width * (2 if kind == "mean_std" else 1))
    if kind == "max":
        return x.max(0).values
    deviation = [(x.var(0, correction=0) + 1e-10).sqrt()] if kind == "mean_std" else []
    return torch.cat([x.mean(0), *deviation])


def attended_row(fusion, features, row, heads, pool="mean"):
    parts, weights = [], {}
    for name, project in fusion.attended.project.items():
        x = linear(project, valid(features[name], row))
        found, weights[name] = attend(fusion.attended.attentions[name], x, x, heads)
        parts.append(pooled(pool, x + found, 8))
    return torch.relu(linear(fusion.mix, torch.cat(parts))), weights


def weighed_row(fusion, features, row, pool="mean"):
    vectors, raised = {}, {}
    for name, project in fusion.project.items():
        frames = valid(features[name], row)
        vectors[name] = linear(project, pooled(pool, frames, DIMS[name]))
        inner = torch.tanh(linear(fusion.score[0], vectors[name]))
        raised[name] = torch.exp(fusion.score[2].weight[0] @ inner) * bool(len(frames))
    weights = {name: one / sum(raised.values()) for name, one in raised.items()}
    fused = sum(weight * vectors[name] for name, weight in weights.items())
    return torch.relu(linear(fusion.mix, fused)), weights


def remembered(cells, frames):
    """A gated recurrent unit, step by step: Cho et al. 2014, with the biases that torch has."""
    state = torch.zeros(cells.hidden_size, dtype=torch.float64)
    for frame in frames:
        given = (cells.weight_ih_l0 @ frame + cells.bias_ih_l0).chunk(3)
        kept = (cells.weight_hh_l0 @ state + cells.bias_hh_l0).chunk(3)
        reset, update = (torch.sigmoid(given[gate] + kept[gate]) for gate in (0, 1))
        fresh = torch.tanh(given[2] + reset * kept[2])
        state = (1 - update) * fresh + update * state
    return state


def kept_in_cells(cells, frames):
    """A long short-term memory, step by step: Hochreiter & Schmidhuber 1997, with a forget gate."""
    state, kept = torch.zeros(2, cells.hidden_size, dtype=torch.float64)
    for frame in frames:
        given = cells.weight_ih_l0 @ frame + cells.bias_ih_l0
        gates = (given + cells.weight_hh_l0 @ state + cells.bias_hh_l0).chunk(4)
        enter, forget, leave = (torch.sigmoid(gates[gate]) for gate in (0, 1, 3))
        kept = forget * kept + enter * torch.tanh(gates[2])
        state = leave * torch.tanh(kept)
    return state


def recurrent_row(fusion, features, row, cell="gru"):
    reads = remembered if cell == "gru" else kept_in_cells
    states = [reads(cells, valid(features[name], row)) for name, cells in fusion.recurrent.items()]
    return torch.relu(linear(fusion.mix, torch.cat(states))), {}


def convolved(layer, x):
    """Each frame from its neighbours, as far as there are any."""
    reach = layer.kernel_size[0] // 2
    found = []
    for at in range(len(x)):
        total = layer.bias
        for step in range(-reach, reach + 1):
            if 0 <= at + step < len(x):
                total = total + layer.weight[:, :, step + reach] @ x[at + step]
        found.append(torch.relu(total))
    return torch.stack(found) if found else x.new_zeros(0, 8)


def convolved_row(fusion, features, row, heads, pool="mean_std"):
    frames, parts, weights = {}, [], {}
    for name, stack in fusion.convolutions.items():
        frames[name] = valid(features[name], row)
        for layer in stack.layers:
            frames[name] = convolved(layer, frames[name])
    for (one, other), attention in zip(fusion.pairs, fusion.attentions, strict=True):
        found, weights[one, other] = attend(attention, frames[one], frames[other], heads)
        parts.append(pooled(pool, frames[one] + found, 8))
    return torch.relu(linear(fusion.mix, torch.cat(parts))), weights


def joint_row(fusion, features, row, heads, how="coattention", summary="first"):
    names, parts, weights = sorted(features), [], {}
    frames = {name: valid(features[name], row) for name in names}
    single = {
        name: one[:1] if summary == "first" else one.mean(0, keepdim=True)[: len(one)]
        for name, one in frames.items()
    }
    if how == "concat" or len(names) == 1:
        return torch.cat([pooled("mean", single[name], DIMS[name]) for name in names]), {}
    pairs = [(one, other) for one in names for other in names if one != other]
    for pair, attention in zip(pairs, fusion.attentions, strict=True):
        one, other = pair
        found, shares = attend(attention, single[one], frames[other], heads)
        parts.append(pooled("mean", single[one] + found, DIMS[one]))
        weights[pair] = shares.sum(0)
    return torch.cat(parts), weights


BY_HAND = {
    "self_attention": attended_row,
    "multihead": attended_row,
    "feature_attention": weighed_row,
    "dual_gru": recurrent_row,
    "coattention_cnn": convolved_row,
    "joint_cls": joint_row,
}


@each_case
@pytest.mark.parametrize("names", [("text",), ("audio", "text"), THREE])
def test_a_fusion_is_its_formula_on_the_valid_frames_of_each_row(case, names):
    name, options = CASES[case]
    fusion = made(name, names, **options)
    lengths = LENGTHS | ({"text": (2, 5, 3, 1)} if len(names) == 1 else {})
    features = features_of(names, padding=torch.nan, lengths=lengths)
    found = fusion(features)
    weights = fusion.explain(features) if hasattr(fusion, "explain") else {}
    settings = {"heads": HEADS[name]} if name in HEADS else {}
    settings |= {key: one for key, one in options.items() if key not in ("layers", "kernel")}
    assert found.shape == (4, fusion.out_dim)
    for row in range(4):
        expected, shares = BY_HAND[name](fusion, features, row, **settings)
        torch.testing.assert_close(found[row], expected, **CLOSE)
        assert set(shares) == set(weights)
        for key, share in shares.items():
            told = weights[key][row]
            index = tuple(slice(length) for length in share.shape)
            torch.testing.assert_close(told[index], share, **CLOSE)
            assert told.sum().item() == pytest.approx(share.sum().item()), "padding weighs nothing"


def affine(wide, out):
    """A linear one, with its bias."""
    return wide * out + out


def attention(hidden, asks, answers):
    """query, key without a bias, value, out."""
    return affine(asks, hidden) + answers * hidden + affine(answers, hidden) + affine(hidden, asks)


def gru(wide, hidden):
    return 3 * (affine(wide, hidden) + affine(hidden, hidden))


PROJECT, MIX, OUT = affine(768, 256) + affine(128, 256), affine(512, 256), affine(256, 6)
ATTENDED = PROJECT + 2 * attention(256, 256, 256) + MIX + OUT
CONVOLUTIONS = affine(3 * 768, 128) + affine(3 * 128, 128) + 2 * affine(3 * 128, 128)
SIZES = [
    ("self_attention", {}, ATTENDED, 888_582),
    ("multihead", {}, ATTENDED, 888_582),
    ("multihead", {"heads": 2}, ATTENDED, 888_582),
    ("feature_attention", {}, PROJECT + 2 * affine(256, 256) + 256 + OUT, 363_270),
    ("dual_gru", {}, gru(768, 200) + gru(128, 200) + affine(400, 200) + affine(200, 6), 861_406),
    (
        "coattention_cnn",
        {},
        CONVOLUTIONS + 2 * attention(128, 128, 128) + affine(512, 128) + affine(128, 6),
        641_158,
    ),
    (
        "joint_cls",
        {},
        attention(768, 768, 128) + attention(768, 128, 768) + affine(896, 6),
        2_761_862,
    ),
    ("joint_cls", {"how": "concat"}, affine(896, 6), 5_382),
    ("late", {}, PROJECT + OUT, 231_430),
]


@pytest.mark.parametrize(("name", "options", "expected", "said"), SIZES)
def test_a_fusion_has_as_many_parameters_as_it_says(name, options, expected, said):
    fusion = build("fusion", name, options, {"text": 768, "audio": 128})
    assert parameters(fusion) == expected == said
    assert f"{said:,}" in module("fusion", name).__doc__


def decision(how, told, weights):
    """One decision from the probabilities of the encoders that are there `[M, C]`."""
    if how == "mean":
        return told.mean(0)
    if how == "weights":
        raised = weights.exp() / weights.exp().sum()
        return (raised.unsqueeze(1) * told).sum(0)
    joined = told.max(0).values if how == "max" else told.prod(0) ** (1 / len(told))
    return joined / joined.sum()


@pytest.mark.parametrize("how", ["mean", "max", "weights", "product"])
def test_late_decisions_are_merged_over_the_encoders_that_are_there(how):
    torch.manual_seed(0)
    fusion = late.Fusion(DIMS, hidden=8, merge=how)
    if how == "weights":
        fusion.weights.data = torch.tensor([0.3, -1.2, 0.8])
    model = Model(fusion, {"label": head(8, 4)}, DIMS).double().eval()
    lengths = {"audio": (4, 2, 0, 0, 0), "hand": (1, 0, 1, 1, 0), "text": (2, 5, 3, 0, 0)}
    features = features_of(padding=torch.nan, lengths=lengths)
    found = model(features)["label"].exp()
    for row in range(5):
        told = []
        for name in DIMS:
            frames = pooled("mean", valid(features[name], row), DIMS[name])
            scores = linear(model.heads["label"], torch.relu(linear(fusion.project[name], frames)))
            told.append(torch.exp(scores) / torch.exp(scores).sum())
        there = [lengths[name][row] > 0 for name in DIMS]
        there = torch.tensor(there if any(there) else [True] * 3)  # nothing: all say what they can
        weights = fusion.weights[there] if how == "weights" else None
        expected = decision(how, torch.stack(told)[there], weights)
        torch.testing.assert_close(found[row], expected, **CLOSE)
