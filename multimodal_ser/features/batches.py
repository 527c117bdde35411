"""Features of many utterances in memory, and the padded batches cut from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

import numpy as np
import torch
from scipy import sparse
from torch import Tensor

from multimodal_ser.types import ConfigError, Features

_POOL = 50  # batches whose rows are sorted by length together


@dataclass(frozen=True)
class Ragged:
    """Rows of frames end to end: frames `[sum T, D]`, lengths `[N]`; length 0 is missing.

    Frames of all layers are `[sum T, L, D]`.
    """

    frames: Tensor
    lengths: Tensor

    @classmethod
    def of(cls, rows: Sequence[np.ndarray | None]) -> Ragged:
        """Made from `[T, D]` arrays; None where the modality is missing."""
        present = [row for row in rows if row is not None]
        frames = np.concatenate(present) if present else np.zeros((0, 1), np.float32)
        lengths = [0 if row is None else len(row) for row in rows]
        return cls(torch.from_numpy(frames), torch.tensor(lengths))

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def dim(self) -> int:
        return self.frames.shape[-1]

    @property
    def layers(self) -> int:
        """The number of layers to be mixed; 0 where each frame is one vector."""
        return self.frames.shape[1] if self.frames.ndim == 3 else 0

    @property
    def pooled(self) -> bool:
        """Whether no row has more than one frame."""
        return not bool((self.lengths > 1).any())

    def _positions(self, rows: Tensor) -> tuple[Tensor, Tensor]:
        """Where each frame of a padded batch lies, and the mask; both `[B, T]`, T ≥ 1."""
        lengths = self.lengths[rows]
        step = torch.arange(max([1, *lengths.tolist()]))
        mask = step < lengths.unsqueeze(1)
        positions = self._starts[rows].unsqueeze(1) + step
        return positions.masked_fill(~mask, 0), mask

    @cached_property
    def _single(self) -> bool:
        """Whether every row has exactly one frame, so that nothing is padded."""
        return bool((self.lengths == 1).all())

    @cached_property
    def _starts(self) -> Tensor:
        """Where each row's frames begin `[N]`."""
        return torch.cumsum(self.lengths, 0) - self.lengths

    def batch(self, rows: Tensor, epoch: int = 0) -> Features:
        """The rows, padded with zeros to the longest: `[B, T, D]`, all layers `[B, L, T, D]`."""
        if self._single:
            x = self.frames.index_select(0, rows).unsqueeze(1)
            mask = torch.ones(len(rows), 1, dtype=torch.bool)
            return Features(x.transpose(1, 2) if self.layers else x, mask)
        positions, mask = self._positions(rows)
        if not len(self.frames):
            x = self.frames.new_zeros(*mask.shape, *self.frames.shape[1:])
            return Features(x.transpose(1, 2) if self.layers else x, mask)
        x = self.frames.index_select(0, positions.flatten()).unflatten(0, positions.shape)
        if not mask.all():
            x = x.masked_fill(~mask.reshape(*mask.shape, *[1] * (x.ndim - 2)), 0.0)
        return Features(x.transpose(1, 2) if self.layers else x, mask)

    def take(self, rows: np.ndarray) -> Ragged:
        """Some of the rows, in the given order."""
        chosen = torch.from_numpy(np.ascontiguousarray(rows))
        positions, mask = self._positions(chosen)
        frames = self.frames[positions[mask]] if len(self.frames) else self.frames
        return Ragged(frames, self.lengths[chosen])


@dataclass(frozen=True)
class Scaling:
    """x → (x − centre) / spread, per column `[D]`."""

    centre: Tensor
    spread: Tensor

    @classmethod
    def fit(cls, rows: Ragged) -> Scaling:
        """The scaling of all frames; a column that does not vary is only centred."""
        frames = rows.frames.to(torch.float64)
        if not len(frames):
            return cls(torch.zeros(rows.dim), torch.ones(rows.dim))
        deviation = frames.std(0, correction=0)
        deviation = torch.where(deviation > 1e-8, deviation, torch.ones_like(deviation))
        return cls(frames.mean(0).to(torch.float32), deviation.to(torch.float32))

    def apply(self, rows: Ragged) -> Ragged:
        return replace(rows, frames=(rows.frames - self.centre) / self.spread)


def scale_by_speaker(rows: Ragged, speakers: np.ndarray) -> Ragged:
    """Scale the clips of each speaker by their own statistics, which is transductive.

    speakers: `[N]` codes; rows with −1 (unknown) are scaled together.
    """
    frame_of = np.repeat(speakers, rows.lengths.numpy())
    frames = rows.frames.clone()
    for code in np.unique(frame_of):
        chosen = torch.from_numpy(frame_of == code)
        alone = Ragged(frames[chosen], torch.tensor([int(chosen.sum())]))
        frames[chosen] = Scaling.fit(alone).apply(alone).frames
    return replace(rows, frames=frames)


Given = Features | dict[str, Tensor]


class Part(Protocol):
    """One encoder's share of a dataset: its features, or its inputs where it learns."""

    def __len__(self) -> int: ...

    def batch(self, rows: Tensor, epoch: int = 0) -> Given:
        """Some rows, padded; what is changed at random is changed anew in each epoch."""
        ...


