"""Finished runs made one: joined fold with fold and seed with seed, merged, scored as a run is.

    members → one task? → join → merge (target × fold × seed) → predictions → metrics → comparison

Files in, files out: no corpus and no model. What is learned is learned on dev: the dev predictions
that are reported are cross-fitted by cluster, and those of test come from a fit on all of dev.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import yaml

from multimodal_ser.config.experiment import Experiment
from multimodal_ser.evaluation import evaluate, metrics
from multimodal_ser.evaluation.contrast import Contrast, contrast, corrected
from multimodal_ser.evaluation.predictions import read
from multimodal_ser.parallel import one_thread
from multimodal_ser.runs.folder import RunFolder, surroundings
from multimodal_ser.runs.records import read_run
from multimodal_ser.runs.submission import pack
from multimodal_ser.studies.ensembles import joining, manifest, members
from multimodal_ser.studies.ensembles.manifest import Manifest, Seat
from multimodal_ser.studies.ensembles.merging import HOW, LEARNED
from multimodal_ser.types import ConfigError, DataError, __version__, listed, nearest

if TYPE_CHECKING:
    from multimodal_ser.studies.ensembles.members import Member

_NUMBERS = ("predictions.csv", "metrics.json")
_OF_NUMBERS = ("mean", "weights", "stacking")


@dataclass(frozen=True)
class Ensemble:
    """A finished ensemble. arms: label → its numbers by part; the ensemble comes first.

    stamps: the leaks that the configs allowed.
    """

    folder: Path
    manifest: Manifest
    predictions: pd.DataFrame
    arms: Mapping[str, Mapping[str, Any]]
    split_hash: str
    stamps: Sequence[str]

    @property
    def metrics(self) -> Mapping[str, Any]:
        """Part → the numbers of the ensemble."""
        return self.arms[self.manifest.arm]

    @property
    def contrast(self) -> Contrast | None:
        """The ensemble against the member that is best on dev; None where no dev part chooses one.

        It is measured on the first test part, or on dev while the test is sealed.
        """
        row = self.manifest.comparison["contrasts"].get(self.manifest.arm)
        return Contrast(**row) if row else None

    def table(self, part: str) -> pd.DataFrame:
        """One row for each arm: every metric of the first target with sd, interval, ensemble."""
        rows = {
            arm: {
                f"{name} {key}": numbers[part]["metrics"][name][key]
                for name in self.manifest.metrics
                for key in ("mean", "sd", "low", "high", "ensemble")
            }
            for arm, numbers in self.arms.items()
        }
        return pd.DataFrame.from_dict(rows, orient="index").rename_axis("arm")


def ensemble(
    folders: Iterable[str | Path], *, how: str = "mean", name: str | None = None
) -> Ensemble:
    """Merge finished runs of one task into a run folder beside that of the first.

    how: `mean` or `max` of the scores, `vote`, or learned on dev: `weights` (a share for each
    member) or `stacking` (a regression on all that they say). name: that of the first run, unless
    another is given.
    """
    paths = [Path(folder) for folder in folders]
    _check_asked(paths, how, name)
    runs = members.read(paths)
    members.refuse_unlike(runs)
    card = members.card(runs, name or str(runs[0].record.config["name"]))
    parts = members.parts_of(runs)
    _refuse_unfit(how, runs, parts)
    folder = RunFolder(_place(runs, how, card["name"]))
    plan = _plan(runs, how, card, parts, folder.path)
    if not _is_done(folder.path, plan):
        with folder.stage("merge"), one_thread():
            _make(runs, plan, card, folder)
    merged, written = read_run(folder.path), manifest.read(folder.path)
    arms = {plan.arm: merged.metrics["parts"]}
    arms |= {member.label: member.record.metrics["parts"] for member in runs}
    split_hash, stamps = merged.metrics["split"], merged.metrics["leaks allowed"]
    return Ensemble(folder.path, written, merged.predictions, arms, split_hash, stamps)


def _make(
    runs: Sequence[Member], plan: Manifest, card: Mapping[str, Any], folder: RunFolder
) -> None:
    """Write every file of the folder; the numbers come last."""
    experiment = Experiment.model_validate(card)
    tables, fits = [], {}
    for target in experiment.outputs:
        rows, learned = joining.merge(plan.how, joining.join(runs, target, plan.parts, plan.seeds))
        tables.append(rows)
        fits |= {target: learned} if learned else {}
    audit, order = members.audited(runs), ["target", "part", "repeat", "fold", "seed", "id"]
    if any(part.startswith("test") for part in plan.parts):
        folder.note_opening(audit["split"])  # its labels meet scores that nobody has seen
    folder.write(
        "config.yaml", yaml.safe_dump(dict(card), sort_keys=False, allow_unicode=True).encode()
    )
    folder.write("split.csv", (runs[0].record.folder / "split.csv").read_bytes())
    folder.write_json("audit.json", audit)
    folder.write_json("environment.json", surroundings("cpu"))
    folder.write_table("predictions.csv", pd.concat(tables).sort_values(order, ignore_index=True))
    written = read(folder.path)
    first = written[written["target"] == experiment.first]
    if experiment.submission is not None and experiment.submission.part in plan.parts:
        folder.write("submission.zip", pack(first, experiment.submission))
    chosen = {name: experiment.metrics_of(name) for name in experiment.outputs}
    measured = evaluate.measure(written, chosen)
    compared = _compared(runs, plan, first, measured)
    whole = plan.model_copy(update={"fits": fits, "comparison": compared})
    folder.write_json(manifest.FILE, whole.model_dump(mode="json", exclude_defaults=True))
    allowed = members.union(member.record.metrics["leaks allowed"] for member in runs)
    numbers = {"split": audit["split"], "leaks allowed": allowed, "parts": measured}
    folder.write_json("metrics.json", numbers)


def _compared(
    runs: Sequence[Member], plan: Manifest, rows: pd.DataFrame, measured: Mapping[str, Any]
) -> dict[str, Any]:
    """The ensemble compared with the member that is best on dev, as a study compares its arms."""
    arm, metric, closed = plan.arm, plan.metrics[0], [*_sealed(runs, plan.parts)]
    comparison = {"metric": metric, "baseline": "", "contrasts": {}, "family": [], "changes": {}}
    if "dev" not in measured:
        why = "there are no labels on dev to choose the best member by, so none is tested against"
        return comparison | {"detectable": None, "verdict": [why, *closed]}
    best = max(runs, key=lambda run: run.record.on_dev(metric))
    part = next((part for part in sorted(measured) if part.startswith("test")), "dev")
    other = best.record.of(str(rows["target"].iloc[0]))
    gap = contrast(rows[rows["part"] == part], other[other["part"] == part], metric)
    return comparison | {
        "baseline": best.label,
        "contrasts": {arm: corrected({arm: gap})[arm].plain()},
        "family": [arm],
        "detectable": None,
        "verdict": [f"on {part}, {gap.words(arm, best.label)}", *closed],
    }


def _sealed(runs: Sequence[Member], parts: Sequence[str]) -> Iterator[str]:
    """The parts that are not scored, because some members have kept them sealed."""
    for part in members.union(run.record.parts for run in runs):
        closed = [run.label for run in runs if part not in run.record.parts]
        if part not in parts:
            yield f"{part} is left out, because {', '.join(closed)} did not open it"


def _check_asked(folders: Sequence[Path], how: str, name: str | None) -> None:
    """Refuse wrong arguments before any file is read."""
    if how not in HOW:
        near = nearest(how, [*HOW])
        raise ConfigError(f"--how: '{how}' is no way to merge{near} (allowed: {', '.join(HOW)})")
    if len(folders) < 2:
        raise ConfigError(f"an ensemble needs two runs or more; got {len(folders)}")
    if name is not None and not re.fullmatch(r"[\w.-]+", name):
        raise ConfigError(f"--name: '{name}' holds more than letters, digits, and . _ -")


def _refuse_unfit(how: str, runs: Sequence[Member], parts: Sequence[str]) -> None:
    """Refuse a vote on numbers, and learning without dev or on a dev part with too few clusters."""
    numbers = [name for name, kind in runs[0].record.targets.items() if kind == "numbers"]
    if numbers and how not in _OF_NUMBERS:
        allowed = ", ".join(_OF_NUMBERS)
        raise ConfigError(f"--how {how}: {', '.join(numbers)} is a number; take one of {allowed}")
    if how not in LEARNED:
        return
    if "dev" not in parts:
        rules = ", ".join(rule for rule in HOW if rule not in LEARNED)
        raise ConfigError(
            f"--how {how} is learned on dev, and these runs have none: take one of {rules}, or run "
            "them with a dev part"
        )
    first = runs[0].record
    labelled = first.predictions[lambda rows: (rows["part"] == "dev") & rows["truth"].notna()]
    counts = labelled.groupby(["target", "fold"])["cluster"].nunique()
    places = [(target, fold) for target in first.targets for fold in first.folds]
    few = [f"{place[0]}, fold {place[1]}" for place in places if counts.get(place, 0) < 2]
    if few:
        raise DataError(
            listed(
                few,
                "dev parts have no two clusters with labels, so nothing can be learned on "
                "one and said of the other",
            )
            + "\ntake mean, or a protocol with more of dev (dev: 0.2, or kfold)"
        )


def _place(runs: Sequence[Member], how: str, name: str) -> Path:
    """The folder `<runs>/<name>/<fingerprint>`, in the first member's folder of runs."""
    identity = json.dumps([how, [run.record.fingerprint for run in runs], __version__])
    above = Path(os.path.normpath(runs[0].record.folder / ".." / ".."))
    return above / name / hashlib.sha256(identity.encode()).hexdigest()[:12]


def _plan(
    runs: Sequence[Member], how: str, card: Mapping[str, Any], parts: Sequence[str], folder: Path
) -> Manifest:
    seats = [
        Seat(
            label=label,
            path=Path(os.path.relpath(record.folder.resolve(), folder.resolve())).as_posix(),
            fingerprint=record.fingerprint,
            predictions=manifest.digest(record.folder),
            seeds=record.seeds,
        )
        for label, record in ((run.label, run.record) for run in runs)
    ]
    decides = runs[0].record.kind
    return Manifest(
        name=card["name"],
        how=how,
        seeds=card["seeds"],
        parts=[*parts],
        metrics=[metric for metric in card["metrics"] if metrics.kind(metric) == decides],
        classes=runs[0].record.classes_by_target,
        members=seats,
    )


def _is_done(folder: Path, plan: Manifest) -> bool:
    """Whether every file stands there, made from these predictions."""
    if not all((folder / name).is_file() for name in (manifest.FILE, *_NUMBERS)):
        return False
    try:
        return manifest.read(folder).plan() == plan.plan()
    except DataError:  # damaged: it is made anew
        return False
