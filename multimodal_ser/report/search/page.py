"""A search as one page and as Markdown; see `reading` for the files that they are made of."""

from __future__ import annotations

from pathlib import Path

from multimodal_ser.files import write_atomically
from multimodal_ser.report import html
from multimodal_ser.report.run import text
from multimodal_ser.report.search import findings
from multimodal_ser.report.search.reading import Search
from multimodal_ser.report.search.sections import sections


def write(search: Search) -> Path:
    """The path of the page."""
    title, chapters = search.title, sections(search)
    warnings, verdict = findings.warnings(search), findings.verdict(search)
    facts = findings.facts(search)
    plain = text.page(title, warnings, verdict, facts, chapters)
    page = html.render(
        "report.html.j2",
        title=title,
        warnings=warnings,
        verdict=verdict,
        facts=facts,
        sections=chapters,
    )
    write_atomically(search.folder / "report.md", plain.encode())
    write_atomically(search.folder / "report.html", page.encode())
    return search.folder / "report.html"
