"""A catalogue's database as a file: its settings, its transactions, its errors as ours."""

from __future__ import annotations

import json
import sqlite3
import threading
import unicodedata
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock
from sqlalchemy.exc import DatabaseError, DisconnectionError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from index.database import CHOOSE
from index.errors import Busy, IndexLocked, StorageError
from index.lock import WriterLock, gone, identity

BUSY_MS = 10_000
"""How long a statement waits for another program that has the file."""
_EMPTYING_MS = 2_000
"""How long the log's readers are waited for when it is to be emptied: as long nobody can write."""
_FREED = 2_000
"""Free pages given back to the system after a write, when a quarter of the file is free."""
_KEPT, _MORE = 10, 50
"""Connections that stay open, and how many more there may be: more than threads that use them."""
_FILE = "file"


class SQLite:
    """A file, made at the first use. One process writes at a time, for a whole job; among its threads, and for what
    is only noted, transactions take turns. See `index.database`."""

    shared = False

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)
        self.pool = database(path)
        self._lock = WriterLock(path.parent, path)
        self._closed = threading.Event()

    def there(self) -> bool:
        return self.path.exists()

    def held(self) -> AbstractContextManager[None]:
        return self._lock.held()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with translated(self.path), self.pool.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with self.held(), translated(self.path):
            with self._writing() as connection, connection.begin():
                yield connection
            with self.pool.connect() as connection:
                reclaim(connection)

    @contextmanager
    def note(self, in_turn: bool = False) -> Iterator[sa.Connection]:  # noqa: ARG002 - they are always in turn
        with translated(self.path), self._writing() as connection, connection.begin():
            yield connection

    def _writing(self) -> sa.Connection:
        return self.pool.connect().execution_options(writes=True)

    @contextmanager
    def rows(self) -> Iterator[sqlite3.Cursor]:
        with translated(self.path):
            try:
                with closing(self.pool.raw_connection()) as pooled:
                    connection = pooled.driver_connection
                    assert isinstance(connection, sqlite3.Connection)
                    connection.execute("BEGIN")
                    cursor = connection.cursor()
                    cursor.row_factory = sqlite3.Row
                    yield cursor
                    connection.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                wrapped = OperationalError if isinstance(error, sqlite3.OperationalError) else DatabaseError
                raise wrapped(None, None, error) from error

    def mutex(self, name: str) -> AbstractContextManager[None]:
        return _file_mutex(self.path.parent / f"{name}.lock")

    def wait(self, seconds: float) -> None:
        self._closed.wait(seconds)

    def prepare(self, connection: sa.Connection) -> None:
        """Every connection has what is needed, see `_configure`."""

    def adapted(self, step: str) -> str:
        return step

    def damage(self, connection: sa.Connection) -> Iterator[str]:
        for check in ("integrity_check", "foreign_key_check"):
            for row in connection.exec_driver_sql(f"PRAGMA {check}"):
                if row[0] != "ok":
                    yield " ".join(str(value) for value in row)

    def rewrite(self) -> None:
        with self.held(), translated(self.path), self.pool.connect() as connection:
            rewrite(connection)

    def checkpoint(self) -> bool:
        with translated(self.path), self.pool.connect() as connection:
            return truncate_log(connection)

    def close(self) -> None:
        self._closed.set()
        self.pool.dispose()


@contextmanager
def _file_mutex(path: Path) -> Iterator[None]:
    lock = FileLock(path, thread_local=False)
    try:
        lock.acquire()
    except OSError as error:
        raise StorageError(f"{path} cannot be locked: {error.strerror}", CHOOSE) from error
    try:
        yield
    finally:
        lock.release()


