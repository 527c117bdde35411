"""Files as plain data: read strictly, written whole, named by what they hold.

A file that is damaged, or that cannot be written, is a DataError of one sentence.
"""

from __future__ import annotations

import hashlib
import json
import uuid
from contextlib import suppress
from functools import cache, lru_cache
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from multimodal_ser.types import DataError

if TYPE_CHECKING:
    import pandas as pd

_BLOCK = 2**22  # bytes


@cache
def version(library: str) -> str:
    """The installed version of a library, read once; PackageNotFoundError if there is none."""
    return metadata.version(library)


def json_of(path: Path) -> Any:
    """The content of a JSON file."""
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def yaml_of(path: Path) -> dict[str, Any]:
    """The content of a YAML file, which must be a mapping."""
    try:
        content = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if not isinstance(content, dict):
        raise DataError(f"{path} must hold `key: value` lines")
    return content


def lines_of(path: Path) -> list[dict[str, Any]]:
    """The records of a file of JSON lines; a file that is not there has none."""
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def as_json(content: Any) -> str:
    """JSON text, the same for the same content."""
    return json.dumps(content, indent=1, ensure_ascii=False, sort_keys=True)


def as_csv(table: pd.DataFrame) -> str:
    """CSV text, the same for the same table."""
    return table.to_csv(index=False, float_format="%.8g", lineterminator="\n")


def write_atomically(path: Path, data: bytes) -> None:
    """Write the whole file or none of it, whatever happens."""
    temporary = path.with_name(f".{path.name}.{uuid.uuid4().hex}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_bytes(data)
        temporary.replace(path)
    except OSError as error:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise DataError(f"cannot write {path}: {error.strerror}") from None


def file_hash(path: Path) -> str:
    """The hash of a file's bytes, which are read again only when its size or time has changed."""
    stat = path.stat()
    return _hash(path, stat.st_size, stat.st_mtime_ns)


@lru_cache(maxsize=256)
def _hash(path: Path, size: int, changed: int) -> str:
    digest = hashlib.blake2b(digest_size=16)
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()
