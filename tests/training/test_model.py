"""The model: what stands in for a missing modality, and how decisions are merged."""

import math

import numpy as np
import pytest
import torch

from multimodal_ser.features.pooling import Attention
from multimodal_ser.training.fusion import concat, late
from multimodal_ser.training.model import LayerMix, Model, head, merge, merge_numbers
from multimodal_ser.types import Features, MissingError

DIMS = {"audio": 3, "text": 2}
# two encoders that are there and one that is not
PROBABILITIES = torch.tensor([[0.7, 0.3], [0.2, 0.8], [0.01, 0.99]])
THERE = torch.tensor([[True, True, False]])


def frames(lengths, dim, longest=7, padding=0.0, seed=0):
    x = torch.randn(len(lengths), longest, dim, generator=torch.Generator().manual_seed(seed))
    mask = torch.arange(longest) < torch.tensor(lengths).unsqueeze(1)
    return Features(x.masked_fill(~mask.unsqueeze(-1), padding), mask)


def batch(padding=0.0, audio=(4, 2, 3), text=(1, 0, 0)):
    return {
        "audio": frames(audio, 3, padding=padding),
        "text": frames(text, 2, padding=padding, seed=1),
    }


def model(fusion=concat, absent=("text",), **options):
    torch.manual_seed(0)
    made = fusion.Fusion(DIMS, hidden=5, **options)
    return Model(made, {"label": head(5, 4)}, DIMS, absent).eval()


def test_concat_of_768_and_128_dims_has_362758_parameters():
    # 768·256+256 + 128·256+256 + 512·256+256 + 256·6+6
    dims = {"text": 768, "audio": 128}
    made = Model(concat.Fusion(dims, hidden=256), {"label": head(256, 6)}, dims)
    assert sum(parameter.numel() for parameter in made.parameters()) == 362_758


@pytest.mark.parametrize("padding", [0.0, 1e9, float("inf"), float("nan")])
def test_a_missing_row_scores_exactly_as_its_absent_vector_whatever_the_padding_holds(padding):
    made = model()
    features = batch(padding)
    learned = made.absent["text"].detach()
    x = torch.stack([features["text"].x[0, 0], learned, learned]).unsqueeze(1)
    replaced = features | {"text": Features(x, torch.ones(3, 1, dtype=torch.bool))}
    assert torch.equal(made(features)["label"], made(replaced)["label"])


def test_what_stands_in_for_a_missing_row_is_a_single_frame():
    class Frames(torch.nn.Module):
        def forward(self, features):
            return features["text"].mask.sum(1, keepdim=True)

    counted = Model(Frames(), {"label": torch.nn.Identity()}, DIMS, ["text"])
    assert counted(batch(text=(3, 0, 2)))["label"].tolist() == [[3], [1], [2]]


@pytest.mark.parametrize("padding", [0.0, float("nan")])
@pytest.mark.parametrize("fusion", [concat, late])
def test_missing_rows_leave_every_gradient_finite(fusion, padding):
    made = model(fusion, dropout=0.0)
    made(batch(padding))["label"].sum().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_the_absent_vector_is_learned_from_missing_rows_alone():
    made = model()
    made(batch(text=(1, 2, 1)))["label"][:, 0].sum().backward()
    assert made.absent["text"].grad is None
    made(batch(text=(1, 0, 1)))["label"][:, 0].sum().backward()
    assert made.absent["text"].grad.any()


def test_a_model_never_trained_without_a_modality_refuses_a_row_without_it():
    with pytest.raises(MissingError, match="'text' is missing for 2 utterances"):
        model(absent=())(batch())


def test_a_model_trained_without_one_modality_still_refuses_to_miss_the_other():
    with pytest.raises(MissingError, match="'audio' is missing for 1 utterances"):
        model(absent=("text",))(batch(audio=(4, 0, 3)))


@pytest.mark.parametrize("fusion", [concat, late])
def test_a_row_scores_alike_alone_and_in_a_batch_in_any_order(fusion):
    made, features = model(fusion), batch()
    together = made(features)["label"]
    for row in (2, 0, 1):
        alone = {
            name: Features(part.x[row : row + 1], part.mask[row : row + 1])
            for name, part in reversed(features.items())
        }
        torch.testing.assert_close(made(alone)["label"][0], together[row], rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("how", "expected"),
    [
        ("mean", [0.45, 0.55]),
        ("weights", [0.25 * 0.7 + 0.75 * 0.2, 0.25 * 0.3 + 0.75 * 0.8]),
        ("max", [0.7 / 1.5, 0.8 / 1.5]),
        ("product", np.sqrt([0.14, 0.24]) / np.sqrt([0.14, 0.24]).sum()),
    ],
)
def test_decisions_are_merged_over_those_present(how, expected):
    weights = torch.tensor([0.0, np.log(3.0), 9.0]) if how == "weights" else None
    logits = PROBABILITIES.log().unsqueeze(0) + torch.tensor([[[5.0], [-2.0], [0.0]]])
    merged = merge(logits, THERE, how, weights).exp()
    np.testing.assert_allclose(merged[0].numpy(), expected, rtol=1e-5)


@pytest.mark.parametrize("how", ["mean", "max", "weights", "product"])
def test_one_decision_alone_is_not_changed_by_merging(how):
    only_second = torch.tensor([[False, True, False]])
    weights = torch.tensor([3.0, -1.0, 2.0]) if how == "weights" else None
    merged = merge(PROBABILITIES.log().unsqueeze(0), only_second, how, weights).exp()
    torch.testing.assert_close(merged, PROBABILITIES[1:2])


