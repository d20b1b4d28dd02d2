"""Where documents came from: the same content is stored once, with every file that holds it.

`Sources` is what others use; the functions below it work inside a transaction of the catalogue's.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import sqlalchemy as sa

from index import tables
from index.errors import DocumentError, NameTaken, StorageError, Twin
from index.history import log_changes
from index.rows import DocumentSummary, to_summary
from index.store import Store, durably
from index.types import Document

Fence = Callable[[sa.Connection], None]
"""Called in the transaction that stores a file; raises what stops it when the file is not to be stored any more."""
_LOOKED = 100
"""Files that no document is of, looked for at a time."""
_SWEPT = 10
"""Files removed from a store in one turn, for which other writers wait."""
_TORN = 3_600.0
"""Seconds after which a file that was not written to its end was given up, and between two looks for such."""
_FOLDER = "originals"
"""The folder of the store in which originals are."""
_UNUSED = ~sa.exists().where(tables.documents.c.original == tables.originals.c.sha256)
"""Of originals: no document is of it. PostgreSQL would look at all documents for each original with NOT IN."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The file that a document was read from.

    `root` is the watched folder that it is kept equal to, if any; `reader` the version of the loaders; `file` is
    where its bytes are now, when they are to be kept, in the `store` if there is one, and `name` what they are called.
    With `yields` it never takes the place of a file of other content; one that is `single` is not stored where another
    document has its content by now.
    """

    source: str
    name: str = ""
    root: str = ""
    reader: int = 0
    file: Path | None = None
    yields: bool = False
    single: bool = False
    store: Store | None = None
    fence: Fence | None = None


class Known(NamedTuple):
    """A document that holds a file's content, or that a source belongs to."""

    document_id: str
    original: str
    reader: int
    root: str
    sources: int
    """How many files it came from."""


@dataclass(frozen=True, slots=True)
class Original:
    """A file as it came in."""

    name: str
    media_type: str
    bytes: bytes


