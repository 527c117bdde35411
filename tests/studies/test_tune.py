"""A search from its config to its claim: what it may see, what it chooses, what it leaves."""

import json
from multiprocessing.reduction import ForkingPickler

import numpy as np
import pandas as pd
import pytest
import yaml
from optuna.trial import FixedTrial

from multimodal_ser import run
from multimodal_ser.cli._search import cost
from multimodal_ser.config.method import method_of
from multimodal_ser.config.read import check, load, space_of
from multimodal_ser.runs.prepare import prepare
from multimodal_ser.runs.sealing import sealed
from multimodal_ser.studies.search.claims import final, fresh_seeds
from multimodal_ser.studies.search.trials import Objective, Reports, bench_of, objective_of
from multimodal_ser.studies.search.tune import Settings, tune
from multimodal_ser.types import ConfigError, DataError, LeakError
from tests.helpers.tones import tones_config

HAND = {"hand": {"name": "mfcc", "n_mfcc": 8, "sample_rate": 8000}}
SPACE = {
    "learner.optimizer.lr": {"low": 1.0e-4, "high": 1.0e-1, "log": True},
    "fusion.hidden": [4, 8],
}
QUICK = Settings(trials=4, pruner="none")


def searched(tones, **changes):
    found = {
        "encoders": HAND,
        "search": SPACE,
        "protocol": {"name": "holdout", "test": 0.3, "dev": 0.3},
        "learner": {"name": "neural", "epochs": 3},
        "metrics": ["uar", "macro_f1"],
    }
    found["learner"]["select"] = "uar"
    return tones_config(tones, **(found | changes))


def bench(tones, **changes):
    experiment = check(searched(tones, within={}, **changes))
    return bench_of(sealed(prepare(experiment)), space_of(experiment))


def rows_tested(tones, **changes):
    """Ids, and the texts, of the rows that are tested."""
    prepared = prepare(check(searched(tones, **changes)))
    (rows,) = prepared.folds[0].tests.values()
    return prepared.corpus.table.iloc[rows]


def test_what_trials_are_given_holds_nothing_of_a_tested_row(tones):
    given = bench(tones, encoders={"t": {"name": "tfidf", "svd": 4}})
    everything = bytes(ForkingPickler.dumps(given))  # as it is sent to a worker
    assert all(str(one).encode() in everything for one in given.ids)
    rows = rows_tested(tones)
    assert len(rows)
    for cell in (*rows["id"], *rows["audio"], *rows["text"]):
        assert cell.encode() not in everything


def test_a_search_runs_to_its_end_when_the_tested_files_are_gone(tones, monkeypatch):
    live = {"net": {"name": "m5", "sample_rate": 4000}}
    before = bench_of

    def gone(prepared, space):
        for name in rows_tested(tones)["audio"]:
            (tones / name).unlink()
        return before(prepared, space)

    monkeypatch.setattr("multimodal_ser.studies.search.tune.bench_of", gone)
    space = {"learner.optimizer.lr": [0.001, 0.01]}
    config = searched(tones, encoders=live, search=space, fusion={"name": "join"}, device="cpu")
    config["learner"]["epochs"] = 1
    found = tune(config, Settings(trials=2, pruner="none"), finish=False)
    assert len(found.table()) == 2
    assert found.claim is None
    assert not list(found.folder.parent.glob("opened.jsonl"))


def test_what_is_best_on_dev_is_chosen_though_the_test_says_otherwise(tones):
    table = pd.read_csv(tones / "table.csv")
    held = table["speaker"].isin(["s4", "s5"])
    table["split"] = np.where(held, "test", np.where(table["speaker"] == "s3", "dev", "train"))
    turned = {"joy": "sadness", "sadness": "neutral", "neutral": "joy"}
    meant = dict(zip(table["label"], table["text"], strict=True))
    table.loc[held, "text"] = table.loc[held, "label"].map(turned).map(meant)
    table.to_csv(tones / "table.csv", index=False)
    config = searched(
        tones,
        encoders={"one": {"name": "hashing"}},
        search={"encoders.one.buckets": [1, 64]},  # one bucket says nothing: 1/3 everywhere
        protocol={"name": "official"},
        learner={"name": "svm", "scores": "margin"},
    )
    config.pop("fusion")
    found = tune(config, Settings(trials=4, sampler="random", pruner="none"))
    assert found.studies[0].best.encoders["one"].options["buckets"] == 64
    assert found.studies[0].chosen.values == [1.0]
    assert found.claim.tested["mean"] == 0.0
    assert found.summary["final"]["optimism"] == {"searched": 1.0, "fresh": 1.0, "test": 0.0}


