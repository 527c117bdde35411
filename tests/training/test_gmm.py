"""Mixtures against scikit-learn and scipy, and a judgement that is Bayes' rule restated."""

import numpy as np
import pytest
import torch
from scipy.special import softmax
from scipy.stats import multivariate_normal, norm
from sklearn.mixture import GaussianMixture

from multimodal_ser import run
from multimodal_ser.config.read import check
from multimodal_ser.config.registry import build
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training.balance import balanced
from multimodal_ser.training.learners import _mixture
from multimodal_ser.training.learners._mixture import Mixture
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.tones import RATE, tones_config

RNG = np.random.default_rng(0)
FRAMES = RNG.normal(size=(2, 150, 4)) @ RNG.normal(size=(2, 4, 4)) + [[[0]], [[3]]]
FRAMES = FRAMES.reshape(300, 4)
WEIGHTS, MEANS = np.array([0.2, 0.5, 0.3]), FRAMES[[3, 100, 200]]


def start(full):
    spread = np.stack([np.eye(4) * 2] * 3) if full else np.full((3, 4), 2.0)
    return Mixture(*(torch.tensor(one) for one in (WEIGHTS, MEANS, spread)))


def climbed(mixture, steps, floor):
    values = []
    for _ in range(steps):
        mixture, value = _mixture.step(torch.tensor(FRAMES), mixture, floor)
        values.append(value)
    return mixture, values


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize("steps", [1, 8])
@pytest.mark.parametrize("full", [False, True])
def test_steps_from_the_same_mixture_end_where_scikit_learns_do(full, steps):
    theirs = GaussianMixture(
        3, covariance_type="full" if full else "diag", weights_init=WEIGHTS, means_init=MEANS,
        precisions_init=np.stack([np.eye(4) / 2] * 3) if full else np.full((3, 4), 0.5),
        reg_covar=0.01, max_iter=steps, tol=0,
    ).fit(FRAMES)  # fmt: skip
    ours, values = climbed(start(full), steps, floor=0.01)
    np.testing.assert_allclose(ours.weights, theirs.weights_, rtol=1e-9)
    np.testing.assert_allclose(ours.means, theirs.means_, rtol=1e-9)
    np.testing.assert_allclose(ours.covariances, theirs.covariances_, rtol=1e-9, atol=1e-9)
    assert values[-1] == pytest.approx(theirs.lower_bound_, rel=1e-12)
    found = _mixture.log_likelihoods(torch.tensor(FRAMES), ours)
    np.testing.assert_allclose(found, theirs.score_samples(FRAMES), rtol=1e-9)


@pytest.mark.parametrize("full", [False, True])
def test_a_density_is_scipys(full):
    roots = RNG.normal(size=(3, 4, 4))
    spread = roots @ roots.transpose(0, 2, 1) + np.eye(4)
    spread = spread if full else spread.diagonal(axis1=1, axis2=2).copy()
    found = _mixture.log_densities(*(torch.tensor(one) for one in (FRAMES, MEANS, spread)))
    for at, (mean, one) in enumerate(zip(MEANS, spread, strict=True)):
        expected = multivariate_normal(mean, one if full else np.diag(one)).logpdf(FRAMES)
        np.testing.assert_allclose(found[:, at], expected, rtol=1e-10)


@pytest.mark.parametrize("full", [False, True])
def test_no_step_lowers_the_likelihood_where_there_is_no_floor(full):
    _, values = climbed(start(full), 30, floor=0.0)
    assert np.diff(values).min() > -1e-12
    assert values[-1] - values[0] > 1


