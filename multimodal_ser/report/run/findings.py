"""The sentences of a report: the warnings, the verdict, the facts, and how to repeat the run."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from multimodal_ser.evaluation.evaluate import FEW_CLUSTERS
from multimodal_ser.evaluation.metrics import sign
from multimodal_ser.report.cells import interval, spread
from multimodal_ser.report.run import collect

if TYPE_CHECKING:
    from multimodal_ser.report.run.collect import Report
    from multimodal_ser.runs.records import Record

HOW = (
    "The split was cut, hashed and searched for leaks before anything was trained.",
    "Out-of-fold predictions are pooled within a seed and scored once; the value is the mean over "
    "seeds, ± the standard deviation over seeds. With one seed there is no ±.",
    "The seed ensemble (scores averaged over seeds, then scored) and the mean of folds are other "
    "quantities, so they stand in columns of their own.",
    "A class that is neither in the truth nor predicted leaves the mean over classes; one that is "
    "predicted but not in the truth counts 0.",
    "Intervals: 95 %, expanded percentile, from resampling whole clusters (speakers and groups "
    "that hang together); all arms and seeds share the draws.",
    "p: the outputs of the two models are swapped in whole clusters. Holm corrects over one "
    "family: the fused arms against one baseline, on the first metric.",
    "The baseline is chosen on dev unless it was named; p is given inside the family only.",
    "Numbers are scored by ccc (Lin's concordance), pearson and mse (less is better); gaps are "
    "turned so that more is better.",
    "McNemar's p takes utterances as independent: a convention of the field, not a claim.",
    f"Under {FEW_CLUSTERS} clusters a test means little: every cluster is shown, and the word few.",
    "Probes look labels up without any model: a model that does not beat them has learned nothing "
    "that the split did not give away.",
    "Errors are those of the seed ensemble, the surest first.",
)

_OF_LABELS = (
    "Several labels may be true at once. A label is predicted from a threshold on that is best for "
    "its F1 on dev (0.5 without dev); the ensemble averages probabilities and thresholds.",
    "label_macro_f1 is the mean F1 over labels, label_micro_f1 the F1 over all pairs of an "
    "utterance and a label, subset_accuracy the share of utterances whose whole set is right.",
    "The probe of a set of labels is the commonest set; McNemar's p is about whole sets.",
)

_APART = (
    "Against other utterances nothing can be paired: the clusters of both are resampled by "
    "themselves, p is of a t test with that standard error, and two one-sided tests ask whether "
    "the gap is within a margin that was stated beforehand.",
)


def how(report: Report) -> list[str]:
    """Sentences on how the numbers are made, for the kinds of targets in this report."""
    kinds = {output["kind"] for output in report.first.config["outputs"].values()}
    unpaired = (report.comparison or {}).get("elsewhere")
    return [*HOW, *(_OF_LABELS if "labels" in kinds else ()), *(_APART if unpaired else ())]


def warnings(report: Report) -> list[str]:
    """What a reader must know before any number."""
    run_warnings = shared({arm: list(_of_run(record)) for arm, record in report.arms.items()})
    return [*run_warnings, *_of_arms(report)]


def verdict(report: Report) -> list[str]:
    """The verdict of a study; for a single run, its scores."""
    if report.comparison is not None:
        return list(report.comparison["verdict"])
    record = report.first
    prefix = f"{record.target}: " if record.numbers["others"] else ""
    values = {f"{prefix}{name}": record.numbers["metrics"][name] for name in record.metric_names}
    for target, scores in record.numbers["others"].items():
        metric_names = [name for name in record.config["metrics"] if name in scores["metrics"]]
        values |= {f"{target}: {name}": scores["metrics"][name] for name in metric_names}
    return [
        f"{name} {spread(value)} on {record.part} (95 % {interval(value)})"
        for name, value in values.items()
    ]


def facts(report: Report) -> dict[str, str]:
    """Name → value: what was compared, on which data, and when."""
    record = report.first
    protocol = {key: value for key, value in record.config["protocol"].items() if key != "name"}
    options = ", ".join(f"{key} {json.dumps(value)}" for key, value in protocol.items())
    facts = {
        "corpus": f"{record.audit['corpus']}, {record.audit['utterances']} utterances",
        "arms" if report.comparison else "encoders": ", ".join(report.arms),
        "baseline": report.comparison["baseline"] if report.comparison else "",
        "scored": f"{record.part}: {record.numbers['utterances']} utterances, "
        f"{record.numbers['clusters']} clusters",
        "protocol": f"{record.config['protocol']['name']} ({options})" if options else "",
        "split": record.metrics["split"],
        "seeds": ", ".join(map(str, record.config["seeds"])),
        "learner": record.config.get("learner", {}).get("name", ""),
        "licence": record.audit.get("licence") or "",
        "citation": record.audit.get("citation") or "",
        "date": max(map(collect.date, report.arms.values())),
    }
    facts["protocol"] = facts["protocol"] or record.config["protocol"]["name"]
    return {key: value for key, value in facts.items() if value}


def audit(report: Report) -> list[str]:
    """Leaks, remarks, how often the test part was opened, and the smallest gap it can show."""
    audits = {arm: record.audit for arm, record in report.arms.items()}
    leaks = shared({arm: [leak(row) for row in audit["leaks"]] for arm, audit in audits.items()})
    lines = leaks or ["No leak was found."]
    lines += shared(
        {
            arm: [f"Remark: {remark}." for remark in audit["remarks"]]
            for arm, audit in audits.items()
        }
    )
    lines += ties(report.first.audit)
    opened = report.first.opened
    times = "once" if opened == 1 else f"{opened} times"
    lines.append(f"The test part of this split was opened {times} in this folder of runs.")
    gap = report.comparison["detectable"] if report.comparison else None
    return lines if gap is None else [*lines, _detectable(gap)]


def ties(audit: Mapping[str, Any]) -> list[str]:
    """The range of the probe by group, over all ways to break its ties."""
    bounds = audit.get("ties")
    if not bounds:
        return []
    return [
        "The probe 'same group' takes the first seen of equally common labels; other ways to "
        f"break ties give macro_f1 {bounds[0]:.3f} to {bounds[1]:.3f}."
    ]


def _detectable(gap: float) -> str:
    sentence = f"Unrelated models must differ by {gap:.2f} accuracy to be told apart here"
    if not math.isfinite(gap):
        sentence = "No gap in accuracy is large enough to tell unrelated models apart here"
    return f"{sentence} (simulated for this test part: power 0.8, level 0.05)."


def commands(report: Report) -> list[str]:
    """The commands, in the folder of runs, that make these numbers again."""
    report_command = shlex.join(["mser", "report", report.folder.name])
    if report.ensemble is not None:
        return [report.ensemble.command(report.folder), report_command]
    run_commands = [
        ["mser", "run", f"{record.folder.name}/config.yaml"] for record in report.arms.values()
    ]
    study = _study_command(report)
    return [
        *(shlex.join(command) for command in ([study] if study else run_commands)),
        report_command,
    ]


def _study_command(report: Report) -> list[str]:
    """`mser compare` with the config of the arm that has all encoders; empty if none has."""
    plain = {arm: record for arm, record in report.arms.items() if not _marked(arm)}
    if report.comparison is None or not plain:
        return []
    widest = max(plain.values(), key=lambda record: len(record.encoders))
    if any(set(record.encoders) - set(widest.encoders) for record in report.arms.values()):
        return []
    arms = dict.fromkeys("+".join(record.encoders) for record in report.arms.values())
    fused_configs = [
        record.config for record in report.arms.values() if record.config.get("fusion")
    ]
    own_fusion = (widest.config.get("fusion") or {}).get("name")
    fusions = dict.fromkeys(config["fusion"]["name"] for config in fused_configs)
    shares = dict.fromkeys(
        f"{record.config['train_fraction']:g}" for record in report.arms.values()
    )
    words = ["mser", "compare", f"{widest.folder.name}/config.yaml", "--modalities", ",".join(arms)]
    other_fusions = [name for name in fusions if name != own_fusion]
    words += ["--fusions", ",".join(other_fusions)] if other_fusions else []
    words += ["--train-fraction", ",".join(shares)] if len(shares) > 1 else []
    return [*words, "--baseline", report.comparison["baseline"]]


def shared(lines: Mapping[str, Sequence[str]]) -> list[str]:
    """Each line once. A line that is not true of all arms begins with the names of its arms."""
    arms: dict[str, list[str]] = {}
    for arm, own_lines in lines.items():
        for line in own_lines:
            arms.setdefault(line, []).append(arm)
    count = len(lines)
    return [
        line if len(line_arms) == count else f"{', '.join(line_arms)}: {line}"
        for line, line_arms in arms.items()
    ]


def _marked(arm: str) -> bool:
    """Does the arm's name hold more than its encoders: another fusion, or a fraction?"""
    return arm.endswith("]") or "@" in arm


