"""Looking after a catalogue: is it sound, a copy of it, and a copy put back."""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from index import files, tables
from index.catalogue import Catalogue
from index.errors import StorageError, UsageError
from index.history import advance, in_use

_PARTIAL = ".partial"


def verify(catalogue: Catalogue, engine_folder: Path) -> Iterator[str]:
    """What is wrong, a line each: the database, documents, their passages and feedback, files, the search index.

    Of the database, a file is looked at page by page; a server keeps its own files, and pg_amcheck looks at these.
    """
    with catalogue.read() as connection, ExitStack() as stack:
        for problem in catalogue.database.damage(connection):
            yield f"{catalogue.database.name}: {problem}"
        passages = in_use(connection)
        every = connection.execute(sa.select(tables.documents).execution_options(yield_per=100))
        for document in stack.enter_context(every):
            name = f"document {document.id} ({document.title})"
            if hashlib.sha256(document.text.encode("utf-8", "surrogatepass")).hexdigest() != document.sha256:
                yield f"{name}: its text is not the one that was stored (SHA-256)"
            query = sa.select(passages).where(passages.c.document_id == document.id)
            for passage in connection.execute(query):
                if passage.text != document.text[passage.start : passage.end]:
                    yield f"{name}: passage {passage.id} is not a slice of it"
                if passage.vector is not None and not _sound(passage):
                    yield f"{name}: passage {passage.id} has a damaged vector"
            judged = tables.feedback.c
            said = sa.select(tables.feedback).where(judged.document_id == document.id, judged.sha256 == document.sha256)
            for one in connection.execute(said):
                if one.quote != document.text[one.start : one.end]:
                    yield f"{name}: feedback {one.id} quotes what does not stand there"
        wanted = set(connection.scalars(sa.select(tables.documents.c.original)))
        kept = connection.execute(sa.select(tables.originals).execution_options(yield_per=10))
        for file in stack.enter_context(kept):
            if not file.bytes and file.sha256 not in wanted:
                continue  # it is about to be stored, or to go
            try:
                content = file.bytes or catalogue.sources.content(file.sha256, file.name)
            except StorageError as error:
                yield error.message
                continue
            if hashlib.sha256(content).hexdigest() != file.sha256:
                yield f"the stored file {file.name} is not the one that came in (SHA-256)"
    try:
        saved = files.load(engine_folder)
        if saved and not catalogue.knows(saved.stamp):
            yield f"{engine_folder}: belongs to another catalogue; it is made again at the next start"
    except files.Damaged as error:
        yield f"{engine_folder}: {error}; it is made again at the next start"


def _sound(passage: sa.Row[tuple[object, ...]]) -> bool:
    vector, rows = np.frombuffer(passage.vector, "<f4"), np.frombuffer(passage.sentence_vectors, "<f2")
    return abs(float(vector @ vector) - 1) < 1e-3 and len(rows) == len(vector) * len(passage.sentences)


def _refuse_shared(catalogue: Catalogue) -> None:
    if catalogue.database.shared:
        raise UsageError(
            f"the documents are in {catalogue.database.name}, which is backed up by its own means",
            "Use pg_dump and pg_restore; `qa migrate` copies the documents to a data folder, and back.",
        )


def backup(catalogue: Catalogue, target: Path) -> None:
    """A copy in one file, of one state, while others read and write. Raises StorageError; an old file is kept.
    Raises UsageError where the documents are on a server."""
    _refuse_shared(catalogue)
    if target.exists():
        raise StorageError(f"{target} is there already", "Name a new file, or delete that one first.")
    partial = target.with_name(target.name + _PARTIAL)
    try:
        with closing(sqlite3.connect(catalogue.path)) as source, closing(sqlite3.connect(partial)) as copy:
            source.backup(copy)
            copy.execute("PRAGMA journal_mode=DELETE").fetchall()
        with partial.open("rb") as written:
            os.fsync(written.fileno())
        partial.rename(target)
    except (sqlite3.Error, OSError) as error:
        raise StorageError(f"{target} cannot be written: {error}", "Choose another place for the backup.") from error
    finally:
        partial.unlink(missing_ok=True)


def restore(catalogue: Catalogue, source: Path, replace: bool = False) -> None:
    """Put a backup in the place of everything stored, in one transaction; processes that are open go on with it.

    Raises StorageError: not a sound backup, or something is stored and `replace` is false; UsageError where the
    documents are on a server.
    """
    _refuse_shared(catalogue)
    if not catalogue.empty() and not replace:
        raise StorageError(
            f"documents are stored in {catalogue.folder}", "Choose an empty QA_DATA, or replace them all: --replace"
        )
    try:
        with closing(sqlite3.connect(f"{source.absolute().as_uri()}?mode=ro", uri=True)) as copy:
            if copy.execute("PRAGMA integrity_check").fetchone() != ("ok",):
                raise StorageError(f"{source} is damaged", "Restore another backup; nothing was changed.")
            found = dict(copy.execute("SELECT key, value FROM meta").fetchall())
            if not found.get("format", "").isdecimal() or int(found["format"]) > tables.FORMAT:
                raise StorageError(
                    f"{source} has format {found.get('format')}, this version reads up to {tables.FORMAT}",
                    "Use the version that wrote it; nothing was changed.",
                )
            with catalogue.lock.held(), closing(sqlite3.connect(catalogue.path)) as target:
                copy.backup(target)
    except sqlite3.Error as error:
        raise StorageError(f"{source} is not a backup: {error}", "Nothing was changed.") from error
    catalogue.migrate()
    with catalogue.write() as connection:
        advance(connection)  # whatever searched the old state starts afresh
