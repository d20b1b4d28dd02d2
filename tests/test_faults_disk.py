"""The data folder full, read-only, or gone and back: nothing is lost, nothing is made up, and the service goes on."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import Server, starting
from tests.faults import (
    NO_MODEL,
    QUESTION,
    answers,
    assert_away,
    assert_takes,
    fetch,
    fill,
    mounted,
    stored,
    text,
)
from tests.waiting import until

pytestmark = pytest.mark.server
Start = Callable[..., Server]


@pytest.fixture
def running(start: Start) -> Server:
    """A service with a document besides the seed, over the folder `served`."""
    server = start(**NO_MODEL, QA_LOG_LEVEL="WARNING")
    assert_takes(server, "before")
    return server


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_data_folder_that_is_renamed_away_and_back(start: Start, tmp_path: Path, workers: str) -> None:
    server = start(**NO_MODEL, QA_WORKERS=workers)
    until(lambda: answers(server))
    assert_takes(server, "before")
    folder, elsewhere = tmp_path / "served", tmp_path / "elsewhere"
    folder.rename(elsewhere)
    for _ in range(3):
        assert_away(server, "is not there")
    refused = fetch(server, "/documents", text("meanwhile"))
    assert (refused.status, refused.body["error"]["code"]) == (503, "storage_error")
    assert not fetch(server, "/health").body["writable"]
    assert not folder.exists()  # nothing was made in its place

    elsewhere.rename(folder)
    until(lambda: answers(server))
    assert fetch(server, "/health").body["writable"]
    assert_takes(server, "after")
    assert stored(server) >= {"before", "after"}
    assert "meanwhile" not in stored(server)


def test_a_copy_in_the_place_of_the_data_folder_is_what_is_read_and_written(running: Server, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "served", tmp_path / "elsewhere"
    folder.rename(elsewhere)
    assert_away(running, "is not there")
    shutil.copytree(elsewhere, folder)
    shutil.rmtree(elsewhere)
    until(lambda: answers(running))
    assert_takes(running, "after")
    running.process.terminate()
    assert running.process.wait(30) == 0
    with starting(folder) as again:
        assert stored(again(**NO_MODEL)) >= {"before", "after"}


def test_a_copy_that_comes_without_a_gap_is_noticed(running: Server, tmp_path: Path) -> None:
    """Its files have the names of those that are open: what is written must not go into the old ones."""
    folder, copy, old = tmp_path / "served", tmp_path / "copy", tmp_path / "old"
    shutil.copytree(folder, copy)
    folder.rename(old)
    copy.rename(folder)
    assert_takes(running, "after")
    shutil.rmtree(old)
    assert stored(running) >= {"before", "after"}
    running.process.kill()
    running.process.wait()
    with starting(folder) as again:
        assert stored(again(**NO_MODEL)) >= {"before", "after"}


def test_an_empty_folder_in_its_place_stays_empty(running: Server, tmp_path: Path) -> None:
    """As when the disk is not mounted: no new library begins there, and none of what comes is taken."""
    folder, elsewhere = tmp_path / "served", tmp_path / "elsewhere"
    folder.rename(elsewhere)
    folder.mkdir()
    for _ in range(3):
        assert_away(running, "is not there")
    assert fetch(running, "/documents", text("meanwhile")).status == 503
    assert list(folder.iterdir()) == []
    folder.rmdir()
    elsewhere.rename(folder)
    until(lambda: answers(running))
    assert_takes(running, "after")
    assert "before" in stored(running)


def test_a_service_that_ends_while_its_folder_is_away_makes_nothing(running: Server, tmp_path: Path) -> None:
    folder, elsewhere = tmp_path / "served", tmp_path / "elsewhere"
    folder.rename(elsewhere)
    assert_away(running, "is not there")
    running.process.terminate()
    assert running.process.wait(30) == 0
    assert not folder.exists()
    elsewhere.rename(folder)
    with starting(folder) as again:
        assert "before" in stored(again(**NO_MODEL))


def test_tokens_hold_again_when_the_folder_is_back_and_nobody_else_is_let_in_meanwhile(
    start: Start, tmp_path: Path
) -> None:
    from qa.access import Access

    folder, elsewhere = tmp_path / "served", tmp_path / "elsewhere"
    access = Access(folder)
    _, secret = access.create("me", "manage")
    access.close()
    server = start(**NO_MODEL)
    until(lambda: answers(server, secret))
    folder.rename(elsewhere)
    until(lambda: fetch(server, QUESTION, token="qa_none_none").status == 503)
    for _ in range(3):
        assert fetch(server, QUESTION, token=secret).status == 503
        assert fetch(server, QUESTION).status in (401, 503)
        time.sleep(0.5)  # longer in all than what is known of a token is kept
    assert fetch(server, "/health/live").status == 200
    assert fetch(server, "/health/ready").status == 503
    assert not folder.exists()
    elsewhere.rename(folder)
    until(lambda: answers(server, secret))
    assert fetch(server, QUESTION).status == 401


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_read_only_data_folder_is_read_on_and_not_written(running: Server, tmp_path: Path) -> None:
    """A read-only snapshot of it, mounted in its place, and taken away again."""
    folder, snapshot = tmp_path / "served", tmp_path / "snapshot"
    shutil.copytree(folder, snapshot)
    with mounted("--bind", str(snapshot), str(folder)):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(folder)], check=True)
        until(lambda: not fetch(running, "/health").body["writable"])
        assert answers(running)
        assert "cannot be written" in fetch(running, "/health").body["reason"]
        refused = fetch(running, "/documents", text("meanwhile"))
        assert (refused.status, refused.body["error"]["code"]) == (503, "storage_error")
        assert stored(running) >= {"before"}
    until(lambda: fetch(running, "/health").body["writable"])
    until(lambda: answers(running))
    assert_takes(running, "after")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount")
def test_a_full_disk_refuses_uploads_and_answers_questions(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    with mounted("-t", "tmpfs", "-o", "size=40m", "tmpfs", str(disk)), starting(disk / "data") as start:
        server = start(**NO_MODEL)
        assert_takes(server, "before")
        filler = fill(disk)
        for _ in range(3):
            refused = fetch(server, "/documents", text("meanwhile", "The harbour was dredged. " * 8_000))
            assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
            assert "Free some space" in refused.body["error"]["hint"]
        assert answers(server)
        health = fetch(server, "/health").body
        assert not health["writable"]
        assert "is full" in health["reason"]
        filler.unlink()
        until(lambda: fetch(server, "/health").body["writable"])
        assert_takes(server, "after")
        assert stored(server) >= {"before", "after"}
        assert "meanwhile" not in stored(server)
        server.process.terminate()
        assert server.process.wait(30) == 0
