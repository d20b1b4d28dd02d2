"""A catalogue's database on a PostgreSQL server, which any number of machines share.

Transactions that write take turns by an advisory lock, so that generations have no holes; readers wait for nobody.
"""

from __future__ import annotations

import json
import re
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, nullcontext
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from index import tables
from index.database import CHANNEL
from index.errors import Busy, DocumentError, IndexLocked, QAError, StorageError, UsageError
from index.listener import Listener

try:
    import psycopg
    from psycopg.rows import dict_row
except ImportError as error:
    raise QAError(
        "PostgreSQL is reached through psycopg, which is not installed", "pip install 'chapter-verse[cluster]'"
    ) from error

OLDEST = 13
"""The oldest version of the server that has what is asked of it."""
LOCK_SECONDS = 30
"""How long a statement waits for a lock, be it the writers' turn or a table that is written anew."""
_KEPT, _MORE = 10, 20
"""Connections that stay open, and how many more there may be: a server has 100 at first, for all that use it."""
_POOL_SECONDS = 10
_LOOK = 0.1
"""Seconds between two looks whether a mutex is free."""
_READERS_SECONDS = 5.0
"""How long readers of an old state are waited for before all is written anew."""
_NETWORK = {
    "connect_timeout": 5,
    "keepalives": 1,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 15_000,
    "client_encoding": "utf8",
}
"""Of libpq, where the URL does not say otherwise: a server that does not answer is given up after seconds."""
_SESSION = {
    "lock_timeout": f"{LOCK_SECONDS}s",
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "3",
    "tcp_user_timeout": "15000",
}
"""Of the server, so that it soon frees what a machine had that failed."""
_TURN, _MUTEX = 0x636861, 0x766572
"""What our advisory locks have in front of them, so that no other program's are taken for them."""
_KEY = "hashtext(coalesce(current_schema(), '') || ' ' || "
_COLLATIONS = ("und-x-icu", "pg_unicode_fast", "pg_c_utf8", "C.utf8", "C.UTF-8", "en_US.utf8")
"""By which letters of any script lose their case; the first that the server has."""


