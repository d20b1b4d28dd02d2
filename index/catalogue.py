"""The one truth: documents, passages, sentences and their vectors in SQLite, one transaction a document.

Every write raises the generation and leaves a line in the log of changes, from which engines catch up.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import DatabaseError, OperationalError

from index import schema as tables
from index.errors import IndexLocked, IndexMismatch, StorageError
from index.schema import DocumentSummary, StoredPassage
from index.types import Document, Passage, PassageVectors


@dataclass(frozen=True, slots=True)
class Change:
    """A document that changed; no passages when it was removed."""

    document_id: str
    passages: list[StoredPassage]


class Catalogue:
    """Opens, or makes, the database in a data folder. Safe to use from several threads and processes.

    `fingerprint` names all that the stored vectors and passages depend on (model, chunking).
    Raises IndexMismatch when the stored one differs, StorageError when the folder cannot be used.
    With `remake` the stored one is not compared: every document is about to be put anew, see `refitted`.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, str], remake: bool = False) -> None:
        self.path = folder / "catalogue.sqlite3"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(f"the data folder {folder} cannot be made: {error.strerror}", _CHOOSE) from error
        self._database = sa.create_engine(
            f"sqlite:///{self.path}", json_serializer=lambda value: json.dumps(value, ensure_ascii=False)
        )
        sa.event.listen(self._database, "connect", _configure)
        sa.event.listen(self._database, "begin", _begin)
        self._fingerprint = {} if remake else dict(fingerprint)
        if not self._made():
            with self._write() as connection:
                tables.schema.create_all(connection)
                rows = {"format": str(tables.FORMAT), "generation": "0", **fingerprint}
                connection.execute(
                    sa.insert(tables.meta).prefix_with("OR IGNORE"),
                    [{"key": key, "value": value} for key, value in rows.items()],
                )
        with self._read() as connection:
            missing = self._checked(connection)
        if missing:  # it was made while the model was not there, so that nothing in it depends on one
            self._stamp(missing)

    def _made(self) -> bool:
        with self._read() as connection:
            return bool(connection.dialect.has_table(connection, "meta"))

    def _checked(self, connection: sa.Connection) -> dict[str, str]:
        """Refuse a catalogue of another fingerprint, also when it became one while it was open; what it lacks."""
        found = {row.key: row.value for row in connection.execute(sa.select(tables.meta))}
        if found.get("format") != str(tables.FORMAT):
            raise IndexMismatch(
                f"{self.path} has format {found.get('format')}, this version reads {tables.FORMAT}",
                "Use the version that wrote it, or another QA_DATA.",
            )
        for key, wanted in self._fingerprint.items():
            if found.get(key, wanted) != wanted:
                raise IndexMismatch(
                    f"the index was made with {key} {found[key]}, the settings say {wanted}",
                    "Run `qa reindex` to make it anew from the stored texts, or restore the setting.",
                )
        return {key: wanted for key, wanted in self._fingerprint.items() if key not in found}

    # Reading

    def check(self) -> None:
        """Raises IndexMismatch when the index is not, or no longer, the one that was opened."""
        with self._read() as connection:
            self._checked(connection)

    def generation(self) -> int:
        """Raised by one with every write."""
        with self._read() as connection:
            return _generation(connection)

    def counts(self) -> tuple[int, int, int]:
        """Documents, passages, and passages that are not embedded yet."""
        with self._read() as connection:
            documents = connection.scalar(sa.select(sa.func.count()).select_from(tables.documents))
            passages = connection.scalar(sa.select(sa.func.count()).select_from(tables.passages))
            pending = connection.scalar(
                sa.select(sa.func.count()).select_from(tables.passages).where(tables.passages.c.vector.is_(None))
            )
        return documents or 0, passages or 0, pending or 0

    def summaries(self, limit: int | None = None, offset: int = 0) -> list[DocumentSummary]:
        """Documents in the order of their titles."""
        query = (
            tables.summary_rows().order_by(tables.documents.c.title, tables.documents.c.id).limit(limit).offset(offset)
        )
        with self._read() as connection:
            return [tables.to_summary(row) for row in connection.execute(query)]

    def summary(self, document_id: str) -> DocumentSummary | None:
        with self._read() as connection:
            row = connection.execute(tables.summary_rows().where(tables.documents.c.id == document_id)).first()
        return tables.to_summary(row) if row else None

    def document(self, document_id: str) -> Document | None:
        """A document with its whole text."""
        with self._read() as connection:
            row = connection.execute(sa.select(tables.documents).where(tables.documents.c.id == document_id)).first()
        return tables.to_document(row) if row else None

    def document_ids(self) -> list[str]:
        with self._read() as connection:
            return list(connection.scalars(sa.select(tables.documents.c.id).order_by(tables.documents.c.id)))

    def passages(self, passage_ids: Sequence[str]) -> dict[str, StoredPassage]:
        """Passages by id; ids that are gone are left out."""
        with self._read() as connection:
            rows = connection.execute(tables.passage_rows().where(tables.passages.c.id.in_(passage_ids))).all()
        return {row.id: tables.to_passage(row) for row in rows}

    def unembedded(self) -> list[str]:
        """Documents with passages that are not embedded yet."""
        query = sa.select(tables.passages.c.document_id).where(tables.passages.c.vector.is_(None)).distinct()
        with self._read() as connection:
            return sorted(connection.scalars(query))

    def passages_of(self, document_id: str) -> list[StoredPassage]:
        """A document's passages in reading order."""
        query = (
            tables.passage_rows()
            .where(tables.passages.c.document_id == document_id)
            .order_by(tables.passages.c.ordinal)
        )
        with self._read() as connection:
            return [tables.to_passage(row) for row in connection.execute(query)]

    def changes(self, since: int) -> tuple[int, list[Change]]:
        """The generation reached, and every document changed after generation `since`, removed ones too.

        Raises IndexMismatch when another process has made the index anew with other settings.
        """
        with self._read() as connection:
            self._checked(connection)
            reached = _generation(connection)
            later = tables.changes.c.generation > since
            ids = connection.scalars(sa.select(tables.changes.c.document_id).where(later)).all()
            rows = connection.execute(
                tables.passage_rows()
                .join(tables.changes, tables.changes.c.document_id == tables.passages.c.document_id)
                .where(later)
                .order_by(tables.passages.c.document_id, tables.passages.c.ordinal)
            )
            present = {
                document_id: [tables.to_passage(row) for row in group]
                for document_id, group in groupby(rows, key=lambda row: str(row.document_id))
            }
        return reached, [Change(document_id, present.get(document_id, [])) for document_id in ids]

    # Writing

    def put(self, document: Document, passages: Sequence[Passage], vectors: Sequence[PassageVectors] | None) -> int:
        """Add a document or replace the one of the same id; returns the new generation.

        Every passage must be a slice of the document; a passage that is not is a bug and raises ValueError.
        """
        for passage in passages:
            if passage.text != document.text[passage.start : passage.end] or passage.document_id != document.id:
                raise ValueError(f"{passage.id} is not a slice of its document")
        rows = [tables.passage_row(n, passage, vectors[n] if vectors else None) for n, passage in enumerate(passages)]
        with self._write() as connection:
            self._checked(connection)
            connection.execute(sa.delete(tables.documents).where(tables.documents.c.id == document.id))
            connection.execute(sa.insert(tables.documents), tables.document_row(document))
            if rows:
                connection.execute(sa.insert(tables.passages), rows)
            return _log(connection, document.id)

    def embedded(self, document_id: str, made: Sequence[tuple[Passage, PassageVectors]]) -> int:
        """Store vectors made after the fact; returns the new generation.

        A passage that was replaced meanwhile, even by other text at the same place, keeps what it has.
        """
        columns = tables.passages.c
        with self._write() as connection:
            self._checked(connection)
            for passage, vectors in made:
                same = (columns.id == passage.id) & (columns.text == passage.text)
                connection.execute(sa.update(tables.passages).where(same).values(**tables.blobs(vectors)))
            return _log(connection, document_id)

    def remove(self, document_id: str) -> bool:
        """Remove a document with all its passages; False when there is none of that id."""
        with self._write() as connection:
            self._checked(connection)
            gone = connection.execute(sa.delete(tables.documents).where(tables.documents.c.id == document_id)).rowcount
            if gone:
                _log(connection, document_id)
        return bool(gone)

    @contextmanager
    def refitted(self, fingerprint: Mapping[str, str]) -> Iterator[None]:
        """While every document is put anew the old fingerprint is void; the new one is set at the end.

        When it is interrupted the catalogue fits no setting, so that half of it is never searched.
        """
        self._stamp(dict.fromkeys(fingerprint, "an interrupted reindexing"))
        yield
        self._stamp(fingerprint)

    def _stamp(self, fingerprint: Mapping[str, str]) -> None:
        self._fingerprint = dict(fingerprint)
        with self._write() as connection:
            for key, value in fingerprint.items():
                connection.execute(sa.delete(tables.meta).where(tables.meta.c.key == key))
                connection.execute(sa.insert(tables.meta), {"key": key, "value": value})

    def close(self) -> None:
        self._database.dispose()

    @contextmanager
    def _read(self) -> Iterator[sa.Connection]:
        with _translated(self.path), self._database.begin() as connection:
            yield connection

    @contextmanager
    def _write(self) -> Iterator[sa.Connection]:
        with (
            _translated(self.path),
            self._database.connect().execution_options(writes=True) as connection,
            connection.begin(),
        ):
            yield connection


