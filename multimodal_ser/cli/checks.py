"""Verbs that look before anything is computed: doctor."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from multimodal_ser.cli.experiments import Overrides

if TYPE_CHECKING:
    from multimodal_ser.runs.doctor import Finding


def add_to(app: typer.Typer) -> None:
    app.command()(doctor)


def doctor(
    config: Annotated[
        Path | None, typer.Argument(help="Also what this YAML file needs.", show_default=False)
    ] = None,
    overrides: Overrides = None,
) -> None:
    """Say what is installed here and what a config still needs, with the command that gets it.

    Looks only: nothing is fetched, decoded or written. Exit 5 if something is missing.
    """
    from multimodal_ser.runs import doctor as checks

    experiment = None
    if config is not None:
        from multimodal_ser.config.read import load

        experiment = load(config, overrides or [], card=True)
    findings = checks.machine()
    _show("this machine", findings)
    _show("extras", checks.extras())
    _show("places", checks.places(experiment.cache.dir if experiment else None))
    if experiment is not None:
        needed = checks.needs(experiment)
        _show(f"{config} needs", needed)
        lacking = sum(finding.code > 0 for finding in needed)
        print(f"{lacking} of {len(needed)} are missing" if lacking else "all of it is there")
        findings += needed
    code = checks.exit_code(findings)
    if code:
        raise typer.Exit(code)


def _show(title: str, findings: Iterable[Finding]) -> None:
    """A line each, those that are missing marked, longer messages indented."""
    print(f"{title}:")
    for finding in findings:
        mark = "!" if finding.code else " "
        detail = finding.detail.replace("\n", "\n" + " " * 27)
        print(f"{mark} {finding.what:24} {detail}")