class PostgreSQL:
    """A database of a server. `turn` names whose transactions take turns with each other. See `index.database`.

    Raises UsageError for a URL of another kind. It connects at the first use.
    """

    shared = True

    def __init__(self, url: str, turn: str = "catalogue") -> None:
        self._url = _parsed(url)
        self.name = sa.URL.create(
            "postgresql", host=self._url.host, port=self._url.port, database=self._url.database
        ).render_as_string()
        self.pool = sa.create_engine(
            self._url,
            connect_args=self._network(),
            json_serializer=lambda value: json.dumps(value, ensure_ascii=False),
            hide_parameters=True,  # they are what documents say, and errors go to logs
            pool_size=_KEPT,
            max_overflow=_MORE,
            pool_timeout=_POOL_SECONDS,
            pool_use_lifo=True,
            pool_pre_ping=True,
        )
        sa.event.listen(self.pool, "connect", _configure)
        self._turn = turn
        self._closed = threading.Event()
        self._listener = Listener(self._alone, CHANNEL)

    def _network(self) -> dict[str, Any]:
        return {name: value for name, value in _NETWORK.items() if name not in self._url.query}

    def there(self) -> bool:
        return True

    def held(self) -> nullcontext[None]:
        return nullcontext()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        with (
            self._translated(),
            self.pool.connect() as connection,
            _one_state(connection.connection.driver_connection),
            connection.begin(),
        ):
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        with self.note(in_turn=True) as connection:
            yield connection

    @contextmanager
    def note(self, in_turn: bool = False) -> Iterator[sa.Connection]:
        with self._translated(), self.pool.begin() as connection:
            if in_turn:
                lock = sa.text(f"SELECT pg_advisory_xact_lock({_TURN}, {_KEY} :name))")
                connection.execute(lock, {"name": self._turn})
            yield connection

    @contextmanager
    def rows(self) -> Iterator[Any]:
        with self._translated(), closing(self.pool.raw_connection()) as pooled:
            connection: Any = pooled.driver_connection
            with _one_state(connection), connection.cursor(row_factory=dict_row, binary=True) as cursor:
                yield cursor

    @contextmanager
    def mutex(self, name: str) -> Iterator[None]:
        """Raises StorageError in the end when the server was lost meanwhile, and with it the mutex."""
        with self._alone() as connection:
            asked = f"SELECT pg_try_advisory_lock({_MUTEX}, {_KEY} %s))"
            while not connection.execute(asked, (name,)).fetchone()[0]:  # type: ignore[index]  # it gives a row
                if self._closed.wait(_LOOK):
                    raise StorageError(f"{self.name} was closed", "Open it anew.")
            yield
            connection.execute("SELECT 1")

    def wait(self, seconds: float) -> None:
        self._listener.wait(seconds)

    def prepare(self, connection: sa.Connection) -> None:
        """Raises StorageError for a server that is too old, or a database of another encoding than UTF-8."""
        version = int(connection.scalar(sa.text("SHOW server_version_num")) or 0) // 10_000
        encoding = connection.scalar(sa.text("SHOW server_encoding"))
        if version < OLDEST:
            raise StorageError(f"{self.name} is of version {version}", f"PostgreSQL {OLDEST} or later is needed.")
        if encoding != "UTF8":
            hint = "Make one with CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0."
            raise StorageError(f"{self.name} has the encoding {encoding}", hint)
        known = set(connection.scalars(sa.text("SELECT collname FROM pg_collation")))
        collation = next((f'COLLATE "{one}"' for one in _COLLATIONS if one in known), "")
        for table in tables.EDITIONS:
            raw = ", ".join(f"ALTER {column.name} SET STORAGE EXTERNAL" for column in table.c if _binary(column))
            connection.exec_driver_sql(f"ALTER TABLE {table.name} {raw}")  # numbers, which no compression makes smaller
        folded = f"lower(upper(normalize($1, NFC) {collation}))"
        connection.exec_driver_sql(
            "CREATE OR REPLACE FUNCTION alike(text) RETURNS text LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE "
            f"AS $$ SELECT replace(replace({folded}, 'ς', 'σ'), 'ß', 'ss') $$"
        )

    def adapted(self, step: str) -> str:
        """Steps of before PostgreSQL do not run on it, and need not."""
        typed = re.sub(r"\bBLOB\b", "BYTEA", step)
        return re.sub(r'(?<=[\w"]) TEXT\b', ' TEXT COLLATE "C"', typed).replace("%", "%%")

    def damage(self, _: sa.Connection) -> Iterator[str]:
        """Nothing: the server keeps keys and references itself, and pg_amcheck looks at its files."""
        yield from ()

    def rewrite(self) -> None:
        with (
            self._translated(),
            self.pool.connect().execution_options(isolation_level="AUTOCOMMIT") as connection,
        ):
            self._outlast_readers(connection)
            for table in tables.schema.tables.values():
                name = connection.dialect.identifier_preparer.format_table(table)
                connection.exec_driver_sql(f"VACUUM (FULL, ANALYZE) {name}")

    def _outlast_readers(self, connection: sa.Connection) -> None:
        """Wait until nobody reads a state of before now, for whom deleted rows would be kept."""
        now = connection.scalar(sa.text("SELECT CAST(pg_current_xact_id() AS text)"))
        older = sa.text(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() "
            "AND backend_xmin IS NOT NULL AND age(backend_xmin) > age(CAST(CAST(:now AS xid8) AS xid))"
        )
        end = time.monotonic() + _READERS_SECONDS
        while connection.scalar(older, {"now": now}):
            if time.monotonic() > end:
                raise IndexLocked(f"another process reads an old state of {self.name}", "Wait until it has finished.")
            time.sleep(0.05)

    def checkpoint(self) -> bool:
        """The server's log is its own."""
        return True

    def close(self) -> None:
        self._closed.set()
        self._listener.close()
        self.pool.dispose()

    @contextmanager
    def _alone(self) -> Iterator[psycopg.Connection]:
        """A connection outside of the pool and of any transaction."""
        _, given = self.pool.dialect.create_connect_args(self._url)
        options: dict[str, Any] = {**given, **self._network()}
        with self._translated(), closing(psycopg.connect(**options)) as connection:
            connection.autocommit = True
            _configure(connection, None)
            yield connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        """Errors of the server and on the way to it as ours, saying what to do."""
        try:
            yield
        except PoolTimeout as error:
            raise Busy(f"too much is waiting for {self.name}", "Try again in a moment.") from error
        except psycopg.Error as error:
            raise self._ours(error) from error
        except DBAPIError as error:
            cause = error.orig
            raise self._ours(cause if isinstance(cause, psycopg.Error) else psycopg.Error(str(cause))) from error

    def _ours(self, error: psycopg.Error) -> QAError:
        state, why = error.sqlstate or "", self._why(error)
        if isinstance(error, psycopg.DataError) and "NUL" in why:
            return DocumentError("PostgreSQL cannot store the character U+0000", "Remove it from the text or its name.")
        if state.startswith("54"):
            return DocumentError(
                f"too long for PostgreSQL: {why}", "Shorten names and labels to less than 2,000 bytes each."
            )
        if state in ("55P03", "57014"):
            return IndexLocked(f"another process is writing to {self.name}", "Wait until it has finished.")
        if state in ("40001", "40P01"):
            return Busy(f"another process changed the same in {self.name}", "Try again in a moment.")
        if state in ("53100", "58030"):
            return StorageError(
                f"{self.name} cannot be written: {why}",
                "Free some space on the server's disk and try again; what was stored before is as it was.",
            )
        if state == "25006":
            return StorageError(f"{self.name} cannot be written: {why}", "Name the primary server in QA_CATALOGUE.")
        if state.startswith("XX00"):
            return StorageError(f"{self.name} is damaged: {why}", "Restore a backup that was made with pg_dump.")
        if isinstance(error, psycopg.OperationalError | psycopg.InterfaceError):
            return StorageError(
                f"{self.name} cannot be reached: {why}",
                "See that the server runs, that QA_CATALOGUE is right, and that the database was created there.",
            )
        return StorageError(f"{self.name} cannot be used: {why}", "See that its user may create and change tables.")

    def _why(self, error: psycopg.Error) -> str:
        """In a line, as the server says it, without the password, wherever that may come from."""
        said = " ".join((error.diag.message_primary or str(error)).split())[:300]
        password = self._url.password
        return said.replace(str(password), "***") if password else said


