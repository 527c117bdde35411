"""What stands around the numbers: lookups without a model, siblings in train, others' results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from multimodal_ser.evaluation.metrics import sign
from multimodal_ser.report.cells import NONE, Cell, Cells, Table, interval, number, ranged
from multimodal_ser.report.run import expected
from multimodal_ser.report.run.expected import NOT_MEASURED, Beside

if TYPE_CHECKING:
    from multimodal_ser.report.run.collect import Report
    from multimodal_ser.runs.records import Record


def probes(audit: Mapping[str, Any]) -> Table:
    """What a lookup without any model scores."""
    scores_of = audit["probes"]
    names = list(next(iter(scores_of.values()), {}))
    rows = [
        [Cell(name), *(number(scores[key]) for key in names)] for name, scores in scores_of.items()
    ]
    return Table("Probes on test: no model, only a lookup", ["probe", *names], rows)


def siblings(audit: Mapping[str, Any]) -> list[Table]:
    """Class by class: the test items of which train holds another of the same group."""
    counts_of = audit.get("siblings") or {}
    rows = [
        [Cell(name), number(seen, "d"), number(count, "d"), number(seen / count if count else None)]
        for name, (seen, count) in counts_of.items()
    ]
    header = ["class", "with a sibling in train", "test items", "share"]
    return [Table("Test items whose speaker or group is in train", header, rows)] if rows else []


def published(report: Report, task: Mapping[str, Any], *, ours: bool) -> Table:
    """Best first, by the metric that decides; values without it come last."""
    metrics_published = {name for system in task["published"] for name in system["values"]}
    names = [name for name in report.first.metric_names if name in metrics_published]
    rows = [
        [
            Cell(system["system"], system["note"]),
            *(number(system["values"].get(name)) for name in names),
            Cell(system["source"]),
        ]
        for system in task["published"]
    ]
    if ours:
        rows += [
            [
                Cell(f"here: {arm}", "with its 95 % interval"),
                *_ours(record, names),
                Cell("this run"),
            ]
            for arm, record in report.arms.items()
        ]
    better = sign(names[0]) if names else 1
    rows.sort(key=lambda row: (row[1].value is None, -better * (row[1].value or 0)))
    return Table("Published results of the task", ["system", *names, "source"], rows)


def _ours(record: Record, names: Sequence[str]) -> Cells:
    values = [record.numbers["metrics"][name] for name in names]
    return [Cell(f"{value['mean']:.3f}", interval(value), value["mean"]) for value in values]


def reported(record: Record) -> list[Beside]:
    """What documents report of the system of a run, and ours where it may stand beside it."""
    return expected.beside(record.config, record.metrics["parts"])


def beside(report: Report) -> list[Table]:
    """Reported and ours, a row a value; nothing where they speak of different things."""
    rows = [
        [
            Cell(expected_row.told.source, expected_row.told.note),
            Cell(arm),
            Cell(name),
            *_here(theirs, ours),
        ]
        for arm, record in report.arms.items()
        for expected_row in reported(record)
        for name, theirs, ours in expected_row.pairs()
    ]
    header = ["source", "arm", "metric", "reported", "here", "here − reported"]
    caption = "As reported, and here: mean ± sd over seeds, with its 95 % interval"
    return [Table(caption, header, rows)] if rows else []


def _here(theirs: float, ours: Mapping[str, Any] | None) -> Cells:
    if ours is None:
        return [number(theirs), Cell(NONE, NOT_MEASURED), Cell(NONE)]
    gap = ours["mean"] - theirs
    return [number(theirs), ranged(ours), Cell(f"{gap:+.3f}", value=gap)]
