"""One writer at a time, across processes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from filelock import FileLock, Timeout

from index.errors import IndexLocked, StorageError

WAIT = 2.0
"""Seconds that a writer waits for its turn before it is refused."""


def gone(path: Path) -> StorageError:
    """What is said of a file that was there before."""
    hint = "Bring its folder back, as by mounting its disk; the service goes on by itself."
    return StorageError(f"{path} is not there any more", hint)


class ProcessLock:
    """Held until the process ends, or lets it go. Where its folder came back as a copy, it is taken there anew."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path, thread_local=False)
        self._file: tuple[int, int] | None = None

    def taken(self) -> bool:
        """Whether this process has it, now if not before. Makes the file, but no folder."""
        if self._file is not None and self._file != identity(self._path):
            self.release()
        if self._file is None and self._path.parent.is_dir():
            with suppress(Timeout, OSError):
                self._lock.acquire(blocking=False)
                self._file = identity(self._path)
        return self._file is not None

    def release(self) -> None:
        self._lock.release(force=True)
        self._file = None


def identity(path: Path) -> tuple[int, int] | None:
    """Which file this is, whatever it is called; None when there is none."""
    try:
        found = os.stat(path)  # noqa: PTH116  for every question, and Path.stat takes longer
    except OSError:
        return None
    return found.st_dev, found.st_ino


class WriterLock:
    """Held by the process that writes to a data folder, and freed by the system when that process dies.

    Threads of one process share it; among them the database keeps the order.
    """

    def __init__(self, folder: Path, guarded: Path | None = None) -> None:
        """Where the `guarded` file has gone nothing is locked, nor any folder made."""
        self._folder = folder
        self._guarded = guarded
        self._lock = FileLock(folder / "writer.lock", thread_local=False)
        self._turn = threading.Lock()
        self._owner = folder / "writer.pid"

    @contextmanager
    def held(self) -> Iterator[None]:
        """Raises IndexLocked, naming the process that has it, when it is not free in time."""
        if self._guarded and not self._guarded.exists():
            raise gone(self._guarded)
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
                with suppress(OSError):  # it is only told to others
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
