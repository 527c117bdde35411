"""Tables in the terminal."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from multimodal_ser.report.run.expected import NOT_MEASURED, beside
from multimodal_ser.runs.doctor import gibibytes

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import Experiment
    from multimodal_ser.runs.dry_run import Outlook, Stage
    from multimodal_ser.runs.prepare import Prepared
    from multimodal_ser.runs.run import Run
    from multimodal_ser.studies.score import Scored


def show_run(run: Run) -> None:
    """Notices first, then a table for every part that was scored."""
    show_head(run.prepared)
    for part, numbers in run.metrics.items():
        for notice in numbers["notices"]:
            print(f"! {part}: the model {notice}")
        targets = {run.experiment.first: numbers, **numbers["others"]}
        rows = [
            [
                name if len(targets) == 1 else f"{target}: {name}",
                spread(value["mean"], value["sd"]),
                interval(value),
                f"{value['mean_of_folds']:.3f}",
                f"{value['ensemble']:.3f}",
            ]
            for target, of_target in targets.items()
            for name, value in of_target["metrics"].items()
        ]
        title = f"{part}: {numbers['utterances']} utterances, {numbers['clusters']} clusters"
        show_table(
            title, ["metric", "mean ± sd over seeds", "95 %", "mean of folds", "ensemble"], rows
        )
    for part in sorted(set(run.predictions["part"]) - set(run.metrics)):
        print(f"! {part} has no labels: its predictions are written, and not scored")
    _show_expected(run)
    print(f"run folder: {run.folder}")


def _show_expected(run: Run) -> None:
    """What documents report, and ours beside it where they speak of the same thing."""
    comparisons = beside(run.experiment.resolved(), run.metrics)
    for comparison in comparisons:
        if comparison.differs:
            print(f"! {comparison.line()}")
    rows = [
        [
            shorten(comparison.told.source, 44, placeholder=" …"),  # the page has all of it
            name,
            f"{theirs:.3f}",
            *([spread(ours["mean"], ours["sd"]), interval(ours)] if ours else [NOT_MEASURED, ""]),
        ]
        for comparison in comparisons
        for name, theirs, ours in comparison.pairs()
    ]
    if rows:
        show_table("as reported, and here", ["source", "metric", "reported", "here", "95 %"], rows)


def show_score(scored: Scored, part: str, against: Path | None) -> None:
    """Metrics with intervals, classes, and the contrast with a run."""
    numbers = scored.metrics
    print(f"split {scored.split_hash}, {part}: {numbers['utterances']} utterances")
    for notice in numbers["notices"]:
        print(f"! the model {notice}")
    rows = [
        [name, spread(value["mean"], value["sd"]), interval(value)]
        for name, value in numbers["metrics"].items()
    ]
    show_table(part, ["metric", "value", "95 %"], rows)
    keys = ("precision", "recall", "f1")
    classes = [
        [label, *(f"{row[key]:.3f}" for key in keys), interval(row), f"{row['utterances']:g}"]
        for label, row in numbers["classes"].items()
    ]
    if classes:
        show_table("classes", ["class", *keys, "f1 95 %", "utterances"], classes)
    if scored.contrast is not None:
        print(f"→ {scored.contrast.words('this', str(against))}")


def show_audit(prepared: Prepared, seen: Mapping[str, Any] | None) -> None:
    """What the gate found and what the probes score; `seen`: the run's scores, if it was run."""
    show_head(prepared)
    audit = prepared.audit
    for leak in audit.leaks:
        print(f"leak: {leak.line()}")
    for remark in audit.remarks:
        print(f"remark: {remark}")
    if not audit.leaks:
        print("no leak found")
    names = list(next(iter(audit.probes.values())))
    rows = [
        [probe, *(f"{scores[name]:.4f}" for name in names)]
        for probe, scores in audit.probes.items()
    ]
    show_table("probes on test, without any model", ["probe", *names], rows)
    if audit.ties:
        low, high = audit.ties
        print(f"the group's label seen first; other ways to break ties: {low:.4f} to {high:.4f}")
    if audit.siblings:
        shares = [
            [name, str(count), f"{inside}", f"{inside / count:.2f}" if count else ""]
            for name, (inside, count) in audit.siblings.items()
        ]
        header = [prepared.target.name, "test items", "group is in train", "share"]
        show_table("test items with a sibling in train", header, shares)
    if seen:
        names = [name for name in max(seen.values(), key=len) if name != "utterances"]
        rows = [
            [
                value,
                str(numbers["utterances"]),
                *(f"{numbers[name]:.3f}" if name in numbers else "–" for name in names),
            ]
            for value, numbers in seen.items()
        ]
        show_table("the run of this config, by group in train", ["in train", "items", *names], rows)


