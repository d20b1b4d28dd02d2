"""What is seen of every request: its id, one line in the log, how long it took."""

from __future__ import annotations

import json
import logging
import random
import re
import time
from functools import cached_property
from typing import Any

from fastapi import FastAPI
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from qa import logs, metrics

_log = logging.getLogger("qa.access")

REQUEST_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
"""What a client, or a proxy, may call its request; another one gets a name from here."""
OTHER = "other"
"""Stands for every address, and every method, that the service does not have."""
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_PROBES = re.compile(r"/health(/.*)?|/metrics")
_CODE = re.compile(r"[a-z_]{1,40}")
_LONGEST_ERROR = 65_536


class Service(FastAPI):
    """FastAPI with `Observed` around everything, replies to unexpected failures included."""

    def build_middleware_stack(self) -> ASGIApp:
        return Observed(super().build_middleware_stack(), self)


class Observed:
    """ASGI middleware, the outermost. `scope["qa.client"]`, where one inside sets it, names the token."""

    def __init__(self, app: ASGIApp, service: FastAPI) -> None:
        self._app = app
        self._service = service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        with logs.traced(_id_of(scope)) as trace:
            assert trace is not None
            reply = _Reply(trace.id, send)
            began = time.perf_counter()
            try:
                await self._app(scope, receive, reply.send)
            except Exception:
                if reply.status is None:
                    reply.status = 500
                    raise
                # Where its reply was made, it was logged.
            finally:
                self._tell(scope, reply, trace, time.perf_counter() - began)

    def _tell(self, scope: Scope, reply: _Reply, trace: logs.Trace, seconds: float) -> None:
        method = scope["method"] if scope["method"] in _METHODS else OTHER
        route, status = self._route(scope), reply.status
        status_class = f"{status // 100}xx" if status else "none"
        metrics.requests.labels(method, route, status_class).observe(seconds)
        if status and status >= 400:
            metrics.refusals.labels(reply.code).inc()
        probe = _PROBES.fullmatch(route) is not None and status is not None and status < 400
        fields: dict[str, Any] = {
            "method": method,
            "route": route,
            "status": status,
            "milliseconds": round(seconds * 1000, 1),
            "bytes": reply.bytes,
            "client": scope["client"][0] if scope.get("client") else "",
        }
        fields |= {"token": scope["qa.client"]} if scope.get("qa.client") else {}
        fields |= {"question": trace.question} if trace.question is not None else {}
        said = "%(method)s %(route)s %(status)s %(milliseconds)s ms %(bytes)s bytes %(client)s"
        said += "".join(f" {name}=%({name})r" for name in ("token", "question") if name in fields)
        _log.log(logging.DEBUG if probe else logging.INFO, said, fields, extra=fields)

    def _route(self, scope: Scope) -> str:
        """The template of its address, such as /documents/{document_id}; the folder, for a file of the page."""
        template = getattr(scope.get("route"), "path", None)
        if isinstance(template, str):
            return template
        mount = scope.get("root_path", "").removeprefix(scope.get("app_root_path", ""))
        if "app_root_path" in scope and mount:
            return str(mount)
        return scope["path"] if scope["path"] in self._addresses else OTHER  # refused before it was routed

    @cached_property
    def _addresses(self) -> frozenset[str]:
        paths = (getattr(route, "path", "") for route in self._service.routes)
        return frozenset(path for path in paths if path and "{" not in path)


class _Reply:
    """Passes a reply on under the id of its request, and remembers how it was."""

    def __init__(self, request_id: str, send: Send) -> None:
        self.status: int | None = None
        self.bytes = 0
        self.code = "none"
        self._id = request_id
        self._send = send

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            MutableHeaders(scope=message)["X-Request-ID"] = self._id
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            if not self.bytes and self.status is not None and self.status >= 400:
                self.code = _code(body)
            self.bytes += len(body)
        await self._send(message)


def _id_of(scope: Scope) -> str:
    given = next((value for name, value in scope["headers"] if name == b"x-request-id"), b"").decode("latin-1")
    return given if REQUEST_ID.fullmatch(given) else f"{random.getrandbits(64):016x}"


def _code(body: bytes) -> str:
    """The code of our errors' shape, "none" where a reply has another one."""
    if not body.startswith(b'{"error"') or len(body) > _LONGEST_ERROR:
        return "none"
    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, LookupError, TypeError):
        return "none"
    return code if isinstance(code, str) and _CODE.fullmatch(code) else "none"
