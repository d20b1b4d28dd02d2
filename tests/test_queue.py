"""Who takes in what was sent: nobody twice, versions in their order, and what a process had that ended, another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from index import schema as tables
from index.build import Report
from index.errors import StorageError
from index.ingest import FileRequest
from index.load.draft import AS_THEY_ARE
from index.store import durably
from qa.jobs import Item, Jobs
from qa.queue import TOGETHER, Claim, ClusterQueue, Lost, open_queue
from qa.wire import Library
from tests.postgres import Server

Make = Callable[..., Library]
LOCAL = "sqlite"


@pytest.fixture(params=[LOCAL, pytest.param("postgresql", marks=pytest.mark.cluster)])
def given(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a catalogue in a file, and of one on a server."""
    return {} if request.param == LOCAL else {"catalogue": request.getfixturevalue("database_url")}


@pytest.fixture
def shared(make_library: Make, database_url: str) -> Library:
    return make_library(catalogue=database_url)


def sent(library: Library, *files: tuple[str, str]) -> str:
    """The id of a job that waits, of files by name and text."""
    made = Jobs(library.catalogue, library.ingest, AS_THEY_ARE, lambda: None, library.shared, library.files, False)
    return made.add([item(name, text) for name, text in files]).id


def item(name: str, text: str) -> Item:
    request = {"kind": "file", "source": name, "collection": None, "tags": None}
    return Item(name, request, durably(text.encode()), subject=name)


def names(claim: Claim | None) -> list[str]:
    return [file.name for file in claim.files] if claim else []


def settled(claim: Claim | None) -> None:
    assert claim
    for file in claim.files:
        claim.settle(file, "done", {})


def states(library: Library, job_id: str) -> list[str]:
    job = library.jobs.get(job_id)
    assert job
    return [file.state for file in job.files]


def test_what_was_sent_first_is_claimed_first(make_library: Make, given: dict[str, str]) -> None:
    library = make_library(**given)
    for name in "abc":
        sent(library, (f"{name}.txt", name))
    queue, seen = open_queue(library.catalogue), list[str]()
    for _ in range(3):
        with queue.claimed(1) as claim:
            seen += names(claim)
            settled(claim)
            assert claim
            library.jobs._taking._finish(claim.jobs[0])  # type: ignore[union-attr]
    assert seen == ["a.txt", "b.txt", "c.txt"]
    with queue.claimed(1) as claim:
        assert claim is None
    queue.close()


def test_what_was_let_go_is_claimed_again(make_library: Make, given: dict[str, str]) -> None:
    library = make_library(**given)
    job_id = sent(library, ("a.txt", "a"), ("b.txt", "b"))
    queue = open_queue(library.catalogue)
    with queue.claimed(TOGETHER) as claim:
        assert claim
        claim.settle(claim.files[0], "done", {"report": {"state": "added"}})
    assert states(library, job_id) == ["done", "queued"]
    with queue.claimed(TOGETHER) as claim:
        assert names(claim) == ["b.txt"]
    queue.close()


@pytest.fixture
def queues(shared: Library) -> Iterator[Callable[[], ClusterQueue]]:
    with ExitStack() as opened:

        def made() -> ClusterQueue:
            queue = ClusterQueue(shared.catalogue.database)
            opened.callback(queue.close)
            return queue

        yield made


@pytest.mark.cluster
def test_nobody_claims_what_another_has(shared: Library, queues: Callable[[], ClusterQueue]) -> None:
    sent(shared, *((f"{number:02}.txt", str(number)) for number in range(40)))
    with queues().claimed(16) as one, queues().claimed(16) as two, queues().claimed(16) as three:
        taken = [names(claim) for claim in (one, two, three)]
        assert [len(some) for some in taken] == [16, 16, 8]
        assert sorted(name for some in taken for name in some) == [f"{number:02}.txt" for number in range(40)]
        with queues().claimed(16) as four:
            assert four is None


