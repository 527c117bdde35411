"""The report: the numbers of the files, in four forms, safe in every one of them."""

import csv
import json
import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from multimodal_ser import report, types
from multimodal_ser.evaluation import evaluate
from multimodal_ser.report import figures
from multimodal_ser.report.run import collect, findings, text
from multimodal_ser.runs.records import read_run
from multimodal_ser.studies.compare import compare
from tests.helpers.tones import WORDS, tones_config, write_tones

BAD = ("<script>alert(1)</script>", "=cmd()", r"\input{x}", "a|b & 50%_$#~^{}")
VOID = {"meta", "wbr", "line", "rect", "circle", "polyline"}


class Page(HTMLParser):
    """Checks the nesting of tags while it collects what the tests ask for."""

    def __init__(self, source):
        super().__init__()
        self.open, self.tags, self.links, self.words = [], [], [], []
        self.cells, self.tables = [], []
        self.feed(source)
        assert self.open == [], f"left open: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        values = dict(attributes)
        self.links += [value for key, value in values.items() if key in ("src", "href")]
        if tag == "table":
            self.tables.append(set())
        if self.tables:
            self.tables[-1].add(tag)
        if tag == "th":
            assert values["scope"] in ("col", "row")
        if tag in ("td", "th"):
            self.cells.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)

    def handle_endtag(self, tag):
        assert self.open and self.open.pop() == tag, f"</{tag}> closes nothing"

    def handle_data(self, data):
        self.words.append(data)
        if {"td", "th"} & set(self.open):
            self.cells[-1] += data


