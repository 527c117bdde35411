"""Spread a stage over the cores of this machine: one thread a process, results in order.

Work that is spread goes to worker processes, also when there is one: a process with one thread
computes the same bytes whatever else runs, where a main process with several threads may not. What
is shorter than the start of a worker runs in this process under `one_thread`, to the same bytes.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import lru_cache
from multiprocessing import forkserver
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import Any

from rich.console import Console
from rich.progress import track

from multimodal_ser.types import MserError

_THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMBA_NUM_THREADS")
_ENVIRONMENT = dict.fromkeys((*_THREADS, "WORLD_SIZE"), "1") | {
    # a command that was interrupted leaves its semaphores to the tracker, which need not be told
    "PYTHONWARNINGS": "ignore::UserWarning:multiprocessing.resource_tracker"
}
_preloaded: list[str] = []  # what every worker imports before its first job
_pools: dict[tuple[int, tuple[str, ...]], ProcessPoolExecutor] = {}


def cores() -> int:
    """The cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def spread(
    function: Callable[..., Any],
    jobs: Iterable[tuple[Any, ...]],
    *,
    workers: int | None = None,
    label: str = "",
) -> Iterator[Any]:
    """`function(*job)` for every job, in the order of the jobs, a few jobs ahead.

    label: shows how far it is; jobs without one may come from a stream that has no known end.
    """
    countable = isinstance(jobs, Sequence)
    if countable and not jobs:
        return
    pool = _pool(min(workers or cores(), cores() * 4))
    waiting: deque[Future[Any]] = deque()
    remaining = iter(jobs)
    ahead = 4 * (workers or cores())
    try:
        for _ in _counted(len(jobs), label) if countable else itertools.count():
            while len(waiting) < ahead and (job := next(remaining, None)) is not None:
                waiting.append(pool.submit(function, *job))
            if not waiting:
                return
            yield waiting.popleft().result()
    except BrokenProcessPool:
        _pools.clear()
        raise MserError(
            f"a worker process died while it worked on: {label} (killed, or out of memory; "
            "workers=1 needs the least)"
        ) from None
    finally:
        for future in waiting:
            future.cancel()


def alongside(function: Callable[..., Any], *job: Any) -> Callable[[], Any]:
    """Begin one job in a worker while the caller goes on; what is returned waits for its result."""
    return _pool(cores()).submit(function, *job).result


def process(function: Callable[..., Any], *job: Any) -> BaseProcess:
    """Begin one long job in a process of its own, which ends when this one does."""
    context: Any = _context()
    begun = context.Process(target=_settled, args=(function, *job))
    with _birth():
        begun.start()
    return begun


def preload(*modules: str) -> None:
    """Let every worker that starts from now on import these first, once for all of them."""
    _preloaded.extend(name for name in modules if name not in _preloaded)


def warm_up() -> None:
    """Begin to import what the workers need, beside what this process still has to import."""
    if sys.platform != "win32":
        _context()
        with _birth():
            forkserver.ensure_running()


def shut_down() -> None:
    """End the workers; the next stage starts new ones."""
    for pool in _pools.values():
        pool.shutdown(cancel_futures=True)
    _pools.clear()


def _pool(workers: int) -> ProcessPoolExecutor:
    """The workers of this process, kept from stage to stage because they import torch.

    They are started anew when `sys.path` has changed, as it does in a notebook.
    """
    key = (workers, tuple(sys.path))
    if key not in _pools:
        shut_down()
        with _birth():
            pool = ProcessPoolExecutor(workers, mp_context=_context(), initializer=_settle)
            for _ in range(workers):
                pool.submit(time.sleep, 0.1)  # none is idle, so that every process starts now
        _pools[key] = pool
    return _pools[key]


def _context() -> BaseContext:
    context = multiprocessing.get_context("spawn" if sys.platform == "win32" else "forkserver")
    if sys.platform != "win32":
        context.set_forkserver_preload(_preloaded)
    return context


@contextmanager
def _birth() -> Iterator[None]:
    """What the processes inherit: one thread, and nothing of the user's script.

    Without the second a script would need an `if __name__ == "__main__"`, because each worker would
    run it again to find functions in it; ours are in the package.
    """
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ.update(_ENVIRONMENT)
    script = vars(sys.modules["__main__"])
    hidden = {name: script.pop(name) for name in ("__file__", "__spec__") if name in script}
    script["__spec__"] = None
    try:
        yield
    finally:
        script.update(hidden)
        for name, value in before.items():
            os.environ.pop(name) if value is None else os.environ.update({name: value})


@contextmanager
def one_thread() -> Iterator[None]:
    """For light arithmetic in this process, which several threads only slow down."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with _controller().limit(limits=1):
            yield
    finally:
        torch.set_num_threads(threads)


@lru_cache(maxsize=1)
def _controller() -> Any:
    from threadpoolctl import ThreadpoolController

    return ThreadpoolController()


def _settle() -> None:
    """One thread, Ctrl-C left to the parent, and no life after the parent's."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    import threadpoolctl
    import torch

    torch.set_num_threads(1)
    threadpoolctl.threadpool_limits(1)
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_follow, args=(parent.sentinel,), daemon=True).start()


def _settled(function: Callable[..., Any], *job: Any) -> None:
    """With the workers that the job started ended: a process waits for them before it ends."""
    _settle()
    try:
        function(*job)
    finally:
        shut_down()


def _follow(sentinel: int) -> None:
    wait([sentinel])
    os._exit(1)


def _counted(total: int, label: str) -> Iterator[int]:
    """A progress bar on a terminal; elsewhere one plain line when it took longer than 2 s."""
    console = Console(stderr=True)
    if not label:
        yield from range(total)
    elif console.is_terminal:
        yield from track(range(total), label, console=console, transient=True)
    else:
        began = time.monotonic()
        yield from range(total)
        if (seconds := time.monotonic() - began) > 2:
            print(f"{label}: done in {seconds:.1f} s", file=sys.stderr)
