"""The messages of a wrong config: the key, what was given, and the nearest right key."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Sequence
from typing import Any

from pydantic import BaseModel

from multimodal_ser.types import nearest


def explain(
    prefix: tuple[str, ...], schema: type[BaseModel], error: Any, more: Collection[str] = ()
) -> str:
    """One problem as `key.path: what is wrong (given …)`, with the key nearest to an unknown."""
    where = ".".join([*prefix, *(str(step) for step in error["loc"])])
    if error["type"] not in ("extra_forbidden", "unexpected_keyword_argument"):
        given = "" if error["type"] == "missing" else f" (given {error['input']!r})"
        return f"{where}: {error['msg'].removeprefix('Value error, ')}{given}"
    *above, wrong = map(str, error["loc"])
    whole = schema.model_json_schema()
    level = _below(whole, above)
    here = [*_paths({**level, "$defs": whole.get("$defs", {})}), *(() if above else more)]
    allowed, near = here, _nearest(wrong, here, [*prefix, *above])
    if not near:
        everywhere = [*_paths(whole), *more]
        near = _nearest(wrong, everywhere, [*prefix])
        allowed = here or everywhere
    return f"{where}: unknown key (given {error['input']!r}){near} allowed: {', '.join(allowed)}"


def nearest_path(wrong: str, allowed: Sequence[str]) -> str:
    """` (did you mean …?)` for a dotted key. Keys with a similar last step come first."""
    last = nearest(wrong.rpartition(".")[2], sorted({_last(path) for path in allowed}))
    meant = last.removeprefix("; did you mean ").removesuffix("?")
    paths = [path for path in allowed if meant and _last(path) == meant]
    near = difflib.get_close_matches(wrong, paths, n=1, cutoff=0)
    return f"; did you mean {near[0]}?" if near else ""


def _last(path: str) -> str:
    return path.rpartition(".")[2]


def _nearest(wrong: str, allowed: Sequence[str], above: Sequence[str]) -> str:
    """` (did you mean …?)` with the whole key; empty where no last step is similar."""
    by_last = {path.rpartition(".")[2]: path for path in reversed(allowed)}
    near = nearest(wrong, list(by_last))
    last = near.removeprefix("; did you mean ").removesuffix("?")
    return f"; did you mean {'.'.join([*above, by_last[last]])}?" if near else ""


def _below(schema: dict[str, Any], steps: Sequence[str]) -> dict[str, Any]:
    """The JSON schema of the section at the end of some steps; empty where a step is unknown."""
    node = schema
    for step in steps:
        named = node.get("properties", {}).get(step)
        others = [*node.get("patternProperties", {}).values()]
        others += [node.get("additionalProperties"), node.get("items")]
        inner = named or next((section for section in others if isinstance(section, dict)), {})
        places = [inner, *inner.get("anyOf", [])]
        reference = next((place["$ref"] for place in places if "$ref" in place), "").rpartition(
            "/"
        )[2]
        node = schema.get("$defs", {}).get(reference, inner)
    return node


def _paths(schema: dict[str, Any]) -> list[str]:
    """The dotted keys that a JSON schema allows, down to two levels."""
    paths: list[str] = []
    for key, value in schema.get("properties", {}).items():
        paths.append(key)
        places = [value, *value.get("anyOf", [])]  # a section that may be absent is one of several
        reference = next((place["$ref"] for place in places if "$ref" in place), "").rpartition(
            "/"
        )[2]
        inner = schema.get("$defs", {}).get(reference, {})
        paths += [f"{key}.{name}" for name in inner.get("properties", {})]
    return paths
