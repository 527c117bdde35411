"""The verb that searches: tune."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from multimodal_ser.cli.experiments import ConfigPath, Overrides, load_experiment


def add_to(app: typer.Typer) -> None:
    app.command()(tune)


def tune(  # noqa: PLR0913 (each is an option of the verb)
    config: ConfigPath,
    overrides: Overrides = None,
    trials: Annotated[
        int, typer.Option(min=1, help="So many trials are complete or pruned in the end.")
    ] = 50,
    workers: Annotated[int, typer.Option(min=1, help="Processes that try.")] = 1,
    storage: Annotated[
        str, typer.Option(help="A file, or sqlite:/// or postgresql+psycopg:// URL.")
    ] = "",
    timeout: Annotated[
        float | None, typer.Option(min=0, help="Seconds after which no trial begins.")
    ] = None,
    sampler: Annotated[str, typer.Option(help="tpe or random.")] = "tpe",
    pruner: Annotated[str, typer.Option(help="hyperband, median or none.")] = "hyperband",
    seed: Annotated[int, typer.Option(min=0, help="Of what is tried.")] = 0,
    finish: Annotated[
        bool | None,
        typer.Option("--finish/--sealed", help="Only the end; or leave the test sealed."),
    ] = None,
) -> None:
    """Search a config's values where the test cannot be seen; then say what the best is worth.

    Started again, it goes on. What is searched stands in the config under search:, else in the
    components themselves.
    """
    experiment = load_experiment(config, overrides)
    from multimodal_ser import report as reports
    from multimodal_ser.cli import _search
    from multimodal_ser.studies.search.tune import Settings
    from multimodal_ser.studies.search.tune import tune as search

    settings = Settings(
        trials=trials,
        workers=workers,
        storage=storage or None,
        timeout=timeout,
        sampler=sampler,
        pruner=pruner,
        seed=seed,
    )
    if experiment.tune.nested and finish is not True:
        print(_search.cost(experiment, settings), file=sys.stderr)
    done = search(experiment, settings, finish=finish is not False, search=finish is not True)
    _search.show(done)
    print(f"report: {reports.write(done.folder)}")
