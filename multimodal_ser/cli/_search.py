"""A search in the terminal: what stands first, then what was tried."""

from __future__ import annotations

import math

from multimodal_ser.cli._tables import show_table
from multimodal_ser.tuning import Search, Study


def show(found: Search) -> None:
    """The verdict, the winners, the importances, and where everything lies."""
    final = found.summary["final"]
    for sentence in final["verdict"] if final else ["the test part is still sealed"]:
        print(f"→ {sentence}")
    for study in found.studies:
        _show_study(study, found)
    if final:
        hoped = final["optimism"]
        fresh = "" if hoped["fresh"] is None else f", with fresh seeds {hoped['fresh']:.3f}"
        print(
            f"{found.summary['metric']} searched {hoped['searched']:.3f}{fresh}, on the test part "
            f"{hoped['test']:.3f} ({final['tested']['low']:.3f} to {final['tested']['high']:.3f})"
        )
    print(f"search folder: {found.folder}")


def _show_study(study: Study, found: Search) -> None:
    told = next(one for one in found.summary["studies"] if one["fold"] == study.fold)
    counts, best = told["trials"], told["best"]
    where = f"fold {study.fold}: " if len(found.studies) > 1 else ""
    print(
        f"{where}{counts['complete']} trials complete, {counts['pruned']} pruned; the best is "
        f"number {best['number']} with {found.summary['metric']} {best['value']:.4f} on dev"
    )
    shares = told["importances"]
    rows = [
        [one.name, f"{best['values'][one.key]}", f"{shares.get(one.name, math.nan):.2f}"]
        for one in study.bench.space.parameters
        if one.name in study.chosen.params
    ]
    show_table("what was searched", ["", "best", "importance"], rows)
