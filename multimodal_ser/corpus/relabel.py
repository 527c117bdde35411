"""Other names for labels: rename, merge, drop, and shipped maps between the usual sets of classes.

Names are looked up without case, accents aside, in Spanish and English. A label that a map does
not know is dropped and counted by name; one that only `rename` meets keeps its name.
"""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from multimodal_ser.types import DataError

if TYPE_CHECKING:
    from multimodal_ser.corpus.corpus import Corpus

_SYNONYMS = {
    "anger": "anger angry ang enfado enfadado enojo enojado ira rabia",
    "disgust": "disgust disgusted dis asco disgusto",
    "fear": "fear fearful fea afraid scared miedo temor",
    "joy": "joy joyful happy happiness hap exc excited alegria alegre felicidad feliz",
    "sadness": "sadness sad tristeza triste",
    "surprise": "surprise surprised sur ps sorpresa sorprendido",
    "neutral": "neutral neu neutro neutra neutralidad calm calma",
    "boredom": "boredom bored aburrimiento aburrido",
    "contempt": "contempt desprecio",
    "anxiety": "anxiety anxious ansiedad ansioso",
    "frustration": "frustration frustrated fru frustracion",
}
_CANONICAL = {word: name for name, words in _SYNONYMS.items() for word in words.split()}
_SIGN = {
    "negative": "anger disgust fear sadness boredom contempt anxiety frustration",
    "neutral": "neutral",
    "positive": "joy",
}
MAPS: dict[str, dict[str, str]] = {
    "ekman6": {name: name for name in ["anger", "disgust", "fear", "joy", "sadness", "surprise"]},
    "ekman6+neutral": {
        name: name for name in ["anger", "disgust", "fear", "joy", "neutral", "sadness", "surprise"]
    },
    "big4": {"anger": "anger", "joy": "happiness", "neutral": "neutral", "sadness": "sadness"},
    "valence_sign": {name: sign for sign, names in _SIGN.items() for name in names.split()},
}


def relabel(
    corpus: Corpus,
    *,
    use: str | None = None,
    rename: Mapping[str, str] | None = None,
    drop: Sequence[str] = (),
) -> Corpus:
    """The corpus with other labels: `drop` first, then `rename` (two to one merges), then a map.

    Rows whose label is dropped are counted by label; rows without a label stay.
    """
    rename = rename or {}
    _refuse_unknown(corpus, [*rename, *drop])
    old = corpus.table["label"]
    new = old.mask(old.isin(drop)).replace(dict(rename))
    if use is not None:
        new = new.map(lambda label: MAPS[use].get(canonical(label)), na_action="ignore")
    gone = old.notna() & new.isna()
    table = corpus.table.assign(label=new.astype("str"))[~gone].reset_index(drop=True)
    if table.empty:
        raise DataError(f"labels: nothing is left of {len(corpus)} rows")
    counts = {f"label {label}": int(n) for label, n in old[gone].value_counts().items()}
    return dataclasses.replace(
        corpus,
        table=table,
        labels=tuple(sorted(table["label"].dropna().unique())),
        dropped={**corpus.dropped, **counts},
    )


def canonical(label: str) -> str:
    """The English noun of a label in any of the usual forms; itself, if it is none of them."""
    plain = unicodedata.normalize("NFKD", label.strip().casefold())
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return _CANONICAL.get(plain, plain)


def _refuse_unknown(corpus: Corpus, named: Sequence[str]) -> None:
    labels = sorted(set(corpus.table["label"].dropna()) | set(corpus.labels))
    unknown = sorted(set(named) - set(labels))
    if unknown:
        raise DataError(f"labels: the corpus has no {unknown} (it has {', '.join(labels)})")
