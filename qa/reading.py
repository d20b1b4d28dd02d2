"""A document over HTTP: about it, its text, where something stands in it, its file, its pages."""

from __future__ import annotations

import hashlib
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Annotated
from urllib.parse import quote

from fastapi import FastAPI, HTTPException, Query, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import FileResponse, PlainTextResponse

from index.boxes import SCALE, unpack
from index.find import matches
from index.rows import DocumentSummary
from index.types import PageLayout, Span
from qa.answer import document_url
from qa.config import resource
from qa.documents import found, unknown
from qa.replies import NOT_FOUND, DocumentInfo, FoundPlaces, PageInfo, PageMark, Place, document_info
from qa.schemas import Sought
from qa.wire import Library

_PAGE = {"document_id": "$request.path.document_id", "number": "$response.body#/0/page"}
_PLACE = {"start": "$response.body#/0/start", "end": "$response.body#/0/end"}
_LINKS = {
    "picture": {"operationId": "get_page", "parameters": _PAGE, "description": "the first page, as a picture"},
    "mark": {"operationId": "find_on_page", "parameters": _PAGE | _PLACE, "description": "where its characters stand"},
}


def install(app: FastAPI, library: Library) -> None:
    _showing(app, library)
    _text(app, library)
    _pages(app, library)


def _showing(app: FastAPI, library: Library) -> None:
    page = {"content": {"text/html": {"schema": {"type": "string"}}}}

    @app.get(
        "/documents/{document_id}",
        responses=NOT_FOUND | {200: page, 404: NOT_FOUND[404] | page},
        tags=["documents"],
        response_model=DocumentInfo,
    )
    def get_document(document_id: str, request: Request, response: Response) -> DocumentInfo | FileResponse:
        """About a document; for a browser the page that shows its text and marks the cited place."""
        summary = library.catalogue.summary(document_id)
        response.headers["Vary"] = "Accept"
        if "text/html" in request.headers.get("accept", ""):
            return FileResponse(resource("web") / "index.html", 200 if summary else 404, {"Vary": "Accept"})
        return document_info(found(library, document_id), document_url(document_id))

    @app.get(
        "/documents/{document_id}/original",
        responses=NOT_FOUND | {200: {"content": {"*/*": {"schema": {"type": "string", "format": "binary"}}}}},
        tags=["documents"],
        response_class=Response,
    )
    def get_original(document_id: str) -> Response:
        """The file as it came, to be saved; never shown as a page of this service."""
        found(library, document_id)
        original = library.catalogue.sources.original(document_id)
        if original is None:
            raise HTTPException(
                404, "the file itself is not stored; QA_ORIGINALS keeps those that are added from now on"
            )
        name = original.name.rpartition("/")[2]
        headers = {
            "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name, safe='')}",
            "Content-Security-Policy": "sandbox; default-src 'none'",
        }
        return Response(original.bytes, media_type=original.media_type, headers=headers)


def _text(app: FastAPI, library: Library) -> None:
    counted = {
        "X-Document-SHA256": {"description": "of the whole text", "schema": {"type": "string"}},
        "X-Document-Characters": {"description": "code points of the whole text", "schema": {"type": "integer"}},
    }

    @app.get(
        "/documents/{document_id}/text",
        responses=NOT_FOUND | {200: {"headers": counted}},
        tags=["documents"],
        response_class=PlainTextResponse,
    )
    def get_text(
        document_id: str,
        start: Annotated[int, Query(ge=0, le=2**31, description="first character")] = 0,
        end: Annotated[int | None, Query(ge=0, le=2**31, description="the one after the last")] = None,
    ) -> PlainTextResponse:
        """The stored text that every offset counts in, or part of it, as far as there is any. A byte order mark is a
        character of it; browsers drop one at the beginning unless told otherwise."""
        excerpt = library.catalogue.shelf.excerpt(document_id, start, end)
        if excerpt is None:
            raise unknown(document_id)
        headers = {"X-Document-SHA256": excerpt.sha256, "X-Document-Characters": str(excerpt.characters)}
        return PlainTextResponse(excerpt.text, headers=headers)

    @app.get("/documents/{document_id}/matches", responses=NOT_FOUND, tags=["documents"])
    def find_in_text(
        document_id: str,
        q: Annotated[Sought, Query(description="literal text", examples=["ceasefire monitoring"])],
        limit: Annotated[int, Query(ge=1, le=10_000, description="places listed; `total` counts all")] = 1000,
    ) -> FoundPlaces:
        """Where some words stand in the text, letter by letter: upper and lower case are the same (`ss` and `ß` too),
        and so is all white space, so that they are found over line breaks. In order, none overlapping another."""
        excerpt = library.catalogue.shelf.excerpt(document_id)
        if excerpt is None:
            raise unknown(document_id)
        total, spans = matches(excerpt.text, q, limit)
        return FoundPlaces(total, [Place(*span) for span in spans])


