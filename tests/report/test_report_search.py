"""The page of a search: the numbers of its files, whatever a trial did not have, safe and whole."""

import csv
import json
import os
import re
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import yaml

from multimodal_ser import report
from multimodal_ser.config.search_space import Space
from multimodal_ser.files import as_csv, as_json
from multimodal_ser.report.search import figures, findings, reading, sections, slices, tables
from multimodal_ser.report.search import space as paper
from multimodal_ser.report.search.space import shown
from multimodal_ser.types import DataError
from tests.report.test_report import BAD, Page, write_run
from tests.report.test_report_browser import CHROMIUM, seen


def one(name, *, key=None, when=None, **domain):
    """A parameter as `space.json` has it."""
    ranged = {"log": False, "step": None, "whole": False} if "low" in domain else {}
    return {"name": name, "key": key or name, "when": when} | ranged | domain


LR = one("learner.optimizer.lr", low=1e-5, high=1e-2, log=True)
SPACE = [
    LR,
    one("learner.batch_size", low=16, high=128, step=16, whole=True),
    one("encoders.audio.layer", values=[6, 9, 12, "last"]),
    one("learner.pool", values=[None, [1, 2], "mean"]),
    one("fusion.name", values=["concat", "cross_attention"]),
    one("fusion[concat].hidden", key="fusion.hidden", when=["fusion.name", "concat"],
        values=[128, 256]),
    one("fusion[concat].dropout", key="fusion.dropout", when=["fusion.name", "concat"],
        low=0.0, high=0.7),
    one("fusion[cross_attention].heads", key="fusion.heads",
        when=["fusion.name", "cross_attention"], low=1, high=8, whole=True),
]  # fmt: skip
FIXED = {"fusion[concat]": {}, "fusion[cross_attention]": {"fusion.depth": 1}}
CONTRAST = {
    "metric": "macro_f1", "gap": 0.0512, "low": 0.0123, "high": 0.0901, "p": 0.0123,
    "mcnemar": 0.0345, "clusters": 24, "holm": None, "by_cluster": None, "margin": None,
    "equivalent": None,
}  # fmt: skip


