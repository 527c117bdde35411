"""Rare classes: how many rows train, how much each counts, what that does to a model's recall."""

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.utils.class_weight import compute_sample_weight

from multimodal_ser import run
from multimodal_ser.config.method import method_of
from multimodal_ser.config.read import check
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training.balance import balanced, truncated
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.tones import table_config

CODES = np.array([0, 0, 1, 0, -1, 0, 2, 1, 0, 2, 0, 1, -1])


def data(codes, classes=3):
    """A row a code, one-hot; −1 is unknown."""
    truth = torch.zeros(len(codes), classes)
    truth[np.flatnonzero(codes >= 0), codes[codes >= 0]] = 1
    rows = Ragged.of([np.ones((1, 2), np.float32)] * len(codes))
    return Dataset({"text": rows}, {"label": truth}, np.arange(len(codes)))


def test_truncated_rows_have_as_many_of_each_class_as_the_rarest():
    rows = truncated(np.arange(len(CODES)), CODES, seed=0)
    assert np.bincount(CODES[rows]).tolist() == [2, 2, 2]
    assert rows.tolist() == sorted(set(rows.tolist()))


def test_truncated_draws_from_the_rows_it_is_given_and_counts_only_those():
    """Of the first eight rows one is of the rarest class; codes elsewhere do not matter."""
    rows = truncated(np.arange(8), CODES, seed=0)
    assert set(rows) < set(range(8))
    assert np.bincount(CODES[rows]).tolist() == [1, 1, 1]
    assert truncated(np.array([0, 2, 3]), CODES, seed=0).size == 2, "a class without rows is none"


def test_without_any_single_class_there_is_nothing_to_even_out():
    with pytest.raises(DataError, match="balance"):
        truncated(np.array([4, 12]), CODES, seed=0)


def test_truncated_is_the_same_for_a_seed_and_another_for_another():
    rows = np.arange(len(CODES))
    drawn = [truncated(rows, CODES, seed).tolist() for seed in range(20)]
    assert drawn == [truncated(rows, CODES, seed).tolist() for seed in range(20)]
    assert {row for some in drawn for row in some} == set(np.flatnonzero(CODES >= 0))


def test_a_seed_draws_of_every_row_alike():
    """Each of the six rows of the common class is kept in a third of 3000 draws, ± 5 errors."""
    kept = np.zeros(len(CODES))
    for seed in range(3000):
        kept[truncated(np.arange(len(CODES)), CODES, seed)] += 1
    np.testing.assert_allclose(kept[CODES == 0] / 3000, 1 / 3, atol=5 * np.sqrt(2 / 9 / 3000))
    assert (kept[CODES == 2] == 3000).all()


def test_weights_are_scikit_learns_balanced_and_one_where_no_class_is_known():
    weights = balanced(data(CODES), "label", "weights").weights
    known = CODES >= 0
    oracle = compute_sample_weight("balanced", CODES[known])
    np.testing.assert_allclose(weights[torch.from_numpy(known)], oracle, rtol=1e-6)
    assert weights[torch.from_numpy(~known)].tolist() == [1, 1]


@pytest.mark.parametrize("beta", [None, 0.5])
def test_effective_weights_follow_the_number_of_rows_and_their_mean_is_one(beta):
    """Of 6, 3 and 2 rows; β is 0.999 unless another is named."""
    b = 0.999 if beta is None else beta
    weights = balanced(data(CODES), "label", "effective", beta).weights.numpy()
    counts = np.array([6, 3, 2])
    each = (1 - b) / (1 - b**counts)
    expected = (each * 11 / (each * counts).sum())[CODES]
    np.testing.assert_allclose(weights, np.where(CODES >= 0, expected, 1), rtol=1e-5)
    assert weights[CODES >= 0].mean() == pytest.approx(1)


def test_a_sampler_draws_each_class_alike_and_keeps_the_rows_of_none():
    """4000 epochs of 13 rows: a third of the labelled for each of three classes, ± 5 errors."""
    train = balanced(data(CODES), "label", "sampler")
    generator = torch.Generator().manual_seed(0)
    drawn = torch.cat([train.epoch(generator) for _ in range(4000)]).numpy()
    assert len(drawn) == 4000 * len(CODES)
    codes = CODES[drawn]
    assert (codes < 0).mean() == pytest.approx((CODES < 0).mean(), abs=0.01)
    shares = np.bincount(codes[codes >= 0], minlength=3) / (codes >= 0).sum()
    np.testing.assert_allclose(shares, 1 / 3, atol=5 * np.sqrt(2 / 9 / len(drawn)))


