"""The chapters about the table of a corpus: its rows, its columns and its missing values."""

from __future__ import annotations

import numpy as np
import pandas as pd

from multimodal_ser.corpus.validation import COLUMNS
from multimodal_ser.report.cells import Cell, Cells, Section, Table, number
from multimodal_ser.report.corpus import measures
from multimodal_ser.report.corpus.figures import counts_figure, histogram_figure
from multimodal_ser.report.corpus.measures import MISSING
from multimodal_ser.report.corpus.view import View

_WIDE = 12  # a table of counts with more columns than these is transposed
_FILES = 10
_SPEAKERS = 30


def classes(view: View) -> Section:
    """How many utterances each class, part and speaker has."""
    figures = []
    if view.classes:
        counts = measures.counted(view.table["label"], view.corpus.labels)
        figures.append(counts_figure("class", counts))
    if view.tested is not None:
        figures.append(counts_figure(view.tested_by, measures.counted(view.tested)))
    lines, speakers = [], measures.counted(view.table["speaker"]).drop(MISSING, errors="ignore")
    if len(speakers) > _SPEAKERS:
        figures.append(
            histogram_figure("utterances of a speaker", speakers.to_numpy(float), "utterances")
        )
    elif len(speakers):
        figures.append(counts_figure("speaker", speakers))
    if len(speakers):
        fewest, largest = speakers.min(), speakers.max()
        per_speaker = (
            f"{largest}"
            if fewest == largest
            else f"{fewest} to {largest} (median {speakers.median():g})"
        )
        lines.append(f"{len(speakers)} speakers, {per_speaker} utterances each.")
    return Section("classes", "Classes, parts, speakers", lines, figures, grid=True)


def columns(view: View) -> Section:
    """Bars of every other column that has few values."""
    kinds = view.columns
    few = {name: column for name, column in kinds.few.items() if name not in ("label", "speaker")}
    same = view.table["group"].equals(view.table["speaker"])
    few_shown = {name: column for name, column in few.items() if not (same and name == "group")}
    lines = []
    if kinds.constant:
        pairs = (f"{name} = {value}" for name, value in kinds.constant.items())
        lines.append(f"The same in every row: {', '.join(pairs)}.")
    many = {name: count for name, count in kinds.many.items() if not (same and name == "group")}
    if many:
        counts = (f"{name} ({count})" for name, count in many.items())
        lines.append(f"With more than {measures.FEW} values: {', '.join(counts)}.")
    figures = [counts_figure(name, column) for name, column in few_shown.items()]
    return Section("columns", "Columns", lines, figures, grid=True)


def crosses(view: View) -> Section:
    """Tables of class × part, class × speaker, and class × each column that has few values."""
    if not view.classes:
        return Section("crosses", "Classes against columns")
    cuts = {view.tested_by: view.tested} if view.tested is not None else {}
    cuts |= {name: view.table[name] for name in view.columns.few if name != "label"}
    columns, lines = {"class": view.table["label"]}, []
    for name, column in cuts.items():
        same_as = next(
            (key for key, other_column in columns.items() if measures.alike(other_column, column)),
            None,
        )
        if same_as is None:
            columns[name] = column
        else:
            lines.append(f"{name} divides the utterances exactly as {same_as} does.")
    tables = [_cross(view, name, column) for name, column in list(columns.items())[1:]]
    if tables:
        lines.insert(0, "Utterances, and below them the share of their row.")
    narrow = [table for table in tables if not table.folded]
    wide = [table for table in tables if table.folded]
    return Section("crosses", "Classes against columns", lines, (), [*narrow, *wide], grid=True)


def _cross(view: View, name: str, column: pd.Series) -> Table:
    """A table of class × column. The classes are the rows, unless the column has many values."""
    cross = measures.crossed(view.table["label"], column)
    labels = [label for label in (*view.corpus.labels, MISSING) if label in cross.index]
    cross = cross.reindex(labels)
    caption = f"class × {name}"
    turned = len(cross.columns) > _WIDE
    if turned:
        cross, caption = cross.T, f"{name} × class"
    rows = [
        [Cell(str(row)), *(_share(int(count), int(values.sum())) for count in values)]
        for row, values in zip(cross.index, cross.to_numpy(), strict=True)
    ]
    head = name if turned else "class"
    return Table(caption, [head, *map(str, cross.columns)], rows, folded=turned)


def _share(count: int, total: int) -> Cell:
    share = count / total if total else 0.0
    return Cell(str(count), f"{share:.0%}", count, share)


def numbers(view: View) -> Section:
    """Histograms of the columns that hold numbers."""
    columns_of_numbers = view.columns.numbers
    figures = [histogram_figure(name, values, name) for name, values in columns_of_numbers.items()]
    rows = [[Cell(name), *_summary(values)] for name, values in columns_of_numbers.items()]
    header = ["column", "known", "mean", "sd", "least", "median", "greatest"]
    tables = [Table("Columns of numbers", header, rows)] if rows else []
    return Section("numbers", "Numbers", (), figures, tables, grid=True)


def _summary(values: np.ndarray) -> Cells:
    summary = measures.summary(values)
    return [
        number(summary.count, "g"),
        *(
            number(value, ".4g")
            for value in (summary.mean, summary.sd, summary.low, summary.median, summary.high)
        ),
    ]


def missing(view: View) -> Section:
    """How many values are missing in each column."""
    table = view.table
    empty = [str(name) for name in table.columns if table[name].isna().all()]
    rows = [
        [
            Cell(name),
            Cell(
                "of the format"
                if name in COLUMNS or name.startswith("votes:")
                else "passes through"
            ),
            _gap(int(table[name].isna().sum()), len(table)),
            number(table[name].map(str, na_action="ignore").nunique(), "g"),
        ]
        for name in map(str, table.columns)
        if name not in empty
    ]
    lines = [f"Empty columns: {', '.join(empty)}."] if empty else []
    header = ["column", "kind", "missing", "distinct values"]
    lines.append("A column that passes through is kept, and read by nothing that has not named it.")
    caption = "Columns with values"
    return Section("missing", "Missing values", lines, tables=[Table(caption, header, rows)])


def _gap(count: int, total: int) -> Cell:
    return Cell(f"{count}", f"{count / total:.1%}" if count else "", count)


def first_rows(view: View) -> Section:
    """The first rows of the table, as the loader has read them from file names and tables."""
    shown_already = {"id", *view.columns.constant}
    names = [
        name
        for name in map(str, view.table.columns)
        if name not in shown_already
        and not name.startswith("votes:")
        and view.table[name].notna().any()
    ][:_WIDE]
    rows = [
        [Cell(str(row["id"])), *(Cell(_brief(row[name])) for name in names)]
        for row in view.table.head(_FILES).to_dict("records")
    ]
    caption = f"The first {len(rows)} of {len(view.table)} rows"
    return Section("rows", "First rows", tables=[Table(caption, ["id", *names], rows)])


def _brief(value: object) -> str:
    text = "" if value is None or value != value else str(value)
    return text if len(text) <= 80 else text[:79] + "…"
