"""The identity of a pre-trained encoder's weights, and whether they are on this computer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

from multimodal_ser.features.encoders import _hf
from multimodal_ser.files import file_hash

_FILES = ("model.safetensors", "pytorch_model.bin")


def of_model(name: str, revision: str | None) -> str:
    """The identity of a model: the hash of a folder's files, or the commit of a hub's model."""
    if Path(name).is_dir():
        return of_files(name)
    from transformers.utils.hub import cached_file, extract_commit_hash

    def fetch(repository: str, revision: str) -> str | None:
        return cached_file(repository, "config.json", revision=revision)

    return extract_commit_hash(_hf.load(fetch, name, revision), None) or f"{name}@{revision}"


def of_files(name: str) -> str:
    """The hash of a file's bytes, or of the bytes of all files in a folder."""
    if Path(name).is_file():
        return file_hash(Path(name))
    files = [path for path in sorted(Path(name).rglob("*")) if path.is_file()]
    parts = [f"{path.relative_to(name)}={file_hash(path)}" for path in files]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def missing(name: str, revision: str | None, heads: Sequence[str] = ("config.json",)) -> list[str]:
    """Messages about the weights that the user must fetch first, with the command that does it.

    Only this computer is searched, never a network. heads: a folder of a model holds one of these
    files.
    """
    from huggingface_hub.errors import HFValidationError

    if Path(name).is_dir():
        is_model = any((Path(name) / head).is_file() for head in heads)
        return [] if is_model else [f"the folder '{name}' holds no {' or '.join(heads)}: no model"]
    try:
        complete = _in_local_cache(name, revision)
    except HFValidationError:
        return [f"there is no folder '{name}', and no model of a hub can be named so"]
    if complete:
        return []
    return [
        f"the model '{name}' is no folder and not on this machine; fetch it where there is a "
        f"network: {_hf.download(name, revision)}"
    ]


def _in_local_cache(name: str, revision: str | None) -> bool:
    """Whether the configuration and all weights are there; a stopped download lacks some."""
    from huggingface_hub import try_to_load_from_cache

    def find(file: str) -> Path | None:
        path = try_to_load_from_cache(name, file, revision=revision)
        return Path(path) if isinstance(path, str) else None

    if find("config.json") is None:
        return False
    indices = [find(f"{file}.index.json") for file in _FILES]
    parts = [
        json.loads(index.read_text("utf-8"))["weight_map"].values() for index in indices if index
    ]
    return any(all(map(find, set(files))) for files in [*([file] for file in _FILES), *parts])
