"""What a trained model makes of rows: the data that its learner sees, and the scores."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from scipy import sparse

from multimodal_ser.config import modes, registry
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.features.batches import Dataset, Part, Ragged, Scaling, scale_by_speaker
from multimodal_ser.features.encode import Encoded
from multimodal_ser.features.extraction import find_device, run_encoder
from multimodal_ser.features.live import Blanked, Calls, Changes, Fresh, Utterances, shelf_of
from multimodal_ser.training.rows import Material
from multimodal_ser.types import Input, Predictions


@dataclass(frozen=True)
class Trained:
    """All that turns features into scores: fitted encoders, scalings, the learner.

    encoders: those that learn, which are a part of the learner's model; units: target of numbers →
    mean and deviation in train; learners see numbers in those. shape: what the model was built for.
    thresholds: target of labels → the probability from which on each of them is one.
    """

    fitted: Mapping[str, Any]
    scalings: Mapping[str, Scaling]
    units: Mapping[str, tuple[float, float]]
    encoders: Mapping[str, Any] = field(default_factory=dict)
    learner: Any = None
    shape: Mapping[str, Any] | None = None
    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)


def predict(
    experiment: Experiment, material: Material, trained: Trained, rows: np.ndarray
) -> Predictions:
    """Scores of any rows, in their order; numbers in the units of the corpus."""
    return Predictions(rows, score(trained, dataset(experiment, material, trained, rows)))


def score(trained: Trained, data: Dataset) -> dict[str, np.ndarray]:
    """Target → probabilities `[N, C]`, or numbers `[N, 1]` in the units of the corpus."""
    scores = dict(trained.learner.predict(data))
    for name, (centre, spread) in trained.units.items():
        scores[name] = scores[name] * spread + centre
    return scores


def dataset(
    experiment: Experiment,
    material: Material,
    trained: Trained,
    rows: np.ndarray,
    changes: Changes | None = None,
) -> Dataset:
    """Some rows as the learner sees them: fitted, scaled, in sorted order of the encoders.

    changes: what happens to them in each epoch, where they train.
    """
    parts = {
        name: _part(experiment, material, trained, name, rows, changes)
        for name in experiment.encoders
    }
    targets = {name: torch.from_numpy(truth[rows]) for name, truth in material.targets.items()}
    for name, (centre, spread) in trained.units.items():
        targets[name] = (targets[name] - centre) / spread
    data = join(trained, parts, targets, material.clusters[rows])
    live = [name for name, part in data.features.items() if isinstance(part, Calls | Fresh)]
    if live:
        lengths = np.max([np.array(material.sources[name].lengths)[rows] for name in live], axis=0)
        data = replace(data, lengths=torch.from_numpy(lengths))
    return data if changes is None else _changed(experiment, data, rows, changes)


def _changed(experiment: Experiment, data: Dataset, rows: np.ndarray, changes: Changes) -> Dataset:
    """With frames blanked out and batches mixed."""
    features = dict(data.features)
    for name, part in features.items():
        modality = registry.find("encoders", experiment.encoders[name].name).modality
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
    """Encoder → features, scaled as in training, in sorted order."""
    features = dict(sorted(parts.items()))
    for name, scaling in trained.scalings.items():
        part = features[name]
        if isinstance(part, Ragged):
            features[name] = scaling.apply(part)
    return Dataset(features, targets, clusters)


def _part(
    experiment: Experiment,
    material: Material,
    trained: Trained,
    name: str,
    rows: np.ndarray,
    changes: Changes | None,
) -> Any:
    if name in trained.encoders:
        return _calls(experiment, material, name, trained.encoders[name], rows, changes)
    if changes is None or name not in modes.fresh(experiment):
        return frozen_rows(experiment, material, trained, name, rows)
    encoder = trained.fitted.get(name) or modes.build(experiment.encoders[name]).eval()
    large = hasattr(encoder, "ACCELERATED")
    place = find_device(experiment.device) if large else torch.device("cpu")
    calls = _calls(experiment, material, name, encoder.to(place), rows, changes)
    return Fresh(calls, place, trained.scalings.get(name))


def _calls(
    experiment: Experiment,
    material: Material,
    name: str,
    encoder: Any,
    rows: np.ndarray,
    changes: Changes | None,
) -> Calls:
    """What an encoder is called with for some rows; kept for other folds unless it was fitted."""
    part, all_of = experiment.encoders[name], Utterances(material.utterances)
    touched = changes is not None and changes.steps.touches_input(encoder.modality)
    read = all_of.inputs(encoder.modality, getattr(encoder, "rate", None), keep=touched)
    options = json.dumps(part.options, sort_keys=True)
    shelf = None if name in modes.fitted(experiment) else shelf_of(all_of, part.name, options)
    learns = name in modes.learning(experiment)  # of a frozen one, what it gives is blanked out
    return Calls(encoder, read, rows, changes, shelf, blanks=learns)


def frozen_rows(
    experiment: Experiment,
    material: Material,
    trained: Trained,
    name: str,
    rows: np.ndarray,
) -> Any:
    """One encoder's features of some rows, before `standard` scaling."""
    if name in trained.fitted:
        return fitted_rows(experiment, trained.fitted[name], [material.text(row) for row in rows])
    speakers = material.speakers if experiment.encoders[name].normalize == "speaker" else None
    key = None if speakers is None else speakers.tobytes()
    return _cached(material.encoded[name], key).take(rows)


def fitted_rows(
    experiment: Experiment, encoder: Any, inputs: Sequence[Input]
) -> Ragged | sparse.csr_array:
    """What a fitted encoder makes of inputs: sparse columns for a learner that can take them."""
    if registry.find("learners", experiment.learner.name).WANTS == "pooled":
        matrix = encoder.matrix(inputs)
        if isinstance(matrix, sparse.csr_array):
            return matrix
    return Ragged.of(run_encoder(encoder, inputs)) if inputs else Ragged.of([None])


@lru_cache(maxsize=4)
def _cached(encoded: Encoded, speakers: bytes | None) -> Ragged:
    """All rows of a cached encoder; kept, because one worker trains many folds and seeds."""
    rows = Ragged.of(encoded.load())
    if speakers is None:
        return rows
    return scale_by_speaker(rows, np.frombuffer(speakers, dtype=np.int64))