BUSY_MS = 10_000
"""How long a writer waits for its turn."""
_CHOOSE = "Choose a folder that can be written: QA_DATA=/path qa …"


def _configure(connection: Any, _: object) -> None:
    connection.isolation_level = None  # SQLAlchemy begins transactions itself, see _begin
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", f"busy_timeout={BUSY_MS}"):
        connection.execute(f"PRAGMA {pragma}").close()


def _begin(connection: sa.Connection) -> None:
    """A writer takes its turn at once, so that it never fails half way for having read first."""
    writes = connection.get_execution_options().get("writes")
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's errors as ours, saying what to do."""
    try:
        yield
    except OperationalError as error:
        if "locked" in str(error.orig):
            raise IndexLocked(f"another process is writing to {path}", "Wait until it has finished.") from error
        raise StorageError(f"{path} cannot be used: {error.orig}", _CHOOSE) from error
    except DatabaseError as error:
        raise StorageError(
            f"{path} is damaged: {error.orig}", "Move the data folder away and index the documents again."
        ) from error


def _generation(connection: sa.Connection) -> int:
    return int(connection.scalar(sa.select(tables.meta.c.value).where(tables.meta.c.key == "generation")) or 0)


def _log(connection: sa.Connection, document_id: str) -> int:
    generation = _generation(connection) + 1
    connection.execute(sa.update(tables.meta).where(tables.meta.c.key == "generation").values(value=str(generation)))
    connection.execute(sa.delete(tables.changes).where(tables.changes.c.document_id == document_id))
    connection.execute(sa.insert(tables.changes), {"document_id": document_id, "generation": generation})
    return generation
