"""What stands around every request: who may send it, security headers on the reply, a limit on what is read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection

from fastapi import HTTPException
from starlette.datastructures import MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qa.config import Settings
from qa.failures import reply
from qa.headers import HEADERS, kept

PATIENCE = 60.0
"""Seconds that a client may take to read what has been sent to it; see also `qa.connections`."""

_LARGE = re.compile(r"/documents(/[^/]+)?")
"""Where documents come in; elsewhere nobody has a reason to send much."""
_SMALL, _SMALLEST = 8 << 20, 16 << 10
"""Most bytes of another request, and of one to sign in, which anybody may send. The longest question, with the longest
history and every letter written as an escape, has less than the first."""
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^:\[\]@/]+)(:[0-9]{1,5})?")
_PAGES = re.compile(r"/|/library|/docs|/sign-in|/documents/[^/]+")
"""What a link on another site may lead to. A browser that follows one gets a page there, never what is stored."""


class Guard:
    """ASGI middleware. Replies to unexpected failures are made outside of it and take `HEADERS` themselves.

    With `hosts`, a request for another name is refused: a page from elsewhere whose name was made to lead to this
    machine (DNS rebinding) could read the library otherwise. Pages of the `origins` of the settings may use the API.
    """

    def __init__(self, app: ASGIApp, settings: Settings, hosts: Collection[str] | None = None) -> None:
        self._app = app
        self._settings = settings
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        gone = False

        async def guarded_send(message: Message) -> None:
            nonlocal gone
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in (HEADERS | kept(scope["path"])).items():
                    headers.setdefault(name, value)
            if gone:
                return
            try:
                async with asyncio.timeout(PATIENCE):
                    await send(message)
            except TimeoutError:  # it does not read; the server closes a connection whose reply stays incomplete
                gone = True

        refusal = self._refusal(scope)
        if refusal:
            await refusal(scope, receive, guarded_send)
        else:
            await self._app(scope, self._measured(scope, receive), guarded_send)

    def _refusal(self, scope: Scope) -> Response | None:
        for name in (b"host", b"authorization"):  # a proxy may go by the other one
            if sum(found == name for found, _ in scope["headers"]) > 1:
                said = name.decode().title()
                return reply(400, "bad_request", f"the request has two headers {said}", f"Send one {said} header.")
        if self._hosts is not None and _host(scope) not in self._hosts:
            message = "this service is not reached by that name"
            return reply(421, "misdirected_request", message, "Open it by the address that it printed; see QA_HOSTS.")
        if foreign(scope) and not followed(scope) and header(scope, b"origin") not in self._settings.origins:
            message = "pages of other sites may not use this service; they may link to its own pages"
            return reply(403, "forbidden", message, "Open it by the address that it printed; see QA_CORS.")
        length = len(scope.get("raw_path") or b"") + len(scope["query_string"])
        if length > self._settings.url_bytes:
            message = f"the address has {length:,} bytes, over {self._settings.url_bytes:,}"
            return reply(414, "uri_too_long", message, "Send a question by POST /ask.")
        return None

    def _measured(self, scope: Scope, receive: Receive) -> Receive:
        """`receive`, that takes no more than is allowed, and waits no longer than is allowed for the next part."""
        most = self._most(scope)
        received, complete = 0, False

        async def measured() -> Message:
            nonlocal received, complete
            try:
                async with asyncio.timeout(None if complete else self._settings.idle_seconds):
                    message = await receive()
            except TimeoutError as error:
                raise HTTPException(408, "the request came too slowly", {"Connection": "close"}) from error
            complete = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > most:
                raise HTTPException(413, f"the request is over {_size(most)}; use qa index for large files")
            return message

        return measured

    def _most(self, scope: Scope) -> int:
        """Bytes that a request may have."""
        if scope["path"] == "/documents" and header(scope, b"content-type").startswith("multipart/"):
            return self._settings.upload_mb << 20
        most = self._settings.body_mb << 20
        if _LARGE.fullmatch(scope["path"]):
            return most
        return min(most, _SMALLEST if scope["path"] == "/sign-in" else _SMALL)


def _size(size: int) -> str:
    return f"{size >> 20} MB" if size >= 1 << 20 else f"{size >> 10} kB"


def _host(scope: Scope) -> str:
    """The name in the Host header, without port, lower case; empty where it is none."""
    found = _HOST.fullmatch(header(scope, b"host"))
    return found[1] if found else ""


def header(scope: Scope, name: bytes) -> str:
    """Lower case; empty when it is not there."""
    return next((value for found, value in scope["headers"] if found == name), b"").decode("latin-1").lower()


def foreign(scope: Scope) -> bool:
    """Whether a browser says that a page of another site sends this. Programs say nothing of the kind."""
    origin = header(scope, b"origin")
    return header(scope, b"sec-fetch-site") in ("cross-site", "same-site") or (
        bool(origin) and origin.partition("://")[2] != header(scope, b"host")
    )


def followed(scope: Scope) -> bool:
    """Whether a browser opens one of the pages, as by a link."""
    reading = scope["method"] in ("GET", "HEAD") and header(scope, b"sec-fetch-mode") == "navigate"
    return reading and _PAGES.fullmatch(scope["path"]) is not None
