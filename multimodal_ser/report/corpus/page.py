"""A corpus as one page: facts, counts, sound, words, raters and probes. No model is needed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.config.experiment import Experiment, Part
from multimodal_ser.corpus.clusters import clusters
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.files import write_atomically
from multimodal_ser.report.corpus import checks, measures, sections, speech
from multimodal_ser.report.corpus.sound import measure
from multimodal_ser.report.corpus.view import View, cut
from multimodal_ser.report.html import render
from multimodal_ser.runs import prepare
from multimodal_ser.types import DataError, listed, nearest

_WITHOUT_LABELS, _MOST = 4, 16


def write(
    experiment: Experiment,
    *,
    output: Path | None = None,
    show: Sequence[str] = (),
    players: int | None = None,
) -> tuple[Path, list[str]]:
    """Write the page of the config's corpus; return its path and its first lines. See `page`."""
    view = look(prepare.load_corpus(experiment), experiment.protocol)
    path = output or experiment.runs_dir / experiment.name / "corpus.html"
    write_atomically(path, page(view, show=show, players=players).encode())
    return path, [*_warnings(view), *_verdict(view)]


def look(corpus: Corpus, protocol: Part) -> View:
    """Split the corpus, and measure the sound of all utterances once."""
    folds, refused = cut(corpus, protocol)
    return View(corpus, protocol, measure(corpus.utterances()), folds, refused)


def page(view: View, *, show: Sequence[str] = (), players: int | None = None) -> str:
    """The HTML page.

    show: the ids of utterances to draw and to play. players: how many more utterances to play. By
    default this is 0 with `show`; without it, it is one of each class, for at most 16 classes.
    """
    chapters = [
        sections.classes(view),
        speech.utterances(view, chosen(view, show, players)),
        speech.durations(view),
        speech.words(view),
        sections.crosses(view),
        sections.columns(view),
        sections.numbers(view),
        checks.raters(view),
        checks.split(view),
        sections.missing(view),
        sections.first_rows(view),
    ]
    return render(
        "report.html.j2",
        title=f"Corpus {view.corpus.about.name}",
        warnings=_warnings(view),
        verdict=_verdict(view),
        facts=_facts(view),
        sections=[chapter for chapter in chapters if chapter.filled],
    )


def chosen(view: View, show: Sequence[str], players: int | None) -> list[int]:
    """The rows to play: those of `show`, then the first of each class, then the second of each, …

    Only utterances with sound are chosen, unless the corpus has no sound at all.
    """
    all_ids = [str(utterance_id) for utterance_id in view.table["id"]]
    ids = pd.Index(all_ids)
    unknown = [utterance_id for utterance_id in show if utterance_id not in ids]
    if unknown:
        suggestions = [
            f"{utterance_id}{nearest(utterance_id, all_ids)}" for utterance_id in unknown
        ]
        raise DataError(listed(suggestions, "ids to show are not in the corpus"))
    shown_rows = [int(row) for row in ids.get_indexer(pd.Index(list(show)))]
    if players is None:
        players = 0 if shown_rows else min(len(view.classes) or _WITHOUT_LABELS, _MOST)
    sound = view.table["audio"].notna()
    pool = view.table[sound] if sound.any() else view.table
    pool = pool.drop(index=shown_rows, errors="ignore")
    class_codes = pd.Categorical(pool["label"], view.corpus.labels).codes
    rounds = pool.groupby(class_codes).cumcount().to_numpy()
    unlabelled = (class_codes < 0) & bool(view.classes)
    ranked = np.lexsort((class_codes, rounds, unlabelled))
    return [*shown_rows, *map(int, pool.index[ranked[:players]])]


def _warnings(view: View) -> list[str]:
    corpus = view.corpus
    warnings = [corpus.about.notice] if corpus.about.notice else []
    warnings += [f"{count} rows dropped: {reason}" for reason, count in corpus.dropped.items()]
    without_label = int(view.table["label"].isna().sum())
    if view.classes and without_label:
        warnings.append(f"{without_label} utterances have no label")
    unused = 0 if view.tested is None else int((view.tested == "in no part").sum())
    if unused:
        warnings.append(f"{unused} utterances are in no part of the split")
    if view.refused:
        warnings.append(f"the protocol {view.protocol.name} cannot cut this corpus: {view.refused}")
    return warnings


def _verdict(view: View) -> list[str]:
    """The corpus in one or two lines."""
    table = view.table
    with_sound, read = int(table["audio"].notna().sum()), int(table["text"].notna().sum())
    hours = (
        f"{view.sounds['seconds'].sum() / 3600:.2f} hours of sound" if with_sound else "no sound"
    )
    speakers = table["speaker"].nunique()
    lines = [
        f"{len(table)} utterances, {speakers or 'unknown'} speakers, "
        f"{len(view.classes) or 'no'} classes, {hours}, {read} transcripts"
    ]
    if view.classes:
        lines.append(_balance(measures.counted(table["label"].dropna(), view.classes)))
    return lines


def _balance(counts: pd.Series) -> str:
    largest, fewest, total = counts.max(), counts.min(), counts.sum()
    if largest == fewest:
        return f"every class has {largest} utterances"
    return (
        f"{counts.idxmax()} is the commonest class ({largest / total:.1%}), {counts.idxmin()} the "
        f"rarest ({fewest / total:.1%})"
    )


def _facts(view: View) -> dict[str, str]:
    about, table = view.corpus.about, view.table
    has_sound = table["audio"].notna().any()
    facts = {
        "licence": about.licence,
        "citation": about.citation,
        "home": about.home,
        "rows": str(len(table)),
        "dropped rows": str(sum(view.corpus.dropped.values())),
        "languages": ", ".join(sorted(table["language"].dropna().unique())) or "unknown",
        "speakers": str(table["speaker"].nunique() or "unknown"),
        "groups": str(table["group"].nunique() or "unknown"),
        "clusters (of speaker and group)": str(len(np.unique(clusters(table)))),
        "hours of sound": f"{view.sounds['seconds'].sum() / 3600:.3f}" if has_sound else "none",
        "protocol": view.protocol.name,
        "split": view.split_hash or "none",
        "table": view.corpus.table_hash()[:12],
    }
    return {name: value for name, value in facts.items() if value}
