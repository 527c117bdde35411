"""One reader of run folders: a folder of an earlier day stays readable, and damage is said."""

import json
import shutil
from pathlib import Path

import pytest

from multimodal_ser import load, report
from multimodal_ser.runs.records import is_run, read_plan, read_run
from multimodal_ser.studies.ensembles.ensemble import ensemble
from multimodal_ser.studies.score import score
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.tones import write_tones

OLD = Path(__file__).parents[1] / "helpers" / "old_run"
"""What version 0.1.0 wrote of an SVM over the tones of 4 speakers, with the first of 6 models.

The platform is shortened to `Linux`. The corpus is named relative to the data root (MSER_DATA).
"""


@pytest.fixture
def old(tmp_path):
    """A copy that may be written to, in the folder of runs where it would lie."""
    return shutil.copytree(OLD, tmp_path / "runs" / "old" / "cb463943a101")


def test_the_numbers_of_an_old_run_are_those_that_were_written():
    record = read_run(OLD)
    assert (record.target, record.kind, record.targets) == (
        "label",
        "classes",
        {"label": "classes"},
    )
    assert (record.part, record.metric) == ("test", "macro_f1")
    assert record.metric_names == ["macro_f1", "uar", "accuracy"]
    assert record.metrics["split"] == record.audit["split"] == "279d7f78"
    assert record.numbers["metrics"]["macro_f1"]["mean"] == pytest.approx(0.8333333333)
    assert record.numbers["metrics"]["macro_f1"]["low"] == pytest.approx(0.5555555556)
    assert record.numbers["confusion"] == [[8, 0, 0], [0, 6, 2], [0, 2, 6]]
    assert record.metrics["parts"]["dev"]["metrics"]["accuracy"]["mean"] == pytest.approx(19 / 24)
    assert record.on_dev("macro_f1") == pytest.approx(0.7908496732)


def test_the_other_files_of_an_old_run_are_read_too():
    record = read_run(OLD)
    assert record.encoders == ["hand"]
    assert (record.seeds, record.folds, record.parts) == ([0, 1], [0, 1, 2], ["dev", "test"])
    assert record.classes == ["joy", "neutral", "sadness"]
    assert len(record.predictions) == 2 * 2 * 24, "parts, seeds, utterances"
    assert record.environment["multimodal_ser"] == "0.1.0"
    assert record.seconds("train") == 1.031
    assert record.seconds("final") is None
    assert record.models == {"0": {0: OLD / "models" / "0-0"}}
    assert (record.parameters, record.curves, record.opened) == (None, [], 0)


def test_a_report_of_an_old_run_can_be_written(old):
    page = report.write(old).with_suffix(".md").read_text("utf-8")
    assert "macro_f1 0.833 ± 0.000 on test (95 % 0.556 to 1.000)" in page


def test_predictions_can_be_scored_against_an_old_run(old, monkeypatch):
    data = old.parents[2]
    monkeypatch.setenv("MSER_DATA", str(data))
    write_tones(data, speakers=4)
    own = read_run(old).of("label").query("part == 'test'")
    own.to_csv(data / "own.csv", index=False)
    scored = score(data / "own.csv", old / "config.yaml", against=old)
    assert scored.metrics["metrics"]["macro_f1"]["mean"] == pytest.approx(0.8333333333)
    assert (scored.contrast.gap, scored.contrast.p) == (0, 1)


def test_an_old_run_can_be_a_member_of_an_ensemble(old):
    twin = shutil.copytree(old, old.with_name("twin"))
    merged = ensemble([old, twin])
    value = merged.metrics["test"]["metrics"]["macro_f1"]["mean"]
    assert value == pytest.approx(0.8333333333), "the mean of two that are alike"
    assert merged.split_hash == "279d7f78"


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "audit.json", "predictions.csv"])
def test_a_run_without_one_of_its_files_is_not_finished(old, name):
    (old / name).unlink()
    with pytest.raises(DataError, match=rf"is no finished run \(it has no {name}\)$"):
        read_run(old)
    assert is_run(old) == (name not in ("config.yaml", "metrics.json"))


@pytest.mark.parametrize("name", ["config.yaml", "metrics.json", "audit.json", "environment.json"])
def test_a_damaged_file_is_said_in_one_sentence(old, name):
    (old / name).write_text("{")
    with pytest.raises(DataError, match=f"{name} cannot be read: "):
        read_run(old)


@pytest.mark.parametrize(
    ("change", "absent"),
    [
        (lambda metrics: metrics.pop("split"), "split"),
        (lambda metrics: metrics.pop("parts"), "parts"),
        (lambda metrics: metrics["parts"]["test"].pop("others"), "test: others"),
    ],
)
def test_numbers_of_another_version_are_not_guessed_at(old, change, absent):
    metrics = json.loads((old / "metrics.json").read_text())
    change(metrics)
    (old / "metrics.json").write_text(json.dumps(metrics))
    with pytest.raises(DataError, match=rf"is of another version \(without {absent}\)"):
        read_run(old)


def test_a_run_that_was_stopped_has_a_plan_and_models(old):
    for name in ("metrics.json", "predictions.csv", "environment.json", "log.jsonl"):
        (old / name).unlink()
    plan = read_plan(old)
    assert (plan.config["name"], plan.metrics, plan.log) == ("old", {}, [])
    assert list(plan.models) == ["0"]


def test_a_folder_that_was_never_a_run_has_no_plan(tmp_path):
    with pytest.raises(ConfigError, match=r"is no run folder \(it has no config\.yaml\)"):
        read_plan(tmp_path)


def test_a_draft_that_a_kill_has_left_is_no_model(old):
    shutil.copytree(old / "models" / "0-0", old / "models" / ".0-0.4f2a.tmp")
    shutil.copytree(old / "models" / "0-0", old / "models" / "final-3")
    models = read_run(old).models
    assert models == {
        "0": {0: old / "models" / "0-0"},
        "final": {3: old / "models" / "final-3"},
    }
    with pytest.raises(ConfigError, match="fold 1 is not there"):
        load(old, fold=1)
