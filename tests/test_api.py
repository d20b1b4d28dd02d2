"""HTTP through the real application."""

from __future__ import annotations

import json
from collections.abc import Callable
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient

from eval.formats import open_set
from index.types import Document
from qa.api import create_app
from qa.types import Answer, Citation, Highlight, RankedPassage, Scores
from qa.wire import Library
from tests.conftest import SEED
from tests.test_answer import assert_verbatim


def answer_of(body: dict[str, object]) -> Answer:
    """The JSON of a reply as the dataclasses that it was made from; a missing or unknown field is an error."""
    passages = [
        RankedPassage(
            **one
            | {
                "scores": Scores(**one["scores"]),
                "highlights": [Highlight(**mark) for mark in one["highlights"]],
                "citation": Citation(**one["citation"]),
            }
        )
        for one in body["passages"]  # type: ignore[attr-defined]
    ]
    return Answer(**body | {"passages": passages})  # type: ignore[arg-type]


def test_ask_by_post_and_by_get_are_the_same(client: TestClient, seed: Document) -> None:
    posted = client.post("/ask", json={"question": "Who would monitor the ceasefire?", "top_k": 2}).json()
    got = client.get("/ask", params={"q": "Who would monitor the ceasefire?", "top_k": 2}).json()
    timeless = {"took_ms": 0, "stages_ms": {}}
    assert posted | timeless == got | timeless
    assert posted["retrieval"] == "hybrid"
    assert posted["passages"][0]["citation"]["document_id"] == seed.id
    assert len(posted["passages"]) == 2


def test_every_answer_to_the_eval_set_is_verbatim_over_http(client: TestClient, seed: Document) -> None:
    stored = client.get(f"/documents/{seed.id}/text")
    assert stored.headers["content-type"] == "text/plain; charset=utf-8"
    assert stored.content == SEED.read_bytes()
    assert stored.headers["x-document-sha256"] == seed.sha256
    for question in open_set("seeds", None).questions:
        reply = client.post("/ask", json={"question": question.question, "top_k": 10})
        assert reply.status_code == 200
        assert_verbatim(answer_of(reply.json()), stored.text)


def test_a_follow_up_shows_its_effective_question(client: TestClient) -> None:
    for history in (["Who is Merz?"], [{"question": "Who is Merz?"}]):
        body = client.post("/ask", json={"question": "What did he say?", "history": history}).json()
        assert (body["question"], body["effective_question"]) == ("What did he say?", "Who is Merz? What did he say?")


