"""Encoders that run in every step: their inputs are read, changed at random, prepared, padded.

An encoder that learns runs inside the model, so its part of a batch is its inputs (`LiveInputs`). A
frozen encoder whose inputs change in each epoch runs here, and its part is `LiveFeatures`.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING, Any
from weakref import WeakSet

import numpy as np
import torch
from torch import Tensor

from multimodal_ser.corpus import audio
from multimodal_ser.features.extraction import read_input
from multimodal_ser.parallel import cores
from multimodal_ser.types import Features, Input, Utterance

if TYPE_CHECKING:
    from multimodal_ser.features.augmentation import Augmentation
    from multimodal_ser.features.batches import Batch, Ragged, Scaling

Prepared = dict[str, Tensor]


@dataclass(frozen=True)
class Changes:
    """The changes of the training rows in each epoch of a run with this seed."""

    steps: Augmentation
    seed: int

    def key(self, number: int, epoch: int) -> tuple[int, int, int]:
        """The seed of a change: the same in every batch, in every worker and on every machine."""
        return self.seed, epoch, number

    def of_batch(self, batch: Batch, epoch: int) -> Batch:
        return self.steps.of_batch(batch, self.key(int(batch.rows[0]), epoch))


class LiveInputs:
    """What an encoder that learns is called with: `[B, …]` tensors of some rows.

    read: number of a row in the corpus → its input, at the encoder's own rate; numbers `[N]`: the
    rows; cache: where what was prepared is kept, None: nowhere; blanks: whether frames are blanked
    out here, before the encoder.
    """

    def __init__(
        self,
        encoder: Any,
        read: Callable[[int], Input],
        numbers: np.ndarray,
        changes: Changes | None = None,
        cache: MemoryCache | None = None,
        *,
        blanks: bool = True,
    ) -> None:
        self.encoder = encoder
        self.read = read
        self.numbers = numbers
        self.changes = changes
        self.cache = cache
        self.blanks = blanks

    def __len__(self) -> int:
        return len(self.numbers)

    def batch(self, rows: Tensor, epoch: int = 0) -> Prepared:
        return collate([self._one(int(self.numbers[row]), epoch) for row in rows.tolist()])

    def _one(self, number: int, epoch: int) -> Prepared:
        modality, changes = self.encoder.modality, self.changes
        if changes is None or not changes.steps.touches_input(modality):
            given = self._plain(number)
        else:
            changed = changes.steps.of_input(self.read(number), changes.key(number, epoch))
            given = self.encoder.prepare([changed])
        if changes is None or not self.blanks or not changes.steps.touches_frames(modality):
            return given
        return self._blanked(given, changes, changes.key(number, epoch))

    def _plain(self, number: int) -> Prepared:
        def make() -> Prepared:
            return self.encoder.prepare([self.read(number)])

        return make() if self.cache is None else self.cache.get(number, make)

    def _blanked(self, given: Prepared, changes: Changes, key: tuple[int, int, int]) -> Prepared:
        """Frames `[1, T, D]` with some parts blanked out; raw samples stay as they are."""
        x, length = given.get("x"), given.get("lengths")
        if x is None or length is None or x.ndim < 3 or not length.item():
            return given
        return given | {"x": changes.steps.of_frames(x[0], self.encoder.modality, key)[None]}


class LiveFeatures:
    """Features of a frozen encoder whose inputs are changed anew in each epoch.

    device: where the encoder is; scaling: as for its features in the cache.
    """

    def __init__(self, inputs: LiveInputs, device: torch.device, scaling: Scaling | None) -> None:
        self.inputs = inputs
        self.device = device
        self.scaling = scaling

    def __len__(self) -> int:
        return len(self.inputs)

    def batch(self, rows: Tensor, epoch: int = 0) -> Features:
        tensors = self.inputs.batch(rows, epoch)
        with torch.no_grad():
            output = self.inputs.encoder(**{key: x.to(self.device) for key, x in tensors.items()})
        x, mask = output.x.float().cpu(), output.mask.cpu()
        if self.scaling is not None:
            centre, spread = self.scaling.centre, self.scaling.spread
            if x.ndim == 4:  # `[B, L, T, D]` by `[L, D]`
                centre, spread = centre.unsqueeze(1), spread.unsqueeze(1)
            x = (x - centre) / spread
        frames = mask if x.ndim == 3 else mask.unsqueeze(1)
        features = Features(x.masked_fill(~frames.unsqueeze(-1), 0.0), mask)
        changes = self.inputs.changes
        if changes is None or mask.shape[1] == 1:
            return features
        return _blanked(
            features, self.inputs.encoder.modality, self.inputs.numbers[rows], changes, epoch
        )


@dataclass(frozen=True)
class Blanked:
    """Cached frames, in each epoch with other parts blanked out; numbers `[N]` of the rows."""

    frames: Ragged
    modality: str
    numbers: np.ndarray
    changes: Changes

    def __len__(self) -> int:
        return len(self.frames)

    def batch(self, rows: Tensor, epoch: int = 0) -> Features:
        numbers = self.numbers[rows]
        return _blanked(self.frames.batch(rows), self.modality, numbers, self.changes, epoch)


def _blanked(
    given: Features, modality: str, numbers: np.ndarray, changes: Changes, epoch: int
) -> Features:
    """The valid frames of each row with some parts blanked out, the same parts in all layers."""
    x = given.x.clone()
    for place, number in enumerate(numbers):
        length, key = int(given.mask[place].sum()), changes.key(int(number), epoch)
        layers = x[place : place + 1] if x.ndim == 3 else x[place]
        for layer in layers if length else ():
            layer[:length] = changes.steps.of_frames(layer[:length], modality, key)
    return Features(x, given.mask)


class MemoryCache:
    """Number of a row → what was made of it, as long as this process has memory for more."""

    def __init__(self) -> None:
        self.kept: dict[int, Any] = {}
        self.bytes = 0
        _caches.add(self)

    def get(self, number: int, make: Callable[[], Any]) -> Any:
        if number not in self.kept:
            value, used = make(), sum(cache.bytes for cache in _caches)
            if used + (size := _bytes(value)) > _room():
                return value
            self.kept[number] = value
            self.bytes += size
        return self.kept[number]


_caches: WeakSet[MemoryCache] = WeakSet()


@lru_cache(maxsize=1)
def _room() -> int:
    """Bytes that one process may keep: half of the memory, divided by the number of cores."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return memory // 2 // cores()


