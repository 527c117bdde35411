"""The processes of a search: they are started, watched and replaced until the N trials are done."""

from __future__ import annotations

import math
import os
import platform
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import Pipe
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from optuna.exceptions import StorageInternalError
from optuna.storages._heartbeat import BaseHeartbeat, is_heartbeat_enabled
from optuna.trial import FrozenTrial, TrialState

from multimodal_ser import parallel
from multimodal_ser.studies.search.presence import is_present, present, tidy
from multimodal_ser.studies.search.storage import shown
from multimodal_ser.studies.search.studies import (
    DONE,
    HELD,
    Ledger,
    Objective,
    Plan,
    create,
    patiently,
)
from multimodal_ser.types import ConfigError, DataError, LeakError, MissingError, MserError

_PAUSE = 0.2  # seconds until a worker without a place looks again
_BEAT = 1.0  # seconds from one sweep to the next
_LOSSES = 5  # as often in a row a worker may lose its storage
_DEATHS = 3  # as many workers may be killed with no trial done between
_KINDS = {kind.exit_code: kind for kind in (ConfigError, DataError, LeakError, MissingError)}


@dataclass(frozen=True)
class Progress:
    """The state of a search. begun: trials that were done before; seconds: since the start."""

    done: int
    pruned: int
    failed: int
    total: int
    begun: int
    seconds: float
    best: FrozenTrial | None
    ended: bool

    def line(self) -> str:
        words = [f"{self.done} of {self.total} trials"]
        aside = [f"{self.pruned} pruned"] * (self.pruned > 0)
        aside += [f"{self.failed} failed"] * (self.failed > 0)
        if aside:
            words[0] += f" ({', '.join(aside)})"
        if self.done > self.begun:
            words.append(f"{60 * (self.done - self.begun) / self.seconds:.1f} a minute")
        if self.best is not None:
            words.append(f"best {self.best.value:.4f} (trial {self.best.user_attrs.get('place')})")
        return ", ".join(words)


def show(progress: Progress) -> None:
    """Print one line that is written over on a terminal, or one line at the end elsewhere."""
    if sys.stderr.isatty():
        end = "\n" if progress.ended else ""
        print(f"\r\033[K{progress.line()}", end=end, file=sys.stderr, flush=True)
    elif progress.ended:
        print(progress.line(), file=sys.stderr)


def search(
    plan: Plan,
    make: Callable[[], Objective],
    workers: int = 1,
    on_progress: Callable[[Progress], None] = show,
) -> None:
    """Work until as many trials are completed or pruned as the plan says, or its time is over.

    make: called once in each worker, so a function of a module or a `functools.partial` of one.
    """
    ledger, began = create(plan), time.monotonic()
    sweep(ledger)
    tidy(plan.folder)
    begun = len(ledger.trials(*DONE))
    ends = began + (math.inf if plan.timeout is None else plan.timeout)
    crew = _Crew(lambda: _Worker(plan, make, ends), min(workers, plan.trials - begun), begun)
    try:
        while crew.workers:
            crew.wait()
            patiently(lambda: sweep(ledger))
            progress = patiently(lambda: _progress(ledger, begun, began))
            on_progress(progress)
            crew.replace_the_killed(progress.done)
    finally:
        crew.end()
        sweep(ledger)
        on_progress(_progress(ledger, begun, began, ended=True))


def _progress(ledger: Ledger, begun: int, began: float, ended: bool = False) -> Progress:
    states = [trial.state for trial in ledger.trials(*DONE, TrialState.FAIL)]
    best = None
    if TrialState.COMPLETE in states and len(ledger.plan.directions) == 1:
        best = ledger.storage.get_best_trial(ledger.id)
    return Progress(
        done=sum(state in DONE for state in states),
        pruned=states.count(TrialState.PRUNED),
        failed=states.count(TrialState.FAIL),
        total=ledger.plan.trials,
        begun=begun,
        seconds=time.monotonic() - began,
        best=best,
        ended=ended,
    )


def sweep(ledger: Ledger) -> None:
    """Give up the trials whose workers do not live any more."""
    silent = set()
    if isinstance(ledger.storage, BaseHeartbeat) and is_heartbeat_enabled(ledger.storage):
        silent = set(ledger.storage._get_stale_trial_ids(ledger.id))
    for trial in ledger.trials(TrialState.RUNNING):
        if _is_lost(trial, silent, here=not is_heartbeat_enabled(ledger.storage)):
            ledger.fail(trial._trial_id, "its worker ended before it did")


