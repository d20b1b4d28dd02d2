"""Files that wait, and originals, in a folder or in an S3 store: the same whichever it is."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from index import tables
from index.errors import DocumentError, StorageError, StoreError, UsageError
from index.ingest import FileRequest
from index.sources import forget_originals
from index.store import FolderStore, RemoteStore, Store, durably, open_store
from qa.api import create_app
from qa.wire import Library
from tests.conftest import ROOT
from tests.waiting import until

Make = Callable[..., Library]
FISH = b"Pelicans eat fish."
SHA256 = hashlib.sha256(FISH).hexdigest()


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server that speaks S3."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    given = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "testing",
        "AWS_SECRET_ACCESS_KEY": "testing",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in given.items():
            patch.setenv(name, value)
        yield given["AWS_ENDPOINT_URL"]
    server.stop()


@pytest.fixture(params=["folder", "file-url", pytest.param("s3", marks=pytest.mark.cluster)])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param != "s3":
        return str(tmp_path / "files") if request.param == "folder" else (tmp_path / "files").as_uri()
    import s3fs

    request.getfixturevalue("s3")
    bucket = f"library-{os.urandom(6).hex()}"
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir(bucket)
    return f"s3://{bucket}/some/prefix"


@pytest.fixture
def store(address: str) -> Store:
    return open_store(address)


def local(store: Store, key: str) -> bytes | None:
    with store.local([key]) as (path,):
        return path.read_bytes() if path.exists() else None


# The contract


def test_what_is_written_is_read_until_it_is_removed(store: Store) -> None:
    store.write("uploads/j/0", durably(FISH))
    assert (store.read("uploads/j/0"), local(store, "uploads/j/0"), store.size("uploads/j/0")) == (FISH, FISH, 18)
    store.write("uploads/j/0", durably(b"Other."))
    assert (store.read("uploads/j/0"), store.size("uploads/j/0")) == (b"Other.", 6)
    store.remove("uploads/j/0")
    assert (local(store, "uploads/j/0"), store.size("uploads/j/0")) == (None, None)
    store.remove("uploads/j/0")
    with pytest.raises(StoreError):
        store.read("uploads/j/0")


def test_a_write_that_fails_leaves_what_was_there(store: Store) -> None:
    def torn(path: Path) -> None:
        path.write_bytes(b"Pel")
        assert store.read("originals/x") == FISH
        raise KeyboardInterrupt

    store.write("originals/x", durably(FISH))
    with pytest.raises(KeyboardInterrupt):
        store.write("originals/x", torn)
    assert store.read("originals/x") == FISH
    assert [name for name, _ in store.ages("originals")] == ["x"]


def test_another_sees_at_once_what_one_writes(store: Store, address: str) -> None:
    other = open_store(address)
    assert (other.size("originals/x"), list(other.ages("originals"))) == (None, [])
    store.write("originals/x", durably(FISH))
    assert (other.size("originals/x"), [name for name, _ in other.ages("originals")]) == (18, ["x"])


def test_a_folder_is_cleared_and_the_others_stay(store: Store) -> None:
    for key in ("uploads/a/0", "uploads/a/1", "uploads/ab/0"):
        store.write(key, durably(FISH))
    store.clear("uploads/a")
    assert [store.size(key) for key in ("uploads/a/0", "uploads/a/1", "uploads/ab/0")] == [None, None, 18]
    assert [name for name, age in store.ages("uploads") if age < 60] == ["ab"]
    store.clear("uploads/none")


TORN = """
import pathlib, sys, time
from index.store import FolderStore

def torn(path):
    path.write_bytes(b"Pel")
    print("begun", flush=True)
    time.sleep(60)

