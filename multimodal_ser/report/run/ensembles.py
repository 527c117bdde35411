"""An ensemble and its member runs. The members are read from their own folders."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from multimodal_ser.report.cells import Cell, Cells, Table, number
from multimodal_ser.report.run.collect import Report
from multimodal_ser.runs.records import read_run
from multimodal_ser.studies.ensembles import manifest
from multimodal_ser.studies.ensembles.merging import LEARNED

if TYPE_CHECKING:
    from multimodal_ser.studies.ensembles.manifest import Manifest

_HOW = {
    "mean": "The scores are the mean of the members' scores.",
    "max": "The score of a class is the highest that a member gives it; of single classes they are "
    "scaled to add up to 1.",
    "vote": "Each member has one vote; the scores are the shares of the votes, moved by a "
    "thousandth towards the mean of the members' scores, which settles ties.",
    "weights": "The scores are a mean in which each member has a share: those shares that make dev "
    "the most probable (of numbers, with the least squared error).",
    "stacking": "The scores are those of a regression on what all members say: logistic on "
    "log-probabilities (of labels on log-odds), or ridge on numbers.",
}
_LEARNED = (
    "What was learned for test was learned on all of dev of the same fold and seed; nothing was "
    "learned on test. The numbers on dev are cross-fitted: of each cluster they come from what was "
    "learned on other clusters."
)
_OF_STACKING = (
    "How much a member counts: what the regression makes of its log-probability of a class for "
    "that very class (of a label its log-odds, of a number the number), the mean over classes."
)


def read(folder: Path) -> Report:
    """The report of an ensemble folder. Its arms are the ensemble and its members.

    Only the parts that the ensemble has scored are kept of each member.
    """
    ensemble = manifest.read(folder)
    merged = read_run(folder)
    arms = {ensemble.arm: merged}
    for member, member_folder in zip(ensemble.members, ensemble.homes(folder), strict=True):
        record = read_run(member_folder)
        parts = {part: record.metrics["parts"][part] for part in merged.metrics["parts"]}
        arms[member.label] = replace(record, metrics={**record.metrics, "parts": parts})
    return Report(folder, arms, ensemble.comparison, ensemble)


def lines(ensemble: Manifest) -> Iterator[str]:
    """Sentences on how the members were merged."""
    yield _HOW[ensemble.how]
    if ensemble.how in LEARNED:
        yield _LEARNED
    with_fewer_seeds = [
        member.label for member in ensemble.members if len(member.seeds) < len(ensemble.seeds)
    ]
    if with_fewer_seeds:
        yield f"One seed stands beside all seeds of the others: {', '.join(with_fewer_seeds)}."
    if ensemble.how == "stacking":
        yield _OF_STACKING


def tables(ensemble: Manifest) -> Iterator[Table]:
    """The table of members; then, if weights were learned, how much each member counts."""
    rows = [
        [
            Cell(member.label),
            Cell(member.fingerprint),
            Cell(member.path),
            Cell(", ".join(map(str, member.seeds))),
        ]
        for member in ensemble.members
    ]
    yield Table("Members", ["member", "run", "lies at", "seeds"], rows)
    for target, by_fold in ensemble.fits.items():
        counts = {
            (fold, seed): fit.counts(len(ensemble.members))
            for fold, by_seed in sorted(by_fold.items())
            for seed, fit in sorted(by_seed.items())
        }
        header = ["fold and seed", *(member.label for member in ensemble.members)]
        count_rows = [_counts(f"{fold}-{seed}", values) for (fold, seed), values in counts.items()]
        mean_row = _counts("mean", np.mean([*counts.values()], axis=0).tolist())
        yield Table(f"{target}: how much each member counts", header, count_rows, [mean_row])


def _counts(name: str, values: list[float]) -> Cells:
    return [Cell(name), *(number(value) for value in values)]
