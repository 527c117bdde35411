"""What can be said of a fusion without its formula: what it ignores, and what it can find out."""

import numpy as np
import pytest
import torch

from multimodal_ser.config.registry import build
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training.fusion import coattention_cnn, concat, joint_cls, multihead
from multimodal_ser.types import ConfigError, Features
from tests.helpers.fusion_rows import CLOSE, DIMS, LENGTHS, SMALL, features_of, made, padded
from tests.training.test_fusion_attention import accuracy, taught

each_fusion = pytest.mark.parametrize("name", SMALL)
FULL = dict.fromkeys(DIMS, (3, 5, 1, 2))


def without(features, name):
    """The same rows, none of which has this encoder."""
    mask = torch.zeros_like(features[name].mask)
    x = torch.full_like(features[name].x, torch.nan)
    return features | {name: Features(x, mask)}


@each_fusion
@pytest.mark.parametrize("padding", [1e6, float("inf"), float("nan")])
def test_padding_changes_no_value_and_no_gradient(name, padding):
    results = []
    for holds, longest in ((0.0, 5), (padding, 5), (padding, 9)):
        fusion = made(name)
        features = {key: padded(part, holds, longest) for key, part in features_of().items()}
        found = fusion(features)
        found.square().sum().backward()
        assert all((part.x.grad[~part.mask] == 0).all() for part in features.values())
        inner = [part.x.grad[:, :5] for part in features.values()]
        results.append([found, *inner, *(one.grad for one in fusion.parameters())])
    for other in results[1:]:
        torch.testing.assert_close(other, results[0], **CLOSE)


@each_fusion
def test_it_does_not_matter_on_which_side_padding_stands(name):
    fusion, features = made(name), features_of(lengths=dict.fromkeys(DIMS, (3, 3, 3, 3)))
    turned = {
        key: Features(part.x.roll(2, dims=1), part.mask.roll(2, dims=1))
        for key, part in features.items()
    }
    torch.testing.assert_close(fusion(turned), fusion(features), **CLOSE)


@each_fusion
def test_a_row_without_a_modality_or_with_nothing_at_all_changes_no_other_row(name):
    fusion, features = made(name), features_of()
    whole = fusion(features)
    for gone in (["text"], list(DIMS)):
        part = dict(features)
        for key in gone:
            mask = part[key].mask.clone()
            mask[1] = False
            x = part[key].x.masked_fill(~mask[..., None], torch.nan)
            part[key] = Features(x.requires_grad_(), mask)
        found = fusion(part)
        fusion.zero_grad()
        found.square().sum().backward()
        assert found.isfinite().all()
        assert all(one.grad.isfinite().all() for one in fusion.parameters())
        assert all((part[key].x.grad[1] == 0).all() for key in gone)
        torch.testing.assert_close(found[[0, 2, 3]], whole[[0, 2, 3]], **CLOSE)
        assert not torch.allclose(found[1], whole[1])


@each_fusion
def test_a_batch_in_which_nobody_has_anything_is_no_error(name):
    features = features_of()
    for key in DIMS:
        features = without(features, key)
    found = made(name)(features)
    assert found.isfinite().all()
    assert torch.equal(found, found[:1].expand_as(found))


@each_fusion
def test_dropout_acts_in_training_alone(name):
    fusion, features = made(name, dropout=0.5), features_of()
    assert torch.equal(fusion(features), fusion(features))
    fusion.train()
    assert not torch.equal(fusion(features), fusion(features))


def test_weighed_encoders_share_one_among_those_that_are_there():
    features = features_of(lengths=LENGTHS | {"audio": (4, 2, 0, 0)})
    weights = made("feature_attention").explain(features)
    assert list(weights) == sorted(DIMS)
    expected = torch.tensor([1.0, 1.0, 1.0, 0.0], dtype=torch.float64)  # the last has nothing
    torch.testing.assert_close(sum(weights.values()), expected)
    assert all((weights[name][~part.present] == 0).all() for name, part in features.items())


@pytest.mark.parametrize("name", ["self_attention", "multihead"])
def test_each_frame_shares_one_among_the_frames_of_its_encoder(name):
    features = features_of()
    weights = made(name).explain(features)
    assert list(weights) == sorted(DIMS)
    for key, part in weights.items():
        mask = features[key].mask
        torch.testing.assert_close(part.sum(2), mask.double())
        assert (part.masked_select(~mask[:, None]) == 0).all()


