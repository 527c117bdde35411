"""Whether a process still lives, told by a lock that the kernel takes from it when it ends.

A number of a process says less: it means another one after a while, and none in another container.
"""

from __future__ import annotations

import fcntl
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

_descriptors: set[int] = set()


@contextmanager
def present(folder: Path) -> Iterator[Path]:
    """A file of its own that this process keeps locked meanwhile; it has its name once locked."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder.resolve() / f"{uuid.uuid4().hex}.alive"
    unlocked = path.with_suffix(".new")
    descriptor = os.open(unlocked, os.O_CREAT | os.O_RDWR)
    _descriptors.add(descriptor)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        unlocked.rename(path)
        yield path
    finally:
        if descriptor in _descriptors:  # else this is a forked child
            path.unlink(missing_ok=True)
            _descriptors.discard(descriptor)
            os.close(descriptor)


def is_present(path: Path) -> bool:
    """Whether somebody holds the lock; of a file that others may not open, nothing is known."""
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        return False
    except PermissionError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)  # shared: two may ask at once
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def tidy(folder: Path) -> None:
    """Remove the files that killed processes left."""
    for path in folder.glob("*.alive"):
        if not is_present(path):
            path.unlink(missing_ok=True)


def _let_go() -> None:
    """A forked child shares its parent's locks, and must not keep them when the parent ends."""
    while _descriptors:
        os.close(_descriptors.pop())


os.register_at_fork(after_in_child=_let_go)
