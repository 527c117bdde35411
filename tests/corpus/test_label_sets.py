"""Several labels at once: cells, truth, thresholds and metrics against oracles, and whole runs."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from multimodal_ser import compare, load, run
from multimodal_ser.config.read import check
from multimodal_ser.corpus import label_sets
from multimodal_ser.corpus.corpus import About, build
from multimodal_ser.corpus.targets import targets_of
from multimodal_ser.evaluation import metrics
from multimodal_ser.evaluation.contrast import contrast
from multimodal_ser.evaluation.evaluate import evaluate, tallies
from multimodal_ser.evaluation.predictions import ensemble, kind_of
from multimodal_ser.report import write
from multimodal_ser.runs.run import as_experiment
from multimodal_ser.studies.score import score
from multimodal_ser.training.model import merge_labels
from multimodal_ser.types import ConfigError, DataError
from tests.helpers.tones import table_config

NAMES = ("joy", "sadness", "surprise")


def test_a_cell_holds_a_set_none_of_them_or_nothing():
    cells = pd.Series(["joy|surprise", "-", None, " sadness | joy ", "surprise"])
    truth = label_sets.matrix(cells, NAMES)
    nan = np.nan
    expected = [[1, 0, 1], [0, 0, 0], [nan, nan, nan], [1, 1, 0], [0, 0, 1]]
    np.testing.assert_array_equal(truth, expected)
    rows = [0, 1, 3, 4]
    assert label_sets.written(truth[rows] == 1, NAMES) == [
        "joy|surprise", "-", "joy|sadness", "surprise",
    ]  # fmt: skip


def test_whatever_is_no_set_of_the_labels_is_named():
    cells = pd.Series(["joy", "joy|fear", "joy||sadness", "-|joy", "", None, "joy;sadness"])
    assert label_sets.strangers(cells, NAMES).tolist() == [*cells[1:5], cells[6]]
    assert label_sets.strangers(cells, NAMES, ";").tolist() == [*cells[1:5]]


def test_the_rarest_label_of_a_set_stands_for_it():
    cells = pd.Series(["joy|sadness", "joy", "joy", "-", None, "sadness|surprise"])
    found = label_sets.rarest(cells)
    assert found.dropna().tolist() == ["sadness", "joy", "joy", "-", "surprise"]
    assert pd.isna(found[4])


ABOUT = About(name="four", licence="none", citation="none", home="here")


def target(folder, output, name="mood", **columns):
    table = pd.DataFrame({"id": list("abcd"), "text": ["uno", "dos", "tres", "seis"]})
    corpus = build(table.assign(**columns), ABOUT, root=folder)
    raw = {"name": "four", "corpus": {"name": "demo"}, "encoders": {"text": {"name": "hashing"}}}
    return targets_of(
        check(raw | {"outputs": {name: {"kind": "labels", **output}}}).outputs, corpus
    )[name]


def test_a_column_of_sets_is_a_target(tmp_path):
    found = target(tmp_path, {}, mood=["b|a", "-", None, "a"])
    assert (found.kind, found.classes) == ("labels", ("a", "b"))
    np.testing.assert_array_equal(
        found.learned, np.array([[1, 1], [0, 0], [np.nan, np.nan], [1, 0]], np.float32)
    )
    assert found.known.tolist() == [True, True, False, True]
    assert found.written[[0, 1, 3]].tolist() == ["a|b", "-", "a"]
    assert pd.isna(found.written[2])
    assert found.codes.tolist() == [2, 0, -1, 1], "of the sets {}, {a}, {a, b}"
    assert found.has(1).tolist() == [True, False, False, False]


def test_columns_of_0_and_1_are_a_target_and_a_row_partly_known_is_learned_from(tmp_path):
    columns = {"joy": [1, 0, 1, None], "fear": [True, False, False, True]}
    found = target(tmp_path, {"columns": ["joy", "fear"]}, **columns)
    assert found.classes == ("joy", "fear")
    expected = np.array([[1, 1], [0, 0], [1, 0], [np.nan, 1]], np.float32)
    np.testing.assert_array_equal(found.learned, expected)
    assert found.known.all() and found.written.notna().tolist() == [True, True, True, False]


def test_labels_that_enough_raters_gave_are_true(tmp_path):
    votes = {"votes:joy": [3, 1, 0, 0], "votes:fear": [1, 1, 0, 0], "votes:other": [0, 2, 0, 4]}
    output = {"votes": 0.25, "classes": ["joy", "fear"]}
    found = target(tmp_path, output, **votes)
    assert found.written[[0, 1, 3]].tolist() == ["joy|fear", "joy|fear", "-"]
    assert pd.isna(found.written[2]), "nobody has voted"
    assert target(tmp_path, {"votes": 0.5}, **votes).written[1] == "other"


@pytest.mark.parametrize(
    ("output", "columns", "message"),
    [
        ({"classes": ["a", "b"]}, {"mood": ["a", "a|c", "-", None]}, r"1 cells .*\n  b: 'a\|c'$"),
        ({}, {"mood": ["a", "a||b", "-", None]}, r"no labels among a, b .*mood\):\n  b: 'a\|\|b'$"),
        ({"separator": ";"}, {"mood": ["a;b|c", "a", "b", "a"]}, r"\n  a: 'a;b\|c'$"),
        ({}, {"mood": ["a", "a", "-", None]}, r"two labels or more are needed; 'mood' has \['a'\]"),
        ({"classes": ["a", "b"]}, {"mood": [None] * 4}, "no row of the corpus has a label"),
        ({}, {"other": ["a"] * 4}, "the corpus has no column 'mood'"),
        ({"columns": ["joy", "fear"]}, {"joy": [1, 0, 1, 0]}, "no column 'fear'"),
        (
            {"columns": ["joy", "fear"]},
            {"joy": [1, 0, 1, 0], "fear": [2, 0, None, 1]},
            r"1 values of 'fear' are not 0 or 1 \(outputs.mood\):\n  a: 2.0$",
        ),
        ({"votes": 0.5}, {}, r"outputs.mood.votes: the corpus has no columns votes:<label>"),
    ],
)
def test_columns_that_hold_no_labels_are_errors_of_the_data(tmp_path, output, columns, message):
    with pytest.raises(DataError, match=message):
        target(tmp_path, output, **columns)


def test_mistakes_of_labels_come_together_and_say_the_way_out():
    outputs = {
        "a": {"kind": "labels", "loss": "cross_entropy", "smoothing": 0.1, "soft": True},
        "b": {"kind": "labels", "columns": ["x", "x"], "votes": 0.5, "separator": ","},
        "c": {"kind": "labels", "edges": [0], "classes": ["-", "u|v"]},
        "d": {"columns": ["x", "y"], "separator": ","},
        "e": {"kind": "labels", "columns": ["x", "y"], "classes": ["x", "y"]},
    }
    raw = {"name": "n", "corpus": {"name": "demo"}, "encoders": {"text": {"name": "hashing"}}}
    with pytest.raises(ConfigError, match="5 problems") as caught:
        check(raw | {"outputs": outputs})
    lines = str(caught.value).split("\n  ")[1:]
    for line, parts in zip(
        lines,
        [
            ("kind labels has the losses binary_cross_entropy", "smoothing: only", "soft: only"),
            ("one of columns, votes", "separator: only a column of sets", "named twice"),
            ("labels have no edges", "may be called '-'", r"may be called 'u|v'"),
            ("columns: only labels have it, and the kind is classes", "separator: only labels"),
            ("classes: columns name the labels",),
        ],
        strict=True,
    ):
        for part in parts:
            assert part in line


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"learner": {"name": "svm"}}, "outputs.mood: 'svm' predicts classes, no labels"),
        ({"balance": "weights"}, "balance: only classes can be balanced"),
        ({"metrics": ["macro_f1"]}, "'macro_f1' scores classes, and no output is of that kind"),
        ({"metrics": ["macro_f1"]}, r"mood: no metric fits its kind \(for example label_macro_f1"),
        ({"learner": {"name": "neural", "select": "ccc"}}, "learner.select: no output"),
    ],
)
def test_what_labels_cannot_have_is_refused(changes, message):
    raw = {"name": "n", "corpus": {"name": "demo"}, "encoders": {"text": {"name": "hashing"}}}
    with pytest.raises(ConfigError, match=message):
        check(raw | {"outputs": {"mood": {"kind": "labels"}}} | changes)


def drawn(rows=200, seed=0):
    """Truth and guess of three labels, the third rare."""
    generator = np.random.default_rng(seed)
    truth = generator.random((rows, 3)) < [0.5, 0.3, 0.05]
    return truth, truth ^ (generator.random((rows, 3)) < 0.2)


ORACLES = {
    "label_macro_f1": lambda truth, guess: f1_score(truth, guess, average="macro"),
    "label_micro_f1": lambda truth, guess: f1_score(truth, guess, average="micro"),
    "subset_accuracy": accuracy_score,
}


@pytest.mark.parametrize("name", ORACLES)
def test_a_metric_of_labels_is_scikit_learns(name):
    truth, guess = drawn()
    sums = metrics.agreements(truth.astype(float), guess).sum(0)
    assert metrics.find(name)(sums) == pytest.approx(ORACLES[name](truth, guess))
    precision, recall, f1, support = precision_recall_fscore_support(truth, guess)
    np.testing.assert_allclose(metrics.label_precision(sums), precision)
    np.testing.assert_allclose(metrics.label_recall(sums), recall)
    np.testing.assert_allclose(metrics.label_f1(sums), f1)
    np.testing.assert_allclose(metrics.label_support(sums), support)


def test_metrics_of_labels_by_hand():
    """Truth a|b, a, none; guess a, a|b, none: a is right twice, b never; a third is whole."""
    truth = np.array([[1, 1], [1, 0], [0, 0], [np.nan, 1]])
    guess = np.array([[1, 0], [1, 1], [0, 0], [1, 1]], dtype=bool)
    sums = metrics.agreements(truth, guess).sum(0)
    assert sums.tolist() == [3, 1, 2, 0, 2, 1, 2, 1], "a row partly known is not scored"
    assert metrics.label_macro_f1(sums) == pytest.approx((1 + 0) / 2)
    assert metrics.label_micro_f1(sums) == pytest.approx(2 * 2 / (3 + 3))
    assert metrics.subset_accuracy(sums) == pytest.approx(1 / 3)


def test_a_label_neither_true_nor_predicted_leaves_the_mean_and_a_false_one_counts_0():
    truth = np.array([[1.0, 0, 0], [0, 0, 0]])
    guess = np.array([[1, 0, 1], [0, 0, 0]], dtype=bool)
    sums = metrics.agreements(truth, guess).sum(0)
    assert metrics.label_macro_f1(sums) == pytest.approx(1 / 2)


def test_a_stack_of_sums_is_scored_in_one_call():
    stack = np.stack([metrics.agreements(drawn(seed=s)[0] * 1.0, drawn(seed=s)[1]).sum(0)
                      for s in range(6)]).reshape(2, 3, -1)  # fmt: skip
    for name in metrics.LABEL_METRICS:
        metric = metrics.find(name)
        assert metric(stack).shape == (2, 3)
        assert metric(stack)[1, 2] == metric(stack[1, 2])


@pytest.mark.parametrize("seed", range(5))
def test_thresholds_are_the_best_of_all_there_are(seed):
    """Every cut between two scores, and before the first, tried one by one with scikit-learn."""
    truth, _ = drawn(40, seed)
    generator = np.random.default_rng(seed)
    scores = np.clip(0.5 * truth + 0.7 * generator.random(truth.shape), 0, 1).round(2)
    found = metrics.best_thresholds(truth.astype(float), scores)
    for label in range(3):
        tried = [0, *np.unique(scores[:, label])]
        best = max(f1_score(truth[:, label], scores[:, label] >= cut) for cut in tried)
        said = scores[:, label] >= found[label]
        assert f1_score(truth[:, label], said) == pytest.approx(best)
        assert found[label] == 0.5 or found[label] not in scores[:, label]


def test_thresholds_by_hand():
    """Of .9 .7 .4 .2 the first three true: midway between .2 and .4. Where 0.5 is as good, 0.5."""
    scores = np.array([[0.9, 0.9, 0.9], [0.7, 0.8, 0.7], [0.4, 0.3, 0.4], [0.2, 0.1, 0.2]])
    truth = np.array([[1.0, 1, 0], [1, 1, 0], [1, 0, 0], [0, np.nan, np.nan]])
    np.testing.assert_allclose(metrics.best_thresholds(truth, scores), [0.3, 0.5, 0.5])
    assert metrics.best_thresholds(np.ones((4, 1)), scores[:, :1])[0] < 0.2, "all are true"


def test_merged_labels_are_the_mean_of_their_probabilities_over_who_is_present():
    logits = torch.randn(4, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    present = torch.tensor([[True, True], [True, False], [False, True], [True, True]])
    p = 1 / (1 + np.exp(-logits.numpy()))
    here = present.numpy()[:, :, None]
    said = torch.sigmoid(merge_labels(logits, present, "mean"))
    np.testing.assert_allclose(said, (p * here).sum(1) / here.sum(1))
    both = torch.sigmoid(merge_labels(logits[:1], present[:1], "product"))
    yes, no = np.sqrt(p[0].prod(0)), np.sqrt((1 - p[0]).prod(0))
    np.testing.assert_allclose(both[0], yes / (yes + no))


CLUSTERS, EACH = 12, 6


def said(wrong, seeds=(0, 1), clusters=CLUSTERS):
    """Predictions as a run would write them, of which a share of the labels is wrong."""
    count = clusters * EACH
    truth = np.random.default_rng(0).random((count, 3)) < [0.5, 0.3, 0.2]
    frames = []
    for seed in seeds:
        generator = np.random.default_rng(seed + 1)
        guess = truth ^ (generator.random(truth.shape) < wrong)
        cuts = np.array([0.5, 0.4, 0.2])
        scores = np.where(guess, cuts + 0.1, cuts - 0.1)
        table = pd.DataFrame({"truth": label_sets.written(truth, NAMES)})
        table["value"] = label_sets.written(guess, NAMES)
        for at, name in enumerate(NAMES):
            table[f"score:{name}"] = scores[:, at]
            table[f"threshold:{name}"] = cuts[at]
        frames.append(table.assign(seed=seed, place=range(count)))
    table = pd.concat(frames, ignore_index=True)
    table["id"] = table["place"].map("u{:03}".format)
    table["cluster"] = (table["place"] // EACH).map("c{:02}".format)
    return table.assign(repeat=0, fold=0, part="test", target="mood")


def bits(cells):
    return np.array([[name in cell.split("|") for name in NAMES] for cell in cells])


@pytest.mark.parametrize("name", ORACLES)
def test_evaluation_of_labels_is_the_formula_by_seed_with_an_interval_of_clusters(name):
    rows = said(0.2)
    assert kind_of(rows) == "labels"
    found = evaluate(rows, [name])["test"]["metrics"][name]
    by_seed = [ORACLES[name](bits(one["truth"]), bits(one["value"]))
               for _, one in rows.groupby("seed")]  # fmt: skip
    assert list(found["by_seed"].values()) == pytest.approx(by_seed)
    assert found["mean"] == pytest.approx(np.mean(by_seed))
    assert found["low"] < found["mean"] < found["high"]
    wide = evaluate(said(0.2, clusters=120), [name])["test"]["metrics"][name]
    assert wide["high"] - wide["low"] < 0.6 * (found["high"] - found["low"])


def test_tallies_of_labels_add_up_over_clusters_and_skip_what_has_no_truth():
    rows = said(0.2)
    rows["truth"] = rows["truth"].mask(rows["cluster"] == "c00")
    found = tallies(rows)
    assert found.shape == (2, CLUSTERS - 1, 2 + 3 * 3)
    assert (found[:, :, 0] == EACH).all()
    numbers = evaluate(rows, ["subset_accuracy"])["test"]
    assert (numbers["clusters"], numbers["unscored"]) == (CLUSTERS - 1, EACH)
    assert set(numbers["classes"]) == set(NAMES) and numbers["confusion"] == []
    kept = rows[rows["truth"].notna()]
    _, _, f1, support = precision_recall_fscore_support(
        bits(kept[kept["seed"] == 0]["truth"]), bits(kept[kept["seed"] == 0]["value"])
    )
    joy = evaluate(kept[kept["seed"] == 0], ["subset_accuracy"])["test"]["classes"]["joy"]
    assert (joy["f1"], joy["utterances"]) == (pytest.approx(f1[0]), support[0])


def test_the_ensemble_averages_probabilities_and_thresholds():
    rows = said(0.3)
    rows.loc[rows["seed"] == 1, "threshold:joy"] = 0.9
    found = ensemble(rows).set_index("id")
    assert found["threshold:joy"].unique() == pytest.approx([0.7])
    mean = rows.groupby("id")["score:joy"].mean()
    pd.testing.assert_series_equal(found["score:joy"], mean)


def test_two_models_of_labels_are_told_apart_by_the_swap_test_and_two_equal_ones_are_not():
    good, bad = said(0.05), said(0.3)
    found = contrast(good, bad, "label_macro_f1")
    assert found.gap > 0 and found.p < 0.01 and found.low > 0
    whole = [(one["truth"] == one["value"])[one["seed"] == 0] for one in (good, bad)]
    from multimodal_ser.evaluation.statistics import mcnemar

    assert found.mcnemar == mcnemar(*(one.to_numpy() for one in whole))
    same = contrast(good, good, "label_micro_f1")
    assert (same.gap, same.p) == (0, 1)


def test_a_model_of_labels_that_has_collapsed_is_said_first():
    rows = said(0.1, seeds=(0,))
    never = rows.assign(**{"score:surprise": 0.1})
    assert evaluate(never, ["subset_accuracy"])["test"]["notices"] == ["never predicts surprise"]
    always = rows.assign(**{"score:joy": 0.6})
    (notice,) = evaluate(always, ["subset_accuracy"])["test"]["notices"]
    assert notice == "predicts joy for more than 90% of utterances"
    none = rows.assign(**{f"score:{name}": 0.0 for name in NAMES})
    assert evaluate(none, ["subset_accuracy"])["test"]["notices"] == [
        "never predicts joy, sadness, surprise",
        "predicts none of the labels for more than 90% of utterances",
    ]


SPEAKERS, TURNS = 12, 12
WORDS = {"joy": "risa", "sadness": "lágrima", "surprise": "anda"}


def spoken_table():
    """A word for each label that is there, among words that mean nothing; some rows have none."""
    generator = np.random.default_rng(0)
    rows = []
    for speaker in range(SPEAKERS):
        for turn in range(TURNS):
            has = generator.random(3) < [0.5, 0.4, 0.15]
            words = [WORDS[name] for name, is_in in zip(NAMES, has, strict=True) if is_in]
            text = " ".join(generator.permutation([*words, "y", "la", f"n{speaker}_{turn}"]))
            (cell,) = label_sets.written(has[None], NAMES)
            rows.append([f"s{speaker:02}-{turn:02}", text, cell, f"s{speaker:02}", len(words)])
    return pd.DataFrame(rows, columns=["id", "text", "mood", "speaker", "count"])


def config(folder, **changes):
    usual = {
        "outputs": {"mood": {"kind": "labels"}},
        "learner": {"name": "neural", "epochs": 25, "optimizer": {"lr": 0.02}},
        "seeds": [0],
    }
    encoders = {"text": {"name": "hashing", "buckets": 512, "words": [1, 1]}}
    return table_config(folder, "moods", encoders) | usual | changes


@pytest.fixture
def spoken(tmp_path):
    spoken_table().to_csv(tmp_path / "table.csv", index=False)
    return tmp_path


@pytest.fixture(scope="module")
def moods(tmp_path_factory):
    """A finished run, of two seeds, on the moods."""
    folder = tmp_path_factory.mktemp("moods")
    spoken_table().to_csv(folder / "table.csv", index=False)
    return run(config(folder, seeds=[0, 1]))


def written_to(folder):
    return pd.read_csv(folder / "predictions.csv")


def test_labels_that_words_give_away_are_learned(moods):
    table = moods.table()
    assert list(table.index) == list(metrics.LABEL_METRICS)
    assert table.loc["label_macro_f1", "mean"] > 0.9
    assert table.loc["subset_accuracy", "mean"] > 0.85
    rows = written_to(moods.folder).query("part == 'test' and seed == 1")
    oracle = f1_score(bits(rows["truth"]), bits(rows["value"]), average="macro")
    by_seed = moods.metrics["test"]["metrics"]["label_macro_f1"]["by_seed"]
    assert by_seed["1"] == pytest.approx(oracle)
    probes = moods.prepared.audit.probes
    assert set(probes["majority"]) == set(metrics.LABEL_METRICS)


def test_thresholds_are_those_of_dev_and_value_is_what_they_make_of_the_scores(moods):
    rows = written_to(moods.folder)
    for (fold, seed), some in rows.groupby(["fold", "seed"]):
        kept = json.loads((moods.folder / f"models/{fold}-{seed}/model.json").read_text())
        cuts = np.array(kept["thresholds"]["mood"])
        told = some[[f"threshold:{name}" for name in NAMES]].drop_duplicates()
        np.testing.assert_allclose(told, [cuts])
        scores = some[[f"score:{name}" for name in NAMES]].to_numpy()
        assert label_sets.written(scores >= cuts, NAMES) == some["value"].tolist()
        dev = some[some["part"] == "dev"]
        truth, scores = bits(dev["truth"]), dev[[f"score:{name}" for name in NAMES]].to_numpy()
        for label, cut in enumerate(cuts):
            tried = [0, *np.unique(scores[:, label])]
            best = max(f1_score(truth[:, label], scores[:, label] >= one) for one in tried)
            assert f1_score(truth[:, label], scores[:, label] >= cut) == pytest.approx(best)


def test_the_probe_answers_with_the_commonest_set(moods):
    test = moods.part("test").query("seed == 0")
    truth = test.set_index("id")["truth"]
    split = pd.read_csv(moods.folder / "split.csv")
    cells = pd.read_csv(moods.folder.parents[2] / "table.csv").set_index("id")["mood"]
    right = []
    for fold, rows in split.groupby("fold"):
        known = cells[rows.query("part != 'test'")["id"]]
        counts = known.value_counts()
        best = set(counts.index[counts == counts.max()])
        assert len(best) == 1, f"fold {fold} has one commonest set"
        right += [truth[one] in best for one in rows.query("part == 'test'")["id"]]
    probe = moods.prepared.audit.probes["majority"]["subset_accuracy"]
    assert probe == pytest.approx(np.mean(right))


def test_a_loaded_run_says_the_labels_of_its_predictions(moods):
    rows = written_to(moods.folder).query("part == 'test' and fold == 1 and seed == 1")
    rows = rows.set_index("id")
    table = pd.read_csv(moods.folder.parents[2] / "table.csv").set_index("id", drop=False)
    asked = table.loc[rows.index, ["id", "text", "speaker"]]
    predictor = load(moods.folder, fold=1, seed=1)
    found = predictor(asked).set_index("source")
    assert found["mood"].tolist() == rows["value"].tolist()
    for name in NAMES:
        np.testing.assert_allclose(found[f"score:{name}"], rows[f"score:{name}"], atol=1e-6)
    from multimodal_ser.inference.questions import questions

    (answer,) = predictor.answers(questions(asked.iloc[:1]))
    value = answer.plain()["values"]["mood"]
    assert isinstance(value, list) and label_sets.cell(value) == rows["value"].iloc[0]
    (shy,) = predictor.answers(questions(asked.iloc[:1]), abstain=1.0)
    assert shy.values["mood"] == []


def test_a_loaded_ensemble_averages_probabilities_and_thresholds(moods):
    rows = written_to(moods.folder).query("part == 'test' and fold == 0")
    mean = rows.drop(columns=["cluster", "part", "target", "truth", "value"]).groupby("id").mean()
    table = pd.read_csv(moods.folder.parents[2] / "table.csv").set_index("id", drop=False)
    found = load(moods.folder, fold=0)(table.loc[mean.index, ["id", "text"]])
    expected = [
        "|".join(name for name in NAMES if row[f"score:{name}"] >= row[f"threshold:{name}"]) or "-"
        for _, row in mean.iterrows()
    ]
    assert found["mood"].tolist() == expected


def test_the_command_line_says_each_label_with_its_probability(moods, capsys, tmp_path):
    from typer.testing import CliRunner

    from multimodal_ser.cli import app

    (tmp_path / "ask.csv").write_text("id,text\none,y la risa anda\ntwo,y la\n")
    words = ["predict", str(moods.folder), str(tmp_path / "ask.csv"), "--fold", "0"]
    one, two = CliRunner().invoke(app, words).stdout.splitlines()
    assert one.startswith("one  joy 0.") and ", surprise 0." in one
    assert two.startswith("two  none of the labels")


def test_a_run_that_stops_before_the_test_goes_on_to_the_same_bytes(spoken):
    short = {"learner": {"name": "neural", "epochs": 3}}
    sealed = run(config(spoken, **short), open_test=False)
    assert set(sealed.predictions["part"]) == {"dev"}
    later = run(config(spoken, **short))
    once = run(config(spoken, runs_dir=str(spoken / "once"), workers=2, **short))
    for name in ("predictions.csv", "metrics.json"):
        assert (later.folder / name).read_bytes() == (once.folder / name).read_bytes()


def test_a_model_of_all_rows_decides_by_the_mean_of_what_the_folds_chose(spoken):
    """It has no dev part, and its probabilities are no better spread than theirs."""
    done = run(config(spoken, seeds=[0, 1]), final=True)
    chosen = [
        json.loads((done.folder / f"models/{fold}-{seed}/model.json").read_text())["thresholds"]
        for fold in range(3)
        for seed in (0, 1)
    ]
    written = json.loads((done.folder / "models/final-1/model.json").read_text())
    mean = np.mean([one["mood"] for one in chosen], axis=0)
    np.testing.assert_allclose(written["thresholds"]["mood"], mean)
    table = pd.read_csv(spoken / "table.csv")
    found = load(done.folder)(table[["id", "text"]])
    assert f1_score(bits(table["mood"]), bits(found["mood"]), average="macro") > 0.9


def test_without_dev_a_label_is_predicted_from_one_half_on(spoken):
    done = run(config(spoken, protocol={"name": "kfold", "folds": 3, "dev": False}))
    rows = written_to(done.folder)
    assert (rows[[f"threshold:{name}" for name in NAMES]] == 0.5).all(axis=None)
    scores = rows[[f"score:{name}" for name in NAMES]].to_numpy()
    assert label_sets.written(scores >= 0.5, NAMES) == rows["value"].tolist()


def test_sets_may_stand_in_the_column_label_and_the_split_is_cut_by_the_rarest(spoken):
    """Though some set is tested that no training row has, which of classes would be an error."""
    table = spoken_table().rename(columns={"mood": "label"})
    table.loc[table["speaker"] == "s00", "label"] = "joy|sadness|surprise"
    table["label"] = table["label"].str.replace("|", ";")
    other = (table["label"] == "joy;sadness;surprise") & (table["speaker"] != "s00")
    table.loc[other, "label"] = "joy;sadness"
    table.to_csv(spoken / "table.csv", index=False)
    output = {"label": {"kind": "labels", "separator": ";"}}
    done = run(config(spoken, outputs=output))
    assert done.metrics["test"]["unscored"] == 0
    assert set(done.metrics["test"]["classes"]) == set(NAMES)
    assert "joy|sadness|surprise" in set(written_to(done.folder)["truth"])


def test_rows_that_are_not_known_are_predicted_and_not_scored(spoken):
    """Of the first turns nothing is known of the mood, and something of its columns."""
    table = spoken_table()
    first = table["id"].str.endswith("-00")
    for name in NAMES:
        table[name] = table["mood"].str.contains(name)
    table["joy"] = table["joy"].where(~first)
    table["mood"] = table["mood"].mask(first)
    table.to_csv(spoken / "table.csv", index=False)
    with pytest.raises(DataError, match="12 training rows have no mood"):
        run(config(spoken))
    parts = {"mood": {"kind": "labels"}, "flags": {"kind": "labels", "columns": list(NAMES)}}
    done = run(config(spoken, outputs=parts, learner={"name": "neural", "epochs": 2}))
    assert done.metrics["test"]["unscored"] == SPEAKERS
    assert done.metrics["test"]["others"]["flags"]["unscored"] == SPEAKERS
    for target in parts:
        rows = done.part("test", target)
        assert rows["truth"].isna().sum() == SPEAKERS and rows["value"].notna().all()
    moods, flags = (done.part("test", target)["truth"].dropna().tolist() for target in parts)
    assert moods == flags


def test_labels_beside_a_class_and_a_number_are_learned_together(spoken):
    table = spoken_table()
    table["label"] = np.where(table["mood"].str.contains("sad"), "low", "high")
    table.to_csv(spoken / "table.csv", index=False)
    outputs = {
        "mood": {"kind": "labels"},
        "label": {"smoothing": 0.1},
        "count": {"kind": "numbers", "loss": "mse", "weight": 0.5},
    }
    done = run(config(spoken, outputs=outputs, balance="effective"))
    table = done.table()["mean"]
    assert table["mood", "label_macro_f1"] > 0.8
    assert table["label", "uar"] > 0.9
    assert table["count", "ccc"] > 0.7
    rows = written_to(done.folder)
    for name, some in rows.groupby("target"):
        assert some.filter(like="threshold:").notna().all(axis=None) == (name == "mood")
        assert kind_of(some) == {"mood": "labels", "label": "classes", "count": "numbers"}[name]
    html = write(done.folder).read_text("utf-8")
    assert "mood: label_macro_f1" in html and "label: macro_f1" in html


@pytest.mark.parametrize("merge", ["mean", "product"])
def test_late_decisions_of_labels_are_merged_label_by_label(spoken, merge):
    encoders = {
        "letters": {"name": "hashing", "buckets": 256, "words": [1, 1]},
        "words": {"name": "hashing", "buckets": 512, "words": [1, 1]},
    }
    done = run(config(spoken, encoders=encoders, fusion={"name": "late", "merge": merge}))
    assert done.table().loc["label_macro_f1", "mean"] > 0.85


def test_a_report_of_labels_has_each_of_them_and_no_confusion(moods):
    html = write(moods.folder).read_text("utf-8")
    assert "F1 of each label" in html and "Labels of text" in html
    assert "Confusion" not in html
    assert "The predictions furthest off" in html
    assert "commonest set" in html
    for name in NAMES:
        assert name in html


def test_a_study_of_labels_has_a_verdict_without_a_detectable_accuracy(spoken):
    encoders = {
        "blind": {"name": "hashing", "buckets": 2, "words": [3, 3]},
        "words": {"name": "hashing", "buckets": 512, "words": [1, 1]},
    }
    table = spoken_table().assign(gender=lambda one: one["count"].map(str))
    table.to_csv(spoken / "table.csv", index=False)
    study = compare(config(spoken, encoders=encoders, breakdown=["gender"]))
    assert (study.metric, study.baseline, study.detectable) == ("label_macro_f1", "words", None)
    assert study.contrasts["blind"].gap < 0 and study.contrasts["blind"].shown
    assert len(study.verdict()) == 1
    assert "words" in study.breakdown("gender")
    html = write(study.folder).read_text("utf-8")
    assert "Label_macro_f1 by gender" in html


@pytest.fixture
def task(tmp_path):
    """Four sets to be guessed, and their guesses scored by hand."""
    rows = [
        ["t0", "joy|sadness", "s0", "test"],
        ["t1", "joy", "s0", "test"],
        ["t2", "-", "s1", "test"],
        ["t3", "sadness", "s1", "test"],
        *[[f"r{one}", "joy|sadness", f"r{one}", "train"] for one in range(4)],
    ]
    table = pd.DataFrame(rows, columns=["id", "mood", "speaker", "split"])
    table.assign(text="x " + table["id"]).to_csv(tmp_path / "table.csv", index=False)
    path = tmp_path / "task.yaml"
    protocol = {"name": "official", "dev": 0}
    path.write_text(yaml.safe_dump(config(tmp_path, protocol=protocol)))
    return path


def answers(folder, **columns):
    path = folder / "answers.csv"
    pd.DataFrame({"id": ["t0", "t1", "t2", "t3"], **columns}).to_csv(path, index=False)
    return path


SAID = ["joy", "joy|sadness", "-", "sadness"]


def test_anybodys_labels_are_scored_as_cells_or_as_probabilities(task, tmp_path):
    """joy is right both times; sadness once, predicted twice, true twice; two sets are whole."""
    expected = {
        "label_macro_f1": (1 + 1 / 2) / 2,
        "label_micro_f1": 2 * 3 / (4 + 4),
        "subset_accuracy": 2 / 4,
    }
    cells = {"value": SAID}
    scores = {"score:joy": [0.9, 0.6, 0.1, 0.2], "score:sadness": [0.3, 0.7, 0.2, 0.5]}
    low = {"score:joy": [0.3, 0.2, 0.0, 0.1], "score:sadness": [0.3, 0.9, 0.5, 0.8]}
    cuts = {"threshold:joy": [0.2] * 4, "threshold:sadness": [0.6] * 4}
    for columns in (cells, {"mood": SAID}, scores, low | cuts):
        found = score(answers(tmp_path, **columns), task)
        values = {name: one["mean"] for name, one in found.metrics["metrics"].items()}
        assert values == pytest.approx(expected)


def test_an_answer_that_is_no_set_of_labels_is_named(task, tmp_path):
    with pytest.raises(
        DataError, match=r"2 predictions are not among joy, sadness:\n  t1: joy\|fear"
    ):
        score(answers(tmp_path, value=["joy", "joy|fear", "-", ""]), task)


def test_anybodys_labels_are_compared_with_a_run(task, tmp_path):
    done = run(yaml.safe_load(task.read_text()) | {"seeds": [0]})
    found = score(answers(tmp_path, value=SAID), task, against=done.folder)
    assert found.contrast is not None and found.contrast.metric == "label_macro_f1"


def test_a_submission_holds_the_cells_of_the_ensemble(moods):
    from multimodal_ser.runs.submission import answers as submitted

    rows = moods.part("test")
    found = submitted(rows).set_index("id")["value"]
    mean = rows.groupby("id")[[f"{kind}:{name}" for name in NAMES
                               for kind in ("score", "threshold")]].mean()  # fmt: skip
    for one, row in mean.iterrows():
        has = [name for name in NAMES if row[f"score:{name}"] >= row[f"threshold:{name}"]]
        assert found[one] == ("|".join(has) or "-")


def test_labels_alone_take_their_own_metrics_and_loss(tmp_path):
    experiment = as_experiment(config(tmp_path))
    assert experiment.metrics == list(metrics.LABEL_METRICS)
    assert experiment.outputs["mood"].loss == "binary_cross_entropy"
