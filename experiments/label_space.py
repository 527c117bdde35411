"""What is kept of an emotion word when a corpus's own ratings of valence, arousal and dominance are
turned back into the nearest word?

Each utterance has a label and ratings, both by its listeners; the ratings lie nearest to the point
of some label in the table of Russell & Mehrabian 1977 (`corpus/emotion_space.py`). Rows are
the corpus's labels, columns the nearest ones; below stands what always answering the commonest
label scores. Both are taken on −1 to 1, where means of ratings keep to the middle, so neutral is
often the nearest. Some seconds, no model. Any config or task card of a corpus with both will do,
such as MSP-Podcast (1 to 7) or IEMOCAP (1 to 5); labels without a point are renamed or dropped:

    python experiments/label_space.py CONFIG --scale 1 7 --set labels.drop=[other]

No number is expected: neither corpus is free, and none of them was at hand.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from multimodal_ser.config.read import load
from multimodal_ser.corpus.emotion_space import DIMENSIONS, round_trip
from multimodal_ser.evaluation import metrics
from multimodal_ser.runs.prepare import load_corpus
from multimodal_ser.types import DataError, MserError


def main() -> None:
    parser = argparse.ArgumentParser(description="Ratings turned back into emotion words.")
    parser.add_argument("config", type=Path)
    parser.add_argument(
        "--scale", type=float, nargs=2, default=(-1.0, 1.0), metavar=("LOW", "HIGH")
    )
    parser.add_argument("--set", nargs="*", default=[], dest="changes", metavar="KEY=VALUE")
    options = parser.parse_args()
    try:
        show(options.config, options.changes, tuple(options.scale))
    except MserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def show(config: Path, changes: list[str], scale: tuple[float, float]) -> None:
    """The confusion of labels and nearest labels, and its scores."""
    corpus = load_corpus(load(config, changes, card=True))
    rated = [name for name in DIMENSIONS if corpus.table[name].notna().any()]
    whole = corpus.table[["label", *rated]].notna().all(axis=1)
    table = corpus.table[whole]
    if not rated or table.empty:
        raise DataError(f"{corpus.about.name}: no utterance has a label and ratings")
    found = round_trip(
        table["label"].tolist(), table[list(DIMENSIONS)].to_numpy(dtype=float), scale=scale
    )
    counts = found.to_numpy()
    commonest = np.zeros_like(counts)
    commonest[:, counts.sum(1).argmax()] = counts.sum(1)
    print(f"{corpus.about.name}: {len(table)} utterances by {', '.join(rated)}; ", end="")
    print(f"{len(corpus) - len(table)} have no label or no ratings")
    print(found.to_string())
    for name, matrix in (("nearest label", counts), ("commonest label", commonest)):
        uar, accuracy = metrics.uar(matrix), metrics.accuracy(matrix)
        print(f"{name}: uar {uar:.3f}, accuracy {accuracy:.3f}")


if __name__ == "__main__":
    main()
