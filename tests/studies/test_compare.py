"""The study over tones: its arms, its baseline, its table, its bytes after a stop."""

import json

import pytest

from multimodal_ser import compare
from multimodal_ser import report as reports
from multimodal_ser.config.read import check
from multimodal_ser.evaluation.contrast import contrast
from multimodal_ser.features.asr._checkpoints import write_tiny
from multimodal_ser.studies.compare import arms_of
from multimodal_ser.types import ConfigError
from tests.helpers.tones import tones_config, write_tones


def arms(folder, *words, fusions=(), fractions=()):
    chosen = words[0] if words == ("all",) else list(words) or None
    return list(arms_of(check(tones_config(folder)), chosen, fusions, fractions, ()))


def test_arms_are_each_alone_and_all_or_what_is_asked_for(tmp_path):
    assert arms(tmp_path) == ["audio", "hand", "text", "audio+hand+text"]
    assert len(arms(tmp_path, "all")) == 7
    assert arms(tmp_path, "text+audio", "audio+text", "hand") == ["audio+text", "hand"]


def test_fusions_and_fractions_make_further_arms(tmp_path):
    found = arms(tmp_path, "audio", "audio+text", fusions=["late"], fractions=[0.5, 1])
    assert found == [
        "audio @0.5",
        "audio",
        "audio+text @0.5",
        "audio+text",
        "audio+text [late] @0.5",
        "audio+text [late]",
    ]


def test_an_unknown_arm_or_baseline_or_fusion_is_named(tmp_path, tones):
    with pytest.raises(ConfigError, match=r"no encoder \['txt'\] \(has: "):
        arms(tmp_path, "audio+txt")
    with pytest.raises(ConfigError, match="no arm 'txt'"):
        compare(tones_config(tones), baseline="txt")
    with pytest.raises(ConfigError, match="did you mean late"):
        arms(tmp_path, "audio+text", fusions=["latte"])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_tones(folder)
    return folder


@pytest.fixture(scope="module")
def study(folder):
    return compare(tones_config(folder, seeds=[0, 1]), "all", fusions=["late"])


def test_the_baseline_is_the_single_encoder_that_dev_likes_best(study):
    dev = {
        arm: done.metrics["dev"]["metrics"]["macro_f1"]["mean"]
        for arm, done in study.runs.items()
        if "+" not in arm
    }
    assert study.baseline == max(dev, key=dev.get)


def test_the_family_is_the_fused_arms_and_only_they_are_corrected(study):
    assert len(study.family) == 8
    assert set(study.contrasts) == set(study.runs) - {study.baseline}
    for arm, found in study.contrasts.items():
        assert (found.holm is not None) == ("+" in arm)
    assert len(study.verdict()) == 8


def test_the_table_holds_every_number_of_every_arm(study):
    table = study.table()
    assert list(table.index) == list(study.runs)
    for column in ("macro_f1 mean", "macro_f1 low", "gap", "holm", "parameters", "seconds"):
        assert column in table
    row = table.loc["audio+text"]
    values = study.runs["audio+text"].metrics["test"]["metrics"]["macro_f1"]
    assert row["macro_f1 mean"] == values["mean"]
    assert row["macro_f1 low"] <= row["macro_f1 mean"] <= row["macro_f1 high"]
    assert row["parameters"] > 0


def test_a_study_is_written_and_a_second_time_gives_the_same_bytes(study, folder):
    path = study.folder / "comparison.json"
    first = path.read_bytes()
    assert json.loads(first)["baseline"] == study.baseline
    path.unlink()
    again = compare(tones_config(folder, seeds=[0, 1]), "all", fusions=["late"])
    assert again.folder == study.folder
    assert path.read_bytes() == first


def test_less_training_data_is_less_and_is_never_the_tested_one(tones):
    study = compare(tones_config(tones), ["audio", "audio+text"], fractions=[0.5, 1])
    small, whole = study.runs["audio @0.5"], study.runs["audio"]
    assert small.prepared.split_hash == whole.prepared.split_hash
    for less, full in zip(small.prepared.folds, whole.prepared.folds, strict=True):
        assert set(less.train) < set(full.train)
        assert list(less.parts["test"]) == list(full.parts["test"])
    assert set(study.contrasts) == {"audio+text"}


def test_without_a_dev_part_the_baseline_must_be_named(tones):
    config = tones_config(tones, protocol={"name": "holdout", "dev": 0, "test": 0.4})
    with pytest.raises(ConfigError, match="no dev part to choose a baseline on"):
        compare(config, ["audio", "audio+text"])
    study = compare(config, ["audio", "audio+text"], baseline="audio")
    assert study.baseline == "audio"


@pytest.fixture(scope="module")
def by_source(tmp_path_factory):
    """Words of people and of a random recogniser, for every arm that reads words."""
    folder = tmp_path_factory.mktemp("sources")
    write_tones(folder)
    whisper = write_tiny(folder / "whisper.pt", text_context=12)
    config = tones_config(
        folder,
        asr={"name": "whisper", "model": str(whisper), "fallback": False},
        learner={"name": "neural", "epochs": 25, "optimizer": {"lr": 0.02}},
    )
    return compare(config, ["audio", "text", "audio+text"], sources=["reference", "asr"])


def test_text_sources_double_the_arms_that_read_words_and_no_other(by_source):
    assert list(by_source.runs) == [
        "audio",
        "text (reference)",
        "text (asr)",
        "audio+text (reference)",
        "audio+text (asr)",
    ]
    splits = {done.prepared.split_hash for done in by_source.runs.values()}
    assert len(splits) == 1
    assert by_source.runs["text (reference)"].prepared.heard == {}
    assert by_source.runs["text (asr)"].prepared.heard == {"asr:whisper/whisper.pt": 36}


def test_the_change_of_the_score_is_the_contrast_of_the_two_runs(by_source):
    assert set(by_source.changes) == {"text (asr)", "audio+text (asr)"}
    for arm, pair in by_source.changes.items():
        ((first, found),) = pair.items()
        assert first == arm.replace("(asr)", "(reference)")
        parts = [by_source.runs[one].part("test") for one in (arm, first)]
        alone = contrast(*parts, "macro_f1")
        assert (found.gap, found.low, found.high, found.p) == (
            alone.gap,
            alone.low,
            alone.high,
            alone.p,
        )
        assert found.holm >= found.p
    assert by_source.changes["text (asr)"]["text (reference)"].gap < -0.2, "noise for words"
    assert by_source.verdict()[-2:] == [
        found.words(arm, first)
        for arm, pair in by_source.changes.items()
        for first, found in pair.items()
    ]


def test_the_changes_stand_in_every_form_of_the_report(by_source):
    reports.write(by_source.folder)
    page = (by_source.folder / "report.html").read_text()
    gap = by_source.changes["text (asr)"]["text (reference)"].gap
    assert "with the words of another source" in page
    assert f"{gap:+.3f}" in page
    assert "written by a recogniser (asr:whisper/whisper.pt), not by people" in page


def test_text_sources_that_cannot_be_are_said_before_anything_runs(tones):
    config = tones_config(tones)
    with pytest.raises(ConfigError, match=r"\['spoken'\] are not among reference, asr"):
        compare(config, sources=["reference", "spoken"])
    with pytest.raises(ConfigError, match="the config names no recogniser"):
        compare(config, sources=["reference", "asr"])
