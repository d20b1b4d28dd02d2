"""Who takes in what was sent: nobody twice, versions in their order, and what a process had that ended, another."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from index import tables
from index.build import Report
from index.embed import Embedder
from index.errors import Lost, StorageError
from index.ingest import FileRequest
from index.load.draft import AS_THEY_ARE
from index.store import durably
from index.types import Vectors
from qa.jobs import Item, Jobs
from qa.queue import TOGETHER, Claim, ClusterQueue, open_queue
from qa.taking import Taking
from qa.wire import Library
from tests.conftest import HashEmbedder
from tests.postgres import Server

Make = Callable[..., Library]
LOCAL = "sqlite"
CUT = """SELECT pg_terminate_backend(pid, 10000) FROM (
    SELECT DISTINCT pid FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1
) AS claiming"""
"""Breaks the connections of those who have claimed something."""


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
            assert postgres.execute(CUT, database_url.rpartition("/")[2]) == [(True,)]
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
        assert [type(outcome) for _, outcome in shared.ingest.run([request])] == [Lost]
        with pytest.raises(Lost):
            claim.settle(file, "done", {})
    assert shared.catalogue.document_ids() == []


class Waiting(HashEmbedder):
    """Embeds when it is let."""

    def __init__(self) -> None:
        self.begun, self.let = threading.Event(), threading.Event()

    def passages(self, texts: Sequence[str]) -> Vectors:
        self.begun.set()
        assert self.let.wait(60)
        return super().passages(texts)


@contextmanager
def taking(library: Library, embedder: Embedder) -> Iterator[tuple[Taking, ClusterQueue]]:
    """What takes in with that model, when it is told to."""
    library.model.embedder = embedder
    assert library.files
    with closing(ClusterQueue(library.catalogue.database)) as queue:
        given = library.catalogue, library.ingest, AS_THEY_ARE, lambda: None, library.shared, library.files, queue
        yield Taking(*given), queue


def sent_texts(library: Library, **given: str) -> str:
    """The id of a job that waits, of texts by their ids."""
    made = Jobs(library.catalogue, library.ingest, AS_THEY_ARE, lambda: None, library.shared, library.files, False)
    values = {key: {"id": key, "title": key, "source": "", "text": text} for key, text in given.items()}
    kind = {"kind": "text"}
    return made.add([Item(key, kind, durably(json.dumps(one).encode()), subject=key) for key, one in values.items()]).id


@pytest.mark.cluster
def test_who_lost_a_text_leaves_a_newer_one_alone_and_stores_the_others(
    make_library: Make, postgres: Server, database_url: str, tmp_path: Path
) -> None:
    files = str(tmp_path / "files")
    one, two = (make_library(name=name, catalogue=database_url, files=files) for name in ("one", "two"))
    old = sent_texts(one, apples="The old version says five apples.", gulls="Gulls eat chips.")
    slow = Waiting()
    with taking(one, slow) as (cut_off, _), taking(two, HashEmbedder()) as (other, queue):
        thread = threading.Thread(target=cut_off._attempt)
        thread.start()
        assert slow.begun.wait(60)
        assert postgres.execute(CUT, database_url.rpartition("/")[2]) == [(True,)]
        with queue.claimed(1) as claim:
            assert names(claim) == ["apples"]
            assert claim
            other._take_in(claim)
        new = sent_texts(two, apples="The new version says nine apples.")
        with queue.claimed(TOGETHER) as claim:
            assert names(claim) == ["gulls", "apples"]
            assert claim
            other._take_in(replace(claim, files=claim.files[1:]))
        slow.let.set()
        thread.join(60)
        found = two.catalogue.documents(["apples", "gulls"])
        assert {key: one.text for key, one in found.items()} == {
            "apples": "The new version says nine apples.",
            "gulls": "Gulls eat chips.",
        }
        assert states(two, old) == ["done", "queued"]
        while other._attempt():
            pass
    assert states(two, old) + states(two, new) == ["done"] * 3


@pytest.mark.cluster
@pytest.mark.parametrize("embedded", [True, False])
def test_the_others_of_a_group_are_settled_where_one_of_them_was_lost(
    make_library: Make, database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, embedded: bool
) -> None:
    library = make_library(catalogue=database_url, files=str(tmp_path / "files"))
    job_id = sent_texts(library, bees="Bees dance.", gulls="Gulls eat chips.", herons="Herons eat frogs.")
    put = library.catalogue.put_all

    def late(*given: Any) -> int:
        with library.catalogue.note() as connection:
            first = tables.job_files.c.number == 0
            connection.execute(sa.update(tables.job_files).where(first).values(state="failed"))
        return put(*given)

    monkeypatch.setattr(library.catalogue, "put_all", late)
    with taking(library, HashEmbedder()) as (mine, _):
        if not embedded:
            monkeypatch.setattr(library.builder, "_embedder", lambda: None)
        assert mine._attempt()
    assert library.catalogue.document_ids() == ["gulls", "herons"]
    assert states(library, job_id) == ["failed", "done", "done"]
    assert library.jobs.is_over(job_id)


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
