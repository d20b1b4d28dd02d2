"""Files in: skipped when known, stored once, replaced in one step, kept, filtered, labelled."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from index.build import Report
from index.care import backup, restore, verify
from index.errors import DocumentError, QAError
from index.ingest import FileRequest, Listener
from index.load import from_text
from index.select import Filter
from index.sources import Origin
from index.types import Document
from qa.wire import Library

Make = Callable[..., Library]


@pytest.fixture
def files(tmp_path: Path) -> Path:
    folder = tmp_path / "files"
    folder.mkdir()
    for name, text in {
        "a.txt": "Pelicans eat fish.",
        "b.txt": "Glaciers carve valleys.",
        "c.txt": "Bees dance.",
    }.items():
        (folder / name).write_text(text)
    return folder


def put(library: Library, *paths: Path, **given: object) -> list[Report]:
    """The reports in the order of the files."""
    requests = [FileRequest(one, str(one), **given) for one in paths]  # type: ignore[arg-type]
    outcomes = {request.path: outcome for request, outcome in library.ingest.run(requests)}
    return [outcome for path in paths if isinstance(outcome := outcomes[path], Report)]


def states(library: Library, *paths: Path, **given: object) -> list[str]:
    return [report.state for report in put(library, *paths, **given)]


def found(library: Library, question: str, chosen: Filter = Filter()) -> list[str]:  # noqa: B008
    answer = library.answerer.ask(question, chosen=chosen, mode="bm25")
    return [Path(one.citation.source).name for one in answer.passages]


def test_unchanged_files_are_skipped_by_hash_without_reading_them(make_library: Make, files: Path) -> None:
    library = make_library()
    everything = sorted(files.iterdir())
    assert states(library, *everything) == ["added"] * 3
    generation, read = library.catalogue.generation(), list[str]()
    listener = Listener(lambda request, _, share: read.append(request.source) if share == 1.0 else None)
    again = [outcome for _, outcome in library.ingest.run([FileRequest(one, str(one)) for one in everything], listener)]
    assert [one.state for one in again if isinstance(one, Report)] == ["unchanged"] * 3
    assert (library.catalogue.generation(), read) == (generation, [])
    assert states(library, *everything, again=True) == ["unchanged"] * 3


def test_the_same_content_is_stored_once_with_all_its_sources(make_library: Make, files: Path) -> None:
    library = make_library()
    shutil.copy(files / "a.txt", files / "copy.txt")
    one, two = put(library, files / "a.txt", files / "copy.txt")
    assert (one.state, two.state, one.document_id) == ("added", "duplicate", two.document_id)
    (summary,) = library.catalogue.summaries()
    assert summary.sources == (str(files / "a.txt"), str(files / "copy.txt"))
    assert library.catalogue.counts.all()[:2] == (1, 1)

    (files / "copy.txt").write_text("Pelicans sleep on one leg.")  # now they differ
    assert states(library, files / "a.txt", files / "copy.txt") == ["unchanged", "added"]
    assert {one.sources for one in library.catalogue.summaries()} == {
        (str(files / "a.txt"),),
        (str(files / "copy.txt"),),
    }
    (files / "copy.txt").write_text("Pelicans eat fish.")  # and are the same again
    assert states(library, files / "copy.txt") == ["duplicate"]
    assert library.catalogue.counts.all()[0] == 1


def test_the_first_of_two_sources_may_change_and_the_other_keeps_the_old_text(make_library: Make, files: Path) -> None:
    library = make_library()
    shutil.copy(files / "a.txt", files / "copy.txt")
    old = put(library, files / "a.txt", files / "copy.txt")[0].document_id
    (files / "a.txt").write_text("Pelicans nest in colonies.")
    assert states(library, files / "a.txt", files / "copy.txt") == ["added", "unchanged"]
    kept = library.catalogue.summary(old)
    assert kept is not None
    assert kept.sources == (str(files / "copy.txt"),)
    assert sorted(found(library, "pelicans")) == ["a.txt", "copy.txt"]


def test_a_copy_keeps_what_its_original_loses_to_an_edit(make_library: Make, files: Path) -> None:
    library = make_library()
    put(library, files / "a.txt")
    shutil.copy(files / "a.txt", files / "copy.txt")
    (files / "a.txt").write_text("Herons eat frogs.")
    put(library, files / "a.txt", files / "copy.txt")
    assert found(library, "pelicans") == ["copy.txt"]
    assert found(library, "herons") == ["a.txt"]


def test_files_that_change_places_keep_their_documents(make_library: Make, files: Path) -> None:
    library = make_library()
    put(library, files / "a.txt", files / "b.txt")
    before = {one.sources: one.id for one in library.catalogue.summaries()}
    (files / "a.txt").rename(files / "aside")
    (files / "b.txt").rename(files / "a.txt")
    (files / "aside").rename(files / "b.txt")
    assert states(library, files / "a.txt", files / "b.txt") == ["duplicate", "duplicate"]
    after = {one.sources: one.id for one in library.catalogue.summaries()}
    assert set(before.values()) == set(after.values())
    assert before[(str(files / "a.txt"),)] == after[(str(files / "b.txt"),)]


def test_reading_again_keeps_twins_together_under_their_id(make_library: Make, files: Path) -> None:
    library = make_library()
    shutil.copy(files / "a.txt", files / "copy.txt")
    both = (files / "a.txt", files / "copy.txt")
    before = put(library, *both)[0].document_id
    put(library, *both, again=True)
    (summary,) = library.catalogue.summaries()
    assert (summary.id, summary.sources) == (before, tuple(map(str, both)))


def test_a_file_joins_no_document_that_has_gone(make_library: Make, files: Path) -> None:
    library = make_library()
    generation = library.catalogue.generation()
    assert library.catalogue.sources.join([("gone", Origin(str(files / "a.txt")))]) == set()
    assert library.catalogue.generation() == generation


def test_a_changed_file_replaces_its_document_in_one_step_under_the_same_id(make_library: Make, files: Path) -> None:
    library = make_library()
    before = put(library, files / "a.txt")[0]
    generation = library.catalogue.generation()
    (files / "a.txt").write_text("Herons eat frogs.")
    (after,) = put(library, files / "a.txt")
    assert (after.state, after.document_id) == ("replaced", before.document_id)
    assert library.catalogue.generation() == generation + 1
    assert found(library, "pelicans") == []


def test_a_bad_file_never_stops_the_others_and_keeps_what_it_had(make_library: Make, files: Path) -> None:
    library = make_library()
    put(library, *sorted(files.iterdir()))
    (files / "b.txt").write_bytes(b"\xff\xff\xff")
    outcomes = {
        request.path.name: one
        for request, one in library.ingest.run(
            [FileRequest(one, str(one)) for one in (*sorted(files.iterdir()), files / "none.txt")]
        )
    }
    assert isinstance(outcomes["b.txt"], DocumentError)
    assert isinstance(outcomes["none.txt"], DocumentError)
    assert isinstance(outcomes["c.txt"], Report)
    assert found(library, "glaciers") == ["b.txt"]


def test_originals_are_kept_and_go_with_the_last_document_of_that_content(make_library: Make, files: Path) -> None:
    library = make_library()
    shutil.copy(files / "a.txt", files / "copy.txt")
    report = put(library, files / "a.txt", files / "copy.txt")[0]
    original = library.catalogue.sources.original(report.document_id)
    assert original is not None
    assert (original.name, original.bytes) == ("a.txt", b"Pelicans eat fish.")
    assert originals(library) == [hashlib.sha256(b"Pelicans eat fish.").hexdigest()]
    assert library.catalogue.sources.let_go(str(files / "a.txt"))
    assert library.catalogue.sources.original(report.document_id) is not None
    assert library.catalogue.sources.let_go(str(files / "copy.txt"))
    assert not library.catalogue.sources.let_go(str(files / "copy.txt"))
    assert (originals(library), library.catalogue.counts.all()[0]) == ([], 0)
    put(library, files / "b.txt")
    (files / "b.txt").write_text("Replaced.")
    put(library, files / "b.txt")
    assert originals(library) == [hashlib.sha256(b"Replaced.").hexdigest()]
    library.catalogue.remove(library.catalogue.document_ids()[0])
    assert originals(library) == []


def test_a_stored_file_that_was_changed_is_noticed_and_a_backup_holds_the_files(
    make_library: Make, files: Path, tmp_path: Path
) -> None:
    library = make_library()
    report = put(library, files / "a.txt")[0]
    backup(library.catalogue, tmp_path / "copy.qa")
    with library.catalogue.write() as connection:
        connection.exec_driver_sql("UPDATE originals SET bytes = x'00'")
    assert any("a.txt is not the one that came in" in problem for problem in verify(library.catalogue, tmp_path))
    restore(library.catalogue, tmp_path / "copy.qa", replace=True)
    original = library.catalogue.sources.original(report.document_id)
    assert original is not None
    assert original.bytes == b"Pelicans eat fish."


def originals(library: Library) -> list[str]:
    with library.catalogue.read() as connection:
        return [row[0] for row in connection.exec_driver_sql("SELECT sha256 FROM originals")]


def test_originals_are_not_kept_when_that_is_not_wanted(make_library: Make, files: Path) -> None:
    library = make_library(originals=False)
    report = put(library, files / "a.txt")[0]
    assert library.catalogue.sources.original(report.document_id) is None
    assert library.catalogue.summaries()[0].kept is False


def test_a_file_that_changes_while_it_is_read_is_refused_and_the_others_are_stored(
    make_library: Make, files: Path
) -> None:
    library = make_library()

    def change(request: FileRequest, stage: str, share: float) -> None:
        if request.path.name == "b.txt" and stage == "reading" and share == 1.0:
            (files / "b.txt").write_text("Written meanwhile.")

    requests = [FileRequest(one, str(one)) for one in sorted(files.iterdir())]
    outcomes = {request.path.name: outcome for request, outcome in library.ingest.run(requests, Listener(change))}
    assert {name: type(one) for name, one in outcomes.items()} == {
        "a.txt": Report,
        "b.txt": DocumentError,
        "c.txt": Report,
    }
    assert "was changed while it was read" in str(outcomes["b.txt"])


def test_an_api_document_of_the_same_name_is_left_alone(make_library: Make, files: Path) -> None:
    library = make_library()
    library.builder.put(from_text("From a program.", title="t", id="mine", source=str(files / "a.txt")))
    put(library, files / "a.txt")
    library.catalogue.sources.let_go(str(files / "a.txt"))
    assert library.catalogue.document_ids() == ["mine"]


def test_filters_narrow_before_ranking(make_library: Make) -> None:
    library = make_library()
    made = [
        from_text(
            f"The pelican of island {n} eats fish number {n}.",
            title=f"d{n}",
            id=f"d{n}",
            tags=("rare", "bird") if n % 100 == 7 else ("bird",),
            collection="north" if n % 2 else "south",
            dated=f"20{n % 20:02d}-03-04" if n % 3 else "",
            media_type="application/pdf" if n % 5 == 0 else "text/plain",
        )
        for n in range(600)
    ]
    assert all(isinstance(one, Report) for one in library.builder.put_all(made))

    def ids(top_k: int = 100, **given: object) -> list[Document]:
        answer = library.answerer.ask("pelican island fish", top_k, chosen=Filter(**given))  # type: ignore[arg-type]
        by_id = {one.id: one for one in made}
        return [by_id[one.citation.document_id] for one in answer.passages]

    assert len(ids(5, tags=("rare",))) == 5  # one in a hundred, and the list is still full
    assert len(ids(tags=("rare", "bird"))) == 6
    assert {one.collection for one in ids(collections=("north",))} == {"north"}
    assert {one.media_type for one in ids(types=("pdf",))} == {"application/pdf"}
    assert ids(types=("PDF", "txt"))
    assert {one.dated[:4] for one in ids(after="2005", before="2006")} == {"2005", "2006"}
    assert {one.dated for one in ids(before="2001-03-04")} == {"2000-03-04", "2001-03-04"}
    assert ids(tags=("none",)) == ids(documents=("d1",), collections=("south",)) == []
    assert [one.id for one in ids(documents=("d1", "d2"), collections=("north",))] == ["d1"]


@pytest.mark.parametrize("date", ["yesterday", "2024-1-1", "24", "2024-01-01T00"])
def test_a_date_of_another_form_is_refused(date: str) -> None:
    with pytest.raises(QAError, match="not a date"):
        Filter(after=date)
    with pytest.raises(QAError, match="no type"):
        Filter(types=("pdff",))


def test_labels_stay_when_a_document_is_replaced_and_change_without_reading(make_library: Make, files: Path) -> None:
    library = make_library()
    put(library, files / "a.txt", collection="birds", tags=("x", "y"))
    (files / "a.txt").write_text("Herons eat frogs.")
    put(library, files / "a.txt")
    (summary,) = library.catalogue.summaries()
    assert (summary.collection, summary.tags) == ("birds", ("x", "y"))
    assert states(library, files / "a.txt", tags=("z",)) == ["unchanged"]
    assert library.catalogue.summaries()[0].tags == ("z",)
    assert not library.catalogue.label("nobody", "c", None)


def test_a_moved_document_keeps_its_id_and_a_new_file_in_its_place_gets_another(
    make_library: Make, files: Path
) -> None:
    library = make_library()
    first = put(library, files / "a.txt")[0].document_id
    (files / "a.txt").rename(files / "moved.txt")
    put(library, files / "moved.txt")
    library.catalogue.sources.let_go(str(files / "a.txt"))
    assert library.catalogue.document_ids() == [first]
    (files / "a.txt").write_text("Something else.")
    second = put(library, files / "a.txt")[0].document_id
    (files / "moved.txt").write_text("Pelicans swim.")
    assert put(library, files / "moved.txt")[0].document_id == first != second