def test_a_turn_may_tell_which_passages_were_shown(client: TestClient) -> None:
    shelf = {f"d{number}": f"Shelf {number} holds a globe." for number in range(6)}
    made = [{"id": name, "title": "", "text": text} for name, text in shelf.items()]
    client.post("/documents?wait=true", json={"documents": made})
    first = client.post("/ask", json={"question": "Who is Merz?", "top_k": 1}).json()
    asked = {"question": "Which shelf holds a globe?"}
    effective = {}
    for document, shown in (("seed", first["passages"][0]["id"]), ("d3", f"d3:0-{len(shelf['d3'])}")):
        turn = {"question": "Who is Merz?", "passages": [shown]}
        effective[document] = client.post("/ask", json=asked | {"history": [turn]}).json()["effective_question"]
    assert effective == {"seed": asked["question"], "d3": "Who is Merz? Which shelf holds a globe?"}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "question: Field required"),
        ({"question": ""}, "question: is empty"),
        ({"question": " \n\t "}, "question: is empty"),
        ({"question": "x" * 1_000_000}, "question: String should have at most 2000 characters"),
        ({"question": 42}, "question: Input should be a valid string"),
        ({"question": None}, "question: Input should be a valid string"),
        ({"question": ["who"]}, "question: Input should be a valid string"),
        ({"question": "half \ud800"}, "question: Input should be a valid string"),
        ({"question": "nul \0"}, "question: holds a NUL character"),
        ({"question": "who", "top_k": 0}, "top_k: Input should be greater than or equal to 1"),
        ({"question": "who", "top_k": -1}, "top_k: Input should be greater than or equal to 1"),
        ({"question": "who", "top_k": 10_000}, "top_k: Input should be less than or equal to 100"),
        ({"question": "who", "top_k": True}, "top_k: Input should be a valid integer"),
        ({"question": "who", "mode": "magic"}, "mode: Input should be 'hybrid', 'dense' or 'bm25'"),
        ({"question": "who", "topk": 3}, "topk: Extra inputs are not permitted"),
        ({"question": "who", "history": "before"}, "history: Input should be a valid list"),
        ({"question": "who", "history": [""]}, "history[0].question: is empty"),
        ({"question": "who", "history": [7]}, "history[0]: "),
        (
            {"question": "who", "history": [{"question": "?", "passages": ["a"]}]},
            "history[0].passages[0]: String should",
        ),
        ({"question": "who", "history": [{"question": "?", "shown": []}]}, "history[0].shown: Extra inputs"),
        ({"question": "who", "document_ids": ["\ud800"]}, "document_ids[0]: Input should be a valid string"),
        ({"question": "who", "f[oo": 1}, "f[oo: Extra inputs are not permitted"),
        ([], "the request body: "),
        ("who", "the request body: "),
    ],
)
def test_a_bad_question_is_refused_with_what_is_wrong_and_a_hint(
    client: TestClient, body: object, message: str
) -> None:
    reply = client.post("/ask", content=json.dumps(body), headers={"content-type": "application/json"})
    assert reply.status_code == 422
    error = reply.json()["error"]
    assert error["code"] == "invalid_request"
    assert error["message"].startswith(message)
    assert error["hint"]
    assert len(reply.content) < 1000


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"\xff\xfe\x00", "application/json"),
        (b"question=who", "application/x-www-form-urlencoded"),
        (b"who", "text/plain"),
    ],
)
def test_a_body_that_is_not_json_is_refused_in_the_same_shape(client: TestClient, content: bytes, kind: str) -> None:
    reply = client.post("/ask", content=content, headers={"content-type": kind})
    assert 400 <= reply.status_code < 500
    assert set(reply.json()["error"]) == {"code", "message", "hint"}


@pytest.mark.parametrize(
    "query", ["", "q=", "q=who&top_k=0", "q=who&top_k=many", "q=who&unknown=1", "q=who&mode=magic"]
)
def test_a_bad_address_is_refused_too(client: TestClient, query: str) -> None:
    reply = client.get(f"/ask?{query}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")


def test_another_host_name_is_refused_when_only_this_machine_is_served(library: Library) -> None:
    with TestClient(create_app(library, frozenset({"127.0.0.1", "[::1]"})), base_url="http://127.0.0.1:8000") as client:
        assert client.get("/documents").status_code == 200
        assert client.get("/documents", headers={"host": "[::1]:8000"}).status_code == 200
        for host in ("evil.example", "127.0.0.1.evil.example", ""):
            reply = client.get("/documents", headers={"host": host})
            assert (reply.status_code, reply.json()["error"]["code"]) == (421, "misdirected_request")


def test_unknown_addresses_and_methods_have_the_one_error_shape(client: TestClient) -> None:
    for reply, code in (
        (client.get("/nowhere"), "not_found"),
        (client.delete("/ask"), "method_not_allowed"),
        (client.get("/documents/none"), "not_found"),
        (client.get("/documents/none/text"), "not_found"),
        (client.delete("/documents/none"), "not_found"),
        (client.put("/documents/none", json={"text": "x"}), "not_found"),
        (client.post("/ask", json={"question": "who", "document_ids": ["none"]}), "not_found"),
    ):
        assert reply.json()["error"]["code"] == code
        assert reply.json()["error"]["hint"]


