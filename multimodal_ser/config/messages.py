"""The messages of a wrong config: the key, what was given, and the nearest right key."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from multimodal_ser.types import nearest

UNKNOWN = ("extra_forbidden", "unexpected_keyword_argument")
"""What pydantic calls a key that is not there."""
ANY = "*"
Keys = Mapping[str, Any]
"""Key → the keys below it. Below `ANY` stand those of every entry of a list, or of any name."""


def explain(
    prefix: tuple[str, ...], schema: type[BaseModel], error: Any, more: Collection[str] = ()
) -> str:
    """One problem as `key.path: what is wrong (given …)`, with the key nearest to an unknown."""
    where = ".".join([*prefix, *(str(step) for step in error["loc"])])
    if error["type"] not in UNKNOWN:
        given = "" if error["type"] == "missing" else f" (given {error['input']!r})"
        return f"{where}: {error['msg'].removeprefix('Value error, ')}{given}"
    return unknown_key(prefix, error, keys_of(schema.model_json_schema()), more)


def unknown_key(prefix: tuple[str, ...], error: Any, keys: Keys, more: Collection[str] = ()) -> str:
    """A key that stands nowhere in `keys`. error: its `loc` and `input`, as pydantic says it."""
    *above, wrong = map(str, error["loc"])
    where = ".".join([*prefix, *above, wrong])
    here = [*_paths(_below(keys, above)), *(() if above else more)]
    allowed, near = here, _nearest(wrong, here, [*prefix, *above])
    if not near:
        everywhere = [*_paths(keys), *more]
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


def _below(keys: Keys, steps: Sequence[str]) -> Keys:
    """The keys of the section at the end of some steps; empty where a step is unknown."""
    for step in steps:
        keys = keys.get(step, keys.get(ANY, {}))
    return keys


def _paths(keys: Keys) -> list[str]:
    """The dotted keys, down to two levels."""
    paths: list[str] = []
    for key, inner in keys.items():
        if key != ANY:
            paths += [key, *(f"{key}.{name}" for name in inner if name != ANY)]
    return paths


def keys_of(schema: Mapping[str, Any]) -> Keys:
    """The keys of a JSON schema."""
    return _keys(schema, schema.get("$defs", {}))


def _keys(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> dict[str, Any]:
    """Of a section that may be absent, or may be one of several, the keys of all that it may be."""
    name = schema.get("$ref", "").rpartition("/")[2]
    schema = definitions.get(name, schema)
    keys = {key: _keys(inner, definitions) for key, inner in schema.get("properties", {}).items()}
    for place in schema.get("anyOf", []):
        keys |= _keys(place, definitions)
    others = [*schema.get("patternProperties", {}).values()]
    others += [schema.get("additionalProperties"), schema.get("items")]
    inner = [_keys(section, definitions) for section in others if isinstance(section, Mapping)]
    return keys | {ANY: next(filter(None, inner))} if any(inner) else keys
