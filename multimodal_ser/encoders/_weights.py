"""What a pre-trained encoder's weights are, wherever they lie: a hash for the cache's keys."""

from __future__ import annotations

import hashlib
from pathlib import Path

from multimodal_ser.encoders import _hf
from multimodal_ser.weights import file_hash


def of_model(name: str, revision: str | None) -> str:
    """A folder by the bytes of its files, a model of a hub by its commit."""
    if Path(name).is_dir():
        files = [path for path in sorted(Path(name).rglob("*")) if path.is_file()]
        parts = [f"{path.relative_to(name)}={file_hash(path)}" for path in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    from transformers.utils.hub import cached_file, extract_commit_hash

    def fetch(repository: str, revision: str) -> str | None:
        return cached_file(repository, "config.json", revision=revision)

    return extract_commit_hash(_hf.load(fetch, name, revision), None) or f"{name}@{revision}"