def database(path: Path) -> sa.Engine:
    """A pool of connections to a file, which is made at the first use, and never again.

    When the file at `path` is not there any more, or has become another one, as when its disk was away, connections to
    the one before are closed at their next use.
    """
    made = sa.create_engine(
        f"sqlite:///{path}",
        json_serializer=lambda value: json.dumps(value, ensure_ascii=False),
        hide_parameters=True,  # they are what documents say, and errors go to logs
        pool_size=_KEPT,
        max_overflow=_MORE,
        pool_timeout=BUSY_MS / 1000,
        pool_use_lifo=True,
    )
    sa.event.listen(made, "do_connect", _opener(path))
    sa.event.listen(made, "connect", _configure)
    sa.event.listen(made, "checkout", _comparer(path))
    sa.event.listen(made, "begin", _begin)
    return made


def _opener(path: Path) -> Callable[..., sqlite3.Connection]:
    found = False

    def connect(_: object, record: Any, __: object, given: MutableMapping[str, Any]) -> sqlite3.Connection:
        nonlocal found
        before = identity(path)  # known before it is opened: whatever takes its place meanwhile is noticed
        mode = "rw" if found else "rwc"
        opened: sqlite3.Connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, **given)
        record.info[_FILE] = before or identity(path)
        found = True
        return opened

    return connect


def _comparer(path: Path) -> Callable[..., None]:
    def compare(_: object, record: Any, __: object) -> None:
        if record.info[_FILE] != identity(path):
            raise DisconnectionError(f"{path} is another file than the one that is open")

    return compare


def _configure(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions itself, see _begin
    pragmas = [
        f"busy_timeout={BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        "secure_delete=ON",  # what is removed is overwritten: only some builds of SQLite do so by themselves
        "cache_size=-32768",
    ]
    if connection.execute("PRAGMA page_count").fetchone() == (0,):  # only a new file can still be told
        pragmas.insert(1, "auto_vacuum=INCREMENTAL")
    for pragma in pragmas:
        connection.execute(f"PRAGMA {pragma}").close()
    connection.create_function("alike", 1, alike, deterministic=True)


def alike(text: str) -> str:
    """Without differences of case, or of how an accent is written: names of files come either way."""
    return text.lower() if text.isascii() else unicodedata.normalize("NFC", text).casefold()


def _begin(connection: sa.Connection) -> None:
    """A writer takes its turn at once, so that it never fails half way for having read first."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def driver(connection: sa.Connection) -> sqlite3.Connection:
    """The connection below, outside of any transaction."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def reclaim(connection: sa.Connection) -> None:
    """Give free pages back to the system when there are many."""
    raw = driver(connection)
    pages, free = (raw.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    if free * 4 > pages > 256:
        raw.executescript(f"PRAGMA incremental_vacuum({_FREED})")  # `execute` would free a single page


def rewrite(connection: sa.Connection) -> None:
    """Write the whole file anew, in the order of its rows, without free space and what is left in it."""
    for statement in ("PRAGMA auto_vacuum=INCREMENTAL", "VACUUM"):
        driver(connection).execute(statement).fetchall()


def truncate_log(connection: sa.Connection) -> bool:
    """Put all of the write-ahead log into the file, and empty it; False when a reader, or a writer, still needs it."""
    raw = driver(connection)
    raw.execute(f"PRAGMA busy_timeout={_EMPTYING_MS}").close()
    try:
        busy, _, _ = raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        raw.execute(f"PRAGMA busy_timeout={BUSY_MS}").close()
    return not busy


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, saying what to do."""
    try:
        yield
    except PoolTimeout as error:
        raise Busy(f"too much is waiting for {path}", "Try again in a moment.") from error
    except OperationalError as error:
        if not path.exists():
            raise gone(path) from error
        if "locked" in str(error.orig):
            raise IndexLocked(f"another program is writing to {path}", "Wait until it has finished.") from error
        if "full" in str(error.orig) or "disk I/O" in str(error.orig):
            raise StorageError(
                f"{path} cannot be written: {error.orig}",
                "Free some space on its disk and try again; what was stored before is as it was.",
            ) from error
        raise StorageError(f"{path} cannot be used: {error.orig}", CHOOSE) from error
    except DatabaseError as error:
        raise StorageError(
            f"{path} is damaged: {error.orig}",
            "Run `qa restore FILE` with a backup, or move the data folder away and index the documents again.",
        ) from error
