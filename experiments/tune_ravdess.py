"""How far does a search bring handcrafted features on RAVDESS, each fold searched by itself?

    python experiments/tune_ravdess.py [--trials 40] [--workers 2] [--set key=value …]

MFCC and prosody under an RBF machine (`configs/tune-ravdess.yaml`): how many coefficients, which
statistics, C and gamma. Nested: in each of EmoBox's six folds a search of its own, judged on three
actor-disjoint folds of the 20 actors that are not tested; then its winner meets the four that are.
So no value was chosen by what it is scored on. Needs RAVDESS under MSER_DATA; a quarter of an hour
on two cores.
Expected: a gain of a few points of UAR at most over C = 10 and 40 coefficients (.523).
"""

from __future__ import annotations

import argparse
from pathlib import Path

from multimodal_ser import report
from multimodal_ser.cli import _search
from multimodal_ser.config import load
from multimodal_ser.tuning import Settings, tune

CONFIG = Path(__file__).parents[1] / "configs" / "tune-ravdess.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description="A nested search over handcrafted features.")
    parser.add_argument("--trials", type=int, default=40)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    options = parser.parse_args()
    settings = Settings(trials=options.trials, workers=options.workers, pruner="median")
    found = tune(load(CONFIG, options.changes), settings)
    _search.show(found)
    print(f"report: {report.write(found.folder)}")


if __name__ == "__main__":
    main()
