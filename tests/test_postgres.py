"""The catalogue on a real PostgreSQL: killed in use, written by several at once, opened by several at once; lists
alike on both. What else has to be alike is in the tests of the catalogue."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa

from index import tables
from index.care import verify
from index.catalogue import Catalogue
from index.database import Database
from index.errors import IndexLocked, QAError, StorageError
from index.feedback import Place
from index.sqlite import alike
from qa.wire import Library
from tests.conftest import ROOT, environment
from tests.postgres import Server
from tests.served import PRINT, put, served_catalogue, served_database  # noqa: F401 - fixtures
from tests.waiting import until

pytestmark = pytest.mark.cluster

Make = Callable[..., Library]
WRITER = """
import sys; from pathlib import Path
from index.catalogue import Catalogue
from tests.served import PRINT, put
catalogue = Catalogue(Path(sys.argv[1]), PRINT, url=sys.argv[2])
print("ready", flush=True); sys.stdin.readline()
for number in range(40):
    put(catalogue, f"{sys.argv[3]}{number}", f"Text {number} of {sys.argv[3]}.")
catalogue.close()
"""
HOLDER = """
import sys; from pathlib import Path
from index.database import open_database
with open_database(Path(sys.argv[1]), sys.argv[2]).mutex("engine"):
    print("held", flush=True); sys.stdin.read()
"""


@pytest.fixture
def durable() -> Iterator[Server]:
    """A server of one's own, to be killed."""
    server = Server(durable=True)
    try:
        server.start()
        yield server
    finally:
        server.remove()


def generations(catalogue: Catalogue) -> list[int]:
    with catalogue.read() as connection:
        return list(connection.scalars(sa.select(tables.history.c.generation).order_by(tables.history.c.generation)))


def script(code: str, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-c", code, *arguments]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=ROOT, env=environment(), stdin=pipe, stdout=pipe, text=True)


# Killed, and by several at once


def test_a_killed_server_loses_nothing_that_was_acknowledged_and_is_used_again(durable: Server, tmp_path: Path) -> None:
    with durable.database() as url, closing(Catalogue(tmp_path / "data", PRINT, url=url)) as catalogue:
        acknowledged, refused = list[str](), list[QAError]()
        stop, seen = threading.Event(), threading.Event()

        def write() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                try:
                    put(catalogue, f"d{number}", f"Text {number}.")
                    with catalogue.view() as view:
                        assert view.stamp.generation >= number - len(refused)
                except QAError as error:
                    refused.append(error)
                    time.sleep(0.05)
                else:
                    acknowledged.append(f"d{number}")
                seen.set()

        writer = threading.Thread(target=write)
        writer.start()
        for _ in range(3):
            before = len(acknowledged)
            until(lambda known=before: len(acknowledged) > known + 5)  # type: ignore[misc]
            durable.kill()
            known = len(refused)
            until(lambda known=known: len(refused) > known)  # type: ignore[misc]
            durable.start()
        before = len(acknowledged)
        until(lambda: len(acknowledged) > before + 5)
        stop.set()
        writer.join()
        assert set(acknowledged) <= set(catalogue.document_ids())
        assert generations(catalogue) == list(range(1, len(generations(catalogue)) + 1))
        assert list(verify(catalogue, tmp_path / "engine")) == []
        assert {type(error) for error in refused} == {StorageError}
        assert all("cannot be reached" in error.message and error.hint for error in refused)


def test_two_processes_write_at_once_without_holes_in_the_generations(catalogue: Catalogue, database_url: str) -> None:
    writers = [script(WRITER, str(catalogue.folder / name), database_url, name) for name in ("a", "b")]
    for one in writers:
        assert one.stdout
        assert one.stdout.readline() == "ready\n"
    for one in writers:
        one.communicate("go\n", timeout=60)
        assert one.returncode == 0
    assert set(catalogue.document_ids()) == {f"{name}{number}" for name in "ab" for number in range(40)}
    assert generations(catalogue) == list(range(1, 81))


def test_a_new_database_can_be_opened_by_many_at_once(tmp_path: Path, database_url: str) -> None:
    def opened(number: int) -> tuple[int, int, int]:
        with closing(Catalogue(tmp_path / str(number), PRINT, url=database_url)) as catalogue:
            return catalogue.counts.all()

    with ThreadPoolExecutor(6) as threads:
        assert list(threads.map(opened, range(6))) == [(0, 0, 0)] * 6


def test_what_is_judged_by_several_at_once_is_kept_once(catalogue: Catalogue) -> None:
    put(catalogue, "birds", "Pelicans eat fish.")

    def judge(number: int) -> None:
        if number % 3 == 0:
            put(catalogue, "birds", f"Pelicans eat fish. Number {number}.")  # takes the judgements along
        catalogue.feedback.put("Who?", (), bool(number % 2), Place("birds", 0, 18))

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(judge, range(48)))
    assert catalogue.feedback.latest(9)[0] == 1


# Waiting, and taking turns


