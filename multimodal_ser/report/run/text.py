"""A report as Markdown, LaTeX and CSV, for a README, a paper and a spreadsheet."""

from __future__ import annotations

import csv as comma
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from multimodal_ser.report.run import contrasts, findings
from multimodal_ser.report.run.tables import small_free

if TYPE_CHECKING:
    from multimodal_ser.report.cells import Cell, Section, Table
    from multimodal_ser.report.run.collect import Report
    from multimodal_ser.runs.records import Record

_LATEX = {
    "\\": r"\textbackslash{}",
    "&": r"\&",
    "%": r"\%",
    "$": r"\$",
    "#": r"\#",
    "_": r"\_",
    "{": r"\{",
    "}": r"\}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",
    "*": "{*}",
    '"': r"\textquotedbl{}",
    "±": r"$\pm$",
    "–": "--",
    "↓": r"$\downarrow$",
    "→": r"$\rightarrow$",
}
_COLUMNS: tuple[str, ...] = (
    "arm", "target", "part", "metric", "class", "mean", "sd", "low", "high", "mean_of_folds",
    "ensemble", "gap", "gap_low", "gap_high", "p", "holm", "mcnemar", "utterances", "clusters",
    "parameters", "seconds", "run", "split", "leaks_allowed", "transductive",
)  # fmt: skip


def markdown(report: Report, chapters: Sequence[Section]) -> str:
    """A run or a study as Markdown."""
    return page(
        report.title,
        findings.warnings(report),
        findings.verdict(report),
        findings.facts(report),
        chapters,
    )


def page(
    title: str,
    warnings: Sequence[str],
    verdict: Sequence[str],
    facts: Mapping[str, str],
    chapters: Sequence[Section],
) -> str:
    """A page as Markdown: everything but the figures and the code."""
    lines = [f"# {_md(title)}", ""]
    lines += [f"- **{_md(line)}**" for line in warnings]
    lines += [f"- {_md(line)}" for line in verdict]
    lines += [f"- {_md(key)}: {_md(value)}" for key, value in facts.items()]
    for chapter in chapters:
        lines += ["", f"## {_md(chapter.title)}", "", *(f"- {_md(line)}" for line in chapter.lines)]
        for table in chapter.tables:
            lines += ["", *_md_table(table)]
    return "\n".join(lines) + "\n"


def latex(report: Report, chapters: Sequence[Section]) -> str:
    r"""All tables as LaTeX `table`s, for \input; they need \usepackage{booktabs}."""
    about = [report.title, *findings.warnings(report), *findings.verdict(report)]
    about += [f"{key}: {value}" for key, value in findings.facts(report).items()]
    lines = ["% needs \\usepackage{booktabs}", *(f"% {_flat(line)}" for line in about)]
    for chapter in chapters:
        for table in chapter.tables:
            lines += ["", *_tex_table(table)]
    return "\n".join(lines) + "\n"


def csv(report: Report) -> str:
    """CSV with all digits: a row for each metric, part and arm, and for each class."""
    file = io.StringIO()
    writer = comma.DictWriter(file, _COLUMNS, restval="", lineterminator="\n")
    writer.writeheader()
    for row in _rows(report):
        writer.writerow({key: csv_cell(value) for key, value in row.items()})
    return file.getvalue()


