"""The leak gate: what a model could know of the utterances it is tested on, found before training.

And the probes: what a lookup without any model scores on the same split. A model that does not
beat them has learned nothing that the split did not give away.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from multimodal_ser import metrics
from multimodal_ser.clusters import clusters
from multimodal_ser.statistics import mean_interval
from multimodal_ser.types import Fold, LeakError

_EXAMPLES = 5
_ROLES = ("train", "dev", "test")
_ADVICE = {
    "speaker": "use a disjoint protocol (kfold, holdout, disjoint)",
    "group": "use a disjoint protocol, which keeps groups whole",
    "audio": "remove the copies, or give them one group",
    "overlap": "give the segments of one file one group",
    "transcript": "give utterances of one text one group",
}


@dataclass(frozen=True)
class Leak:
    """One kind of leak: how many values straddle parts, and the first of them."""

    kind: str
    count: int
    where: str
    examples: tuple[str, ...]
    note: str = ""

    def line(self) -> str:
        more = ", …" if self.count > len(self.examples) else ""
        shown = ", ".join(self.examples) + more
        return f"{self.kind}: {self.count} in {self.where} ({shown}){self.note}"


@dataclass(frozen=True)
class Audit:
    """What the gate found: leaks that count, remarks that do not, scores of the probes."""

    leaks: tuple[Leak, ...]
    remarks: tuple[str, ...]
    probes: dict[str, dict[str, float]]
    allowed: tuple[str, ...]

    @property
    def stamps(self) -> list[str]:
        """The leaks that were let through: every table shows them."""
        return [leak.kind for leak in self.leaks if leak.kind in self.allowed]

    def refuse(self) -> None:
        """LeakError unless every kind found was allowed by name."""
        bad = [leak for leak in self.leaks if leak.kind not in self.allowed]
        if bad:
            lines = [f"  {leak.line()}\n    {_ADVICE[leak.kind]}" for leak in bad]
            kinds = ", ".join(sorted({leak.kind for leak in bad}))
            raise LeakError(
                "\n".join(["the split leaks:", *lines])
                + f"\nallow_leak: [{kinds}] accepts it, and every table will say so"
            )

    def plain(self) -> dict[str, Any]:
        leaks = [
            {**vars(leak), "examples": list(leak.examples), "allowed": leak.kind in self.allowed}
            for leak in self.leaks
        ]
        return {"leaks": leaks, "remarks": list(self.remarks), "probes": self.probes}


def audit(
    table: pd.DataFrame,
    folds: Sequence[Fold],
    classes: Sequence[str],
    *,
    allow: Sequence[str] = (),
    audio: Sequence[str] | None = None,
    reads_text: bool = False,
) -> Audit:
    """Look for every kind of leak in what the models will see.

    audio: the content hash of each row's segment (`""` without audio) when an encoder reads
    audio; reads_text: an encoder reads the transcripts.
    """
    copied = (table["group"] == table["speaker"]).groupby(table["group"]).transform("all")
    own_group = table["group"].where(~copied.fillna(False).astype(bool))
    found = [
        _straddling("speaker", table["speaker"], table["speaker"], folds),
        _straddling("group", own_group, own_group, folds),
    ]
    if audio is not None:
        keys = pd.Series(audio, dtype="str").replace("", None)
        found += [_straddling("audio", keys, table["id"], folds), _overlapping(table, folds)]
    transcript, remark = _transcripts(table, folds, classes, reads_text)
    leaks = [leak for leak in [*found, transcript] if leak]
    return Audit(tuple(leaks), tuple(remark), probes(table, folds, classes), tuple(allow))


def probes(
    table: pd.DataFrame, folds: Sequence[Fold], classes: Sequence[str]
) -> dict[str, dict[str, float]]:
    """Scores of the majority class, and of the group's commonest training label, on test."""
    scores = {}
    for name, keys in (("majority", _nothing(table)), ("same group", table["group"])):
        truth, guesses, _ = _guesses(table, folds, classes, keys)
        matrix = metrics.confusion_matrix(truth, guesses, len(classes))
        scores[name] = {
            metric: float(metrics.find(metric)(matrix))
            for metric in ("macro_f1", "uar", "accuracy")
        }
    return scores


