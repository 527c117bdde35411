"""Features on disk, found by what they were computed from.

A store is a folder named by a hash of the component, its options, version and libraries; the
rows in it are named by a hash of their input. Rows lie in shards: safetensors files that are
written under a temporary name and renamed, so a kill loses at most the shard being written and
any number of processes may fill one store. Every shard carries its own index and checksum: opening
a store reads the indices alone, and whoever wants rows checks the shards that hold them, once.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
import uuid
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from multimodal_ser.files import version, write_atomically
from multimodal_ser.types import MissingError


def default_root() -> Path:
    """`MSER_CACHE`, else the user's cache folder."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return Path(os.environ.get("MSER_CACHE") or home / "multimodal_ser")


@dataclass(frozen=True)
class Recipe:
    """Everything that decides the features of an input, apart from the input."""

    component: str
    options: str  # JSON with sorted keys, so that a recipe can be hashed
    version: int
    libraries: tuple[str, ...]
    precision: str = "float32"
    source: str = ""

    def description(self) -> dict[str, Any]:
        libraries = {name: _installed(self.component, name) for name in self.libraries}
        return {
            "component": self.component,
            "options": json.loads(self.options),
            "version": self.version,
            "libraries": libraries,
            "precision": self.precision,
            "source": self.source,
        }

    def key(self) -> str:
        text = json.dumps(self.description(), sort_keys=True)
        return f"{self.component}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _installed(component: str, name: str) -> str:
    """Major and minor version of a library that decides values."""
    try:
        return ".".join(version(name).split(".")[:2])
    except PackageNotFoundError:
        raise MissingError(f"{component} needs {name}: pip install {name}") from None


_SHARDS = ("*.safetensors", "*.jsonl")


class Store:
    """The shards of one recipe; `look_only` leaves everything on disk as it is."""

    def __init__(self, root: Path, recipe: Recipe, *, look_only: bool = False) -> None:
        self.folder = root / "features" / recipe.key()
        self.source = recipe.source
        self.look_only = look_only
        if not look_only:
            sign(self.folder, recipe)
        self._shard_of: dict[str, Path] = {}
        self.remarks: dict[str, str] = {}
        self.refresh()

    def refresh(self) -> None:
        """Read what other processes have written; a shard that cannot be opened is removed."""
        opened = set(self._shard_of.values())
        for shard in sorted(self.folder.glob("*.safetensors")):
            if shard not in opened:
                keys, remarks = _index(shard, self.look_only)
                self.remarks |= remarks
                for key in keys:
                    self._shard_of.setdefault(key, shard)

    def drop_damaged(self, keys: Sequence[str]) -> None:
        """Check the shards that hold these keys; the rows of a damaged one are computed again."""
        held = {self._shard_of[key] for key in keys if key in self._shard_of}
        bad = {shard for shard in held if damaged(shard)}
        for shard in bad:
            shard.unlink(missing_ok=True)
        if bad:
            self._shard_of = {key: at for key, at in self._shard_of.items() if at not in bad}
            self.refresh()

    def __contains__(self, key: str) -> bool:
        return key in self._shard_of

    def put(self, rows: Mapping[str, np.ndarray], remarks: Mapping[str, str] | None = None) -> None:
        """Add rows `[T, D]` or `[T, L, D]` of one width as one shard; remarks: key → words."""
        if not rows:
            return
        remarks = dict(remarks or {})
        frames = np.ascontiguousarray(np.concatenate(list(rows.values())))
        lengths = np.array([len(row) for row in rows.values()])
        keys = json.dumps([list(rows), remarks])
        meta = {"keys": keys, "crc": str(_checksum(keys, frames, lengths))}
        shard = self.folder / f"{uuid.uuid4().hex}.safetensors"
        write_atomically(shard, save({"frames": frames, "lengths": lengths}, metadata=meta))
        self._shard_of.update(dict.fromkeys(rows, shard))
        self.remarks |= remarks

    def get(self, keys: Sequence[str]) -> dict[str, np.ndarray]:
        """Rows by key; every key must be in the store."""
        wanted: dict[Path, set[str]] = {}
        for key in keys:
            wanted.setdefault(self._shard_of[key], set()).add(key)
        return {
            key: row
            for shard, chosen in wanted.items()
            for key, row in _rows(shard)
            if key in chosen
        }