def of_corpus(audit: Mapping[str, Any]) -> Iterator[str]:
    """Warnings about the corpus and its split."""
    allowed = [leak["kind"] for leak in audit["leaks"] if leak["allowed"]]
    if allowed:
        yield f"Leaks allowed by the config: {', '.join(allowed)}. The numbers may be too good."
    if audit.get("notice"):
        yield f"{audit['corpus']}: {audit['notice']}"
    for reason, count in (audit.get("dropped") or {}).items():
        yield f"{count} rows dropped: {reason}"
    if audit.get("unused"):
        yield f"{audit['unused']} utterances are in no part of the split"
    for modality, count in (audit.get("missing") or {}).items():
        yield f"{count} utterances have no {modality}"
    for source, count in (audit.get("heard") or {}).items():
        yield f"{count} texts were written by a recogniser ({source}), not by people"


def _of_run(record: Record) -> Iterator[str]:
    yield from of_corpus(record.audit)
    if record.transductive:
        yield (
            f"Transductive: {', '.join(record.transductive)} scaled by each speaker's own "
            "unlabelled clips, those of the test among them"
        )
    for name, remarks in (record.environment.get("remarks") or {}).items():
        for remark, count in remarks.items():
            yield f"{name}: {count} utterances {remark}"
    if not record.part.startswith("test"):
        yield f"The test part is sealed: all numbers are of {record.part}, where models were chosen"
    if record.numbers["unscored"]:
        yield f"{record.numbers['unscored']} utterances of {record.part} have no label: not scored"
    if record.numbers["clusters"] < FEW_CLUSTERS:
        count = record.numbers["clusters"]
        yield f"Few clusters ({count}): intervals and tests mean little; look at each cluster"


