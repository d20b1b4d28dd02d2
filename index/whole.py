"""Documents with everything that belongs to them, as the rows that they are stored in: what a copy is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from index import tables
from index.history import in_use

_BESIDE = (tables.tags, tables.sources, tables.layouts, tables.feedback)
_PASSAGES = "passages"
"""What the passages in use are called here, of whichever edition they are."""
_OUTLINED = ("id", "title", "source", "sha256", "media_type", "characters", "added_at", "wrapped")
_OUTLINED_LABELS = ("original", "collection", "dated")
_AT_A_TIME = 200
"""Documents read in one transaction."""

Rows = list[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class Whole:
    """A document's own row, and by table those of what goes with it, each list in the order of its key."""

    document: Mapping[str, Any]
    beside: dict[str, Rows]

    @property
    def id(self) -> str:
        return str(self.document["id"])

    @property
    def name(self) -> str:
        """As people know it."""
        return str(self.document["source"] or self.document["title"] or self.id)

    @property
    def passages(self) -> Rows:
        return self.beside[_PASSAGES]

    def digest(self) -> bytes:
        """SHA-256 of every value of every row: equal on two sides, these are equal byte for byte."""
        rows = [self.document, *(row for table in sorted(self.beside) for row in self.beside[table])]
        return digest_of(value for row in rows for value in row.values())

    def differing(self, other: Whole) -> list[str]:
        """The tables in which the rows of another one are not the same."""
        found = [] if dict(self.document) == dict(other.document) else [tables.documents.name]
        return found + [table for table, rows in self.beside.items() if rows != other.beside[table]]

    def without_judgements(self, judgement_ids: Collection[str]) -> Whole:
        name = tables.feedback.name
        kept = [row for row in self.beside[name] if row["id"] not in judgement_ids]
        return Whole(self.document, self.beside | {name: kept})

    def holds_nul(self) -> bool:
        """Whether a text of it, but for what its judgements say, has U+0000, which PostgreSQL cannot store."""
        said = (rows for table, rows in self.beside.items() if table != tables.feedback.name)
        return any(map(has_nul, [self.document, *(row for rows in said for row in rows)]))


def has_nul(row: Mapping[str, Any]) -> bool:
    """Whether a text of a row has U+0000; in JSON it is written otherwise, and can be stored anywhere."""
    return any(isinstance(value, str) and "\0" in value for value in row.values())


def digest_of(values: Iterator[Any]) -> bytes:
    """SHA-256 of some values, whatever their types, each with its length in front."""
    total = hashlib.sha256()
    for value in values:
        binary = isinstance(value, bytes)
        part = value if binary else json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
        total.update(b"%s%d:" % (b"b" if binary else b"j", len(part)))
        total.update(part)
    return total.digest()


def wholes(connection: sa.Connection, document_ids: Collection[str]) -> dict[str, Whole]:
    """Those of some documents that are there, by id."""
    own = tables.documents
    rows = connection.execute(sa.select(own).where(own.c.id.in_(document_ids))).mappings()
    found = {row["id"]: Whole(dict(row), {}) for row in rows}
    passages = in_use(connection)
    for table in (*_BESIDE, passages):
        name = _PASSAGES if table is passages else table.name
        grouped: dict[str, Rows] = {document_id: [] for document_id in found}
        for row in connection.execute(sa.select(table).where(table.c.document_id.in_(found))).mappings():
            grouped[row["document_id"]].append(dict(row))
        keys = [column.name for column in table.primary_key] if table is not passages else ["ordinal"]
        for document_id, some in grouped.items():  # sorted here: databases order texts in more than one way
            some.sort(key=lambda row: tuple(row[key] for key in keys))
            found[document_id].beside[name] = some
    return found


def in_groups(document_ids: Sequence[str], most: int = _AT_A_TIME) -> Iterator[Sequence[str]]:
    for start in range(0, len(document_ids), most):
        yield document_ids[start : start + most]


def outlines(connection: sa.Connection) -> dict[str, bytes]:
    """By document a digest of what tells cheaply whether it changed: its labels, when it was stored, how many passages
    it has, and how many of them are embedded. No text or vector is read."""
    beside = _counts(connection)
    for column in (tables.tags.c.tag, tables.sources.c.source):
        owner = column.table.c.document_id
        for document_id, value in connection.execute(sa.select(owner, column)):
            beside.setdefault(document_id, []).append(value)
    columns = [tables.documents.c[name] for name in (*_OUTLINED, *_OUTLINED_LABELS)]
    query = sa.select(*columns).execution_options(yield_per=1000)
    return {
        row.id: digest_of(iter([*row, *sorted(map(str, beside.get(row.id, ())))])) for row in connection.execute(query)
    }


def _counts(connection: sa.Connection) -> dict[str, list[Any]]:
    passages = in_use(connection).c
    counts = sa.select(passages.document_id, sa.func.count(), sa.func.count(passages.vector))
    rows = connection.execute(counts.group_by(passages.document_id))
    return {document_id: [f"passages {stored}, {embedded}"] for document_id, stored, embedded in rows}


def sizes(connection: sa.Connection, document_ids: Sequence[str]) -> Iterator[tuple[str, int]]:
    """Documents and about how many characters each comes to, its file counted in."""
    own, files = tables.documents.c, tables.originals.c
    kept = sa.select(sa.func.length(files.bytes)).where(files.sha256 == own.original).scalar_subquery()
    for some in in_groups(document_ids, 1000):
        query = sa.select(own.id, own.characters + sa.func.coalesce(kept, 0)).where(own.id.in_(some))
        found = {document_id: int(size) for document_id, size in connection.execute(query)}
        yield from ((one, found[one]) for one in some if one in found)
