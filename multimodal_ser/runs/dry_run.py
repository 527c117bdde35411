"""What a run would do, and about how long it would take, before it does it.

The corpus is loaded and cut, and the cache and the run folder are looked at; nothing is written,
no test part is scored, and of every encoder and recogniser a few utterances are timed.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Augment, Experiment, Part
from multimodal_ser.config.method import Encoding
from multimodal_ser.corpus.corpus import Corpus
from multimodal_ser.features import contents
from multimodal_ser.features.contents import UNHEARD, Content
from multimodal_ser.features.encode import Encoded, is_light, recipe_of, stored_form
from multimodal_ser.features.extraction import Batch, find_device, plan
from multimodal_ser.features.store import Store
from multimodal_ser.features.transcripts import remembered
from multimodal_ser.parallel import cores
from multimodal_ser.runs import estimates
from multimodal_ser.runs.doctor import free, missing
from multimodal_ser.runs.estimates import Shape, distinct, few, length_of, shape_of
from multimodal_ser.runs.folder import RunFolder
from multimodal_ser.runs.prepare import Prepared, cache_root, prepare, training_rows_of
from multimodal_ser.runs.run import Config, as_experiment
from multimodal_ser.training import model_folder
from multimodal_ser.training.rows import TrainingRows
from multimodal_ser.types import DataError, Fold, MissingError, Utterance

_TIMED, _TRANSCRIBED = 3, 2  # utterances that an encoder and a recogniser are timed on


@dataclass(frozen=True)
class _Estimate:
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


def dry_run(config: Config, *, open_test: bool = True) -> Outlook:
    """Look at everything that a run would need, and time a little of it."""
    experiment = as_experiment(config)
    workers = experiment.workers or cores()
    site = _Site(cache_root(experiment), find_device(experiment.device), workers)
    with estimates.like_a_worker():
        prepared = prepare(experiment, look_only=True)
        stages = [*_decoding(prepared, site), *_transcription(prepared, site)]
        encodings = _encodings(prepared, site)
        copies = experiment.augment.copies
        uncounted = f"and {copies} changed copies of the rows that train, not counted"
        stages += [
            replace(encoding.stage, remark=uncounted) if copies else encoding.stage
            for encoding in encodings.values()
        ]
        rows = _training_rows(prepared, encodings)
        stages.append(_training(prepared, rows, encodings, site, open_test))
    return Outlook(
        experiment,
        prepared.corpus,
        prepared.folds,
        prepared.split_hash,
        stages,
        workers,
        free(site.root),
    )


def _transcription(prepared: Prepared, site: _Site) -> Iterator[Stage]:
    """The stage of the recogniser, where there is one."""
    part, rows = prepared.experiment.asr, prepared.to_transcribe
    if part is None or rows is None:
        return
    utterances, sounds, texts = remembered(
        prepared.corpus, rows, (part.name, part.options), site.root
    )
    unwritten = [None if text else sound for text, sound in zip(texts, sounds, strict=True)]
    new, every = distinct(utterances, unwritten), len(distinct(utterances, sounds))
    if lacking := missing("asr", part.name, part.options):
        yield Stage("transcribe", every, None, None, None, lacking[0])
    else:
        yield _recogniser(part, every, new, site)


def _recogniser(part: Part, every: int, new: Batch, site: _Site) -> Stage:
    try:
        cost = estimates.of_recogniser(part, few(new, _TRANSCRIBED)) if new else None
    except (MissingError, DataError) as error:
        return Stage("transcribe", every, every - len(new), None, None, _line(error))
    left = cost.of(len(new), length_of(new), site.workers) if cost else (0.0, 0.0)
    return Stage("transcribe", every, every - len(new), *left, site.remark if new else "")


def _decoding(prepared: Prepared, site: _Site) -> list[Stage]:
    """The stage that reads sound, for encoders or the recogniser."""
    utterances = prepared.corpus.utterances()
    if "audio" not in prepared.read:
        if prepared.to_transcribe is None:
            return []
        utterances = [utterances[row] for row in np.flatnonzero(prepared.to_transcribe)]
    pairs = distinct(utterances, contents.recalled(utterances, site.root))
    new = [pair for pair in pairs if pair[1].key.startswith(UNHEARD)]
    done = len(pairs) - len(new)
    if not new:
        return [Stage("decode", len(pairs), done)]
    cost = estimates.of_decoding(few(new, _TIMED))
    return [Stage("decode", len(pairs), done, *cost.of(len(new), length_of(new), site.workers))]


def _encodings(prepared: Prepared, site: _Site) -> dict[str, _Estimate]:
    """The stage of every frozen encoder; those that are fitted or learn are a part of training."""
    utterances = prepared.corpus.utterances()
    estimated = {}
    for key, encoding in prepared.method.cached.items():
        held = prepared.own_contents(encoding.modality)
        try:
            estimated[key] = _estimate(key, encoding, utterances, held, site)
        except (MissingError, DataError) as error:
            count = len({content.key for content in held if content})
            stage = Stage(f"encode {key}", count, None, None, None, _line(error))
            estimated[key] = _Estimate(stage)
    return estimated


def _training_rows(prepared: Prepared, encodings: Mapping[str, _Estimate]) -> TrainingRows | str:
    """What would be trained on, or what is not there."""
    for encoding in prepared.method.learning.values():
        if lacking := missing("encoders", encoding.name, encoding.options):
            return lacking[0]
    unknown = sorted(key for key, estimate in encodings.items() if estimate.shape is None)
    if unknown:
        return f"not known without {', '.join(unknown)}"
    encoded = {key: estimate.encoded for key, estimate in encodings.items() if estimate.encoded}
    return training_rows_of(prepared, encoded)


def _estimate(
    key: str,
    encoding: Encoding,
    utterances: Sequence[Utterance],
    contents_of_rows: Sequence[Content | None],
    site: _Site,
) -> _Estimate:
    """What is left to encode, timed on a few inputs; MissingError without its weights."""
    if lacking := missing("encoders", encoding.name, encoding.options):
        raise MissingError(lacking[0])
    stored, layer = stored_form(encoding.name, encoding.options)
    store = Store(site.root, recipe := recipe_of(encoding.name, stored), look_only=True)
    batches = plan(
        registry.find("encoders", encoding.name), utterances, contents_of_rows, site.place
    )
    pairs = [pair for batch in batches for pair in batch]
    new = [pair for pair in pairs if pair[1].key not in store]
    light = is_light(encoding.name, encoding.options) and any(
        held.key.startswith(UNHEARD) for _, held in new
    )
    again = [batch for batch in batches if not all(held.key in store for _, held in batch)]
    computed = new if light else [pair for batch in again for pair in batch]
    chosen = few(computed or pairs, _TIMED)
    seconds = size = 0.0
    if computed:
        cost, rows = estimates.of_encoder(encoding.name, stored, chosen, is_decoded=light)
        seconds, _ = cost.of(len(computed), length_of(computed), site.workers)
        _, size = cost.of(len(new), length_of(new), site.workers)
    else:
        stored_rows = store.get([content.key for _, content in chosen])
        rows = [stored_rows[content.key] for _, content in chosen]
    remark = site.remark if computed else ""
    stage = Stage(f"encode {key}", len(pairs), len(pairs) - len(new), seconds, size, remark)
    encoded = Encoded(
        site.root, recipe, tuple(row.key if row else "" for row in contents_of_rows), layer
    )
    lengths = np.array([row.length if row else 0 for row in contents_of_rows])
    return _Estimate(stage, encoded, shape_of(encoded, rows, chosen, lengths) if rows else None)


def _training(
    prepared: Prepared,
    rows: TrainingRows | str,
    encodings: Mapping[str, _Estimate],
    site: _Site,
    open_test: bool,
) -> Stage:
    """The stage that trains every fold and seed, earlier seeds of the same folder among them."""
    folder, folds = RunFolder.of(prepared), prepared.folds
    seeds = folder.with_earlier_seeds(prepared.experiment).seeds
    earlier = sorted({*seeds} - {*prepared.experiment.seeds})
    remark = f"with the seeds {', '.join(map(str, earlier))} of earlier runs" if earlier else ""
    models = [(fold, seed) for fold in folds for seed in seeds]
    if isinstance(rows, str):
        return Stage("train", len(models), None, None, None, rows)
    shapes = {key: estimate.shape for key, estimate in encodings.items() if estimate.shape}
    copies = prepared.experiment.augment.copies or 0
    if copies:  # which are not among the rows here
        plain = replace(prepared.method, augment=Augment())
        seconds, size = estimates.of_training(plain, rows, folds[0], shapes)
        turns = math.ceil(len(models) / site.workers) * (copies + 1)
        return Stage("train", len(models), None, turns * seconds, len(models) * size, remark)
    features = rows.hash()
    done = sum(
        model_folder.is_finished(folder.model(fold, seed), features, fold.scored(open_test))
        for fold, seed in models
    )
    left = len(models) - done
    if not left:
        return Stage("train", len(models), done, remark=remark)
    try:
        seconds, size = estimates.of_training(prepared.method, rows, folds[0], shapes)
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
    """What a run of the experiment would do. free: free bytes on the disk of the cache."""

    experiment: Experiment
    corpus: Corpus
    folds: Sequence[Fold]
    split_hash: str
    stages: Sequence[Stage]
    workers: int
    free: int

    @property
    def seconds(self) -> float:
        """The sum over the stages that could be estimated."""
        return sum(stage.seconds or 0.0 for stage in self.stages)

    @property
    def bytes(self) -> float:
        """The sum over the stages that could be estimated."""
        return sum(stage.bytes or 0.0 for stage in self.stages)

    @property
    def whole(self) -> bool:
        """Whether every stage could be estimated."""
        return all(stage.seconds is not None for stage in self.stages)
