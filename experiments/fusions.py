"""Is any way to fuse better than concat, when all are given the same features and training?

    python experiments/fusions.py [--config FILE] [--fusions NAME …] [--out FILE]
        [--set key=value …] [--dry-run]

Every fusion of the package, found by name and at its defaults (concat as the config has it), on one
split with the same features, epochs, optimiser and seeds; what pools frames does so inside. Each is
tested against concat, with Holm's correction over all of them. `configs/fusions-demo.yaml` by
default: voice and words of the bundled corpus, where joy said sadly is sad. Or
`configs/fusions-ravdess.yaml`: three descriptions of one sound. Any config of several encoders will
do. The seconds of training are the clock's, for all folds and seeds.

Cost on 2 cores: under 10 minutes for the bundled corpus, under 20 for RAVDESS; `--dry-run` times a
few steps of each fusion and says. A study that was stopped goes on.
Expected: late, which cannot hear that voice and words disagree, and join, which learns nothing,
fall behind; of the rest no gain over concat can be shown. No default was tuned to either corpus, so
the order is that of defaults, not of ideas.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pages import tell

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.config.read import load, with_fusion
from multimodal_ser.evaluation.metrics import sign
from multimodal_ser.runs.dry_run import dry_run
from multimodal_ser.runs.records import read_run
from multimodal_ser.studies.compare import Comparison, compare
from multimodal_ser.types import ConfigError

DEMO = Path(__file__).parents[1] / "configs" / "fusions-demo.yaml"
HEADER = (
    "fusion", "parameters", "dev", "test", "95 %", "over concat (95 %)", "Holm p", "training, s",
)  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description="Every fusion against concat.")
    parser.add_argument("--config", type=Path, default=DEMO)
    parser.add_argument("--fusions", nargs="*", metavar="NAME", help="by default all there are")
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    parser.add_argument("--out", type=Path, help="write the table to this file, as Markdown")
    parser.add_argument("--dry-run", action="store_true", help="say about how long it would take")
    options = parser.parse_args()
    fusions = options.fusions or registry.names("fusion")

    def lines() -> Iterable[str]:
        experiment = with_fusion(load(options.config, options.changes), "concat")
        if options.dry_run:
            return foretold(experiment, fusions)
        return described(study(experiment, fusions))

    tell(lines, options.out)


def study(experiment: Experiment, fusions: list[str]) -> Comparison:
    """All encoders together, an arm a fusion, against concat."""
    if len(experiment.encoders) < 2:
        raise ConfigError("a single encoder leaves nothing to fuse: take a config of several")
    together = "+".join(experiment.encoders)
    return compare(experiment, [together], fusions=fusions, baseline=together)


def foretold(experiment: Experiment, fusions: list[str]) -> Iterable[str]:
    """About how long each fusion would train, and how long what comes before would take."""
    features = total = 0.0
    for name in dict.fromkeys(["concat", *fusions]):
        outlook = dry_run(with_fusion(experiment, name))
        train = next(stage for stage in outlook.stages if stage.name == "train")
        seconds = train.seconds or 0.0
        features, total = outlook.seconds - seconds, total + seconds
        yield f"{name:20} {seconds / 60:6.1f} min {train.remark}"
    yield f"{'features before':20} {features / 60:6.1f} min"
    yield f"{'in all':20} {(features + total) / 60:6.1f} min"


def described(found: Comparison) -> list[str]:
    """What was compared, the table, best on dev first, and the verdict, as Markdown."""
    experiment, prepared = found.first.experiment, found.first.prepared
    scored = found.first.metrics["test"]
    order = sorted(found.runs, key=lambda arm: dev_of(found, arm))
    return [
        f"{experiment.name}, {found.metric}: {' + '.join(experiment.encoders)}; split "
        f"`{found.split_hash}`, {len(prepared.folds)} folds, seeds "
        f"{', '.join(map(str, experiment.seeds))}; {scored['utterances']} utterances are tested, "
        f"in {scored['clusters']} clusters.",
        "",
        f"| {' | '.join(HEADER)} |",
        f"|{'---|' * len(HEADER)}",
        *(f"| {' | '.join(row(found, arm))} |" for arm in order),
        "",
        *verdict(found, order),
    ]


def verdict(found: Comparison, order: Iterable[str]) -> list[str]:
    """A sentence for each fusion that differs from concat, and one for all the others."""
    arms = [arm for arm in order if arm in found.contrasts]
    shown = [arm for arm in arms if found.contrasts[arm].shown]
    told = [f"- {found.contrasts[arm].words(fusion_of(found, arm), 'concat')}" for arm in shown]
    return [
        *told,
        f"- no difference from concat is shown for {len(arms) - len(shown)} of {len(arms)}",
    ]


def dev_of(found: Comparison, arm: str) -> float:
    """The less, the better on dev; all alike where nothing is held out."""
    metrics = found.runs[arm].metrics
    value = metrics["dev"]["metrics"][found.metric]["mean"] if "dev" in metrics else 0.0
    return -sign(found.metric) * value


def fusion_of(found: Comparison, arm: str) -> str:
    part = found.runs[arm].experiment.fusion
    return part.name if part else ""


def row(found: Comparison, arm: str) -> list[str]:
    """One fusion; concat has no gap to itself."""
    done = found.runs[arm]
    record = read_run(done.folder)
    values = {part: one["metrics"][found.metric] for part, one in done.metrics.items()}
    test = values["test"]
    gap = found.contrasts.get(arm)
    few = " (few clusters)" if gap and gap.few else ""
    return [
        fusion_of(found, arm),
        f"{record.parameters or 0:,}",
        spread(values["dev"]) if "dev" in values else "",
        spread(test),
        f"{test['low']:.3f} to {test['high']:.3f}",
        f"{gap.gap:+.3f} ({gap.low:.3f} to {gap.high:.3f})" if gap else "",
        f"{gap.holm:.3f}{few}" if gap else "",
        f"{record.seconds('train') or 0:.0f}",
    ]


def spread(value: Mapping[str, Any]) -> str:
    """Mean ± sd over seeds, where there are several."""
    return f"{value['mean']:.3f}" + (f" ± {value['sd']:.3f}" if value["sd"] is not None else "")


if __name__ == "__main__":
    main()