def write_run(
    folder,
    *,
    classes=("joy", "calm"),
    clusters=12,
    name="hand",
    parts=("dev", "test"),
    normalize="none",
):
    """A run folder with every file that a report reads but models, of made-up predictions."""
    generator = np.random.default_rng(len(classes))
    frames = []
    for part in parts:
        for seed in (0, 1):
            ids = [f"{classes[0]}-{count}" for count in range(3 * clusters)]
            rows = pd.DataFrame(
                {"id": ids, "cluster": [f"s{n % clusters}" for n in range(len(ids))]}
            )
            rows[["part", "repeat", "fold", "seed"]] = part, 0, 0, seed
            rows["target"] = "label"
            rows["truth"] = [classes[n % len(classes)] for n in range(len(ids))]
            scores = generator.dirichlet([1.0] * len(classes), len(ids)).round(6)
            rows["value"] = np.array(classes, dtype=object)[scores.argmax(1)]
            rows[[f"score:{one}" for one in classes]] = scores
            frames.append(rows)
    table = pd.concat(frames, ignore_index=True)
    folder.mkdir(parents=True)
    table.to_csv(folder / "predictions.csv", index=False)
    metrics = ["macro_f1", "accuracy"]
    label = {one: classes[n % 2] for n, one in enumerate(dict.fromkeys(table["id"]))}
    found = evaluate.evaluate(table, metrics, {"planted": table["id"].map(label)})
    for numbers in found.values():
        numbers["others"] = {}
    scores = {"macro_f1": 0.1, "uar": 0.2, "accuracy": 0.3}
    files = {
        "metrics.json": {"split": "abcd1234", "leaks allowed": ["group"], "parts": found},
        "audit.json": {
            "split": "abcd1234", "corpus": "made up", "utterances": len(label), "dropped": {},
            "unused": 2, "missing": {}, "notice": "", "remarks": [], "probes": {"majority": scores},
            "leaks": [{"kind": "group", "count": 1, "where": "train/test", "note": "",
                       "examples": [classes[0]], "allowed": True}],
        },
    }  # fmt: skip
    for file, what in files.items():
        (folder / file).write_text(json.dumps(what, sort_keys=True))
    config = {
        "name": name,
        "corpus": [{"name": "manifest", "root": "nowhere", "path": "none.csv"}],
        "protocol": {"name": "kfold", "folds": 3},
        "encoders": {"audio": {"name": "log_mel", "normalize": normalize}},
        "outputs": {"label": {"kind": "classes"}},
        "learner": {"name": "svm"},
        "seeds": [0, 1],
        "metrics": metrics,
    }
    (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """A finished study of tones: curves, parameters, log and openings are real."""
    folder = tmp_path_factory.mktemp("study")
    write_tones(folder, speakers=6)
    return compare(tones_config(folder, seeds=[0, 1], breakdown=["speaker"]))


def numbers(path):
    return json.loads((path / "metrics.json").read_text())["parts"]


def read(folder, kind="html"):
    return (folder / f"report.{kind}").read_text("utf-8")


def test_every_number_of_the_main_table_is_in_the_file(study):
    report.write(study.folder)
    cells = Page(read(study.folder)).cells
    for run in study.runs.values():
        for part in numbers(run.folder).values():
            for value in part["metrics"].values():
                for key in ("mean", "sd", "low", "high", "mean_of_folds", "ensemble"):
                    assert f"{value[key]:.3f}" in cells
        for value in numbers(run.folder)["test"]["metrics"].values():
            shown = f"{value['mean']:.3f} ± {value['sd']:.3f}"
            assert f"{shown}{value['low']:.3f} to {value['high']:.3f}" in cells
        for one in numbers(run.folder)["test"]["classes"].values():
            assert {f"{one[key]:.3f}" for key in ("precision", "recall", "f1")} <= set(cells)


def test_gaps_and_verdict_are_those_of_the_comparison(study):
    report.write(study.folder)
    page = Page(read(study.folder))
    words = "".join(page.words)
    assert all(line in words for line in study.verdict())
    for found in study.contrasts.values():
        assert f"{found.gap:+.3f}{found.low:.3f} to {found.high:.3f}" in page.cells
    assert "opened 4 times" in words, "one opening an arm"
    assert "No gap in accuracy is large enough" in words, "6 clusters cannot show any"


def test_few_clusters_are_said_and_shown_one_by_one(study):
    report.write(study.folder)
    page = Page(read(study.folder))
    assert "Few clusters (6)" in "".join(page.words)
    one = next(iter(study.contrasts.values()))
    assert {f"{gap:+.3f}" for gap in one.by_cluster.values()} <= set(page.cells)


def test_the_csv_has_every_digit(study):
    report.write(study.folder)
    rows = list(csv.DictReader(read(study.folder, "csv").splitlines()))
    for arm, run in study.runs.items():
        for part, found in numbers(run.folder).items():
            for name, value in found["metrics"].items():
                key = (arm, part, name, "")
                row = next(r for r in rows if (r["arm"], r["part"], r["metric"], r["class"]) == key)
                assert float(row["mean"]) == value["mean"]
                assert float(row["high"]) == value["high"]
    gaps = {row["arm"]: float(row["gap"]) for row in rows if row["gap"]}
    assert gaps == {arm: one.gap for arm, one in study.contrasts.items()}


def test_markdown_and_latex_show_the_same_cells(study):
    report.write(study.folder)
    value = numbers(study.first.folder)["test"]["metrics"]["macro_f1"]
    mean, sd = f"{value['mean']:.3f}", f"{value['sd']:.3f}"
    span = f"({value['low']:.3f} to {value['high']:.3f})"
    assert f"{mean} ± {sd} {span}" in read(study.folder, "md")
    assert rf"{mean} $\pm$ {sd} {span}" in read(study.folder, "tex")


def test_curves_have_a_line_a_model_and_parameters_are_counted(study):
    report.write(study.folder)
    source = read(study.folder)
    panels = 2 * len(study.runs)
    assert source.count('class="thin"') == panels * 3 * 2, "3 folds, 2 seeds"
    assert source.count('class="bold"') == panels
    model = next(study.first.folder.glob("models/*/model.json"))
    assert f"{json.loads(model.read_text())['parameters']:,d}" in Page(source).cells


def test_the_same_files_give_the_same_bytes(study):
    first = {name.name: name.read_bytes() for name in written(study.folder)}
    report.write(study.folder)
    assert {name.name: name.read_bytes() for name in written(study.folder)} == first
    assert len(first) == 4


def written(folder):
    report.write(folder)
    return sorted(folder.glob("report.*"))


def test_the_command_repeats_the_study(study):
    (line, again) = findings.commands(collect.read(study.folder))
    widest = study.runs["audio+hand+text"].folder.name
    assert line == (
        f"mser compare {widest}/config.yaml --modalities audio,hand,text,audio+hand+text "
        f"--baseline {study.baseline}"
    )
    assert again == f"mser report {study.folder.name}"


def test_no_page_asks_the_network_for_anything(study):
    report.write(study.folder)
    folder = study.folder.parent
    for source in (read(study.folder), report.write(folder).read_text()):
        assert "@import" not in source
        assert all(one.startswith("url(data:") for one in re.findall(r"url\([^)]*", source))
        assert not [link for link in Page(source).links if re.match(r"(https?:)?//", link)]


def test_every_table_has_a_caption_a_head_and_a_body(study):
    report.write(study.folder)
    page = Page(read(study.folder))
    assert all({"caption", "thead", "tbody", "th"} <= found for found in page.tables)
    assert page.tags.count("main") == 1
    assert page.tags.count("title") == 1 + page.tags.count("svg")


def test_class_names_and_ids_come_out_as_text(tmp_path):
    folder = write_run(tmp_path / "run", classes=BAD)
    report.write(folder)
    page = Page(read(folder))
    assert page.tags.count("script") == 1
    assert set(BAD) <= set(page.cells)
    assert "<script>alert" not in read(folder, "md")
    assert r"a\|b &amp; 50%" in read(folder, "md")
    tex = read(folder, "tex")
    assert r"\input" not in tex.replace(r"\textbackslash{}input", "")
    assert r"a\textbar{}b \& 50\%\_\$\#\textasciitilde{}\textasciicircum{}\{\}" in tex
    table = [row for row in csv.DictReader(read(folder, "csv").splitlines()) if row["class"]]
    assert {row["class"] for row in table} == {BAD[0], "'=cmd()", *BAD[2:]}
    assert not [cell for row in table for cell in row.values() if cell.startswith(("=", "@"))]


@pytest.mark.parametrize(
    ("normalize", "stamped"), [("speaker", True), ("standard", False), ("none", False)]
)
@pytest.mark.parametrize("kind", ["html", "md", "tex"])
def test_a_run_that_scales_each_speaker_by_their_own_clips_is_called_transductive(
    tmp_path, normalize, stamped, kind
):
    folder = write_run(tmp_path / "run", normalize=normalize)
    report.write(folder)
    stamp = "Transductive: audio scaled by each speaker's own unlabelled clips"
    source = read(folder, kind)
    shown = "".join(Page(source).words) if kind == "html" else source
    assert (stamp in shown) == stamped


def test_each_row_of_the_table_names_the_encoders_that_are_scaled_by_speaker(tmp_path):
    for normalize, stamp in (("speaker", "audio"), ("standard", "")):
        folder = write_run(tmp_path / normalize, normalize=normalize)
        report.write(folder)
        table = csv.DictReader(read(folder, "csv").splitlines())
        assert {row["transductive"] for row in table if row["run"]} == {stamp}


def test_every_row_of_a_markdown_table_has_the_same_columns(tmp_path):
    folder = write_run(tmp_path / "run", classes=BAD)
    report.write(folder)
    lines = read(folder, "md").splitlines()
    widths = [len(re.findall(r"(?<!\\)\|", line)) if line.startswith("|") else 0 for line in lines]
    assert all(one == two for one, two in pairwise(widths) if one and two)
    assert max(widths) > 5


def test_a_name_in_brackets_is_no_option_of_the_line_above_in_latex(tmp_path):
    folder = write_run(tmp_path / "run", classes=("[joy]", "*calm"))
    report.write(folder)
    assert not re.search(r"^\s*[\[*]", read(folder, "tex"), re.MULTILINE)
    assert "{[}joy]" in read(folder, "tex")


def test_a_folder_can_be_named_by_a_dot(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "run")
    report.write(folder)
    named = read(folder)
    monkeypatch.chdir(folder)
    report.write(Path())
    assert read(folder) == named


@pytest.mark.parametrize("value", ["-0.5", "+x", "@x", "\tx", "=1"])
def test_a_spreadsheet_does_not_run_a_cell(value):
    assert text.csv_cell(value) == f"'{value}"


def test_a_negative_number_stays_a_number():
    assert text.csv_cell(-0.5) == "-0.5"


def test_classes_keep_the_order_of_the_task(tmp_path):
    """JSON objects are written sorted; the confusion matrix is not."""
    folder = write_run(tmp_path / "run", classes=("zeal", "anger"))
    record = read_run(folder)
    assert record.classes == ["zeal", "anger"]
    report.write(folder)
    cells = Page(read(folder)).cells
    row = cells.index("zeal", cells.index("zeal") + 1)
    zeal = record.numbers["confusion"][0]
    shares = [f"{n / sum(zeal):.2f}{n:.1f}".removesuffix(".0") for n in zeal]
    places = [place for place in range(row, len(cells)) if cells[place] == "zeal"]
    assert any(cells[place + 1 : place + 3] == shares for place in places)


def test_a_run_without_curves_parameters_log_and_environment(tmp_path):
    folder = write_run(tmp_path / "run")
    report.write(folder)
    page = Page(read(folder))
    words = "".join(page.words)
    assert "Learning curves" not in words
    assert "not recorded" in words
    assert "nan" not in "".join(page.cells).lower()


def test_warnings_come_before_any_number(tmp_path):
    folder = write_run(tmp_path / "run", clusters=4)
    report.write(folder)
    words = "".join(Page(read(folder)).words)
    found = [
        "Leaks allowed by the config: group",
        "2 utterances are in no part",
        "Few clusters (4)",
    ]
    assert all(words.index(one) < words.index("macro_f1") for one in found)


def test_an_arm_that_does_not_beat_a_probe_is_named(tmp_path):
    folder = write_run(tmp_path / "run")
    audit = json.loads((folder / "audit.json").read_text())
    audit["probes"]["same group"] = {"macro_f1": 0.99}
    (folder / "audit.json").write_text(json.dumps(audit))
    lines = findings.warnings(collect.read(folder))
    assert any("audio cannot be told from the probe 'same group'" in line for line in lines)


def test_a_sealed_test_part_is_said(tmp_path):
    folder = write_run(tmp_path / "run", parts=("dev",))
    report.write(folder)
    words = "".join(Page(read(folder)).words)
    assert "all numbers are of dev" in words
    assert "probe: majority" not in words


def test_one_cluster_has_no_interval_and_still_a_page(tmp_path):
    folder = write_run(tmp_path / "run", clusters=1)
    assert numbers(folder)["test"]["metrics"]["macro_f1"]["high"] == float("inf")
    report.write(folder)
    assert "inf" not in "".join(re.findall(r"<svg.*?</svg>", read(folder)))


def test_errors_are_the_surest_wrong_ones_of_the_ensemble(tmp_path):
    folder = write_run(tmp_path / "run")
    table = pd.read_csv(folder / "predictions.csv")
    rows = table[table["part"] == "test"]
    mean = rows.groupby("id")[["score:joy", "score:calm"]].mean()
    guess = mean.idxmax(axis=1).str.removeprefix("score:")
    wrong = guess != rows.groupby("id")["truth"].first()
    expected = mean.max(axis=1)[wrong].sort_values(ascending=False)
    found = collect.mistakes(read_run(folder))
    assert list(found["confidence"]) == pytest.approx(list(expected))
    assert set(found["id"]) == set(expected.index)


def test_an_index_links_every_run_and_writes_what_is_absent(tmp_path):
    homes = [write_run(tmp_path / "x" / name, name=name) for name in ("one", "two")]
    write_run(tmp_path / "x" / "a b", name="<b>three</b>")
    page = Page(report.write(tmp_path).read_text("utf-8"))
    assert page.links == ["x/a%20b/report.html", "x/one/report.html", "x/two/report.html"]
    assert all((home / "report.html").exists() for home in homes)
    value = numbers(homes[0])["test"]["metrics"]["macro_f1"]
    assert any(cell.startswith(f"{value['mean']:.3f} ± {value['sd']:.3f}") for cell in page.cells)
    assert "b" not in page.tags


def test_an_index_names_runs_that_are_damaged_or_stopped(tmp_path):
    write_run(tmp_path / "good")
    (write_run(tmp_path / "bad") / "metrics.json").write_text("{")
    (write_run(tmp_path / "stopped") / "metrics.json").unlink()
    words = "".join(Page(report.write(tmp_path).read_text("utf-8")).words)
    assert "says why): bad." in words
    assert "refused for a leak): stopped." in words


def test_an_older_report_is_written_again(tmp_path):
    folder = write_run(tmp_path / "run")
    page = report.write(folder)
    page.write_text("old")
    later = page.stat().st_mtime_ns + 10**9
    os.utime(folder / "metrics.json", ns=(later, later))
    report.write(tmp_path)
    assert page.read_text("utf-8") != "old"


def test_a_folder_without_runs_says_what_was_expected(tmp_path):
    with pytest.raises(types.DataError, match=r"holds no run: .*metrics\.json.*comparison\.json"):
        report.write(tmp_path)
    with pytest.raises(types.DataError, match="there is no folder"):
        report.write(tmp_path / "nothing")


def test_a_study_without_its_runs_and_numbers_of_another_version_are_refused(tmp_path):
    folder = write_run(tmp_path / "run")
    (folder / "metrics.json").write_text('{"parts": {"test": {}}}')
    with pytest.raises(types.DataError, match="another version"):
        report.write(folder)
    (tmp_path / "study").mkdir()
    (tmp_path / "study" / "comparison.json").write_text('{"arms": {"a": "gone"}}')
    with pytest.raises(types.DataError, match="are missing"):
        report.write(tmp_path / "study")


def test_players_hold_the_sound_and_the_words(study):
    folder = study.runs["audio+hand+text"].folder
    page = Page(report.write(folder, players=2).read_text("utf-8"))
    sounds = [link for link in page.links if link.startswith("data:audio/wav;base64,")]
    wrong = collect.mistakes(read_run(folder))
    assert len(sounds) == 2 < len(wrong), "three epochs are too few to learn the tones"
    label, speaker, turn = wrong["id"][0].split("-")[1], *re.findall(r"\d", wrong["id"][0])
    assert f"{WORDS[label]} {speaker} {turn}" in page.cells


def test_players_of_a_corpus_that_is_gone_give_the_table_and_the_reason(tmp_path):
    folder = write_run(tmp_path / "run")
    page = Page(report.write(folder, players=3).read_text("utf-8"))
    assert "audio" not in page.tags
    assert "No sound here: " in "".join(page.words)


def test_the_wav_header_says_what_follows():
    from multimodal_ser.corpus.audio import wav

    data = wav(np.array([0.0, 1.0, -1.0, 2.0], dtype=np.float32), 16000)
    assert len(data) == 44 + 8
    assert data[:4] == b"RIFF" and data[8:16] == b"WAVEfmt "
    assert int.from_bytes(data[24:28], "little") == 16000
    assert np.frombuffer(data[44:], "<i2").tolist() == [0, 32767, -32767, 32767]


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.5, 1]), (-0.08, 0.28, [-0.1, 0, 0.1, 0.2, 0.3]), (2, 2, [1.5, 2, 2.5])],
)
def test_ticks_are_round_and_embrace_the_range(low, high, expected):
    found = figures.ticks(low, high)
    assert set(expected) <= set(found)
    assert found[0] <= low and found[-1] >= high


def test_the_mean_line_ends_where_half_of_the_models_have_stopped():
    lines = [[(0, 1.0), (1, 2.0), (2, 9.0)], [(0, 3.0), (1, 4.0)], [(0, 5.0)]]
    assert figures.mean_line(lines) == [(0, 3.0), (1, 3.0)]


def test_a_report_needs_neither_torch_nor_a_model(tmp_path):
    folder = write_run(tmp_path / "run")
    code = (
        "import sys\nfrom pathlib import Path\nfrom multimodal_ser import report\n"
        "report.write(Path(sys.argv[1]))\nassert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=True)
    assert Path(folder / "report.html").stat().st_size < 100_000
