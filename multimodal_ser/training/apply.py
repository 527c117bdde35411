"""Apply a trained model to rows: the data that its learner sees, and the scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from scipy import sparse

from multimodal_ser.features.batches import Dataset, Part, Ragged, Scaling, scale_by_speaker
from multimodal_ser.features.extraction import find_device, run_encoder
from multimodal_ser.features.live import (
    Blanked,
    Changes,
    LiveFeatures,
    LiveInputs,
    Utterances,
    cache_of,
)
from multimodal_ser.types import Input, Predictions

if TYPE_CHECKING:
    from multimodal_ser.config.method import Encoding, Method
    from multimodal_ser.features.encode import Encoded
    from multimodal_ser.training.rows import TrainingRows


@dataclass(frozen=True)
class Trained:
    """Everything that turns features into scores: fitted encoders, scalings and the learner.

    encoders: those that learn, which are a part of the learner's model. units: target of numbers →
    mean and deviation in train, because learners see numbers in these units. shape: the shapes that
    the model was built for. thresholds: target of labels → the probability from which on each label
    is predicted.
    """

    fitted: Mapping[str, Any]
    scalings: Mapping[str, Scaling]
    units: Mapping[str, tuple[float, float]]
    encoders: Mapping[str, Any] = field(default_factory=dict)
    learner: Any = None
    shape: Mapping[str, Any] | None = None
    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)


def predict(
    method: Method, training_rows: TrainingRows, trained: Trained, rows: np.ndarray
) -> Predictions:
    """The scores of any rows, in their order; numbers are in the units of the corpus."""
    return Predictions(rows, score(trained, dataset(method, training_rows, trained, rows)))


def score(trained: Trained, data: Dataset) -> dict[str, np.ndarray]:
    """Target → probabilities `[N, C]`, or numbers `[N, 1]` in the units of the corpus."""
    scores = dict(trained.learner.predict(data))
    for name, (centre, spread) in trained.units.items():
        scores[name] = scores[name] * spread + centre
    return scores


def dataset(
    method: Method,
    training_rows: TrainingRows,
    trained: Trained,
    rows: np.ndarray,
    changes: Changes | None = None,
) -> Dataset:
    """Some rows as the learner sees them: fitted, scaled, in sorted order of the encoders.

    changes: what happens to them in each epoch, where they train.
    """
    parts = {
        name: _part(method, training_rows, trained, name, rows, changes)
        for name in method.encodings
    }
    targets = {name: torch.from_numpy(truth[rows]) for name, truth in training_rows.targets.items()}
    for name, (centre, spread) in trained.units.items():
        targets[name] = (targets[name] - centre) / spread
    data = join(trained, parts, targets, training_rows.clusters[rows])
    live = [
        name for name, part in data.features.items() if isinstance(part, LiveInputs | LiveFeatures)
    ]
    if live:
        lengths = np.max(
            [np.array(training_rows.sources[name].lengths)[rows] for name in live], axis=0
        )
        data = replace(data, lengths=torch.from_numpy(lengths))
    return data if changes is None else _changed(method, data, rows, changes)


def _changed(method: Method, data: Dataset, rows: np.ndarray, changes: Changes) -> Dataset:
    """The data with parts of frames blanked out and batches mixed, as augmentation asks."""
    features = dict(data.features)
    for name, part in features.items():
        modality = method.encodings[name].modality
        masked = changes.steps.touches_frames(modality)
        if masked and isinstance(part, Ragged) and not part.pooled:
            features[name] = Blanked(part, modality, rows, changes)
    return replace(data, features=features, change=changes.of_batch)


def join(
    trained: Trained,
    parts: Mapping[str, Part],
    targets: Mapping[str, torch.Tensor],
    clusters: np.ndarray,
) -> Dataset:
    """Encoder → features, scaled as in training; encoders are in sorted order."""
    features = dict(sorted(parts.items()))
    for name, scaling in trained.scalings.items():
        part = features[name]
        if isinstance(part, Ragged):
            features[name] = scaling.apply(part)
    return Dataset(features, targets, clusters)


def _part(
    method: Method,
    training_rows: TrainingRows,
    trained: Trained,
    name: str,
    rows: np.ndarray,
    changes: Changes | None,
) -> Any:
    if name in trained.encoders:
        encoding = method.encodings[name]
        return _inputs(encoding, training_rows, trained.encoders[name], rows, changes)
    encoding = method.encodings[name]
    if changes is None or not encoding.fresh:
        return frozen_rows(method, training_rows, trained, name, rows)
    encoder = trained.fitted.get(name) or encoding.build().eval()
    place = find_device(method.device) if encoder.ACCELERATED else torch.device("cpu")
    inputs = _inputs(encoding, training_rows, encoder.to(place), rows, changes)
    return LiveFeatures(inputs, place, trained.scalings.get(name))


def _inputs(
    encoding: Encoding,
    training_rows: TrainingRows,
    encoder: Any,
    rows: np.ndarray,
    changes: Changes | None,
) -> LiveInputs:
    """The inputs of an encoder for some rows, kept for other folds unless it was fitted."""
    utterances = Utterances(training_rows.utterances)
    touched = changes is not None and changes.steps.touches_input(encoder.modality)
    read = utterances.inputs(encoder.modality, encoder.rate, keep=touched)
    options = json.dumps(encoding.options, sort_keys=True)
    cache = None if encoding.fitted else cache_of(utterances, encoding.name, options)
    # the frames of a frozen encoder are blanked out in what it gives
    return LiveInputs(encoder, read, rows, changes, cache, blanks=encoding.learns)


def frozen_rows(
    method: Method,
    training_rows: TrainingRows,
    trained: Trained,
    name: str,
    rows: np.ndarray,
) -> Any:
    """One encoder's features of some rows, before `standard` scaling."""
    if name in trained.fitted:
        return fitted_rows(
            method.learner_class, trained.fitted[name], [training_rows.text(row) for row in rows]
        )
    speakers = training_rows.speakers if method.encodings[name].normalize == "speaker" else None
    key = None if speakers is None else speakers.tobytes()
    return _cached(training_rows.encoded[name], key).take(rows)


def fitted_rows(
    learner_class: Any, encoder: Any, inputs: Sequence[Input]
) -> Ragged | sparse.csr_array:
    """The features that a fitted encoder gives; sparse columns where the learner takes them."""
    if learner_class.WANTS == "pooled":
        matrix = encoder.matrix(inputs)
        if isinstance(matrix, sparse.csr_array):
            return matrix
    return Ragged.of(run_encoder(encoder, inputs)) if inputs else Ragged.of([None])


@lru_cache(maxsize=4)
def _cached(encoded: Encoded, speakers: bytes | None) -> Ragged:
    """All rows of a cached encoder, kept because one worker trains many folds and seeds."""
    rows = Ragged.of(encoded.load())
    if speakers is None:
        return rows
    return scale_by_speaker(rows, np.frombuffer(speakers, dtype=np.int64))
