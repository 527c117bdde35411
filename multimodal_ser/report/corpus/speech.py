"""The chapters about the sound and the words of a corpus, with clips of a few utterances."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pandas as pd

from multimodal_ser.report.cells import NONE, Cell, Cells, Section, Table, number
from multimodal_ser.report.corpus import figures, measures
from multimodal_ser.report.corpus.figures import histogram_figure
from multimodal_ser.report.corpus.sound import clips
from multimodal_ser.report.corpus.view import View
from multimodal_ser.report.figures import captioned
from multimodal_ser.report.html import render

_EXAMPLES = 8
_DRAWN = (
    "Each is drawn relative to its own loudest sample; the spectrogram has 64 mel bands and is "
    "80 dB deep."
)
_TELLING_HEADER = ("class", "words")
_TELLING = (
    "The most telling words of a class have the greatest log-odds against the other classes, over "
    f"their sd and above 1.96, with a prior of {measures.PRIOR:g} words that are spread as in the "
    "whole corpus (Monroe, Colaresi & Quinn 2008); none are shown where no word is telling."
)
_CARD_COLUMNS = ("id", "label", "speaker", "text")


def utterances(view: View, rows: Sequence[int]) -> Section:
    """A card for each utterance of these rows: sound, text, label and speaker."""
    all_utterances = view.corpus.utterances()
    cards = []
    for row, clip in zip(rows, clips([all_utterances[row] for row in rows]), strict=True):
        words = {key: _word(view.table.at[row, key]) for key in _CARD_COLUMNS}
        figure = figures.sound(f"waveform and spectrogram of {words['id']}", clip) if clip else ""
        cards.append(render("corpus/clip.html.j2", clip=clip, figure=figure, **words))
    lines = [_DRAWN] if view.table["audio"].iloc[list(rows)].notna().any() else []
    return Section("utterances", "Utterances", lines, cards, grid=True)


def _word(value: object) -> str:
    """The value as text; empty if it is missing (NaN is not equal to itself)."""
    return "" if value is None or value != value else str(value)


def durations(view: View) -> Section:
    """The lengths of the utterances, with and without silence at their ends."""
    sounds = view.sounds.dropna()
    if sounds.empty:
        return Section("durations", "Durations")
    raw, trimmed = sounds["seconds"].to_numpy(), sounds["trimmed"].to_numpy()
    both = np.concatenate([raw, trimmed])
    figure = figures.histogram(
        "durations",
        measures.histogram(raw, both),
        "seconds",
        measures.histogram(trimmed, both),
    )
    rates = ", ".join(
        f"{rate} Hz in {count}" for rate, count in Counter(sounds["rate"].astype(int)).items()
    )
    lines = [
        "Silence at both ends is what lies 30 dB and more below the loudest frame of an utterance; "
        f"it makes {1 - trimmed.sum() / raw.sum():.0%} of all sound.",
        f"Sampled at {rates} utterances.",
    ]
    silent = int(sounds["silent"].sum())
    if silent:
        silent_ids = view.table["id"][sounds.index[sounds["silent"] > 0]]
        lines.append(f"Nothing but zeros: {silent} ({', '.join(silent_ids[:_EXAMPLES])}).")
    caption = "Utterances by length; bars: as they are, line: without silent ends"
    return Section(
        "durations", "Durations", lines, [captioned(figure, caption)], [_lengths(view, sounds)]
    )


def _lengths(view: View, sounds: pd.DataFrame) -> Table:
    header = ["class", "utterances", "median", "5 %", "95 %", "total in minutes"]
    rows = [
        _length(name, sounds.loc[sounds.index.isin(own_rows)])
        for name, own_rows in view.places().items()
    ]
    foot = [_length("all", sounds)]
    caption = "Seconds of an utterance, below: without silent ends"
    return Table(caption, header, rows if len(rows) > 1 else [], foot)


def _length(name: str, sounds: pd.DataFrame) -> Cells:
    if sounds.empty:
        return [Cell(name), Cell("0", value=0), *[Cell(NONE)] * 4]
    raw, trimmed = sounds["seconds"].to_numpy(), sounds["trimmed"].to_numpy()
    pairs = zip(measures.spread_of(raw), measures.spread_of(trimmed), strict=True)
    return [
        Cell(name),
        Cell(str(len(raw)), value=len(raw)),
        *(
            Cell(f"{raw_seconds:.2f}", f"{trimmed_seconds:.2f}", raw_seconds)
            for raw_seconds, trimmed_seconds in pairs
        ),
        Cell(f"{raw.sum() / 60:.1f}", f"{trimmed.sum() / 60:.1f}", raw.sum()),
    ]


def words(view: View) -> Section:
    """The numbers of words, and the words that distinguish the classes."""
    texts = view.table["text"]
    spoken_texts = texts.dropna()
    if spoken_texts.empty:
        return Section("words", "Words")
    words_of = {int(row): measures.words(text) for row, text in spoken_texts.items()}  # type: ignore[arg-type]
    lengths = pd.Series({row: len(words) for row, words in words_of.items()})
    contradictory = list(measures.contradictions(view.table))
    lines = [
        f"{spoken_texts.nunique()} distinct texts in {len(spoken_texts)} utterances; "
        f"{texts.isna().sum()} "
        "utterances have none.",
        f"{len(set().union(*map(set, words_of.values())))} distinct words, in lower case.",
    ]
    if view.classes:
        lines.append(_TELLING)
        lines.append(
            f"Texts with several labels, case and punctuation aside: {len(contradictory)}, in "
            f"{sum(labels.total() for _, labels in contradictory)} utterances."
        )
    panels = [histogram_figure("words of an utterance", lengths.to_numpy(float), "words")]
    return Section(
        "words", "Words", lines, panels, _word_tables(view, words_of, lengths, contradictory)
    )


def _word_tables(
    view: View,
    words_of: dict[int, list[str]],
    lengths: pd.Series,
    contradictory: Sequence[tuple[str, Counter[str]]],
) -> list[Table]:
    rows_of = {
        name: [row for row in own_rows if row in words_of]
        for name, own_rows in view.places().items()
    }
    rows = [_words_row(name, lengths.reindex(own_rows)) for name, own_rows in rows_of.items()]
    header = ["class", "utterances", "median", "5 %", "95 %", "total"]
    foot = [_words_row("all", lengths)]
    tables = [Table("Words of an utterance", header, rows if len(rows) > 1 else [], foot)]
    if len(view.classes) > 1:
        bags = {
            name: Counter(word for row in rows_of[name] for word in words_of[row])
            for name in view.classes
        }
        tables += _telling(bags)
    if contradictory:
        text_rows = [
            [
                Cell(text[:200]),
                Cell(", ".join(f"{label} {count}" for label, count in counts.most_common())),
            ]
            for text, counts in contradictory[:_EXAMPLES]
        ]
        caption = "Texts with several labels, the commonest first"
        tables.append(Table(caption, ["text", "labels"], text_rows))
    return tables


def _words_row(name: str, lengths: pd.Series) -> Cells:
    if lengths.empty:
        return [Cell(name), Cell("0", value=0), *[Cell(NONE)] * 4]
    spread = measures.spread_of(lengths.to_numpy(float))
    counts = (number(count, "g") for count in (*spread, int(lengths.sum())))
    return [Cell(name), number(len(lengths), "g"), *counts]


def _telling(bags: dict[str, Counter[str]]) -> list[Table]:
    """The most telling words of each class; no table if no word is telling."""
    telling_words = measures.telling(bags)
    if not any(telling_words.values()):
        return []
    rows = [
        [Cell(name), Cell(", ".join(f"{word} {count}" for word, count in words) or NONE)]
        for name, words in telling_words.items()
    ]
    return [
        Table("The most telling words, and how often the class has them", _TELLING_HEADER, rows)
    ]