def _of_arms(report: Report) -> Iterator[str]:
    """Warnings about collapsed arms, and about arms whose interval includes the best probe."""
    for arm, record in report.arms.items():
        for notice in record.numbers["notices"]:
            yield f"{arm} {notice}"
        score = record.numbers["metrics"][record.metric]
        scores = _probes(record)
        better = sign(record.metric)
        best = max(scores, key=lambda name: better * scores[name], default=None)
        if best is not None and not _beats(record.metric, score, scores[best]):
            yield (
                f"{arm} cannot be told from the probe '{best}' ({record.metric} "
                f"{scores[best]:.3f}, the interval is {score['low']:.3f} to {score['high']:.3f})"
            )


def _beats(metric: str, score: Mapping[str, float], probe: float) -> bool:
    return score["low"] > probe if sign(metric) > 0 else score["high"] < probe


def _probes(record: Record) -> dict[str, float]:
    """Probe → its score on the first metric; empty for dev, as probes are scored on test only."""
    if not record.part.startswith("test"):
        return {}
    probes = record.audit["probes"].items()
    return {name: scores[record.metric] for name, scores in probes if record.metric in scores}


def leak(leak: Mapping[str, Any]) -> str:
    more = ", …" if leak["count"] > len(leak["examples"]) else ""
    examples = ", ".join(leak["examples"]) + more
    allowed = "allowed by the config" if leak["allowed"] else "not allowed"
    description = f"{leak['kind']}, {leak['count']} in {leak['where']} ({examples}){leak['note']}"
    return f"Leak, {allowed}: {description}."