def sign(folder: Path, recipe: Recipe) -> None:
    """Write into a store's folder what it holds, and that it is in use now."""
    described = folder / "recipe.json"
    if not described.exists():
        text = json.dumps(recipe.description(), indent=1, sort_keys=True)
        write_atomically(described, text.encode())
    os.utime(described)


def damaged(shard: Path) -> str | None:
    """Why a shard cannot be used, or None."""
    try:
        with safe_open(shard, framework="numpy") as opened:
            meta = opened.metadata() or {}
            frames, lengths = opened.get_tensor("frames"), opened.get_tensor("lengths")
    except (SafetensorError, OSError) as error:
        return f"unreadable ({error})"
    if meta.get("crc") != str(_checksum(meta.get("keys", ""), frames, lengths)):
        return "its checksum does not match"
    return None


def _index(shard: Path, look_only: bool) -> tuple[list[str], dict[str, str]]:
    """The keys of a shard and the remarks on them; one that cannot be opened is removed."""
    try:
        with safe_open(shard, framework="numpy") as opened:
            return _keys(opened.metadata())
    except (SafetensorError, OSError, ValueError):
        if not look_only:
            shard.unlink(missing_ok=True)
        return [], {}


def _keys(metadata: Mapping[str, str] | None) -> tuple[list[str], dict[str, str]]:
    """The keys and remarks of a shard's index; ValueError where it is no index."""
    index = json.loads((metadata or {}).get("keys", ""))
    if not (isinstance(index, list) and [type(part) for part in index] == [list, dict]):
        raise ValueError("no index")
    return index[0], index[1]


def _rows(shard: Path) -> Iterator[tuple[str, np.ndarray]]:
    with safe_open(shard, framework="numpy") as opened:
        keys, _ = _keys(opened.metadata())
        frames, lengths = opened.get_tensor("frames"), opened.get_tensor("lengths")
    yield from zip(keys, np.split(frames, np.cumsum(lengths)[:-1]), strict=True)


def _checksum(keys: str, *arrays: np.ndarray) -> int:
    """A hash of the keys and of the type, shape and bytes of the arrays."""
    crc = zlib.crc32(keys.encode())
    for array in arrays:
        crc = zlib.crc32(f"{array.dtype}{array.shape}".encode(), crc)
        crc = zlib.crc32(np.ascontiguousarray(array).view(np.uint8).data, crc)
    return crc


def inventory(root: Path) -> list[dict[str, Any]]:
    """One row a store, of features or of transcripts: what it holds, how large, when last used."""
    rows = []
    for recipe in sorted(root.glob("*/*/recipe.json")):
        shards = [path for kind in _SHARDS for path in recipe.parent.glob(kind)]
        rows.append(
            {
                "store": f"{recipe.parent.parent.name}/{recipe.parent.name}",
                "options": json.loads(recipe.read_text("utf-8"))["options"],
                "shards": len(shards),
                "bytes": sum(shard.stat().st_size for shard in shards),
                "days_unused": (time.time() - recipe.stat().st_mtime) / 86400,
            }
        )
    return rows


def verify(root: Path) -> list[str]:
    """Every damaged shard, with the reason."""
    shards = sorted((root / "features").glob("*/*.safetensors"))
    return [f"{shard}: {reason}" for shard in shards if (reason := damaged(shard))]


def prune(root: Path, days: float) -> list[str]:
    """Remove stores that were not used for so many days, and what killed processes left."""
    for left in root.glob("*/*/.*.tmp"):
        if time.time() - left.stat().st_mtime > 3600:
            left.unlink(missing_ok=True)
    unused = [row["store"] for row in inventory(root) if row["days_unused"] >= days]
    for store in unused:
        shutil.rmtree(root / store)
    return unused
