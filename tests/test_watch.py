"""A folder and the documents that came from it are kept equal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from index.errors import DocumentError
from index.ingest import FileRequest
from index.load import from_text
from index.watch import Mirror
from qa.wire import Library
from tests.conftest import ROOT, environment, qa

Make = Callable[..., Library]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    top = tmp_path / "papers"
    for name in ("one.txt", "two.md", "sub/three.txt", "skipped/four.txt", ".hidden.txt"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(f"The text of {name} alone.")
    (top / ".qaignore").write_text("skipped/\n")
    return top


def mirror(library: Library, folder: Path) -> Mirror:
    return Mirror(library.ingest, folder, lambda path: FileRequest(path, str(path), root=str(folder)), ["*.tmp.txt"])


def names(events: object) -> list[tuple[str, str]]:
    return sorted((event.change, event.path.name) for event in events if event.change != "unchanged")  # type: ignore[attr-defined]


def stored(library: Library) -> set[str]:
    return {Path(source).name for one in library.catalogue.summaries() for source in one.sources}


def test_new_changed_moved_and_deleted_files_are_so_in_the_index(make_library: Make, folder: Path) -> None:
    library = make_library()
    one = mirror(library, folder)
    assert names(one.sync()) == [("new", "one.txt"), ("new", "three.txt"), ("new", "two.md")]
    ids = {summary.title: summary.id for summary in library.catalogue.summaries()}
    (folder / "one.txt").write_text("Changed.")
    (folder / "sub" / "three.txt").rename(folder / "moved.txt")
    (folder / "two.md").unlink()
    (folder / "new.txt").write_text("New here.")
    (folder / "x.tmp.txt").write_text("Ignored.")
    planned = [("changed", "one.txt"), ("moved", "moved.txt"), ("new", "new.txt"), ("removed", "two.md")]
    generation = library.catalogue.generation()
    assert names(one.plan()) == planned
    assert library.catalogue.generation() == generation
    list(one.sync())
    assert stored(library) == {"one.txt", "moved.txt", "new.txt"}
    moved = library.catalogue.sources.of(str(folder / "moved.txt"))
    assert moved is not None
    assert moved.document_id == ids["three"]  # moved, not made anew
    assert names(one.plan()) == []


def test_documents_added_otherwise_are_never_touched(make_library: Make, folder: Path, tmp_path: Path) -> None:
    library = make_library()
    (tmp_path / "elsewhere.txt").write_text("Elsewhere.")
    library.ingest.one(FileRequest(tmp_path / "elsewhere.txt", str(tmp_path / "elsewhere.txt")))
    library.ingest.one(FileRequest(folder / "one.txt", str(folder / "gone before.txt")))
    library.builder.put(from_text("By a program.", title="api", id="api", source=str(folder / "api.txt")))
    list(mirror(library, folder).sync())
    (folder / "two.md").unlink()
    list(mirror(library, folder).sync())
    assert {"elsewhere.txt", "gone before.txt", "api.txt"} <= stored(library)
    assert "two.md" not in stored(library)


def test_what_changed_is_followed_path_by_path(make_library: Make, folder: Path) -> None:
    library = make_library()
    one = mirror(library, folder)
    list(one.sync())
    (folder / "sub").rename(folder / "renamed")
    (folder / "two.md").unlink()
    (folder / "bad.txt").write_bytes(b"\xff\xff")
    changed = [folder / "sub", folder / "renamed", folder / "two.md", folder / "bad.txt", folder / ".hidden.txt"]
    assert names(one.follow(changed)) == [
        ("failed", "bad.txt"), ("new", "three.txt"), ("removed", "three.txt"), ("removed", "two.md"),
    ]  # fmt: skip
    assert stored(library) == {"one.txt", "three.txt"}


def test_a_folder_that_is_gone_or_suddenly_empty_removes_nothing(make_library: Make, folder: Path) -> None:
    library = make_library()
    one = mirror(library, folder)
    list(one.sync())
    aside = folder.rename(folder.with_name("aside"))
    with pytest.raises(DocumentError, match="not there now"):
        list(one.follow([folder / "one.txt"]))
    folder.mkdir()
    with pytest.raises(DocumentError, match="is empty, but 3"):
        list(one.sync())
    assert len(stored(library)) == 3
    folder.rmdir()
    aside.rename(folder)
    assert names(one.sync()) == []


def test_a_watched_file_stays_watched_when_it_is_indexed_otherwise(make_library: Make, folder: Path) -> None:
    library = make_library()
    list(mirror(library, folder).sync())
    (folder / "one.txt").write_text("Edited, and indexed by hand.")
    library.ingest.one(FileRequest(folder / "one.txt", str(folder / "one.txt")))
    (folder / "one.txt").unlink()
    assert ("removed", "one.txt") in names(mirror(library, folder).sync())


def test_when_everything_goes_at_once_nothing_is_removed(make_library: Make, folder: Path) -> None:
    library = make_library()
    one = mirror(library, folder)
    list(one.sync())
    gone = [folder / "one.txt", folder / "two.md", folder / "sub" / "three.txt"]
    for path in gone:
        path.unlink()
    with pytest.raises(DocumentError, match="is empty, but 3"):
        list(one.follow(gone))
    assert len(stored(library)) == 3


@pytest.mark.server
def test_the_command_follows_a_folder_until_it_is_interrupted(folder: Path, tmp_path: Path) -> None:
    given = {"QA_DATA": str(tmp_path / "data"), "QA_MODEL": "/no/such/model"}
    dry = qa("watch", str(folder), "--dry-run", **given)
    assert [line.split()[0] for line in dry.stdout.splitlines()[:-1]] == ["new"] * 3
    assert dry.stdout.splitlines()[-1] == "3 new, 0 changed, 0 moved, 0 removed, 0 unchanged, 0 failed"
    process = subprocess.Popen(
        [sys.executable, "-m", "qa", "watch", str(folder)], cwd=ROOT, env=environment(**given),
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    try:
        assert any("Watching" in line for line in process.stdout)
        (folder / "late.txt").write_text("Pelicans came late.")
        (folder / "one.txt").unlink()
        told = {process.stdout.readline().split()[0] for _ in range(2)}
        assert told == {"new", "removed"}
        until = time.monotonic() + 20
        while "late.txt" not in qa("ask", "pelicans", **given).stdout:
            assert time.monotonic() < until
    finally:
        os.kill(process.pid, signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
