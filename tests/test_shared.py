"""What the processes of a service share: rates, progress, passwords."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import stat
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import StorageError
from index.postgres import PostgreSQL
from qa.shared import Shared, SharedFile, shared_folder
from qa.shared_postgres import SharedDatabase
from tests.postgres import Server
from tests.waiting import until

HOURS = 36_000.0
"""A window in which a test's own time does not count."""


@pytest.fixture(params=["memory", pytest.param("postgresql", marks=pytest.mark.cluster)])
def shared(request: pytest.FixtureRequest) -> Iterator[Shared]:
    if request.param == "memory":
        opened: Shared = SharedFile()
        yield opened
    else:
        database = PostgreSQL(request.getfixturevalue("database_url"))
        opened = SharedDatabase(database)
        yield opened
        database.close()
    opened.close()


def test_so_many_at_once_and_no_more(shared: Shared) -> None:
    taken = [shared.take("a", 5, HOURS) for _ in range(8)]
    assert taken[:5] == [0.0] * 5
    assert all(wait > 0 for wait in taken[5:])
    assert shared.take("b", 5, HOURS) == 0.0


def test_who_is_refused_is_told_when_there_is_room_and_waits_no_longer_for_having_asked(shared: Shared) -> None:
    for _ in range(2):
        shared.take("a", 2, HOURS)
    waits = [shared.take("a", 2, HOURS) for _ in range(5)]
    assert all(HOURS / 2 - 60 < wait <= HOURS / 2 for wait in waits)


def test_there_is_room_again_when_that_was_told(shared: Shared) -> None:
    assert [shared.take("a", 2, 6.0) for _ in range(2)] == [0.0, 0.0]
    wait = shared.take("a", 2, 6.0)
    assert 0 < wait <= 3
    time.sleep(wait + 0.01)
    assert shared.take("a", 2, 6.0) == 0.0


@given(rate=st.integers(1, 50), asked=st.integers(0, 120))
def test_never_more_than_the_rate_in_a_window(rate: int, asked: int) -> None:
    shared = SharedFile()
    let_in = sum(shared.take("a", rate, HOURS) == 0.0 for _ in range(asked))
    assert let_in == min(rate, asked)
    shared.close()


def _take(folder: Path, count: int) -> int:
    shared = SharedFile(folder)
    return sum(shared.take("a", 50, HOURS) == 0.0 for _ in range(count))


def test_processes_count_together() -> None:
    with shared_folder() as folder, multiprocessing.get_context("spawn").Pool(3) as processes:
        assert sum(processes.starmap(_take, [(folder, 40)] * 3)) == 50


def test_progress_and_passwords_are_seen_by_another_and_forgotten() -> None:
    with shared_folder() as folder:
        one, other = SharedFile(folder), SharedFile(folder)
        one.report("j", 0, "reading", 0.5)
        one.keep_password("j", 0, "sesame")
        assert other.reports("j") == {0: ("reading", 0.5)}
        assert other.password("j", 0) == "sesame"
        other.forget("j", 0)
        assert (one.reports("j"), one.password("j", 0)) == ({}, None)
        one.close()
        other.close()


def _take_from(url: str, count: int) -> int:
    database = PostgreSQL(url)
    shared = SharedDatabase(database)
    let_in = sum(shared.take("a", 50, HOURS) == 0.0 for _ in range(count))
    shared.close()
    database.close()
    return let_in


@pytest.mark.cluster
def test_machines_count_together(database_url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as processes:
        assert sum(processes.starmap(_take_from, [(database_url, 40)] * 3)) == 50


@pytest.mark.cluster
def test_threads_that_come_at_once_are_counted_once_each(database_url: str) -> None:
    database = PostgreSQL(database_url)
    shared, let_in = SharedDatabase(database), list[float]()
    come = [threading.Thread(target=lambda: let_in.append(shared.take("a", 7, HOURS))) for _ in range(30)]
    for thread in come:
        thread.start()
    for thread in come:
        thread.join(30)
    assert sum(wait == 0.0 for wait in let_in) == 7
    shared.close()
    database.close()


@pytest.mark.cluster
def test_progress_and_passwords_are_seen_by_another_machine_and_forgotten(database_url: str) -> None:
    databases = [PostgreSQL(database_url), PostgreSQL(database_url)]
    one, other = (SharedDatabase(database) for database in databases)
    for share in (0.25, 0.5):
        one.report("j", 0, "reading", share)
    one.keep_password("j", 0, "sesame")
    assert other.reports("j") == {0: ("reading", 0.5)}
    assert (other.password("j", 0), other.password("j", 1)) == ("sesame", None)
    other.forget("j", 0)
    assert (one.reports("j"), one.password("j", 0)) == ({}, None)
    for shared, database in zip((one, other), databases, strict=True):
        shared.close()
        database.close()


@pytest.mark.cluster
def test_while_the_server_is_away_everybody_is_let_in_without_waiting_and_then_counted_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("qa.shared_postgres._AWAY", 0.5)
    server = Server()
    try:
        server.start()
        database = PostgreSQL(server.url())
        shared = SharedDatabase(database)
        assert [shared.take("a", 1, HOURS) > 0 for _ in range(2)] == [False, True]
        server.stop()
        began = time.monotonic()
        assert [shared.take("a", 1, HOURS) for _ in range(200)] == [0.0] * 200
        assert time.monotonic() - began < 20
        shared.report("j", 0, "reading", 0.5)
        with pytest.raises(StorageError, match="cannot be used"):
            shared.keep_password("j", 0, "sesame")
        server.start()
        until(lambda: shared.take("a", 1, HOURS) > 0)
        shared.close()
        database.close()
    finally:
        server.remove()


def test_the_folder_is_the_owners_alone_and_goes() -> None:
    with shared_folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        (folder / "left").write_text("behind")
    assert not folder.exists()


def _held(told: multiprocessing.connection.Connection) -> None:
    with shared_folder() as folder:
        told.send(folder)
        told.recv()


def test_what_a_killed_service_left_goes_and_what_another_holds_stays() -> None:
    spawn = multiprocessing.get_context("spawn")
    pairs = [spawn.Pipe() for _ in range(2)]
    processes = [spawn.Process(target=_held, args=(theirs,)) for _, theirs in pairs]
    for process in processes:
        process.start()
    killed, held = [ours.recv() for ours, _ in pairs]
    processes[0].kill()
    processes[0].join()
    assert killed.exists()
    with shared_folder():
        assert not killed.exists()
        assert held.exists()
    pairs[1][0].send("end")
    processes[1].join()
    assert not held.exists()
