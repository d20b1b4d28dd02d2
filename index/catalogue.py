"""The one truth: documents, passages, sentences and their vectors in a database, one transaction a document.

Every write raises the generation and leaves a line in the log of changes, from which engines catch up.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from types import MappingProxyType

import sqlalchemy as sa

from index import tables
from index.calibration import OwnCalibration
from index.counts import Counts
from index.database import CHOOSE, open_database
from index.errors import IndexMismatch, StorageError
from index.feedback import Feedback, feedback_of
from index.history import (
    Changes,
    changes,
    clear_next,
    edition,
    edition_of,
    in_use,
    log_changes,
    meta_of,
    stamp_fingerprint,
    stamp_of,
    starts_anew,
)
from index.ledger import Ledger
from index.migrations import STEPS
from index.rows import (
    DocumentSummary,
    StoredPassage,
    blobs,
    document_row,
    layout_rows,
    passage_rows,
    passage_rows_of,
    summary_rows,
    to_document,
    to_passage,
)
from index.select import Filter, selected
from index.shelf import Shelf
from index.sources import (
    Fence,
    Origin,
    Sources,
    detach,
    forget_originals,
    give_way,
    grouped,
    keep_original,
    originals_of,
    others_of,
    store_sources,
    summaries_of,
)
from index.types import Document, Passage, PassageVectors, Stamp, as_label, as_labels
from index.view import View

FILE = "catalogue.sqlite3"
LIBRARY = "library"
"""In `meta`: a word drawn at random when the catalogue was made."""
_VECTORS_OF = "model"
"""The part of the fingerprint that a reader's questions depend on; a writer's passages depend on all of it."""
_REINDEX = "Run `qa reindex` to make it anew from the stored texts, or restore the setting."


class Catalogue:
    """Opens, or makes, the database in a data folder, or the one of a PostgreSQL server that `url` names. Safe to use
    from several threads and processes.

    `fingerprint` names all that the stored vectors and passages depend on (model, chunking).
    Raises IndexMismatch when the stored one differs, StorageError when the folder or the server cannot be used,
    UsageError for a URL of another kind.
    With `remake` the stored one is not compared: every document is about to be put anew, see `index.refit`.
    """

    def __init__(self, folder: Path, fingerprint: Mapping[str, str], remake: bool = False, url: str = "") -> None:
        self.folder = folder
        self.path = folder / FILE
        try:
            folder.mkdir(0o700, parents=True, exist_ok=True)  # what is read here is nobody else's on this machine
        except OSError as error:
            raise StorageError(f"the data folder {folder} cannot be made: {error.strerror}", CHOOSE) from error
        self.database = open_database(self.path, url)
        self.lock = self.database
        noting = partial(self.note, in_turn=True)
        self.counts = Counts(self.read)
        self.sources = Sources(self.read, self.changing)
        self.feedback = Feedback(self.read, noting)
        self.calibration = OwnCalibration(self.view, noting)
        self.shelf = Shelf(self.read)
        self.ledger = Ledger(self.read, self.note, self.database.mutex)
        self._fingerprint = {} if remake else dict(fingerprint)
        try:
            self._open(fingerprint)
        except BaseException:
            self.close()
            raise

    def _open(self, fingerprint: Mapping[str, str]) -> None:
        with self.read() as connection:
            found = meta_of(connection) if connection.dialect.has_table(connection, "meta") else {}
        if not found:
            with self.write() as connection:
                if not connection.dialect.has_table(connection, "meta"):
                    tables.schema.create_all(connection)
                    self.database.prepare(connection)
                    rows = {"format": str(tables.FORMAT), "edition": "1", LIBRARY: secrets.token_hex(8), **fingerprint}
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
            for number in range(_format(meta_of(connection)), tables.FORMAT):
                for statement in STEPS[number - 1]:
                    connection.exec_driver_sql(self.database.adapted(statement))
                row = tables.meta.c.key == "format"
                connection.execute(sa.update(tables.meta).where(row).values(value=str(number + 1)))

    def _checked(self, connection: sa.Connection, *keys: str) -> dict[str, str]:
        """Refuse a catalogue of another fingerprint, also when it became one while it was open; what it lacks."""
        found = meta_of(connection)
        if _format(found) != tables.FORMAT:
            raise IndexMismatch(
                f"{self.database.name} has format {found.get('format')}, this version reads up to {tables.FORMAT}",
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
            return meta_of(connection)

    def generation(self) -> int:
        """Raised by one with every write."""
        return self.stamp().generation

    def stamp(self) -> Stamp:
        with self.view() as view:
            return view.stamp

    def knows(self, stamp: Stamp) -> bool:
        """Whether that was a state of this catalogue, of the edition in use."""
        with self.read() as connection:
            return edition_of(connection, stamp) == edition(connection)

    def empty(self) -> bool:
        with self.view() as view:
            return view.empty()

    def library(self) -> str:
        """A word that tells this catalogue from others; a restored backup has that of the one that it is of."""
        return self.fingerprint()[LIBRARY]

    def summaries(self, limit: int | None = None, offset: int = 0) -> list[DocumentSummary]:
        """Documents in the order of their titles."""
        order = tables.documents.c.title, tables.documents.c.id
        with self.read() as connection:
            query = summary_rows(in_use(connection)).order_by(*order).limit(limit).offset(offset)
            return summaries_of(connection, query)

    def summary(self, document_id: str) -> DocumentSummary | None:
        with self.read() as connection:
            query = summary_rows(in_use(connection)).where(tables.documents.c.id == document_id)
            return next(iter(summaries_of(connection, query)), None)

    def document(self, document_id: str) -> Document | None:
        """A document with its whole text, without its layout."""
        return self.documents([document_id]).get(document_id)

    def documents(self, document_ids: Sequence[str]) -> dict[str, Document]:
        """Those that are there, by id, without their layout."""
        with self.read() as connection:
            rows = connection.execute(sa.select(tables.documents).where(tables.documents.c.id.in_(document_ids)))
            tags = grouped(connection, tables.tags.c.tag, document_ids)
            return {row.id: to_document(row, tags.get(row.id, ())) for row in rows}

    def selected(self, chosen: Filter) -> frozenset[str]:
        """The ids of the documents that a filter leaves."""
        with self.read() as connection:
            return selected(connection, chosen)

    def stored(self, document_ids: Sequence[str]) -> frozenset[str]:
        """Those of some ids that are of stored documents."""
        with self.read() as connection:
            query = sa.select(tables.documents.c.id).where(tables.documents.c.id.in_(document_ids))
            return frozenset(connection.scalars(query))

    def document_ids(self) -> list[str]:
        with self.read() as connection:
            return list(connection.scalars(sa.select(tables.documents.c.id).order_by(tables.documents.c.id)))

    @contextmanager
    def view(self) -> Iterator[View]:
        """One state of everything, for a question."""
        with self.database.rows() as cursor:
            yield View(cursor, self.database.pool.dialect.name)

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
            query = passage_rows(passages).where(passages.c.document_id == document_id)
            return [to_passage(row) for row in connection.execute(query.order_by(passages.c.ordinal)).mappings()]

    @contextmanager
    def changes(self, since: Stamp) -> Iterator[Changes]:
        """What changed after `since`, read as it is iterated over, all of one state.

        Raises IndexMismatch when another process has made the index anew with another model.
        """
        with self.read() as connection:
            self._checked(connection, _VECTORS_OF)
            anew = starts_anew(connection, since)
            later = tables.changes.c.generation > (0 if anew else since.generation)
            yield Changes(stamp_of(connection), anew, changes(connection, later))

    # Writing

    def put(self, document: Document, passages: Sequence[Passage], vectors: Sequence[PassageVectors] | None) -> int:
        """Add a document or replace the one of the same id; returns the new generation."""
        return self.put_all([(document, passages, vectors)])

    def put_all(
        self,
        made: Sequence[tuple[Document, Sequence[Passage], Sequence[PassageVectors] | None]],
        origins: Mapping[str, Origin] = MappingProxyType({}),
        fences: Mapping[str, Fence] = MappingProxyType({}),
    ) -> int:
        """Add or replace documents, all of them or none; returns the new generation.

        `origins` has the files that they were read from, by document id: each then belongs to that document alone;
        `fences`, by document id, too, what else may stop one: nothing is stored where one raises.
        Every passage must be a slice of its document; a passage that is not is a bug and raises ValueError.
        Raises DocumentError when a file to be kept has changed since it was read, NameTaken when one that yields would
        take the place of another; nothing is stored then.
        """
        last = {
            document.id: (document, passage_rows_of(document, passages, vectors))
            for document, passages, vectors in made
        }
        with self.changing() as connection:
            for key, (document, _) in last.items():
                if key in fences:
                    fences[key](connection)
                if key in origins:
                    give_way(connection, document, origins[key])
            replaced = originals_of(connection, last)
            judged = feedback_of(connection, last)
            shared = others_of(connection, {key: document.original for key, (document, _) in last.items()})
            removed = [gone for key, one in origins.items() for gone in detach(connection, one.source, keep=key)]
            connection.execute(sa.delete(tables.documents).where(tables.documents.c.id.in_(last)))
            connection.execute(sa.insert(tables.documents), [document_row(one) for one, _ in last.values()])
            _insert(connection, tables.layouts, [row for one, _ in last.values() for row in layout_rows(one)])
            _insert(connection, in_use(connection), [row for _, rows in last.values() for row in rows])
            _insert(connection, tables.feedback, judged)
            for document, _ in last.values():
                origin = origins.get(document.id, Origin(document.source))
                store_sources(connection, [(document.id, origin)])
                _insert(
                    connection,
                    tables.sources,
                    [row for row in shared.get(document.id, ()) if row["source"] != origin.source],
                )
                keep_original(connection, document.original, origin)
                _tag(connection, document.id, document.tags)
            forget_originals(connection, replaced)
            return log_changes(connection, [*last, *(one for one in removed if one not in last)])

    def label(self, document_id: str, collection: str | None, tags: Sequence[str] | None) -> bool:
        """Change a document's collection and tags; None leaves them. False when there is none of that id."""
        with self.write() as connection:
            mine = tables.documents.c.id == document_id
            known = connection.scalar(sa.select(tables.documents.c.id).where(mine)) is not None
            if known and collection is not None:
                connection.execute(sa.update(tables.documents).where(mine).values(collection=as_label(collection)))
            if known and tags is not None:
                connection.execute(sa.delete(tables.tags).where(tables.tags.c.document_id == document_id))
                _tag(connection, document_id, as_labels(tags))
        return known

    def embedded(self, document_id: str, made: Sequence[tuple[Passage, PassageVectors]]) -> int:
        """Store vectors made after the fact; returns the new generation.

        A passage that was replaced meanwhile, even by other text or another title at the same place, keeps what it has.
        """
        with self.changing() as connection:
            passages = in_use(connection)
            for passage, vectors in made:
                columns = passages.c
                titled = sa.select(tables.documents.c.id).where(tables.documents.c.title == passage.title)
                same = (
                    (columns.id == passage.id) & (columns.text == passage.text) & (columns.heading == passage.heading)
                )
                same &= columns.document_id.in_(titled.where(tables.documents.c.id == document_id))
                connection.execute(sa.update(passages).where(same).values(**blobs(vectors)))
            return log_changes(connection, [document_id])

    def remove(self, document_id: str) -> bool:
        """Remove a document with all its passages; False when there is none of that id."""
        with self.changing() as connection:
            files = originals_of(connection, [document_id])
            gone = connection.execute(sa.delete(tables.documents).where(tables.documents.c.id == document_id)).rowcount
            if gone:
                forget_originals(connection, files)
                log_changes(connection, [document_id])
        return bool(gone)

    def compact(self) -> None:
        """Give all free space back to the system. Takes a while, and as much space again meanwhile."""
        with self.lock.held():
            with self.write() as connection:
                clear_next(connection)
            self.rewrite()
        self.checkpoint()

    def rewrite(self) -> None:
        """Write the whole database anew, without what was deleted."""
        self.database.rewrite()

    def checkpoint(self) -> bool:
        """Empty the write-ahead log; False when a reader still needs it."""
        return self.database.checkpoint()

    def close(self) -> None:
        self.database.close()

    def read(self) -> AbstractContextManager[sa.Connection]:
        """One state of everything, for as long as it takes."""
        return self.database.read()

    def write(self) -> AbstractContextManager[sa.Connection]:
        """A transaction, all of it or nothing. Raises IndexLocked when another process writes."""
        return self.database.write()

    @contextmanager
    def changing(self) -> Iterator[sa.Connection]:
        """The same for what is searched. Raises IndexMismatch when the index is not the one that was opened."""
        with self.write() as connection:
            self._checked(connection, *self._fingerprint)
            yield connection

    def note(self, in_turn: bool = False) -> AbstractContextManager[sa.Connection]:
        """A transaction for what is not searched, which waits for no other process to finish its work; `in_turn`, when
        what it changes may be changed by others at that moment."""
        return self.database.note(in_turn)


def _insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, object]]) -> None:
    if rows:
        connection.execute(sa.insert(table), rows)


def _tag(connection: sa.Connection, document_id: str, tags: Sequence[str]) -> None:
    _insert(connection, tables.tags, [{"document_id": document_id, "tag": tag} for tag in dict.fromkeys(tags)])


def _format(found: Mapping[str, str]) -> int:
    """As it stands; a later one than ours, or none at all, is refused by `_checked`."""
    return int(found["format"]) if found.get("format", "").isdecimal() else tables.FORMAT + 1
