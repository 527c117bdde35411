"""Training: heads on cached features, many (seed, fold) pairs, a network from scratch, fine-tuning.

The plain ways are a loop over ready tensors that does no more than ours must (clipping, a look at
whether loss and gradient are finite, dev after each epoch, the best epoch kept), which leaves
nothing to gain but little to lose, and `transformers.Trainer`. One thread, but for the pairs.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from contextlib import redirect_stdout
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from benchmark import Rows, alternately, clips, fine_tuning
from benchmark.bare import Named, Ready, Settings, loop, one_frame, trainer
from multimodal_ser import run
from multimodal_ser.config import registry
from multimodal_ser.features.augmentation import Augmentation
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.features.live import Changes, LiveInputs, Utterances
from multimodal_ser.parallel import one_thread
from multimodal_ser.runs.records import read_run
from multimodal_ser.training.fusion import concat, join
from multimodal_ser.training.learners._optimizer import Optimizer
from multimodal_ser.training.learners.neural import Learner
from multimodal_ser.training.losses import cross_entropy
from multimodal_ser.training.model import Model, head
from multimodal_ser.types import Input, Utterance

DIMS = {"audio": 128, "text": 768}
ROWS, DEV, CLASSES, EPOCHS, BATCH = 4000, 800, 6, 4, 64
CLIPS, CLIP_BATCH, SECONDS, RATE = 320, 16, 3.0, 16000
PAIR_EPOCHS = 800  # ten of these take a core a minute and more
_LR = 1e-3


def rows() -> Rows:
    """Six minutes or so on two cores; with a GPU a few more."""
    with one_thread():
        found = heads() | networks(clips(CLIPS))
    found |= pairs(PAIR_EPOCHS)
    return found | fine_tuning.rows() if torch.cuda.is_available() else found


def heads(epochs: int = EPOCHS, times: int = 5) -> Rows:
    """4,000 rows of 768 + 128 dims, `concat` of 256, batches of 64, dev of 800 rows."""
    train, dev = vectors(ROWS, 0), vectors(DEV, 1)
    rows_of, settings = [named(train), named(dev)], Settings(epochs, BATCH, _LR)
    with tempfile.TemporaryDirectory() as folder, redirect_stdout(StringIO()):
        ours, bare, theirs = alternately(
            lambda: head_learner(epochs).fit(as_dataset(train), as_dataset(dev), seed=0),
            lambda: loop(head_model(), as_ready(train), as_ready(dev), settings),
            lambda: trainer(Named(head_model()), rows_of[0], rows_of[1], Path(folder), settings),
            times=times,
        )
    return {
        "a head on cached features, against a bare loop": (bare, ours),
        "a head on cached features, against transformers.Trainer": (theirs, ours),
    }


def vectors(count: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    """audio `[N, 128]`, text `[N, 768]` and codes `[N]`; a class is a place in both."""
    generator = torch.Generator().manual_seed(seed)
    truth = torch.randint(CLASSES, (count,), generator=generator)
    centres = torch.Generator().manual_seed(2)
    audio, text = (
        torch.randn(CLASSES, width, generator=centres)[truth] * 0.1
        + torch.randn(count, width, generator=generator)
        for width in DIMS.values()
    )
    return audio, text, truth


def as_dataset(part: tuple[Tensor, Tensor, Tensor]) -> Dataset:
    """As the learner gets it from the cache."""
    audio, text, truth = part
    once = torch.ones(len(truth), dtype=torch.long)
    features = {"audio": Ragged(audio, once), "text": Ragged(text, once)}
    targets = {"label": torch.eye(CLASSES)[truth]}
    return Dataset(features, targets, np.arange(len(truth)))


def as_ready(part: tuple[Tensor, Tensor, Tensor]) -> Ready:
    audio, text, truth = part
    return Ready(
        lambda rows: {"audio": one_frame(audio[rows]), "text": one_frame(text[rows])}, truth
    )


def named(part: tuple[Tensor, Tensor, Tensor]) -> list[dict[str, Tensor]]:
    """Row by row, as Trainer's default collator takes them."""
    return [{"audio": a, "text": t, "labels": y} for a, t, y in zip(*part, strict=True)]


def head_model() -> Model:
    torch.manual_seed(0)
    return Model(concat.Fusion(DIMS, hidden=256), {"label": head(256, CLASSES)}, DIMS)


