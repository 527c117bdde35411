"""Is the house in order? The import graph of the package in six figures.

    python experiments/house.py            this checkout
    python experiments/house.py OLDER      another checkout, for the row before

Seconds, no data. Imports for typing alone and those of the package's own `__init__` are left out;
imports inside functions count. What is expected stands in LOG.md, 2026-12-01.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

NAME = "multimodal_ser"


def files_of(root: Path) -> dict[str, ast.Module]:
    """Dotted name → the parsed file."""
    paths = sorted((root / NAME).rglob("*.py"))
    parsed = {}
    for path in paths:
        dotted = ".".join(path.relative_to(root).with_suffix("").parts)
        parsed[dotted.removesuffix(".__init__")] = ast.parse(path.read_text("utf-8"))
    return parsed


def statements(node: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    """The imports that are carried out when the file, or a function of it, runs."""
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.If) and "TYPE_CHECKING" in ast.unparse(child.test):
            continue
        if isinstance(child, ast.Import | ast.ImportFrom):
            yield child
        yield from statements(child)


def imported(statement: ast.Import | ast.ImportFrom, files: dict[str, ast.Module]) -> set[str]:
    """The files of the package that a statement imports."""
    if isinstance(statement, ast.Import):
        names = [alias.name for alias in statement.names]
    else:
        above = statement.module or ""
        joined = [f"{above}.{alias.name}" for alias in statement.names]
        names = [name if name in files else above for name in joined]
    return {name for name in names if name in files and name != NAME}


def room(dotted: str) -> str:
    """The package, or the flat file, that a file belongs to."""
    return dotted.split(".")[1] if "." in dotted else dotted


def takes_experiment(function: ast.FunctionDef) -> bool:
    every = [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]
    notes = [ast.unparse(argument.annotation) for argument in every if argument.annotation]
    return any("Experiment" in note.split(" | ") for note in notes)


def main(root: Path) -> None:
    files = files_of(root)
    graph = {
        name: {other for line in statements(tree) for other in imported(line, files)} - {name}
        for name, tree in files.items()
        if name != NAME
    }

    @cache
    def chain(name: str) -> int:
        return 1 + max((chain(other) for other in graph[name]), default=0)

    rooms: dict[str, set[str]] = {}
    for name, others in graph.items():
        rooms.setdefault(room(name), set()).update(room(other) for other in others)
    left = {name: others - {name} for name, others in rooms.items()}
    while leaves := {name for name, others in left.items() if not others & left.keys()}:
        left = {name: others for name, others in left.items() if name not in leaves}
    functions = [
        node
        for tree in files.values()
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef)
    ]
    rows = {
        "flat files": len([*(root / NAME).glob("*.py")]),
        "packages": len([path for path in (root / NAME).iterdir() if [*path.glob("*.py")]]),
        "rooms in a circle": len(left),
        "imports that leave their package": sum(
            room(other) != room(name) for name, others in graph.items() for other in others
        ),
        "longest chain of files": max(map(chain, graph)) if not left else "endless",
        "functions that take the whole experiment": sum(map(takes_experiment, functions)),
        "lines": sum(len(path.read_text().splitlines()) for path in (root / NAME).rglob("*.py")),
    }
    for what, value in rows.items():
        print(f"{what}: {value}")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parents[1])
