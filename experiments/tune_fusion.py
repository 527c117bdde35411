"""Which fusion is best when each is tuned for itself, with as many trials on the same features?

    python experiments/tune_fusion.py [--config FILE] [--fusions NAME …] [--trials 20]
        [--workers 2] [--set key=value …]

Defaults rank defaults, not ideas. Here each fusion has a search of its own: its options, learning
rate and weight decay (`configs/tune-fusion.yaml`), judged on three voice-disjoint folds that leave
the tested voices out. Each winner is then trained with three seeds that no search has seen and held
against tuned concat on the test part, which is opened in the end, with Holm's correction over all.

Cost on 2 cores: a quarter of an hour for fifteen fusions of 20 trials. What was stopped goes on.
Expected: none beats tuned concat; low_rank falls behind.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import fusions as defaults
from pages import tell

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.config.read import load, with_fusion
from multimodal_ser.studies.compare import side_by_side
from multimodal_ser.studies.comparison import Comparison
from multimodal_ser.studies.search.claims import final, fresh_seeds
from multimodal_ser.studies.search.tune import Search, Settings, tune
from multimodal_ser.types import ConfigError

CONFIG = Path(__file__).parents[1] / "configs" / "tune-fusion.yaml"


def main() -> None:
    parser = argparse.ArgumentParser(description="Every fusion, tuned, against concat, tuned.")
    parser.add_argument("--config", type=Path, default=CONFIG)
    parser.add_argument("--fusions", nargs="*", metavar="NAME", help="by default all there are")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--set", nargs="*", default=[], metavar="key=value", dest="changes")
    options = parser.parse_args()
    settings = Settings(trials=options.trials, workers=options.workers)
    names = options.fusions or registry.names("fusion")

    def lines() -> list[str]:
        found = searches(load(options.config, options.changes), names, settings)
        return [*tried(found), "", *defaults.described(contest(found))]

    tell(lines)


def searches(experiment: Experiment, names: list[str], settings: Settings) -> dict[str, Search]:
    """Fusion → its search, concat first; the test part stays sealed."""
    if len(experiment.encoders) < 2:
        raise ConfigError("a single encoder leaves nothing to fuse: take a config of several")
    found = {}
    for name in dict.fromkeys(["concat", *names]):
        print(f"{name}: {settings.trials} trials", file=sys.stderr)
        found[name] = tune(searched(experiment, name), settings, finish=False)
    return found


def searched(experiment: Experiment, name: str) -> Experiment:
    """The experiment with a fusion, and what that says of itself beside what is searched anyway."""
    own = registry.find("fusion", name).search_space()
    section = experiment.search | {f"fusion.{key}": what for key, what in own.items()}
    changed = {"name": f"{experiment.name}-{name}", "search": section}
    return with_fusion(experiment, name).model_copy(update=changed)


def contest(found: dict[str, Search]) -> Comparison:
    """The winners with fresh seeds, against concat's."""
    best = [done.studies[0].best for done in found.values()]
    configs = [final(one, fresh_seeds(one)) for one in best]
    return side_by_side(configs, baseline=configs[0].name)


def tried(found: dict[str, Search]) -> list[str]:
    """What each search saw and chose, as Markdown."""
    rows = ["| fusion | complete | pruned | searched on dev | chosen |", f"|{'---|' * 5}"]
    for name, done in found.items():
        told = done.summary["studies"][0]
        values = ", ".join(f"{key} {shown(value)}" for key, value in told["best"]["values"].items())
        counts = f"{told['trials']['complete']} | {told['trials']['pruned']}"
        rows.append(f"| {name} | {counts} | {told['best']['value']:.3f} | {values} |")
    return rows


def shown(value: object) -> str:
    return f"{value:.2g}" if isinstance(value, float) else str(value)


if __name__ == "__main__":
    main()
