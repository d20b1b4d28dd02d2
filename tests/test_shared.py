"""What the processes of a service share: rates, progress, passwords."""

from __future__ import annotations

import multiprocessing
import multiprocessing.connection
import stat
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from qa.shared import Shared, shared_folder

HOURS = 36_000.0
"""A window in which a test's own time does not count."""


def test_so_many_at_once_and_no_more() -> None:
    shared = Shared()
    taken = [shared.take("a", 5, HOURS) for _ in range(8)]
    assert taken[:5] == [0.0] * 5
    assert all(wait > 0 for wait in taken[5:])
    assert shared.take("b", 5, HOURS) == 0.0


def test_who_is_refused_is_told_when_there_is_room_and_waits_no_longer_for_having_asked() -> None:
    shared = Shared()
    for _ in range(2):
        shared.take("a", 2, HOURS)
    waits = [shared.take("a", 2, HOURS) for _ in range(5)]
    assert all(HOURS / 2 - 60 < wait <= HOURS / 2 for wait in waits)


@given(rate=st.integers(1, 50), asked=st.integers(0, 120))
def test_never_more_than_the_rate_in_a_window(rate: int, asked: int) -> None:
    shared = Shared()
    let_in = sum(shared.take("a", rate, HOURS) == 0.0 for _ in range(asked))
    assert let_in == min(rate, asked)
    shared.close()


def _take(folder: Path, count: int) -> int:
    shared = Shared(folder)
    return sum(shared.take("a", 50, HOURS) == 0.0 for _ in range(count))


def test_processes_count_together() -> None:
    with shared_folder() as folder, multiprocessing.get_context("spawn").Pool(3) as processes:
        assert sum(processes.starmap(_take, [(folder, 40)] * 3)) == 50


def test_progress_and_passwords_are_seen_by_another_and_forgotten() -> None:
    with shared_folder() as folder:
        one, other = Shared(folder), Shared(folder)
        one.report("j", 0, "reading", 0.5)
        one.keep_password("j", 0, "sesame")
        assert other.reports("j") == {0: ("reading", 0.5)}
        assert other.password("j", 0) == "sesame"
        other.forget("j", 0)
        assert (one.reports("j"), one.password("j", 0)) == ({}, None)
        one.close()
        other.close()


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
