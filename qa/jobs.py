"""What was sent to the service, taken in in the background, in order; a restart goes on where it was.

A job's files wait in the store of files, its rows in the catalogue, until each is done: what was acknowledged is
on the disk before. Who takes in which of them says `qa.queue`.
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from index import tables
from index.catalogue import Catalogue
from index.errors import QAError, StorageError, StoreError
from index.ingest import Ingest
from index.load.draft import Options
from index.lock import gone
from index.store import FolderStore, Store
from qa.logs import request_id
from qa.queue import OPEN, open_queue
from qa.shared import Shared
from qa.taking import UPLOADS, Taking, upload

State = Literal["queued", "reading", "embedding", "done", "failed"]
TORN = 3_600.0
"""Seconds after which an upload that nobody acknowledged was given up: a crash came between."""
KEPT = 200
"""Finished jobs that are remembered."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file, or a text, that was sent. `write` puts its content at a path; `request` is its JSON (see `_request`).

    `subject` is what it becomes, its source or its document's id: of one subject, what was sent first comes first.
    `password` opens an encrypted file; it is kept apart, only until the file was taken in or failed, see `qa.shared`.
    """

    name: str
    request: dict[str, Any]
    write: Callable[[Path], object]
    password: str | None = None
    subject: str = ""


@dataclass(frozen=True, slots=True)
class JobFile:
    """How far a file is. `share` of its present stage is done; `report` when it is done, `error` (`code`, `message`,
    `hint`) when it failed."""

    name: str
    state: State
    share: float
    report: dict[str, Any] | None
    error: dict[str, str] | None


@dataclass(frozen=True, slots=True)
class Job:
    """Files that were sent together. `state` is "done" when all are done or failed; times are seconds since 1970."""

    id: str
    state: Literal["queued", "running", "done"]
    created_at: float
    finished_at: float | None
    files: list[JobFile]


def _shown(row: sa.Row[Any], told: tuple[str, float] | None) -> JobFile:
    state, share = told or (row.state, 0.0)
    if row.state not in OPEN:
        state, share = row.state, 1.0
    outcome = row.outcome or {}
    return JobFile(row.name, state, round(share, 3), outcome.get("report"), outcome.get("error"))  # type: ignore[arg-type]


class Jobs:
    """Takes jobs, and with `takes` does them, too, in a thread of its own. `after` is called when something was stored.

    What was sent waits in `files`, by default in the data folder.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        ingest: Ingest,
        options: Options,
        after: Callable[[], object],
        shared: Shared,
        files: Store | None = None,
        takes: bool = True,
    ) -> None:
        self._catalogue = catalogue
        self._files = files or FolderStore(catalogue.folder)
        self._shared = shared
        self._queue = open_queue(catalogue)
        self._taking = Taking(catalogue, ingest, options, after, shared, self._files, self._queue) if takes else None
        self._starting = threading.Lock()
        self._started = False
        self.closing = False

    def start(self) -> None:
        """Go on with what was not done when the service ended."""
        with self._starting:
            if not self._started:
                self._started = True
                self._prune()
                if self._taking:
                    self._taking.start()

    def add(self, items: Sequence[Item]) -> Job:
        """Acknowledged once it returns: the contents are on the disk."""
        job_id = secrets.token_hex(8)
        try:
            if not self._catalogue.database.there():
                raise gone(Path(self._catalogue.database.name))
            rows = [self._kept(job_id, number, item) for number, item in enumerate(items)]
            with self._catalogue.note() as connection:
                created = {"id": job_id, "created_at": self._queue.now(connection)}
                connection.execute(sa.insert(tables.jobs), created)
                connection.execute(sa.insert(tables.job_files), rows)
        except BaseException as error:
            self._take_back(job_id, len(items))
            cause = error.__cause__ if isinstance(error, StoreError) else error
            if isinstance(cause, OSError):
                message = f"what was sent cannot be kept in {self._files.name}: {cause.strerror or cause}"
                raise StorageError(
                    message, "Free some space on its disk, or let it be written, and send it again."
                ) from error
            raise
        if self._taking:
            self._taking.news.set()
        found = self.get(job_id)
        assert found is not None
        return found

    def _kept(self, job_id: str, number: int, item: Item) -> dict[str, Any]:
        """The row of a file, whose content is in the store."""
        asked_by = request_id()
        self._files.write(upload(job_id, number), item.write)
        if item.password:
            self._shared.keep_password(job_id, number, item.password)
        request = item.request | ({"request_id": asked_by} if asked_by else {})
        row = {"job_id": job_id, "number": number, "name": item.name, "state": "queued"}
        return row | {"request": request, "subject": item.subject}

    def _take_back(self, job_id: str, count: int) -> None:
        """What cannot be taken back is swept away later."""
        with suppress(QAError):
            self._files.clear(f"{UPLOADS}/{job_id}")
            for number in range(count):
                self._shared.forget(job_id, number)

    def get(self, job_id: str) -> Job | None:
        with self._catalogue.read() as connection:
            row = connection.execute(sa.select(tables.jobs).where(tables.jobs.c.id == job_id)).first()
            query = sa.select(tables.job_files).where(tables.job_files.c.job_id == job_id)
            files = connection.execute(query.order_by(tables.job_files.c.number)).all() if row else []
        if row is None:
            return None
        told = self._shared.reports(job_id) if row.finished_at is None else {}
        shown = [_shown(file, told.get(file.number)) for file in files]
        begun = any(file.state != "queued" for file in shown)
        state = "done" if row.finished_at else "running" if begun else "queued"
        return Job(row.id, state, row.created_at, row.finished_at, shown)  # type: ignore[arg-type]

    def recent(self, limit: int = 20) -> list[Job]:
        """The latest, the newest first."""
        query = sa.select(tables.jobs.c.id).order_by(tables.jobs.c.created_at.desc()).limit(limit)
        with self._catalogue.read() as connection:
            ids = list(connection.scalars(query))
        return [job for one in ids if (job := self.get(one))]

    def is_over(self, job_id: str) -> bool:
        """Also that of a job which another process has done, or forgotten."""
        query = sa.select(tables.jobs.c.id).where(tables.jobs.c.id == job_id, tables.jobs.c.finished_at.is_(None))
        with self._catalogue.read() as connection:
            return connection.scalar(query) is None

    def drain(self) -> None:
        """Begin to end: whoever waits for a job is told how far it is."""
        self.closing = True  # without waiting for a lock: it is called where everybody else would wait too
        if self._taking:
            self._taking.closing = True

    def close(self) -> None:
        """Stop after the file at hand; the rest goes on at the next start, or with another process."""
        self.drain()
        if self._taking is None or self._taking.close():
            self._queue.close()

    @property
    def counts(self) -> tuple[int, int]:
        """Files that this process has taken in, and that it could not take in."""
        return (self._taking.done, self._taking.failed) if self._taking else (0, 0)

    def unfinished(self) -> tuple[int, int]:
        """Jobs that are not done, and their files that are not taken in."""
        jobs, files = tables.jobs, tables.job_files
        opened = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.finished_at.is_(None))
        waiting = sa.select(sa.func.count()).select_from(files.join(jobs))
        waiting = waiting.where(jobs.c.finished_at.is_(None), files.c.state.in_(OPEN))
        with self._catalogue.read() as connection:
            return connection.scalar(opened) or 0, connection.scalar(waiting) or 0

    def _prune(self) -> None:
        """Forget old jobs, and uploads that were never acknowledged."""
        jobs = tables.jobs.c
        kept = sa.select(jobs.id).where(jobs.finished_at.is_not(None)).order_by(jobs.created_at.desc()).limit(KEPT)
        try:
            left = [name for name, age in self._files.ages(UPLOADS) if age > TORN]  # others are being sent, elsewhere
            with self._catalogue.note() as connection:
                old = jobs.finished_at.is_not(None) & jobs.id.not_in(kept)
                connection.execute(sa.delete(tables.jobs).where(old))
                known = set(connection.scalars(sa.select(jobs.id)))
            for name in left:
                if name not in known:
                    self._files.clear(f"{UPLOADS}/{name}")
        except QAError:
            return
