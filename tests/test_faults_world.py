"""The clock set back, the model's files removed, the database locked by another program: the service goes on."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from index.embed import DEFAULT_MODEL, locate
from qa.access import Access
from tests.conftest import Server, qa
from tests.faults import NO_MODEL, QUESTION, Reply, answers, assert_takes, fetch, stored, text
from tests.waiting import until

pytestmark = pytest.mark.server
Start = Callable[..., Server]
RATE = 20


class Clock:
    """The time of day of a service, as libfaketime tells it; that of intervals goes on."""

    def __init__(self, folder: Path) -> None:
        found = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
        assert found, "the tests of a wrong clock need libfaketime: install the package faketime"
        self._file = folder / "clock"
        self.set("+0")
        self.environment = {
            "LD_PRELOAD": str(found),
            "FAKETIME_TIMESTAMP_FILE": str(self._file),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set(self, difference: str) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(f"{difference}\n")
        new.rename(self._file)


def test_a_clock_that_is_set_back_brings_no_token_back_and_blocks_nobody(start: Start, tmp_path: Path) -> None:
    access, clock = Access(tmp_path / "served"), Clock(tmp_path)
    _, short = access.create("short", "ask", days=0.5)
    _, long = access.create("long", "manage")
    access.close()
    server = start(**NO_MODEL, **clock.environment, QA_RATE=str(RATE), QA_SIGN_INS="1000")
    until(lambda: answers(server, long))
    assert fetch(server, QUESTION, token=short).status == 200
    first = _patiently(server, "/documents?wait=true", text("first"), long)
    clock.set("+1d")
    until(lambda: fetch(server, QUESTION, token=short).status == 401)

    for back in ("+0", "-1d", "-400d"):
        clock.set(back)
        until(lambda: fetch(server, "/health", token=short).status == 401)  # looked at anew each second
        assert fetch(server, "/health/live").status == 200
    assert _until_refused(server, long) <= 60
    clock.set("-500d")
    assert _until_refused(server, long) <= 60
    until(lambda: fetch(server, QUESTION, token=long).status == 200)

    sent = _patiently(server, "/documents", text("second"), long)
    assert sent.body["created_at"] < first.body["created_at"]  # it really was set back
    until(lambda: _patiently(server, f"/jobs/{sent.body['id']}", None, long).body["state"] == "done")
    until(lambda: answers(server, long))


def _until_refused(server: Server, token: str) -> int:
    """Ask until there were too many questions: how long to wait then, in seconds."""
    for _ in range(10 * RATE):
        reply = fetch(server, QUESTION, token=token)
        if reply.status == 429:
            return int(reply.headers["Retry-After"])
        assert reply.status == 200
    raise AssertionError("nothing was refused")


def _patiently(server: Server, path: str, body: object, token: str) -> Reply:
    """A reply that is not about the rate."""
    found: list[Reply] = []

    def allowed() -> bool:
        found.append(fetch(server, path, body, token))
        return found[-1].status != 429

    until(allowed)
    return found[-1]


@pytest.mark.model
def test_a_model_whose_files_are_removed_goes_on_and_is_missed_only_at_the_next_start(
    start: Start, tmp_path: Path
) -> None:
    model, cache, away = tmp_path / "model", tmp_path / "cache", tmp_path / "away"
    shutil.copytree(locate(DEFAULT_MODEL), model)
    given = {"QA_MODEL": str(model), "QA_CACHE": str(cache)}
    server = start(**given)
    assert server.until_hybrid()["retrieval"] == "hybrid"
    model.rename(away)
    shutil.rmtree(cache)
    assert fetch(server, QUESTION).body["retrieval"] == "hybrid"
    assert_takes(server, "after")
    health = fetch(server, "/health").body
    assert (health["status"], health["retrieval"], health["passages_not_embedded"]) == ("ok", "hybrid", 0)
    assert answers(server)
    server.process.terminate()
    server.process.communicate(timeout=40)

    again = start(**given)
    health = again.until_hybrid()
    assert (health["status"], health["retrieval"]) == ("ok", "bm25")
    assert str(model) in health["reason"]
    assert fetch(again, QUESTION).body["retrieval"] == "bm25"
    until(lambda: answers(again))
    again.process.terminate()
    again.process.communicate(timeout=40)

    away.rename(model)
    last = start(**given)
    assert last.until_hybrid()["retrieval"] == "hybrid"
    assert fetch(last, QUESTION).body["retrieval"] == "hybrid"
    assert "after" in stored(last)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Another process, this one, has the database for itself."""
    with closing(sqlite3.connect(path, isolation_level=None, timeout=20)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def test_a_database_that_another_process_has_locked_is_read_and_refuses_changes(start: Start, tmp_path: Path) -> None:
    """For longer than a statement waits: whatever comes later is refused in the same way, however long it takes."""
    server = start(**NO_MODEL)
    assert_takes(server, "before")
    acknowledged = fetch(server, "/documents", text("acknowledged"))
    assert acknowledged.status == 202
    refused: list[Reply] = []

    def send(number: int) -> None:
        if number % 8:
            refused.append(fetch(server, "/documents", text(f"meanwhile{number}")))
        else:  # more of them than threads for requests
            refused.append(fetch(server, "/documents/before", method="DELETE"))

    with locked(tmp_path / "served" / "catalogue.sqlite3"):
        threads = [threading.Thread(target=send, args=(number,)) for number in range(400)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            assert fetch(server, "/health/live").status == 200
            assert fetch(server, QUESTION).status == 200
            assert fetch(server, "/health/ready").status == 200
        for thread in threads:
            thread.join()
    assert {reply.status for reply in refused} == {503}
    assert {reply.body["error"]["code"] for reply in refused} == {"index_locked", "busy"}
    assert all(reply.headers["Retry-After"] for reply in refused)

    assert_takes(server, "after")
    until(lambda: {"before", "acknowledged", "after"} <= stored(server))
    assert not any(one.startswith("meanwhile") for one in stored(server))
    assert answers(server)


def test_a_database_in_use_cannot_be_taken_away_and_one_that_was_is_waited_for(start: Start, tmp_path: Path) -> None:
    """`locking_mode=EXCLUSIVE` shuts out readers too."""
    server = start(**NO_MODEL)
    assert_takes(server, "before")
    path = tmp_path / "served" / "catalogue.sqlite3"
    with closing(sqlite3.connect(path, isolation_level=None, timeout=0.1)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other.execute("BEGIN EXCLUSIVE")
    assert answers(server)
    server.process.terminate()
    server.process.communicate(timeout=40)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("PRAGMA locking_mode=EXCLUSIVE").fetchall()
        other.execute("BEGIN EXCLUSIVE")
        other.execute("COMMIT")
        refused = qa("serve", **NO_MODEL, QA_PORT="0", QA_DATA=str(tmp_path / "served"))
        assert refused.returncode == 1
        assert "another program" in refused.stderr
        assert "Traceback" not in refused.stderr
    again = start(**NO_MODEL)
    until(lambda: answers(again) and "before" in stored(again))


def test_locked_tokens_are_read_and_nobody_signs_in_meanwhile(start: Start, tmp_path: Path) -> None:
    access = Access(tmp_path / "served")
    _, secret = access.create("me", "manage")
    server = start(**NO_MODEL, QA_RATE="1000000")
    until(lambda: answers(server, secret))
    replies: list[Reply] = []
    form = f"token={secret}".encode()
    signing_in = threading.Thread(target=lambda: replies.append(fetch(server, "/sign-in", form)))
    with locked(access.path):
        signing_in.start()
        while signing_in.is_alive():
            assert answers(server, secret)
            assert fetch(server, QUESTION).status == 401
        signing_in.join()
    assert (replies[0].status, replies[0].body["error"]["code"]) == (503, "index_locked")
    assert fetch(server, "/sign-in", form).status == 303
    assert answers(server, secret)
    access.close()
