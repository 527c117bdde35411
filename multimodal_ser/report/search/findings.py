"""The sentences of the page of a search: warnings, verdict, facts, and how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from multimodal_ser.config.search_space import Space
from multimodal_ser.evaluation.evaluate import FEW_CLUSTERS
from multimodal_ser.report.cells import interval, spread
from multimodal_ser.report.run.findings import shared
from multimodal_ser.report.search.reading import Search, Study
from multimodal_ser.report.search.space import count, edge, shown

_BEST = 0.05  # the best share of a space; a search should find one of its points
_ENOUGH = 0.9  # if as many random trials find one with a lower probability, trials are few
_HARDLY = 0.1  # below this part of an equal share of the importance, a parameter hardly matters
_MANY = 0.25  # the share of given-up trials above which there is a warning

HOW = (
    "The corpus was cut and searched for leaks once, then sealed: no trial could see a row of the "
    "test part, its sound, its words or its label.",
    "A trial is trained as the config says, but for the values it draws; its value is the metric "
    "on dev, over its folds and seeds.",
    "A pruned trial was stopped because what it had reported was behind; one that was given up has "
    "a reason: its values contradict each other, or its training diverged.",
    "The best of many trials is partly lucky. So it is trained again with seeds that the search "
    "has not seen, beside the config as it was, and both are scored on the test part.",
    "Interval: 95 %, expanded percentile, from resampling whole clusters (speakers and groups that "
    "hang together); best and default share the draws. p: their outputs are swapped in whole "
    "clusters.",
    f"Under {FEW_CLUSTERS} clusters a test means little: every cluster is shown, and the word few.",
    "Importance: the share of the variance of the values that a parameter explains in a forest "
    "fitted to the complete trials (fANOVA, Hutter et al. 2014), of the parameters that all have.",
    "Few trials: of n random ones at least one is among the best 5 % of a space with probability "
    "1 − 0.95ⁿ, however many parameters it has (Bergstra & Bengio 2012).",
)


def warnings(search: Search) -> list[str]:
    """What a reader must know before any number."""
    summary, lines = search.told, []
    if summary["leaks allowed"]:
        kinds = ", ".join(summary["leaks allowed"])
        lines.append(f"Leaks allowed by the config: {kinds}. The numbers may be too good.")
    if search.final is None:
        lines.append(
            "The test part is sealed: all numbers are of dev, where the values were chosen"
        )
    warnings_by_fold = {
        _fold(study): list(_of_study(search.space, study)) for study in search.studies
    }
    return [*lines, *shared(warnings_by_fold)]


def verdict(search: Search) -> list[str]:
    """The claim; then the value that the search found, and the value on test."""
    metric, final = search.metric, search.final
    if final is None:
        total, folds = sum(search.counts().values()), len(search.studies)
        over_folds = f", the mean over {folds} folds," if folds > 1 else ","
        return [
            "the test part is still sealed: nothing is claimed",
            f"{metric} {search.searched:.3f} on dev is the best of {total} trials{over_folds} and "
            "too good because it was picked",
        ]
    optimism = final["optimism"]
    fresh = "" if optimism["fresh"] is None else f", {optimism['fresh']:.3f} there with fresh seeds"
    tested = f"{spread(final['tested'])} on test (95 % {interval(final['tested'])})"
    return [
        *final["verdict"],
        f"{metric} {optimism['searched']:.3f} searched on dev{fresh}, {tested}",
    ]


def facts(search: Search) -> dict[str, str]:
    """Name → value: what was searched, how, and on which data."""
    summary, final = search.told, search.final
    better = "less is better" if summary["direction"] == "minimize" else "more is better"
    rows = {
        "metric": f"{search.metric}, {better}",
        "value of a trial": _objective(search),
        "cost": summary["cost"] or "",
        "trials": _trials(search),
        "parameters": str(len(search.space.parameters)),
        "sampler": summary["sampler"],
        "pruner": summary["pruner"],
        "judged on": _judged(search),
        "seeds of a trial": ", ".join(map(str, summary["seeds"])),
        "fresh seeds": ", ".join(map(str, final["seeds"])) if final else "",
        "trained in the end": _ENDS.get(final["how"], final["how"]) if final else "",
        "split": summary["split"],
        "leaks allowed": ", ".join(summary["leaks allowed"]) or "none",
        "time of all trials": _time(search),
    }
    return {key: value for key, value in rows.items() if value}


_ENDS = {"same": "as in the search, dev selects", "refit": "on train and dev"}


def commands(search: Search) -> str:
    """The commands, in the folder of runs, that make the winner's numbers again."""
    command_lines = []
    for study in search.studies:
        best = ["mser", "run", f"{search.folder.name}/{study.config[0]}"]
        claimed = ["mser", "run", f"{search.folder.name}/{study.claimed}"]
        tested = claimed if search.final else [*best, "within=null"]
        command_lines += [
            f"{shlex.join(best)}  # its value on dev again",
            f"{shlex.join(tested)}  # scored on the test part",
        ]
    return "\n".join([*command_lines, shlex.join(["mser", "report", search.folder.name])])


