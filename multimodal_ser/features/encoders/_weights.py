"""What a pre-trained encoder's weights are and whether they are there, wherever they lie."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from multimodal_ser.features.encoders import _hf
from multimodal_ser.files import file_hash

_FILES = ("model.safetensors", "pytorch_model.bin")


def of_model(name: str, revision: str | None) -> str:
    """A folder by the bytes of its files, a model of a hub by its commit."""
    if Path(name).is_dir():
        return of_files(name)
    from transformers.utils.hub import cached_file, extract_commit_hash

    def fetch(repository: str, revision: str) -> str | None:
        return cached_file(repository, "config.json", revision=revision)

    return extract_commit_hash(_hf.load(fetch, name, revision), None) or f"{name}@{revision}"


def of_files(name: str) -> str:
    """Of one file's bytes, or of those of all files in a folder."""
    if Path(name).is_file():
        return file_hash(Path(name))
    files = [path for path in sorted(Path(name).rglob("*")) if path.is_file()]
    parts = [f"{path.relative_to(name)}={file_hash(path)}" for path in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def missing(name: str, revision: str | None, heads: Sequence[str] = ("config.json",)) -> list[str]:
    """What must be fetched first, with the command that does it; looked for on this machine alone.

    heads: files of which a model's folder holds one.
    """
    from huggingface_hub.errors import HFValidationError

    if Path(name).is_dir():
        there = any((Path(name) / head).is_file() for head in heads)
        return [] if there else [f"the folder '{name}' holds no {' or '.join(heads)}: no model"]
    try:
        whole = _in_local_cache(name, revision)
    except HFValidationError:
        return [f"there is no folder '{name}', and no model of a hub can be named so"]
    if whole:
        return []
    return [
        f"the model '{name}' is no folder and not on this machine; fetch it where there is a "
        f"network: {_hf.download(name, revision)}"
    ]


def _in_local_cache(name: str, revision: str | None) -> bool:
    """The configuration and all the weights; a download that was stopped left some out."""
    from huggingface_hub import try_to_load_from_cache

    def find(file: str) -> Path | None:
        found = try_to_load_from_cache(name, file, revision=revision)
        return Path(found) if isinstance(found, str) else None

    if find("config.json") is None:
        return False
    indices = [find(f"{file}.index.json") for file in _FILES]
    parts = [json.loads(one.read_text("utf-8"))["weight_map"].values() for one in indices if one]
    return any(all(map(find, set(files))) for files in [*([one] for one in _FILES), *parts])
