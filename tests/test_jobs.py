"""Files sent over HTTP become jobs: told file by file, done after a restart, named safely."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient

from index import tables
from index.lock import WriterLock
from qa import jobs as jobs_module
from qa.api import create_app
from qa.documents import file_name, numbered
from qa.wire import Library
from tests.conftest import Server

Make = Callable[..., Library]


def send(client: TestClient, files: dict[str, bytes], query: str = "?wait=true", **fields: Any) -> Any:
    parts = [("files", (name, content, "application/octet-stream")) for name, content in files.items()]
    return client.post(f"/documents{query}", files=parts, data=fields)


def test_several_files_are_one_job_with_a_report_for_each(client: TestClient) -> None:
    reply = send(
        client, {"a.txt": b"Pelicans eat fish.", "b.md": b"# Ice\n\nGlaciers carve.", "c.txt": b"\xff\xff\xff"}
    )
    body = reply.json()
    assert reply.status_code == 201
    assert (body["state"], [file["state"] for file in body["files"]]) == ("done", ["done", "done", "failed"])
    assert [one["state"] for one in body["documents"]] == ["added", "added"]
    assert "c.txt is not UTF-8" in body["files"][2]["error"]["message"]
    assert body["files"][2]["error"]["hint"]
    assert client.get(body["url"]).json()["files"] == body["files"]
    listed = {one["title"]: one for one in client.get("/documents").json()["documents"]}
    assert listed["Ice"]["sources"] == ["b.md"]
    assert listed["a"]["original_url"] == f"{listed['a']['url']}/original"
    first = client.post("/ask", json={"question": "What do pelicans eat?"}).json()["passages"][0]
    assert first["citation"]["source"] == "a.txt"


def test_without_waiting_the_reply_is_a_job_that_tells_its_progress_as_events(client: TestClient) -> None:
    reply = send(client, {f"{n}.txt": f"Text number {n}.".encode() for n in range(5)}, query="")
    assert reply.status_code == 202
    with client.stream("GET", reply.json()["events_url"]) as stream:
        assert stream.headers["content-type"].startswith("text/event-stream")
        lines = [line for line in stream.iter_lines() if line]
    events = [line.partition(": ")[2] for line in lines if line.startswith("event:")]
    assert events[-1] == "done"
    assert set(events[:-1]) <= {"progress"}
    last = json.loads([line.partition(": ")[2] for line in lines if line.startswith("data:")][-1])
    assert {file["state"] for file in last["files"]} == {"done"}
    assert reply.json()["id"] in [job["id"] for job in client.get("/jobs").json()["jobs"]]


def test_texts_are_jobs_too(client: TestClient) -> None:
    reply = client.post("/documents", json={"documents": [{"id": "x", "title": "t", "text": "Herons eat frogs."}]})
    assert reply.status_code == 202
    until = time.monotonic() + 20
    while client.get(reply.json()["url"]).json()["state"] != "done":
        assert time.monotonic() < until
    assert client.get("/documents/x/text").text == "Herons eat frogs."


@pytest.mark.parametrize("count", [10, 70])
def test_waiting_reads_the_files_of_a_job_no_more_often_the_more_there_are(client: TestClient, count: int) -> None:
    read: list[str] = []

    def note(*given: Any) -> None:
        if given[2].startswith("SELECT job_files."):
            read.append(given[2])

    texts = [{"title": str(n), "text": f"Text number {n}."} for n in range(count)]
    sa.event.listen(sa.Engine, "before_cursor_execute", note)
    try:
        body = client.post("/documents?wait=true", json={"documents": texts}).json()
    finally:
        sa.event.remove(sa.Engine, "before_cursor_execute", note)
    assert [one["state"] for one in body["files"]] == ["done"] * count
    assert len(read) <= 4  # when it is acknowledged, whose it is, when it is done, and what is told in the end


def test_when_no_file_could_be_read_waiting_ends_in_an_error(client: TestClient) -> None:
    reply = send(client, {"old.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "document_error")
    assert "old.doc is an old Word file" in reply.json()["error"]["message"]
    assert ".docx" in reply.json()["error"]["hint"]
    nothing = client.post("/documents", data={"collection": "x"}, files={"other": ("a", b"b")})
    assert (nothing.status_code, nothing.json()["error"]["message"]) == (422, "no file was sent")


def test_a_file_of_the_same_name_replaces_and_its_labels_filter(client: TestClient) -> None:
    send(client, {"birds.txt": b"Pelicans eat fish."}, collection="birds", tags=["sea", "wild"])
    body = send(client, {"birds.txt": b"Pelicans eat crabs."}).json()
    assert body["documents"][0]["state"] == "replaced"
    for chosen, count in (
        ({"collections": ["birds"]}, 1),
        ({"tags": ["sea", "wild"]}, 1),
        ({"tags": ["sea", "tame"]}, 0),
        ({"types": ["txt"], "collections": ["birds", "other"]}, 1),
        ({"types": ["pdf"]}, 0),
        ({"after": "1990"}, 0),
    ):
        answer = client.post("/ask", json={"question": "What do pelicans eat?", **chosen}).json()
        assert len(answer["passages"]) == count, chosen
    got = client.get("/ask", params={"q": "pelicans", "collections": "birds"}).json()
    assert got["passages"][0]["text"] == "Pelicans eat crabs."
    document = got["passages"][0]["citation"]["document_id"]
    labelled = client.patch(f"/documents/{document}", json={"tags": ["tame"]}).json()
    assert (labelled["tags"], labelled["collection"]) == (["tame"], "birds")
    assert client.patch("/documents/none", json={}).status_code == 404


@pytest.mark.parametrize(
    "body",
    [{"after": "yesterday"}, {"tags": [""]}, {"types": "pdf"}, {"types": ["pdff"]}, {"collections": ["x" * 101]}],
)
def test_a_bad_filter_is_refused(client: TestClient, body: dict[str, Any]) -> None:
    assert client.post("/ask", json={"question": "who", **body}).status_code == 422


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ("a.txt", "a.txt"),
        ("../../etc/passwd", "etc/passwd"),
        ("/absolute/a.txt", "absolute/a.txt"),
        ("C:\\windows\\a.txt", "C:/windows/a.txt"),
        ("a\0b\n.txt", "ab.txt"),
        ("evil\u202etxt.exe", "eviltxt.exe"),
        ("...", r"unnamed-\w{8}"),
        ("", r"unnamed-\w{8}"),
        ("x" * 250 + ".pdf", r"x{250}\.pdf"),
        ("x" * 1300 + ".pdf", r"x{490}…\w{8}…x{496}\.pdf"),
        ("cafe\u0301.txt", "café.txt"),
    ],
)
def test_a_file_name_is_a_label_and_never_a_path(given: str, named: str) -> None:
    assert re.fullmatch(named, file_name(given))


def test_names_that_differ_only_in_the_middle_stay_apart() -> None:
    assert file_name("x" * 800 + "1" + "x" * 800) != file_name("x" * 800 + "2" + "x" * 800)
    assert numbered(["a.txt", "b", "a.txt", "a (2).txt", "b", "a.txt"]) == [
        "a.txt",
        "b",
        "a (3).txt",
        "a (2).txt",
        "b (2)",
        "a (4).txt",
    ]


def test_two_files_of_one_name_in_one_upload_are_two_documents(client: TestClient) -> None:
    parts = [("files", ("report.txt", text, "text/plain")) for text in (b"Pelicans eat fish.", b"Gulls eat chips.")]
    body = client.post("/documents?wait=true", files=parts).json()
    assert [one["source"] for one in body["documents"]] == ["report.txt", "report (2).txt"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"origin": "http://testserver.evil.example"},
    ],
)
def test_a_page_of_another_site_cannot_change_the_library(client: TestClient, headers: dict[str, str]) -> None:
    before = client.get("/documents").json()
    for reply in (
        client.post("/documents?wait=true", files=[("files", ("a.txt", b"Evil."))], headers=headers),
        client.delete(before["documents"][0]["url"], headers=headers),
    ):
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
    text = client.post("/documents", content=b'{"documents": []}', headers={"content-type": "text/plain"})
    assert text.status_code == 415
    assert client.get("/documents").json() == before
    same = {"origin": "http://testserver", "sec-fetch-site": "same-origin"}
    sent = client.post("/documents?wait=true", files=[("files", ("a.txt", b"Good."))], headers=same)
    assert sent.status_code == 201


@pytest.mark.parametrize("fields", [{"tags": ""}, {"collection": "a\0b"}, {"tags": ["x"] * 101}, {"tags": "x" * 101}])
def test_labels_of_files_are_checked_like_those_of_texts(client: TestClient, fields: dict[str, Any]) -> None:
    reply = send(client, {"a.txt": b"Text."}, **fields)
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")


def test_an_unknown_job_has_no_events(client: TestClient) -> None:
    for path in ("/jobs/none", "/jobs/none/events"):
        assert (client.get(path).status_code, client.get(path).json()["error"]["code"]) == (404, "not_found")


def test_hostile_names_are_stored_beside_nothing_else(client: TestClient, library: Library) -> None:
    folder = library.settings.data
    before = {path for path in folder.parent.rglob("*") if folder not in path.parents}
    body = send(client, {"../../../up/evil.txt": b"Evil text.", "..\\up.txt": b"Up text."}).json()
    assert [file["name"] for file in body["files"]] == ["up/evil.txt", "up.txt"]
    assert {path for path in folder.parent.rglob("*") if folder not in path.parents} == before
    assert not any((folder / "uploads").iterdir())


def test_an_original_is_to_be_saved_and_never_a_page_of_ours(client: TestClient) -> None:
    content = b"<!doctype html><title>T</title><script>alert(1)</script><p>Pelicans eat fish.</p>"
    body = send(client, {"pa\u0308ge x.html": content}).json()
    path = f"/documents/{body['documents'][0]['document_id']}"
    reply = client.get(f"{path}/original")
    assert reply.content == content
    assert reply.headers["content-disposition"].startswith("attachment; filename*=UTF-8''p%C3%A4ge%20x.html")
    assert "sandbox" in reply.headers["content-security-policy"]
    assert "alert" not in client.get(f"{path}/text").text
    assert client.get(f"{path}/pages").json() == []
    assert client.get(f"{path}/pages/1.png").status_code == 404
    listed = client.get("/documents").json()["documents"]
    seed = next(one for one in listed if one["source"].startswith("seeds/"))  # put in without a file
    assert (seed["original_url"], client.get(f"{seed['url']}/original").status_code) == (None, 404)


def test_a_job_waits_for_another_process_that_writes(client: TestClient, library: Library) -> None:
    with WriterLock(library.settings.data).held():
        reply = send(client, {"a.txt": b"Pelicans eat fish."}, query="")
        assert reply.status_code == 202
        time.sleep(2.5)
        assert client.get(reply.json()["url"]).json()["state"] != "done"
    until = time.monotonic() + 20
    while client.get(reply.json()["url"]).json()["state"] != "done":
        assert time.monotonic() < until
    assert client.get(reply.json()["url"]).json()["files"][0]["state"] == "done"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.cluster)])
def given(request: pytest.FixtureRequest) -> dict[str, str]:
    """Settings of a catalogue in a file, and of one on a server."""
    return {} if request.param == "sqlite" else {"catalogue": request.getfixturevalue("database_url")}


def test_old_jobs_are_forgotten_and_uploads_that_were_never_acknowledged(
    make_library: Make, monkeypatch: pytest.MonkeyPatch, given: dict[str, str]
) -> None:
    monkeypatch.setattr(jobs_module, "KEPT", 2)
    library = make_library(**given)
    with TestClient(create_app(library)) as client:
        ids = [send(client, {f"{n}.txt": b"Text."}).json()["id"] for n in range(4)]
    torn, young = (library.settings.data / "uploads" / name for name in ("torn", "young"))
    torn.mkdir()
    young.mkdir()
    os.utime(torn, (0, 0))
    again = make_library(**given)
    with TestClient(create_app(again)) as client:
        send(client, {"last.txt": b"Text of the last."})
        assert [client.get(f"/jobs/{one}").status_code for one in ids] == [404, 404, 200, 200]
    assert not torn.exists()
    assert young.exists()  # another process may be putting files into it


def test_files_and_texts_of_a_job_are_told_alike_wherever_they_are_stored(
    make_library: Make, given: dict[str, str]
) -> None:
    with TestClient(create_app(make_library(**given))) as client:
        body = send(client, {"a.txt": b"Pelicans eat fish.", "b.txt": b"Pelicans eat fish.", "c.txt": b"\xff\xff"})
        files = body.json()["files"]
        assert [file["state"] for file in files] == ["done", "done", "failed"]
        assert [file["report"]["state"] for file in files[:2]] == ["added", "duplicate"]
        texts = {"documents": [{"id": "x", "title": "t", "text": f"Version {number}."} for number in range(3)]}
        assert len(client.post("/documents?wait=true", json=texts).json()["files"]) == 3
        assert client.get("/documents/x/text").text == "Version 2."
        jobs = client.get("/jobs").json()["jobs"]
        assert [len(job["files"]) for job in jobs] == [3, 3]
        assert all(job["state"] == "done" and job["created_at"] <= job["finished_at"] for job in jobs)


@pytest.mark.server
def test_a_job_survives_a_killed_service(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start(QA_MODEL="/no/such/model")
    texts = [{"title": str(n), "text": f"Text number {n}. " * 2000} for n in range(40)]
    status, job = server.get("/documents", {"documents": texts})
    assert status == 202
    server.process.kill()
    server.process.wait()
    again = start(QA_MODEL="/no/such/model")
    until = time.monotonic() + 60
    while (body := again.get(job["url"])[1])["state"] != "done":
        assert time.monotonic() < until
        time.sleep(0.1)
    assert {file["state"] for file in body["files"]} == {"done"}
    assert again.get("/health")[1]["documents"] == 41


def test_an_upload_that_is_too_large_is_called_by_its_name(make_library: Make) -> None:
    library = make_library(file_mb=1)
    with TestClient(create_app(library)) as client:
        reply = send(client, {"big.txt": b"x" * 2_000_000})
    assert reply.json()["error"]["message"].startswith("big.txt is larger than 1 MB")


def test_no_password_is_ever_written_down(client: TestClient, library: Library) -> None:
    send(client, {"a.txt": b"Pelicans eat fish."}, password="open-sesame-4711")
    with library.catalogue.read() as connection:
        rows = connection.execute(tables.job_files.select()).all()
    assert rows
    assert "open-sesame-4711" not in repr(rows)
    library.catalogue.checkpoint()
    assert b"open-sesame-4711" not in library.catalogue.path.read_bytes()