@pytest.fixture
def search(tones):
    return tune(searched(tones), QUICK)


def test_the_best_config_runs_alone_and_gives_its_dev_value_again(search):
    chosen = search.studies[0].chosen
    done = run(load(search.folder / "best.yaml"))
    assert done.metrics["dev"]["metrics"]["uar"]["mean_of_folds"] == chosen.values[0]
    values = [one for one in search.table()["value"] if pd.notna(one)]
    assert chosen.values[0] == max(values)
    assert set(done.metrics) == {"dev"}


def test_the_end_sets_best_beside_default_with_seeds_that_nobody_has_seen(search):
    claim = search.claim
    assert claim.seeds == (1, 2, 3)
    (best,), (default,) = claim.best.values(), claim.default.values()
    assert best.experiment.seeds == default.experiment.seeds == [1, 2, 3]
    assert default.experiment.fusion.options["hidden"] == 16
    assert best.experiment.within is None
    metrics = best.metrics["test"]["metrics"]["uar"]
    assert claim.tested["mean"] == pytest.approx(metrics["mean"])
    gap = metrics["mean"] - default.metrics["test"]["metrics"]["uar"]["mean"]
    assert claim.contrast.gap == pytest.approx(gap)
    opened = [json.loads(one) for one in (search.folder.parent / "opened.jsonl").open()]
    assert len(opened) == 2, "the test is opened once by each of the two"


def test_the_same_command_again_does_nothing_and_says_the_same(search, tones):
    files = ["search.json", "trials.csv", "best.yaml", "reports.csv", "space.json"]
    before = [(search.folder / name).read_bytes() for name in files]
    again = tune(searched(tones), QUICK)
    assert [(again.folder / name).read_bytes() for name in files] == before


def test_one_worker_and_one_seed_repeat_trials_values_and_pruning(tones, tmp_path):
    settings = Settings(trials=8, pruner="median", seed=3)
    tables = []
    for home in ("a", "b"):
        config = searched(tones, runs_dir=str(tmp_path / home))
        config["learner"]["epochs"] = 10
        tables.append(tune(config, settings, finish=False).table().drop(columns="seconds"))
    pd.testing.assert_frame_equal(*tables)


def test_a_config_that_no_longer_is_the_studys_is_refused(tones, tmp_path):
    settings = Settings(trials=2, storage=str(tmp_path / "one.journal"))
    tune(searched(tones), settings, finish=False)
    other = searched(tones, search={"fusion.hidden": [4, 8, 16]})
    other["name"] = "tones"
    found = tune(other, settings, finish=False)
    assert found.studies[0].plan.name != "", "another space is a study of its own"


def test_several_folds_are_searched_one_by_one_or_one_alone(tones):
    folds = {"protocol": {"name": "kfold", "folds": 3}}
    with pytest.raises(ConfigError, match=r"3 folds, and a value chosen on the dev parts of all"):
        tune(searched(tones, **folds), QUICK)
    with pytest.raises(ConfigError, match=r"tune.tune_on: 7 is not there; the folds are \[0, 1"):
        tune(searched(tones, **folds, tune={"tune_on": 7}), QUICK)
    one = tune(searched(tones, **folds, tune={"tune_on": 1}), Settings(trials=2))
    assert set(one.claim.best[1].part("test")["fold"]) == {1}
    all_of = tune(searched(tones, **folds, tune={"nested": True}), Settings(trials=2))
    assert [study.fold for study in all_of.studies] == [0, 1, 2]
    rows = pd.concat([done.part("test") for done in all_of.claim.best.values()])
    assert sorted(set(rows["id"])) == sorted(pd.read_csv(tones / "table.csv")["id"])
    assert (all_of.folder / "best-2.yaml").is_file()


def test_inner_folds_are_the_objective(tones):
    config = searched(tones, tune={"inner": 2})
    found = tune(config, Settings(trials=2, pruner="none"), finish=False)
    study = found.studies[0]
    assert len(study.bench.folds) == 2
    done = run(load(found.folder / "best.yaml"))
    values = done.metrics["dev"]["metrics"]["uar"]
    assert values["mean_of_folds"] == study.chosen.values[0]


