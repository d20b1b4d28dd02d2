"""What the log of the service says, and what it never says."""

from __future__ import annotations

import json
import logging
import sqlite3
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from threading import Event

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from index.errors import DocumentError
from index.sqlite import database
from qa.logs import WAITING, Lines, asked, explained, prepared, request_id, traced
from qa.observe import Service
from tests.conftest import Server

SECRET = "the heirloom lies beneath the willow"


def record(
    message: str, *values: object, name: str = "qa.test", error: BaseException | None = None
) -> logging.LogRecord:
    information = (type(error), error, error.__traceback__) if error else None
    return logging.LogRecord(name, logging.ERROR, __file__, 1, message, values, information)


def shown(given: logging.LogRecord, outspoken: bool = False) -> str:
    made = prepared(given, outspoken)
    return f"{made.getMessage()}\n{made.exc_text or ''}"


def raised(work: Callable[[], object]) -> BaseException:
    try:
        work()
    except Exception as error:  # noqa: BLE001
        return error
    raise AssertionError("nothing was raised")


def test_a_record_carries_the_id_of_the_request_that_is_worked_for() -> None:
    with traced("one"):
        assert vars(prepared(record("inside"), False))["request_id"] == "one"
        with traced(None):
            assert request_id() is None
        assert request_id() == "one"
    assert "request_id" not in vars(prepared(record("outside"), False))


def test_a_question_is_kept_for_the_record_of_its_request() -> None:
    with traced("one") as trace:
        asked("what?")
        assert trace
        assert trace.question == "what?"
    asked("nobody asks")
    assert request_id() is None


def test_an_exception_of_somebody_else_is_told_by_its_kind_and_place_alone() -> None:
    error = raised(lambda: int(SECRET))
    told = shown(record("it failed", error=error))
    assert "ValueError" in told
    assert "test_logs.py" in told
    assert "it failed" in told
    assert SECRET not in told
    assert SECRET in shown(record("it failed", error=error), outspoken=True)


def test_nor_do_the_causes_of_an_exception_quote_anything() -> None:
    def work() -> None:
        try:
            json.loads(f'{{"{SECRET}": 1, ')
            int(SECRET)
        except ValueError as error:
            try:
                raise KeyError(SECRET)
            except KeyError:
                raise DocumentError("a.txt cannot be read", "Send it again.") from ExceptionGroup(SECRET, [error])

    told = shown(record("it failed", error=raised(work)))
    assert "a.txt cannot be read" in told
    assert "ExceptionGroup" in told
    assert "JSONDecodeError" in told
    assert SECRET not in told


def test_causes_that_go_round_in_a_circle_end() -> None:
    one, other = ValueError("one"), ValueError("other")
    one.__cause__, other.__cause__ = other, one
    assert "".join(explained(one, False)).count("ValueError") == 2


def test_what_the_database_was_given_is_in_no_error(tmp_path: Path) -> None:
    engine = database(tmp_path / "a.sqlite3")

    def work() -> None:
        with engine.begin() as connection:
            connection.execute(sa.text("INSERT INTO nowhere VALUES (:text)"), {"text": SECRET})

    error = raised(work)
    engine.dispose()
    assert "nowhere" in str(error)
    assert SECRET not in str(error)
    assert isinstance(error.__cause__, sqlite3.OperationalError)
    assert "no such table: nowhere" in shown(record("it failed", error=error))


def test_of_the_messages_of_other_libraries_only_what_is_fixed_is_told() -> None:
    assert shown(record("the tool %r failed", SECRET, name="mcp.server")).startswith("the tool %r failed\n")
    assert SECRET not in shown(record(f"it failed: {SECRET}\n{SECRET}", name="mcp.server"))
    strange = record("a message", name="mcp.server")
    strange.__dict__["body"] = SECRET
    assert SECRET not in vars(prepared(strange, False)).values()
    assert SECRET in shown(record("the tool %r failed", SECRET, name="mcp.server"), outspoken=True)


def test_a_reader_of_the_log_that_stands_still_stops_nobody_and_is_told_what_it_missed() -> None:
    written, go_on = list[bytes](), Event()

    def write(batch: bytes) -> None:
        go_on.wait(20)
        written.extend(batch.splitlines())

    def until(count: int) -> None:
        end = time.monotonic() + 20
        while len(written) < count and time.monotonic() < end:
            time.sleep(0.01)

    lines = Lines(logging.Formatter("%(message)s"), False, write)
    for number in range(WAITING + 2_000):
        lines.emit(record("line %d", number))
    go_on.set()
    until(WAITING)
    lines.emit(record("the last"))
    lines.flush()
    assert written[0] == b"line 0"
    assert written[-2] == b"the last"
    dropped = int(written[-1].removesuffix(b" lines were dropped"))
    assert dropped + len(written) - 2 == WAITING + 2_000


def test_lines_are_written_whole_in_pieces_that_a_pipe_takes_at_once() -> None:
    written = list[bytes]()
    lines = Lines(logging.Formatter("%(message)s"), False, written.append)
    for number in range(1_000):
        lines.emit(record("line %d", number))
    lines.emit(record("x" * 5_000))
    lines.flush()
    assert [len(piece) for piece in written if len(piece) > 4_096] == [5_001]
    assert all(piece.endswith(b"\n") for piece in written)
    assert b"".join(written).splitlines()[:1_000] == [b"line %d" % number for number in range(1_000)]


def test_a_reader_of_the_log_that_has_gone_stops_nobody() -> None:
    def write(line: bytes) -> None:
        raise BrokenPipeError

    lines = Lines(logging.Formatter("%(message)s"), False, write)
    lines.emit(record("unread"))
    lines.flush()


