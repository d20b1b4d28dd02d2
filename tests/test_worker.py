"""`qa worker`: any number of processes take in what was sent, each file once, whatever becomes of one of them."""

from __future__ import annotations

import re
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import sqlalchemy as sa

from index.load.draft import AS_THEY_ARE
from index.store import durably
from qa.jobs import Item, Job, Jobs
from qa.wire import Library
from tests.conftest import ROOT, Server, environment, qa, starting
from tests.postgres import Server as Postgres
from tests.waiting import until

Make = Callable[..., Library]
pytestmark = pytest.mark.server
AWAY = "/no/such/model"
BEGUN = "taking in what is sent"
GONE = "the jobs cannot be gone on with"


@dataclass(frozen=True)
class Worker:
    process: subprocess.Popen[bytes]
    log: Path

    def logged(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def ended(self, by: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit status and what it logged, when it was asked to end."""
        self.process.send_signal(by)
        return self.process.wait(20), self.logged()


@contextmanager
def workers(folder: Path, count: int, said: str = BEGUN, **given: str) -> Iterator[list[Worker]]:
    """So many that have `said` that, each with a data folder of its own unless one is given; what is left of them is
    ended."""
    started = list[Worker]()
    try:
        for number in range(count):
            own = {"QA_DATA": str(folder / f"worker-{number}"), "QA_FILES": str(folder / "files"), "QA_MODEL": AWAY}
            values = environment(**(own | given))
            command, log = [sys.executable, "-m", "qa", "worker"], folder / f"{secrets.token_hex(4)}.log"
            with log.open("wb") as file:
                started.append(Worker(subprocess.Popen(command, cwd=ROOT, env=values, stderr=file), log))
        until(lambda: all(said in worker.logged() for worker in started))
        yield started
    finally:
        for worker in started:
            worker.process.kill()
            worker.process.wait(20)


def sending(library: Library) -> Jobs:
    return Jobs(library.catalogue, library.ingest, AS_THEY_ARE, lambda: None, library.shared, library.files, False)


def item(name: str, text: str, password: str | None = None) -> Item:
    request = {"kind": "file", "source": name, "collection": None, "tags": None}
    return Item(name, request, durably(text.encode()), password, subject=name)


def outcomes(jobs: Jobs, sent: list[Job]) -> list[str]:
    """What became of each file of jobs that are over."""
    found = [jobs.get(one.id) for one in sent]
    files = [file for job in found if job for file in job.files]
    return [str(file.report["state"]) if file.report else str(file.error) for file in files]


def sources_of(library: Library) -> dict[str, str]:
    """The texts of the documents that came from each file; one of two documents would be told twice."""
    texts = dict[str, str]()
    for summary in library.catalogue.summaries():
        document = library.catalogue.document(summary.id)
        for source in summary.sources:
            assert source not in texts
            texts[source] = document.text if document else ""
    return texts


@pytest.mark.cluster
def test_what_a_killed_worker_had_is_done_by_another_and_nothing_twice(
    make_library: Make, database_url: str, tmp_path: Path
) -> None:
    library = make_library(catalogue=database_url, files=str(tmp_path / "files"))
    jobs = sending(library)
    texts = {f"{number:02}.txt": f"The lamp of pier {number} burns oil number {number}." for number in range(60)}
    with workers(tmp_path, 3, QA_CATALOGUE=database_url) as (first, second, third):
        sent = [
            jobs.add([item(name, text, "open-sesame") for name, text in list(texts.items())[start : start + 6]])
            for start in range(0, 60, 6)
        ]
        until(lambda: jobs.unfinished()[1] < 50)
        first.process.kill()
        assert jobs.unfinished()[1] > 0
        until(lambda: jobs.unfinished() == (0, 0))
        logged = [worker.ended() for worker in (second, third)]
    assert sources_of(library) == texts
    assert set(outcomes(jobs, sent)) <= {"added", "unchanged"}
    assert [status for status, _ in logged] == [0, 0]
    assert all(re.search(r"took in \d+ files, 0 could not be read", text) for _, text in logged)
    library.shared.tidy()  # as an idle worker does every few seconds
    with library.catalogue.read() as connection:
        assert connection.scalar(sa.text("SELECT count(*) FROM shared_passwords")) == 0
        assert connection.scalar(sa.text("SELECT count(*) FROM shared_shares")) == 0
    assert not list((tmp_path / "files" / "uploads").iterdir())


@pytest.mark.cluster
def test_versions_of_one_file_are_taken_in_in_the_order_in_which_they_came(
    make_library: Make, database_url: str, tmp_path: Path
) -> None:
    library = make_library(catalogue=database_url, files=str(tmp_path / "files"))
    jobs = sending(library)
    sent = [jobs.add([item("a.txt", f"Version {number} of it."), item(f"{number}.txt", "x")]) for number in range(12)]
    with workers(tmp_path, 3, QA_CATALOGUE=database_url):
        until(lambda: jobs.unfinished() == (0, 0))
    assert sources_of(library)["a.txt"] == "Version 11 of it."
    assert outcomes(jobs, sent)[::2] == ["added"] + ["replaced"] * 11
    assert sorted(outcomes(jobs, sent)[1::2]) == ["added"] + ["duplicate"] * 11


@pytest.mark.cluster
def test_a_server_that_is_away_is_waited_for(make_library: Make, tmp_path: Path) -> None:
    server = Postgres(durable=True)
    try:
        server.start()
        server.execute("CREATE DATABASE lent ENCODING 'UTF8' TEMPLATE template0")
        url = server.url("lent")
        library = make_library(catalogue=url, files=str(tmp_path / "files"))
        jobs = sending(library)
        with workers(tmp_path, 1, QA_CATALOGUE=url) as (one,):
            jobs.add([item("a.txt", "Pelicans eat fish.")])
            until(lambda: jobs.unfinished() == (0, 0))
            server.kill()
            until(lambda: GONE in one.logged())
            server.start()
            jobs.add([item("b.txt", "Gulls eat chips.")])
            until(lambda: jobs.unfinished() == (0, 0))
            server.stop()
            with workers(tmp_path, 1, "waiting: ", QA_CATALOGUE=url) as (late,):
                server.start()
                until(lambda: BEGUN in late.logged())
                assert late.ended()[0] == 0
            status, logged = one.ended()
        assert status == 0
        assert 1 <= logged.count(GONE) <= 2  # once each time that it was away
        assert sources_of(library) == {"a.txt": "Pelicans eat fish.", "b.txt": "Gulls eat chips."}
        library.close()
    finally:
        server.remove()


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Server]:
    """One that leaves it to workers to take documents in."""
    with starting(tmp_path / "data") as run:
        yield run(QA_MODEL=AWAY, QA_INGEST="false")


def test_a_service_that_takes_nothing_in_leaves_it_to_a_worker_of_its_folder(service: Server, tmp_path: Path) -> None:
    texts = {"documents": [{"id": "x", "title": "t", "text": "Herons eat frogs."}]}
    _, job = service.get("/documents", texts)
    time.sleep(2)
    assert service.get(job["url"])[1]["state"] == "queued"
    with workers(tmp_path, 1, QA_DATA=str(tmp_path / "data"), QA_FILES="") as (one,):
        until(lambda: service.get(job["url"])[1]["state"] == "done")
        assert one.ended()[0] == 0

    def found() -> bool:
        passages = service.get("/ask", {"question": "What do herons eat?", "mode": "bm25"})[1]["passages"]
        return any(one["citation"]["document_id"] == "x" for one in passages)

    until(found)


def test_an_interrupt_ends_it_too(tmp_path: Path) -> None:
    with workers(tmp_path, 1) as (one,):
        status, logged = one.ended(signal.SIGINT)
    assert status == 0
    assert "took in 0 files" in logged


def test_a_worker_of_a_server_says_that_it_needs_the_files_that_were_sent() -> None:
    refused = qa("worker", QA_CATALOGUE="postgresql+psycopg://qa@127.0.0.1:9/none")
    assert refused.returncode == 2
    assert "Set QA_FILES" in refused.stderr
