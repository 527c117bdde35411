"""Hidden Markov models against every path of states enumerated, and against hmmlearn."""

import importlib.util
import itertools

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal

from multimodal_ser import run
from multimodal_ser.config.read import check
from multimodal_ser.config.registry import build
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.training.learners import _markov, _mixture, hmm
from multimodal_ser.training.learners._markov import Markov
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.tones import RATE, tones_config

MISSING = importlib.util.find_spec("hmmlearn") is None
installed = pytest.mark.skipif(MISSING, reason="needs pip install hmmlearn")
RNG = np.random.default_rng(0)
ERGODIC = [0.5, 0.3, 0.2], [[0.5, 0.3, 0.2], [0.1, 0.6, 0.3], [0.4, 0.4, 0.2]]
FORWARD = [1.0, 0.0, 0.0], [[0.6, 0.4, 0.0], [0.0, 0.7, 0.3], [0.0, 0.0, 1.0]]
both_ways = pytest.mark.parametrize("way", [ERGODIC, FORWARD], ids=["ergodic", "left_right"])


def model_of(way, components=1, dim=2, seed=1):
    generator = np.random.default_rng(seed)
    shape = (3, components, dim)
    parts = [
        *map(np.array, way), generator.dirichlet(np.ones(components), 3),
        generator.normal(size=shape), generator.uniform(0.5, 2, shape),
    ]  # fmt: skip
    return Markov(*(torch.tensor(one) for one in parts))


def padded(rows):
    """`[B, T, D]` and mask; what stands past the end is NaN."""
    mask = torch.arange(max(map(len, rows))) < torch.tensor([[len(row)] for row in rows])
    x = torch.full((*mask.shape, rows[0].shape[1]), torch.nan, dtype=torch.float64)
    x[mask] = torch.tensor(np.concatenate(rows))
    return x, mask


def enumerated(row, model):
    """log p of one sequence, and what EM counts, by every path of (state, Gaussian)."""
    start, moves, weights, means, variances = (one.numpy() for one in model)
    states, count = weights.shape
    density = {
        (state, at): multivariate_normal(means[state, at], np.diag(variances[state, at])).pdf(row)
        for state, at in np.ndindex(states, count)
    }
    total, begins = 0.0, np.zeros(states)
    passed, shares = np.zeros((states, states)), np.zeros((len(row), states, count))
    for path in itertools.product(itertools.product(range(states), range(count)), repeat=len(row)):
        p = start[path[0][0]]
        for t, (state, gaussian) in enumerate(path):
            p *= weights[state, gaussian] * np.atleast_1d(density[state, gaussian])[t]
            p *= moves[path[t - 1][0], state] if t else 1
        total += p
        begins[path[0][0]] += p
        for t, (state, gaussian) in enumerate(path):
            shares[t, state, gaussian] += p
            if t:
                passed[path[t - 1][0], state] += p
    return np.log(total), begins / total, passed / total, shares / total


@both_ways
@pytest.mark.parametrize("components", [1, 2])
def test_likelihoods_and_a_step_are_those_of_every_path(way, components):
    model = model_of(way, components)
    rows = [RNG.normal(size=(length, 2)) for length in (4, 1, 3)]
    found = [enumerated(row, model) for row in rows]
    x, mask = padded(rows)
    logs = [one[0] for one in found]
    np.testing.assert_allclose(_markov.log_likelihoods(x, mask, model), logs, rtol=1e-12)
    stepped, value = _markov.step([(x, mask)], model, floor=0.1)
    assert value == pytest.approx(sum(logs) / 8, rel=1e-12)

    begins, passed = (sum(one[at] for one in found) for at in (1, 2))
    np.testing.assert_allclose(stepped.start, begins / 3, atol=1e-12)
    np.testing.assert_allclose(stepped.transitions, passed / passed.sum(1, keepdims=True))
    everything, shares = np.concatenate(rows), np.concatenate([one[3] for one in found])
    for state, gaussian in itertools.product(range(3), range(components)):
        share = shares[:, state, gaussian]
        mean = np.average(everything, axis=0, weights=share)
        spread = np.average((everything - mean) ** 2, axis=0, weights=share) + 0.1
        place = (state, gaussian)
        weight = share.sum() / shares[:, state].sum()
        assert stepped.weights[place] == pytest.approx(weight, rel=1e-9)
        np.testing.assert_allclose(stepped.means[place], mean, rtol=1e-8)
        np.testing.assert_allclose(stepped.variances[place], spread, rtol=1e-8)


LENGTHS = [30, 7, 50, 1, 22]
SEQUENCES = [RNG.normal(size=(length, 2)) + np.arange(length)[:, None] % 3 for length in LENGTHS]


