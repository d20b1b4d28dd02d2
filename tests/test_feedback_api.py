"""Feedback over HTTP: given, listed, taken back, and refused; history with what was shown."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from fastapi.testclient import TestClient

from qa import types
from qa.api import create_app
from qa.examples import FEEDBACK
from qa.schemas import AskRequest
from qa.wire import Library
from tests.birds import CHIPS, FISH, eval_set, gold_of, put_birds, said

Make = Callable[..., Library]


@pytest.fixture
def birds(library: Library) -> Library:
    """The seed document and one about birds."""
    return put_birds(library)


@pytest.fixture
def service(birds: Library, client: TestClient) -> TestClient:
    """The service over these documents."""
    return client


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


def test_what_was_read_may_be_sent_with_it(service: TestClient) -> None:
    cited = {"document_id": "birds"} | CHIPS
    replies = [
        service.post("/feedback", json=said(passage=cited | {"quote": quote})) for quote in ("Gulls eat chips.", None)
    ]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].json()["id"] == replies[1].json()["id"]


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


@pytest.mark.parametrize("text", ["Pelicans eat fish.\nGulls eat bread.", "Gulls eat chips."])
def test_what_is_said_of_a_text_that_was_replaced_is_refused(service: TestClient, birds: Library, text: str) -> None:
    put_birds(birds, text)
    cited = {"document_id": "birds"} | CHIPS | {"quote": "Gulls eat chips."}
    reply = service.post("/feedback", json=said(passage=cited))
    assert (reply.status_code, reply.json()["error"]) == (
        409,
        {
            "code": "conflict",
            "message": "the document has changed since it was cited",
            "hint": "Ask again, and judge what it says now.",
        },
    )
    assert service.get("/feedback").json()["total"] == 0
    assert "409" in service.get("/openapi.json").json()["paths"]["/feedback"]["post"]["responses"]


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
        ({"passage": {"document_id": "birds", "start": 0, "end": 5, "text": "lies"}}, "passage.text: Extra inputs"),
        (
            {"passage": {"document_id": "birds", "start": 0, "end": 5, "quote": "x" * 20_001}},
            "passage.quote: String should have at most 20000 characters",
        ),
        ({"passage": {"document_id": "birds", "start": 0, "end": 5, "quote": 7}}, "passage.quote: "),
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
