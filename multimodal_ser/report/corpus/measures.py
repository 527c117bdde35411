"""What a corpus looks like, in numbers: its columns, its sound, its words, its raters.

Every number of the page that `mser describe` writes is computed here; nothing here draws.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from pandas.api.types import is_bool_dtype, is_numeric_dtype

from multimodal_ser.corpus.validation import TEXT_COLUMNS
from multimodal_ser.evaluation import metrics
from multimodal_ser.protocol.near_duplicates import normalized

FEW = 30  # distinct values that can still be told apart in a picture
MISSING = "– missing"
PRIOR = 500.0  # words that every class is given before its own are counted
_BINS = 40
_NOT_VALUES = {"id", "audio", "text", "start", "end"}
_WORD = re.compile(r"\w+(?:['’-]\w+)*")


@dataclass(frozen=True)
class Columns:
    """The columns of a table by what can be shown of them; an empty column is in none.

    constant: the one value, in every row. few: value → utterances, in natural order. numbers: the
    finite values. many: how many distinct values.
    """

    constant: dict[str, str]
    few: dict[str, pd.Series]
    numbers: dict[str, np.ndarray]
    many: dict[str, int]


@dataclass(frozen=True)
class Histogram:
    """counts `[B]` between edges `[B + 1]`; `beyond`: values too far out to be drawn."""

    edges: np.ndarray
    counts: np.ndarray
    beyond: int


@dataclass(frozen=True)
class Summary:
    """Of some numbers; a single one has no sd."""

    count: int
    mean: float
    sd: float | None
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Ceiling:
    """How far people agree. raters: votes of an utterance → how many utterances have so many.

    The other numbers are of the `rated` utterances, those with two votes or more; `ties` of them
    have no single majority.
    """

    raters: dict[int, int]
    rated: int
    ties: int
    agreement: float
    kappa: float | None
    accuracy: float
    macro_f1: float


def columns(table: pd.DataFrame) -> Columns:
    """Sort the columns by kind; a user's column of words that all are numbers counts as numbers."""
    sorted_columns = Columns({}, {}, {}, {})
    for name in map(str, table.columns):
        if name in _NOT_VALUES or table[name].isna().all():
            continue
        counts, numbers = counted(table[name]), _numbers(table[name])
        if len(counts) == 1:
            sorted_columns.constant[name] = str(counts.index[0])
        elif numbers is not None:
            sorted_columns.numbers[name] = numbers
        elif len(counts) <= FEW:
            sorted_columns.few[name] = counts
        else:
            sorted_columns.many[name] = int(table[name].map(str, na_action="ignore").nunique())
    return sorted_columns


def counted(values: pd.Series, order: Sequence[str] | None = None) -> pd.Series:
    """Value → utterances; in natural order, or that of `order` (zeros kept); missing ones last."""
    counts = values.map(str, na_action="ignore").value_counts()
    names = sorted(counts.index, key=natural) if order is None else list(order)
    wanted = [*names, *(name for name in counts.index if name not in names)]
    counts = counts.reindex(wanted, fill_value=0)
    missing = int(values.isna().sum())
    return pd.concat([counts, pd.Series({MISSING: missing})]) if missing else counts


def crossed(rows: pd.Series, across: pd.Series) -> pd.DataFrame:
    """Utterances of each value of `rows` with each value of `across`, both in natural order."""
    named = [
        column.map(str, na_action="ignore").fillna(MISSING).to_numpy() for column in (rows, across)
    ]
    counts = pd.crosstab(named[0], named[1])
    ordered = (sorted(axis, key=natural) for axis in (counts.index, counts.columns))
    return counts.reindex(index=next(ordered), columns=next(ordered))


def alike(first: pd.Series, other: pd.Series) -> bool:
    """Two columns divide the rows in the same way, whatever they call the pieces."""
    codes = [pd.factorize(column)[0] for column in (first, other)]
    pairs = len(np.unique(np.stack(codes), axis=1).T)
    return pairs == len(np.unique(codes[0])) == len(np.unique(codes[1]))


