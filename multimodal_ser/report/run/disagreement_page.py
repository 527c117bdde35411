"""A page of the utterances for which the voice model and the text model disagree, with sound."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from multimodal_ser.evaluation.disagreement import CASES, SIDES, summary
from multimodal_ser.report.cells import NONE, Cell, Cells, Clip, Section, Table, number
from multimodal_ser.report.html import render


def page(
    title: str,
    cases: pd.DataFrame,
    facts: Mapping[str, str],
    clips: Mapping[str, Clip],
    *,
    columns: Sequence[str] = (),
    why: str = "",
) -> str:
    """The HTML page of the cases that `disagreement.cases` returns.

    cases: also has a column `text` and those named in `columns`. clips: id → its sound. why: the
    reason if there is no sound.
    """
    rows = cases[cases["case"] == "disagree"]
    chapters = [
        Section("cases", "How often, and who is right", _CASES, tables=[_cases(cases)]),
        *(
            Section(f"by-{index}", f"By {column}", tables=[_by(cases, column)])
            for index, column in enumerate(columns)
        ),
        Section(
            "utterances",
            "Utterances",
            [f"No sound here: {why}"] if why else [],
            tables=[_utterances(rows, columns, clips)] if len(rows) else [],
        ),
    ]
    return render(
        "report.html.j2",
        title=title,
        warnings=[],
        verdict=verdict(cases),
        facts=facts,
        sections=[chapter for chapter in chapters if chapter.filled],
    )


_CASES = (
    "Sure: the likeliest class has the probability that is named above, or more. Shares are of the "
    "utterances whose truth is known.",
)


def verdict(cases: pd.DataFrame) -> list[str]:
    """How often voice and words disagree, and which of them is right then."""
    count, voice, words, fused, neither = summary(cases).to_numpy()[CASES.index("disagree")]
    if not count:
        return ["Voice and words are never sure of different classes."]
    sentence = f"Voice and words are sure of different classes in {count:.0f} of "
    shares = f"voice {voice:.0%}, words {words:.0%}, neither {neither:.0%}"
    right = f"Right are then: {shares}; fused {fused:.0%}."
    has_truth = cases["truth"][cases["case"] == "disagree"].notna().any()
    return [f"{sentence}{len(cases)} test utterances.", *([right] if has_truth else [])]


def _cases(cases: pd.DataFrame) -> Table:
    header = ["voice and words", "utterances", *(f"{side} right" for side in SIDES), "neither"]
    rows = [
        [Cell(str(case)), number(row["utterances"], ".0f"), *map(_share, row.iloc[1:])]
        for case, row in summary(cases).iterrows()
    ]
    return Table("Voice and words, each alone, and both together", header, rows)


def _by(cases: pd.DataFrame, column: str) -> Table:
    """For each value of a column: how many of its utterances disagree."""
    rows = [
        [Cell(str(value)), number(len(group), "d"), number(count, "d"), number(count / len(group))]
        for value, group in cases.groupby(cases[column].fillna("unknown").to_numpy(), sort=True)
        for count in [int((group["case"] == "disagree").sum())]
    ]
    return Table(f"Disagreement by {column}", [column, "utterances", "disagree", "share"], rows)


def _utterances(rows: pd.DataFrame, columns: Sequence[str], clips: Mapping[str, Clip]) -> Table:
    header = ["id", "truth", *SIDES, *columns, "text", *(["sound"] if clips else [])]
    lines: list[Cells] = []
    for row in rows.to_dict("records"):
        answers = [Cell(row[side], f"{row[f'{side} p']:.2f}") for side in SIDES]
        texts = [Cell(_word(row[name])) for name in ("truth", *columns, "text")]
        sound = [Cell("", audio=clips.get(row["id"], Clip("")).audio)] if clips else []
        lines.append([Cell(str(row["id"])), texts[0], *answers, *texts[1:], *sound])
    return Table("Both sure, of different classes: the surest first", header, lines)


def _word(value: Any) -> str:
    return NONE if pd.isna(value) else str(value)


def _share(value: float) -> Cell:
    return number(None if pd.isna(value) else value)