class Sources:
    """The files of a catalogue's documents. `read` and `changing` open its transactions.

    Originals are kept in the `store`, where one is set; the table of originals then has a row without bytes for each.
    A row that no document is of tells of content that is to be removed, by `sweep`, or that is about to be stored.
    """

    store: Store | None = None

    def __init__(
        self,
        read: Callable[[], AbstractContextManager[sa.Connection]],
        changing: Callable[[], AbstractContextManager[sa.Connection]],
    ) -> None:
        self._read = read
        self._changing = changing
        self._tidied = -math.inf

    def of(self, source: str) -> Known | None:
        """The document of a file; a text added under that name without a file is none."""
        own, documents = tables.sources.alias(), tables.documents
        count = sa.select(sa.func.count()).where(tables.sources.c.document_id == own.c.document_id).scalar_subquery()
        query = (
            sa.select(own.c.document_id, documents.c.original, own.c.reader, own.c.root, count)
            .join(documents, documents.c.id == own.c.document_id)
            .where(own.c.source == source, documents.c.original != "")
            .limit(1)
        )
        with self._read() as connection:
            row = connection.execute(query).first()
        return Known(*row) if row else None

    def holding(self, original: str, reader: int) -> str | None:
        """The document with the content of a file (its SHA-256), as that version of the loaders read it."""
        documents, rows = tables.documents.c, tables.sources.c
        query = sa.select(documents.id).join(tables.sources, rows.document_id == documents.id)
        with self._read() as connection:
            found: str | None = connection.scalar(query.where(documents.original == original, rows.reader == reader))
        return found

    def taken(self, source: str, document: Document) -> bool:
        """Whether a document, called so, would take the place of a file of other content."""
        with self._read() as connection:
            return is_taken(connection, source, document.id, document.original)

    def under(self, root: str) -> dict[str, str]:
        """The files of a watched folder that are stored, and the SHA-256 of each."""
        query = (
            sa.select(tables.sources.c.source, tables.documents.c.original)
            .join(tables.documents, tables.documents.c.id == tables.sources.c.document_id)
            .where(tables.sources.c.root == root)
        )
        with self._read() as connection:
            return {row.source: row.original for row in connection.execute(query)}

    def original(self, document_id: str) -> Original | None:
        """The file that a document was read from, where it is kept. Raises StorageError when the store does not give
        it."""
        documents, files = tables.documents.c, tables.originals.c
        query = (
            sa.select(files.sha256, files.name, documents.media_type, files.bytes)
            .join(tables.documents, documents.original == files.sha256)
            .where(documents.id == document_id)
        )
        with self._read() as connection:
            row = connection.execute(query).first()
        return Original(row.name, row.media_type, row.bytes or self.content(row.sha256, row.name)) if row else None

    def content(self, sha256: str, name: str) -> bytes:
        """An original that is in the store. Raises StorageError when it is not there, or not the one that came in."""
        if self.store is None:
            raise StorageError(f"{name} is kept outside of the catalogue", "Set QA_FILES to where it was when it came.")
        data = self.store.read(_key(sha256))
        if hashlib.sha256(data).hexdigest() != sha256:
            message = f"the file {name} in {self.store.name} is not the one that came in (SHA-256)"
            hint = "Bring back the store from a backup, or remove the document and index it again."
            raise StorageError(message, hint)
        return data

    def announce(self, coming: Mapping[str, Origin]) -> None:
        """Put files that are about to be stored, by SHA-256, into the store, so that the transaction that stores them
        is short. What a crash leaves of them has a row, and is swept away."""
        files = {sha256: one.file for sha256, one in coming.items() if one.file}
        if self.store is None or not files:
            return
        known = tables.originals.c.sha256
        with self._changing() as connection:
            there = set(connection.scalars(sa.select(known).where(known.in_(files))))
            rows = [_original(sha256, coming[sha256], b"") for sha256 in files if sha256 not in there]
            if rows:
                connection.execute(sa.insert(tables.originals), rows)
        for sha256, file in files.items():
            with suppress(OSError):  # it is told when it is stored
                data = file.read_bytes()
                if self.store.size(_key(sha256)) != len(data) and hashlib.sha256(data).hexdigest() == sha256:
                    self.store.write(_key(sha256), durably(data))

    def sweep(self) -> int:
        """Remove from the store what no document is of any more, some of it at a time; how many files that were."""
        if self.store is None:
            return 0
        if time.monotonic() > self._tidied + _TORN:
            self._tidied = time.monotonic()
            self.store.tidy(_FOLDER, _TORN)
        files = tables.originals.c
        unused = (sa.func.length(files.bytes) == 0) & _UNUSED
        with self._read() as connection:
            found = list(connection.scalars(sa.select(files.sha256).where(unused).limit(_LOOKED)))
        return sum(self._remove(found[start : start + _SWEPT]) for start in range(0, len(found), _SWEPT))

    def _remove(self, sha256s: Sequence[str]) -> int:
        """Remove those of some files that no document is of still; how many that were."""
        assert self.store
        files = tables.originals.c
        with self._changing() as connection:  # whoever stores such a content takes this turn, too, and looks for it
            found = list(connection.scalars(sa.select(files.sha256).where(files.sha256.in_(sha256s), _UNUSED)))
            for sha256 in found:
                self.store.remove(_key(sha256))
            connection.execute(sa.delete(tables.originals).where(files.sha256.in_(found)))
        return len(found)

    def join(self, joining: Sequence[tuple[str, Origin]]) -> set[str]:
        """Note that documents also came from other files; what those files held before is let go, after all have
        joined, so that files may change places. One that `yields` joins none where it held something before, be it
        since an earlier one of these. The ids of the documents that are still there."""
        if not joining:
            return set()
        ids = tables.documents.c.id
        with self._changing() as connection:
            there = set(connection.scalars(sa.select(ids).where(ids.in_({one for one, _ in joining}))))
            kept = list[tuple[str, Origin]]()
            for document_id, origin in joining:
                if origin.fence:
                    origin.fence(connection)
                stays = origin.yields and _holds_other(connection, origin.source, document_id)
                if document_id in there and not stays:
                    attach(connection, document_id, origin)
                    kept.append((document_id, origin))
            removed = [gone for key, origin in kept for gone in detach(connection, origin.source, keep=key)]
            if kept:
                log_changes(connection, list(dict.fromkeys([*there, *removed])))
        return there

    def let_go(self, source: str) -> bool:
        """A file is gone: its document goes with it, unless it came from another file too. False when unknown."""
        known = self.of(source)
        if known:
            with self._changing() as connection:
                log_changes(connection, detach(connection, source) or [known.document_id])
        return known is not None


