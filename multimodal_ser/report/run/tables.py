"""The tables of a report. All numbers come from the run's files; nothing is computed anew."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from multimodal_ser.evaluation.evaluate import FEW_CLUSTERS
from multimodal_ser.report.cells import (
    NONE,
    Cell,
    Cells,
    Table,
    interval,
    number,
    probability,
    ranged,
)
from multimodal_ser.report.run import contrasts

if TYPE_CHECKING:
    from multimodal_ser.report.run.collect import Report
    from multimodal_ser.runs.records import Record


def results(report: Report) -> Table:
    """The main table: a row for each arm, and the probes below."""
    names = report.first.metric_names
    header = ["arm"]
    for name in names:
        header += [name, "seed ensemble"]
    small = any(small_free(record.numbers) for record in report.arms.values())
    header += ["macro_f1 without small classes"] if small else []
    header += ["gap", "p", "Holm p"] if report.comparison else []
    rows = [
        [
            Cell(arm, _role(report, arm)),
            *_metrics(record, names),
            *_extra(report, arm, record, small),
        ]
        for arm, record in report.arms.items()
    ]
    probes = report.first.audit["probes"] if report.first.part.startswith("test") else {}
    foot = [_probe(name, scores, names, len(header) + 2) for name, scores in probes.items()]
    scope = f"{_count(report.first)} on {report.first.part}"
    caption = f"{report.first.target}: mean ± sd over {scope}, with the 95 % interval below"
    return Table(caption, [*header, "parameters", "seconds"], rows, foot)


def others(report: Report) -> list[Table]:
    """The same table for each further target, without tests: tests are of the first target only."""
    tables = []
    for target, scores in report.first.numbers["others"].items():
        names = [name for name in report.first.config["metrics"] if name in scores["metrics"]]
        rows = []
        for arm, record in report.arms.items():
            arm_scores = record.numbers["others"][target]["metrics"]
            rows.append([Cell(arm), *_measured(arm_scores, names)])
        header = ["arm", *(column for name in names for column in (name, "seed ensemble"))]
        scope = f"{_count(report.first)} on {report.first.part}"
        tables.append(Table(f"{target}: mean ± sd over {scope}", header, rows))
    return tables


def classes(report: Report, title: str, noun: str) -> list[Table]:
    """A table for each arm: precision, recall, F1, its interval and the items of each class."""
    header = [noun, "precision", "recall", "f1", "95 % low", "95 % high", "utterances"]
    keys = ("precision", "recall", "f1", "low", "high")
    return [
        Table(
            f"{title} of {arm}, on {record.part}",
            header,
            [
                [
                    Cell(name),
                    *(number(scores[key]) for key in keys),
                    number(scores["utterances"], "g"),
                ]
                for name, scores in by_class(record)
            ],
            folded=True,
        )
        for arm, record in report.arms.items()
    ]


def by_class(record: Record) -> list[tuple[str, Mapping[str, float]]]:
    """(class, its scores), in the order of the task."""
    return [(name, record.numbers["classes"][name]) for name in record.classes]


def confusions(report: Report) -> list[Table]:
    """A confusion matrix for each arm: rows are the truth, columns the predictions.

    A cell holds the share of its row, and below it the mean count over seeds.
    """
    tables = []
    for arm, record in report.arms.items():
        rows = [
            [Cell(name), *_shares(counts)]
            for name, counts in zip(record.classes, record.numbers["confusion"], strict=True)
        ]
        header = ["truth", *record.classes]
        tables.append(Table(f"{arm}, on {record.part}", header, rows))
    return tables


def breakdowns(report: Report) -> list[Table]:
    """A table for each breakdown column, with a row for each of its values.

    A study shows one metric for each arm, a single run all its metrics.
    """
    tables = []
    for column, values in report.first.numbers["breakdown"].items():
        if report.comparison:
            header = [column, "utterances", *report.arms]
            records = list(report.arms.values())
            metric = "accuracy" if report.first.kind == "classes" else report.first.metric
            rows = [
                [
                    Cell(value),
                    number(scores["utterances"], "g"),
                    *(
                        number(record.numbers["breakdown"][column][value].get(metric))
                        for record in records
                    ),
                ]
                for value, scores in values.items()
            ]
            tables.append(Table(f"{metric.capitalize()} by {column}", header, rows))
        else:
            names = [key for key in max(values.values(), key=len) if key != "utterances"]
            rows = [
                [
                    Cell(value),
                    number(scores["utterances"], "g"),
                    *(number(scores.get(key)) for key in names),
                ]
                for value, scores in values.items()
            ]
            tables.append(Table(f"Metrics by {column}", [column, "utterances", *names], rows))
    return tables


def parts(report: Report) -> list[Table]:
    """A table for each arm: every metric of every part, seed by seed."""
    header = ["part", "metric", "mean", "sd", "95 % low", "95 % high", "mean of folds"]
    header += ["seed ensemble", "by seed", "utterances", "clusters"]
    tables = []
    for arm, record in report.arms.items():
        rows = [
            [Cell(part), Cell(name), *_values(value), *_sizes(numbers)]
            for part, numbers in sorted(record.metrics["parts"].items())
            for name, value in numbers["metrics"].items()
        ]
        rows += [
            [Cell(part), Cell(f"{target}: {name}"), *_values(value), *_sizes(scores)]
            for part, numbers in sorted(record.metrics["parts"].items())
            for target, scores in numbers["others"].items()
            for name, value in scores["metrics"].items()
        ]
        tables.append(Table(f"Every part and seed of {arm}", header, rows, folded=True))
    return tables


def environment(report: Report) -> Table:
    """Versions and machine of the first arm, and the hash of the features of each arm."""
    surroundings = dict(report.first.environment)
    libraries = surroundings.pop("libraries", {})
    features = {
        f"features of {arm}": record.environment.get("features")
        for arm, record in report.arms.items()
    }
    surroundings.pop("features", None)
    surroundings.pop("remarks", None)
    rows = {
        **surroundings,
        **libraries,
        **{key: feature for key, feature in features.items() if feature},
    }
    cells = [[Cell(str(key)), Cell(str(value))] for key, value in rows.items()]
    return Table("Environment", ["what", "value"], cells or [[Cell("not recorded"), Cell(NONE)]])


def small_free(numbers: Mapping[str, Any]) -> Mapping[str, Any]:
    """Macro-F1 without the classes that have few items; empty if no class is small."""
    return numbers.get("without small classes") or {}


def _metrics(record: Record, names: Sequence[str]) -> Cells:
    return _measured(record.numbers["metrics"], names)


def _measured(scores: Mapping[str, Any], names: Sequence[str]) -> Cells:
    cells = []
    for name in names:
        score = scores[name]
        cells += [ranged(score), number(score["ensemble"])]
    return cells


def _extra(report: Report, arm: str, record: Record, small: bool) -> Cells:
    """The cells after the metrics in a row of the main table."""
    cells = [number(small_free(record.numbers).get("macro_f1"))] if small else []
    if report.comparison:
        cells += _tested(contrasts.of(report).get(arm))
    return [*cells, number(record.parameters, ",d"), number(record.seconds("train"), ".1f")]


def _tested(contrast: Mapping[str, Any] | None) -> Cells:
    """The gap and its p; p is given only for the tested family, the fused arms."""
    if contrast is None:
        return [Cell(NONE)] * 3
    gap = Cell(f"{contrast['gap']:+.3f}", interval(contrast), contrast["gap"])
    if contrast["holm"] is None:
        return [gap, Cell(NONE), Cell(NONE)]
    few = contrast["clusters"] < FEW_CLUSTERS
    return [gap, probability(contrast["p"], few), probability(contrast["holm"], few)]


def _probe(name: str, scores: Mapping[str, float], names: Sequence[str], width: int) -> Cells:
    cells = [Cell(f"probe: {name}")]
    for metric in names:
        cells += [number(scores.get(metric)), Cell(NONE)]
    return [*cells, *[Cell(NONE)] * (width - len(cells))]


def _role(report: Report, arm: str) -> str:
    return "baseline" if report.comparison and arm == report.comparison["baseline"] else ""


def _count(record: Record) -> str:
    seeds = len(record.config["seeds"])
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def _shares(counts: Sequence[float]) -> Cells:
    total = sum(counts)
    shares = [count / total if total else 0.0 for count in counts]
    return [
        Cell(f"{share:.2f}", f"{count:.1f}".removesuffix(".0"), share, heat=share)
        for share, count in zip(shares, counts, strict=True)
    ]


def _values(score: Mapping[str, Any]) -> Cells:
    keys = ("mean", "sd", "low", "high", "mean_of_folds", "ensemble")
    by_seed = sorted(score["by_seed"].items(), key=lambda item: [*map(int, item[0].split("/"))])
    seeds = ", ".join(f"{seed}: {value:.3f}" for seed, value in by_seed)
    return [*(number(score[key]) for key in keys), Cell(seeds)]


def _sizes(numbers: Mapping[str, Any]) -> Cells:
    return [number(numbers["utterances"], "d"), number(numbers["clusters"], "d")]