def test_convolved_frames_and_summaries_share_one_among_the_frames_that_answer():
    features = features_of()
    asked = {name: made(name).explain(features) for name in ("coattention_cnn", "joint_cls")}
    for one, other in ((one, other) for one in DIMS for other in DIMS if one != other):
        asks, answers = features[one], features[other]
        frames, summary = (asked[name].pop((one, other)) for name in asked)
        torch.testing.assert_close(
            frames.sum(2), (asks.mask & answers.present[:, None]).double(), **CLOSE
        )
        torch.testing.assert_close(summary.sum(1), (asks.present & answers.present).double())
        assert (frames.masked_select(~answers.mask[:, None]) == 0).all()
        assert (summary[~answers.mask] == 0).all()
    assert asked == {"coattention_cnn": {}, "joint_cls": {}}


def test_an_encoder_alone_asks_itself_or_nobody():
    features = features_of(["text"])
    assert list(made("coattention_cnn", ["text"]).explain(features)) == [("text", "text")]
    assert made("joint_cls", ["text"]).explain(features) == {}
    first = made("joint_cls", ["text"])(features)
    torch.testing.assert_close(first[:3], features["text"].x[:3, 0])


def test_without_an_encoder_weighed_encoders_say_what_a_fusion_of_the_others_says():
    fusion, features = made("feature_attention"), features_of(lengths=FULL)
    smaller = made("feature_attention", ["hand", "text"])
    smaller.load_state_dict(
        {key: one for key, one in fusion.state_dict().items() if "audio" not in key}
    )
    others = {name: features[name] for name in ("hand", "text")}
    torch.testing.assert_close(fusion(without(features, "audio")), smaller(others), **CLOSE)


@pytest.mark.parametrize("name", ["self_attention", "multihead", "dual_gru"])
def test_without_an_encoder_its_columns_of_the_joined_vector_are_empty(name):
    fusion, features = made(name), features_of(lengths=FULL)
    smaller = made(name, ["hand", "text"])
    state = {key: one for key, one in fusion.state_dict().items() if "audio" not in key}
    smaller.load_state_dict(state | {"mix.weight": fusion.mix.weight[:, 8:]})
    others = {key: features[key] for key in ("hand", "text")}
    torch.testing.assert_close(fusion(without(features, "audio")), smaller(others), **CLOSE)


def test_a_summary_that_gets_no_answer_stays_as_it_is():
    features = features_of(["audio", "text"], lengths=FULL)
    found = made("joint_cls", ["audio", "text"])(without(features, "text"))
    torch.testing.assert_close(found[:, :3], features["audio"].x[:, 0])
    assert (found[:, 3:] == 0).all(), "and what is missing asks nobody"


def test_what_encoders_are_called_means_nothing_to_their_weights():
    fusion, features = made("feature_attention", ["audio", "text"]), features_of(["audio", "text"])
    dims = {"zoo": DIMS["audio"], "alphabet": DIMS["text"]}
    other = build("fusion", "feature_attention", SMALL["feature_attention"], dims).double().eval()
    named = {"audio": "zoo", "text": "alphabet"}
    renamed = {
        ".".join(named.get(part, part) for part in key.split(".")): one
        for key, one in fusion.state_dict().items()
    }
    other.load_state_dict(renamed)
    turned = {named[key]: part for key, part in features.items()}
    torch.testing.assert_close(other(turned), fusion(features), **CLOSE)
    weights = other.explain(turned)
    for key, part in fusion.explain(features).items():
        torch.testing.assert_close(weights[named[key]], part, **CLOSE)


def test_self_attention_that_finds_nothing_is_concat():
    fusion, features = made("self_attention"), features_of(lengths=FULL)
    plain = concat.Fusion(DIMS, hidden=8).double().eval()
    plain.project.load_state_dict(fusion.attended.project.state_dict())
    plain.mix.load_state_dict(fusion.mix.state_dict())
    assert not torch.allclose(fusion(features), plain(features))
    for attention in fusion.attended.attentions.values():
        torch.nn.init.zeros_(attention.out.weight)
        torch.nn.init.zeros_(attention.out.bias)
    torch.testing.assert_close(fusion(features), plain(features), **CLOSE)