def test_refitting_takes_over_what_was_selected_and_trains_on_dev(tones):
    experiment = check(searched(tones, within={}, tune={"final": "refit"}))
    last = final(experiment, [5, 6])
    assert (last.refit, last.within, last.seeds) == (True, None, [5, 6])
    done = run(experiment)
    (curve,) = done.folder.glob("models/*/learner/chosen.json")
    assert last.learner.options["epochs"] == json.loads(curve.read_text())["epoch"] + 1
    assert not len(prepare(last).folds[0].dev)


def test_fresh_seeds_are_three_at_least_and_none_of_the_searchs(tones):
    assert fresh_seeds(check(searched(tones, seeds=[4]))) == [5, 6, 7]
    assert fresh_seeds(check(searched(tones, seeds=[0, 1, 2, 9]))) == [10, 11, 12, 13]


def test_the_lower_objective_is_a_standard_error_worse():
    scores = [0.5, 0.7, 0.6]
    error = np.std(scores, ddof=1) / np.sqrt(3)
    assert objective_of(scores, "mean", 1) == pytest.approx(0.6)
    assert objective_of(scores, "lower", 1) == pytest.approx(0.6 - error)
    assert objective_of(scores, "lower", -1) == pytest.approx(0.6 + error)


def test_a_trial_that_contradicts_itself_or_diverges_is_given_up_and_says_why(tones):
    space = {"fusion": [{"name": "cross_attention", "hidden": [10, 12], "heads": [4]}]}
    found = tune(searched(tones, search=space), Settings(trials=6, pruner="none"), finish=False)
    table = found.table()
    odd = table[table["param:fusion[cross_attention].hidden"] == 10]
    assert (odd["state"] == "pruned").all()
    assert odd["reason"].str.contains("cannot be shared among 4 heads").all()
    wild = searched(tones, search={"learner.optimizer.lr": [1.0e30]})
    wild["learner"]["optimizer"] = {"name": "sgd", "clip": None}
    with pytest.raises(DataError, match=r"none of 2 trials is complete"):
        tune(wild, Settings(trials=2, pruner="none"), finish=False)


def test_two_objectives_have_a_front(tones):
    config = searched(tones, tune={"cost": "parameters"})
    found = tune(config, Settings(trials=5), finish=False)
    table = found.table()
    assert found.summary["pruner"] == "none"
    equals = table[table["value"] == table["value"].max()]
    assert found.studies[0].chosen.values[1] == equals["cost"].min()
    assert table["cost"].gt(0).all()
    front = table[table["number"].isin(found.summary["studies"][0]["pareto"])]
    for _, row in table.iterrows():
        beaten = (table["value"] >= row["value"]) & (table["cost"] <= row["cost"])
        beaten &= (table["value"] > row["value"]) | (table["cost"] < row["cost"])
        assert beaten.any() != (row["number"] in set(front["number"]))


def test_a_leak_stops_the_search_before_a_trial(tones):
    with pytest.raises(LeakError):
        tune(searched(tones, protocol={"name": "random"}), QUICK)


def test_layers_and_encoders_can_be_searched_and_each_is_encoded_once(tones):
    space = {
        "encoders.hand.n_mfcc": [4, 8],
        "encoders.hand.normalize": ["none", "standard"],
        "fusion.hidden": [4],
    }
    made = bench(tones, search=space)
    assert len(made.encoded) == 2, "normalisation acts behind the cache"
    trial = FixedTrial(
        {"encoders.hand.n_mfcc": 4, "encoders.hand.normalize": "standard", "fusion.hidden": 4}
    )
    trial.study = type("Study", (), {"directions": ["one"]})()
    value = Objective(made)(trial)
    experiment = check(
        searched(
            tones,
            within={},
            encoders={"hand": HAND["hand"] | {"n_mfcc": 4, "normalize": "standard"}},
            fusion={"name": "concat", "hidden": 4},
        )
    )
    assert run(experiment).metrics["dev"]["metrics"]["uar"]["mean"] == value


def test_the_files_of_a_search_are_plain_and_complete(search):
    told = json.loads((search.folder / "search.json").read_text())
    assert told["studies"][0]["trials"] == {"complete": 4, "pruned": 0}
    assert told["metric"] == "uar"
    assert told["final"]["runs"]["best"]["0"].startswith("../")
    assert (search.folder / told["final"]["runs"]["best"]["0"] / "metrics.json").is_file()
    table = pd.read_csv(search.folder / "trials.csv")
    assert {"param:learner.optimizer.lr", "param:fusion.hidden"} <= set(table.columns)
    assert yaml.safe_load((search.folder / "best.yaml").read_text())["within"] == {
        "fold": 0,
        "folds": None,
    }


