"""Takes in what waits, in a thread of its own: claimed from the queue, read, embedded, stored, settled."""

from __future__ import annotations

import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Mapping
from contextlib import closing, suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from index import tables
from index.build import Report
from index.catalogue import Catalogue
from index.errors import Busy, DocumentError, IndexLocked, Lost, NameTaken, QAError, StorageError, StoreError
from index.ingest import FileRequest, Ingest, Listener, Stage
from index.load import from_text
from index.load.draft import Options
from index.sources import Fence
from index.store import Store
from index.types import Document
from qa.logs import traced
from qa.queue import TOGETHER, Claim, Queue, Waiting, is_open, waits
from qa.shared import Shared

_log = logging.getLogger(__name__)

CONFLICT = "conflict"
"""The code of a file that was refused for its name."""
UPLOADS = "uploads"
"""The folder of the store in which files wait."""
LEAVE = 4.0
"""Seconds that the service waits for the file at hand when it ends; what was not stored then is read again."""
RETRY = 1.0
"""Seconds until a job is tried again that another process keeps from writing."""
_GLANCE = 0.5
"""Seconds after which it is looked what there is to do, though nothing was told of it."""
_SWEEP = 5.0
"""Seconds between two looks for originals that are to go from the store."""


def upload(job_id: str, number: int) -> str:
    """The key of a file that waits, in the store."""
    return f"{UPLOADS}/{job_id}/{number}"


