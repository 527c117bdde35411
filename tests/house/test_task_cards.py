"""Task cards: what a config takes from one, where it leaves the task, what the report draws."""

import json
import re
import zipfile
from pathlib import Path

import pandas as pd
import pytest
import yaml

from multimodal_ser import report, run
from multimodal_ser.config.read import check, load
from multimodal_ser.studies.score import score
from multimodal_ser.types import ConfigError, DataError
from tests.report.test_report import Page

CARDS = sorted((Path(__file__).parents[2] / "configs" / "tasks").glob("*.yaml"))
CLASSES = ["joy", "neutral", "sadness"]

# Ten test sentences of five speakers, and fixed answers, scored by hand:
#   truth  joy joy joy joy neu neu neu sad sad sad
#   guess  joy joy joy neu neu neu sad sad joy neu
# joy: 3 right, 4 guessed, 4 true: F1 6/8; neutral: 2, 4, 3: 4/7; sadness: 1, 2, 3: 2/5
TRUTH = ["joy"] * 4 + ["neutral"] * 3 + ["sadness"] * 3
GUESS = ["joy"] * 3 + ["neutral"] * 3 + ["sadness"] * 2 + ["joy", "neutral"]
GOLDEN = {
    "macro_f1": (3 / 4 + 4 / 7 + 2 / 5) / 3,
    "uar": (3 / 4 + 2 / 3 + 1 / 3) / 3,
    "accuracy": 6 / 10,
}


def write_sentences(folder, name="sentences.csv"):
    """Thirty sentences to train on and the ten of the test; no speaker is in both."""
    words = {"joy": "qué alegría más grande", "neutral": "son las nueve", "sadness": "qué pena"}
    rows = [[f"t{at}", label, f"s{at // 2}", "test"] for at, label in enumerate(TRUTH)]
    rows += [[f"r{at}", CLASSES[at % 3], f"r{at // 3}", "train"] for at in range(30)]
    table = pd.DataFrame(rows, columns=["id", "label", "speaker", "split"])
    table["text"] = table["label"].map(words) + " " + table["id"]
    table.to_csv(folder / name, index=False)
    return table


def card(folder, **changes):
    """A small task with three published results, one of them without the metric that decides."""
    return {
        "name": "sentences",
        "corpus": {"name": "manifest", "root": str(folder), "path": "sentences.csv"},
        "protocol": {"name": "official", "dev": 0},
        "outputs": {"label": {"kind": "classes", "classes": CLASSES}},
        "metrics": ["macro_f1", "accuracy"],
        "task": {
            "title": "Sentences",
            "home": "https://example.org/sentences",
            "averaging": "macro-F1 of ten sentences",
            "published": [
                {"system": "weak", "values": {"macro_f1": 0.0123}, "source": "A 2020"},
                {"system": "silent", "values": {"accuracy": 0.9}, "source": "B 2021"},
                {"system": "perfect", "values": {"macro_f1": 1.0001}, "source": "C 2022"},
            ],
        },
    } | changes


def own(**changes):
    """A config that stands on the card in `tasks/`."""
    return {
        "name": "mine",
        "task": "tasks/card.yaml",
        "encoders": {"text": {"name": "hashing"}},
        "learner": {"name": "svm", "kernel": "linear"},
        "seeds": [0],
    } | changes


def write(path, what):
    path.parent.mkdir(exist_ok=True)
    path.write_text(yaml.safe_dump(what, sort_keys=False))
    return path


@pytest.fixture
def home(tmp_path):
    """A corpus, its card in `tasks/`, and beside that a config of ours."""
    write_sentences(tmp_path)
    write(tmp_path / "tasks" / "card.yaml", card(tmp_path))
    write(tmp_path / "mine.yaml", own(runs_dir=str(tmp_path / "runs")))
    return tmp_path


def loaded(home, *overrides, **changes):
    """The experiment of our config with other keys."""
    made = own(runs_dir=str(home / "runs"), **changes)
    return load(write(home / "mine.yaml", made), list(overrides))


# What a config takes from a card


