"""The encoding stage: utterances → rows in the cache, each distinct input computed once."""

from __future__ import annotations

import hashlib
import inspect
import json
import shutil
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch

from multimodal_ser import audio, components
from multimodal_ser.cache import Recipe, Store
from multimodal_ser.contents import Content
from multimodal_ser.engines.local import spread
from multimodal_ser.types import ConfigError, DataError, Features, Input, Utterance, listed

_BATCH = (16, None)
_SHARD_ROWS, _SHARD_BYTES = 512, 2**26
_WEIGHTS = ("model", "revision", "file")  # options that say where they lie
_LARGE = 2**30  # bytes from which on a user is told what is coming
_SAMPLE = 0.02  # share of the inputs after which that is known

Row = tuple[np.ndarray, str]  # features `[T, D]` or `[T, L, D]`, and a remark


@dataclass(frozen=True)
class Encoded:
    """Where the features of some utterances are: `keys` `[N]`, `""` for a missing modality.

    layer: which of the stored layers is meant; None: the rows as they are stored. remarks: how
    many of the utterances an encoder had something to say of.
    """

    root: Path
    recipe: Recipe
    keys: tuple[str, ...]
    layer: int | None = None
    remarks: tuple[tuple[str, int], ...] = ()

    def load(self) -> list[np.ndarray | None]:
        """`[T, D]` (or all layers, `[T, L, D]`) float32 for each utterance, None where missing."""
        store = Store(self.root, self.recipe)
        rows = store.get([key for key in dict.fromkeys(self.keys) if key])
        if self.layer is not None:
            _check_layer(self.layer, rows)
            rows = {key: row[:, self.layer] for key, row in rows.items()}
        return [rows[key].astype(np.float32, copy=False) if key else None for key in self.keys]


def _check_layer(layer: int, rows: Mapping[str, np.ndarray]) -> None:
    count = min((row.shape[1] for row in rows.values()), default=0)
    if rows and not -count <= layer < count:
        raise ConfigError(f"layer {layer} is not there: {-count} … {count - 1}, last or weighted")


def encode(
    name: str,
    options: Mapping[str, Any],
    utterances: Sequence[Utterance],
    contents: Sequence[Content | None],
    root: Path,
    *,
    workers: int | None = None,
    label: str = "",
) -> Encoded:
    """Fill the cache with a frozen encoder's features of the utterances.

    Batches are planned over all of them before the cache is looked at, so that what a batch
    computes does not depend on what an earlier run had finished.
    """
    find = components.find("encoders", name)
    stored = find.stored(options) if hasattr(find, "stored") else dict(options)
    recipe = recipe_of(name, stored)
    store = Store(root, recipe)
    items, budget = getattr(find, "BATCH", _BATCH)
    planned = list(_plan(utterances, contents, items, budget))
    store.drop_damaged([content.key for batch in planned for _, content in batch])
    batches = [batch for batch in planned if not all(one.key in store for _, one in batch)]
    if batches:
        _fill(store, name, stored, batches, workers, label)
    keys = tuple(content.key if content else "" for content in contents)
    remarks = Counter(store.remarks[key] for key in keys if key in store.remarks)
    return Encoded(root, recipe, keys, _picked(options, stored), tuple(sorted(remarks.items())))


def _picked(options: Mapping[str, Any], stored: Mapping[str, Any]) -> int | None:
    """The layer that is wanted of a stored table of all; None where the rows are what is wanted."""
    wanted = options.get("layer")
    if wanted == stored.get("layer") or not isinstance(wanted, int | str):
        return None
    return -1 if wanted == "last" else int(wanted)


Batch = list[tuple[Utterance, Content]]


def _fill(
    store: Store,
    name: str,
    options: Mapping[str, Any],
    batches: Sequence[Batch],
    workers: int | None,
    label: str,
) -> None:
    """Compute the batches and put their rows into the store, a shard at a time."""
    jobs = [(name, dict(options), [utterance for utterance, _ in batch]) for batch in batches]
    shard: dict[str, Row] = {}
    outlook = _Outlook(store.folder, batches)
    for batch, rows in zip(
        batches, spread(_encode_batch, jobs, workers=workers, label=label), strict=True
    ):
        outlook.see(batch, rows)
        for (_, content), row in zip(batch, rows, strict=True):
            if content.key not in store:
                shard[content.key] = row
        if len(shard) >= _SHARD_ROWS or sum(row.nbytes for row, _ in shard.values()) > _SHARD_BYTES:
            _put(store, shard)
            shard = {}
    _put(store, shard)