@pytest.mark.cluster
def test_many_that_claim_at_once_have_each_file_once(shared: Library, queues: Callable[[], ClusterQueue]) -> None:
    sent(shared, *((f"{number:03}.txt", str(number)) for number in range(200)))
    taken, turn = list[str](), threading.Barrier(6)

    def claim_all(queue: ClusterQueue) -> None:
        turn.wait()
        while True:
            with queue.claimed(7) as claim:
                if claim is None or not claim.files:
                    return
                taken.extend(names(claim))
                settled(claim)

    threads = [threading.Thread(target=claim_all, args=(queues(),)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(taken) == [f"{number:03}.txt" for number in range(200)]


@pytest.mark.cluster
def test_a_later_version_waits_until_the_earlier_one_is_settled(
    shared: Library, queues: Callable[[], ClusterQueue]
) -> None:
    sent(shared, ("a.txt", "first"), ("b.txt", "b"))
    sent(shared, ("a.txt", "second"), ("c.txt", "c"))
    one, other = queues(), queues()
    with one.claimed(TOGETHER) as claim:
        assert names(claim) == ["a.txt", "b.txt", "c.txt"]
        with other.claimed(TOGETHER) as nothing:
            assert nothing is None
        settled(claim)
        with other.claimed(TOGETHER) as later:
            assert names(later) == ["a.txt"]


@pytest.mark.cluster
def test_what_a_process_had_whose_connection_broke_is_free(
    shared: Library, queues: Callable[[], ClusterQueue], postgres: Server, database_url: str
) -> None:
    sent(shared, ("a.txt", "first"))
    sent(shared, ("a.txt", "second"))
    one, other = queues(), queues()

    def lose() -> None:
        with one.claimed(TOGETHER) as claim:
            assert claim
            ending = (
                "SELECT pg_terminate_backend(pid, 10000) FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
            )
            assert postgres.execute(ending, database_url.rpartition("/")[2]) == [(True,)]
            with other.claimed(TOGETHER) as again:
                assert names(again) == ["a.txt"]
                settled(again)
            claim.settle(claim.files[0], "done", {})

    with pytest.raises(StorageError, match="cannot be used"):
        lose()
    with one.claimed(TOGETHER) as claim:  # it has a new connection by now
        assert names(claim) == ["a.txt"]


@pytest.mark.cluster
def test_who_lost_a_file_does_not_store_it_any_more(
    shared: Library, queues: Callable[[], ClusterQueue], tmp_path: Path
) -> None:
    sent(shared, ("a.txt", "Pelicans eat fish."))
    path = tmp_path / "a.txt"
    path.write_text("Pelicans eat fish.")
    with queues().claimed(TOGETHER) as claim:
        assert claim
        (file,) = claim.files
        with shared.catalogue.note() as connection:
            connection.execute(sa.update(tables.job_files).values(state="done"))
        with pytest.raises(Lost):
            claim.check(file)
        request = FileRequest(path, "a.txt", fence=lambda connection: claim.guard(file, connection))
        with pytest.raises(Lost):
            list(shared.ingest.run([request]))
        with pytest.raises(Lost):
            claim.settle(file, "done", {})
    assert shared.catalogue.document_ids() == []


@pytest.mark.cluster
def test_a_job_whose_last_process_died_before_it_said_so_is_over(
    shared: Library, queues: Callable[[], ClusterQueue]
) -> None:
    job_id = sent(shared, ("a.txt", "a"))
    queue = queues()
    with queue.claimed(TOGETHER) as claim:
        settled(claim)
    assert not shared.jobs.is_over(job_id)
    with queue.claimed(TOGETHER) as claim:
        assert claim
        assert (claim.jobs, list(claim.files)) == ([job_id], [])


@pytest.mark.cluster
def test_the_same_content_under_two_names_at_once_is_stored_once(
    make_library: Make, database_url: str, tmp_path: Path
) -> None:
    """Both see that nobody has it, and then store it."""
    both = [make_library(name=name, catalogue=database_url) for name in ("one", "two")]
    meeting = threading.Barrier(2, timeout=30)
    reports = list[Any]()

    def take_in(number: int) -> None:
        path = tmp_path / f"{number}.txt"
        path.write_text("Pelicans eat fish.")
        ingest = both[number].ingest
        put = ingest.builder.put_group

        def put_together(*given: Any) -> Any:
            meeting.wait()
            return put(*given)

        ingest.builder.put_group = put_together  # type: ignore[method-assign, assignment]
        reports.append(ingest.one(FileRequest(path, f"{number}.txt")))

    threads = [threading.Thread(target=take_in, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert sorted(report.state for report in reports) == ["added", "duplicate"]
    (summary,) = both[0].catalogue.summaries()
    assert summary.sources == ("0.txt", "1.txt")


@pytest.mark.cluster
def test_a_name_that_another_takes_meanwhile_is_left_to_it(
    make_library: Make, database_url: str, tmp_path: Path
) -> None:
    """Both are to keep what is there, and see the same name free."""
    both = [make_library(name=name, catalogue=database_url) for name in ("one", "two")]
    first = tmp_path / "first.txt"
    first.write_text("Bees dance.")
    both[0].ingest.one(FileRequest(first, "a.txt"))
    meeting = threading.Barrier(2, timeout=30)
    outcomes = list[tuple[FileRequest, Any]]()

    def take_in(number: int) -> None:
        path = tmp_path / f"{number}.txt"
        path.write_text(f"Pelicans eat {number} fish.")
        ingest, met = both[number].ingest, False
        put = ingest.builder.put_group

        def put_together(*given: Any) -> Any:
            nonlocal met
            if not met:
                met = True
                meeting.wait()
            return put(*given)

        ingest.builder.put_group = put_together  # type: ignore[method-assign, assignment]
        outcomes.extend(ingest.run([FileRequest(path, "a.txt", name="a.txt", existing="keep")]))

    threads = [threading.Thread(target=take_in, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert [type(outcome) for _, outcome in outcomes] == [Report, Report]
    stored = sorted(source for one in both[0].catalogue.summaries() for source in one.sources)
    assert stored == ["a (2).txt", "a (3).txt", "a.txt"]