@installed
@both_ways
@pytest.mark.parametrize("steps", [1, 8])
def test_steps_from_the_same_model_end_where_hmmlearns_do(way, steps):
    from hmmlearn.hmm import GaussianHMM

    model = model_of(way)
    theirs = GaussianHMM(3, "diag", init_params="", n_iter=steps, tol=-np.inf, covars_prior=0)
    theirs.startprob_, theirs.transmat_ = model.start.numpy(), model.transitions.numpy()
    theirs.means_, theirs.covars_ = model.means[:, 0].numpy(), model.variances[:, 0].numpy()
    theirs.fit(np.concatenate(SEQUENCES), LENGTHS)
    for _ in range(steps):
        model, value = _markov.step([padded(SEQUENCES)], model, floor=0.0)
    assert value * sum(LENGTHS) == pytest.approx(theirs.monitor_.history[-1], rel=1e-9)
    np.testing.assert_allclose(model.start, theirs.startprob_, atol=1e-9)
    np.testing.assert_allclose(model.transitions, theirs.transmat_, atol=1e-9)
    np.testing.assert_allclose(model.means[:, 0], theirs.means_, rtol=1e-9)
    spread = theirs.covars_.diagonal(axis1=1, axis2=2)
    np.testing.assert_allclose(model.variances[:, 0], spread, rtol=1e-9)
    found = _markov.log_likelihoods(*padded(SEQUENCES), model)
    np.testing.assert_allclose(found, [theirs.score(one) for one in SEQUENCES], rtol=1e-9)


@installed
def test_a_step_of_mixtures_is_hmmlearns_but_for_variances_around_the_old_mean():
    from hmmlearn.hmm import GMMHMM

    model = model_of(ERGODIC, components=2)
    theirs = GMMHMM(3, 2, covariance_type="diag", init_params="", n_iter=1, tol=-np.inf)
    theirs.startprob_, theirs.transmat_ = model.start.numpy(), model.transitions.numpy()
    theirs.weights_, theirs.means_ = model.weights.numpy(), model.means.numpy()
    theirs.covars_ = model.variances.numpy()
    theirs.fit(np.concatenate(SEQUENCES), LENGTHS)
    ours, _ = _markov.step([padded(SEQUENCES)], model, floor=0.0)
    np.testing.assert_allclose(ours.transitions, theirs.transmat_, rtol=1e-9)
    np.testing.assert_allclose(ours.weights, theirs.weights_, rtol=1e-9)
    np.testing.assert_allclose(ours.means, theirs.means_, rtol=1e-9)
    around_old = ours.variances + (ours.means - model.means) ** 2
    np.testing.assert_allclose(around_old, theirs.covars_, rtol=1e-9)


def test_one_state_is_a_mixture():
    mixture, _ = _mixture.begin(torch.tensor(np.concatenate(SEQUENCES)), 3, False, 0.1,
                                torch.Generator().manual_seed(0))  # fmt: skip
    one = torch.ones(1, dtype=torch.float64)
    model = Markov(one, one[None], *(part[None] for part in mixture))
    for _ in range(4):
        mixture, before = _mixture.step(torch.tensor(np.concatenate(SEQUENCES)), mixture, 0.1)
        model, value = _markov.step([padded(SEQUENCES)], model, 0.1)
        assert value == pytest.approx(before, rel=1e-12)
    for ours, theirs in zip(model[2:], mixture, strict=True):
        torch.testing.assert_close(ours[0], theirs)


@both_ways
def test_no_step_lowers_the_likelihood_where_there_is_no_floor(way):
    model, values = model_of(way), []
    for _ in range(15):
        model, value = _markov.step([padded(SEQUENCES)], model, floor=0.0)
        values.append(value)
    assert np.diff(values).min() > -1e-12
    assert values[-1] - values[0] > 0.1
    assert (model.transitions[torch.tensor(way[1]) == 0] == 0).all(), "no way appears"


def test_sequences_in_pieces_give_what_all_of_them_do():
    whole, _ = _markov.step([padded(SEQUENCES)], model_of(ERGODIC, 2), 0.1)
    pieces = [padded(SEQUENCES[:2]), padded(SEQUENCES[2:])]
    for one, other in zip(_markov.step(pieces, model_of(ERGODIC, 2), 0.1)[0], whole, strict=True):
        torch.testing.assert_close(one, other)


def test_a_state_that_is_never_visited_stays_as_it_is():
    way = [1.0, 0.0, 0.0], [[0.5, 0.5, 0.0], [0.5, 0.5, 0.0], [0.1, 0.2, 0.7]]
    before = model_of(way)
    after, _ = _markov.step([padded(SEQUENCES)], before, 0.1)
    for one, other in zip(after[1:], before[1:], strict=True):
        torch.testing.assert_close(one[2], other[2], rtol=0, atol=0)


