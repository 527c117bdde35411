"""The modality study: every arm on one split, one table, one corrected test, one verdict.

An arm is a set of the config's encoders with a fusion. The baseline is the single encoder that is
best on dev; the family of tests is the fused arms against it, on the first of the metrics.
"""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from multimodal_ser import metrics, statistics
from multimodal_ser.config import with_fusion
from multimodal_ser.contrast import Contrast, contrast, corrected
from multimodal_ser.experiment import Experiment, TextSource
from multimodal_ser.run import Run, as_experiment, run
from multimodal_ser.run_folder import RunFolder
from multimodal_ser.types import ConfigError, DataError
from multimodal_ser.ways import subset

BEST_DEV = "best-dev"
_TEST = "test"


@dataclass(frozen=True)
class Comparison:
    """The runs of a study by arm, and how each differs from the baseline.

    contrasts: arm − baseline on the first metric; those in `family` carry Holm's correction.
    changes: arm → the same arm with another text source → arm − that, corrected as a family.
    detectable: the gap in accuracy that this test part can show (see `smallest_detectable`); None
    for targets of numbers.
    """

    folder: Path
    runs: Mapping[str, Run]
    baseline: str
    contrasts: Mapping[str, Contrast]
    family: tuple[str, ...]
    detectable: float | None
    changes: Mapping[str, Mapping[str, Contrast]] = field(default_factory=dict)

    @property
    def first(self) -> Run:
        return next(iter(self.runs.values()))

    @property
    def metric(self) -> str:
        experiment = self.first.experiment
        return experiment.metrics_of(experiment.first)[0]

    @property
    def split_hash(self) -> str:
        return self.first.prepared.split_hash

    def table(self, part: str = _TEST) -> pd.DataFrame:
        """One row an arm: every metric with sd, interval and ensemble; the gap to the baseline."""
        return pd.DataFrame.from_dict(
            {arm: self._row(arm, part) for arm in self.runs}, orient="index"
        ).rename_axis("arm")

    def _row(self, arm: str, part: str) -> dict[str, Any]:
        done = self.runs[arm]
        row: dict[str, Any] = {}
        for name, value in done.metrics[part]["metrics"].items():
            for key in ("mean", "sd", "low", "high", "ensemble"):
                row[f"{name} {key}"] = value[key]
        small = done.metrics[part]["without small classes"]
        if done.prepared.target.kind == "classes":
            row["macro_f1 without small classes"] = small.get("macro_f1")
        if arm in self.contrasts:
            found = self.contrasts[arm].plain()
            row |= {key: found[key] for key in ("gap", "low", "high", "p", "holm", "mcnemar")}
        folder = RunFolder(done.folder)
        return row | {"parameters": folder.parameters(), "seconds": folder.seconds("train")}

    def breakdown(self, column: str, metric: str | None = None, part: str = _TEST) -> pd.DataFrame:
        """One row a value of the column, one column an arm; accuracy, or the first of numbers."""
        kind = self.first.prepared.target.kind
        metric = metric or ("accuracy" if kind == "classes" else self.metric)
        values = {
            arm: {
                value: row.get(metric, float("nan"))
                for value, row in done.metrics[part]["breakdown"][column].items()
            }
            for arm, done in self.runs.items()
        }
        return pd.DataFrame(values).rename_axis(column)

    def verdict(self) -> list[str]:
        """A sentence a fused arm, the one that is best on dev first."""
        arms = self.family or tuple(self.contrasts)
        ordered = sorted(arms, key=lambda arm: -_dev(self.runs[arm], self.metric))
        said = [self.contrasts[arm].words(arm, self.baseline) for arm in ordered]
        changed = [(arm, *pair) for arm, one in self.changes.items() for pair in one.items()]
        return [*said, *(found.words(arm, first) for arm, first, found in changed)]

    def plain(self) -> dict[str, Any]:
        """What a report needs, without times, so that equal studies are equal bytes."""
        prepared = self.first.prepared
        return {
            "name": self.first.experiment.name,
            "split": self.split_hash,
            "leaks allowed": prepared.audit.stamps,
            "metric": self.metric,
            "baseline": self.baseline,
            "family": list(self.family),
            "detectable": self.detectable,
            "arms": {arm: done.folder.name for arm, done in self.runs.items()},
            "contrasts": {arm: one.plain() for arm, one in self.contrasts.items()},
            "changes": {
                arm: {first: found.plain() for first, found in one.items()}
                for arm, one in self.changes.items()
            },
            "verdict": self.verdict(),
        }


