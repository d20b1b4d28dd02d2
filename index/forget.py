"""Documents removed without a trace: from the catalogue, its file and its log, the search index, and what was uploaded.

A removal that is to leave no trace is noted in the catalogue (`meta`) in the same transaction. What is left to do then
is done in two steps, by whichever processes can, and after a crash by those that open the library next: the process
that keeps the search index purges it and notes so; then the database is written anew and its log is emptied.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from index import tables
from index.catalogue import Catalogue
from index.engine import Engine
from index.errors import Conflict, IndexLocked, StoreError
from index.history import UNLOGGED, log_changes, meta_of, stamp_fingerprint, stamp_of
from index.search import Searcher
from index.sources import forget_originals, originals_of
from index.store import FolderStore, Store

PATIENCE = 60.0
"""Seconds that other processes have for their part."""
LEFT = 3_600.0
"""Seconds after which an upload that nobody acknowledged was given up: a crash came between."""
_FORGOTTEN, _PURGED, _CLEARED = "forgotten", "purged", "cleared"
"""In `meta`: the state (`_Marks`) with the last such removal; the one as of which the search index has no traces; the
one as of which nothing has."""
_PAUSE = 0.1
_UPLOADS = "uploads"
"""The folder of the store in which files wait."""

_Row = sa.Row[Any]


@dataclass(frozen=True, slots=True)
class _Marks:
    """States of the catalogue, as `generation token`, see above."""

    forgotten: str
    purged: str
    cleared: str

    @property
    def pending(self) -> bool:
        return self.cleared != self.forgotten

    @property
    def generation(self) -> int:
        return int(self.forgotten.partition(" ")[0])


class Forgetting:
    """Of one data folder. `index` opens the search index. Safe to use from several threads and processes."""

    def __init__(self, catalogue: Catalogue, index: Callable[[], tuple[Searcher, Engine]]) -> None:
        self._catalogue = catalogue
        self._index = index
        self._turn = threading.Lock()
        self._rewritten = ""

    @property
    def _files(self) -> Store:
        """Where uploads wait."""
        return self._catalogue.sources.store or FolderStore(self._catalogue.folder)

    def known(self, name: str) -> str | None:
        """The id of the document of that id or source, be it one that was removed and left traces."""
        with self._catalogue.read() as connection:
            return _of_source(connection, name) or (name if _known(connection, [name]) else None)

    def forget(self, *document_ids: str) -> list[str]:
        """Remove documents with every trace, also of those that were removed before; the ids of which there were any.

        Raises Conflict, and does nothing, while one of them is being taken in; IndexLocked when they are removed, but
        another process keeps traces of them for now.
        """
        with self._catalogue.changing() as connection:
            found = _known(connection, document_ids)
            if found:
                self._remove(connection, found)
        self._until_done()
        return found

    def go_on(self) -> bool:
        """Do what is left to do and can be done here; True when nothing is left."""
        with self._turn:
            marks = self._marks()
            return not marks.pending or ((marks.purged == marks.forgotten or self._purge(marks)) and self._clear(marks))

    def _marks(self) -> _Marks:
        with self._catalogue.read() as connection:
            found = meta_of(connection)
        return _Marks(*(found.get(key, "0") for key in (_FORGOTTEN, _PURGED, _CLEARED)))

    def _until_done(self) -> None:
        end = time.monotonic() + PATIENCE
        while True:
            why = "the process that keeps the search index has not purged it, or another one reads an old state"
            try:
                if self.go_on():
                    return
            except IndexLocked as error:
                why = error.message
            if time.monotonic() > end:
                raise IndexLocked(
                    f"what was to be forgotten is removed, but traces of it are left: {why}",
                    "Leave it to the service, which goes on with it, or stop all that uses this folder and forget it "
                    "again.",
                )
            time.sleep(_PAUSE)

    def _remove(self, connection: sa.Connection, document_ids: Sequence[str]) -> None:
        self._remove_from_jobs(connection, document_ids)
        files = originals_of(connection, document_ids)
        connection.execute(sa.delete(tables.documents).where(tables.documents.c.id.in_(document_ids)))
        forget_originals(connection, files)
        log_changes(connection, document_ids)
        stamp_fingerprint(connection, {_FORGOTTEN: "{} {}".format(*stamp_of(connection))})

    def _remove_from_jobs(self, connection: sa.Connection, document_ids: Sequence[str]) -> None:
        """What jobs tell of these documents. Raises Conflict when one of them is still to be taken in."""
        rows = _job_files(connection, document_ids)
        waiting = [row for row in rows if row.state not in _OVER] + self._waiting_texts(connection, document_ids)
        if waiting:
            raise Conflict(f"{waiting[0].name} is just being taken in", "Forget it when that is done; see GET /jobs.")
        files, jobs = tables.job_files.c, tables.jobs.c
        for row in rows:
            self._files.remove(_upload(row))  # where a crash has left it
            mine = (files.job_id == row.job_id) & (files.number == row.number)
            connection.execute(sa.delete(tables.job_files).where(mine))
        empty = jobs.id.in_({row.job_id for row in rows}) & jobs.id.not_in(sa.select(files.job_id))
        connection.execute(sa.delete(tables.jobs).where(empty))

    def _waiting_texts(self, connection: sa.Connection, document_ids: Collection[str]) -> list[_Row]:
        """Texts that were sent under these ids, and are not taken in yet; those of a version that noted no subject are
        looked into."""
        files = tables.job_files.c
        query = sa.select(files.job_id, files.number, files.name, files.subject).where(
            files.state.not_in(_OVER),
            files.request["kind"].as_string() == "text",
            (files.subject == "") | files.subject.in_(document_ids),
        )
        rows: list[_Row] = list(connection.execute(query))
        return [row for row in rows if (row.subject or _id_of_text(self._files, _upload(row))) in document_ids]

    def _purge(self, marks: _Marks) -> bool:
        """Take what was removed out of the search index, where this process keeps it."""
        searcher, engine = self._index()
        if not engine.take_over():
            return False
        searcher.refresh()
        if engine.stamp.generation < marks.generation or not engine.maintain(everything=True):
            return False
        with self._catalogue.note(in_turn=True) as connection:
            stamp_fingerprint(connection, {_PURGED: marks.forgotten})
        return True

    def _clear(self, marks: _Marks) -> bool:
        """Take it out of the log of changes, the free pages of the database, its write-ahead log, and the uploads.

        What a server keeps besides its tables (its log, replicas, archives) is out of reach.
        """
        database = self._catalogue.database
        with database.mutex("forget") if database.shared else nullcontext():
            if self._rewritten != marks.forgotten:
                with database.held():
                    if self._marks().cleared == marks.forgotten:  # by another process, meanwhile
                        return True
                    with database.write() as connection:
                        _unlog(connection, marks.generation)
                    self._sweep()
                    while self._catalogue.sources.sweep():
                        pass
                    self._catalogue.rewrite()
                self._rewritten = marks.forgotten
            if not self._catalogue.checkpoint():
                return False
            with database.note(in_turn=True) as connection:
                stamp_fingerprint(connection, {_CLEARED: marks.forgotten})
        return True

    def _sweep(self) -> None:
        """Delete uploads that were never acknowledged, since a crash came between."""
        with self._catalogue.read() as connection:
            known = set(connection.scalars(sa.select(tables.jobs.c.id)))
        left = [name for name, age in self._files.ages(_UPLOADS) if name not in known and age > LEFT]
        for name in left:
            self._files.clear(f"{_UPLOADS}/{name}")


_OVER = ("done", "failed")
"""States of the files of a job that are not touched any more."""
_REPORTED = tables.job_files.c.outcome["report"]["document_id"].as_string()
_SENT_AS = tables.job_files.c.request["source"].as_string()


def pending(connection: sa.Connection) -> bool:
    """Whether traces of what was forgotten are left to be removed."""
    found = meta_of(connection)
    return found.get(_CLEARED, "0") != found.get(_FORGOTTEN, "0")


def _of_source(connection: sa.Connection, source: str) -> str | None:
    """The id of the document that came from a file, or that a job tells to have come from there."""
    stored = sa.select(tables.sources.c.document_id).where(tables.sources.c.source == source)
    reported = tables.job_files.c.outcome["report"]["source"].as_string() == source
    told = sa.select(_REPORTED).where(reported, ~sa.exists().where(tables.documents.c.id == _REPORTED))
    found: str | None = connection.scalar(stored.limit(1)) or connection.scalar(told.limit(1))
    return found


def _known(connection: sa.Connection, document_ids: Sequence[str]) -> list[str]:
    """Those of some ids that are of stored documents, or of removed ones that the log or a job still names."""
    columns = tables.documents.c.id, tables.changes.c.document_id, _REPORTED
    found = {one for column in columns for one in connection.scalars(sa.select(column).where(column.in_(document_ids)))}
    return [one for one in dict.fromkeys(document_ids) if one in found]


def _job_files(connection: sa.Connection, document_ids: Sequence[str]) -> list[_Row]:
    """The files of jobs that became these documents, or are called like them and became no other one."""
    files, documents = tables.job_files.c, tables.documents.c
    titles = connection.scalars(sa.select(documents.title).where(documents.id.in_(document_ids))).all()
    sources = connection.scalars(
        sa.select(tables.sources.c.source).where(tables.sources.c.document_id.in_(document_ids))
    ).all()
    names = {*document_ids, *titles, *sources}
    other = _REPORTED.in_(sa.select(documents.id))
    called = (files.name.in_(names) | _SENT_AS.in_(names)) & (_REPORTED.is_(None) | ~other)
    query = sa.select(files.job_id, files.number, files.name, files.state)
    return list(connection.execute(query.where(_REPORTED.in_(document_ids) | called)))


def _upload(row: _Row) -> str:
    return f"{_UPLOADS}/{row.job_id}/{row.number}"


def _id_of_text(files: Store, key: str) -> str | None:
    """None for one that has gone: it is taken in."""
    try:
        found: str | None = json.loads(files.read(key)).get("id")
    except StoreError:
        return None
    return found


def _unlog(connection: sa.Connection, generation: int) -> None:
    """Drop removed documents from the log of changes; an engine that has not seen that they went starts anew."""
    changes = tables.changes.c
    there = sa.exists().where(tables.documents.c.id == changes.document_id)
    removed = ~there & (changes.generation <= generation)
    connection.execute(sa.delete(tables.changes).where(removed))
    stamp_fingerprint(connection, {UNLOGGED: str(generation)})
