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
    found = report.comparison
    if not found or not found["contrasts"]:
        return None
    header = ["arm", "gap", "95 % low", "95 % high", "p", "Holm p", "McNemar p", "clusters"]
    rows = [
        [
            Cell(arm),
            Cell(f"{one['gap']:+.3f}", value=one["gap"]),
            number(one["low"]),
            number(one["high"]),
            *(probability(one[key] if one["holm"] is not None else None) for key in _TESTS),
            number(one["clusters"], "g"),
        ]
        for arm, one in of(report).items()
    ]
    caption = f"Gap in {found['metric']} to {found['baseline']}, on {report.first.part}"
    return Table(caption, header, rows, folded=True)


def changes(report: Report) -> Table | None:
    """What the words of another source do to an arm; p is corrected for these alone."""
    found = (report.comparison or {}).get("changes") or {}
    pairs = [(arm, first, one) for arm, pair in found.items() for first, one in pair.items()]
    if not pairs or not report.comparison:
        return None
    rows = [
        [
            Cell(arm),
            Cell(first),
            Cell(f"{one['gap']:+.3f}", value=one["gap"]),
            number(one["low"]),
            number(one["high"]),
            *(probability(one[key]) for key in ("p", "holm")),
        ]
        for arm, first, one in pairs
    ]
    header = ["arm", "against", "gap", "95 % low", "95 % high", "p", "Holm p"]
    caption = f"Change in {report.comparison['metric']} with the words of another source"
    return Table(caption, header, rows)


def elsewhere(report: Report) -> Table | None:
    """Every arm against runs on other utterances."""
    found = (report.comparison or {}).get("elsewhere") or {}
    pairs = [(arm, other, one) for arm, pair in found.items() for other, one in pair.items()]
    if not pairs or not report.comparison:
        return None
    rows = [
        [
            Cell(arm),
            Cell(other),
            Cell(f"{one['gap']:+.3f}", value=one["gap"]),
            number(one["low"]),
            number(one["high"]),
            *(probability(one[key]) for key in ("p", "equivalent")),
        ]
        for arm, other, one in pairs
    ]
    margin = next(iter(pairs))[2]["margin"]
    within = f" within {margin:g}" if margin else ""
    header = ["arm", "against", "gap", "95 % low", "95 % high", "p", f"equivalence p{within}"]
    caption = f"{report.comparison['metric']} against other utterances: not paired"
    return Table(caption, header, rows)


def clusters(report: Report) -> Table | None:
    """The gap in each cluster, where there are too few for a test to mean much."""
    shown = {arm: one["by_cluster"] for arm, one in of(report).items() if one["by_cluster"]}
    if not shown or not report.comparison:
        return None
    names = list(next(iter(shown.values())))
    rows = [
        [Cell(name), *(Cell(f"{one[name]:+.3f}", value=one[name]) for one in shown.values())]
        for name in names
    ]
    caption = f"Few clusters: the gap in {report.comparison['metric']} in each of them"
    return Table(caption, ["cluster", *shown], rows)


def of(report: Report) -> dict[str, Mapping[str, Any]]:
    """Arm → its contrast with the baseline, in the order of the arms."""
    found = report.comparison["contrasts"] if report.comparison else {}
    return {arm: found[arm] for arm in report.arms if arm in found}