def _pages(app: FastAPI, library: Library) -> None:
    tagged = {"ETag": {"required": True, "schema": {"type": "string"}}}
    picture = {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}, "headers": tagged}

    @app.get("/documents/{document_id}/pages", responses=NOT_FOUND | {200: {"links": _LINKS}}, tags=["documents"])
    def list_pages(document_id: str) -> list[PageInfo]:
        """Which part of the text stands on which page; empty for formats without pages."""
        spans = library.catalogue.shelf.pages(document_id)
        if spans is None:
            raise unknown(document_id)
        return [PageInfo(number, *span) for number, span in enumerate(spans, 1)]

    @app.get(
        "/documents/{document_id}/pages/{number}.png",
        responses=NOT_FOUND | {200: picture, 304: {"description": "It is as `If-None-Match` says"}},
        tags=["documents"],
        response_class=Response,
    )
    def get_page(
        document_id: str,
        number: Annotated[int, PathParameter(ge=1, le=2**31, examples=[1])],
        request: Request,
        start: Annotated[int, Query(ge=0, le=2**31, description="first marked character")] = 0,
        end: Annotated[int, Query(ge=0, le=2**31, description="the one after the last")] = 0,
        width: Annotated[int, Query(ge=100, le=3000, description="in pixels")] = 1000,
    ) -> Response:
        """A picture of the real page; its characters from `start` to `end`, as citations count them, are marked."""
        summary = found(library, document_id)
        drawn = f"{summary.original} {summary.sha256} {number} {start} {end} {width}"
        tag = f'"{hashlib.sha256(drawn.encode()).hexdigest()[:32]}"'
        if request.headers.get("if-none-match") == tag:
            return Response(status_code=304, headers={"ETag": tag})
        return Response(
            _drawn(library, summary, number, (start, end), width), media_type="image/png", headers={"ETag": tag}
        )

    @app.get("/documents/{document_id}/pages/{number}/mark", responses=NOT_FOUND, tags=["documents"])
    def find_on_page(
        document_id: str,
        number: Annotated[int, PathParameter(ge=1, le=2**31, examples=[1])],
        start: Annotated[int, Query(ge=0, le=2**31, description="first character")],
        end: Annotated[int, Query(ge=0, le=2**31, description="the one after the last")],
    ) -> PageMark:
        """Where on the picture of a page its characters from `start` to `end` stand."""
        page = library.catalogue.shelf.page(found(library, document_id).id, number)
        if page is None:
            raise HTTPException(404, f"it is not known where the characters of page {number} stand")
        boxes = _boxes(page, (start, end))
        if not boxes:
            raise HTTPException(404, f"none of these characters stands on page {number}")
        wide, high = (points * SCALE for points in (page[1].width, page[1].height))
        left, top, right, bottom = zip(*boxes, strict=True)
        return PageMark(min(left) / wide, min(top) / high, max(right) / wide, max(bottom) / high)


def _boxes(page: tuple[Span, PageLayout], marked: tuple[int, int]) -> list[list[int]]:
    """The places of those characters of a text that stand on a page."""
    span, layout = page
    start, end = (min(max(one, span.start), span.end) - span.start for one in marked)
    return [box for box in unpack(layout.boxes)[start:end].tolist() if any(box)]


def _drawn(library: Library, summary: DocumentSummary, number: int, marked: tuple[int, int], width: int) -> bytes:
    """Raises HTTPException (404), DocumentError."""
    page = library.catalogue.shelf.page(summary.id, number)
    original = library.catalogue.sources.original(summary.id) if page else None
    if page is None or original is None:
        what = f"page {number}" if page is None else "the file itself, from which pages are drawn (QA_ORIGINALS),"
        raise HTTPException(404, f"{what} is not stored for {summary.title[:200]!r}")
    with NamedTemporaryFile(suffix=".pdf") as file:
        file.write(original.bytes)
        file.flush()
        return library.sandbox.page(Path(file.name), number, _boxes(page, marked), width, original.name)
