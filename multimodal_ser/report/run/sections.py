"""The chapters of a report in the order of the page; every output draws the same chapters."""

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
    report: Report, errors: pd.DataFrame, clips: Mapping[str, Clip], no_sound: str
) -> list[Section]:
    """All chapters that are not empty.

    errors: the table of errors to show. clips: id → transcript and sound. no_sound: the reason if
    there is no sound.
    """
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
        _errors(report, errors, clips, no_sound),
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
    """The chapters for this kind of target: classes, labels or a number."""
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
    """Truth against prediction, for a target that is a number."""
    panels = []
    for arm, record in report.arms.items():
        answers = collect.ensemble(record)
        answers = answers[answers["truth"] != ""]
        pairs = list(zip(answers["truth"].astype(float), answers["guess"], strict=True))
        figure = figures.density(f"Truth and prediction: {arm}", pairs)
        panels.append(figures.captioned(figure, arm))
    lines = ["Truth across, prediction upwards, on one scale; darker: more utterances."]
    return Section("numbers", "Truth and prediction", lines, panels, grid=True)


def wrong_answers(report: Report, limit: int = SHOWN_ERRORS) -> pd.DataFrame:
    """The surest errors of the leading arm, with the answers of all other arms."""
    errors = collect.mistakes(report.arms[report.leading]).head(limit)
    for arm, record in report.arms.items():
        if arm != report.leading:
            answers = collect.ensemble(record).set_index("id")["guess"]
            errors[f"arm:{arm}"] = errors["id"].map(answers)
    return errors


def _published(report: Report) -> Section:
    """The published results of the task, with ours among them if it is the same task."""
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
    table = [context.published(report, task, ours=not differs)]
    return Section("published", "Published results", lines, tables=table)


def _reported(report: Report) -> Section:
    """What documents report of these systems. Values that are not comparable are only cited."""
    comparisons = {arm: context.reported(record) for arm, record in report.arms.items()}
    lines = {
        arm: [comparison.line() for comparison in comparisons_of if comparison.differs]
        for arm, comparisons_of in comparisons.items()
    }
    return Section(
        "reported",
        "Reported elsewhere",
        findings.shared(lines),
        tables=context.beside(report),
    )


def _gaps(report: Report) -> Section:
    """The gaps to the baseline; empty without a baseline."""
    arms = contrasts.of(report)
    forests = []
    if arms and report.comparison:
        name = f"Gap in {report.comparison['metric']} to {report.comparison['baseline']}"
        rows = [
            (arm, contrast["gap"], contrast["low"], contrast["high"])
            for arm, contrast in arms.items()
        ]
        strong = [contrast["holm"] is not None for contrast in arms.values()]
        caption = f"{name}, 95 % interval; filled dots belong to the tested family."
        forests = [figures.captioned(figures.forest(name, rows, strong), caption)]
    candidates = (
        contrasts.changes(report),
        contrasts.elsewhere(report),
        contrasts.clusters(report),
        contrasts.gaps(report),
    )
    filled = [table for table in candidates if table]
    return Section("gaps", "Gap to the baseline", figures=forests, tables=filled)


def _members(report: Report) -> Section:
    """The members of an ensemble; empty for other runs."""
    ensemble = report.ensemble
    if ensemble is None:
        return Section("members", "Members")
    member_tables = list(ensembles.tables(ensemble))
    return Section("members", "Members", list(ensembles.lines(ensemble)), tables=member_tables)


def _classes(report: Report, noun: str) -> Section:
    panels = []
    for arm, record in report.arms.items():
        rows = [
            (name, scores["f1"], scores["low"], scores["high"])
            for name, scores in tables.by_class(record)
        ]
        panels.append(figures.captioned(figures.bars(f"F1 of each {noun}: {arm}", rows), arm))
    title = {"class": "Classes", "label": "Labels"}[noun]
    lines = [f"F1 of each {noun} with its 95 % interval."]
    classes = tables.classes(report, title, noun)
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
            measure = _LOSSES.get(name, f"{name} on dev")
            figure = figures.curves(f"{measure}: {arm}", lines, figures.mean_line(lines))
            panels.append(figures.captioned(figure, f"{arm}: {measure}, {len(lines)} models"))
    lines = ["A thin line a fold and seed, the mean over them bold."] if panels else []
    return Section("curves", "Learning curves", lines, panels, grid=True)


def _curve_names(record: Record) -> list[str]:
    """The names of the curves: the losses, and the metric on dev if there is one."""
    names = dict.fromkeys(key for curve in record.curves for row in curve for key in row)
    return [name for name in names if name != "epoch"]


def _errors(
    report: Report, errors: pd.DataFrame, clips: Mapping[str, Clip], no_sound: str
) -> Section:
    arms = [str(name) for name in errors.columns if str(name).startswith("arm:")]
    other_arms = [name.removeprefix("arm:") for name in arms]
    header = ["id", "cluster", "truth", report.leading if report.comparison else "predicted"]
    measure = "confidence" if report.first.kind == "classes" else "off"
    header += [*other_arms, measure, *(["transcript", "sound"] if clips else [])]
    rows = [
        [
            *(_answer(row[key]) for key in ("id", "cluster", "truth", "guess", *arms)),
            number(row[measure]),
            *(_clip(clips.get(row["id"], Clip(""))) if clips else ()),
        ]
        for row in errors.to_dict("records")
    ]
    record = report.arms[report.leading]
    subject = "The surest errors" if record.kind == "classes" else "The predictions furthest off"
    caption = f"{subject} of {report.leading} on {record.part}, the ensemble over seeds"
    lines = [f"No sound here: {no_sound}"] if no_sound else []
    if not rows:
        lines = [f"{report.leading} makes no error on {record.part}."]
    elif report.comparison:
        reason = "the arm that is best on dev" if "dev" in record.metrics["parts"] else "shown"
        lines.append(f"{report.leading} is {reason}; beside it, what the other arms answer.")
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
