"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

from multimodal_ser.compare import Comparison
from multimodal_ser.preparation import Prepared
from multimodal_ser.run import Run


def show_run(run: Run) -> None:
    """Notices first, then a table for every part that was scored."""
    _head(run.prepared)
    for part, found in run.metrics.items():
        for notice in found["notices"]:
            print(f"! {part}: the model {notice}")
        rows = [
            [
                name,
                _value(value["mean"], value["sd"]),
                f"{value['mean_of_folds']:.3f}",
                f"{value['ensemble']:.3f}",
            ]
            for name, value in found["metrics"].items()
        ]
        title = f"{part}: {found['utterances']} utterances, {found['clusters']} clusters"
        _table(title, ["metric", "mean ± sd over seeds", "mean of folds", "seed ensemble"], rows)
    print(f"run folder: {run.folder}")


def show_comparison(study: Comparison) -> None:
    """The arms side by side, the probes below them, then each breakdown column."""
    runs = list(study.runs.values())
    first = runs[0]
    _head(first.prepared)
    for arm, run in study.runs.items():
        for notice in run.metrics["test"]["notices"]:
            print(f"! {arm}: the model {notice}")
    names = first.experiment.metrics
    rows = []
    for arm, run in study.runs.items():
        values = run.metrics["test"]["metrics"]
        rows.append([arm, *(_value(values[name]["mean"], values[name]["sd"]) for name in names)])
    for probe, scores in first.prepared.audit.probes.items():
        rows.append(
            [
                f"probe: {probe}",
                *(f"{scores[name]:.3f}" if name in scores else "" for name in names),
            ]
        )
    folds = len(first.prepared.folds)
    title = f"test: mean ± sd over {len(first.experiment.seeds)} seeds, {folds} folds"
    _table(title, ["arm", *names], rows)
    for column in first.experiment.breakdown:
        table = study.breakdown(column)
        values = [[str(value), *(f"{one:.3f}" for one in row)] for value, row in _rows(table)]
        _table(f"accuracy by {column}", [column, *study.runs], values)
    print("run folders:", *(str(run.folder) for run in runs), sep="\n  ")


def show_audit(prepared: Prepared) -> None:
    """What the gate found and what the probes score."""
    _head(prepared)
    found = prepared.audit
    for leak in found.leaks:
        print(f"leak: {leak.line()}")
    for remark in found.remarks:
        print(f"remark: {remark}")
    if not found.leaks:
        print("no leak found")
    names = list(next(iter(found.probes.values())))
    rows = [
        [probe, *(f"{scores[name]:.4f}" for name in names)]
        for probe, scores in found.probes.items()
    ]
    _table("probes on test, without any model", ["probe", *names], rows)


def _head(prepared: Prepared) -> None:
    corpus = prepared.corpus
    print(f"{corpus.about.name}: {len(corpus)} utterances, split {prepared.split_hash}")
    if corpus.about.notice:
        print(corpus.about.notice)
    for reason, count in corpus.dropped.items():
        print(f"! {count} rows dropped: {reason}")
    if prepared.unused:
        print(f"! {prepared.unused} utterances are in no part of the split")
    for modality, count in prepared.missing.items():
        print(f"! {count} utterances have no {modality}")
    if prepared.audit.stamps:
        print(f"! leaks allowed by the config: {', '.join(prepared.audit.stamps)}")


def _value(mean: float, sd: float | None) -> str:
    return f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"


def _rows(table: Any) -> Iterable[tuple[Any, Iterable[float]]]:
    return ((row[0], row[1:]) for row in table.itertuples())


def _table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, name in enumerate(header):
        table.add_column(name, justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*row)
    console = Console()
    console.width = console.width if console.is_terminal else 120
    console.print(table)
