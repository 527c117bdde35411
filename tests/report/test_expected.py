"""`expect:` what a document reports, and where ours may stand beside it."""

import json
import re

import pytest

from multimodal_ser import report
from multimodal_ser.cli import _tables
from multimodal_ser.config.read import check
from multimodal_ser.report.run.expected import beside
from multimodal_ser.runs.run import run
from multimodal_ser.studies.compare import compare
from multimodal_ser.types import ConfigError
from tests.house.test_task_cards import CLASSES, card, write_sentences
from tests.report.test_report import Page

REPORTED = {"macro_f1": 0.7123, "protocol": "official", "source": "A 2020"}


def raw(folder="", expect=REPORTED, **changes):
    """Forty sentences, as shipped, with what a document reports of them."""
    of_card = card(folder)
    kept = {key: of_card[key] for key in ("name", "corpus", "protocol", "outputs", "metrics")}
    learned = {"encoders": {"text": {"name": "hashing"}}, "learner": {"name": "svm"}}
    return {**kept, **learned, "runs_dir": f"{folder}/runs", "expect": expect, **changes}


def expected(**changes):
    """Experiment → its reports as the config keeps them."""
    return check(raw(**changes)).resolved()["expect"]


# What a config may say


def test_a_metric_beside_the_other_keys_is_the_same_as_one_below_values():
    nested = {"values": {"macro_f1": 0.7123}, "protocol": "official", "source": "A 2020"}
    assert expected() == expected(expect=nested) == expected(expect=[REPORTED])
    assert expected()[0]["part"] == "test"
    both = expected(expect=REPORTED | {"values": {"accuracy": 0.8}})
    assert both[0]["values"] == {"accuracy": 0.8, "macro_f1": 0.7123}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"macro_f2": 0.7}, "'macro_f2' is no metric; did you mean macro_f1?"),
        ({"uar": 61.64}, r"uar is at most 1; write 0\.6164 for 61\.64 %"),
        ({"uar": float("nan")}, r"expect\.0\.values\.uar: Input should be a finite number"),
        ({"uar": "much"}, r"expect\.0\.values\.uar: Input should be a valid number"),
        ({"sorce": "B"}, r"sorce: unknown key .*did you mean expect\.0\.source"),
        ({"source": ""}, r"expect\.0\.source: String should have at least 1 character"),
        ({"protocol": "oficial"}, r"expect\.0\.protocol: .*did you mean official.*null: not said"),
        ({"target": "labell"}, r"expect\.0\.target: no output is named .*did you mean label\?"),
        ({"ccc": 0.5}, r"expect\.0: 'ccc' scores numbers, and label is classes"),
        ({"classes": ["joy"]}, r"expect\.0\.classes: List should have at least 2 items"),
    ],
)
def test_what_is_wrong_is_said_with_the_nearest_right_name(changes, message):
    with pytest.raises(ConfigError, match=message):
        check(raw(expect=REPORTED | changes))


def test_a_report_without_a_value_or_a_source_is_none():
    with pytest.raises(ConfigError, match=r"2 problems(.|\n)*at least 1 item(.|\n)*Field required"):
        check(raw(expect={"protocol": "official"}))


def test_what_is_reported_decides_no_result_and_may_stand_beside_a_task(tmp_path):
    found = check(raw(task=card(tmp_path)["task"]))
    assert found.task and found.expect
    bare = found.model_copy(update={"expect": []})
    assert found.fingerprint("h") == bare.fingerprint("h")
    assert check(json.loads(json.dumps(found.resolved()))) == found


# Where ours may stand beside it; the numbers are made up

OURS = {"mean": 0.5, "sd": None, "low": 0.25, "high": 0.75}
LABEL = {"metrics": {"macro_f1": OURS}, "classes": {"joy": {}, "sadness": {}}}
AROUSAL = {"metrics": {"ccc": OURS}, "classes": {}}
PARTS = {"test": LABEL | {"others": {"arousal": AROUSAL}}}
CONFIG = {"protocol": {"name": "official"}, "outputs": {"label": {}, "arousal": {}}}


def one(told=(), parts=PARTS, **config):
    plain = {"values": {"macro_f1": 0.7123}, "protocol": "official", "source": "A"} | dict(told)
    (found,) = beside({**CONFIG, **config, "expect": [plain]}, parts)
    return found


@pytest.mark.parametrize("classes", [None, ["joy", "sadness"], ["sadness", "joy"]])
def test_ours_stands_beside_it_where_protocol_part_and_classes_agree(classes):
    found = one({"classes": classes})
    assert found.differs == []
    assert [*found.pairs()] == [("macro_f1 on test", 0.7123, OURS)]


