"""Tasks whose answer lies between the encoders: who can find it, and who cannot by construction."""

from functools import cache, partial

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from multimodal_ser.config.registry import build
from multimodal_ser.features.batches import Dataset, Ragged
from tests.training.test_fusion_attention import schooled, taught

SEEDS = range(5)
PLAIN = {"hidden": 32, "dropout": 0.0}
SMALL = {
    "attention_pooling": PLAIN | {"layers": 2},
    "bottleneck": PLAIN | {"heads": 2},
    "cross_attention": PLAIN | {"heads": 2, "depth": 1},
    "join": {},
    "joint_cls": PLAIN | {"heads": 2},
    "multihead": PLAIN | {"heads": 2},
}
WITH_A_HIDDEN_LAYER = [
    "attention_pooling", "bottleneck", "concat", "cross_attention", "dual_gru",
    "feature_attention", "gated", "low_rank", "mixture", "multihead", "self_attention",
]  # fmt: skip


def vectors(bits, generator, columns=8):
    """Noise, and the bit as ±1 in the first column."""
    x = torch.randn(len(bits), columns, generator=generator) * 0.3
    x[:, 0] += 2.0 * bits - 1
    return x


def dataset(audio, text, codes, classes, lengths=None):
    lengths = torch.ones(len(codes), dtype=torch.int64) if lengths is None else lengths
    features = {"audio": Ragged(audio, lengths), "text": Ragged(text, lengths)}
    return Dataset(features, {"label": one_hot(codes, classes).float()}, np.arange(len(codes)))


def exclusive(rows, seed):
    """The label is the audio's bit XOR the text's, the four cases equally often: each alone is at
    chance, and so is every sum of what each says.
    """
    generator = torch.Generator().manual_seed(seed)
    audio, text = torch.arange(rows) // 2 % 2, torch.arange(rows) % 2
    sides = [vectors(bits, generator) for bits in (audio, text)]
    return dataset(*sides, audio ^ text, 2)


def exclusive_accuracy(name, **options):
    """Lowest and highest of five seeds."""
    options = SMALL.get(name, PLAIN) | options
    learn = partial(taught, name, options, {"audio": 8, "text": 8}, exclusive)
    found = [learn(seed=seed, rows=300, epochs=10, rate=0.01) for seed in SEEDS]
    return min(found), max(found)


@pytest.mark.parametrize("name", WITH_A_HIDDEN_LAYER)
def test_fusion_before_the_decision_finds_what_two_encoders_tell_only_together(name):
    worst, _ = exclusive_accuracy(name)
    assert worst >= 0.95


@pytest.mark.parametrize("merge", ["mean", "max", "weights", "product"])
def test_decisions_merged_late_do_not_find_what_two_encoders_tell_only_together(merge):
    _, best = exclusive_accuracy("late", merge=merge)
    assert best <= 0.6


@pytest.mark.parametrize("name", ["join", "joint_cls"])
def test_nor_does_a_linear_map_of_both(name):
    """Co-attention over a single frame has nothing to choose, and joint_cls no hidden layer."""
    _, best = exclusive_accuracy(name)
    assert best <= 0.6


def loud(rows, seed, moments=False):
    """2 to 4 frames, each with a word of three at random; the label is the word of the moment at
    which the audio is loud.

    moments: the frames of both encoders also carry a code of their moment, as those of encoders
    with positions do. The mean of a text's frames tells how often each word is said, with codes
    or without: whoever names the commonest is right for .63 of the rows (2/3, 17/27 and 16/27 of
    those with 2, 3 and 4 frames).
    """
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(2, 5, (rows,), generator=generator)
    starts = lengths.cumsum(0) - lengths
    loudest = starts + (torch.rand(rows, generator=generator) * lengths).long()
    words = torch.randint(3, (int(lengths.sum()),), generator=generator)
    audio = torch.randn(len(words), 4, generator=generator) * 0.3
    audio[loudest, 0] += 3
    text = one_hot(words, 3).float()
    if moments:
        code = one_hot(torch.arange(len(words)) - starts.repeat_interleave(lengths), 4).float()
        audio, text = (torch.cat([part, code], dim=1) for part in (audio, text))
    return dataset(audio, text, words[loudest], 3, lengths)


@cache
def loud_accuracies(name, moments, rows, epochs):
    """Of five seeds."""
    more = 4 * moments
    learn = partial(taught, name, SMALL.get(name, PLAIN), {"audio": 4 + more, "text": 3 + more})
    task, pace = partial(loud, moments=moments), {"rows": rows, "epochs": epochs}
    rate = 3e-3 if name == "cross_attention" and not moments else 5e-3
    return [learn(task, seed=seed, rate=rate, **pace) for seed in SEEDS]


def test_the_commonest_word_is_the_loud_one_as_often_as_is_said():
    data = loud(20_000, 7)
    text, lengths = data.features["text"].frames, data.features["text"].lengths
    rows = torch.repeat_interleave(torch.arange(len(lengths)), lengths)
    counts = torch.zeros(len(lengths), 3).index_add(0, rows, text)
    right = (counts.argmax(1) == data.targets["label"].argmax(1)).float().mean()
    expected = (2 / 3 + 17 / 27 + 16 / 27) / 3
    assert right.item() == pytest.approx(expected, abs=4 * np.sqrt(0.25 / 20_000))


@pytest.mark.slow
def test_where_frames_carry_their_moment_attention_pooling_beats_concat_on_means():
    """A word weighs its frame, and so tells itself in the pooled code of its moment."""
    assert min(loud_accuracies("attention_pooling", True, 600, 40)) >= 0.8
    assert max(loud_accuracies("concat", True, 600, 40)) <= 0.7


@pytest.mark.slow
@pytest.mark.parametrize(("moments", "rows"), [(False, 1500), (True, 600)])
def test_cross_attention_beats_concat_on_means_with_codes_or_without(moments, rows):
    assert min(loud_accuracies("cross_attention", moments, rows, 20)) >= 0.95
    assert max(loud_accuracies("concat", moments, rows, 40)) <= 0.7


@pytest.mark.slow
def test_without_codes_attention_pooling_tells_no_more_than_means():
    assert max(loud_accuracies("attention_pooling", False, 1500, 40)) <= 0.7


def told_by_one(rows, seed):
    """Both encoders have a bit; a mark in the second column says whose is the label."""
    generator = torch.Generator().manual_seed(seed)
    bits = torch.randint(2, (2, rows), generator=generator)
    teller = torch.arange(rows) % 2
    sides = [vectors(one, generator) for one in bits]
    for number, side in enumerate(sides):
        side[:, 1] += 2.0 * (teller == number) - 1
    return dataset(*sides, torch.where(teller == 0, *bits), 2), teller


@pytest.mark.parametrize("name", ["gated", "mixture"])
@pytest.mark.parametrize("seed", SEEDS)
def test_gates_open_for_the_encoder_that_tells(name, seed):
    (train, _), (test, teller) = told_by_one(400, seed), told_by_one(200, 100 + seed)
    torch.manual_seed(seed)
    dims = {"audio": 8, "text": 8}
    fusion = build("fusion", name, PLAIN, dims)
    learner = schooled(fusion, dims, train, seed=seed, epochs=15, rate=0.01)
    right = learner.predict(test)["label"].argmax(1) == test.targets["label"].numpy().argmax(1)
    assert right.mean() >= 0.95
    shares = fusion.eval().explain(test.batch(torch.arange(200)).features)
    for number, key in enumerate(dims):
        told, silent = (shares[key][(teller == number) == tells].mean() for tells in (True, False))
        assert told > 1.5 * silent
