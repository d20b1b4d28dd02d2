"""Odd questions, histories, filters, offsets, headers: never a failure of the service, never a reply out of shape."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlsplit

import jsonschema  # type: ignore[import-untyped]
import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from index.load import load_file
from index.types import Document
from qa.api import create_app
from qa.config import settings as configured
from qa.wire import open_library
from tests.conftest import SEED, HashEmbedder

Reply = Any
CASES = settings(
    max_examples=60,
    derandomize=True,
    database=None,
    deadline=None,
)

TEXT = st.text(max_size=40) | st.sampled_from(
    [
        "ceasefire",
        "Ukraine army",
        " ",
        "\x00",
        "\ufeff",
        "\u202e",
        "a\u0301" * 30,
        "𝔸" * 40,
        "%00",
        "' OR 1=1 --",
        "NEAR(",
        '"',
        "*",
    ]
)
IDS = st.sampled_from(["{id}", "..", ".", "%2e%2e", "a/b", "null", "", "-1", "\x00"]) | TEXT
NUMBERS = st.integers(-(2**70), 2**70) | st.sampled_from([0, 1, 2, 100, 2**31, 2**31 + 1, 2**63])
DATES = st.sampled_from(["", "2024", "2024-13", "0000", "2024-02-31", "٢٠٢٤", "2024-1", "9999-99-99"]) | TEXT
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.floats() | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=12,
)
TURNS = (
    TEXT
    | st.fixed_dictionaries(
        {"question": TEXT}, optional={"passages": st.lists(TEXT | st.just("{id}:0-10"), max_size=5)}
    )
    | JUNK
)
FILTERS = st.fixed_dictionaries(
    {},
    optional={
        "document_ids": st.none() | st.lists(IDS, max_size=4) | JUNK,
        "collections": st.lists(TEXT, max_size=3) | JUNK,
        "tags": st.lists(TEXT, max_size=3) | JUNK,
        "types": st.lists(st.sampled_from(["pdf", "txt", "text/plain", ".TXT", "/"]) | TEXT, max_size=3) | JUNK,
        "after": DATES | JUNK,
        "before": DATES | JUNK,
    },
)
"""Also what no description allows."""


class Asked:
    """A client that holds every reply to the description."""

    def __init__(self, client: TestClient, seed: Document) -> None:
        self.client = client
        self.seed = seed
        self.described = client.get("/openapi.json").json()

    def __call__(self, operation: str, path: str, **given: Any) -> Reply:
        """Send it, and check the reply against the description of the operation, such as `POST /ask`."""
        method, template = operation.split(" ")
        reply = self.client.request(method, path, **given)
        in_shape(self.described, template, method, reply)
        return reply

    def named(self, value: Any) -> Any:
        """`{id}` in what is sent stands for the document's."""
        if isinstance(value, str):
            return value.replace("{id}", self.seed.id)
        if isinstance(value, list):
            return [self.named(one) for one in value]
        return {name: self.named(one) for name, one in value.items()} if isinstance(value, dict) else value


def in_shape(described: dict[str, Any], template: str, method: str, reply: Reply) -> None:
    """The status is one of those described, and the body is as described for it. Never is it a failure of ours."""
    assert reply.status_code < 500, reply.text
    told = described["paths"][template][method.lower()]["responses"]
    assert str(reply.status_code) in told, (reply.status_code, reply.text)
    kind = reply.headers["content-type"].partition(";")[0]
    content = told[str(reply.status_code)]["content"]
    assert kind in content, kind
    if kind == "application/json":
        schema = content[kind]["schema"] | {"components": described["components"]}
        jsonschema.Draft202012Validator(schema).validate(reply.json())


def is_an_error(reply: Reply) -> None:
    error = reply.json()["error"]
    assert error.keys() == {"code", "message", "hint"}
    assert error["code"]
    assert error["message"]
    assert "Traceback" not in reply.text


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Asked]:
    """One service over the seed document; after all that is sent it still answers a plain question."""
    library = open_library(configured(data=tmp_path_factory.mktemp("fuzzed")), make=True)
    library.model.embedder, library.model.state, library.model.reason = HashEmbedder(), "ready", None
    seed = load_file(SEED, "seeds/000_695fc2132dea3454.txt")
    library.builder.put(seed)
    with TestClient(create_app(library), raise_server_exceptions=False) as client:
        yield (made := Asked(client, seed))
        assert made("POST /ask", "/ask", json={"question": "Who would monitor the ceasefire?"}).json()["answerable"]
    library.close()


def sent(value: Any) -> dict[str, Any]:
    """Any value as JSON, also NaN, and half of a surrogate pair as an escape."""
    return {"content": json.dumps(value).encode(), "headers": {"content-type": "application/json"}}


