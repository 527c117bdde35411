"""What a pre-trained encoder's weights are, wherever they lie: a hash for the cache's keys."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from pathlib import Path

from multimodal_ser.encoders import _hf

_BLOCK = 2**22


def of_model(name: str, revision: str | None) -> str:
    """A folder by the bytes of its files, a model of a hub by its commit."""
    if Path(name).is_dir():
        files = [path for path in sorted(Path(name).rglob("*")) if path.is_file()]
        parts = [f"{path.relative_to(name)}={of_file(path)}" for path in files]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    from transformers.utils.hub import cached_file, extract_commit_hash

    def fetch(repository: str, revision: str) -> str | None:
        return cached_file(repository, "config.json", revision=revision)

    return extract_commit_hash(_hf.load(fetch, name, revision), None) or f"{name}@{revision}"


def of_file(path: Path) -> str:
    """Of its bytes, read again only when its size or time has changed."""
    stat = path.stat()
    return _hash(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, size: int, changed: int) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
