"""What an audit found, as one page: leaks, lookups, near-duplicates, seen and unseen groups."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from multimodal_ser.report.cells import Cell, Section, Table, number
from multimodal_ser.report.html import render
from multimodal_ser.report.run import context, findings


def page(found: Mapping[str, Any]) -> str:
    """The HTML of an audit as `run_folder.audited` gives it; `seen` are the scores of its run."""
    chapters = [
        Section("leaks", "Leaks", [findings.leak(leak) for leak in found["leaks"]]),
        Section("probes", "Probes", findings.ties(found), tables=[context.probes(found)]),
        Section("siblings", "Siblings", _SIBLINGS, tables=context.siblings(found)),
        Section("seen", "Seen and unseen groups", _SEEN, tables=_seen(found)),
        Section("remarks", "Remarks", [f"{remark}." for remark in found["remarks"]]),
    ]
    drawn = [
        chapter
        for chapter in chapters
        if chapter.tables or (chapter.lines and chapter.key in _OF_LINES)
    ]
    return render(
        "report.html.j2",
        title=f"Audit of {found['corpus']}",
        warnings=findings.of_corpus(found),
        verdict=[verdict(found)],
        facts=_facts(found),
        sections=drawn,
    )


_OF_LINES = ("leaks", "remarks")
_SIBLINGS = (
    "A model that knows the speaker or the video of a test item may know its class without "
    "listening or reading.",
)
_SEEN = ("The run of this very config: its scores where train has the group, and where not.",)


def verdict(found: Mapping[str, Any]) -> str:
    """One sentence."""
    kinds = [leak["kind"] for leak in found["leaks"]]
    if not kinds:
        return "No leak was found."
    refused = [leak["kind"] for leak in found["leaks"] if not leak["allowed"]]
    if refused:
        return f"The split leaks: {', '.join(kinds)}. A run refuses {', '.join(refused)}."
    return f"The split leaks: {', '.join(kinds)}. The config allows it, and every table says so."


def _seen(found: Mapping[str, Any]) -> list[Table]:
    values = found.get("seen") or {}
    if not values:
        return []
    names = [name for name in max(values.values(), key=len) if name != "utterances"]
    rows = [
        [Cell(value), number(one["utterances"], "d"), *(number(one.get(name)) for name in names)]
        for value, one in values.items()
    ]
    return [Table("Scores by whether the group is in train", ["in train", "items", *names], rows)]


def _facts(found: Mapping[str, Any]) -> dict[str, str]:
    return {
        "corpus": f"{found['corpus']}, {found['utterances']} utterances",
        "protocol": found["protocol"],
        "target": found["target"],
        "split": found["split"],
        "licence": found["licence"],
        "citation": found["citation"],
    }
