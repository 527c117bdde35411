"""The study on the bundled corpus finds what was planted in it, and nothing where nothing is."""

from pathlib import Path

import pandas as pd
import pytest

from multimodal_ser import compare
from multimodal_ser.config.read import load
from multimodal_ser.corpus.datasets import demo
from multimodal_ser.evaluation.contrast import contrast

CONFIG = Path(__file__).parents[2] / "configs" / "demo.yaml"
FUSED = "audio+handcrafted+text"
FEWER = ["seeds=[0]"]


@pytest.fixture(scope="module")
def runs_dir(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def study(runs_dir):
    """With the first seed alone; `whole` is the study as it is shipped."""
    return compare(load(CONFIG, [f"runs_dir={runs_dir}", *FEWER]))


@pytest.fixture(scope="module")
def whole(runs_dir):
    return compare(load(CONFIG, [f"runs_dir={runs_dir}"]))


def macro_f1(study, arm):
    return study.table().loc[arm, "macro_f1 mean"]


def test_the_corpus_is_balanced_over_classes_voices_and_planted_groups():
    table = demo.load().table
    assert len(table) == 480
    assert (table["label"].value_counts() == 80).all()
    assert (table["speaker"].value_counts() == 20).all()
    assert (table.groupby("speaker")["planted"].value_counts() == 5).all()


def test_the_label_of_irony_is_the_channel_that_is_not_joyful():
    table = demo.load().table
    irony = table[table["planted"] == "irony"]
    joyful = irony[["words", "prosody"]].eq("joy")
    assert (joyful.sum(axis=1) == 1).all()
    expected = irony["words"].where(~joyful["words"], irony["prosody"])
    pd.testing.assert_series_equal(irony["label"], expected, check_names=False)


def test_fusion_is_far_above_each_arm_and_none_is_perfect(study):
    assert 0.70 <= macro_f1(study, FUSED) <= 0.95
    for arm in ("audio", "handcrafted", "text"):
        assert 0.35 <= macro_f1(study, arm) <= 0.75
        assert macro_f1(study, FUSED) > macro_f1(study, arm) + 0.1


def test_the_voice_solves_prosody_the_text_solves_words_and_fusion_solves_both(study):
    solved = study.breakdown("planted")
    chance = 1 / 6
    assert solved.loc["prosody", "audio"] > 0.6
    assert solved.loc["words", "text"] > 0.6
    assert abs(solved.loc["words", "audio"] - chance) < 0.1
    assert abs(solved.loc["prosody", "text"] - chance) < 0.1
    assert solved.loc["prosody", FUSED] > 0.6
    assert solved.loc["words", FUSED] > 0.6
    assert solved.loc["irony", FUSED] > max(solved.loc["irony", ["audio", "text"]])


def test_all_arms_stand_on_one_split_without_a_leak(study):
    assert len({done.prepared.split_hash for done in study.runs.values()}) == 1
    assert all(not done.prepared.audit.leaks for done in study.runs.values())
    assert study.runs["text"].prepared.audit.probes["same group"]["macro_f1"] < 0.15


def of_seed(study, arm, seed):
    rows = study.runs[arm].part("test")
    return rows[rows["seed"] == seed]


@pytest.fixture(scope="module")
def shuffled(runs_dir):
    """The same study, with every speaker's clips swapped among that speaker's utterances."""
    return compare(load(CONFIG, [f"runs_dir={runs_dir}", "shuffle=audio"]), ["text", FUSED])


def test_fusion_beats_the_best_single_arm_beyond_doubt(study):
    assert study.family == (FUSED,)
    assert study.contrasts[FUSED].holm < 0.05
    assert study.contrasts[FUSED].low > 0.1


@pytest.mark.slow
def test_fusion_beats_the_best_single_arm_in_every_seed(whole):
    test_fusion_is_far_above_each_arm_and_none_is_perfect(whole)
    test_fusion_beats_the_best_single_arm_beyond_doubt(whole)
    best = max(("audio", "handcrafted", "text"), key=lambda arm: macro_f1(whole, arm))
    for seed in (0, 1, 2):
        found = contrast(of_seed(whole, FUSED, seed), of_seed(whole, best, seed), "macro_f1")
        assert found.gap > 0
        assert found.p < 0.05


@pytest.mark.slow
def test_fusion_with_shuffled_audio_does_not_beat_the_text(shuffled):
    found = shuffled.contrasts[FUSED]
    assert shuffled.baseline == "text"
    assert not found.shown
    assert "no difference between" in shuffled.verdict()[0]
    for seed in (0, 1, 2):
        found = contrast(
            of_seed(shuffled, FUSED, seed), of_seed(shuffled, "text", seed), "macro_f1"
        )
        assert abs(found.gap) <= 0.03
        assert found.p >= 0.05


def test_a_second_time_computes_no_feature(study, runs_dir):
    stores = {
        encoded: encoded.stat().st_mtime_ns
        for done in study.runs.values()
        for encoded in done.folder.rglob("model.json")
    }
    again = compare(load(CONFIG, [f"runs_dir={runs_dir}", *FEWER]))
    assert again.table().equals(study.table())
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in stores.items())
