"""A library copied elsewhere and back: every byte, nothing embedded, resumed after a kill, and proved to be alike."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from index import tables
from index.catalogue import Catalogue
from index.errors import Conflict, IndexMissing
from index.feedback import Place
from index.history import REFITTING, in_use, stamp_fingerprint
from index.load import from_text
from index.migrate import COPIED, Migration, unheard
from index.proof import Comparison, ranked_otherwise
from index.search import Found
from index.types import Document, PageLayout, Vector, Vectors
from qa.access import Access
from qa.migrate import Outcome, run
from qa.wire import Library, file_request
from tests.conftest import ROOT, HashEmbedder, environment, qa

Make = Callable[..., Library]
COPIED_TABLES = (tables.documents, tables.tags, tables.sources, tables.layouts, tables.originals, tables.feedback)


class NoEmbedder(HashEmbedder):
    """Fails when it is asked for anything."""

    def passages(self, texts: Sequence[str]) -> Vectors:  # noqa: ARG002
        raise AssertionError("embedded")

    def question(self, text: str) -> Vector:  # noqa: ARG002
        raise AssertionError("embedded")


def everything(catalogue: Catalogue) -> dict[str, list[tuple[Any, ...]]]:
    """Every value that is to be copied, read table by table."""
    with catalogue.read() as connection:
        passages = in_use(connection)
        found = {
            "passages" if table is passages else table.name: sorted(
                (tuple(map(repr, row)) for row in connection.execute(sa.select(table))),
            )
            for table in (*COPIED_TABLES, passages)
        }
        notes = connection.execute(sa.select(tables.meta).where(tables.meta.c.key.in_(["model", "chunking"])))
        return {**found, "notes": sorted(map(tuple, notes))}


def note(number: int, words: str = "") -> Document:
    body = "\n\n".join(f"Harbour {number} has {part} berths for ferries. {words}" for part in range(1, 3 + number % 3))
    return from_text(body, title=f"Harbour {number}", id=f"h{number:04}")


def fill(library: Library, count: int) -> None:
    for _ in library.builder.put_all(note(number) for number in range(count)):
        pass


@pytest.fixture
def rich(library: Library, seed: Document, tmp_path: Path) -> Library:
    """One of everything that a library holds: labels, pages, layouts, a file, judgements, a calibration."""
    fill(library, 30)
    library.catalogue.label("h0001", "ports", ["north", "größer"])
    paged = replace(note(900), pages=(0, 10), layout=(PageLayout(595.3, 842.0, b"\x00\xff\x01"), PageLayout(1, 2, b"")))
    library.builder.put(replace(paged, metadata={"author": "Ægir", "n": 0.1}))
    file = tmp_path / "ferries.md"
    file.write_text("# Ferries\n\nThe ferry to Oban leaves at nine.", encoding="utf-8")
    for _, report in library.ingest.run([file_request(file, library.settings)]):
        assert not isinstance(report, Exception)
    passage = library.catalogue.passages_of(seed.id)[2].passage
    library.catalogue.feedback.put("Who?", (), True, Place(seed.id, passage.start, passage.end))
    library.catalogue.feedback.put("What is the price of tin?", ("Why?",), False, None)
    library.catalogue.calibration.keep('{"a": 1}')
    library.builder.put(replace(note(901), title="later"))
    with library.catalogue.write() as connection:  # as if it were not embedded yet
        columns = in_use(connection).c
        waiting = sa.update(in_use(connection)).where(columns.document_id == "h0901")
        connection.execute(waiting.values(vector=None, sentence_vectors=None))
    return library


def copied(source: Library, target: Library, **given: Any) -> Outcome:
    return run(source, target, **{"questions": 25} | given)


def test_there_and_back_gives_every_byte_and_nothing_is_embedded(rich: Library, make_library: Make) -> None:
    there, back = make_library(NoEmbedder(), "there"), make_library(NoEmbedder(), "back")
    rich.model.embedder = NoEmbedder()
    for source, target in ((rich, there), (there, back)):
        outcome = copied(source, target)
        assert outcome.alike, outcome
        assert (outcome.copied, outcome.contents.files, outcome.contents.judgements) == (34, 1, 2)
        assert outcome.contents.embedded == outcome.contents.passages - len(rich.catalogue.passages_of("h0901"))
        assert outcome.answers
        assert (outcome.answers.asked, outcome.answers.alike) == (25, 25)
    assert everything(back.catalogue) == everything(rich.catalogue)
    assert back.catalogue.calibration.text() == '{"a": 1}'
    original = back.catalogue.sources.original(back.catalogue.summaries()[0].id)
    assert original
    assert original.bytes.startswith(b"# Ferries")


def test_what_is_there_already_is_not_copied_again(rich: Library, make_library: Make) -> None:
    there = make_library(NoEmbedder(), "there")
    first, generation = copied(rich, there), there.catalogue.generation()
    second = copied(rich, there)
    assert (first.copied, second.copied, second.removed) == (34, 0, 0)
    assert second.alike
    assert second.contents.digest == first.contents.digest
    assert there.catalogue.generation() == generation


def test_only_what_changed_since_is_copied(rich: Library, make_library: Make, seed: Document) -> None:
    there = make_library(NoEmbedder(), "there")
    copied(rich, there)
    rich.builder.put(note(3, "And a lighthouse."))
    rich.builder.put(note(700))
    rich.catalogue.remove("h0004")
    rich.catalogue.label("h0005", "closed", ["south"])
    rich.catalogue.remove(next(one.id for one in rich.catalogue.summaries() if one.kept))
    judged = rich.catalogue.feedback.latest(10)[1]
    rich.catalogue.feedback.remove(judged[0].id)
    rich.catalogue.feedback.put("How many berths?", (), False, None)
    rich.catalogue.calibration.forget()
    outcome = copied(rich, there)
    assert outcome.alike, outcome
    assert (outcome.copied, outcome.removed, outcome.contents.files) == (3, 2, 0)
    assert everything(there.catalogue) == everything(rich.catalogue)
    assert there.catalogue.calibration.text() is None


def test_a_source_that_is_written_meanwhile_is_copied_as_it_is_in_the_end(library: Library, make_library: Make) -> None:
    there, writes = make_library(NoEmbedder(), "there"), iter(range(500, 503))

    def told(name: str, done: int, of: int) -> None:
        for number in [*writes][:1]:
            library.builder.put(note(number))
            library.catalogue.remove("h0000")
            library.catalogue.label("h0001", "later", [])

    fill(library, 250)
    outcome = run(library, there, questions=10, told={"Copying": told})
    assert outcome.alike
    assert outcome.passes == 2
    assert everything(there.catalogue) == everything(library.catalogue)


def test_labels_that_change_while_both_are_compared_are_copied_too(library: Library, make_library: Make) -> None:
    there, labels = make_library(NoEmbedder(), "there"), iter(["later"])
    fill(library, 5)

    def told(name: str, done: int, of: int) -> None:
        for one in labels:
            library.catalogue.label("h0001", one, [one])

    outcome = run(library, there, questions=10, told={"Copying": told})
    assert outcome.alike
    assert there.catalogue.summary("h0001") == library.catalogue.summary("h0001")


def test_a_source_that_never_rests_is_refused(library: Library, make_library: Make) -> None:
    there = make_library(NoEmbedder(), "there")

    def told(name: str, done: int, of: int) -> None:
        library.builder.put(note(1, f"{time.time()}"))

    with pytest.raises(Conflict, match="faster than they are copied"):
        Migration(library.catalogue, there.catalogue).run(told)


def test_an_index_that_was_made_anew_is_copied_anew(library: Library, make_library: Make) -> None:
    """Its documents look the same, their vectors are not."""
    fill(library, 5)
    there = make_library(NoEmbedder(), "there")
    copied(library, there)
    with library.catalogue.write() as connection:
        rows = connection.execute(sa.select(in_use(connection))).mappings().all()
        turned = [dict(row) | {"vector": (-np.frombuffer(row["vector"], "<f4")).tobytes()} for row in rows]
        stamp_fingerprint(connection, {"edition": "2"})
        connection.execute(sa.insert(in_use(connection)), turned)
    outcome = copied(library, there, questions=0)
    assert (outcome.copied, outcome.alike) == (6, True)
    assert everything(there.catalogue) == everything(library.catalogue)


# Interrupted


@pytest.mark.server
def test_killed_in_the_middle_it_goes_on_where_it_was(library: Library, tmp_path: Path) -> None:
    fill(library, 1500)
    command = [sys.executable, "-m", "qa", "migrate", str(tmp_path / "there"), "--questions", "20", "--json"]
    given = environment(QA_DATA=str(library.settings.data))
    kept, kills = 0, 0
    while kills < 3:
        process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        _until_more(f"sqlite:///{tmp_path / 'there' / 'catalogue.sqlite3'}", kept, process)
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=30)
        kills += 1
        catalogue = Catalogue(tmp_path / "there", {})
        now = catalogue.counts.all()[0]
        assert now >= kept  # nothing that was copied is lost
        assert everything(catalogue)["documents"] == _some(library.catalogue, catalogue)
        catalogue.close()
        kept = now
    assert 0 < kept < 1501
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["alike"]
    assert outcome["copied"] == 1501 - kept
    catalogue = Catalogue(tmp_path / "there", {})
    assert everything(catalogue) == everything(library.catalogue)
    catalogue.close()


def _until_more(url: str, kept: int, process: subprocess.Popen[bytes]) -> None:
    """Until another group of documents stands in the target, or the copying has ended."""
    end, found = time.monotonic() + 60, sa.create_engine(url, poolclass=sa.pool.NullPool)
    while time.monotonic() < end and process.poll() is None:
        try:
            with found.connect() as connection:
                if (connection.scalar(sa.text("SELECT count(*) FROM documents")) or 0) > kept:
                    return
        except sa.exc.DatabaseError:
            pass  # its tables are not made yet
        time.sleep(0.005)


def _some(source: Catalogue, target: Catalogue) -> list[tuple[Any, ...]]:
    there = set(map(repr, target.document_ids()))
    return [row for row in everything(source)["documents"] if row[0] in there]


# Into a cluster


@pytest.mark.cluster
def test_through_postgresql_and_back_every_byte_is_the_same(
    rich: Library, make_library: Make, database_url: str
) -> None:
    shared, back = make_library(NoEmbedder(), "local", catalogue=database_url), make_library(NoEmbedder(), "back")
    assert shared.catalogue.database.shared
    assert copied(rich, shared).alike
    rich.catalogue.remove("h0004")
    rich.builder.put(note(3, "And a lighthouse."))
    again = copied(rich, shared)
    assert (again.copied, again.removed, again.alike) == (1, 1, True)
    outcome = copied(shared, back)
    assert outcome.alike, outcome
    assert outcome.copied == 33
    assert everything(back.catalogue) == everything(rich.catalogue)


@pytest.mark.cluster
def test_what_postgresql_cannot_store_is_told_and_the_rest_goes_on(
    rich: Library, make_library: Make, database_url: str
) -> None:
    there = make_library(NoEmbedder(), "local", catalogue=database_url)
    whole = from_text("Berths# for ferries.", title="Torn", id="torn")
    torn = replace(whole, text=whole.text.replace("#", "\0"))
    rich.builder.put(torn)
    rich.catalogue.feedback.put("Which berth\0?", (), False, None)
    outcome = copied(rich, there)
    assert not outcome.alike
    assert (outcome.left_out, outcome.feedback_left_out, outcome.answers) == (("Torn",), 1, None)
    assert outcome.contents.differences == []
    assert outcome.contents.documents == 34
    rich.builder.put(whole)
    rich.catalogue.feedback.remove(rich.catalogue.feedback.latest(1)[1][0].id)
    assert copied(rich, there).alike
    rich.builder.put(torn)
    assert copied(rich, there).left_out == ("Torn",)
    assert there.catalogue.document("torn") is None


@pytest.mark.cluster
@pytest.mark.server
def test_killed_on_its_way_to_postgresql_it_goes_on(library: Library, database_url: str, tmp_path: Path) -> None:
    fill(library, 1500)
    command = [sys.executable, "-m", "qa", "migrate", database_url, "--questions", "20", "--json"]
    given = environment(QA_DATA=str(library.settings.data))
    process = subprocess.Popen(command, cwd=ROOT, env=given, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    _until_more(database_url, 200, process)
    process.kill()
    process.communicate(timeout=30)
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    outcome = json.loads(done.stdout)
    assert outcome["alike"]
    assert 0 < outcome["copied"] < 1501 - 200
    assert "s3cret" not in done.stdout + done.stderr
    given = environment(QA_DATA=str(tmp_path / "node"), QA_CATALOGUE=database_url)
    command = [sys.executable, "-m", "qa", "migrate", str(tmp_path / "back")]
    done = subprocess.run(command, cwd=ROOT, env=given, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "1,501 documents copied" in done.stdout
    assert "s3cret" not in done.stdout + done.stderr
    catalogue = Catalogue(tmp_path / "back", {})
    assert everything(catalogue) == everything(library.catalogue)
    catalogue.close()


@pytest.mark.cluster
def test_milvus_answers_like_the_files_that_it_was_filled_from(
    rich: Library, make_library: Make, database_url: str, tmp_path: Path
) -> None:
    searched = {"engine": "milvus", "engine_uri": str(tmp_path / "milvus.db")}
    there = make_library(NoEmbedder(), "local", catalogue=database_url, **searched)
    back = make_library(NoEmbedder(), "back")
    for source, target in ((rich, there), (there, back)):
        outcome = copied(source, target, questions=100)
        assert outcome.alike, outcome
        assert outcome.answers
        assert (outcome.answers.asked, outcome.answers.alike) == (outcome.contents.passages, outcome.contents.passages)
    assert everything(back.catalogue) == everything(rich.catalogue)


@pytest.mark.cluster
def test_files_go_into_a_store_and_back(rich: Library, make_library: Make, tmp_path: Path) -> None:
    there = make_library(NoEmbedder(), "there", files=str(tmp_path / "store"))
    assert copied(rich, there).alike
    assert len([*(tmp_path / "store" / "originals").iterdir()]) == 1
    back = make_library(NoEmbedder(), "back")
    assert copied(there, back).alike
    assert everything(back.catalogue) == everything(rich.catalogue)
    kept = next((tmp_path / "store" / "originals").iterdir())
    kept.write_bytes(b"other")
    assert "stored file" in copied(rich, there).contents.differences[0]
    assert copied(rich, there, replace=True).alike
    rich.catalogue.remove(next(one.id for one in rich.catalogue.summaries() if one.kept))
    assert copied(rich, there).alike
    assert not kept.exists()


# Refused


def test_a_target_with_documents_of_its_own_is_refused_unless_they_are_to_go(
    library: Library, make_library: Make
) -> None:
    other = make_library(name="other")
    other.builder.put(from_text("Pelicans eat fish.", title="Birds", id="birds"))
    with pytest.raises(Conflict, match="did not come from this source") as raised:
        copied(library, other)
    assert "--replace" in raised.value.hint
    assert other.catalogue.document_ids() == ["birds"]
    outcome = copied(library, other, replace=True)
    assert (outcome.removed, outcome.alike) == (1, True)
    assert everything(other.catalogue) == everything(library.catalogue)


def test_a_target_that_was_written_since_is_refused(library: Library, make_library: Make, seed: Document) -> None:
    there = make_library(name="there")
    copied(library, there)
    there.builder.put(note(1))
    with pytest.raises(Conflict, match="added, changed or removed in the target"):
        copied(library, there)
    assert copied(library, there, replace=True).removed == 1
    there.catalogue.feedback.put("Why?", (), False, None)
    with pytest.raises(Conflict, match="feedback was given in the target"):
        copied(library, there)


def test_another_writer_ends_the_copying(library: Library, make_library: Make) -> None:
    fill(library, 5)
    there = make_library(name="there")
    migration = Migration(library.catalogue, there.catalogue)
    there.builder.put(note(1))
    with pytest.raises(Conflict, match="another process writes to the target"):
        migration.run(unheard)
    assert there.catalogue.document_ids() == ["h0001"]


@pytest.mark.parametrize("notes", [{REFITTING: "{}"}, {"forgotten": "3 word"}])
@pytest.mark.parametrize("side", ["source", "target"])
def test_what_is_half_done_is_to_be_finished_first(
    library: Library, make_library: Make, notes: dict[str, str], side: str
) -> None:
    there = make_library(name="there")
    with (library if side == "source" else there).catalogue.note() as connection:
        stamp_fingerprint(connection, notes)
    with pytest.raises(Conflict, match=side):
        copied(library, there)
    assert there.catalogue.document_ids() == []


def test_marks_of_what_is_under_way_elsewhere_are_not_copied(library: Library, make_library: Make) -> None:
    there, back = make_library(name="there"), make_library(name="back")
    with library.catalogue.note() as connection:
        stamp_fingerprint(connection, {"forgotten": "1 a", "purged": "1 a", "cleared": "1 a", "unlogged": "1"})
    copied(library, there)
    copied(there, back)
    assert set(back.catalogue.fingerprint()) == {"format", "edition", "library", "chunking", "model", COPIED}


def test_nothing_is_copied_from_nothing(make_library: Make) -> None:
    with pytest.raises(IndexMissing):
        copied(make_library(name="empty"), make_library(name="there"))


# The proof


@pytest.mark.parametrize(
    ("statement", "told"),
    [
        ("UPDATE passages SET vector = zeroblob(256) WHERE id = (SELECT min(id) FROM passages)", "passages"),
        ("UPDATE passages SET sentence_vectors = CAST(sentence_vectors || x'00' AS BLOB)", "passages"),
        ("UPDATE passages SET sentence_terms = x'01' WHERE ordinal = 1", "passages"),
        ("UPDATE documents SET text = replace(text, 'ferries', 'fairies')", "documents"),
        ("UPDATE documents SET metadata = '{\"by\": \"nobody\"}'", "documents"),
        ("UPDATE layouts SET width = width + 1e-9", "layouts"),
        ("UPDATE originals SET bytes = CAST(bytes || x'00' AS BLOB)", "stored file"),
        ("DELETE FROM originals", "stored file"),
        ("UPDATE feedback SET helpful = NOT helpful", "feedback"),
        ("DELETE FROM documents WHERE id = 'h0007'", "not in the target"),
        ("INSERT INTO documents SELECT 'new', title, source, text, sha256, media_type, pages, headings, metadata, "
         "characters, added_at, wrapped, original, collection, dated, reading FROM documents LIMIT 1", "target alone"),
        ("UPDATE meta SET value = 'other' WHERE key = 'chunking'", "chunking"),
    ],
)  # fmt: skip
def test_whatever_is_changed_in_the_target_is_told(
    rich: Library, make_library: Make, statement: str, told: str
) -> None:
    there = make_library(NoEmbedder(), "there")
    migration = Migration(rich.catalogue, there.catalogue)
    migration.run()
    assert Comparison(rich.catalogue, there.catalogue, migration.done).contents().differences == []
    with there.catalogue.write() as connection:
        connection.exec_driver_sql(statement)
    found = Comparison(rich.catalogue, there.catalogue, migration.done).contents().differences
    assert told in found[0]


def test_a_damaged_copy_is_told_and_mended_when_asked_to(rich: Library, make_library: Make) -> None:
    """What a change of bytes on a disk does is not seen by what is compared cheaply, but by the proof."""
    there = make_library(NoEmbedder(), "there")
    copied(rich, there)
    with there.catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE passages SET vector = zeroblob(256) WHERE document_id = 'h0007'")
        connection.exec_driver_sql("UPDATE originals SET bytes = CAST(bytes || x'00' AS BLOB)")
    outcome = copied(rich, there)
    assert not outcome.alike
    assert "h0007" in outcome.contents.differences[0]
    assert outcome.answers is None or outcome.answers.asked
    assert copied(rich, there, replace=True).alike
    assert everything(there.catalogue) == everything(rich.catalogue)


def test_answers_that_differ_are_told(rich: Library, make_library: Make) -> None:
    """Another engine's index that lacks a document: the catalogues are alike, the answers are not."""
    there = make_library(NoEmbedder(), "there")
    assert copied(rich, there).alike
    engine = there.searcher.engine
    for number in range(0, 30, 2):
        engine.replace(f"h{number:04}", [], None)
    engine.commit(there.catalogue.stamp())
    outcome = copied(rich, there)
    assert not outcome.alike
    assert outcome.contents.differences == []
    assert outcome.answers
    assert outcome.answers.alike < outcome.answers.asked
    assert outcome.answers.differences


