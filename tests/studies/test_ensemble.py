"""Finished runs made one: what is joined, what is refused, what it leaves, what it does twice."""

import json
import shutil
import zipfile

import numpy as np
import pandas as pd
import pytest
import yaml
from sklearn.metrics import f1_score

from multimodal_ser import report
from multimodal_ser.config import read
from multimodal_ser.evaluation.contrast import contrast
from multimodal_ser.studies.ensembles.ensemble import ensemble
from multimodal_ser.studies.ensembles.manifest import Manifest
from multimodal_ser.studies.ensembles.merging import HOW, LEARNED
from multimodal_ser.types import DataError
from tests.helpers.made_runs import CLASSES, write_made_run

SCORES = [f"score:{name}" for name in CLASSES]
KEYS = ["part", "fold", "seed", "id"]


def pair(folder, *, first=None, **changes):
    """Two members of different skill; `changes` are of the second, `first` of the first."""
    one = write_made_run(folder / "runs" / "x" / "aaa", **(first or {}))
    other = {"encoders": ["text"], "draw": 1, "skill": 2.0} | changes
    return [one, write_made_run(folder / "runs" / "x" / "bbb", **other)]


def table(folder):
    return pd.read_csv(folder / "predictions.csv").set_index(KEYS).sort_index()


def files(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_three_utterances_of_two_members_by_hand(tmp_path):
    homes = pair(tmp_path, first={"parts": ["test"]}, parts=["test"])
    for home, scores in zip(homes, (["0.6,0.3,0.1"] * 27, ["0.2,0.7,0.1"] * 27), strict=True):
        rows = pd.read_csv(home / "predictions.csv")
        rows[SCORES] = [list(map(float, one.split(","))) for one in scores]
        rows.to_csv(home / "predictions.csv", index=False)
    found = table(ensemble(homes, how="mean").folder)
    np.testing.assert_allclose(found[SCORES], np.tile([0.4, 0.5, 0.1], (27, 1)))
    assert set(found["value"]) == {"neutral"}, "each member alone says joy or neutral"
    assert set(table(ensemble(homes, how="max").folder)["value"]) == {"neutral"}


def test_fold_meets_fold_and_seed_meets_seed_whatever_the_order_of_the_rows(tmp_path):
    homes = pair(tmp_path, first={"seeds": [0, 1]}, seeds=[0, 1])
    mixed = pd.read_csv(homes[1] / "predictions.csv").sample(frac=1, random_state=0)
    mixed.to_csv(homes[1] / "predictions.csv", index=False)
    one, other = map(table, homes)
    done = ensemble(homes)
    found = table(done.folder)
    assert len(found) == 2 * 2 * 27, "parts, seeds, utterances"
    np.testing.assert_allclose(found[SCORES], (one[SCORES] + other[SCORES]) / 2, rtol=1e-7)
    pd.testing.assert_series_equal(found["truth"], one["truth"])
    pd.testing.assert_frame_equal(
        done.predictions, pd.read_csv(done.folder / "predictions.csv"), check_dtype=False
    )


def test_a_member_of_one_seed_stands_beside_every_seed_of_the_others(tmp_path):
    homes = pair(tmp_path, first={"seeds": [3, 4]}, seeds=[42])
    done = ensemble(homes)
    one, other = map(table, homes)
    for seed in (3, 4):
        mean = (one.xs(seed, level="seed") + other.xs(42, level="seed"))[SCORES] / 2
        rows = table(done.folder).xs(seed, level="seed")[SCORES]
        np.testing.assert_allclose(rows, mean[SCORES], rtol=1e-6)
    assert [one.seeds for one in done.manifest.members] == [[3, 4], [42]]
    page = (report.write(done.folder).parent / "report.md").read_text()
    assert "One seed stands beside all seeds of the others: text." in page


def test_the_folder_is_that_of_a_run_and_says_nothing_untrue(tmp_path):
    homes = pair(tmp_path, allow_leak=["group"])
    done = ensemble(homes, name="both")
    assert done.folder.parent == tmp_path / "runs" / "both"
    assert set(files(done.folder)) >= {
        "config.yaml", "split.csv", "audit.json", "predictions.csv", "metrics.json",
        "environment.json", "ensemble.json", "log.jsonl",
    }  # fmt: skip
    plain = yaml.safe_load((done.folder / "config.yaml").read_text())
    assert not {"learner", "fusion", "asr"} & set(plain)
    card = read.check(plain, card=True)
    assert (card.name, card.encoders, card.allow_leak) == ("both", {}, ["group"])
    assert files(done.folder)["split.csv"] == files(homes[0])["split.csv"]
    rows = table(done.folder).loc["test"]
    value = f1_score(rows["truth"], rows["value"], average="macro")
    assert done.metrics["test"]["metrics"]["macro_f1"]["mean"] == pytest.approx(value)
    assert done.table("test").loc["ensemble (mean)", "macro_f1 mean"] == pytest.approx(value)


@pytest.mark.parametrize("how", HOW)
def test_the_same_command_twice_gives_the_same_bytes_and_does_nothing_new(tmp_path, how):
    homes = pair(tmp_path)
    done = ensemble(homes, how=how)
    before = files(done.folder)
    times = [path.stat().st_mtime_ns for path in sorted(done.folder.iterdir())]
    again = ensemble(homes, how=how)
    assert again.folder == done.folder and files(done.folder) == before
    assert [path.stat().st_mtime_ns for path in sorted(done.folder.iterdir())] == times
    assert len((done.folder.parent / "opened.jsonl").read_text().splitlines()) == 1
    assert again.contrast == done.contrast
    shutil.rmtree(done.folder)
    del before["log.jsonl"]
    assert before.items() <= files(ensemble(homes, how=how).folder).items()


def test_every_way_is_an_opening_and_a_sealed_member_keeps_the_test_sealed(tmp_path):
    homes = pair(tmp_path)
    folders = {ensemble(homes, how=how).folder for how in ("mean", "vote")}
    opened = (tmp_path / "runs" / "x" / "opened.jsonl").read_text().splitlines()
    assert {json.loads(line)["run"] for line in opened} == {one.name for one in folders}
    sealed = pair(tmp_path / "other", parts=["dev"])
    done = ensemble(sealed)
    assert set(done.predictions["part"]) == {"dev"}
    assert not (done.folder.parent / "opened.jsonl").exists()
    assert "test is left out, because text did not open it" in done.manifest.comparison["verdict"]
    page = report.write(done.folder).with_suffix(".md").read_text()
    assert "- scored: dev:" in page
    assert "| test |" not in page, "not even of the member that is open"


@pytest.mark.parametrize("how", LEARNED)
def test_test_is_merged_by_what_all_of_dev_taught_and_dev_is_not(tmp_path, how):
    homes = pair(tmp_path, first={"seeds": [0, 1]}, seeds=[0, 1], skill=1.0)
    done = ensemble(homes, how=how)
    one, other = (table(home)[SCORES] for home in homes)
    found = table(done.folder)[SCORES]
    same = {"dev": [], "test": []}
    for fold, by_seed in done.manifest.fits["label"].items():
        for seed, fit in by_seed.items():
            for part in same:
                at = (part, fold, seed)
                both = np.stack([one.loc[at], other.loc[at]])
                if how == "weights":
                    mixed = np.tensordot(fit.weights, both, axes=1)
                else:
                    learned = fit.regressions[0]
                    slopes = np.array(learned.coefficients).reshape(3, 2, 3)
                    linear = np.einsum("mnd,kmd->nk", np.log(both), slopes) + learned.intercepts
                    mixed = np.exp(linear) / np.exp(linear).sum(1, keepdims=True)
                same[part].append(np.allclose(found.loc[at], mixed, atol=1e-7))
    assert all(same["test"]) and not all(same["dev"])
    assert set(done.manifest.fits["label"]) == {0, 1, 2}


@pytest.mark.parametrize("how", LEARNED)
def test_the_truth_of_the_test_teaches_nothing(tmp_path, how):
    before = ensemble(pair(tmp_path / "a"), how=how)
    homes = pair(tmp_path / "b")
    for home in homes:
        rows = pd.read_csv(home / "predictions.csv")
        tested = rows["part"] == "test"
        rows.loc[tested, "truth"] = rows.loc[tested, "truth"].map(
            dict(zip(CLASSES, CLASSES[::-1], strict=True))
        )
        rows.to_csv(home / "predictions.csv", index=False)
    after = ensemble(homes, how=how)
    pd.testing.assert_frame_equal(before.predictions[SCORES], after.predictions[SCORES])
    assert before.manifest.fits == after.manifest.fits
    assert before.metrics["test"] != after.metrics["test"]


def test_it_is_tested_on_test_against_the_member_that_is_best_on_dev(tmp_path):
    homes = pair(tmp_path)
    done = ensemble(homes)
    assert done.manifest.comparison["baseline"] == "text", "it has the skill"
    rows = [pd.read_csv(home / "predictions.csv") for home in (done.folder, homes[1])]
    wanted = contrast(*(one[one["part"] == "test"] for one in rows), "macro_f1")
    assert done.contrast.gap == pytest.approx(wanted.gap)
    assert (done.contrast.p, done.contrast.holm) == (wanted.p, wanted.p), "a family of one"
    (sentence,) = done.manifest.comparison["verdict"]
    assert sentence == f"on test, {wanted.words('ensemble (mean)', 'text')}"


def test_the_answers_that_a_task_wants_are_the_ensembles(tmp_path):
    wanted = {"submission": {"file": "answers.csv", "columns": {"id": "id", "value": "mood"}}}
    done = ensemble(pair(tmp_path, first=wanted))
    rows = done.predictions[done.predictions["part"] == "test"].set_index("id")["value"]
    with zipfile.ZipFile(done.folder / "submission.zip") as packed:
        found = pd.read_csv(packed.open("answers.csv"), index_col="id")["mood"]
    assert found.to_dict() == rows.to_dict()


def test_less_is_better_of_an_error(tmp_path):
    kinds = {"targets": {"valence": "numbers"}, "metrics": ["mse"]}
    done = ensemble(pair(tmp_path, first=kinds, **kinds))
    assert done.manifest.comparison["baseline"] == "text"
    values = done.table("test")["mse mean"]
    assert (done.contrast.gap > 0) == (values["ensemble (mean)"] < values["text"])


@pytest.mark.parametrize("how", HOW)
def test_labels_have_thresholds_and_their_cells(tmp_path, how):
    kinds = {"targets": {"mood": "labels"}}
    done = ensemble(pair(tmp_path, first=kinds, **kinds), how=how)
    found = table(done.folder)
    cuts = found[[f"threshold:{name}" for name in CLASSES]].to_numpy()
    if how in ("mean", "max"):
        np.testing.assert_allclose(cuts, 0.55, atol=1e-7)
    if how == "vote":
        np.testing.assert_allclose(cuts, 0.5)
    named = [np.array(CLASSES)[row] for row in found[SCORES].to_numpy() >= cuts]
    assert list(found["value"]) == ["|".join(row) or "-" for row in named]
    if how in LEARNED:
        fit = done.manifest.fits["mood"][0][0]
        np.testing.assert_allclose(
            found.loc["test", 0, 0].iloc[0, -3:].astype(float), fit.thresholds
        )
    assert done.metrics["test"]["metrics"]["label_macro_f1"]["mean"] > 0.3


@pytest.mark.parametrize("how", ["mean", "weights", "stacking"])
def test_numbers_beside_classes_are_merged_each_in_its_own_way(tmp_path, how):
    kinds = {"targets": {"label": "classes", "valence": "numbers"}}
    homes = pair(tmp_path, first=kinds, **kinds)
    done = ensemble(homes, how=how)
    rows = [pd.read_csv(home / "predictions.csv") for home in (*homes, done.folder)]
    one, other, found = (
        part[(part["target"] == "valence") & (part["part"] == "test")].set_index(["fold", "id"])
        for part in rows
    )
    numbers = [part["value"].astype(float).sort_index() for part in (one, other, found)]
    if how == "mean":
        np.testing.assert_allclose(numbers[2], (numbers[0] + numbers[1]) / 2, rtol=1e-6)
    if how == "weights":
        shares = np.array(done.manifest.fits["valence"][0][0].weights)
        mixed = shares[0] * numbers[0].loc[0] + shares[1] * numbers[1].loc[0]
        np.testing.assert_allclose(numbers[2].loc[0], mixed, rtol=1e-6)
    assert set(done.metrics["test"]["others"]["valence"]["metrics"]) == {"ccc", "mse"}
    assert found[SCORES].isna().all(axis=None)


def test_a_folder_of_runs_can_be_moved_and_an_ensemble_is_listed_with_its_members(tmp_path):
    done = ensemble(pair(tmp_path), how="weights", name="both")
    moved = tmp_path / "elsewhere"
    (tmp_path / "runs").rename(moved)
    folder = moved / "both" / done.folder.name
    page = report.write(folder).read_text("utf-8")
    for told in ("aaa", "bbb", "../../x/aaa", "ensemble (weights)", "how much each member counts"):
        assert told in page
    fit = done.manifest.fits["label"][2][0]
    assert all(f"{share:.3f}" in page for share in fit.weights)
    line = "mser ensemble x/aaa x/bbb --how weights --name both"
    assert line in page.replace("../", "")
    index = report.write(moved).read_text("utf-8")
    assert f"both/{done.folder.name}/report.html" in index
    assert "audio | text" in index and index.count("report.html") == 3


def test_a_member_that_has_changed_or_gone_is_said_and_merged_anew(tmp_path):
    homes = pair(tmp_path)
    done = ensemble(homes)
    write_made_run(homes[0], draw=5)
    with pytest.raises(DataError, match=r"audio: other predictions .* mser ensemble aaa bbb --how"):
        report.write(done.folder)
    again = ensemble(homes)
    assert again.folder == done.folder
    assert not again.predictions.equals(done.predictions)
    report.write(done.folder)
    (done.folder / "ensemble.json").write_text("{")
    with pytest.raises(DataError, match=r"ensemble\.json cannot be read"):
        report.write(done.folder)
    assert isinstance(ensemble(homes).manifest, Manifest), "made anew"
    shutil.rmtree(homes[1])
    with pytest.raises(DataError, match=r"(?s)members of the ensemble .* are missing.*text: "):
        report.write(done.folder)
