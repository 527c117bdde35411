"""Whether a process still lives, by a lock that the kernel releases when the process ends.

The number of a process says less: it is given to another process later, and it means nothing in
another container.
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
    """A file that this process locks while it lives; it gets its name when it is locked."""
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
    """Whether some process holds the lock; nothing is known of a file that others may not open."""
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
    """Remove the files that killed processes left behind."""
    for path in folder.glob("*.alive"):
        if not is_present(path):
            path.unlink(missing_ok=True)


def _let_go() -> None:
    """Release the lock in a forked child, which must not hold it longer than its parent."""
    while _descriptors:
        os.close(_descriptors.pop())


os.register_at_fork(after_in_child=_let_go)
