"""How often intervals cover the truth and tests reject, over thousands of simulated corpora.

Each setting has five fixed seeds. A model is right where a latent normal is below the quantile of
its skill; the cluster's share of that normal's variance is the correlation within clusters.
"""

import numpy as np
import pytest
from scipy import stats

from multimodal_ser.evaluation import metrics
from multimodal_ser.evaluation.statistics import (
    confusion_tallies,
    holm,
    interval,
    mean_interval,
    of_confusions,
    resampled,
    smallest_detectable,
    swap_test,
)

pytestmark = pytest.mark.slow

SEEDS = range(5)
LEVEL = 0.05
PRIORS = np.array([0.47, 0.30, 0.20, 0.03])
SKILLS = np.array([0.75, 0.60, 0.55, 0.40])  # the rare class is also the hardest


def corpora(clusters, each):
    """`each` generators from each seed: a corpus does not depend on the ones before it."""
    for seed in SEEDS:
        for number in range(each):
            yield number, np.random.default_rng([seed, clusters, number])


def right(generator, shape, correlation, skill):
    """Bool `[K, n]`, each true with `skill`; one draw for each cluster, one for each item."""
    shared = np.sqrt(correlation) * generator.standard_normal((shape[0], 1))
    own = np.sqrt(1 - correlation) * generator.standard_normal(shape)
    return shared + own < stats.norm.ppf(skill)


def tallies(truth, guess, by_item=False):
    """Confusions `[1, K, C·C]` of codes `[K, n]`; by item, each is a cluster of its own."""
    codes = np.arange(truth.size) if by_item else np.repeat(np.arange(len(truth)), truth.shape[1])
    return confusion_tallies(truth.ravel(), guess.ravel(), codes, 4)[None]


def show(name, value):
    """What was measured; pytest prints it with `-rP`."""
    print(f"{name}: {value:.4f}")


def covers(bounds, truth):
    return bounds[0] <= truth <= bounds[1]


def item_level(values):
    """The plain percentile interval, as for independent items."""
    return np.quantile(values, [0.025, 0.975])


def check_coverage(share, clusters):
    """At a true 95 % the share of 2,000 has a standard error of 0.005."""
    show("coverage", share)
    low, high = (0.90, 1.0) if clusters == 8 else (0.93, 0.97)
    assert low <= share <= high


@pytest.mark.parametrize("clusters", [40, 24, 8])
def test_the_interval_of_accuracy_covers_the_truth(clusters):
    codes, found, naive = np.repeat(np.arange(clusters), 10), [], []
    for number, generator in corpora(clusters, 400):
        hits = right(generator, (clusters, 10), 0.5, 0.6).ravel()
        found.append(covers(mean_interval(hits.astype(float), codes, seed=number), 0.6))
        # resampling N independent 0/1 items is drawing a binomial count
        means = generator.binomial(hits.size, hits.mean(), 2000) / hits.size
        naive.append(covers(item_level(means), 0.6))
    show("by item", np.mean(naive))
    check_coverage(np.mean(found), clusters)
    # measured: 0.67 to 0.69
    assert np.mean(naive) < 0.75


def labelled(generator, clusters, size=10):
    """Truth and guess `[K, n]` with a class of 3 %; a wrong guess is any other class."""
    truth = generator.choice(4, (clusters, size), p=PRIORS)
    hits = right(generator, truth.shape, 0.5, SKILLS[truth])
    return truth, np.where(hits, truth, (truth + generator.integers(1, 4, truth.shape)) % 4)


def population_macro_f1():
    """From two million items; the expected confusions give 0.5371."""
    truth, guess = labelled(np.random.default_rng(0), clusters=200_000)
    rights = np.bincount(truth[truth == guess], minlength=4)
    seen = np.bincount(truth.ravel(), minlength=4) + np.bincount(guess.ravel(), minlength=4)
    return np.mean(2 * rights / seen)


@pytest.mark.parametrize("clusters", [40, 24, 8])
def test_the_interval_of_macro_f1_covers_the_truth_with_a_class_of_three_percent(clusters):
    score, truth_value = of_confusions(metrics.macro_f1, 4), population_macro_f1()
    assert truth_value == pytest.approx(0.5371, abs=0.003)
    found, naive = [], []
    for number, generator in corpora(clusters, 400):
        counts = tallies(*labelled(generator, clusters))
        drawn = resampled(counts, score, seed=number)
        found.append(covers(interval(drawn, clusters), truth_value))
        total = counts[0].sum(0)
        items = score(generator.multinomial(total.sum(), total / total.sum(), 2000))
        naive.append(covers(item_level(items), truth_value))
    show("by item", np.mean(naive))
    check_coverage(np.mean(found), clusters)
    # measured: 0.70 to 0.73
    assert np.mean(naive) < 0.80


