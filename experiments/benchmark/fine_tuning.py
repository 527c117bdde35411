"""Fine-tuning a wav2vec 2.0 of base size on a GPU in bf16, against `transformers.Trainer`; no area.

Both take the same clips from memory, already prepared, in batches of equal size, and learn the same
weights: all but the convolutions, with the same dropout, and nothing masked or skipped at random.
Trainer pads each random batch to its longest clip; ours has clips of like length in a batch.
Of RAVDESS in batches of 32 that alone is 1.23 times as many samples, of the bundled corpus 1.37.
Weights are random, so only time is real. With several GPUs: CUDA_VISIBLE_DEVICES=0.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from contextlib import redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import (
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2ForSequenceClassification,
    Wav2Vec2Model,
)

from benchmark import Rows, alternately, clips
from benchmark.bare import Settings, trainer
from multimodal_ser.config import registry
from multimodal_ser.corpus import audio
from multimodal_ser.features.batches import Dataset
from multimodal_ser.features.live import LiveInputs, MemoryCache
from multimodal_ser.training.fusion import join
from multimodal_ser.training.learners._optimizer import Optimizer
from multimodal_ser.training.learners.neural import Learner
from multimodal_ser.training.losses import cross_entropy
from multimodal_ser.training.model import Model, head
from multimodal_ser.types import Finetune, Input

CLIPS, BATCH, RATE = 1440, 32, 16000
_LR, _PROJECTION = 1e-5, 256


def rows() -> Rows:
    """An epoch of RAVDESS where it lies under MSER_DATA, else of the bundled corpus."""
    sounds = [audio.resample(*audio.read(one), RATE) for one in clips(CLIPS)]
    with tempfile.TemporaryDirectory() as folder:
        home = write_model(Path(folder), Wav2Vec2Config())
        task = Task(home, sounds, torch.device("cuda"), BATCH)
        task.ours(), task.theirs()  # kernels are chosen and memory is taken before anything counts
        torch.cuda.empty_cache()
        theirs, ours = alternately(task.theirs, task.ours, times=2)
    return {"wav2vec2 base fine-tuned in bf16, against transformers.Trainer": (theirs, ours)}


def write_model(home: Path, config: Wav2Vec2Config) -> Path:
    """Random weights, and the extractor that scales clips."""
    torch.manual_seed(0)
    Wav2Vec2Model(config).save_pretrained(home)
    Wav2Vec2FeatureExtractor().save_pretrained(home)
    return home


@dataclass
class Task:
    """Clips at 16 kHz, each of a class, to be learned by the model in a folder; an epoch a call."""

    home: Path
    sounds: Sequence[np.ndarray]
    device: torch.device
    batch: int
    classes: int = 8

    def __post_init__(self) -> None:
        self.cache = MemoryCache()
        self.truth = np.arange(len(self.sounds)) % self.classes
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(self.home)
        self.prepared = [
            {"input_values": extractor(one, sampling_rate=RATE)["input_values"][0], "label": label}
            for one, label in zip(self.sounds, self.truth.tolist(), strict=True)
        ]
        self.data = self._data(self._encoder())
        self.data.batch(torch.arange(len(self.sounds)))  # fills the cache

    def ours(self) -> Learner:
        """The learner of the package."""
        torch.manual_seed(0)
        encoder = self._encoder()
        dims = {"audio": encoder.dim}
        heads = {"label": head(encoder.dim, self.classes, hidden=_PROJECTION)}
        model = Model(join.Fusion(dims), heads, dims, encoders={"audio": encoder}).to(self.device)
        learner = Learner(
            model,
            {"label": (cross_entropy, 1.0)},
            optimizer=Optimizer(lr=_LR, precision="bf16"),
            epochs=1,
            batch_size=self.batch,
        )
        learner.fit(self.data, None, seed=0)
        return learner

    def theirs(self) -> Any:
        """Trainer with its default collator for a speech model."""
        model: Any = Wav2Vec2ForSequenceClassification.from_pretrained(
            self.home,
            num_labels=self.classes,
            classifier_proj_size=_PROJECTION,
            layerdrop=0.0,
            apply_spec_augment=False,
        )
        model.freeze_feature_encoder()
        extractor = Wav2Vec2FeatureExtractor.from_pretrained(self.home)
        settings, cpu = Settings(1, self.batch, _LR, half=True), self.device.type == "cpu"
        with redirect_stdout(StringIO()):
            where = self.home / "trainer"
            trainer(model, self.prepared, None, where, settings, cpu=cpu, extractor=extractor)
        return model

    def _encoder(self) -> Any:
        options = {"model": str(self.home), "pool": "mean"}
        return registry.build("encoders", "hf_speech", options, Finetune())

    def _data(self, encoder: Any) -> Dataset:
        inputs = LiveInputs(encoder, self._read, np.arange(len(self.sounds)), None, self.cache)
        lengths = torch.tensor([len(one) for one in self.sounds])
        targets = {"label": torch.eye(self.classes)[self.truth]}
        return Dataset({"audio": inputs}, targets, self.truth, lengths=lengths)

    def _read(self, number: int) -> Input:
        return Input(self.sounds[number], RATE)
