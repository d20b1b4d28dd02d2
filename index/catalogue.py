"""The one truth: documents, passages, sentences and their vectors in SQLite, one transaction a document.

Every write raises the generation and leaves a line in the log of changes, from which engines catch up.
"""

from __future__ import annotations

import json
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import cache
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.sqlite import dialect as sqlite_dialect
from sqlalchemy.exc import DatabaseError, OperationalError

from index import schema as tables
from index.errors import IndexLocked, IndexMismatch, StorageError
from index.lock import WriterLock
from index.migrations import STEPS
from index.rescore import Candidate
from index.schema import DocumentSummary, StoredPassage
from index.types import Document, Passage, PassageVectors, Stamp, Vectors

FILE = "catalogue.sqlite3"
BUSY_MS = 10_000
"""How long a statement waits for another program that has the file."""
OLD_EDITION = "old_edition"
"""In `meta`: the edition before the one in use, while its passages are still there."""
REFITTING = "refitting"
"""In `meta`: the fingerprint that a refit is making the next edition for."""
_VECTORS_OF = "model"
"""The part of the fingerprint that a reader's questions depend on; a writer's passages depend on all of it."""
_REINDEX = "Run `qa reindex` to make it anew from the stored texts, or restore the setting."
_CHOOSE = "Choose a folder that can be written: QA_DATA=/path qa …"
_MOST_IDS = 500
"""Ids asked for in one statement; SQLite takes some thousands."""
_FREED = 2_000
"""Free pages given back to the system after a write, when a quarter of the file is free."""


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


class View:
    """The passages of one state of a catalogue."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._cursor = connection.cursor()
        self._cursor.row_factory = sqlite3.Row
        last = self._cursor.execute(_sql("last")).fetchone()
        self.stamp = Stamp(last["generation"], last["token"]) if last else Stamp()
        self._edition = last["edition"] if last else 0

    def passages(self, passage_ids: Sequence[str], stamp: Stamp) -> dict[str, StoredPassage]:
        """Passages by id as they were at `stamp`; those of documents changed since then are left out."""
        return {row["id"]: tables.to_passage(row) for row in self._rows("passages", passage_ids, stamp)}

    def candidates(self, passage_ids: Sequence[str], stamp: Stamp) -> list[Candidate]:
        """The same in no order, with only what rescoring needs."""
        return [tables.to_candidate(row) for row in self._rows("candidates", passage_ids, stamp)]

    def holds(self, stamp: Stamp) -> bool:
        """Whether passages are still there as they were then, but for documents changed since."""
        return self._edition_of(stamp) is not None

    def _edition_of(self, stamp: Stamp) -> int | None:
        if stamp == self.stamp:
            return self._edition
        found = self._cursor.execute(_sql("edition"), stamp).fetchone()
        if found and found["edition"] != self._edition:
            kept = self._cursor.execute(_sql("meta"), (OLD_EDITION,)).fetchone()
            found = found if kept and int(kept["value"]) == found["edition"] else None
        return int(found["edition"]) if found else None

    def _rows(self, kind: str, passage_ids: Sequence[str], stamp: Stamp) -> list[sqlite3.Row]:
        edition = self._edition_of(stamp)
        rows = list[sqlite3.Row]()
        if edition is None:
            return rows
        for start in range(0, len(passage_ids), _MOST_IDS):
            some = passage_ids[start : start + _MOST_IDS]
            rows += self._cursor.execute(_sql(kind, edition % 2, len(some)), (*some, stamp.generation))
        return rows


@cache
def _sql(kind: str, parity: int = 0, ids: int = 0) -> str:
    """A statement of SQLAlchemy's as the driver takes it, with `ids` places for ids."""
    history, passages = tables.history.c, tables.EDITIONS[parity]
    if kind == "last":
        query: sa.Select[Any] = sa.select(history.generation, history.token, history.edition)
        query = query.where(history.generation == sa.select(sa.func.max(history.generation)).scalar_subquery())
    elif kind == "meta":
        query = sa.select(tables.meta.c.value).where(tables.meta.c.key == sa.bindparam("key"))
    elif kind == "edition":
        query = sa.select(history.edition).where(
            history.generation == sa.bindparam("generation"), history.token == sa.bindparam("token")
        )
    else:
        rows = tables.passage_rows if kind == "passages" else tables.candidate_rows
        query = rows(passages).join(tables.changes, tables.changes.c.document_id == passages.c.document_id)
        query = query.where(
            passages.c.id.in_([sa.bindparam(f"id{number}") for number in range(ids)]),
            tables.changes.c.generation <= sa.bindparam("generation"),
        )
    return str(query.compile(dialect=sqlite_dialect()))


