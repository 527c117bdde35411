"""One fold, one seed: fit what is fitted, train, write the model, score parts of the fold.

`job` runs in a worker process and talks through the model's folder only, so it can be killed and
started again, and a finished one is never trained twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import load_file, save

from multimodal_ser.config import registry
from multimodal_ser.config.method import Method
from multimodal_ser.distributed import world
from multimodal_ser.features.augmentation import Augmentation
from multimodal_ser.features.batches import Dataset, Scaling
from multimodal_ser.features.copies import with_copies
from multimodal_ser.features.extraction import find_device
from multimodal_ser.features.live import Changes
from multimodal_ser.training.apply import Trained, dataset, frozen_rows, predict
from multimodal_ser.training.balance import balanced, filed, thresholds, truncated
from multimodal_ser.training.build import learning_encoders, make_learner, shape_of, with_encoders
from multimodal_ser.training.model_folder import (
    Checkpoint,
    is_finished,
    read_files,
    write,
    write_scores,
)
from multimodal_ser.training.rows import TrainingRows
from multimodal_ser.types import DivergedError, Fold, MissingError, listed


def job(
    method: Method,
    training_rows: TrainingRows,
    fold: Fold,
    seed: int,
    folder: Path,
    parts: Sequence[str],
) -> None:
    """Write a finished model and its scores of the parts into `folder`.

    Where encoders run in every step, each epoch is written too, and none is trained twice.
    """
    features = training_rows.hash()
    checkpoint = None
    if method.in_every_step:
        checkpoint = Checkpoint(folder, features, writes=world().first)
    if is_finished(folder, features):
        trained = load(method, folder, place_of(method))
    else:
        trained = fit(method, training_rows, fold, seed, checkpoint)
        if world().first:
            write(_contents(method, trained, features), folder, features)
    if checkpoint is not None:
        checkpoint.remove()
    for part in parts:
        scores = predict(method, training_rows, trained, fold.parts[part]).scores
        if world().first:
            write_scores(folder, part, {**scores, **filed(trained.thresholds)})


def place_of(method: Method) -> torch.device:
    """The device for training; heads on cached features are trained fastest on the CPU."""
    if method.in_every_step:
        return find_device(method.device)
    return torch.device("cpu")


def fit(
    method: Method,
    training_rows: TrainingRows,
    fold: Fold,
    seed: int,
    checkpoint: Checkpoint | None = None,
    watch: Callable[[int, int, float], None] | None = None,
) -> Trained:
    """Train on the fold's train part, balanced if the config says so; dev only selects.

    checkpoint: where each epoch is written, and from where a stopped training goes on. watch: is
    called after each epoch of a learner that has epochs; see the gradient loop.
    """
    chosen = fold.train
    if method.balance == "truncate":
        chosen = truncated(fold.train, training_rows.codes, seed)
    if training_rows.copies:
        count = len(training_rows.utterances) // (training_rows.copies + 1)
        chosen = with_copies(chosen, training_rows.copies, count)
    torch.manual_seed(seed)
    fitted = {}
    for name, encoding in method.fitted.items():
        fitted[name] = encoding.build()
        fitted[name].fit([training_rows.text(row) for row in chosen])
        fitted[name].eval()
    encoders = learning_encoders(method, fitted)
    start = Trained(fitted, {}, _units(method, training_rows, chosen), encoders)
    scalings = {
        name: Scaling.fit(frozen_rows(method, training_rows, start, name, chosen))
        for name, encoding in method.encodings.items()
        if encoding.normalize == "standard"
    }
    start = replace(start, scalings=scalings)
    train, shape = _training_data(method, training_rows, start, chosen, seed)
    dev = dataset(method, training_rows, start, fold.dev) if len(fold.dev) else None
    learner = make_learner(method, shape, encoders, train.targets)
    if encoders:
        learner.model.to(place_of(method))
    further = {"kept": checkpoint, "watch": watch if learner.loop is not None else None}
    try:
        learner.fit(
            train, dev, seed=seed, **{key: value for key, value in further.items() if value}
        )
    except DivergedError as error:
        raise _with_names(error, training_rows, chosen, checkpoint) from None
    decided = training_rows.thresholds
    if not decided:
        decided = thresholds(method.targets("labels"), training_rows.classes, learner, dev)
    return replace(start, learner=learner, shape=shape, thresholds=decided)


def _training_data(
    method: Method, training_rows: TrainingRows, start: Trained, chosen: np.ndarray, seed: int
) -> tuple[Dataset, dict[str, Any]]:
    """The training rows, balanced and augmented, and the shape of the model."""
    teaching = replace(training_rows, targets={**training_rows.targets, **training_rows.taught})
    train = dataset(method, teaching, start, chosen)
    whole = {
        name: all(training_rows.sources[name].keys[row] for row in chosen)
        for name in start.encoders
    }
    shape = shape_of(method, train, whole) | {"classes": dict(training_rows.classes)}
    if steps := method.steps_of_every_epoch():
        changes = Changes(Augmentation(steps), seed)
        train = dataset(method, teaching, start, chosen, changes)
    if method.balance != "none":
        train = balanced(train, method.balanced_target, method.balance, method.balance_beta)
    return train, with_encoders(shape, start.encoders)


def _with_names(
    error: DivergedError,
    training_rows: TrainingRows,
    chosen: np.ndarray,
    checkpoint: Checkpoint | None,
) -> DivergedError:
    """The error with the names of its utterances, and the place of the last good checkpoint."""
    names = [training_rows.utterances[row].id for row in chosen[error.rows]]
    last = checkpoint.epochs() if checkpoint is not None else 0
    left = (
        f"\nthe last good checkpoint is of epoch {last}: {checkpoint.path}"
        if checkpoint and last
        else ""
    )
    return DivergedError(listed(names, f"utterances: {error}") + left, error.rows)


def load(method: Method, folder: Path, device: torch.device | None = None) -> Trained:
    """A finished model from its folder; encoders that learned go to the device."""
    written = json.loads((folder / "model.json").read_text("utf-8"))
    fitted = {}
    for name, encoding in method.fitted.items():
        fitted[name] = encoding.build().eval()
        fitted[name].load_state(read_files(folder / "encoders" / name))
    scalings = {
        path.stem: Scaling(
            *(torch.from_numpy(load_file(path)[key]) for key in ("centre", "spread"))
        )
        for path in (folder / "scalings").glob("*.safetensors")
    }
    _refuse_other_weights(method, written.get("weights", {}))
    shape = {key: written[key] for key in ("dims", "absent", "layers", "classes")}
    encoders = learning_encoders(method, fitted)
    learner = make_learner(method, shape, encoders)
    learner.load_state(read_files(folder / "learner"))
    if encoders and device is not None:
        learner.model.to(device)
    units = {name: (pair[0], pair[1]) for name, pair in written["units"].items()}
    cuts = written.get("thresholds", {})
    return Trained(fitted, scalings, units, encoders, learner, shape, cuts)


def learned_numbers(trained: Trained) -> int:
    """The number of parameters that a model learns; 0 for classical learners."""
    model = trained.learner.model
    learning = model.parameters() if model is not None else ()
    return sum(parameter.numel() for parameter in learning if parameter.requires_grad)


def settled_thresholds(folders: Sequence[Path]) -> dict[str, list[float]]:
    """Target of labels → the mean of the thresholds that several models chose on dev.

    It is for a model that has no dev part.
    """
    models = [json.loads((model / "model.json").read_text("utf-8")) for model in folders]
    chosen = [model.get("thresholds", {}) for model in models]
    return {name: np.mean([model[name] for model in chosen], axis=0).tolist() for name in chosen[0]}


def _base_weights(method: Method) -> dict[str, str]:
    """Encoder that is fine-tuned → the hash of the weights that it started from."""
    return {
        name: registry.find("encoders", encoding.name).weights_hash(encoding.options)
        for name, encoding in method.encodings.items()
        if encoding.finetune
    }


def _refuse_other_weights(method: Method, hashes: Mapping[str, str]) -> None:
    """Refuse other weights: a fine-tuned part fits only the weights that it started from."""
    for name, hash_here in _base_weights(method).items():
        if hash_here != hashes.get(name):
            model = method.encodings[name].options.get("model")
            raise MissingError(
                f"encoders.{name} was fine-tuned from other weights than those of '{model}' here; "
                "name the revision that it began with"
            )


def _units(
    method: Method, training_rows: TrainingRows, rows: np.ndarray
) -> dict[str, tuple[float, float]]:
    """The centre and the spread of each target of numbers over some rows, as the learner asks."""
    return {
        name: method.learner_class.unit(training_rows.targets[name][rows, 0].astype(np.float64))
        for name in method.targets("numbers")
    }


def _contents(method: Method, trained: Trained, features: str) -> dict[str, bytes]:
    """The files of a model folder: name → bytes."""
    files: dict[str, bytes] = {}
    for name, encoder in trained.fitted.items():
        files |= {f"encoders/{name}/{file}": data for file, data in encoder.state().items()}
    for name, scaling in trained.scalings.items():
        arrays = {"centre": scaling.centre.numpy(), "spread": scaling.spread.numpy()}
        files[f"scalings/{name}.safetensors"] = save(arrays)
    files |= {f"learner/{file}": data for file, data in trained.learner.state().items()}
    written = {"features": features, "units": trained.units, **(trained.shape or {})}
    if trained.learner.model is not None:
        written["parameters"] = learned_numbers(trained)
    if trained.thresholds:
        written["thresholds"] = trained.thresholds
    if weights := _base_weights(method):
        written["weights"] = weights
    return files | {"model.json": json.dumps(written, indent=1).encode()}
