"""Several processes over one data folder: one index, one memory of who came how often."""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.request
from collections.abc import Iterator

import psutil
import pytest

from tests.conftest import Server, starting
from tests.waiting import until

pytestmark = [pytest.mark.server, pytest.mark.model]


def workers_of(server: Server) -> list[int]:
    """The processes that serve; beside them multiprocessing has one that looks after its resources."""
    children = psutil.Process(server.process.pid).children()
    return [child.pid for child in children if any("spawn_main" in part for part in _command(child))]


def _command(process: psutil.Process) -> list[str]:
    try:
        return list(process.cmdline())
    except psutil.Error:  # it has ended
        return []


@pytest.fixture
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with starting(tmp_path_factory.mktemp("workers")) as run:
        started = run(QA_WORKERS="2")
        until(lambda: len(workers_of(started)) == 2)
        started.until_hybrid()
        yield started


def first(server: Server, number: int) -> str | None:
    """The document of the first passage."""
    _, answer = server.get("/ask", {"question": f"Which lamp is number{number}?", "mode": "bm25"})
    return next((one["citation"]["document_id"] for one in answer["passages"]), None)


def test_a_document_that_one_takes_in_is_found_by_each(server: Server) -> None:
    for number in range(6):
        text = f"The lamp number{number} of the lighthouse burned colza oil."
        status, _ = server.get(
            "/documents?wait=true", {"documents": [{"id": f"d{number}", "title": "t", "text": text}]}
        )
        assert status == 201
        for _ in range(6):  # whoever takes the connection
            until(lambda number=number: first(server, number) == f"d{number}")  # type: ignore[misc]
        assert server.get(f"/documents/d{number}", method="DELETE")[0] == 200
        for _ in range(6):
            until(lambda number=number: first(server, number) != f"d{number}")  # type: ignore[misc]


def test_progress_of_a_job_is_told_by_each(server: Server) -> None:
    texts = [{"id": f"t{n}", "title": f"{n}", "text": f"Sentence {n}. " * 40} for n in range(30)]
    _, job = server.get("/documents", {"documents": texts})
    until(lambda: server.get(job["url"])[1]["state"] == "done")
    assert [server.get(job["url"])[1]["state"] for _ in range(8)] == ["done"] * 8
    with urllib.request.urlopen(server.url + job["events_url"], timeout=30) as events:
        assert b"event: done" in events.read()


def test_one_that_dies_is_replaced_and_the_others_answer_meanwhile(server: Server) -> None:
    before = workers_of(server)
    os.kill(before[0], signal.SIGKILL)
    for _ in range(20):
        try:
            assert server.get("/health/live")[0] == 200
        except ConnectionResetError:  # one that the dead one had taken
            continue
    until(lambda: len(set(workers_of(server)) - {before[0]}) == 2)
    assert before[1] in workers_of(server)
    assert server.get("/ask", {"question": "Who would monitor the ceasefire?"})[0] == 200


def test_what_is_counted_is_counted_together(server: Server) -> None:
    for _ in range(20):
        server.get("/labels")

    def counted() -> float:
        with urllib.request.urlopen(server.url + "/metrics", timeout=30) as reply:
            told = reply.read().decode()
        found = re.findall(r'^qa_http_request_duration_seconds_count\{.*route="/labels".*\} (\S+)', told, re.MULTILINE)
        return sum(map(float, found))

    until(lambda: counted() == 20)


def test_rates_are_counted_together(tmp_path_factory: pytest.TempPathFactory) -> None:
    with starting(tmp_path_factory.mktemp("rates")) as run:
        server = run(QA_WORKERS="2", QA_HOST="0.0.0.0", QA_INSECURE="1", QA_RATE="10", QA_SEEDS="")
        server.url = server.url.replace("0.0.0.0", "127.0.0.1")
        until(lambda: len(workers_of(server)) == 2)
        until(lambda: all(server.get("/health/live")[0] == 200 for _ in range(6)))
        began = time.monotonic()
        statuses = [server.get("/labels")[0] for _ in range(30)]
        assert 10 <= statuses.count(200) <= 11 + (time.monotonic() - began) / 6  # there is room for another each 6 s
        assert set(statuses) == {200, 429}


def test_a_data_folder_that_cannot_be_opened_ends_it_and_says_why(tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.mktemp("broken")
    (folder / "catalogue.sqlite3").write_bytes(b"no database" * 500)
    with pytest.raises(AssertionError, match="damaged"), starting(folder) as run:
        run(QA_WORKERS="2", QA_DATA=str(folder))
