"""The numbers of a corpus, by hand and by formulas written down again."""

import math
from collections import Counter

import numpy as np
import pandas as pd
import pytest

from multimodal_ser.report.corpus import measures
from multimodal_ser.report.corpus.measures import MISSING


def test_columns_are_sorted_by_what_can_be_shown_of_them():
    count = 40
    table = pd.DataFrame(
        {
            "id": [f"u{n}" for n in range(count)],
            "text": [f"word {n}" for n in range(count)],
            "language": ["es"] * count,
            "code": [str(n % 3) for n in range(count)],
            "loud": [n % 2 == 0 for n in range(count)],
            "valence": [1.0 + n % 5 for n in range(count)],
            "level": [f"{n / 10:.1f}" for n in range(count)],
            "video": [f"v{n}" for n in range(count)],
            "speaker": [str(n) for n in range(count)],
            "words": [[n] for n in range(count)],
            "empty": [None] * count,
        }
    )
    table.loc[0, "valence"] = np.inf
    found = measures.columns(table)
    assert found.constant == {"language": "es"}
    assert list(found.few) == ["code", "loud"]
    assert list(found.numbers) == ["valence", "level"]
    assert len(found.numbers["valence"]) == count - 1, "an infinite value is not drawn"
    assert found.many == {"video": count, "speaker": count, "words": count}


def test_a_value_that_some_rows_lack_is_no_constant():
    found = measures.columns(pd.DataFrame({"place": ["studio", None, "studio"]}))
    assert found.few["place"].to_dict() == {"studio": 2, MISSING: 1}


def test_counts_are_in_natural_order_with_the_missing_last():
    values = pd.Series(["fold10", "fold2", None, "fold2", "dev", "train"])
    assert measures.counted(values).to_dict() == {
        "train": 1, "dev": 1, "fold2": 2, "fold10": 1, MISSING: 1
    }  # fmt: skip
    assert list(measures.counted(values).index) == ["train", "dev", "fold2", "fold10", MISSING]


def test_counts_in_a_given_order_keep_its_zeros_and_lose_nothing():
    found = measures.counted(pd.Series(["joy", "odd", "joy"]), ["anger", "joy"])
    assert list(found.items()) == [("anger", 0), ("joy", 2), ("odd", 1)]


def test_a_cross_table_counts_every_pair_once():
    generator = np.random.default_rng(0)
    rows = generator.choice(["a", "b", None], 200).tolist()
    across = generator.choice(["x2", "x10", None], 200).tolist()
    found = measures.crossed(pd.Series(rows), pd.Series(across))
    assert list(found.columns) == ["x2", "x10", MISSING]
    assert found.to_numpy().sum() == 200
    for row in found.index:
        for column in found.columns:
            wanted = sum(
                (one or MISSING, other or MISSING) == (row, column)
                for one, other in zip(rows, across, strict=True)
            )
            assert found.at[row, column] == wanted


@pytest.mark.parametrize(
    ("other", "alike"), [("xxyy", True), ("xxyz", False), ("xxxx", False), ("xyxy", False)]
)
def test_columns_are_alike_when_they_divide_the_rows_alike(other, alike):
    assert measures.alike(pd.Series(list("aabb")), pd.Series(list(other))) is alike


def test_a_summary_is_that_of_the_numbers():
    found = measures.summary(np.array([1.0, 2.0, 6.0]))
    assert (found.count, found.mean, found.low, found.median, found.high) == (3, 3, 1, 2, 6)
    assert found.sd == pytest.approx(math.sqrt((4 + 1 + 9) / 2))
    assert measures.summary(np.array([5.0])).sd is None


@pytest.mark.parametrize("size", [1, 7, 5000])
def test_a_histogram_counts_every_value_or_says_that_it_is_far(size):
    values = np.random.default_rng(size).lognormal(size=size)
    found = measures.histogram(values)
    assert found.counts.sum() + found.beyond == size
    assert len(found.edges) == len(found.counts) + 1
    assert len(found.counts) <= 50


def test_values_of_one_decimal_lie_in_the_middle_of_their_bins():
    values = np.round(np.random.default_rng(1).uniform(1, 5, 2000), 1)
    found = measures.histogram(values)
    middles = (found.edges[1:] + found.edges[:-1]) / 2
    assert np.allclose(np.diff(middles), 0.1)
    for middle, count in zip(middles, found.counts, strict=True):
        assert count == np.isclose(values, middle).sum()


def test_whole_numbers_have_a_bin_each():
    found = measures.histogram(np.array([0.0, 1, 1, 3]))
    assert found.edges.tolist() == [-0.5, 0.5, 1.5, 2.5, 3.5]
    assert found.counts.tolist() == [1, 2, 0, 1]


def test_one_recording_of_an_hour_does_not_squash_the_others():
    values = np.append(np.random.default_rng(2).uniform(1, 5, 999), 3600.0)
    found = measures.histogram(values)
    assert found.beyond == 1
    assert found.edges[-1] < 20


