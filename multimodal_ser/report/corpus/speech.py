"""The chapters about the sound and the words of a corpus, and clips of a few utterances."""

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
_TOLD = ("class", "words")
_TELLING = (
    "The most telling words of a class have the greatest log-odds against the other classes, over "
    f"their sd and above 1.96, with a prior of {measures.PRIOR:g} words that are spread as in the "
    "whole corpus (Monroe, Colaresi & Quinn 2008); none are shown where no word is telling."
)
_SAID = ("id", "label", "speaker", "text")


def utterances(view: View, places: Sequence[int]) -> Section:
    """A card an utterance: what it sounds like, what it says, its label and speaker."""
    all_utterances = view.corpus.utterances()
    drawn = []
    for place, clip in zip(places, clips([all_utterances[place] for place in places]), strict=True):
        words = {key: _word(view.table.at[place, key]) for key in _SAID}
        figure = figures.sound(f"waveform and spectrogram of {words['id']}", clip) if clip else ""
        drawn.append(render("corpus/clip.html.j2", clip=clip, figure=figure, **words))
    lines = [_DRAWN] if view.table["audio"].iloc[list(places)].notna().any() else []
    return Section("utterances", "Utterances", lines, drawn, grid=True)


def _word(value: object) -> str:
    """Empty where it is missing, and NaN is not equal to itself."""
    return "" if value is None or value != value else str(value)


def durations(view: View) -> Section:
    """How long the utterances are, with and without silence at their ends."""
    sounds = view.sounds.dropna()
    if sounds.empty:
        return Section("durations", "Durations")
    raw, trimmed = sounds["seconds"].to_numpy(), sounds["trimmed"].to_numpy()
    both = np.concatenate([raw, trimmed])
    drawn = figures.histogram(
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
        named = view.table["id"][sounds.index[sounds["silent"] > 0]]
        lines.append(f"Nothing but zeros: {silent} ({', '.join(named[:_EXAMPLES])}).")
    caption = "Utterances by length; bars: as they are, line: without silent ends"
    return Section(
        "durations", "Durations", lines, [captioned(drawn, caption)], [_lengths(view, sounds)]
    )


def _lengths(view: View, sounds: pd.DataFrame) -> Table:
    header = ["class", "utterances", "median", "5 %", "95 %", "total in minutes"]
    rows = [
        _length(name, sounds.loc[sounds.index.isin(places)])
        for name, places in view.places().items()
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
        *(Cell(f"{mine:.2f}", f"{other:.2f}", mine) for mine, other in pairs),
        Cell(f"{raw.sum() / 60:.1f}", f"{trimmed.sum() / 60:.1f}", raw.sum()),
    ]


def words(view: View) -> Section:
    """How much is said, and which words tell the classes apart."""
    texts = view.table["text"]
    spoken_texts = texts.dropna()
    if spoken_texts.empty:
        return Section("words", "Words")
    spoken = {int(place): measures.words(text) for place, text in spoken_texts.items()}  # type: ignore[arg-type]
    lengths = pd.Series({place: len(one) for place, one in spoken.items()})
    odd = list(measures.contradictions(view.table))
    lines = [
        f"{spoken_texts.nunique()} distinct texts in {len(spoken_texts)} utterances; "
        f"{texts.isna().sum()} "
        "utterances have none.",
        f"{len(set().union(*map(set, spoken.values())))} distinct words, in lower case.",
    ]
    if view.classes:
        lines.append(_TELLING)
        lines.append(
            f"Texts with several labels, case and punctuation aside: {len(odd)}, in "
            f"{sum(one.total() for _, one in odd)} utterances."
        )
    drawn = [histogram_figure("words of an utterance", lengths.to_numpy(float), "words")]
    return Section("words", "Words", lines, drawn, _word_tables(view, spoken, lengths, odd))


def _word_tables(
    view: View,
    spoken: dict[int, list[str]],
    lengths: pd.Series,
    odd: Sequence[tuple[str, Counter[str]]],
) -> list[Table]:
    places = {
        name: [one for one in place if one in spoken] for name, place in view.places().items()
    }
    rows = [_words_row(name, lengths.reindex(place)) for name, place in places.items()]
    header = ["class", "utterances", "median", "5 %", "95 %", "total"]
    foot = [_words_row("all", lengths)]
    tables = [Table("Words of an utterance", header, rows if len(rows) > 1 else [], foot)]
    if len(view.classes) > 1:
        bags = {
            name: Counter(word for place in places[name] for word in spoken[place])
            for name in view.classes
        }
        tables += _telling(bags)
    if odd:
        shown = [
            [Cell(text[:200]), Cell(", ".join(f"{one} {n}" for one, n in counts.most_common()))]
            for text, counts in odd[:_EXAMPLES]
        ]
        caption = "Texts with several labels, the commonest first"
        tables.append(Table(caption, ["text", "labels"], shown))
    return tables


def _words_row(name: str, lengths: pd.Series) -> Cells:
    if lengths.empty:
        return [Cell(name), Cell("0", value=0), *[Cell(NONE)] * 4]
    spread = measures.spread_of(lengths.to_numpy(float))
    counts = (number(count, "g") for count in (*spread, int(lengths.sum())))
    return [Cell(name), number(len(lengths), "g"), *counts]


def _telling(bags: dict[str, Counter[str]]) -> list[Table]:
    """None where no word tells the classes apart."""
    words_of = measures.telling(bags)
    if not any(words_of.values()):
        return []
    rows = [
        [Cell(name), Cell(", ".join(f"{word} {count}" for word, count in some) or NONE)]
        for name, some in words_of.items()
    ]
    return [Table("The most telling words, and how often the class has them", _TOLD, rows)]
