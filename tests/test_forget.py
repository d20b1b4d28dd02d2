"""`qa forget`: a document's every trace goes, looked for in every byte of the data folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from index import forget as forget_module
from index import tables
from index.care import verify
from index.errors import Conflict
from index.load import from_text
from qa import access
from qa.config import settings as read_settings
from qa.documents import _texts
from qa.wire import Library, file_request, open_library, reindex
from tests.conftest import ROOT, HashEmbedder, Server
from tests.office import body_of, paragraph
from tests.test_load_pdf import Writer
from tests.traces import traces
from tests.waiting import until

Make = Callable[..., Library]
Start = Callable[..., Server]
WORDS = "Quaxolotl and Zörbinaxe keep the harbour"
MARKS = ["quaxolotl", "zörbinaxe", "vexmoril", "tagulonic", "colleximal", "metafrobber"]
"""Of the text, the name, the labels of the document that is forgotten; nothing else has them."""
AWAY = "/no/such/model"


def pdf() -> bytes:
    writer = Writer()
    writer.text(40, 500, "Quaxolotl and Zorbinaxe keep the harbour lamp.")
    return writer.bytes("/Title (Vexmoril)")


FILES: dict[str, Callable[[], bytes]] = {
    "vexmoril.txt": lambda: f"{WORDS} lamp.".encode(),
    "vexmoril.pdf": pdf,
    "vexmoril.docx": lambda: body_of(paragraph(f"{WORDS} lamp.")),
}


def send(client: TestClient, files: dict[str, bytes], **fields: Any) -> list[str]:
    """The ids of the documents."""
    parts = [("files", (name, content, "application/octet-stream")) for name, content in files.items()]
    reply = client.post("/documents?wait=true", files=parts, data=fields)
    assert reply.status_code == 201, reply.text
    return [one["document_id"] for one in reply.json()["documents"]]


def put(library: Library, name: str, text: str) -> None:
    library.builder.put(from_text(text, title=name, source=f"notes/{name}", id=name))


def put_secret(library: Library, name: str = "vexmoril") -> None:
    labels: dict[str, Any] = {"collection": "colleximal", "tags": ("tagulonic",), "metadata": {"by": "Metafrobber"}}
    library.builder.put(from_text(f"{WORDS} lamp.", title=name, source=f"notes/{name}", id=name, **labels))


def saved(library: Library) -> Path:
    """Its folder, with the search index saved."""
    library.tidy()
    return library.settings.data


def vectors_of(library: Library, document_id: str) -> list[bytes]:
    """The vectors of its passages, as the catalogue and as the search index have them."""
    made = [one.vectors for one in library.catalogue.passages_of(document_id)]
    rows = [row for one in made if one for row in (one.passage, *one.sentences)]
    return [form for row in rows for form in (row.astype("<f4").tobytes()[:64], row.astype("<f2").tobytes()[:64])]


def answers(library: Library) -> list[str]:
    return [one.citation.document_id for one in library.answerer.ask("Who keeps the harbour lamp?").passages]


# What goes


def opened(folder: Path, remake: bool = False, **given: object) -> Library:
    library = open_library(read_settings(data=folder, **given), make=True, remake=remake)
    library.model.embedder, library.model.state, library.model.reason = HashEmbedder(), "ready", None
    return library


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_sent_goes_with_its_bytes_its_job_and_its_feedback(
    client: TestClient, library: Library, name: str
) -> None:
    data = FILES[name]()
    put(library, "keeper", "The harbour lamp is kept by night.")
    (document_id,) = send(client, {name: data}, collection="colleximal", tags="tagulonic")
    text = client.get(f"/documents/{document_id}/text").text
    said = {"document_id": document_id, "start": 0, "end": len(text.rstrip())}
    judged = client.post("/feedback", json={"question": "Metafrobber?", "helpful": True, "passage": said})
    assert judged.status_code == 201
    marks: list[str | bytes] = [*MARKS, data[100:164] or data, document_id, *vectors_of(library, document_id)]
    before = traces(saved(library), marks)
    assert {"catalogue.sqlite3-wal", "engine"} <= before["quaxolotl"]
    assert {mark for mark in MARKS if mark != "zörbinaxe"} <= set(before)
    reply = client.delete(f"/documents/{document_id}?forget=true")
    assert (reply.status_code, reply.json()["removed"]) == (200, document_id)
    assert traces(library.settings.data, marks) == {}
    assert client.delete(f"/documents/{document_id}?forget=true").status_code == 404
    assert client.get("/jobs").json() == {"jobs": []}
    assert answers(library)[0] == "keeper"
    assert list(verify(library.catalogue, library.engine_folder)) == []
    library.close()
    assert traces(library.settings.data, marks) == {}


def test_a_text_goes_with_its_title_source_labels_and_metadata(library: Library) -> None:
    put(library, "keeper", "The harbour lamp is kept by night.")
    put_secret(library)
    marks: list[str | bytes] = [*MARKS, *vectors_of(library, "vexmoril")]
    before = set(traces(saved(library), marks))
    assert set(MARKS) < before  # of the vectors some stand across pages of the database
    assert library.forgetting.forget("vexmoril") == ["vexmoril"]
    assert traces(library.settings.data, marks) == {}
    assert answers(library)[0] == "keeper"


def test_what_is_only_removed_leaves_traces_and_they_are_forgotten_later(library: Library) -> None:
    put_secret(library)
    put(library, "keeper", "The harbour lamp is kept by night.")
    saved(library)
    library.catalogue.remove("vexmoril")
    before = traces(saved(library), MARKS)
    assert {"catalogue.sqlite3-wal", "engine"} <= before["quaxolotl"] & before["vexmoril"]
    assert library.forgetting.known("vexmoril") == "vexmoril"
    assert library.forgetting.forget("vexmoril") == ["vexmoril"]
    assert traces(library.settings.data, MARKS) == {}
    assert library.forgetting.known("vexmoril") is None


def test_what_it_said_before_it_was_replaced_goes_too(library: Library) -> None:
    put_secret(library)
    put(library, "vexmoril", "Nothing to see here.")
    saved(library)
    library.forgetting.forget("vexmoril")
    assert traces(library.settings.data, MARKS) == {}


def test_both_editions_go_after_a_reindex(make_library: Make) -> None:
    library = make_library()
    put_secret(library)
    put(library, "keeper", "The harbour lamp is kept by night.")
    saved(library)
    library.close()
    remade = opened(library.settings.data, remake=True, passage_pieces=64)
    list(reindex(remade))
    assert remade.catalogue.fingerprint()["old_edition"] == "1"
    remade.forgetting.forget("vexmoril")
    assert traces(remade.settings.data, MARKS) == {}
    assert answers(remade)[0] == "keeper"
    remade.close()


def test_content_of_two_files_goes_with_both_names(library: Library, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("vexmoril.txt", "tagulonic.txt")]
    for file in files:
        file.write_text(f"{WORDS} lamp.")
    list(library.ingest.run(file_request(file, library.settings) for file in files))
    ids = {library.forgetting.known(str(file)) for file in files}
    assert set(traces(saved(library), MARKS)) >= {"vexmoril", "tagulonic", "quaxolotl"}
    library.forgetting.forget(*(one for one in ids if one))
    assert len(ids) == 1
    assert traces(library.settings.data, MARKS) == {}


def test_other_files_of_its_job_are_told_of_as_before(client: TestClient, library: Library) -> None:
    sent = send(client, {"vexmoril.txt": WORDS.encode(), "b.txt": b"Herons eat frogs.", "empty.txt": b"\xff\xff"})
    library.forgetting.forget(sent[0])
    (job,) = client.get("/jobs").json()["jobs"]
    assert [(one["name"], one["state"]) for one in job["files"]] == [("b.txt", "done"), ("empty.txt", "failed")]
    assert traces(library.settings.data, MARKS) == {}


def test_a_source_that_only_a_job_tells_of_is_known(client: TestClient, library: Library) -> None:
    (document_id,) = send(client, {"vexmoril.txt": WORDS.encode()})
    library.catalogue.remove(document_id)
    assert library.forgetting.known("vexmoril.txt") == document_id
    library.forgetting.forget(document_id)
    assert traces(library.settings.data, MARKS) == {}


def test_a_document_that_is_just_being_taken_in_is_not_forgotten(library: Library) -> None:
    put_secret(library)
    body = b'{"documents": [{"id": "vexmoril", "title": "another", "text": "New."}]}'
    library.jobs.add(_texts(body))
    with pytest.raises(Conflict, match="being taken in"):
        library.forgetting.forget("vexmoril")
    assert library.catalogue.summary("vexmoril")
    library.jobs.start()
    until(lambda: all(job.state == "done" for job in library.jobs.recent()))
    library.forgetting.forget("vexmoril")
    assert traces(library.settings.data, MARKS) == {}


def test_an_upload_that_a_crash_left_is_swept_away_and_a_new_one_is_not(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_secret(library)
    left = library.settings.data / "uploads" / "0123456789abcdef" / "0"
    left.parent.mkdir(parents=True)
    left.write_text(WORDS)
    library.forgetting.forget("vexmoril")
    assert left.exists()
    monkeypatch.setattr(forget_module, "LEFT", -1.0)
    put_secret(library)
    library.forgetting.forget("vexmoril")
    assert traces(library.settings.data, MARKS) == {}


def test_forgetting_everything_leaves_a_library_that_can_be_filled(library: Library) -> None:
    put_secret(library)
    library.forgetting.forget(*library.catalogue.document_ids())
    assert traces(library.settings.data, MARKS) == {}
    put(library, "keeper", "The harbour lamp is kept by night.")
    assert answers(library) == ["keeper"]


def test_what_nobody_knows_is_not_forgotten_and_changes_nothing(library: Library) -> None:
    before = library.catalogue.stamp()
    assert library.forgetting.forget("no-such-id") == []
    assert library.forgetting.known("no-such-id") is None
    assert library.catalogue.stamp() == before


# What is written about it


def test_the_list_of_what_is_stored_names_every_table_and_every_file(client: TestClient, library: Library) -> None:
    text = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    send(client, {"a.txt": b"Herons eat frogs."})
    kept = {file.name for file in saved(library).iterdir()} - {"catalogue.sqlite3-shm"}
    assert "catalogue.sqlite3" in kept
    names = {name.removesuffix("/") for name in kept} | set(tables.schema.tables) | set(access._schema.tables)
    assert [name for name in sorted(names) if f"`{name}`" not in text and f"`{name}/`" not in text] == []
