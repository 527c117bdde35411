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
    return list(_names(kind))


@cache
def _names(kind: str) -> tuple[str, ...]:
    files = _folder(kind).glob("*.py")
    return tuple(sorted(file.stem for file in files if not file.stem.startswith("_")))


def outside(kind: str) -> dict[str, str]:
    """Components that installed packages announce: name → where they are."""
    return {point.name: point.value for point in entry_points(group=f"multimodal_ser.{kind}")}


def summary(kind: str, name: str) -> str:
    """The first line of a built-in component's docstring, read without importing it."""
    tree = _tree(_folder(kind) / f"{name}.py")
    return (ast.get_docstring(tree) or "").partition("\n")[0]


def options(kind: str, name: str) -> dict[str, Any] | None:
    """The options of a component or a protocol as `messages.Keys`, read from its source text.

    So a misspelt option is told before the component is imported, which takes seconds. None for a
    component from outside the package; ConfigError with the nearest name if there is none.
    """
    if kind == "protocol":
        return _protocol_options(name)
    if name in names(kind):
        return _options(_folder(kind) / f"{name}.py", KINDS[kind])
    announced = outside(kind)
    if "." not in name and name not in announced:
        raise ConfigError(_absent(kind, name, [*names(kind), *announced]))
    return None


def _protocol_options(name: str) -> dict[str, Any]:
    """The protocols are the functions that return parts."""
    path = _PACKAGE / "protocol" / "splits.py"
    functions = [node for node in _tree(path).body if isinstance(node, ast.FunctionDef)]
    known = sorted(
        node.name
        for node in functions
        if node.returns and ast.unparse(node.returns) == "list[Parts]" and node.name[0] != "_"
    )
    if name not in known:
        raise ConfigError(
            f"no protocol is named '{name}'{nearest(name, known)} (allowed: {', '.join(known)})"
        )
    return _options(path, name)


def module(kind: str, name: str, *, allow_code: bool = True) -> Any:
    """The module of a component; ConfigError with the nearest name if there is none."""
    if name in _names(kind):
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


@cache
def _tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text("utf-8"))


def _options(path: Path, name: str) -> dict[str, Any]:
    """The keyword-only parameters of a function, or of the class of that name."""
    home, node = _definition(path, name) or (path, None)
    if isinstance(node, ast.ClassDef):
        own = [each for each in node.body if isinstance(each, ast.FunctionDef)]
        function = next((each for each in own if each.name == "__init__"), None)
        if function is None:
            return _options(home, ast.unparse(node.bases[0]))
        node = function
    if not isinstance(node, ast.FunctionDef):
        return {}
    return {each.arg: _record(home, each.annotation) for each in node.args.kwonlyargs}


def _record(path: Path, annotation: ast.expr | None) -> dict[str, Any]:
    """The fields of a record that an annotation names, if it names one."""
    keys: dict[str, Any] = {}
    for part in ast.walk(annotation) if annotation else ():
        named = _definition(path, part.id) if isinstance(part, ast.Name) else None
        home, node = named or (path, None)
        if isinstance(node, ast.ClassDef):
            fields = [each for each in node.body if isinstance(each, ast.AnnAssign)]
            keys |= {ast.unparse(each.target): _record(home, each.annotation) for each in fields}
    return keys


def _definition(path: Path, name: str) -> tuple[Path, ast.stmt] | None:
    """The class or function of a name in a file, or in the file that it is imported from."""
    for node in _tree(path).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return path, node
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("multimodal_ser."):
            imported = {each.asname or each.name: each.name for each in node.names}
            home = _PACKAGE.parent.joinpath(*str(node.module).split(".")).with_suffix(".py")
            if name in imported and home.is_file():
                return _definition(home, imported[name])
    return None
