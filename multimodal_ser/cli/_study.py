"""A study, or an ensemble, in the terminal: the verdict first, then the arms."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from multimodal_ser.cli._tables import interval, rows_of, show_head, show_table, spread

if TYPE_CHECKING:
    from multimodal_ser.evaluation.contrast import Contrast
    from multimodal_ser.studies.comparison import Comparison
    from multimodal_ser.studies.ensembles.ensemble import Ensemble


def show_comparison(study: Comparison) -> None:
    """The verdict first; the arms side by side, the probes below them, the breakdown columns."""
    runs = list(study.runs.values())
    first = runs[0]
    show_head(max(runs, key=lambda run: len(run.experiment.encoders)).prepared)  # it reads the most
    for arm, run in study.runs.items():
        for notice in run.metrics["test"]["notices"]:
            print(f"! {arm}: the model {notice}")
    for sentence in study.verdict():
        print(f"→ {sentence}")
    names = first.experiment.metrics_of(first.experiment.first)
    rows = [[arm, *_arm(run.metrics["test"], names)] for arm, run in study.runs.items()]
    for probe, scores in first.prepared.audit.probes.items():
        values = (f"{scores[name]:.3f}" if name in scores else "" for name in names)
        rows.append([f"probe: {probe}", *values, ""])
    folds, seeds = len(first.prepared.folds), len(first.experiment.seeds)
    title = f"test: mean ± sd over {seeds} seeds, {folds} folds"
    show_table(title, ["arm", *names, f"{study.metric} 95 %"], rows)
    gaps = [[arm, *_gap(contrast)] for arm, contrast in study.contrasts.items()]
    show_table(
        f"{study.metric} over the baseline, {study.baseline}",
        ["arm", "gap", "95 %", "p", "Holm p"],
        gaps,
    )
    _show_pairs(study)
    _show_clusters(study)
    for column in first.experiment.breakdown:
        table = study.breakdown(column)
        values = [[str(value), *(f"{cell:.3f}" for cell in row)] for value, row in rows_of(table)]
        what = "accuracy" if first.prepared.target.kind == "classes" else study.metric
        show_table(f"{what} by {column}", [column, *study.runs], values)
    if study.detectable is None:
        return
    if math.isfinite(study.detectable):
        gap = f"must differ by {study.detectable:.2f} accuracy to be told apart here"
    else:
        gap = "cannot be told apart here, however much they differ"
    print(f"unrelated models {gap}\n(simulated for this test part: power 0.8, level 0.05)")


def _arm(numbers: Mapping[str, Any], names: Sequence[str]) -> list[str]:
    """Every metric, and the interval of the first."""
    values = numbers["metrics"]
    first = values[names[0]]
    return [*(spread(values[name]["mean"], values[name]["sd"]) for name in names), interval(first)]


def _gap(contrast: Contrast) -> list[str]:
    """p stands where a test belongs: in the family of fused arms."""
    if contrast.holm is None:
        return [f"{contrast.gap:+.3f}", interval(vars(contrast)), "", ""]
    few = " few" if contrast.few else ""
    return [
        f"{contrast.gap:+.3f}",
        interval(vars(contrast)),
        f"{contrast.p:.4f}{few}",
        f"{contrast.holm:.4f}{few}",
    ]


def _show_pairs(study: Comparison) -> None:
    """An arm against itself with other words, and against runs on other utterances."""
    changed = [
        [arm, other, *_gap(contrast)]
        for arm, change in study.changes.items()
        for other, contrast in change.items()
    ]
    header = ["arm", "against", "gap", "95 %", "p"]
    if changed:
        what = f"{study.metric}: what the words of another source change"
        show_table(what, [*header, "Holm p"], changed)
    elsewhere = [
        [
            arm,
            other,
            f"{contrast.gap:+.3f}",
            interval(vars(contrast)),
            f"{contrast.p:.4f}",
            "" if contrast.equivalent is None else f"{contrast.equivalent:.4f}",
        ]
        for arm, contrasts in study.elsewhere.items()
        for other, contrast in contrasts.items()
    ]
    if elsewhere:
        what = f"{study.metric} against other utterances: not paired"
        show_table(what, [*header, "equivalence p"], elsewhere)
    for name, done in study.references.items():
        value = done.metrics["test"]["metrics"][study.metric]
        print(f"{name}: {study.metric} {spread(value['mean'], value['sd'])} ({interval(value)})")


def _show_clusters(study: Comparison) -> None:
    """Every cluster by itself, where there are few."""
    shown = {
        arm: contrast.by_cluster for arm, contrast in study.contrasts.items() if contrast.by_cluster
    }
    if shown:
        clusters = next(iter(shown.values()))
        rows = [[name, *(f"{gap[name]:+.3f}" for gap in shown.values())] for name in clusters]
        show_table(f"few clusters: gap to {study.baseline} in each", ["cluster", *shown], rows)


def show_ensemble(done: Ensemble) -> None:
    """The verdict first; the ensemble above its members, part by part."""
    described, names = done.manifest, done.manifest.metrics
    print(f"{described.arm} of {len(described.members)} runs, split {done.split_hash}")
    if done.stamps:
        print(f"! leaks allowed by the config: {', '.join(done.stamps)}")
    for part, numbers in done.metrics.items():
        for notice in numbers["notices"]:
            print(f"! {part}: the ensemble {notice}")
    for sentence in described.comparison["verdict"]:
        print(f"→ {sentence}")
    for part, numbers in done.metrics.items():
        rows = [[arm, *_arm(numbers[part], names)] for arm, numbers in done.arms.items()]
        title = f"{part}: {numbers['utterances']} utterances, {numbers['clusters']} clusters"
        show_table(title, ["arm", *names, f"{names[0]} 95 %"], rows)
    print(f"run folder: {done.folder}")
