"""How a connection is held: a head that comes in time and is not too long, no more of them than are allowed."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from qa import metrics
from qa.headers import HEADERS

PATIENCE = 60.0
"""Seconds in which a client has to read something of a reply."""
HEAD = 64 << 10
"""Most bytes of a request's line and headers, or of what follows a body before the next."""
_HEADERS = "".join(f"{name.lower()}: {value}\r\n" for name, value in HEADERS.items()).encode()
_REFUSED = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\ncontent-length: %d\r\nconnection: close\r\n%s%s\r\n%s"
_BODY = b'{"error":{"code":"%s","message":"%s","hint":"%s"}}'


class Connection(HttpToolsProtocol):
    """uvicorn's, with a time limit for the head of each request. It looks into the application's state, see `state`."""

    _began: asyncio.TimerHandle | None = None
    _head = 0
    """Bytes that came of a head that is not complete."""
    _read = 0
    """Bytes of the address and the headers that were read of a request."""
    _in_body = False
    _unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        transport.set_write_buffer_limits(high=0)  # told at once when the client does not read
        if len(self.connections) > self.app_state["most_connections"]:
            self._refuse(b"503 Service Unavailable", b"busy", b"there are too many connections", b"Try again.")
        else:
            self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        self._is_read()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.transport.is_closing():
            return
        if self._began:
            self._head += len(data)
        elif self._in_body:  # of a request that may have been refused already
            pass
        elif self.cycle is None or self.cycle.response_complete:  # the next one on this connection begins
            self._head = len(data)
            self._wait()
        super().data_received(data)
        if self._began and self._head > HEAD and not self.transport.is_closing():
            self._refuse_head()

    def on_message_begin(self) -> None:
        self._read = 0
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        self._read += len(url)
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        self._read += len(name) + len(value)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._stop_waiting()
        if self._read > HEAD:
            raise ValueError("the head is too long")  # the parser's own, which ends in send_400_response
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def pause_writing(self) -> None:
        self._unread = self.loop.call_later(PATIENCE, self._give_up, self.transport.get_write_buffer_size())
        super().pause_writing()

    def resume_writing(self) -> None:
        self._is_read()
        super().resume_writing()

    def _give_up(self, before: int) -> None:
        """Of a reply that nobody reads any further nothing is kept."""
        left = self.transport.get_write_buffer_size()
        if left < before:
            self._unread = self.loop.call_later(PATIENCE, self._give_up, left)
        else:
            self.transport.abort()

    def _is_read(self) -> None:
        if self._unread:
            self._unread.cancel()
            self._unread = None

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002
        if self._read > HEAD:
            self._refuse_head()
        else:
            hint = b"Check what sends it."
            self._refuse(b"400 Bad Request", b"bad_request", b"this is not HTTP as it should be", hint)

    def shutdown(self) -> None:
        self.app_state["drain"]()
        super().shutdown()

    def _wait(self) -> None:
        self._began = self.loop.call_later(self.app_state["idle_seconds"], self._too_slow)

    def _stop_waiting(self) -> None:
        if self._began:
            self._began.cancel()
            self._began = None

    def _too_slow(self) -> None:
        self._began = None
        if self._head:
            hint = b"Send it at once; see QA_IDLE_SECONDS."
            self._refuse(b"408 Request Timeout", b"request_timeout", b"the request came too slowly", hint)
        else:
            self.transport.close()

    def _refuse_head(self) -> None:
        hint = b"Send fewer or shorter headers."
        self._refuse(b"431 Request Header Fields Too Large", b"header_too_large", b"the head is too long", hint)

    def _refuse(self, status: bytes, code: bytes, message: bytes, hint: bytes) -> None:
        self._stop_waiting()
        body = _BODY % (code, message, hint)
        retry = b"retry-after: 1\r\n" if status.startswith(b"503") else b""
        metrics.refusals.labels(code.decode()).inc()
        self.transport.write(_REFUSED % (status, len(body), _HEADERS, retry, body))
        self.transport.close()


def state(idle_seconds: float, most_connections: int, drain: Any) -> dict[str, Any]:
    """What the application's lifespan yields for `Connection`; `drain` is called when the service is to end."""
    return {"idle_seconds": idle_seconds, "most_connections": most_connections, "drain": drain}
