"""Files as plain data; one that is damaged is a sentence."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from multimodal_ser.types import DataError


def json_of(path: Path) -> Any:
    try:
        return json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None


def yaml_of(path: Path) -> dict[str, Any]:
    try:
        found = yaml.safe_load(path.read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise DataError(f"{path} cannot be read: {error}") from None
    if not isinstance(found, dict):
        raise DataError(f"{path} must hold `key: value` lines")
    return found


def lines_of(path: Path) -> list[dict[str, Any]]:
    """JSON lines; a file that is not there has none."""
    if not path.exists():
        return []
    try:
        return [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    except ValueError as error:
        raise DataError(f"{path} cannot be read: {error}") from None