FolderStore(pathlib.Path(sys.argv[1])).write(sys.argv[2], torn)
"""


def killed_in_a_write(folder: Path, key: str) -> Path:
    """What a process leaves that was killed while it wrote a file."""
    before = set(folder.rglob("*"))
    command = [sys.executable, "-c", TORN, str(folder), key]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        process.kill()
    (left,) = set(folder.rglob("*")) - before
    return left


def test_a_process_that_is_killed_in_its_write_does_not_harm_what_another_has_written(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    store.write("originals/x", durably(FISH))
    left = killed_in_a_write(tmp_path, "originals/x")
    assert (store.read("originals/x"), left.read_bytes()) == (FISH, b"Pel")
    assert [name for name, _ in store.ages("originals")] == ["x"]


def test_what_was_not_written_to_its_end_goes_in_the_end(make_library: Make, tmp_path: Path) -> None:
    files = str(tmp_path / "files")
    library = make_library(files=files)
    take_in(library, "a.txt", FISH)
    left = killed_in_a_write(tmp_path / "files", f"originals/{SHA256}")
    library.catalogue.sources.sweep()
    assert left.exists()  # somebody may be at it
    library.close()
    os.utime(left, (time.time() - 4_000,) * 2)
    make_library(files=files).catalogue.sources.sweep()
    assert [path.name for path in left.parent.iterdir()] == [SHA256]


def test_a_store_that_is_away_says_so(tmp_path: Path) -> None:
    folder = open_store(str(tmp_path / "files"))
    (tmp_path / "files").rmdir()
    with pytest.raises(StoreError, match="files cannot be used"):
        folder.write("uploads/a/0", durably(FISH))
    with pytest.raises(StoreError, match="not there any more"), folder.local(["uploads/a/0"]):
        pass
    assert not (tmp_path / "files").exists()


@pytest.mark.cluster
def test_a_bucket_that_is_not_there_is_told(s3: str) -> None:
    store = open_store("s3://no-such-bucket/prefix")
    assert s3
    with pytest.raises(StoreError, match="s3://no-such-bucket/prefix"):
        store.write("uploads/a/0", durably(FISH))
    with pytest.raises(UsageError, match=r"QA_FILES=nothing://me\.example/x cannot be opened"):
        open_store("nothing://user:secret@me.example/x")


def test_a_path_needs_nothing_but_a_folder(tmp_path: Path) -> None:
    assert isinstance(open_store(str(tmp_path / "files")), FolderStore)
    with pytest.raises(StorageError, match="cannot be made"):
        open_store("/proc/files")


# In a library


@pytest.fixture
def kept(make_library: Make, address: str) -> Library:
    return make_library(files=address)


def take_in(library: Library, name: str, content: bytes) -> str:
    path = library.settings.data / name
    path.write_bytes(content)
    document_id = library.ingest.one(FileRequest(path, name)).document_id
    path.unlink()
    return document_id


def test_originals_are_kept_there_and_not_in_the_catalogue(kept: Library, store: Store) -> None:
    document_id = take_in(kept, "a.txt", FISH)
    original = kept.catalogue.sources.original(document_id)
    assert original
    assert (original.name, original.bytes) == ("a.txt", FISH)
    assert store.read(f"originals/{SHA256}") == FISH
    with kept.catalogue.read() as connection:
        assert connection.execute(sa.select(tables.originals)).all() == [(SHA256, "a.txt", b"")]


def test_an_original_goes_once_no_document_is_of_it(kept: Library, store: Store) -> None:
    first, second = take_in(kept, "a.txt", FISH), take_in(kept, "b.txt", b"Gulls eat chips.")
    kept.catalogue.remove(second)
    assert (kept.catalogue.sources.sweep(), kept.catalogue.sources.sweep()) == (1, 0)
    assert [name for name, _ in store.ages("originals")] == [SHA256]
    kept.catalogue.remove(first)
    again = take_in(kept, "c.txt", FISH)  # before it is swept
    assert kept.catalogue.sources.sweep() == 0
    original = kept.catalogue.sources.original(again)
    assert original
    assert original.bytes == FISH


def test_others_have_their_turn_while_many_originals_are_swept_away(
    kept: Library, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(25):
        kept.catalogue.remove(take_in(kept, f"{number}.txt", f"Pelican {number}.".encode()))
    turns, changing = list[int](), kept.catalogue.changing

    @contextmanager
    def counted() -> Iterator[sa.Connection]:
        before = len(list(store.ages("originals")))
        with changing() as connection:
            yield connection
        turns.append(before - len(list(store.ages("originals"))))

    monkeypatch.setattr(kept.catalogue.sources, "_changing", counted)
    assert kept.catalogue.sources.sweep() == 25
    assert turns == [10, 10, 5]
    assert list(store.ages("originals")) == []


@pytest.mark.cluster
def test_what_no_document_is_of_is_found_soon_among_many(make_library: Make, database_url: str, tmp_path: Path) -> None:
    """With NOT IN it takes PostgreSQL minutes."""
    library = make_library(catalogue=database_url, files=str(tmp_path / "files"))
    rows = "FROM generate_series(1, 150000) AS number"
    sha256 = "md5(number::text) || md5(number::text)"
    columns = "id, title, source, text, sha256, media_type, pages, headings, metadata, characters, added_at, original"
    values = f"number, 't', 's', 'x', md5(number::text), 'text/plain', '[]', '[]', '{{}}', 1, 1, {sha256}"
    with library.catalogue.write() as connection:
        connection.exec_driver_sql(f"INSERT INTO documents ({columns}) SELECT {values} {rows}")
        connection.exec_driver_sql(f"INSERT INTO originals SELECT {sha256}, 'n', '' {rows}")
        connection.exec_driver_sql("INSERT INTO originals VALUES ('gone', 'n', 'kept'), ('swept', 'n', '')")
    with library.catalogue.write() as connection:
        connection.exec_driver_sql("ANALYZE documents, originals")
    began = time.monotonic()
    assert library.catalogue.sources.sweep() == 1
    with library.catalogue.write() as connection:
        forget_originals(connection, ["gone"])
        assert connection.scalar(sa.select(sa.func.count()).select_from(tables.originals)) == 150_000
    assert time.monotonic() - began < 60  # each compared with each takes far longer


def test_what_a_crash_leaves_before_a_document_is_stored_is_swept_away(
    kept: Library, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def crash(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(kept.builder, "put_group", crash)
        with pytest.raises(KeyboardInterrupt):
            take_in(kept, "a.txt", FISH)
    assert store.size(f"originals/{SHA256}") == 18
    kept.catalogue.sources.sweep()
    assert store.size(f"originals/{SHA256}") is None
    assert take_in(kept, "a.txt", FISH)


def test_an_original_that_was_damaged_is_never_shown_and_is_kept_anew(kept: Library, store: Store) -> None:
    document_id = take_in(kept, "a.txt", FISH)
    store.write(f"originals/{SHA256}", durably(b"Pelicans eat mice."))
    with pytest.raises(StorageError, match=r"a\.txt in .* is not the one that came in"):
        kept.catalogue.sources.original(document_id)
    store.write(f"originals/{SHA256}", durably(FISH[:5]))  # as by a crash
    take_in(kept, "b.txt", FISH)
    original = kept.catalogue.sources.original(document_id)
    assert original
    assert original.bytes == FISH


def test_without_the_setting_an_original_that_is_elsewhere_is_told(make_library: Make, kept: Library) -> None:
    document_id = take_in(kept, "a.txt", FISH)
    kept.close()
    with pytest.raises(StorageError, match=r"a\.txt is kept outside of the catalogue"):
        make_library().catalogue.sources.original(document_id)


def test_files_that_are_sent_wait_there_and_their_originals_are_served(kept: Library, store: Store) -> None:
    with TestClient(create_app(kept)) as client:
        parts = [("files", (f"{number}.txt", f"Pelican {number} eats fish.".encode())) for number in range(3)]
        body = client.post("/documents?wait=true", files=parts).json()
        text = client.post("/documents?wait=true", json={"documents": [{"title": "t", "text": "Bees dance."}]}).json()
        assert [file["state"] for file in body["files"] + text["files"]] == ["done"] * 4
        for number, one in enumerate(body["documents"]):
            reply = client.get(f"/documents/{one['document_id']}/original")
            assert reply.content == f"Pelican {number} eats fish.".encode()
        assert list(store.ages("uploads")) == []
        assert not (kept.settings.data / "uploads").exists()
        client.delete(f"/documents/{body['documents'][0]['document_id']}")
        until(lambda: len(list(store.ages("originals"))) == 2)


def test_a_file_that_was_lost_while_it_waited_fails_and_the_others_do_not(kept: Library, store: Store) -> None:
    client = TestClient(create_app(kept))
    parts = [("files", (name, name.encode())) for name in ("a.txt", "b.txt")]
    job = client.post("/documents", files=parts).json()
    texts = {"documents": [{"title": "c", "text": "c"}, {"title": "d", "text": "d"}]}
    other = client.post("/documents", json=texts).json()
    for key in (f"uploads/{job['id']}/0", f"uploads/{other['id']}/0"):
        store.remove(key)
    with client:
        until(lambda: client.get(other["url"]).json()["state"] == "done")
        states = [file["state"] for one in (job, other) for file in client.get(one["url"]).json()["files"]]
    assert states == ["failed", "done", "failed", "done"]


def test_files_wait_for_a_store_that_is_away(make_library: Make, tmp_path: Path) -> None:
    with TestClient(create_app(make_library(files=str(tmp_path / "files"), ingest=False))) as client:
        job = client.post("/documents", files=[("files", ("a.txt", FISH))]).json()
    again = make_library(files=str(tmp_path / "files"))
    (tmp_path / "files").rename(tmp_path / "away")
    with TestClient(create_app(again)) as client:
        time.sleep(1.5)
        assert client.get(job["url"]).json()["state"] == "queued"
        (tmp_path / "away").rename(tmp_path / "files")
        until(lambda: client.get(job["url"]).json()["state"] == "done")
        assert client.get(job["url"]).json()["files"][0]["report"]["state"] == "added"


def test_a_file_that_changes_while_it_is_read_is_not_kept(kept: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    path = kept.settings.data / "a.txt"
    path.write_bytes(FISH)
    announce = kept.catalogue.sources.announce

    def change(coming: object) -> None:
        path.write_bytes(b"Pelicans eat mice.")
        announce(coming)  # type: ignore[arg-type]

    monkeypatch.setattr(kept.catalogue.sources, "announce", change)
    with pytest.raises(DocumentError, match="was changed while it was read"):
        kept.ingest.one(FileRequest(path, "a.txt"))


def test_a_store_elsewhere_is_called_without_its_password() -> None:
    store = RemoteStore("memory://user:secret@place/prefix")
    assert store.name == "memory://place/prefix"