def detach(connection: sa.Connection, source: str, keep: str = "") -> list[str]:
    """A file is gone, or of other content now: take it from its documents, and remove those it was the last of.

    Documents that are removed; `keep` names one that is left alone.
    """
    documents, rows, removed = tables.documents, tables.sources, list[str]()
    query = (
        sa.select(rows.c.document_id, documents.c.original)
        .join(documents, documents.c.id == rows.c.document_id)
        .where(rows.c.source == source, documents.c.original != "", rows.c.document_id != keep)
    )
    for document_id, original in connection.execute(query).all():
        connection.execute(sa.delete(rows).where(rows.c.document_id == document_id, rows.c.source == source))
        others = sa.select(rows.c.source).where(rows.c.document_id == document_id).order_by(rows.c.source).limit(1)
        other = connection.scalar(others)
        if other is None:
            connection.execute(sa.delete(documents).where(documents.c.id == document_id))
            forget_originals(connection, [original])
            removed.append(document_id)
        else:
            connection.execute(sa.update(documents).where(documents.c.id == document_id).values(source=other))
    return removed


def _holds_other(connection: sa.Connection, source: str, document_id: str) -> bool:
    """Whether a file's name is that of another document, which was read from a file."""
    rows, documents = tables.sources.c, tables.documents
    query = sa.select(rows.document_id).join(documents, documents.c.id == rows.document_id)
    others = query.where(rows.source == source, rows.document_id != document_id, documents.c.original != "")
    return connection.scalar(others.limit(1)) is not None


def is_taken(connection: sa.Connection, source: str, document_id: str, original: str) -> bool:
    """Whether a document of this id, read from a file of this name and content, would take the place of another."""
    stored = connection.scalar(sa.select(tables.documents.c.original).where(tables.documents.c.id == document_id))
    return stored not in (None, original) or _holds_other(connection, source, document_id)


def give_way(connection: sa.Connection, document: Document, origin: Origin) -> None:
    """Raises NameTaken when a file that yields would take the place of another, Twin when one that is to be single is
    stored by now, and what its fence raises."""
    if origin.fence:
        origin.fence(connection)
    documents = tables.documents.c
    held = (documents.original == document.original) & (documents.id != document.id)
    read = sa.select(documents.id).join(tables.sources, tables.sources.c.document_id == documents.id)
    if origin.single and document.original:
        twin = connection.scalar(read.where(held, tables.sources.c.reader == origin.reader).limit(1))
        if twin is not None:
            raise Twin(f"{origin.source} was stored meanwhile, as another file", "Index it again.", twin)
    if origin.yields and is_taken(connection, origin.source, document.id, document.original):
        raise name_taken(origin.source)


def name_taken(source: str) -> NameTaken:
    return NameTaken(
        f"another file called {source} is in the library",
        'Set existing to "replace" to replace that one, or to "keep" to keep both.',
    )


def others_of(connection: sa.Connection, originals: Mapping[str, str]) -> dict[str, list[dict[str, object]]]:
    """The rows of the files of documents, by id, whose content stays the same (`originals`: SHA-256 by id)."""
    rows, documents = tables.sources, tables.documents.c
    query = sa.select(rows, documents.original).join(tables.documents, documents.id == rows.c.document_id)
    found: dict[str, list[dict[str, object]]] = {}
    for row in connection.execute(query.where(rows.c.document_id.in_(originals))).mappings():
        if row["original"] and row["original"] == originals[row["document_id"]]:
            kept = {column.name: row[column.name] for column in rows.c}
            found.setdefault(row["document_id"], []).append(kept)
    return found