def test_documents_are_added_replaced_listed_and_removed(client: TestClient, seed: Document) -> None:
    birds = {
        "id": "birds-1",
        "title": "Birds",
        "text": "Pelicans eat fish.\nGulls eat chips.",
        "metadata": {"year": 2024},
    }
    added = client.post(
        "/documents?wait=true", json={"documents": [birds, {"title": "Cats", "text": "Cats sleep a lot."}]}
    )
    assert added.status_code == 201
    assert [one["state"] for one in added.json()["documents"]] == ["added", "added"]
    first = client.post("/ask", json={"question": "What do gulls eat?"}).json()["passages"][0]
    assert first["citation"]["document_id"] == "birds-1"
    assert first["highlights"][0]["text"] == "Gulls eat chips."
    assert client.get("/documents/birds-1").json()["metadata"] == {"year": 2024}

    again = client.post("/documents?wait=true", json={"documents": [birds]}).json()
    assert again["documents"][0]["state"] == "unchanged"
    replaced = client.put("/documents/birds-1", json={"title": "Birds", "text": "Herons eat frogs."}).json()
    assert replaced["documents"][0]["state"] == "replaced"
    assert replaced["generation"] == again["generation"] + 1
    assert "gulls" not in client.get("/documents/birds-1/text").text.lower()

    listed = client.get("/documents?limit=2").json()
    assert (listed["total"], len(listed["documents"])) == (3, 2)
    assert client.delete("/documents/birds-1").json()["removed"] == "birds-1"
    assert {one["title"] for one in client.get("/documents").json()["documents"]} == {"Cats", seed.title}


def test_an_id_in_any_script_works_in_an_address(client: TestClient) -> None:
    document = {"id": "отчёт=2024+a", "title": "t", "text": "Слово и дело."}
    client.post("/documents?wait=true", json={"documents": [document]})
    url = client.post("/ask", json={"question": "дело"}).json()["passages"][0]["citation"]["url"]
    assert client.get(url.partition("#")[0]).json()["id"] == "отчёт=2024+a"
    assert url.startswith(f"/documents/{quote('отчёт=2024+a', safe='')}#char=")


@pytest.mark.parametrize(
    "document",
    [
        {"title": "t", "text": ""},
        {"title": "t", "text": "  \n"},
        {"title": "t", "text": "nul \0"},
        {"title": "t"},
        {"title": "t", "text": 5},
        {"id": "a/b", "title": "t", "text": "x"},
        {"id": "..", "title": "t", "text": "x"},
        {"id": "", "title": "t", "text": "x"},
        {"id": "x" * 201, "title": "t", "text": "x"},
        {"title": "t" * 501, "text": "x"},
        {"title": "t", "text": "x", "unknown": 1},
        {"title": "t", "text": "x", "metadata": {"a": "\ud800"}},
        {"title": "t", "text": "x", "metadata": {"a": float("nan")}},
        {"title": "t", "text": "x", "metadata": {"a": json.loads("[" * 300 + "]" * 300)}},
        {"title": "t", "text": "x", "metadata": {"a": "x" * 70_000}},
    ],
)
def test_a_bad_document_is_refused_and_its_neighbours_are_not_stored(client: TestClient, document: object) -> None:
    before = client.get("/documents").json()
    body = json.dumps({"documents": [{"title": "fine", "text": "Fine text."}, document]})
    reply = client.post("/documents", content=body, headers={"content-type": "application/json"})
    assert reply.status_code == 422
    assert reply.json()["error"]["message"].startswith("documents[1]")
    assert client.get("/documents").json() == before


