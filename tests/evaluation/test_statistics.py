"""Statistics of clusters: against loops, by formula, by other libraries, by how often they err."""

import itertools
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from sklearn.metrics import confusion_matrix, f1_score
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from multimodal_ser.evaluation import metrics
from multimodal_ser.evaluation.statistics import (
    confusion_tallies,
    equivalence,
    holm,
    interval,
    mcnemar,
    mean_interval,
    of_confusions,
    resampled,
    smallest_detectable,
    swap_test,
)

MACRO_F1 = of_confusions(metrics.macro_f1, 4)
ACCURACY = of_confusions(metrics.accuracy, 4)


def study(clusters, seeds=1, size=4, seed=0):
    """Truth `[N]`, guesses of two models `[S, N]`, clusters `[N]`; four classes."""
    generator = np.random.default_rng(seed)
    codes = np.sort(
        np.append(np.arange(clusters), generator.integers(0, clusters, clusters * size))
    )
    truth = generator.integers(0, 4, len(codes))
    one, other = (
        np.where(generator.random((seeds, len(codes))) < skill, truth, guesses)
        for skill, guesses in zip(
            (0.7, 0.2), generator.integers(0, 4, (2, 1, len(codes))), strict=True
        )
    )
    return truth, one, other, codes


def tallied(truth, guesses, clusters):
    """`[S, K, 16]`."""
    return np.stack([confusion_tallies(truth, guess, clusters, 4) for guess in guesses])


def sklearn_macro_f1(truth, guess):
    return f1_score(truth, guess, average="macro", zero_division=0)


def test_the_tallies_of_clusters_sum_to_the_confusion_matrix_of_scikit_learn():
    truth, guess, _, clusters = study(7)
    found = confusion_tallies(truth, guess[0], clusters, 5)
    assert found.shape == (7, 25)
    whole = confusion_matrix(truth, guess[0], labels=range(5))
    np.testing.assert_array_equal(found.sum(0).reshape(5, 5), whole)
    third = confusion_matrix(truth[clusters == 2], guess[0][clusters == 2], labels=range(5))
    np.testing.assert_array_equal(found[2].reshape(5, 5), third)


def test_an_utterance_without_a_true_class_is_not_tallied_and_its_cluster_keeps_its_place():
    truth, guess = np.array([0, -1, 1, -1]), np.array([1, 1, 1, 0])
    found = confusion_tallies(truth, guess, np.array([0, 0, 1, 2]), 2)
    assert found.tolist() == [[0, 1, 0, 0], [0, 0, 0, 1], [0, 0, 0, 0]]


@pytest.mark.parametrize("kind", [np.int8, np.int16, np.int64])
def test_narrow_codes_such_as_those_of_a_categorical_column_do_not_overflow(kind):
    codes = np.arange(100, dtype=kind) % np.array(50, dtype=kind)
    zeros = np.zeros(100, dtype=kind)
    found = confusion_tallies(zeros, zeros, codes, 30)
    assert found[:, 0].tolist() == [2] * 50


def drawn_counts(clusters, draws, seed):
    """How often each cluster is in each resample: K of K with replacement."""
    even = np.full(clusters, 1 / clusters)
    return np.random.default_rng(seed).multinomial(clusters, even, draws)


def test_resampled_equals_a_loop_that_joins_the_utterances_of_the_drawn_clusters():
    truth, guesses, _, clusters = study(5, seeds=2)
    found = resampled(tallied(truth, guesses, clusters), MACRO_F1, draws=60, seed=3)
    for value, times in zip(found, drawn_counts(5, 60, 3), strict=True):
        rows = np.repeat(np.arange(len(truth)), times[clusters])
        expected = np.mean([sklearn_macro_f1(truth[rows], guess[rows]) for guess in guesses])
        assert value == pytest.approx(expected, abs=1e-12)


def test_each_cluster_is_drawn_as_often_as_any_other():
    # tallies that count the cluster itself: mean 1, variance 1 − 1/K, sum K
    drawn = resampled(np.eye(6)[None], lambda sums: sums, draws=5000, seed=0)
    assert (drawn.sum(1) == 6).all()
    # five standard errors of a mean and of a variance over 5,000 draws
    assert drawn.mean(0) == pytest.approx(np.ones(6), abs=0.065)
    assert drawn.var(0) == pytest.approx(np.full(6, 5 / 6), abs=0.11)