def _rows(report: Report) -> Iterator[dict[str, Any]]:
    contrast_by_arm = contrasts.of(report)
    for arm, record in report.arms.items():
        for part, numbers in sorted(record.metrics["parts"].items()):
            sizes = {key: numbers[key] for key in ("utterances", "clusters")}
            head = {"arm": arm, "target": record.target, "part": part, **sizes, **_stamps(record)}
            for name, score in numbers["metrics"].items():
                compared = part == record.part and name == record.metric
                gap = _gap(contrast_by_arm[arm]) if compared and arm in contrast_by_arm else {}
                yield {**head, "metric": name, **_chosen(score), **gap}
            small = small_free(numbers)
            if small:
                yield {
                    **head,
                    "metric": "macro_f1 without small classes",
                    "mean": small["macro_f1"],
                }
            yield from _class_rows(record, numbers, head)
            for target, scores in numbers["others"].items():
                sizes = {key: scores[key] for key in ("utterances", "clusters")}
                for name, score in scores["metrics"].items():
                    yield {**head, "target": target, **sizes, "metric": name, **_chosen(score)}
    for probe, probe_scores in report.first.audit["probes"].items():
        for name, score in probe_scores.items():
            yield {"arm": f"probe: {probe}", "part": "test", "metric": name, "mean": score}


def _class_rows(
    record: Record, numbers: Mapping[str, Any], head: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    for name in record.classes:
        of_class = numbers["classes"][name]
        shared = {**head, "class": name, "utterances": of_class["utterances"]}
        yield {
            **shared,
            "metric": "f1",
            "mean": of_class["f1"],
            "low": of_class["low"],
            "high": of_class["high"],
        }
        for key in ("precision", "recall"):
            yield {**shared, "metric": key, "mean": of_class[key]}


def _chosen(score: Mapping[str, Any]) -> dict[str, Any]:
    return {key: cell for key, cell in score.items() if key in _COLUMNS}


def _gap(contrast: Mapping[str, Any]) -> dict[str, Any]:
    row = {key: contrast[key] for key in ("gap", "p", "holm", "mcnemar")}
    return {**row, "gap_low": contrast["low"], "gap_high": contrast["high"]}


def _stamps(record: Record) -> dict[str, Any]:
    return {
        "parameters": record.parameters,
        "seconds": record.seconds("train"),
        "run": record.folder.name,
        "split": record.metrics["split"],
        "leaks_allowed": " ".join(record.metrics["leaks allowed"]),
        "transductive": " ".join(record.transductive),
    }


def csv_cell(value: Any) -> str:
    """A value as the text of a cell.

    A spreadsheet would run a text that starts like a formula; an apostrophe before it prevents
    that.
    """
    if value is None:
        return ""
    if isinstance(value, int | float):
        return repr(value)
    text = str(value)
    return f"'{text}" if text.startswith(("=", "+", "-", "@", "\t", "\r", "\n")) else text


def _md_table(table: Table) -> list[str]:
    rows = [[_joined(cell, _md) for cell in row] for row in (*table.rows, *table.foot)]
    marks = ["---:" if numeric else "---" for numeric in table.numeric]
    body = [[_md(name) for name in table.header], marks, *rows]
    return [f"**{_md(table.caption)}**", "", *(f"| {' | '.join(row)} |" for row in body)]


def _tex_table(table: Table) -> list[str]:
    columns = "".join("r" if numeric else "l" for numeric in table.numeric)
    rows = [" & ".join(_joined(cell, _tex) for cell in row) + r" \\" for row in table.rows]
    foot = [" & ".join(_joined(cell, _tex) for cell in row) + r" \\" for row in table.foot]
    return [
        r"\begin{table}",
        rf"\caption{{{_tex(table.caption)}}}",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        " & ".join(_tex(name) for name in table.header) + r" \\",
        r"\midrule",
        *rows,
        *([r"\midrule", *foot] if foot else []),
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]


def _joined(cell: Cell, escaped: Callable[[str], str]) -> str:
    return escaped(f"{cell.text} ({cell.under})" if cell.under else cell.text)


def _flat(text: str) -> str:
    """The text on one line, even if a class name or a transcript has line breaks."""
    return " ".join(text.split())


def _md(text: str) -> str:
    flat = _flat(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    marked = re.sub(r"([\\|*`\[\]#~])", r"\\\1", flat)
    return re.sub(r"(?<![^\W_])_|_(?![^\W_])", r"\_", marked)


def _tex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in _flat(text))
