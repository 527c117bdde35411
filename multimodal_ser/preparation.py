"""From a config to a corpus that is cut and checked: all that comes before learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser import cache, components, features, splits
from multimodal_ser import corpus as corpora
from multimodal_ser.audit import Audit, audit
from multimodal_ser.clusters import clusters
from multimodal_ser.config import Experiment
from multimodal_ser.corpus import Corpus
from multimodal_ser.features import Content, Encoded
from multimodal_ser.label_maps import relabel
from multimodal_ser.training import Material
from multimodal_ser.types import DataError, Fold, Input, listed


@dataclass(frozen=True)
class Prepared:
    """A corpus that is cut and checked, before anything is learned from it.

    `split` is the whole cut; the `folds` may train on a fraction of it.
    """

    experiment: Experiment
    corpus: Corpus
    folds: list[Fold]
    split: pd.DataFrame
    classes: list[str]
    contents: Mapping[str, list[Content | None]]
    audit: Audit

    @property
    def missing(self) -> dict[str, int]:
        """Modality → how many utterances have none."""
        counts = {key: some.count(None) for key, some in self.contents.items()}
        return {key: count for key, count in counts.items() if count}

    @property
    def unused(self) -> int:
        """How many utterances are in no part of any fold."""
        used = [rows for fold in self.folds for rows in fold.parts.values()]
        return len(self.corpus) - len(np.unique(np.concatenate(used)))

    @property
    def split_hash(self) -> str:
        return splits.split_hash(self.split)


def prepare(experiment: Experiment) -> Prepared:
    """Load the corpus, cut it, and look for leaks; nothing is refused yet."""
    corpus = load_corpus(experiment)
    classes = classes_of(experiment, corpus)
    folds = splits.make(corpus.table, experiment.protocol.name, experiment.protocol.options)
    split = splits.split_table(corpus.table, folds)
    folds = [splits.thinned(corpus.table, fold, experiment.train_fraction) for fold in folds]
    contents = _contents(experiment, corpus)
    found = audit(
        corpus.table,
        folds,
        classes,
        allow=experiment.allow_leak,
        audio=_keys(contents["audio"]) if "audio" in contents else None,
        reads_text="text" in contents,
    )
    return Prepared(
        experiment=experiment,
        corpus=corpus,
        folds=folds,
        split=split,
        classes=classes,
        contents=contents,
        audit=found,
    )


def _keys(contents: Sequence[Content | None]) -> list[str]:
    return [one.key if one else "" for one in contents]


def load_corpus(experiment: Experiment) -> Corpus:
    """The corpus (or several joined), with a modality shuffled if the config says so."""
    parts = [components.build("datasets", part.name, part.options) for part in experiment.corpus]
    corpus = corpora.join(parts)
    if experiment.labels:
        chosen = experiment.labels
        corpus = relabel(corpus, use=chosen.use, rename=chosen.rename, drop=chosen.drop)
    unknown = [column for column in experiment.breakdown if column not in corpus.table.columns]
    if unknown:
        raise DataError(f"breakdown: the corpus has no column {', '.join(unknown)}")
    if experiment.shuffle:
        seed = experiment.protocol.options.get("seed", 0)
        corpus = corpus.shuffled(experiment.shuffle, seed)
    return corpus


def make_material(prepared: Prepared, encoded: Mapping[str, Encoded]) -> Material:
    """What the workers get; DataError for training rows without a target."""
    table = prepared.corpus.table
    targets = {"label": _distributions(table, prepared.classes)}
    trained = np.unique(np.concatenate([fold.train for fold in prepared.folds]))
    bare = trained[targets["label"][trained].sum(1) == 0]
    if len(bare):
        raise DataError(listed([*table["id"].iloc[bare]], "training rows have no label"))
    utterances = prepared.corpus.utterances()
    return Material(
        encoded=encoded,
        inputs=[Input(text=one.text, language=one.language) for one in utterances],
        targets=targets,
        clusters=clusters(table),
        speakers=pd.factorize(table["speaker"])[0].astype(np.int64),
    )


def cache_root(experiment: Experiment) -> Path:
    return experiment.cache.dir or cache.default_root()


def classes_of(experiment: Experiment, corpus: Corpus) -> list[str]:
    """The task's list of classes; a label outside it is an error, not a dropped row."""
    classes = experiment.outputs["label"].classes or list(corpus.labels)
    labels = corpus.table["label"]
    odd = corpus.table[labels.notna() & ~labels.isin(classes)]
    if len(odd):
        rows = [f"{one}: '{label}'" for one, label in zip(odd["id"], odd["label"], strict=True)]
        raise DataError(listed(rows, f"labels are not among {', '.join(classes)}"))
    if len(classes) < 2:
        raise DataError(f"a corpus needs two classes or more to learn from; it has {classes}")
    return classes


def _contents(experiment: Experiment, corpus: Corpus) -> dict[str, list[Content | None]]:
    """Modality → the content of each row, for the modalities that an encoder reads."""
    read = {
        components.find("encoders", part.name).modality for part in experiment.encoders.values()
    }
    utterances = corpus.utterances()
    contents: dict[str, list[Content | None]] = {}
    if "audio" in read:
        contents["audio"] = features.audio_contents(
            utterances, cache_root(experiment), workers=experiment.workers
        )
    if "text" in read:
        contents["text"] = [features.text_content(utterance) for utterance in utterances]
    empty = [modality for modality, some in contents.items() if not any(some)]
    if empty:
        raise DataError(f"an encoder reads {empty[0]}, and no row of the corpus has any")
    return contents


def _distributions(table: pd.DataFrame, classes: Sequence[str]) -> np.ndarray:
    """`[N, C]` float32: one-hot for a label, else shares of the votes, else zeros."""
    codes = pd.Categorical(table["label"], list(classes)).codes
    truth = np.zeros((len(table), len(classes)), dtype=np.float32)
    truth[np.flatnonzero(codes >= 0), codes[codes >= 0]] = 1
    votes = np.zeros_like(truth)
    for code, name in enumerate(classes):
        if f"votes:{name}" in table:
            votes[:, code] = table[f"votes:{name}"].fillna(0)
    voted = (codes < 0) & (votes.sum(1) > 0)
    truth[voted] = votes[voted] / votes[voted].sum(1, keepdims=True)
    return truth
