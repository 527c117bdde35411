"""Can voice and words be fine-tuned together, and how fast, on one GPU or many?

    python experiments/finetune_gpu.py [--corpus demo|ravdess] [--mode full|top:4|lora]
    torchrun --nproc_per_node 2 experiments/finetune_gpu.py …
    … --random-weights --steps 20        nothing is fetched: how fast, and how much memory

wav2vec 2.0 and BETO, both of base size, learn in bf16 under one `concat` fusion; RAVDESS says two
sentences only, so there the voice learns alone. Without `--random-weights` it is a run of the
package over every fold of the corpus, and its table is printed; with it, models of the same size
with random weights take real steps on real clips, of which all but the first are timed.

Cost: two forward and backward passes of 95 and 110 million parameters a clip; two busy CPU cores do
one in 3 s (experiments/LOG.md), no GPU has been measured yet.
Expected: with several processes the losses stay those of one process. The bundled corpus is
synthetic, so its scores say that training works, not how well emotions are told.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count, islice
from pathlib import Path
from typing import Any

import torch
from benchmark.neural import pieces
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    Wav2Vec2Config,
    Wav2Vec2FeatureExtractor,
    Wav2Vec2Model,
)

from multimodal_ser import run
from multimodal_ser.config.experiment import Experiment
from multimodal_ser.config.read import check
from multimodal_ser.corpus.datasets import demo
from multimodal_ser.distributed import World, first_then_others, world
from multimodal_ser.features.batches import Batch, Dataset
from multimodal_ser.features.encoders._hf import quiet
from multimodal_ser.features.extraction import find_device
from multimodal_ser.runs.prepare import prepare, training_rows_of
from multimodal_ser.training.apply import Trained, dataset
from multimodal_ser.training.build import learning_encoders, make_learner, shape_of, with_encoders
from multimodal_ser.training.learners._steps import Steps
from multimodal_ser.types import MserError

VOICE, WORDS = "facebook/wav2vec2-base", "dccuchile/bert-base-spanish-wwm-cased"
CORPORA = {
    "demo": {"corpus": {"name": "demo"}, "protocol": {"name": "kfold", "folds": 3}},
    "ravdess": {"corpus": {"name": "ravdess"}, "protocol": {"name": "official"}},
}
MODES = {"full": True, "top:4": "top:4", "lora": "lora"}
_BETO = 31002  # word pieces


def main() -> None:
    parser = argparse.ArgumentParser(description="Fine-tune wav2vec 2.0 and BETO together.")
    parser.add_argument("--corpus", choices=CORPORA, default="demo")
    parser.add_argument("--mode", choices=MODES, default="full")
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument("--batch", type=int, default=16, help="utterances, of all processes")
    parser.add_argument("--precision", choices=["bf16", "fp32"], default="bf16")
    parser.add_argument("--voice", default=VOICE, help="another speech model, or its folder")
    parser.add_argument("--words", default=WORDS, help="another text model, or its folder")
    parser.add_argument("--random-weights", action="store_true", help="only measure speed")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--size", choices=["base", "tiny"], default="base", help="if random")
    options = parser.parse_args()
    if options.random_weights and options.steps < 2:
        parser.error("--steps: at least 2, of which the first is not timed")
    try:
        if options.random_weights:
            measure(options)
        else:
            found = run(config(options, {"voice": options.voice, "words": options.words}))
            if world().first:
                print(found.table().round(3).to_string(), found.folder, sep="\n")
    except MserError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def config(options: argparse.Namespace, models: dict[str, str]) -> dict[str, Any]:
    """The experiment as a YAML file would say it."""
    how = {"pool": "mean", "trainable": MODES[options.mode]}
    encoders = {"voice": {"name": "hf_speech", "model": models["voice"], **how}}
    if options.corpus == "demo":
        encoders["words"] = {"name": "hf_text", "model": models["words"], **how}
    rising = {"decay": "linear", "warmup": 0.1}
    rate = 1e-4 if options.mode == "lora" else 3e-5
    return {
        "name": f"finetune-{options.corpus}-{options.mode.replace(':', '')}",
        **CORPORA[options.corpus],
        "encoders": encoders,
        "fusion": {"name": "concat"},
        "learner": {
            "name": "neural",
            "optimizer": {"lr": rate, "precision": options.precision, "schedule": rising},
            "epochs": options.epochs,
            "batch_size": options.batch,
        },
    }


def measure(options: argparse.Namespace) -> None:
    """Steps of random models, and what they cost."""
    among = world(cpu=find_device().type == "cpu")
    home = Path(among.collect([tempfile.mkdtemp()])[0])
    try:
        if among.first:
            write_models(home, options.size)
        among.wait()
        wanted = config(options, {name: str(home / name) for name in ("voice", "words")})
        own = {"runs_dir": str(home / "runs"), "cache": {"dir": str(home / "cache")}}
        found = step(check(wanted | own), options.steps, among)
        if among.first:
            print(found.words(options, among.size))
        among.wait()
    finally:
        if among.first:
            shutil.rmtree(home)


@dataclass(frozen=True)
class Speed:
    """What timed steps took, over all processes; memory: the most that this one held, in bytes."""

    device: torch.device
    steps: int
    seconds: float
    utterances: int
    sound: float
    memory: int
    reading: float
    losses: tuple[float, float]

    def words(self, options: argparse.Namespace, processes: int) -> str:
        """A line each."""
        device = torch.cuda.get_device_name() if self.device.type == "cuda" else str(self.device)
        before, after = self.losses
        lines = {
            "device": f"{device}, {processes} processes" if processes > 1 else device,
            "training": f"{options.mode}, {options.precision}, batches of {options.batch}",
            "steps": f"{self.steps} in {self.seconds:.2f} s, loss {before:.3f} to {after:.3f}",
            "utterances per second": f"{self.utterances / self.seconds:.2f}",
            "seconds of audio per second": f"{self.sound / self.seconds:.1f}",
            "peak memory of a process": f"{self.memory / 2**30:.2f} GiB",
            "read and prepared before": f"in {self.reading:.1f} s",
        }
        return "\n".join(f"{name:28} {value}" for name, value in lines.items())


def step(experiment: Experiment, wanted: int, among: World) -> Speed:
    """Steps on the first fold's train part, as `training.fit` takes them; the first is not timed.

    Every clip is read and prepared before, as it is from the second epoch on.
    """
    steps, train = begin(experiment, wanted, among)
    began, size = time.perf_counter(), experiment.learner.options["batch_size"]
    for rows in torch.arange(len(train)).split(size):
        train.batch(rows)
    reading, losses, utterances, sound = time.perf_counter() - began, [], 0, 0.0
    steps.model.train()
    for number, batch in enumerate(islice(_endless(steps, train, size), wanted)):
        losses.append(steps.take(batch, 0))
        if number:
            clips, seconds = _heard(batch, steps.model.encoders["voice"].rate)
            utterances, sound = utterances + clips, sound + seconds
        else:
            among.wait()
            began = time.perf_counter()
    among.wait()
    return Speed(
        device=steps.device,
        steps=wanted - 1,
        seconds=time.perf_counter() - began,
        utterances=sum(among.collect([utterances])),
        sound=sum(among.collect([sound])),
        memory=_memory(steps.device),
        reading=reading,
        losses=(losses[0], losses[-1]),
    )


def begin(experiment: Experiment, wanted: int, among: World) -> tuple[Steps, Dataset]:
    """A model before its first step, and the rows that train."""
    with first_then_others():
        prepared = prepare(experiment)
    prepared.audit.refuse()
    method, train_rows = prepared.method, prepared.folds[0].train
    rows = training_rows_of(prepared, {})
    torch.manual_seed(0)
    encoders = learning_encoders(method, {})
    train = dataset(method, rows, Trained({}, {}, {}, encoders), train_rows)
    whole = {name: all(rows.sources[name].keys[row] for row in train_rows) for name in encoders}
    shape = shape_of(method, train, whole) | {"classes": dict(rows.classes)}
    learner = make_learner(method, with_encoders(shape, encoders), encoders, train.targets)
    learner.model.to(find_device(experiment.device))
    steps = Steps(learner.model, learner.loop.losses, learner.loop.optimizer, wanted, among)
    torch.manual_seed(among.rank)  # other rows, other dropout
    return steps, train


def _endless(steps: Steps, train: Dataset, size: int) -> Iterator[Batch]:
    generator = torch.Generator().manual_seed(0)
    for epoch in count():
        yield from steps.batches(train, train.epoch(generator, size), size, epoch)


def _heard(batch: Batch, rate: int) -> tuple[int, float]:
    """Clips and seconds of sound, without those that only fill up a process's share."""
    voice = batch.features["voice"]
    assert isinstance(voice, dict)
    lengths = voice["lengths"] if batch.weights is None else voice["lengths"][batch.weights > 0]
    return len(lengths), int(lengths.sum()) / rate


