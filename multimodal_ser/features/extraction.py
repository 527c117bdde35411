"""From utterances to rows in a store: batches of like length, spread over the cores.

On a CPU every worker has its own encoder. On an accelerator one encoder runs in this process and
the workers beside it decode, resample and tokenise a few batches ahead.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from multimodal_ser.config import registry
from multimodal_ser.corpus import audio
from multimodal_ser.features.augmentation import Augmentation
from multimodal_ser.features.contents import Content
from multimodal_ser.features.store import Store
from multimodal_ser.parallel import spread
from multimodal_ser.types import ConfigError, DataError, Features, Input, Utterance, listed

_SHARD_ROWS, _SHARD_BYTES = 512, 2**26
_LARGE = 2**30  # bytes from which on a user is told what is coming
_SAMPLE = 0.02  # share of the inputs after which that is known

Batch = list[tuple[Utterance, Content]]
Row = tuple[np.ndarray, str]  # features `[T, D]` or `[T, L, D]`, and a remark


def find_device(wanted: str = "auto") -> torch.device:
    """`auto`: the accelerator of this machine if there is one, else the CPU."""
    there = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    if wanted == "auto":
        return there or torch.device("cpu")
    if wanted != "cpu" and (there is None or there.type != wanted):
        has = there.type if there else "only a CPU"
        raise ConfigError(f"device: this machine has {has}, not {wanted}; auto takes what is there")
    return torch.device(wanted)


def plan(
    encoder: Any,
    utterances: Sequence[Utterance],
    contents: Sequence[Content | None],
    device: torch.device,
) -> list[Batch]:
    """Batches of distinct inputs of like length: not too many, and not too much once padded.

    `encoder.BATCH` says how many items, and how many samples or characters with padding;
    `encoder.ACCELERATED` says so for accelerators, which want more at a time.
    """
    accelerated = None if device.type == "cpu" else encoder.ACCELERATED
    items, budget = accelerated or encoder.BATCH
    distinct = {
        content.key: (utterance, content)
        for utterance, content in zip(utterances, contents, strict=True)
        if content
    }
    batches: list[Batch] = []
    for pair in sorted(distinct.values(), key=lambda pair: (pair[1].length, pair[1].key)):
        size = len(batches[-1]) if batches else items
        full = budget is not None and (size + 1) * pair[1].length > budget
        if full or size == items:
            batches.append([])
        batches[-1].append(pair)
    return batches


def fill(
    store: Store,
    name: str,
    options: Mapping[str, Any],
    batches: Sequence[Batch],
    *,
    device: torch.device,
    workers: int | None = None,
    label: str = "",
) -> None:
    """Compute the batches and put their rows into the store, a shard at a time.

    The longest batches come first: too little memory shows at once, and no worker is left alone
    with a long batch at the end.
    """
    batches = batches[::-1]
    parts = [[utterance for utterance, _ in batch] for batch in batches]
    jobs = [(name, dict(options), store.source, part) for part in parts]
    beside = device.type != "cpu" and registry.find("encoders", name).ACCELERATED
    if beside:
        encoded = encode_on_device(jobs, device, workers, label)
    else:
        encoded = spread(encode_batch, jobs, workers=workers, label=label)
    writer, guard = ShardWriter(store), _SizeGuard(store.folder, batches)
    for batch, rows in zip(batches, encoded, strict=True):
        guard.see(batch, rows)
        for (_, content), row in zip(batch, rows, strict=True):
            writer.add(content.key, row)
    writer.close()


class ShardWriter:
    """Rows on their way into a store, a shard at a time."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.rows: dict[str, Row] = {}
        self.bytes = 0

    def add(self, key: str, row: Row) -> None:
        if key in self.store or key in self.rows:
            return
        self.rows[key] = row
        self.bytes += row[0].nbytes
        if len(self.rows) >= _SHARD_ROWS or self.bytes > _SHARD_BYTES:
            self.close()

    def close(self) -> None:
        """Write what has been added."""
        remarks = {key: remark for key, (_, remark) in self.rows.items() if remark}
        self.store.put({key: row for key, (row, _) in self.rows.items()}, remarks)
        self.rows, self.bytes = {}, 0


class _SizeGuard:
    """Foretells size and time from the first batches, and stops before the disk is full."""

    def __init__(self, folder: Path, batches: Sequence[Batch]) -> None:
        self.folder = folder
        self.items = sum(len(batch) for batch in batches)
        self.length = sum(content.length for batch in batches for _, content in batch)
        self.began = time.monotonic()
        self.seen = self.seen_length = self.bytes = 0
        self.said = False

    def see(self, batch: Batch, rows: Sequence[Row]) -> None:
        """Called after a small share of the inputs; DataError if the rest would not fit."""
        if self.said:
            return
        self.seen += len(batch)
        self.seen_length += sum(content.length for _, content in batch)
        self.bytes += sum(row.nbytes for row, _ in rows)
        if self.seen < _SAMPLE * self.items:
            return
        self.said = True
        constant = len({row.shape for row, _ in rows}) == 1 and rows[0][0].shape[0] == 1
        share = self.seen / self.items if constant else self.seen_length / max(self.length, 1)
        size, free = self.bytes / max(share, 1e-9), shutil.disk_usage(self.folder).free
        if size > free:
            raise DataError(
                f"these features need about {size / 2**30:.1f} GiB, and {free / 2**30:.1f} are "
                f"free under {self.folder} (pool: mean, or another cache.dir)"
            )
        if size > _LARGE:
            seconds = (time.monotonic() - self.began) * self.length / max(self.seen_length, 1)
            what = f"about {size / 2**30:.1f} GiB and {seconds / 60:.0f} minutes"
            print(f"{self.items} inputs: {what} are to come", file=sys.stderr)