@pytest.mark.parametrize("value", [0.0, 3.7, -1e9, 1e-9])
def test_equal_values_make_a_histogram_too(value):
    assert measures.histogram(np.full(5, value)).counts.tolist() == [5]


def test_words_keep_what_an_apostrophe_joins():
    assert measures.words("¡Qué ALEGRÍA! I don't; mother-in-law, 3.") == [
        "qué", "alegría", "i", "don't", "mother-in-law", "3"
    ]  # fmt: skip


def test_log_odds_follow_monroe_colaresi_and_quinn():
    counts, prior = np.array([[8, 1], [2, 2], [0, 7]]), 10.0
    found = measures.log_odds(counts, prior)
    for word in range(3):
        alpha = prior * counts[word].sum() / counts.sum()
        own, rest = counts[word, 0], counts[word, 1]
        size, others = counts[:, 0].sum(), counts[:, 1].sum()
        delta = math.log((own + alpha) / (size + prior - own - alpha))
        delta -= math.log((rest + alpha) / (others + prior - rest - alpha))
        z = delta / math.sqrt(1 / (own + alpha) + 1 / (rest + alpha))
        assert found[word, 0] == pytest.approx(z)
        assert found[word, 1] == pytest.approx(-z), "two classes mirror each other"


def test_a_word_of_one_class_tells_and_a_word_of_all_does_not():
    bags = {
        "joy": Counter({"the": 200, "glad": 40, "once": 1}),
        "anger": Counter({"the": 200, "rage": 40}),
        "silence": Counter(),
    }
    found = measures.telling(bags)
    assert [word for word, _ in found["joy"]] == ["glad"]
    assert found["anger"] == [("rage", 40)]
    assert found["silence"] == []


def test_no_words_at_all_tell_nothing():
    assert measures.telling({"joy": Counter(), "anger": Counter()}) == {"joy": [], "anger": []}


def test_texts_with_several_labels_are_counted_whatever_their_case():
    table = pd.DataFrame(
        {
            "text": ["Yes!", "yes", "no", "no.", "well", None, "yes", "?", "!"],
            "label": ["joy", "anger", "joy", "joy", "joy", "anger", "joy", "joy", "anger"],
        }
    )
    assert list(measures.contradictions(table)) == [("yes", {"joy": 2, "anger": 1})]


def test_fleiss_kappa_of_two_utterances_by_hand():
    votes = np.array([[3, 0], [1, 1]])  # pairs that agree: 3 of 3, 0 of 1; shares 4/5, 1/5
    chance = (4 / 5) ** 2 + (1 / 5) ** 2
    assert measures.fleiss_kappa(votes) == pytest.approx((0.5 - chance) / (1 - chance))


def test_fleiss_kappa_of_one_number_of_raters_is_that_of_statsmodels():
    raters = pytest.importorskip("statsmodels.stats.inter_rater", reason="needs statsmodels")
    generator = np.random.default_rng(3)
    votes = generator.multinomial(5, [0.5, 0.3, 0.2], 60)
    assert measures.fleiss_kappa(votes) == pytest.approx(raters.fleiss_kappa(votes))


def test_votes_for_one_class_only_have_no_kappa():
    assert measures.fleiss_kappa(np.array([[3, 0], [2, 0]])) is None


def test_a_left_out_rater_is_judged_by_the_others_by_hand():
    # [2, 1, 0]: each of two votes for 0 leaves a tie of 0 and 1; the vote for 1 leaves 0.
    # [1, 1, 0]: each vote leaves the other one.
    found = measures.left_out(np.array([[2, 1, 0], [1, 1, 0]]))
    assert found.tolist() == [[1, 2, 0], [2, 0, 0], [0, 0, 0]]


def test_a_left_out_rater_is_the_mean_over_every_rater_taken_out():
    votes = np.random.default_rng(4).integers(0, 4, (50, 3))
    wanted = np.zeros((3, 3))
    for row in votes:
        for guess in np.repeat(np.arange(3), row):
            rest = row - np.eye(3, dtype=int)[guess]
            winners = np.flatnonzero(rest == rest.max()) if rest.any() else []
            for winner in winners:
                wanted[winner, guess] += 1 / len(winners)
    assert np.allclose(measures.left_out(votes), wanted)


def test_the_ceiling_is_of_the_utterances_with_two_votes():
    found = measures.ceiling(np.array([[2, 1, 0], [1, 1, 0], [1, 0, 0], [0, 0, 0]]))
    assert found is not None
    assert found.raters == {0: 1, 1: 1, 2: 1, 3: 1}
    assert (found.rated, found.ties) == (2, 1)
    assert found.agreement == pytest.approx((2 / 3 + 1 / 2) / 2)
    assert found.accuracy == pytest.approx(1 / 5)
    assert found.macro_f1 == pytest.approx((2 / 6 + 0) / 2), "the third class is never voted for"
    assert found.kappa == measures.fleiss_kappa(np.array([[2, 1, 0], [1, 1, 0]]))


def test_single_votes_say_nothing_of_agreement():
    assert measures.ceiling(np.array([[1, 0], [0, 1]])) is None