def test_a_config_inherits_corpus_protocol_outputs_and_metrics(home):
    found = loaded(home)
    assert [part.name for part in found.corpus] == ["manifest"]
    assert found.corpus[0].options["path"] == "sentences.csv"
    assert (found.protocol.name, found.protocol.options["dev"]) == ("official", 0)
    assert found.outputs["label"].classes == CLASSES
    assert found.metrics == ["macro_f1", "accuracy"]
    assert found.task.title == "Sentences"


def test_its_own_keys_win(home):
    found = loaded(home, metrics=["uar"], protocol={"name": "kfold", "folds": 3})
    assert found.name == "mine", "the card has a name too"
    assert found.metrics == ["uar"]
    assert found.protocol.name == "kfold"
    assert found.corpus[0].name == "manifest", "what it does not say stays the card's"


def test_the_path_of_a_card_is_relative_to_the_config(home, monkeypatch, tmp_path_factory):
    monkeypatch.chdir(tmp_path_factory.mktemp("elsewhere"))
    assert loaded(home).task.title == "Sentences"
    assert load(write(home / "tasks" / "near.yaml", own(task="card.yaml"))).metrics[0] == "macro_f1"


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda raw: raw.pop("task"), r"card\.yaml is no task card: it has no task: section"),
        (lambda raw: raw.update(task="other.yaml"), "is no task card"),
        (lambda raw: raw.update(task=None), "is no task card"),
        (lambda raw: raw["task"].pop("home"), r"task\.home"),
        (lambda raw: raw["task"]["published"][0].pop("source"), r"task\.published\.0\.source"),
        (lambda raw: raw["task"].update(tilte="x"), r"task\.tilte(.|\n)*did you mean task\.title"),
    ],
)
def test_a_file_that_is_no_card_is_a_config_error(home, spoil, message):
    raw = card(home)
    spoil(raw)
    write(home / "tasks" / "card.yaml", raw)
    with pytest.raises(ConfigError, match=message):
        loaded(home)


def test_a_card_that_is_absent_is_a_config_error(home):
    with pytest.raises(ConfigError, match=r"cannot read .*gone\.yaml: No such file"):
        loaded(home, task="tasks/gone.yaml")
    (home / "tasks" / "list.yaml").write_text("- title: Sentences\n")
    with pytest.raises(ConfigError, match="must hold `key: value` lines"):
        loaded(home, task="tasks/list.yaml")


def test_a_card_has_no_encoders_which_is_fine_for_a_card_alone(home):
    path = home / "tasks" / "card.yaml"
    assert load(path, card=True).encoders == {}
    with pytest.raises(ConfigError, match="encoders: name at least one"):
        load(path)


def test_a_resolved_experiment_is_read_again_as_the_same(home):
    found = loaded(home, protocol={"name": "kfold", "folds": 3})
    again = check(json.loads(json.dumps(found.resolved())))
    assert again == found
    assert again.differs == found.differs == ["protocol"]
    alone = load(home / "tasks" / "card.yaml", card=True)
    assert check(alone.resolved(), card=True) == alone


def test_the_config_that_a_run_wrote_is_read_again_with_its_conditions(home):
    found = loaded(home, protocol={"name": "kfold", "folds": 3})
    path = write(home / "written.yaml", found.resolved())
    assert load(path).differs == ["protocol"], "its own protocol is not the card's"


def test_neither_task_nor_submission_changes_the_fingerprint(home):
    found = loaded(home)
    bare = found.model_copy(update={"task": None})
    packed = loaded(home, submission={"file": "answers.csv"})
    assert bare.fingerprint("h") == found.fingerprint("h") == packed.fingerprint("h")
    assert loaded(home, metrics=["uar"]).fingerprint("h") != found.fingerprint("h")


# Where a config leaves the task of its card


def other_corpus(home):
    return {"name": "manifest", "root": str(home), "path": "other.csv"}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, []),
        ({"protocol": {"name": "official", "dev": 0.2, "seed": 7}}, []),
        ({"protocol": {"name": "kfold"}}, ["protocol"]),
        ({"folds": [0]}, ["folds"]),
        ({"outputs": {"label": {"classes": ["joy", "sadness"]}}}, ["outputs"]),
        ({"outputs": {"label": {"classes": CLASSES, "loss": "cross_entropy", "weight": 2}}}, []),
        ({"metrics": ["uar"], "seeds": [3], "balance": "weights", "train_fraction": 0.5}, []),
    ],
)
def test_differs_names_what_leaves_the_task_and_nothing_else(home, changes, expected):
    assert loaded(home, **changes).differs == expected


