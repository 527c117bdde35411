"""Whole configs compared: paired on one split, and with runs on other utterances."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from multimodal_ser import report as reports
from multimodal_ser.cli import _study
from multimodal_ser.evaluation import statistics
from multimodal_ser.evaluation.contrast import apart, contrast
from multimodal_ser.studies.compare import side_by_side
from multimodal_ser.types import ConfigError, DataError
from tests.evaluation.test_contrast import guesses
from tests.helpers.tones import tones_config, write_tones


def test_unlike_utterances_differ_by_the_gap_of_their_scores():
    one, other = guesses(lambda _: 4), guesses(lambda _: 3, clusters=9)
    found = apart(one, other, "accuracy", margin=0.3)
    assert found.gap == pytest.approx(0.8 - 0.6)
    assert (found.low, found.high) == pytest.approx((0.2, 0.2))  # each cluster scores alike
    assert (found.clusters, found.p, found.equivalent) == pytest.approx((9, 0, 0))
    assert apart(other, one, "accuracy").gap == pytest.approx(-0.2)
    assert apart(one, one, "accuracy").p == 1.0


def test_the_error_of_an_unpaired_gap_is_that_of_two_independent_means():
    shares = np.random.default_rng(0).integers(0, 6, 40)
    one, other = guesses(lambda at: shares[at], 25), guesses(lambda at: shares[at + 25], 15)
    found = apart(one, other, "accuracy", margin=0.1)
    means = [shares[:25] / 5, shares[25:] / 5]
    error = np.sqrt(sum(side.var(ddof=1) / len(side) for side in means))
    gap = means[0].mean() - means[1].mean()
    assert found.gap == pytest.approx(gap)
    assert found.p == pytest.approx(2 * stats.t.sf(abs(gap) / error, 14), abs=0.03)
    assert found.equivalent == pytest.approx(stats.t.sf((0.1 - abs(gap)) / error, 14), abs=0.03)
    assert found.high - found.low == pytest.approx(2 * stats.t.ppf(0.975, 14) * error, rel=0.1)


def test_pairs_know_more_than_unlike_utterances():
    one = guesses(lambda cluster: 1 + cluster % 3)
    other = guesses(lambda cluster: cluster % 3)
    paired, unpaired = contrast(one, other, "accuracy"), apart(one, other, "accuracy")
    assert paired.gap == unpaired.gap
    assert paired.high - paired.low < unpaired.high - unpaired.low


def test_equal_skill_on_other_utterances_is_told_apart_at_the_level_that_is_claimed():
    generator, rejected, covered = np.random.default_rng(0), 0, 0
    for _ in range(300):
        sides = [
            np.stack([generator.binomial(10, rates), np.full(len(rates), 10)], axis=1)[None]
            for rates in (generator.beta(3, 2, count) for count in (30, 20))
        ]
        drawn = [
            statistics.resampled(side, lambda sums: sums[..., 0] / sums[..., 1], draws=400, seed=at)
            for at, side in enumerate(sides)
        ]
        gaps = drawn[0] - drawn[1]
        gap = float(np.subtract(*(side[0, :, 0].sum() / side[0, :, 1].sum() for side in sides)))
        rejected += statistics.difference(gaps, gap, 20) < 0.05
        low, high = statistics.interval(gaps, 20)
        covered += low <= 0 <= high
    assert 0.02 <= rejected / 300 <= 0.09
    assert covered / 300 >= 0.91


def named(folder, name, **changes):
    encoders = {"hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": 8000}}
    return tones_config(folder, name=name, encoders=encoders, **changes)


@pytest.fixture
def study(tones):
    english = tones / "english"
    english.mkdir()
    write_tones(english, speakers=5)
    configs = [named(tones, "as-is"), named(tones, "tuned", fusion={"name": "late", "hidden": 8})]
    runs = {"runs_dir": str(tones / "runs")}
    return side_by_side(configs, [named(english, "english") | runs], margin=0.5)


def test_configs_are_paired_on_their_split_and_held_against_others(study):
    assert study.baseline == "as-is"
    assert study.family == ("tuned",)
    assert set(study.elsewhere) == {"as-is", "tuned"}
    assert study.elsewhere["tuned"]["english"].clusters == 5
    rows = {name: done.part("test") for name, done in {**study.runs, **study.references}.items()}
    expected = apart(rows["tuned"], rows["english"], "macro_f1", margin=0.5)
    assert study.elsewhere["tuned"]["english"] == expected
    assert len(study.verdict()) == 3


def test_the_report_names_each_config_and_the_other_utterances(study, capsys):
    page = reports.write(study.folder)
    text = page.read_text()
    assert "macro_f1 against other utterances: not paired" in text
    assert "equivalence p within 0.5" in text
    assert "tuned" in (page.parent / "report.md").read_text()
    written = json.loads((study.folder / "comparison.json").read_text())
    assert written["arms"]["tuned"].startswith("../tuned/")
    assert written["references"]["english"].startswith("../english/")
    _study.show_comparison(study)
    assert "against other utterances: not paired" in capsys.readouterr().out


def test_configs_of_other_splits_names_and_metrics_are_refused(tones):
    other = named(tones, "other", protocol={"name": "kfold", "folds": 4})
    with pytest.raises(DataError, match=r"cut their corpora differently .* as a reference"):
        side_by_side([named(tones, "one"), other])
    with pytest.raises(ConfigError, match=r"names of their own"):
        side_by_side([named(tones, "one"), named(tones, "one")])
    with pytest.raises(ConfigError, match=r"no config is named 'two'"):
        side_by_side([named(tones, "one"), named(tones, "three")], baseline="two")
    with pytest.raises(ConfigError, match=r"three: its first target is not scored by macro_f1"):
        side_by_side([named(tones, "one"), named(tones, "three", metrics=["uar"])])


def test_a_test_part_without_labels_cannot_be_compared(tones):
    table = pd.read_csv(tones / "table.csv")
    table["split"] = np.where(table["speaker"] == "s5", "test", "train")
    table.loc[table["split"] == "test", "label"] = None
    table.to_csv(tones / "table.csv", index=False)
    official = {"protocol": {"name": "official", "dev": 0.2}}
    with pytest.raises(DataError, match=r"no labels, so nothing can be compared"):
        side_by_side([named(tones, "one", **official), named(tones, "two", **official)])