def attach(connection: sa.Connection, document_id: str, origin: Origin) -> None:
    """Note that a document also came from this file, and keep that where it is to be kept."""
    rows, documents = tables.sources, tables.documents.c
    same = (rows.c.document_id == document_id) & (rows.c.source == origin.source)
    connection.execute(sa.delete(rows).where(same))
    connection.execute(sa.insert(rows), _row(document_id, origin))
    original = connection.scalar(sa.select(documents.original).where(documents.id == document_id))
    if original:
        keep_original(connection, original, origin)


def keep_original(connection: sa.Connection, sha256: str, origin: Origin) -> None:
    """Store the file's bytes. Raises DocumentError when they are not those that were read."""
    if origin.file is None:
        return
    mine = tables.originals.c.sha256 == sha256
    stored = connection.scalar(sa.select(tables.originals.c.bytes).where(mine))
    if stored and hashlib.sha256(stored).hexdigest() == sha256:
        return
    if stored == b"" and origin.store and origin.store.size(_key(sha256)) == _size(origin.file):
        return
    try:
        data = origin.file.read_bytes()
    except OSError as error:
        raise DocumentError(f"{origin.source} cannot be read: {error.strerror}", "Index it again.") from error
    if hashlib.sha256(data).hexdigest() != sha256:
        raise DocumentError(f"{origin.source} was changed while it was read", "Index it again.")
    if origin.store and origin.store.size(_key(sha256)) != len(data):
        origin.store.write(_key(sha256), durably(data))
    connection.execute(sa.delete(tables.originals).where(mine))
    connection.execute(sa.insert(tables.originals), _original(sha256, origin, b"" if origin.store else data))


def _original(sha256: str, origin: Origin, data: bytes) -> dict[str, object]:
    return {"sha256": sha256, "name": origin.name or (origin.file.name if origin.file else ""), "bytes": data}


def _size(file: Path) -> int:
    """-1 for one that has gone."""
    try:
        return file.stat().st_size
    except OSError:
        return -1


def _key(sha256: str) -> str:
    return f"{_FOLDER}/{sha256}"


def forget_originals(connection: sa.Connection, sha256s: Collection[str]) -> None:
    """Delete files that no document is of any more; of those in a store the rows stay until it is swept."""
    files = tables.originals.c
    gone = files.sha256.in_([one for one in sha256s if one]) & (sa.func.length(files.bytes) > 0)
    connection.execute(sa.delete(tables.originals).where(gone, _UNUSED))


def originals_of(connection: sa.Connection, document_ids: Collection[str]) -> list[str]:
    """The SHA-256 of the files of these documents."""
    query = sa.select(tables.documents.c.original).where(tables.documents.c.id.in_(document_ids))
    return [one for one in connection.scalars(query) if one]


def store_sources(connection: sa.Connection, origins: Iterable[tuple[str, Origin]]) -> None:
    rows = [_row(document_id, origin) for document_id, origin in origins if origin.source]
    if rows:
        connection.execute(sa.insert(tables.sources), rows)


def grouped(
    connection: sa.Connection, column: sa.Column[str], document_ids: Collection[str]
) -> Mapping[str, list[str]]:
    """The values of a column of `tags` or `sources` by document, in order."""
    of = column.table.c.document_id
    found: dict[str, list[str]] = {}
    query = sa.select(of, column).where(of.in_(document_ids)).order_by(column)
    for document_id, value in connection.execute(query):
        found.setdefault(document_id, []).append(value)
    return found


def summaries_of(connection: sa.Connection, query: sa.Select[Any]) -> list[DocumentSummary]:
    """The documents of a query made of `summary_rows`, with their tags and sources."""
    rows = connection.execute(query).all()
    found: list[DocumentSummary] = []
    for start in range(0, len(rows), 5_000):  # SQLite takes so many ids in a statement
        some = rows[start : start + 5_000]
        ids = [row.id for row in some]
        tags, sources = (grouped(connection, one, ids) for one in (tables.tags.c.tag, tables.sources.c.source))
        found += [to_summary(row, tags.get(row.id, ()), sources.get(row.id, ())) for row in some]
    return found


def _row(document_id: str, origin: Origin) -> dict[str, object]:
    return {"document_id": document_id, "source": origin.source, "root": origin.root, "reader": origin.reader}
