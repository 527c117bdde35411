"""What a trained model leaves on disk: whole or not at all, also when two processes train it."""

from __future__ import annotations

import json
import shutil
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save

from multimodal_ser.cache import write_atomically


def is_finished(folder: Path, features: str, parts: Sequence[str] = ()) -> bool:
    """A model stands there, trained on these very features, and has scored the parts."""
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
    """The whole model or none of it, also when two processes train the same one."""
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
    plain = {name: np.ascontiguousarray(one) for name, one in scores.items()}
    write_atomically(_scores(folder, part), save(plain))


def read_files(folder: Path) -> dict[str, bytes]:
    """The files of a folder by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


def _scores(folder: Path, part: str) -> Path:
    return folder / "scores" / f"{part}.safetensors"
