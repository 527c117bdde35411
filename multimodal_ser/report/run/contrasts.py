"""The tables of a study: how its arms differ from the baseline and from other runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from multimodal_ser.report.cells import Cell, Table, number, probability

if TYPE_CHECKING:
    from multimodal_ser.report.run.collect import Report

_TESTS = ("p", "holm", "mcnemar")


def gaps(report: Report) -> Table | None:
    """Every contrast with the baseline; p is given only for the tested family."""
    comparison = report.comparison
    if not comparison or not comparison["contrasts"]:
        return None
    header = ["arm", "gap", "95 % low", "95 % high", "p", "Holm p", "McNemar p", "clusters"]
    rows = [
        [
            Cell(arm),
            Cell(f"{contrast['gap']:+.3f}", value=contrast["gap"]),
            number(contrast["low"]),
            number(contrast["high"]),
            *(
                probability(contrast[key] if contrast["holm"] is not None else None)
                for key in _TESTS
            ),
            number(contrast["clusters"], "g"),
        ]
        for arm, contrast in of(report).items()
    ]
    caption = f"Gap in {comparison['metric']} to {comparison['baseline']}, on {report.first.part}"
    return Table(caption, header, rows, folded=True)


def changes(report: Report) -> Table | None:
    """How words from another source change an arm; p is corrected over these changes alone."""
    by_arm = (report.comparison or {}).get("changes") or {}
    changes = [
        (arm, other, change)
        for arm, changes_of in by_arm.items()
        for other, change in changes_of.items()
    ]
    if not changes or not report.comparison:
        return None
    rows = [
        [
            Cell(arm),
            Cell(other),
            Cell(f"{change['gap']:+.3f}", value=change["gap"]),
            number(change["low"]),
            number(change["high"]),
            *(probability(change[key]) for key in ("p", "holm")),
        ]
        for arm, other, change in changes
    ]
    header = ["arm", "against", "gap", "95 % low", "95 % high", "p", "Holm p"]
    caption = f"Change in {report.comparison['metric']} with the words of another source"
    return Table(caption, header, rows)


def elsewhere(report: Report) -> Table | None:
    """Every arm against runs on other utterances; these are not paired."""
    by_arm = (report.comparison or {}).get("elsewhere") or {}
    comparisons = [
        (arm, other, contrast)
        for arm, contrasts in by_arm.items()
        for other, contrast in contrasts.items()
    ]
    if not comparisons or not report.comparison:
        return None
    rows = [
        [
            Cell(arm),
            Cell(other),
            Cell(f"{contrast['gap']:+.3f}", value=contrast["gap"]),
            number(contrast["low"]),
            number(contrast["high"]),
            *(probability(contrast[key]) for key in ("p", "equivalent")),
        ]
        for arm, other, contrast in comparisons
    ]
    margin = next(iter(comparisons))[2]["margin"]
    margin_text = f" within {margin:g}" if margin else ""
    header = ["arm", "against", "gap", "95 % low", "95 % high", "p", f"equivalence p{margin_text}"]
    caption = f"{report.comparison['metric']} against other utterances: not paired"
    return Table(caption, header, rows)


def clusters(report: Report) -> Table | None:
    """The gap in each cluster, if the clusters are too few for a test to mean much."""
    gaps_by_arm = {
        arm: contrast["by_cluster"]
        for arm, contrast in of(report).items()
        if contrast["by_cluster"]
    }
    if not gaps_by_arm or not report.comparison:
        return None
    names = list(next(iter(gaps_by_arm.values())))
    rows = [
        [Cell(name), *(Cell(f"{gap[name]:+.3f}", value=gap[name]) for gap in gaps_by_arm.values())]
        for name in names
    ]
    caption = f"Few clusters: the gap in {report.comparison['metric']} in each of them"
    return Table(caption, ["cluster", *gaps_by_arm], rows)


def of(report: Report) -> dict[str, Mapping[str, Any]]:
    """Arm → its contrast with the baseline, in the order of the report's arms."""
    contrasts = report.comparison["contrasts"] if report.comparison else {}
    return {arm: contrasts[arm] for arm in report.arms if arm in contrasts}
