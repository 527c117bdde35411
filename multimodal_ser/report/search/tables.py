"""The tables of a search. All numbers come from its files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from multimodal_ser.config.search_space import Parameter
from multimodal_ser.report.cells import (
    NONE,
    Cell,
    Cells,
    Table,
    number,
    probability,
    ranged,
)
from multimodal_ser.report.search import space as spaces
from multimodal_ser.report.search.reading import Search, Study, Trial
from multimodal_ser.report.search.space import shown

SHOWN = 20


def stands(search: Search) -> list[Table]:
    """The value on dev, what is left of it on test, and the claim; empty while test is sealed."""
    final = search.final
    if final is None:
        return []
    return [_optimism(search, final), _claim(final), *_clusters(final)]


def _optimism(search: Search, final: Mapping[str, Any]) -> Table:
    optimism, folds = final["optimism"], len(search.studies)
    mean_text = f" (mean over {folds} folds)" if folds > 1 else ""
    rows = [
        [
            Cell(f"the best of all trials, on dev{mean_text}"),
            number(optimism["searched"]),
            Cell(NONE),
        ],
        [Cell("on dev with fresh seeds"), number(optimism["fresh"]), _change(optimism, "fresh")],
        [
            Cell("on test with fresh seeds"),
            ranged(final["tested"]),
            _change(optimism, "test"),
        ],
    ]
    caption = f"{search.metric} of the best config: how much the search was too hopeful"
    return Table(caption, ["where", search.metric, "against searched"], rows)


def _change(optimism: Mapping[str, Any], key: str) -> Cell:
    if optimism[key] is None:
        return Cell(NONE)
    change = optimism[key] - optimism["searched"]
    return Cell(f"{change:+.3f}", value=change)


def _claim(final: Mapping[str, Any]) -> Table:
    contrast = final["contrast"]
    row = [
        Cell("best against default"),
        Cell(f"{contrast['gap']:+.3f}", value=contrast["gap"]),
        number(contrast["low"]),
        number(contrast["high"]),
        probability(contrast["p"], bool(contrast["by_cluster"])),
        probability(contrast["mcnemar"]),
        number(contrast["clusters"], "g"),
    ]
    header = ["test", "gap", "95 % low", "95 % high", "p", "McNemar p", "clusters"]
    return Table(
        f"Gap in {contrast['metric']} on test, turned so that more is better", header, [row]
    )


def _clusters(final: Mapping[str, Any]) -> list[Table]:
    gaps = final["contrast"]["by_cluster"] or {}
    rows = [[Cell(name), Cell(f"{gap:+.3f}", value=gap)] for name, gap in gaps.items()]
    caption = f"Few clusters: the gap in {final['contrast']['metric']} in each of them"
    return [Table(caption, ["cluster", "gap"], rows)] if rows else []


def chosen(search: Search) -> Table:
    """The winner's value of each parameter, beside what was searched; a column for each fold."""
    has_folds = len(search.studies) > 1
    first_study = search.studies[0]
    defaults = spaces.chosen(search.space, flat(first_study.default))
    header = ["parameter", "searched", *(["default"] if first_study.default else [])]
    header += [f"fold {study.fold}" for study in search.studies] if has_folds else _ALONE
    rows = [
        [
            Cell(
                parameter.name,
                f"where {parameter.when[0]} is {shown(parameter.when[1])}"
                if parameter.when
                else "",
            ),
            Cell(str(parameter.domain)),
            *([_value(defaults, parameter)] if first_study.default else []),
            *(
                cell
                for study in search.studies
                for cell in _winner(search, study, parameter, has_folds)
            ),
        ]
        for parameter in search.space.parameters
    ]
    chosen_by = "each fold chose, with its importance below" if has_folds else "was chosen"
    return Table(f"What was searched, and what {chosen_by}", header, rows)


_ALONE = ("chosen", "importance")


def _winner(search: Search, study: Study, parameter: Parameter, has_folds: bool) -> Cells:
    """The chosen value and its importance: in two cells, with several folds in one."""
    cell = _value(spaces.chosen(search.space, study.told["best"]["values"]), parameter)
    share = number(study.told["importances"].get(parameter.name))
    if not has_folds:
        return [cell, share]
    return [cell if share.value is None else replace(cell, under=share.text)]


def fixed(search: Search) -> list[Table]:
    """The other values, which the branches chosen by the winners set."""
    searched = {parameter.key for parameter in search.space.parameters}
    rows = [
        [Cell(key), Cell(shown(value)), Cell(str(study.fold))]
        for study in search.studies
        for key, value in study.told["best"]["values"].items()
        if key not in searched
    ]
    caption = "Set by the chosen branch"
    return [Table(caption, ["key", "value", "fold"], rows)] if rows else []


def best(search: Search, study: Study) -> Table:
    """The best trials by value. The front has a table of its own."""
    ranked = study.ranked[:SHOWN]
    caption = f"The best {len(ranked)} of {len(study.ranked)} complete trials"
    return _trials(search, caption, ranked)


def front(search: Search, study: Study) -> list[Table]:
    """The trials that no other beats in both value and cost."""
    caption = f"No trial beats these in both {search.metric} and {search.told['cost']}"
    return [_trials(search, caption, study.front)] if study.front else []


def given_up(search: Search, study: Study) -> list[Table]:
    """The trials that could not be scored, with the reason."""
    trials = study.given_up
    if not trials:
        return []
    heads = spaces.heads(search.space)
    rows = [[_name(trial), Cell(trial.reason), *_values(search, trial)] for trial in trials[:SHOWN]]
    how_many = f"the first {SHOWN} of {len(trials)}" if len(trials) > SHOWN else str(len(trials))
    header = ["trial", "reason", *heads.values()]
    return [Table(f"Trials that were given up: {how_many}", header, rows)]


def _trials(search: Search, caption: str, trials: Sequence[Trial]) -> Table:
    cost = search.told["cost"]
    header = ["trial", search.metric, *([cost] if cost else []), "seconds"]
    header = header[:-1] if cost == "seconds" else header
    rows = []
    for trial in trials:
        cells = [_name(trial), number(trial.value, ".4f")]
        if cost:
            cells.append(number(trial.cost, ",.0f" if cost == "parameters" else ".1f"))
        if cost != "seconds":
            cells.append(number(trial.seconds, ".1f"))
        rows.append([*cells, *_values(search, trial)])
    return Table(caption, [*header, *spaces.heads(search.space).values()], rows)


def _name(trial: Trial) -> Cell:
    return Cell(str(trial.number), value=trial.number)


def _values(search: Search, trial: Trial) -> Cells:
    return [_value(trial.values, parameter) for parameter in search.space.parameters]


def _value(values: Mapping[str, Any], parameter: Parameter) -> Cell:
    """The value of a parameter; – if the trial did not have it."""
    if parameter.name not in values:
        return Cell(NONE)
    value = values[parameter.name]
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return Cell(shown(value), value=float(value) if is_number else None)


def flat(config: Mapping[str, Any], above: str = "") -> dict[str, Any]:
    """Dotted key → value, of all sections and of all values in them."""
    leaves: dict[str, Any] = {}
    for key, value in config.items():
        leaves[f"{above}{key}"] = value
        if isinstance(value, Mapping):
            leaves |= flat(value, f"{above}{key}.")
    return leaves
