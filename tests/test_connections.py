"""Connections to the real service: how slow, how many, how long a head."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from contextlib import closing
from urllib.parse import urlsplit

import pytest

from tests.conftest import Server, starting

pytestmark = pytest.mark.server
SLOW = {"QA_IDLE_SECONDS": "1", "QA_SEEDS": ""}


def connected(server: Server) -> socket.socket:
    address = urlsplit(server.url)
    return socket.create_connection((address.hostname, address.port), timeout=30)


def reply(connection: socket.socket) -> tuple[int, dict[str, str], bytes]:
    """Status, headers and body; until the service closes, or the body is complete."""
    received = b""
    while b"\r\n\r\n" not in received:
        part = connection.recv(65_536)
        if not part:
            return 0, {}, received
        received += part
    head, _, body = received.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    headers = dict(line.lower().split(": ", 1) for line in lines)
    while len(body) < int(headers.get("content-length", 0)):
        body += connection.recv(65_536)
    return int(first.split()[1]), headers, body


def refused(connection: socket.socket) -> tuple[int, str]:
    status, headers, body = reply(connection)
    assert headers["connection"] == "close"
    assert connection.recv(1) == b""
    return status, json.loads(body)["error"]["code"]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with starting(tmp_path_factory.mktemp("connections")) as run:
        yield run(**SLOW)


def test_who_says_nothing_is_let_go(server: Server) -> None:
    with closing(connected(server)) as connection:
        assert connection.recv(1) == b""


@pytest.mark.parametrize("head", [b"GET /health HTTP/1.1\r\nHost: x\r\n", b"GET /hea", b"POST"])
def test_a_head_that_does_not_come_to_its_end_is_refused(server: Server, head: bytes) -> None:
    with closing(connected(server)) as connection:
        connection.sendall(head)
        assert refused(connection) == (408, "request_timeout")


def test_the_next_request_on_a_connection_has_as_little_time(server: Server) -> None:
    with closing(connected(server)) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        assert reply(connection)[0] == 200
        connection.sendall(b"GET /health/live HTTP/1.1\r\n")
        assert refused(connection) == (408, "request_timeout")


def test_a_body_that_does_not_come_is_refused(server: Server) -> None:
    with closing(connected(server)) as connection:
        head = b"POST /ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n"
        connection.sendall(head + b'{"question"')
        assert refused(connection) == (408, "request_timeout")


def test_a_head_is_so_long_and_no_longer(server: Server) -> None:
    for size, expected in ((30_000, 200), (70_000, 431)):
        with closing(connected(server)) as connection:
            connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Long: " + b"x" * size + b"\r\n\r\n")
            assert reply(connection)[0] == expected


def test_what_is_not_http_is_refused_in_the_one_shape(server: Server) -> None:
    with closing(connected(server)) as connection:
        connection.sendall(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n")
        assert refused(connection) == (400, "bad_request")
    assert server.get("/health/live")[0] == 200


def test_a_refusal_arrives_though_the_body_is_still_being_sent(server: Server) -> None:
    with closing(connected(server)) as connection:
        head = "POST /ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
        connection.sendall(head.format(20 << 20).encode())
        for _ in range(20):
            connection.sendall(b" " * (1 << 20))
        status, _, body = reply(connection)
        assert (status, json.loads(body)["error"]["code"]) == (413, "content_too_large")


def test_connections_over_the_limit_are_told_to_come_back(start: Callable[..., Server]) -> None:
    server = start(QA_CONNECTIONS="16", QA_SEEDS="")
    held = [connected(server) for _ in range(16)]
    try:
        with closing(connected(server)) as further:
            status, headers, body = reply(further)
            assert (status, json.loads(body)["error"]["code"]) == (503, "busy")
            assert headers["retry-after"] == "1"
    finally:
        for connection in held:
            connection.close()
    while server.get("/health/live")[0] != 200:  # until it has noticed
        pass


def test_uploads_at_the_same_time_are_so_many_and_no_more(start: Callable[..., Server]) -> None:
    server = start(QA_UPLOADS="1", QA_SEEDS="")
    body = json.dumps({"documents": [{"title": "t", "text": "Some words."}]}).encode()
    head = "POST /documents HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n"
    sent = head.format(len(body)).encode()
    with closing(connected(server)) as first:
        first.sendall(sent.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"))
        assert first.recv(1_000) == b"HTTP/1.1 100 Continue\r\n\r\n"  # it has its place, and is waited for
        status, error = server.get("/documents", json.loads(body))
        assert (status, error["error"]["code"]) == (503, "busy")
        first.sendall(body)
        assert reply(first)[0] == 202
    assert server.get("/documents", json.loads(body))[0] == 202


def test_a_client_that_sends_two_requests_at_once_gets_two_replies(server: Server) -> None:
    with closing(connected(server)) as connection:
        connection.sendall(b"GET /health/live HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 2)
        received = b""
        while received.count(b'{"live":true}') < 2:
            part = connection.recv(65_536)
            assert part
            received += part
