"""How the catalogue's database is opened: its settings, its transactions, its errors as ours."""

from __future__ import annotations

import json
import sqlite3
import unicodedata
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError

from index.errors import IndexLocked, StorageError

BUSY_MS = 10_000
"""How long a statement waits for another program that has the file."""
CHOOSE = "Choose a folder that can be written: QA_DATA=/path qa …"
"""What to do about a folder that cannot be used."""
_FREED = 2_000
"""Free pages given back to the system after a write, when a quarter of the file is free."""


def database(path: Path) -> sa.Engine:
    """A pool of connections to a file, which is made at the first use."""
    made = sa.create_engine(
        f"sqlite:///{path}",
        json_serializer=lambda value: json.dumps(value, ensure_ascii=False),
        hide_parameters=True,  # they are what documents say, and errors go to logs
    )
    sa.event.listen(made, "connect", _configure)
    sa.event.listen(made, "begin", _begin)
    return made


def _configure(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions itself, see _begin
    pragmas = [
        f"busy_timeout={BUSY_MS}",
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
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
    busy, _, _ = driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return not busy


@contextmanager
def read_by_driver(pool: sa.Engine, path: Path) -> Iterator[sqlite3.Connection]:
    """A transaction that reads, without SQLAlchemy, for what must be fast."""
    with translated(path):
        try:
            with closing(pool.raw_connection()) as pooled:
                connection = pooled.driver_connection
                assert isinstance(connection, sqlite3.Connection)
                connection.execute("BEGIN")
                yield connection
                connection.execute("COMMIT")
        except sqlite3.DatabaseError as error:
            wrapped = OperationalError if isinstance(error, sqlite3.OperationalError) else DatabaseError
            raise wrapped(None, None, error) from error


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, saying what to do."""
    try:
        yield
    except OperationalError as error:
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
