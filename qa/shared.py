"""What the processes of one service share while they run: how often each client came, how far each upload is.

For the processes of one machine it is an SQLite file in a folder of the service's own, in memory where the system has
such a folder, gone when it ends; a single process keeps it to itself. Nothing here is of value later, so nothing waits
for a disk. For the machines of a PostgreSQL see `qa.shared_postgres`.
"""

from __future__ import annotations

import logging
import os
import shutil
import sqlite3
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Protocol

from filelock import FileLock, Timeout

_log = logging.getLogger(__name__)

_MEMORY = Path("/dev/shm")  # noqa: S108  a folder of our own is made in it
_PREFIX, _LOCK = "qa-shared-", "lock"
_TABLES = """
CREATE TABLE IF NOT EXISTS rates (key TEXT PRIMARY KEY, due REAL NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS shares (job TEXT, number INTEGER, state TEXT, share REAL, PRIMARY KEY (job, number));
CREATE TABLE IF NOT EXISTS passwords (job TEXT, number INTEGER, password TEXT, PRIMARY KEY (job, number));
"""
_TAKE = """
INSERT INTO rates VALUES (:key, :now + :step)
ON CONFLICT (key) DO UPDATE SET due = max(due, :now) + :step WHERE max(due, :now) + :step <= :now + :window
RETURNING due
"""
_SWEEP = 1_000
"""Requests after which clients that stay away are forgotten."""


@contextmanager
def shared_folder() -> Iterator[Path]:
    """A folder for the processes of one service, which nobody else can read. What killed services left goes."""
    place = _MEMORY if _MEMORY.is_dir() else Path(tempfile.gettempdir())
    for left in place.glob(f"{_PREFIX}*"):
        _sweep(left)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=place))
    try:
        with FileLock(folder / _LOCK):
            yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(left: Path) -> None:
    """Remove a folder of ours that no process holds."""
    with suppress(OSError, Timeout):
        if left.is_symlink() or left.stat().st_uid != os.getuid() or not (left / _LOCK).exists():
            return
        with FileLock(left / _LOCK, blocking=False):
            shutil.rmtree(left, ignore_errors=True)


class Shared(Protocol):
    """Safe to use from several threads."""

    def take(self, key: str, rate: int, window: float = 60.0) -> float:
        """Count one of at most `rate` events in `window` seconds: 0 when there was room, else seconds until there is.
        0, too, when it cannot be counted.

        The generic cell rate algorithm (ATM Forum, Traffic Management 4.0): one number for each key, the time at which
        it would have used up what it was given.
        """
        ...

    def report(self, job: str, number: int, state: str, share: float) -> None:
        """How far a file of a job is."""
        ...

    def reports(self, job: str) -> dict[int, tuple[str, float]]:
        """State and share of the files of a job that are being worked on."""
        ...

    def keep_password(self, job: str, number: int, password: str) -> None: ...

    def password(self, job: str, number: int) -> str | None: ...

    def forget(self, job: str, number: int) -> None:
        """Drop what was told of a file that is done, and its password."""
        ...

    def tidy(self) -> None:
        """The same for all that are done, after whoever had them was killed before it came to that."""
        ...

    def close(self) -> None: ...


class SharedFile:
    """In memory, and with a `folder` for several processes of one machine. See `Shared`."""

    def __init__(self, folder: Path | None = None) -> None:
        place = folder / "shared.sqlite3" if folder else ":memory:"
        self._connection = sqlite3.connect(place, isolation_level=None, check_same_thread=False, timeout=5)
        self._lock = threading.Lock()
        self._taken = 0
        for pragma in ("journal_mode=WAL", "synchronous=OFF"):
            self._connection.execute(f"PRAGMA {pragma}").close()
        self._connection.executescript(_TABLES)

    def take(self, key: str, rate: int, window: float = 60.0) -> float:
        """By the monotonic clock, which all processes of a machine share and nobody sets back."""
        now, step = time.monotonic(), window / rate
        with self._lock:
            self._sweep(now)
            values = {"key": key, "now": now, "step": step, "window": window}
            try:
                if self._connection.execute(_TAKE, values).fetchone():
                    return 0.0
                row = self._connection.execute("SELECT due FROM rates WHERE key = ?", (key,)).fetchone()
            except sqlite3.Error:  # no room, or no turn: who cannot be counted is let in
                _log.warning("requests cannot be counted", exc_info=True)
                return 0.0
        return max(0.001, row[0] + step - now - window) if row else 0.001

    def _sweep(self, now: float) -> None:
        self._taken += 1
        if self._taken % _SWEEP == 0:
            self._connection.execute("DELETE FROM rates WHERE due < ?", (now,))

    def report(self, job: str, number: int, state: str, share: float) -> None:
        self._run("INSERT OR REPLACE INTO shares VALUES (?, ?, ?, ?)", job, number, state, share)

    def reports(self, job: str) -> dict[int, tuple[str, float]]:
        rows = self._run("SELECT number, state, share FROM shares WHERE job = ?", job)
        return {number: (state, share) for number, state, share in rows}

    def keep_password(self, job: str, number: int, password: str) -> None:
        self._run("INSERT OR REPLACE INTO passwords VALUES (?, ?, ?)", job, number, password)

    def password(self, job: str, number: int) -> str | None:
        rows = self._run("SELECT password FROM passwords WHERE job = ? AND number = ?", job, number)
        return rows[0][0] if rows else None

    def forget(self, job: str, number: int) -> None:
        for table in ("shares", "passwords"):
            self._run(f"DELETE FROM {table} WHERE job = ? AND number = ?", job, number)  # noqa: S608

    def tidy(self) -> None:
        """Nothing: all of it goes with the service."""

    def close(self) -> None:
        with self._lock:
            self._connection.close()

    def _run(self, statement: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock:
            return self._connection.execute(statement, values).fetchall()