class Catalogue:
    """Opens, or makes, the database in a data folder. Safe to use from several threads and processes.

    `fingerprint` names all that the stored vectors and passages depend on (model, chunking).
    Raises IndexMismatch when the stored one differs, StorageError when the folder cannot be used.
    With `remake` the stored one is not compared: every document is about to be put anew, see `index.refit`.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, str], remake: bool = False) -> None:
        self.folder = folder
        self.path = folder / FILE
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the data folder {folder} cannot be made: {error.strerror}", _CHOOSE) from error
        self.lock = WriterLock(folder)
        self._database = sa.create_engine(
            f"sqlite:///{self.path}", json_serializer=lambda value: json.dumps(value, ensure_ascii=False)
        )
        sa.event.listen(self._database, "connect", _configure)
        sa.event.listen(self._database, "begin", _begin)
        self._fingerprint = {} if remake else dict(fingerprint)
        self._counted: tuple[Stamp, tuple[int, int, int]] | None = None
        try:
            self._open(fingerprint)
        except BaseException:
            self.close()
            raise

    def _open(self, fingerprint: Mapping[str, str]) -> None:
        with self.read() as connection:
            found = _meta(connection) if connection.dialect.has_table(connection, "meta") else {}
        if not found:
            with self.write() as connection:
                if not connection.dialect.has_table(connection, "meta"):
                    tables.schema.create_all(connection)
                    rows = {"format": str(tables.FORMAT), "edition": "1", **fingerprint}
                    connection.execute(
                        sa.insert(tables.meta), [{"key": key, "value": value} for key, value in rows.items()]
                    )
        elif _format(found) < tables.FORMAT:
            self.migrate()
        with self.read() as connection:
            missing = self._checked(connection, *self._fingerprint)
        if missing:  # it was made while the model was not there, so that nothing in it depends on one
            with self.write() as connection:
                stamp_fingerprint(connection, missing)

    def migrate(self) -> None:
        """Bring an older format up to date, in one transaction."""
        with self.write() as connection:
            for number in range(_format(_meta(connection)), tables.FORMAT):
                for statement in STEPS[number - 1]:
                    connection.exec_driver_sql(statement)
                row = tables.meta.c.key == "format"
                connection.execute(sa.update(tables.meta).where(row).values(value=str(number + 1)))

    def _checked(self, connection: sa.Connection, *keys: str) -> dict[str, str]:
        """Refuse a catalogue of another fingerprint, also when it became one while it was open; what it lacks."""
        found = _meta(connection)
        if _format(found) != tables.FORMAT:
            raise IndexMismatch(
                f"{self.path} has format {found.get('format')}, this version reads up to {tables.FORMAT}",
                "Use the version that wrote it, or another QA_DATA.",
            )
        for key in keys:
            wanted = self._fingerprint.get(key)
            if wanted is not None and found.get(key, wanted) != wanted:
                raise IndexMismatch(f"the index was made with {key} {found[key]}, the settings say {wanted}", _REINDEX)
        return {key: self._fingerprint[key] for key in keys if key in self._fingerprint and key not in found}

    # Reading

    def check(self) -> None:
        """Raises IndexMismatch when the index is not, or no longer, the one that was opened."""
        with self.read() as connection:
            self._checked(connection, *self._fingerprint)

    def fingerprint(self) -> dict[str, str]:
        """What the stored passages and vectors were made with, among what else is noted."""
        with self.read() as connection:
            return _meta(connection)

    def generation(self) -> int:
        """Raised by one with every write."""
        return self.stamp().generation

    def stamp(self) -> Stamp:
        with self.view() as view:
            return view.stamp

    def knows(self, stamp: Stamp) -> bool:
        """Whether that was a state of this catalogue, of the edition in use."""
        with self.read() as connection:
            return _edition_of(connection, stamp) == edition(connection)

    def empty(self) -> bool:
        with self.read() as connection:
            return connection.scalar(sa.select(tables.documents.c.id).limit(1)) is None

    def counts(self) -> tuple[int, int, int]:
        """Documents, passages, and passages that are not embedded yet."""
        with self.read() as connection:
            stamp, passages = _stamp(connection), in_use(connection)
            if self._counted is None or self._counted[0] != stamp:
                queries = (
                    sa.select(sa.func.count()).select_from(tables.documents),
                    sa.select(sa.func.count()).select_from(passages),
                    sa.select(sa.func.count()).select_from(passages).where(passages.c.vector.is_(None)),
                )
                documents, stored, pending = (connection.scalar(query) or 0 for query in queries)
                self._counted = stamp, (documents, stored, pending)
            return self._counted[1]

    def summaries(self, limit: int | None = None, offset: int = 0) -> list[DocumentSummary]:
        """Documents in the order of their titles."""
        order = tables.documents.c.title, tables.documents.c.id
        with self.read() as connection:
            query = tables.summary_rows(in_use(connection)).order_by(*order).limit(limit).offset(offset)
            return [tables.to_summary(row) for row in connection.execute(query)]

    def summary(self, document_id: str) -> DocumentSummary | None:
        with self.read() as connection:
            query = tables.summary_rows(in_use(connection)).where(tables.documents.c.id == document_id)
            row = connection.execute(query).first()
        return tables.to_summary(row) if row else None

    def document(self, document_id: str) -> Document | None:
        """A document with its whole text."""
        with self.read() as connection:
            row = connection.execute(sa.select(tables.documents).where(tables.documents.c.id == document_id)).first()
        return tables.to_document(row) if row else None

    def documents(self, document_ids: Sequence[str]) -> dict[str, Document]:
        """Those that are there, by id."""
        with self.read() as connection:
            rows = connection.execute(sa.select(tables.documents).where(tables.documents.c.id.in_(document_ids)))
            return {row.id: tables.to_document(row) for row in rows}

    def document_ids(self) -> list[str]:
        with self.read() as connection:
            return list(connection.scalars(sa.select(tables.documents.c.id).order_by(tables.documents.c.id)))

    @contextmanager
    def view(self) -> Iterator[View]:
        """One state of everything, for a question: by the driver alone, which takes a third of the time."""
        with translated(self.path), ExitStack() as stack:
            try:
                pooled = stack.enter_context(closing(self._database.raw_connection()))
                connection = pooled.driver_connection
                assert isinstance(connection, sqlite3.Connection)
                connection.execute("BEGIN")
                yield View(connection)
                connection.execute("COMMIT")
            except sqlite3.DatabaseError as error:
                wrapped = OperationalError if isinstance(error, sqlite3.OperationalError) else DatabaseError
                raise wrapped(None, None, error) from error

    def unembedded(self) -> list[str]:
        """Documents with passages that are not embedded yet."""
        with self.read() as connection:
            passages = in_use(connection).c
            query = sa.select(passages.document_id).where(passages.vector.is_(None)).distinct()
            return sorted(connection.scalars(query))

    def passages_of(self, document_id: str) -> list[StoredPassage]:
        """A document's passages in reading order."""
        with self.read() as connection:
            passages = in_use(connection)
            query = tables.passage_rows(passages).where(passages.c.document_id == document_id)
            return [tables.to_passage(row) for row in connection.execute(query.order_by(passages.c.ordinal)).mappings()]

    @contextmanager
    def changes(self, since: Stamp) -> Iterator[Changes]:
        """What changed after `since`, read as it is iterated over, all of one state.

        Raises IndexMismatch when another process has made the index anew with another model.
        """
        with self.read() as connection:
            self._checked(connection, _VECTORS_OF)
            anew = since.generation > 0 and _edition_of(connection, since) != edition(connection)
            later = tables.changes.c.generation > (0 if anew else since.generation)
            yield Changes(_stamp(connection), anew, _changes(connection, later))

    # Writing

    def put(self, document: Document, passages: Sequence[Passage], vectors: Sequence[PassageVectors] | None) -> int:
        """Add a document or replace the one of the same id; returns the new generation."""
        return self.put_all([(document, passages, vectors)])

    def put_all(self, made: Sequence[tuple[Document, Sequence[Passage], Sequence[PassageVectors] | None]]) -> int:
        """Add or replace documents, all of them or none; returns the new generation.

        Every passage must be a slice of its document; a passage that is not is a bug and raises ValueError.
        """
        last = {
            document.id: (document, tables.passage_rows_of(document, passages, vectors))
            for document, passages, vectors in made
        }
        with self.write() as connection:
            self._checked(connection, *self._fingerprint)
            connection.execute(sa.delete(tables.documents).where(tables.documents.c.id.in_(last)))
            connection.execute(sa.insert(tables.documents), [tables.document_row(one) for one, _ in last.values()])
            rows = [row for _, rows in last.values() for row in rows]
            if rows:
                connection.execute(sa.insert(in_use(connection)), rows)
            return log_changes(connection, list(last))

    def embedded(self, document_id: str, made: Sequence[tuple[Passage, PassageVectors]]) -> int:
        """Store vectors made after the fact; returns the new generation.

        A passage that was replaced meanwhile, even by other text or another title at the same place, keeps what it has.
        """
        with self.write() as connection:
            self._checked(connection, *self._fingerprint)
            passages = in_use(connection)
            for passage, vectors in made:
                columns = passages.c
                titled = sa.select(tables.documents.c.id).where(tables.documents.c.title == passage.title)
                same = (
                    (columns.id == passage.id) & (columns.text == passage.text) & (columns.heading == passage.heading)
                )
                same &= columns.document_id.in_(titled.where(tables.documents.c.id == document_id))
                connection.execute(sa.update(passages).where(same).values(**tables.blobs(vectors)))
            return log_changes(connection, [document_id])

    def remove(self, document_id: str) -> bool:
        """Remove a document with all its passages; False when there is none of that id."""
        with self.write() as connection:
            self._checked(connection, *self._fingerprint)
            gone = connection.execute(sa.delete(tables.documents).where(tables.documents.c.id == document_id)).rowcount
            if gone:
                log_changes(connection, [document_id])
        return bool(gone)

    def compact(self) -> None:
        """Give all free space back to the system. Takes a while, and as much space again meanwhile."""
        with self.lock.held(), translated(self.path), self._database.connect() as connection:
            clear_next(connection)
            connection.commit()
            for statement in ("PRAGMA auto_vacuum=INCREMENTAL", "VACUUM"):
                _driver(connection).execute(statement).fetchall()
        self.checkpoint()

    def checkpoint(self) -> None:
        """Empty the write-ahead log, as far as no reader needs it."""
        with translated(self.path), self._database.connect() as connection:
            _driver(connection).execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    def close(self) -> None:
        self._database.dispose()

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """One state of everything, for as long as it takes."""
        with translated(self.path), self._database.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction, all of it or nothing. Raises IndexLocked when another process writes."""
        with self.lock.held(), translated(self.path):
            with (
                self._database.connect().execution_options(writes=True) as connection,
                connection.begin(),
            ):
                yield connection
            with self._database.connect() as connection:
                _reclaim(_driver(connection))


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


def _begin(connection: sa.Connection) -> None:
    """A writer takes its turn at once, so that it never fails half way for having read first."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _driver(connection: sa.Connection) -> sqlite3.Connection:
    """The connection below, outside of any transaction."""
    raw = connection.connection.driver_connection
    assert isinstance(raw, sqlite3.Connection)
    return raw


