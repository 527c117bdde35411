"""The chapters of the page of a search: what stands, then each study, then how to repeat it."""

from __future__ import annotations

from typing import Any

import yaml

from multimodal_ser.report.cells import Section
from multimodal_ser.report.figures import MOST_LINES, captioned, curves, mean_line
from multimodal_ser.report.search import figures, findings, slices, tables
from multimodal_ser.report.search.figures import MOST, Limits
from multimodal_ser.report.search.reading import Search, Study


def sections(search: Search) -> list[Section]:
    """A block of three a study."""
    chapters = [
        Section("stands", "What stands", findings.opened(search), tables=tables.stands(search)),
        _winner(search),
        *(chapter for study in search.studies for chapter in _block(search, study)),
        Section("how", "How these numbers are made", findings.HOW),
        Section("repeat", "Commands", code={_WHERE: findings.commands(search)}),
    ]
    return [one for one in chapters if one.filled]


_WHERE = "commands, in the folder of runs"
_WEIGHED = "Only a parameter that every trial has can be weighed."
_ALIKE = "No parameter could be weighed."


def _winner(search: Search) -> Section:
    several = len(search.studies) > 1
    code = {}
    for study in search.studies:
        fold = f" of fold {study.fold}" if several else ""
        code[f"chosen values{fold}, to copy into a config"] = copied(search, study)
        code[f"config that runs alone ({study.config[0]})"] = study.config[1]
    weighed = any(study.told["importances"] for study in search.studies)
    branches = any(parameter.when for parameter in search.space.parameters)
    lines = [_ALIKE] if not weighed else [_WEIGHED] if branches else []
    drawn = [tables.chosen(search), *tables.fixed(search)]
    return Section("winner", "The winner", lines, tables=drawn, code=code)


def copied(search: Search, study: Study) -> str:
    """The values as a piece of a config, in the order of the space, with every digit."""
    values = study.told["best"]["values"]
    order = [parameter.key for parameter in search.space.parameters if parameter.key in values]
    tree: dict[str, Any] = {}
    for key in dict.fromkeys([*order, *values]):
        *above, last = key.split(".")
        place = tree
        for part in above:
            place = place.setdefault(part, {})
        place[last] = values[key]
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def _block(search: Search, study: Study) -> list[Section]:
    several = len(search.studies) > 1
    mark = f"-{study.fold}" if several else ""
    lead = f"Fold {study.fold}: " if several else ""
    span = figures.limits(study)
    course = [_best(search, study), *(_FRONT if study.front else _COURSE), *_cut(study, span)]
    trials = [tables.best(search, study), *tables.front(search, study)]
    trials += tables.given_up(search, study)
    drawn = _parameters(search, study, span)
    notes = [*_SLICES, *(_ALL if len(search.space.parameters) > 1 else ())]
    return [
        Section(f"course{mark}", f"{lead}Course", course, _course(search, study, span), grid=True),
        Section(f"parameters{mark}", f"{lead}Parameters", notes, drawn, grid=True),
        Section(f"trials{mark}", f"{lead}Trials", tables=trials),
    ]


_COURSE = (
    "History: a dot is a complete trial, a ring one that was pruned, at its last report (at the "
    "end of the axis where that is worse), a stroke at the foot one without a report; the line is "
    "the best so far.",
    "A report is the mean over what a trial has finished and has under way; a line that ends early "
    "was pruned.",
)
_FRONT = (
    "History: a dot is a complete trial, a stroke at the foot one that was given up; the line is "
    "the best so far.",
    "Front: the large dots are trials that none beats in both value and cost.",
)
_SLICES = (
    "The large dot is the best trial. A stroke at the foot is a trial without a value, a stroke in "
    "a strip the median of its trials, and the number beside a choice says how many have it.",
)
_ALL = (
    "Through all parameters: a line a trial, strong for the best tenth; it passes on the left "
    "where a parameter was not there.",
)


def _best(search: Search, study: Study) -> str:
    named = f"trial {study.best.number} is the best"
    return f"{search.metric} {study.value:.4f} on dev: {named} of {len(study.trials)}."


def _cut(study: Study, span: Limits) -> list[str]:
    """What the figures leave out."""
    values = [trial.value for trial in study.trials if trial.value is not None]
    far = sum(not span[0] <= value <= span[1] for value in values)
    lines = [f"{far} far worse values are drawn at the end of their axis."] if far else []
    if len(study.trials) > MOST:
        lines.append(f"{MOST} of {len(study.trials)} trials are drawn, the best among them.")
    return lines


def _course(search: Search, study: Study, span: Limits) -> list[str]:
    metric, cost = search.metric, search.told["cost"]
    drawn = figures.history(f"History of {metric}", study, span)
    figures_shown = [captioned(drawn, "History")]
    lines = [trial.reports for trial in study.drawn(MOST_LINES) if len(trial.reports) > 1]
    if lines:
        above = study.best.reports or mean_line(lines)
        what = "the best trial" if study.best.reports else "their mean"
        drawn = curves(f"{metric} as it was reported", lines, above, "report")
        figures_shown.append(captioned(drawn, f"Reports while training; bold: {what}"))
    if study.front:
        drawn = figures.front(f"{metric} and {cost}", study, span, cost)
        figures_shown.append(captioned(drawn, f"Front of {metric} and {cost}"))
    return figures_shown


def _weighed(search: Search) -> str:
    if all(parameter.when is None for parameter in search.space.parameters):
        return "Importance"
    return "Importance; of what one branch alone has, among its trials"


def _parameters(search: Search, study: Study, span: Limits) -> list[str]:
    parameters, weights = [], study.told["importances"]
    if weights:
        rows = sorted(weights.items(), key=lambda row: -row[1])
        drawn = figures.shares("Importance of each parameter", rows)
        parameters.append(captioned(drawn, _weighed(search)))
    known = search.space.parameters
    for one in known:
        drawn = slices.against(one, search.metric, study, span)
        parameters.append(captioned(drawn, one.name))
    if len(known) > 1:
        drawn = slices.parallel("Trials over all parameters", search, study, span)
        parameters.append(captioned(drawn, "Through all parameters"))
    return parameters
