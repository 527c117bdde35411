"""Rare classes: are training rows thrown away, weighted or drawn alike, or left as they are?

    python experiments/balancing.py [--config FILE] [--ways NAME …] [--set key=value …] [--out FILE]

One config with each `balance`: `truncate` (as many rows of every class as of the rarest), `weights`
(every class counts alike in the loss), `sampler` (every class is drawn alike), against `none`, on
one split with the same seeds; dev and test stay as they are. Tested on the first metric with Holm's
correction; the recall of every class stands beside, because what a rare class gains a frequent one
pays. `--ways effective` adds weights by the effective number of rows.

By default `configs/balancing-emospeech.yaml` where MSER_DATA has the corpus, else
`configs/balancing-demo.yaml`: some minutes on 2 cores. `--config configs/seeds/e3-weights.yaml` is
that of the document that truncates; its runs are those of the three configs e3-*.
Expected: on EmoSPeech nothing helps. Truncation, which leaves 885 of 2,122 rows, loses .027 UAR
(.005 to .048; corrected p .09), weights and sampler .005 and .006 (no difference is shown): they
gain recall of sadness and anger and pay with disgust and neutral. On the bundled corpus truncation
(159 of 319 rows) loses .122.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pages import tell, usual

from multimodal_ser.config.experiment import Experiment
from multimodal_ser.config.read import load
from multimodal_ser.runs.run import Run
from multimodal_ser.studies.compare import side_by_side
from multimodal_ser.studies.comparison import Comparison
from multimodal_ser.training.balance import truncated
from multimodal_ser.types import ConfigError

NONE = "none"
WAYS = (NONE, "truncate", "weights", "sampler")


def main() -> None:
    parser = argparse.ArgumentParser(description="Every way to balance classes against none.")
    parser.add_argument("--config", type=Path, help="by default EmoSPeech's or the demo's")
    parser.add_argument("--ways", nargs="*", choices=[*WAYS[1:], "effective"], default=[*WAYS[1:]])
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    parser.add_argument("--out", type=Path, help="write the tables to this file, as Markdown")
    options = parser.parse_args()

    def lines() -> list[str]:
        arms = balanced(options.config or usual("balancing"), options.ways, options.changes)
        return described(side_by_side(arms))

    tell(lines, options.out)


def balanced(path: Path, ways: Sequence[str], changes: Sequence[str]) -> list[Experiment]:
    """The config with no balance, then with each; every one is checked before any is run."""
    given = load(path, changes)
    if given.outputs[given.first].kind != "classes":
        raise ConfigError(f"outputs.{given.first}: only classes can be balanced; name them first")
    stem = given.name.removesuffix(f"-{given.balance}")
    arms = []
    for way in dict.fromkeys([NONE, *ways]):
        own = [f"name={stem}-{way}", f"balance={way}"]
        if way != given.balance:
            own.append("expect=[]")  # what a document reports is of its own config
        if way != "effective":
            own.append("balance_beta=null")
        arms.append(load(path, [*changes, *own]))
    return arms


def described(found: Comparison) -> list[str]:
    """What was compared, the scores, the recalls and the verdict, as Markdown."""
    experiment, scored = found.first.experiment, found.first.metrics["test"]
    return [
        f"{experiment.name.removesuffix(f'-{NONE}')}: {' + '.join(experiment.encoders)}; split "
        f"`{found.split_hash}`, {len(found.first.prepared.folds)} folds, seeds "
        f"{', '.join(map(str, experiment.seeds))}; {scored['utterances']} utterances are tested, "
        f"in {scored['clusters']} clusters.",
        "",
        *scores(found),
        "",
        *recalls(found),
        "",
        *(f"- {line}" for line in found.verdict()),
    ]


def scores(found: Comparison) -> list[str]:
    """A row a way: every metric, and the gap of the first."""
    names = found.first.experiment.metrics_of(found.first.experiment.first)
    rows = []
    for done in found.runs.values():
        values = done.metrics["test"]["metrics"]
        gap = found.contrasts.get(done.experiment.name)
        few = " (few clusters)" if gap and gap.few else ""
        rows.append(
            [
                done.experiment.balance,
                str(sum(training_rows(done).values())),
                *(spread(values[name]) for name in names),
                f"{gap.gap:+.3f} ({gap.low:.3f} to {gap.high:.3f})" if gap else "",
                f"{gap.holm:.3f}{few}" if gap else "",
            ]
        )
    last = [f"{found.metric} over {NONE} (95 %)", "Holm p"]
    return table(["balance", "training rows", *names, *last], rows)


def recalls(found: Comparison) -> list[str]:
    """A row a class, the rarest in train first: the mean over seeds, a column a way."""
    known = training_rows(found.first)
    by_way = {
        done.experiment.balance: done.metrics["test"]["classes"] for done in found.runs.values()
    }
    rows = [
        [
            name,
            str(known[name]),
            f"{by_way[NONE][name]['utterances']:g}",
            *(f"{classes[name]['recall']:.3f}" for classes in by_way.values()),
        ]
        for name in sorted(known, key=lambda one: known[one])
    ]
    return table(["recall", "training rows", "test items", *by_way], rows)


def training_rows(done: Run) -> dict[str, int]:
    """Class → how many rows of it train, in the mean over folds."""
    target = done.prepared.target
    counts = np.zeros(len(target.classes))
    for fold in done.prepared.folds:
        codes = target.codes[fold.train]
        if done.experiment.balance == "truncate":
            codes = target.codes[truncated(fold.train, target.codes, 0)]
        counts += np.bincount(codes[codes >= 0], minlength=len(counts))
    means = (counts / len(done.prepared.folds)).round().astype(int)
    return dict(zip(target.classes, means.tolist(), strict=True))


def spread(value: Mapping[str, Any]) -> str:
    """Mean ± sd over seeds, where there are several."""
    return f"{value['mean']:.3f}" + (f" ± {value['sd']:.3f}" if value["sd"] is not None else "")


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """As Markdown."""
    lines = [f"| {' | '.join(cells)} |" for cells in (header, *rows)]
    return [lines[0], f"|{'---|' * len(header)}", *lines[1:]]


if __name__ == "__main__":
    main()
