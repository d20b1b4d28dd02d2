"""What was sent to the service, taken in one after another in the background; a restart goes on where it was.

A job's files wait in a folder of their own, its rows in the catalogue, until each is done: what was acknowledged is
on the disk before.
"""

from __future__ import annotations

import json
import logging
import secrets
import shutil
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa

from index import schema as tables
from index.build import Report
from index.catalogue import Catalogue
from index.errors import DocumentError, IndexLocked, NameTaken, QAError, StorageError
from index.ingest import FileRequest, Ingest, Listener, Stage
from index.load import from_text
from index.load.draft import Options
from index.lock import ProcessLock, gone
from index.types import Document
from qa.logs import request_id, traced
from qa.shared import Shared

_log = logging.getLogger(__name__)

State = Literal["queued", "reading", "embedding", "done", "failed"]
CONFLICT = "conflict"
"""The code of a file that was refused for its name."""
_OPEN = ("queued", "reading", "embedding")
TORN = 3_600.0
"""Seconds after which an upload that nobody acknowledged was given up: a crash came between."""
KEPT = 200
"""Finished jobs that are remembered."""
_GLANCE = 0.5
"""Seconds after which it is looked what there is to do, though nothing was told of it."""
LEAVE = 4.0
"""Seconds that the service waits for the file at hand when it ends; what was not stored then is read again."""
RETRY = 1.0
"""Seconds until a job is tried again that another process keeps from writing."""


@dataclass(frozen=True, slots=True)
class Item:
    """A file, or a text, that was sent. `write` puts its content at a path; `request` is its JSON (see `_request`).

    `password` opens an encrypted file; it is kept in memory only, until the file was read.
    """

    name: str
    request: dict[str, Any]
    write: Callable[[Path], object]
    password: str | None = None


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
    if row.state not in _OPEN:
        state, share = row.state, 1.0
    outcome = row.outcome or {}
    return JobFile(row.name, state, round(share, 3), outcome.get("report"), outcome.get("error"))  # type: ignore[arg-type]


def _code(error: DocumentError) -> str:
    return CONFLICT if isinstance(error, NameTaken) else "document_error"


