"""The chapters of a report in the order they are read; every output draws the same ones."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import pandas as pd
import yaml

from multimodal_ser.report import figures
from multimodal_ser.report.cells import Cell, Clip, Section, Table, number
from multimodal_ser.report.run import collect, context, contrasts, ensembles, findings, tables

if TYPE_CHECKING:
    from multimodal_ser.report.run.collect import Report
    from multimodal_ser.runs.records import Record

SHOWN_ERRORS = 20


def sections(
    report: Report, wrong: pd.DataFrame, clips: Mapping[str, Clip], why: str
) -> list[Section]:
    """wrong: the errors that are shown; clips: id → what is known of its utterance; why not."""
    chapters = [
        Section("results", "Results", tables=[tables.results(report), *tables.others(report)]),
        _gaps(report),
        _members(report),
        _published(report),
        _reported(report),
        Section(
            "audit",
            "Audit",
            findings.audit(report),
            tables=[context.probes(report.first.audit), *context.siblings(report.first.audit)],
        ),
        *_of_target(report),
        Section("breakdown", "Breakdown", tables=tables.breakdowns(report)),
        _curves(report),
        _errors(report, wrong, clips, why),
        Section("parts", "Every part and seed", tables=tables.parts(report)),
        Section("how", "How these numbers are made", findings.how(report)),
        _repeat(report),
    ]
    return [section for section in chapters if section.filled]


_CONFUSION = (
    "Rows are the truth, columns the prediction: the share of the row, and below it the count "
    "(mean over seeds).",
)


def _of_target(report: Report) -> list[Section]:
    """What is shown of each class or label, or of a number."""
    if report.first.kind == "numbers":
        return [_numbers(report)]
    if report.first.kind == "labels":
        return [_classes(report, "label")]
    shares = tables.confusions(report)
    return [
        _classes(report, "class"),
        Section("confusion", "Confusion", _CONFUSION, tables=shares, grid=True),
    ]


def _numbers(report: Report) -> Section:
    """Truth against prediction, where the target is a number."""
    panels = []
    for arm, record in report.arms.items():
        answers = collect.ensemble(record)
        answers = answers[answers["truth"] != ""]
        pairs = list(zip(answers["truth"].astype(float), answers["guess"], strict=True))
        drawn = figures.density(f"Truth and prediction: {arm}", pairs)
        panels.append(figures.captioned(drawn, arm))
    lines = ["Truth across, prediction upwards, on one scale; darker: more utterances."]
    return Section("numbers", "Truth and prediction", lines, panels, grid=True)


def wrong_answers(report: Report, limit: int = SHOWN_ERRORS) -> pd.DataFrame:
    """The surest errors of the leading arm, with what every other arm says of them."""
    wrong = collect.mistakes(report.arms[report.leading]).head(limit)
    for arm, record in report.arms.items():
        if arm != report.leading:
            answers = collect.ensemble(record).set_index("id")["guess"]
            wrong[f"arm:{arm}"] = wrong["id"].map(answers)
    return wrong


def _published(report: Report) -> Section:
    """The task's published results and ours among them, where it is the same task."""
    task = report.first.config.get("task")
    if not task:
        return Section("published", "Published results")
    differs = [*report.first.audit.get("differs", [])]
    if report.first.part != task["part"]:
        differs.append(f"part ({report.first.part}, not {task['part']})")
    lines = [f"{task['title']}: {task['averaging']} ({task['home']})"]
    if differs:
        lines.append(
            f"This is not that task ({', '.join(differs)} differ), so its values are not drawn "
            "among the published ones."
        )
    if not task["published"]:
        lines.append("The card holds no published value.")
        return Section("published", "Published results", lines)
    lines.append("Published values are their authors' own; nobody has run them here.")
    drawn = [context.published(report, task, ours=not differs)]
    return Section("published", "Published results", lines, tables=drawn)


def _reported(report: Report) -> Section:
    """What documents report of these systems; one that speaks of something else is only cited."""
    reports = {arm: context.reported(record) for arm, record in report.arms.items()}
    lines = {
        arm: [report_line.line() for report_line in some if report_line.differs]
        for arm, some in reports.items()
    }
    return Section(
        "reported",
        "Reported elsewhere",
        findings.shared(lines),
        tables=context.beside(report),
    )