def test_lists_are_alike_up_to_ties(library: Library, seed: Document) -> None:
    stored = library.catalogue.passages_of(seed.id)

    def listed(*scores: float, order: Sequence[int] = range(9)) -> list[Found]:
        some = zip(order, scores, strict=False)
        found = [(stored[place], score) for place, score in some]
        return [Found(one, score, None, None, None, None, 0, None, one.passage.sentences[0]) for one, score in found]

    assert ranked_otherwise(listed(0.9, 0.5, 0.4), listed(0.9, 0.5, 0.4)) is None
    assert ranked_otherwise(listed(0.9, 0.5, 0.5), listed(0.9, 0.5, 0.5, order=(0, 2, 1))) is None
    assert ranked_otherwise(listed(0.9, 0.5004, 0.5), listed(0.9, 0.5, 0.5004)) is None
    assert ranked_otherwise(listed(0.9, 0.5, 0.4), listed(0.9, 0.5, 0.4, order=(0, 2, 1)))
    assert ranked_otherwise(listed(0.9, 0.5), listed(0.9, 0.5, 0.4))
    assert ranked_otherwise(listed(0.9, 0.5, 0.4), listed(0.9, 0.5))
    assert ranked_otherwise(listed(0.9), listed(0.9, order=(1,)))


# The command


