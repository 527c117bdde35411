"""A search: our trials against a plain Optuna loop, two workers against one, what a trial costs.

Features of the bundled corpus are in memory: 320 rows train 30 epochs, 80 are dev. Learning rate,
weight decay and dropout are searched by TPE, so that all trials do the same work, and all ways keep
the best epoch of a trial. The plain ones have their study in memory, and train the same network on
features that were scaled before: by a `DataLoader` with scikit-learn's macro-F1 after each epoch,
and by `transformers.Trainer`, which writes the epochs that it may come back to. Ours scales within
each trial, reports to a pruner and writes a journal. One thread everywhere.
"""

from __future__ import annotations

import copy
import tempfile
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import optuna
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.utils.data import DataLoader, TensorDataset

from benchmark import Rows, alternately
from benchmark.bare import Named, Settings, one_frame, trainer
from multimodal_ser.config.method import method_of
from multimodal_ser.config.read import applied, check, space_of
from multimodal_ser.features.batches import Dataset, Ragged
from multimodal_ser.parallel import one_thread
from multimodal_ser.runs.prepare import prepare
from multimodal_ser.runs.sealing import sealed
from multimodal_ser.studies.search import trials
from multimodal_ser.studies.search.studies import Plan, create
from multimodal_ser.studies.search.trials import Bench, Objective
from multimodal_ser.studies.search.workers import search, work
from multimodal_ser.training import fit
from multimodal_ser.training.apply import dataset
from multimodal_ser.training.fusion import concat
from multimodal_ser.training.model import Model, head

TRIALS, MANY, EPOCHS, BATCH, HIDDEN = 10, 400, 30, 32, 128
_REPORTS = 10
_QUIET: Callable[[Any], None] = lambda progress: None  # noqa: E731


def rows() -> Rows:
    """Eight minutes or so on two cores."""
    return against_loops(TRIALS) | machinery(100) | workers(MANY)


def against_loops(count: int, times: int = 3) -> Rows:
    """Seconds of so many trials each way."""
    bench = bench_of_demo()
    data = Plain.of(bench)
    objective = Objective(bench)
    with one_thread(), redirect_stdout(StringIO()):
        ours, loader, theirs = alternately(
            lambda: ours_alone(objective, count),
            lambda: optimized(data.by_loader, count),
            lambda: optimized(data.by_trainer, count),
            times=times,
        )
    return {
        "trials of one worker, against a loop with DataLoader": (loader, ours),
        "trials of one worker, against a loop with Trainer": (theirs, ours),
    }


def machinery(count: int) -> Rows:
    """A trial's training, and all else that our search does for one: ask, report, tell, write."""
    bench = bench_of_demo()
    fold, seed = bench.folds[0], bench.experiment.seeds[0]
    method = method_of(bench.experiment)
    rows = bench.rows_for(method)

    def train() -> None:
        fit.fit(method, rows, fold, seed)

    def idle(trial: optuna.Trial) -> float:
        value = sum(bench.space.suggest(trial).values())
        for step in range(_REPORTS):
            trial.report(value, step)
            trial.should_prune()
        return value

    with one_thread():
        alone, whole = alternately(train, lambda: ours_alone(idle, count), times=3)
    return {"training of a trial, against the search around it": (alone, whole / count)}


def workers(count: int) -> Rows:
    """A whole search with one worker and with two, the start of their processes included."""
    bench = bench_of_demo()
    found = {}
    for number in (1, 2):
        with tempfile.TemporaryDirectory() as folder:
            began = time.perf_counter()
            plan = plan_in(Path(folder), count)
            search(plan, partial(Objective, bench), number, on_progress=_QUIET)
            found[number] = time.perf_counter() - began
    return {f"{count} trials, two workers against one": (found[1], found[2])}


def ours_alone(objective: Callable[[optuna.Trial], Any], count: int) -> None:
    """All that a worker does, in this process."""
    with tempfile.TemporaryDirectory() as folder:
        plan = plan_in(Path(folder), count)
        create(plan)
        work(plan, objective)


def plan_in(folder: Path, count: int) -> Plan:
    return Plan("bench", str(folder / "journal"), folder, pruner="none", trials=count)


def optimized(objective: Callable[[optuna.Trial], float], count: int) -> None:
    """As most notebooks do it."""
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(objective, n_trials=count)


