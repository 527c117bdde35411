"""What a run would do, and about how long it would take, before it does it.

The corpus is loaded and cut, and the cache and the run folder are looked at; nothing is written,
no test part is scored, and of every encoder and recogniser a few utterances are timed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from multimodal_ser.config import modes, registry
from multimodal_ser.config.experiment import Augment, Experiment, Part
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.corpus.targets import targets_of
from multimodal_ser.features import contents
from multimodal_ser.features.contents import UNHEARD, Content
from multimodal_ser.features.encode import Encoded, is_light, recipe_of, stored_form
from multimodal_ser.features.extraction import Batch, find_device, plan
from multimodal_ser.features.store import Store
from multimodal_ser.features.transcripts import called, filled, recalled, to_hear
from multimodal_ser.parallel import cores
from multimodal_ser.protocol import splits
from multimodal_ser.runs import estimates
from multimodal_ser.runs.doctor import free, missing
from multimodal_ser.runs.estimates import Shape, distinct, few, length_of, shape_of
from multimodal_ser.runs.folder import RunFolder
from multimodal_ser.runs.prepare import (
    cache_root,
    cut,
    load_corpus,
    material_of,
    modalities_read,
    shuffled,
)
from multimodal_ser.runs.run import as_experiment
from multimodal_ser.training import model_folder
from multimodal_ser.training.rows import Material, sources_of
from multimodal_ser.types import DataError, Fold, MissingError, Transcript, Utterance

_TIMED, _TRANSCRIBED = 3, 2  # utterances that an encoder and a recogniser are timed on
_USUAL = 60  # characters of a text that nobody has heard yet, where the corpus has no other


@dataclass(frozen=True)
class _Encoding:
    """The stage of one encoder, where its features will be, and what they look like, if known."""

    stage: Stage
    encoded: Encoded | None = None
    shape: Shape | None = None


@dataclass(frozen=True)
class _Site:
    """Where a run would work, and with how many processes."""

    root: Path
    place: torch.device
    workers: int

    @property
    def remark(self) -> str:
        return "" if self.place.type == "cpu" else f"timed on the CPU; {self.place.type} is faster"


def dry_run(
    config: Experiment | Mapping[str, Any] | str | Path, *, open_test: bool = True
) -> Outlook:
    """Look at everything that a run would need, and time a little of it."""
    experiment = as_experiment(config)
    workers = experiment.workers or cores()
    site = _Site(cache_root(experiment), find_device(experiment.device), workers)
    with estimates.like_a_worker():
        loaded = load_corpus(experiment)
        corpus, heard = _transcription(experiment, loaded, site)
        corpus = shuffled(experiment, corpus)
        folds, table = cut(experiment, corpus)
        split = splits.split_hash(table)
        stages = [*_decoding(experiment, loaded, corpus, site), *heard]
        encodings = _encodings(experiment, corpus, site)
        copies = experiment.augment.copies
        uncounted = f"and {copies} changed copies of the rows that train, not counted"
        stages += [
            replace(one.stage, remark=uncounted) if copies else one.stage
            for one in encodings.values()
        ]
        material = _material(experiment, corpus, folds, encodings, site)
        stages.append(_training(experiment, corpus, folds, material, encodings, site, open_test))
    return Outlook(experiment, corpus, folds, split, stages, workers, free(site.root))


def _transcription(
    experiment: Experiment, corpus: Corpus, site: _Site
) -> tuple[Corpus, list[Stage]]:
    """The stage of the recogniser, and the corpus with what it has said already.

    A text that nobody has heard yet stands there as a text of its own and of the usual length.
    """
    part, rows = experiment.asr, _to_hear(experiment, corpus)
    if part is None or rows is None:
        return corpus, []
    asked = _some(corpus, rows)
    sounds = contents.recalled(asked, site.root)
    said: list[Transcript | None] = [None] * len(asked)
    lacking = missing("asr", part.name, part.options)
    if not lacking:
        said = recalled(part.name, part.options, asked, sounds, site.root)
    new = distinct(asked, [None if one else sound for one, sound in zip(said, sounds, strict=True)])
    every = len(distinct(asked, sounds))
    if lacking:
        stage = Stage("transcribe", every, None, None, None, lacking[0])
    else:
        stage = _hearing(part, every, new, site)
    usual = int(corpus.table["text"].str.len().mean()) if len(corpus.table["text"].dropna()) else 0
    texts = [
        one or (sound and Transcript(f"unheard {asks.id}".ljust(usual or _USUAL, "…"), "", None))
        for one, sound, asks in zip(said, sounds, asked, strict=True)
    ]
    return filled(corpus, rows, texts, called(part.name, part.options)), [stage]


def _to_hear(experiment: Experiment, corpus: Corpus) -> np.ndarray | None:
    """The rows that a recogniser is to write the text of, None without a recogniser."""
    if experiment.asr is None or experiment.text_source == "reference":
        return None
    return to_hear(corpus, experiment.text_source)


def _some(corpus: Corpus, rows: np.ndarray) -> list[Utterance]:
    return [one for one, wanted in zip(corpus.utterances(), rows, strict=True) if wanted]


def _hearing(part: Part, every: int, new: Batch, site: _Site) -> Stage:
    try:
        cost = estimates.of_recogniser(part, few(new, _TRANSCRIBED)) if new else None
    except (MissingError, DataError) as error:
        return Stage("transcribe", every, every - len(new), None, None, _line(error))
    left = cost.of(len(new), length_of(new), site.workers) if cost else (0.0, 0.0)
    return Stage("transcribe", every, every - len(new), *left, site.remark if new else "")


def _decoding(experiment: Experiment, loaded: Corpus, corpus: Corpus, site: _Site) -> list[Stage]:
    """Of the sound files that are encoded, or listened to; loaded: without any transcripts."""
    rows = _to_hear(experiment, loaded)
    if "audio" in modalities_read(experiment, corpus):
        utterances = corpus.utterances()
    elif rows is not None:
        utterances = _some(loaded, rows)
    else:
        return []
    pairs = distinct(utterances, contents.recalled(utterances, site.root))
    new = [pair for pair in pairs if pair[1].key.startswith(UNHEARD)]
    done = len(pairs) - len(new)
    if not new:
        return [Stage("decode", len(pairs), done)]
    cost = estimates.of_decoding(few(new, _TIMED))
    return [Stage("decode", len(pairs), done, *cost.of(len(new), length_of(new), site.workers))]


def _encodings(experiment: Experiment, corpus: Corpus, site: _Site) -> dict[str, _Encoding]:
    """Of every frozen encoder; those that are fitted or learn are a part of training."""
    utterances = corpus.utterances()
    found = {}
    for key in modes.cached(experiment):
        part = experiment.encoders[key]
        given = _given(corpus, registry.find("encoders", part.name).modality, site)
        try:
            found[key] = _encoding(key, part, utterances, given, site)
        except (MissingError, DataError) as error:
            count = len({content.key for content in given if content})
            found[key] = _Encoding(Stage(f"encode {key}", count, None, None, None, _line(error)))
    return found


def _given(corpus: Corpus, modality: str, site: _Site) -> list[Content | None]:
    """What each utterance holds, as far as that is known without decoding."""
    utterances = corpus.utterances()
    if modality == "audio":
        return contents.recalled(utterances, site.root)
    return [contents.text_content(one) for one in utterances]


def _material(
    experiment: Experiment,
    corpus: Corpus,
    folds: Sequence[Fold],
    encodings: Mapping[str, _Encoding],
    site: _Site,
) -> Material | str:
    """What would be trained on, or what is not there."""
    for key in modes.learning(experiment):
        part = experiment.encoders[key]
        if lacking := missing("encoders", part.name, part.options):
            return lacking[0]
    unknown = sorted(key for key, one in encodings.items() if one.shape is None)
    if unknown:
        return f"not known without {', '.join(unknown)}"
    encoded = {key: one.encoded for key, one in encodings.items() if one.encoded}
    sources = sources_of(experiment, lambda modality: _given(corpus, modality, site))
    return material_of(corpus, folds, targets_of(experiment.outputs, corpus), encoded, sources)


def _encoding(
    key: str,
    part: Part,
    utterances: Sequence[Utterance],
    given: Sequence[Content | None],
    site: _Site,
) -> _Encoding:
    """MissingError without its weights, which would be looked for elsewhere."""
    if lacking := missing("encoders", part.name, part.options):
        raise MissingError(lacking[0])
    stored, layer = stored_form(part.name, part.options)
    store = Store(site.root, recipe := recipe_of(part.name, stored), look_only=True)
    batches = plan(registry.find("encoders", part.name), utterances, given, site.place)
    pairs = [pair for batch in batches for pair in batch]
    new = [pair for pair in pairs if pair[1].key not in store]
    light = is_light(part.name, part.options) and any(one.key.startswith(UNHEARD) for _, one in new)
    again = [batch for batch in batches if not all(one.key in store for _, one in batch)]
    computed = new if light else [pair for batch in again for pair in batch]
    chosen = few(computed or pairs, _TIMED)
    seconds = size = 0.0
    if computed:
        cost, rows = estimates.of_encoder(part.name, stored, chosen, heard=light)
        seconds, _ = cost.of(len(computed), length_of(computed), site.workers)
        _, size = cost.of(len(new), length_of(new), site.workers)
    else:
        kept = store.get([content.key for _, content in chosen])
        rows = [kept[content.key] for _, content in chosen]
    remark = site.remark if computed else ""
    stage = Stage(f"encode {key}", len(pairs), len(pairs) - len(new), seconds, size, remark)
    encoded = Encoded(site.root, recipe, tuple(one.key if one else "" for one in given), layer)
    lengths = np.array([one.length if one else 0 for one in given])
    return _Encoding(stage, encoded, shape_of(encoded, rows, chosen, lengths) if rows else None)


def _training(
    experiment: Experiment,
    corpus: Corpus,
    folds: Sequence[Fold],
    material: Material | str,
    encodings: Mapping[str, _Encoding],
    site: _Site,
    open_test: bool,
) -> Stage:
    """Of every fold and seed; those of earlier seeds in the same folder are counted, too."""
    folder, asked = RunFolder.of_corpus(experiment, corpus), experiment.seeds
    experiment = folder.with_earlier_seeds(experiment)
    earlier = sorted({*experiment.seeds} - {*asked})
    remark = f"with the seeds {', '.join(map(str, earlier))} of earlier runs" if earlier else ""
    models = [(fold, seed) for fold in folds for seed in experiment.seeds]
    if isinstance(material, str):
        return Stage("train", len(models), None, None, None, material)
    shapes = {key: one.shape for key, one in encodings.items() if one.shape}
    copies = experiment.augment.copies or 0
    if copies:  # of which the material here knows nothing
        plain = experiment.model_copy(update={"augment": Augment()})
        seconds, size = estimates.of_training(plain, material, folds[0], shapes)
        turns = math.ceil(len(models) / site.workers) * (copies + 1)
        return Stage("train", len(models), None, turns * seconds, len(models) * size, remark)
    known = material.hash()
    done = sum(
        model_folder.is_finished(folder.model(fold, seed), known, fold.scored(open_test))
        for fold, seed in models
    )
    left = len(models) - done
    if not left:
        return Stage("train", len(models), done, remark=remark)
    try:
        seconds, size = estimates.of_training(experiment, material, folds[0], shapes)
    except DataError as error:
        return Stage("train", len(models), done, None, None, _line(error))
    turns = math.ceil(left / site.workers)
    return Stage("train", len(models), done, turns * seconds, left * size, remark)


def _line(error: Exception) -> str:
    return str(error).partition("\n")[0]


@dataclass(frozen=True)
class Stage:
    """One stage: how many inputs it has, how many are done, and about what the rest will take.

    done: None where that cannot be known. seconds and bytes: None where they cannot be estimated;
    `remark` says why.
    """

    name: str
    inputs: int
    done: int | None
    seconds: float | None = 0.0
    bytes: float | None = 0.0
    remark: str = ""


@dataclass(frozen=True)
class Outlook:
    """What a run of the experiment has before it. free: bytes on the disk of the cache."""

    experiment: Experiment
    corpus: Corpus
    folds: Sequence[Fold]
    split_hash: str
    stages: Sequence[Stage]
    workers: int
    free: int

    @property
    def seconds(self) -> float:
        """Of all stages that could be estimated."""
        return sum(one.seconds or 0.0 for one in self.stages)

    @property
    def bytes(self) -> float:
        """Of all stages that could be estimated."""
        return sum(one.bytes or 0.0 for one in self.stages)

    @property
    def whole(self) -> bool:
        """Every stage could be estimated."""
        return all(one.seconds is not None for one in self.stages)