def test_models_on_one_split_are_resampled_together_whatever_their_seeds_and_scores():
    truth, one, other, clusters = study(6, seeds=3)
    first, second = tallied(truth, one, clusters), tallied(truth, other, clusters)
    apart = resampled(first, MACRO_F1, draws=200) - resampled(second, MACRO_F1, draws=200)
    both = np.concatenate([first, second], axis=2)
    paired = resampled(
        both, lambda sums: MACRO_F1(sums[..., :16]) - MACRO_F1(sums[..., 16:]), draws=200
    )
    assert apart == pytest.approx(paired, abs=1e-12)
    single = resampled(first[:1], ACCURACY, draws=200)
    several = resampled(np.repeat(first[:1], 5, axis=0), ACCURACY, draws=200)
    assert single == pytest.approx(several, abs=1e-12)


def test_five_thousand_draws_are_those_of_one_stream_however_they_are_blocked():
    drawn = resampled(np.eye(6)[None], lambda sums: sums, draws=5000, seed=1)
    np.testing.assert_array_equal(drawn, drawn_counts(6, 5000, seed=1))


@pytest.mark.slow
def test_a_thousand_resamples_of_a_thousand_utterances_take_a_tenth_of_a_second():
    generator = np.random.default_rng(0)
    truth, guess = generator.integers(0, 6, (2, 1000))
    clusters, score, times = np.arange(1000) % 40, of_confusions(metrics.macro_f1, 6), []
    for _ in range(3):
        start = time.perf_counter()
        counts = confusion_tallies(truth, guess, clusters, 6)[None]
        resampled(counts, score, draws=1000)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.1


def test_the_interval_of_many_values_is_that_of_each():
    values = np.random.default_rng(0).normal(size=(500, 3)) * [1, 2, 3]
    low, high = interval(values, 12)
    for column in range(3):
        assert interval(values[:, column], 12) == (low[column], high[column])
    assert low == pytest.approx(np.quantile(values, expanded_tail(12), axis=0))


def test_one_cluster_gives_no_bounds_in_the_shape_of_the_values():
    low, high = interval(np.zeros((10, 2)), 1)
    assert low.tolist() == [-np.inf, -np.inf]
    assert high.tolist() == [np.inf, np.inf]


def loop_p(truth, one, other, clusters):
    """The share of all 2^K exchanges whose gap in accuracy is at least the observed one."""
    gaps = []
    for exchange in itertools.product([False, True], repeat=clusters.max() + 1):
        swapped = np.array(exchange)[clusters]
        pairs = [
            (np.where(swapped, b, a), np.where(swapped, a, b))
            for a, b in zip(one, other, strict=True)
        ]
        gaps.append(np.mean([np.mean(a == truth) - np.mean(b == truth) for a, b in pairs]))
    return np.mean(np.abs(gaps) >= abs(gaps[0]) - 1e-9)


@pytest.mark.parametrize("clusters", [3, 4, 5, 6])
def test_for_accuracy_the_swap_test_equals_a_loop_over_all_exchanges_of_outputs(clusters):
    truth, one, other, codes = study(clusters, seeds=2, seed=clusters)
    order = np.argsort(codes, kind="stable")
    size = np.bincount(codes).min()  # clusters of one size
    kept = np.concatenate([order[codes[order] == code][:size] for code in range(clusters)])
    truth, one, other, codes = truth[kept], one[:, kept], other[:, kept], codes[kept]
    found = swap_test(tallied(truth, one, codes), tallied(truth, other, codes), ACCURACY)
    assert found == loop_p(truth, one, other, codes)


def one_by_one_p(truth, one, other, clusters):
    """Signs of what each cluster adds to the gap in macro-F1, exchanging them one by one."""

    def gap(swapped):
        pairs = [
            (np.where(swapped, b, a), np.where(swapped, a, b))
            for a, b in zip(one, other, strict=True)
        ]
        return np.mean([sklearn_macro_f1(truth, a) - sklearn_macro_f1(truth, b) for a, b in pairs])

    count, whole = clusters.max() + 1, gap(clusters < 0)
    added = [(whole - gap(clusters == code)) / 2 for code in range(count)]
    shares = np.array(added) + (whole - sum(added)) / count
    sums = [np.dot(signs, shares) for signs in itertools.product([1, -1], repeat=count)]
    return np.mean(np.abs(sums) >= abs(whole) - 1e-9)


@pytest.mark.parametrize("clusters", [3, 4, 5, 6])
def test_for_macro_f1_the_swap_test_turns_the_sign_of_what_each_cluster_adds(clusters):
    truth, one, other, codes = study(clusters, seeds=2, seed=clusters)
    found = swap_test(tallied(truth, one, codes), tallied(truth, other, codes), MACRO_F1)
    assert found == one_by_one_p(truth, one, other, codes)


