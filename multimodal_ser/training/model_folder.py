"""A trained model on disk: it is there whole or not at all, also when two processes train it."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.numpy import load_file, save
from safetensors.torch import save as save_tensors

from multimodal_ser.files import write_atomically
from multimodal_ser.types import DataError


def is_finished(folder: Path, features: str, parts: Sequence[str] = ()) -> bool:
    """Whether a model stands there, trained on these features, that has scored these parts."""
    try:
        written = json.loads((folder / "model.json").read_text("utf-8"))
    except FileNotFoundError:
        return False
    scored = all(_scores(folder, part).exists() for part in parts)
    return scored and written["features"] == features


def read_scores(folder: Path, part: str) -> dict[str, np.ndarray]:
    """Target → scores `[rows of the part, C]`."""
    return load_file(_scores(folder, part))


def write(files: Mapping[str, bytes], folder: Path, features: str) -> None:
    """Write the whole model or nothing of it, also when two processes train the same model."""
    draft = folder.with_name(f".{folder.name}.{uuid.uuid4().hex}.tmp")
    for path, data in files.items():
        write_atomically(draft / path, data)
    if not is_finished(folder, features):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        draft.rename(folder)
    except OSError:  # another process was first, with the same bytes
        shutil.rmtree(draft)


def write_scores(folder: Path, part: str, scores: Mapping[str, np.ndarray]) -> None:
    """Target → scores of a part, in the order of its rows."""
    plain = {name: np.ascontiguousarray(score) for name, score in scores.items()}
    write_atomically(_scores(folder, part), save(plain))


class Checkpoint:
    """The state of an unfinished training: one file beside the model's folder, whole or not at all.

    features: the hash of those that it is trained on; the file of other features is not used.
    writes: whether this process may write, among several that train together.
    """

    def __init__(self, folder: Path, features: str, *, writes: bool = True) -> None:
        self.writes = writes
        self.path = folder.with_name(f"{folder.name}.checkpoint")
        self.features = features

    @property
    def name(self) -> str:
        """The fold and the seed."""
        fold, _, seed = self.path.stem.partition("-")
        return f"fold {fold} seed {seed}"

    def load(self) -> tuple[dict[str, torch.Tensor], dict[str, Any]] | None:
        """What was saved last; None where nothing was saved."""
        if not self.path.exists():
            return None
        try:
            with safe_open(self.path, "pt") as file:
                description = json.loads(file.metadata()["plain"])
                if description["features"] != self.features:
                    return None
                return {name: file.get_tensor(name) for name in file.keys()}, description  # noqa: SIM118
        except (SafetensorError, KeyError, TypeError) as error:
            raise DataError(f"{self.path} is damaged ({error}); remove it") from None

    def save(self, tensors: Mapping[str, torch.Tensor], plain: Mapping[str, Any]) -> None:
        if not self.writes:
            return
        description = json.dumps({**plain, "features": self.features})
        still = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
        write_atomically(self.path, save_tensors(still, {"plain": description}))

    def epochs(self) -> int:
        """The number of finished epochs."""
        loaded = self.load()
        return loaded[1]["epoch"] if loaded else 0

    def remove(self) -> None:
        if self.writes:
            self.path.unlink(missing_ok=True)


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _scores(folder: Path, part: str) -> Path:
    return folder / "scores" / f"{part}.safetensors"
