"""Several opinions made one: rules worked out by hand, fits against other ways to find them."""

from collections import Counter

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from multimodal_ser.evaluation.metrics import best_thresholds
from multimodal_ser.studies.ensembles import merging
from multimodal_ser.studies.ensembles.merging import (
    HOW,
    LEARNED,
    PARTS,
    Fit,
    Opinions,
    cross_fitted,
    fit,
    merged,
)
from multimodal_ser.types import DataError

# Two members, three utterances, classes a and b and c
FIRST = [[0.6, 0.3, 0.1], [0.2, 0.5, 0.3], [0.4, 0.4, 0.2]]
SECOND = [[0.2, 0.7, 0.1], [0.1, 0.3, 0.6], [0.5, 0.1, 0.4]]
CLASSES = Opinions("classes", np.array([FIRST, SECOND]))


def opinions(kind, members=3, count=60, classes=3, seed=0):
    """What members of rising skill say, the truth `[N, C]`, and six clusters."""
    generator = np.random.default_rng(seed)
    cluster = np.array([f"s{row % 6}" for row in range(count)], dtype=object)
    skill = np.linspace(0.5, 2, members)[:, None, None]
    if kind == "numbers":
        truth = generator.normal(3, 2, (count, 1))
        noise = generator.normal(0, 2, (members, count, 1)) / skill
        return Opinions(kind, truth + noise), truth, cluster
    noise = generator.normal(0, 1, (members, count, classes))
    if kind == "classes":
        truth = np.eye(classes)[np.arange(count) % classes]
        scores = np.exp(skill * truth + noise)
        return Opinions(kind, scores / scores.sum(2, keepdims=True)), truth, cluster
    truth = (generator.random((count, classes)) < 0.4) * 1.0
    scores = 1 / (1 + np.exp(-(skill * (2 * truth - 1) + noise)))
    cuts = np.broadcast_to(np.linspace(0.3, 0.6, members)[:, None, None], scores.shape)
    return Opinions(kind, scores, cuts), truth, cluster


def test_the_mean_and_the_highest_of_two_by_hand():
    mean, none = merged("mean", CLASSES)
    np.testing.assert_allclose(mean, [[0.4, 0.5, 0.1], [0.15, 0.4, 0.45], [0.45, 0.25, 0.3]])
    assert none is None
    highest = np.array([[0.6, 0.7, 0.1], [0.2, 0.5, 0.6], [0.5, 0.4, 0.4]])
    found, _ = merged("max", CLASSES)
    np.testing.assert_allclose(found, highest / [[1.4], [1.3], [1.3]])


def test_a_tied_vote_goes_to_the_higher_mean_and_the_scores_are_nearly_the_shares():
    found, _ = merged("vote", CLASSES)
    np.testing.assert_allclose(found, [[0.5, 0.5, 0], [0, 0.5, 0.5], [1, 0, 0]], atol=1e-3)
    assert found.argmax(1).tolist() == [1, 2, 0], "b .5 against .4, c .45 against .4, both say a"
    np.testing.assert_allclose(found.sum(1), 1)


@pytest.mark.parametrize("members", [2, 3, 5, 20])
def test_the_most_votes_win_whatever_the_mean_says(members):
    said, _, _ = opinions("classes", members, count=200)
    found, _ = merged("vote", said)
    for row in range(200):
        votes = Counter(said.scores[:, row].argmax(1).tolist())
        most = [one for one, count in votes.items() if count == max(votes.values())]
        assert found[row].argmax() == max(most, key=lambda one: said.scores[:, row, one].mean())


def test_labels_keep_the_mean_threshold_and_a_vote_is_even():
    scores = np.array([[[0.5, 0.2]], [[0.4, 0.9]]])
    cuts = np.array([[[0.3, 0.3]], [[0.5, 0.4]]])
    said = Opinions("labels", scores, cuts)
    mean, at = merged("mean", said)
    np.testing.assert_allclose(mean, [[0.45, 0.55]])
    np.testing.assert_allclose(at, [[0.4, 0.35]])
    highest, at = merged("max", said)
    np.testing.assert_allclose(highest, [[0.5, 0.9]])
    np.testing.assert_allclose(at, [[0.4, 0.35]])
    votes, at = merged("vote", said)
    np.testing.assert_allclose(at, [[0.5, 0.5]])
    np.testing.assert_allclose(votes, [[0.5, 0.5]], atol=1e-3)
    assert (votes >= at).tolist() == [[True, True]], "ties: .45 is above .4, .55 above .35"
    low = Opinions("labels", scores - 0.1, cuts)
    assert (merged("vote", low)[0] >= 0.5).tolist() == [[False, True]], ".35 is below .4"


