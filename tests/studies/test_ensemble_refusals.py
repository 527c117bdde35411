"""What cannot be merged is said kindly, with both values, before anything is written."""

import json

import pandas as pd
import pytest

from multimodal_ser import load
from multimodal_ser.studies.ensembles.ensemble import ensemble
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.made_runs import write_made_run


def pair(folder, first=None, **changes):
    one = write_made_run(folder / "runs" / "x" / "aaa", **(first or {}))
    other = {"encoders": ["text"], "draw": 1} | changes
    return [one, write_made_run(folder / "runs" / "x" / "bbb", **other)]


def names(folder):
    return sorted(path.name for path in (folder / "runs").rglob("*"))


@pytest.mark.parametrize(
    ("first", "changes", "message"),
    [
        ({}, {"clusters": 10}, r"audio and text: split: \w{8} against \w{8}"),
        (
            {},
            {"protocol": {"name": "kfold", "folds": 3, "seed": 5}},
            r'protocol: \{"name": "kfold", "folds": 3\} against .*"seed": 5\}',
        ),
        (
            {},
            {"targets": {"mood": "labels"}},
            r"targets: label \(classes\) against mood \(labels\)",
        ),
        (
            {"targets": {"label": "classes", "valence": "numbers"}},
            {"targets": {"valence": "numbers", "label": "classes"}},
            r"targets: label \(classes\), valence \(numbers\) against valence \(numbers\), label",
        ),
        ({"seeds": [0, 1]}, {"seeds": [0, 2]}, "audio and text: seeds 0, 1 against 0, 2"),
        ({"parts": ["dev"]}, {"parts": ["test"]}, "no part in common .audio: dev; text: test"),
    ],
)
def test_runs_that_do_not_answer_the_same_are_refused(tmp_path, first, changes, message):
    homes = pair(tmp_path, first, **changes)
    before = names(tmp_path)
    with pytest.raises(DataError, match=message):
        ensemble(homes)
    assert names(tmp_path) == before


def test_all_that_differ_are_named_at_once(tmp_path):
    homes = pair(tmp_path, clusters=10)
    homes.append(write_made_run(tmp_path / "runs" / "x" / "ccc", encoders=["hand"], folds=4))
    with pytest.raises(DataError, match=r"(?s)2 differences .*and text: split.*and hand: protocol"):
        ensemble(homes)


def changed(home, change):
    path = home / "predictions.csv"
    rows = pd.read_csv(path)
    change(rows).to_csv(path, index=False)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[rows["fold"] < 2], "folds: 0, 1, 2 against 0, 1"),
        (
            lambda rows: rows.rename(columns={"score:neutral": "score:calm"}).replace(
                "neutral", "calm"
            ),
            "classes of label: joy, neutral, sadness against calm, joy, sadness",
        ),
        (
            lambda rows: rows.assign(truth=rows["truth"].mask(rows["id"] == "c2-1", "sadness")),
            "the truth of c2-1 is 'joy' against 'sadness'; run both on the same corpus",
        ),
        (
            lambda rows: rows.assign(cluster=rows["cluster"].replace("c2", "c1")),
            "the cluster of c2-0 is 'c2' against 'c1'",
        ),
        (lambda rows: rows[rows["id"] != "c4-2"], "1 ids are in one only, such as c4-2"),
        (
            lambda rows: rows.assign(**{"score:joy": rows["score:joy"].mask(rows["id"] == "c4-2")}),
            r"(?s)predictions of text are no numbers.*c4-2",
        ),
    ],
)
def test_predictions_of_other_folds_classes_rows_or_truth_are_refused(tmp_path, change, message):
    homes = pair(tmp_path)
    changed(homes[1], change)
    with pytest.raises(DataError, match=message):
        ensemble(homes)


def test_what_is_asked_wrongly_is_said_before_a_file_is_read(tmp_path):
    nowhere = [tmp_path / "a", tmp_path / "b"]
    with pytest.raises(ConfigError, match=r"'stack' is no way to merge.*did you mean stacking"):
        ensemble(nowhere, how="stack")
    with pytest.raises(ConfigError, match="two runs or more; got 1"):
        ensemble(nowhere[:1])
    with pytest.raises(ConfigError, match="--name: 'a/b' holds more than letters"):
        ensemble(nowhere, name="a/b")
    with pytest.raises(ConfigError, match=r"a is no run folder \(it has no config\.yaml\)"):
        ensemble(nowhere)


