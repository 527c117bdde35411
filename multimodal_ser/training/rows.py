"""What training needs to know of a corpus, row by row, and where its features or inputs are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from multimodal_ser.config import modes, registry
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.features.augmentation import files_hash
from multimodal_ser.features.contents import Content
from multimodal_ser.features.encode import Encoded, recipe_of
from multimodal_ser.types import Input, Utterance


@dataclass(frozen=True)
class Source:
    """What an encoder that runs in every step reads.

    recipe: of the encoder before it learns; keys `[N]` of what it reads, `""` where that is
    missing; lengths `[N]` in samples or characters.
    """

    recipe: str
    keys: tuple[str, ...]
    lengths: tuple[int, ...]


@dataclass(frozen=True)
class Material:
    """The rows of a corpus as training sees them.

    encoded: the cached encoders; sources: those that run in every step; targets: target → what is
    learned of it, `[N, C]` or `[N, 1]`; classes: target → its classes, none for numbers; codes:
    `[N]` classes of the target that `balance` evens out; clusters and speakers: `[N]` codes;
    taught: target → what stands for `targets` in the rows that train, where that is something
    else; copies: how many of each row stand behind all rows, in blocks; chosen: what folds have
    chosen for a training of every row; thresholds: target of labels → those to decide by, where
    folds have chosen them.
    """

    encoded: Mapping[str, Encoded]
    sources: Mapping[str, Source]
    utterances: tuple[Utterance, ...]
    targets: Mapping[str, np.ndarray]
    classes: Mapping[str, Sequence[str]]
    codes: np.ndarray
    clusters: np.ndarray
    speakers: np.ndarray
    taught: Mapping[str, np.ndarray] = field(default_factory=dict)
    copies: int = 0
    chosen: str = ""
    thresholds: Mapping[str, Sequence[float]] = field(default_factory=dict)

    def hash(self) -> str:
        """Of every feature or input key: others, and the models are others."""
        digest = hashlib.sha256()
        for name, one in sorted(self.encoded.items()):
            digest.update(f"{name}={one.recipe.key()}@{one.layer}:{','.join(one.keys)};".encode())
        for name, one in sorted(self.sources.items()):
            digest.update(f"{name}~{one.recipe}:{','.join(one.keys)};".encode())
        digest.update(self.chosen.encode())
        return digest.hexdigest()[:16]

    def text(self, row: int) -> Input:
        """What a fitted encoder reads of a row."""
        return Input(text=self.utterances[row].text, language=self.utterances[row].language)


def repeated(material: Material, utterances: Sequence[Utterance], copies: int) -> Material:
    """With copies of each row behind all rows, in blocks; utterances: of rows and copies."""

    def tile(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows] * (copies + 1))

    return replace(
        material,
        utterances=tuple(utterances),
        targets={name: tile(one) for name, one in material.targets.items()},
        taught={name: tile(one) for name, one in material.taught.items()},
        codes=tile(material.codes),
        clusters=tile(material.clusters),
        speakers=tile(material.speakers),
        copies=copies,
    )


def sources_of(
    experiment: Experiment, contents: Callable[[str], Sequence[Content | None]]
) -> dict[str, Source]:
    """Of every encoder that runs in each step. contents: modality → what each row holds."""
    found = {}
    for name in modes.in_every_step(experiment):
        part = experiment.encoders[name]
        held = contents(registry.find("encoders", part.name).modality)
        recipe = recipe_of(part.name, part.options).key() + files_hash(experiment.augment.steps)
        found[name] = source_of(held, recipe)
    return found


def source_of(held: Sequence[Content | None], recipe: str = "") -> Source:
    """held: what each row has of a modality; recipe: none where no training is ever taken up."""
    return Source(
        recipe,
        tuple(one.key if one else "" for one in held),
        tuple(one.length if one else 0 for one in held),
    )