def opened(search: Search) -> list[str]:
    """How often the test part was opened, if that was recorded."""
    if not search.opened:
        return []
    times = "once" if search.opened == 1 else f"{search.opened} times"
    return [f"The test part of this split was opened {times} in this folder of runs."]


def _of_study(space: Space, study: Study) -> Iterator[str]:
    tried = [trial for trial in study.trials if not trial.reason]
    different = {
        tuple(sorted((name, shown(value)) for name, value in trial.values.items()))
        for trial in tried
    }
    chance = 1 - (1 - _BEST) ** len(tried)
    possible = count(space)
    all_tried = possible is not None and len(different) >= possible
    if chance < _ENOUGH and not all_tried:
        yield (
            f"Few trials ({len(tried)}): as many random ones hold one of the best 5 % of the "
            f"space with probability {chance:.2f}"
        )
    if len(study.given_up) > _MANY * len(study.trials):
        yield f"{len(study.given_up)} of {len(study.trials)} trials were given up; see why below"
    slight_shares = slight(study)
    edges = [
        f"{parameter.name} {shown(study.best.values[parameter.name])} ({end} end)"
        for parameter in space.parameters
        if parameter.name in study.best.values and parameter.name not in slight_shares
        if (end := edge(parameter.domain, study.best.values[parameter.name]))
    ]
    if edges:
        yield f"At the edge of what was searched: {', '.join(edges)}. Better may lie beyond"
    if slight_shares:
        listing = ", ".join(f"{name} ({share:.3f})" for name, share in slight_shares.items())
        yield f"Hardly matters, by its importance: {listing}. What was chosen there says little"


def slight(study: Study) -> dict[str, float]:
    """The parameters with less than a tenth of an equal share of the importance."""
    importances = study.told["importances"]
    return {
        name: share for name, share in importances.items() if share < _HARDLY / len(importances)
    }


def _objective(search: Search) -> str:
    scope = "its folds and seeds"
    if search.told["objective"] == "lower":
        return f"a standard error worse than the mean over {scope}"
    return f"the mean over {scope}"


def _trials(search: Search) -> str:
    counts = search.counts()
    given_up = sum(len(study.given_up) for study in search.studies)
    trials = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{trials} ({given_up} of them given up)" if given_up else trials


def _judged(search: Search) -> str:
    """The data on which the trials were scored."""
    folds = ", ".join(str(study.fold) for study in search.studies)
    folds_text = f"folds {folds}" if len(search.studies) > 1 else f"fold {folds}"
    inner = search.studies[0].told["inner"]
    return f"dev of {folds_text}" if inner is None else f"{inner} folds cut within {folds_text}"


def _time(search: Search) -> str:
    seconds = [trial.seconds for study in search.studies for trial in study.trials if trial.seconds]
    total = sum(seconds)
    return f"{total:.0f} s" if total < 600 else f"{total / 60:.0f} minutes"


def _fold(study: Study) -> str:
    return f"fold {study.fold}"
