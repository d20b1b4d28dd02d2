"""A file whose name is that of another one: which of them stays is asked for, and nothing is lost in silence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from index.build import Report
from index.errors import NameTaken
from index.ingest import FileRequest, Listener, free_names
from index.sources import Origin, name_taken
from qa import failures
from qa.wire import Library
from tests.conftest import qa

FISH, CHIPS, FROGS = b"Pelicans eat fish.", b"Gulls eat chips.", b"Herons eat frogs."
Make = Callable[..., Library]


def send(client: TestClient, *files: tuple[str, bytes], **fields: Any) -> list[dict[str, Any]]:
    """What became of each file."""
    parts = [("files", (name, content, "application/octet-stream")) for name, content in files]
    job = client.post("/documents", files=parts, data=fields).json()
    with client.stream("GET", job["events_url"]) as events:
        assert list(events.iter_lines())
    outcomes: list[dict[str, Any]] = client.get(job["url"]).json()["files"]
    return outcomes


def states(outcomes: list[dict[str, Any]]) -> list[str]:
    return [one["report"]["state"] if one["report"] else one["error"]["code"] for one in outcomes]


def stored(client: TestClient) -> dict[str, str]:
    """The texts of the files that are there, by their names."""
    listed = client.get("/documents").json()["documents"]
    return {
        name: client.get(f"{one['url']}/text").text
        for one in listed
        for name in one["sources"]
        if not name.startswith("seeds/")
    }


def test_a_refused_file_leaves_the_other_one_and_says_what_can_be_done(client: TestClient) -> None:
    send(client, ("report.txt", FISH))
    (outcome,) = send(client, ("report.txt", CHIPS), existing="refuse")
    assert outcome["state"] == "failed"
    assert outcome["error"] == {
        "code": "conflict",
        "message": "another file called report.txt is in the library",
        "hint": 'Set existing to "replace" to replace that one, or to "keep" to keep both.',
    }
    assert stored(client) == {"report.txt": "Pelicans eat fish."}
    assert states(send(client, ("report.txt", CHIPS), existing="replace")) == ["replaced"]
    assert stored(client) == {"report.txt": "Gulls eat chips."}


def test_when_all_are_refused_waiting_ends_in_a_conflict(client: TestClient) -> None:
    send(client, ("report.txt", FISH))
    for name, content, status in (("report.txt", CHIPS, 409), ("bad.txt", b"\xff\xff\xff", 422)):
        parts = [("files", (name, content))]
        reply = client.post("/documents?wait=true", files=parts, data={"existing": "refuse"})
        assert reply.status_code == status
        assert (reply.json()["error"]["code"] == "conflict") is (status == 409)
    parts = [("files", ("report.txt", CHIPS)), ("files", ("bad.txt", b"\xff\xff\xff"))]
    reply = client.post("/documents?wait=true", files=parts, data={"existing": "refuse"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "document_error")


def test_both_are_kept_under_names_that_are_free(client: TestClient) -> None:
    send(client, ("a/report.txt", FISH), ("a/report (2).txt", b"Owls eat mice."))
    outcomes = send(client, ("a/report.txt", CHIPS), ("a/report.txt", FROGS), existing="keep")
    assert [one["report"]["source"] for one in outcomes] == ["a/report (3).txt", "a/report (4).txt"]
    assert [one["report"]["title"] for one in outcomes] == ["report", "report"]
    assert stored(client) == {
        "a/report.txt": "Pelicans eat fish.",
        "a/report (2).txt": "Owls eat mice.",
        "a/report (3).txt": "Gulls eat chips.",
        "a/report (4).txt": "Herons eat frogs.",
    }
    listed = client.get("/documents?q=(3)").json()["documents"]
    name = client.get(listed[0]["original_url"]).headers["content-disposition"]
    assert name == "attachment; filename*=UTF-8''report%20%283%29.txt"


@pytest.mark.parametrize("existing", ["refuse", "keep"])
def test_the_same_content_is_already_there_and_takes_no_name_from_another(client: TestClient, existing: str) -> None:
    send(client, ("report.txt", FISH), ("gulls.txt", CHIPS))
    before = stored(client)
    outcomes = send(client, ("report.txt", FISH), ("report.txt", CHIPS), existing=existing)
    assert states(outcomes) == ["unchanged", "duplicate"]
    assert stored(client) == before
    assert states(send(client, ("copy.txt", FISH), existing=existing)) == ["duplicate"]
    assert stored(client) == before | {"copy.txt": "Pelicans eat fish."}


def test_of_two_files_of_one_name_in_one_upload_none_is_lost(client: TestClient) -> None:
    both = ("report.txt", FISH), ("report.txt", CHIPS)
    outcomes = send(client, *both, existing="refuse")
    assert states(outcomes) == ["added", "conflict"]
    outcomes = send(client, *both, existing="keep")
    assert states(outcomes) == ["unchanged", "added"]
    assert stored(client) == {"report.txt": "Pelicans eat fish.", "report (2).txt": "Gulls eat chips."}


def test_a_name_that_was_made_up_for_the_second_of_two_files_replaces_nothing(client: TestClient) -> None:
    send(client, ("report (2).txt", FROGS))
    assert states(send(client, ("report.txt", FISH), ("report.txt", CHIPS))) == ["added", "added"]
    assert sorted(stored(client).values()) == ["Gulls eat chips.", "Herons eat frogs.", "Pelicans eat fish."]
    assert stored(client)["report (2).txt"] == "Herons eat frogs."


def test_a_made_up_name_is_not_that_of_another_file_of_the_same_request(client: TestClient) -> None:
    send(client, ("r.txt", FISH))
    others = [(f"{number}.txt", f"Text number {number}.".encode()) for number in range(20)]
    outcomes = send(client, ("r.txt", CHIPS), *others, ("r (2).txt", FROGS), existing="keep")
    assert [outcomes[place]["report"]["source"] for place in (0, -1)] == ["r (3).txt", "r (2).txt"]
    assert {name: text for name, text in stored(client).items() if name.startswith("r")} == {
        "r.txt": "Pelicans eat fish.",
        "r (2).txt": "Herons eat frogs.",
        "r (3).txt": "Gulls eat chips.",
    }


def test_a_made_up_name_is_not_that_of_another_file_on_the_disk(make_library: Make, tmp_path: Path) -> None:
    library, file = make_library(), tmp_path / "report.txt"
    for words in (FISH, CHIPS):
        file.write_bytes(words)
        (tmp_path / "report (2).txt").write_bytes(FROGS)
        told = library.ingest.one(FileRequest(file, str(file), existing="keep"))
    assert told.source == str(tmp_path / "report (3).txt")
    long = "x" * 400 + ".txt"  # more than a file on the disk may be called
    for words in (FROGS, b"Owls eat mice."):
        file.write_bytes(words)
        told = library.ingest.one(FileRequest(file, long, existing="keep"))
    assert told.source == "x" * 400 + " (2).txt"


@pytest.mark.parametrize(
    ("name", "free"),
    [
        ("report.pdf", "report (2).pdf"),
        ("notes.2024/README", "notes.2024/README (2)"),
        ("/home/a.b/report.tar.gz", "/home/a.b/report.tar (2).gz"),
        (".env", ".env (2)"),
        ("a/.env", "a/.env (2)"),
        (".", ". (2)"),
    ],
)
def test_a_free_name_is_made_of_the_last_part_of_a_path(name: str, free: str) -> None:
    assert next(free_names(name)) == free


def test_a_file_is_refused_for_its_name_before_it_is_read(make_library: Make, tmp_path: Path) -> None:
    library, read = make_library(), list[str]()
    listener = Listener(lambda request, stage, _: read.append(request.source) if stage == "reading" else None)

    def taken_in(name: str, words: bytes, again: bool = False) -> str:
        (tmp_path / name).write_bytes(words)
        request = FileRequest(tmp_path / name, name, existing="refuse", again=again)
        ((_, outcome),) = library.ingest.run([request], listener)
        return outcome.state if isinstance(outcome, Report) else type(outcome).__name__

    assert [taken_in("a.txt", FISH), taken_in("b.txt", CHIPS)] == ["added", "added"]
    read.clear()
    assert [taken_in("a.txt", FROGS), taken_in("a.txt", FROGS, again=True)] == ["NameTaken", "NameTaken"]
    assert [taken_in("a.txt", CHIPS), taken_in("a.txt", FISH)] == ["duplicate", "unchanged"]
    assert read == []
    assert taken_in("a.txt", FISH, again=True) == "unchanged"
    assert set(read) == {"a.txt"}


def test_a_taken_name_is_a_conflict_wherever_it_is_noticed() -> None:
    app = FastAPI()
    failures.install(app)

    @app.get("/")
    def fail() -> None:
        raise name_taken("report.txt")

    reply = TestClient(app).get("/")
    assert (reply.status_code, reply.json()["error"]["code"]) == (409, "conflict")


def test_a_file_that_was_edited_as_a_text_is_not_replaced_unasked(client: TestClient) -> None:
    path = f"/documents/{send(client, ('report.txt', FISH))[0]['report']['document_id']}"
    assert client.put(path, json={"text": "Pelicans eat fish, I say."}).status_code == 200
    assert states(send(client, ("report.txt", FISH), existing="refuse")) == ["conflict"]
    assert client.get(f"{path}/text").text == "Pelicans eat fish, I say."
    assert states(send(client, ("report.txt", FISH), existing="keep")) == ["added"]
    assert client.get(f"{path}/text").text == "Pelicans eat fish, I say."


def test_another_word_than_these_is_refused(client: TestClient) -> None:
    reply = client.post("/documents", files=[("files", ("a.txt", FISH))], data={"existing": "overwrite"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")
    assert "existing" in reply.json()["error"]["message"]
    fields = client.get("/openapi.json").json()["paths"]["/documents"]["post"]["requestBody"]["content"]
    told = fields["multipart/form-data"]["schema"]["properties"]["existing"]
    assert (told["enum"], told["default"]) == (["replace", "keep", "refuse"], "replace")


def test_the_command_may_leave_what_is_there_too(tmp_path: Path) -> None:
    file, data = tmp_path / "report.txt", {"QA_DATA": str(tmp_path / "data"), "QA_MODEL": "/no/such/model"}
    for words, existing, told, status in (
        (FISH, "refuse", "1 added", 0),
        (CHIPS, "refuse", 'is in the library. Set existing to "replace" to replace that one', 1),
        (FISH, "refuse", "1 unchanged", 0),
        (CHIPS, "keep", "1 added", 0),
        (FROGS, "replace", "1 replaced", 0),
    ):
        file.write_bytes(words)
        done = qa("index", str(file), "--existing", existing, **data)
        assert (told in done.stdout + done.stderr, done.returncode) == (True, status), done
    assert str(tmp_path / "report (2).txt") in qa("list", **data).stdout


def test_a_name_that_is_taken_while_the_file_is_embedded_is_noticed_when_it_is_stored(
    make_library: Make, tmp_path: Path
) -> None:
    library = make_library()
    mine, others = tmp_path / "mine.txt", tmp_path / "others.txt"
    mine.write_bytes(FISH)
    others.write_bytes(CHIPS)

    def meanwhile() -> None:
        library.ingest.one(FileRequest(others, "report.txt"))

    def take_the_name(_request: FileRequest, stage: str, _share: float) -> None:
        if stage == "embedding" and not library.catalogue.document_ids():
            other = threading.Thread(target=meanwhile)
            other.start()
            other.join()

    listener = Listener(take_the_name)
    for existing in ("refuse", "keep"):
        ((_, outcome),) = library.ingest.run([FileRequest(mine, "report.txt", existing=existing)], listener)
        if existing == "refuse":
            assert isinstance(outcome, NameTaken)
        else:
            assert isinstance(outcome, Report)
            assert outcome.source == "report (2).txt"
    (first, second) = sorted(library.catalogue.summaries(), key=lambda one: one.source)
    assert (first.source, second.source) == ("report (2).txt", "report.txt")


def test_a_file_that_yields_joins_no_other_document_where_it_held_something(make_library: Make, tmp_path: Path) -> None:
    library = make_library()
    ids = {}
    for name, words in (("a.txt", FISH), ("b.txt", CHIPS)):
        (tmp_path / name).write_bytes(words)
        ids[name] = library.ingest.one(FileRequest(tmp_path / name, name)).document_id
    joining = [(ids["a.txt"], Origin("b.txt", yields=True)), (ids["a.txt"], Origin("c.txt", yields=True))]
    assert library.catalogue.sources.join(joining) == {ids["a.txt"]}
    assert {one.sources for one in library.catalogue.summaries()} == {("a.txt", "c.txt"), ("b.txt",)}


def test_of_two_files_of_one_name_whose_contents_are_known_the_first_has_the_name(client: TestClient) -> None:
    send(client, ("a.txt", FISH), ("b.txt", CHIPS))
    outcomes = send(client, ("report.txt", FISH), ("report.txt", CHIPS), existing="keep")
    assert states(outcomes) == ["duplicate", "duplicate"]
    assert stored(client) == {
        "a.txt": "Pelicans eat fish.",
        "b.txt": "Gulls eat chips.",
        "report.txt": "Pelicans eat fish.",
    }
