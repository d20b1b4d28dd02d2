"""Tricks with HTTP itself, over a raw socket: answered in the one shape of errors, or cut off, and nothing is lost."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.conftest import Server, starting

QUESTION = b'{"question": "ceasefire"}'
HEAD = b"Host: 127.0.0.1\r\nContent-Type: application/json\r\n"
ASK = b"POST /ask HTTP/1.1\r\n" + HEAD
LENGTH = b"Content-Length: %d\r\n\r\n" % len(QUESTION)
PLAIN = ASK + LENGTH + QUESTION
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"
TRICKS: dict[str, tuple[bytes, set[int]]] = {
    "a plain question": (PLAIN, {200}),
    "in chunks": (ASK + CHUNKED + b"19\r\n" + QUESTION + b"\r\n0\r\n\r\n", {200}),
    "chunks with extensions and trailers": (
        ASK + CHUNKED + b"19;a=b\r\n" + QUESTION + b"\r\n0\r\nX: y\r\n\r\n",
        {200, 400},
    ),
    "a chunk of no size": (ASK + CHUNKED + b"zz\r\n" + QUESTION + b"\r\n0\r\n\r\n", {400}),
    "a negative chunk": (ASK + CHUNKED + b"-1\r\n" + QUESTION + b"\r\n0\r\n\r\n", {400}),
    "a chunk beyond all bounds": (ASK + CHUNKED + b"f" * 40 + b"\r\n" + QUESTION, {400}),
    "both lengths": (ASK + b"Transfer-Encoding: chunked\r\n" + LENGTH + b"0\r\n\r\n", {400, 422}),
    "two lengths": (ASK + b"Content-Length: 5\r\n" + LENGTH + QUESTION, {400}),
    "two like lengths": (ASK + LENGTH[:-2] + LENGTH + QUESTION, {200, 400}),
    "a negative length": (ASK + b"Content-Length: -1\r\n\r\n", {400}),
    "a length beyond all bounds": (ASK + b"Content-Length: " + b"9" * 40 + b"\r\n\r\n", {400, 413}),
    "a length with a plus": (ASK + b"Content-Length: +25\r\n\r\n" + QUESTION, {400}),
    "an unknown transfer": (ASK + b"Transfer-Encoding: gzip\r\n\r\n" + QUESTION, {400, 411, 422, 501}),
    "a hidden transfer": (ASK + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n", {400}),
    "chunked twice": (ASK + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n", {400, 422}),
    "a folded header": (b"GET /ask?q=a HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\r\n c\r\n\r\n", {200, 400}),
    "a header without a name": (b"GET /ask?q=a HTTP/1.1\r\nHost: 127.0.0.1\r\n: b\r\n\r\n", {400}),
    "a NUL in a header": (b"GET /ask?q=a HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b\x00c\r\n\r\n", {400}),
    "a header of a megabyte": (b"GET /ask?q=a HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: " + b"b" * (1 << 20), {400, 431}),
    "ten thousand headers": (b"GET /ask?q=a HTTP/1.1\r\nHost: 127.0.0.1\r\n" + b"X: y\r\n" * 50_000, {400, 431}),
    "an address of a megabyte": (
        b"GET /" + b"a" * (1 << 20) + b" HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        {400, 414, 431},
    ),
    "lines without returns": (b"GET /ask?q=ceasefire HTTP/1.1\nHost: 127.0.0.1\n\n", {200, 400}),
    "HTTP/1.0": (b"GET /ask?q=ceasefire HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", {200}),
    "HTTP/1.0 without a name": (b"GET /ask?q=ceasefire HTTP/1.0\r\n\r\n", {400, 421}),
    "HTTP/1.1 without a name": (b"GET /ask?q=ceasefire HTTP/1.1\r\n\r\n", {400, 421}),
    "two names": (b"GET /ask?q=a HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n", {400, 421}),
    "another name first": (b"GET /ask?q=a HTTP/1.1\r\nHost: evil.example\r\nHost: 127.0.0.1\r\n\r\n", {400, 421}),
    "HTTP/0.9": (b"GET /ask?q=ceasefire\r\n\r\n", {400, 421}),
    "HTTP/3.0": (b"GET /ask?q=ceasefire HTTP/3.0\r\nHost: 127.0.0.1\r\n\r\n", {400, 505}),
    "HTTP/2 at once": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", {400, 404, 405, 421, 505}),
    "an upgrade": (
        b"GET /ask?q=ceasefire HTTP/1.1\r\n" + HEAD + b"Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
        {200, 400, 403, 404, 426},
    ),
    "an absolute address": (
        b"GET http://127.0.0.1/ask?q=ceasefire HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        {200, 400, 404},
    ),
    "an absolute address of another": (
        b"GET http://evil.example/health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n",
        {200, 400, 404, 421},
    ),
    "a star": (b"OPTIONS * HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {200, 400, 404, 405}),
    "a tunnel": (b"CONNECT evil.example:443 HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {400, 404, 405, 421}),
    "an unknown method": (b"BREW /ask HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {400, 405, 501}),
    "a trace": (b"TRACE /ask HTTP/1.1\r\nHost: 127.0.0.1\r\nCookie: secret\r\n\r\n", {400, 405}),
    "bytes beyond ASCII in the address": (b"GET /ask?q=\xff\xfe HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {200, 400, 422}),
    "a space in the address": (b"GET /ask?q=a b HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {400}),
    "TLS": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 32, {400}),
    "a body with a GET": (b"GET /ask?q=ceasefire HTTP/1.1\r\n" + HEAD + LENGTH + QUESTION, {200}),
    "a second request behind the first": (PLAIN + b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", {200}),
    "rubbish behind the first": (PLAIN + b"\x00\xff" * 500, {200, 400}),
    "it waits for a word": (ASK + b"Expect: 100-continue\r\n" + LENGTH + QUESTION, {100, 200}),
}
"""What is sent, and which statuses will do. Where a sender and a receiver may read it as different requests (one hidden
in another), only a refusal will."""


CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with starting(tmp_path_factory.mktemp("served") / "data") as run:
        yield run(QA_MODEL="/no/such/model", QA_IDLE_SECONDS="2")


def exchanged(url: str, sent: bytes) -> bytes:
    """The first reply to it; nothing where the other side ends the connection without one."""
    address = urlsplit(url)
    received = b""
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        try:
            connection.sendall(sent)
            while not complete(received) and (part := connection.recv(65_536)):
                received += part
        except OSError:  # it need not read to its end what it refuses
            pass
    return received.removeprefix(CONTINUE)


def complete(received: bytes) -> bool:
    head, end, body = received.removeprefix(CONTINUE).partition(b"\r\n\r\n")
    length = re.search(rb"(?i)^content-length: *(\d+)", head, re.MULTILINE)
    return bool(end and length and len(body) >= int(length[1]))


@pytest.mark.server
@pytest.mark.parametrize("name", TRICKS)
def test_a_trick_with_the_protocol_is_answered_in_shape_or_cut_off(served: Server, name: str) -> None:
    sent, statuses = TRICKS[name]
    received = exchanged(served.url, sent)
    assert received or 200 not in statuses or len(statuses) > 1
    if received:
        head, _, body = received.partition(b"\r\n\r\n")
        status = int(head.split(b" ")[1])
        assert status in statuses | {408}, received[:500]  # a request that never ends is cut off
        assert b"\r\nserver:" not in head.lower()
        if status >= 400:
            assert json.loads(body)["error"].keys() == {"code", "message", "hint"}
    assert served.get("/ask?q=ceasefire")[0] == 200