@pytest.mark.parametrize("metric", [metrics.accuracy, metrics.uar, metrics.macro_f1])
@pytest.mark.parametrize("clusters", [12, 40])
def test_two_lucky_hits_are_no_proof_whatever_the_metric(metric, clusters):
    # 2 of the clusters differ, both in favour of one: 2 of their 4 exchanges are as extreme
    truth = np.arange(clusters) % 2
    constant = np.zeros((1, clusters), int)
    lucky = constant.copy()
    lucky[0, [1, 3]] = 1
    codes = np.arange(clusters)
    pair = tallied(truth, lucky, codes), tallied(truth, constant, codes)
    p = swap_test(*pair, of_confusions(metric, 4))
    assert p == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("clusters", [4, 6])
def test_for_uar_the_swap_test_equals_a_loop_over_all_exchanges_of_outputs(clusters):
    truth, one, other, codes = study(clusters, seeds=2, seed=clusters)

    def uar(a):
        return np.mean([np.mean(a[truth == label] == label) for label in np.unique(truth)])

    gaps = []
    for exchange in itertools.product([False, True], repeat=codes.max() + 1):
        swapped = np.array(exchange)[codes]
        pairs = zip(one, other, strict=True)
        turned = [(np.where(swapped, b, a), np.where(swapped, a, b)) for a, b in pairs]
        gaps.append(np.mean([uar(a) - uar(b) for a, b in turned]))
    pair = tallied(truth, one, codes), tallied(truth, other, codes)
    found = swap_test(*pair, of_confusions(metrics.uar, 4))
    assert found == np.mean(np.abs(gaps) >= abs(gaps[0]) - 1e-9)


def hits(*rights, size=10):
    """Tallies `[1, K, 16]` of clusters of one class with so many right out of `size`."""
    return np.array([[[right, size - right] + [0] * 14 for right in rights]])


def test_two_models_that_differ_in_all_of_k_clusters_reach_the_smallest_p_there_is():
    for clusters in (3, 8, 14):
        better, worse = hits(*[8] * clusters), hits(*[5] * clusters)
        assert swap_test(better, worse, ACCURACY) == 2 / 2**clusters


def test_with_eight_clusters_and_six_models_the_smallest_corrected_p_is_just_under_5_percent():
    p = swap_test(hits(*range(2, 10)), hits(*range(1, 9)), ACCURACY)
    assert p == 2 / 256
    assert holm([p, 0.5, 0.5, 0.5, 0.5, 0.5])[0] == pytest.approx(0.046875)


def test_the_random_branch_counts_the_observed_exchange_too():
    # 40 clusters, all better: the chance of drawing one of the 2 extreme exchanges is 1e-8
    better, worse = hits(*[8] * 40), hits(*[5] * 40)
    assert swap_test(better, worse, ACCURACY, draws=999) == 1 / 1000
    assert swap_test(better, worse, ACCURACY) == 1 / 10_001


def test_random_exchanges_agree_with_all_of_them_just_above_the_limit():
    one, other = np.random.default_rng(5).integers(0, 11, (2, 15))
    signs = 1 - 2 * ((np.arange(2**15)[:, None] >> np.arange(15)) & 1)
    gaps = np.abs(signs @ (one - other))
    expected = np.mean(gaps >= gaps[0])
    found = swap_test(hits(*one), hits(*other), ACCURACY)
    # four standard errors of a share of 10,000
    assert found == pytest.approx(expected, abs=4 * np.sqrt(expected * (1 - expected) / 10_000))
    assert found != expected


@pytest.mark.parametrize("clusters", [6, 20])
def test_identical_outputs_give_p_of_one(clusters):
    truth, one, _, codes = study(clusters, seeds=2)
    counts = tallied(truth, one, codes)
    assert swap_test(counts, counts, MACRO_F1) == 1.0


@pytest.mark.parametrize("clusters", [6, 20])
def test_it_does_not_matter_which_model_comes_first(clusters):
    truth, one, other, codes = study(clusters, seeds=2, size=2)
    first, second = tallied(truth, one, codes), tallied(truth, other, codes)
    found = swap_test(first, second, MACRO_F1)
    assert swap_test(second, first, MACRO_F1) == found
    assert found < 1


def test_a_cluster_is_exchanged_in_all_seeds_at_once():
    # two seeds, equal gaps: apart there would be 16 exchanges of 4 (cluster, seed) pairs
    better, worse = np.repeat(hits(8, 8), 2, axis=0), np.repeat(hits(5, 5), 2, axis=0)
    assert swap_test(better, worse, ACCURACY) == 2 / 4


