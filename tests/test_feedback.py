"""Feedback as the catalogue keeps it: with its document, found again in a text that has changed, and looked after."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.care import backup, restore, verify
from index.catalogue import FILE
from index.errors import DocumentError
from index.feedback import Place, found_again
from index.ingest import FileRequest
from index.types import Span
from qa.wire import Library
from tests.birds import BIRDS, put_birds
from tests.postgres import on_both  # noqa: F401 - a fixture
from tests.test_care import FORMAT1

Make = Callable[..., Library]


@pytest.fixture
def birds(library: Library) -> Library:
    """The seed document and one about birds."""
    return put_birds(library)


def test_that_all_of_it_helps_is_no_judgement(birds: Library) -> None:
    with pytest.raises(ValueError, match="passage"):
        birds.catalogue.feedback.put("Who?", (), True, None)


def test_a_document_removed_while_it_is_judged_is_told(birds: Library) -> None:
    with pytest.raises(DocumentError, match="no document 'none'") as raised:
        birds.catalogue.feedback.put("Who?", (), True, Place("none", 0, 5))
    assert raised.value.hint


def test_a_file_that_is_gone_takes_its_feedback_along(library: Library, tmp_path: Path) -> None:
    file = tmp_path / "birds.txt"
    file.write_text(BIRDS)
    report = library.ingest.one(FileRequest(file, "birds.txt"))
    library.catalogue.feedback.put("Who?", (), True, Place(report.document_id, 0, 18))
    file.write_text(f"News.\n{BIRDS}")
    assert library.ingest.one(FileRequest(file, "birds.txt")).document_id == report.document_id
    (one,) = library.catalogue.feedback.standing()
    assert (one.document, one.span) == ("birds.txt", Span(6, 24))
    assert library.catalogue.sources.let_go("birds.txt")
    assert library.catalogue.feedback.standing() == []


def places(quote: str, text: str) -> Iterator[int]:
    return (start for start in range(len(text)) if text[start : start + len(quote)] == quote)


@given(
    text=st.text("ab ", max_size=30),
    quote=st.text("ab ", min_size=1, max_size=4),
    start=st.integers(min_value=0, max_value=40),
)
def test_a_quote_is_found_where_it_was_or_where_it_is_alone(text: str, quote: str, start: int) -> None:
    found, everywhere = found_again(quote, start, text), list(places(quote, text))
    if start in everywhere:
        assert found == Span(start, start + len(quote))
    elif len(everywhere) == 1:
        assert found == Span(everywhere[0], everywhere[0] + len(quote))
    else:
        assert found is None


@pytest.mark.parametrize("kept_in", ["file"], indirect=True)
def test_a_backup_has_it_and_verify_checks_it(birds: Library, make_library: Make) -> None:
    birds.catalogue.feedback.put("What do gulls eat?", (), True, Place("birds", 19, 35))
    birds.catalogue.feedback.put("Where is Rome?", (), False, None)
    copy = birds.catalogue.folder.parent / "copy.qa"
    backup(birds.catalogue, copy)
    other = make_library(name="other")
    restore(other.catalogue, copy)
    assert other.catalogue.feedback.standing() == birds.catalogue.feedback.standing()
    assert list(verify(other.catalogue, other.engine_folder)) == []
    with other.catalogue.note() as connection:
        connection.exec_driver_sql("UPDATE feedback SET quote = 'Gulls eat people.'")
    (problem,) = verify(other.catalogue, other.engine_folder)
    assert "quotes what does not stand there" in problem


@pytest.mark.parametrize("kept_in", ["file"], indirect=True)
def test_a_catalogue_of_the_first_version_takes_feedback(tmp_path: Path, make_library: Make) -> None:
    (tmp_path / "old").mkdir()
    shutil.copy(FORMAT1, tmp_path / "old" / FILE)
    library = make_library(name="old")
    assert library.catalogue.feedback.latest(10) == (0, [])
    kept = library.catalogue.feedback.put("When do ferries leave?", (), True, Place("ferry", 0, 5))
    assert library.catalogue.feedback.latest(10) == (1, [kept])
    assert list(verify(library.catalogue, library.engine_folder)) == []
    library.catalogue.remove("ferry")
    assert library.catalogue.feedback.latest(10) == (0, [])


def test_making_the_index_anew_leaves_it_alone(birds: Library) -> None:
    kept = birds.catalogue.feedback.put("Who?", (), True, Place("birds", 0, 18))
    list(birds.builder.refit({"chunking": "64/0"}))
    birds.catalogue.compact()
    assert birds.catalogue.feedback.latest(10) == (1, [kept])
