"""How long a stage will take and how much it will write, judged by a few of its inputs.

Everything is timed in this process, on the CPU and with one thread, as in a worker.
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from multimodal_ser.config import registry
from multimodal_ser.config.experiment import Part
from multimodal_ser.corpus import audio
from multimodal_ser.features.contents import Content
from multimodal_ser.features.encode import Encoded, Source
from multimodal_ser.features.extraction import Batch, read_input, run_encoder
from multimodal_ser.features.store import Store
from multimodal_ser.parallel import one_thread
from multimodal_ser.training import fit
from multimodal_ser.training.apply import Trained, dataset

if TYPE_CHECKING:
    from multimodal_ser.config.method import Method
    from multimodal_ser.training.rows import TrainingRows
    from multimodal_ser.types import Fold, Utterance

_INDEX = 48  # bytes that a store keeps of a row beside its numbers: its key and its length
_ROWS, _BYTES = 2000, 2**27  # of random features that a model is trained on at most
_FEWEST = 32  # rows, however large
_GROWTH = (
    0.75  # so a vocabulary of words and pairs, and what is learned of it, grows with the texts
)


@dataclass(frozen=True)
class Cost:
    """Of some inputs together: seconds on one core, bytes on disk.

    length: of all of them, in samples or characters; ready: seconds until the first could begin;
    constant: each takes as many bytes as any other, however long it is.
    """

    inputs: int
    length: int
    seconds: float
    bytes: int
    ready: float = 0.0
    constant: bool = True

    def of(self, inputs: int, length: int, workers: int) -> tuple[float, float]:
        """Seconds and bytes for this many inputs of this total length, spread over workers."""
        if not inputs:
            return 0.0, 0.0
        share = length / max(self.length, 1)
        seconds = self.ready + self.seconds * share / min(workers, inputs)
        return seconds, self.bytes * (inputs / self.inputs if self.constant else share)


def distinct(utterances: Sequence[Utterance], contents: Sequence[Content | None]) -> Batch:
    """One utterance of each content and language."""
    pairs = {
        (content.key, utterance.language): (utterance, content)
        for utterance, content in zip(utterances, contents, strict=True)
        if content
    }
    return [*pairs.values()]


def length_of(pairs: Batch) -> int:
    return sum(content.length for _, content in pairs)


def few(pairs: Batch, count: int) -> Batch:
    """At most so many of the inputs, spread over their lengths, without the two ends."""
    ordered = sorted(pairs, key=lambda pair: (pair[1].length, pair[1].key))
    if len(ordered) <= count:
        return ordered
    return [ordered[(2 * place + 1) * len(ordered) // (2 * count)] for place in range(count)]


@contextmanager
def like_a_worker() -> Iterator[None]:
    """One thread, and no network: only what is on this machine is used."""
    from huggingface_hub import constants

    offline, constants.HF_HUB_OFFLINE = constants.HF_HUB_OFFLINE, True
    try:
        with one_thread():
            yield
    finally:
        constants.HF_HUB_OFFLINE = offline


def of_decoding(chosen: Batch) -> Cost:
    """The cost of reading segments and hashing their samples."""

    def decode(utterance: Utterance) -> int:
        samples, rate = audio.read(utterance)
        content = Content(audio.content_hash(samples, rate), len(samples))
        return len(f'"{utterance.audio}": ["{content.key}", {content.length}], ') + _INDEX

    return _timed(chosen, decode)


def of_recogniser(part: Part, chosen: Batch) -> Cost:
    """The cost of transcribing segments one by one."""
    began = time.perf_counter()
    recogniser = registry.build("asr", part.name, part.options)
    ready = time.perf_counter() - began

    def transcribe(utterance: Utterance) -> int:
        sound = replace(read_input(utterance, "audio"), language=utterance.language)
        rows = [asdict(transcript) for transcript in recogniser.transcribe([sound]) if transcript]
        return len(json.dumps(rows, ensure_ascii=False).encode()) + _INDEX

    return replace(_timed(chosen, transcribe), ready=ready)


def of_encoder(
    name: str, options: Mapping[str, Any], chosen: Batch, *, is_decoded: bool
) -> tuple[Cost, list[np.ndarray]]:
    """The cost of encoding inputs one by one, and their rows.

    is_decoded: the sound of the inputs is decoded already.
    """
    began = time.perf_counter()
    encoder = registry.build("encoders", name, options).eval()
    first = read_input(chosen[0][0], encoder.modality)
    run_encoder(encoder, [first])  # also imports what is imported at the first use
    ready = time.perf_counter() - began
    decoded = (
        {spoken.id: read_input(spoken, encoder.modality) for spoken, _ in chosen}
        if is_decoded
        else {}
    )
    rows: list[np.ndarray] = []

    def encode(utterance: Utterance) -> int:
        given = decoded.get(utterance.id) or read_input(utterance, encoder.modality)
        rows.extend(run_encoder(encoder, [given]))
        return rows[-1].nbytes + _INDEX

    cost = _timed(chosen, encode)
    constant = all(len(row) == 1 for row in rows)
    return replace(cost, ready=ready, constant=constant), rows


def _timed(chosen: Batch, work: Callable[[Utterance], int]) -> Cost:
    """What `work` takes for all of them; it returns the bytes that it would leave."""
    began = time.perf_counter()
    size = sum(work(utterance) for utterance, _ in chosen)
    seconds = time.perf_counter() - began
    return Cost(len(chosen), length_of(chosen), seconds, size)


@dataclass(frozen=True)
class Shape:
    """What the rows of a frozen encoder look like: one of its rows, and frames a unit of length.

    lengths: of each utterance, 0 where it is missing; frames: None where all rows have as many.
    """

    encoded: Encoded
    row: np.ndarray
    lengths: np.ndarray
    frames: float | None

    def rows(self, chosen: np.ndarray) -> list[int]:
        """How many frames each of the chosen utterances has."""
        lengths = self.lengths[chosen]
        if self.frames is None:
            return np.where(lengths > 0, len(self.row), 0).tolist()
        return np.where(lengths > 0, np.maximum(lengths * self.frames, 1), 0).astype(int).tolist()


def shape_of(
    encoded: Encoded, rows: Sequence[np.ndarray], chosen: Batch, lengths: np.ndarray
) -> Shape:
    """The shape of all rows, judged by those of a few inputs."""
    frames = [len(row) for row in rows]
    if len(set(frames)) == 1 and (len(frames) > 1 or frames[0] == 1):
        return Shape(encoded, rows[0], lengths, None)
    return Shape(encoded, rows[0], lengths, sum(frames) / max(length_of(chosen), 1))


def of_training(
    method: Method,
    whole_rows: TrainingRows,
    fold: Fold,
    shapes: Mapping[str, Shape],
) -> tuple[float, float]:
    """Seconds and bytes of one training of a fold, on random features of the right size.

    Where a learner trains in epochs, one epoch is timed and multiplied by the epochs of the config.
    """
    rows, share = _rows(whole_rows, fold, shapes)
    with tempfile.TemporaryDirectory() as folder:
        encoded = {
            name: _random(shape, shape.rows(rows), Path(folder)) for name, shape in shapes.items()
        }
        small = replace(
            whole_rows,
            encoded=encoded,
            sources={name: _some(source, rows) for name, source in whole_rows.sources.items()},
            utterances=tuple(whole_rows.utterances[row] for row in rows),
            targets={name: truth[rows] for name, truth in whole_rows.targets.items()},
            taught={name: truth[rows] for name, truth in whole_rows.taught.items()},
            codes=whole_rows.codes[rows],
            clusters=whole_rows.clusters[rows],
            speakers=whole_rows.speakers[rows],
        )
        place = {row: at for at, row in enumerate(rows.tolist())}
        parts = {
            name: np.array([place[row] for row in fold.parts[name] if row in place], np.int64)
            for name in ("train", "dev")
        }
        seconds, size = _fit(method, small, replace(fold, parts=parts))
    grown = share**-_GROWTH if len(shapes) < len(method.encodings) else 1.0
    return seconds / share, size * grown


def _rows(
    whole_rows: TrainingRows, fold: Fold, shapes: Mapping[str, Shape]
) -> tuple[np.ndarray, float]:
    """A few rows of train and dev, and their share of all rows.

    They are taken at equal steps within each class, so that rare classes are among them.
    """
    whole = np.concatenate([fold.train, fold.dev])
    frame = {name: shape.row[:1].nbytes for name, shape in shapes.items()}
    size = sum(sum(shape.rows(whole)) * frame[name] for name, shape in shapes.items())
    most = _FEWEST if whole_rows.sources else _ROWS
    count = min(most, len(whole), max(_FEWEST, int(len(whole) * _BYTES / max(size, 1))))
    every = -(-len(whole) // count)
    parts = [
        part[np.argsort(whole_rows.codes[part], kind="stable")] for part in (fold.train, fold.dev)
    ]
    rows = np.concatenate([part[::every] for part in parts])
    return rows, len(rows) / len(whole)


def _some(source: Source, rows: np.ndarray) -> Source:
    keys, lengths = source.keys, source.lengths
    return Source(source.recipe, tuple(keys[r] for r in rows), tuple(lengths[r] for r in rows))


def _random(shape: Shape, frames: Sequence[int], root: Path) -> Encoded:
    """Random features of so many frames each, in a store of their own."""
    generator = np.random.default_rng(0)
    store = Store(root, shape.encoded.recipe)
    keys = tuple(str(at) if count else "" for at, count in enumerate(frames))
    store.put(
        {
            key: generator.standard_normal((count, *shape.row.shape[1:]), np.float32).astype(
                shape.row.dtype
            )
            for key, count in zip(keys, frames, strict=True)
            if key
        }
    )
    return replace(shape.encoded, root=root, keys=keys)


def _fit(method: Method, whole_rows: TrainingRows, fold: Fold) -> tuple[float, int]:
    """Seconds of a whole training, and the bytes of the model."""
    epochs = method.learner.options.get("epochs")
    if epochs is None:
        began = time.perf_counter()
        trained = fit.fit(method, whole_rows, fold, 0)
        return time.perf_counter() - began, _size(trained)
    options = method.learner.options | {"epochs": 1}
    once = replace(method, learner=Part(name=method.learner.name, **options))
    trained = fit.fit(once, whole_rows, fold, 0)
    train = dataset(once, whole_rows, trained, fold.train)
    dev = dataset(once, whole_rows, trained, fold.dev) if len(fold.dev) else None
    began = time.perf_counter()
    fit.fit(once, whole_rows, fold, 0)
    fitted = time.perf_counter()
    trained.learner.fit(train, dev, seed=0)
    epoch = time.perf_counter() - fitted
    return fitted - began + (epochs - 1) * epoch, _size(trained)


def _size(trained: Trained) -> int:
    states = [trained.learner.state(), *(encoder.state() for encoder in trained.fitted.values())]
    return sum(len(data) for files in states for data in files.values())
