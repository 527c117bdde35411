"""The file `ensemble.json`: the members of an ensemble, how they are merged, and what was learned.

The place of a member is written relative to the ensemble, so that a folder of runs can be moved.
"""

from __future__ import annotations

import hashlib
import json
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from multimodal_ser.studies.ensembles.merging import Fit
from multimodal_ser.types import DataError, listed

FILE = "ensemble.json"


class Seat(BaseModel):
    """One member. predictions: the hash of the predictions that were merged. seeds: its seeds.

    A member with a single seed is merged with each seed of the others.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    label: str
    path: str
    fingerprint: str
    predictions: str
    seeds: list[int]

    def beside(self, seeds: Sequence[int]) -> list[int]:
        """The seeds of this member that are merged with the seeds of the ensemble."""
        return self.seeds if len(self.seeds) == 1 else [*seeds]


class Manifest(BaseModel):
    """What an ensemble is.

    parts: those that every member has scored. metrics: those of the target that decides. classes:
    target → its classes, in the order of what was learned. fits: target → fold → seed → what was
    learned there, on all of dev. comparison: the ensemble against its best member, in the form of
    a study's.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: str
    how: str
    seeds: list[int]
    parts: list[str]
    metrics: list[str]
    classes: dict[str, list[str]]
    members: list[Seat]
    fits: dict[str, dict[int, dict[int, Fit]]] = {}
    comparison: dict[str, Any] = {}

    @property
    def arm(self) -> str:
        """The label of the ensemble beside its members."""
        return f"ensemble ({self.how})"

    def plan(self) -> dict[str, Any]:
        """Everything that is known before the members are merged."""
        return self.model_dump(exclude={"fits", "comparison"})

    def homes(self, folder: Path) -> list[Path]:
        """The folders of the members; DataError where one is gone or has changed."""
        folders = [
            Path(os.path.normpath(folder.resolve() / member.path)) for member in self.members
        ]
        pairs = list(zip(self.members, folders, strict=True))
        gone = [f"{seat.label}: {home}" for seat, home in pairs if not home.is_dir()]
        if gone:
            raise DataError(listed(gone, f"members of the ensemble {folder} are missing"))
        changed = [seat.label for seat, home in pairs if digest(home) != seat.predictions]
        if changed:
            raise DataError(
                f"{', '.join(changed)}: other predictions than those that {folder} merged; in "
                f"{folder.parent} merge them again: {self.command(folder)}"
            )
        return folders

    def command(self, folder: Path) -> str:
        """The command that makes the ensemble again, from inside the folder of runs."""
        homes = [os.path.normpath(Path(folder.name) / member.path) for member in self.members]
        return shlex.join(["mser", "ensemble", *homes, "--how", self.how, "--name", self.name])


def is_ensemble(folder: Path) -> bool:
    return (folder / FILE).is_file()


def read(folder: Path) -> Manifest:
    """The manifest in a folder; DataError where it is damaged or of another version."""
    path = folder / FILE
    try:
        return Manifest.model_validate(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError, ValidationError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def digest(run: Path) -> str:
    """A hash of the file of predictions of a run."""
    path = run / "predictions.csv"
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:12]
    except OSError:
        raise DataError(f"{run} is no finished run (it has no {path.name})") from None
