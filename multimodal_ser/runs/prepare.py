"""From a config to a corpus that is cut and checked: all that comes before learning."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.corpus import corpus as corpora
from multimodal_ser.corpus import emotion_space
from multimodal_ser.corpus.clusters import clusters
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.corpus.relabel import relabel
from multimodal_ser.corpus.targets import Target, stratified, targets_of
from multimodal_ser.features import contents, store
from multimodal_ser.features.contents import Content
from multimodal_ser.features.copies import extended
from multimodal_ser.features.encode import Encoded, Hearing
from multimodal_ser.features.transcripts import transcribed
from multimodal_ser.protocol import near_duplicates, splits
from multimodal_ser.protocol.audit import Audit, audit
from multimodal_ser.training import checkpoint_head
from multimodal_ser.training.rows import Material, Source, repeated, sources_of
from multimodal_ser.types import MODALITIES, ConfigError, DataError, Fold, Utterance, listed


@dataclass(frozen=True)
class Prepared:
    """A corpus that is cut and checked, before anything is learned from it.

    `split` is the whole cut; the `folds` may train on a fraction of it. read: the modalities that
    matter; sounds: what each segment holds, where sound is one of them; transcripts: a row for each
    text that a recogniser gave the corpus.
    """

    experiment: Experiment
    corpus: Corpus
    folds: list[Fold]
    split: pd.DataFrame
    targets: Mapping[str, Target]
    read: list[str]
    sounds: list[Content | None] | None
    audit: Audit
    transcripts: pd.DataFrame | None = None

    @property
    def target(self) -> Target:
        """The one that decides."""
        return next(iter(self.targets.values()))

    @property
    def missing(self) -> dict[str, int]:
        """Modality → how many utterances have none."""
        counts = {key: int(self.corpus.table[key].isna().sum()) for key in self.read}
        return {key: count for key, count in counts.items() if count}

    @property
    def heard(self) -> dict[str, int]:
        """Recogniser → how many texts it wrote, of those that are read."""
        if "text" not in self.read or self.transcripts is None:
            return {}
        table = self.corpus.table
        sources = table["text_source"][table["text"].notna()]
        counts = sources[sources.str.startswith("asr:")].value_counts().sort_index()
        return {str(source): int(count) for source, count in counts.items()}

    @property
    def unused(self) -> int:
        """How many utterances are in no part of any fold."""
        used = [rows for fold in self.folds for rows in fold.parts.values()]
        return len(self.corpus) - len(np.unique(np.concatenate(used)))

    @property
    def utterances(self) -> list[Utterance]:
        """Of the corpus, and behind them the copies that `augment` asks for."""
        return self._extended[0]

    def contents(self, modality: str) -> list[Content | None]:
        """What each utterance holds of a modality, the copies too."""
        return self._extended[1] if modality == "audio" else self._extended[2]

    @cached_property
    def _extended(self) -> tuple[list[Utterance], list[Content | None], list[Content | None]]:
        return extended(self.experiment, self.folds, self.corpus.utterances(), self.sounds)

    @cached_property
    def split_hash(self) -> str:
        return splits.split_hash(self.split)


def prepare(experiment: Experiment, *, encoding: bool = False) -> Prepared:
    """Load the corpus, cut it, and look for leaks; nothing is refused yet.

    encoding: the features will be wanted, too, so light encoders hear what is decoded here.
    """
    corpus, protocol = load_corpus(experiment), experiment.protocol
    if experiment.text_source != "reference":
        splits.make(corpus.table, protocol.name, protocol.options)  # fails before it costs hours
    corpus, said = with_text(experiment, corpus)
    corpus = shuffled(experiment, corpus)
    alike = near_duplicates.begin(corpus.table["text"])
    targets = targets_of(experiment.outputs, corpus)
    folds, split = cut(experiment, corpus)
    if checkpoint_head.used(experiment):
        folds = checkpoint_head.without_unknown(experiment, targets, folds)
    read = modalities_read(experiment, corpus)
    sounds = _listen(experiment, corpus, encoding) if "audio" in read else None
    found = audit(
        corpus.table,
        folds,
        targets[experiment.first],
        allow=experiment.allow_leak,
        audio=None if sounds is None else [one.key if one else "" for one in sounds],
        reads_text="text" in read,
        alike=alike,
    )
    return Prepared(
        experiment=experiment,
        corpus=corpus,
        folds=folds,
        split=split,
        targets=targets,
        read=read,
        sounds=sounds,
        audit=found,
        transcripts=said,
    )


def cut(experiment: Experiment, corpus: Corpus) -> tuple[list[Fold], pd.DataFrame]:
    """The folds that are run, on the fraction that they train on, and the whole split."""
    protocol, wanted = experiment.protocol, experiment.folds
    folds = splits.make(corpus.table, protocol.name, protocol.options)
    split = splits.split_table(corpus.table, folds)
    known = [fold.number for fold in folds]
    strange = sorted(set(wanted or ()) - set(known))
    if strange:
        raise ConfigError(f"folds: {strange} are not there; the protocol makes {known}")
    kept = [fold for fold in folds if wanted is None or fold.number in wanted]
    if experiment.refit:
        kept = [splits.refitted(fold) for fold in kept]
    return [splits.thinned(corpus.table, fold, experiment.train_fraction) for fold in kept], split


def _listen(experiment: Experiment, corpus: Corpus, encoding: bool) -> list[Content | None]:
    root, workers = cache_root(experiment), experiment.workers
    parts = experiment.encoders.values() if encoding else ()
    hearing = Hearing([(part.name, part.options) for part in parts], root)
    found = contents.audio_contents(
        corpus.utterances(), root, workers=workers, hearing=hearing if hearing.encoders else None
    )
    hearing.close()
    return found


def load_corpus(experiment: Experiment) -> Corpus:
    """The corpus (or several joined), under the labels of the config."""
    parts = [registry.build("datasets", part.name, part.options) for part in experiment.corpus]
    corpus = corpora.join(parts)
    if experiment.labels:
        chosen = experiment.labels
        corpus = relabel(corpus, use=chosen.use, rename=chosen.rename, drop=chosen.drop)
        corpus = emotion_space.placed(corpus) if chosen.space else corpus
    unknown = [column for column in experiment.breakdown if column not in corpus.table.columns]
    if unknown:
        raise DataError(f"breakdown: the corpus has no column {', '.join(unknown)}")
    return stratified(experiment.outputs, corpus)


def with_text(experiment: Experiment, corpus: Corpus) -> tuple[Corpus, pd.DataFrame | None]:
    """With what a recogniser says, where the config wants that and something reads it."""
    part, source = experiment.asr, experiment.text_source
    if part is None or source == "reference":
        return corpus, None
    return transcribed(
        corpus,
        (part.name, part.options),
        source,
        cache_root(experiment),
        device=experiment.device,
        workers=experiment.workers,
    )


def shuffled(experiment: Experiment, corpus: Corpus) -> Corpus:
    """A modality swapped among each speaker's utterances, if the config says so."""
    if not experiment.shuffle:
        return corpus
    return corpus.shuffled(experiment.shuffle, experiment.protocol.options.get("seed", 0))


