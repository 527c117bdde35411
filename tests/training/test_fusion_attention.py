"""Attention fusions against their formulas written out row by row, and what each can find out."""

import math
from functools import partial

import numpy as np
import pytest
import torch

from multimodal_ser.config.registry import build
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training import losses
from multimodal_ser.training.fusion import attention_pooling, cross_attention
from multimodal_ser.training.model import Model, head
from multimodal_ser.types import ConfigError, Features
from tests.helpers.fusion_rows import DIMS, LENGTHS, features_of, made, parameters, valid

each_fusion = pytest.mark.parametrize("name", ["attention_pooling", "cross_attention"])


def norm(layer, x):
    centred = x - x.mean(-1, keepdim=True)
    variance = (centred**2).mean(-1, keepdim=True)
    return centred / (variance + 1e-5).sqrt() * layer.weight + layer.bias


def linear(layer, x):
    return x @ layer.weight.T + (0 if layer.bias is None else layer.bias)


def gelu(x):
    return x * (1 + torch.erf(x / math.sqrt(2))) / 2


def place(step, width):
    """Sines, then cosines, of the step over 10000^(k / (width / 2))."""
    rates = [10_000 ** (-k / (width / 2)) for k in range(width // 2)]
    return [math.sin(step * rate) for rate in rates] + [math.cos(step * rate) for rate in rates]


def attend(layer, x, keys, heads=2):
    """What the frames `[Tq, H]` find among `[Tk, H]`, and the mean of the heads' weights."""
    if not len(keys):
        return torch.zeros_like(x), x.new_zeros(len(x), 0)
    parts, shares = [], []
    for columns in torch.arange(len(layer.query.weight)).chunk(heads):
        query, key, value = (
            linear(part, of)[:, columns]
            for part, of in ((layer.query, x), (layer.key, keys), (layer.value, keys))
        )
        raised = torch.exp(query @ key.T / math.sqrt(len(columns)))
        shares.append(raised / raised.sum(1, keepdim=True))
        parts.append(shares[-1] @ value)
    return linear(layer.out, torch.cat(parts, 1)), torch.stack(shares).mean(0)


def crossed(stack, x, other):
    """The frames of one pair after all blocks, and the weights of the last."""
    weights = None
    for block in [*stack.first, stack.last]:
        keys = norm(block.answering, x if other is None else other)
        found, weights = attend(block.attention, norm(block.asking, x), keys)
        x = x + found
        first, out = block.feed[1], block.feed[4]
        x = x + linear(out, gelu(linear(first, norm(block.feed[0], x))))
    return norm(stack.norm, x), weights


def crossed_row(fusion, features, row):
    frames = {}
    for name, (project, scale) in fusion.project.items():
        x = norm(scale, linear(project, valid(features[name], row)))
        places = [place(step, 8) for step in range(len(x))]
        frames[name] = x + torch.tensor(places, dtype=torch.float64).reshape(-1, 8)
    pooled, weights = [], {}
    for (one, other), stack in zip(fusion.pairs, fusion.stacks, strict=True):
        x, weights[one, other] = crossed(
            stack, frames[one], frames[other] if one != other else None
        )
        pooled.append(x.mean(0) if len(x) else torch.zeros(8))
    return torch.relu(linear(fusion.mix, torch.cat(pooled))), weights


def pooled_row(fusion, features, row):
    parts = {}
    for name, (scale, *projects) in fusion.project.items():
        parts[name] = norm(scale, valid(features[name], row))
        for project in projects:  # none where all encoders are of one width
            parts[name] = linear(project, parts[name])
    frames = torch.cat(list(parts.values()))
    raised = torch.exp(frames @ fusion.query)
    shares = raised / raised.sum()
    x = shares @ frames
    for layer in fusion.layers[1:]:
        x = gelu(norm(layer[1], linear(layer[0], x)))
    ends = np.cumsum([len(part) for part in parts.values()])[:-1].tolist()
    return x, dict(zip(parts, shares.tensor_split(ends), strict=True))


BY_HAND = {"cross_attention": crossed_row, "attention_pooling": pooled_row}


@each_fusion
@pytest.mark.parametrize("names", [("text",), ("audio", "text"), ("audio", "hand", "text")])
def test_a_fusion_is_its_formula_on_the_valid_frames_of_each_row(name, names):
    fusion = made(name, names)
    lengths = LENGTHS | ({"text": (2, 5, 3, 1)} if len(names) == 1 else {})
    features = features_of(names, padding=torch.nan, lengths=lengths)
    found, weights = fusion(features), fusion.explain(features)
    assert found.shape == (4, fusion.out_dim)
    for row in range(4):
        expected, shares = BY_HAND[name](fusion, features, row)
        torch.testing.assert_close(found[row], expected, rtol=1e-9, atol=1e-9)
        for key, share in shares.items():
            told = weights[key][row]
            index = tuple(slice(length) for length in share.shape)
            torch.testing.assert_close(told[index], share, rtol=1e-9, atol=1e-9)
            assert told.sum().item() == pytest.approx(share.sum().item()), "padding weighs nothing"


def test_the_weights_of_all_frames_sum_to_one_over_the_encoders_that_are_there():
    features = features_of()
    weights = made("attention_pooling").explain(features)
    assert list(weights) == sorted(DIMS)
    total = sum(part.sum(1) for part in weights.values())
    torch.testing.assert_close(total, torch.ones(4, dtype=torch.float64))
    assert all((part[~features[key].mask] == 0).all() for key, part in weights.items())


def test_each_frame_that_asks_shares_one_among_the_frames_that_answer():
    features = features_of()
    weights = made("cross_attention").explain(features)
    assert set(weights) == {(one, other) for one in DIMS for other in DIMS if one != other}
    for (one, other), part in weights.items():
        asks, answers = features[one], features[other]
        expected = (asks.mask & answers.present[:, None]).double()
        torch.testing.assert_close(part.sum(2), expected)
        assert (part.masked_select(~answers.mask[:, None]) == 0).all()


def test_an_encoder_alone_asks_itself():
    assert list(made("cross_attention", ["text"]).explain(features_of(["text"]))) == [
        ("text", "text")
    ]


def test_pooled_encoders_have_nothing_to_choose():
    lengths = dict.fromkeys(DIMS, (1, 1, 1, 1))
    features = features_of(longest=1, lengths=lengths)
    for part in made("cross_attention").explain(features).values():
        assert part.tolist() == [[[1.0]]] * 4


def test_attention_pooling_starts_as_the_mean_of_all_frames():
    fusion = attention_pooling.Fusion(DIMS, hidden=8).double()
    for part in fusion.explain(features_of()).values():
        for row, count in enumerate((7, 8, 4, 3)):
            told = part[row][part[row] > 0]
            torch.testing.assert_close(told, torch.full_like(told, 1 / count))


def test_attention_pooling_leaves_encoders_of_one_width_as_they_are():
    """As the two of 1024 that it was made for: LayerNorm, then the pool."""
    fusion = attention_pooling.Fusion({"audio": 1024, "text": 1024})
    assert [type(one) for one in fusion.project["audio"]] == [torch.nn.LayerNorm]
    generator = torch.Generator().manual_seed(0)
    fusion.query.data = torch.randn(1024, generator=generator) / 32
    frames = {
        name: Features(torch.randn(2, 3, 1024, generator=generator), torch.ones(2, 3).bool())
        for name in ("audio", "text")
    }
    x = torch.cat([norm(fusion.project[name][0], part.x) for name, part in frames.items()], 1)
    raised = torch.exp(x @ fusion.query)
    expected = (raised / raised.sum(1, keepdim=True)).split(3, dim=1)
    for told, share in zip(fusion.explain(frames).values(), expected, strict=True):
        torch.testing.assert_close(told, share)


def test_to_attention_pooling_one_encoder_says_nothing_of_where_to_look_in_another():
    fusion, features = made("attention_pooling"), features_of()
    weights = fusion.explain(features)["text"]
    louder = features | {"audio": Features(features["audio"].x.flip(2) * 3, features["audio"].mask)}
    other = fusion.explain(louder)["text"]
    assert not torch.allclose(other, weights)
    shares = [one[:3] / one[:3].sum(1, keepdim=True) for one in (weights, other)]
    torch.testing.assert_close(*shares)


@pytest.mark.parametrize(("hidden", "near"), [(30, "28 or 32"), (3, "4")])
def test_a_width_that_the_heads_cannot_share_is_refused(hidden, near):
    message = f"hidden {hidden} cannot be shared among 4 heads; take hidden: {near}$"
    with pytest.raises(ConfigError, match=message):
        cross_attention.Fusion(DIMS, hidden=hidden, heads=4)


def test_cross_attention_of_768_and_128_dims_has_as_many_parameters_as_it_says():
    # each encoder: Linear and norm; two pairs of two blocks: query, value, out and key, three
    # norms, two layers that feed; a last norm each; the layer that mixes; the output
    width = 128
    linear, norm = width * width + width, 2 * width
    block = 3 * linear + width * width + 3 * norm + width * 4 * width * 2 + 5 * width
    project = 768 * width + width + norm + linear + norm
    expected = project + 2 * (2 * block + norm) + (2 * width * width + width) + (6 * width + 6)
    assert parameters(cross_attention.Fusion({"text": 768, "audio": 128})) == expected
    assert expected == 943_238
    assert "943,238" in cross_attention.__doc__


@pytest.mark.parametrize(("text", "count"), [(768, 1_256_198), (1024, 1_061_382)])
def test_attention_pooling_has_as_many_parameters_as_it_says(text, count):
    # norm of each encoder, a Linear where they differ; the query; three layers with a norm; output
    audio, width = (128, 512) if text == 768 else (1024, 1024)
    project = 2 * (text + audio) + (text * 512 + 512 + audio * 512 + 512 if width == 512 else 0)
    layers = [inner * 512 + 512 + 2 * 512 for inner in (width, 512, 512)]
    expected = project + width + sum(layers) + 512 * 6 + 6
    assert parameters(attention_pooling.Fusion({"text": text, "audio": audio})) == expected
    assert expected == count
    assert f"{count:,}" in attention_pooling.__doc__


def planted(task, rows, seed):
    """3 to 6 frames, each with a word of three at random; the label is the word of one moment.

    `loud`: the audio of that moment is loud. `stressed`: the text itself marks it.
    """
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 7, (rows,), generator=generator)
    starts = torch.cumsum(lengths, 0) - lengths
    moments = starts + (torch.rand(rows, generator=generator) * lengths).long()
    words = torch.randint(3, (int(lengths.sum()),), generator=generator)
    audio = torch.randn(len(words), 4, generator=generator) * 0.3
    stress = torch.randn(len(words), 2, generator=generator) * 0.3
    (audio if task == "loud" else stress)[moments, 0] += 3
    text = torch.cat([torch.nn.functional.one_hot(words, 3), stress], dim=1)
    truth = torch.nn.functional.one_hot(words[moments], 3).float()
    features = {"audio": Ragged(audio, lengths), "text": Ragged(text, lengths)}
    return Dataset(features, {"label": truth}, np.arange(rows))


def schooled(fusion, dims, train, *, seed=0, epochs=20, rate=3e-3):
    """A learner that has trained a head over the fusion."""
    classes = train.targets["label"].shape[1]
    model = Model(fusion, {"label": head(fusion.out_dim, classes)}, dims)
    schooling = {"epochs": epochs, "batch_size": 50, "optimizer": {"lr": rate}}
    loss = {"label": (losses.cross_entropy, 1.0)}
    learner = build("learners", "neural", schooling, model, loss)
    learner.fit(train, None, seed=seed)
    return learner


def taught(name, options, dims, task, *, seed=0, rows=1500, **schooling):
    """The share of 500 new rows that are right after training; by default about a second."""
    torch.manual_seed(seed)
    fusion = build("fusion", name, options, dims)
    learner = schooled(fusion, dims, task(rows, 2 * seed), seed=seed, **schooling)
    test = task(500, 2 * seed + 1)
    truth = test.targets["label"].numpy().argmax(1)
    return float((learner.predict(test)["label"].argmax(1) == truth).mean())


def accuracy(name, task):
    """Of a fusion that is told where to look by sound or by text."""
    options = {"hidden": 32, "dropout": 0.0}
    if name == "cross_attention":
        options |= {"heads": 2, "depth": 1}
    return taught(name, options, {"audio": 4, "text": 5}, partial(planted, task))


# the word said most often is right for 0.59 of the rows: that is all a mean can tell
def test_only_cross_attention_hears_what_is_said_while_the_audio_is_loud():
    assert accuracy("cross_attention", "loud") > 0.95
    assert accuracy("concat", "loud") < 0.65
    assert accuracy("attention_pooling", "loud") < 0.65


@each_fusion
def test_attention_finds_the_word_that_its_own_frame_stresses(name):
    assert accuracy(name, "stressed") > 0.95


def test_a_mean_over_frames_does_not_find_the_stressed_word():
    assert accuracy("concat", "stressed") < 0.65
