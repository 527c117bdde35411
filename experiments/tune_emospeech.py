"""How far does a search bring words and characters on EmoSPeech 2024, task 1?

    python experiments/tune_emospeech.py [--trials 60] [--workers 2]

TF-IDF and a linear machine (`configs/tune-emospeech.yaml`): which n-grams, how rare, how free the
machine. Every trial is judged on three folds of train that share no video, and no training row
shares one with the test. In the end the winner is tested, once, against the config as it was, on
the same 750 segments by whole videos. Needs the text of EmoSPeech and MEACorpus's table under
MSER_DATA; a quarter of an hour on two cores.
Expected: the winner has .517 macro-F1 on the test, .019 (.003 to .037) over the baseline.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from multimodal_ser import report
from multimodal_ser.cli import _search
from multimodal_ser.config import load
from multimodal_ser.tuning import Settings, tune

CONFIG = Path(__file__).parents[1] / "configs" / "tune-emospeech.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description="A search over text systems of EmoSPeech.")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    options = parser.parse_args()
    settings = Settings(trials=options.trials, workers=options.workers, pruner="none")
    found = tune(load(CONFIG, options.changes), settings)
    _search.show(found)
    print(f"report: {report.write(found.folder)}")


if __name__ == "__main__":
    main()
