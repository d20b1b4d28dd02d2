"""The library in a program of one's own: `from qa import open_library`."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

import qa
from index.errors import DocumentError, IndexLocked, IndexMissing, QAError, UsageError
from qa import Library, open_library
from qa.types import Turn
from tests.conftest import ROOT, SEED, Server, environment
from tests.test_answer import assert_verbatim

QUESTION = "Who would monitor the ceasefire?"
AWAY = "/no/such/model"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    """The seed document, in a library without a model."""
    with open_library(tmp_path / "data", model=AWAY) as opened:
        opened.add(SEED)
        yield opened


def test_importing_the_package_imports_nothing_heavy() -> None:
    script = "import qa, sys; assert not {'numpy', 'pydantic', 'sqlalchemy', 'torch'} & set(sys.modules); qa.Library"
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, env=environment(), check=True)


def test_the_package_has_no_other_names() -> None:
    with pytest.raises(AttributeError, match="open_libary"):
        qa.open_libary  # type: ignore[attr-defined]  # noqa: B018


@pytest.mark.model
def test_a_question_is_answered_by_words_and_meaning(tmp_path: Path) -> None:
    with open_library(str(tmp_path / "data")) as library:
        library.add(str(SEED.parent))
        answer = library.ask(QUESTION, top_k=2)
        assert (answer.retrieval, answer.answerable, len(answer.passages)) == ("hybrid", True, 2)
        assert library.model_away is None
        assert_verbatim(answer, library.text(answer.passages[0].citation.document_id))


def test_without_the_model_keywords_answer_and_it_is_said(library: Library) -> None:
    answer = library.ask(QUESTION)
    assert answer.retrieval == "bm25"
    assert AWAY in (library.model_away or "")
    assert_verbatim(answer, SEED.read_text(encoding="utf-8"))


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60).filter(str.strip))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_any_text_is_answered_verbatim_or_refused_clearly(library: Library, question: str) -> None:
    try:
        answer = library.ask(question)
    except UsageError:  # a control character that Python takes for a character
        return
    assert_verbatim(answer, library.text(library.documents()[0].id))


def test_a_follow_up_takes_earlier_questions_turns_or_answers(library: Library) -> None:
    first = library.ask(QUESTION)
    turn = Turn(first.question, tuple(passage.id for passage in first.passages))
    by_answer, by_turn = (library.ask("And how large is it?", history=[one]) for one in (first, turn))
    assert by_answer.effective_question == by_turn.effective_question
    assert library.ask("And how large is it?", history=[QUESTION]).effective_question


def test_a_folder_is_taken_in_and_a_bad_file_does_not_stop_the_others(tmp_path: Path) -> None:
    papers = tmp_path / "papers"
    papers.mkdir()
    (papers / "birds.txt").write_text("Pelicans eat fish.")
    (papers / "bad.txt").write_bytes(b"\xff\xfe\xfa")
    (papers / "left.md").write_text("Left out.")
    with open_library(tmp_path / "data", model=AWAY) as library:
        added = library.add(papers, collection="work", tags=["bird"], ignore=["*.md"])
        assert [one.title for one in added.documents] == ["birds"]
        assert ["bad.txt" in one.message for one in added.failed] == [True]
        (stored,) = library.documents()
        assert (stored.collection, stored.tags) == ("work", ("bird",))
        assert [one.state for one in library.add(papers / "birds.txt").documents] == ["unchanged"]


@pytest.mark.parametrize("name", ["none.txt", "empty"])
def test_when_nothing_could_be_taken_in_it_is_an_error(tmp_path: Path, library: Library, name: str) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(DocumentError):
        library.add(tmp_path / name)


def test_a_text_is_added_found_by_its_labels_replaced_and_removed(library: Library) -> None:
    given: dict[str, Any] = {"title": "Birds", "id": "birds", "collection": "zoo", "dated": "2024-05-01"}
    report = library.add_text("Pelicans eat fish.", tags=["bird"], metadata={"shelf": 3}, source="zoo/1", **given)
    assert (report.document_id, report.state) == ("birds", "added")
    choices: list[dict[str, Any]] = [
        {"document_ids": ["birds"]},
        {"collections": ["zoo"]},
        {"tags": ["bird"]},
        {"after": "2024", "before": "2024-06"},
    ]
    for narrowed in choices:
        (passage,) = library.ask("What do pelicans eat?", **narrowed).passages
        assert (passage.text, passage.citation.source) == ("Pelicans eat fish.", "zoo/1")
    assert library.add_text("Pelicans eat chips.", **given).state == "replaced"
    assert library.text("birds") == "Pelicans eat chips."
    assert library.text("birds", 13, 18) == "chips"
    assert library.remove("birds")
    assert not library.remove("birds")
    with pytest.raises(UsageError, match="no document 'birds'"):
        library.text("birds")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"question": "  "}, "question: is empty"),
        ({"question": "x" * 2001}, "question: .* 2000 characters"),
        ({"question": "a\0b"}, "question: .*NUL"),
        ({"question": "a\udcff"}, "question: .*unicode"),
        ({"top_k": 0}, "top_k"),
        ({"mode": "magic"}, "mode"),
        ({"tags": "one"}, "tags: .*list"),
        ({"types": ["tiff"]}, "types: 'tiff'"),
        ({"after": "May"}, "after"),
        ({"history": [" "]}, r"history\[0\].question: is empty"),
        ({"history": ["And?"] * 51}, "history"),
        ({"document_ids": ["nothing"]}, "no document 'nothing'"),
    ],
)
def test_what_cannot_be_asked_is_refused_by_name(library: Library, given: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words) as refused:
        library.ask(**{"question": QUESTION} | given)
    assert refused.value.hint


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"text": " "}, "text: is empty"),
        ({"text": "a\udcff"}, "characters that are not text"),
        ({"id": "a/b"}, "id"),
        ({"metadata": {"nan": float("nan")}}, "metadata: holds a number"),
        ({"tags": "one"}, "tags: .*list"),
        ({"dated": "2024"}, "dated"),
    ],
)
def test_what_cannot_be_stored_is_refused_by_name(library: Library, given: dict[str, Any], words: str) -> None:
    with pytest.raises((UsageError, DocumentError), match=words):
        library.add_text(**{"text": "Pelicans eat fish."} | given)
    assert len(library.documents()) == 1


def test_an_empty_library_says_that_nothing_is_indexed(tmp_path: Path) -> None:
    with open_library(tmp_path / "data", model=AWAY) as library, pytest.raises(IndexMissing):
        library.ask(QUESTION)


def test_settings_are_checked_when_it_is_opened(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="'modle'"):
        open_library(tmp_path / "data", modle="x")
    with pytest.raises(QAError, match="QA_PASSAGE_PIECES"):
        open_library(tmp_path / "data", passage_pieces=1)
    with pytest.raises(IndexMissing):
        open_library(tmp_path / "none", make=False)
    assert list(tmp_path.iterdir()) == []


def test_once_closed_it_says_so(library: Library) -> None:
    library.close()
    library.close()
    for use in (
        lambda: library.ask(QUESTION),
        library.documents,
        lambda: library.add(SEED),
        lambda: library.remove("x"),
    ):
        with pytest.raises(UsageError, match="was closed"):
            use()


def test_many_threads_ask_and_add_at_the_same_time(library: Library) -> None:
    def work(number: int) -> str:
        library.add_text(f"Owl {number} sleeps in barn {number}.", id=f"owl-{number}")
        return library.ask(f"Where does owl {number} sleep?", document_ids=[f"owl-{number}"]).passages[0].text

    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(work, range(24))) == [f"Owl {number} sleeps in barn {number}." for number in range(24)]
    assert len(library.documents()) == 25


def test_while_another_process_writes_it_is_refused_and_still_answers(tmp_path: Path, library: Library) -> None:
    script = (
        "import sys; from qa import open_library; library = open_library(sys.argv[1])\n"
        "with library._opened.catalogue.lock.held(): print('held', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "data")]
    given = environment(QA_MODEL=AWAY)
    with subprocess.Popen(
        command, cwd=ROOT, env=given, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout
        assert other.stdout.readline() == "held\n"
        with pytest.raises(IndexLocked, match=f"process {other.pid} is writing"):
            library.add_text("Pelicans eat fish.")
        assert library.ask(QUESTION).passages
    assert library.add_text("Pelicans eat fish.").state == "added"


@pytest.mark.server
def test_beside_a_running_service_each_sees_what_the_other_writes(start: Callable[..., Server], tmp_path: Path) -> None:
    server = start(QA_MODEL=AWAY)
    with open_library(tmp_path / "served", model=AWAY) as library:
        assert library.documents()[0].title.startswith("US pushes")
        library.add_text("Pelicans eat fish.", id="birds")
        _, answer = server.get("/ask?q=What+do+pelicans+eat%3F")
        assert answer["passages"][0]["text"] == "Pelicans eat fish."
        body = {"documents": [{"id": "owls", "title": "Owls", "text": "Owls sleep in barns."}]}
        server.get("/documents?wait=true", body)
        assert library.ask("Where do owls sleep?").passages[0].text == "Owls sleep in barns."
