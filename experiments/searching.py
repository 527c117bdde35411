"""A search whose config says everything, from the command line; the scripts `tune_*` share it."""

from __future__ import annotations

import argparse
from pathlib import Path

from multimodal_ser import report
from multimodal_ser.cli import _search
from multimodal_ser.config.read import load
from multimodal_ser.studies.search.tune import Settings, tune

CONFIGS = Path(__file__).parents[1] / "configs"


def search(config: str, *, trials: int, pruner: str) -> None:
    """Search, claim, and write the page; config: below `configs/`."""
    parser = argparse.ArgumentParser(description=f"A search over configs/{config}.")
    parser.add_argument("--trials", type=int, default=trials)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    options = parser.parse_args()
    settings = Settings(trials=options.trials, workers=options.workers, pruner=pruner)
    found = tune(load(CONFIGS / config, options.changes), settings)
    _search.show(found)
    print(f"report: {report.write(found.folder)}")
