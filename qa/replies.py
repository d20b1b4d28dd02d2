"""What goes out over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Literal

from pydantic import TypeAdapter

from index.build import Report
from index.feedback import Judgement
from index.fusion import Mode
from index.rows import DocumentSummary
from qa.access import Scope
from qa.jobs import Job, JobFile, State


@dataclass(frozen=True, slots=True)
class DocumentInfo:
    """A stored document without its text, and how its file was read.

    `url` is a page that shows it, `original_url` the file as it came (null when it is not kept), `page_url` the picture
    of a page, `{page}` being its number (null without pages). `added_at` is in seconds since 1970. Passages
    that are not embedded yet are found by their words only.
    """

    id: str
    title: str
    source: str
    sources: tuple[str, ...]
    sha256: str
    media_type: str
    characters: int
    passages: int
    passages_not_embedded: int
    pages: int | None
    added_at: float
    dated: str
    collection: str
    tags: tuple[str, ...]
    metadata: Mapping[str, object]
    pages_without_text: tuple[int, ...]
    pages_by_ocr: tuple[int, ...]
    tables: int
    warnings: tuple[str, ...]
    seconds: float
    url: str
    original_url: str | None
    page_url: str | None


@dataclass(frozen=True, slots=True)
class PageInfo:
    """A page, from 1, and the part of the text that stands on it."""

    page: int
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class PageMark:
    """The rectangle around some characters of a page, in shares of its width and height, from the top left corner."""

    left: float
    top: float
    right: float
    bottom: float


@dataclass(frozen=True, slots=True)
class Place:
    """Part of a document's text, in code points, the end exclusive."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class FoundPlaces:
    """`total` counts all places, also those that are not listed."""

    total: int
    matches: list[Place]


@dataclass(frozen=True, slots=True)
class DocumentList:
    total: int
    documents: list[DocumentInfo]


@dataclass(frozen=True, slots=True)
class Added:
    """`embedded` is false while the model is away: found by BM25 already, by meaning later."""

    generation: int
    documents: list[Report]


@dataclass(frozen=True, slots=True)
class ErrorBody:
    code: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True)
class ErrorReply:
    """The one shape of every error."""

    error: ErrorBody


@dataclass(frozen=True, slots=True)
class JobFileInfo:
    """How far a file is. `share` of its present stage is done; `report` when it is done, `error` when it failed."""

    name: str
    state: State
    share: float
    report: Report | None
    error: ErrorBody | None


@dataclass(frozen=True, slots=True)
class JobInfo:
    """What was sent, and how far it is. `documents` has a report for each file that is done; `url` gives this again,
    `events_url` streams it as it changes."""

    id: str
    state: Literal["queued", "running", "done"]
    created_at: float
    finished_at: float | None
    files: list[JobFileInfo]
    documents: list[Report]
    generation: int
    url: str
    events_url: str


@dataclass(frozen=True, slots=True)
class JobList:
    jobs: list[JobInfo]


@dataclass(frozen=True, slots=True)
class Removed:
    removed: str
    generation: int


@dataclass(frozen=True, slots=True)
class FeedbackList:
    total: int
    feedback: list[Judgement]


@dataclass(frozen=True, slots=True)
class TakenBack:
    removed: str


@dataclass(frozen=True, slots=True)
class ModelHealth:
    """`reason` says why it is not ready; `runtime` what computes the embedding model, and how precisely."""

    name: str
    state: Literal["not loaded", "loading", "ready", "failed"]
    runtime: str | None = None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Client:
    """Whose token a request comes with, and what that allows."""

    name: str
    scope: Scope


@dataclass(frozen=True, slots=True)
class Health:
    """`retrieval` is what a hybrid question gets now; `reason` says why when that is BM25 alone, or nothing.

    `status` is "failing" when the index was made anew with other settings meanwhile: nothing can be added, and after a
    change of model questions are answered from what was there before. `repaired` says why the search index was made
    again at this start, if it was. `reranker` and `reader` are null unless they are set; `calibrated` is false where
    confidence was fitted with another model than the one in use. `ready`: questions may be sent here; `writable`:
    documents can be stored; `degraded`: why passages may be missing. `client` is who is signed in, null where nobody
    has to be.
    """

    status: Literal["ok", "failing"]
    version: str
    retrieval: Mode
    reason: str | None
    model: ModelHealth
    reranker: ModelHealth | None = None
    reader: ModelHealth | None = None
    calibrated: bool = False
    generation: int = 0
    documents: int = 0
    passages: int = 0
    passages_not_embedded: int = 0
    repaired: str | None = None
    ready: bool = False
    writable: bool = True
    degraded: str | None = None
    client: Client | None = None


def document_info(summary: DocumentSummary, url: str) -> DocumentInfo:
    own = {name: getattr(summary, name) for name in DocumentSummary.__dataclass_fields__}
    kept = own.pop("kept")
    del own["original"]
    return DocumentInfo(
        **asdict(own.pop("reading")),
        **own,
        url=url,
        original_url=f"{url}/original" if kept else None,
        page_url=f"{url}/pages/{{page}}.png" if kept and summary.pages else None,
    )


def job_info(job: Job, generation: int) -> JobInfo:
    url = f"/jobs/{job.id}"
    files = [_file_info(file) for file in job.files]
    reports = [file.report for file in files if file.report]
    return JobInfo(
        job.id,
        job.state,
        job.created_at,
        job.finished_at,
        files,
        reports,
        generation,
        url,
        f"{url}/events",
    )


_REPORT = TypeAdapter(Report)


def _file_info(file: JobFile) -> JobFileInfo:
    report = _REPORT.validate_python(file.report) if file.report else None
    return JobFileInfo(file.name, file.state, file.share, report, ErrorBody(**file.error) if file.error else None)


ERRORS: dict[int | str, dict[str, Any]] = {422: {"description": "The request is not valid"}}
CONFLICTING = ERRORS | {409: {"description": "It does not fit what is stored now"}}
NOT_FOUND = ERRORS | {404: {"description": "There is none of that name"}}
"""Descriptions of replies; `qa.description` gives each the shape of an error."""
