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

from multimodal_ser.config import modes, registry
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.distributed import world
from multimodal_ser.features.augmentation import of_every_epoch
from multimodal_ser.features.batches import Dataset, Scaling
from multimodal_ser.features.copies import with_copies
from multimodal_ser.features.extraction import find_device
from multimodal_ser.features.live import Changes
from multimodal_ser.training import checkpoint_head
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
from multimodal_ser.training.rows import Material
from multimodal_ser.types import DivergedError, Fold, MissingError, listed


def job(
    experiment: Experiment,
    material: Material,
    fold: Fold,
    seed: int,
    folder: Path,
    parts: Sequence[str],
) -> None:
    """Leave a finished model and its scores of the parts in `folder`.

    Where encoders run in every step, an epoch that is done is never done again.
    """
    features = material.hash()
    kept = None
    if modes.in_every_step(experiment):
        kept = Checkpoint(folder, features, writes=world().first)
    if is_finished(folder, features):
        trained = load(experiment, folder, place_of(experiment))
    else:
        trained = fit(experiment, material, fold, seed, kept)
        if world().first:
            write(_contents(experiment, trained, features), folder, features)
    if kept is not None:
        kept.remove()
    for part in parts:
        scores = predict(experiment, material, trained, fold.parts[part]).scores
        if world().first:
            write_scores(folder, part, {**scores, **filed(trained.thresholds)})


def place_of(experiment: Experiment) -> torch.device:
    """Where models are trained: heads on cached features on the CPU, where they are fastest."""
    if modes.in_every_step(experiment):
        return find_device(experiment.device)
    return torch.device("cpu")


def fit(
    experiment: Experiment,
    material: Material,
    fold: Fold,
    seed: int,
    kept: Checkpoint | None = None,
    watch: Callable[[int, int, float], None] | None = None,
) -> Trained:
    """Train on the fold's train part, balanced if the config says so; dev only selects.

    watch: is told of each epoch of a learner that has some; see the gradient loop.
    """
    chosen = fold.train
    if experiment.balance == "truncate":
        chosen = truncated(fold.train, material.codes, seed)
    if material.copies:
        count = len(material.utterances) // (material.copies + 1)
        chosen = with_copies(chosen, material.copies, count)
    torch.manual_seed(seed)
    fitted = {}
    for name in modes.fitted(experiment):
        fitted[name] = modes.build(experiment.encoders[name])
        fitted[name].fit([material.text(row) for row in chosen])
        fitted[name].eval()
    encoders = learning_encoders(experiment, fitted)
    start = Trained(fitted, {}, _units(experiment, material, chosen), encoders)
    scalings = {
        name: Scaling.fit(frozen_rows(experiment, material, start, name, chosen))
        for name, part in experiment.encoders.items()
        if part.normalize == "standard"
    }
    start = replace(start, scalings=scalings)
    train, shape = _training_data(experiment, material, start, chosen, seed)
    dev = dataset(experiment, material, start, fold.dev) if len(fold.dev) else None
    learner = make_learner(experiment, shape, encoders, train.targets)
    if encoders:
        learner.model.to(place_of(experiment))
    told = {"kept": kept, "watch": watch if hasattr(learner, "loop") else None}
    try:
        learner.fit(train, dev, seed=seed, **{key: one for key, one in told.items() if one})
    except DivergedError as error:
        raise _with_names(error, material, chosen, kept) from None
    cuts = material.thresholds
    if not cuts:
        cuts = thresholds(experiment.targets("labels"), material.classes, learner, dev)
    return replace(start, learner=learner, shape=shape, thresholds=cuts)


def _training_data(
    experiment: Experiment, material: Material, start: Trained, chosen: np.ndarray, seed: int
) -> tuple[Dataset, dict[str, Any]]:
    """The rows that train, balanced and changed as the config says, and what they look like."""
    teaching = replace(material, targets={**material.targets, **material.taught})
    train = dataset(experiment, teaching, start, chosen)
    whole = {
        name: all(material.sources[name].keys[row] for row in chosen) for name in start.encoders
    }
    shape = shape_of(experiment, train, whole) | {"classes": dict(material.classes)}
    steps = of_every_epoch(experiment.augment)
    if steps is not None:
        train = dataset(experiment, teaching, start, chosen, Changes(steps, seed))
    if experiment.balance != "none":
        how, beta = experiment.balance, experiment.balance_beta
        train = balanced(train, experiment.balanced_target, how, beta)
    return train, with_encoders(shape, start.encoders)