def _memory(device: torch.device) -> int:
    """Bytes: of the GPU, or all that the process ever held."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated()
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def write_models(home: Path, size: str) -> None:
    """Random weights of the size of wav2vec 2.0 and BETO, or tiny.

    The word pieces are those of the bundled corpus, so that a text has about as many as for BETO.
    """
    small: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 2}
    small |= {"intermediate_size": 64}
    ears = {"conv_dim": (16,) * 7, "num_conv_pos_embeddings": 16}
    ears |= {"num_conv_pos_embedding_groups": 2}
    tiny = size == "tiny"
    words = pieces([one.text or "" for one in demo.load().utterances()]).get_vocab()
    rows = len(words) if tiny else _BETO
    words |= {f"[unused{at}]": at for at in range(len(words), rows)}
    torch.manual_seed(0)
    voice = Wav2Vec2Model(Wav2Vec2Config(**(small | ears if tiny else {})))
    text = BertModel(BertConfig(vocab_size=rows, **(small if tiny else {})))
    with quiet():
        voice.save_pretrained(home / "voice")
        Wav2Vec2FeatureExtractor().save_pretrained(home / "voice")
        text.save_pretrained(home / "words")
        BertTokenizer(vocab=words).save_pretrained(home / "words")


if __name__ == "__main__":
    main()
