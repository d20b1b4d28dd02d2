"""The HTTP face: `create_app(library)`. Endpoints run in a thread pool, questions in one of their own."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from pathlib import Path
from threading import Thread
from typing import Annotated

import fastapi_offline
from fastapi import Body, FastAPI, Query, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.middleware.gzip import GZipMiddleware
from fastapi.responses import FileResponse
from fastapi.staticfiles import StaticFiles

from index.errors import IndexMissing
from qa import (
    __version__,
    description,
    documents,
    failures,
    feedback,
    health,
    logs,
    metrics,
    question,
    reading,
    shelf,
    signin,
)
from qa.access import Access
from qa.asking import Asking
from qa.config import Settings, resource
from qa.connections import state
from qa.examples import ANSWER, QUESTIONS
from qa.gate import Gate
from qa.guard import Guard
from qa.headers import DOCS_POLICY
from qa.holders import Holders
from qa.mcp import Endpoint
from qa.observe import Service
from qa.replies import ERRORS
from qa.schemas import AskQuery, AskRequest, Turn
from qa.types import Answer
from qa.wire import Library

_DESCRIPTION = (
    "Ask your own documents; get the passages that answer, word for word, with citations that can be checked. "
    "Nothing is generated. Offsets count Unicode code points in the stored text of the whole document."
)


def create_app(library: Library, hosts: Collection[str] | None = None) -> FastAPI:
    """The service over one opened library, for requests to the names in `hosts` (default: any).

    Its model is loaded in the background once the service runs. Where its data folder has tokens, people sign in.
    """
    settings = library.settings
    access = Access(settings.data, settings.catalogue)
    holders = Holders(access)
    asking = Asking(settings.questions, settings.question_seconds)
    assistants = Endpoint(library, asking.run, _found)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, object]]:
        library.jobs.start()
        if library.model.embedder is None:
            library.model.start(library.builder.embed_pending)
        for extra in (library.reranker, library.reader):
            extra.load_in_background()
        Thread(target=library.open_index, name="open", daemon=True).start()
        async with assistants.running():
            yield state(settings.idle_seconds, settings.connections, library.jobs.drain)
        asking.close()
        access.close()

    app = Service(
        title="Chapter & Verse",
        version=__version__,
        description=_DESCRIPTION,
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        generate_unique_id_function=description.name_of,
    )
    app.state.library, app.state.asking = library, asking
    description.install(app)
    failures.install(app)
    app.add_middleware(Gate, settings=settings, holders=holders, shared=library.shared, asking=asking)
    if settings.origins:
        headers = ["Authorization", "Content-Type", "X-Request-ID"]
        app.add_middleware(
            CORSMiddleware, allow_origins=sorted(settings.origins), allow_methods=["*"], allow_headers=headers
        )
    app.add_middleware(Guard, settings=settings, hosts=hosts)
    _ask(app, library, asking)
    shelf.install(app, library)
    documents.install(app, library)
    reading.install(app, library)
    feedback.install(app, library)
    health.install(app, library)
    metrics.install(app, library)
    signin.install(app, access, holders, library.shared, settings)
    app.router.add_route("/mcp", assistants, methods=["POST"], include_in_schema=False)  # type: ignore[arg-type]
    _pages(app)
    return app


def _ask(app: FastAPI, library: Library, asking: Asking) -> None:
    replies = ERRORS | {
        200: {"content": {"application/json": {"example": ANSWER}}},
        404: {"description": "One of `document_ids` is not there"},
        409: {"description": "Nothing is indexed yet"},
    }

    def answer(request: AskRequest) -> Answer:
        _check_length(request, library.settings)
        _check_documents(library, request.document_ids)
        return _found(library, request)

    @app.post("/ask", responses=replies, tags=["ask"])
    async def ask(request: Annotated[AskRequest, Body(openapi_examples=QUESTIONS)]) -> Answer:
        """The passages that answer a question, best first, each with the telling sentence and a citation."""
        return await asking.run(lambda: answer(request))

    @app.get("/ask", responses=replies, tags=["ask"])
    async def ask_by_address(query: Annotated[AskQuery, Query()]) -> Answer:
        """The same, for a script or a quick look: `/ask?q=Who+would+monitor+the+ceasefire%3F`. A link is better made to
        the page, `/?q=`: a browser that comes here from another site is refused."""
        request = AskRequest(
            question=query.q,
            history=[Turn(question=one) for one in query.history],
            **query.model_dump(exclude={"q", "history"}),
        )
        return await asking.run(lambda: answer(request))


def _found(library: Library, request: AskRequest) -> Answer:
    """The answer to a question that was checked, over whichever protocol it came."""
    if library.settings.log_questions:
        logs.asked(request.question)
    answer = question.found(library, request)
    metrics.observe(answer, request.mode, library.model)
    return answer


def _check_length(request: AskRequest, settings: Settings) -> None:
    """Raises RequestValidationError over the limits that are set here; those of everybody are in the request's type."""
    long = question.over(request, settings)
    if long:
        raise RequestValidationError([{"loc": ("body", long[0]), "msg": long[1], "type": "string_too_long"}])


def _check_documents(library: Library, document_ids: list[str] | None) -> None:
    if library.catalogue.empty():
        raise IndexMissing("nothing is indexed yet", "Add documents: POST /documents, or qa index FILE_OR_FOLDER…")
    stored = library.catalogue.stored(document_ids or [])
    for document_id in document_ids or []:
        if document_id not in stored:
            raise documents.unknown(document_id)


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