def equal_but_different(generator, clusters, correlations):
    """Truth and two guesses that err in other clusters and towards other classes.

    One errs to the next class and the other to the one before, the classes are equally common:
    read backwards, each is the other, so accuracy and macro-F1 are equal in the population.
    """
    truth = generator.integers(0, 4, (clusters, 10))
    guesses = [
        np.where(right(generator, truth.shape, correlation, 0.6), truth, (truth + step) % 4)
        for correlation, step in zip(correlations, (1, -1), strict=True)
    ]
    return truth, *guesses


@pytest.mark.parametrize("correlations", [(0.5, 0.5), (0.5, 0.2)])
@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.macro_f1])
@pytest.mark.parametrize("clusters", [40, 8])
def test_the_swap_test_rejects_models_of_equal_skill_at_its_level_and_items_far_more(
    clusters, metric, correlations
):
    score, rejected, naive = of_confusions(metric, 4), [], []
    for number, generator in corpora(clusters, 200):
        truth, one, other = equal_but_different(generator, clusters, correlations)
        pair = tallies(truth, one), tallies(truth, other)
        rejected.append(swap_test(*pair, score, draws=999, seed=number) <= LEVEL)
        pair = tallies(truth, one, by_item=True), tallies(truth, other, by_item=True)
        naive.append(swap_test(*pair, score, draws=499, seed=number) <= LEVEL)
    show("rejected", np.mean(rejected))
    show("by item", np.mean(naive))
    # 1,000 nulls: a standard error of 0.007
    assert 0.03 <= np.mean(rejected) <= 0.07
    # measured: 0.23 to 0.34
    assert np.mean(naive) > 0.18


MIRROR = np.array([1, 0, 3, 2])


def mirrored(generator, clusters):
    """Truth and two guesses of models of which each is the other with the classes renamed.

    Two classes are common (47 %) and two rare (3 %), in each pair one model knows the class that
    the other misses, and their errors fall into different rare classes. The truth looks the same
    after renaming, so accuracy and macro-F1 are equal in the population.
    """
    truth = generator.choice(4, (clusters, 10), p=[0.47, 0.47, 0.03, 0.03])
    skills, guesses = np.array([0.8, 0.4, 0.5, 0.2]), []
    for seen in (truth, MIRROR[truth]):
        hits = right(generator, truth.shape, 0.5, skills[seen])
        guesses.append(np.where(hits, seen, (seen + 1) % 4))
    return truth, guesses[0], MIRROR[guesses[1]]


@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.macro_f1])
@pytest.mark.parametrize("clusters", [40, 8])
def test_the_swap_test_holds_its_level_when_each_model_knows_other_classes(clusters, metric):
    score, rejected, naive = of_confusions(metric, 4), [], []
    for number, generator in corpora(clusters, 200):
        truth, one, other = mirrored(generator, clusters)
        pair = tallies(truth, one), tallies(truth, other)
        rejected.append(swap_test(*pair, score, draws=999, seed=number) <= LEVEL)
        pair = tallies(truth, one, by_item=True), tallies(truth, other, by_item=True)
        naive.append(swap_test(*pair, score, draws=499, seed=number) <= LEVEL)
    show("rejected", np.mean(rejected))
    show("by item", np.mean(naive))
    # macro-F1 is no sum over clusters, and the test cautious: 0.02 of 40 clusters, 0.07 by item
    assert np.mean(naive) > (0.15 if metric is metrics.accuracy else 1.5 * np.mean(rejected))
    assert 0.01 <= np.mean(rejected) <= 0.07


def of_one_label(generator, clusters):
    """Truth and two guesses of models of equal skill; a cluster has one label, two are rare."""
    truth = np.repeat(generator.choice(4, (clusters, 1), p=[0.55, 0.39, 0.04, 0.02]), 2, axis=1)
    skills = np.array([0.8, 0.6, 0.3, 0.1])[truth]
    guesses = [
        np.where(right(generator, truth.shape, 0.5, skills), truth, (truth + 1) % 4)
        for _ in range(2)
    ]
    return truth, *guesses


