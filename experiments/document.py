"""One document's systems: their table, what is shown between them, and what is not run here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import systems
from reproduce import HEAD, REST, row, table
from systems import System

from multimodal_ser.studies.compare import side_by_side
from multimodal_ser.types import MserError


def tell(
    chosen: Sequence[System], letter: str, families: Mapping[str, Sequence[System]] | None = None
) -> None:
    """Run and print.

    letter: of the configs in `configs/seeds`. families: question → systems of one split, which are
    held against their first one, with Holm's correction.
    """
    parser = argparse.ArgumentParser(description="The systems of one document.")
    parser.add_argument("--runs", type=Path, default=Path("runs/reproduce"))
    parser.add_argument("--table", action="store_true", help="without the tests between systems")
    options = parser.parse_args()
    try:
        rows = [row(systems.measure(system, options.runs)) for system in chosen]
        print("\n".join(table(HEAD, rows)) if rows else "none of its systems runs here")
        for question, family in {} if options.table else (families or {}).items():
            print(f"\n{question}")
            print("\n".join(answers(family, options.runs)))
    except MserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    rest = [one for one in systems.elsewhere(chosen) if one.config.startswith(letter)]
    if rest:
        print("\n".join(["\nNot run here:\n", *table(REST, [one.cells for one in rest])]))


def answers(family: Sequence[System], runs: Path) -> list[str]:
    """A sentence for each system but the first."""
    configs = [system.experiment(runs) for system in family]
    found = side_by_side(configs)
    titles = dict(zip((one.name for one in configs), (one.title for one in family), strict=True))
    return [
        f"- {gap.words(titles[name], titles[found.baseline])}"
        for name, gap in found.contrasts.items()
    ]