class Jobs:
    """Takes jobs, and does them in their order in a thread of its own. `after` is called when something was stored."""

    def __init__(
        self, catalogue: Catalogue, ingest: Ingest, options: Options, after: Callable[[], object], shared: Shared
    ) -> None:
        self._catalogue = catalogue
        self._ingest = ingest
        self._options = options
        self._after = after
        self._folder = catalogue.folder / "uploads"
        self._shared = shared
        self._lock = ProcessLock(catalogue.folder / "jobs.lock")
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._readable = True
        self.closing = False

    def start(self) -> None:
        """Go on with what was not done when the service ended."""
        with self._changed:
            if self._thread is None:
                self._prune()
                self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
                self._thread.start()

    def add(self, items: Sequence[Item]) -> Job:
        """Acknowledged once it returns: the contents are on the disk."""
        job_id = secrets.token_hex(8)
        folder = self._folder / job_id
        rows, asked_by = [], request_id()
        try:
            if not self._catalogue.path.exists():
                raise gone(self._catalogue.path)
            self._folder.mkdir(exist_ok=True)
            folder.mkdir()
            for number, item in enumerate(items):
                item.write(folder / str(number))
                rows.append({"job_id": job_id, "number": number, "name": item.name, "state": "queued"})
                rows[-1]["request"] = item.request | ({"request_id": asked_by} if asked_by else {})
                if item.password:
                    self._shared.keep_password(job_id, number, item.password)
            with self._catalogue.note() as connection:
                connection.execute(sa.insert(tables.jobs), {"id": job_id, "created_at": time.time()})
                connection.execute(sa.insert(tables.job_files), rows)
        except BaseException as error:
            shutil.rmtree(folder, ignore_errors=True)
            for number in range(len(items)):
                self._shared.forget(job_id, number)
            if isinstance(error, OSError):
                message = f"what was sent cannot be kept in {self._folder}: {error.strerror}"
                raise StorageError(
                    message, "Free some space on its disk, or let it be written, and send it again."
                ) from error
            raise
        with self._changed:
            self._changed.notify_all()
        found = self.get(job_id)
        assert found is not None
        return found

    def get(self, job_id: str) -> Job | None:
        with self._catalogue.read() as connection:
            row = connection.execute(sa.select(tables.jobs).where(tables.jobs.c.id == job_id)).first()
            query = sa.select(tables.job_files).where(tables.job_files.c.job_id == job_id)
            files = connection.execute(query.order_by(tables.job_files.c.number)).all() if row else []
        if row is None:
            return None
        told = self._shared.reports(job_id)
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
        """Also that of a job which another process of the same data folder has done, or forgotten."""
        query = sa.select(tables.jobs.c.id).where(tables.jobs.c.id == job_id, tables.jobs.c.finished_at.is_(None))
        with self._catalogue.read() as connection:
            return connection.scalar(query) is None

    def drain(self) -> None:
        """Begin to end: whoever waits for a job is told how far it is."""
        self.closing = True  # without waiting for a lock: it is called where everybody else would wait too

    def close(self) -> None:
        """Stop after the file at hand; the rest goes on at the next start."""
        self.drain()
        if self._thread:
            self._thread.join(timeout=LEAVE)
        self._lock.release()

    def _run(self) -> None:
        while not self.closing:
            with self._changed:
                if self.closing:
                    return
                job_id = self._next() if self._chosen() else None
                if job_id is None:
                    self._changed.wait(_GLANCE)
                    continue
            with traced(self._asked_by(job_id)):
                self._attempt(job_id)

    def _attempt(self, job_id: str) -> None:
        try:
            with self._catalogue.lock.held():  # else what was read could not be stored
                self._do(job_id)
        except IndexLocked:
            time.sleep(RETRY)
        except Exception as error:  # noqa: BLE001  whatever stops it, the job says so
            _log.exception("job %s failed", job_id)
            self._give_up(job_id, error)

    def _asked_by(self, job_id: str) -> str | None:
        """The id of the request that sent a job, where it is known."""
        query = sa.select(tables.job_files.c.request).where(tables.job_files.c.job_id == job_id).limit(1)
        with suppress(QAError), self._catalogue.read() as connection:
            given: dict[str, Any] = connection.scalar(query) or {}
            return given.get("request_id")
        return None

    def unfinished(self) -> tuple[int, int]:
        """Jobs that are not done, and their files that are not taken in."""
        jobs, files = tables.jobs, tables.job_files
        opened = sa.select(sa.func.count()).select_from(jobs).where(jobs.c.finished_at.is_(None))
        waiting = sa.select(sa.func.count()).select_from(files.join(jobs))
        waiting = waiting.where(jobs.c.finished_at.is_(None), files.c.state.in_(_OPEN))
        with self._catalogue.read() as connection:
            return connection.scalar(opened) or 0, connection.scalar(waiting) or 0

    def _chosen(self) -> bool:
        """Whether this process does the jobs: of several that serve a folder one does, and when it ends another."""
        return self._catalogue.path.exists() and self._lock.taken()

    def _next(self) -> str | None:
        """The oldest job that is not done."""
        query = sa.select(tables.jobs.c.id).where(tables.jobs.c.finished_at.is_(None))
        try:
            with self._catalogue.read() as connection:
                found: str | None = connection.scalar(query.order_by(tables.jobs.c.created_at).limit(1))
            self._readable = True
            return found
        except QAError as error:
            if self._readable:  # said once, not twice a second for as long as a disk is away
                _log.warning("the jobs cannot be read: %s. %s", error.message, error.hint)
            self._readable = False
            return None

    def _do(self, job_id: str) -> None:
        query = sa.select(tables.job_files).where(
            tables.job_files.c.job_id == job_id, tables.job_files.c.state.in_(_OPEN)
        )
        with self._catalogue.read() as connection:
            rows = connection.execute(query.order_by(tables.job_files.c.number)).all()
        texts = [row for row in rows if row.request["kind"] == "text"]
        for row, report in zip(texts, self._ingest.builder.put_all(self._text(row) for row in texts), strict=True):
            self._settle(job_id, row.number, report)
        numbers = {
            str(self._folder / job_id / str(row.number)): row.number for row in rows if row.request["kind"] == "file"
        }

        def stage(request: FileRequest, stage: Stage, share: float) -> None:
            self._shared.report(job_id, numbers[str(request.path)], stage, share)

        requests = (self._request(job_id, row) for row in rows if row.request["kind"] == "file")
        for request, outcome in self._ingest.run(requests, Listener(stage)):
            self._settle(job_id, numbers[str(request.path)], outcome)
            if self.closing:
                return
        self._finish(job_id)

    def _text(self, row: sa.Row[Any]) -> Document:
        given = json.loads((self._folder / row.job_id / str(row.number)).read_bytes())
        return from_text(given.pop("text"), **given | {"tags": tuple(given.get("tags", ()))})

    def _request(self, job_id: str, row: sa.Row[Any]) -> FileRequest:
        given = row.request
        return FileRequest(
            self._folder / job_id / str(row.number),
            given["source"],
            row.name,
            collection=given["collection"],
            tags=None if given["tags"] is None else tuple(given["tags"]),
            options=replace(self._options, password=self._shared.password(job_id, row.number)),
            existing=given.get("existing", "replace"),
        )

    def _settle(self, job_id: str, number: int, outcome: Report | DocumentError) -> None:
        failed = isinstance(outcome, DocumentError)
        told: dict[str, Any] = (
            {"error": {"code": _code(outcome), "message": outcome.message, "hint": outcome.hint}}
            if isinstance(outcome, DocumentError)
            else {"report": asdict(outcome)}
        )
        files = tables.job_files
        mine = (files.c.job_id == job_id) & (files.c.number == number)
        if not failed:
            self._after()
        with self._catalogue.note() as connection:
            values = {"state": "failed" if failed else "done", "outcome": told}
            connection.execute(sa.update(files).where(mine).values(**values))
        _log.info("job %s, file %d: %s", job_id, number, told["error"]["code"] if failed else told["report"]["state"])
        self._shared.forget(job_id, number)
        (self._folder / job_id / str(number)).unlink(missing_ok=True)

    def _finish(self, job_id: str) -> None:
        shutil.rmtree(self._folder / job_id, ignore_errors=True)  # before it is said to be done
        with self._catalogue.note() as connection:
            mine = tables.jobs.c.id == job_id
            connection.execute(sa.update(tables.jobs).where(mine).values(finished_at=time.time()))

    def _give_up(self, job_id: str, error: Exception) -> None:
        """Say of every file that is left why it was not taken in."""
        message = error.message if isinstance(error, QAError) else f"the service failed: {error!r:.200}"
        hint = error.hint if isinstance(error, QAError) else "Its log tells why."
        try:
            job = self.get(job_id)
            for number, file in enumerate(job.files if job else ()):
                if file.state in _OPEN:
                    self._settle(job_id, number, DocumentError(message, hint))
            self._finish(job_id)
        except QAError:  # not even that can be stored, such as on a full disk
            time.sleep(RETRY)

    def _prune(self) -> None:
        """Forget old jobs, and uploads that were never acknowledged."""
        jobs = tables.jobs.c
        old = sa.select(jobs.id).where(jobs.finished_at.is_not(None)).order_by(jobs.created_at.desc()).offset(KEPT)
        left = [folder for folder in self._folder.glob("*") if _age(folder) > TORN]  # others are being sent, elsewhere
        try:
            with self._catalogue.note() as connection:
                forgotten = list(connection.scalars(old.limit(-1)))
                connection.execute(sa.delete(tables.jobs).where(jobs.id.in_(forgotten)))
                known = set(connection.scalars(sa.select(jobs.id)))
        except QAError:
            return
        for folder in left:
            if folder.name not in known:
                shutil.rmtree(folder, ignore_errors=True)


def _age(folder: Path) -> float:
    """Seconds since something was put into it; none of one that has gone."""
    try:
        return time.time() - folder.stat().st_mtime
    except OSError:
        return 0.0