def lookup(keys: pd.Series, labels: np.ndarray, train: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """`[asked]` codes: the key's commonest training label (ties: first seen), else the majority."""
    known = pd.DataFrame({"key": keys.to_numpy()[train], "label": labels[train], "row": train})
    known = known[known["label"] >= 0]
    counts = known.groupby(["key", "label"], sort=False)["row"].agg(["size", "min"]).reset_index()
    best = counts.sort_values(["size", "min"], ascending=[False, True]).drop_duplicates("key")
    answers = best.set_index("key")["label"]
    majority = int(np.bincount(known["label"], minlength=1).argmax())
    return keys.iloc[asked].map(answers).fillna(majority).to_numpy(dtype=np.int64)


def normalized(texts: pd.Series) -> pd.Series:
    """Texts as the gate compares them: case, punctuation, blanks and Unicode forms aside."""
    return texts.map(_normalize, na_action="ignore")


def _normalize(text: str) -> str:
    words = re.sub(r"[^\w\s]", " ", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(words.split())


def _straddling(
    kind: str, values: pd.Series, shown: pd.Series, folds: Sequence[Fold]
) -> Leak | None:
    """A value of `values` that is in two of train, dev and test; `shown` names its rows."""
    codes = pd.factorize(values)[0]
    straddles = np.zeros(len(values), dtype=bool)
    where: dict[str, None] = {}
    for fold in folds:
        for (name, rows), (other, others) in combinations(_roles(fold).items(), 2):
            shared = np.intersect1d(codes[rows], codes[others])
            shared = shared[shared >= 0]
            if len(shared):
                where[f"{name}/{other}"] = None
                straddles |= np.isin(codes, shared)
    if not straddles.any():
        return None
    first = shown[straddles].unique()
    count = len(np.unique(codes[straddles]))
    return Leak(kind, count, " and ".join(where), tuple(map(str, first[:_EXAMPLES])))


def _roles(fold: Fold) -> dict[str, np.ndarray]:
    """train, dev and test, where test is all test parts together."""
    tests = np.concatenate(list(fold.tests.values()))
    return {"train": fold.train, "dev": fold.dev, "test": np.unique(tests)}


def _overlapping(table: pd.DataFrame, folds: Sequence[Fold]) -> Leak | None:
    """Different segments of one file and channel that share some time, in different parts."""
    pairs = _overlaps(table)
    where: dict[str, None] = {}
    straddles = np.zeros(len(pairs), dtype=bool)
    for fold in folds:
        role = np.full(len(table), "", dtype=object)
        for name, rows in _roles(fold).items():
            role[rows] = name
        one, other = role[pairs[:, 0]], role[pairs[:, 1]]
        apart = (one != other) & (one != "") & (other != "")
        straddles |= apart
        where |= {
            "/".join(sorted(pair, key=_ROLES.index)): None
            for pair in zip(one[apart], other[apart], strict=True)
        }
    if not straddles.any():
        return None
    ids = table["id"].to_numpy()
    shown = tuple(f"{ids[one]} and {ids[two]}" for one, two in pairs[straddles][:_EXAMPLES])
    return Leak("overlap", int(straddles.sum()), " and ".join(where), shown)


def _overlaps(table: pd.DataFrame) -> np.ndarray:
    """`[P, 2]` row pairs of one file whose segments share time and sound but are not the same."""
    known = table[table["audio"].notna()]
    code = pd.factorize(known["audio"])[0]
    channel = known["channel"].fillna("mix").to_numpy()
    start = known["start"].fillna(0.0).to_numpy()
    end = known["end"].fillna(np.inf).to_numpy()
    order = np.lexsort((end, start, code))
    rows, code, channel = known.index.to_numpy()[order], code[order], channel[order]
    start, end = start[order], end[order]
    pairs = [np.zeros((0, 2), dtype=np.int64)]
    for step in range(1, len(rows)):
        shares = (code[step:] == code[:-step]) & (start[step:] < end[:-step])
        if not shares.any():
            break
        one, other = channel[:-step], channel[step:]
        heard = (one == other) | (one == "mix") | (other == "mix")
        same = (start[step:] == start[:-step]) & (end[step:] == end[:-step]) & (one == other)
        at = np.flatnonzero(shares & heard & ~same)
        pairs.append(np.stack([rows[at], rows[at + step]], axis=1))
    return np.concatenate(pairs)


def _transcripts(
    table: pd.DataFrame, folds: Sequence[Fold], classes: Sequence[str], reads_text: bool
) -> tuple[Leak | None, list[str]]:
    """Identical texts on both sides leak when looking the label up by text beats the majority."""
    texts = normalized(table["text"])
    leak = _straddling("transcript", texts, texts, folds)
    if leak is None:
        return None, []

    truth, guesses, rows = _guesses(table, folds, classes, texts)
    plain = _guesses(table, folds, classes, _nothing(table))[1]
    scored = truth >= 0
    gain = (guesses == truth).astype(float) - (plain == truth)
    cluster = clusters(table)[rows]
    low, high = mean_interval(gain[scored], cluster[scored])
    note = (
        f"; a lookup by text gains {gain[scored].mean():+.3f} accuracy ({low:+.3f} to {high:+.3f})"
    )
    if reads_text and low > 0:
        return Leak("transcript", leak.count, leak.where, leak.examples, note), []
    why = "they carry no label" if reads_text else "no encoder reads text"
    return None, [f"identical texts in {leak.where}: {leak.count}, but {why}{note}"]


def _guesses(
    table: pd.DataFrame, folds: Sequence[Fold], classes: Sequence[str], keys: pd.Series
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """truth, lookup by `keys`, and row of every test utterance of every fold."""
    labels = pd.Categorical(table["label"], list(classes)).codes.astype(np.int64)
    parts = [(fold.train, rows) for fold in folds for rows in fold.tests.values()]
    guesses = [lookup(keys, labels, train, rows) for train, rows in parts]
    rows = np.concatenate([rows for _, rows in parts])
    return labels[rows], np.concatenate(guesses), rows


def _nothing(table: pd.DataFrame) -> pd.Series:
    """A key that is never known, so that the lookup always says the majority."""
    return pd.Series(np.nan, index=table.index, dtype="str")
