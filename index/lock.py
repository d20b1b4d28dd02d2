"""One writer at a time, across processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from index.errors import IndexLocked, StorageError

WAIT = 2.0
"""Seconds that a writer waits for its turn before it is refused."""


class WriterLock:
    """Held by the process that writes to a data folder, and freed by the system when that process dies.

    Threads of one process share it; among them the database keeps the order.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = FileLock(folder / "writer.lock", thread_local=False)
        self._turn = threading.Lock()
        self._owner = folder / "writer.pid"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises IndexLocked, naming the process that has it, when it is not free in time."""
        with self._turn:
            first = not self._lock.is_locked
            try:
                self._lock.acquire(timeout=WAIT)
            except Timeout as error:
                raise IndexLocked(
                    f"process {self._named()} is writing to {self._folder}", "Wait until it has finished, or stop it."
                ) from error
            except OSError as error:
                raise StorageError(
                    f"{self._folder} cannot be written: {error.strerror}", "Choose another folder: QA_DATA=/path qa …"
                ) from error
            if first:
                self._owner.write_text(str(os.getpid()))
        try:
            yield
        finally:
            with self._turn:
                self._lock.release()

    def _named(self) -> str:
        try:
            return self._owner.read_text() or "of another program"
        except OSError:
            return "of another program"