def draw(domain, generator):
    if "values" in domain:
        return domain["values"][generator.integers(len(domain["values"]))]
    low, high, step = domain["low"], domain["high"], domain["step"] or 1
    if domain["log"]:
        return float(np.exp(generator.uniform(np.log(low), np.log(high))))
    if domain["whole"]:
        return int(low + step * generator.integers((high - low) // step + 1))
    return float(generator.uniform(low, high))


def stored(value):
    """What Optuna holds of it."""
    return json.dumps(value) if isinstance(value, list) else value


def tried(space, generator):
    found = {}
    for each in space:
        if each["when"] is None or found.get(each["when"][0]) == each["when"][1]:
            found[each["name"]] = draw(each, generator)
    return found


def rows_of(fold, count, space, generator, *, cost, sign):
    """Trials as `trials.csv` has them, and their reports: every fifth pruned, one given up."""
    rows, reports = [], []
    for number in range(count):
        params = tried(space, generator)
        first = params[space[0]["name"]]
        base = 0.6 - 0.05 * abs(np.log10(first) + 3) if isinstance(first, float) else 0.5
        value = float(base - 0.02 * generator.random()) * sign + (sign < 0)
        steps = 4 if number % 5 == 3 else 9
        state = "pruned" if number % 5 == 3 or number == 6 else "complete"
        reason = "fusion.heads: 7 does not divide 64" if number == 6 else ""
        if not reason:
            reports += [[fold, number, s, value - sign * 0.3 / (s + 1)] for s in range(steps)]
        done = state == "complete"
        rows.append({
            "fold": fold, "number": number, "state": state, "value": value if done else None,
            "cost": float(generator.integers(1_000, 90_000)) if cost and done else None,
            "seconds": 1.5 + number, "reason": reason,
            **{f"param:{name}": stored(each) for name, each in params.items()},
        })  # fmt: skip
        rows[-1]["params"] = params
    return rows, reports


def study_of(fold, rows, space, sign, cost, importances):
    done = [row for row in rows if row["state"] == "complete"]
    best = max(done, key=lambda row: (sign * row["value"], -row["number"]))
    keys = {each["name"]: each["key"] for each in space}
    values = {keys[name]: value for name, value in best["params"].items()}
    values |= FIXED.get(f"fusion[{values.get('fusion.name')}]", {})
    pareto = [
        a["number"]
        for a in (done if cost else [])
        if not any(
            sign * b["value"] >= sign * a["value"]
            and b["cost"] <= a["cost"]
            and (b["value"], b["cost"]) != (a["value"], a["cost"])
            for b in done
        )
    ]
    return {
        "fold": fold,
        "inner": None,
        "trials": {"complete": len(done), "pruned": len(rows) - len(done)},
        "best": {"number": best["number"], "value": best["value"], "values": values},
        "importances": importances,
        "pareto": pareto,
    }


def write_search(folder, *, space=SPACE, folds=(0,), count=60, cost=None, sealed=False,
                 metric="macro_f1", importances=None, contrast=CONTRAST, **told):  # fmt: skip
    """A search folder with every file that its page reads."""
    generator = np.random.default_rng(3)
    folder.mkdir(parents=True)
    sign = -1 if metric == "mse" else 1
    if importances is None:
        free = [each["name"] for each in space if each["when"] is None]
        shares = np.array([0.8, 0.15, 0.046, 0.003, 0.001][: len(free)])
        importances = dict(zip(free, (shares / shares.sum()).tolist(), strict=True))
    studies, tables, reports = [], [], []
    for fold in folds:
        rows, some = rows_of(fold, count, space, generator, cost=cost, sign=sign)
        studies.append(study_of(fold, rows, space, sign, cost, importances))
        tables += [{key: value for key, value in row.items() if key != "params"} for row in rows]
        reports += [] if cost else some
        name = "best.yaml" if len(folds) == 1 else f"best-{fold}.yaml"
        (folder / name).write_text(f"name: hand\nwithin: {{fold: {fold}}}\n")
    columns = ["fold", "number", "state", "value", "cost", "seconds", "reason"]
    columns += [f"param:{each['name']}" for each in space]
    (folder / "trials.csv").write_text(as_csv(pd.DataFrame(tables, columns=columns)))
    table = pd.DataFrame(reports, columns=["fold", "number", "step", "value"])
    (folder / "reports.csv").write_text(as_csv(table))
    searched = sum(each["best"]["value"] for each in studies) / len(studies)
    final = {
        "how": "same",
        "seeds": [1, 2, 3],
        "runs": {name: {str(fold): f"../{name}-{fold}" for fold in folds}
                 for name in ("best", "default")},
        "contrast": contrast,
        "tested": {"mean": 0.5432, "sd": 0.0123, "low": 0.4912, "high": 0.6001},
        "optimism": {"searched": searched, "fresh": 0.5678, "test": 0.5432},
        "verdict": ["the best config adds 0.051 macro_f1 over the default (95 % 0.012 to 0.090, "
                    "p 0.012)"],
    }  # fmt: skip
    whole = {
        "name": "hand", "metric": metric, "direction": "minimize" if sign < 0 else "maximize",
        "objective": "mean", "cost": cost, "seeds": [0], "split": "abcd1234", "leaks allowed": [],
        "sampler": "tpe", "pruner": "none" if cost else "hyperband",
        "space": {"parameters": space, "fixed": FIXED}, "studies": studies,
        "final": None if sealed else final, **told,
    }  # fmt: skip
    (folder / "space.json").write_text(as_json(whole["space"]))
    (folder / "search.json").write_text(as_json(whole))
    return folder


def write_default(folder, **config):
    """The run that the winner was compared with, as far as the page reads it."""
    folder.mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump(config))


@pytest.fixture
def search(tmp_path):
    """A search with its claim, and the run that it was compared with."""
    write_default(
        tmp_path / "default-0",
        learner={"optimizer": {"lr": 0.005}, "batch_size": 24},
        fusion={"name": "concat", "hidden": 512},
    )
    (tmp_path / "opened.jsonl").write_text('{"split": "abcd1234"}\n{"split": "other"}\n')
    return write_search(tmp_path / "search-1")


def told(folder):
    return json.loads((folder / "search.json").read_text())


def rows(folder):
    """The cells of `trials.csv` as they are written."""
    return list(csv.DictReader((folder / "trials.csv").read_text().splitlines()))


def page(folder):
    return Page(report.write(folder).read_text("utf-8"))


def words(folder):
    return " ".join("".join(page(folder).words).split())


def space(*parameters):
    return Space.of_plain({"parameters": list(parameters), "fixed": {}})


def table(found, caption):
    """The rows of a table, each as its texts."""
    drawn = [each for chapter in sections.sections(found) for each in chapter.tables]
    chosen = next(each for each in drawn if each.caption.startswith(caption))
    return [[cell.text for cell in row] for row in chosen.rows]


def test_the_claim_and_what_came_of_the_hope_stand_first(search):
    found = told(search)
    text, cells = words(search), page(search).cells
    searched = found["studies"][0]["best"]["value"]
    assert found["final"]["verdict"][0] in text
    hope = (
        f"macro_f1 {searched:.3f} searched on dev, 0.568 there with fresh seeds, 0.543 ± 0.012 on"
    )
    assert text.index("the best config adds") < text.index(hope) < text.index("sampler")
    assert {f"{searched:.3f}", "0.568", "0.543 ± 0.0120.491 to 0.600"} <= set(cells)
    assert {f"{0.5678 - searched:+.3f}", f"{0.5432 - searched:+.3f}"} <= set(cells)
    assert {"+0.051", "0.012", "0.090", "0.035", "24"} <= set(cells)
    assert "opened once in this folder" in text
    assert "47 complete, 13 pruned (1 of them given up)" in text


def test_the_winner_stands_beside_the_space_and_the_default(search):
    best = told(search)["studies"][0]["best"]["values"]
    found = {row[0]: row[1:] for row in table(reading.read(search), "What was searched")}
    assert best["fusion.name"] == "cross_attention"
    rate = f"{best['learner.optimizer.lr']:.4g}"
    assert found["learner.optimizer.lr"] == ["1e-05 to 0.01, log", "0.005", rate, "0.800"]
    batch = str(best["learner.batch_size"])
    expected = ["whole numbers 16 to 128 in steps of 16", "24", batch, "0.150"]
    assert found["learner.batch_size"] == expected
    assert found["fusion[concat].hidden"] == ["one of 128, 256", "512", "–", "–"]
    heads = str(best["fusion.heads"])
    assert found["fusion[cross_attention].heads"] == ["whole numbers 1 to 8", "–", heads, "–"]
    assert found["encoders.audio.layer"][1] == "–", "the default's run does not say"
    assert ["fusion.depth", "1", "0"] in table(reading.read(search), "Set by the chosen branch")


def test_what_is_copied_has_every_digit_and_the_config_is_whole(search):
    found = reading.read(search)
    copied = yaml.safe_load(sections.copied(found, found.studies[0]))
    assert tables.flat(copied).items() >= told(search)["studies"][0]["best"]["values"].items()
    assert list(copied["fusion"]) == ["name", "heads", "depth"]
    assert "within: {fold: 0}" in words(search)


def test_the_commands_repeat_the_winner_on_dev_and_on_test(search):
    text = findings.commands(reading.read(search)).splitlines()
    assert [line.partition("  #")[0] for line in text] == [
        "mser run search-1/best.yaml",
        "mser run search-1/claim.yaml",
        "mser report search-1",
    ]


def test_the_best_trials_are_those_of_the_table(search):
    done = [row for row in rows(search) if row["state"] == "complete"]
    done.sort(key=lambda row: -float(row["value"]))
    shown_rows = table(reading.read(search), "The best 20 of 47")
    assert [row[0] for row in shown_rows] == [row["number"] for row in done[:20]]
    assert [row[1] for row in shown_rows] == [f"{float(row['value']):.4f}" for row in done[:20]]
    names = [each["name"] for each in SPACE]
    for row, cells in zip(done[:20], shown_rows, strict=True):
        for name, cell in zip(names, cells[3:], strict=True):
            written = row[f"param:{name}"]
            if name == "learner.pool":
                written = written or "null"
            assert cell == "–" if not written else cell in (written, f"{float_of(written):.4g}")


def float_of(text):
    try:
        return float(text)
    except ValueError:
        return float("nan")


def test_given_up_trials_say_why(search):
    (row,) = table(reading.read(search), "Trials that were given up: 1")
    assert row[:2] == ["6", "fusion.heads: 7 does not divide 64"]


@pytest.mark.parametrize(
    ("value", "cell"),
    [(None, ""), (True, "True"), (True, "true"), (3, "3"), (0.1, "0.1"), (1 / 3, "0.33333333"),
     ("3x", "3x"), ("NA", "NA"), ([1, 2], "[1, 2]"), ({"b": 1, "a": 2}, '{"b": 1, "a": 2}'),
     ("mean", '"mean"'), (1e-5, "1e-05")],
)  # fmt: skip
def test_a_cell_stands_for_the_value_that_was_written(value, cell):
    found = paper.read(space(one("x", values=["other", value, False, 7])), {"x": cell})["x"]
    assert found == value
    assert type(found) is type(value)


def test_a_blank_cell_is_null_only_where_the_parameter_was_there():
    found = space(
        one("name", values=["a", "b"]),
        one("a.pool", when=["name", "a"], values=[None, "max"]),
        one("b.pool", when=["name", "b"], values=[None, "max"]),
        one("b.rate", when=["name", "b"], low=0.0, high=1.0),
    )
    assert paper.read(found, {"name": "a", "a.pool": "", "b.pool": "", "b.rate": ""}) == {
        "name": "a",
        "a.pool": None,
    }
    cells = {"name": "b", "a.pool": "", "b.pool": "max", "b.rate": "0.5"}
    assert paper.read(found, cells) == {"name": "b", "b.pool": "max", "b.rate": 0.5}


def test_the_different_trials_of_a_space_are_counted_branch_by_branch():
    branches = SPACE[4:6] + SPACE[7:]
    assert paper.count(space(*branches)) == 2 + 8, "concat has 2 sizes, cross_attention 8 heads"
    assert paper.count(space(*branches, SPACE[1], SPACE[2])) == 10 * 8 * 4
    assert paper.count(space(*branches, LR)) is None
    assert paper.count(space(one("a", low=0.0, high=0.7, step=0.1))) == 8


@pytest.mark.parametrize(
    ("domain", "value", "end"),
    [
        ({"low": 1e-5, "high": 1e-2, "log": True}, 1.1e-5, "lower"),
        ({"low": 1e-5, "high": 1e-2, "log": True}, 9.5e-3, "upper"),
        ({"low": 1e-5, "high": 1e-2, "log": True}, 2e-4, ""),
        ({"low": 0.0, "high": 0.7}, 0.0, ""),
        ({"low": 0.0, "high": 0.7}, 0.699, "upper"),
        ({"low": 16, "high": 128, "step": 16, "whole": True}, 16, "lower"),
        ({"low": 16, "high": 128, "step": 16, "whole": True}, 112, ""),
        ({"low": 1, "high": 2, "whole": True}, 2, ""),
        ({"values": [64, 128, 256]}, 256, "upper"),
        ({"values": [64, 256]}, 256, ""),
        ({"values": [6, 9, 12, "last"]}, 12, ""),
        ({"values": [True, False]}, True, ""),
    ],
)
def test_a_value_lies_at_an_edge_where_more_was_possible(domain, value, end):
    (parameter,) = space(one("x", **domain)).parameters
    assert paper.edge(parameter.domain, value) == end


def test_the_head_of_a_column_is_as_short_as_it_can_be():
    names = [
        "learner.optimizer.lr",
        "encoders.audio.finetune.lr",
        "fusion.name",
        "fusion[concat].hidden",
        "fusion[late].hidden",
        "seconds",
    ]
    heads = paper.heads(space(*(one(name, values=[1]) for name in names)))
    assert list(heads.values()) == [
        "optimizer.lr",
        "finetune.lr",
        "fusion.name",
        "fusion[concat].hidden",
        "fusion[late].hidden",
        "seconds",
    ]


def test_few_trials_are_said_with_the_chance_that_so_many_have(tmp_path):
    text = words(write_search(tmp_path / "few", count=12))
    assert "Few trials (11): as many random ones" in text, "one of the 12 was given up"
    assert f"with probability {1 - 0.95**11:.2f}" in text
    assert "Few trials (" not in words(write_search(tmp_path / "many", count=60)).split("How")[0]


def test_few_trials_are_enough_where_nothing_else_could_be_tried(tmp_path):
    folder = write_search(tmp_path / "all", space=[one("x", values=["a", "b"])], count=12)
    assert not [line for line in findings.warnings(reading.read(folder)) if "Few trials" in line]


def test_a_parameter_that_hardly_matters_is_named_and_its_edge_is_not(tmp_path):
    shares = {"learner.optimizer.lr": 0.985, "learner.batch_size": 0.015}
    folder = write_search(tmp_path / "x", space=SPACE[:2], importances=shares)
    for rate, batch in ((1e-5, 128), (1e-3, 64)):
        found = reading.read(folder)
        found.studies[0].best.values.update(
            {"learner.optimizer.lr": rate, "learner.batch_size": batch}
        )
        lines = findings.warnings(found)
        assert any("Hardly matters, by its importance: learner.batch_size (0.015)" in one
                   for one in lines)  # fmt: skip
        edges = [line for line in lines if line.startswith("At the edge")]
        assert len(edges) == (rate == 1e-5)
        assert all("learner.optimizer.lr 1e-05 (lower end)" in line for line in edges)
        assert not any("batch_size 128" in line for line in edges)


def test_leaks_and_many_given_up_are_warnings(tmp_path):
    folder = write_search(tmp_path / "x", **{"leaks allowed": ["group"]})
    lines = rows(folder)
    for row in lines[:20]:
        row["reason"] = row["reason"] or "diverged"
    pd.DataFrame(lines).to_csv(folder / "trials.csv", index=False)
    text = words(folder)
    assert text.index("Leaks allowed by the config: group") < text.index("the best config")
    assert "20 of 60 trials were given up" in text


def test_a_sealed_test_part_is_said_and_nothing_of_it_is_shown(tmp_path):
    folder = write_search(tmp_path / "x", sealed=True)
    text = words(folder)
    assert "the test part is still sealed: nothing is claimed" in text
    assert "is the best of 60 trials" in text
    assert "within=null # scored" in text, "no seeds are claimed yet"
    assert "What stands" not in text and "fresh seeds" not in text.split("How these")[0]


def test_a_refitted_winner_has_no_dev(tmp_path):
    folder = write_search(tmp_path / "x")
    what = told(folder)
    what["final"]["how"], what["final"]["optimism"]["fresh"] = "refit", None
    (folder / "search.json").write_text(json.dumps(what))
    assert table(reading.read(folder), "macro_f1 of the best")[1][1:] == ["–", "–"]
    assert "there with fresh seeds" not in words(folder)
    assert "on train and dev" in words(folder)


def test_few_clusters_are_shown_one_by_one(tmp_path):
    few = CONTRAST | {"clusters": 2, "by_cluster": {"s1": 0.1, "s2": -0.05}}
    found = reading.read(write_search(tmp_path / "x", contrast=few))
    assert table(found, "Few clusters") == [["s1", "+0.100"], ["s2", "-0.050"]]


def test_a_nested_search_has_a_block_a_fold(tmp_path):
    folder = write_search(tmp_path / "x", folds=(0, 3), count=50)
    found = reading.read(folder)
    keys = [each.key for each in sections.sections(found)]
    assert keys[2:8] == [f"{key}-{fold}" for fold in (0, 3) for key in
                         ("course", "parameters", "trials")]  # fmt: skip
    both = [study["best"] for study in told(folder)["studies"]]
    cells = {row[0]: row[2:] for row in table(found, "What was searched")}
    rates = [f"{each['values']['learner.optimizer.lr']:.4g}" for each in both]
    assert cells["learner.optimizer.lr"] == rates
    assert f"{np.mean([each['value'] for each in both]):.3f} searched on dev" in words(folder)
    assert "within: {fold: 3}" in words(folder)
    assert "mser run x/claim-3.yaml" in findings.commands(found)
    numbers = [one.number for one in found.studies[1].trials]
    assert numbers == list(range(50)), "those of the other fold are not among them"


def test_a_warning_of_one_fold_names_it(tmp_path):
    found = reading.read(write_search(tmp_path / "x", folds=(0, 3), space=SPACE[:1], count=50))
    found.studies[1].best.values["learner.optimizer.lr"] = 1e-2
    assert [line for line in findings.warnings(found) if line.startswith("fold 3: At the edge")]


def test_the_front_is_drawn_and_listed_from_the_cheapest_on(tmp_path):
    folder = write_search(tmp_path / "x", cost="parameters")
    found = reading.read(folder)
    listed = table(found, "No trial beats these")
    assert {int(row[0]) for row in listed} == set(told(folder)["studies"][0]["pareto"])
    costs = [int(row[2].replace(",", "")) for row in listed]
    assert costs == sorted(costs)
    assert "Front of macro_f1 and parameters" in words(folder)
    assert "Reports while training" not in words(folder)


def test_where_less_is_better_the_least_is_best_and_the_stairs_go_down(tmp_path):
    folder = write_search(tmp_path / "x", metric="mse")
    (study,) = reading.read(folder).studies
    least = min(float(row["value"]) for row in rows(folder) if row["value"])
    assert study.ranked[0].value == pytest.approx(least) == pytest.approx(study.value)
    corners = figures.best_so_far(study)
    assert all(one[1] >= two[1] for one, two in pairwise(corners))
    assert corners[-1][1] == pytest.approx(least)
    assert "mse, less is better" in words(folder)


@pytest.mark.parametrize("importances", [{}, {"learner.optimizer.lr": 1.0}])
def test_one_parameter_and_no_importance_still_have_a_page(tmp_path, importances):
    folder = write_search(tmp_path / "x", space=[LR], importances=importances)
    text = words(folder)
    assert ("No parameter could be weighed" in text) == (not importances)
    assert "Through all parameters" not in text
    assert "1 parameter searched" in text


def test_a_search_of_one_trial_has_a_page(tmp_path):
    text = words(write_search(tmp_path / "x", count=1))
    assert "The best 1 of 1 complete trials" in text


def test_every_trial_has_its_mark_in_the_history(search):
    (study,) = reading.read(search).studies
    drawn = figures.history("", study, figures.limits(study))
    done = [row for row in rows(search) if row["value"]]
    assert drawn.count('class="dot"') == len(done) == 47
    assert drawn.count('class="ring"') == 12, "pruned"
    assert drawn.count('class="zero"') == 1, "given up before any report"
    steps = [max(float(row["value"]) for row in done[: n + 1]) for n in range(len(done))]
    assert [corner[1] for corner in figures.best_so_far(study)][::2] == list(dict.fromkeys(steps))


def test_a_bad_tail_does_not_flatten_the_rest_and_is_counted(tmp_path):
    folder = write_search(tmp_path / "x", space=[LR])
    lines = rows(folder)
    lines[0]["value"] = "-900"
    pd.DataFrame(lines).to_csv(folder / "trials.csv", index=False)
    (study,) = reading.read(folder).studies
    low, high = figures.limits(study)
    assert high == study.ranked[0].value
    assert low > 0
    assert "1 far worse values are drawn at the end of their axis" in words(folder)


def test_of_many_trials_some_are_drawn_and_the_best_is(tmp_path):
    (study,) = reading.read(write_search(tmp_path / "x", space=[LR], count=1000)).studies
    drawn = study.drawn(400)
    assert 300 < len(drawn) <= 400
    assert study.best in drawn
    assert {one.number for one in study.leading} <= {one.number for one in drawn}
    assert "400 of 1000 trials are drawn" in words(tmp_path / "x")
    assert (tmp_path / "x" / "report.html").stat().st_size < 300_000


def corners(drawn, kind):
    """The points of every line of a kind, each as (x, y)."""
    found = re.findall(rf'class="{kind}" points="([^"]*)"', drawn)
    return [[tuple(map(float, point.split(","))) for point in line.split()] for line in found]


def test_a_line_passes_aside_of_the_axis_of_a_parameter_that_was_not_there(search):
    found = reading.read(search)
    (study,) = found.studies
    drawn = slices.parallel("", found, study, figures.limits(study))
    strong = corners(drawn, "strong")
    assert len(strong) == 5 and len(corners(drawn, "thin")) == 42, "a tenth of 47, rounded up"
    by_number = sorted(study.leading, key=lambda trial: trial.number)
    axis = slices._START
    for trial, line in zip(by_number, strong, strict=True):
        for parameter, (x, _) in zip(SPACE, line, strict=False):
            assert (x < axis - 10) == (parameter["name"] not in trial.values)
    best = strong[by_number.index(study.best)]
    rate = study.best.values["learner.optimizer.lr"]
    share = np.log10(rate / 1e-5) / 3
    assert best[0][0] == pytest.approx(axis + share * (figures.RIGHT - axis), abs=0.1)


def test_a_strip_counts_every_complete_trial_where_only_some_are_drawn(tmp_path):
    folder = write_search(tmp_path / "x", space=SPACE[2:3], count=1000)
    (study,) = reading.read(folder).studies
    (layer,) = reading.read(folder).space.parameters
    drawn = slices.against(layer, "macro_f1", study, figures.limits(study))
    done = [row["param:encoders.audio.layer"] for row in rows(folder) if row["value"]]
    for value in ("6", "9", "12", "last"):
        assert f">{value}: {done.count(value)}</text>" in drawn
    assert drawn.count('class="dot"') < 400 < len(done)


def test_the_front_is_a_flight_of_stairs_from_cheap_to_good(tmp_path):
    (study,) = reading.read(write_search(tmp_path / "x", cost="parameters", count=200)).studies
    (line,) = corners(figures.front("", study, figures.limits(study), "parameters"), "bold")
    assert len(line) == 2 * len(study.front) - 1 > 3
    for one, two in pairwise(line):
        assert one[0] <= two[0] and one[1] >= two[1], "y grows downwards in a picture"
        assert one[0] == two[0] or one[1] == two[1]


@pytest.mark.parametrize(
    ("low", "high", "marks"),
    [(1e-5, 1e-2, [1e-5, 1e-4, 1e-3, 1e-2]), (2e-4, 5e-3, [2e-4, 5e-3]), (3, 3000, [10, 100, 1000]),
     (1e-12, 1, [1e-12, 1e-9, 1e-6, 1e-3, 1])],
)  # fmt: skip
def test_a_log_axis_has_powers_of_ten(low, high, marks):
    assert figures.powers(low, high) == pytest.approx(marks)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.00012345, "0.0001234"), (None, "null"), (True, "true"), ([1, None], "[1, null]")],
)
def test_values_are_shown_as_yaml_writes_them(value, text):
    assert shown(value) == text


