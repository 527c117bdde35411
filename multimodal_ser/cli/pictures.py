"""Verbs that draw: describe."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from multimodal_ser.cli.experiments import ConfigPath, Overrides


def add_to(app: typer.Typer) -> None:
    app.command()(describe)


def describe(
    config: ConfigPath,
    overrides: Overrides = None,
    show: Annotated[str, typer.Option(help="Ids to draw and hear, by comma.")] = "",
    players: Annotated[
        int | None,
        typer.Option(min=0, help="Draw so many utterances more.", show_default="one a class"),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option(help="The page.", show_default="<runs_dir>/<name>/corpus.html"),
    ] = None,
) -> None:
    """Write one page about a corpus: counts, sound, words, raters, what a lookup scores."""
    from multimodal_ser.config.read import load
    from multimodal_ser.report.corpus import page

    experiment = load(config, overrides or [], card=True)
    ids = [word.strip() for word in show.split(",") if word.strip()]
    path, lines = page.write(experiment, output=output, show=ids, players=players)
    print("\n".join(lines))
    print(f"page: {path}")
