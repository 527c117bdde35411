"""Clustered intervals: against a loop, by formula, and by how often they cover the truth."""

import numpy as np
import pytest
from scipy import stats

from multimodal_ser.statistics import mean_interval


def loop_means(values, clusters, draws, seed):
    """The mean of each resample, cluster by cluster, with the same counts of clusters."""
    names = sorted(set(clusters))
    even = np.full(len(names), 1 / len(names))
    means = []
    for times in np.random.default_rng(seed).multinomial(len(names), even, draws):
        drawn = []
        for name, count in zip(names, times, strict=True):
            own = [
                value for value, cluster in zip(values, clusters, strict=True) if cluster == name
            ]
            drawn += own * int(count)
        means.append(sum(drawn) / len(drawn))
    return np.array(means)


def expanded_tail(count, level=0.95):
    """Φ(√(n/(n−1)) · t quantile): Hesterberg 2015, section 3.3."""
    return stats.norm.cdf(np.sqrt(count / (count - 1)) * stats.t(count - 1).ppf((1 - level) / 2))


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_the_interval_is_the_expanded_percentile_of_whole_clusters(level):
    clusters = ["b", "a", "a", "c", "b", "d", "d", "d"]
    values = [0.0, 1.0, 1.0, 0.5, 0.0, 1.0, 0.0, 1.0]
    means = loop_means(values, clusters, draws=300, seed=7)
    tail = expanded_tail(4, level)
    low, high = mean_interval(np.array(values), np.array(clusters), level=level, draws=300, seed=7)
    assert low == pytest.approx(np.quantile(means, tail))
    assert high == pytest.approx(np.quantile(means, 1 - tail))


def test_the_order_of_the_rows_and_the_names_of_clusters_do_not_matter():
    generator = np.random.default_rng(3)
    values, clusters = generator.normal(size=40), np.repeat(np.arange(8), 5)
    order = generator.permutation(40)
    expected = mean_interval(values, clusters)
    assert mean_interval(values[order], clusters[order]) == pytest.approx(expected)
    named = np.array([f"speaker {code}" for code in clusters])
    assert mean_interval(values, named) == pytest.approx(expected)


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    values, clusters = np.random.default_rng(0).normal(size=60), np.repeat(np.arange(20), 3)
    first = mean_interval(values, clusters, seed=1)
    assert mean_interval(values, clusters, seed=1) == first
    assert mean_interval(values, clusters, seed=2) != first


def test_copies_within_clusters_add_no_certainty():
    values, clusters = np.random.default_rng(0).normal(size=12), np.arange(12)
    once = mean_interval(values, clusters)
    assert mean_interval(np.repeat(values, 50), np.repeat(clusters, 50)) == pytest.approx(once)


def test_one_cluster_says_nothing():
    assert mean_interval(np.array([1.0, 0.0, 1.0]), np.zeros(3)) == (-np.inf, np.inf)


def test_values_that_never_vary_have_no_width():
    assert mean_interval(np.full(6, 0.5), np.array([0, 0, 1, 1, 2, 2])) == (0.5, 0.5)


@pytest.mark.parametrize("speakers", [6, 12])
def test_coverage_is_near_its_level_and_better_than_the_plain_percentile(speakers):
    # 600 corpora, true mean 0, clusters of 10 rows with an intra-class correlation of 0.5; at a
    # true coverage of 0.95 the share has a standard error of 0.009
    corpora, size = 600, 10
    clusters = np.repeat(np.arange(speakers), size)
    expanded = plain = rowwise = 0
    for seed in range(corpora):
        generator = np.random.default_rng([speakers, seed])
        values = generator.normal(size=speakers)[clusters] + generator.normal(size=len(clusters))
        low, high = mean_interval(values, clusters, draws=1000, seed=seed)
        expanded += low <= 0 <= high
        own = values.reshape(speakers, size).mean(1)
        means = own[generator.integers(0, speakers, (1000, speakers))].mean(1)
        low, high = np.quantile(means, [0.025, 0.975])
        plain += low <= 0 <= high
        low, high = mean_interval(values, np.arange(len(values)), draws=200, seed=seed)
        rowwise += low <= 0 <= high
    assert 0.92 <= expanded / corpora <= 0.98
    assert abs(expanded / corpora - 0.95) < abs(plain / corpora - 0.95)
    assert rowwise / corpora < 0.75