def test_only_finished_runs_are_merged_each_once(tmp_path):
    homes = pair(tmp_path)
    done = ensemble(homes).folder
    with pytest.raises(ConfigError, match="is an ensemble itself"):
        ensemble([homes[0], done])
    with pytest.raises(ConfigError, match="are the same run; name each run once"):
        ensemble([*homes, homes[0]])
    study = tmp_path / "runs" / "x" / "study-1"
    study.mkdir()
    (study / "comparison.json").write_text("{}")
    with pytest.raises(ConfigError, match="is a study; name runs of it"):
        ensemble([homes[0], study])
    (homes[1] / "config.yaml").write_text("name: old")
    with pytest.raises(DataError, match=r"(?s)bbb is damaged, or of another version: .*corpus"):
        ensemble(homes)
    (homes[1] / "metrics.json").unlink()
    with pytest.raises(DataError, match=r"is no finished run \(it has no metrics\.json\)"):
        ensemble(homes)
    write_made_run(homes[1], encoders=["text"])
    (homes[1] / "predictions.csv").unlink()
    with pytest.raises(DataError, match=r"is no finished run \(it has no predictions\.csv\)"):
        ensemble(homes)


@pytest.mark.parametrize("how", ["max", "vote"])
def test_numbers_have_no_highest_and_no_votes(tmp_path, how):
    kinds = {"targets": {"label": "classes", "valence": "numbers"}}
    with pytest.raises(ConfigError, match=f"{how}: valence is a number; take one of mean, weights"):
        ensemble(pair(tmp_path, kinds, **kinds), how=how)


@pytest.mark.parametrize("how", ["weights", "stacking"])
def test_without_dev_nothing_can_be_learned_and_no_member_is_best(tmp_path, how):
    homes = pair(tmp_path, {"parts": ["test"]}, parts=["test"])
    with pytest.raises(ConfigError, match=f"{how} is learned on dev.*take one of mean, max, vote"):
        ensemble(homes, how=how)
    done = ensemble(homes)
    assert done.contrast is None
    assert "no labels on dev" in done.manifest.comparison["verdict"][0]


def test_a_single_cluster_in_dev_cannot_teach_and_be_judged(tmp_path):
    homes = pair(tmp_path, {"clusters": 3}, clusters=3)
    with pytest.raises(DataError, match=r"(?s)3 dev parts have no two clusters.*fold 0.*take mean"):
        ensemble(homes, how="weights")
    assert ensemble(homes, how="mean").metrics


def test_what_cannot_be_learned_names_its_fold(tmp_path):
    homes = pair(tmp_path)
    for home in homes:
        changed(home, lambda rows: rows.assign(truth=rows["truth"].mask(rows["fold"] == 1, "joy")))
    with pytest.raises(
        DataError, match=r"stacking cannot .*\(label, fold 1\): .*single class; take"
    ):
        ensemble(homes, how="stacking")


def test_members_are_compared_by_a_metric_that_all_of_them_have(tmp_path):
    homes = pair(tmp_path, {"metrics": ["macro_f1", "accuracy"]}, metrics=["accuracy"])
    assert ensemble(homes).manifest.metrics == ["accuracy"]
    with pytest.raises(ConfigError, match=r"no metric of label \(audio: macro_f1; text: accuracy"):
        ensemble(pair(tmp_path, {"metrics": ["macro_f1"]}, metrics=["accuracy"]))


@pytest.mark.parametrize(
    ("one", "other", "labels"),
    [
        ({}, {"encoders": ["text"]}, ["audio", "text"]),
        ({"name": "first"}, {"name": "second"}, ["first", "second"]),
        ({}, {"learner": {"name": "ridge"}}, ["audio [svm]", "audio [ridge]"]),
        ({}, {"draw": 3}, ["audio aaa", "audio bbb"]),
    ],
)
def test_members_are_called_by_the_shortest_that_tells_them_apart(tmp_path, one, other, labels):
    done = ensemble(pair(tmp_path, one, **({"encoders": ["audio"]} | other)))
    assert [seat.label for seat in done.manifest.members] == labels


def test_audits_and_stamps_of_all_members_are_kept(tmp_path):
    homes = pair(tmp_path, {"allow_leak": ["group"]}, allow_leak=["transcript"])
    leaks = [{"kind": "group", "allowed": True}, {"kind": "transcript", "allowed": True}]
    for home, found, missing in zip(homes, (leaks[:1], leaks), ("audio", "text"), strict=True):
        audit = json.loads((home / "audit.json").read_text())
        (home / "audit.json").write_text(
            json.dumps(audit | {"leaks": found, "missing": {missing: 2}})
        )
    done = ensemble(homes)
    audit = json.loads((done.folder / "audit.json").read_text())
    assert audit["leaks"] == leaks, "each once"
    assert audit["missing"] == {"audio": 2, "text": 2}
    assert done.stamps == ["group", "transcript"]


def test_an_ensemble_whose_members_have_no_models_cannot_be_loaded(tmp_path):
    done = ensemble(pair(tmp_path))
    with pytest.raises(ConfigError, match="holds no finished model"):
        load(done.folder)
