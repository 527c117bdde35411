"""Targets that are numbers, alone and beside others: scored, compared, learned, written down."""

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import yaml

from multimodal_ser import compare, run
from multimodal_ser.config.method import method_of
from multimodal_ser.evaluation.contrast import contrast
from multimodal_ser.evaluation.evaluate import evaluate
from multimodal_ser.report import write
from multimodal_ser.runs.prepare import encode, prepare, training_rows_of
from multimodal_ser.runs.run import as_experiment
from multimodal_ser.studies.score import score
from multimodal_ser.training import fit
from multimodal_ser.types import DataError
from tests.helpers.tones import table_config


def ccc(truth, guess):
    """Lin's concordance, as he wrote it."""
    covariance = np.cov(truth, guess, ddof=0)[0, 1]
    return 2 * covariance / (truth.var() + guess.var() + (truth.mean() - guess.mean()) ** 2)


def pearson(truth, guess):
    return np.corrcoef(truth, guess)[0, 1]


def mse(truth, guess):
    return np.mean((truth - guess) ** 2)


FORMULAS = {"ccc": ccc, "pearson": pearson, "mse": mse}
CLUSTERS, EACH = 12, 5


def said(error, *, seeds=(0, 1), clusters=CLUSTERS, scale=1.0, centre=0.0):
    """Predictions that miss the truth by so many standard deviations, as a run would write them."""
    count = clusters * EACH
    truth = np.random.default_rng(0).standard_normal(count)
    rows = []
    for seed in seeds:
        guess = truth + error * np.random.default_rng(seed + 1).standard_normal(count)
        table = pd.DataFrame({"truth": centre + scale * truth, "value": centre + scale * guess})
        rows.append(table.map("{:.8g}".format).assign(seed=seed, place=range(count)))
    table = pd.concat(rows, ignore_index=True)
    table["id"] = table["place"].map("u{:03}".format)
    table["cluster"] = (table["place"] // EACH).map("c{:02}".format)
    table["fold"] = table["place"] % 2
    return table.assign(repeat=0, part="test", target="valence")


def pairs(rows):
    return rows["truth"].to_numpy(dtype=float), rows["value"].to_numpy(dtype=float)


@pytest.mark.parametrize("name", FORMULAS)
@pytest.mark.parametrize(("scale", "centre"), [(1, 0), (5, 1000)])
def test_a_metric_of_numbers_is_its_formula_by_seed_fold_and_ensemble(name, scale, centre):
    rows, formula = said(0.7, scale=scale, centre=centre), FORMULAS[name]
    found = evaluate(rows, [name])["test"]["metrics"][name]
    by_seed = [formula(*pairs(some)) for _, some in rows.groupby("seed")]
    assert list(found["by_seed"].values()) == pytest.approx(by_seed, rel=1e-6)
    assert found["mean"] == pytest.approx(np.mean(by_seed), rel=1e-6)
    assert found["sd"] == pytest.approx(np.std(by_seed, ddof=1), rel=1e-4)
    folds = [formula(*pairs(some)) for _, some in rows.groupby(["fold", "seed"])]
    assert found["mean_of_folds"] == pytest.approx(np.mean(folds), rel=1e-6)
    together = rows.assign(value=rows["value"].astype(float)).groupby("id")["value"].mean()
    truth = rows.drop_duplicates("id").set_index("id")["truth"].astype(float)
    oracle = formula(truth.to_numpy(), together.loc[truth.index].to_numpy())
    assert found["ensemble"] == pytest.approx(oracle, rel=1e-6)


@pytest.mark.parametrize("name", FORMULAS)
def test_the_interval_holds_the_value_and_narrows_with_the_clusters(name):
    widths = []
    for clusters in (12, 120):
        found = evaluate(said(0.7, clusters=clusters), [name])["test"]["metrics"][name]
        assert found["low"] < found["mean"] < found["high"]
        widths.append(found["high"] - found["low"])
    assert widths[1] < 0.6 * widths[0]


def test_clusters_and_utterances_are_counted_and_those_without_truth_apart():
    rows = said(0.5)
    blank = rows["cluster"].isin(["c00", "c01"]) | (rows["id"] == "u059")
    found = evaluate(rows.assign(truth=rows["truth"].mask(blank)), ["ccc"])["test"]
    assert found["clusters"] == CLUSTERS - 2
    assert (found["utterances"], found["unscored"]) == (CLUSTERS * EACH, 2 * EACH + 1)
    kept = evaluate(rows[~blank], ["ccc"])["test"]["metrics"]["ccc"]
    assert found["metrics"]["ccc"] == kept
    assert (found["classes"], found["confusion"], found["without small classes"]) == ({}, [], {})


def test_a_part_without_any_number_has_no_values():
    rows = said(0.5)
    unknown = rows.assign(part="test2", truth=pd.Series(np.nan, rows.index, dtype="str"))
    assert list(evaluate(pd.concat([rows, unknown], ignore_index=True), ["mse"])) == ["test"]


def test_a_prediction_that_hardly_varies_is_said_first_and_in_how_many_seeds():
    rows = said(0.5)
    flat = rows.assign(value=0.01 * rows["truth"].astype(float) + 3)
    (notice,) = evaluate(flat, ["ccc"])["test"]["notices"]
    spread = pairs(rows)[0][: CLUSTERS * EACH].std()
    assert notice == (
        f"predicts nearly one number (sd {0.01 * spread:.2g}, of the truth {spread:.2g})"
    )
    once = rows.assign(value=rows["value"].astype(float).where(rows["seed"] == 0, 3.0))
    (notice,) = evaluate(once, ["ccc"])["test"]["notices"]
    assert notice.startswith("predicts nearly one number (sd 0, ")
    assert notice.endswith("(1 of 2 seeds)")
    assert evaluate(rows, ["ccc"])["test"]["notices"] == []


def test_each_value_of_a_breakdown_has_the_chosen_metrics_and_no_accuracy():
    rows = said(0.5)
    gender = rows["place"].map(lambda place: "female" if place % 3 else None)
    found = evaluate(rows, list(FORMULAS), {"gender": gender})["test"]["breakdown"]["gender"]
    assert set(found) == {"female", "unknown"}
    for value, some in rows.groupby(gender.fillna("unknown")):
        assert found[value].pop("utterances") == some["id"].nunique()
        assert set(found[value]) == set(FORMULAS)
        for name, formula in FORMULAS.items():
            by_seed = [formula(*pairs(one)) for _, one in some.groupby("seed")]
            assert found[value][name] == pytest.approx(np.mean(by_seed), rel=1e-6)


def test_a_value_of_a_breakdown_without_any_truth_has_no_score():
    rows = said(0.5)
    unknown = rows["cluster"] == "c00"
    groups = {"who": unknown.map({True: "unheard", False: "heard"})}
    rows = rows.assign(truth=rows["truth"].mask(unknown))
    found = evaluate(rows, ["ccc", "mse"], groups)["test"]["breakdown"]["who"]
    assert {"ccc", "mse"} <= set(found["heard"])
    assert not {"ccc", "mse"} & set(found.get("unheard", {}))


def test_a_truth_that_is_no_number_is_an_error():
    rows = said(0.5)
    rows.loc[3, "truth"] = "much"
    with pytest.raises(DataError, match=r"the truth holds \['much'\], which are no numbers"):
        evaluate(rows, ["ccc"])


def test_a_prediction_that_is_no_number_is_an_error_and_not_a_score_of_0():
    rows = said(0.5)
    rows.loc[3, "value"] = "nan"
    with pytest.raises(DataError, match="no number"):
        evaluate(rows, ["ccc"])


@pytest.mark.parametrize("name", FORMULAS)
def test_a_gap_says_by_how_much_the_first_is_better(name):
    good, bad = said(0.3), said(1.5)
    found = contrast(good, bad, name)
    means = [
        np.mean([FORMULAS[name](*pairs(some)) for _, some in rows.groupby("seed")])
        for rows in (good, bad)
    ]
    assert found.gap == pytest.approx(abs(means[0] - means[1]), rel=1e-6)
    assert found.low < found.gap < found.high
    assert found.shown and found.mcnemar is None
    turned = contrast(bad, good, name)
    assert turned.gap == pytest.approx(-found.gap)
    assert (turned.low, turned.high) == pytest.approx((-found.high, -found.low))
    assert turned.p == found.p


@pytest.mark.parametrize("name", FORMULAS)
def test_a_model_of_numbers_against_itself_shows_nothing(name):
    found = contrast(said(0.5), said(0.5).sample(frac=1, random_state=0), name)
    assert (found.gap, found.low, found.high, found.p) == (0, 0, 0, 1)
    assert "no difference between a and b can be shown" in found.words("a", "b")


@pytest.mark.parametrize("name", FORMULAS)
def test_the_gap_of_each_of_few_clusters_is_turned_alike(name):
    good, bad = said(0.3, clusters=4), said(1.5, clusters=4)
    found = contrast(good, bad, name).by_cluster
    sign = -1 if name == "mse" else 1
    for cluster, gap in found.items():
        values = [
            np.mean([FORMULAS[name](*pairs(one)) for _, one in some.groupby("seed")])
            for some in (rows[rows["cluster"] == cluster] for rows in (good, bad))
        ]
        assert gap == pytest.approx(sign * (values[0] - values[1]), rel=1e-6)
    if name == "mse":
        assert list(found) == ["c00", "c01", "c02", "c03"]
        assert min(found.values()) > 0


def test_the_words_of_a_smaller_error_do_not_say_that_it_adds_error():
    words = contrast(said(0.3), said(1.5), "mse").words("fused", "text")
    assert words.startswith("fused ")
    assert " adds " not in words


def test_errors_within_a_margin_are_equivalent():
    near = contrast(said(0.5, clusters=60), said(0.5, clusters=60, seeds=(5, 6)), "mse", margin=0.3)
    assert near.equivalent < 0.05
    assert "equivalent within 0.3 mse" in near.words("a", "b")


def test_numbers_are_not_compared_with_classes_or_with_another_truth():
    rows = said(0.5)
    scores = rows.assign(**{"score:a": 0.5, "score:b": 0.5})
    with pytest.raises(DataError, match="not scored on the same classes"):
        contrast(rows, scores, "ccc")
    with pytest.raises(DataError, match="truth or clusters"):
        contrast(rows, rows.assign(truth="1"), "ccc")


VALUES = {"gato": -4, "perro": -3, "sol": -2, "luna": -1, "mar": 1, "pan": 2, "flor": 3, "tren": 4}
CENTRE, SPREAD = 1000.0, 5.0
SPEAKERS, TURNS = 12, 12


def sentences(folder):
    """Three words of eight a sentence, no two alike: the words add up to `strain`, 1000 ± 5.

    `label` is cat where the sentence has the word gato.
    """
    order = np.random.default_rng(0).permutation(list(itertools.permutations(VALUES, 3)))
    rows = []
    for place, words in enumerate(order[: SPEAKERS * TURNS]):
        total = sum(VALUES[word] for word in words)
        label = "cat" if "gato" in words else "none"
        rows.append([f"u{place:03}", " ".join(words), total, label, f"s{place % SPEAKERS:02}"])
    table = pd.DataFrame(rows, columns=["id", "text", "valence", "label", "speaker"])
    total = table.pop("valence")
    table["strain"] = CENTRE + SPREAD * (total - total.mean()) / total.std()
    table.to_csv(folder / "table.csv", index=False)
    return table


NUMBER = {"kind": "numbers"}
CUT = {"column": "strain", "edges": [CENTRE], "classes": ["low", "high"]}
THREE = {"strain": NUMBER, "label": {}, "sign": CUT}
WORDS = {"name": "hashing", "buckets": 256, "words": [1, 1]}


def config(folder, **changes):
    usual = {
        "fusion": {"name": "concat", "hidden": 16},
        "outputs": {"strain": NUMBER},
        "learner": {"name": "neural", "epochs": 30, "batch_size": 32, "optimizer": {"lr": 0.02}},
    }
    return table_config(folder, "sentences", {"words": WORDS}) | usual | changes


@pytest.fixture
def spoken(tmp_path):
    """A folder with the sentences."""
    sentences(tmp_path)
    return tmp_path


@pytest.fixture(scope="module")
def three(tmp_path_factory):
    """A finished run on a number, a class, and the number cut into two classes."""
    folder = tmp_path_factory.mktemp("three")
    sentences(folder)
    encoders = {"words": {"name": "tfidf", "max_features": 20}}
    return run(config(folder, encoders=encoders, outputs=THREE, seeds=[0, 1]))


@pytest.mark.parametrize("loss", ["ccc", "mse"])
def test_words_that_decide_a_number_are_learned_in_the_units_of_the_corpus(spoken, loss):
    done = run(config(spoken, outputs={"strain": NUMBER | {"loss": loss}}))
    truth, value = pairs(done.part("test"))
    assert ccc(truth, value) > 0.8
    assert done.table().loc["ccc", "mean"] == pytest.approx(ccc(truth, value))
    assert abs(value.mean() - CENTRE) < 1
    assert 3 < value.std() < 7
    assert mse(truth, value) < 0.4 * SPREAD**2
    assert list(done.table().index) == ["ccc", "pearson", "mse"]
    assert list(done.predictions.filter(like="score:")) == []


def test_units_are_those_of_the_training_rows(spoken):
    """The mean and the deviation that a model remembers are NumPy's over its train part."""
    done = run(config(spoken, learner={"name": "neural", "epochs": 1}))
    table = pd.read_csv(spoken / "table.csv").set_index("id")["strain"]
    split = pd.read_csv(done.folder / "split.csv")
    for fold in (0, 1, 2):
        train = table[split.query("part == 'train' and fold == @fold")["id"]]
        written = json.loads((done.folder / f"models/{fold}-0/model.json").read_text())
        assert written["units"]["strain"] == pytest.approx([train.mean(), train.std(ddof=0)])


def test_a_shift_and_a_stretch_of_the_target_shift_and_stretch_the_predictions(spoken):
    """Learners see numbers in units of train, so nothing else may change."""
    short = {"learner": {"name": "neural", "epochs": 5}}
    before = pairs(run(config(spoken, **short)).part("test"))[1]
    table = pd.read_csv(spoken / "table.csv")
    table.assign(strain=(table["strain"] - CENTRE) / 8).to_csv(spoken / "table.csv", index=False)
    after = pairs(run(config(spoken, **short)).part("test"))[1]
    np.testing.assert_allclose(after * 8 + CENTRE, before, atol=0.01)


def test_a_target_that_does_not_vary_is_predicted_as_it_is(spoken):
    table = pd.read_csv(spoken / "table.csv").assign(strain=0.1)
    table.to_csv(spoken / "table.csv", index=False)
    done = run(config(spoken, learner={"name": "neural", "epochs": 2}))
    assert np.isfinite(pairs(done.part("test"))[1]).all()


def test_every_target_is_in_the_predictions_and_in_the_table(three):
    written = pd.read_csv(three.folder / "predictions.csv")
    sizes = written.groupby(["target", "part"])["id"].nunique()
    assert sizes.to_dict() == {
        (name, part): SPEAKERS * TURNS for name in THREE for part in ("dev", "test")
    }
    classes = {"strain": [], "label": ["cat", "none"], "sign": ["low", "high"]}
    for name, rows in written.groupby("target"):
        filled = rows.filter(like="score:").dropna(axis="columns", how="all")
        assert set(filled) == {f"score:{one}" for one in classes[name]}
        assert filled.notna().all(axis=None)
        if classes[name]:
            np.testing.assert_allclose(filled.sum(axis=1), 1, atol=1e-6)
    table = three.table()
    assert table.index.names == ["target", "metric"]
    assert list(table.loc["strain"].index) == ["ccc", "pearson", "mse"]
    assert list(table.loc["label"].index) == ["macro_f1", "uar", "accuracy"]
    assert list(table.loc["sign"].index) == ["macro_f1", "uar", "accuracy"]


def test_several_targets_are_learned_together_and_each_is_scored_by_its_own_metrics(three):
    table = three.table()["mean"]
    assert table["strain", "ccc"] > 0.8
    assert table["label", "uar"] > 0.9
    assert table["sign", "uar"] > 0.8
    for seed, rows in three.part("test", "strain").groupby("seed"):
        found = three.metrics["test"]["metrics"]["ccc"]["by_seed"][str(seed)]
        assert found == pytest.approx(ccc(*pairs(rows)))
    sign = three.part("test", "sign")
    right = (sign["truth"] == sign["value"]).groupby(sign["seed"]).mean()
    others = three.metrics["test"]["others"]
    assert set(others) == {"label", "sign"}
    assert others["sign"]["metrics"]["accuracy"]["mean"] == pytest.approx(right.mean())


def test_a_sign_is_the_number_cut_at_its_edge(three):
    rows = three.part("test", "sign").set_index(["id", "seed"])["truth"]
    strain = three.part("test", "strain").set_index(["id", "seed"])["truth"].astype(float)
    oracle = pd.Series(np.where(strain >= CENTRE, "high", "low"), index=strain.index)
    assert (rows.loc[oracle.index] == oracle).all()


def test_a_model_that_is_loaded_again_says_the_same_numbers(three):
    prepared = prepare(as_experiment(three.experiment))
    material = training_rows_of(prepared, encode(prepared))
    for fold in prepared.folds:
        folder = three.folder / "models" / f"{fold.number}-1"
        trained = fit.load(prepared.method, folder)
        rows = fold.parts["test"]
        found = fit.predict(prepared.method, material, trained, rows).scores["strain"]
        ids = prepared.corpus.table["id"].iloc[rows].tolist()
        written = three.part("test", "strain").query("fold == @fold.number and seed == 1")
        said_before = written.set_index("id").loc[ids, "value"].tolist()
        assert [f"{number:.8g}" for number in found[:, 0]] == said_before


def test_the_test_part_opened_later_has_the_numbers_of_one_opened_at_once(spoken):
    short = {"learner": {"name": "neural", "epochs": 2}, "outputs": THREE}
    run(config(spoken, **short), open_test=False)
    later = run(config(spoken, **short))
    once = run(config(spoken, runs_dir=str(spoken / "once"), **short))
    files = [done.folder / "predictions.csv" for done in (later, once)]
    assert files[0].read_bytes() == files[1].read_bytes()


def test_any_number_of_workers_gives_the_same_bytes(spoken):
    short = {"learner": {"name": "neural", "epochs": 3}, "outputs": THREE}
    files = [
        run(config(spoken, runs_dir=str(spoken / f"{count}"), workers=count, **short)).folder
        for count in (1, 2)
    ]
    for name in ("predictions.csv", "metrics.json"):
        assert (files[0] / name).read_bytes() == (files[1] / name).read_bytes()


def test_a_row_that_lacks_one_target_trains_on_the_other(spoken):
    """Every second row has a number only, the others a label only: both are learned."""
    table = pd.read_csv(spoken / "table.csv")
    odd = table.index // SPEAKERS % 2 == 1
    table["strain"] = table["strain"].mask(odd)
    table["label"] = table["label"].mask(~odd)
    table.to_csv(spoken / "table.csv", index=False)
    done = run(config(spoken, outputs={"strain": NUMBER, "label": {}}))
    half = SPEAKERS * TURNS // 2
    assert done.metrics["test"]["unscored"] == half
    assert done.metrics["test"]["others"]["label"]["unscored"] == half
    assert done.table().loc[("strain", "ccc"), "mean"] > 0.8
    assert done.table().loc[("label", "uar"), "mean"] > 0.9
    numbers = done.part("test", "strain")["value"].astype(float)
    assert numbers.notna().all() and len(numbers) == SPEAKERS * TURNS


def test_another_target_in_front_is_another_experiment(spoken):
    """The first decides and is balanced, so its models are not those of another order."""
    sign, label = {"sign": CUT}, {"label": {}}
    one, other = (
        as_experiment(config(spoken, outputs=outputs)) for outputs in (sign | label, label | sign)
    )
    assert (one.first, other.first) == ("sign", "label")
    assert method_of(one).balanced_target != method_of(other).balanced_target
    assert one.fingerprint("") != other.fingerprint("")


def test_a_training_row_that_lacks_every_target_is_named(spoken):
    table = pd.read_csv(spoken / "table.csv")
    table.loc[[5, 7], "strain"] = np.nan
    table.loc[5, "label"] = None
    table.to_csv(spoken / "table.csv", index=False)
    message = r"1 training rows have no strain and no label:\n  u005$"
    with pytest.raises(DataError, match=message):
        run(config(spoken, outputs={"strain": NUMBER, "label": {}}))


def test_a_training_part_without_any_number_is_an_error_and_not_a_score_of_0(spoken):
    """The numbers are in dev and test alone; the rows that train have labels."""
    table = pd.read_csv(spoken / "table.csv")
    parts = {**{f"s{one:02}": "train" for one in range(8)}, "s08": "dev", "s09": "dev"}
    table["split"] = table["speaker"].map(parts).fillna("test")
    table["strain"] = table["strain"].mask(table["split"] == "train")
    table.to_csv(spoken / "table.csv", index=False)
    outputs = {"strain": NUMBER, "label": {}}
    with pytest.raises(DataError, match="strain"):
        run(config(spoken, protocol={"name": "official"}, outputs=outputs))


def test_a_study_on_a_number_has_a_baseline_a_verdict_and_no_detectable_accuracy(spoken):
    """The baseline is the smaller error on dev: the words, not their number of letters mod 2."""
    encoders = {"blind": {"name": "hashing", "buckets": 2, "words": [3, 3]}, "words": WORDS}
    study = compare(config(spoken, encoders=encoders, metrics=["mse", "ccc"]))
    assert (study.metric, study.baseline, study.detectable) == ("mse", "words", None)
    assert study.contrasts["blind"].gap < 0 and study.contrasts["blind"].shown
    table = study.table()
    gap = table.loc["words", "mse mean"] - table.loc["blind", "mse mean"]
    assert table.loc["blind", "gap"] == pytest.approx(gap)
    assert "macro_f1 without small classes" not in table
    assert study.family == ("blind+words",) and len(study.verdict()) == 1
    assert json.loads((study.folder / "comparison.json").read_text())["detectable"] is None


@pytest.fixture
def task(tmp_path):
    """Eight numbers to be guessed, of four speakers, and eight others to train on."""
    rows = [[f"t{one}", one / 2, f"s{one // 2}", "test"] for one in range(8)]
    rows += [[f"r{one}", one, f"r{one}", "train"] for one in range(8)]
    table = pd.DataFrame(rows, columns=["id", "valence", "speaker", "split"])
    table.assign(text="x " + table["id"]).to_csv(tmp_path / "table.csv", index=False)
    changes = {"protocol": {"name": "official", "dev": 0}, "outputs": {"valence": NUMBER}}
    path = tmp_path / "task.yaml"
    path.write_text(yaml.safe_dump(config(tmp_path, **changes)))
    return path


GUESS = np.array([0.5, 0, 1.5, 1, 2.5, 2, 3.5, 4])


def guesses(folder, table):
    table.to_csv(folder / "answers.csv", index=False)
    return folder / "answers.csv"


@pytest.mark.parametrize("column", ["value", "valence"])
def test_a_file_of_numbers_gets_the_formulas(task, tmp_path, column):
    table = pd.DataFrame({"id": [f"t{one}" for one in range(8)], column: GUESS})
    found = score(guesses(tmp_path, table), task).metrics
    truth = np.arange(8) / 2
    for name, formula in FORMULAS.items():
        assert found["metrics"][name]["mean"] == pytest.approx(formula(truth, GUESS))
    assert found["metrics"]["mse"]["mean"] == pytest.approx(8 * 0.25 / 8)
    assert (found["clusters"], found["utterances"]) == (4, 8)


def test_seeds_of_a_file_of_numbers_are_scored_apart(task, tmp_path):
    table = pd.DataFrame({"id": [f"t{one}" for one in range(8)], "value": GUESS, "seed": 0})
    right = table.assign(value=np.arange(8) / 2, seed=1)
    found = score(guesses(tmp_path, pd.concat([table, right])), task).metrics["metrics"]["mse"]
    assert found["by_seed"] == pytest.approx({"0": 0.25, "1": 0})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda table: table.replace({"value": {0.0: "much"}}), r"'value'.*no numbers:\n  t1: 'mu"),
        (lambda table: table.assign(value=table["value"].mask(table.index == 2)), r"\n  t2: ''$"),
        (lambda table: table.rename(columns={"value": "guess"}), "needs value or valence; it has"),
        (lambda table: table.iloc[2:], r"test part have no prediction:\n  t0\n  t1$"),
    ],
)
def test_a_file_of_numbers_that_cannot_be_scored_says_why(task, tmp_path, change, message):
    table = pd.DataFrame({"id": [f"t{one}" for one in range(8)], "value": GUESS.astype(object)})
    with pytest.raises(DataError, match=message):
        score(guesses(tmp_path, change(table)), task)


def test_the_numbers_of_a_run_score_as_the_run_and_show_no_difference_to_it(three, tmp_path):
    path = tmp_path / "three.yaml"
    path.write_text(yaml.safe_dump(three.experiment.resolved(), sort_keys=False))
    own = guesses(tmp_path, three.part("test")[["id", "seed", "value"]])
    found = score(own, path, against=three.folder)
    for name, value in three.metrics["test"]["metrics"].items():
        assert found.metrics["metrics"][name]["by_seed"] == pytest.approx(value["by_seed"])
    assert (found.contrast.metric, found.contrast.gap, found.contrast.p) == ("ccc", 0, 1)


def test_a_class_beside_a_number_has_a_report(spoken):
    """In `predictions.csv` the class's scores are blank in the rows of the number."""
    outputs = {"label": {}, "strain": NUMBER}
    done = run(config(spoken, outputs=outputs, learner={"name": "neural", "epochs": 2}))
    html = write(done.folder).read_text("utf-8")
    assert "The surest errors" in html and "strain: ccc" in html
