"""All numbers of a corpus page: of its columns, its sound, its words and its raters.

`mser describe` writes that page. Nothing is drawn here.
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

FEW = 30  # so many distinct values can still be distinguished in a figure
MISSING = "– missing"
PRIOR = 500.0  # words that every class gets before its own words are counted
_BINS = 40
_NOT_VALUES = {"id", "audio", "text", "start", "end"}
_WORD = re.compile(r"\w+(?:['’-]\w+)*")


@dataclass(frozen=True)
class Columns:
    """The columns of a table, sorted by kind; the keys are their names. Empty columns are left out.

    constant: the value that all rows share. few: value → utterances, in natural order. numbers:
    the finite values. many: how many distinct values.
    """

    constant: dict[str, str]
    few: dict[str, pd.Series]
    numbers: dict[str, np.ndarray]
    many: dict[str, int]


@dataclass(frozen=True)
class Histogram:
    """counts `[B]` between edges `[B + 1]`. beyond: how many values are too far out to be drawn."""

    edges: np.ndarray
    counts: np.ndarray
    beyond: int


@dataclass(frozen=True)
class Summary:
    """A summary of some numbers. A single number has no sd."""

    count: int
    mean: float
    sd: float | None
    low: float
    median: float
    high: float


@dataclass(frozen=True)
class Ceiling:
    """How far raters agree.

    raters: number of votes → how many utterances have so many votes. rated: how many utterances
    have two votes or more; all numbers below are of these. ties: how many of them have no single
    majority.
    """

    raters: dict[int, int]
    rated: int
    ties: int
    agreement: float
    kappa: float | None
    accuracy: float
    macro_f1: float


def columns(table: pd.DataFrame) -> Columns:
    """Sort the columns by kind. A user's text column that holds only numbers counts as numbers."""
    kinds = Columns({}, {}, {}, {})
    for name in map(str, table.columns):
        if name in _NOT_VALUES or table[name].isna().all():
            continue
        counts, numbers = counted(table[name]), _numbers(table[name])
        if len(counts) == 1:
            kinds.constant[name] = str(counts.index[0])
        elif numbers is not None:
            kinds.numbers[name] = numbers
        elif len(counts) <= FEW:
            kinds.few[name] = counts
        else:
            kinds.many[name] = int(table[name].map(str, na_action="ignore").nunique())
    return kinds


def counted(values: pd.Series, order: Sequence[str] | None = None) -> pd.Series:
    """Value → number of utterances, in natural order or in that of `order`; missing values last.

    Values of `order` that do not occur are kept with 0.
    """
    counts = values.map(str, na_action="ignore").value_counts()
    names = sorted(counts.index, key=natural) if order is None else list(order)
    ordered_names = [*names, *(name for name in counts.index if name not in names)]
    counts = counts.reindex(ordered_names, fill_value=0)
    missing = int(values.isna().sum())
    return pd.concat([counts, pd.Series({MISSING: missing})]) if missing else counts


def crossed(rows: pd.Series, columns: pd.Series) -> pd.DataFrame:
    """How many utterances have each pair of values, one of `rows` and one of `columns`.

    Both axes are in natural order.
    """
    both = [
        column.map(str, na_action="ignore").fillna(MISSING).to_numpy() for column in (rows, columns)
    ]
    counts = pd.crosstab(both[0], both[1])
    ordered = (sorted(axis, key=natural) for axis in (counts.index, counts.columns))
    return counts.reindex(index=next(ordered), columns=next(ordered))


def alike(first: pd.Series, second: pd.Series) -> bool:
    """Do both columns divide the rows in the same way, even if their values have other names?"""
    codes = [pd.factorize(column)[0] for column in (first, second)]
    pairs = len(np.unique(np.stack(codes), axis=1).T)
    return pairs == len(np.unique(codes[0])) == len(np.unique(codes[1]))


def natural(name: str) -> tuple[int, list[tuple[float, str]]]:
    """A sort key: fold2 comes before fold10, train before dev, and missing values last."""
    rank = {"train": 0, "dev": 1, MISSING: 3}.get(name, 2)
    pieces = enumerate(re.split(r"(\d{1,15})", name))  # every other piece is a number
    return rank, [(float(piece) if index % 2 else 0.0, piece) for index, piece in pieces]


def summary(values: np.ndarray) -> Summary:
    """The summary of one finite number or more."""
    sd = float(values.std(ddof=1)) if len(values) > 1 else None
    low, median, high = (float(quantile) for quantile in np.quantile(values, [0, 0.5, 1]))
    return Summary(len(values), float(values.mean()), sd, low, median, high)


