"""An audit as one page: leaks, probes, near-duplicates, and scores on seen and unseen groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multimodal_ser.report.cells import Cell, Section, Table, number
from multimodal_ser.report.html import render
from multimodal_ser.report.run import context, findings


def page(audit: Mapping[str, Any]) -> str:
    """The HTML page of an audit.

    audit: as `run_folder.audited` returns it; its `seen` are the scores of its run.
    """
    chapters = [
        Section("leaks", "Leaks", [findings.leak(leak) for leak in audit["leaks"]]),
        Section("probes", "Probes", findings.ties(audit), tables=[context.probes(audit)]),
        Section("siblings", "Siblings", _SIBLINGS, tables=context.siblings(audit)),
        Section("seen", "Seen and unseen groups", _SEEN, tables=_seen(audit)),
        Section("remarks", "Remarks", [f"{remark}." for remark in audit["remarks"]]),
    ]
    filled = [
        chapter
        for chapter in chapters
        if chapter.tables or (chapter.lines and chapter.key in _OF_LINES)
    ]
    return render(
        "report.html.j2",
        title=f"Audit of {audit['corpus']}",
        warnings=findings.of_corpus(audit),
        verdict=[verdict(audit)],
        facts=_facts(audit),
        sections=filled,
    )


_OF_LINES = ("leaks", "remarks")
_SIBLINGS = (
    "A model that knows the speaker or the video of a test item may know its class without "
    "listening or reading.",
)
_SEEN = ("The run of this very config: its scores where train has the group, and where not.",)


def verdict(audit: Mapping[str, Any]) -> str:
    """One sentence: does the split leak, and does the config allow it?"""
    kinds = [leak["kind"] for leak in audit["leaks"]]
    if not kinds:
        return "No leak was found."
    refused = [leak["kind"] for leak in audit["leaks"] if not leak["allowed"]]
    if refused:
        return f"The split leaks: {', '.join(kinds)}. A run refuses {', '.join(refused)}."
    return f"The split leaks: {', '.join(kinds)}. The config allows it, and every table says so."


def _seen(audit: Mapping[str, Any]) -> list[Table]:
    values = audit.get("seen") or {}
    if not values:
        return []
    names = [name for name in max(values.values(), key=len) if name != "utterances"]
    rows = [
        [
            Cell(group_seen),
            number(scores["utterances"], "d"),
            *(number(scores.get(name)) for name in names),
        ]
        for group_seen, scores in values.items()
    ]
    return [Table("Scores by whether the group is in train", ["in train", "items", *names], rows)]


def _facts(audit: Mapping[str, Any]) -> dict[str, str]:
    return {
        "corpus": f"{audit['corpus']}, {audit['utterances']} utterances",
        "protocol": audit["protocol"],
        "target": audit["target"],
        "split": audit["split"],
        "licence": audit["licence"],
        "citation": audit["citation"],
    }