def test_thousands_of_frames_far_from_every_state_give_finite_numbers():
    model = model_of(FORWARD)
    rows = [RNG.normal(size=(3000, 2)) * 50]
    assert torch.isfinite(_markov.log_likelihoods(*padded(rows), model)).all()
    stepped, _ = _markov.step([padded(rows)], model, 0.1)
    assert all(torch.isfinite(one).all() for one in stepped)


def test_from_left_to_right_states_begin_as_parts_of_like_length():
    # 5 and 3 frames in 2 parts: 0 1 2 | 3 4 and 0 1 | 2; a sequence of 4 frames on average
    x = torch.tensor([[0.0], [1], [2], [3], [4], [10], [11], [12]])
    model = _markov.begin(x, torch.tensor([5, 3]), (2, 1), 0.5, torch.Generator(), left_right=True)
    assert model.start.tolist() == [1, 0]
    assert model.transitions.tolist() == [[0.5, 0.5], [0, 1]]
    parts = [0, 1, 2, 10, 11], [3, 4, 12]
    np.testing.assert_allclose(model.means[:, 0, 0], [np.mean(one) for one in parts])
    np.testing.assert_allclose(model.variances[:, 0, 0], [np.var(one) + 0.5 for one in parts])


def dataset(rows, codes):
    truth = torch.nn.functional.one_hot(torch.tensor(codes), 2).float()
    return Dataset({"a": Ragged.of(rows)}, {"label": truth}, np.arange(len(rows)))


def said(train, data=None, name="hmm", **options):
    learner = build("learners", name, options)
    learner.fit(train, None, seed=0)
    return learner.predict(data or train)["label"]


def tides(seed):
    """Rising and falling sequences of the same frames, and some that are missing."""
    generator = np.random.default_rng(seed)
    codes, rows = np.arange(40) % 2, []
    for at, code in enumerate(codes):
        row = np.sort(generator.normal(size=(8 + at % 9, 1)), axis=0).astype(np.float32)
        rows.append(row[::-1].copy() if code else row)
    return dataset([None if at in (4, 9) else row for at, row in enumerate(rows)], codes), codes


@pytest.mark.parametrize("options", [{"states": 3, "topology": "left_right"}, {"states": 3}])
def test_it_hears_the_order_of_frames_which_a_mixture_cannot(options):
    (train, codes), (other, _) = tides(0), tides(1)
    heard = np.delete(np.arange(40), [4, 9])
    found = said(train, other, **options)
    assert (found.argmax(1) == codes)[heard].all()
    assert (said(train, other, "gmm").argmax(1) == codes)[heard].mean() < 0.75
    np.testing.assert_allclose(found[[4, 9]], 0.5)


def test_sequences_of_unlike_length_are_judged_as_each_alone(monkeypatch):
    (train, _), (other, _) = tides(0), tides(1)
    learner = build("learners", "hmm", {"states": 2, "components": 2, "scores": "sum"})
    learner.fit(train, None, seed=0)
    together = learner.predict(other)["label"]
    monkeypatch.setattr(hmm, "_FRAMES", 1)
    np.testing.assert_allclose(learner.predict(other)["label"], together, rtol=1e-9)


def test_too_few_frames_for_its_states_are_an_error():
    train = dataset([np.zeros((2, 1), np.float32)] * 4, [0, 1, 0, 1])
    with pytest.raises(DataError, match="4 frames in the training part are too few for 6 Gaus"):
        said(train, states=3, components=2)


def config(folder, **changes):
    audio = {"name": "mfcc", "n_mfcc": 6, "sample_rate": RATE, "pool": "none"}
    changes = {"encoders": {"audio": audio}, "fusion": None, "learner": {"name": "hmm"}} | changes
    return tones_config(folder, **changes)


@pytest.mark.parametrize(
    ("encoder", "way"),
    [
        ({"name": "mfcc", "pool": "mean"}, "set pool: none, or take learner: {name: gmm}"),
        ({"name": "egemaps"}, "set pool: none, or take"),
        ({"name": "hashing"}, r"take one of frames (mfcc), or take learner: {name: gmm}"),
    ],
)
def test_an_encoder_of_one_vector_is_refused_with_the_way_out(tmp_path, encoder, way):
    with pytest.raises(ConfigError) as caught:
        check(config(tmp_path, encoders={"one": encoder}))
    assert "encoders.one: 'hmm' reads frames in their order, and this gives one" in str(
        caught.value
    )
    assert way in str(caught.value)


@pytest.mark.parametrize("topology", ["ergodic", "left_right"])
def test_the_tones_are_learned(tones, topology):
    learner = {"name": "hmm", "states": 2, "topology": topology}
    done = run(config(tones, learner=learner, balance="weights"))
    assert done.table().loc["uar", "mean"] > 0.9
    steps = sorted(done.folder.glob("models/*/learner/steps.json"))
    assert len(steps) == 3
