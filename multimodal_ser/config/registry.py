"""Find components by name: the file name is the registry.

A component is a module on the shelf of its kind (`features/encoders/`, `training/fusion/` …)
that holds the one name its kind agrees on. Code outside the package joins by an entry point in the
group `multimodal_ser.<kind>` or by a dotted name (`my_package.my_module`). The keyword-only
parameters of the component's signature are its config schema.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, create_model

from multimodal_ser.config.contracts import completed
from multimodal_ser.corpus import known
from multimodal_ser.types import ConfigError, nearest

KINDS = {
    "datasets": "load",
    "asr": "Recognizer",
    "augment": "Augment",
    "encoders": "Encoder",
    "fusion": "Fusion",
    "learners": "Learner",
}
_SHELVES = {
    "datasets": "corpus.datasets",
    "asr": "features.asr",
    "augment": "features.augment",
    "encoders": "features.encoders",
    "fusion": "training.fusion",
    "learners": "training.learners",
}
"""Kind → the folder of its built-in components, as a package."""
_PACKAGE = Path(__file__).parents[1]


def names(kind: str) -> list[str]:
    """The built-in components of a kind, by their files."""
    files = _folder(kind).glob("*.py")
    return sorted(file.stem for file in files if not file.stem.startswith("_"))


def outside(kind: str) -> dict[str, str]:
    """Components that installed packages announce: name → where they are."""
    return {point.name: point.value for point in entry_points(group=f"multimodal_ser.{kind}")}


def summary(kind: str, name: str) -> str:
    """The first line of a built-in component's docstring, read without importing it."""
    tree = ast.parse((_folder(kind) / f"{name}.py").read_text("utf-8"))
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def module(kind: str, name: str, *, allow_code: bool = True) -> Any:
    """The module of a component; ConfigError with the nearest name if there is none."""
    if name in names(kind):
        return import_module(f"multimodal_ser.{_SHELVES[kind]}.{name}")
    announced = outside(kind)
    if "." not in name and name not in announced:
        raise ConfigError(_absent(kind, name, [*names(kind), *announced]))
    if not allow_code:
        raise ConfigError(f"'{name}' is code from outside the package; pass allow_code to trust it")
    return _import_outside(announced.get(name, name))


def _folder(kind: str) -> Path:
    return _PACKAGE.joinpath(*_SHELVES[kind].split("."))


def _absent(kind: str, name: str, allowed: list[str]) -> str:
    """Why there is no such component; for a known corpus, how to obtain it."""
    meant = known.find(name) if kind == "datasets" else None
    if meant and meant.name not in allowed:
        return meant.advice()
    further = [*known.table()] if kind == "datasets" else []
    near = f"; did you mean {meant.name}?" if meant else nearest(name, [*allowed, *further])
    return (
        f"no {kind} component is named '{name}'{near} "
        f"(allowed: {', '.join(allowed)}, or a dotted name)"
    )


def _import_outside(dotted: str) -> Any:
    try:
        return import_module(dotted)
    except ModuleNotFoundError as error:
        raise ConfigError(f"cannot import '{dotted}': {error}") from None


def find(kind: str, name: str, *, allow_code: bool = True) -> Any:
    """The class of a component (of datasets the function `load`), completed by `contracts`."""
    home = module(kind, name, allow_code=allow_code)
    try:
        component = getattr(home, KINDS[kind])
    except AttributeError:
        raise ConfigError(
            f"'{name}' has no '{KINDS[kind]}', so it is no {kind} component"
        ) from None
    return completed(kind, name, component)


@cache
def schema(function: Callable[..., Any]) -> type[BaseModel]:
    """A pydantic model of the keyword-only parameters, which forbids every other key."""
    fields: dict[str, Any] = {}
    for parameter in inspect.signature(function, eval_str=True).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY:
            default = ... if parameter.default is parameter.empty else parameter.default
            fields[parameter.name] = (parameter.annotation, default)
    config = ConfigDict(extra="forbid", validate_default=True)
    return create_model("Options", __config__=config, **fields)


def build(kind: str, name: str, options: Mapping[str, Any], *positional: Any) -> Any:
    """Make a component from options as they stand in a resolved config."""
    function = find(kind, name)
    checked = schema(function).model_validate(dict(options))
    return function(
        *positional, **{key: getattr(checked, key) for key in type(checked).model_fields}
    )