def test_no_name_of_a_search_is_run(tmp_path):
    hostile = [
        one(BAD[0], values=list(BAD)),
        one("a", when=[BAD[0], BAD[0]], values=[BAD[1], BAD[3]]),
    ]
    few = CONTRAST | {"clusters": 1, "by_cluster": {BAD[0]: 0.1}}
    folder = write_search(tmp_path / "x", space=hostile, contrast=few, name=BAD[0])
    lines = rows(folder)
    lines[6]["reason"] = BAD[0]
    pd.DataFrame(lines).to_csv(folder / "trials.csv", index=False)
    found = page(folder)
    assert found.tags.count("script") == 1
    assert BAD[0] in found.cells
    assert "<script>alert" not in (folder / "report.md").read_text()
    assert Page(report.write(tmp_path).read_text("utf-8")).tags.count("script") == 1


def test_no_page_of_a_search_asks_the_network_for_anything(search):
    source = report.write(search).read_text("utf-8")
    assert all(link.startswith("#") for link in Page(source).links)
    assert "@import" not in source and "url(" not in source


def test_the_same_search_gives_the_same_bytes_and_the_same_cells_in_markdown(search):
    first = [report.write(search).read_bytes(), (search / "report.md").read_bytes()]
    assert [report.write(search).read_bytes(), (search / "report.md").read_bytes()] == first
    plain = first[1].decode()
    assert "0.543 ± 0.012 (0.491 to 0.600)" in plain
    assert "| learner.optimizer.lr | 1e-05 to 0.01, log | 0.005 |" in plain
    widths = [len(re.findall(r"(?<!\\)\|", line)) for line in plain.splitlines()]
    assert all(one == two for one, two in pairwise(widths) if one and two)


