"""The encoding stage: utterances → rows in the cache, each distinct input computed once."""

from __future__ import annotations

import hashlib
import inspect
import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from multimodal_ser.config import registry
from multimodal_ser.features.contents import Content
from multimodal_ser.features.extraction import (
    Row,
    ShardWriter,
    encode_clip,
    fill,
    find_device,
    plan,
)
from multimodal_ser.features.store import Recipe, Store
from multimodal_ser.types import ConfigError, Utterance

_WEIGHTS = ("model", "revision", "file")  # options that say where they lie


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
        """For each utterance float32 `[T, D]` (all layers: `[T, L, D]`), or None without one."""
        store = Store(self.root, self.recipe)
        rows = store.get([key for key in dict.fromkeys(self.keys) if key])
        if self.layer is not None:
            _check_layer(self.layer, rows)
            rows = {key: row[:, self.layer] for key, row in rows.items()}
        return [rows[key].astype(np.float32, copy=False) if key else None for key in self.keys]


@dataclass(frozen=True)
class Source:
    """What an encoder that runs in every step reads, as `Encoded` is for one that is cached.

    recipe: of the encoder before it learns; keys `[N]` of what it reads, `""` where that is
    missing; lengths `[N]` in samples or characters.
    """

    recipe: str
    keys: tuple[str, ...]
    lengths: tuple[int, ...]


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
    device: str = "auto",
    workers: int | None = None,
    label: str = "",
) -> Encoded:
    """Fill the cache with a frozen encoder's features of the utterances.

    Batches are planned over all of them before the cache is looked at, so that what a batch
    computes does not depend on what an earlier run had finished.
    """
    find = registry.find("encoders", name)
    stored, layer = stored_form(name, options)
    recipe = recipe_of(name, stored)
    store = Store(root, recipe)
    place = find_device(device)
    planned = plan(find, utterances, contents, place)
    store.drop_damaged([content.key for batch in planned for _, content in batch])
    batches = [batch for batch in planned if not all(held.key in store for _, held in batch)]
    if batches:
        fill(store, name, stored, batches, device=place, workers=workers, label=label)
    keys = tuple(content.key if content else "" for content in contents)
    remarks = Counter(store.remarks[key] for key in keys if key in store.remarks)
    return Encoded(root, recipe, keys, layer, tuple(sorted(remarks.items())))


def stored_form(name: str, options: Mapping[str, Any]) -> tuple[dict[str, Any], int | None]:
    """The options under which rows are stored, and the layer that is taken from such a row.

    A layer of None is the row as it is.
    """
    find = registry.find("encoders", name)
    stored = find.stored(options)
    wanted = options.get("layer")
    if wanted == stored.get("layer") or not isinstance(wanted, int | str):
        return stored, None
    return stored, -1 if wanted == "last" else int(wanted)


def recipe_of(name: str, options: Mapping[str, Any], kind: str = "encoders") -> Recipe:
    """The recipe of an encoder. Code from outside the package counts by its source.

    Weights count by their hash. Where they have one, their name and place are not in the recipe.
    """
    component = registry.find(kind, name)
    source = ""
    if name not in registry.names(kind):
        text = inspect.getsource(registry.module(kind, name))
        source = hashlib.sha256(text.encode()).hexdigest()[:16]
    weights = component.weights_hash(options)
    if weights is not None:
        source += weights
        options = {key: value for key, value in options.items() if key not in _WEIGHTS}
    return Recipe(
        component=name,
        options=json.dumps(dict(options), sort_keys=True),
        version=component.VERSION,
        libraries=tuple(component.VALUE_LIBRARIES),
        precision=component.store,
        source=source,
    )


class OnDecode:
    """Light encoders that make their rows while a clip is decoded for the first time.

    An encoder is light if its `light(options)` says so: a small row, made of each clip alone.
    """

    def __init__(self, encoders: Sequence[tuple[str, Mapping[str, Any]]], root: Path) -> None:
        self.encoders = [
            (name, dict(options)) for name, options in encoders if is_light(name, options)
        ]
        self.writers = [ShardWriter(Store(root, recipe_of(*encoder))) for encoder in self.encoders]

    @property
    def encode_clip(self) -> Callable[[np.ndarray, int], list[Row]]:
        """samples and rate → one row for each encoder. It is sent to the workers."""
        return partial(encode_clip, self.encoders)

    def keep(self, key: str, rows: Sequence[Row]) -> None:
        """Store the rows of a clip under its content."""
        for writer, row in zip(self.writers, rows, strict=True):
            writer.add(key, row)

    def close(self) -> None:
        for writer in self.writers:
            writer.close()


def is_light(name: str, options: Mapping[str, Any]) -> bool:
    return registry.find("encoders", name).light(options)


def source_of(contents: Sequence[Content | None], recipe: str = "") -> Source:
    """The source of an encoder that runs in every step.

    contents: the content of each row in a modality; recipe: empty where no training is resumed.
    """
    return Source(
        recipe,
        tuple(content.key if content else "" for content in contents),
        tuple(content.length if content else 0 for content in contents),
    )
