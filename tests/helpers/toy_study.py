"""A search that needs no corpus: its objectives, which workers import, and its plan."""

import os
import signal
import sys
import time
from functools import partial
from pathlib import Path

import optuna

from multimodal_ser.parallel import spread
from multimodal_ser.studies.search.studies import Plan, create
from multimodal_ser.studies.search.workers import search
from multimodal_ser.types import ConfigError

ABOUT = {"space": {"lr": [1e-5, 1e-2]}, "split": "abc"}


def plan_at(folder, storage=None, **changes):
    """storage: by default a journal in the folder."""
    kept = {"name": "toy", "storage": storage or str(folder / "journal.log"), "about": ABOUT}
    return Plan(**(kept | {"folder": folder / "workers", "trials": 12, "seed": 3} | changes))


def toy(pause=0.0, at=None, then=None):
    """The objective. pause: seconds of a trial; at: a file; then: done once, in a trial's middle.

    One branch of two has a parameter of its own; worse trials say so early.
    """

    def objective(trial):
        x = trial.suggest_float("x", -1, 1)
        kind = trial.suggest_categorical("kind", ["deep", "wide"])
        low = trial.suggest_float(f"{kind}.lr", 1e-5, 1e-1, log=True)
        count = trial.suggest_int("count", 1, 8)
        value = 1 - x * x - 0.01 * count - low
        for step in range(10):
            time.sleep(pause / 10)
            trial.report(value - 1 / (step + 1), step)
            if then is not None and step == 5 and trial.number == 5 and not at.exists():
                at.touch()
                then()
            if trial.should_prune():
                raise optuna.TrialPruned
        return value

    return objective


def stop():
    raise ConfigError("stopped in the middle")


def die():
    os.kill(os.getpid(), signal.SIGKILL)


def fail_always():
    return lambda trial: float("nan")


def faulty():
    return lambda trial: 1 / 0


def die_always():
    return lambda trial: die()


def two_values():
    def objective(trial):
        x = trial.suggest_float("x", 0, 1)
        return x, 1 - x

    return objective


def spreading():
    """An objective that has workers of its own, as one that computes features."""
    return lambda trial: sum(spread(pow, [(2, power) for power in range(4)], workers=2))


def create_at(moment, plan):
    """Together with other processes that wait for the same moment."""
    time.sleep(max(0, moment - time.time()))
    create(plan)


def main():
    """The command that is killed: STORAGE FOLDER TRIALS WORKERS PAUSE."""
    storage, folder, count, workers, pause = sys.argv[1:]
    plan = plan_at(Path(folder), storage, trials=int(count))
    search(plan, partial(toy, float(pause)), int(workers))