def head_learner(epochs: int) -> Learner:
    settings = Optimizer(lr=_LR)
    losses = {"label": (cross_entropy, 1.0)}
    return Learner(head_model(), losses, optimizer=settings, epochs=epochs, batch_size=BATCH)


def pairs(epochs: int) -> Rows:
    """5 folds × 2 seeds over the bundled corpus, two processes against one, both started before.

    The features are in the cache. `whole` is all that a user waits for: what is cut, checked and
    scored in one process, too.
    """
    with tempfile.TemporaryDirectory() as folder:
        found = {}
        for workers in (1, 2):
            _paired(Path(folder), workers, 1)
            found[workers] = _paired(Path(folder), workers, epochs)
    (one, whole_one), (two, whole_two) = found[1], found[2]
    return {
        "10 (seed, fold) pairs, two processes, against one": (one, two),
        "10 (seed, fold) pairs, the whole run": (whole_one, whole_two),
    }


def _paired(home: Path, workers: int, epochs: int) -> tuple[float, float]:
    """Seconds of training, and of all stages that the run's log tells of."""
    config = {
        "name": f"pairs-{workers}-{epochs}",
        "corpus": {"name": "demo"},
        "protocol": {"name": "kfold", "folds": 5},
        "encoders": {
            "audio": {"name": "mfcc", "n_mfcc": 40, "pool": "mean_std", "normalize": "standard"},
            "text": {"name": "hashing", "buckets": 256},
        },
        "fusion": {"name": "concat", "hidden": 256},
        "learner": {"name": "neural", "epochs": epochs, "batch_size": 32},
        "seeds": [0, 1],
        "workers": workers,
        "device": "cpu",
        "runs_dir": str(home / "runs"),
        "cache": {"dir": str(home / "cache")},
    }
    began = time.perf_counter()
    folder = run(config).folder
    return read_run(folder).seconds("train") or 0.0, time.perf_counter() - began


def networks(utterances: Sequence[Utterance], times: int = 2) -> Rows:
    """An epoch of M5 over random crops of 3 s in batches of 16, against crops stacked before."""
    found = {}
    live = Crops(utterances)
    truth = live.truth
    x = torch.cat([live.inputs.batch(torch.tensor([row]))["x"] for row in range(len(truth))])
    lengths = torch.full((len(x),), x.shape[1])
    ready = Ready(lambda rows: {"audio": {"x": x[rows], "lengths": lengths[rows]}}, truth)
    for precision in ("fp32", "bf16"):
        settings = Settings(1, CLIP_BATCH, _LR, half=precision == "bf16")
        bare, ours = alternately(
            lambda settings=settings: loop(network(m5()), ready, None, settings),
            partial(live.train, precision),
            times=times,
        )
        found[f"M5 on live crops in {precision}, against a bare loop"] = (bare, ours)
    return found


def network(encoder: Any) -> Model:
    dims = {"audio": encoder.dim}
    heads = {"label": head(encoder.dim, CLASSES)}
    return Model(join.Fusion(dims), heads, dims, encoders={"audio": encoder})


def m5() -> Any:
    torch.manual_seed(0)
    return registry.build("encoders", "m5", {})


class Crops:
    """Clips in memory, of which each epoch hears other windows, as in a run with `augment: crop`.

    Samples stay in memory; each is cut, prepared and put into its batch anew in every step.
    """

    def __init__(self, utterances: Sequence[Utterance]) -> None:
        crop = registry.build("augment", "crop", {"seconds": SECONDS})
        changes = Changes(Augmentation([crop]), 0)
        read = Utterances(tuple(utterances)).inputs("audio", RATE, keep=True)
        numbers = np.arange(len(utterances))
        self.samples = torch.tensor([len(_samples(read(int(number)))) for number in numbers])
        self.inputs = LiveInputs(m5(), read, numbers, changes)
        self.truth = torch.from_numpy(numbers % CLASSES)

    def train(self, precision: Any) -> None:
        """One epoch."""
        data = Dataset(
            {"audio": self.inputs},
            {"label": torch.eye(CLASSES)[self.truth]},
            self.truth.numpy(),
            lengths=self.samples,
        )
        settings = Optimizer(lr=_LR, precision=precision)
        losses = {"label": (cross_entropy, 1.0)}
        options: dict[str, Any] = {"epochs": 1, "batch_size": CLIP_BATCH}
        Learner(network(m5()), losses, optimizer=settings, **options).fit(data, None, seed=0)


def _samples(one: Input) -> np.ndarray:
    assert one.samples is not None
    return one.samples
