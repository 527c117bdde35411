"""From a config to a corpus that is cut and checked: all that comes before learning."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.config.method import Method, method_of
from multimodal_ser.corpus import corpus as corpora
from multimodal_ser.corpus import emotion_space
from multimodal_ser.corpus.clusters import clusters
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.corpus.relabel import relabel
from multimodal_ser.corpus.targets import Target, stratified, targets_of
from multimodal_ser.features import contents, store
from multimodal_ser.features.contents import Content
from multimodal_ser.features.copies import extended
from multimodal_ser.features.encode import Encoded, OnDecode, Source, recipe_of, source_of
from multimodal_ser.features.encode import encode as encode_inputs
from multimodal_ser.features.transcripts import foreseen, to_hear, transcribed
from multimodal_ser.protocol import near_duplicates, splits
from multimodal_ser.protocol.audit import Audit, audit
from multimodal_ser.training.rows import TrainingRows, repeated
from multimodal_ser.types import MODALITIES, ConfigError, DataError, Fold, Utterance, listed


@dataclass(frozen=True)
class Prepared:
    """A corpus that is cut and checked, before anything is learned from it.

    `split` is the whole cut; the `folds` may train on a fraction of it. read: the modalities that
    matter; sounds: what each segment holds, where sound is one of them. gate: what the leak gate
    found; None where nobody has looked. to_transcribe: `[N]` bool, the rows whose text a recogniser
    writes; None without one. transcripts: a row for each text that it wrote.
    """

    experiment: Experiment
    corpus: Corpus
    folds: list[Fold]
    split: pd.DataFrame
    targets: Mapping[str, Target]
    read: list[str]
    sounds: list[Content | None] | None
    gate: Audit | None = None
    to_transcribe: np.ndarray | None = None
    transcripts: pd.DataFrame | None = None

    @property
    def audit(self) -> Audit:
        """What the leak gate found, of a corpus that was not only looked at."""
        assert self.gate is not None, "prepared with look_only, so nobody has looked for leaks"
        return self.gate

    @cached_property
    def method(self) -> Method:
        return method_of(self.experiment)

    @property
    def target(self) -> Target:
        """The target that decides: the first one."""
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
        """The utterances of the corpus, and behind them the copies that `augment` asks for."""
        return self._extended[0]

    def contents(self, modality: str) -> list[Content | None]:
        """What each utterance holds of a modality, the copies too."""
        return self._extended[1] if modality == "audio" else self._extended[2]

    def own_contents(self, modality: str) -> list[Content | None]:
        """What each utterance of the corpus holds of a modality."""
        if modality == "audio":
            return self.sounds or [None] * len(self.corpus)
        return [contents.text_content(utterance) for utterance in self.corpus.utterances()]

    @cached_property
    def _extended(self) -> tuple[list[Utterance], list[Content | None], list[Content | None]]:
        augment = self.method.augment
        steps = [[step.name, step.options] for step in augment.steps]
        return extended(
            json.dumps(steps, sort_keys=True),
            augment.copies or 0,
            self.method.augment_files if augment.copies else "",
            self.folds,
            self.corpus.utterances(),
            self.sounds,
        )

    @cached_property
    def split_hash(self) -> str:
        return splits.split_hash(self.split)


def prepare(experiment: Experiment, *, encoding: bool = False, look_only: bool = False) -> Prepared:
    """Load the corpus, cut it, and look for leaks; nothing is refused yet.

    encoding: the features will be wanted, too, so light encoders read what is decoded here.
    look_only: for a dry run. Nothing is decoded, transcribed or searched for leaks, and what the
    cache does not know yet stands there as something of its own.
    """
    corpus, protocol = load_corpus(experiment), experiment.protocol
    method, source = method_of(experiment), experiment.text_source
    rows = to_hear(corpus, source) if experiment.asr and source != "reference" else None
    if rows is not None and not look_only:
        splits.make(corpus.table, protocol.name, protocol.options)  # fails before it costs hours
    corpus, transcripts = with_text(experiment, corpus, look_only=look_only)
    corpus = _shuffled(corpus, experiment.shuffle, protocol.options.get("seed", 0))
    alike = None if look_only else near_duplicates.begin(corpus.table["text"])
    targets = targets_of(experiment.outputs, corpus)
    folds, split = cut(experiment, corpus)
    if not look_only:
        folds = method.learner_class.without_unknown(method, targets, folds)
    read = modalities_read(method, corpus)
    sounds = _sounds(experiment, corpus, encoding, look_only) if "audio" in read else None
    prepared = Prepared(
        experiment, corpus, folds, split, targets, read, sounds, None, rows, transcripts
    )
    return prepared if look_only else replace(prepared, gate=_audit(prepared, alike))


def _audit(prepared: Prepared, alike: Callable[[], near_duplicates.Alike] | None) -> Audit:
    """Search the cut corpus for leaks. alike: returns the texts that are nearly the same."""
    sounds = prepared.sounds
    return audit(
        prepared.corpus.table,
        prepared.folds,
        prepared.target,
        allow=prepared.experiment.allow_leak,
        audio=None if sounds is None else [sound.key if sound else "" for sound in sounds],
        reads_text="text" in prepared.read,
        alike=alike,
    )


def cut(experiment: Experiment, corpus: Corpus) -> tuple[list[Fold], pd.DataFrame]:
    """The folds that are run, thinned to the fraction that they train on, and the whole split."""
    protocol, wanted = experiment.protocol, experiment.folds
    folds = splits.make(corpus.table, protocol.name, protocol.options)
    split = splits.split_table(corpus.table, folds)
    numbers = [fold.number for fold in folds]
    strange = sorted(set(wanted or ()) - set(numbers))
    if strange:
        raise ConfigError(f"folds: {strange} are not there; the protocol makes {numbers}")
    chosen = [fold for fold in folds if wanted is None or fold.number in wanted]
    if experiment.refit:
        chosen = [splits.refitted(fold) for fold in chosen]
    return [splits.thinned(corpus.table, fold, experiment.train_fraction) for fold in chosen], split


def _sounds(
    experiment: Experiment, corpus: Corpus, encoding: bool, look_only: bool
) -> list[Content | None]:
    """What each segment holds; light encoders make their rows on the way, if wanted."""
    root = cache_root(experiment)
    if look_only:
        return contents.recalled(corpus.utterances(), root)
    parts = experiment.encoders.values() if encoding else ()
    on_decode = OnDecode([(part.name, part.options) for part in parts], root)
    sounds = contents.audio_contents(
        corpus.utterances(),
        root,
        workers=experiment.workers,
        on_decode=on_decode if on_decode.encoders else None,
    )
    on_decode.close()
    return sounds


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


def with_text(
    experiment: Experiment, corpus: Corpus, *, look_only: bool = False
) -> tuple[Corpus, pd.DataFrame | None]:
    """The corpus with the texts of the recogniser, where the config names one, and a table of them.

    look_only: what it has written before, and no table.
    """
    part, source, root = experiment.asr, experiment.text_source, cache_root(experiment)
    if part is None or source == "reference":
        return corpus, None
    if look_only:
        return foreseen(corpus, (part.name, part.options), source, root), None
    return transcribed(
        corpus,
        (part.name, part.options),
        source,
        root,
        device=experiment.device,
        workers=experiment.workers,
    )


def _shuffled(corpus: Corpus, modality: str | None, seed: int) -> Corpus:
    """A modality swapped among each speaker's utterances, if the config names one."""
    return corpus.shuffled(modality, seed) if modality else corpus


