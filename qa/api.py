"""The HTTP face: `create_app(library)`. Endpoints are plain functions, run in a thread pool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import fastapi_offline
from fastapi import Body, FastAPI, HTTPException, Query, Request, Response
from fastapi.responses import FileResponse, PlainTextResponse
from fastapi.staticfiles import StaticFiles

from index.build import Report
from index.errors import DocumentError, IndexMismatch, IndexMissing
from index.load import from_text
from index.schema import DocumentSummary
from index.types import Document
from qa import __version__, failures
from qa.answer import document_url
from qa.config import resource
from qa.examples import ANSWER, QUESTIONS
from qa.guard import Guard
from qa.schemas import (
    Added,
    AskQuery,
    AskRequest,
    DocumentInfo,
    DocumentList,
    ErrorReply,
    Health,
    ModelHealth,
    NewDocument,
    NewDocuments,
    NewText,
    Removed,
    Turn,
    document_info,
)
from qa.types import Answer
from qa.wire import Library

_ERRORS: dict[int | str, dict[str, Any]] = {422: {"model": ErrorReply, "description": "The request is not valid"}}
_NOT_FOUND = _ERRORS | {404: {"model": ErrorReply, "description": "No such document"}}
_DESCRIPTION = (
    "Ask your own documents; get the passages that answer, word for word, with citations that can be checked. "
    "Nothing is generated. Offsets count Unicode code points in the stored text of the whole document."
)


def create_app(library: Library, hosts: Collection[str] | None = None) -> FastAPI:
    """The service over one opened library, for requests to the names in `hosts` (default: any).

    Its model is loaded in the background once the service runs.
    """

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if library.model.embedder is None:
            library.model.start(library.builder.embed_pending)
        Thread(target=library.open_index, name="open", daemon=True).start()
        yield

    app = FastAPI(
        title="Chapter & Verse",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
    )
    failures.install(app)
    app.add_middleware(Guard, hosts=hosts)
    _ask(app, library)
    _documents(app, library)
    _health(app, library)
    _pages(app)
    return app


def _ask(app: FastAPI, library: Library) -> None:
    replies = _ERRORS | {
        200: {"content": {"application/json": {"example": ANSWER}}},
        409: {"model": ErrorReply, "description": "Nothing is indexed yet"},
    }

    def answer(request: AskRequest) -> Answer:
        _check_documents(library, request.document_ids)
        return library.answerer.ask(
            request.question,
            request.top_k,
            [turn.question for turn in request.history],
            request.document_ids,
            request.mode,
        )

    @app.post("/ask", responses=replies, tags=["ask"])
    def ask(request: Annotated[AskRequest, Body(openapi_examples=QUESTIONS)]) -> Answer:
        """The passages that answer a question, best first, each with the telling sentence and a citation."""
        return answer(request)

    @app.get("/ask", responses=replies, tags=["ask"])
    def ask_by_address(query: Annotated[AskQuery, Query()]) -> Answer:
        """The same, for a link or a quick look: `/ask?q=Who+would+monitor+the+ceasefire%3F`."""
        return answer(
            AskRequest(
                question=query.q,
                top_k=query.top_k,
                history=[Turn(question=one) for one in query.history],
                document_ids=query.document_ids,
                mode=query.mode,
            )
        )


def _check_documents(library: Library, document_ids: list[str] | None) -> None:
    if library.catalogue.empty():
        raise IndexMissing("nothing is indexed yet", "Add documents: POST /documents, or qa index FILE_OR_FOLDER…")
    for document_id in document_ids or []:
        _found(library, document_id)


def _documents(app: FastAPI, library: Library) -> None:
    def put(document: Document) -> Added:
        report = library.builder.put(document)
        library.searcher.refresh()
        return Added(library.catalogue.generation(), [report])

    @app.get("/documents", responses=_ERRORS, tags=["documents"])
    def list_documents(
        limit: Annotated[int, Query(ge=1, le=1000)] = 100, offset: Annotated[int, Query(ge=0, le=2**31)] = 0
    ) -> DocumentList:
        """The stored documents in the order of their titles."""
        found = library.catalogue.summaries(limit, offset)
        total = library.catalogue.counts()[0]
        return DocumentList(total, [document_info(one, document_url(one.id)) for one in found])

    @app.post("/documents", status_code=201, responses=_ERRORS, tags=["documents"])
    def add_documents(request: NewDocuments) -> Added:
        """Add texts; they are searchable when the reply comes. One with a known id replaces that document."""
        made = [_document(one, one.id) for one in request.documents]
        outcomes = list(library.builder.put_all(made))
        library.searcher.refresh()
        for outcome in outcomes:
            if isinstance(outcome, DocumentError):
                raise outcome
        reports = [outcome for outcome in outcomes if isinstance(outcome, Report)]
        return Added(library.catalogue.generation(), reports)

    @app.get("/documents/{document_id}", responses=_NOT_FOUND, tags=["documents"], response_model=DocumentInfo)
    def get_document(document_id: str, request: Request, response: Response) -> DocumentInfo | FileResponse:
        """About a document; for a browser the page that shows its text and marks the cited place."""
        summary = library.catalogue.summary(document_id)
        response.headers["Vary"] = "Accept"
        if "text/html" in request.headers.get("accept", ""):
            return FileResponse(resource("web") / "source.html", 200 if summary else 404, {"Vary": "Accept"})
        return document_info(_found(library, document_id), document_url(document_id))

    @app.get(
        "/documents/{document_id}/text", responses=_NOT_FOUND, tags=["documents"], response_class=PlainTextResponse
    )
    def get_text(document_id: str) -> PlainTextResponse:
        """The stored text that every offset counts in."""
        document = library.catalogue.document(document_id)
        if document is None:
            raise _unknown(document_id)
        return PlainTextResponse(document.text, headers={"X-Document-SHA256": document.sha256})

    @app.put("/documents/{document_id}", responses=_NOT_FOUND, tags=["documents"])
    def replace_document(document_id: str, request: NewText) -> Added:
        """Replace a stored document in one step."""
        before = _found(library, document_id)
        given = request.model_copy(update={"source": request.source or before.source})
        return put(_document(given, document_id))

    @app.delete("/documents/{document_id}", responses=_NOT_FOUND, tags=["documents"])
    def remove_document(document_id: str) -> Removed:
        """Remove a document and all that was made of it."""
        if not library.catalogue.remove(document_id):
            raise _unknown(document_id)
        library.searcher.refresh()
        return Removed(document_id, library.catalogue.generation())


def _document(given: NewText | NewDocument, document_id: str | None) -> Document:
    return from_text(given.text, title=given.title, source=given.source, id=document_id, metadata=given.metadata)


def _found(library: Library, document_id: str) -> DocumentSummary:
    summary = library.catalogue.summary(document_id)
    if summary is None:
        raise _unknown(document_id)
    return summary


def _unknown(document_id: str) -> HTTPException:
    return HTTPException(404, f"there is no document {document_id[:200]!r}; GET /documents lists them")


def _health(app: FastAPI, library: Library) -> None:
    @app.get("/health", tags=["service"])
    def health() -> Health:
        """Can it answer, and does it search by meaning or, while the model is away, by BM25 alone?"""
        documents, passages, pending = library.catalogue.counts()
        model, failure = library.model, None
        try:
            library.catalogue.check()
        except IndexMismatch as error:
            failure = f"{error.message}. Start the service again with the settings of the index"
        return Health(
            status="failing" if failure else "ok",
            version=__version__,
            retrieval="hybrid" if model.embedder else "bm25",
            reason=failure or model.reason,
            model=ModelHealth(model.name, model.state, model.embedder.runtime if model.embedder else None),
            generation=library.catalogue.generation(),
            documents=documents,
            passages=passages,
            passages_not_embedded=pending,
            repaired=library.repaired,
        )


def _pages(app: FastAPI) -> None:
    web = resource("web")
    swagger = Path(fastapi_offline.__file__).parent / "static"

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    def chat() -> FileResponse:
        return FileResponse(web / "index.html")

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(web / "docs.html")

    @app.api_route("/favicon.ico", methods=["GET", "HEAD"], include_in_schema=False)
    def favicon() -> Response:
        return FileResponse(web / "icon.svg", media_type="image/svg+xml")

    app.mount("/web", StaticFiles(directory=web), name="web")
    app.mount("/swagger", StaticFiles(directory=swagger), name="swagger")
