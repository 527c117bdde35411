"""The modality study: every arm on one split, one table, one corrected test, one verdict.

An arm is a set of the config's encoders with a fusion. The baseline is the single encoder that is
best on dev; the family of tests is the fused arms against it, on the first of the metrics.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args

from multimodal_ser.config.experiment import Experiment, TextSource
from multimodal_ser.config.method import subset
from multimodal_ser.config.read import with_fusion
from multimodal_ser.evaluation import statistics
from multimodal_ser.evaluation.contrast import Contrast, apart, contrast, corrected
from multimodal_ser.runs.folder import RunFolder
from multimodal_ser.runs.run import Config, Run, as_experiment, run
from multimodal_ser.studies.comparison import TEST, Comparison, dev_value, study_folder
from multimodal_ser.types import ConfigError, DataError

BEST_DEV = "best-dev"


def compare(
    config: Config,
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
    arms = arms_of(experiment, modalities, fusions, fractions, sources)
    if baseline not in (BEST_DEV, *arms):
        raise ConfigError(f"--baseline: no arm '{baseline}' (arms: {', '.join(arms)})")
    runs = {arm: run(small) for arm, small in arms.items()}
    _refuse_unlabelled(runs.values())
    largest = max(done.experiment.train_fraction for done in runs.values())
    tested = {arm: done for arm, done in runs.items() if done.experiment.train_fraction == largest}
    metric = experiment.metrics_of(experiment.first)[0]
    chosen = _best_on_dev(tested, metric) if baseline == BEST_DEV else baseline
    contrasts = _against(chosen, tested, metric, margin)
    fused = [arm for arm in contrasts if len(runs[arm].experiment.encoders) > 1]
    return _written(
        Comparison(
            folder=study_folder(runs, [chosen, margin]),
            runs=runs,
            baseline=chosen,
            contrasts=contrasts | corrected({arm: contrasts[arm] for arm in fused}),
            family=tuple(fused),
            detectable=_detectable(runs[chosen]),
            changes=_changes(tested, sources, metric),
        )
    )


def arms_of(
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
            small = subset(chosen, encoders).model_copy(update=changed)
            arms[name] = small if _is_same(small, experiment) else _unexpected(small)
    return arms


def _is_same(arm: Experiment, experiment: Experiment) -> bool:
    return arm.fingerprint("") == experiment.fingerprint("")


def _unexpected(arm: Experiment) -> Experiment:
    """The experiment without what a document reports, which is about the whole config."""
    return arm.model_copy(update={"expect": []})


def _checked_sources(experiment: Experiment, sources: Sequence[str]) -> list[str]:
    """Each text source once; ConfigError for an unknown one, or without a recogniser."""
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
    """Arm of another text source → the same arm of the first source → how the score changes."""
    pairs = {}
    for arm in runs:
        for source in sources[1:]:
            if arm.endswith(f" ({source})"):
                pairs[arm] = f"{arm.removesuffix(f' ({source})')} ({sources[0]})"
    contrasts = {
        arm: contrast(runs[arm].part(TEST), runs[first].part(TEST), metric)
        for arm, first in pairs.items()
    }
    return {arm: {pairs[arm]: changed} for arm, changed in corrected(contrasts).items()}


def _subsets(encoders: list[str], modalities: Sequence[str] | str | None) -> list[tuple[str, ...]]:
    """The sets of encoders that were named, each in the order of the config."""
    if modalities == "all":
        sizes = range(1, len(encoders) + 1)
        return [subset for size in sizes for subset in itertools.combinations(encoders, size)]
    asked = [modalities] if isinstance(modalities, str) else modalities
    wanted = [arm.split("+") for arm in asked or [*encoders, "+".join(encoders)]]
    for arm in wanted:
        unknown = sorted(set(arm) - set(encoders))
        if unknown:
            raise ConfigError(f"arm '{'+'.join(arm)}': no encoder {unknown} (has: {encoders})")
    ordered = [tuple(name for name in encoders if name in arm) for arm in wanted]
    return list(dict.fromkeys(ordered))


def _best_on_dev(runs: Mapping[str, Run], metric: str) -> str:
    """The single encoder with the best dev value (of all arms, if none is single)."""
    single = {arm: done for arm, done in runs.items() if len(done.experiment.encoders) == 1} or runs
    if any("dev" not in done.metrics for done in single.values()):
        raise ConfigError(
            "the split has no dev part to choose a baseline on: name one (--baseline)"
        )
    return max(single, key=lambda arm: dev_value(single[arm], metric))


def side_by_side(
    configs: Sequence[Config],
    references: Sequence[Config] = (),
    *,
    baseline: str | None = None,
    margin: float | None = None,
) -> Comparison:
    """Run each config and compare it with the baseline (by name; None: the first).

    configs: of one split. references: of other utterances, against which every config is held
    without pairs. margin: how far apart two scores may be that count as equivalent.
    """
    own, others = (
        [as_experiment(experiment) for experiment in group] for group in (configs, references)
    )
    names = [experiment.name for experiment in (*own, *others)]
    if len(set(names)) < len(names):
        raise ConfigError(f"configs that are compared need names of their own: {sorted(names)}")
    chosen = baseline or own[0].name
    if chosen not in names[: len(own)]:
        raise ConfigError(f"--baseline: no config is named '{chosen}' ({', '.join(names)})")
    metric = _metric(own, others)
    runs, beyond = (
        {experiment.name: run(experiment) for experiment in group} for group in (own, others)
    )
    _refuse_other_splits(runs)
    _refuse_unlabelled([*runs.values(), *beyond.values()])
    contrasts = _against(chosen, runs, metric, margin)
    return _written(
        Comparison(
            folder=study_folder({**runs, **beyond}, [chosen, margin]),
            runs=runs,
            baseline=chosen,
            contrasts=corrected(contrasts),
            family=tuple(contrasts),
            detectable=_detectable(runs[chosen]),
            references=beyond,
            elsewhere={
                name: {
                    other: apart(done.part(TEST), there.part(TEST), metric, margin=margin)
                    for other, there in beyond.items()
                }
                for name, done in runs.items()
                if beyond
            },
        )
    )


def _refuse_unlabelled(runs: Iterable[Run]) -> None:
    if any(TEST not in done.metrics for done in runs):
        raise DataError("a test part has no labels, so nothing can be compared on it")


def _against(
    baseline: str, runs: Mapping[str, Run], metric: str, margin: float | None
) -> dict[str, Contrast]:
    """Every other run → its contrast with the baseline, on test."""
    reference = runs[baseline].part(TEST)
    return {
        name: contrast(done.part(TEST), reference, metric, margin=margin)
        for name, done in runs.items()
        if name != baseline
    }


def _detectable(baseline: Run) -> float | None:
    """The smallest gap that the clusters of the test part could show; of classes alone."""
    if baseline.prepared.target.kind != "classes":
        return None
    utterances = baseline.part(TEST).drop_duplicates("id")
    return statistics.smallest_detectable(utterances["cluster"].value_counts().tolist())


def _written(study: Comparison) -> Comparison:
    RunFolder(study.folder).write_json("comparison.json", study.plain())
    return study


def _metric(own: Sequence[Experiment], others: Sequence[Experiment]) -> str:
    """The first metric of the first config, which all configs must have."""
    metric = own[0].metrics_of(own[0].first)[0]
    for experiment in (*own[1:], *others):
        if metric not in experiment.metrics_of(experiment.first):
            raise ConfigError(
                f"{experiment.name}: its first target is not scored by {metric}, as the first "
                "config's is; add it to metrics"
            )
    return metric


def _refuse_other_splits(runs: Mapping[str, Any]) -> None:
    hashes = {name: done.prepared.split_hash for name, done in runs.items()}
    if len(set(hashes.values())) > 1:
        listing = ", ".join(f"{name} {split}" for name, split in hashes.items())
        raise DataError(
            f"the configs cut their corpora differently ({listing}); give another corpus as a "
            "reference (--reference)"
        )
