"""The chapters of the page of a search: the result, then each study, then how to repeat it."""

from __future__ import annotations

from typing import Any

import yaml

from multimodal_ser.report.cells import Section
from multimodal_ser.report.figures import MOST_LINES, captioned, curves, mean_line
from multimodal_ser.report.search import figures, findings, slices, tables
from multimodal_ser.report.search.figures import MOST, Limits
from multimodal_ser.report.search.reading import Search, Study


def sections(search: Search) -> list[Section]:
    """All chapters that are not empty; each study has three."""
    chapters = [
        Section("stands", "What stands", findings.opened(search), tables=tables.stands(search)),
        _winner(search),
        *(chapter for study in search.studies for chapter in _block(search, study)),
        Section("how", "How these numbers are made", findings.HOW),
        Section("repeat", "Commands", code={_WHERE: findings.commands(search)}),
    ]
    return [chapter for chapter in chapters if chapter.filled]


_WHERE = "commands, in the folder of runs"
_WEIGHED = "Only a parameter that every trial has can be weighed."
_ALIKE = "No parameter could be weighed."


def _winner(search: Search) -> Section:
    has_folds = len(search.studies) > 1
    code = {}
    for study in search.studies:
        fold = f" of fold {study.fold}" if has_folds else ""
        code[f"chosen values{fold}, to copy into a config"] = copied(search, study)
        code[f"config that runs alone ({study.config[0]})"] = study.config[1]
    has_importances = any(study.told["importances"] for study in search.studies)
    has_branches = any(parameter.when for parameter in search.space.parameters)
    lines = [_ALIKE] if not has_importances else [_WEIGHED] if has_branches else []
    winner_tables = [tables.chosen(search), *tables.fixed(search)]
    return Section("winner", "The winner", lines, tables=winner_tables, code=code)


def copied(search: Search, study: Study) -> str:
    """The winner's values as a part of a config in YAML, in the order of the space, all digits."""
    values = study.told["best"]["values"]
    keys_in_order = [
        parameter.key for parameter in search.space.parameters if parameter.key in values
    ]
    tree: dict[str, Any] = {}
    for key in dict.fromkeys([*keys_in_order, *values]):
        *section_keys, last_key = key.split(".")
        branch = tree
        for section_key in section_keys:
            branch = branch.setdefault(section_key, {})
        branch[last_key] = values[key]
    return yaml.safe_dump(tree, sort_keys=False, allow_unicode=True)


def _block(search: Search, study: Study) -> list[Section]:
    has_folds = len(search.studies) > 1
    key_suffix = f"-{study.fold}" if has_folds else ""
    title_prefix = f"Fold {study.fold}: " if has_folds else ""
    limits = figures.limits(study)
    course_lines = [
        _best(search, study),
        *(_FRONT if study.front else _COURSE),
        *_cut(study, limits),
    ]
    trials = [tables.best(search, study), *tables.front(search, study)]
    trials += tables.given_up(search, study)
    parameter_figures = _parameters(search, study, limits)
    notes = [*_SLICES, *(_ALL if len(search.space.parameters) > 1 else ())]
    return [
        Section(
            f"course{key_suffix}",
            f"{title_prefix}Course",
            course_lines,
            _course(search, study, limits),
            grid=True,
        ),
        Section(
            f"parameters{key_suffix}",
            f"{title_prefix}Parameters",
            notes,
            parameter_figures,
            grid=True,
        ),
        Section(f"trials{key_suffix}", f"{title_prefix}Trials", tables=trials),
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
    best_text = f"trial {study.best.number} is the best"
    return f"{search.metric} {study.value:.4f} on dev: {best_text} of {len(study.trials)}."


def _cut(study: Study, limits: Limits) -> list[str]:
    """Sentences on what the figures leave out."""
    values = [trial.value for trial in study.trials if trial.value is not None]
    beyond = sum(not limits[0] <= value <= limits[1] for value in values)
    lines = [f"{beyond} far worse values are drawn at the end of their axis."] if beyond else []
    if len(study.trials) > MOST:
        lines.append(f"{MOST} of {len(study.trials)} trials are drawn, the best among them.")
    return lines


def _course(search: Search, study: Study, limits: Limits) -> list[str]:
    metric, cost = search.metric, search.told["cost"]
    figure = figures.history(f"History of {metric}", study, limits)
    figures_shown = [captioned(figure, "History")]
    lines = [trial.reports for trial in study.drawn(MOST_LINES) if len(trial.reports) > 1]
    if lines:
        bold_line = study.best.reports or mean_line(lines)
        bold_text = "the best trial" if study.best.reports else "their mean"
        figure = curves(f"{metric} as it was reported", lines, bold_line, "report")
        figures_shown.append(captioned(figure, f"Reports while training; bold: {bold_text}"))
    if study.front:
        figure = figures.front(f"{metric} and {cost}", study, limits, cost)
        figures_shown.append(captioned(figure, f"Front of {metric} and {cost}"))
    return figures_shown


def _weighed(search: Search) -> str:
    if all(parameter.when is None for parameter in search.space.parameters):
        return "Importance"
    return "Importance; of what one branch alone has, among its trials"


def _parameters(search: Search, study: Study, limits: Limits) -> list[str]:
    panels, weights = [], study.told["importances"]
    if weights:
        rows = sorted(weights.items(), key=lambda row: -row[1])
        figure = figures.shares("Importance of each parameter", rows)
        panels.append(captioned(figure, _weighed(search)))
    parameters = search.space.parameters
    for parameter in parameters:
        figure = slices.against(parameter, search.metric, study, limits)
        panels.append(captioned(figure, parameter.name))
    if len(parameters) > 1:
        figure = slices.parallel("Trials over all parameters", search, study, limits)
        panels.append(captioned(figure, "Through all parameters"))
    return panels
