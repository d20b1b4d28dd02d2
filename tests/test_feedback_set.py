"""Feedback as an eval set: what is gold, what becomes of it when documents change, and the command that writes it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from eval.dataset import Gold
from eval.formats import lines
from index.feedback import Place
from index.load import from_text
from index.types import Document
from qa.config import settings
from qa.wire import Library, open_library
from tests.birds import BIRDS, FISH, eval_set, gold_of, put_birds, said
from tests.conftest import SEED, qa


@pytest.fixture
def birds(library: Library) -> Library:
    """The seed document and one about birds."""
    return put_birds(library)


@pytest.fixture
def service(birds: Library, client: TestClient) -> TestClient:
    """The service over these documents."""
    return client


def test_the_helpful_passages_of_a_question_are_its_gold(service: TestClient) -> None:
    for body in (
        said("Who eats?", history=["Birds?"]),
        said("Who eats?", history=["Birds?"], passage={"document_id": "birds"} | FISH),
        said("Who eats?", history=["Birds?"], helpful=False, passage={"document_id": "birds", "start": 0, "end": 8}),
        said("Who eats?"),
    ):
        assert service.post("/feedback", json=body).status_code == 201
    after, alone = eval_set(service)
    assert (after.question, after.history, after.kind) == ("Who eats?", ("Birds?",), "feedback")
    chips = Gold("papers/birds.txt", 19, 35, "Gulls eat chips.")
    assert after.gold == (chips, Gold("papers/birds.txt", 0, 18, "Pelicans eat fish."))
    assert (alone.history, alone.gold) == ((), (chips,))
    assert len({after.id, alone.id}) == 2
    assert [one.id for one in eval_set(service)] == [after.id, alone.id]


def test_a_question_that_nothing_answers_has_no_gold(service: TestClient) -> None:
    service.post("/feedback", json=said("Who?", helpful=False))
    assert eval_set(service) == []  # this passage is not the answer; another one may be
    service.post("/feedback", json=said("Who?", helpful=False, passage=None))
    (question,) = eval_set(service)
    assert (question.question, question.gold, question.answerable) == ("Who?", (), False)
    service.post("/feedback", json=said("Who?", passage={"document_id": "birds"} | FISH))
    (question,) = eval_set(service)
    assert [gold.text for gold in question.gold] == ["Pelicans eat fish."]


def test_a_text_without_a_source_is_called_by_its_id(service: TestClient, birds: Library) -> None:
    birds.builder.put(from_text("Cats sleep.", title="Cats", id="cats"))
    service.post("/feedback", json=said("Who sleeps?", passage={"document_id": "cats", "start": 0, "end": 11}))
    assert gold_of(service) == [Gold("cats", 0, 11, "Cats sleep.")]


def test_a_program_may_ask_for_the_eval_set_by_media_type(service: TestClient) -> None:
    service.post("/feedback", json=said())
    accepted = service.get("/feedback", headers={"accept": "application/jsonl"})
    assert accepted.text == service.get("/feedback?format=jsonl").text
    assert accepted.headers["vary"] == "Accept"
    listed = service.get("/feedback?format=json", headers={"accept": "application/jsonl"})
    assert listed.json()["total"] == 1


def test_no_character_of_a_question_breaks_a_line(service: TestClient) -> None:
    question = 'a\nb\r\u2028c\u0085 "d" \\ \x1b[31m \U0001f41f <script> \'; DROP TABLE feedback; --'
    assert service.post("/feedback", json=said(question)).status_code == 201
    (line,) = service.get("/feedback?format=jsonl").text.splitlines()
    assert line.isascii()
    assert json.loads(line)["question"] == question


# Documents that change and go


@pytest.mark.parametrize(
    ("text", "span"),
    [
        (BIRDS, (19, 35)),
        ("Penguins dance too\nGulls eat chips. So they do.", (19, 35)),
        ("In short:\n" + BIRDS, (29, 45)),
        ("Gulls eat chips.", (0, 16)),
        ("𝔹irds: Gulls eat chips.", (7, 23)),
        ("Penguins dance too\nGulls eat chips.\nGulls eat chips.", (19, 35)),  # where it stood, it stands
        ("Well:\nGulls eat chips.\nGulls eat chips.", None),
        ("Gulls eat fries.", None),
        ("Gulls  eat chips.", None),
    ],
)
def test_a_passage_is_gold_where_it_still_stands_word_for_word(
    service: TestClient, birds: Library, text: str, span: tuple[int, int] | None
) -> None:
    service.post("/feedback", json=said())
    put_birds(birds, text)
    assert service.get("/feedback").json()["total"] == 1
    assert [(gold.start, gold.end) for gold in gold_of(service)] == ([span] if span else [])
    assert all(text[gold.start : gold.end] == gold.text for gold in gold_of(service))


def test_what_has_gone_from_the_text_does_not_make_its_question_unanswerable(
    service: TestClient, birds: Library
) -> None:
    service.post("/feedback", json=said(helpful=False, passage=None))
    service.post("/feedback", json=said())
    put_birds(birds, "Gulls eat fries.")
    assert eval_set(service) == []
    put_birds(birds, BIRDS)
    assert len(gold_of(service)) == 1


def test_a_passage_that_has_moved_and_is_judged_again_counts_once(service: TestClient, birds: Library) -> None:
    service.post("/feedback", json=said())
    put_birds(birds, "In short:\n" + BIRDS)
    moved = {"document_id": "birds", "start": 29, "end": 45}
    service.post("/feedback", json=said(passage=moved))
    assert len(gold_of(service)) == 1
    service.post("/feedback", json=said(passage=moved, helpful=False))
    assert eval_set(service) == []


def test_replacing_over_http_keeps_feedback_and_removing_takes_it_along(service: TestClient) -> None:
    service.post("/feedback", json=said())
    service.post("/feedback", json=said("Where is Rome?", helpful=False, passage=None))
    service.put("/documents/birds", json={"title": "Birds", "text": f"Notes. {BIRDS}"})
    assert [(gold.start, gold.text) for gold in gold_of(service)] == [(26, "Gulls eat chips.")]
    service.delete("/documents/birds")
    kept = service.get("/feedback").json()["feedback"]
    assert [one["question"] for one in kept] == ["Where is Rome?"]
    service.post("/documents?wait=true", json={"documents": [{"id": "birds", "title": "Birds", "text": BIRDS}]})
    assert service.get("/feedback").json()["total"] == 1


# The command


def test_the_command_counts_and_exports(tmp_path: Path, seed: Document) -> None:
    where = {"QA_DATA": str(tmp_path / "data"), "QA_MODEL": "/no/such/model"}
    qa("index", str(SEED), **where)
    counted = json.loads(qa("feedback", "--json", **where).stdout)
    assert set(counted.values()) == {0}
    library = open_library(settings(data=tmp_path / "data", model="/no/such/model"))
    feedback = library.catalogue.feedback
    feedback.put("Who would monitor it?", (), True, Place(seed.id, 1148, 1316))
    feedback.put("Who would monitor it?", (), False, Place(seed.id, 0, 20))
    feedback.put("Where is Rome?", ("Who?",), False, None)
    library.close()
    counted = json.loads(qa("feedback", "--json", **where).stdout)
    assert counted == {
        "helpful": 1,
        "not_helpful": 1,
        "nothing_helps": 1,
        "no_longer_in_the_text": 0,
        "questions": 2,
        "answerable": 1,
        "unanswerable": 1,
    }
    assert "nothing helps          1\n" in qa("feedback", **where).stdout
    file = tmp_path / "set.jsonl"
    assert qa("feedback", "--export", str(file), **where).stdout == f"2 questions in {file}\n"
    one, other = lines.load(file)
    assert (one.question, [gold.document for gold in one.gold]) == ("Who would monitor it?", [seed.source])
    assert (other.question, other.history, other.gold) == ("Where is Rome?", ("Who?",), ())
    assert qa("feedback", "--export", "-", **where).stdout == file.read_text()
    failed = qa("feedback", "--export", str(tmp_path), **where)
    assert (failed.returncode, "cannot be written" in failed.stderr) == (1, True)


def test_the_command_needs_a_library(tmp_path: Path) -> None:
    done = qa("feedback", QA_DATA=str(tmp_path / "none"))
    assert (done.returncode, "nothing is indexed" in done.stderr) == (1, True)