def test_nothing_indexed_names_the_command(make_library: Callable[..., Library]) -> None:
    with TestClient(create_app(make_library())) as client:
        reply = client.post("/ask", json={"question": "Who?"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (409, "index_missing")
        assert "qa index" in reply.json()["error"]["hint"]


def test_health_says_what_is_searched_and_how(client: TestClient, library: Library) -> None:
    body = client.get("/health").json()
    assert (body["status"], body["retrieval"], body["reason"]) == ("ok", "hybrid", None)
    assert (body["documents"], body["passages_not_embedded"]) == (1, 0)
    library.model.embedder, library.model.state, library.model.reason = None, "failed", "its file is gone"
    body = client.get("/health").json()
    assert (body["retrieval"], body["reason"], body["model"]["state"]) == ("bm25", "its file is gone", "failed")
    assert client.get("/ask?q=ceasefire").json()["retrieval"] == "bm25"


def test_a_failure_inside_is_a_reply_without_a_traceback_which_is_logged_once(
    library: Library, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qa.failures._told", {})
    client = TestClient(create_app(library), raise_server_exceptions=False)  # not started: nothing else has the file
    library.catalogue.close()
    for suffix in ("-wal", "-shm"):
        library.catalogue.path.with_name(library.catalogue.path.name + suffix).unlink(missing_ok=True)
    library.catalogue.path.write_bytes(b"overwritten by somebody " * 500)
    for _ in range(3):
        reply = client.get("/ask?q=ceasefire")
        assert (reply.status_code, reply.json()["error"]["code"]) == (503, "storage_error")
        assert "Traceback" not in reply.text
    told = [one for one in caplog.records if one.name == "qa.failures"]
    assert [bool(one.exc_info) for one in told] == [True, False, False]
    assert {one.getMessage() for one in told} == {reply.json()["error"]["message"]}


def test_a_browser_gets_the_page_and_a_program_the_facts(client: TestClient, seed: Document) -> None:
    page = client.get(f"/documents/{seed.id}", headers={"accept": "text/html,*/*"})
    assert page.headers["content-type"].startswith("text/html")
    assert client.get(f"/documents/{seed.id}").json()["sha256"] == seed.sha256
    assert client.get("/documents/none", headers={"accept": "text/html"}).status_code == 404
    assert page.headers["vary"] == client.get(f"/documents/{seed.id}").headers["vary"] == "Accept"


def test_even_an_unexpected_failure_keeps_the_shape_and_the_headers(client: TestClient, library: Library) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("secret detail")

    library.answerer._searcher.search = fail  # type: ignore[method-assign, assignment]
    reply = client.get("/ask?q=ceasefire")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in reply.text
    assert "default-src 'none'" in reply.headers["content-security-policy"]


def test_every_reply_has_a_strict_content_security_policy(client: TestClient) -> None:
    for path in ("/", "/docs", "/health", "/nowhere", "/web/app.js", "/favicon.ico"):
        headers = client.get(path).headers
        assert "default-src 'none'" in headers["content-security-policy"]
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["cross-origin-opener-policy"] == headers["cross-origin-resource-policy"] == "same-origin"


def test_only_the_page_with_swagger_may_write_html_or_show_pictures_from_within(client: TestClient) -> None:
    for path in ("/", "/library", "/docs", "/health", "/nowhere", "/web/app.js", "/documents/none"):
        policy = client.get(path, headers={"accept": "text/html"}).headers["content-security-policy"]
        trusted = {"require-trusted-types-for 'script'", "trusted-types 'none'"} <= set(policy.split("; "))
        assert (trusted, "data:" not in policy) == ((False, False) if path == "/docs" else (True, True))


def test_one_page_stands_for_all_of_the_chat(client: TestClient, seed: Document) -> None:
    page = client.get("/")
    assert page.headers["content-type"].startswith("text/html")
    for path, status in (("/library", 200), (f"/documents/{seed.id}", 200), ("/documents/none", 404)):
        reply = client.get(path, headers={"accept": "text/html"})
        assert (reply.status_code, reply.content) == (status, page.content)
    assert client.head("/library").status_code == 200


def test_the_description_holds_worked_examples(client: TestClient) -> None:
    described = client.get("/openapi.json").json()
    ask = described["paths"]["/ask"]["post"]
    for example in ask["requestBody"]["content"]["application/json"]["examples"].values():
        assert client.post("/ask", json=example["value"]).status_code == 200
    assert ask["responses"]["200"]["content"]["application/json"]["example"]["passages"][0]["citation"]["quote"]
    document = "/documents/{document_id}"
    assert {"/ask", "/documents", document, f"{document}/text", f"{document}/matches", "/labels", "/health"} <= set(
        described["paths"]
    )


def test_the_description_says_that_an_earlier_question_may_stand_alone(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    for request in ("AskRequest", "NewFeedback"):
        assert schemas[request]["properties"]["history"]["items"] == {"$ref": "#/components/schemas/Turn"}
    assert [one["type"] for one in schemas["Turn"]["anyOf"]] == ["string", "object"]
    assert schemas["Turn"]["anyOf"][1]["required"] == ["question"]
