"""The documents of a set as a library: told apart by name, and kept no longer than they are of use."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from eval.dataset import EvalSet, Folder, Gold, Question
from eval.formats.quotations import quotation
from eval.judge import first_right
from eval.library import names, opened, placed, text_of
from eval.systems import SYSTEMS, Asker
from index.errors import DocumentError
from index.load import from_text
from qa.config import Settings, settings
from qa.wire import Library

Make = Callable[..., Library]


@pytest.fixture
def notes(make_library: Make) -> Library:
    """Two documents of one source, one of another, one of none."""
    library = make_library()
    for name, source, text in (
        ("1", "notes.txt", "Gulls eat chips."),
        ("2", "notes.txt", "Crabs eat seaweed."),
        ("3", "cats.txt", "Cats sleep all day."),
        ("4", "", "Dogs bark."),
    ):
        library.builder.put(from_text(text, title="", source=source, id=name))
    return library


def test_documents_that_share_a_source_are_called_by_their_ids(notes: Library) -> None:
    assert names(notes) == {"1": "1", "2": "2", "3": "cats.txt", "4": "4"}
    assert [text_of(notes)(name, 0, 4) for name in ("1", "2", "cats.txt", "4")] == ["Gull", "Crab", "Cats", "Dogs"]


def test_gold_of_a_shared_source_is_that_of_the_document_with_its_words(notes: Library) -> None:
    questions = (
        Question("1", "What do crabs eat?", gold=(Gold("notes.txt", 10, 17, "seaweed"),)),
        Question("2", "What do gulls eat?", gold=(quotation("chips", "notes.txt"),)),
        Question("3", "Who eats?", relevant={"notes.txt": 2, "cats.txt": 0}),
    )
    crabs, gulls, both = placed(questions, notes)
    assert crabs.gold == (Gold("2", 10, 17, "seaweed"),)
    assert gulls.gold == (Gold("1", 10, 15, "chips"),)
    assert both.relevant == {"1": 2, "2": 2, "cats.txt": 0}
    with pytest.raises(DocumentError, match=r"1: notes\.txt\[0:5\] is not 'Goats'"):
        placed((Question("1", "Who?", gold=(Gold("notes.txt", 0, 5, "Goats"),)),), notes)


def test_a_passage_of_the_other_document_of_that_source_is_wrong(notes: Library) -> None:
    gold = (quotation("Crabs eat seaweed", "notes.txt"),)
    asked = placed(tuple(Question(one, f"What do {one} eat?", gold=gold) for one in ("crabs", "gulls")), notes)
    rows = list(Asker(notes, SYSTEMS["bm25"]).ask(asked))
    assert [row.passages[0].document for row in rows] == ["2", "1"]
    assert [first_right(question, row) for question, row in zip(asked, rows, strict=True)] == [True, False]


@pytest.mark.model
def test_of_a_folder_that_changes_the_latest_copy_alone_is_kept(tmp_path: Path) -> None:
    cache, folders = tmp_path / "cache", [tmp_path / "birds", tmp_path / "cats"]
    cache.mkdir()
    for shared in settings().cache.glob("model-*"):  # converted once
        (cache / shared.name).symlink_to(shared)
    chosen = settings(cache=cache)
    for folder in folders:
        folder.mkdir()
        (folder / "a.txt").write_text("Gulls eat chips.")
    birds, cats = (made_of(folder, chosen) for folder in folders)
    assert made_of(folders[0], chosen) == birds
    (folders[0] / "b.txt").write_bytes(b"\xff")
    with pytest.raises(DocumentError):
        made_of(folders[0], chosen)
    assert birds.exists()  # the new one is not complete
    (folders[0] / "b.txt").write_text("Cats sleep.")
    changed = made_of(folders[0], chosen)
    assert list(changed.parent.iterdir()) == [changed]
    assert changed.parent == birds.parent
    assert cats.exists()


def made_of(folder: Path, chosen: Settings) -> Path:
    """The folder of the library that is made of a folder."""
    library = opened(EvalSet("set", (), Folder(folder)), chosen)
    library.close()
    return library.settings.data