def test_the_command_tells_what_it_compared(library: Library, tmp_path: Path) -> None:
    fill(library, 3)
    given = {"QA_DATA": str(library.settings.data)}
    done = qa("migrate", str(tmp_path / "there"), **given)
    assert done.returncode == 0, done.stderr
    assert "4 documents copied" in done.stdout
    assert "Compared byte for byte: 4 documents" in done.stdout
    assert "questions, " in done.stdout
    assert qa("verify", QA_DATA=str(tmp_path / "there")).returncode == 0
    found = qa("ask", "Who would monitor the ceasefire?", "--mode", "bm25", QA_DATA=str(tmp_path / "there"))
    assert "ceasefire" in found.stdout
    again = json.loads(qa("migrate", str(tmp_path / "there"), "--json", **given).stdout)
    assert (again["copied"], again["alike"], again["contents"]["documents"]) == (0, True, 4)
    same = qa("migrate", str(library.settings.data), **given)
    assert (same.returncode, "Name another folder" in same.stderr) == (2, True)


def test_a_copy_that_is_not_alike_ends_with_exit_status_1(library: Library, tmp_path: Path) -> None:
    given = {"QA_DATA": str(library.settings.data)}
    assert qa("migrate", str(tmp_path / "there"), **given).returncode == 0
    catalogue = Catalogue(tmp_path / "there", {})
    with catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE passages SET vector = zeroblob(256) WHERE ordinal = 1")
    catalogue.close()
    done = qa("migrate", str(tmp_path / "there"), **given)
    assert done.returncode == 1
    assert "differs in its passages" in done.stderr
    assert "--replace" in done.stderr
    assert qa("migrate", str(tmp_path / "there"), "--replace", **given).returncode == 0


def test_tokens_go_along_when_asked_to(library: Library, make_library: Make) -> None:
    there = make_library(name="there")
    mine, other = Access(library.settings.data), Access(there.settings.data)
    _, secret = mine.create("reader", "ask")
    mine.create("gone", "ask")
    mine.revoke("gone")
    assert copied(library, there).tokens is None
    assert other.tokens() == []
    assert copied(library, there, tokens=True).tokens == 2
    assert copied(library, there, tokens=True).tokens == 2
    assert other.tokens() == mine.tokens()
    holder = other.holder(secret)
    assert holder
    assert holder.name == "reader"
    other.create("theirs", "ask")
    mine.create("theirs", "ask")
    with pytest.raises(Conflict, match="theirs"):
        copied(library, there, tokens=True)
    mine.close()
    other.close()