def _parsed(url: str) -> sa.URL:
    try:
        parsed = sa.make_url(url)
    except (ArgumentError, ValueError):
        kind = ""
    else:
        kind = parsed.drivername
    if kind not in ("postgresql", "postgresql+psycopg"):
        what = f"is a URL of the kind {kind}" if kind else "is no URL of a database"
        hint = "Write QA_CATALOGUE=postgresql+psycopg://user:password@host/database, with %40 for @ in a password."
        raise UsageError(f"QA_CATALOGUE {what}", hint)
    return parsed.set(drivername="postgresql+psycopg")


def _configure(connection: Any, _: object) -> None:
    before, connection.autocommit = connection.autocommit, True
    _set(connection, _SESSION)
    connection.autocommit = before


def _binary(column: sa.Column[Any]) -> bool:
    return isinstance(column.type, sa.LargeBinary)


def _set(connection: Any, values: Mapping[str, str]) -> None:
    calls = ", ".join("set_config(%s, %s, false)" for _ in values)
    connection.execute(f"SELECT {calls}", [part for pair in values.items() for part in pair])


@contextmanager
def _one_state(connection: Any) -> Iterator[None]:
    """The transaction that begins on it reads one state, and does nothing else. (SQLAlchemy's own option for this
    would have later ones say that they write, also to a server that says no.)"""
    connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
    try:
        yield
    finally:
        if not connection.closed:
            connection.rollback()
            connection.isolation_level = connection.read_only = None


for _passages in tables.EDITIONS:  # where they are declared this would load SQLAlchemy's PostgreSQL for every SQLite
    for _index in _passages.indexes:
        _index.dialect_options["postgresql"]["where"] = _index.dialect_options["sqlite"]["where"]
