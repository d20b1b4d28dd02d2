"""What the machines of one PostgreSQL share while they run, in tables that no log is written for: see `qa.shared`."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from index.database import Database
from index.errors import StorageError

_log = logging.getLogger(__name__)

_TABLES = """
SELECT pg_advisory_xact_lock(hashtextextended('qa_shared', 0));
CREATE UNLOGGED TABLE IF NOT EXISTS shared_rates (key TEXT COLLATE "C" PRIMARY KEY, due FLOAT8 NOT NULL);
CREATE UNLOGGED TABLE IF NOT EXISTS shared_shares
    (job TEXT, number INTEGER, state TEXT, share FLOAT8, PRIMARY KEY (job, number));
CREATE UNLOGGED TABLE IF NOT EXISTS shared_passwords
    (job TEXT, number INTEGER, password TEXT, PRIMARY KEY (job, number));
"""
_TAKE = """
WITH clock AS (SELECT CAST(extract(epoch FROM clock_timestamp()) AS FLOAT8) AS now),
taken AS (
    INSERT INTO shared_rates AS rate SELECT :key, now + :step FROM clock
    ON CONFLICT (key) DO UPDATE SET due = greatest(rate.due, excluded.due - :step) + :step
    WHERE greatest(rate.due, excluded.due - :step) <= excluded.due - 2 * :step + :window
    RETURNING due
)
SELECT 0.0 FROM taken UNION ALL
SELECT greatest(0.001, due + :step - now - :window) FROM shared_rates, clock
WHERE key = :key AND NOT EXISTS (SELECT FROM taken)
"""
"""One statement, so that a request waits for the server once. `excluded.due - :step` is the server's time."""
_REPORT = """
INSERT INTO shared_shares VALUES (:job, :number, :state, :share)
ON CONFLICT (job, number) DO UPDATE SET state = excluded.state, share = excluded.share
"""
_KEEP = """
INSERT INTO shared_passwords VALUES (:job, :number, :password)
ON CONFLICT (job, number) DO UPDATE SET password = excluded.password
"""
_PASSWORD = "SELECT password FROM shared_passwords WHERE job = :job AND number = :number"  # noqa: S105
_FORGET = (
    "DELETE FROM shared_shares WHERE job = :job AND number = :number",
    "DELETE FROM shared_passwords WHERE job = :job AND number = :number",
)
_LEFT = (
    "DELETE FROM shared_shares USING job_files AS file WHERE job = job_id AND shared_shares.number = file.number "
    "AND file.state IN ('done', 'failed')",
    "DELETE FROM shared_passwords USING job_files AS file WHERE job = job_id AND shared_passwords.number = file.number "
    "AND file.state IN ('done', 'failed')",
)
_OLD = "DELETE FROM shared_rates WHERE due < extract(epoch FROM clock_timestamp())"
_SWEEP = 1_000
"""Requests after which clients that stay away are forgotten."""
_CONNECTIONS, _PATIENCE = 4, 2
"""Connections kept open for this, and the seconds in which the server has to answer."""
_AWAY = 5.0
"""Seconds in which a server that did not answer is not asked again: everybody is let in meanwhile, at once."""


class SharedDatabase:
    """In a catalogue's database, on connections of its own; times are those of its server. See `Shared`.

    Passwords stand in a table until their files are settled: on the server's disk at most until then and until the
    server overwrites the place, in no log and in no replica.
    """

    def __init__(self, database: Database) -> None:
        self._name = database.name
        self._taken = 0
        self._made = False
        self._making = threading.Lock()
        self._away_until = 0.0
        network = {"connect_timeout": _PATIENCE, "tcp_user_timeout": _PATIENCE * 1000}
        self._pool = sa.create_engine(
            database.pool.url,
            isolation_level="AUTOCOMMIT",
            connect_args={name: value for name, value in network.items() if name not in database.pool.url.query},
            hide_parameters=True,
            pool_size=_CONNECTIONS,
            pool_timeout=_PATIENCE,
            pool_use_lifo=True,
        )
        sa.event.listen(self._pool, "connect", _hurry)

    def take(self, key: str, rate: int, window: float = 60.0) -> float:
        """By the server's clock, in one exchange with it."""
        if time.monotonic() < self._away_until:
            return 0.0
        values = {"key": key, "step": window / rate, "window": window}
        try:
            self._taken += 1
            if self._taken % _SWEEP == 0:
                self._run(_OLD)
            rows = self._run(_TAKE, **values)
        except StorageError as error:
            self._away_until = time.monotonic() + _AWAY
            _log.warning("requests cannot be counted: %s", error.message)
            return 0.0
        return float(rows[0][0]) if rows else 0.001

    def report(self, job: str, number: int, state: str, share: float) -> None:
        """Where the server is away it is not told."""
        try:
            self._run(_REPORT, job=job, number=number, state=state, share=share)
        except StorageError as error:
            _log.debug("%s", error.message)

    def reports(self, job: str) -> dict[int, tuple[str, float]]:
        rows = self._run("SELECT number, state, share FROM shared_shares WHERE job = :job", job=job)
        return {row.number: (row.state, row.share) for row in rows}

    def keep_password(self, job: str, number: int, password: str) -> None:
        """Raises StorageError."""
        self._run(_KEEP, job=job, number=number, password=password)

    def password(self, job: str, number: int) -> str | None:
        """Raises StorageError."""
        rows = self._run(_PASSWORD, job=job, number=number)
        return str(rows[0][0]) if rows else None

    def forget(self, job: str, number: int) -> None:
        """Raises StorageError."""
        for statement in _FORGET:
            self._run(statement, job=job, number=number)

    def tidy(self) -> None:
        """Raises StorageError."""
        for statement in _LEFT:
            self._run(statement)

    def close(self) -> None:
        self._pool.dispose()

    def _run(self, statement: str, **values: object) -> Sequence[sa.Row[Any]]:
        """Raises StorageError. Asked again, once, where a connection had broken since it was used last."""
        for left in (1, 0):
            try:
                self._make()
                with self._pool.connect() as connection:
                    found = connection.execute(sa.text(statement), values)
                    return found.all() if found.returns_rows else []
            except SQLAlchemyError as error:
                if left and getattr(error, "connection_invalidated", False):
                    continue
                kind = type(getattr(error, "orig", None) or error).__name__
                hint = "See that the server runs; the service goes on by itself."
                raise StorageError(f"{self._name} cannot be used: {kind}", hint) from error
        return []

    def _make(self) -> None:
        """The tables, at the first use: a server that is away then may come."""
        with self._making:
            if not self._made:
                session = self._pool.connect().execution_options(isolation_level="READ COMMITTED")
                with session as connection, connection.begin():
                    for statement in filter(str.strip, _TABLES.split(";")):
                        connection.exec_driver_sql(statement)
                self._made = True


def _hurry(connection: Any, _: object) -> None:
    connection.execute(f"SELECT set_config('statement_timeout', '{_PATIENCE}s', false)")