@CASES
@given(
    history=st.lists(TURNS, max_size=5) | JUNK,
    filters=FILTERS,
    question=TEXT,
    more=st.dictionaries(TEXT, JUNK, max_size=1),
)
def test_any_question_history_and_filter_is_answered_or_refused(
    asked: Asked, history: Any, filters: dict[str, Any], question: str, more: dict[str, Any]
) -> None:
    body = asked.named({"question": question, "history": history} | filters | more)
    reply = asked("POST /ask", "/ask", **sent(body))
    if reply.status_code == 200:
        chosen = body.get("document_ids")
        assert all(chosen is None or one["citation"]["document_id"] in chosen for one in reply.json()["passages"])


@CASES
@given(question=TEXT, mode=st.sampled_from(["hybrid", "dense", "bm25"]) | JUNK, top_k=NUMBERS | JUNK)
def test_any_mode_and_number_of_passages_is_taken_or_refused(
    asked: Asked, question: str, mode: Any, top_k: Any
) -> None:
    reply = asked("POST /ask", "/ask", **sent({"question": question, "mode": mode, "top_k": top_k}))
    if reply.status_code == 200:
        assert len(reply.json()["passages"]) <= top_k


QUERIES = st.lists(
    st.tuples(
        st.sampled_from(
            "q top_k history document_ids collections tags types after before mode limit offset order start end width"
            " format wait".split()
        ),
        TEXT | NUMBERS.map(str) | DATES,
    ),
    max_size=6,
)


@CASES
@given(pairs=QUERIES, template=st.sampled_from(["/ask", "/documents", "/jobs", "/feedback", "/labels"]))
def test_any_query_is_answered_or_refused(asked: Asked, pairs: list[tuple[str, str]], template: str) -> None:
    asked(f"GET {template}", template + "?" + encoded(pairs))


def encoded(pairs: list[tuple[str, str]]) -> str:
    return "&".join(f"{name}={quote(value, safe='')}" for name, value in pairs)


@CASES
@given(start=NUMBERS | TEXT, end=NUMBERS | TEXT)
def test_any_offsets_cut_out_what_stands_there(asked: Asked, start: Any, end: Any) -> None:
    seed = asked.seed
    template = "/documents/{document_id}/text"
    path = f"/documents/{seed.id}/text?{encoded([('start', str(start)), ('end', str(end))])}"
    reply = asked(f"GET {template}", path)
    if reply.status_code == 200:
        assert reply.content.decode() == seed.text[int(start) : int(end)]


@CASES
@given(
    part=st.sampled_from(
        ["", "/text", "/matches", "/pages", "/original", "/pages/{number}.png", "/pages/{number}/mark"]
    ),
    document_id=IDS,
    number=NUMBERS,
    pairs=QUERIES,
)
def test_any_part_of_any_document_is_shown_or_refused(
    asked: Asked, part: str, document_id: str, number: int, pairs: list[tuple[str, str]]
) -> None:
    name = quote(asked.named(document_id).strip("./") or "x", safe="")
    if "/" in asked.named(document_id):
        name = "x"  # a slash, however it is written, parts an address
    path = f"/documents/{name}{part.replace('{number}', str(number))}?{encoded(pairs)}"
    asked(f"GET /documents/{{document_id}}{part}", path)


@CASES
@given(
    body=st.binary(max_size=60),
    kind=st.sampled_from(
        [
            "application/json",
            "text/plain",
            "",
            "application/json; charset=utf-16",
            "multipart/form-data",
            "multipart/form-data; boundary=x",
            "application/x-www-form-urlencoded",
            "a/b/c",
            "\xff",
        ]
    ),
)
def test_any_bytes_of_any_type_are_refused_in_one_shape(asked: Asked, body: bytes, kind: str) -> None:
    for path in ("/ask", "/documents", "/feedback"):
        reply = asked(f"POST {path}", path, content=body, headers={"content-type": kind.encode("latin-1")})
        is_an_error(reply)