def test_one_head_of_many_is_self_attention():
    fusion, features = made("self_attention"), features_of()
    single, several = made("multihead", heads=1), made("multihead", heads=2)
    for other in (single, several):
        other.load_state_dict(fusion.state_dict())
    torch.testing.assert_close(single(features), fusion(features), **CLOSE)
    assert not torch.allclose(several(features), fusion(features))


@pytest.mark.parametrize("name", ["self_attention", "multihead"])
def test_over_pooled_vectors_attention_is_a_linear_map(name):
    attended = made(name).attended

    def of(factor):
        lengths = dict.fromkeys(DIMS, (1, 1, 1, 1))
        parts = features_of(longest=1, lengths=lengths).items()
        return attended({key: Features(part.x * factor, part.mask) for key, part in parts})

    torch.testing.assert_close(of(3.0) - of(0.0), 3 * (of(1.0) - of(0.0)), **CLOSE)


@pytest.mark.parametrize(
    ("name", "options", "ordered"),
    [
        ("self_attention", {}, False),
        ("multihead", {}, False),
        ("coattention_cnn", {"kernel": 1}, False),
        ("coattention_cnn", {}, True),
        ("dual_gru", {}, True),
    ],
)
def test_a_fusion_that_reads_order_tells_frames_from_the_same_frames_reversed(
    name, options, ordered
):
    fusion, features = made(name, **options), features_of(lengths=dict.fromkeys(DIMS, (5,) * 4))
    turned = {key: Features(part.x.flip(1), part.mask) for key, part in features.items()}
    assert torch.allclose(fusion(turned), fusion(features), rtol=1e-9) != ordered


@pytest.mark.parametrize("fusion", [multihead, coattention_cnn, joint_cls])
def test_a_width_that_the_heads_cannot_share_is_refused(fusion):
    message = "hidden 30 cannot be shared among 4 heads; take hidden: 28 or 32$"
    with pytest.raises(ConfigError, match=message):
        fusion.Fusion(DIMS, hidden=30, heads=4)


def test_shallow_concatenation_learns_nothing_and_asks_no_width():
    fusion = joint_cls.Fusion(DIMS, how="concat", hidden=30, heads=4)
    assert list(fusion.parameters()) == []
    assert fusion.out_dim == sum(DIMS.values())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["self_attention", "multihead", "coattention_cnn"])
def test_attention_finds_the_word_that_its_own_frame_stresses(name):
    assert accuracy(name, "stressed") > 0.95


def last_word(rows, seed):
    """3 to 6 words of three at random; the label is the last."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(3, 7, (rows,), generator=generator)
    words = torch.randint(3, (int(lengths.sum()),), generator=generator)
    frames = torch.nn.functional.one_hot(words, 3).float()
    truth = frames[lengths.cumsum(0) - 1]
    return Dataset({"text": Ragged(frames, lengths)}, {"label": truth}, np.arange(rows))


def test_only_a_recurrent_network_hears_which_word_comes_last():
    options = {"hidden": 32, "dropout": 0.0}
    assert taught("dual_gru", options, {"text": 3}, last_word) > 0.95
    assert taught("self_attention", options, {"text": 3}, last_word) < 0.7


def asked_for(rows, seed):
    """Text asks for one of three speakers, whose frame of the audio has the label.

    The word said most often is right for 17 of 27: that is all a mean can tell.
    """
    generator = torch.Generator().manual_seed(seed)
    words = torch.randint(3, (rows, 3), generator=generator)
    wanted = torch.randint(3, (rows,), generator=generator)
    speakers = torch.eye(3).repeat(rows, 1)
    audio = torch.cat([speakers, torch.nn.functional.one_hot(words.flatten(), 3)], dim=1)
    text = torch.nn.functional.one_hot(wanted, 3).float()
    truth = torch.nn.functional.one_hot(words[torch.arange(rows), wanted], 3).float()
    features = {
        "audio": Ragged(audio, torch.full((rows,), 3)),
        "text": Ragged(text, torch.ones(rows, dtype=torch.int64)),
    }
    return Dataset(features, {"label": truth}, np.arange(rows))


def test_only_coattention_answers_what_the_other_encoder_asks():
    options = {"hidden": 32, "heads": 2, "dropout": 0.0, "summary": "mean"}
    dims = {"audio": 6, "text": 3}
    assert taught("joint_cls", options, dims, asked_for) > 0.95
    assert taught("joint_cls", options | {"how": "concat"}, dims, asked_for) < 0.7