@pytest.mark.parametrize("given", ["a b", "a\tb", "x" * 65, "", "é"])
def test_a_request_has_an_id_of_the_services_own_unless_the_given_one_is_plain(client: TestClient, given: str) -> None:
    assert client.get("/labels", headers={"X-Request-ID": "Mine-1.a_b"}).headers["x-request-id"] == "Mine-1.a_b"
    made = client.get("/labels", headers={b"X-Request-ID": given.encode()}).headers["x-request-id"]
    assert len(made) == 16
    assert made != client.get("/labels").headers["x-request-id"]


def test_replies_that_refuse_have_the_id_too(client: TestClient) -> None:
    for method, path in (("GET", "/nothing"), ("PUT", "/ask"), ("POST", "/ask"), ("GET", "/documents/none")):
        reply = client.request(method, path, headers={"X-Request-ID": "refused"})
        assert (reply.status_code >= 400, reply.headers["x-request-id"]) == (True, "refused")
    foreign = client.get("/labels", headers={"sec-fetch-site": "cross-site", "X-Request-ID": "foreign"})
    assert (foreign.status_code, foreign.headers["x-request-id"]) == (403, "foreign")


def test_a_reply_to_an_unexpected_failure_has_the_id_too(client: TestClient) -> None:
    def broken() -> None:
        raise RuntimeError(SECRET)

    assert isinstance(client.app, Service)
    client.app.add_api_route("/broken", broken)
    reply = client.get("/broken", headers={"X-Request-ID": "broken"})
    assert (reply.status_code, reply.headers["x-request-id"]) == (500, "broken")
    assert reply.json()["error"]["code"] == "internal_error"


class Log:
    """What a service has written to its standard error; it is stopped for that."""

    def __init__(self, server: Server) -> None:
        server.process.terminate()
        _, self.text = server.process.communicate(timeout=20)
        self.lines = self.text.splitlines()

    @property
    def records(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.lines]

    def of(self, request: str) -> list[dict[str, object]]:
        return [one for one in self.records if one.get("request_id") == request]


def send(server: Server, path: str, request: str, body: object = None) -> str:
    """The request id of the reply."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Content-Type": "application/json", "X-Request-ID": request}
    asked_for = urllib.request.Request(server.url + path, data, headers)
    with urllib.request.urlopen(asked_for, timeout=60) as reply:
        reply.read()
        return str(reply.headers["X-Request-ID"])


@pytest.mark.server
def test_the_log_is_one_record_a_line_with_the_request_through_the_whole_way(start: Callable[..., Server]) -> None:
    server = start(QA_LOG_FORMAT="json", QA_SEEDS="", QA_MODEL="/none")
    documents = {"documents": [{"id": "willow", "title": "Willow", "text": SECRET}]}
    assert send(server, "/documents?wait=true", "adding", documents) == "adding"
    send(server, "/ask?q=where+is+the+heirloom", "asking")
    send(server, "/health", "probing")
    log = Log(server)

    assert [(one["logger"], one["level"]) for one in log.of("adding")] == [("qa.taking", "INFO"), ("qa.access", "INFO")]
    assert str(log.of("adding")[0]["message"]).endswith("file 0: added")
    (access,) = log.of("asking")
    assert {name: access[name] for name in ("method", "route", "status", "client")} == {
        "method": "GET",
        "route": "/ask",
        "status": 200,
        "client": "127.0.0.1",
    }
    assert isinstance(access["milliseconds"], float)
    assert isinstance(access["bytes"], int)
    assert access["bytes"] > 500
    assert str(access["time"]).endswith("Z")
    assert log.of("probing") == []
    assert any(one["level"] == "WARNING" and "request_id" not in one for one in log.records)  # of the model


@pytest.mark.server
def test_nothing_asked_or_stored_is_in_the_log_whatever_fails(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start(QA_LOG_LEVEL="DEBUG", QA_SEEDS="", QA_MODEL="/none")
    words = SECRET.split()
    documents = {"documents": [{"id": "willow", "title": SECRET, "text": SECRET, "metadata": {"note": SECRET}}]}
    assert server.get("/documents?wait=true", documents)[0] == 201
    assert server.get(f"/ask?q={'+'.join(words)}")[0] == 200
    assert server.get("/ask", {"question": SECRET, "history": [{"question": SECRET}]})[0] == 200
    assert server.get("/ask", {"question": SECRET, "unknown": SECRET})[0] == 422
    assert server.get(f"/ask?q={'+'.join(words)}&document_ids={'+'.join(words)}")[0] == 404
    assert server.get(f"/{'/'.join(words)}?q={'+'.join(words)}")[0] == 404
    with sqlite3.connect(tmp_path / "served" / "catalogue.sqlite3") as other:
        other.executescript("DROP TABLE feedback; DROP TABLE job_files; DROP TABLE passages;")
    other.close()
    failed = [
        server.get("/ask", {"question": f"{SECRET} again"})[0],
        server.get("/documents", documents)[0],
        server.get("/feedback", {"question": SECRET, "passage_id": "a", "helpful": True})[0],
    ]
    assert max(failed) >= 500, failed
    log = Log(server)
    assert "no such table" in log.text
    assert " DEBUG " in log.text or " INFO " in log.text
    for word in ("heirloom", "beneath", "willow lies"):
        assert word not in log.text.lower()


@pytest.mark.server
def test_questions_are_in_the_log_when_that_is_asked_for(start: Callable[..., Server]) -> None:
    server = start(QA_LOG_QUESTIONS="true")
    send(server, "/ask?q=who+monitors+the%0Aceasefire", "asking")
    log = Log(server)
    (line,) = (line for line in log.lines if "[asking]" in line)
    assert "GET /ask 200" in line
    assert line.endswith(r"question='who monitors the\nceasefire'")