def bench_of_demo() -> Bench:
    """What `mser tune` gives its workers; the features are made or found once."""
    config = {
        "name": "search",
        "corpus": {"name": "demo"},
        "protocol": {"name": "holdout", "test": 1 / 6, "dev": 1 / 6},
        "within": {},
        "encoders": {
            "audio": {"name": "mfcc", "n_mfcc": 40, "pool": "mean_std", "normalize": "standard"},
            "text": {"name": "hashing", "buckets": 256, "normalize": "standard"},
        },
        "fusion": {"name": "concat", "hidden": HIDDEN},
        "learner": {"name": "neural", "epochs": EPOCHS, "batch_size": BATCH},
        "search": {
            "learner.optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True},
            "learner.optimizer.weight_decay": {"low": 1e-4, "high": 1e-1, "log": True},
            "fusion.dropout": {"low": 0.0, "high": 0.6},
        },
    }
    experiment = check(config)
    return trials.bench_of(sealed(prepare(experiment)), space_of(experiment))


@dataclass(frozen=True)
class Plain:
    """The rows that train and those of dev, scaled: `audio [N, 80], text [N, 256], codes [N]`."""

    train: tuple[Tensor, Tensor, Tensor]
    dev: tuple[Tensor, Tensor, Tensor]
    classes: int

    @classmethod
    def of(cls, bench: Bench) -> Plain:
        """From what one of our trainings was given."""
        fold, method = bench.folds[0], method_of(bench.experiment)
        rows = bench.rows_for(method)
        once = method_of(applied(bench.experiment, {"learner.epochs": 1}))
        scaling = fit.fit(once, rows, fold, 0)
        train, dev = (dataset(once, rows, scaling, part) for part in (fold.train, fold.dev))
        return cls(_vectors(train), _vectors(dev), len(bench.target.classes))

    def by_loader(self, trial: optuna.Trial) -> float:
        rate, decay, model = self._drawn(trial)
        optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
        loader = DataLoader(TensorDataset(*self.train), batch_size=BATCH, shuffle=True)
        best, kept = -1.0, None
        for _ in range(EPOCHS):
            model.train()
            for audio, text, truth in loader:
                optimizer.zero_grad()
                loss = cross_entropy(_said(model, audio, text), truth)
                loss.backward()
                nn.utils.clip_grad_norm_(model.parameters(), 1.0)
                optimizer.step()
            if (value := self._macro_f1(model)) > best:
                best, kept = value, copy.deepcopy(model.state_dict())
        model.load_state_dict(kept or {})
        return best

    def by_trainer(self, trial: optuna.Trial) -> float:
        rate, _, model = self._drawn(trial)
        train, dev = (_named(part) for part in (self.train, self.dev))
        with tempfile.TemporaryDirectory() as folder:
            settings = Settings(EPOCHS, BATCH, rate)
            trainer(Named(model), train, dev, Path(folder), settings, keep=True)
        return self._macro_f1(model)

    def _drawn(self, trial: optuna.Trial) -> tuple[float, float, Model]:
        rate = trial.suggest_float("lr", 1e-4, 1e-2, log=True)
        decay = trial.suggest_float("decay", 1e-4, 1e-1, log=True)
        dropout = trial.suggest_float("dropout", 0.0, 0.6)
        torch.manual_seed(0)
        dims = {"audio": self.train[0].shape[1], "text": self.train[1].shape[1]}
        fusion = concat.Fusion(dims, hidden=HIDDEN, dropout=dropout)
        return rate, decay, Model(fusion, {"label": head(HIDDEN, self.classes)}, dims)

    def _macro_f1(self, model: Model) -> float:
        audio, text, truth = self.dev
        model.eval()
        with torch.inference_mode():
            guess = _said(model, audio, text).argmax(1)
        return float(f1_score(truth, guess, average="macro"))


def _vectors(data: Dataset) -> tuple[Tensor, Tensor, Tensor]:
    audio, text = data.features["audio"], data.features["text"]
    assert isinstance(audio, Ragged) and isinstance(text, Ragged)
    return audio.frames, text.frames, data.targets["label"].argmax(1)


def _named(part: tuple[Tensor, Tensor, Tensor]) -> list[dict[str, Tensor]]:
    """Row by row, as Trainer's default collator takes them."""
    return [{"audio": a, "text": t, "labels": y} for a, t, y in zip(*part, strict=True)]


def _said(model: Model, audio: Tensor, text: Tensor) -> Tensor:
    return model({"audio": one_frame(audio), "text": one_frame(text)})["label"]