def test_a_seed_that_the_card_itself_names_is_no_condition(home):
    write(home / "tasks" / "card.yaml", card(home, protocol={"name": "kfold", "seed": 1}))
    assert loaded(home, protocol={"name": "kfold", "seed": 2}).differs == []


def test_another_file_of_the_corpus_differs_and_another_root_does_not(home):
    assert loaded(home, "corpus.path=other.csv").differs == ["corpus"]
    assert loaded(home, "corpus.root=/moved").differs == []
    both = [card(home)["corpus"], other_corpus(home)]
    assert loaded(home, corpus=both).differs == ["corpus"]


def test_labels_that_the_card_leaves_alone_differ_where_a_config_maps_or_drops_them(home):
    assert "labels" in loaded(home, labels={"drop": ["neutral"]}).differs


def test_another_target_in_front_of_the_tasks_own_differs(home):
    """The first target decides, so its values are what would stand among the published ones."""
    mine = {"speaker": {"kind": "classes"}, "label": {"kind": "classes", "classes": CLASSES}}
    assert loaded(home, learner={"name": "neural"}, outputs=mine).differs == ["outputs"]


def test_the_first_of_two_test_files_is_not_the_task_of_the_second():
    path = CARDS[0].with_name("emospeech-task1.yaml")
    assert load(path, card=True).differs == []
    assert load(path, ["corpus.test=first"], card=True).differs == ["corpus"]
    assert load(path, ["protocol.dev=0.1", "corpus.root=there"], card=True).differs == []
    everything = [
        "corpus.test=first",
        "protocol.name=disjoint",
        "outputs.label.classes=[joy, fear]",
    ]
    assert load(path, everything, card=True).differs == ["corpus", "protocol", "outputs"]


def test_a_config_without_a_task_differs_from_none(home):
    assert load(home / "mine.yaml").model_copy(update={"task": None}).differs == []


# The shipped cards


def test_there_are_cards():
    assert len(CARDS) >= 4


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_a_shipped_card_is_whole(path):
    found = load(path, card=True)
    assert found.name == path.stem
    assert found.encoders == {}
    assert found.differs == []
    assert found.task.home.startswith("https://")
    assert found.task.averaging
    assert {"corpus", "protocol", "outputs"} <= set(found.task.conditions)
    for one in found.task.published:
        assert one.source.strip()
        assert found.metrics[0] in one.values, "it is what the task is sorted by"
        assert all(0 <= value <= 1 for value in one.values.values())
        assert set(one.values) <= set(found.metrics)


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.stem)
def test_the_published_values_of_a_shipped_card_are_in_order_and_of_different_systems(path):
    found = load(path, card=True)
    values = [one.values[found.metrics[0]] for one in found.task.published]
    systems = [one.system for one in found.task.published]
    assert values == sorted(values, reverse=True)
    assert len(set(systems)) == len(systems)


# What the report draws


def published(folder, kind="html"):
    """The chapter of published results as it stands on the page, and the rows of its table."""
    source = (report.write(folder).with_suffix(f".{kind}")).read_text("utf-8")
    chapter = re.search(r'<section id="published".*?</section>', source, re.DOTALL)
    if chapter is None:
        return None, []
    page = Page(chapter[0])
    rows = re.findall(r'<th scope="row">([^<]*)', chapter[0])
    return "".join(page.words), rows


def test_a_run_is_drawn_among_the_published_results_best_first(home):
    done = run(loaded(home))
    words, systems = published(done.folder)
    assert systems == ["perfect", "here: text", "weak", "silent"], "the last has no macro_f1"
    assert "nobody has run them here" in words
    assert "Sentences: macro-F1 of ten sentences (https://example.org/sentences)" in words
    value = done.metrics["test"]["metrics"]["macro_f1"]
    assert f"{value['mean']:.3f}{value['low']:.3f} to {value['high']:.3f}" in words