def _is_lost(trial: FrozenTrial, silent: set[int], *, here: bool) -> bool:
    """Whether the worker of a trial is gone.

    silent: trials without a heartbeat; here: whether the storage, and so every worker, is on this
    machine.
    """
    worker = trial.user_attrs.get("worker")
    if worker is None:
        return True  # not begun by a search
    if here or worker["host"] == platform.node():
        return not is_present(Path(worker["lock"]))
    return trial._trial_id in silent


class _Crew:
    """The workers of a search. A killed worker is replaced; an error of one stops all."""

    def __init__(self, begin: Callable[[], _Worker], size: int, done: int) -> None:
        self.begin = begin
        self.workers = [begin() for _ in range(size)]
        self.killed: list[_Worker] = []
        self.deaths, self.done = 0, done

    def wait(self) -> None:
        """Wait a moment, or until a worker has ended."""
        wait([worker.process.sentinel for worker in self.workers], timeout=_BEAT)
        ended = [worker for worker in self.workers if not worker.process.is_alive()]
        self.workers = [worker for worker in self.workers if worker not in ended]
        self.killed = [worker for worker in ended if worker.was_killed()]

    def replace_the_killed(self, done: int) -> None:
        """Start a new worker for each killed one.

        done: the number of trials so far; workers that only die are not replaced for ever.
        """
        self.deaths = len(self.killed) + (self.deaths if done == self.done else 0)
        self.done = done
        if self.killed and self.deaths >= _DEATHS:
            raise MserError(
                f"{self.deaths} workers were killed and no trial was done between (the last one by "
                f"signal {-(self.killed[-1].process.exitcode or 0)}); out of memory? Fewer workers "
                "need less, and the same command goes on from here"
            )
        self.workers += [self.begin() for _ in self.killed]

    def end(self) -> None:
        for worker in self.workers:
            worker.process.terminate()
        for worker in self.workers:
            worker.process.join()


class _Worker:
    """A process that works on trials, with a pipe for its error."""

    def __init__(self, plan: Plan, make: Callable[[], Objective], ends: float) -> None:
        self.errors, far_end = Pipe(duplex=False)
        self.process = parallel.process(_work, plan, make, ends, far_end)
        far_end.close()

    def was_killed(self) -> bool:
        """Whether an ended process was killed; its error is raised if it had one."""
        code = self.process.exitcode or 0
        if code > 0:
            raise self._error()
        return code < 0

    def _error(self) -> MserError:
        try:
            if self.errors.poll():
                kind, message = self.errors.recv()
                return _KINDS.get(kind, MserError)(message)
        except EOFError:
            pass  # an error that is no fault of the user's; the worker has printed where it arose
        return MserError("a worker of the search stopped on the error above")


def _work(plan: Plan, make: Callable[[], Objective], ends: float, errors: Connection) -> None:
    try:
        work(plan, make(), ends)
    except MserError as error:
        errors.send((error.exit_code, str(error)))
        sys.exit(error.exit_code)


def work(plan: Plan, objective: Objective, ends: float = math.inf) -> None:
    """Run trials until all are done; none starts after `ends`, a monotonic time."""
    ledger, losses = Ledger(plan), 0
    with present(plan.folder) as lock:
        worker = {"host": platform.node(), "pid": os.getpid(), "lock": str(lock)}
        while time.monotonic() < ends:
            try:
                if not _step(ledger, objective, worker):
                    return
                losses = 0
            except StorageInternalError as error:
                losses += 1
                if losses == _LOSSES:
                    raise MissingError(f"lost {shown(plan.storage)}: {error.__cause__}") from None
                time.sleep(_BEAT)


def _step(ledger: Ledger, objective: Objective, worker: dict[str, Any]) -> bool:
    """Run a trial, or pause where all places are held; False when all trials are done."""
    held = ledger.trials(*HELD)
    for trial in held:
        if not trial.state.is_finished() and trial.user_attrs.get("worker") == worker:
            ledger.fail(trial._trial_id, "the connection to the storage was lost")
    if sum(trial.state in DONE for trial in held) >= ledger.plan.trials:
        return False
    if len(held) < ledger.plan.trials:
        ledger.attempt(objective, worker)
    else:
        time.sleep(_PAUSE)
    return True
