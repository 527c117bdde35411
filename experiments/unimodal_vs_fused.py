"""Is one recording's emotion better told by voice, words and handcrafted features together?

    python experiments/unimodal_vs_fused.py [CONFIG …] [--set key=value …]

By default over `configs/flagship.yaml` (concat) and `configs/flagship-cross_attention.yaml`: each
runs as a study (every encoder alone, then all of them) on one split; then the fused models are
tested against each other. What must be fetched first: `mser doctor configs/flagship.yaml`.

Cost: nearly all of it is Whisper and wav2vec 2.0, once (`mser run CONFIG --dry-run` estimates it).
Expected, as most papers on data of this size report: cross-attention does not beat concat.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from multimodal_ser.cli._study import show_comparison
from multimodal_ser.config.read import load
from multimodal_ser.evaluation.contrast import contrast
from multimodal_ser.runs.run import Run
from multimodal_ser.studies.compare import compare
from multimodal_ser.studies.comparison import Comparison
from multimodal_ser.types import MserError

CONFIGS = Path(__file__).parents[1] / "configs"
FLAGSHIPS = [CONFIGS / "flagship.yaml", CONFIGS / "flagship-cross_attention.yaml"]


def main() -> None:
    parser = argparse.ArgumentParser(description="Each encoder alone, all fused, fusions compared.")
    parser.add_argument("configs", nargs="*", type=Path, default=FLAGSHIPS)
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    options = parser.parse_args()
    try:
        studies = {path.stem: study(path, options.changes) for path in options.configs}
    except MserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    first, *others = studies
    for other in others:
        one, base = fused(studies[other]), fused(studies[first])
        metric = studies[first].metric
        found = contrast(one.part("test"), base.part("test"), metric)
        print(f"→ fused: {found.words(other, first)}")


def study(path: Path, changes: list[str]) -> Comparison:
    """Run the study of a config and show its table."""
    found = compare(load(path, changes))
    show_comparison(found)
    return found


def fused(found: Comparison) -> Run:
    """The arm with the most encoders."""
    return max(found.runs.values(), key=lambda run: len(run.experiment.encoders))


if __name__ == "__main__":
    main()
