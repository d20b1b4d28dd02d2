"""Documents over HTTP, as a library page and a reader ask for them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from index.load import from_text
from index.types import Document
from qa.api import create_app
from qa.wire import Library

SHELF: list[dict[str, Any]] = [
    {
        "id": "gulls",
        "title": "On Gulls",
        "source": "birds/Möwen 100%.txt",
        "collection": "Birds",
        "tags": ["sea", "chips"],
    },
    {"id": "herons", "title": "herons", "source": "herons_grey.txt", "collection": "Birds", "tags": ["sea"]},
    {"id": "cats", "title": "Cats", "source": "pets/cats.md", "tags": ["Straße"], "dated": "2024-03-01"},
]


@pytest.fixture
def shelf(client: TestClient) -> TestClient:
    """Three documents, put one after the other, beside the seed."""
    for one in SHELF:
        made = {"documents": [one | {"text": f"A text about {one['id']}."}]}
        assert client.post("/documents?wait=true", json=made).status_code == 201
    return client


def ids(client: TestClient, **query: object) -> list[str]:
    reply = client.get("/documents", params=query)  # type: ignore[arg-type]
    assert reply.status_code == 200, reply.text
    body = reply.json()
    assert body["total"] == len(body["documents"])
    return [one["id"] for one in body["documents"]]


def put(client: TestClient, text: str, name: str = "one") -> None:
    assert client.post("/documents?wait=true", json={"documents": [{"id": name, "text": text}]}).status_code == 201


# Text


MIXED = "\ufeffa\r\nß😀𝕬é\u2028 tail of it"


@pytest.fixture
def mixed(client: TestClient) -> TestClient:
    put(client, MIXED)
    return client


@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 30), st.integers(0, 30))
def test_part_of_a_text_is_that_slice_of_it(mixed: TestClient, start: int, end: int) -> None:
    for query, expected in (
        ({"start": start, "end": end}, MIXED[start:end]),
        ({"start": start}, MIXED[start:]),
        ({"end": end}, MIXED[:end]),
    ):
        assert mixed.get("/documents/one/text", params=query).content.decode() == expected


@pytest.mark.parametrize("query", ["", "?start=3&end=5", "?start=2147483648"])
def test_a_part_comes_with_the_measures_of_the_whole(mixed: TestClient, query: str) -> None:
    reply = mixed.get(f"/documents/one/text{query}")
    assert reply.headers["x-document-characters"] == str(len(MIXED))
    assert reply.headers["x-document-sha256"] == hashlib.sha256(MIXED.encode()).hexdigest()
    assert query or reply.content.decode() == MIXED


@pytest.mark.parametrize("query", ["start=-1", "end=-1", "start=a", "end=99999999999999999999", "start="])
def test_a_bad_range_is_refused(client: TestClient, seed: Document, query: str) -> None:
    reply = client.get(f"/documents/{seed.id}/text?{query}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")


# Matches


def test_words_are_found_in_a_text_over_line_breaks_and_case(client: TestClient) -> None:
    put(client, "\ufeffBig 😀 STRASSE\nwide. A big\n\n😀 straße  wide.")
    found = client.get("/documents/one/matches", params={"q": " 😀  Straße wide "}).json()
    assert found == {"total": 2, "matches": [{"start": 5, "end": 19}, {"start": 28, "end": 42}]}
    assert client.get("/documents/one/matches?q=none").json() == {"total": 0, "matches": []}


def test_matches_beyond_the_limit_are_counted_only(client: TestClient) -> None:
    put(client, "ab " * 50)
    found = client.get("/documents/one/matches?q=AB&limit=2").json()
    assert found == {"total": 50, "matches": [{"start": 0, "end": 2}, {"start": 3, "end": 5}]}


@pytest.mark.parametrize(
    "query", ["", "q=", "q=%20%0A", "q=nul%00", f"q={'x' * 201}", "q=a&limit=0", "q=a&limit=10001"]
)
def test_nothing_to_find_or_too_much_of_it_is_refused(client: TestClient, seed: Document, query: str) -> None:
    reply = client.get(f"/documents/{seed.id}/matches?{query}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")


def test_there_is_nothing_to_find_in_no_document(client: TestClient) -> None:
    reply = client.get("/documents/none/matches?q=a")
    assert (reply.status_code, reply.json()["error"]["code"]) == (404, "not_found")


# The list


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("GULLS", ["gulls"]),
        ("birds", ["gulls", "herons"]),
        ("sea chips", ["gulls"]),
        ("sea  cats", []),
        ("mo\u0308wen", ["gulls"]),  # as some systems write the ö of a file's name
        ("STRASSE", ["cats"]),
        ("100%", ["gulls"]),
        ("%", ["gulls"]),
        ("s_g", ["herons"]),
        ("_", ["herons"]),
        ("about", []),  # stands in the texts only
        (" ", ["cats", "gulls", "herons"]),
        (" ".join("abcdefghijklmnopqrstuvwxyz" * 3), []),
    ],
)
def test_a_list_is_narrowed_by_words(shelf: TestClient, seed: Document, words: str, expected: list[str]) -> None:
    assert sorted(one for one in ids(shelf, q=words) if one != seed.id) == expected


def test_a_list_is_narrowed_as_a_question_is(shelf: TestClient) -> None:
    assert ids(shelf, collections="Birds") == ["herons", "gulls"]
    assert ids(shelf, collections=["Birds", "none"], tags=["sea", "chips"]) == ["gulls"]
    assert ids(shelf, types="md") == []
    assert set(ids(shelf, types=["txt", "pdf"])) >= {"gulls", "herons", "cats"}
    assert ids(shelf, after="2024", before="2024") == ids(shelf, after="2024-03-01") == ["cats"]
    assert ids(shelf, document_ids=["cats", "none"]) == ["cats"]
    assert ids(shelf, q="birds", tags="chips", collections="none") == []


def test_a_list_comes_by_title_or_the_newest_first_and_in_parts(shelf: TestClient, seed: Document) -> None:
    assert ids(shelf) == ["cats", "herons", "gulls", seed.id]
    assert ids(shelf, order="added") == ["cats", "herons", "gulls", seed.id]
    page = shelf.get("/documents?order=added&limit=2&offset=1").json()
    assert (page["total"], [one["id"] for one in page["documents"]]) == (4, ["herons", "gulls"])
    beyond = shelf.get("/documents?q=birds&offset=5").json()
    assert beyond == {"total": 2, "documents": []}


@pytest.mark.parametrize(
    "query", ["order=size", "limit=0", "limit=1001", "offset=-1", "types=rtf", "after=May", f"q={'x' * 201}", "w=x"]
)
def test_a_bad_list_is_refused(client: TestClient, query: str) -> None:
    reply = client.get(f"/documents?{query}")
    assert (reply.status_code, reply.json()["error"]["code"]) == (422, "invalid_request")


def test_a_list_says_what_is_not_embedded_yet(make_library: Callable[..., Library], seed: Document) -> None:
    library = make_library(embedder=None)
    library.builder.put(seed)
    with TestClient(create_app(library)) as client:
        (listed,) = client.get("/documents").json()["documents"]
        assert listed["passages_not_embedded"] == listed["passages"] > 0
        assert client.get(f"/documents/{seed.id}").json() == listed


def test_a_list_says_that_all_is_embedded(client: TestClient) -> None:
    assert client.get("/documents").json()["documents"][0]["passages_not_embedded"] == 0


# Labels


def test_labels_are_counted_and_sorted(shelf: TestClient) -> None:
    shelf.patch("/documents/herons", json={"collection": "animals"})
    assert shelf.get("/labels").json() == {
        "collections": [{"name": "animals", "documents": 1}, {"name": "Birds", "documents": 1}],
        "tags": [
            {"name": "chips", "documents": 1},
            {"name": "sea", "documents": 2},
            {"name": "Straße", "documents": 1},
        ],
        "types": [{"name": "txt", "documents": 4}],
    }


def test_an_empty_library_has_no_labels(make_library: Callable[..., Library]) -> None:
    with TestClient(create_app(make_library())) as client:
        assert client.get("/labels").json() == {"collections": [], "tags": [], "types": []}


def test_a_type_without_a_short_name_stays_as_it_is(client: TestClient, library: Library) -> None:
    strange = replace(from_text("x = 1", title="t", id="strange"), media_type="text/x-python")
    library.builder.put(strange)
    types = client.get("/labels").json()["types"]
    assert types == [{"name": "text/x-python", "documents": 1}, {"name": "txt", "documents": 1}]


# What makes a label look like another is left out


def test_labels_lose_what_turns_or_hides_letters_and_the_text_nothing(client: TestClient) -> None:
    text = "\ufeffinvoice \u202efdp.exe\u2028 is a name."
    given = {
        "id": "one",
        "title": "invoice \u202efdp.exe\n(\u2066new\u2069)",
        "source": "\u200bin\x1b\x9b/a.txt",
        "text": text,
    }
    labels = {"collection": "\u202dBills\u202c", "tags": ["\u200fpaid", "paid", "\ufeff"]}
    stored = {
        "title": "invoice fdp.exe (new)",
        "source": "in/a.txt",
        "sources": ["in/a.txt"],
        "collection": "Bills",
        "tags": ["paid"],
    }
    reply = client.post("/documents?wait=true", json={"documents": [given | labels]})
    assert reply.json()["files"][0]["name"] == reply.json()["documents"][0]["title"] == stored["title"]
    assert client.get("/documents/one").json().items() >= stored.items()
    assert client.get("/documents/one/text").content.decode() == text
    again = client.post("/documents?wait=true", json={"documents": [given | labels]})
    assert again.json()["documents"][0]["state"] == "unchanged"
    put_anew = {key: value for key, value in given.items() if key != "id"} | {"text": text + "!"}
    assert client.put("/documents/one", json=put_anew).json()["documents"][0]["title"] == stored["title"]
    patched = client.patch("/documents/one", json=labels).json()
    assert patched.items() >= stored.items()


def test_letters_that_need_a_joiner_keep_it(client: TestClient) -> None:
    title = "می\u200cخواهم 👩\u200d🚒 क्\u200dष"
    client.post("/documents?wait=true", json={"documents": [{"id": "one", "title": title, "text": "A text."}]})
    assert client.get("/documents/one").json()["title"] == title


@pytest.mark.parametrize(
    ("text", "title"), [("\u202eRight\u202c to left\nand on.", "Right to left"), ("\u200b\nOn.", "one")]
)
def test_a_title_of_nothing_else_is_none(client: TestClient, text: str, title: str) -> None:
    client.post("/documents?wait=true", json={"documents": [{"id": "one", "title": "\u202e\u2066", "text": text}]})
    assert client.get("/documents/one").json()["title"] == title


def test_titles_and_headings_in_files_are_labels_too(client: TestClient, library: Library) -> None:
    page = "<!doctype html><title>invoice \u202efdp.exe</title><h1>A \u2067bill</h1><p>To be paid.</p>"
    files = [("files", ("a.html", page.encode(), "text/html"))]
    (report,) = client.post("/documents?wait=true", files=files).json()["documents"]
    assert report["title"] == "invoice fdp.exe"
    (stored,) = library.catalogue.passages_of(report["document_id"])
    assert stored.passage.heading == "A bill"
    assert "A \u2067bill" in client.get(f"/documents/{report['document_id']}/text").text


# Pages


def test_the_pages_of_a_document_without_any_are_none(client: TestClient, library: Library) -> None:
    put(client, "One page. Two page.")
    assert client.get("/documents/one/pages").json() == []
    library.builder.put(replace(from_text("One page. Two page.", title="t", id="two"), pages=(0, 10)))
    assert client.get("/documents/two/pages").json() == [
        {"page": 1, "start": 0, "end": 10},
        {"page": 2, "start": 10, "end": 19},
    ]
    assert client.get("/documents/none/pages").json()["error"]["code"] == "not_found"


# Removed


def test_a_question_to_a_removed_document_names_it(shelf: TestClient) -> None:
    shelf.delete("/documents/cats")
    reply = shelf.post("/ask", json={"question": "What is it about?", "document_ids": ["gulls", "cats"]})
    assert reply.status_code == 404
    assert reply.json()["error"]["code"] == "not_found"
    assert reply.json()["error"]["message"] == "there is no document 'cats'; GET /documents lists them"


def test_the_documents_of_a_question_are_looked_up_together(shelf: TestClient, library: Library) -> None:
    asked: list[str] = []
    sa.event.listen(library.catalogue.database.pool, "before_cursor_execute", lambda *given: asked.append(given[2]))
    body = {"question": "What is it about?", "document_ids": ["gulls"] * 500 + ["cats"] * 500}
    assert shelf.post("/ask", json=body).status_code == 200
    assert len(asked) < 20