@dataclass(frozen=True)
class Batch:
    """Some rows.

    For each encoder: features, or the tensors that an encoder in the model is called with.

    targets: target → truth `[B, C]` or `[B, 1]`; weights `[B]` or none; rows `[B]`: their numbers.
    """

    features: dict[str, Given]
    targets: dict[str, Tensor]
    weights: Tensor | None
    rows: Tensor

    def __len__(self) -> int:
        return len(self.rows)

    def cut(self, places: Tensor) -> Batch:
        """Some rows of the batch, by their places in it."""
        return self._each(lambda tensor: tensor[places])

    def to(self, device: torch.device) -> Batch:
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Batch:
        features: dict[str, Given] = {
            name: Features(change(given.x), change(given.mask))
            if isinstance(given, Features)
            else {key: change(value) for key, value in given.items()}
            for name, given in self.features.items()
        }
        targets = {name: change(target) for name, target in self.targets.items()}
        weights = None if self.weights is None else change(self.weights)
        return Batch(features, targets, weights, change(self.rows))


@dataclass(frozen=True)
class Dataset:
    """What a learner gets of a part of a fold: no id, no text, no path.

    features: encoder → its part, or a CSR matrix `[N, D]` of a fitted encoder for learners that
    want pooled features; in sorted order of the names. targets: target → `[N, C]` distribution
    over the classes (zeros: unknown), or `[N, 1]` numbers (NaN: unknown). clusters: `[N]` ints, for
    learners that split their training data again. weights: how much each row counts `[N]`, None:
    alike. sampling: how often each row is to be drawn for an epoch `[N]`, None: once. lengths: how
    long each row is for the encoders that run in every step `[N]`, None: none does. change: what
    happens to a whole batch of an epoch.
    """

    features: Mapping[str, Part | sparse.csr_array]
    targets: Mapping[str, Tensor]
    clusters: np.ndarray
    weights: Tensor | None = None
    sampling: Tensor | None = None
    lengths: Tensor | None = None
    change: Callable[[Batch, int], Batch] | None = None

    def __len__(self) -> int:
        return len(self.clusters)

    def batch(self, rows: Tensor, epoch: int = 0) -> Batch:
        features = {
            name: part.batch(rows, epoch)
            for name, part in self.features.items()
            if not isinstance(part, sparse.csr_array)
        }
        targets = {name: target[rows] for name, target in self.targets.items()}
        weights = None if self.weights is None else self.weights[rows]
        batch = Batch(features, targets, weights, rows)
        return batch if self.change is None else self.change(batch, epoch)

    def batches(self, size: int, order: Tensor | None = None, epoch: int = 0) -> Iterator[Batch]:
        """All rows in batches, in file order or in the order given."""
        order = torch.arange(len(self)) if order is None else order
        for rows in order.split(size):
            yield self.batch(rows, epoch)

    def epoch(self, generator: torch.Generator, size: int = 1) -> Tensor:
        """The rows of one epoch in a random order, or drawn with replacement by `sampling`.

        Where an encoder runs in every step, rows of like length come into one batch of `size`.
        """
        if self.sampling is None:
            order = torch.randperm(len(self), generator=generator)
        else:
            order = torch.multinomial(self.sampling, len(self), True, generator=generator)
        return order if self.lengths is None else _alike(order, self.lengths, size, generator)

    def sorted(self) -> Tensor:
        """The rows from long to short where that saves padding: too little memory shows at once."""
        if self.lengths is None:
            return torch.arange(len(self))
        return self.lengths.argsort(descending=True, stable=True)

    def pooled(self) -> np.ndarray | sparse.csr_array:
        """`[N, sum D]`: the vectors of all encoders side by side; zeros where one is missing."""
        columns = [_columns(name, part) for name, part in self.features.items()]
        dense = [column for column in columns if isinstance(column, np.ndarray)]
        if len(dense) == len(columns):
            return np.concatenate(dense, axis=1)
        return sparse.csr_array(sparse.hstack(columns, format="csr"))

    def frames(self) -> Ragged:
        """All frames of the only encoder, for learners of frames."""
        ((name, part),) = self.features.items()
        assert isinstance(part, Ragged), "the config check leaves networks to neural learners"
        _refuse_layers(name, part)
        return part


def _alike(order: Tensor, lengths: Tensor, size: int, generator: torch.Generator) -> Tensor:
    """Batches of rows of like length, in a random order; a smaller last batch stays last."""
    pools = [pool[lengths[pool].argsort(stable=True)] for pool in order.split(size * _POOL)]
    batches = [batch for pool in pools for batch in pool.split(size)]
    whole = [batch for batch in batches if len(batch) == size]
    rest = [batch for batch in batches if len(batch) < size]
    turned = torch.randperm(len(whole), generator=generator).tolist()
    return torch.cat([*(whole[place] for place in turned), *rest])


def _columns(name: str, part: Part | sparse.csr_array) -> np.ndarray | sparse.csr_array:
    if isinstance(part, sparse.csr_array):
        return part
    assert isinstance(part, Ragged), "the config check leaves networks to neural learners"
    _refuse_layers(name, part)
    if not part.pooled:
        raise ConfigError(
            f"encoders.{name} gives a vector for every frame, and this learner wants one for an "
            "utterance: set pool: mean or mean_std, or take an encoder that has a pool (mfcc)"
        )
    return part.batch(torch.arange(len(part))).x[:, 0].numpy()


def _refuse_layers(name: str, part: Ragged) -> None:
    if part.layers:
        raise ConfigError(
            f"encoders.{name} gives all layers, which neural learners mix; name one (layer: last)"
        )
