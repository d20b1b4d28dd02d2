"""The states of a catalogue: its generations, the log of what changed with each, and the edition that is in use."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np
import sqlalchemy as sa

from index import tables
from index.database import tell
from index.types import Passage, Stamp, Vectors

OLD_EDITION = "old_edition"
"""In `meta`: the edition before the one in use, while its passages are still there."""
REFITTING = "refitting"
"""In `meta`: the fingerprint that a refit is making the next edition for."""
UNLOGGED = "unlogged"
"""In `meta`: the generation up to which removals have left the log of changes, see `index.forget`."""


@dataclass(frozen=True, slots=True)
class Change:
    """A document that changed: its passages (without their sentences) and vectors, (passages, dim) or None while they
    are not all embedded. No passages when it was removed."""

    document_id: str
    passages: list[Passage]
    vectors: Vectors | None


@dataclass(frozen=True, slots=True)
class Changes:
    """Every document that changed up to `stamp`; with `anew` these are all that there are."""

    stamp: Stamp
    anew: bool
    changes: Iterator[Change]


def meta_of(connection: sa.Connection) -> dict[str, str]:
    return {row.key: row.value for row in connection.execute(sa.select(tables.meta))}


def edition(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == "edition")) or 1)


def in_use(connection: sa.Connection) -> sa.Table:
    """The passages that are searched."""
    return tables.EDITIONS[edition(connection) % 2]


def stamp_of(connection: sa.Connection) -> Stamp:
    query = sa.select(tables.history).order_by(tables.history.c.generation.desc()).limit(1)
    row = connection.execute(query).first()
    return Stamp(row.generation, row.token) if row else Stamp()


def edition_of(connection: sa.Connection, stamp: Stamp) -> int | None:
    """Of which edition that state was; None when it is none of this catalogue."""
    query = sa.select(tables.history.c.edition).where(
        tables.history.c.generation == stamp.generation, tables.history.c.token == stamp.token
    )
    found: int | None = connection.scalar(query)
    return found


def starts_anew(connection: sa.Connection, since: Stamp) -> bool:
    """Whether the log does not tell all that changed after `since`: the passages are of another edition, or that was
    none of this catalogue, or removals after it are not in the log any more."""
    unlogged = int(meta_of(connection).get(UNLOGGED, "0"))
    return since.generation > 0 and (
        edition_of(connection, since) != edition(connection) or since.generation < unlogged
    )


def changes(connection: sa.Connection, later: sa.ColumnElement[bool]) -> Iterator[Change]:
    passages, documents = in_use(connection), tables.documents
    removed = sa.select(tables.changes.c.document_id).where(later)
    removed = removed.where(~sa.exists().where(passages.c.document_id == tables.changes.c.document_id))
    for document_id in connection.scalars(removed):
        yield Change(document_id, [], None)
    columns = (passages.c.document_id, passages.c.heading, passages.c.start, passages.c.end, passages.c.text)
    query = (
        sa.select(*columns, passages.c.vector, documents.c.title)
        .join(documents, documents.c.id == passages.c.document_id)
        .join(tables.changes, tables.changes.c.document_id == passages.c.document_id)
        .where(later)
        .order_by(passages.c.document_id, passages.c.ordinal)
        .execution_options(yield_per=1000)
    )
    with connection.execute(query) as every:
        for document_id, group in groupby(every, key=lambda row: str(row.document_id)):
            rows = list(group)
            yield Change(document_id, [_found(row) for row in rows], _vectors(rows))


def _found(row: Any) -> Passage:
    return Passage(row.document_id, row.title, row.heading, row.start, row.end, row.text, (), 0, 0)


def _vectors(rows: Sequence[Any]) -> Vectors | None:
    if any(row.vector is None for row in rows):
        return None
    return np.stack([np.frombuffer(row.vector, "<f4") for row in rows])


def log_changes(connection: sa.Connection, document_ids: Sequence[str]) -> int:
    """Raise the generation, and note that these documents changed with it."""
    generation = advance(connection)
    connection.execute(sa.delete(tables.changes).where(tables.changes.c.document_id.in_(document_ids)))
    rows = [{"document_id": document_id, "generation": generation} for document_id in document_ids]
    connection.execute(sa.insert(tables.changes), rows)
    return generation


def advance(connection: sa.Connection) -> int:
    """Raise the generation, and tell those who wait for it; whoever is behind a state that is not in the history starts
    afresh. In a transaction of which there is one at a time (`Database.write`)."""
    generation = stamp_of(connection).generation + 1
    row = {"generation": generation, "token": secrets.token_hex(8), "edition": edition(connection)}
    connection.execute(sa.insert(tables.history), row)
    tell(connection, generation)
    return generation


def next_edition(connection: sa.Connection) -> sa.Table:
    """The passages that are not in use: the old ones, or those of a refit."""
    return tables.EDITIONS[(edition(connection) + 1) % 2]


def clear_next(connection: sa.Connection) -> None:
    """Empty them; whoever still searched the old ones is told."""
    for query in (next_edition(connection), tables.refitted):
        connection.execute(sa.delete(query))
    connection.execute(sa.delete(tables.meta).where(tables.meta.c.key.in_([OLD_EDITION, REFITTING])))


def stamp_fingerprint(connection: sa.Connection, fingerprint: Mapping[str, str]) -> None:
    for key, value in fingerprint.items():
        connection.execute(sa.delete(tables.meta).where(tables.meta.c.key == key))
        connection.execute(sa.insert(tables.meta), {"key": key, "value": value})
