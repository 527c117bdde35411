"""Whole configs compared: on one split by paired tests, with others on other utterances.

Such as a checkpoint as it is and fine-tuned, and what it reaches in the language that it was made
for, where the claim is that a gap is small.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from multimodal_ser.comparison import TEST, Comparison, study_folder
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.evaluation import statistics
from multimodal_ser.evaluation.contrast import apart, contrast, corrected
from multimodal_ser.runs.folder import RunFolder
from multimodal_ser.runs.run import as_experiment, run
from multimodal_ser.types import ConfigError, DataError

Config = Experiment | Mapping[str, Any] | str | Path


def side_by_side(
    configs: Sequence[Config],
    references: Sequence[Config] = (),
    *,
    baseline: str | None = None,
    margin: float | None = None,
) -> Comparison:
    """Run each config and compare it with the baseline (by name; None: the first).

    configs: of one split. references: of other utterances, against which every config is held
    without pairs. margin: how far apart two scores may be that count as equivalent.
    """
    own, others = ([as_experiment(one) for one in some] for some in (configs, references))
    names = [one.name for one in (*own, *others)]
    if len(set(names)) < len(names):
        raise ConfigError(f"configs that are compared need names of their own: {sorted(names)}")
    chosen = baseline or own[0].name
    if chosen not in names[: len(own)]:
        raise ConfigError(f"--baseline: no config is named '{chosen}' ({', '.join(names)})")
    metric = _metric(own, others)
    runs, beyond = ({one.name: run(one) for one in some} for some in (own, others))
    _refuse_other_splits(runs)
    if any(TEST not in done.metrics for done in (*runs.values(), *beyond.values())):
        raise DataError("a test part has no labels, so nothing can be compared on it")
    reference = runs[chosen].part(TEST)
    found = {
        name: contrast(one.part(TEST), reference, metric, margin=margin)
        for name, one in runs.items()
        if name != chosen
    }
    classes = runs[chosen].prepared.target.kind == "classes"
    sizes = reference.drop_duplicates("id")["cluster"].value_counts().tolist()
    study = Comparison(
        folder=study_folder({**runs, **beyond}, [chosen, margin]),
        runs=runs,
        baseline=chosen,
        contrasts=corrected(found),
        family=tuple(found),
        detectable=statistics.smallest_detectable(sizes) if classes else None,
        references=beyond,
        elsewhere={
            name: {
                other: apart(done.part(TEST), there.part(TEST), metric, margin=margin)
                for other, there in beyond.items()
            }
            for name, done in runs.items()
            if beyond
        },
    )
    RunFolder(study.folder).write_json("comparison.json", study.plain())
    return study


def _metric(own: Sequence[Experiment], others: Sequence[Experiment]) -> str:
    """The first of the first config, which all must have."""
    metric = own[0].metrics_of(own[0].first)[0]
    for one in (*own[1:], *others):
        if metric not in one.metrics_of(one.first):
            raise ConfigError(f"{one.name}: its first target is not scored by {metric}, as the "
                              f"first config's is; add it to metrics")  # fmt: skip
    return metric


def _refuse_other_splits(runs: Mapping[str, Any]) -> None:
    hashes = {name: done.prepared.split_hash for name, done in runs.items()}
    if len(set(hashes.values())) > 1:
        said = ", ".join(f"{name} {one}" for name, one in hashes.items())
        raise DataError(
            f"the configs cut their corpora differently ({said}); give another corpus as a "
            "reference (--reference)"
        )
