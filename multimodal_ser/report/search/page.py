"""A search as one page and as Markdown. `reading` reads the files that they are made of."""

from __future__ import annotations

from pathlib import Path

from multimodal_ser.files import write_atomically
from multimodal_ser.report import html
from multimodal_ser.report.run import text
from multimodal_ser.report.search import findings
from multimodal_ser.report.search.reading import Search
from multimodal_ser.report.search.sections import sections


def write(search: Search) -> Path:
    """Write the page and the Markdown of a search; return the path of the page."""
    title, chapters = search.title, sections(search)
    warnings, verdict = findings.warnings(search), findings.verdict(search)
    facts = findings.facts(search)
    markdown = text.page(title, warnings, verdict, facts, chapters)
    page_text = html.render(
        "report.html.j2",
        title=title,
        warnings=warnings,
        verdict=verdict,
        facts=facts,
        sections=chapters,
    )
    write_atomically(search.folder / "report.md", markdown.encode())
    write_atomically(search.folder / "report.html", page_text.encode())
    return search.folder / "report.html"
