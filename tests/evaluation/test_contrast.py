"""Two sets of predictions: the gap by hand, the words, and what may not be compared."""

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.evaluation.contrast import Contrast, contrast, corrected
from multimodal_ser.types import DataError


def guesses(right, clusters=12, each=5, seeds=(0,), truth=("joy", "fear")):
    """Predictions of which a share of each cluster is right, the same in every seed."""
    rows = []
    for seed in seeds:
        for cluster in range(clusters):
            for item in range(each):
                label = truth[item % 2]
                other = truth[1 - item % 2]
                value = label if item < right(cluster) else other
                rows.append([f"{cluster}-{item}", f"c{cluster:02}", label, value, seed])
    table = pd.DataFrame(rows, columns=["id", "cluster", "truth", "value", "seed"])
    for name in truth:
        table[f"score:{name}"] = (table["value"] == name) * 1.0
    return table.assign(repeat=0, fold=0, part="test", target="label")


def test_the_gap_is_the_difference_of_the_metrics_and_its_sign_says_who_is_better():
    good, bad = guesses(lambda _: 4), guesses(lambda _: 2)
    found = contrast(good, bad, "accuracy")
    assert found.gap == pytest.approx(0.8 - 0.4)
    assert (found.low, found.high) == pytest.approx((0.4, 0.4))
    assert found.p == pytest.approx(2 / 2**12)
    assert contrast(bad, good, "accuracy").gap == pytest.approx(-0.4)


def test_a_model_against_itself_shows_nothing():
    same = guesses(lambda cluster: cluster % 5, seeds=(0, 1))
    found = contrast(same, same, "macro_f1")
    assert (found.gap, found.p, found.mcnemar) == (0, 1, 1)
    words = found.words("a", "b")
    assert words.startswith("no difference between a and b can be shown; the interval excludes")


def test_a_verdict_reads_as_a_sentence():
    found = contrast(guesses(lambda _: 4), guesses(lambda _: 2), "accuracy")
    (fused,) = corrected({"fused": found}).values()
    assert fused.words("fused", "text") == (
        "fused adds 0.400 accuracy over text (95 % 0.400 to 0.400, corrected p < 0.001)"
    )
    worse = contrast(guesses(lambda _: 2), guesses(lambda _: 4), "accuracy")
    assert worse.words("fused", "text").startswith("fused loses 0.400 accuracy over text (95 %")


def test_the_bound_in_words_is_never_inside_the_interval():
    found = Contrast("uar", 0.01, -0.0301, 0.0502, p=0.4, mcnemar=1.0, clusters=20)
    assert "the interval excludes gaps above 0.051" in found.words("a", "b")


def test_one_cluster_bounds_nothing_and_has_words_all_the_same():
    found = contrast(guesses(lambda _: 3, clusters=1), guesses(lambda _: 4, clusters=1), "accuracy")
    assert found.words("a", "b") == (
        "no difference between a and b can be shown (95 % -inf to inf, p 1.000); "
        "few clusters (1), look at each of them"
    )


def test_an_interval_without_zero_is_no_proof_against_the_test():
    found = Contrast("uar", 0.2, 0.1, 0.3, p=0.03, mcnemar=1.0, clusters=6, holm=0.12)
    assert found.words("a", "b") == (
        "a against b: the interval excludes 0, the test does not (95 % 0.100 to 0.300, "
        "corrected p 0.120); few clusters (6), look at each of them"
    )


def test_scores_within_a_stated_margin_are_equivalent_and_the_words_say_so():
    one, other = guesses(lambda c: 3 + c % 2, 40), guesses(lambda c: 3 + (c + 1) % 2, 40)
    near = contrast(one, other, "accuracy", margin=0.2)
    assert near.equivalent < 0.05
    assert near.words("a", "b").startswith("a and b are equivalent within 0.2 accuracy, p ")
    tight = contrast(one, other, "accuracy", margin=0.001)
    assert tight.equivalent > 0.05
    assert "no difference" in tight.words("a", "b")
    assert contrast(one, other, "accuracy").equivalent is None


def test_with_few_clusters_each_is_shown_and_the_word_few_is_said():
    found = contrast(guesses(lambda _: 4, 6), guesses(lambda _: 2, 6), "accuracy")
    assert found.few
    assert found.by_cluster == pytest.approx({f"c{one:02}": 0.4 for one in range(6)})
    assert "few clusters (6)" in found.words("a", "b")
    assert contrast(guesses(lambda _: 4), guesses(lambda _: 2), "accuracy").by_cluster is None


def test_holm_is_over_the_family_given():
    family = {
        name: Contrast("uar", 0.1, 0, 0.2, p=p, mcnemar=1.0, clusters=20)
        for name, p in {"a": 0.01, "b": 0.04, "c": 0.03}.items()
    }
    assert [one.holm for one in corrected(family).values()] == pytest.approx([0.03, 0.06, 0.06])
    assert not corrected(family)["b"].shown


def test_the_order_of_the_rows_means_nothing():
    one, other = guesses(lambda cluster: cluster % 4), guesses(lambda _: 2)
    shuffled = other.sample(frac=1, random_state=0)
    assert contrast(one, shuffled, "uar") == contrast(one, other, "uar")


def test_one_answer_can_be_compared_with_several_seeds():
    one, many = guesses(lambda _: 4), guesses(lambda _: 2, seeds=(0, 1, 2))
    assert contrast(one, many, "accuracy").gap == pytest.approx(0.4)
    with pytest.raises(DataError, match="one has 2 seeds and the other 3"):
        contrast(guesses(lambda _: 4, seeds=(0, 1)), many, "accuracy")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[rows["id"] != "0-0"], "1 ids are in one only, such as 0-0"),
        (lambda rows: rows.assign(truth="joy"), "truth or clusters"),
        (lambda rows: rows.assign(cluster="c"), "truth or clusters"),
        (lambda rows: rows.rename(columns={"score:joy": "score:glee"}), r"glee|classes|among"),
    ],
)
def test_what_was_not_scored_alike_is_not_compared(change, message):
    rows = guesses(lambda _: 4)
    with pytest.raises(DataError, match=message):
        contrast(rows, change(rows), "accuracy")


def test_tables_of_other_classes_are_not_compared_even_if_nobody_said_the_one_more():
    rows = guesses(lambda _: 4)
    more = rows.assign(**{"score:calm": 0.0})
    for first, second in ((rows, more), (more, rows)):
        with pytest.raises(DataError, match="the two were not scored on the same classes"):
            contrast(first, second, "accuracy")


def test_rows_without_truth_are_left_out_of_both():
    one, other = guesses(lambda _: 4), guesses(lambda _: 2)
    blank = np.arange(len(one)) % 5 == 4
    one, other = (rows.assign(truth=rows["truth"].mask(blank)) for rows in (one, other))
    assert contrast(one, other, "accuracy").gap == pytest.approx(1.0 - 0.5)
