"""One recording in, one answer out: a finished run, or several, as a function of sound and text.

Every branch is the run's own (recogniser, encoders, scalings, fusion), so that the run's wavs get
the scores of its `predictions.csv` again.
"""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from multimodal_ser.config.method import method_of
from multimodal_ser.config.read import check
from multimodal_ser.features.extraction import find_device
from multimodal_ser.inference.ensemble import EnsemblePredictor
from multimodal_ser.inference.predictor import Predictor
from multimodal_ser.inference.questions import Answer, Question
from multimodal_ser.parallel import spread
from multimodal_ser.runs.records import Record, read_plan
from multimodal_ser.studies.ensembles import manifest
from multimodal_ser.training import fit
from multimodal_ser.types import ConfigError


def load(
    run: str | Path, *, fold: int | None = None, seed: int | None = None, device: str = "auto"
) -> Predictor | EnsemblePredictor:
    """A finished run or ensemble as a predictor; the mean over its seeds, or the one named.

    Models of all rows (`mser run --final`) come first. A run of several folds has a model for each
    and none for strangers, so it needs a `fold`.
    """
    folder = Path(run)
    if manifest.is_ensemble(folder):
        return _ensemble(folder, fold, seed, device)
    record = _with_models(folder)
    seeds = record.models[_kind(folder, record.models, fold)]
    return _predictor_of(record, [seeds[number] for number in _seeds(sorted(seeds), seed)], device)


def _with_models(folder: Path) -> Record:
    """A run that has a model at least; it may have been stopped before there were any numbers."""
    record = read_plan(folder)
    if not record.models:
        raise ConfigError(f"{folder} holds no finished model; `mser run` goes on with it")
    return record


def _predictor_of(record: Record, models: Sequence[Path], device: str) -> Predictor:
    source = str(record.folder / "config.yaml")
    experiment = check(record.config, source=source, allow_code=False, ran=True)
    languages = record.audit.get("languages")
    if languages is None:
        raise ConfigError(f"{record.folder} is no run folder: its audit names no languages")
    place = find_device(device)
    method = method_of(experiment)
    trained = [fit.load(method, model, place) for model in models]
    language = languages[0] if len(languages) == 1 else None
    return Predictor(experiment, trained, language=language, device=place)


def _ensemble(folder: Path, fold: int | None, seed: int | None, device: str) -> EnsemblePredictor:
    """Models of every row are merged by the mean of what the folds have learned."""
    ensemble_manifest = manifest.read(folder)
    records = [_with_models(home) for home in ensemble_manifest.homes(folder)]
    needed = [set(seat.beside(ensemble_manifest.seeds)) for seat in ensemble_manifest.members]
    shared = [
        kind
        for kind in records[0].models
        if all(
            seeds <= {*record.models.get(kind, ())}
            for seeds, record in zip(needed, records, strict=True)
        )
    ]
    if not shared:
        raise ConfigError(f"{folder}: its members have no models of the same folds and seeds left")
    kind, chosen = _kind(folder, shared, fold), _seeds(ensemble_manifest.seeds, seed)
    members = [
        _predictor_of(
            record, [record.models[kind][number] for number in seat.beside(chosen)], device
        )
        for record, seat in zip(records, ensemble_manifest.members, strict=True)
    ]
    fits = {}
    for target, by_fold in ensemble_manifest.fits.items():
        learned = by_fold.values() if kind == "final" else [by_fold[int(kind)]]
        fits[target] = [[by_seed[number] for by_seed in learned] for number in chosen]
    return EnsemblePredictor(
        ensemble_manifest.how,
        members,
        seeds=len(chosen),
        classes=ensemble_manifest.classes,
        fits=fits,
    )


def stream(
    run: str | Path,
    batches: Iterable[Sequence[Question]],
    *,
    workers: int | None = None,
    abstain: float = 0.0,
    **which: Any,
) -> Iterator[list[Answer]]:
    """The answers to each batch, in order, few batches ahead of what is read.

    which: as for `load`. A single batch is answered in this process, and so are all on an
    accelerator; several go to workers that load the run each. A run that scales by speaker gets
    all of them as one.
    """
    predictor = load(run, **which)  # what is wrong with the run is said here, not by a worker
    if predictor.transductive:  # a speaker's clips are scaled by each other
        batches = [list(itertools.chain.from_iterable(batches))]
    remaining = iter(batches)
    first = list(itertools.islice(remaining, 2))
    if len(first) < 2 or find_device(which.get("device", "auto")).type != "cpu":
        for batch in itertools.chain(first, remaining):
            yield predictor.answers(batch, abstain=abstain)
        return
    jobs = ((str(run), which, batch, abstain) for batch in itertools.chain(first, remaining))
    yield from spread(_answer_batch, jobs, workers=workers)


def _answer_batch(
    run: str, which: dict[str, Any], asked: Sequence[Question], abstain: float
) -> list[Answer]:
    return _predictor(run, tuple(sorted(which.items()))).answers(asked, abstain=abstain)


@lru_cache(maxsize=1)
def _predictor(run: str, which: tuple[tuple[str, Any], ...]) -> Predictor | EnsemblePredictor:
    return load(run, **dict(which))


def _kind(folder: Path, models: Collection[str], fold: int | None) -> str:
    """Which models are meant: those of a fold, or of every row."""
    folds = sorted(int(kind) for kind in models if kind != "final")
    if fold is not None and fold not in folds:
        raise ConfigError(f"fold {fold} is not there: {folder} has {', '.join(map(str, folds))}")
    if fold is None and "final" not in models and len(folds) > 1:
        raise ConfigError(
            f"{folder} has a model for each of {len(folds)} folds: name one (--fold {folds[0]}), "
            "or train one on every row (mser run CONFIG --final)"
        )
    return str(fold) if fold is not None else "final" if "final" in models else str(folds[0])


def _seeds(seeds: Sequence[int], seed: int | None) -> list[int]:
    if seed is not None and seed not in seeds:
        raise ConfigError(f"seed {seed} is not there: {', '.join(map(str, seeds))}")
    return [number for number in seeds if seed in (None, number)]
