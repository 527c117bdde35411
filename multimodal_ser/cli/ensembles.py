"""The verb that takes finished runs and makes one of them: ensemble."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    app.command()(ensemble)


def ensemble(
    runs: Annotated[
        list[Path], typer.Argument(help="Run folders of one task.", show_default=False)
    ],
    how: Annotated[
        str,
        typer.Option(help="mean, max, vote; or learned on dev: weights, stacking."),
    ] = "mean",
    name: Annotated[
        str | None, typer.Option(help="By default that of the first run.", show_default=False)
    ] = None,
) -> None:
    """Merge the predictions of finished runs, and test the ensemble against its best member.

    The result is a run folder: report, score --against and predict take it as any other.
    """
    from multimodal_ser import report as reports
    from multimodal_ser.cli import _study
    from multimodal_ser.studies.ensembles.ensemble import ensemble as merge_runs

    done = merge_runs(runs, how=how, name=name)
    _study.show_ensemble(done)
    if done.metrics:  # else no part has labels, and there is nothing to report
        print(f"report: {reports.write(done.folder)}")