def test_a_run_that_differs_is_not_drawn_and_the_page_says_why(home):
    done = run(loaded(home, protocol={"name": "kfold", "folds": 3}))
    words, systems = published(done.folder)
    assert systems == ["perfect", "weak", "silent"]
    assert "This is not that task (protocol differ)" in words
    assert "not drawn among the published ones" in words
    audit = json.loads((done.folder / "audit.json").read_text())
    assert audit["differs"] == ["protocol"]


def test_a_run_whose_test_is_sealed_is_not_drawn(home):
    experiment = loaded(home, protocol={"name": "official", "dev": 0.3})
    words, systems = published(run(experiment, open_test=False).folder)
    assert "here: text" not in systems
    assert "part (dev, not test)" in words


def test_a_run_without_a_task_has_no_chapter_of_published_results(home):
    done = run(loaded(home).model_copy(update={"task": None, "name": "bare"}))
    assert published(done.folder) == (None, [])


def test_a_card_without_published_values_says_so(home):
    raw = card(home)
    raw["task"]["published"] = []
    write(home / "tasks" / "card.yaml", raw)
    words, systems = published(run(loaded(home)).folder)
    assert "no published value" in words
    assert systems == []


def test_a_metric_of_which_less_is_better_is_sorted_the_other_way_round(home):
    table = pd.read_csv(home / "sentences.csv")
    table.assign(valence=[float(at % 5) for at in range(len(table))]).to_csv(
        home / "sentences.csv", index=False
    )
    raw = card(home, outputs={"valence": {"kind": "numbers"}}, metrics=["mse", "ccc"])
    raw["task"]["published"] = [
        {"system": name, "values": {"mse": value}, "source": "D 2023"}
        for name, value in (("far", 99.0), ("near", 0.0001))
    ]
    raw["task"]["published"].append({"system": "silent", "values": {"ccc": 0.5}, "source": "E"})
    write(home / "tasks" / "card.yaml", raw)
    done = run(loaded(home, learner={"name": "neural", "epochs": 1}))
    assert published(done.folder)[1] == ["near", "here: text", "far", "silent"]


# The golden score, through a card


def answers(folder, guesses=GUESS):
    path = folder / "answers.csv"
    ids = [f"t{at}" for at in range(len(guesses))]
    pd.DataFrame({"id": ids, "value": guesses}).to_csv(path, index=False)
    return path


def test_fixed_answers_get_the_score_worked_out_by_hand(home):
    path = write(home / "tasks" / "card.yaml", card(home, metrics=list(GOLDEN)))
    found = score(answers(home), task=path)
    assert {name: one["mean"] for name, one in found.metrics["metrics"].items()} == pytest.approx(
        GOLDEN
    )
    assert (found.metrics["utterances"], found.metrics["clusters"]) == (10, 5)


def test_a_card_and_the_run_of_a_config_on_it_stand_on_one_split(home):
    done = run(loaded(home))
    found = score(answers(home), task=home / "tasks" / "card.yaml", against=done.folder)
    assert found.split_hash == done.prepared.split_hash
    theirs = done.metrics["test"]["metrics"]["macro_f1"]["mean"]
    assert found.contrast.gap == pytest.approx(GOLDEN["macro_f1"] - theirs)


def test_answers_outside_the_classes_of_the_card_are_refused(home):
    with pytest.raises(DataError, match=r"(?s)not among joy, neutral, sadness.*t0: anger"):
        score(answers(home, ["anger", *GUESS[1:]]), task=home / "tasks" / "card.yaml")


def test_the_submission_of_a_card_is_written_by_a_run_on_it(home):
    layout = {"file": "out.tsv", "columns": {"id": "name", "value": "emotion"}, "separator": "\t"}
    write(home / "tasks" / "card.yaml", card(home, submission=layout))
    done = run(loaded(home))
    with zipfile.ZipFile(done.folder / "submission.zip") as file:
        assert file.namelist() == ["out.tsv"]
        header, *rows = file.read("out.tsv").decode().splitlines()
    mine = done.part("test")
    assert header == "name\temotion"
    assert rows == [f"{one}\t{value}" for one, value in zip(mine["id"], mine["value"], strict=True)]