def losses(kind, said, truth):
    """Shares `[M]` → what is made least, written once more: log loss, or squared error."""

    def loss(shares):
        whole = sum(share * one for share, one in zip(shares, said.scores, strict=True))
        if kind == "numbers":
            return ((whole - truth) ** 2).mean()
        if kind == "classes":
            return -np.log((whole * truth).sum(1)).mean()
        return -np.log(np.where(truth == 1, whole, 1 - whole)).mean()

    return loss


@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
@pytest.mark.parametrize("seed", range(8))
def test_no_other_shares_are_better_than_the_weights(kind, seed):
    said, truth, _ = opinions(kind, seed=seed)
    weights = fit("weights", said, truth).weights
    assert min(weights) >= 0 and sum(weights) == pytest.approx(1)
    loss = losses(kind, said, truth)
    grid = np.linspace(0, 1, 41)
    others = min(loss((a, b, 1 - a - b)) for a in grid for b in grid if a + b <= 1)
    assert loss(weights) <= others + 1e-7
    mixed = merged("weights", said, Fit(weights=weights))[0]
    np.testing.assert_allclose(mixed, np.einsum("m,mnc->nc", weights, said.scores))


@pytest.mark.parametrize("unit", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize("bias", [0.0, 1.0, 5.0])
def test_two_members_of_numbers_get_the_weights_of_the_closed_form(bias, unit):
    said, truth, _ = opinions("numbers", members=2)
    truth = truth * unit
    one, other = (said.scores + np.array([0.0, bias])[:, None, None]) * unit
    share = ((truth - other) * (one - other)).sum() / ((one - other) ** 2).sum()
    found = fit("weights", Opinions("numbers", np.stack([one, other])), truth).weights
    assert found[0] == pytest.approx(np.clip(share, 0, 1), abs=1e-9)


@pytest.mark.parametrize("classes", [2, 3])
def test_stacking_of_classes_is_a_logistic_regression_on_log_probabilities(classes):
    said, truth, _ = opinions("classes", classes=classes)
    x = np.log(np.concatenate(list(said.scores), axis=1))
    oracle = LogisticRegression(tol=1e-10, max_iter=10_000).fit(x, truth.argmax(1))
    found, _ = merged("stacking", said, fit("stacking", said, truth))
    np.testing.assert_allclose(found, oracle.predict_proba(x), atol=1e-6)


def test_a_class_that_dev_does_not_hold_gets_nothing_and_a_single_one_is_refused():
    said, truth, _ = opinions("classes")
    known = truth[:, 1] == 0
    found, _ = merged("stacking", said, fit("stacking", said.of(known), truth[known]))
    assert (found[:, 1] == 0).all()
    np.testing.assert_allclose(found.sum(1), 1)
    single = truth[:, 0] == 1
    with pytest.raises(DataError, match="holds a single class"):
        fit("stacking", said.of(single), truth[single])


def test_stacking_of_labels_is_a_regression_on_log_odds_for_each_and_one_never_true_gets_nothing():
    said, truth, _ = opinions("labels")
    truth[:, 2] = 0
    learned = fit("stacking", said, truth)
    found, at = merged("stacking", said, learned)
    for label in (0, 1):
        x = np.log(said.scores[:, :, label] / (1 - said.scores[:, :, label])).T
        oracle = LogisticRegression(tol=1e-10, max_iter=10_000).fit(x, truth[:, label])
        np.testing.assert_allclose(found[:, label], oracle.predict_proba(x)[:, 1], atol=1e-6)
    assert (found[:, 2] == 0).all()
    np.testing.assert_allclose(at[0], best_thresholds(truth, found))
    assert at[0, 2] == 0.5


def test_stacking_of_numbers_is_a_ridge_in_units_of_the_truth():
    said, truth, _ = opinions("numbers")
    centre, spread = truth.mean(), truth.std()
    x = (said.scores[:, :, 0].T - centre) / spread
    y = (truth[:, 0] - centre) / spread
    middle = x.mean(0)
    inner = (x - middle).T @ (x - middle) + np.eye(3)
    slopes = np.linalg.solve(inner, (x - middle).T @ y)
    found, _ = merged("stacking", said, fit("stacking", said, truth))
    np.testing.assert_allclose(found[:, 0], ((x - middle) @ slopes + y.mean()) * spread + centre)


def test_thresholds_of_weighted_labels_are_the_best_on_what_was_learned_from():
    said, truth, _ = opinions("labels")
    learned = fit("weights", said, truth)
    found, at = merged("weights", said, learned)
    np.testing.assert_allclose(at, np.tile(best_thresholds(truth, found), (len(truth), 1)))


def test_rows_without_truth_teach_nothing():
    said, truth, _ = opinions("classes")
    wrong = said.scores.copy()
    wrong[:, :20] = wrong[:, :20, ::-1]
    holes = truth.copy()
    holes[:20] = np.nan
    for how in LEARNED:
        alone = fit(how, said.of(np.arange(20, 60)), truth[20:])
        assert fit(how, Opinions("classes", wrong), holes) == alone


@pytest.mark.parametrize("how", LEARNED)
@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_what_is_said_of_a_cluster_in_dev_does_not_depend_on_its_truth(how, kind):
    said, truth, cluster = opinions(kind)
    marked = cluster == "s2"
    other = truth.copy()
    other[marked] = -other[marked] if kind == "numbers" else np.roll(truth[marked], 1, axis=1)
    before, after = (cross_fitted(how, said, one, cluster) for one in (truth, other))
    np.testing.assert_array_equal(before[0][marked], after[0][marked])
    assert not np.allclose(before[0][~marked], after[0][~marked]), "the others have learned of it"
    if kind == "labels":
        np.testing.assert_array_equal(before[1][marked], after[1][marked])


def test_no_cluster_is_judged_by_what_was_learned_on_it(monkeypatch):
    said, truth, cluster = opinions("classes")
    taught, real = [], merging.fit
    names = np.array(cluster)

    def spy(how, part, known):
        rows = (said.scores[0][:, None] == part.scores[0][None]).all(2).any(1)
        taught.append(set(names[rows]))
        return real(how, part, known)

    monkeypatch.setattr(merging, "fit", spy)
    cross_fitted("weights", said, truth, cluster)
    held = [set(names) - one for one in taught]
    assert len(held) == PARTS
    assert sorted(one for some in held for one in some) == sorted(set(names)), "each once, whole"


def test_a_cluster_without_truth_is_judged_and_teaches_nobody():
    said, truth, cluster = opinions("classes")
    truth[np.isin(cluster, ["s0", "s1", "s2", "s3"])] = np.nan
    found, _ = cross_fitted("weights", said, truth, cluster)
    np.testing.assert_allclose(found.sum(1), 1)
    of_last = fit("weights", said.of(cluster == "s5"), truth[cluster == "s5"])
    rows = cluster == "s4"
    np.testing.assert_allclose(found[rows], merged("weights", said.of(rows), of_last)[0])


@pytest.mark.parametrize("how", LEARNED)
@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_a_fit_comes_back_from_json_as_it_was(how, kind):
    said, truth, _ = opinions(kind)
    learned = fit(how, said, truth)
    again = Fit.model_validate_json(learned.model_dump_json())
    np.testing.assert_array_equal(merged(how, said, again)[0], merged(how, said, learned)[0])


@pytest.mark.parametrize("how", LEARNED)
@pytest.mark.parametrize("kind", ["classes", "labels", "numbers"])
def test_who_knows_more_counts_more(how, kind):
    said, truth, _ = opinions(kind, count=300)
    counts = fit(how, said, truth).counts(3)
    assert counts[2] > counts[0]


def test_every_way_gives_probabilities():
    said, truth, _ = opinions("classes")
    for how in HOW:
        learned = fit(how, said, truth) if how in LEARNED else Fit()
        found, _ = merged(how, said, learned)
        np.testing.assert_allclose(found.sum(1), 1)
        assert (found >= 0).all()