def encode(prepared: Prepared) -> dict[str, Encoded]:
    """Every frozen encoder's features in the cache; the others are left to each fold."""
    experiment = prepared.experiment
    utterances = prepared.utterances
    encoded = {}
    for name, encoding in prepared.method.cached.items():
        encoded[name] = encode_inputs(
            encoding.name,
            encoding.options,
            utterances,
            prepared.contents(encoding.modality),
            cache_root(experiment),
            device=experiment.device,
            workers=experiment.workers,
            label=f"encode {name}",
        )
    return encoded


def training_rows_of(prepared: Prepared, encoded: Mapping[str, Encoded]) -> TrainingRows:
    """What the workers get; DataError for training rows without a target.

    Copies stand behind the rows, where they are made already: a look at a run makes none.
    """
    table, targets = prepared.corpus.table, prepared.targets
    look_only = prepared.gate is None
    contents_of = prepared.own_contents if look_only else prepared.contents
    _refuse_bare(table, targets, prepared.folds)
    _refuse_untaught(targets, prepared.folds)
    coded = next(
        (target for target in targets.values() if target.kind == "classes"), prepared.target
    )
    rows = TrainingRows(
        encoded=encoded,
        sources=_sources(prepared.method, contents_of),
        utterances=tuple(prepared.corpus.utterances()),
        targets={name: target.learned for name, target in targets.items()},
        taught={
            name: target.taught for name, target in targets.items() if target.taught is not None
        },
        classes={name: list(target.classes) for name, target in targets.items()},
        codes=coded.codes,
        clusters=clusters(table),
        speakers=pd.factorize(table["speaker"])[0].astype(np.int64),
    )
    copies = 0 if look_only else prepared.experiment.augment.copies
    return repeated(rows, prepared.utterances, copies) if copies else rows


def _sources(
    method: Method, contents_of: Callable[[str], Sequence[Content | None]]
) -> dict[str, Source]:
    """What each encoder that runs in every step reads. contents_of: modality → that of each row."""
    files, sources = method.augment_files, {}
    for key, encoding in method.in_every_step.items():
        recipe = recipe_of(encoding.name, encoding.options).key() + files
        sources[key] = source_of(contents_of(encoding.modality), recipe)
    return sources


def _refuse_bare(table: pd.DataFrame, targets: Mapping[str, Target], folds: Sequence[Fold]) -> None:
    """A row that trains must have a value of at least one target."""
    trained = np.unique(np.concatenate([fold.train for fold in folds]))
    has_target = np.any([target.known for target in targets.values()], axis=0)
    bare = trained[~has_target[trained]]
    if len(bare):
        what = " and no ".join(targets)
        raise DataError(listed([*table["id"].iloc[bare]], f"training rows have no {what}"))


def _refuse_untaught(targets: Mapping[str, Target], folds: Sequence[Fold]) -> None:
    """A target without any value in the training part of a fold cannot be predicted there."""
    for name, target in targets.items():
        bare = [str(fold.number) for fold in folds if not target.known[fold.train].any()]
        if bare:
            raise DataError(
                f"outputs.{name}: no training row of fold {', '.join(bare)} has a {name}; "
                "take another protocol, or leave the target out"
            )


def cache_root(experiment: Experiment) -> Path:
    return experiment.cache.dir or store.default_root()


def modalities_read(method: Method, corpus: Corpus) -> list[str]:
    """The modalities that an encoder reads; without one (a task card) all that the corpus has."""
    has = [modality for modality in MODALITIES if corpus.table[modality].notna().any()]
    if not method.encodings:
        return has
    read = {encoding.modality for encoding in method.encodings.values()}
    absent = sorted(read - set(has))
    if absent:
        raise DataError(f"an encoder reads {absent[0]}, and no row of the corpus has any")
    return [modality for modality in MODALITIES if modality in read]
