"""Verify, back up, restore, compact, migrate; one writer at a time."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import sqlalchemy as sa

from index import lock, tables
from index.care import backup, restore, verify
from index.catalogue import FILE, Catalogue
from index.errors import IndexLocked, IndexMismatch, StorageError
from index.load import from_text
from index.migrations import STEPS
from index.types import Document
from qa.wire import Library
from tests.conftest import ROOT, HashEmbedder, environment, qa

Make = Callable[..., Library]
FORMAT1 = Path(__file__).parent / "files" / "format1.sqlite3"
"""Written by the first version: the seed document, a second, a third that is not embedded, a fourth removed."""


def problems(library: Library) -> list[str]:
    return list(verify(library.catalogue, library.engine_folder))


def test_what_is_as_it_was_stored_has_no_problems(library: Library) -> None:
    library.tidy()
    assert problems(library) == []


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE documents SET text = replace(text, 'the', 'teh')", "SHA-256"),
        ("UPDATE passages SET text = text || '.' WHERE ordinal = 2", "not a slice"),
        ("UPDATE passages SET vector = zeroblob(256) WHERE ordinal = 1", "damaged vector"),
        ("UPDATE passages SET document_id = 'nobody' WHERE ordinal = 1", "passages"),
        ("UPDATE history SET token = 'foreign'", "another catalogue"),
    ],
)
def test_verify_names_what_was_changed(library: Library, statement: str, told: str) -> None:
    library.tidy()
    with sqlite3.connect(library.catalogue.path) as other:
        other.execute(statement)
    other.close()
    assert any(told in problem for problem in problems(library))


def test_a_damaged_page_is_told_and_refused_with_advice(library: Library) -> None:
    library.catalogue.checkpoint()
    library.close()
    path = library.catalogue.path
    data = bytearray(path.read_bytes())
    for place in range(8192, len(data) - 100, 4096):
        data[place : place + 40] = os.urandom(40)
    path.write_bytes(data)
    settings = {"QA_DATA": str(path.parent)}
    for command in (["verify"], ["ask", "Who?", "--mode", "bm25"], ["index", str(ROOT / "README.md")]):
        done = qa(*command, **settings)
        assert done.returncode == 1, command
        assert "damaged" in done.stderr or "SHA-256" in done.stderr or "malformed" in done.stderr, done.stderr
        assert "qa restore" in done.stderr
        assert "Traceback" not in done.stderr


def test_a_backup_comes_back_as_it_was(make_library: Make, library: Library, seed: Document, tmp_path: Path) -> None:
    copy = tmp_path / "copy.qa"
    before = library.answerer.ask("Who would monitor the ceasefire?").passages
    backup(library.catalogue, copy)
    other = make_library(name="other")
    restore(other.catalogue, copy)
    assert other.catalogue.document(seed.id) == seed
    assert other.answerer.ask("Who would monitor the ceasefire?").passages == before
    assert problems(other) == []
    with pytest.raises(StorageError, match="there already"):
        backup(library.catalogue, copy)


def test_restoring_replaces_what_an_open_library_searches(library: Library, seed: Document, tmp_path: Path) -> None:
    backup(library.catalogue, tmp_path / "copy")
    library.catalogue.remove(seed.id)
    library.builder.put(from_text("Pelicans eat fish.", title="Birds", id="birds"))
    assert library.answerer.ask("pelicans").passages[0].citation.document_id == "birds"
    with pytest.raises(StorageError, match="are stored") as raised:
        restore(library.catalogue, tmp_path / "copy")
    assert "--replace" in raised.value.hint
    restore(library.catalogue, tmp_path / "copy", replace=True)
    assert library.catalogue.document_ids() == [seed.id]
    found = library.answerer.ask("Who would monitor the ceasefire, and what do pelicans eat?").passages
    assert {one.citation.document_id for one in found} == {seed.id}


def test_what_is_no_backup_is_refused_and_changes_nothing(library: Library, seed: Document, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 1000)
    (tmp_path / "empty").touch()
    with sqlite3.connect(tmp_path / "future") as future:
        future.execute("CREATE TABLE meta (key, value)")
        future.execute("INSERT INTO meta VALUES ('format', '999')")
    future.close()
    for name in ("text", "empty", "future", "missing"):
        with pytest.raises(StorageError):
            restore(library.catalogue, tmp_path / name, replace=True)
    assert library.catalogue.document(seed.id) == seed


def test_compacting_gives_the_space_back(make_library: Make, seed: Document) -> None:
    library = make_library()
    for number in range(30):
        library.builder.put(from_text(seed.text, title=str(number), id=str(number)))
    library.tidy()
    for number in range(1, 30):
        library.catalogue.remove(str(number))
    library.tidy()
    before = library.size()
    library.catalogue.compact()
    library.tidy(everything=True)
    assert library.size() < before / 4
    assert problems(library) == []
    assert library.answerer.ask("Who would monitor the ceasefire?").passages[0].citation.document_id == "0"


def test_free_pages_are_given_back_without_being_asked(make_library: Make, seed: Document) -> None:
    library = make_library()
    text = "\n\n".join(seed.text for _ in range(60))
    for number in range(8):
        library.builder.put(from_text(text, title=str(number), id=str(number)))
    library.catalogue.checkpoint()
    full = library.catalogue.path.stat().st_size
    for number in range(7):
        library.catalogue.remove(str(number))
    for number in range(30):  # each write frees a part
        library.builder.put(from_text(f"Note {number}.", title="n", id="n"))
    library.catalogue.checkpoint()
    assert library.catalogue.path.stat().st_size < full / 2


# Migrations


def test_a_catalogue_of_the_first_version_is_brought_up_to_date(tmp_path: Path, make_library: Make) -> None:
    (tmp_path / "old").mkdir()
    shutil.copy(FORMAT1, tmp_path / "old" / FILE)
    library = make_library(name="old")
    assert library.catalogue.counts.all() == (3, 8, 1)
    assert library.catalogue.generation() == 5
    assert problems(library) == []
    answer = library.answerer.ask("Who would monitor the ceasefire?")
    assert answer.passages[0].citation.document_id == "9a9557710f539362"
    library.builder.embed_pending(HashEmbedder())
    found = library.answerer.ask("When do ferries leave?")
    assert (found.retrieval, found.passages[0].citation.document_id) == ("hybrid", "ferry")
    fresh = make_library(name="fresh")
    for name in library.catalogue.document_ids():
        document = library.catalogue.document(name)
        assert document
        fresh.builder.put(document)
    for question in ("Who would monitor the ceasefire?", "What did the lamp burn?", "When do ferries leave?"):
        old, new = (one.answerer.ask(question) for one in (library, fresh))
        for one, other in zip(old.passages, new.passages, strict=True):
            assert (one.text, one.highlights) == (other.text, other.highlights)


def test_a_migrated_catalogue_has_the_tables_of_a_new_one(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    shutil.copy(FORMAT1, tmp_path / "old" / FILE)
    shapes = []
    for name in ("old", "new"):
        catalogue = Catalogue(tmp_path / name, {})
        with catalogue.read() as connection:
            inspector = sa.inspect(connection)
            shapes.append(
                {
                    table: (
                        {(one["name"], str(one["type"]), one["nullable"]) for one in inspector.get_columns(table)},
                        {(one["name"], tuple(one["column_names"])) for one in inspector.get_indexes(table)},
                        {
                            (tuple(one["constrained_columns"]), one["referred_table"])
                            for one in inspector.get_foreign_keys(table)
                        },
                        tuple(inspector.get_pk_constraint(table)["constrained_columns"]),
                    )
                    for table in inspector.get_table_names()
                }
            )
        catalogue.close()
    assert shapes[0] == shapes[1]
    assert len(STEPS) == tables.FORMAT - 1


def test_a_later_format_is_refused(library: Library, make_library: Make) -> None:
    with library.catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE meta SET value = '99' WHERE key = 'format'")
    with pytest.raises(IndexMismatch, match="format 99"):
        make_library()


# One writer


def test_a_second_process_that_writes_is_refused_with_the_first_ones_number(library: Library, seed: Document) -> None:
    code = (
        "import sys; from pathlib import Path; from index.lock import WriterLock\n"
        "with WriterLock(Path(sys.argv[1])).held():\n    print('held', flush=True); sys.stdin.read()"
    )
    folder = library.catalogue.folder
    with subprocess.Popen(
        [sys.executable, "-c", code, str(folder)],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdin
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(IndexLocked, match=str(other.pid)):
            library.catalogue.remove(seed.id)
        refused = qa("index", "seeds", QA_DATA=str(folder))
        assert (refused.returncode, str(other.pid) in refused.stderr) == (1, True)
        assert library.answerer.ask("Who would monitor the ceasefire?").passages  # reading goes on
        other.kill()
    assert library.catalogue.remove(seed.id)  # freed by the system with the process


def test_threads_of_one_process_take_turns(library: Library) -> None:
    with library.catalogue.lock.held():
        library.builder.put(from_text("One.", title="1", id="1"))
        with library.catalogue.lock.held():
            library.builder.put(from_text("Two.", title="2", id="2"))
    assert lock.WAIT < 5
    assert {"1", "2"} <= set(library.catalogue.document_ids())


def test_the_commands_say_what_they_did(tmp_path: Path) -> None:
    given = {"QA_DATA": str(tmp_path / "data"), "QA_MODEL": "/no/such/model"}
    assert qa("index", "seeds", **given).returncode == 0
    assert qa("verify", **given).stdout == "1 documents and 9 passages are as they were stored\n"
    assert "1 documents, 9 passages" in qa("backup", str(tmp_path / "copy"), **given).stdout
    assert "bytes now" in qa("compact", **given).stdout
    refused = qa("restore", str(tmp_path / "copy"), **given)
    assert (refused.returncode, "--replace" in refused.stderr) == (1, True)
    assert qa("restore", str(tmp_path / "copy"), "--replace", **given).stdout == "1 documents, 9 passages\n"
    other = given | {"QA_DATA": str(tmp_path / "other")}
    assert qa("restore", str(tmp_path / "copy"), **other).stdout == "1 documents, 9 passages\n"
    assert "ceasefire" in qa("ask", "Who would monitor the ceasefire?", **other).stdout
