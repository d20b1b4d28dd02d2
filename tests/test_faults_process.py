"""SIGTERM drains and ends in time; SIGKILL at any moment, of any process, loses nothing that was acknowledged."""

from __future__ import annotations

import json
import os
import random
import signal
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from urllib.error import URLError
from urllib.parse import urlsplit

import pytest

from qa.ending import DRAIN, LAST, LEAVING
from qa.taking import LEAVE
from tests.conftest import Server
from tests.faults import NO_MODEL, QUESTION, answers, children, connected, fetch, received, rest, stored, text
from tests.waiting import until

pytestmark = pytest.mark.server
Start = Callable[..., Server]
KILLS = 6


class Load:
    """Clients in threads that go on until nobody listens any more. What is answered must be whole."""

    def __init__(self, server: Server, work: Callable[[Server, int], bool], clients: int = 4) -> None:
        self.wrong: list[object] = []
        self.done = 0
        self._server, self._work = server, work
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, number: int) -> None:
        while True:
            try:
                right = self._work(self._server, number)
            except HTTPException as error:
                if not isinstance(error, OSError):  # cut off in the midst of a reply
                    self.wrong.append(error)
                return
            except (OSError, URLError):
                return
            self.done += right
            if not right:
                self.wrong.append(number)

    def join(self) -> None:
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()


def _asks(server: Server, _: int) -> bool:
    reply = fetch(server, QUESTION)
    return (reply.status == 200 and bool(reply.body["passages"])) or reply.status == 503


def _many(count: int, size: int = 40) -> dict[str, object]:
    words = "The harbour was dredged in spring, and the lamp burned colza oil. " * size
    return {"documents": [{"id": f"many{number}", "text": f"Number {number}. {words}"} for number in range(count)]}


def _request(server: Server, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(server.url).netloc}\r\nAccept: application/json\r\n\r\n".encode()


def test_the_limits_of_the_end_add_up_to_less_than_ten_seconds() -> None:
    assert LEAVE < LEAVING
    assert DRAIN + LEAVING <= LAST < 10


@pytest.mark.parametrize("workers", ["1", "2"])
def test_sigterm_drains_and_what_was_taken_is_done_at_the_next_start(start: Start, workers: str) -> None:
    server = start(**NO_MODEL, QA_WORKERS=workers)
    until(lambda: answers(server))
    idle = connected(server, _request(server, "/health/live"))
    received(idle, b'{"live":true}')
    half = connected(server, b"GET /ask?q=lamp HTTP/1.1\r\nHost: 127.0")
    job = fetch(server, "/documents", _many(300))
    assert job.status == 202
    stream = connected(server, _request(server, f"/jobs/{job.body['id']}/events"))
    received(stream, b"event: progress")
    waited: list[int] = []
    waiting = threading.Thread(
        target=lambda: waited.append(fetch(server, "/documents?wait=true", text("waited")).status)
    )
    waiting.start()
    until(lambda: len(fetch(server, "/jobs").body["jobs"]) == 2)
    load = Load(server, _asks)
    until(lambda: load.done)

    server.process.send_signal(signal.SIGTERM)
    _, errors = server.process.communicate(timeout=40)
    assert server.process.returncode == 0
    assert "Traceback" not in errors or "CancelledError" in errors
    load.join()
    waiting.join(40)
    assert load.wrong == []
    assert waited in ([201], [202])
    assert rest(idle) == b""
    assert b"200 OK" not in rest(half)
    assert b"Traceback" not in rest(stream)
    for opened in (idle, half, stream):
        opened.close()
    with pytest.raises(OSError, match="refused"):
        connected(server)

    again = start(**NO_MODEL)
    until(lambda: not _unfinished(again))
    assert {f"many{number}" for number in range(300)} | {"waited"} <= stored_all(again)


def test_sigterm_ends_a_service_with_a_worker_that_hangs(start: Start) -> None:
    server = start(**NO_MODEL, QA_WORKERS="2")
    until(lambda: answers(server) and len(_workers(server)) == 2)
    hung = _workers(server)[0]
    os.kill(hung, signal.SIGSTOP)
    server.process.send_signal(signal.SIGTERM)
    server.process.communicate(timeout=40)
    until(lambda: not Path(f"/proc/{hung}").exists())
    with pytest.raises(OSError, match="refused"):
        connected(server)


