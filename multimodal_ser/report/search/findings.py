"""What the page of a search says in words: warnings first, then what stands, then how."""

from __future__ import annotations

import shlex
from collections.abc import Iterator

from multimodal_ser.config.search_space import Space
from multimodal_ser.evaluation.evaluate import FEW_CLUSTERS
from multimodal_ser.report.cells import interval, spread
from multimodal_ser.report.run.findings import shared
from multimodal_ser.report.search.reading import Search, Study
from multimodal_ser.report.search.space import count, edge, shown

_BEST = 0.05  # the share of a space that is worth finding
_ENOUGH = 0.9  # the chance that so many random trials hold one of them
_HARDLY = 0.1  # of an equal share of the importance
_MANY = 0.25  # of the trials, given up

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
    own = {_fold(study): list(_of_study(search.space, study)) for study in search.studies}
    return [*lines, *shared(own)]


def verdict(search: Search) -> list[str]:
    """The claim, then what was hoped and what came of it."""
    metric, final = search.metric, search.final
    if final is None:
        total, folds = sum(search.counts().values()), len(search.studies)
        each = f", the mean over {folds} folds," if folds > 1 else ","
        return [
            "the test part is still sealed: nothing is claimed",
            f"{metric} {search.searched:.3f} on dev is the best of {total} trials{each} and too "
            "good because it was picked",
        ]
    hoped = final["optimism"]
    fresh = "" if hoped["fresh"] is None else f", {hoped['fresh']:.3f} there with fresh seeds"
    tested = f"{spread(final['tested'])} on test (95 % {interval(final['tested'])})"
    return [*final["verdict"], f"{metric} {hoped['searched']:.3f} searched on dev{fresh}, {tested}"]


def facts(search: Search) -> dict[str, str]:
    """What was searched, how, on what."""
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
    """What to type in the folder of runs to have the winner's numbers again."""
    lines = []
    for study in search.studies:
        best = ["mser", "run", f"{search.folder.name}/{study.config[0]}"]
        claimed = ["mser", "run", f"{search.folder.name}/{study.claimed}"]
        tested = claimed if search.final else [*best, "within=null"]
        lines += [
            f"{shlex.join(best)}  # its value on dev again",
            f"{shlex.join(tested)}  # scored on the test part",
        ]
    return "\n".join([*lines, shlex.join(["mser", "report", search.folder.name])])


def opened(search: Search) -> list[str]:
    """How often the test part was looked at, where that was noted."""
    if not search.opened:
        return []
    times = "once" if search.opened == 1 else f"{search.opened} times"
    return [f"The test part of this split was opened {times} in this folder of runs."]


def _of_study(space: Space, study: Study) -> Iterator[str]:
    tried = [trial for trial in study.trials if not trial.reason]
    different = {tuple(sorted((name, shown(v)) for name, v in one.values.items())) for one in tried}
    chance = 1 - (1 - _BEST) ** len(tried)
    possible = count(space)
    whole = possible is not None and len(different) >= possible
    if chance < _ENOUGH and not whole:
        yield (
            f"Few trials ({len(tried)}): as many random ones hold one of the best 5 % of the "
            f"space with probability {chance:.2f}"
        )
    if len(study.given_up) > _MANY * len(study.trials):
        yield f"{len(study.given_up)} of {len(study.trials)} trials were given up; see why below"
    hardly = slight(study)
    edges = [
        f"{parameter.name} {shown(study.best.values[parameter.name])} ({end} end)"
        for parameter in space.parameters
        if parameter.name in study.best.values and parameter.name not in hardly
        if (end := edge(parameter.domain, study.best.values[parameter.name]))
    ]
    if edges:
        yield f"At the edge of what was searched: {', '.join(edges)}. Better may lie beyond"
    if hardly:
        listing = ", ".join(f"{name} ({share:.3f})" for name, share in hardly.items())
        yield f"Hardly matters, by its importance: {listing}. What was chosen there says little"


def slight(study: Study) -> dict[str, float]:
    """The parameters with less than a tenth of an equal share of the importance."""
    importances = study.told["importances"]
    return {
        name: share for name, share in importances.items() if share < _HARDLY / len(importances)
    }


def _objective(search: Search) -> str:
    over = "its folds and seeds"
    if search.told["objective"] == "lower":
        return f"a standard error worse than the mean over {over}"
    return f"the mean over {over}"


def _trials(search: Search) -> str:
    counts = search.counts()
    given_up = sum(len(study.given_up) for study in search.studies)
    trials = ", ".join(f"{count} {state}" for state, count in counts.items())
    return f"{trials} ({given_up} of them given up)" if given_up else trials


def _judged(search: Search) -> str:
    """Where the trials were scored."""
    folds = ", ".join(str(study.fold) for study in search.studies)
    several = f"folds {folds}" if len(search.studies) > 1 else f"fold {folds}"
    inner = search.studies[0].told["inner"]
    return f"dev of {several}" if inner is None else f"{inner} folds cut within {several}"


def _time(search: Search) -> str:
    spent = [trial.seconds for study in search.studies for trial in study.trials if trial.seconds]
    total = sum(spent)
    return f"{total:.0f} s" if total < 600 else f"{total / 60:.0f} minutes"


def _fold(study: Study) -> str:
    return f"fold {study.fold}"