def histogram(values: np.ndarray, within: np.ndarray | None = None) -> Histogram:
    """The histogram of finite numbers, on the axis that fits `within` (default: the same numbers).

    Bins are centred on round numbers. So whole numbers, and values with one decimal, never lie on
    an edge. A few values far from the rest would make all bars narrow; they are only counted.
    """
    edges = _edges(values if within is None else within)
    counts = np.histogram(values, edges)[0]
    return Histogram(edges, counts, len(values) - int(counts.sum()))


def _edges(values: np.ndarray) -> np.ndarray:
    low, low_tail, high_tail, high = np.quantile(values, [0, 0.01, 0.99, 1])
    low, high = max(low, 2 * low_tail - high_tail), min(high, 2 * high_tail - low_tail)
    least_step = max((high - low) / _BINS, 1e-9 * max(abs(low), abs(high)), 1e-12)
    power = 10.0 ** math.floor(math.log10(least_step))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least_step * 0.999)
    if (values == np.round(values)).all():
        step = max(step, 1.0)
    first, last = math.floor(low / step + 0.5), math.floor(high / step + 0.5)
    return (np.arange(first, last + 2) - 0.5) * step


def _numbers(column: pd.Series) -> np.ndarray | None:
    """The finite values `[M]`; None for a column of words.

    Few distinct codes (1, 2, 3 as text), and columns that are text in our format, stay words.
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
    """The median, and the 5 % and 95 % quantiles."""
    median, low, high = np.quantile(values, [0.5, 0.05, 0.95])
    return float(median), float(low), float(high)


def words(text: str) -> list[str]:
    """The words in lower case: runs of letters and digits, joined by apostrophes and hyphens."""
    return _WORD.findall(text.casefold())


def telling(counts: Mapping[str, Counter[str]], top: int = 10) -> dict[str, list[tuple[str, int]]]:
    """Class → its most telling words, each with its count in the class.

    The score of a word is its log-odds in the class against all other classes, over the standard
    deviation, with a Dirichlet prior of `PRIOR` words that are distributed as in all classes
    together (Monroe, Colaresi & Quinn 2008). Because of the prior, words that occur once or twice
    do not come first. A word is telling above 1.96; by chance this is true of one word in forty.
    """
    if not any(counts.values()):
        return {name: [] for name in counts}
    vocabulary = sorted(set().union(*counts.values()))
    scores = log_odds(
        np.array([[count[word] for count in counts.values()] for word in vocabulary]), PRIOR
    )
    words_of = {}
    for column, name in enumerate(counts):
        ranked = np.argsort(-scores[:, column], kind="stable")[:top]
        kept = [row for row in ranked if scores[row, column] > 1.96]
        words_of[name] = [(vocabulary[row], counts[name][vocabulary[row]]) for row in kept]
    return words_of


def log_odds(counts: np.ndarray, prior: float) -> np.ndarray:
    """z-scores `[V, C]` of word counts `[V, C]`: the log-odds in a class against the others.

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
    """(text, counts of its labels) for texts with two labels or more, the commonest first.

    Texts are normalized as for the leak check.
    """
    labelled = pd.DataFrame({"text": normalized(table["text"]), "label": table["label"]}).dropna()
    labelled = labelled[labelled["text"] != ""]
    spread = labelled.groupby("text")["label"].agg(["nunique", "size"])
    contradictory = spread[spread["nunique"] > 1].sort_values(
        "size", ascending=False, kind="stable"
    )
    grouped = labelled[labelled["text"].isin(contradictory.index)].groupby("text")["label"]
    labels_of = {str(text): Counter(map(str, group)) for text, group in grouped}
    yield from ((text, labels_of[text]) for text in map(str, contradictory.index))


def ceiling(votes: np.ndarray) -> Ceiling | None:
    """How far raters agree, from votes `[N, C]` of int; None if no utterance has two votes.

    agreement: the mean share of the votes that the majority has.
    """
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
    """Agreement beyond chance of votes `[N, C]`; every row has two votes or more.

    P_i = Σ_c n_ic (n_ic − 1) / (n_i (n_i − 1)) is the share of pairs of raters that agree on
    utterance i, and P is its mean. p_c is the share of class c in all votes, and Q = Σ_c p_c² is
    the agreement by chance. κ = (P − Q) / (1 − Q). If all utterances have the same number of
    raters, this is Fleiss 1971. None if all votes are for one class.
    """
    totals = votes.sum(1)
    agreed = ((votes * (votes - 1)).sum(1) / (totals * (totals - 1))).mean()
    chance = float(((votes.sum(0) / votes.sum()) ** 2).sum())
    return None if chance >= 1 else float((agreed - chance) / (1 - chance))


def left_out(votes: np.ndarray) -> np.ndarray:
    """A confusion matrix `[C, C]` of float: each vote of `[N, C]` against the majority of the rest.

    Rows are the majority of the other votes on the utterance, columns the vote itself. If the
    others tie, the vote is split evenly over their rows. A vote without others is left out.
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
