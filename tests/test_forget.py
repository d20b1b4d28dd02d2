"""`qa forget`: a document's every trace goes, looked for in every byte of the data folder."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from sqlite3 import connect
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from index import forget as forget_module
from index import local
from index import schema as tables
from index.care import backup, restore, verify
from index.errors import Conflict, IndexLocked
from index.load import from_text
from index.local import LocalEngine
from index.search import Searcher
from index.types import Stamp
from qa import access
from qa.config import settings as read_settings
from qa.documents import _texts
from qa.wire import Library, file_request, open_library, reindex
from tests.conftest import ROOT, HashEmbedder, Server, environment, qa
from tests.forgetting import STEPS
from tests.office import body_of, paragraph
from tests.test_engine import put as stage
from tests.test_load_pdf import Writer
from tests.traces import traces

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
    remade = _opened(library.settings.data, remake=True, passage_pieces=64)
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


# Other processes


def until(done: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_an_engine_that_was_behind_starts_anew_and_answers_alike(library: Library) -> None:
    put_secret(library)
    put(library, "keeper", "The harbour lamp is kept by night.")
    behind = Searcher(library.catalogue, LocalEngine())
    behind.refresh()
    library.forgetting.forget("vexmoril")
    put(library, "later", "The harbour lamp was lit in 1850.")
    library.searcher.refresh()
    behind.refresh()
    ours, theirs = (one.engine.snapshot() for one in (library.searcher, behind))
    for snapshot in (ours, theirs):
        assert snapshot.sparse(snapshot.weights(["quaxolotl"]), 9) == []
    weights = ours.weights(["harbour", "lamp"])
    assert {hit.passage_id for hit in ours.sparse(weights, 9)} == {hit.passage_id for hit in theirs.sparse(weights, 9)}
    behind.close()


def test_a_process_that_held_it_in_memory_never_saves_it_again(library: Library) -> None:
    put_secret(library)
    put(library, "keeper", "The harbour lamp is kept by night.")
    saved(library)
    late = Searcher(library.catalogue, LocalEngine(library.engine_folder))
    late.refresh()
    library.forgetting.forget("vexmoril")
    put(library, "later", "The harbour lamp was lit in 1850.")
    late.refresh()
    library.close()
    late.close()  # saves, for its state is newer
    assert traces(library.settings.data, MARKS) == {}
    again = LocalEngine(library.engine_folder)
    assert again.snapshot().sparse(again.snapshot().weights(["1850"]), 9)
    again.close()


def test_words_are_dropped_beside_documents_that_come(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """While documents are staged, and in several segments, the numbers of the words change and the answers do not."""
    monkeypatch.setattr(local, "AT_ONCE", 0)
    engine = LocalEngine(tmp_path)
    stage(engine, "secret", "quaxolotl harbour")
    stage(engine, "keeper", "alpha harbour")
    engine.commit(Stamp(1, "a"))
    engine.replace("secret", [], None)
    engine.commit(Stamp(2, "b"))
    stage(engine, "late", "bravo harbour")
    done = threading.Thread(target=engine.maintain, args=(True,))
    done.start()
    time.sleep(0.1)
    stage(engine, "later", "delta harbour")
    engine.commit(Stamp(3, "c"))
    done.join(20)
    assert not done.is_alive()
    snapshot = engine.snapshot()
    for word, expected in (("alpha", "keeper"), ("bravo", "late"), ("delta", "later")):
        hits = snapshot.sparse(snapshot.weights([word]), 9)
        assert [hit.passage_id.partition(":")[0] for hit in hits] == [expected]
    assert snapshot.weights(["harbour"])["harbour"] < snapshot.weights(["alpha"])["alpha"]
    engine.close()
    assert traces(tmp_path, ["quaxolotl"]) == {}


def test_a_reader_of_an_old_state_is_waited_for_and_then_told_of(
    library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(forget_module, "PATIENCE", 0.5)
    put_secret(library)
    with closing(connect(library.catalogue.path, isolation_level=None)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM documents").fetchall()
        with pytest.raises(IndexLocked, match="traces of it are left"):
            library.forgetting.forget("vexmoril")
        assert library.catalogue.summary("vexmoril") is None
        reader.execute("COMMIT")
    until(library.forgetting.go_on)
    assert traces(library.settings.data, MARKS) == {}


def test_a_backup_put_back_is_searched_without_words_of_what_was_there(library: Library, tmp_path: Path) -> None:
    backup(library.catalogue, tmp_path / "copy")
    put_secret(library)
    saved(library)
    restore(library.catalogue, tmp_path / "copy", replace=True)
    saved(library)
    assert "engine" not in traces(library.settings.data, MARKS).get("quaxolotl", ())


@pytest.mark.server
@pytest.mark.parametrize("step", STEPS)
def test_after_a_kill_at_any_step_the_next_process_finishes(make_library: Make, step: str) -> None:
    library = make_library(model=AWAY, embedder=None)
    put_secret(library)
    put(library, "keeper", "The harbour lamp is kept by night.")
    saved(library)
    library.close()
    command = [sys.executable, "-m", "tests.forgetting", str(library.settings.data), "vexmoril", step]
    assert subprocess.run(command, cwd=ROOT, env=environment(), timeout=60).returncode == -9
    assert traces(library.settings.data, MARKS)
    again = make_library(model=AWAY, embedder=None)
    assert again.catalogue.document_ids() == ["keeper"]
    assert answers(again) == ["keeper"]
    until(lambda: again.forgetting._marks().pending is False)  # nobody asks for it: it goes on by itself
    assert traces(library.settings.data, MARKS) == {}


@pytest.mark.server
def test_a_command_forgets_beside_a_service_that_goes_on_answering(start: Start, tmp_path: Path) -> None:
    server, folder = start(QA_MODEL=AWAY), tmp_path / "served"
    note = tmp_path / "vexmoril.txt"
    note.write_text(f"{WORDS} lamp.")
    given = {"QA_DATA": str(folder), "QA_MODEL": AWAY}
    assert qa("index", str(note), **given).returncode == 0
    question = {"question": "Who would monitor the ceasefire?"}
    until(lambda: server.get("/ask", {"question": "quaxolotl"})[1]["passages"][0]["citation"]["title"] == "vexmoril")
    statuses, stop = list[int](), threading.Event()

    def ask() -> None:
        while not stop.is_set():
            statuses.append(server.get("/ask", question)[0])

    asking = threading.Thread(target=ask)
    asking.start()
    done = qa("forget", str(note), **given)
    found = traces(folder, MARKS)
    stop.set()
    asking.join()
    assert (done.returncode, found) == (0, {}), done.stderr
    assert "holds no trace" in done.stdout
    assert set(statuses) == {200}
    assert server.get("/ask", {"question": "quaxolotl"})[1]["answerable"] is False
    missing = qa("forget", str(note), **given)
    assert (missing.returncode, "No such document" in missing.stderr) == (1, True)


@pytest.mark.server
def test_a_second_service_over_the_same_folder_has_the_first_one_purge(start: Start, tmp_path: Path) -> None:
    first, second = start(QA_MODEL=AWAY), start(QA_MODEL=AWAY)
    sent = {"documents": [{"id": "vexmoril", "title": "Vexmoril", "text": f"{WORDS} lamp."}]}
    assert first.get("/documents?wait=true", sent)[0] == 201
    for server in (first, second):
        assert server.get("/ask", {"question": "quaxolotl"})[1]["passages"][0]["citation"]["document_id"] == "vexmoril"
    assert second.get("/documents/vexmoril?forget=true", method="DELETE")[0] == 200
    assert traces(tmp_path / "served", MARKS) == {}
    first.process.kill()
    first.process.wait()
    more = {"documents": [{"id": "more", "title": "More", "text": "A text about the harbour."}]}
    assert second.get("/documents?wait=true", more)[0] == 201
    second.process.terminate()  # it has become the one that saves
    second.process.wait(20)
    assert traces(tmp_path / "served", MARKS) == {}
    with closing(connect(tmp_path / "served" / "catalogue.sqlite3")) as stored:
        assert stored.execute("SELECT count(*) FROM documents WHERE id = 'more'").fetchone() == (1,)


# Any history

ACTS = st.lists(
    st.tuples(
        st.sampled_from(["put", "replace", "remove", "label", "catch up", "save", "reopen", "compact"]),
        st.integers(0, 5),
    ),
    max_size=25,
)


@settings(max_examples=10)
@given(acts=ACTS, chosen=st.integers(0, 5))
def test_after_any_history_nothing_of_it_is_left(
    tmp_path_factory: pytest.TempPathFactory, acts: list[tuple[str, int]], chosen: int
) -> None:
    folder = tmp_path_factory.mktemp("history")
    names = [f"{word}marked" for word in ("quax", "zorb", "vexm", "tagu", "coll", "meta")]
    library = _opened(folder)
    for number, (act, which) in enumerate([("put", chosen), *acts]):
        name = names[which]
        if act in ("put", "replace"):
            put(library, name, f"The {name} keeps harbour {number}.\n\n" + f"More of the {name}. " * number)
        elif act == "remove":
            library.catalogue.remove(name)
        elif act == "label":
            library.catalogue.label(name, f"of {name}", [f"{name}s"])
        elif act == "catch up":
            library.searcher.refresh()
        elif act == "save":
            library.tidy(everything=number % 2 == 0)
        elif act == "compact":
            library.catalogue.compact()
        else:
            library.close()
            library = _opened(folder)
    others = set(library.catalogue.document_ids()) - {names[chosen]}
    assert library.forgetting.forget(names[chosen]) == [names[chosen]]
    assert traces(folder, [names[chosen]]) == {}
    assert set(library.catalogue.document_ids()) == others
    library.searcher.refresh()
    snapshot = library.searcher.engine.snapshot()
    found = snapshot.sparse(snapshot.weights(["harbour"]), 99)
    assert {hit.passage_id.partition(":")[0] for hit in found} == others
    library.close()
    assert traces(folder, [names[chosen]]) == {}


def _opened(folder: Path, remake: bool = False, **given: object) -> Library:
    library = open_library(read_settings(data=folder, **given), make=True, remake=remake)
    library.model.embedder, library.model.state, library.model.reason = HashEmbedder(), "ready", None
    return library


# What is written about it


def test_the_list_of_what_is_stored_names_every_table_and_every_file(client: TestClient, library: Library) -> None:
    text = (ROOT / "docs" / "privacy.md").read_text(encoding="utf-8")
    send(client, {"a.txt": b"Herons eat frogs."})
    kept = {file.name for file in saved(library).iterdir()} - {"catalogue.sqlite3-shm"}
    assert "catalogue.sqlite3" in kept
    names = {name.removesuffix("/") for name in kept} | set(tables.schema.tables) | set(access._schema.tables)
    assert [name for name in sorted(names) if f"`{name}`" not in text and f"`{name}/`" not in text] == []