def natural(name: str) -> tuple[int, list[tuple[float, str]]]:
    """A key that sorts fold2 before fold10, train before dev, and what is missing last."""
    rank = {"train": 0, "dev": 1, MISSING: 3}.get(name, 2)
    pieces = enumerate(re.split(r"(\d{1,15})", name))  # every other piece is a number
    return rank, [(float(piece) if place % 2 else 0.0, piece) for place, piece in pieces]


def summary(values: np.ndarray) -> Summary:
    """Of one finite number or more."""
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    low, median, high = (float(quantile) for quantile in np.quantile(values, [0, 0.5, 1]))
    return Summary(len(values), float(values.mean()), sd, low, median, high)


def histogram(values: np.ndarray, within: np.ndarray | None = None) -> Histogram:
    """Of finite numbers, on the axis that suits `within` (by default themselves).

    Bins are centred on round numbers, so that values given to one decimal, or whole ones, never
    lie on an edge. A few values far from the rest would squash it, and are counted instead.
    """
    edges = _edges(values if within is None else within)
    counts = np.histogram(values, edges)[0]
    return Histogram(edges, counts, len(values) - int(counts.sum()))


def _edges(values: np.ndarray) -> np.ndarray:
    low, near, far, high = np.quantile(values, [0, 0.01, 0.99, 1])
    low, high = max(low, 2 * near - far), min(high, 2 * far - near)
    rough = max((high - low) / _BINS, 1e-9 * max(abs(low), abs(high)), 1e-12)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    if (values == np.round(values)).all():
        step = max(step, 1.0)
    first, last = math.floor(low / step + 0.5), math.floor(high / step + 0.5)
    return (np.arange(first, last + 2) - 0.5) * step


def _numbers(column: pd.Series) -> np.ndarray | None:
    """`[M]` finite values; None for a column of words.

    Codes (1, 2, 3 as text) and the columns that we define as text stay words.
    """
    filled = column.dropna()
    if is_bool_dtype(filled):
        return None
    if not is_numeric_dtype(filled):
        words = filled.map(str)
        if str(column.name) in TEXT_COLUMNS or words.nunique() <= FEW:
            return None
        filled = pd.to_numeric(words, errors="coerce")
        if filled.isna().any():
            return None
    values = filled.to_numpy(dtype=np.float64)
    values = values[np.isfinite(values)]
    return values if len(values) else None


def spread_of(values: np.ndarray) -> tuple[float, float, float]:
    """Median, 5 % and 95 %."""
    median, low, high = np.quantile(values, [0.5, 0.05, 0.95])
    return float(median), float(low), float(high)


def words(text: str) -> list[str]:
    """Runs of letters and digits in lower case; an apostrophe or hyphen inside one joins."""
    return _WORD.findall(text.casefold())


def telling(counts: Mapping[str, Counter[str]], top: int = 10) -> dict[str, list[tuple[str, int]]]:
    """Class → its most telling words with how often they occur in it.

    The log-odds of a word in the class against all other classes, over its standard deviation,
    with a Dirichlet prior of `PRIOR` words that are distributed as in all classes together (Monroe,
    Colaresi & Quinn 2008). The prior keeps words that occur once or twice from the top. A word is
    telling above 1.96, as one in forty is by chance.
    """
    if not any(counts.values()):
        return {name: [] for name in counts}
    vocabulary = sorted(set().union(*counts.values()))
    scores = log_odds(
        np.array([[count[word] for count in counts.values()] for word in vocabulary]), PRIOR
    )
    words_of = {}
    for place, name in enumerate(counts):
        best = np.argsort(-scores[:, place], kind="stable")[:top]
        kept = [row for row in best if scores[row, place] > 1.96]
        words_of[name] = [(vocabulary[row], counts[name][vocabulary[row]]) for row in kept]
    return words_of