def test_the_variants_of_two_encoders_are_added_and_not_multiplied(tones):
    both = HAND | {"more": {"name": "mfcc", "n_mfcc": 8, "sample_rate": 8000}}
    space = {"encoders.hand.n_mfcc": [2, 4, 6], "encoders.more.n_mfcc": [3, 5]}
    given = bench(tones, encoders=both, search=space)
    assert len(given.encoded) == 3 + 2
    asked = check(
        searched(tones, within={}, encoders=both | {"hand": HAND["hand"] | {"n_mfcc": 2}})
    )
    with pytest.raises(KeyError, match="more"):
        given.rows_for(method_of(asked))  # 8 coefficients are no value of the space


def test_what_changes_no_feature_makes_no_variant(tones):
    space = {"encoders.hand.n_mfcc": [2, 4], "encoders.hand.normalize": ["none", "standard"]}
    assert len(bench(tones, search=space).encoded) == 2


def test_an_encoder_may_be_frozen_in_one_trial_and_learn_in_another(tones):
    choice = [
        {"name": "mfcc", "n_mfcc": [4, 8]},
        {"name": "m5", "sample_rate": [4000], "trim": {"low": 20.0, "high": 60.0}},
    ]
    found = tune(
        searched(
            tones,
            search={"encoders.hand": choice},
            fusion={"name": "join"},
            learner={"name": "neural", "epochs": 1, "select": "uar"},
            device="cpu",
        ),
        Settings(trials=6, sampler="random", pruner="none"),
        finish=False,
    )
    table = found.table()
    assert set(table["param:encoders.hand.name"]) == {"mfcc", "m5"}
    assert table["state"].eq("complete").all()


def test_the_config_of_the_claim_is_the_run_that_was_claimed(tones):
    found = tune(searched(tones, tune={"final": "refit"}), QUICK)
    claimed = load(found.folder / "claim.yaml")
    assert (claimed.refit, claimed.within, claimed.seeds) == (True, None, list(found.claim.seeds))
    again = run(claimed)
    assert again.folder == found.claim.best[0].folder
    assert again.metrics["test"]["metrics"]["uar"]["mean"] == found.claim.tested["mean"]


def test_what_one_branch_alone_has_is_weighed_among_its_trials(tones):
    branches = [
        {"name": "concat", "hidden": [4, 8], "dropout": {"low": 0.0, "high": 0.9}},
        {"name": "gated", "hidden": [4, 8]},
    ]
    settings = Settings(trials=16, sampler="random", pruner="none")
    found = tune(searched(tones, search={"fusion": branches}), settings, finish=False)
    shares = found.summary["studies"][0]["importances"]
    own = ["fusion[concat].hidden", "fusion[concat].dropout"]
    assert set(shares) == {"fusion.name", *own, "fusion[gated].hidden"}
    assert sum(shares[name] for name in own) == pytest.approx(1.0)
    assert shares["fusion[gated].hidden"] == pytest.approx(1.0), "nothing else varies there"


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"pruner": "hypeband", "sampler": "tpee"}, r"did you mean tpe\?(?s:.*)mean hyperband"),
        ({"storage": "://"}, "neither a database URL nor the path of a journal"),
    ],
)
def test_a_plan_that_cannot_be_is_refused_before_the_corpus_is_read(tones, wrong, said):
    (tones / "table.csv").unlink()
    with pytest.raises(ConfigError, match=said):
        tune(searched(tones), Settings(trials=2, **wrong))


def test_what_a_study_for_each_fold_comes_to_is_said(tones):
    nested = {"protocol": {"name": "kfold", "folds": 3}, "tune": {"nested": True, "inner": 2}}
    told = cost(check(searched(tones, **nested, seeds=[0, 1])), Settings(trials=5))
    assert told.startswith("3 studies of 5 trials, 60 trainings at most, about ")


@pytest.mark.parametrize("epochs", [1, 7, 10, 25, 30, 99])
def test_no_step_is_reported_twice_and_at_most_ten_of_a_training_are(epochs):
    told = []
    trial = FixedTrial({})
    trial.study = type("Study", (), {"directions": ["one"]})()
    trial.report = lambda value, step: told.append(step)
    reports = Reports(trial, [], 1, by_epoch=True)
    for done in range(1, epochs + 1):
        reports.epoch(done, epochs, 0.5)
    assert told == sorted(set(told))
    assert len(told) == min(epochs - 1, 9)
    assert all(0 < step < 10 for step in told)
