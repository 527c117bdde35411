"""Tables to compare a run with: probes without a model, siblings in train, published results."""

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
    """The scores of the probes, which look labels up without any model."""
    scores_of = audit["probes"]
    names = list(next(iter(scores_of.values()), {}))
    rows = [
        [Cell(name), *(number(scores[key]) for key in names)] for name, scores in scores_of.items()
    ]
    return Table("Probes on test: no model, only a lookup", ["probe", *names], rows)


def siblings(audit: Mapping[str, Any]) -> list[Table]:
    """For each class: how many test items have another item of the same group in train."""
    counts_of = audit.get("siblings") or {}
    rows = [
        [
            Cell(name),
            number(with_sibling, "d"),
            number(total, "d"),
            number(with_sibling / total if total else None),
        ]
        for name, (with_sibling, total) in counts_of.items()
    ]
    header = ["class", "with a sibling in train", "test items", "share"]
    return [Table("Test items whose speaker or group is in train", header, rows)] if rows else []


def published(report: Report, task: Mapping[str, Any], *, ours: bool) -> Table:
    """The published results, best first by the metric that decides; rows without it come last.

    ours: add a row for each arm of this report.
    """
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
    """What documents report of the run's system, with our scores where they are comparable."""
    return expected.beside(record.config, record.metrics["parts"])


def beside(report: Report) -> list[Table]:
    """A row for each reported value, with ours beside it; only values that are comparable."""
    rows = [
        [
            Cell(expected_row.told.source, expected_row.told.note),
            Cell(arm),
            Cell(name),
            *_here(reported_value, our_score),
        ]
        for arm, record in report.arms.items()
        for expected_row in reported(record)
        for name, reported_value, our_score in expected_row.pairs()
    ]
    header = ["source", "arm", "metric", "reported", "here", "here − reported"]
    caption = "As reported, and here: mean ± sd over seeds, with its 95 % interval"
    return [Table(caption, header, rows)] if rows else []


def _here(reported_value: float, our_score: Mapping[str, Any] | None) -> Cells:
    if our_score is None:
        return [number(reported_value), Cell(NONE, NOT_MEASURED), Cell(NONE)]
    gap = our_score["mean"] - reported_value
    return [number(reported_value), ranged(our_score), Cell(f"{gap:+.3f}", value=gap)]
