"""Run folders → one page, Markdown, LaTeX, CSV. Files in, files out: no model, no GPU.

A run, a study or an ensemble gets `report.html`, `report.md`, `report.tex` and `report.csv`; a
folder of them gets `index.html`. The same files give the same bytes.
"""

from __future__ import annotations

from pathlib import Path

from multimodal_ser import roster
from multimodal_ser.cache import write_atomically
from multimodal_ser.report import collect, ensembles, html, sections, text
from multimodal_ser.report.collect import Report
from multimodal_ser.types import DataError, listed


def write(folder: Path, *, players: int = 0) -> Path:
    """The path of the page; `players`: so many of the surest errors can be heard."""
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    if folder.name in ("", ".."):
        folder = folder.resolve()  # the page names the folder
    if not collect.is_study(folder) and not collect.is_run(folder):
        return _write_index(folder)
    return _write_report(_read(folder), players)


def _read(folder: Path) -> Report:
    return ensembles.read(folder) if roster.is_ensemble(folder) else collect.read(folder)


def _write_report(report: Report, players: int) -> Path:
    wrong = sections.wrong_answers(report, max(sections.SHOWN_ERRORS, players))
    clips, why = {}, ""
    if players:
        from multimodal_ser.report.players import clips_of  # loads the corpus, and so torch

        clips, why = clips_of(report.first, list(wrong["id"]), players)
    chapters = sections.sections(report, wrong, clips, why)
    outputs = {
        "report.md": text.markdown(report, chapters),
        "report.tex": text.latex(report, chapters),
        "report.csv": text.csv(report),
        "report.html": html.page(report, chapters),
    }
    for name, content in outputs.items():
        write_atomically(report.folder / name, content.encode())
    return report.folder / "report.html"


def _write_index(folder: Path) -> Path:
    """One table over all runs below, each linked to a report that is not older than its numbers."""
    homes, stopped = collect.below(folder)
    if not homes:
        raise DataError(
            f"{folder} holds no run: a run folder has config.yaml and metrics.json, a study folder "
            "has comparison.json (mser run and mser compare write them)"
        )
    reports, problems = [], {}
    for home in homes:
        try:
            reports.append(_refreshed(home))
        except DataError as error:
            problems[home] = str(error)
    if not reports:
        raise DataError(listed([*problems.values()], "runs, and none can be read"))
    path = folder / "index.html"
    write_atomically(path, html.index(folder, reports, stopped, [*problems]).encode())
    return path


def _refreshed(home: Path) -> Report:
    """Read it, and write its report if that is absent or older than its numbers."""
    report = _read(home)
    if _stale(home):
        _write_report(report, 0)
    return report


def _stale(home: Path) -> bool:
    page = home / "report.html"
    numbers = [path for path in (home / "metrics.json", home / collect.STUDY) if path.exists()]
    return not page.exists() or any(
        path.stat().st_mtime_ns > page.stat().st_mtime_ns for path in numbers
    )
