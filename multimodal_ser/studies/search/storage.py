"""Where the trials of a study are kept: in a journal file, in SQLite, or on a database server."""

from __future__ import annotations

import fcntl
import json
import os
import random
import time
import warnings
from collections.abc import Iterator
from importlib.util import find_spec
from io import FileIO
from pathlib import Path
from typing import Any

import optuna
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import BaseJournalBackend
from optuna.trial import TrialState
from sqlalchemy import URL, event, make_url
from sqlalchemy.exc import ArgumentError, SQLAlchemyError

from multimodal_ser.types import ConfigError, DataError, MissingError

_HEARTBEAT = 20  # seconds from one sign of life to the next
_GRACE = 120  # seconds of silence after which the host of a trial is taken for dead
_PATIENCE = 60  # seconds that a lost server is waited for
_ATTEMPTS = 5


class Journal(BaseJournalBackend):
    """The log of a study in one file, which a kill at any moment cannot spoil.

    Optuna's own waits 30 s for the lock of a killed process and cannot read on behind a line that
    a kill has cut off. Here the kernel takes the lock from the dead, and whoever writes next
    removes what is not a whole line. The format is Optuna's, so its other tools read the file.
    Only the end of a trial is forced to the disk: a power cut may cost the trials in work.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._number, self._offset = 0, 0  # of the first log that was not yet read

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        if log_number_from != self._number:
            self._number, self._offset = 0, 0
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for line in file:
                if not line.endswith(b"\n"):
                    return  # another process is writing it, or was killed while it did
                self._number, self._offset = self._number + 1, self._offset + len(line)
                if self._number > log_number_from:
                    yield json.loads(line)

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        data = "".join(json.dumps(log, separators=(",", ":")) + "\n" for log in logs).encode()
        try:
            with os.fdopen(os.open(self.path, os.O_RDWR | os.O_APPEND), "r+b", 0) as file:
                _append(file, data)
                if any(_ends_a_trial(log) for log in logs):
                    os.fsync(file)
        except OSError as error:
            raise DataError(f"cannot write {self.path}: {error.strerror}") from None


def _append(file: FileIO, data: bytes) -> None:
    """Append all lines or none, while no other process writes."""
    fcntl.flock(file, fcntl.LOCK_EX)
    size = _cut_to_whole_lines(file)
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[file.write(rest) :]
    except OSError:
        file.truncate(size)
        raise
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


def _cut_to_whole_lines(file: FileIO) -> int:
    """The size of the file without the last line, if a killed process did not finish it."""
    end = file.seek(0, os.SEEK_END)
    file.seek(max(end - 1, 0))
    if file.read(1) in (b"\n", b""):
        return end
    file.seek(0)
    end = file.read().rfind(b"\n") + 1
    file.truncate(end)
    return end


def _ends_a_trial(log: dict[str, Any]) -> bool:
    return "state" in log and TrialState(log["state"]).is_finished()


def opened(storage: str, *, new: bool = False) -> BaseStorage:
    """The storage at the path of a journal, or at a URL such as `postgresql+psycopg://…`.

    new: make the file or the tables where they are missing; the workers of a search never do,
    because two of them at once would disturb each other.
    """
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    if "://" in storage:
        return get_storage(_database(_url(storage), new))
    path = Path(storage)
    if new:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    elif not path.exists():
        raise MissingError(f"there is no study in {path}")
    return JournalStorage(Journal(path))


def shown(storage: str) -> str:
    """The URL without its password."""
    return _url(storage).render_as_string() if "://" in storage else storage


def _url(storage: str) -> URL:
    """The URL; PostgreSQL uses psycopg, also where no driver is named."""
    try:
        url = make_url(storage)
    except ArgumentError:
        raise ConfigError(
            f"storage: neither a database URL nor the path of a journal (given {storage!r}); give "
            "a path, sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
        ) from None
    if url.drivername in ("postgres", "postgresql"):
        url = url.set(drivername="postgresql+psycopg")
    if url.drivername == "postgresql+psycopg" and find_spec("psycopg") is None:
        raise MissingError("PostgreSQL needs psycopg: pip install 'multimodal_ser[hpo]'")
    return url


def _database(url: URL, new: bool) -> RDBStorage:
    """The database with its tables.

    When two searches create them at once, the one that fails tries again.
    """
    attempt = 0
    while True:
        attempt += 1
        try:
            return _connected(url, new)
        except ArgumentError as error:
            raise ConfigError(f"storage: {url.drivername}: {error}") from None
        except ImportError as error:
            raise MissingError(f"storage: {url.drivername}: {error.__cause__ or error}") from None
        except (SQLAlchemyError, StorageInternalError) as error:
            if attempt == _ATTEMPTS:
                why = str(error.__cause__ or error).strip().splitlines()[0]
                raise MissingError(f"cannot open {url.render_as_string()}: {why}") from None
            time.sleep(random.uniform(0.1, 0.5))


def _connected(url: URL, new: bool) -> RDBStorage:
    local = url.get_backend_name() == "sqlite"
    options = {"connect_args": {"timeout": 60}} if local else {"pool_pre_ping": True}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        storage = RDBStorage(
            url.render_as_string(hide_password=False),
            engine_kwargs=options,
            heartbeat_interval=None if local else _HEARTBEAT,
            grace_period=None if local else _GRACE,
            skip_table_creation=not new,
        )
    if not local:
        event.listen(storage.engine, "do_connect", _wait_for_server)
    return storage


def _wait_for_server(dialect: Any, record: Any, arguments: list[Any], options: Any) -> Any:
    """A connection; it waits for a server that restarts."""
    ends = time.monotonic() + _PATIENCE
    while True:
        try:
            return dialect.connect(*arguments, **options)
        except dialect.loaded_dbapi.OperationalError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)