def test_sigterm_right_after_the_start_ends_it(start: Start) -> None:
    server = start(**NO_MODEL, QA_WORKERS="2")
    workers = _workers(server)
    server.process.send_signal(signal.SIGTERM)
    server.process.communicate(timeout=40)
    until(lambda: not any(Path(f"/proc/{one}").exists() for one in workers))


def test_what_was_acknowledged_outlives_kills_at_random_moments(start: Start) -> None:
    chance, acknowledged = random.Random(0), list[str]()
    server = start(**NO_MODEL)
    for turn in range(KILLS):
        names = (f"d{turn}-{number}" for number in range(10_000))
        turns = threading.Lock()

        def send(server: Server, _: int, names: object = names, turns: threading.Lock = turns) -> bool:
            with turns:
                name = next(names)  # type: ignore[call-overload]
            if fetch(server, "/documents", text(name)).status == 202:
                acknowledged.append(name)
            return True

        until(lambda server=server: fetch(server, "/health/live").status == 200)  # type: ignore[misc]
        load = Load(server, send, clients=2)
        time.sleep(chance.uniform(0.1, 1.0))
        server.process.kill()
        server.process.communicate(timeout=30)
        load.join()
        server = start(**NO_MODEL)
    until(lambda: not _unfinished(server), 120)
    assert len(acknowledged) > KILLS
    assert set(acknowledged) <= stored_all(server)
    assert all(file["state"] == "done" for job in fetch(server, "/jobs").body["jobs"] for file in job["files"])
    assert answers(server)


def test_a_killed_worker_is_started_anew_and_its_jobs_are_done_by_another(start: Start) -> None:
    server = start(**NO_MODEL, QA_WORKERS="2")
    until(lambda: answers(server) and len(_workers(server)) == 2)
    sent = 0
    for victim in _workers(server):  # one of them does the jobs
        assert _insist(server, "/documents", text(f"sent{sent}", "The harbour was dredged. " * 20_000)) == 202
        sent += 1
        os.kill(victim, signal.SIGKILL)
        assert _insist(server, QUESTION) == 200  # the other goes on
        assert _insist(server, "/documents", text(f"sent{sent}")) == 202
        sent += 1
        until(lambda victim=victim: len(set(_workers(server)) - {victim}) == 2)  # type: ignore[misc]
        until(lambda: not _unfinished(server), 120)
        until(lambda: answers(server))
    assert {f"sent{number}" for number in range(sent)} <= stored(server)


def test_workers_whose_parent_is_killed_end_and_free_the_port(start: Start) -> None:
    server = start(**NO_MODEL, QA_WORKERS="2")
    until(lambda: answers(server) and len(_workers(server)) == 2)
    assert fetch(server, "/documents", text("sent")).status == 202
    workers = _workers(server)
    server.process.kill()
    server.process.wait(30)
    until(lambda: not any(_lives(one) for one in workers))
    with pytest.raises(OSError, match="refused"):
        connected(server)
    again = start(**NO_MODEL, QA_WORKERS="2", QA_PORT=str(urlsplit(server.url).port))
    until(lambda: answers(again) and "sent" in stored(again))


def _insist(server: Server, path: str, body: object = None) -> int:
    """The status, from whoever is there: a connection to a process that was killed is cut off."""
    for _ in range(20):
        with suppress(OSError, HTTPException, socket.timeout, json.JSONDecodeError):
            return fetch(server, path, body).status
    raise AssertionError("nobody answers")


def _workers(server: Server) -> list[int]:
    """The processes that serve."""
    found = []
    for child in children(server.process.pid):
        with suppress(OSError):
            if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes():
                found.append(child)
    return found


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _unfinished(server: Server) -> bool:
    return any(job["state"] != "done" for job in fetch(server, "/jobs").body["jobs"])


def stored_all(server: Server) -> set[str]:
    """The ids of all documents, page by page."""
    found, offset = set[str](), 0
    while some := fetch(server, f"/documents?limit=500&offset={offset}").body["documents"]:
        found |= {one["id"] for one in some}
        offset += len(some)
    return found