def _reclaim(connection: sqlite3.Connection) -> None:
    pages, free = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "freelist_count"))
    if free * 4 > pages > 256:
        connection.executescript(f"PRAGMA incremental_vacuum({_FREED})")  # `execute` would free a single page


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
        raise StorageError(f"{path} cannot be used: {error.orig}", _CHOOSE) from error
    except DatabaseError as error:
        raise StorageError(
            f"{path} is damaged: {error.orig}",
            "Run `qa restore FILE` with a backup, or move the data folder away and index the documents again.",
        ) from error


def _meta(connection: sa.Connection) -> dict[str, str]:
    return {row.key: row.value for row in connection.execute(sa.select(tables.meta))}


def _format(found: Mapping[str, str]) -> int:
    """As it stands; a later one than ours, or none at all, is refused by `_checked`."""
    return int(found["format"]) if found.get("format", "").isdecimal() else tables.FORMAT + 1


def edition(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == "edition")) or 1)


def in_use(connection: sa.Connection) -> sa.Table:
    """The passages that are searched."""
    return tables.EDITIONS[edition(connection) % 2]


def _stamp(connection: sa.Connection) -> Stamp:
    query = sa.select(tables.history).order_by(tables.history.c.generation.desc()).limit(1)
    row = connection.execute(query).first()
    return Stamp(row.generation, row.token) if row else Stamp()


