"""Reading passages for a question: by the driver alone, which takes a third of the time that SQLAlchemy takes."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import registry

from index import tables
from index.history import OLD_EDITION
from index.rescore import Candidate
from index.rows import Row, StoredPassage, candidate_rows, passage_rows, to_candidate, to_passage
from index.types import Stamp

_MOST_IDS = 500
"""Ids asked for in one statement; both databases take some thousands."""


class View:
    """The passages of one state of a catalogue. `cursor` is of `Database.rows`, its statements are of `dialect`."""

    def __init__(self, cursor: Any, dialect: str) -> None:
        self._cursor = cursor
        self._dialect = dialect
        last = self._ask("last").fetchone()
        self.stamp = Stamp(last["generation"], last["token"]) if last else Stamp()
        self._edition = last["edition"] if last else 0

    def passages(self, passage_ids: Sequence[str], stamp: Stamp) -> dict[str, StoredPassage]:
        """Passages by id as they were at `stamp`; those of documents changed since then are left out."""
        return {row["id"]: to_passage(row) for row in self._rows("passages", passage_ids, stamp)}

    def candidates(self, passage_ids: Sequence[str], stamp: Stamp) -> list[Candidate]:
        """The same in no order, with only what rescoring needs."""
        return [to_candidate(row) for row in self._rows("candidates", passage_ids, stamp)]

    def empty(self) -> bool:
        return self._ask("any").fetchone() is None

    def noted(self, key: str) -> str | None:
        """What stands in `meta`."""
        row = self._ask("meta", (key,)).fetchone()
        return row["value"] if row else None

    def holds(self, stamp: Stamp) -> bool:
        """Whether passages are still there as they were then, but for documents changed since."""
        return self._edition_of(stamp) is not None

    def _edition_of(self, stamp: Stamp) -> int | None:
        if stamp == self.stamp:
            return self._edition
        found = self._ask("edition", (stamp.generation, stamp.token)).fetchone()
        if found and found["edition"] != self._edition:
            kept = self.noted(OLD_EDITION)
            found = found if kept and int(kept) == found["edition"] else None
        return int(found["edition"]) if found else None

    def _rows(self, kind: str, passage_ids: Sequence[str], stamp: Stamp) -> list[Row]:
        edition = self._edition_of(stamp)
        rows = list[Row]()
        if edition is None:
            return rows
        for start in range(0, len(passage_ids), _MOST_IDS):
            some = passage_ids[start : start + _MOST_IDS]
            rows += self._ask(kind, (*some, stamp.generation), edition % 2, len(some))
        return rows

    def _ask(self, kind: str, values: Sequence[object] = (), parity: int = 0, ids: int = 0) -> Any:
        return self._cursor.execute(_sql(self._dialect, kind, parity, ids), values)


@cache
def _sql(dialect: str, kind: str, parity: int, ids: int) -> str:
    """A statement of SQLAlchemy's as the driver takes it, with `ids` places for ids."""
    history, passages = tables.history.c, tables.EDITIONS[parity]
    if kind == "last":
        query: sa.Select[Any] = sa.select(history.generation, history.token, history.edition)
        query = query.where(history.generation == sa.select(sa.func.max(history.generation)).scalar_subquery())
    elif kind == "any":
        query = sa.select(tables.documents.c.id)
    elif kind == "meta":
        query = sa.select(tables.meta.c.value).where(tables.meta.c.key == sa.bindparam("key"))
    elif kind == "edition":
        query = sa.select(history.edition).where(
            history.generation == sa.bindparam("generation"), history.token == sa.bindparam("token")
        )
    else:
        rows_of = passage_rows if kind == "passages" else candidate_rows
        query = rows_of(passages).join(tables.changes, tables.changes.c.document_id == passages.c.document_id)
        query = query.where(
            passages.c.id.in_([sa.bindparam(f"id{number}") for number in range(ids)]),
            tables.changes.c.generation <= sa.bindparam("generation"),
        )
    style = "qmark" if dialect == "sqlite" else "format"
    return str(query.compile(dialect=registry.load(dialect)(paramstyle=style)))
