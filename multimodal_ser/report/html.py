"""A report as one HTML file: it loads nothing from elsewhere, and all text is escaped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from multimodal_ser.report.cells import NONE, Cell, Section, Table, number, ranged
from multimodal_ser.report.run import collect, findings
from multimodal_ser.report.run.collect import Report
from multimodal_ser.report.search.findings import verdict
from multimodal_ser.report.search.reading import Search

_TEMPLATES = Environment(
    loader=FileSystemLoader(Path(__file__).parent),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
)


def render(template: str, **variables: Any) -> str:
    """Fill a template of this folder. A variable that is absent is an error."""
    return _TEMPLATES.get_template(template).render(**variables)


def page(report: Report, chapters: Sequence[Section]) -> str:
    """A run or a study as HTML."""
    return render(
        "report.html.j2",
        title=report.title,
        warnings=findings.warnings(report),
        verdict=findings.verdict(report),
        facts=findings.facts(report),
        sections=chapters,
    )


def index(
    folder: Path,
    reports: Sequence[Report],
    searches: Sequence[Search],
    stopped: Sequence[Path],
    unread: Sequence[Path],
) -> str:
    """All runs, studies and searches below a folder as HTML."""
    runs = [
        report for report in reports if report.comparison is None or report.ensemble is not None
    ]
    studies = [
        report for report in reports if report.comparison is not None and report.ensemble is None
    ]
    tables = {"Studies": _studies(folder, studies)} if studies else {}
    tables |= {"Searches": _searches(folder, searches)} if searches else {}
    tables |= {"Runs": _runs(folder, runs)} if runs else {}
    return render(
        "index.html.j2",
        title=f"Runs in {folder.resolve().name}",
        tables=tables,
        stopped=[path.relative_to(folder).as_posix() for path in stopped],
        unread=[path.relative_to(folder).as_posix() for path in unread],
    )


def _runs(folder: Path, reports: Sequence[Report]) -> Table:
    header = ["run", "corpus", "encoders", "fusion", "learner", "protocol", "split", "seeds"]
    header += ["metric", "value", "part", "leaks", "date"]
    rows = [_run(folder, report) for report in reports]
    return Table(
        "Mean ± sd over seeds of the first metric, 95 % interval below; leaks: let through",
        header,
        rows,
    )


def _run(folder: Path, report: Report) -> list[Cell]:
    record, config, ensemble = report.first, report.first.config, report.ensemble
    encoders = (
        [member.label for member in ensemble.members] if ensemble else [" + ".join(record.encoders)]
    )
    score = record.numbers["metrics"][record.metric]
    cells = [
        str(record.audit["corpus"]),
        " | ".join(encoders),
        (config.get("fusion") or {}).get("name", "–"),
        ensemble.arm if ensemble else config["learner"]["name"],
        config["protocol"]["name"],
        record.metrics["split"],
    ]
    return [
        Cell(str(config["name"]), record.folder.name, href=_link(folder, record.folder)),
        *map(Cell, cells),
        Cell(str(len(config["seeds"])), value=len(config["seeds"])),
        Cell(record.metric),
        ranged(score),
        Cell(record.part),
        Cell(", ".join(record.metrics["leaks allowed"]) or "none"),
        Cell(collect.date(record)),
    ]


def _studies(folder: Path, studies: Sequence[Report]) -> Table:
    rows = [
        [
            Cell(
                str(study.first.config["name"]), study.folder.name, href=_link(folder, study.folder)
            ),
            Cell(", ".join(study.arms)),
            Cell(study.first.metrics["split"]),
            Cell(" ".join(f"{line}." for line in findings.verdict(study))),
        ]
        for study in studies
    ]
    return Table("Arms compared on one split", ["study", "arms", "split", "verdict"], rows)


def _searches(folder: Path, searches: Sequence[Search]) -> Table:
    rows = [
        [
            Cell(str(search.told["name"]), search.folder.name, href=_link(folder, search.folder)),
            number(sum(search.counts().values()), "d"),
            Cell(search.told["split"]),
            Cell(search.metric),
            number(search.searched),
            Cell(NONE) if search.tested is None else ranged(search.tested),
            Cell(f"{verdict(search)[0]}."),
        ]
        for search in searches
    ]
    header = ["search", "trials", "split", "metric", "searched on dev", "on test", "verdict"]
    return Table("The best of many trials, and what it is worth", header, rows)


def _link(folder: Path, subfolder: Path) -> str:
    return quote((subfolder.relative_to(folder) / "report.html").as_posix())