def test_one_cluster_can_show_no_difference():
    assert swap_test(hits(10), hits(0), ACCURACY) == 1.0


def test_the_swap_test_rejects_nulls_at_its_level_and_items_far_more():
    # 600 corpora of 10 clusters of 10: a standard error of 0.009 at a true 0.05
    clusters, items, found, naive = np.repeat(np.arange(10), 10), np.arange(100), [], []
    zeros = np.zeros(100, dtype=int)
    for seed in range(600):
        generator = np.random.default_rng(seed)
        chances = generator.beta(0.6, 0.4, (2, 10))[:, clusters]
        one, other = (generator.random((2, 100)) > chances).astype(int)
        pair = [confusion_tallies(zeros, guess, clusters, 4)[None] for guess in (one, other)]
        found.append(swap_test(*pair, ACCURACY) <= 0.05)
        pair = [confusion_tallies(zeros, guess, items, 4)[None] for guess in (one, other)]
        naive.append(swap_test(*pair, ACCURACY, draws=199, seed=seed) <= 0.05)
    assert 0.02 <= np.mean(found) <= 0.08
    assert np.mean(naive) > 0.2


def test_holm_by_hand():
    # ordered .005 .01 .03 .04, times 4 3 2 1: .02 .03 .06 .04, and never falling
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.6]) == [1.0, 1.0]
    assert holm([0.03]) == [0.03]
    assert holm([]) == []


@given(
    st.lists(
        st.sampled_from([0.0, 0.001, 0.004, 0.01, 0.02, 0.3, 0.9, 1.0]), min_size=1, max_size=8
    )
)
@settings(max_examples=6, deadline=None)  # theirs takes 60 ms a call
def test_holm_equals_statsmodels(p_values):
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_mcnemar_equals_the_exact_test_of_statsmodels():
    generator = np.random.default_rng(0)
    for _ in range(20):
        one, other = generator.random((2, 30)) < generator.random((2, 1))
        table = [[(a & b).sum() for b in (other, ~other)] for a in (one, ~one)]
        expected = contingency_tables.mcnemar(table, exact=True).pvalue
        assert mcnemar(one, other) == pytest.approx(min(expected, 1.0))


def test_mcnemar_by_hand_and_where_nobody_differs():
    # 5 of 5 discordant utterances on one side: 2 / 2^5
    one, other = np.array([True] * 9), np.array([True] * 4 + [False] * 5)
    assert mcnemar(one, other) == mcnemar(other, one) == pytest.approx(0.0625)
    assert mcnemar(one, one) == 1.0


@pytest.mark.parametrize("gap", [-0.12, -0.03, 0.0, 0.02, 0.05, 0.2])
def test_equivalence_is_the_larger_of_two_one_sided_t_tests(gap):
    values = np.random.default_rng(0).normal(gap, 0.02, 500)
    # the bootstrap's variance is (K − 1)/K of the unbiased one
    error = values.std(ddof=1) * np.sqrt(12 / 11)
    above = stats.t.sf((gap + 0.05) / error, 11)
    below = stats.t.cdf((gap - 0.05) / error, 11)
    assert equivalence(values, gap, 12, 0.05) == pytest.approx(max(above, below))


def test_equivalence_without_any_spread_is_certain_either_way():
    assert equivalence(np.zeros(100), 0.0, 12, 0.05) == 0.0
    assert equivalence(np.full(100, 0.25), 0.25, 12, 0.125) == 1.0
    assert equivalence(np.full(100, 0.25), 0.25, 12, 0.25) == 1.0


def test_one_cluster_never_shows_equivalence():
    assert equivalence(np.zeros(100), 0.0, 1, 0.05) >= 0.5


def test_five_clusters_can_detect_nothing():
    # the smallest p is 2/32
    assert smallest_detectable([50] * 5, simulations=20) == np.inf
    assert smallest_detectable([50]) == np.inf


def test_more_clusters_and_less_correlation_detect_smaller_gaps_and_more_utterances_do_not_hurt():
    base = smallest_detectable([10] * 16, simulations=60)
    assert smallest_detectable([10] * 64, simulations=60) < base
    assert smallest_detectable([10] * 16, correlation=0.8, simulations=60) > base
    assert smallest_detectable([10] * 16, power=0.3, simulations=60) < base
    assert smallest_detectable([200] * 16, simulations=60) <= base


def test_the_detectable_gap_shrinks_with_the_root_of_the_clusters_beyond_400():
    options = {"simulations": 20, "correlation": 0.5}
    found = smallest_detectable([4] * 1600, **options)
    assert found == pytest.approx(smallest_detectable([4] * 400, **options) / 2)


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