def make_material(prepared: Prepared, encoded: Mapping[str, Encoded]) -> Material:
    """What the workers get; DataError for training rows without a target."""
    sources = sources_of(prepared.experiment, prepared.contents)
    material = material_of(prepared.corpus, prepared.folds, prepared.targets, encoded, sources)
    copies = prepared.experiment.augment.copies
    return repeated(material, prepared.utterances, copies) if copies else material


def material_of(
    corpus: Corpus,
    folds: Sequence[Fold],
    targets: Mapping[str, Target],
    encoded: Mapping[str, Encoded],
    sources: Mapping[str, Source],
) -> Material:
    """As `make_material`, of a corpus in which nobody has looked for leaks yet."""
    table = corpus.table
    trained = np.unique(np.concatenate([fold.train for fold in folds]))
    known = np.any([target.known for target in targets.values()], axis=0)
    bare = trained[~known[trained]]
    if len(bare):
        what = " and no ".join(targets)
        raise DataError(listed([*table["id"].iloc[bare]], f"training rows have no {what}"))
    _refuse_untaught(targets, folds)
    decides = next(iter(targets.values()))
    coded = next((one for one in targets.values() if one.kind == "classes"), decides)
    return Material(
        encoded=encoded,
        sources=sources,
        utterances=tuple(corpus.utterances()),
        targets={name: target.learned for name, target in targets.items()},
        taught={name: one.taught for name, one in targets.items() if one.taught is not None},
        classes={name: list(target.classes) for name, target in targets.items()},
        codes=coded.codes,
        clusters=clusters(table),
        speakers=pd.factorize(table["speaker"])[0].astype(np.int64),
    )


def _refuse_untaught(targets: Mapping[str, Target], folds: Sequence[Fold]) -> None:
    """A target of which the training part of a fold knows nothing cannot be predicted there."""
    for name, target in targets.items():
        bare = [str(fold.number) for fold in folds if not target.known[fold.train].any()]
        if bare:
            raise DataError(
                f"outputs.{name}: no training row of fold {', '.join(bare)} has a {name}; "
                "take another protocol, or leave the target out"
            )


def cache_root(experiment: Experiment) -> Path:
    return experiment.cache.dir or store.default_root()


def modalities_read(experiment: Experiment, corpus: Corpus) -> list[str]:
    """The modalities that an encoder reads; without one (a task card) all that the corpus has."""
    has = [modality for modality in MODALITIES if corpus.table[modality].notna().any()]
    if not experiment.encoders:
        return has
    parts = experiment.encoders.values()
    read = {registry.find("encoders", part.name).modality for part in parts}
    absent = sorted(read - set(has))
    if absent:
        raise DataError(f"an encoder reads {absent[0]}, and no row of the corpus has any")
    return [modality for modality in MODALITIES if modality in read]
