"""Every failure as one shape: {"error": {"code", "message", "hint"}}, never a traceback."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route

from index.errors import Busy, Conflict, DocumentError, IndexMissing, NameTaken, QAError
from qa.headers import HEADERS
from qa.replies import ErrorBody, ErrorReply

_log = logging.getLogger(__name__)

_STATUS = {
    DocumentError: HTTPStatus.UNPROCESSABLE_ENTITY,
    IndexMissing: HTTPStatus.CONFLICT,
    Conflict: HTTPStatus.CONFLICT,
}
_HINTS = {
    "string_too_long": "Shorten it.",
    "extra_forbidden": "Remove it, or check its spelling; /docs lists the fields.",
    "missing": "Add it; /docs shows an example.",
    "json_invalid": "Send well-formed JSON in UTF-8.",
    "string_type": "Send text.",
    "string_unicode": "Send well-formed Unicode.",
}
_DOCS = "See /docs for what is accepted."
_MINUTE = 60.0
_telling = threading.Lock()
_told = dict[str, float]()
"""When each failure was last logged with its traceback."""


def install(app: FastAPI) -> None:
    app.add_exception_handler(QAError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(Exception, _unexpected)


def reply(
    status: int, code: str, message: str, hint: str = "", headers: Mapping[str, str] | None = None
) -> JSONResponse:
    retry = {"Retry-After": "1"} if status == HTTPStatus.SERVICE_UNAVAILABLE else {}
    return JSONResponse(asdict(ErrorReply(ErrorBody(code, message, hint))), status, retry | dict(headers or {}))


def _ours(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, QAError)
    return refused(error)


def refused(error: QAError) -> JSONResponse:
    """The reply to what cannot be done."""
    kind = Conflict if isinstance(error, NameTaken) else type(error)  # as a job calls it
    status = _STATUS.get(kind, HTTPStatus.SERVICE_UNAVAILABLE)
    if status == HTTPStatus.SERVICE_UNAVAILABLE and kind is not Busy:
        _log.error("%s", error.message, exc_info=error if _news(error.message) else None)
    code = re.sub(r"(?<!^)(?=[A-Z][a-z])", "_", kind.__name__).lower()
    return reply(status, code, error.message, error.hint)


def _news(message: str) -> bool:
    """Whether it was not told a minute ago: what is away for long fails every question, and a line each will do."""
    now = time.monotonic()
    with _telling:
        for old in [one for one, at in _told.items() if now - at > _MINUTE]:
            del _told[old]
        return _told.setdefault(message, now) == now


def _invalid(_: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    problems: Sequence[Any] = error.errors()
    messages = [f"{_place(problem['loc'])}: {problem['msg'].removeprefix('Value error, ')}" for problem in problems[:5]]
    hint = next((_HINTS[problem["type"]] for problem in problems if problem["type"] in _HINTS), _DOCS)
    return reply(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", "; ".join(messages), hint)


def _place(location: Sequence[object]) -> str:
    """("body", "documents", 0, "text") as "documents[0].text"; names that a client made up are cut short."""
    place = "".join(f"[{part}]" if isinstance(part, int) else f".{str(part)[:80]}" for part in location[1:])
    return place.lstrip(".") or "the request body"


def _http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    if error.status_code == HTTPStatus.BAD_REQUEST and isinstance(error.__cause__, ValueError | RecursionError):
        message = "the request body: not JSON in UTF-8, nested too deep, or with a number of too many digits"
        return reply(HTTPStatus.UNPROCESSABLE_ENTITY, "invalid_request", message, _HINTS["json_invalid"])
    status = HTTPStatus(error.status_code)
    code = "content_too_large" if status == 413 else status.name.lower()  # Python renamed this one in 3.13
    headers = {**(error.headers or {})} | (_allow(request) if status == HTTPStatus.METHOD_NOT_ALLOWED else {})
    return reply(status, code, str(error.detail), _DOCS, headers)


def _allow(request: Request) -> dict[str, str]:
    """Every method of an address; the router tells those of the first endpoint alone."""
    routes = [one for one in request.app.routes if isinstance(one, Route) and one.matches(request.scope)[0].value]
    methods = {method for route in routes for method in route.methods or ()}
    return {"Allow": ", ".join(sorted(methods))} if methods else {}


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return reply(
        HTTPStatus.INTERNAL_SERVER_ERROR,
        "internal_error",
        "the service failed to answer",
        "Its log tells why.",
        HEADERS,
    )