def test_whoever_waits_is_woken_by_a_write_of_another(catalogue: Catalogue, tmp_path: Path, database_url: str) -> None:
    with closing(Catalogue(tmp_path / "other", PRINT, url=database_url)) as other:
        other.database.wait(5)  # it begins to listen
        woken = list[float]()

        def wait() -> None:
            other.database.wait(30)
            woken.append(time.monotonic())

        waiting = threading.Thread(target=wait)
        waiting.start()
        time.sleep(0.2)
        assert not woken
        begun = time.monotonic()
        put(catalogue, "one", "Alpha.")
        waiting.join(timeout=20)
        assert woken[0] - begun < 10


def test_waiting_ends_with_its_time_or_when_it_is_closed(catalogue: Catalogue) -> None:
    catalogue.database.wait(5)
    begun = time.monotonic()
    catalogue.database.wait(0.2)
    assert 0.15 < time.monotonic() - begun < 20
    waiting = threading.Thread(target=catalogue.database.wait, args=(60,))
    waiting.start()
    time.sleep(0.1)
    catalogue.close()
    waiting.join(timeout=20)
    assert not waiting.is_alive()


def test_listening_goes_on_after_the_server_was_away(durable: Server, tmp_path: Path) -> None:
    with durable.database() as url, closing(Catalogue(tmp_path / "data", PRINT, url=url)) as catalogue:
        catalogue.database.wait(5)
        durable.kill()
        durable.start()
        catalogue.database.wait(10)  # it listens again: what happened meanwhile may have been missed
        begun = time.monotonic()
        writing = threading.Timer(0.2, put, (catalogue, "one", "Alpha."))
        writing.start()
        catalogue.database.wait(30)
        writing.join()
        assert time.monotonic() - begun < 20


def test_a_mutex_is_one_threads_and_is_freed_with_the_process_that_dies(database: Database, database_url: str) -> None:
    taken = list[int]()

    def take(number: int) -> None:
        with database.mutex("engine"):
            taken.append(number)
            assert len(taken) == 1
            time.sleep(0.02)
            taken.clear()

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(take, range(8)))
    holder = script(HOLDER, "none", database_url)
    assert holder.stdout
    assert holder.stdout.readline() == "held\n"
    with database.mutex("another"):
        pass
    waiting = threading.Thread(target=take, args=(1,))
    waiting.start()
    time.sleep(0.3)
    assert waiting.is_alive()
    holder.kill()
    holder.communicate()
    waiting.join(timeout=10)
    assert not waiting.is_alive()


def test_a_writer_that_does_not_get_its_turn_is_told(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules["index.postgres"]._SESSION, "lock_timeout", "100ms")
    with closing(Catalogue(tmp_path / "data", PRINT, url=database_url)) as catalogue:
        with catalogue.write(), pytest.raises(IndexLocked, match="another process is writing"):
            put(catalogue, "one", "Alpha.")
        with catalogue.write(), catalogue.note() as connection:  # this waits for nobody's turn
            connection.execute(sa.insert(tables.meta), {"key": "noted", "value": "1"})
        assert put(catalogue, "one", "Alpha.") == 1


# Alike on both


def test_lists_have_the_same_order_and_are_searched_alike(catalogue: Catalogue, tmp_path: Path) -> None:
    titles = [
        "straße",
        "Ähre",
        "ähre 2",
        "Zebra",
        "apple",
        "Apple",
        "Éclair",
        "E\u0301clair 2",
        "ΟΔΟΣ",
        "10%",
        "_a",
        "ﬁne",
    ]
    with closing(Catalogue(tmp_path / "file", PRINT)) as other:
        for one in (catalogue, other):
            for number, title in enumerate(titles):
                put(one, f"d{number}", "Some text.", title)
        for words in (
            "",
            "STRASSE",
            "straße",
            "ÄHRE",
            "e\u0301clair",
            "É",
            "οδος",
            "ΟΔΟΣ",
            "%",
            "_",
            "fine",
            "APP",
            "z e",
        ):
            here, there = catalogue.shelf.listed(words=words), other.shelf.listed(words=words)
            assert [found.title for found in here[1]] == [found.title for found in there[1]], words
            assert words == "" or here[0] > 0
        assert [one.title for one in catalogue.summaries()] == sorted(titles)


def test_letters_lose_their_case_as_they_do_in_a_file(database: Database) -> None:
    letters = [chr(number) for number in range(1, 0x3000) if not 0x13A0 <= number < 0x1400]  # but for Cherokee
    with database.write() as connection:
        tables.schema.create_all(connection)
        database.prepare(connection)
        query = sa.text("SELECT alike(one) FROM unnest(CAST(:all AS text[])) WITH ORDINALITY AS t(one, n) ORDER BY n")
        folded = connection.scalars(query, {"all": letters}).all()
    differ = [letter for letter, found in zip(letters, folded, strict=True) if found != alike(letter)]
    assert differ == ["ı"]


def test_a_question_reads_one_state(catalogue: Catalogue, tmp_path: Path, database_url: str) -> None:
    put(catalogue, "one", "Alpha.")
    (stored,) = catalogue.passages_of("one")
    with closing(Catalogue(tmp_path / "other", PRINT, url=database_url)) as other, other.view() as view:
        catalogue.remove("one")
        found = view.passages([stored.passage.id], view.stamp)[stored.passage.id]
        assert (found.passage, found.sha256) == (stored.passage, stored.sha256)
    assert catalogue.counts.all() == (0, 0, 0)
