"""What an output may say: heads, losses and their options, each mistake named, all at once."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn

from multimodal_ser import run
from multimodal_ser.config.method import method_of
from multimodal_ser.config.outputs import Output
from multimodal_ser.config.read import check
from multimodal_ser.training.losses import losses_of
from multimodal_ser.training.model import head
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.tones import tones_config


def config(**changes):
    return {
        "name": "said",
        "corpus": {"name": "demo"},
        "encoders": {"text": {"name": "hashing"}},
    } | changes


def refused(**changes):
    """Every line of what is wrong but the first, which counts them."""
    with pytest.raises(ConfigError, match="problem") as caught:
        check(config(**changes))
    return str(caught.value).split("\n  ")[1:]


def test_the_head_of_wagner_is_dropout_linear_tanh_dropout_linear():
    layers = Output(head="wagner").layers
    built = head(6, 3, **layers)
    assert [type(one) for one in built] == [nn.Dropout, nn.Linear, nn.Tanh, nn.Dropout, nn.Linear]
    assert [one.p for one in built if isinstance(one, nn.Dropout)] == [0.1, 0.1]
    sizes = [(one.in_features, one.out_features) for one in built if isinstance(one, nn.Linear)]
    assert sizes == [(6, 6), (6, 3)]
    x = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    first, last = built[1], built[4]
    by_hand = torch.tanh(x @ first.weight.T + first.bias) @ last.weight.T + last.bias
    torch.testing.assert_close(built.eval()(x), by_hand)


def test_a_head_is_as_wide_as_it_is_told_or_as_its_input():
    assert head(6, 3).weight.shape == (3, 6)
    assert head(6, 3, hidden=5)[0].weight.shape == (5, 6)
    plain = Output(head={"activation": "gelu"}).layers
    built = head(6, 3, **plain)
    assert [type(one) for one in built] == [nn.Linear, nn.GELU, nn.Dropout, nn.Linear]
    assert built[0].weight.shape == (6, 6)


def test_losses_are_made_with_the_options_of_their_output():
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    truth = torch.eye(3)[[0, 1, 1, 1, 1]]
    output = Output(loss="focal", gamma=1.0, smoothing=0.3, adjustment=0.5, weight=2.0)
    ((loss, weight),) = losses_of({"label": output}, {"label": truth}).values()
    prior = np.array([0.2, 0.8, 1.0])  # the third class has no row and is left alone
    said = logits.numpy() + 0.5 * np.log(prior)
    p = np.exp(said) / np.exp(said).sum(1, keepdims=True)
    soft = 0.7 * truth.numpy() + 0.1
    assert loss(logits, truth, None).item() == pytest.approx(
        -(soft * (1 - p) * np.log(p)).sum() / 5, rel=1e-5
    )
    assert weight == 2.0


def test_every_option_that_would_have_no_effect_is_named_at_once():
    (line,) = refused(
        outputs={"valence": {"kind": "numbers", "gamma": 1, "smoothing": 0.1, "soft": True}}
    )
    for part in (
        "outputs.valence: ",
        "gamma: only loss: focal has one",
        "smoothing: only classes have it, and the kind is numbers",
        "soft: only classes have it, and the kind is numbers",
    ):
        assert part in line


def test_mistakes_of_several_outputs_come_together():
    lines = refused(
        outputs={"label": {"gamma": 2}, "mood": {"smoothing": 1.0}, "age": {"loss": "focl"}}
    )
    assert [line.split(":")[0] for line in lines] == [
        "outputs.label",
        "outputs.mood.smoothing",
        "outputs.age.loss",
    ]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"outputs": {"mood": {"soft": True}}}, "outputs.mood.soft: raters' votes"),
        (
            {"outputs": {"label": {"adjustment": 1.0}}, "balance": "effective"},
            "outputs.label.adjustment: balance: effective makes up for rare classes already",
        ),
        ({"balance_beta": 0.9}, "balance_beta: only balance: effective has one"),
        ({"balance": "effective", "balance_beta": 1.0}, "balance_beta: .* less than 1"),
        (
            {"outputs": {"v": {"classes": ["a", "b"], "edges": [0], "soft": True}}},
            "soft: nobody has voted on a number",
        ),
    ],
)
def test_options_that_contradict_others_are_refused(changes, message):
    with pytest.raises(ConfigError, match=message):
        check(config(**changes))


def test_a_learner_without_batches_has_no_use_for_how_they_are_learned():
    label = {"head": "wagner", "loss": "focal", "smoothing": 0.1, "adjustment": 1, "soft": True}
    lines = refused(outputs={"label": label}, learner={"name": "svm"})
    assert [line.split(":")[0] for line in lines] == [
        f"outputs.label.{name}" for name in ("head", "loss", "smoothing", "adjustment", "soft")
    ]
    assert all("'svm' has its own" in line for line in lines)


def test_adjustment_is_the_choice_for_the_target_that_balance_leaves_alone():
    outputs = {"label": {}, "mood": {"adjustment": 1.0}}
    experiment = check(config(outputs=outputs, balance="weights"))
    assert method_of(experiment).balanced_target == "label"


@pytest.fixture
def voted(tones):
    """All rows of the tones have votes; every label is the plurality, and most are contested."""
    table = pd.read_csv(tones / "table.csv")
    for name in ("joy", "neutral", "sadness"):
        table[f"votes:{name}"] = (table["label"] == name) * 2
    table["votes:joy"] += 1
    table.to_csv(tones / "table.csv", index=False)
    return tones


def test_soft_outputs_are_taught_the_shares_and_scored_by_the_label(voted):
    from multimodal_ser.runs.prepare import encode, prepare, training_rows_of
    from multimodal_ser.runs.run import as_experiment

    prepared = prepare(as_experiment(tones_config(voted, outputs={"label": {"soft": True}})))
    material = training_rows_of(prepared, encode(prepared))
    truth = prepared.corpus.table["label"]
    hard = np.stack([truth == name for name in ("joy", "neutral", "sadness")], 1)
    np.testing.assert_array_equal(material.targets["label"], hard)
    shares = (2 * hard + [1, 0, 0]) / 3
    np.testing.assert_allclose(material.taught["label"], shares, rtol=1e-6)


def test_a_run_on_soft_labels_says_less_surely_what_raters_contest(voted):
    """Sadness and neutral are a third joy to their raters; the labels themselves are scored."""
    changes = {
        "learner": {"name": "neural", "epochs": 40, "optimizer": {"lr": 0.01}},
        "protocol": {"name": "kfold", "folds": 3, "dev": False},
    }
    hard, soft = (
        run(tones_config(voted, outputs={"label": {"soft": one}}, **changes))
        for one in (False, True)
    )
    assert soft.metrics["test"]["unscored"] == 0
    assert soft.table().loc["uar", "mean"] > 0.9
    contested = soft.part("test")["truth"] != "joy"
    said = [done.part("test")[contested]["score:joy"].mean() for done in (hard, soft)]
    assert said[0] < 0.1
    assert said[1] == pytest.approx(1 / 3, abs=0.1)


def test_epochs_are_chosen_by_the_labels_of_dev_also_where_votes_are_taught(voted):
    learner = {"name": "neural", "epochs": 20, "optimizer": {"lr": 0.01}}
    done = run(tones_config(voted, outputs={"label": {"soft": True}}, learner=learner))
    curves = [json.loads(path.read_text()) for path in done.folder.glob("models/*/learner/curve*")]
    assert [max(row["macro_f1"] for row in curve) > 0.9 for curve in curves] == [True] * 3


def test_soft_without_any_vote_is_an_error_of_the_data(tones):
    with pytest.raises(DataError, match=r"outputs.label.soft: the corpus has no votes \(votes:joy"):
        run(tones_config(tones, outputs={"label": {"soft": True}}))


def test_soft_with_votes_for_what_is_no_class_names_the_rows(voted):
    table = pd.read_csv(voted / "table.csv")
    table["votes:other"] = [1, *[0] * (len(table) - 1)]
    table.to_csv(voted / "table.csv", index=False)
    with pytest.raises(DataError, match=r"1 rows have votes in 'votes:other'.*:\n  s0-joy-0$"):
        run(tones_config(voted, outputs={"label": {"soft": True}}))
    run(tones_config(voted, learner={"name": "neural", "epochs": 1}))


@pytest.mark.parametrize(
    "label",
    [{"loss": "focal", "gamma": 1.0, "head": "wagner"}, {"smoothing": 0.1, "adjustment": 1.0}],
)
def test_a_run_with_other_losses_and_heads_learns_and_is_loaded_again(tones, label):
    learner = {"name": "neural", "epochs": 30, "optimizer": {"lr": 0.01}}
    done = run(tones_config(tones, outputs={"label": label}, learner=learner))
    assert done.table().loc["uar", "mean"] > 0.9
    from multimodal_ser import load

    model = load(done.folder, fold=0)
    rows = done.part("test").query("fold == 0").set_index("id")
    table = pd.read_csv(tones / "table.csv").set_index("id", drop=False).loc[rows.index]
    asked = table.assign(audio=[str(tones / one) for one in table["audio"]])
    said = model(asked).set_index("source")
    np.testing.assert_allclose(said["score:joy"], rows["score:joy"], atol=1e-5)