def show_transcripts(
    written: pd.DataFrame, rates: Mapping[str, tuple[float, float, float]]
) -> None:
    """How many, what is doubtful about them, how many words differ from the corpus's own."""
    spoken = int(written["text"].notna().sum())
    print(
        f"{len(written)} transcripts, {written['seconds'].sum():.0f} s of sound, {spoken} with text"
    )
    flags = written["flags"].str.split("; ").explode()
    for flag, count in flags[flags != ""].value_counts().items():
        print(f"! {count} {flag}")
    for name, (value, low, high) in rates.items():
        print(f"{name} {value:.3f} (95 % {low:.3f} to {high:.3f}) against the corpus's own text")


def show_outlook(outlook: Outlook) -> None:
    """What there is to do, stage by stage, and what it will take, about."""
    corpus, seeds = outlook.corpus, outlook.experiment.seeds
    print(f"{corpus.about.name}: {len(corpus)} utterances, split {outlook.split_hash}")
    print(f"folds: {len(outlook.folds)}, seeds: {', '.join(map(str, seeds))}")
    for reason, count in corpus.dropped.items():
        print(f"! {count} rows would be dropped: {reason}")
    _show_transductive(outlook.experiment)
    rows = [_stage(stage) for stage in outlook.stages]
    title = f"what a run would do (workers: {outlook.workers})"
    show_table(title, ["stage", "in all", "done", "to do", "time, about", "disk, about"], rows)
    for stage in outlook.stages:
        if stage.remark:
            print(f"! {stage.name}: {stage.remark}")
    more = "" if outlook.whole else ", and what is not known"
    print(f"about {duration(outlook.seconds)} in all{more}, beside some seconds to start")
    size, free = gibibytes(outlook.bytes), gibibytes(outlook.free)
    if outlook.bytes > outlook.free:
        print(f"! the disk is too small: about {size} are needed, and {free} are free")
    print("nothing was run: leaks are looked for by `mser audit`, missing things by `mser doctor`")


def _stage(stage: Stage) -> list[str]:
    return [
        stage.name,
        str(stage.inputs),
        "?" if stage.done is None else str(stage.done),
        "?" if stage.done is None else str(stage.inputs - stage.done),
        "not known" if stage.seconds is None else duration(stage.seconds),
        "not known" if stage.bytes is None else gibibytes(stage.bytes),
    ]


def duration(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 1 or not seconds else "1 s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def show_head(prepared: Prepared) -> None:
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
    for source, count in prepared.heard.items():
        print(f"{count} texts are {source}'s")
    _show_transductive(prepared.experiment)
    if prepared.audit.stamps:
        print(f"! leaks allowed by the config: {', '.join(prepared.audit.stamps)}")


def _show_transductive(experiment: Experiment) -> None:
    if scaled := ", ".join(experiment.transductive):
        print(f"! transductive: {scaled} scaled by each speaker's own unlabelled clips")


def spread(mean: float, sd: float | None) -> str:
    return f"{mean:.3f}" if sd is None else f"{mean:.3f} ± {sd:.3f}"


def interval(row: Mapping[str, Any]) -> str:
    return f"{row['low']:.3f} to {row['high']:.3f}"


def rows_of(table: Any) -> Iterable[tuple[Any, Iterable[float]]]:
    return ((row[0], row[1:]) for row in table.itertuples())


def show_table(title: str, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    table = Table(title=title, title_justify="left", title_style="bold")
    for place, name in enumerate(header):
        table.add_column(Text(name), justify="right" if place else "left", no_wrap=True)
    for row in rows:
        table.add_row(*map(Text, row))  # a label [/red] is a word, not a mark
    console = Console()
    console.width = console.width if console.is_terminal else 120
    console.print(table)