def test_an_index_lists_searches_beside_runs_and_writes_what_is_older(tmp_path):
    write_run(tmp_path / "runs" / "run")
    folder = write_search(tmp_path / "runs" / "search-1")
    write_search(tmp_path / "runs" / "search-2", sealed=True)
    (tmp_path / "runs" / "search-3").mkdir()
    (tmp_path / "runs" / "search-3" / "space.json").write_text("{}")
    found = Page(report.write(tmp_path).read_text("utf-8"))
    assert {f"runs/{name}/report.html" for name in ("run", "search-1", "search-2")} == {
        *found.links
    }
    assert {"0.543 ± 0.0120.491 to 0.600", "handsearch-1", "60"} <= set(found.cells)
    assert "runs/search-3." in "".join(found.words)
    old = folder / "report.html"
    old.write_text("old")
    later = old.stat().st_mtime_ns + 10**9
    os.utime(folder / "search.json", ns=(later, later))
    report.write(tmp_path)
    assert old.read_text("utf-8") != "old"


def test_a_folder_of_searches_alone_has_an_index_and_names_a_damaged_one(tmp_path):
    write_search(tmp_path / "good")
    (write_search(tmp_path / "bad") / "search.json").write_text("{")
    assert "says why): bad." in "".join(Page(report.write(tmp_path).read_text()).words)