@pytest.mark.parametrize("full", [False, True])
def test_frames_in_pieces_give_what_all_of_them_do(full, monkeypatch):
    whole, _ = climbed(start(full), 3, floor=0.01)
    monkeypatch.setattr(_mixture, "_ROWS", 7)
    for one, other in zip(climbed(start(full), 3, floor=0.01)[0], whole, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("full", [False, True])
def test_a_gaussian_far_from_every_frame_stays_where_it_is_and_weighs_nothing(full):
    far = start(full)
    far.means[1] = 1e4
    ours, _ = climbed(far, 5, floor=0.01)
    assert ours.weights[1] == 0
    assert (ours.means[1] == 1e4).all()
    assert torch.isfinite(_mixture.log_likelihoods(torch.tensor(FRAMES), ours)).all()


def test_seeds_are_drawn_by_their_squared_distance_from_those_before():
    # on 0, 1 and 3 the second is 1 or 3 in 1 : 9 after 0, 0 or 3 in 1 : 4 after 1
    line = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    generator = torch.Generator().manual_seed(0)
    pairs = [tuple(_mixture.seeds(line, 2, generator)[:, 0].tolist()) for _ in range(3000)]
    for first, far, share in ((0, 3, 0.9), (1, 3, 0.8)):
        seconds = [second for one, second in pairs if one == first]
        assert len(seconds) / 3000 == pytest.approx(1 / 3, abs=0.04)
        assert seconds.count(far) / len(seconds) == pytest.approx(share, abs=0.04)
        assert first not in seconds


def test_each_gaussian_begins_as_that_of_the_frames_next_to_its_seed():
    generator = torch.Generator().manual_seed(1)
    first, nearest = _mixture.begin(torch.tensor(FRAMES), 3, False, 0.5, generator)
    for at in range(3):
        own = FRAMES[nearest.numpy() == at]
        assert first.weights[at] == pytest.approx(len(own) / len(FRAMES))
        np.testing.assert_allclose(first.means[at], own.mean(0))
        np.testing.assert_allclose(first.covariances[at], own.var(0) + 0.5)


def test_frames_that_are_all_alike_give_finite_numbers():
    alike = torch.ones(20, 4)
    first, _ = _mixture.begin(alike, 3, True, 0.01, torch.Generator().manual_seed(0))
    ours, _ = _mixture.step(alike, first, 0.01)
    assert torch.isfinite(_mixture.log_likelihoods(alike, ours)).all()


CODES = np.arange(40) % 4 // 2 + (np.arange(40) % 4 == 3)  # 0 twice as often as 1 and 2


def rows_of(generator, empty=()):
    """Utterances of 3 to 9 frames around their class, of columns of unlike scale."""
    rows = [
        (generator.normal(code, 1.5, (3 + at % 7, 3)) * [1, 10, 100]).astype(np.float32)
        for at, code in enumerate(CODES)
    ]
    return [None if at in empty else row for at, row in enumerate(rows)]


def dataset(rows, codes=CODES, classes=3, weights=None):
    truth = torch.nn.functional.one_hot(torch.tensor(codes), classes).float()
    return Dataset({"a": Ragged.of(rows)}, {"label": truth}, np.arange(len(rows)), weights)


def said(train, data=None, seed=0, **options):
    learner = build("learners", "gmm", {"components": 2} | options)
    learner.fit(train, None, seed=seed)
    return learner.predict(data or train)["label"]


ROWS = rows_of(np.random.default_rng(3), empty=(0, 5))


def restated(priors):
    """log p(frames, class) of one Gaussian a class and column, and each row's count of frames."""
    heard = [row for row in ROWS if row is not None]
    floor = 0.2 * np.concatenate(heard).var(0)
    joint = np.tile(np.log(priors), (40, 1))
    for code in range(3):
        own = np.concatenate([row for row, one in zip(ROWS, CODES, strict=True)
                              if one == code and row is not None])  # fmt: skip
        density = norm(own.mean(0), np.sqrt(own.var(0) + floor))
        for at, row in enumerate(ROWS):
            joint[at, code] += 0 if row is None else density.logpdf(row).sum()
    return joint, np.array([1 if row is None else len(row) for row in ROWS])


def test_the_scores_are_bayes_rule_over_one_gaussian_a_class():
    joint, counts = restated([0.5, 0.25, 0.25])
    options = {"components": 1, "floor": 0.2}
    found = {how: said(dataset(ROWS), scores=how, **options) for how in ("mean", "sum")}
    np.testing.assert_allclose(found["sum"], softmax(joint, 1), rtol=1e-3, atol=1e-9)
    np.testing.assert_allclose(found["mean"], softmax(joint / counts[:, None], 1), rtol=1e-4)
    assert (found["sum"].argmax(1) == found["mean"].argmax(1)).all()


def test_balanced_weights_make_the_priors_alike():
    joint, counts = restated([1 / 3] * 3)
    train = balanced(dataset(ROWS), "label", "weights")
    found = said(train, components=1, floor=0.2)
    np.testing.assert_allclose(found, softmax(joint / counts[:, None], 1), rtol=1e-4)


def test_a_row_without_any_frame_gets_the_priors_and_teaches_only_them():
    silent = dataset([None, *ROWS[1:]])
    np.testing.assert_allclose(said(silent)[[0, 5]], [[0.5, 0.25, 0.25]] * 2, rtol=1e-6)
    nothing = dataset([None] * 40)
    np.testing.assert_allclose(said(silent, nothing), [[0.5, 0.25, 0.25]] * 40, rtol=1e-6)
    more = dataset([*ROWS, None, None], np.append(CODES, [1, 1]))
    assert said(more)[0] == pytest.approx([20 / 42, 12 / 42, 10 / 42])


@pytest.mark.parametrize("covariance", ["diag", "full"])
def test_the_scale_of_a_column_means_nothing(covariance):
    moved = dataset([None if row is None else row * np.float32([8, 0.5, 4]) + 3 for row in ROWS])
    plain = said(dataset(ROWS), covariance=covariance)
    np.testing.assert_allclose(said(moved, covariance=covariance), plain, atol=1e-4)
    other = said(dataset(ROWS), moved, covariance=covariance)
    assert not np.allclose(other, plain, atol=0.1), "other frames are not the same to one model"


def test_the_order_of_frames_means_nothing():
    turned = dataset([None if row is None else row[::-1].copy() for row in ROWS])
    found = said(dataset(ROWS), turned, scores="sum")
    np.testing.assert_allclose(found, said(dataset(ROWS), scores="sum"), rtol=1e-9)


def test_pooled_vectors_are_utterances_of_one_frame():
    vectors = [row[:1] for row in ROWS if row is not None]
    codes = np.array([code for row, code in zip(ROWS, CODES, strict=True) if row is not None])
    found = said(dataset(vectors, codes), components=1)
    np.testing.assert_array_equal(found, said(dataset(vectors, codes), components=1, scores="sum"))
    assert (found.argmax(1) == codes).mean() > 0.5


def test_each_seed_begins_with_other_frames():
    found = [said(dataset(ROWS), seed=seed, components=3) for seed in (0, 1)]
    assert not np.allclose(*found, atol=1e-3)


def test_a_class_that_is_missing_from_train_has_probability_0():
    found = said(dataset(ROWS, CODES * 2, classes=5), components=1)
    np.testing.assert_array_equal(found[:, [0, 2, 4]], said(dataset(ROWS), components=1))
    assert not found[:, [1, 3]].any()


@pytest.mark.parametrize(
    ("rows", "codes", "message"),
    [
        (ROWS, CODES * 0, "has 1 class; gmm needs two"),
        ([row if code else None for row, code in zip(ROWS, CODES, strict=True)], CODES,
         "class 1 of the task: 0 frames in the training part are too few for 2 Gaussians"),
        ([None] * 40, CODES, "class 1 of the task: 0 frames"),
        ([row if code < 2 else row[:0] for row, code in zip(rows_of(RNG), CODES, strict=True)],
         CODES, "class 3 of the task: 0 frames .* set fewer components"),
    ],
)  # fmt: skip
def test_what_cannot_be_learned_from_is_said(rows, codes, message):
    with pytest.raises(DataError, match=message):
        said(dataset(rows, codes))


def test_em_ends_when_little_is_gained_and_tells_its_steps():
    learner = build("learners", "gmm", {"components": 2, "tolerance": 0.05, "max_iter": 7})
    learner.fit(dataset(ROWS), None, seed=0)
    assert set(learner.judge.steps) == {"0", "1", "2"}
    for values in learner.judge.steps.values():
        gains = np.diff(values)
        assert len(values) <= 7
        assert (gains[:-1] >= 0.05).all()
        assert gains[-1] < 0.05 or len(values) == 7


FRAMES_OF = {"audio": {"name": "mfcc", "n_mfcc": 6, "sample_rate": RATE, "pool": "none"}}


def config(folder, **changes):
    usual = {"encoders": FRAMES_OF, "fusion": None, "learner": {"name": "gmm"}}
    return tones_config(folder, **(usual | changes))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"encoders": FRAMES_OF | {"more": {"name": "mfcc"}}},
         "encoders: 'gmm' reads one, and there are audio, more; keep one of them, or take"),
        ({"fusion": {"name": "concat"}}, "fusion: 'gmm' reads one encoder, so it would have no"),
        ({"outputs": {"label": {"kind": "numbers"}}}, "'gmm' predicts classes, no numbers"),
        ({"balance": "sampler"}, "balance: 'gmm' does not draw batches; use weights"),
        ({"encoders": {"text": {"name": "tfidf"}}},
         "encoders.text: 'gmm' needs dense columns; set max_features or svd"),
        ({"encoders": {"audio": {"name": "m5"}}}, "'gmm' trains no encoder"),
    ],
)  # fmt: skip
def test_a_config_that_contradicts_itself_is_refused(tmp_path, changes, message):
    with pytest.raises(ConfigError) as caught:
        check(config(tmp_path, **changes))
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "encoder",
    [
        FRAMES_OF["audio"] | {"normalize": "standard"},
        {"name": "mfcc", "n_mfcc": 4, "sample_rate": RATE, "pool": "mean_std"},
        {"name": "tfidf", "svd": 3},
    ],
)
def test_frames_pooled_vectors_and_words_all_teach_it(tones, encoder):
    learner = {"name": "gmm", "components": 2}
    done = run(config(tones, encoders={"one": encoder}, learner=learner, balance="weights"))
    assert done.table().loc["uar", "mean"] > 0.9


@pytest.mark.slow
def test_the_bundled_corpus_is_learned_above_chance(tmp_path):
    voice = {"name": "mfcc", "n_mfcc": 8, "pool": "none", "normalize": "standard"}
    plain = {
        "name": "demo",
        "corpus": {"name": "demo"},
        "protocol": {"name": "kfold", "folds": 6},
        "folds": [0],
        "encoders": {"voice": voice},
        "runs_dir": str(tmp_path),
        "workers": 1,
    }
    for learner in ("gmm", "hmm"):
        done = run(plain | {"learner": {"name": learner, "max_iter": 3}})
        assert done.table().loc["uar", "mean"] > 1.5 / 6