def _gaps(report: Report) -> Section:
    """Empty without a baseline."""
    arms = contrasts.of(report)
    shown = []
    if arms and report.comparison:
        name = f"Gap in {report.comparison['metric']} to {report.comparison['baseline']}"
        rows = [(arm, one["gap"], one["low"], one["high"]) for arm, one in arms.items()]
        strong = [arm["holm"] is not None for arm in arms.values()]
        caption = f"{name}, 95 % interval; filled dots belong to the tested family."
        shown = [figures.captioned(figures.forest(name, rows, strong), caption)]
    drawn = (
        contrasts.changes(report),
        contrasts.elsewhere(report),
        contrasts.clusters(report),
        contrasts.gaps(report),
    )
    found = [one for one in drawn if one]
    return Section("gaps", "Gap to the baseline", figures=shown, tables=found)


def _members(report: Report) -> Section:
    """Empty unless it is an ensemble."""
    described = report.ensemble
    if described is None:
        return Section("members", "Members")
    drawn = list(ensembles.tables(described))
    return Section("members", "Members", list(ensembles.lines(described)), tables=drawn)


def _classes(report: Report, what: str) -> Section:
    panels = []
    for arm, record in report.arms.items():
        rows = [(name, one["f1"], one["low"], one["high"]) for name, one in tables.by_class(record)]
        panels.append(figures.captioned(figures.bars(f"F1 of each {what}: {arm}", rows), arm))
    title = {"class": "Classes", "label": "Labels"}[what]
    lines = [f"F1 of each {what} with its 95 % interval."]
    classes = tables.classes(report, title, what)
    return Section("classes", title, lines, panels, classes, grid=True)


_LOSSES = {"loss": "training loss", "dev_loss": "loss on dev"}


def _curves(report: Report) -> Section:
    panels = []
    for arm, record in report.arms.items():
        for name in _curve_names(record):
            lines = [
                [(row["epoch"], row[name]) for row in curve if name in row]
                for curve in record.curves
            ]
            lines = [line for line in lines if line]
            what = _LOSSES.get(name, f"{name} on dev")
            drawn = figures.curves(f"{what}: {arm}", lines, figures.mean_line(lines))
            panels.append(figures.captioned(drawn, f"{arm}: {what}, {len(lines)} models"))
    lines = ["A thin line a fold and seed, the mean over them bold."] if panels else []
    return Section("curves", "Learning curves", lines, panels, grid=True)


def _curve_names(record: Record) -> list[str]:
    """The loss, then the metric on dev where there is one."""
    names = dict.fromkeys(key for curve in record.curves for row in curve for key in row)
    return [name for name in names if name != "epoch"]


def _errors(report: Report, wrong: pd.DataFrame, clips: Mapping[str, Clip], why: str) -> Section:
    arms = [str(name) for name in wrong.columns if str(name).startswith("arm:")]
    others = [name.removeprefix("arm:") for name in arms]
    header = ["id", "cluster", "truth", report.leading if report.comparison else "predicted"]
    measure = "confidence" if report.first.kind == "classes" else "off"
    header += [*others, measure, *(["transcript", "sound"] if clips else [])]
    rows = [
        [
            *(_answer(row[key]) for key in ("id", "cluster", "truth", "guess", *arms)),
            number(row[measure]),
            *(_clip(clips.get(row["id"], Clip(""))) if clips else ()),
        ]
        for row in wrong.to_dict("records")
    ]
    record = report.arms[report.leading]
    what = "The surest errors" if record.kind == "classes" else "The predictions furthest off"
    caption = f"{what} of {report.leading} on {record.part}, the ensemble over seeds"
    lines = [f"No sound here: {why}"] if why else []
    if not rows:
        lines = [f"{report.leading} makes no error on {record.part}."]
    elif report.comparison:
        why_it = "the arm that is best on dev" if "dev" in record.metrics["parts"] else "shown"
        lines.append(f"{report.leading} is {why_it}; beside it, what the other arms answer.")
    return Section("errors", "Errors", lines, tables=[Table(caption, header, rows)] if rows else ())


def _answer(value: str | float) -> Cell:
    return number(value) if isinstance(value, float) else Cell(str(value))


def _clip(clip: Clip) -> list[Cell]:
    return [Cell(clip.text), Cell("", audio=clip.audio)]


def _repeat(report: Report) -> Section:
    configs = {
        f"config of {arm} ({record.folder.name})": yaml.safe_dump(
            dict(record.config), sort_keys=False, allow_unicode=True
        )
        for arm, record in report.arms.items()
    }
    code = {"commands, in the folder of runs": "\n".join(findings.commands(report)), **configs}
    table = [tables.environment(report)]
    return Section("repeat", "Environment, config, commands", tables=table, code=code)