def _bytes(value: Prepared | Input) -> int:
    if isinstance(value, Input):
        return 0 if value.samples is None else value.samples.nbytes
    return sum(tensor.nbytes for tensor in value.values())


@dataclass(frozen=True)
class Utterances:
    """The utterances of a corpus as encoders read them, kept for other epochs, folds and seeds."""

    all: tuple[Utterance, ...]

    def inputs(self, modality: str, rate: int | None, keep: bool) -> Callable[[int], Input]:
        """Row → its input; sound at `rate`, None: at its own."""
        cache = cache_of(self, modality, rate) if keep else None

        def read(row: int) -> Input:
            if cache is None:
                return self._read(row, modality, rate)
            return cache.get(row, lambda: self._read(row, modality, rate))

        return read

    def _read(self, row: int, modality: str, rate: int | None) -> Input:
        return at_rate(read_input(self.all[row], modality), rate)


def at_rate(sound: Input, rate: int | None) -> Input:
    """The input with its sound at `rate` Hz; None: at its own rate."""
    if rate is None or sound.samples is None or sound.rate is None:
        return sound
    return replace(sound, samples=audio.resample(sound.samples, sound.rate, rate), rate=rate)


@lru_cache(maxsize=8)
def cache_of(*what: Any) -> MemoryCache:
    """The cache of this process under this name."""
    return MemoryCache()


def collate(rows: Sequence[Mapping[str, Tensor]]) -> Prepared:
    """Inputs that were prepared one by one, as a batch: every `[1, …]` padded to the largest."""
    return {key: _stacked([row[key] for row in rows]) for key in rows[0]}


def _stacked(tensors: Sequence[Tensor]) -> Tensor:
    shapes = {tensor.shape for tensor in tensors}
    if len(shapes) == 1:
        return torch.cat(list(tensors))
    rank = max(len(shape) for shape in shapes)
    tensors = [x.reshape(*x.shape, *[1] * (rank - x.ndim)) for x in tensors]  # missing inputs
    largest = [max(sizes) for sizes in zip(*(x.shape[1:] for x in tensors), strict=True)]
    whole = tensors[0].new_zeros(len(tensors), *largest)
    for place, tensor in zip(whole, tensors, strict=True):
        place[tuple(slice(size) for size in tensor.shape[1:])] = tensor[0]
    return whole