def log_odds(counts: np.ndarray, prior: float) -> np.ndarray:
    """`[V, C]` z-scores of word counts `[V, C]`: log-odds in a class against the others.

    With own = count + a and others = rest + a, where a = prior · the word's share of all words:
    (log own / (own words + prior − own) − the same of the others) / √(1 / own + 1 / others).
    """
    sums = counts.sum(1, keepdims=True)
    share = prior * sums / counts.sum()
    own, others = counts + share, sums - counts + share
    own_all, others_all = own.sum(0), others.sum(0)
    odds = np.log(own / np.maximum(own_all - own, 1e-12))
    rest = np.log(others / np.maximum(others_all - others, 1e-12))
    return (odds - rest) / np.sqrt(1 / own + 1 / others)


def contradictions(table: pd.DataFrame) -> Iterator[tuple[str, Counter[str]]]:
    """Texts (as the leak gate compares them) with two labels or more, commonest first."""
    labelled = pd.DataFrame({"text": normalized(table["text"]), "label": table["label"]}).dropna()
    labelled = labelled[labelled["text"] != ""]
    labels = labelled.groupby("text")["label"].agg(["nunique", "size"])
    odd = labels[labels["nunique"] > 1].sort_values("size", ascending=False, kind="stable")
    grouped = labelled[labelled["text"].isin(odd.index)].groupby("text")["label"]
    labels_of = {str(text): Counter(map(str, group)) for text, group in grouped}
    yield from ((text, labels_of[text]) for text in map(str, odd.index))


def ceiling(votes: np.ndarray) -> Ceiling | None:
    """Of votes `[N, C]` of int; None where no utterance has two. agreement: of the majority."""
    totals = votes.sum(1)
    raters = dict(sorted(Counter(totals.tolist()).items()))
    rated = votes[totals >= 2]
    if not len(rated):
        return None
    confusion = left_out(rated)
    top = rated.max(1, keepdims=True)
    return Ceiling(
        raters=raters,
        rated=len(rated),
        ties=int(((rated == top).sum(1) > 1).sum()),
        agreement=float((top[:, 0] / rated.sum(1)).mean()),
        kappa=fleiss_kappa(rated),
        accuracy=float(metrics.accuracy(confusion)),
        macro_f1=float(metrics.macro_f1(confusion)),
    )


def fleiss_kappa(votes: np.ndarray) -> float | None:
    """Agreement beyond chance of votes `[N, C]`, two or more a row, as many as there are.

    P_i = Σ_c n_ic (n_ic − 1) / (n_i (n_i − 1)) is the share of pairs of raters that agree on
    utterance i, P its mean; p_c the share of class c in all votes, and Q = Σ_c p_c² what chance
    gives. κ = (P − Q) / (1 − Q); with one number of raters this is Fleiss 1971. None where all
    votes are for one class.
    """
    totals = votes.sum(1)
    agreed = ((votes * (votes - 1)).sum(1) / (totals * (totals - 1))).mean()
    chance = float(((votes.sum(0) / votes.sum()) ** 2).sum())
    return None if chance >= 1 else float((agreed - chance) / (1 - chance))


def left_out(votes: np.ndarray) -> np.ndarray:
    """`[C, C]` of float: every vote of `[N, C]` judged by the majority of the other votes.

    Rows are what the others say, columns the vote; where the others tie, the vote is split evenly
    over their rows. A vote that is its utterance's only one is judged by nobody.
    """
    classes = votes.shape[1]
    confusion = np.zeros((classes, classes))
    for guess in range(classes):
        rest = votes.astype(float)
        rest[:, guess] -= 1
        used = (votes[:, guess] > 0) & (rest.sum(1) > 0)
        rest, weight = rest[used], votes[used, guess]
        best = rest == rest.max(1, keepdims=True)
        confusion[:, guess] = (best / best.sum(1, keepdims=True) * weight[:, None]).sum(0)
    return confusion
