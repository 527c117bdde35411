"""Finished runs that are to be merged: read, proven to be of one task, and what that task is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from multimodal_ser.config.experiment import Experiment
from multimodal_ser.evaluation import metrics, predictions
from multimodal_ser.evaluation.predictions import classes_of
from multimodal_ser.studies.ensembles import manifest
from multimodal_ser.types import ConfigError, DataError, listed

_FILES = ("metrics.json", "audit.json", "split.csv")
_TASK = ("corpus", "labels", "protocol", "folds", "task", "submission", "runs_dir")
_OF_OUTPUT = ("kind", "column", "columns", "votes", "separator", "classes", "edges")


@dataclass(frozen=True)
class Member:
    """The files of one run. label: what it is called beside the others."""

    folder: Path
    label: str
    config: Mapping[str, Any]
    metrics: Mapping[str, Any]
    audit: Mapping[str, Any]
    predictions: pd.DataFrame

    @property
    def fingerprint(self) -> str:
        return self.folder.resolve().name

    @cached_property
    def seeds(self) -> list[int]:
        return sorted(map(int, self.predictions["seed"].unique()))

    @cached_property
    def parts(self) -> list[str]:
        return sorted(map(str, self.predictions["part"].unique()))

    @cached_property
    def folds(self) -> list[int]:
        """Numbered on through repeats."""
        return sorted(map(int, self.predictions["fold"].unique()))

    @property
    def targets(self) -> dict[str, str]:
        """Target → kind; the first decides."""
        return {name: output["kind"] for name, output in self.config["outputs"].items()}

    @cached_property
    def classes(self) -> dict[str, list[str]]:
        """Target → its classes or labels, none of a number."""
        return {name: classes_of(self.of(name)) for name in self.targets}

    def of(self, target: str) -> pd.DataFrame:
        return self.predictions[self.predictions["target"] == target]


def read(folders: Sequence[Path]) -> list[Member]:
    """In the order given, each under a label of its own."""
    found = [_read(folder) for folder in folders]
    fingerprints = [one.fingerprint for one in found]
    for place, one in enumerate(found):
        if fingerprints[place] in fingerprints[:place]:
            other = found[fingerprints.index(fingerprints[place])].folder
            raise ConfigError(f"{other} and {one.folder} are the same run; name each run once")
    return [replace(one, label=label) for one, label in zip(found, _labels(found), strict=True)]


def refuse_unlike(members: Sequence[Member]) -> None:
    """DataError unless all answer the same questions about the same utterances."""
    first, *others = members
    wanted = dict(_task(first))
    problems = []
    for other in others:
        found = dict(_task(other))
        what = next((key for key in wanted if wanted[key] != found.get(key)), None)
        if what is not None:
            values = f"{wanted[what]} against {found.get(what, 'none')}"
            problems.append(f"{first.label} and {other.label}: {what}: {values}")
    if problems:
        raise DataError(listed(problems, "differences keep these runs from being merged"))


def seeds_of(members: Sequence[Member]) -> list[int]:
    """Those of the members with several, which must agree; one seed goes with each of them."""
    several = [one for one in members if len(one.seeds) > 1] or [members[0]]
    for other in several[1:]:
        if other.seeds != several[0].seeds:
            one, two = (", ".join(map(str, each.seeds)) for each in (several[0], other))
            raise DataError(
                f"{several[0].label} and {other.label}: seeds {one} against {two}; run both with "
                "the same (new seeds join a run: mser run CONFIG seeds=[…])"
            )
    return several[0].seeds


def parts_of(members: Sequence[Member]) -> list[str]:
    """The parts that every member has scored: a test part that one keeps sealed stays so."""
    shared = [part for part in members[0].parts if all(part in one.parts for one in members)]
    if not shared:
        told = "; ".join(f"{one.label}: {', '.join(one.parts)}" for one in members)
        raise DataError(f"the runs have scored no part in common ({told}); open the test in all")
    return shared


def card(members: Sequence[Member], name: str) -> dict[str, Any]:
    """The config of an ensemble: the task of its members. It names no encoder and no learner, as a
    task card names none; ConfigError where they share no metric of a target.
    """
    first = members[0].config
    shared = [
        one for one in first["metrics"] if all(one in run.config["metrics"] for run in members)
    ]
    kinds = {metrics.kind(one) for one in shared}
    bare = [target for target, kind in members[0].targets.items() if kind not in kinds]
    if bare:
        told = "; ".join(f"{run.label}: {', '.join(run.config['metrics'])}" for run in members)
        raise ConfigError(f"the runs share no metric of {', '.join(bare)} ({told})")
    outputs = {
        target: {key: output[key] for key in _OF_OUTPUT if output.get(key) is not None}
        for target, output in first["outputs"].items()
    }
    return {
        "name": name,
        **{key: first[key] for key in _TASK if first.get(key) is not None},
        "allow_leak": union(run.config["allow_leak"] for run in members),
        "encoders": {},
        "outputs": outputs,
        "seeds": seeds_of(members),
        "metrics": shared,
    }


def audited(members: Sequence[Member]) -> dict[str, Any]:
    """What is known of the corpus and its cut: each member looked at what it reads."""
    found = dict(members[0].audit)
    for key in ("leaks", "remarks", "differs"):
        found[key] = union(one.audit.get(key, []) for one in members)
    for key in ("missing", "heard"):
        pairs = [pair for one in members for pair in one.audit.get(key, {}).items()]
        found[key] = dict(pairs)
    return found


def union(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """Everything once, in the order in which it comes."""
    found: list[Any] = []
    for one in lists:
        found += [what for what in one if what not in found]
    return found


def _read(folder: Path) -> Member:
    if manifest.is_ensemble(folder):
        raise ConfigError(f"{folder} is an ensemble itself; name the runs that it is made of")
    if (folder / "comparison.json").is_file():
        raise ConfigError(f"{folder} is a study; name runs of it, which lie beside it")
    if not (folder / "config.yaml").is_file():
        raise ConfigError(f"{folder} is no run folder (it has no config.yaml)")
    absent = [name for name in _FILES if not (folder / name).is_file()]
    if absent:
        raise DataError(f"{folder} is no finished run (it has no {', '.join(absent)})")
    try:
        config = yaml.safe_load((folder / "config.yaml").read_text("utf-8"))
        Experiment.model_validate(config)
        numbers, audit = (json.loads((folder / name).read_text("utf-8")) for name in _FILES[:2])
    except (ValueError, yaml.YAMLError) as error:  # among them pydantic's
        raise DataError(f"{folder} is damaged, or of another version: {error}") from None
    return Member(folder, "", config, numbers, audit, predictions.read(folder))


def _labels(members: Sequence[Member]) -> Sequence[str]:
    """The shortest that tell them apart: encoders, the name, encoders and more."""
    encoders = ["+".join(one.config["encoders"]) for one in members]
    configs = [one.config for one in members]
    ways = [(one.get("fusion") or one["learner"])["name"] for one in configs]
    tried = [
        encoders,
        [str(one["name"]) for one in configs],
        [f"{one} [{way}]" for one, way in zip(encoders, ways, strict=True)],
    ]
    exact = [f"{one} {run.fingerprint}" for one, run in zip(encoders, members, strict=True)]
    return next((labels for labels in tried if len(set(labels)) == len(members)), exact)


def _task(member: Member) -> Iterator[tuple[str, str]]:
    """What members must have in common, in words."""
    yield "protocol", json.dumps(member.config["protocol"])
    yield "split", member.metrics["split"]
    yield "targets", ", ".join(f"{name} ({kind})" for name, kind in member.targets.items())
    for name, classes in member.classes.items():
        yield f"classes of {name}", ", ".join(sorted(classes))
    yield "folds", ", ".join(map(str, member.folds))