QUESTION = b'{"question": "ceasefire"}'
ODD_BODIES = {
    "nested deep": b'{"question": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "objects nested deep": b'{"a":' * 50_000 + b"1" + b"}" * 50_000,
    "not UTF-8": b'{"question": "\xff\xfe"}',
    "half of a pair": b'{"question": "\\ud800"}',
    "NaN": b'{"question": "a", "top_k": NaN}',
    "Infinity": b'{"question": "a", "top_k": Infinity}',
    "a huge number": b'{"question": "a", "top_k": ' + b"9" * 10_000 + b"}",
    "a huge exponent": b'{"question": "a", "top_k": 1e99999}',
    "NUL": b'{"question": "\\u0000"}',
    "a bare NUL": b'{"question": "\x00"}',
    "twice the same name": b'{"question": "a", "question": 5}',
    "a list": b"[]",
    "nothing": b"",
    "a bare word": b"question",
    "two values": QUESTION + QUESTION,
    "a comment": b'/* */ {"question": "a"',
}


@pytest.mark.parametrize("name", ODD_BODIES)
@pytest.mark.parametrize("path", ["/ask", "/documents", "/feedback"])
def test_an_odd_body_is_refused_in_one_shape(asked: Asked, path: str, name: str) -> None:
    reply = asked(f"POST {path}", path, content=ODD_BODIES[name], headers={"content-type": "application/json"})
    is_an_error(reply)
    assert reply.status_code == 422


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le"])
def test_json_in_another_unicode_encoding_is_read_or_refused(asked: Asked, encoding: str) -> None:
    body = QUESTION.decode().encode(encoding)
    document = '{"documents": [{"text": "x"}]}'.encode(encoding)
    for path, content in (("/ask", body), ("/documents", document)):
        reply = asked(f"POST {path}", path, content=content, headers={"content-type": "application/json"})
        assert reply.status_code in (200, 202, 422)


def test_a_whole_number_is_one_however_it_is_written(asked: Asked) -> None:
    for number in ("2", "2.0", "2e0", "20e-1"):
        content = '{"question": "ceasefire", "top_k": %s}' % number  # noqa: UP031  braces would be doubled
        reply = asked("POST /ask", "/ask", content=content, headers={"content-type": "application/json"})
        assert len(reply.json()["passages"]) == 2, number
    for number in ("2.5", '"2"', "true"):
        content = '{"question": "ceasefire", "top_k": %s}' % number  # noqa: UP031
        reply = asked("POST /ask", "/ask", content=content, headers={"content-type": "application/json"})
        assert reply.status_code == 422


def test_another_method_is_told_all_that_the_address_takes(asked: Asked) -> None:
    for path, methods in {
        "/ask": "GET, POST",
        "/documents/x": "DELETE, GET, PATCH, PUT",
        "/health": "GET",
        "/library": "GET, HEAD",
    }.items():
        reply = asked.client.request("TRACE", path)
        assert (reply.status_code, reply.headers["allow"]) == (405, methods)
        is_an_error(reply)


ODD_HEADERS = [
    {"content-type": "application/json; charset=klingon"},
    {"content-type": "APPLICATION/JSON"},
    {"content-type": "application/problem+json"},
    {"content-encoding": "gzip"},
    {"content-encoding": "br, deflate, zstd"},
    {"accept": "image/webp"},
    {"accept": "*/*;q=nonsense, ,"},
    {"accept-encoding": "gzip;q=0, identity;q=0"},
    {"accept-language": "x" * 5_000},
    {"range": "bytes=0-4"},
    {"range": "bytes=-1,5-2,999999999999-"},
    {"if-none-match": '*, "', "if-modified-since": "yesterday"},
    {"expect": "200-ok"},
    {"cookie": "session=\xff; =; ;;a=b=c"},
    {"authorization": "Bearer"},
    {"authorization": "Basic !!!"},
    {"authorization": "Bearer " + "x" * 5_000},
    {"x-request-id": "\x7f" * 300},
    {"x-forwarded-for": "1.2.3.4, ::1, x", "x-forwarded-proto": "ftp", "x-forwarded-host": "evil.example"},
    {"traceparent": "00-zz"},
    {"origin": "null"},
    {"origin": "http://[::1"},
    {"sec-fetch-site": "cross-site\t"},
    {"host": "evil.example:99999"},
    {"host": "[::1"},
    {"x-http-method-override": "DELETE"},
]


@pytest.mark.parametrize("headers", ODD_HEADERS, ids=str)
def test_an_odd_header_fails_nothing(asked: Asked, headers: dict[str, str]) -> None:
    seed = asked.seed
    given = {name: value.encode("latin-1") for name, value in ({"content-type": "application/json"} | headers).items()}
    asked("POST /ask", "/ask", content=QUESTION, headers=given)
    asked("GET /documents/{document_id}/text", f"/documents/{seed.id}/text", headers=given)
    asked("GET /documents/{document_id}", f"/documents/{seed.id}", headers=given)


@pytest.mark.parametrize(
    "path",
    [
        "/documents/..%2f..%2fetc%2fpasswd",
        "/web/..%2f..%2fpyproject.toml",
        "/web/%2e%2e/%2e%2e/pyproject.toml",
        "/web/%00",
        "/web//etc/passwd",
        "/swagger/..\\..\\x",
        "//evil.example/ask",
        "/documents/%ff%fe",
        "/%",
        "/documents/%zz/text",
        "/ask/",
        "/documents//text",
        "/documents/a/pages/1e3.png",
        "/web/" + "a" * 5_000,
        "/documents/%F0%9F%98%80",
    ],
)
def test_an_odd_address_leads_nowhere(asked: Asked, path: str) -> None:
    reply = asked.client.get(path, follow_redirects=False)
    assert reply.status_code in (307, 404, 405, 422)
    if reply.status_code == 307:
        assert urlsplit(reply.headers["location"]).hostname in (None, "testserver")
    else:
        is_an_error(reply)
    assert "build-system" not in reply.text
