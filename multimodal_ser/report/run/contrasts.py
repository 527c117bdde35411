"""The tables of a study: how its arms differ from the baseline, from themselves, from others."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from multimodal_ser.report.cells import Cell, Table, number, probability

if TYPE_CHECKING:
    from multimodal_ser.report.run.collect import Report

_TESTS = ("p", "holm", "mcnemar")


def gaps(report: Report) -> Table | None:
    """Every contrast with the baseline; p stands only in the tested family."""
    comparison = report.comparison
    if not comparison or not comparison["contrasts"]:
        return None
    header = ["arm", "gap", "95 % low", "95 % high", "p", "Holm p", "McNemar p", "clusters"]
    rows = [
        [
            Cell(arm),
            Cell(f"{row['gap']:+.3f}", value=row["gap"]),
            number(row["low"]),
            number(row["high"]),
            *(probability(row[key] if row["holm"] is not None else None) for key in _TESTS),
            number(row["clusters"], "g"),
        ]
        for arm, row in of(report).items()
    ]
    caption = f"Gap in {comparison['metric']} to {comparison['baseline']}, on {report.first.part}"
    return Table(caption, header, rows, folded=True)


def changes(report: Report) -> Table | None:
    """What the words of another source do to an arm; p is corrected for these alone."""
    by_arm = (report.comparison or {}).get("changes") or {}
    pairs = [(arm, first, row) for arm, pair in by_arm.items() for first, row in pair.items()]
    if not pairs or not report.comparison:
        return None
    rows = [
        [
            Cell(arm),
            Cell(first),
            Cell(f"{row['gap']:+.3f}", value=row["gap"]),
            number(row["low"]),
            number(row["high"]),
            *(probability(row[key]) for key in ("p", "holm")),
        ]
        for arm, first, row in pairs
    ]
    header = ["arm", "against", "gap", "95 % low", "95 % high", "p", "Holm p"]
    caption = f"Change in {report.comparison['metric']} with the words of another source"
    return Table(caption, header, rows)


def elsewhere(report: Report) -> Table | None:
    """Every arm against runs on other utterances."""
    by_arm = (report.comparison or {}).get("elsewhere") or {}
    pairs = [(arm, other, row) for arm, pair in by_arm.items() for other, row in pair.items()]
    if not pairs or not report.comparison:
        return None
    rows = [
        [
            Cell(arm),
            Cell(other),
            Cell(f"{row['gap']:+.3f}", value=row["gap"]),
            number(row["low"]),
            number(row["high"]),
            *(probability(row[key]) for key in ("p", "equivalent")),
        ]
        for arm, other, row in pairs
    ]
    margin = next(iter(pairs))[2]["margin"]
    within = f" within {margin:g}" if margin else ""
    header = ["arm", "against", "gap", "95 % low", "95 % high", "p", f"equivalence p{within}"]
    caption = f"{report.comparison['metric']} against other utterances: not paired"
    return Table(caption, header, rows)


def clusters(report: Report) -> Table | None:
    """The gap in each cluster, where there are too few for a test to mean much."""
    shown = {arm: row["by_cluster"] for arm, row in of(report).items() if row["by_cluster"]}
    if not shown or not report.comparison:
        return None
    names = list(next(iter(shown.values())))
    rows = [
        [Cell(name), *(Cell(f"{gap[name]:+.3f}", value=gap[name]) for gap in shown.values())]
        for name in names
    ]
    caption = f"Few clusters: the gap in {report.comparison['metric']} in each of them"
    return Table(caption, ["cluster", *shown], rows)


def of(report: Report) -> dict[str, Mapping[str, Any]]:
    """Arm → its contrast with the baseline, in the order of the arms."""
    contrasts = report.comparison["contrasts"] if report.comparison else {}
    return {arm: contrasts[arm] for arm in report.arms if arm in contrasts}
