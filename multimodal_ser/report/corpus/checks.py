"""The chapters on what a score can mean: the split, its probes, and how far raters agree."""

from __future__ import annotations

import numpy as np

from multimodal_ser.corpus import targets
from multimodal_ser.corpus.targets import Target
from multimodal_ser.protocol.probes import probes
from multimodal_ser.report.cells import Cell, Section, Table, number
from multimodal_ser.report.corpus import figures, measures
from multimodal_ser.report.corpus.measures import Ceiling
from multimodal_ser.report.corpus.view import View
from multimodal_ser.report.figures import captioned

_VOTES = "votes:"
_NUMBERS = ("arousal", "dominance", "valence")
_FOLDS = 6  # a table of more folds than these is folded away


def split(view: View) -> Section:
    """The parts of every fold, and the scores of the probes on test."""
    protocol = _protocol(view)
    if not view.folds:
        lines = [f"The protocol {protocol} cannot cut this corpus: {view.refused}"]
        return Section("split", "Split and probes", lines)
    lines = [f"Protocol {protocol}, split {view.split_hash}."]
    test_rows = np.concatenate([rows for fold in view.folds for rows in fold.tests.values()])
    with_truth = [target for target in _targets(view) if target.known[test_rows].any()]
    lines.append(_PROBES if with_truth else "No test utterance has a label to look up.")
    tables = [_parts(view), *(_probes(view, target) for target in with_truth)]
    return Section("split", "Split and probes", lines, tables=tables)


def _targets(view: View) -> list[Target]:
    """The label, and those dimensions of emotion that the corpus has."""
    of_labels = (
        [targets.of_classes("label", view.table["label"], view.classes)] if view.classes else []
    )
    numbers = [name for name in _NUMBERS if name in view.columns.numbers]
    return [*of_labels, *(targets.of_numbers(name, view.table[name]) for name in numbers)]


_PROBES = (
    "Probes use no model, only a lookup: the commonest training label (or the mean), and that of "
    "the utterances of the same group."
)


def _protocol(view: View) -> str:
    options = ", ".join(f"{key}: {value}" for key, value in view.protocol.options.items())
    return f"{view.protocol.name} ({options})" if options else view.protocol.name


def _parts(view: View) -> Table:
    names = list(dict.fromkeys(name for fold in view.folds for name in fold.parts))
    rows = [
        [
            Cell(f"{fold.number}"),
            *(number(len(fold.parts[name]) if name in fold.parts else None, "g") for name in names),
        ]
        for fold in view.folds
    ]
    caption = f"Utterances of each part, {len(rows)} {'fold' if len(rows) == 1 else 'folds'}"
    return Table(caption, ["fold", *names], rows, folded=len(rows) > _FOLDS)


def _probes(view: View, target: Target) -> Table:
    scores_of_probes = probes(view.table, view.folds, target)
    names = list(next(iter(scores_of_probes.values())))
    rows = [
        [Cell(name), *(number(scores[key]) for key in names)]
        for name, scores in scores_of_probes.items()
    ]
    caption = f"Probes of {target.name} on test"
    return Table(caption, ["probe", *names], rows)


def raters(view: View) -> Section:
    """How far raters agree. This limits what a score against their majority can mean."""
    names = [str(name) for name in view.table.columns if str(name).startswith(_VOTES)]
    title = "How far people agree"
    if not names:
        return Section("raters", title)
    votes = view.table[names].fillna(0).to_numpy(float)
    if (votes != np.round(votes)).any():
        return Section(
            "raters", title, ["Some votes are no whole numbers: raters are not counted."]
        )
    ceiling = measures.ceiling(votes.astype(np.int64))
    if ceiling is None:
        return Section("raters", title, ["No utterance has two votes."])
    labels = [name.removeprefix(_VOTES) for name in names]
    votes_of_class = {name: int(count) for name, count in zip(labels, votes.sum(0), strict=True)}
    by_number = {str(key): count for key, count in ceiling.raters.items()}
    panels = [
        captioned(figures.counts("utterances by votes", by_number), "votes of an utterance"),
        captioned(figures.counts("votes by class", votes_of_class), "votes for a class"),
    ]
    return Section("raters", title, _HOW, panels, [_ceiling(ceiling)])


_HOW = (
    "Agreement: the share of an utterance's votes that its majority has. Fleiss' kappa: the share "
    "of pairs of raters that agree, beyond chance.",
    "A left-out rater: every vote is judged by the majority of the other votes on its utterance "
    "(a tie counts as equal parts): what one person scores against the rest.",
)


def _ceiling(ceiling: Ceiling) -> Table:
    rows = [
        [Cell("agreement with the majority"), number(ceiling.agreement)],
        [Cell("Fleiss' kappa"), number(ceiling.kappa)],
        [Cell("left-out rater: accuracy"), number(ceiling.accuracy)],
        [Cell("left-out rater: macro F1"), number(ceiling.macro_f1)],
        [Cell("utterances with a tie"), number(ceiling.ties / ceiling.rated, ".1%")],
    ]
    caption = f"Raters, over {ceiling.rated} utterances with two votes or more"
    return Table(caption, ["measure", "value"], rows)