@pytest.mark.parametrize("how", ["mean", "max", "weights", "product"])
def test_a_row_with_nothing_present_still_gets_finite_scores(how):
    logits = PROBABILITIES.log().unsqueeze(0)
    merged = merge(logits, torch.zeros(1, 3, dtype=torch.bool), how).exp()
    torch.testing.assert_close(merged, merge(logits, THERE | True, how).exp())
    assert merged.sum().item() == pytest.approx(1)


@pytest.mark.parametrize("how", ["mean", "max", "weights", "product"])
def test_merging_works_on_the_device_of_the_logits(how):
    logits = torch.zeros(2, 3, 4, device="meta")
    present = torch.ones(2, 3, dtype=torch.bool, device="meta")
    weights = torch.zeros(3, device="meta") if how == "weights" else None
    assert merge(logits, present, how, weights).device.type == "meta"


@pytest.mark.parametrize("how", ["mean", "max", "weights", "product"])
def test_late_fusion_of_a_row_without_text_is_its_audio_alone(how):
    made, features = model(late, merge=how), batch()
    both = made(features)["label"].exp()
    pooled = features["audio"].x[1, :2].mean(0)
    hidden = torch.relu(made.fusion.project["audio"](pooled))
    torch.testing.assert_close(both[1], made.heads["label"](hidden).softmax(0))


def test_late_fusion_averages_the_probabilities_of_audio_and_text():
    made, features = model(late, merge="mean"), batch()
    pooled = {"audio": features["audio"].x[0, :4].mean(0), "text": features["text"].x[0, 0]}
    parts = [
        made.heads["label"](torch.relu(made.fusion.project[name](vector))).softmax(0)
        for name, vector in pooled.items()
    ]
    torch.testing.assert_close(made(features)["label"][0].exp(), (parts[0] + parts[1]) / 2)


def test_every_target_has_its_own_scores():
    made = Model(concat.Fusion(DIMS, hidden=5), {"label": head(5, 4), "sex": head(5, 2)}, DIMS)
    scores = made(batch(text=(1, 2, 3)))
    assert {name: tuple(one.shape) for name, one in scores.items()} == {
        "label": (3, 4),
        "sex": (3, 2),
    }


def test_a_head_with_a_hidden_layer_is_linear_activation_linear():
    made = head(3, 2, hidden=4, activation="tanh", dropout=0.5).eval()
    x = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    first, last = (layer for layer in made if isinstance(layer, torch.nn.Linear))
    expected = torch.tanh(x @ first.weight.T + first.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(made(x), expected)
    assert first.out_features == 4


def test_layers_start_as_their_mean_and_the_best_one_can_be_learned():
    mix = LayerMix(3)
    x = torch.randn(4, 3, 5, 2, generator=torch.Generator().manual_seed(0))
    mask = torch.ones(4, 5, dtype=torch.bool)
    torch.testing.assert_close(mix(Features(x, mask)).x, x.mean(1))
    optimizer = torch.optim.Adam(mix.parameters(), lr=0.3)
    for _ in range(100):
        loss = (mix(Features(x, mask)).x - x[:, 2]).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert mix.weights.argmax() == 2
    torch.testing.assert_close(mix(Features(x, mask)).x, x[:, 2], atol=0.05, rtol=0)


def test_learned_attention_is_a_weighted_mean_of_valid_frames_alone():
    pool = Attention(3)
    x = torch.randn(2, 4, 3, generator=torch.Generator().manual_seed(0))
    mask = torch.tensor([[True, True, False, False], [False] * 4])
    found = pool(Features(x, mask))
    scores = torch.softmax(pool.score(x[0, :2]).squeeze(-1), 0)
    torch.testing.assert_close(found.x[0, 0], scores @ x[0, :2])
    assert found.mask.tolist() == [[True], [False]]
    assert (found.x[1] == 0).all()
    spoiled = torch.where(mask.unsqueeze(-1), x, torch.full_like(x, torch.nan))
    torch.testing.assert_close(pool(Features(spoiled, mask)).x[0], found.x[0])


def test_a_model_mixes_and_attends_before_it_fuses():
    fusion = concat.Fusion({"audio": 2, "text": 3}, hidden=4).eval()
    model = Model(
        fusion,
        {"label": head(4, 2)},
        {"audio": 2, "text": 3},
        layers={"audio": 3},
        attended=["text"],
    ).eval()
    generator = torch.Generator().manual_seed(0)
    audio = torch.randn(2, 3, 1, 2, generator=generator)
    text = torch.randn(2, 5, 3, generator=generator)
    features = {
        "audio": Features(audio, torch.ones(2, 1, dtype=torch.bool)),
        "text": Features(text, torch.ones(2, 5, dtype=torch.bool)),
    }
    by_hand = {
        "audio": model.mixes["audio"](features["audio"]),
        "text": model.pools["text"](features["text"]),
    }
    torch.testing.assert_close(model(features)["label"], model.heads["label"](fusion(by_hand)))


@pytest.mark.parametrize("how", ["mean", "max", "product", "weights"])
def test_numbers_decided_late_are_averaged_over_who_is_present(how):
    """A softmax over one output is always 1, whatever was said."""
    said = torch.tensor([[[1.0], [3.0]], [[1.0], [3.0]], [[1.0], [3.0]]])
    present = torch.tensor([[True, True], [False, True], [False, False]])
    weights = torch.tensor([0.0, math.log(3)]) if how == "weights" else None
    both = (1 + 3 * 3) / 4 if how == "weights" else 2.0
    found = merge_numbers(said, present, how, weights)
    torch.testing.assert_close(found, torch.tensor([[both], [3.0], [both]]))
    made = model(late, merge=how)
    made.heads["label"] = head(made.fusion.out_dim, 1)
    assert made.eval()(batch())["label"].unique().numel() > 1
