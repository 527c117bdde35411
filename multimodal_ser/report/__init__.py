"""From the folders of runs, studies, searches and corpora to pages.

In comes a folder; out come HTML, Markdown, LaTeX and CSV that say the same (`write`). `run/` is
about runs and studies: `run.collect` gathers them, `run.tables` makes the tables, `run.sections`
puts one section after another, and a new section is a function there; `corpus/` is about the
utterances (`corpus.page.page`) and `search/` about a search (`search.page.write`). What they share
stands beside them: `cells.Table`, `figures.svg`, `html.page`, `players.clips_of`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from multimodal_ser.files import write_atomically
from multimodal_ser.report import html
from multimodal_ser.report.run import collect, ensembles, sections, text
from multimodal_ser.report.run.collect import Report
from multimodal_ser.report.search import page, reading
from multimodal_ser.report.search.reading import Search
from multimodal_ser.runs.records import is_run
from multimodal_ser.studies.ensembles import manifest
from multimodal_ser.types import DataError, listed

_Read = TypeVar("_Read")


def write(folder: Path, *, players: int = 0) -> Path:
    """Write the report of a folder and return the path of its page.

    players: how many of the surest errors get a sound player.
    """
    if not folder.is_dir():
        raise DataError(f"there is no folder {folder}")
    if folder.name in ("", ".."):
        folder = folder.resolve()  # the page names the folder
    if reading.is_search(folder):
        return page.write(reading.read(folder))
    if not collect.is_study(folder) and not is_run(folder):
        return _write_index(folder)
    return _write_report(_read(folder), players)


def _read(folder: Path) -> Report:
    return ensembles.read(folder) if manifest.is_ensemble(folder) else collect.read(folder)


def _write_report(report: Report, players: int) -> Path:
    errors = sections.wrong_answers(report, max(sections.SHOWN_ERRORS, players))
    clips, no_sound = {}, ""
    if players:
        from multimodal_ser.report.players import clips_of  # loads the corpus, and so torch

        clips, no_sound = clips_of(report.first, list(errors["id"]), players)
    chapters = sections.sections(report, errors, clips, no_sound)
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
    """Write one page with a table of all runs, studies and searches below the folder.

    Each row links to a report. A report that is older than its numbers is written again first.
    """
    run_folders, unfinished_runs = collect.below(folder)
    search_folders, unfinished_searches = reading.below(folder)
    if not run_folders and not search_folders:
        raise DataError(
            f"{folder} holds no run: a run folder has config.yaml and metrics.json, a study folder "
            f"has {collect.STUDY}, that of a search {reading.SEARCH} (mser run, mser compare and "
            "mser tune write them)"
        )
    problems: dict[Path, str] = {}
    reports = list(_each(run_folders, _refreshed, problems))
    searches = list(_each(search_folders, _refreshed_search, problems))
    if not reports and not searches:
        raise DataError(listed([*problems.values()], "runs, and none can be read"))
    path = folder / "index.html"
    unfinished_runs = [*unfinished_runs, *unfinished_searches]
    source = html.index(folder, reports, searches, unfinished_runs, [*problems])
    write_atomically(path, source.encode())
    return path


def _each(
    folders: Sequence[Path], read: Callable[[Path], _Read], problems: dict[Path, str]
) -> Iterator[_Read]:
    """Read each folder. Where that fails, the reason goes into `problems`."""
    for folder in folders:
        try:
            yield read(folder)
        except DataError as error:
            problems[folder] = str(error)


def _refreshed(folder: Path) -> Report:
    """Read the folder; write its report if it is absent or older than its numbers."""
    report = _read(folder)
    if _stale(folder, "metrics.json", collect.STUDY):
        _write_report(report, 0)
    return report


def _refreshed_search(folder: Path) -> Search:
    search = reading.read(folder)
    if _stale(folder, reading.SEARCH):
        page.write(search)
    return search


def _stale(folder: Path, *names: str) -> bool:
    page_path = folder / "report.html"
    numbers = [folder / name for name in names if (folder / name).exists()]
    return not page_path.exists() or any(
        path.stat().st_mtime_ns > page_path.stat().st_mtime_ns for path in numbers
    )
