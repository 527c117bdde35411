"""One fold, one seed: fit what is fitted, train, write the model, score parts of the fold.

`job` runs in a worker process and talks through the model's folder only, so it can be killed and
started again, and a finished one is never trained twice.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save
from scipy import sparse

from multimodal_ser import components
from multimodal_ser.balance import balanced, truncated
from multimodal_ser.batches import Dataset, Ragged, Scaling, scale_by_speaker
from multimodal_ser.experiment import Experiment
from multimodal_ser.extraction import run_encoder
from multimodal_ser.features import Encoded
from multimodal_ser.label_sets import filed, thresholds
from multimodal_ser.model import Model, head
from multimodal_ser.model_folder import is_finished, read_files, write, write_scores
from multimodal_ser.outputs import losses_of
from multimodal_ser.types import Fold, Input, Predictions


@dataclass(frozen=True)
class Material:
    """What training needs of the corpus, row by row, and where its features are.

    encoded: the cached encoders; inputs: what the fitted encoders read; targets: target → what is
    learned of it, `[N, C]` or `[N, 1]`; classes: target → its classes, none for
    numbers; codes: `[N]` classes of the target that `balance` evens out; clusters and speakers:
    `[N]` codes. taught: target → what stands for `targets` in the rows that train, where that is
    something else.
    """

    encoded: Mapping[str, Encoded]
    inputs: Sequence[Input]
    targets: Mapping[str, np.ndarray]
    classes: Mapping[str, Sequence[str]]
    codes: np.ndarray
    clusters: np.ndarray
    speakers: np.ndarray
    taught: Mapping[str, np.ndarray] = field(default_factory=dict)

    def hash(self) -> str:
        return hash_of(self.encoded)


def hash_of(encoded: Mapping[str, Encoded]) -> str:
    """Of every feature key: other features, other models."""
    digest = hashlib.sha256()
    for name, one in sorted(encoded.items()):
        digest.update(f"{name}={one.recipe.key()}@{one.layer}:{','.join(one.keys)};".encode())
    return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Trained:
    """All that turns features into scores: fitted encoders, scalings, the learner.

    units: target of numbers → mean and deviation in train; learners see numbers in those. shape:
    what the model was built for. thresholds: target of labels → the probability from which on each
    of them is one.
    """

    fitted: Mapping[str, Any]
    scalings: Mapping[str, Scaling]
    units: Mapping[str, tuple[float, float]]
    learner: Any = None
    shape: Mapping[str, Any] | None = None
    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)


def job(
    experiment: Experiment,
    material: Material,
    fold: Fold,
    seed: int,
    folder: Path,
    parts: Sequence[str],
) -> None:
    """Leave a finished model and its scores of the parts in `folder`."""
    features = material.hash()
    if is_finished(folder, features):
        trained = load(experiment, folder)
    else:
        trained = fit(experiment, material, fold, seed)
        write(_contents(trained, features), folder, features)
    for part in parts:
        scores = predict(experiment, material, trained, fold.parts[part]).scores
        write_scores(folder, part, {**scores, **filed(trained.thresholds)})


def fit(experiment: Experiment, material: Material, fold: Fold, seed: int) -> Trained:
    """Train on the fold's train part, balanced if the config says so; dev only selects."""
    chosen = fold.train
    if experiment.balance == "truncate":
        chosen = truncated(fold.train, material.codes, seed)
    fitted = {}
    for name, part in experiment.encoders.items():
        if name not in material.encoded:
            encoder = components.build("encoders", part.name, part.options)
            encoder.fit([material.inputs[row] for row in chosen])
            fitted[name] = encoder.eval()
    scalings = {
        name: Scaling.fit(_rows(experiment, material, fitted, name, chosen))
        for name, part in experiment.encoders.items()
        if part.normalize == "standard"
    }
    start = Trained(fitted, scalings, _units(experiment, material, chosen))
    teaching = replace(material, targets={**material.targets, **material.taught})
    train = dataset(experiment, teaching, start, chosen)
    if experiment.balance != "none":
        how, beta = experiment.balance, experiment.balance_beta
        train = balanced(train, experiment.balanced_target, how, beta)
    dev = dataset(experiment, material, start, fold.dev) if len(fold.dev) else None
    torch.manual_seed(seed)
    shape = _shape(experiment, train) | {"classes": dict(material.classes)}
    learner = _make_learner(experiment, shape, train.targets)
    learner.fit(train, dev, seed=seed)
    cuts = thresholds(experiment.targets("labels"), material.classes, learner, dev)
    return replace(start, learner=learner, shape=shape, thresholds=cuts)


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
    experiment: Experiment, material: Material, trained: Trained, rows: np.ndarray
) -> Dataset:
    """The features of some rows as the learner sees them: fitted, scaled, in sorted order."""
    parts = {
        name: _rows(experiment, material, trained.fitted, name, rows)
        for name in experiment.encoders
    }
    targets = {name: torch.from_numpy(truth[rows]) for name, truth in material.targets.items()}
    for name, (centre, spread) in trained.units.items():
        targets[name] = (targets[name] - centre) / spread
    return join(trained, parts, targets, material.clusters[rows])


