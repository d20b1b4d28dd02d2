"""Forgetting where several processes use a folder, where one is killed, and after any history."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from index import forget as forget_module
from index import local
from index.care import backup, restore
from index.errors import IndexLocked
from index.local import LocalEngine
from index.search import Searcher
from index.types import Stamp
from qa.wire import Library
from tests.conftest import ROOT, environment, qa
from tests.forgetting import STEPS
from tests.test_engine import put as stage
from tests.test_forget import AWAY, MARKS, WORDS, Make, Start, answers, opened, put, put_secret, saved
from tests.traces import traces
from tests.waiting import until


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
        until(lambda server=server: server.get("/ask", {"question": "quaxolotl"})[1].get("passages"))  # type: ignore[misc]
        found = server.get("/ask", {"question": "quaxolotl"})[1]["passages"]
        assert found[0]["citation"]["document_id"] == "vexmoril"
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
    library = opened(folder)
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
            library = opened(folder)
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