def test_a_damaged_search_says_what_is_wrong(tmp_path):
    folder = write_search(tmp_path / "x")
    (folder / "trials.csv").rename(folder / "gone.csv")
    with pytest.raises(DataError, match=r"not a whole search folder: it has no trials\.csv"):
        report.write(folder)
    (folder / "gone.csv").rename(folder / "trials.csv")
    what = told(folder)
    (folder / "search.json").write_text(json.dumps(what | {"space": {}}))
    with pytest.raises(DataError, match="of another version"):
        report.write(folder)
    what["studies"][0]["best"]["number"] = 900
    (folder / "search.json").write_text(json.dumps(what))
    with pytest.raises(DataError, match=r"1 trials are not in .*:\n  fold 0: 900"):
        report.write(folder)


_OPEN = "document.querySelectorAll('details').forEach((one) => { one.open = true; });"
_OUTSIDE = """
const out = [...document.querySelectorAll("svg text")].filter((one) => {
  const box = one.getBBox(), page = one.ownerSVGElement.viewBox.baseVal;
  return box.x < 0 || box.x + box.width > page.width || box.y + box.height > page.height;
}).map((one) => one.textContent);
const root = document.documentElement;
document.title = JSON.stringify([root.scrollWidth, window.innerWidth, out]);
"""


@pytest.mark.browser
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium")
@pytest.mark.parametrize("width", [500, 1280])
@pytest.mark.parametrize("kind", [{"folds": (0, 1)}, {"cost": "parameters"}])
def test_nothing_overflows(tmp_path, kind, width):
    path = report.write(write_search(tmp_path / "x", **kind))
    source, console = seen(path, tmp_path / "profile", script=_OPEN + _OUTSIDE, width=width)
    shown_width, inner, outside = json.loads(re.search(r"<title>(.*?)</title>", source)[1])
    assert console == []
    assert shown_width <= inner
    assert outside == []
