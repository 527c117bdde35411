"""The runs to be merged: they are read, and it is proven that they are of one task."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from multimodal_ser.config.experiment import Experiment
from multimodal_ser.evaluation import metrics
from multimodal_ser.runs.records import Record, read_run, refuse_no_run
from multimodal_ser.studies.ensembles import manifest
from multimodal_ser.types import ConfigError, DataError, listed

_TASK = ("corpus", "labels", "protocol", "folds", "task", "submission", "runs_dir")
_OF_OUTPUT = ("kind", "column", "columns", "votes", "separator", "classes", "edges")


@dataclass(frozen=True)
class Member:
    """A finished run, and its label among the members."""

    record: Record
    label: str


def read(folders: Sequence[Path]) -> list[Member]:
    """The members in the given order, each with its own label."""
    records = [_read(folder) for folder in folders]
    by_fingerprint: dict[str, Record] = {}
    for record in records:
        other = by_fingerprint.setdefault(record.fingerprint, record)
        if other is not record:
            both = f"{other.folder} and {record.folder}"
            raise ConfigError(f"{both} are the same run; name each run once")
    return [Member(*pair) for pair in zip(records, _labels(records), strict=True)]


def refuse_unlike(members: Sequence[Member]) -> None:
    """DataError unless all members have the same targets and the same utterances."""
    first, *others = members
    wanted = dict(_task(first.record))
    problems = []
    for other in others:
        task = dict(_task(other.record))
        what = next((key for key in wanted if wanted[key] != task.get(key)), None)
        if what is not None:
            values = f"{wanted[what]} against {task.get(what, 'none')}"
            problems.append(f"{first.label} and {other.label}: {what}: {values}")
    if problems:
        raise DataError(listed(problems, "differences keep these runs from being merged"))


def seeds_of(members: Sequence[Member]) -> list[int]:
    """The seeds of the members with several seeds, which must be the same.

    A member with a single seed is merged with each of them.
    """
    several = [member for member in members if len(member.record.seeds) > 1] or [members[0]]
    first, *others = several
    for other in others:
        if other.record.seeds != first.record.seeds:
            first_seeds, other_seeds = (
                ", ".join(map(str, each.record.seeds)) for each in (first, other)
            )
            raise DataError(
                f"{first.label} and {other.label}: seeds {first_seeds} against {other_seeds}; "
                "run both with "
                "the same (new seeds join a run: mser run CONFIG seeds=[…])"
            )
    return first.record.seeds


def parts_of(members: Sequence[Member]) -> list[str]:
    """The parts that every member has scored; a test that one keeps sealed stays sealed."""
    first, *others = (member.record.parts for member in members)
    shared = [part for part in first if all(part in parts for parts in others)]
    if not shared:
        scored = "; ".join(f"{each.label}: {', '.join(each.record.parts)}" for each in members)
        raise DataError(f"the runs have scored no part in common ({scored}); open the test in all")
    return shared


def card(members: Sequence[Member], name: str) -> dict[str, Any]:
    """The config of an ensemble: the task of its members, without encoders and learner.

    So it is a task card. ConfigError where the members share no metric of a target.
    """
    configs = [member.record.config for member in members]
    first, targets = configs[0], members[0].record.targets
    shared = [
        name for name in first["metrics"] if all(name in config["metrics"] for config in configs)
    ]
    kinds = {metrics.kind(name) for name in shared}
    bare = [target for target, kind in targets.items() if kind not in kinds]
    if bare:
        own = [f"{each.label}: {', '.join(each.record.config['metrics'])}" for each in members]
        raise ConfigError(f"the runs share no metric of {', '.join(bare)} ({'; '.join(own)})")
    outputs = {
        target: {key: output[key] for key in _OF_OUTPUT if output.get(key) is not None}
        for target, output in first["outputs"].items()
    }
    return {
        "name": name,
        **{key: first[key] for key in _TASK if first.get(key) is not None},
        "allow_leak": union(config["allow_leak"] for config in configs),
        "encoders": {},
        "outputs": outputs,
        "seeds": seeds_of(members),
        "metrics": shared,
    }


def audited(members: Sequence[Member]) -> dict[str, Any]:
    """The audit of the corpus and the split; each member has looked at what it reads."""
    audits = [member.record.audit for member in members]
    merged = dict(audits[0])
    for key in ("leaks", "remarks", "differs"):
        merged[key] = union(audit.get(key, []) for audit in audits)
    for key in ("missing", "heard"):
        merged[key] = dict(pair for audit in audits for pair in audit.get(key, {}).items())
    return merged


def union(lists: Iterable[Iterable[Any]]) -> list[Any]:
    """Every item once, in the order of its first occurrence."""
    items_so_far: list[Any] = []
    for items in lists:
        items_so_far += [what for what in items if what not in items_so_far]
    return items_so_far


def _read(folder: Path) -> Record:
    if manifest.is_ensemble(folder):
        raise ConfigError(f"{folder} is an ensemble itself; name the runs that it is made of")
    if (folder / "comparison.json").is_file():
        raise ConfigError(f"{folder} is a study; name runs of it, which lie beside it")
    refuse_no_run(folder)
    record = read_run(folder, "split.csv")
    try:
        Experiment.model_validate(record.config)
    except ValueError as error:  # pydantic's is one
        raise DataError(f"{folder} is damaged, or of another version: {error}") from None
    return record


def _labels(records: Sequence[Record]) -> Sequence[str]:
    """The shortest labels that differ: the encoders, the name, or the encoders and more."""
    encoders = ["+".join(record.encoders) for record in records]
    configs = [record.config for record in records]
    ways = [(config.get("fusion") or config["learner"])["name"] for config in configs]
    tried = [
        encoders,
        [str(config["name"]) for config in configs],
        [f"{names} [{way}]" for names, way in zip(encoders, ways, strict=True)],
    ]
    exact = [f"{'+'.join(record.encoders)} {record.fingerprint}" for record in records]
    return next((labels for labels in tried if len(set(labels)) == len(records)), exact)


def _task(record: Record) -> Iterator[tuple[str, str]]:
    """What all members must have in common, in words."""
    yield "protocol", json.dumps(record.config["protocol"])
    yield "split", record.metrics["split"]
    yield "targets", ", ".join(f"{name} ({kind})" for name, kind in record.targets.items())
    for name, classes in record.classes_by_target.items():
        yield f"classes of {name}", ", ".join(sorted(classes))
    yield "folds", ", ".join(map(str, record.folds))
