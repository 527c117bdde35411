"""What do the videos that EmoSPeech's train and test share give to a model that reads text alone?

The same TF-IDF and linear machine (configs/emospeech-task1-tfidf.yaml) on the official split and on
the training rows that share no video with the test; both are scored on the same 750 segments, so
the drop is paired, resampled by video. Needs the text of EmoSPeech and MEACorpus's table under
MSER_DATA; half a minute on one core. Expected: .530, .498, a drop of .032 (.007 to .053).

    python experiments/emospeech_leak.py
"""

from __future__ import annotations

from pathlib import Path

from multimodal_ser.config.read import load
from multimodal_ser.evaluation.contrast import contrast
from multimodal_ser.runs.run import run

CONFIG = Path(__file__).parents[1] / "configs" / "emospeech-task1-tfidf.yaml"


def main() -> None:
    official = run(load(CONFIG))
    disjoint = run(load(CONFIG, ["protocol.name=disjoint", "protocol.dev=0"]))
    for name, done in (("official", official), ("disjoint", disjoint)):
        value = done.metrics["test"]["metrics"]["macro_f1"]
        rows = len(done.prepared.folds[0].train)
        print(
            f"{name}: {value['mean']:.4f} ({value['low']:.3f} to {value['high']:.3f}), {rows} rows"
        )
    drop = contrast(official.part("test"), disjoint.part("test"), "macro_f1")
    print(drop.words("the official split", "the disjoint one"))


if __name__ == "__main__":
    main()
