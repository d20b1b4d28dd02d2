"""Documents over HTTP: sent in, replaced, labelled, removed."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import secrets
import shutil
import time
import unicodedata
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, get_args

from fastapi import Depends, FastAPI, HTTPException, Query, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.sse import EventSourceResponse, ServerSentEvent
from pydantic import ValidationError
from starlette.datastructures import FormData, UploadFile
from starlette.exceptions import HTTPException as Unreadable
from starlette.requests import ClientDisconnect

from index.errors import Busy, Conflict, DocumentError, QAError
from index.ingest import Existing, free_names
from index.load import from_text
from index.rows import DocumentSummary
from index.types import UNFIT, Document
from qa.answer import document_url
from qa.jobs import Item, Job
from qa.replies import (
    CONFLICTING,
    ERRORS,
    NOT_FOUND,
    Added,
    DocumentInfo,
    JobInfo,
    JobList,
    Removed,
    document_info,
    job_info,
)
from qa.schemas import FileFields, Labels, NewDocument, NewDocuments, NewText
from qa.taking import CONFLICT
from qa.wire import Library

WAIT = 600.0
"""Seconds that `?wait=true` waits at most."""
MOST_FIELDS = 1_000
_NAME = 1_000
"""Characters of a name: more than any file has, with the folders that it usually stands in."""
_LINKS = {
    name: {"operationId": name, "parameters": {"job_id": "$response.body#/id"}} for name in ("get_job", "job_events")
}
_LABELS = NewDocument.model_json_schema()["properties"]
_MULTIPART = {
    "type": "object",
    "required": ["files"],
    "properties": {
        "files": {"type": "array", "minItems": 1, "items": {"type": "string", "format": "binary"}},
        "collection": _LABELS["collection"],
        "tags": _LABELS["tags"],
        "password": {"type": "string", "description": "of encrypted PDF files; it is not stored"},
        "existing": {
            "type": "string",
            "enum": list(get_args(Existing)),
            "default": "replace",
            "description": "what becomes of a file whose name is that of a file of other content: `replace` that one, "
            "`keep` both (this one gets a free name, such as `report (2).pdf`), or `refuse` this one: it fails in the "
            "job, with the code `conflict`. The same content is never stored twice.",
        },
    },
}


def install(app: FastAPI, library: Library) -> None:
    _adding(app, library)
    _jobs(app, library)
    _changing(app, library)


def found(library: Library, document_id: str) -> DocumentSummary:
    """Raises HTTPException (404)."""
    summary = library.catalogue.summary(document_id)
    if summary is None:
        raise unknown(document_id)
    return summary


def unknown(document_id: str) -> HTTPException:
    return HTTPException(404, f"there is no document {document_id[:200]!r}; GET /documents lists them")


def _adding(app: FastAPI, library: Library) -> None:
    bodies = {
        "application/json": {"schema": {"$ref": "#/components/schemas/NewDocuments"}},
        "multipart/form-data": {"schema": _MULTIPART},
    }
    replies = CONFLICTING | {
        201: {"model": JobInfo, "description": "Done, with `wait`", "links": _LINKS},
        202: {"links": _LINKS},
        415: {"description": "The body is of another media type"},
    }

    places = _Places(library.settings.uploads)

    @app.post(
        "/documents",
        status_code=202,
        responses=replies,
        tags=["documents"],
        openapi_extra={"requestBody": {"required": True, "content": bodies}},
    )
    async def add_documents(
        request: Request, response: Response, wait: Annotated[bool, Query(description="Answer when done")] = False
    ) -> JobInfo:
        """Add texts (JSON) or files (multipart, field `files`, repeated). The reply is a job; with `wait` it comes when
        they are searchable. A known id replaces that document; so does a file of a known name, unless `existing` says
        otherwise. With `wait`, 409 says that every file was refused for its name."""
        with places.taken():
            await run_in_threadpool(library.catalogue.check)
            job = await _taken(request, library)
        if wait:
            job = await _done(library, job)
            response.status_code = 201 if job.state == "done" else 202
            if job.state == "done" and all(file.error for file in job.files):
                raise _first_error([file.error or {} for file in job.files])
        return job_info(job, await run_in_threadpool(library.catalogue.generation))


class _Places:
    """So many requests may bring documents at the same time."""

    def __init__(self, most: int) -> None:
        self._free = most

    @contextmanager
    def taken(self) -> Iterator[None]:
        """Raises Busy when there is none free."""
        if not self._free:
            raise Busy("others are sending documents", "Send yours in a moment; see QA_UPLOADS.")
        self._free -= 1
        try:
            yield
        finally:
            self._free += 1


async def _taken(request: Request, library: Library) -> Job:
    """What a request brings, on the disk."""
    kind, most = request.headers.get("content-type", "").lower(), library.settings.upload_files
    if kind.startswith("multipart/form-data"):
        try:
            async with request.form(max_files=most, max_fields=MOST_FIELDS) as form:
                return await run_in_threadpool(library.jobs.add, _files(form))
        except ClientDisconnect as error:
            raise HTTPException(400, "the request was broken off") from error
        except Unreadable as error:
            if error.status_code == 400 and "Too many files" in str(error.detail):
                raise HTTPException(413, f"more than {most:,} files; send some of them at a time") from error
            raise
    if not re.match(r"application/([\w.-]+\+)?json\b", kind):
        raise HTTPException(415, "send application/json, or multipart/form-data with files")
    return await run_in_threadpool(lambda body: library.jobs.add(_texts(body)), await request.body())


async def _done(library: Library, job: Job) -> Job:
    """The job when it is done, or as it is after `WAIT`. It takes no thread while it waits."""
    pause, ends = 0.01, time.monotonic() + WAIT
    while not library.jobs.closing and time.monotonic() < ends:
        if await run_in_threadpool(library.jobs.is_over, job.id):
            break
        await asyncio.sleep(pause)
        pause = min(0.25, pause * 1.5)
    return await run_in_threadpool(library.jobs.get, job.id) or job


def _first_error(errors: Sequence[Mapping[str, str]]) -> QAError:
    """Why the first file was not taken in; a conflict where that is the reason for all."""
    conflict = all(one.get("code") == CONFLICT for one in errors)
    return (Conflict if conflict else DocumentError)(errors[0]["message"], errors[0]["hint"])


def _texts(body: bytes) -> list[Item]:
    """Raises RequestValidationError in the shape that FastAPI gives it, DocumentError for what cannot be stored."""
    try:
        given = NewDocuments.model_validate(json.loads(body))
    except ValidationError as error:
        problems = [problem | {"loc": ("body", *problem["loc"])} for problem in error.errors(include_url=False)]
        raise RequestValidationError(problems) from error
    except (ValueError, RecursionError) as error:
        problem = {"loc": ("body",), "msg": f"JSON decode error: {error}", "type": "json_invalid"}
        raise RequestValidationError([problem]) from error
    return [_text(one) for one in given.documents]


def _text(given: NewDocument) -> Item:
    document = _document(given, given.id)
    values = {
        name: getattr(document, name)
        for name in ("id", "title", "source", "text", "metadata", "collection", "tags", "dated")
    }
    content = json.dumps(values).encode()

    def write(path: Path) -> None:
        with path.open("wb") as target:
            target.write(content)
            target.flush()
            os.fsync(target.fileno())

    return Item(document.title, {"kind": "text"}, write, subject=document.id)


def _document(given: NewText | NewDocument, document_id: str | None) -> Document:
    return from_text(
        given.text,
        title=given.title,
        source=given.source,
        id=document_id,
        metadata=given.metadata,
        collection=given.collection,
        tags=tuple(given.tags),
        dated=given.dated,
    )


def _files(form: FormData) -> list[Item]:
    uploads = [one for one in form.getlist("files") if isinstance(one, UploadFile)]
    if not uploads:
        raise DocumentError("no file was sent", 'Send files in the field "files" of a multipart form.')
    given = {name: [str(one) for one in form.getlist(name)] for name in ("collection", "tags", "password", "existing")}
    try:
        once = {name: given[name][0] for name in ("collection", "existing") if given[name]}
        asked = FileFields.model_validate(once | {"tags": given["tags"] or None})
    except ValidationError as error:
        problems = [problem | {"loc": ("body", *problem["loc"])} for problem in error.errors(include_url=False)]
        raise RequestValidationError(problems) from error
    names = [file_name(one.filename or "") for one in uploads]
    apart = numbered(names) if asked.existing == "replace" else names
    password = next(iter(given["password"]), None)
    made_up = asked.model_dump() | {"existing": "keep"}
    return [
        _file(one, name, asked.model_dump() if name == sent else made_up, password)
        for one, sent, name in zip(uploads, names, apart, strict=True)
    ]


def _file(upload: UploadFile, name: str, asked: Mapping[str, Any], password: str | None) -> Item:
    request = {"kind": "file", "source": name, **asked}

    def write(path: Path) -> None:
        with path.open("wb") as target:
            shutil.copyfileobj(upload.file, target, 1 << 20)
            target.flush()
            os.fsync(target.fileno())

    return Item(name, request, write, password, subject=name)


def file_name(given: str) -> str:
    """What a file that was sent is called: a label, never a path. Folders inside stay, so that names stay apart."""
    parts = [UNFIT.sub("", part).strip() for part in re.split(r"[/\\]", given)]
    name = unicodedata.normalize("NFC", "/".join(part for part in parts if part.strip(".")))
    if not name:
        return f"unnamed-{secrets.token_hex(4)}"
    apart = hashlib.sha256(name.encode()).hexdigest()[:8]  # two long names may differ in the middle only
    return name if len(name) <= _NAME else f"{name[: _NAME // 2 - 10]}…{apart}…{name[-_NAME // 2 :]}"


def numbered(names: Sequence[str]) -> list[str]:
    """Names that are sent twice in one request are told apart: "report (2).pdf", unless that was sent, too."""
    taken, seen, apart = set(names), set[str](), list[str]()
    for name in names:
        apart.append(name if name not in seen else next(one for one in free_names(name) if one not in taken))
        taken.add(apart[-1])
        seen.add(name)
    return apart


def _jobs(app: FastAPI, library: Library) -> None:
    def job(job_id: str) -> JobInfo:
        known = library.jobs.get(job_id)
        if known is None:
            raise HTTPException(404, f"there is no job {job_id[:100]!r}; GET /jobs lists the latest")
        return job_info(known, library.catalogue.generation())

    @app.get("/jobs", responses=ERRORS, tags=["documents"])
    def list_jobs(limit: Annotated[int, Query(ge=1, le=100)] = 20) -> JobList:
        """The latest jobs, the newest first."""
        generation = library.catalogue.generation()
        return JobList([job_info(one, generation) for one in library.jobs.recent(limit)])

    @app.get("/jobs/{job_id}", responses=NOT_FOUND, tags=["documents"])
    def get_job(job_id: str) -> JobInfo:
        """How far each file is, and what became of it."""
        return job(job_id)

    @app.get("/jobs/{job_id}/events", responses=NOT_FOUND, tags=["documents"], response_class=EventSourceResponse)
    async def job_events(info: JobInfo = Depends(job)) -> AsyncIterator[ServerSentEvent]:  # noqa: B008
        """The same as server-sent events: `progress` at every change, `done` at the end."""
        before = None
        while not library.jobs.closing:
            if info != before:
                yield ServerSentEvent(data=info, event="done" if info.state == "done" else "progress")
            if info.state == "done":
                return
            before = info
            await asyncio.sleep(0.2)
            info = await run_in_threadpool(job, info.id)


def _changing(app: FastAPI, library: Library) -> None:
    @app.put("/documents/{document_id}", responses=NOT_FOUND, tags=["documents"])
    def replace_document(document_id: str, request: NewText) -> Added:
        """Replace a stored document by a text, in one step."""
        before = found(library, document_id)
        given = request.model_copy(update={"source": request.source or before.source})
        report = library.builder.put(_document(given, document_id))
        library.searcher.refresh()
        return Added(library.catalogue.generation(), [report])

    @app.patch("/documents/{document_id}", responses=NOT_FOUND, tags=["documents"])
    def label_document(document_id: str, request: Labels) -> DocumentInfo:
        """Put a document into another collection, or give it other tags."""
        library.catalogue.label(document_id, request.collection, request.tags)
        return document_info(found(library, document_id), document_url(document_id))

    @app.delete("/documents/{document_id}", responses=NOT_FOUND, tags=["documents"])
    def remove_document(
        document_id: str, forget: Annotated[bool, Query(description="Leave no trace of it on the disk")] = False
    ) -> Removed:
        """Remove a document, its file, and all that was made of it. With `forget` no trace of it is left in the data
        folder when the reply comes; 503 says that it is removed, but that traces are left for now."""
        remove = library.forgetting.forget if forget else library.catalogue.remove
        if not remove(document_id):
            raise unknown(document_id)
        library.searcher.refresh()
        return Removed(document_id, library.catalogue.generation())