@pytest.mark.parametrize("how", ["none", "truncate"])
def test_whatever_needs_no_weights_leaves_the_rows_as_they_are(how):
    train = data(CODES)
    assert balanced(train, "label", how) is train


def test_weights_do_not_draw_and_a_sampler_does_not_weigh():
    train = data(CODES)
    weighted, sampled = (balanced(train, "label", how) for how in ("weights", "sampler"))
    assert weighted.sampling is None
    assert sampled.weights is None
    assert train.weights is None and train.sampling is None


SPEAKERS, EACH, RARE, ODD = 9, 20, 2, 6


@pytest.fixture(scope="module")
def skewed(tmp_path_factory):
    """Each speaker says «no» twice in anger, six times and twelve times something else in calm.

    «no» is anger in 2 of 8, so the likely answer is always calm; with classes that count alike it
    is anger: 2/2 against 6/18.
    """
    folder = tmp_path_factory.mktemp("skewed")
    rows = []
    for speaker in range(SPEAKERS):
        for turn in range(EACH):
            label = "anger" if turn < RARE else "calm"
            text = "no" if turn < RARE + ODD else "bueno"
            rows.append([f"s{speaker}-{turn:02}", text, label, f"s{speaker}"])
    table = pd.DataFrame(rows, columns=["id", "text", "label", "speaker"])
    table.to_csv(folder / "table.csv", index=False)
    return folder


def config(folder, **changes):
    learner = {"name": "neural", "epochs": 30, "batch_size": 32, "optimizer": {"lr": 0.03}}
    encoders = {"text": {"name": "hashing", "buckets": 16, "words": [1, 1]}}
    return table_config(folder, "skewed", encoders, learner=learner) | changes


SVM = {"name": "svm", "scores": "margin"}


@pytest.mark.parametrize(
    ("how", "learner"),
    [
        ("weights", None),
        ("effective", None),
        ("sampler", None),
        ("truncate", None),
        ("weights", SVM),
        ("effective", SVM),
        ("truncate", SVM),
    ],
)
def test_the_recall_of_a_rare_class_rises_from_0_to_1(skewed, how, learner):
    changes = {"learner": learner} if learner else {}
    recall = {}
    for balance in ("none", how):
        done = run(config(skewed, balance=balance, **changes))
        found = done.metrics["test"]["classes"]
        recall[balance] = [found[name]["recall"] for name in ("anger", "calm")]
    calm = 1 - ODD / (EACH - RARE)
    assert recall == {"none": [0, 1], how: pytest.approx([1, calm])}


@pytest.mark.parametrize("how", ["truncate", "weights", "sampler"])
def test_dev_and_test_keep_every_row(skewed, how):
    done = run(config(skewed, balance=how))
    split = pd.read_csv(done.folder / "split.csv").query("part != 'train'")
    keys = ["part", "fold", "id"]
    scored = done.predictions[keys].sort_values(keys, ignore_index=True)
    pd.testing.assert_frame_equal(
        scored, split[keys].sort_values(keys, ignore_index=True), check_dtype=False
    )
    assert len(scored) == 2 * SPEAKERS * EACH
    assert done.metrics["test"]["classes"]["calm"]["utterances"] == SPEAKERS * (EACH - RARE)


@pytest.mark.parametrize("how", ["truncate", "sampler"])
def test_a_balanced_run_is_the_same_bytes_twice(skewed, tmp_path, how):
    short = {"balance": how, "learner": {"name": "neural", "epochs": 2}}
    one, two = (run(config(skewed, runs_dir=str(tmp_path / name), **short)) for name in "ab")
    paths = [done.folder / "predictions.csv" for done in (one, two)]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_a_machine_without_batches_has_no_sampler(skewed):
    with pytest.raises(ConfigError, match="balance: 'svm' does not draw batches; use weights"):
        check(config(skewed, balance="sampler", learner=SVM))


def test_balance_evens_out_the_first_target_of_classes(skewed):
    outputs = {"valence": {"kind": "numbers"}, "label": {}, "mood": {}}
    assert method_of(check(config(skewed, outputs=outputs))).balanced_target == "label"