@pytest.mark.parametrize(
    ("told", "config", "why"),
    [
        ({"protocol": "kfold"}, {}, ["the protocol differs (kfold there, official here)"]),
        ({"protocol": None}, {}, ["it does not say how the corpus was split"]),
        ({"part": "dev"}, {}, ["the part differs (dev is not scored here)"]),
        ({"classes": ["no", "joy"]}, {}, ["the classes differ (joy, no there, joy, sadness here)"]),
        ({}, {"folds": [0]}, ["folds is set here, so what is scored differs"]),
        ({}, {"shuffle": "text"}, ["shuffle is set here, so what is scored differs"]),
    ],
)
def test_a_difference_is_named_and_the_numbers_are_kept_apart(told, config, why):
    found = one(told, **config)
    assert found.differs == why
    assert [*found.pairs()] == []
    assert found.line().endswith(f"Ours is not beside it: {why[0]}.")
    assert "0.5" not in found.line()


def test_all_differences_are_said_at_once():
    found = one({"protocol": "loso", "part": "test2"})
    assert found.line() == (
        "A reports macro_f1 0.7123 on test2. Ours is not beside it: the protocol differs "
        "(loso there, official here); the part differs (test2 is not scored here)."
    )


def test_a_value_that_we_did_not_measure_has_none_beside_it():
    found = one({"values": {"macro_f1": 0.7, "uar": 0.6}})
    assert [ours for _, _, ours in found.pairs()] == [OURS, None]


def test_the_report_may_be_of_another_target_than_the_first():
    found = one({"values": {"ccc": 0.6}, "target": "arousal"})
    assert [*found.pairs()] == [("arousal: ccc on test", 0.6, OURS)]
    assert "classes differ" in one({"target": "arousal", "classes": ["low", "high"]}).line()


def test_a_config_of_a_run_without_any_report_has_none():
    assert beside(CONFIG, PARTS) == []


# In the end of a run, and on its page


def chapter(folder):
    """The words of the chapter, and the rows of its table."""
    source = report.write(folder).read_text("utf-8")
    found = re.search(r'<section id="reported".*?</section>', source, re.DOTALL)
    if found is None:
        return None, []
    rows = re.findall(r"<tr>.*?</tr>", found[0], re.DOTALL)[1:]
    return "".join(Page(found[0]).words), [Page(row).cells for row in rows]


def shown(done, capsys):
    capsys.readouterr()
    _tables.show_run(done)
    return capsys.readouterr().out


def test_a_run_stands_beside_what_is_reported_in_the_terminal_and_on_its_page(tmp_path, capsys):
    write_sentences(tmp_path)
    source = "A 2020 and very many others in a volume of some proceedings"
    told = REPORTED | {"source": source, "uar": 0.5, "classes": CLASSES, "note": "with words alone"}
    done = run(raw(tmp_path, expect=told))
    ours = done.metrics["test"]["metrics"]["macro_f1"]
    value, around = f"{ours['mean']:.3f}", f"{ours['low']:.3f} to {ours['high']:.3f}"
    rows = chapter(done.folder)[1]
    gap = f"{ours['mean'] - 0.7123:+.3f}"
    head = [f"{source}with words alone", "text"]
    assert [*head, "macro_f1 on test", "0.712", value + around, gap] in rows
    assert [*head, "uar on test", "0.500", "–not among metrics", "–"] in rows
    said = shown(done, capsys)
    assert re.search(
        rf"A 2020 and .* … │ +macro_f1 on test +│ +0\.712 │ +{value} │ +{around} ", said
    )
    assert "Ours is not beside it" not in said


def test_a_run_on_another_split_only_cites_it(tmp_path, capsys):
    write_sentences(tmp_path)
    done = run(raw(tmp_path, protocol={"name": "kfold", "folds": 3}))
    words, rows = chapter(done.folder)
    line = "A 2020 reports macro_f1 0.7123 on test. Ours is not beside it: the protocol differs "
    line += "(official there, kfold here)."
    assert rows == []
    assert line in words
    said = shown(done, capsys)
    assert f"! {line}" in said
    assert "as reported, and here" not in said


def test_in_a_study_only_the_whole_config_is_held_to_what_is_reported(tmp_path):
    write_sentences(tmp_path)
    both = {"text": {"name": "hashing"}, "words": {"name": "tfidf"}}
    study = compare(raw(tmp_path, encoders=both), baseline="text")
    assert {arm: len(done.experiment.expect) for arm, done in study.runs.items()} == {
        "text": 0, "words": 0, "text+words": 1,
    }  # fmt: skip
    assert [row[1] for row in chapter(study.folder)[1]] == ["text+words"]


def test_a_run_without_a_report_has_no_such_chapter(tmp_path, capsys):
    write_sentences(tmp_path)
    done = run(raw(tmp_path, expect=[]))
    assert chapter(done.folder) == (None, [])
    assert "reported" not in shown(done, capsys)
