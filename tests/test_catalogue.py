"""The one truth, and the engine that is derived from it."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from index.build import catch_up, embed
from index.catalogue import Catalogue
from index.chunk import chunk
from index.errors import EngineError, IndexLocked, IndexMismatch, ModelError, StorageError
from index.load import from_text
from index.local import LocalEngine
from index.pieces import word_pieces
from index.refit import Refit
from index.types import Document, Passage, Stamp, document_of
from qa.wire import Library, open_library, reindex
from tests.conftest import HashEmbedder
from tests.postgres import on_both  # noqa: F401 - a fixture

Make = Callable[..., Library]
KeptIn = Callable[[str], dict[str, str]]


def ids(library: Library, question: str) -> list[str]:
    return [passage.citation.document_id for passage in library.answerer.ask(question).passages]


def test_a_document_comes_back_as_it_went_in(library: Library, seed: Document) -> None:
    assert library.catalogue.document(seed.id) == seed
    stored = library.catalogue.passages_of(seed.id)
    assert all(one.passage.text == seed.text[one.passage.start : one.passage.end] for one in stored)
    assert all(one.vectors and len(one.vectors.sentences) == len(one.passage.sentences) for one in stored)
    assert library.catalogue.summary(seed.id) == library.catalogue.summaries()[0]


def test_a_passage_that_is_no_slice_is_never_stored(library: Library, seed: Document) -> None:
    other = from_text("Other text.", title="t", id=seed.id)
    before = library.catalogue.generation()
    with pytest.raises(ValueError, match="not a slice"):
        library.catalogue.put(other, [one.passage for one in library.catalogue.passages_of(seed.id)], None)
    assert library.catalogue.generation() == before
    assert library.catalogue.document(seed.id) == seed


def test_every_write_raises_the_generation_and_the_same_document_is_no_write(make_library: Make) -> None:
    library = make_library()
    document = from_text("Alpha beta gamma.", title="One", id="one")
    assert library.builder.put(document).state == "added"
    assert library.builder.put(document).state == "unchanged"
    assert library.catalogue.generation() == 1
    assert library.builder.put(from_text("Delta.", title="One", id="one")).state == "replaced"
    assert (library.catalogue.remove("one"), library.catalogue.remove("one")) == (True, False)
    assert library.catalogue.generation() == 3
    assert library.catalogue.counts.all() == (0, 0, 0)


def test_an_engine_catches_up_from_the_log_of_changes(make_library: Make) -> None:
    library, late = make_library(), LocalEngine()
    for name in ("one", "two", "three"):
        library.builder.put(from_text(f"Word{name} and more.", title=name, id=name))
    catch_up(library.catalogue, late)
    library.catalogue.remove("two")
    library.builder.put(from_text("Changed text.", title="one", id="one"))
    catch_up(library.catalogue, late)
    fresh = LocalEngine()
    catch_up(library.catalogue, fresh)
    for word in ("wordon", "wordtwo", "wordthre", "chang"):
        assert late.snapshot().sparse({word: 1.0}, 9) == fresh.snapshot().sparse({word: 1.0}, 9)
    assert late.stamp == fresh.stamp == library.catalogue.stamp()
    assert library.catalogue.generation() == 5


def test_another_process_sees_a_change_without_reopening(make_library: Make, library: Library, seed: Document) -> None:
    assert ids(library, "ceasefire")[:1] == [seed.id]
    other = make_library()  # the same folder, opened again
    other.builder.put(from_text("Pelicans eat fish near the harbour.", title="Birds", id="birds"))
    assert ids(library, "What do pelicans eat?")[:1] == ["birds"]
    other.catalogue.remove(seed.id)
    assert seed.id not in ids(library, "Who would monitor the ceasefire?")


def test_nothing_is_embedded_again_on_reopening(make_library: Make, library: Library) -> None:
    class Counting(HashEmbedder):
        texts = 0

        def passages(self, texts):  # type: ignore[no-untyped-def]
            self.texts += len(texts)
            return super().passages(texts)

    counting = Counting()
    again = make_library(counting)
    answer = again.answerer.ask("Who would monitor the ceasefire?")
    assert (answer.retrieval, counting.texts) == ("hybrid", 0)
    assert answer.passages == library.answerer.ask("Who would monitor the ceasefire?").passages


def test_documents_added_without_a_model_are_found_by_words_then_by_meaning(make_library: Make, seed: Document) -> None:
    library = make_library(embedder=None)
    assert not library.builder.put(seed).embedded
    assert library.answerer.ask("Who would monitor the ceasefire?").retrieval == "bm25"
    library.model.embedder = HashEmbedder()
    assert library.builder.embed_pending(HashEmbedder()) == 1
    answer = library.answerer.ask("Who would monitor the ceasefire?")
    assert answer.retrieval == "hybrid"
    assert answer.passages[0].scores.dense is not None
    assert library.catalogue.counts.all()[2] == 0


def test_vectors_made_for_a_text_that_was_replaced_meanwhile_are_not_stored(make_library: Make) -> None:
    library = make_library(embedder=None)
    library.builder.put(from_text("Alpha beta.", title="t", id="one"))
    old = [stored.passage for stored in library.catalogue.passages_of("one")]
    library.builder.put(from_text("Gamma zeta.", title="t", id="one"))
    library.catalogue.embedded("one", list(zip(old, embed(old, HashEmbedder()), strict=True)))
    assert library.catalogue.passages_of("one")[0].vectors is None


def test_other_chunking_is_refused_and_reindex_mends_it(make_library: Make, seed: Document, tmp_path: Path) -> None:
    first = make_library(passage_pieces=160)
    first.builder.put(seed)
    before = first.catalogue.counts.all()[1]
    with pytest.raises(IndexMismatch, match="chunking") as raised:
        make_library(passage_pieces=64)
    assert "qa reindex" in raised.value.hint
    settings = first.settings.model_copy(update={"passage_pieces": 64})
    library = open_library(settings, remake=True)
    library.model.embedder, library.model.state = HashEmbedder(), "ready"
    assert [report.document_id for report in reindex(library)] == [seed.id]
    library.close()
    assert make_library(passage_pieces=64).catalogue.counts.all()[1] > before


def reindexer(first: Library, **changed: object) -> Library:
    """The same folder, opened with other settings to make the index anew."""
    library = open_library(first.settings.model_copy(update=changed), remake=True)
    library.model.embedder, library.model.state = HashEmbedder(), "ready"
    return library


def test_reindexing_needs_no_downtime_and_goes_on_where_it_was_interrupted(make_library: Make, seed: Document) -> None:
    first = make_library(passage_pieces=160)
    for name in ("one", "two", "three"):
        first.builder.put(from_text(f"{seed.text}\n\nWord{name}.", title=name, id=name))
    before = first.answerer.ask("Who would monitor the ceasefire?")
    other = reindexer(first, passage_pieces=64)
    assert next(reindex(other)).document_id == "one"  # interrupted
    other.close()
    with pytest.raises(IndexMismatch, match="chunking"):
        make_library(passage_pieces=64)
    assert first.answerer.ask("Who would monitor the ceasefire?").passages == before.passages
    first.builder.put(from_text("Two is another text now.", title="two", id="two"))
    other = reindexer(first, passage_pieces=64)
    assert [report.document_id for report in reindex(other)] == ["three", "two"]
    other.close()
    again = make_library(passage_pieces=64)
    with again.catalogue.view() as view:
        assert {document_of(one) for one in view.passages(all_ids(again), view.stamp)} == {"one", "two", "three"}
    assert ids(again, "Is two another text?")[:1] == ["two"]


def all_ids(library: Library) -> list[str]:
    return [
        stored.passage.id
        for document_id in library.catalogue.document_ids()
        for stored in library.catalogue.passages_of(document_id)
    ]


def test_a_document_changed_during_a_reindex_is_done_again(make_library: Make, seed: Document) -> None:
    first = make_library(passage_pieces=160)
    first.builder.put(seed)
    other = reindexer(first, passage_pieces=64)
    reports = reindex(other)
    next(reports)
    with other.catalogue.lock.held():
        other.builder.catalogue.put(*changed(seed))
    assert [report.document_id for report in reports] == [seed.id]
    assert ids(other, "zebra")[:1] == [seed.id]
    other.close()


def changed(seed: Document) -> tuple[Document, list[Passage], None]:
    document = from_text("A zebra ran.", title="t", id=seed.id)
    return document, chunk(document, word_pieces()), None


def test_an_open_library_answers_on_after_other_chunking_but_takes_nothing_in(
    make_library: Make, seed: Document
) -> None:
    first = make_library(passage_pieces=160)
    first.builder.put(seed)
    assert ids(first, "ceasefire")
    other = reindexer(first, passage_pieces=64)
    list(reindex(other))
    other.close()
    assert ids(first, "Who would monitor the ceasefire?")[:1] == [seed.id]
    assert first.searcher.engine.stamp == first.catalogue.stamp()
    with pytest.raises(IndexMismatch, match="chunking"):
        first.builder.put(from_text("More.", title="t", id="more"))


def test_an_open_library_answers_from_the_old_passages_after_a_change_of_model(
    make_library: Make, seed: Document, tmp_path: Path
) -> None:
    first = make_library()
    first.builder.put(seed)
    before = first.answerer.ask("Who would monitor the ceasefire?").passages
    refit = Refit(first.catalogue, {"model": "another"})
    stored = first.catalogue.passages_of(seed.id)
    refit.put(seed, [one.passage for one in stored], [one.vectors for one in stored if one.vectors])
    assert refit.switch()
    assert first.answerer.ask("Who would monitor the ceasefire?").passages == before
    with pytest.raises(IndexMismatch, match="model"):
        first.catalogue.check()


def test_reindexing_without_the_model_throws_no_vectors_away(make_library: Make, seed: Document) -> None:
    first = make_library()
    first.builder.put(seed)
    other = open_library(first.settings.model_copy(update={"model": "/no/such/model"}), remake=True)
    with pytest.raises(ModelError, match="needs the model"):
        list(reindex(other))
    other.close()
    assert first.answerer.ask("ceasefire").retrieval == "hybrid"
    assert first.catalogue.counts.all()[2] == 0


def test_an_unchanged_document_is_embedded_once_there_is_a_model(make_library: Make, seed: Document) -> None:
    make_library(embedder=None).builder.put(seed)
    report = make_library().builder.put(seed)
    assert (report.state, report.embedded) == ("unchanged", True)


def test_a_catalogue_begun_without_its_model_takes_the_one_that_comes(tmp_path: Path, kept_in: KeptIn) -> None:
    url = kept_in("data").get("catalogue", "")
    Catalogue(tmp_path, {"chunking": "160/0"}, url=url).close()
    Catalogue(tmp_path, {"chunking": "160/0", "model": "one"}, url=url).close()
    with pytest.raises(IndexMismatch, match="model"):
        Catalogue(tmp_path, {"chunking": "160/0", "model": "two"}, url=url)


def test_a_folder_that_cannot_be_made_is_a_clear_error() -> None:
    with pytest.raises(StorageError, match="cannot be made") as raised:
        Catalogue(Path("/proc/none/data"), {})
    assert "QA_DATA" in raised.value.hint


def test_a_file_that_is_no_database_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "catalogue.sqlite3").write_bytes(b"not a database at all, " * 50)
    with pytest.raises(StorageError, match="damaged"):
        Catalogue(tmp_path, {})


@pytest.mark.parametrize("kept_in", ["file"], indirect=True)
def test_a_second_writer_waits_and_then_is_told(
    make_library: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = make_library()
    library.builder.put(from_text("Alpha.", title="One", id="one"))
    with sqlite3.connect(library.catalogue.path, isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        library.catalogue.database.pool.dispose()
        monkeypatch.setattr("index.sqlite.BUSY_MS", 50)
        with pytest.raises(IndexLocked, match="another program"):
            library.catalogue.remove("one")
        assert ids(library, "alpha") == ["one"]  # readers are not held up,
        assert len(make_library().catalogue.summaries()) == 1  # nor those who open it now
        other.execute("ROLLBACK")
    other.close()
    assert library.catalogue.remove("one")


def test_what_was_before_a_change_of_model_is_refused_once_it_has_gone(make_library: Make, seed: Document) -> None:
    first = make_library()
    first.builder.put(seed)
    assert ids(first, "Who would monitor the ceasefire?") != []
    stored = first.catalogue.passages_of(seed.id)
    given = seed, [one.passage for one in stored], [one.vectors for one in stored if one.vectors]
    refit = Refit(first.catalogue, {"model": "B"})
    refit.put(*given)
    assert refit.switch()
    assert ids(first, "Who would monitor the ceasefire?") != []
    refit = Refit(first.catalogue, {"model": "C"})  # it begins to fill the table that the old passages stood in
    refit.put(*given)
    with pytest.raises(IndexMismatch, match="model"):
        first.answerer.ask("Who would monitor the ceasefire?")


def test_compacting_takes_the_old_passages_and_that_is_told(make_library: Make, seed: Document) -> None:
    first = make_library()
    first.builder.put(seed)
    assert ids(first, "Who would monitor the ceasefire?") != []
    stored = first.catalogue.passages_of(seed.id)
    refit = Refit(first.catalogue, {"model": "B"})
    refit.put(seed, [one.passage for one in stored], None)
    assert refit.switch()
    first.catalogue.compact()
    with pytest.raises(IndexMismatch, match="model"):
        first.answerer.ask("Who would monitor the ceasefire?")


def test_what_a_failed_catch_up_staged_is_forgotten(make_library: Make) -> None:
    library = make_library()
    library.builder.put(from_text("Pelicans eat fish.", title="Birds", id="birds"))

    class Failing(LocalEngine):
        fails = True

        def commit(self, stamp: Stamp) -> None:
            if self.fails:
                raise EngineError("no")
            super().commit(stamp)

    engine = Failing()
    with pytest.raises(EngineError):
        catch_up(library.catalogue, engine)
    engine.fails = False
    library.catalogue.remove("birds")
    with library.catalogue.write() as connection:
        connection.exec_driver_sql("DELETE FROM changes")  # as after a restore: nobody tells that it has gone
    catch_up(library.catalogue, engine)
    assert engine.snapshot().parts == ()


def test_vectors_of_another_title_are_not_stored(make_library: Make) -> None:
    library = make_library(embedder=None)
    library.builder.put(from_text("Alpha beta.", title="old", id="one"))
    old = [stored.passage for stored in library.catalogue.passages_of("one")]
    library.builder.put(from_text("Alpha beta.", title="new", id="one"))
    library.catalogue.embedded("one", list(zip(old, embed(old, HashEmbedder()), strict=True)))
    assert library.catalogue.passages_of("one")[0].vectors is None


@pytest.mark.parametrize("kept_in", ["file"], indirect=True)
def test_a_file_that_was_overwritten_is_a_clear_error_in_every_way_of_reading(library: Library) -> None:
    library.catalogue.close()
    for suffix in ("-wal", "-shm"):
        library.catalogue.path.with_name(library.catalogue.path.name + suffix).unlink(missing_ok=True)
    library.catalogue.path.write_bytes(b"overwritten by somebody " * 500)
    for read in (library.catalogue.stamp, library.catalogue.counts.all, library.searcher.refresh):
        with pytest.raises(StorageError, match="damaged"):
            read()
