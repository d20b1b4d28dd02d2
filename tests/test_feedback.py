"""Feedback: what people say of passages, kept with them, and read again as an eval set."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from eval.dataset import Gold, Question
from eval.formats import lines
from index.care import backup, restore, verify
from index.catalogue import FILE
from index.errors import DocumentError
from index.feedback import Place, found_again
from index.ingest import FileRequest
from index.load import from_text
from index.types import Document, Span
from qa import types
from qa.api import create_app
from qa.config import settings
from qa.examples import FEEDBACK
from qa.schemas import AskRequest
from qa.wire import Library, open_library
from tests.conftest import SEED, qa
from tests.test_care import FORMAT1

Make = Callable[..., Library]
BIRDS = "Pelicans eat fish.\nGulls eat chips."
FISH, CHIPS = {"start": 0, "end": 18}, {"start": 19, "end": 35}


@pytest.fixture
def birds(library: Library) -> Library:
    library.builder.put(from_text(BIRDS, title="Birds", source="papers/birds.txt", id="birds"))
    return library


@pytest.fixture
def service(birds: Library, client: TestClient) -> TestClient:
    """The seed document and one about birds."""
    return client


def said(question: str = "What do gulls eat?", helpful: bool = True, **given: Any) -> dict[str, Any]:
    return {"question": question, "helpful": helpful, "passage": {"document_id": "birds"} | CHIPS} | given


def eval_set(service: TestClient) -> list[Question]:
    """The exported lines as the questions of an eval set; a missing or unknown field is an error."""
    reply = service.get("/feedback?format=jsonl")
    assert (reply.status_code, reply.headers["content-type"]) == (200, "application/jsonl")
    return [
        Question(**line | {"gold": tuple(Gold(**one) for one in line["gold"]), "history": tuple(line["history"])})
        for line in map(json.loads, reply.text.splitlines())
    ]


def gold_of(service: TestClient) -> list[Gold]:
    return [gold for question in eval_set(service) for gold in question.gold]


# Given, listed, taken back


def test_what_is_said_is_kept_with_the_words_that_it_is_said_of(service: TestClient, birds: Library) -> None:
    reply = service.post("/feedback", json=said(history=["Who eats?"]))
    assert reply.status_code == 201
    kept = reply.json()
    assert (kept["question"], kept["history"], kept["helpful"]) == ("What do gulls eat?", ["Who eats?"], True)
    assert (kept["passage"]["document_id"], kept["passage"]["quote"]) == ("birds", "Gulls eat chips.")
    document = birds.catalogue.document("birds")
    assert document
    assert kept["passage"]["sha256"] == document.sha256
    assert service.get("/feedback").json() == {"total": 1, "feedback": [kept]}


def test_the_passage_of_an_answer_can_be_judged_by_its_citation(service: TestClient) -> None:
    question = "Who would monitor the ceasefire?"
    for passage in service.post("/ask", json={"question": question, "top_k": 7}).json()["passages"]:
        cited = {name: passage["citation"][name] for name in ("document_id", "start", "end")}
        reply = service.post("/feedback", json=said(question, passage=cited))
        assert reply.json()["passage"]["quote"] == passage["text"]


def test_the_examples_of_the_description_are_accepted(service: TestClient) -> None:
    described = service.get("/openapi.json").json()["paths"]["/feedback"]
    assert set(described["get"]["responses"]["200"]["content"]) == {"application/json", "application/jsonl"}
    examples = described["post"]["requestBody"]["content"]["application/json"]["examples"]
    assert examples.keys() == FEEDBACK.keys()
    for example in examples.values():
        assert service.post("/feedback", json=example["value"]).status_code == 201
    marked = "Instead, the US would take a central role in leading a ceasefire monitoring"
    assert gold_of(service)[0].text.startswith(marked)


def test_saying_it_twice_keeps_one_and_changing_ones_mind_keeps_the_last(service: TestClient) -> None:
    first, second, changed = (service.post("/feedback", json=said(helpful=one)).json() for one in (True, True, False))
    assert first["id"] == second["id"] == changed["id"]
    assert changed["judged_at"] >= second["judged_at"] >= first["judged_at"]
    assert service.get("/feedback").json() == {"total": 1, "feedback": [changed]}


def test_another_question_history_or_passage_is_judged_apart(service: TestClient) -> None:
    bodies = [
        said(),
        said("What do gulls eat"),
        said(history=["And?"]),
        said(passage={"document_id": "birds"} | FISH),
        said(helpful=False, passage=None),
    ]
    ids = [service.post("/feedback", json=one).json()["id"] for one in bodies]
    assert len(set(ids)) == len(bodies)
    listed = service.get("/feedback?limit=2&offset=1").json()
    assert (listed["total"], [one["id"] for one in listed["feedback"]]) == (5, ids[3:1:-1])


def test_the_history_may_be_that_of_a_question_with_what_was_shown(service: TestClient) -> None:
    plain = service.post("/feedback", json=said(history=["Who eats?"])).json()
    shown = service.post("/feedback", json=said(history=[{"question": "Who eats?", "passages": ["birds:0-18"]}])).json()
    assert plain["id"] == shown["id"]


def test_what_is_taken_back_is_gone(service: TestClient) -> None:
    kept = service.post("/feedback", json=said()).json()
    assert service.delete(f"/feedback/{kept['id']}").json() == {"removed": kept["id"]}
    assert service.get("/feedback").json()["total"] == 0
    assert eval_set(service) == []
    again = service.delete(f"/feedback/{kept['id']}")
    assert (again.status_code, again.json()["error"]["code"]) == (404, "not_found")


def test_two_who_say_the_same_at_once_keep_one_row(service: TestClient, make_library: Make) -> None:
    with TestClient(create_app(make_library())) as other, ThreadPoolExecutor(8) as pool:  # of the same folder

        def click(number: int) -> dict[str, Any]:
            reply = (service, other)[number % 2].post("/feedback", json=said(helpful=number % 3 == 0))
            assert reply.status_code == 201
            return dict(reply.json())

        kept = max(pool.map(click, range(40)), key=lambda one: one["judged_at"])
        for one in (service, other):
            assert one.get("/feedback").json() == {"total": 1, "feedback": [kept]}


def test_nothing_is_searched_anew_and_no_writer_waited_for(
    service: TestClient, birds: Library, make_library: Make
) -> None:
    stamp = birds.catalogue.stamp()
    with make_library().catalogue.lock.held():  # as by `qa index` in another process
        kept = service.post("/feedback", json=said())
        assert kept.status_code == 201
        assert service.delete(f"/feedback/{kept.json()['id']}").status_code == 200
    assert birds.catalogue.stamp() == stamp


# Refused


def test_a_passage_that_is_not_stored_is_refused(service: TestClient) -> None:
    unknown = service.post("/feedback", json=said(passage={"document_id": "none", "start": 0, "end": 5}))
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "not_found")
    for start, end in ((19, 36), (35, 40), (2**31, 2**31), (18, 19)):  # the last of them is a line break
        reply = service.post("/feedback", json=said(passage={"document_id": "birds", "start": start, "end": end}))
        assert reply.status_code == 422, (start, end)
        assert reply.json()["error"]["hint"]
    assert service.get("/feedback").json()["total"] == 0


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"passage": None}, "the request body: names no passage"),
        ({"question": " "}, "question: is empty"),
        ({"question": "x" * 2001}, "question: String should have at most 2000 characters"),
        ({"question": "half \ud800"}, "question: Input should be a valid string"),
        ({"question": "nul \0"}, "question: holds a NUL character"),
        ({"helpful": "yes"}, "helpful: Input should be a valid boolean"),
        ({"helpful": 1}, "helpful: Input should be a valid boolean"),
        ({"helpful": None}, "helpful: Input should be a valid boolean"),
        ({"history": ["x"] * 51}, "history: List should have at most 50 items"),
        ({"history": ["x" * 2001]}, "history[0].question: String should have at most 2000"),
        ({"history": [["Who?"]]}, "history[0]: "),
        ({"passage": "birds:0-18"}, "passage: "),
        ({"passage": {"document_id": "birds"}}, "passage.start: Field required"),
        ({"passage": {"document_id": "birds", "start": -1, "end": 5}}, "passage.start: "),
        ({"passage": {"document_id": "birds", "start": True, "end": 5}}, "passage.start: "),
        ({"passage": {"document_id": "birds", "start": "0", "end": 5}}, "passage.start: "),
        ({"passage": {"document_id": "birds", "start": 0, "end": 10**30}}, "passage.end: "),
        ({"passage": {"document_id": "birds", "start": 5, "end": 5}}, "passage: is empty"),
        ({"passage": {"document_id": "birds", "start": 9, "end": 5}}, "passage: is empty"),
        ({"passage": {"document_id": "birds", "start": 0, "end": 20_001}}, "passage: is empty, or longer than 20,000"),
        ({"passage": {"document_id": "x" * 201, "start": 0, "end": 5}}, "passage.document_id: "),
        ({"passage": {"document_id": "birds", "start": 0, "end": 5, "quote": "lies"}}, "passage.quote: Extra inputs"),
        ({"id": "mine"}, "id: Extra inputs are not permitted"),
    ],
)
def test_what_does_not_fit_is_refused_with_what_is_wrong(
    service: TestClient, changed: dict[str, Any], message: str
) -> None:
    body = json.dumps(said() | changed)
    reply = service.post("/feedback", content=body, headers={"content-type": "application/json"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")
    assert reply.json()["error"]["message"].startswith(message)
    assert len(reply.content) < 1000


@pytest.mark.parametrize("missing", ["question", "helpful", "passage"])
def test_what_is_left_out_is_not_guessed(service: TestClient, missing: str) -> None:
    reply = service.post("/feedback", json={name: value for name, value in said().items() if name != missing})
    assert (reply.status_code, reply.json()["error"]["message"]) == (422, f"{missing}: Field required")


def test_pages_of_other_sites_can_neither_say_nor_take_back(service: TestClient) -> None:
    kept = service.post("/feedback", json=said()).json()
    foreign: tuple[dict[str, str], ...] = ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"})
    for headers in foreign:
        for reply in (
            service.post("/feedback", json=said(helpful=False), headers=headers),
            service.delete(f"/feedback/{kept['id']}", headers=headers),
        ):
            assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden")
    assert service.get("/feedback").json()["feedback"] == [kept]


@pytest.mark.parametrize("query", ["format=xml", "limit=0", "limit=1001", "offset=-1", "offset=99999999999999999999"])
def test_a_list_that_cannot_be_made_is_refused(service: TestClient, query: str) -> None:
    assert service.get(f"/feedback?{query}").json()["error"]["code"] == "invalid_request"


def test_that_all_of_it_helps_is_no_judgement(birds: Library) -> None:
    with pytest.raises(ValueError, match="passage"):
        birds.catalogue.feedback.put("Who?", (), True, None)


def test_a_document_removed_while_it_is_judged_is_told(birds: Library) -> None:
    with pytest.raises(DocumentError, match="no document 'none'") as raised:
        birds.catalogue.feedback.put("Who?", (), True, Place("none", 0, 5))
    assert raised.value.hint


# The eval set


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


def replaced(birds: Library, text: str) -> None:
    birds.builder.put(from_text(text, title="Birds", source="papers/birds.txt", id="birds"))


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
    replaced(birds, text)
    assert service.get("/feedback").json()["total"] == 1
    assert [(gold.start, gold.end) for gold in gold_of(service)] == ([span] if span else [])
    assert all(text[gold.start : gold.end] == gold.text for gold in gold_of(service))


def test_what_has_gone_from_the_text_does_not_make_its_question_unanswerable(
    service: TestClient, birds: Library
) -> None:
    service.post("/feedback", json=said(helpful=False, passage=None))
    service.post("/feedback", json=said())
    replaced(birds, "Gulls eat fries.")
    assert eval_set(service) == []
    replaced(birds, BIRDS)
    assert len(gold_of(service)) == 1


def test_a_passage_that_has_moved_and_is_judged_again_counts_once(service: TestClient, birds: Library) -> None:
    service.post("/feedback", json=said())
    replaced(birds, "In short:\n" + BIRDS)
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


# Looked after


def test_a_backup_has_it_and_verify_checks_it(service: TestClient, birds: Library, make_library: Make) -> None:
    service.post("/feedback", json=said())
    service.post("/feedback", json=said("Where is Rome?", helpful=False, passage=None))
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


# History with what was shown


def test_a_turn_may_name_the_passages_that_were_shown(service: TestClient) -> None:
    turns = ["Who eats?", {"question": "And?", "passages": ["birds:0-18", "отчёт=2024:19-35"]}]
    assert service.post("/ask", json={"question": "What did they eat?", "history": turns}).status_code == 200
    history = AskRequest.model_validate({"question": "Why?", "history": turns}).history
    assert [turn.turn() for turn in history] == [
        types.Turn("Who eats?"),
        types.Turn("And?", ("birds:0-18", "отчёт=2024:19-35")),
    ]


@pytest.mark.parametrize(
    "passages",
    [
        ["birds"],
        ["birds:0"],
        [":0-18"],
        ["birds:0-18\n"],
        ["bi\0rds:0-18"],
        ["birds:-1-18"],
        ["birds:١-٢"],
        ["birds:0-99999999999"],
        ["x" * 300 + ":0-18"],
        ["birds:0-18"] * 21,
        [{"document_id": "birds"}],
        "birds:0-18",
    ],
)
def test_what_is_no_passage_id_is_refused(service: TestClient, passages: object) -> None:
    history = [{"question": "Who eats?", "passages": passages}]
    reply = service.post("/ask", json={"question": "And?", "history": history})
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")
    assert reply.json()["error"]["message"].startswith("history[0].passages")
