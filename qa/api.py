"""The HTTP face: `create_app(library)`. Endpoints are plain functions, run in a thread pool."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Annotated, Any

import fastapi_offline
from fastapi import Body, FastAPI, Query, Response
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from index.errors import IndexMismatch, IndexMissing
from qa import __version__, documents, failures, feedback, reading, shelf
from qa.config import resource
from qa.examples import ANSWER, QUESTIONS
from qa.guard import DOCS_POLICY, Guard
from qa.model import Loaded
from qa.replies import ERRORS, ErrorReply, Health, ModelHealth
from qa.schemas import AskQuery, AskRequest, Turn
from qa.types import Answer
from qa.wire import Library

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
        library.jobs.start()
        if library.model.embedder is None:
            library.model.start(library.builder.embed_pending)
        for extra in (library.reranker, library.reader):
            extra.load_in_background()
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
    shelf.install(app, library)
    documents.install(app, library)
    reading.install(app, library)
    feedback.install(app, library)
    _health(app, library)
    _pages(app)
    return app


def _ask(app: FastAPI, library: Library) -> None:
    replies = ERRORS | {
        200: {"content": {"application/json": {"example": ANSWER}}},
        409: {"model": ErrorReply, "description": "Nothing is indexed yet"},
    }

    def answer(request: AskRequest) -> Answer:
        _check_documents(library, request.document_ids)
        return library.answerer.ask(
            request.question,
            request.top_k,
            [turn.turn() for turn in request.history],
            request.filter(),
            request.mode,
        )

    @app.post("/ask", responses=replies, tags=["ask"])
    def ask(request: Annotated[AskRequest, Body(openapi_examples=QUESTIONS)]) -> Answer:
        """The passages that answer a question, best first, each with the telling sentence and a citation."""
        return answer(request)

    @app.get("/ask", responses=replies, tags=["ask"])
    def ask_by_address(query: Annotated[AskQuery, Query()]) -> Answer:
        """The same, for a script or a quick look: `/ask?q=Who+would+monitor+the+ceasefire%3F`. A link is better made to
        the page, `/?q=`: a browser that comes here from another site is refused."""
        return answer(
            AskRequest(
                question=query.q,
                history=[Turn(question=one) for one in query.history],
                **query.model_dump(exclude={"q", "history"}),
            )
        )


def _check_documents(library: Library, document_ids: list[str] | None) -> None:
    if library.catalogue.empty():
        raise IndexMissing("nothing is indexed yet", "Add documents: POST /documents, or qa index FILE_OR_FOLDER…")
    stored = library.catalogue.stored(document_ids or [])
    for document_id in document_ids or []:
        if document_id not in stored:
            raise documents.unknown(document_id)


def _health(app: FastAPI, library: Library) -> None:
    @app.get("/health", tags=["service"])
    def health() -> Health:
        """Can it answer, and does it search by meaning or, while the model is away, by BM25 alone?"""
        stored, passages, pending = library.catalogue.counts()
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
            model=ModelHealth(
                model.name, model.state, model.embedder.runtime if model.embedder else None, model.reason
            ),
            reranker=_extra(library.reranker),
            reader=_extra(library.reader),
            calibrated=library.calibration.fitted,
            generation=library.catalogue.generation(),
            documents=stored,
            passages=passages,
            passages_not_embedded=pending,
            repaired=library.repaired,
        )


def _extra(model: Loaded[Any]) -> ModelHealth | None:
    return ModelHealth(model.name, model.state, reason=model.reason) if model.name else None


def _pages(app: FastAPI) -> None:
    web = resource("web")
    swagger = Path(fastapi_offline.__file__).parent / "static"

    @app.api_route("/", methods=["GET", "HEAD"], include_in_schema=False)
    @app.api_route("/library", methods=["GET", "HEAD"], include_in_schema=False)
    def page() -> FileResponse:
        return FileResponse(web / "index.html")

    @app.api_route("/docs", methods=["GET", "HEAD"], include_in_schema=False)
    def docs() -> FileResponse:
        return FileResponse(web / "docs.html", headers={"Content-Security-Policy": DOCS_POLICY})

    @app.api_route("/favicon.ico", methods=["GET", "HEAD"], include_in_schema=False)
    def favicon() -> Response:
        return FileResponse(web / "icon.svg", media_type="image/svg+xml")

    for name, folder in (("web", web), ("swagger", swagger)):
        app.mount(f"/{name}", GZipMiddleware(StaticFiles(directory=folder), minimum_size=500), name=name)