def _edition_of(connection: sa.Connection, stamp: Stamp) -> int | None:
    """Of which edition that state was; None when it is none of this catalogue."""
    query = sa.select(tables.history.c.edition).where(
        tables.history.c.generation == stamp.generation, tables.history.c.token == stamp.token
    )
    found: int | None = connection.scalar(query)
    return found


def _changes(connection: sa.Connection, later: sa.ColumnElement[bool]) -> Iterator[Change]:
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
    for document_id, group in groupby(connection.execute(query), key=lambda row: str(row.document_id)):
        rows = list(group)
        found = [Passage(document_id, row.title, row.heading, row.start, row.end, row.text, (), 0, 0) for row in rows]
        complete = all(row.vector is not None for row in rows)
        vectors = np.stack([np.frombuffer(row.vector, "<f4") for row in rows]) if complete else None
        yield Change(document_id, found, vectors)


def log_changes(connection: sa.Connection, document_ids: Sequence[str]) -> int:
    """Raise the generation, and note that these documents changed with it."""
    generation = advance(connection)
    connection.execute(sa.delete(tables.changes).where(tables.changes.c.document_id.in_(document_ids)))
    rows = [{"document_id": document_id, "generation": generation} for document_id in document_ids]
    connection.execute(sa.insert(tables.changes), rows)
    return generation


def advance(connection: sa.Connection) -> int:
    """Raise the generation; whoever is behind a state that is not in the history starts afresh."""
    generation = _stamp(connection).generation + 1
    row = {"generation": generation, "token": secrets.token_hex(8), "edition": edition(connection)}
    connection.execute(sa.insert(tables.history), row)
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