@pytest.mark.parametrize("metric", [metrics.uar, metrics.macro_f1])
@pytest.mark.parametrize("clusters", [60, 20])
def test_the_swap_test_holds_its_level_where_each_cluster_has_one_label(clusters, metric):
    score, rejected = of_confusions(metric, 4), []
    for number, generator in corpora(clusters, 200):
        truth, one, other = of_one_label(generator, clusters)
        pair = tallies(truth, one), tallies(truth, other)
        rejected.append(swap_test(*pair, score, draws=999, seed=number) <= LEVEL)
    show("rejected", np.mean(rejected))
    assert 0.03 <= np.mean(rejected) <= 0.07


def accuracy_of(sums):
    return sums[..., 0] / sums[..., 1]


def accuracy_tallies(hits):
    return np.stack([hits.sum(1), np.full(len(hits), hits.shape[1])], axis=1)[None]


def test_holm_holds_the_error_of_a_family_of_six_models_against_one_baseline():
    wrong, uncorrected = [], []
    for number, generator in corpora(40, 200):
        models = [accuracy_tallies(right(generator, (40, 10), 0.5, 0.6)) for _ in range(7)]
        p_values = [
            swap_test(model, models[0], accuracy_of, draws=999, seed=number) for model in models[1:]
        ]
        wrong.append(min(holm(p_values)) <= LEVEL)
        uncorrected.append(min(p_values) <= LEVEL)
    show("family-wise", np.mean(wrong))
    show("uncorrected", np.mean(uncorrected))
    assert np.mean(wrong) <= 0.07
    # measured: 0.20, so the correction is what holds it
    assert np.mean(uncorrected) > 0.15


def share_found(gap, clusters=24, size=20, correlation=0.3):
    """How often the swap test finds a true gap in 2,000 corpora, the lesser model at 0.5."""
    found = []
    for number, generator in corpora(clusters, 400):
        models = [
            accuracy_tallies(right(generator, (clusters, size), correlation, skill))
            for skill in (0.5, 0.5 + gap)
        ]
        found.append(swap_test(*models, accuracy_of, draws=999, seed=number) <= LEVEL)
    return np.mean(found)


def power_of_paired_t(gap, clusters=24, size=20, correlation=0.3):
    """By formula: the paired t test on clusters' accuracies, as if those were normal."""
    variance = 0.0
    for skill in (0.5, 0.5 + gap):
        quantile, covariance = stats.norm.ppf(skill), [[1, correlation], [correlation, 1]]
        both = stats.multivariate_normal.cdf([quantile, quantile], cov=covariance)
        variance += both - skill**2 + (skill - both) / size
    shift = gap / np.sqrt(variance / clusters)
    edge = stats.t.ppf(1 - LEVEL / 2, clusters - 1)
    return stats.nct.sf(edge, clusters - 1, shift) + stats.nct.cdf(-edge, clusters - 1, shift)


def test_the_power_for_a_gap_of_ten_points_is_that_of_a_paired_t_test():
    # permutation and t tests agree to first order: 0.28 by formula; 0.05 allows for the normal
    # approximation of 24 bounded accuracies and for 5 standard errors of the share (0.01)
    share = share_found(0.10)
    show("power", share)
    assert share == pytest.approx(power_of_paired_t(0.10), abs=0.05)


def test_the_smallest_detectable_gap_is_found_as_often_as_it_says():
    # it is known to 0.01 and from 200 simulations: a standard error of 0.028 in power, and 0.04
    # of power for each step of 0.01
    gap = smallest_detectable([20] * 24)
    show("gap", gap)
    share = share_found(gap)
    show("power", share)
    assert share == pytest.approx(0.8, abs=0.1)
    assert power_of_paired_t(gap) == pytest.approx(0.8, abs=0.1)


def test_the_smallest_gap_detectable_with_the_power_for_ten_points_is_ten_points():
    # a step of 0.01 changes the power by 0.025 here, 200 simulations have an error of 0.03
    power = share_found(0.10)
    gaps = [smallest_detectable([20] * 24, power=power, seed=seed) for seed in SEEDS]
    assert np.mean(gaps) == pytest.approx(0.10, abs=0.02)
