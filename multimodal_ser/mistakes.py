"""What is wrong with a config, in words: the key, what was given, the nearest right one."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from pydantic import BaseModel

from multimodal_ser import components


def explain(
    prefix: tuple[str, ...], schema: type[BaseModel], error: Any, more: Collection[str] = ()
) -> str:
    """One problem as `key.path: what is wrong (given …)`, unknown keys with the nearest one."""
    where = ".".join([*prefix, *(str(step) for step in error["loc"])])
    if error["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        given = "" if error["type"] == "missing" else f" (given {error['input']!r})"
        return f"{where}: {error['msg'].removeprefix('Value error, ')}{given}"
    allowed = [*_paths(schema.model_json_schema()), *more]
    wrong = str(error["loc"][-1])
    by_last = {path.rpartition(".")[2]: path for path in reversed(allowed)}
    near = components.nearest(wrong, list(by_last))
    if near:
        last = near.removeprefix("; did you mean ").removesuffix("?")
        near = f"; did you mean {'.'.join([*prefix, by_last[last]])}?"
    return f"{where}: unknown key (given {error['input']!r}){near} allowed: {', '.join(allowed)}"


def _paths(schema: dict[str, Any]) -> list[str]:
    """The dotted keys that a JSON schema allows, two levels deep."""
    found: list[str] = []
    for key, value in schema.get("properties", {}).items():
        found.append(key)
        places = [value, *value.get("anyOf", [])]  # a section that may be absent is one of several
        reference = next((one["$ref"] for one in places if "$ref" in one), "").rpartition("/")[2]
        inner = schema.get("$defs", {}).get(reference, {})
        found += [f"{key}.{name}" for name in inner.get("properties", {})]
    return found