def _with_names(
    error: DivergedError, material: Material, chosen: np.ndarray, kept: Checkpoint | None
) -> DivergedError:
    """The error with the utterances that it happened on, and what is left of the training."""
    names = [material.utterances[row].id for row in chosen[error.rows]]
    last = kept.epochs() if kept is not None else 0
    left = f"\nthe last good checkpoint is of epoch {last}: {kept.path}" if kept and last else ""
    return DivergedError(listed(names, f"utterances: {error}") + left, error.rows)


def load(experiment: Experiment, folder: Path, device: torch.device | None = None) -> Trained:
    """A finished model from its folder; encoders that learned go to the device."""
    written = json.loads((folder / "model.json").read_text("utf-8"))
    fitted = {}
    for name in modes.fitted(experiment):
        fitted[name] = modes.build(experiment.encoders[name]).eval()
        fitted[name].load_state(read_files(folder / "encoders" / name))
    scalings = {
        path.stem: Scaling(
            *(torch.from_numpy(load_file(path)[key]) for key in ("centre", "spread"))
        )
        for path in (folder / "scalings").glob("*.safetensors")
    }
    _refuse_other_weights(experiment, written.get("weights", {}))
    shape = {key: written[key] for key in ("dims", "absent", "layers", "classes")}
    encoders = learning_encoders(experiment, fitted)
    learner = make_learner(experiment, shape, encoders)
    learner.load_state(read_files(folder / "learner"))
    if encoders and device is not None:
        learner.model.to(device)
    units = {name: (pair[0], pair[1]) for name, pair in written["units"].items()}
    cuts = written.get("thresholds", {})
    return Trained(fitted, scalings, units, encoders, learner, shape, cuts)


def learned_numbers(trained: Trained) -> int:
    """How many numbers a model learns; 0 for classical learners."""
    model = getattr(trained.learner, "model", None)
    learning = model.parameters() if model is not None else ()
    return sum(one.numel() for one in learning if one.requires_grad)


def settled_thresholds(folders: Sequence[Path]) -> dict[str, list[float]]:
    """Target of labels → the mean of what several models chose on dev, for one that has no dev."""
    found = [json.loads((one / "model.json").read_text("utf-8")) for one in folders]
    kept = [one.get("thresholds", {}) for one in found]
    return {name: np.mean([one[name] for one in kept], axis=0).tolist() for name in kept[0]}


def _base_weights(experiment: Experiment) -> dict[str, str]:
    """Encoder that was fine-tuned → the hash of the weights that it began with."""
    return {
        name: registry.find("encoders", part.name).weights_hash(part.options)
        for name, part in experiment.encoders.items()
        if part.trainable
    }


def _refuse_other_weights(experiment: Experiment, known: Mapping[str, str]) -> None:
    """What was learned of a model in part fits no other one."""
    for name, found in _base_weights(experiment).items():
        if found != known.get(name):
            model = experiment.encoders[name].options.get("model")
            raise MissingError(
                f"encoders.{name} was fine-tuned from other weights than those of '{model}' here; "
                "name the revision that it began with"
            )


def _units(
    experiment: Experiment, material: Material, rows: np.ndarray
) -> dict[str, tuple[float, float]]:
    """Mean and deviation of each target of numbers over some rows; 1 where it does not vary."""
    found = {}
    if checkpoint_head.used(experiment):  # which speaks in the corpus's own
        return dict.fromkeys(experiment.targets("numbers"), (0.0, 1.0))
    for name in experiment.targets("numbers"):
        values = material.targets[name][rows, 0].astype(np.float64)
        found[name] = (float(np.nanmean(values)), float(np.nanstd(values)) or 1.0)
    return found


def _contents(experiment: Experiment, trained: Trained, features: str) -> dict[str, bytes]:
    """The files of a model folder."""
    files: dict[str, bytes] = {}
    for name, encoder in trained.fitted.items():
        files |= {f"encoders/{name}/{file}": data for file, data in encoder.state().items()}
    for name, scaling in trained.scalings.items():
        arrays = {"centre": scaling.centre.numpy(), "spread": scaling.spread.numpy()}
        files[f"scalings/{name}.safetensors"] = save(arrays)
    files |= {f"learner/{file}": data for file, data in trained.learner.state().items()}
    written = {"features": features, "units": trained.units, **(trained.shape or {})}
    if hasattr(trained.learner, "model"):
        written["parameters"] = learned_numbers(trained)
    if trained.thresholds:
        written["thresholds"] = trained.thresholds
    if weights := _base_weights(experiment):
        written["weights"] = weights
    return files | {"model.json": json.dumps(written, indent=1).encode()}