class Taking:
    """`news` tells that something waits; `closing` that it is to stop after the file at hand. `done` and `failed` count
    files."""

    def __init__(
        self,
        catalogue: Catalogue,
        ingest: Ingest,
        options: Options,
        after: Callable[[], object],
        shared: Shared,
        files: Store,
        queue: Queue,
    ) -> None:
        self._catalogue = catalogue
        self._ingest = ingest
        self._options = options
        self._after = after
        self._shared = shared
        self._files = files
        self._queue = queue
        self._thread = threading.Thread(target=self._run, name="jobs", daemon=True)
        self._reachable = True
        self._singly = 0
        self._swept = 0.0
        self.done = self.failed = 0
        self.news = threading.Event()
        self.closing = False

    def start(self) -> None:
        self._thread.start()

    def close(self) -> bool:
        """Whether it has stopped in time."""
        self.closing = True
        self.news.set()
        if self._thread.is_alive():
            self._thread.join(timeout=LEAVE)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while not self.closing:
            self.news.clear()
            if not self._attempt() and not self.closing:
                self._sweep()
                self.news.wait(_GLANCE)

    def _attempt(self) -> bool:
        """Whether there was something to do. What could not be done for now is tried again."""
        try:
            with self._queue.claimed(1 if self._singly else TOGETHER) as claim:
                if claim:
                    self._singly = max(0, self._singly - 1)
                    with traced(_asked_by(claim)):
                        self._take_in(claim)
            self._reachable = True
            return claim is not None
        except Lost as error:
            _log.info("%s", error.message)
        except QAError as error:
            if self._reachable:  # said once, not twice a second for as long as a disk or a server is away
                _log.warning("the jobs cannot be gone on with: %s. %s", error.message, error.hint)
            self._reachable = False
        return False

    def _take_in(self, claim: Claim) -> None:
        """Raises StorageError, Busy where it is to be tried again."""
        try:
            with self._catalogue.lock.held():  # else what was read could not be stored
                self._do(claim)
        except IndexLocked:
            time.sleep(RETRY)
        except Exception as error:
            if isinstance(error, StoreError | Lost) or (claim.shared and isinstance(error, StorageError | Busy)):
                raise
            _log.exception("job %s failed", claim.jobs[0])
            if claim.shared and len(claim.files) > 1:  # which of them it was is to be seen; the others are innocent
                self._singly = TOGETHER
            else:
                self._give_up(claim, error)

    def _do(self, claim: Claim) -> None:
        left = Counter(file.job_id for file in claim.files)
        for job_id in claim.jobs:
            if not left[job_id]:
                self._finish(job_id)
        keys = [upload(file.job_id, file.number) for file in claim.files]
        with (
            self._files.local(keys) as paths,
            closing(self._outcomes(claim, dict(zip(map(str, paths), claim.files, strict=True)))) as outcomes,
        ):
            for file, outcome in outcomes:
                if isinstance(outcome, Lost):  # whoever has taken it in has settled it
                    _log.info("%s", outcome.message)
                else:
                    self._settle(claim, file, outcome)
                left[file.job_id] -= 1
                if not left[file.job_id]:
                    self._finish(file.job_id)
                if self.closing:
                    return

    def _outcomes(
        self, claim: Claim, paths: Mapping[str, Waiting]
    ) -> Generator[tuple[Waiting, Report | DocumentError], None, None]:
        """What became of each file of a claim, by where its content is; texts come first."""
        texts = list[tuple[Waiting, Path]]()
        for path, file in paths.items():
            if file.request["kind"] == "text" and Path(path).is_file():
                texts.append((file, Path(path)))
            elif file.request["kind"] == "text":
                yield file, DocumentError(f"{file.name} is not there any more", "Send it again.")
        fences = dict[str, Fence]()
        documents = (self._text(claim, *one, fences) for one in texts)
        for (file, _), outcome in zip(texts, self._ingest.builder.put_all(documents, fences=fences), strict=True):
            yield file, outcome

        def stage(request: FileRequest, stage: Stage, share: float) -> None:
            file = paths[str(request.path)]
            self._shared.report(file.job_id, file.number, stage, share)

        sent = ((Path(path), file) for path, file in paths.items() if file.request["kind"] == "file")
        requests = (self._request(claim, file, path) for path, file in sent)
        for request, result in self._ingest.run(requests, Listener(stage)):
            yield paths[str(request.path)], result

    def _text(self, claim: Claim, file: Waiting, path: Path, fences: dict[str, Fence]) -> Document:
        """The document, whose fence is put with the others."""
        claim.check(file)
        given = json.loads(path.read_bytes())
        document = from_text(given.pop("text"), **given | {"tags": tuple(given.get("tags", ()))})
        fences[document.id] = lambda connection: claim.guard(file, connection)
        return document

    def _request(self, claim: Claim, file: Waiting, path: Path) -> FileRequest:
        given = file.request
        return FileRequest(
            path,
            given["source"],
            file.name,
            collection=given["collection"],
            tags=None if given["tags"] is None else tuple(given["tags"]),
            options=replace(self._options, password=self._shared.password(file.job_id, file.number)),
            existing=given.get("existing", "replace"),
            fence=lambda connection: claim.guard(file, connection),
        )

    def _settle(self, claim: Claim, file: Waiting, outcome: Report | DocumentError) -> None:
        failed = isinstance(outcome, DocumentError)
        told: dict[str, Any] = (
            {"error": {"code": _code(outcome), "message": outcome.message, "hint": outcome.hint}}
            if isinstance(outcome, DocumentError)
            else {"report": asdict(outcome)}
        )
        if not failed:
            self._after()
        claim.settle(file, "failed" if failed else "done", told)
        what = told["error"]["code"] if failed else told["report"]["state"]
        self.done, self.failed = self.done + (not failed), self.failed + failed
        _log.info("job %s, file %d: %s", file.job_id, file.number, what)
        self._shared.forget(file.job_id, file.number)
        self._files.remove(upload(file.job_id, file.number))

    def _finish(self, job_id: str) -> None:
        """Say that a job is over, when it is."""
        with self._catalogue.read() as connection:
            if is_open(connection, job_id):
                return
        self._files.clear(f"{UPLOADS}/{job_id}")  # before it is said to be done
        with self._catalogue.note() as connection:
            mine = (tables.jobs.c.id == job_id) & tables.jobs.c.finished_at.is_(None)
            connection.execute(sa.update(tables.jobs).where(mine).values(finished_at=self._queue.now(connection)))

    def _give_up(self, claim: Claim, error: Exception) -> None:
        """Say of every file that is left why it was not taken in."""
        message = error.message if isinstance(error, QAError) else f"the service failed: {error!r:.200}"
        hint = error.hint if isinstance(error, QAError) else "Its log tells why."
        try:
            with self._catalogue.read() as connection:
                left = [file for file in claim.files if waits(connection, file)]
            for file in left:
                self._settle(claim, file, DocumentError(message, hint))
            for job_id in claim.jobs:
                self._finish(job_id)
        except QAError:  # not even that can be stored, such as on a full disk
            time.sleep(RETRY)

    def _sweep(self) -> None:
        """Remove what killed processes have left, and originals that no document is of, from time to time, when
        nothing else is to be done."""
        if time.monotonic() > self._swept + _SWEEP:
            self._swept = time.monotonic()
            with suppress(QAError):
                self._shared.tidy()
                while self._catalogue.sources.sweep() and not self.closing:
                    pass


def _code(error: DocumentError) -> str:
    return CONFLICT if isinstance(error, NameTaken) else "document_error"


def _asked_by(claim: Claim) -> str | None:
    """The id of the request that sent a claim's files, where it was one."""
    asked = {file.request.get("request_id") for file in claim.files}
    return asked.pop() if len(asked) == 1 else None
