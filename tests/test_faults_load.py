"""A thousand connections of every bad kind, and more questions than can be answered: others are served meanwhile."""

from __future__ import annotations

import resource
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest

from tests.conftest import Server
from tests.faults import NO_MODEL, QUESTION, answers, assert_takes, connected, fetch, handles, rest, text
from tests.waiting import until

pytestmark = pytest.mark.server
Start = Callable[..., Server]
EACH = 320
"""Connections of a kind; three kinds, and the slow readers."""
READERS = 40
SPARE = 30
"""Files of connections to the database, which may be opened and kept meanwhile."""


@pytest.fixture(autouse=True)
def _many_files() -> Iterator[None]:
    """This process holds the other ends."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4_096, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_a_thousand_connections_are_closed_in_time_and_starve_nobody(start: Start) -> None:
    server = start(**NO_MODEL, QA_IDLE_SECONDS="5")
    assert_takes(server, "warm")
    assert fetch(server, "/documents?wait=true", text("long", "The harbour was dredged. " * 320_000)).status == 201
    _at_once(server, 20)
    before = handles(server.process.pid)
    head = b"GET /ask?q=lamp HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Slow: "
    body = b"POST /ask HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{"
    with ExitStack() as stack:
        kinds = {
            sent: [stack.enter_context(connected(server, sent)) for _ in range(EACH)] for sent in (b"", head, body)
        }
        readers = [stack.enter_context(_slow_reader(server)) for _ in range(READERS)]
        assert len(readers) + sum(map(len, kinds.values())) == 1_000
        assert answers(server)
        assert_takes(server, "meanwhile")
        assert all(rest(one) == b"" for one in kinds[b""])
        for sent in (head, body):
            ends = [rest(one) for one in kinds[sent]]
            assert all(b" 408 " in end and b'"code":"request_timeout"' in end for end in ends)
        assert answers(server)
    until(lambda: handles(server.process.pid) <= before + SPARE)
    assert answers(server)


def test_more_connections_than_are_allowed_are_told_to_come_back(start: Start) -> None:
    server = start(**NO_MODEL, QA_IDLE_SECONDS="5", QA_CONNECTIONS="16")
    until(lambda: answers(server))
    with ExitStack() as stack:
        idle = [stack.enter_context(connected(server)) for _ in range(16)]
        further = [stack.enter_context(connected(server)) for _ in range(50)]
        for one in further:
            refused = rest(one)
            assert refused.startswith(b"HTTP/1.1 503 ")
            assert b"retry-after: 1" in refused
        assert [rest(one) for one in idle] == [b""] * 16
        until(lambda: answers(server))


def test_more_questions_than_are_allowed_are_told_to_come_back(start: Start) -> None:
    server = start(**NO_MODEL, QA_QUESTIONS="2")
    until(lambda: answers(server))
    seen = set[int]()
    while seen != {200, 503}:
        seen |= _at_once(server, 40)
        assert seen <= {200, 503}
        assert fetch(server, "/health/live").status == 200
        assert fetch(server, "/health").body["status"] == "ok"
    assert answers(server)


def _at_once(server: Server, count: int) -> set[int]:
    """The statuses of so many questions, asked at the same time."""
    seen = set[int]()

    def ask() -> None:
        reply = fetch(server, QUESTION)
        assert reply.status != 503 or reply.headers["Retry-After"]
        seen.add(reply.status)

    threads = [threading.Thread(target=ask) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return seen


def _slow_reader(server: Server) -> socket.socket:
    """Asks for a long text, and reads none of it."""
    host, port = server.url.removeprefix("http://").split(":")
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    opened.connect((host, int(port)))
    opened.sendall(b"GET /documents/long/text HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
    return opened