def read_input(utterance: Utterance, modality: str) -> Input:
    """The part of an utterance that an encoder of this modality may see."""
    if modality == "text":
        return Input(text=utterance.text, language=utterance.language)
    if utterance.audio is None:
        return Input()
    samples, rate = audio.read(utterance)
    sound = Input(samples=samples, rate=rate)
    if utterance.change is None:
        return sound
    return augmentation_of(utterance.change.steps).of_input(sound, utterance.change.key)


@lru_cache(maxsize=4)
def augmentation_of(steps: str) -> Augmentation:
    """The augmentation with these names and options, given as JSON."""
    return Augmentation(
        [registry.build("augment", name, options) for name, options in json.loads(steps)]
    )


def run_encoder(encoder: Any, inputs: Sequence[Input]) -> list[np.ndarray]:
    """`[T, D]` (all layers: `[T, L, D]`) for each input, unpadded; T = 0 for a missing one."""
    return _forward(encoder, encoder.prepare(inputs))


def encode_clip(
    encoders: Sequence[tuple[str, Mapping[str, Any]]], samples: np.ndarray, rate: int
) -> list[Row]:
    """The row that each encoder makes of one clip."""
    sound = Input(samples=samples, rate=rate)
    built = [_built(name, json.dumps(options, sort_keys=True)) for name, options in encoders]
    return [encoded_rows(encoder, [sound], [""])[0] for encoder in built]


def _forward(encoder: Any, given: Mapping[str, torch.Tensor]) -> list[np.ndarray]:
    with torch.inference_mode():
        features: Features = encoder(**given)
    kept = encoder.store
    rows = []
    for x, mask in zip(features.x.cpu(), features.mask.cpu(), strict=True):
        row = x[mask] if x.ndim == 2 else x[:, mask].transpose(0, 1)
        rows.append(row.to(torch.float32).numpy().astype(kept))
    return rows


def encode_batch(
    name: str, options: Mapping[str, Any], source: str, utterances: Sequence[Utterance]
) -> list[Row]:
    encoder = _built(name, json.dumps(options, sort_keys=True), source)
    inputs = [read_input(utterance, encoder.modality) for utterance in utterances]
    return encoded_rows(encoder, inputs, [utterance.id for utterance in utterances])


def encoded_rows(encoder: Any, inputs: Sequence[Input], ids: Sequence[str]) -> list[Row]:
    rows = _finite(encoder, ids, run_encoder(encoder, inputs))
    return list(zip(rows, encoder.remarks(inputs), strict=True))


def _finite(encoder: Any, ids: Sequence[str], rows: list[np.ndarray]) -> list[np.ndarray]:
    bad = [id_ for id_, row in zip(ids, rows, strict=True) if not np.isfinite(row).all()]
    if bad:
        name = type(encoder).__module__.rpartition(".")[2]
        raise DataError(listed(bad, f"utterances got NaN or infinite features from {name}"))
    return rows


def encode_on_device(
    jobs: Sequence[tuple[str, dict[str, Any], str, list[Utterance]]],
    device: torch.device,
    workers: int | None,
    label: str,
) -> Iterator[list[Row]]:
    """One encoder on the device, fed by workers that prepare its inputs."""
    name, options, *_ = jobs[0]
    encoder = registry.build("encoders", name, options).eval().to(device)
    prepared = spread(_prepare_batch, jobs, workers=workers, label=label)
    for (*_, utterances), (tensors_of_batch, remarks) in zip(jobs, prepared, strict=True):
        tensors = {
            key: torch.from_numpy(array).to(device) for key, array in tensors_of_batch.items()
        }
        ids = [utterance.id for utterance in utterances]
        rows = _finite(encoder, ids, _forward(encoder, tensors))
        yield list(zip(rows, remarks, strict=True))


def _prepare_batch(
    name: str, options: Mapping[str, Any], source: str, utterances: Sequence[Utterance]
) -> tuple[dict[str, np.ndarray], list[str]]:
    encoder = built_to_prepare(name, json.dumps(options, sort_keys=True), source)
    inputs = [read_input(utterance, encoder.modality) for utterance in utterances]
    arrays = {key: tensor.numpy() for key, tensor in encoder.prepare(inputs).items()}
    return arrays, encoder.remarks(inputs)


@lru_cache(maxsize=4)
def _built(name: str, options: str, source: str = "") -> Any:
    """An encoder, kept in this process as long as its weights (`source`) are the same."""
    return registry.build("encoders", name, json.loads(options)).eval()


@lru_cache(maxsize=4)
def built_to_prepare(name: str, options: str, source: str) -> Any:
    """An encoder that only prepares inputs; the memory of its weights is freed."""
    return registry.build("encoders", name, json.loads(options)).to("meta")
