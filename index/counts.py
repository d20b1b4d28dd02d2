"""How much a catalogue holds, counted anew only when something was written."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager

import sqlalchemy as sa

from index import tables
from index.history import in_use, stamp_of
from index.types import Stamp


class Counts:
    def __init__(self, read: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
        self._read = read
        self._all: tuple[Stamp, tuple[int, int, int]] | None = None
        self._documents: tuple[Stamp, int] | None = None

    def all(self) -> tuple[int, int, int]:
        """Documents, passages, and passages that are not embedded yet."""
        with self._read() as connection:
            stamp = stamp_of(connection)
            if self._all is None or self._all[0] != stamp:
                passages = in_use(connection)
                pending = passages.c.vector.is_(None)
                counted = _count(connection, tables.documents), _count(connection, passages)
                self._all = stamp, (*counted, _count(connection, passages, pending))
            return self._all[1]

    def documents(self) -> int:
        """What `all` says first, without counting passages."""
        with self._read() as connection:
            stamp = stamp_of(connection)
            if self._documents is None or self._documents[0] != stamp:
                self._documents = stamp, _count(connection, tables.documents)
            return self._documents[1]


def _count(connection: sa.Connection, table: sa.Table, *where: sa.ColumnElement[bool]) -> int:
    return connection.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0