Part = Ragged | sparse.csr_array


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


def load(experiment: Experiment, folder: Path) -> Trained:
    """A finished model from its folder."""
    written = json.loads((folder / "model.json").read_text("utf-8"))
    fitted = {}
    for name, part in experiment.encoders.items():
        if hasattr(components.find("encoders", part.name), "fit"):
            fitted[name] = components.build("encoders", part.name, part.options).eval()
            fitted[name].load_state(read_files(folder / "encoders" / name))
    scalings = {
        path.stem: Scaling(
            *(torch.from_numpy(load_file(path)[key]) for key in ("centre", "spread"))
        )
        for path in (folder / "scalings").glob("*.safetensors")
    }
    shape = {key: written[key] for key in ("dims", "absent", "layers", "classes")}
    learner = _make_learner(experiment, shape)
    learner.load_state(read_files(folder / "learner"))
    units = {name: (pair[0], pair[1]) for name, pair in written["units"].items()}
    return Trained(fitted, scalings, units, learner, shape, written.get("thresholds", {}))


def _rows(
    experiment: Experiment,
    material: Material,
    fitted: Mapping[str, Any],
    name: str,
    rows: np.ndarray,
) -> Any:
    """One encoder's features of some rows, before `standard` scaling."""
    if name in fitted:
        return fitted_rows(experiment, fitted[name], [material.inputs[row] for row in rows])
    speakers = material.speakers if experiment.encoders[name].normalize == "speaker" else None
    key = None if speakers is None else speakers.tobytes()
    return _cached(material.encoded[name], key).take(rows)


def fitted_rows(experiment: Experiment, encoder: Any, inputs: Sequence[Input]) -> Part:
    """What a fitted encoder makes of inputs: sparse columns for a learner that can take them."""
    if components.find("learners", experiment.learner.name).WANTS == "pooled":
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


def _shape(experiment: Experiment, train: Dataset) -> dict[str, Any]:
    """Dims of the encoders, which of them training leaves out at times, which give all layers."""
    dropped = experiment.learner.options.get("modality_dropout", 0) > 0
    ragged = {name: part for name, part in train.features.items() if isinstance(part, Ragged)}
    return {
        "dims": {name: part.dim for name, part in ragged.items()},
        "absent": [
            name for name, part in ragged.items() if dropped or bool((part.lengths == 0).any())
        ],
        "layers": {name: part.layers for name, part in ragged.items() if part.layers},
    }


def _make_learner(
    experiment: Experiment,
    shape: Mapping[str, Any],
    truth: Mapping[str, torch.Tensor] | None = None,
) -> Any:
    """truth: what the rows that train are taught; None: nothing will be trained."""
    dims = shape["dims"]
    name, options = experiment.learner.name, experiment.learner.options
    if experiment.fusion is None:
        return components.build("learners", name, options)
    fusion = components.build("fusion", experiment.fusion.name, experiment.fusion.options, dims)
    heads = {
        target: head(fusion.out_dim, len(classes) or 1, **experiment.outputs[target].layers)
        for target, classes in shape["classes"].items()
    }
    more = {
        "layers": shape["layers"],
        "attended": [key for key, part in experiment.encoders.items() if part.attended],
        "modalities": experiment.modality_of,
        "multiple": experiment.targets("labels"),
    }
    model = Model(fusion, heads, dims, shape["absent"], **more)
    return components.build("learners", name, options, model, losses_of(experiment.outputs, truth))


def _units(
    experiment: Experiment, material: Material, rows: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Mean and deviation of each target of numbers over some rows; 1 where it does not vary."""
    found = {}
    for name in experiment.targets("numbers"):
        values = material.targets[name][rows, 0].astype(np.float64)
        found[name] = (float(np.nanmean(values)), float(np.nanstd(values)) or 1.0)
    return found


def _contents(trained: Trained, features: str) -> dict[str, bytes]:
    """The files of a model folder."""
    files: dict[str, bytes] = {}
    for name, encoder in trained.fitted.items():
        files |= {f"encoders/{name}/{file}": data for file, data in encoder.state().items()}
    for name, scaling in trained.scalings.items():
        arrays = {"centre": scaling.centre.numpy(), "spread": scaling.spread.numpy()}
        files[f"scalings/{name}.safetensors"] = save(arrays)
    files |= {f"learner/{file}": data for file, data in trained.learner.state().items()}
    written = {"features": features, "units": trained.units, **(trained.shape or {})}
    written |= {"thresholds": trained.thresholds} if trained.thresholds else {}
    model = getattr(trained.learner, "model", None)
    if model is not None:
        written["parameters"] = sum(one.numel() for one in model.parameters())
    return files | {"model.json": json.dumps(written, indent=1).encode()}