def _put(store: Store, shard: Mapping[str, Row]) -> None:
    remarks = {key: remark for key, (_, remark) in shard.items() if remark}
    store.put({key: row for key, (row, _) in shard.items()}, remarks)


class _Outlook:
    """How large and how long it will be, from the first batches; stops before the disk is full."""

    def __init__(self, folder: Path, batches: Sequence[Batch]) -> None:
        self.folder = folder
        self.items = sum(len(batch) for batch in batches)
        self.length = sum(content.length for batch in batches for _, content in batch)
        self.began = time.monotonic()
        self.seen = self.seen_length = self.bytes = 0
        self.said = False

    def see(self, batch: Batch, rows: Sequence[Row]) -> None:
        """After a small share, which are the shortest: DataError if the rest cannot be stored."""
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


def recipe_of(name: str, options: Mapping[str, Any]) -> Recipe:
    """Code from outside the package is part of the recipe by its source, weights by their hash.

    Where there is such a hash, the name and place of the weights are not.
    """
    encoder = components.find("encoders", name)
    source = ""
    if name not in components.names("encoders"):
        text = inspect.getsource(components.module("encoders", name))
        source = hashlib.sha256(text.encode()).hexdigest()[:16]
    if hasattr(encoder, "weights_hash"):
        source += encoder.weights_hash(options)
        options = {key: one for key, one in options.items() if key not in _WEIGHTS}
    return Recipe(
        component=name,
        options=json.dumps(dict(options), sort_keys=True),
        version=encoder.VERSION,
        libraries=tuple(encoder.VALUE_LIBRARIES),
        precision=getattr(encoder, "store", "float32"),
        source=source,
    )


def read_input(utterance: Utterance, modality: str) -> Input:
    """What an encoder of this modality may see of the utterance."""
    if modality == "text":
        return Input(text=utterance.text, language=utterance.language)
    if utterance.audio is None:
        return Input()
    samples, rate = audio.read(utterance)
    return Input(samples=samples, rate=rate)


def run_encoder(encoder: Any, inputs: Sequence[Input]) -> list[np.ndarray]:
    """`[T, D]` (all layers: `[T, L, D]`) for each input, unpadded; T = 0 for a missing one."""
    with torch.inference_mode():
        features: Features = encoder(**encoder.prepare(inputs))
    kept = getattr(encoder, "store", "float32")
    rows = []
    for x, mask in zip(features.x, features.mask, strict=True):
        row = x[mask] if x.ndim == 2 else x[:, mask].transpose(0, 1)
        rows.append(row.to(torch.float32).numpy().astype(kept))
    return rows


def _plan(
    utterances: Sequence[Utterance],
    contents: Sequence[Content | None],
    items: int,
    budget: int | None,
) -> Iterator[Batch]:
    """Batches of distinct inputs of like length: at most `items`, and `budget` once padded."""
    distinct = {
        content.key: (utterance, content)
        for utterance, content in zip(utterances, contents, strict=True)
        if content
    }
    batch: Batch = []
    for pair in sorted(distinct.values(), key=lambda pair: (pair[1].length, pair[1].key)):
        full = budget is not None and (len(batch) + 1) * pair[1].length > budget
        if batch and (full or len(batch) == items):
            yield batch
            batch = []
        batch.append(pair)
    if batch:
        yield batch


def _encode_batch(name: str, options: dict[str, Any], utterances: list[Utterance]) -> list[Row]:
    encoder = _encoder(name, json.dumps(options, sort_keys=True))
    inputs = [read_input(utterance, encoder.modality) for utterance in utterances]
    rows = run_encoder(encoder, inputs)
    bad = [one.id for one, row in zip(utterances, rows, strict=True) if not np.isfinite(row).all()]
    if bad:
        raise DataError(listed(bad, f"utterances got NaN or infinite features from {name}"))
    remarks = encoder.remarks(inputs) if hasattr(encoder, "remarks") else [""] * len(rows)
    return list(zip(rows, remarks, strict=True))


@lru_cache(maxsize=4)
def _encoder(name: str, options: str) -> Any:
    return components.build("encoders", name, json.loads(options)).eval()
