"""Who may use the service: tokens with a scope, and the browser sessions that one signed in for.

They stand in a file of their own, so that a backup of the documents carries none, and restoring one brings none back;
or, where several machines serve the same documents, in tables of their own in the database that these share.
Of a secret its SHA-256 alone is stored: it is 256 random bits, which no dictionary holds.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from index.database import CHOOSE, TEXT, open_database
from index.errors import Conflict, StorageError
from index.lock import gone

FILE = "access.sqlite3"
Scope = Literal["ask", "manage"]
"""What a token allows: to ask and read; or to change documents as well."""
SESSION = 12 * 3600
"""Seconds that a browser stays signed in."""
PREFIX = "qa_"
"""What every token begins with, so that a search for leaked secrets finds it."""

_schema = sa.MetaData()
_tokens = sa.Table(
    "tokens",
    _schema,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("name", TEXT, nullable=False, unique=True),
    sa.Column("scope", TEXT, nullable=False),
    sa.Column("digest", TEXT, nullable=False),
    sa.Column("created_at", sa.Float, nullable=False),
    sa.Column("expires_at", sa.Float),
    sa.Column("revoked_at", sa.Float),
)
_sessions = sa.Table(
    "sessions",
    _schema,
    sa.Column("id", TEXT, primary_key=True),
    sa.Column("token_id", TEXT, sa.ForeignKey("tokens.id", ondelete="CASCADE"), nullable=False),
    sa.Column("digest", TEXT, nullable=False),
    sa.Column("expires_at", sa.Float, nullable=False),
)


@dataclass(frozen=True, slots=True)
class Token:
    """A token without its secret; times are seconds since 1970. One without `expires_at` holds until it is revoked."""

    id: str
    name: str
    scope: Scope
    created_at: float
    expires_at: float | None
    revoked_at: float | None


@dataclass(frozen=True, slots=True)
class Holder:
    """Who sends a request: the token behind it, and until when that, or its session, holds."""

    token_id: str
    name: str
    scope: Scope
    expires_at: float | None


class Clock:
    """The time of day, which never goes back while the process runs: what has expired stays so."""

    def __init__(self) -> None:
        self._ahead = time.time() - time.monotonic()

    def now(self) -> float:
        self._ahead = max(self._ahead, time.time() - time.monotonic())
        return time.monotonic() + self._ahead


class Access:
    """The tokens and sessions of a data folder, or of the PostgreSQL database that `url` names. Safe to use from
    several threads and processes.

    Every method raises StorageError, or IndexLocked, when the file, or the database, cannot be used.
    """

    def __init__(self, folder: Path, url: str = "") -> None:
        self.path = folder / FILE
        self._database = open_database(self.path, url, turn="access")
        self._made = not self._database.shared
        self._found = self._database.there()
        self._clock = Clock()

    def required(self) -> bool:
        """Whether a token was ever made: from then on nothing is open, also when all have expired or are revoked."""
        with self._read() as connection:
            return connection is not None and connection.scalar(sa.select(_tokens.c.id).limit(1)) is not None

    def usable(self) -> bool:
        """Whether there is a token that still holds."""
        now = self._clock.now()
        return any(not one.revoked_at and (one.expires_at or now + 1) > now for one in self.tokens())

    def create(self, name: str, scope: Scope, days: float | None = None) -> tuple[Token, str]:
        """A new token and its secret, which is told this once. Raises Conflict for a name in use."""
        token_id, secret = secrets.token_hex(4), secrets.token_urlsafe(32)
        now = self._clock.now()
        made = Token(token_id, name, scope, now, now + days * 86_400 if days else None, None)
        values = {"id": token_id, "name": name, "scope": scope, "digest": _digest(secret), "created_at": now}
        with self._write() as connection:
            used = connection.execute(sa.select(_tokens.c.revoked_at).where(_tokens.c.name == name)).first()
            if used and not used.revoked_at:
                raise Conflict(f"there is a token called {name}", "Take another name, or revoke that one first.")
            connection.execute(sa.delete(_tokens).where(_tokens.c.name == name))
            connection.execute(sa.insert(_tokens), values | {"expires_at": made.expires_at})
        return made, f"{PREFIX}{token_id}_{secret}"

    def tokens(self) -> list[Token]:
        """All that were made, the oldest first."""
        columns = [column for column in _tokens.c if column.name != "digest"]
        with self._read() as connection:
            if connection is None:
                return []
            rows = connection.execute(sa.select(*columns).order_by(_tokens.c.created_at)).mappings()
            return [Token(**row) for row in rows]

    def revoke(self, name: str) -> bool:
        """End a token and every session that it signed in for; False when none of that name, or id, holds."""
        mine = (_tokens.c.name == name) | (_tokens.c.id == name)
        with self._write() as connection:
            ids = list(connection.scalars(sa.select(_tokens.c.id).where(mine, _tokens.c.revoked_at.is_(None))))
            connection.execute(sa.delete(_sessions).where(_sessions.c.token_id.in_(ids)))
            change = sa.update(_tokens).where(_tokens.c.id.in_(ids)).values(revoked_at=self._clock.now())
            connection.execute(change)
        return bool(ids)

    def holder(self, token: str) -> Holder | None:
        """Who has this token; None when it was never made, has expired, or was revoked."""
        token_id, secret = _split(token.removeprefix(PREFIX))
        columns = _tokens.c.digest, _tokens.c.id, _tokens.c.name, _tokens.c.scope, _tokens.c.expires_at
        return self._holder(sa.select(*columns).where(_tokens.c.id == token_id, _holds()), secret)

    def sign_in(self, token: str) -> tuple[str, float] | None:
        """A session for a browser, and when it ends; None for a token that does not hold."""
        holder = self.holder(token)
        if holder is None:
            return None
        session_id, secret = secrets.token_hex(8), secrets.token_urlsafe(32)
        ends = min(self._clock.now() + SESSION, holder.expires_at or float("inf"))
        with self._write() as connection:
            connection.execute(sa.delete(_sessions).where(_sessions.c.expires_at < self._clock.now()))
            values = {"id": session_id, "token_id": holder.token_id, "digest": _digest(secret), "expires_at": ends}
            connection.execute(sa.insert(_sessions), values)
        return f"{session_id}_{secret}", ends

    def sign_out(self, session: str) -> None:
        if not self._there():
            return
        with self._write() as connection:
            session_id, secret = _split(session)
            mine = (_sessions.c.id == session_id) & (_sessions.c.digest == _digest(secret))
            connection.execute(sa.delete(_sessions).where(mine))

    def session(self, session: str) -> Holder | None:
        """Who signed in for this session; None when it has ended, or its token does not hold any more."""
        session_id, secret = _split(session)
        columns = _sessions.c.digest, _tokens.c.id, _tokens.c.name, _tokens.c.scope, _sessions.c.expires_at
        query = sa.select(*columns).join(_tokens, _tokens.c.id == _sessions.c.token_id)
        return self._holder(query.where(_sessions.c.id == session_id, _holds()), secret)

    def rows(self) -> list[dict[str, Any]]:
        """The tokens as they are stored, with the digests of their secrets, for `take`."""
        with self._read() as connection:
            if connection is None:
                return []
            return [dict(row) for row in connection.execute(sa.select(_tokens)).mappings()]

    def take(self, rows: Sequence[Mapping[str, Any]]) -> int:
        """Store tokens of another place as they stand there now; how many. Raises Conflict, and stores none, when one
        of them is called like another one here."""
        if not rows:
            return 0
        with self._write() as connection:
            for row in rows:
                other = (_tokens.c.name == row["name"]) & (_tokens.c.id != row["id"])
                if connection.scalar(sa.select(_tokens.c.id).where(other, _holds())):
                    raise Conflict(f"there is another token called {row['name']}", "Revoke that one first.")
                connection.execute(sa.delete(_tokens).where(other))
            revoked = [row["id"] for row in rows if row["revoked_at"]]
            connection.execute(sa.delete(_sessions).where(_sessions.c.token_id.in_(revoked)))
            for row in rows:  # not deleted and made anew: those who are signed in stay so
                mine = _tokens.c.id == row["id"]
                if not connection.execute(sa.update(_tokens).where(mine).values(**row)).rowcount:
                    connection.execute(sa.insert(_tokens), row)
        return len(rows)

    def close(self) -> None:
        self._database.close()

    def _holder(self, query: sa.Select[Any], secret: str) -> Holder | None:
        with self._read() as connection:
            row = connection.execute(query).first() if connection is not None else None
        if row is None or not hmac.compare_digest(row[0], _digest(secret)):
            return None
        holder = Holder(*row[1:])
        return None if holder.expires_at is not None and holder.expires_at <= self._clock.now() else holder

    def _there(self) -> bool:
        """Whether there is the file; one that was there before is missed, not made anew: its tokens still hold."""
        there = self._database.there()
        if self._found and not there:
            raise gone(self.path)
        self._found = there
        return there

    @contextmanager
    def _read(self) -> Iterator[sa.Connection | None]:
        """None where no token was ever made: reading makes no file, and no tables."""
        if not self._there():
            yield None
            return
        with self._database.read() as connection:
            self._made = self._made or connection.dialect.has_table(connection, _tokens.name)
            yield connection if self._made else None

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        try:
            if not self._there():
                self.path.parent.mkdir(0o700, parents=True, exist_ok=True)
                self.path.touch(0o600)
        except OSError as error:
            raise StorageError(f"{self.path} cannot be written: {error.strerror}", CHOOSE) from error
        with self._database.note(in_turn=True) as connection:
            _schema.create_all(connection)
            yield connection


def _holds() -> sa.ColumnElement[bool]:
    return _tokens.c.revoked_at.is_(None)


def _split(told: str) -> tuple[str, str]:
    """The id and the secret; neither has U+0000, which not every database can be asked for."""
    name, _, secret = told.partition("_")
    return ("", "") if "\0" in told else (name, secret)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