def compare(
    config: Experiment | Mapping[str, Any] | str | Path,
    modalities: Sequence[str] | str | None = None,
    *,
    fusions: Sequence[str] = (),
    fractions: Sequence[float] = (),
    sources: Sequence[str] = (),
    baseline: str = BEST_DEV,
    margin: float | None = None,
) -> Comparison:
    """Run every arm and compare them.

    modalities: `a`, `b`, `a+b` …, or "all" for every subset; by default each encoder alone, then
    all together. fusions: further fusions for the arms of several encoders. fractions: also train
    on so much of the training part; only the largest is tested against the baseline. sources: run
    arms that read text with each (`reference`, `asr`, `asr_where_missing`), and say how the score
    changes from the first to the others. margin: also test whether an arm is equivalent to the
    baseline within it.
    """
    experiment = as_experiment(config)
    sources = _checked_sources(experiment, sources)
    arms = _arms(experiment, modalities, fusions, fractions, sources)
    if baseline not in (BEST_DEV, *arms):
        raise ConfigError(f"--baseline: no arm '{baseline}' (arms: {', '.join(arms)})")
    runs = {arm: run(one) for arm, one in arms.items()}
    if any(_TEST not in done.metrics for done in runs.values()):
        raise DataError("the test part has no labels, so no arm can be compared on it")
    largest = max(done.experiment.train_fraction for done in runs.values())
    tested = {arm: one for arm, one in runs.items() if one.experiment.train_fraction == largest}
    metric = experiment.metrics_of(experiment.first)[0]
    chosen = _best_dev(tested, metric) if baseline == BEST_DEV else baseline
    reference = runs[chosen].part(_TEST)
    contrasts = {
        arm: contrast(one.part(_TEST), reference, metric, margin=margin)
        for arm, one in tested.items()
        if arm != chosen
    }
    fused = [arm for arm in contrasts if len(runs[arm].experiment.encoders) > 1]
    classes = runs[chosen].prepared.target.kind == "classes"
    sizes = reference.drop_duplicates("id")["cluster"].value_counts().tolist()
    study = Comparison(
        folder=_folder(experiment, runs, [chosen, margin]),
        runs=runs,
        baseline=chosen,
        contrasts=contrasts | corrected({arm: contrasts[arm] for arm in fused}),
        family=tuple(fused),
        detectable=statistics.smallest_detectable(sizes) if classes else None,
        changes=_changes(tested, sources, metric),
    )
    RunFolder(study.folder).write_json("comparison.json", study.plain())
    return study


def _arms(
    experiment: Experiment,
    modalities: Sequence[str] | str | None,
    fusions: Sequence[str],
    fractions: Sequence[float],
    sources: Sequence[str],
) -> dict[str, Experiment]:
    """Arm → experiment; a name says its encoders, then what differs from the config."""
    arms = {}
    own = experiment.fusion.name if experiment.fusion else ""
    for encoders in _subsets(list(experiment.encoders), modalities):
        reads_text = "text" in experiment.with_encoders(encoders).modalities
        ways = itertools.product(
            dict.fromkeys([own, *fusions]) if len(encoders) > 1 else [own],
            fractions or [experiment.train_fraction],
            sources if sources and reads_text else [""],
        )
        for fusion, fraction, source in ways:
            name = "+".join(encoders)
            name += f" [{fusion}]" if fusion != own else ""
            name += f" @{fraction:g}" if fraction != experiment.train_fraction else ""
            name += f" ({source})" if source else ""
            chosen = with_fusion(experiment, fusion) if fusion else experiment
            changed = {"train_fraction": fraction} | ({"text_source": source} if source else {})
            arms[name] = subset(chosen, encoders).model_copy(update=changed)
    return arms


def _checked_sources(experiment: Experiment, sources: Sequence[str]) -> list[str]:
    """Each once; ConfigError for what is none, or for a recogniser that is not named."""
    unknown = sorted(set(sources) - set(get_args(TextSource)))
    if unknown:
        raise ConfigError(
            f"text sources: {unknown} are not among {', '.join(get_args(TextSource))}"
        )
    if experiment.asr is None and {*sources} - {"reference"}:
        raise ConfigError("text sources: the config names no recogniser, such as asr.name=whisper")
    return list(dict.fromkeys(sources))


def _changes(
    runs: Mapping[str, Run], sources: Sequence[str], metric: str
) -> dict[str, dict[str, Contrast]]:
    """Arm of another text source → the same arm of the first → how the score changes."""
    pairs = {}
    for arm in runs:
        for source in sources[1:]:
            if arm.endswith(f" ({source})"):
                pairs[arm] = f"{arm.removesuffix(f' ({source})')} ({sources[0]})"
    found = {
        arm: contrast(runs[arm].part(_TEST), runs[first].part(_TEST), metric)
        for arm, first in pairs.items()
    }
    return {arm: {pairs[arm]: one} for arm, one in corrected(found).items()}


def _subsets(encoders: list[str], modalities: Sequence[str] | str | None) -> list[tuple[str, ...]]:
    """The sets of encoders that are asked for, each in the order of the config."""
    if modalities == "all":
        sizes = range(1, len(encoders) + 1)
        return [one for size in sizes for one in itertools.combinations(encoders, size)]
    asked = [modalities] if isinstance(modalities, str) else modalities
    wanted = [arm.split("+") for arm in asked or [*encoders, "+".join(encoders)]]
    for arm in wanted:
        unknown = sorted(set(arm) - set(encoders))
        if unknown:
            raise ConfigError(f"arm '{'+'.join(arm)}': no encoder {unknown} (has: {encoders})")
    ordered = [tuple(name for name in encoders if name in arm) for arm in wanted]
    return list(dict.fromkeys(ordered))


def _best_dev(runs: Mapping[str, Run], metric: str) -> str:
    """The single encoder with the best dev value (of all arms, if none is single)."""
    single = {arm: one for arm, one in runs.items() if len(one.experiment.encoders) == 1} or runs
    if any("dev" not in one.metrics for one in single.values()):
        raise ConfigError(
            "the split has no dev part to choose a baseline on: name one (--baseline)"
        )
    return max(single, key=lambda arm: _dev(single[arm], metric))


def _dev(done: Run, metric: str) -> float:
    """The dev value, turned so that more is better."""
    if "dev" not in done.metrics:
        return 0.0
    value = done.metrics["dev"]["metrics"][metric]["mean"]
    return -value if metric in metrics.LOWER_IS_BETTER else value


def _folder(experiment: Experiment, runs: Mapping[str, Run], asked: Sequence[Any]) -> Path:
    key = json.dumps([*asked, *((arm, one.folder.name) for arm, one in runs.items())])
    digest = hashlib.sha256(key.encode()).hexdigest()[:12]
    return experiment.runs_dir / experiment.name / f"study-{digest}"
