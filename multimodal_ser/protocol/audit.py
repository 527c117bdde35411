"""The leak gate: what a model could know of the test utterances, found before any training.

It also collects what is no reason to stop, but what a reader should know: nearly identical texts,
identical sound, and the scores of lookups without any model (`probes`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from multimodal_ser.corpus.clusters import clusters
from multimodal_ser.evaluation.statistics import mean_interval
from multimodal_ser.protocol import leaks, near_duplicates
from multimodal_ser.protocol.probes import NOTHING, gain, guessed, probes, siblings, tie_range
from multimodal_ser.types import Fold, LeakError

if TYPE_CHECKING:
    from multimodal_ser.corpus.targets import Target
    from multimodal_ser.protocol.near_duplicates import Alike

_EXAMPLES = 5
_ADVICE = {
    "speaker": "use a disjoint protocol (kfold, holdout, disjoint)",
    "group": "use a disjoint protocol, which keeps groups whole",
    "audio": "remove the copies, or give them one group",
    "overlap": "give the segments of one file one group",
    "transcript": "give utterances of one text one group",
}


@dataclass(frozen=True)
class Leak:
    """One kind of leak: how many values stand in two parts, and the first of them."""

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
    """The findings of the gate: leaks that count, remarks that do not, scores of the probes.

    siblings: class → test items that have another item of their group in train, and all test items
    of the class. ties: the lowest and the highest macro-F1 of the lookup over all ways to break
    ties. Both are empty where no group stands in two parts.
    """

    leaks: tuple[Leak, ...]
    remarks: tuple[str, ...]
    probes: dict[str, dict[str, float]]
    allowed: tuple[str, ...]
    siblings: dict[str, tuple[int, int]]
    ties: tuple[float, float] | None

    @property
    def stamps(self) -> list[str]:
        """The leaks that the config allowed; every table shows them."""
        return [leak.kind for leak in self.leaks if leak.kind in self.allowed]

    def refuse(self) -> None:
        """LeakError unless every leak that was found is allowed by name."""
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
        return {
            "leaks": leaks,
            "remarks": list(self.remarks),
            "probes": self.probes,
            "siblings": {name: list(pair) for name, pair in self.siblings.items()},
            "ties": None if self.ties is None else list(self.ties),
        }


def audit(
    table: pd.DataFrame,
    folds: Sequence[Fold],
    target: Target,
    *,
    allow: Sequence[str] = (),
    audio: Sequence[str] | None = None,
    reads_text: bool = False,
    alike: Callable[[], Alike] | None = None,
) -> Audit:
    """Look for every kind of leak in the inputs of the models and in what gives `target` away.

    audio: the content hash of the segment of each row (`""` without audio), when an encoder reads
    audio. reads_text: whether an encoder reads the transcripts. alike: the result of
    `near_duplicates.begin`, if the comparison was started before.
    """
    alike = alike or near_duplicates.begin(table["text"])
    group = table["group"].where(~_copied(table))
    leaks_so_far = [
        _values("speaker", table["speaker"], table["speaker"], folds),
        _values("group", group, group, folds),
    ]
    remarks = []
    if audio is not None:
        keys = pd.Series(audio, dtype="str").replace("", None)
        leaks_so_far += [_values("audio", keys, table["id"], folds), _overlaps(table, folds)]
        remarks += _one_sound(table, keys)
    straddles = any(leaks_so_far[:2])
    scores = probes(table, folds, target)
    shared = siblings(table, folds, target) if straddles else {}
    ties = tie_range(table, folds, target) if straddles else None
    compared = alike()
    transcript, remark = _transcripts(table, compared.codes, folds, target, reads_text)
    return Audit(
        leaks=tuple(leak for leak in [*leaks_so_far, transcript] if leak),
        remarks=(*remarks, *remark, *_nearly_identical(table, compared, folds)),
        probes=scores,
        allowed=tuple(allow),
        siblings=shared,
        ties=ties,
    )


def _copied(table: pd.DataFrame) -> pd.Series:
    """`[N]` bool: the group only repeats the speaker."""
    copied = (table["group"] == table["speaker"]).groupby(table["group"]).transform("all")
    return copied.fillna(False).astype(bool)


def _values(kind: str, values: pd.Series, shown: pd.Series, folds: Sequence[Fold]) -> Leak | None:
    """The leak of values that stand in two parts; `shown` gives the names of their rows."""
    codes = pd.factorize(values)[0]
    rows, where = leaks.straddling(codes, folds)
    return _leak(kind, codes, rows, where, shown[rows]) if where else None


def _leak(kind: str, codes: np.ndarray, rows: np.ndarray, where: str, shown: pd.Series) -> Leak:
    examples = tuple(map(str, shown.unique()[:_EXAMPLES]))
    return Leak(kind, len(np.unique(codes[rows])), where, examples)


def _overlaps(table: pd.DataFrame, folds: Sequence[Fold]) -> Leak | None:
    pairs, where = leaks.overlapping(table, folds)
    ids = table["id"].to_numpy()
    shown = tuple(f"{ids[first]} and {ids[second]}" for first, second in pairs[:_EXAMPLES])
    return Leak("overlap", len(pairs), where, shown) if where else None


def _transcripts(
    table: pd.DataFrame,
    codes: np.ndarray,
    folds: Sequence[Fold],
    target: Target,
    reads_text: bool,
) -> tuple[Leak | None, list[str]]:
    """Equal texts in two parts leak when a lookup by text beats the majority (or the mean)."""
    rows, where = leaks.straddling(codes, folds)
    if not where:
        return None, []
    leak = _leak("transcript", codes, rows, where, near_duplicates.normalized(table["text"][rows]))
    truth, guesses, asked = guessed(folds, target, codes)
    plain = guessed(folds, target, NOTHING)[1]
    better = gain(truth, guesses, plain, target)
    scored = ~np.isnan(better)
    low, high = mean_interval(better[scored], clusters(table)[asked][scored])
    what = "accuracy" if target.classes else "in squared error"
    mean = better[scored].mean()
    note = f"; a lookup by text gains {mean:+.3f} {what} ({low:+.3f} to {high:+.3f})"
    if reads_text and low > 0:
        return replace(leak, note=note), []
    why = f"they carry no {target.name}" if reads_text else "no encoder reads text"
    return None, [f"identical texts in {where}: {leak.count}, but {why}{note}"]


def _nearly_identical(table: pd.DataFrame, alike: Alike, folds: Sequence[Fold]) -> list[str]:
    """Pairs of nearly the same text of which one is in train and the other in dev or test."""
    pairs = alike.pairs[leaks.nearly_identical(alike.codes, alike.pairs, folds)]
    if not len(pairs):
        return []
    ids, text = table["id"].to_numpy(), table["text"].to_numpy()
    shown = [
        f"{ids[first]} “{_short(text[first])}” and {ids[second]} “{_short(text[second])}”"
        for first, second in pairs[:_EXAMPLES]
    ]
    count = "1 pair" if len(pairs) == 1 else f"{len(pairs)} pairs"
    more = "; …" if len(pairs) > _EXAMPLES else ""
    return [f"nearly identical texts in different parts: {count} ({'; '.join(shown)}{more})"]


def _one_sound(table: pd.DataFrame, keys: pd.Series) -> list[str]:
    """Different utterances whose samples are equal, in whatever part."""
    sets = [" = ".join(ids) for ids in leaks.identical_sounds(table, keys)]
    if not sets:
        return []
    more = ", …" if len(sets) > _EXAMPLES else ""
    count = "one set" if len(sets) == 1 else f"{len(sets)} sets"
    return [f"utterances of identical sound: {count} ({', '.join(sets[:_EXAMPLES])}{more})"]


def _short(text: str, letters: int = 60) -> str:
    return text if len(text) <= letters else text[: letters - 1] + "…"
