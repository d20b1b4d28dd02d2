"""What stands around every request: who may send it, security headers on the reply, a limit on what is read."""

from __future__ import annotations

import re
from collections.abc import Collection

from fastapi import HTTPException
from fastapi.responses import JSONResponse
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 64 * 1024 * 1024
"""Bytes of a request; a document that is larger is better given to `qa index`."""
MAX_UPLOAD = 1024 * 1024 * 1024
"""The same for files, which are not held in memory."""

_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; font-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
)
DOCS_POLICY = f"{_POLICY}img-src 'self' data:"
"""For the page with Swagger, which writes HTML itself."""
HEADERS = {
    "Content-Security-Policy": f"{_POLICY}img-src 'self'; require-trusted-types-for 'script'; trusted-types 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",
}
_PAGES = re.compile(r"/|/library|/docs|/documents/[^/]+")
"""What a link on another site may lead to. A browser that follows one gets a page there, never what is stored."""
_CACHED = (
    (re.compile(r"/ask|/feedback(/.*)?|/documents/[^/]+/(text|matches|original)"), "no-store"),
    (re.compile(r"/(documents|labels|jobs)(/.*)?"), "private, no-cache"),
)
"""What a browser may keep, by path: nothing of answers and texts; the rest of the library for this person alone, asking
each time whether it still holds."""


class Guard:
    """ASGI middleware. Replies to unexpected failures are made outside of it and take `HEADERS` themselves.

    With `hosts`, a request for another name is refused: a page from elsewhere whose name was made to lead to this
    machine (DNS rebinding) could read the library otherwise.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str] | None = None) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        if self._hosts is not None and _host(scope) not in self._hosts:
            await _refused(
                421, "misdirected_request", "this service answers on this machine only", scope, receive, send
            )
            return
        if _foreign(scope) and not _followed(scope):
            message = "pages of other sites may not use this service; they may link to its own pages"
            await _refused(403, "forbidden", message, scope, receive, send)
            return
        received, most = 0, MAX_UPLOAD if _header(scope, b"content-type").startswith("multipart/") else MAX_BODY

        async def guarded_receive() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413, f"the request is over {most >> 20} MB; use qa index for large files")
            return message

        async def guarded_send(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (HEADERS | _cache_control(scope["path"])).items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, guarded_receive, guarded_send)


def _host(scope: Scope) -> str:
    """The name in the Host header, without port, lower case."""
    value = _header(scope, b"host")
    return value.rpartition("]")[0] + "]" if value.startswith("[") else value.partition(":")[0]


def _header(scope: Scope, name: bytes) -> str:
    """Lower case; empty when it is not there."""
    return next((value for found, value in scope["headers"] if found == name), b"").decode("latin-1").lower()


def _foreign(scope: Scope) -> bool:
    """Whether a browser says that a page of another site sends this. Programs say nothing of the kind."""
    origin = _header(scope, b"origin")
    return _header(scope, b"sec-fetch-site") in ("cross-site", "same-site") or (
        bool(origin) and origin.partition("://")[2] != _header(scope, b"host")
    )


def _followed(scope: Scope) -> bool:
    """Whether a browser opens one of the pages, as by a link."""
    reading = scope["method"] in ("GET", "HEAD") and _header(scope, b"sec-fetch-mode") == "navigate"
    return reading and _PAGES.fullmatch(scope["path"]) is not None


def _cache_control(path: str) -> dict[str, str]:
    return next(({"Cache-Control": value} for pattern, value in _CACHED if pattern.fullmatch(path)), {})


async def _refused(status: int, code: str, message: str, scope: Scope, receive: Receive, send: Send) -> None:
    error = {"code": code, "message": message, "hint": "Open it by the address that it printed."}
    await JSONResponse({"error": error}, status, HEADERS)(scope, receive, send)
