"""A search in the terminal: what stands first, then what was tried."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from multimodal_ser.cli._tables import duration, show_table
from multimodal_ser.runs.dry_run import dry_run

if TYPE_CHECKING:
    from multimodal_ser.config.experiment import Experiment
    from multimodal_ser.studies.search.tune import Search, Settings, Study


def cost(experiment: Experiment, settings: Settings) -> str:
    """What a study for each outer fold comes to, in words."""
    changes = {"seeds": experiment.seeds[:1], "workers": 1, "name": f"{experiment.name}-cost"}
    outlook = dry_run(experiment.model_copy(update=changes), open_test=False)
    (train,) = [stage for stage in outlook.stages if stage.name == "train"]
    folds, each = len(outlook.folds), (experiment.tune.inner or 1) * len(experiment.seeds)
    sentence = (
        f"{folds} studies of {settings.trials} trials, "
        f"{folds * each * settings.trials:,} trainings at most"
    )
    if train.seconds is None:
        return f"{sentence}; how long is not known: {train.remark}"
    seconds = train.seconds * each * settings.trials / settings.workers
    return f"{sentence}, about {duration(seconds)}"


def show(search: Search) -> None:
    """The verdict, the winners, the importances, and where everything lies."""
    final = search.summary["final"]
    for sentence in final["verdict"] if final else ["the test part is still sealed"]:
        print(f"→ {sentence}")
    for study in search.studies:
        _show_study(study, search)
    if final:
        hoped = final["optimism"]
        fresh = "" if hoped["fresh"] is None else f", with fresh seeds {hoped['fresh']:.3f}"
        print(
            f"{search.summary['metric']} searched {hoped['searched']:.3f}{fresh}, on the test part "
            f"{hoped['test']:.3f} ({final['tested']['low']:.3f} to {final['tested']['high']:.3f})"
        )
    print(f"search folder: {search.folder}")


def _show_study(study: Study, search: Search) -> None:
    summary = next(row for row in search.summary["studies"] if row["fold"] == study.fold)
    counts, best = summary["trials"], summary["best"]
    where = f"fold {study.fold}: " if len(search.studies) > 1 else ""
    print(
        f"{where}{counts['complete']} trials complete, {counts['pruned']} pruned; the best is "
        f"number {best['number']} with {search.summary['metric']} {best['value']:.4f} on dev"
    )
    shares = summary["importances"]
    rows = [
        [
            parameter.name,
            f"{best['values'][parameter.key]}",
            f"{shares.get(parameter.name, math.nan):.2f}",
        ]
        for parameter in study.bench.space.parameters
        if parameter.name in study.chosen.params
    ]
    show_table("what was searched", ["", "best", "importance"], rows)
