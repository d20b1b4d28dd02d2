"""What SECURITY.md says, as far as no other test shows it: each way in that was tried, found shut or shut since."""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from fastapi.testclient import TestClient
from httpx2 import Response

from index.errors import QAError
from index.types import Document
from qa.access import Access
from qa.api import create_app
from qa.config import settings
from qa.gate import address
from qa.headers import HEADERS
from qa.wire import Library
from tests.conftest import bearer

ASKING = {("POST", "/ask"), ("POST", "/feedback"), ("DELETE", "/feedback/{feedback_id}"), ("POST", "/sign-out")}
"""What the scope `ask` may do besides reading."""
OPEN = {"/sign-in", "/favicon.ico", "/health/live", "/health/ready"}
"""What a stranger may have, besides the files of the page."""
MADE_OF = re.compile(
    r"Traceback|File \"|\.py\b|pydantic|starlette|fastapi|uvicorn|httptools|sqlalchemy|sqlite|python", re.IGNORECASE
)
"""What tells of how the service is made."""
ACCEPT = {"accept": "application/json, text/event-stream"}


def code(reply: Response) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]


def broken() -> None:
    raise RuntimeError("a secret of the inside")


# What every reply has, and has not


@pytest.fixture
def replies(library: Library, seed: Document, make_library: Callable[..., Library]) -> Iterator[list[Response]]:
    """Replies of every status that the application gives."""
    app, small = create_app(library, {"testserver"}), create_app(make_library(name="small", rate=1, host="0.0.0.0"))
    app.add_api_route("/broken", broken)
    plain = {"raise_server_exceptions": False, "follow_redirects": False}
    with TestClient(app, **plain) as client, TestClient(small, **plain) as other:  # type: ignore[arg-type]
        script = client.get("/web/app.js")
        place = f"/documents/{seed.id}"
        given = [
            script,
            client.get("/"),
            client.get("/docs"),
            client.get("/ask?q=ceasefire"),
            client.head(place),
            client.get(f"{place}/text"),
            client.get("/metrics"),
            client.get("/web/app.js", headers={"If-None-Match": script.headers["etag"]}),
            client.get("/web/app.js", headers={"Range": "bytes=999999-"}),
            client.get("/labels", headers=[("host", "testserver"), ("host", "other")]),
            client.get("/labels", headers={"sec-fetch-site": "cross-site"}),
            client.get("/nothing"),
            client.get("/web/nothing.js"),
            client.get("/swagger/"),
            client.get("/documents/none", headers={"Accept": "text/html"}),
            client.put("/ask"),
            client.post("/web/app.js"),
            client.post("/mcp", json={}, headers={"accept": "text/html"}),
            client.post("/sign-in", data={"token": "x" * (17 << 10)}),
            client.get("/ask?q=" + "x" * 9_000),
            client.post("/documents", content=b"x", headers={"content-type": "text/csv"}),
            client.get("/labels", headers={"host": "evil.example"}),
            client.post("/ask", content=b"{"),
            client.get("/broken"),
            client.post("/sign-in", data={"token": "wrong"}),
            client.post("/sign-out"),
            other.get("/ask?q=ceasefire"),
            other.get("/labels"),
        ]
        app.state.asking.taken = app.state.asking.most
        given.append(client.get("/ask?q=ceasefire"))
        app.state.asking.taken = 0
        yield given


def test_every_reply_carries_the_headers_that_protect_a_browser(replies: list[Response]) -> None:
    found = {reply.status_code for reply in replies}
    assert found >= {200, 303, 304, 400, 401, 403, 404, 405, 406, 409, 413, 414, 415, 416, 421, 422, 429, 500, 503}
    for reply in replies:
        where = reply.request.url, reply.status_code
        assert set(HEADERS) <= {name.title() for name in reply.headers} | {"X-Content-Type-Options"}, where
        assert "frame-ancestors 'none'" in reply.headers["content-security-policy"], where
        assert "unsafe" not in reply.headers["content-security-policy"], where
        assert reply.headers["x-content-type-options"] == "nosniff", where
        assert reply.headers["x-frame-options"] == "DENY", where
        assert reply.headers["referrer-policy"] in ("no-referrer", "same-origin"), where
        assert reply.status_code == 304 or not reply.content or "content-type" in reply.headers, where


def test_no_reply_tells_what_the_service_is_made_of(replies: list[Response]) -> None:
    for reply in replies:
        assert not {"server", "x-powered-by"} & set(reply.headers), reply.request.url
        if reply.status_code >= 400:
            assert not MADE_OF.search(reply.text), reply.text
            assert "secret of the inside" not in reply.text


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"{}", ACCEPT),
        (b"[]", ACCEPT),
        (b"no JSON", ACCEPT),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":5}', ACCEPT),
        (b"{}", ACCEPT | {"content-type": "text/plain"}),
        (b"{}", {"accept": "text/html"}),
    ],
)
def test_what_an_assistant_is_refused_does_not_tell_it_either(
    client: TestClient, body: bytes, headers: dict[str, str]
) -> None:
    reply = client.post("/mcp", content=body, headers={"content-type": "application/json"} | headers)
    assert reply.status_code in (400, 406)
    assert reply.headers["content-type"] == "application/json"
    assert not MADE_OF.search(reply.text), reply.text
    assert set(reply.json()) == {"jsonrpc", "id", "error"}
    assert len(reply.json()["error"]["message"]) > 5


def test_nothing_that_needs_a_token_is_kept_by_a_cache_that_others_use(
    locked: TestClient, tokens: dict[str, str], seed: Document
) -> None:
    locked.post("/sign-in", data={"token": tokens["manage"]})
    place = f"/documents/{seed.id}"
    for path in ("/ask?q=a", "/documents", place, f"{place}/text", f"{place}/pages", "/labels", "/jobs", "/feedback"):
        assert locked.get(path).headers["cache-control"] in ("no-store", "private, no-cache"), path
    for path in ("/health", "/metrics", "/openapi.json"):
        assert locked.get(path).headers["cache-control"] == "private, no-cache", path
    for method in ("GET", "POST"):
        assert locked.request(method, "/sign-in").headers["cache-control"] == "no-store"


# Who may do what


def routes(client: TestClient) -> Iterator[tuple[str, str]]:
    """Method and path of everything that the service has."""
    for route in client.app.routes:  # type: ignore[attr-defined]
        methods = getattr(route, "methods", None) or set()
        yield from ((method, route.path) for method in sorted(methods))


def test_a_stranger_gets_nothing_but_what_is_meant_to_be_open(locked: TestClient) -> None:
    asked = [(method, path) for method, path in routes(locked) if path not in OPEN]
    assert len(asked) > 25
    for method, path in asked:
        filled = re.sub(r"\{\w+\}", "1", path)
        assert locked.request(method, filled).status_code == 401, (method, path)


def test_of_everything_there_is_the_scope_ask_changes_what_it_said_itself_alone(
    locked: TestClient, tokens: dict[str, str], library: Library
) -> None:
    before = library.catalogue.stamp()
    changing = [one for one in routes(locked) if one[0] not in ("GET", "HEAD", "OPTIONS")]
    refused = [one for one in changing if one not in ASKING and one[1] not in ("/sign-in", "/mcp")]
    assert {one[0] for one in refused} == {"POST", "PUT", "PATCH", "DELETE"}
    for method, path in refused:
        filled = re.sub(r"\{\w+\}", next(iter(library.catalogue.document_ids())), path)
        for query in ("", "?forget=true", "?wait=true", "?_method=GET"):
            reply = locked.request(method, filled + query, headers=bearer(tokens["ask"]))
            assert code(reply) == (403, "forbidden"), (method, path)
    assert library.catalogue.stamp() == before


@pytest.mark.parametrize(
    "name", ["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override", "X-Original-URL", "X-Rewrite-URL"]
)
def test_no_header_changes_what_a_request_is(
    locked: TestClient, tokens: dict[str, str], seed: Document, name: str
) -> None:
    place = f"/documents/{seed.id}"
    value = "DELETE" if "Method" in name else "/health/live"
    assert locked.get("/documents", headers={name: value}).status_code == 401
    for method in ("GET", "HEAD"):
        locked.request(method, place, headers=bearer(tokens["manage"]) | {name: value})
    assert locked.post(place, headers=bearer(tokens["ask"]) | {name: value}).status_code == 403
    assert locked.get(place, headers=bearer(tokens["ask"])).status_code == 200


def test_a_request_with_two_tokens_is_refused(locked: TestClient, tokens: dict[str, str], seed: Document) -> None:
    for first, second in (("ask", "manage"), ("manage", "ask")):
        headers = [("authorization", f"Bearer {tokens[one]}") for one in (first, second)]
        assert locked.delete(f"/documents/{seed.id}", headers=headers).status_code == 400
    joined = {"Authorization": f"Bearer {tokens['ask']}, Bearer {tokens['manage']}"}
    assert locked.get("/documents", headers=joined).status_code == 401


def test_a_token_counts_before_a_session_and_does_not_add_to_it(
    locked: TestClient, tokens: dict[str, str], seed: Document
) -> None:
    locked.post("/sign-in", data={"token": tokens["manage"]})
    assert locked.delete(f"/documents/{seed.id}", headers=bearer(tokens["ask"])).status_code == 403
    assert locked.delete(f"/documents/{seed.id}", headers=bearer("wrong")).status_code == 401


@pytest.mark.parametrize(
    "host",
    ["evil.example", "testserver.evil.example", "testserver:80@evil.example", "[::1]evil", "testserver:x", "", "a:b:c"],
)
def test_a_host_that_is_none_or_another_is_refused(library: Library, host: str) -> None:
    with TestClient(create_app(library, {"testserver", "[::1]"})) as client:
        assert client.get("/labels", headers={"host": host}).status_code == 421
        for known in ("testserver", "TESTSERVER:8000", "[::1]", "[::1]:80"):
            assert client.get("/labels", headers={"host": known}).status_code == 200


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("192.0.2.1", "::ffff:192.0.2.1", True),
        ("2001:db8::1", "2001:db8::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("testclient", "other", False),
    ],
)
def test_a_client_is_counted_by_its_network_where_it_has_as_many_addresses_as_it_likes(
    one: str, other: str, alike: bool
) -> None:
    assert (address({"client": (one, 1)}) == address({"client": (other, 2)})) is alike


# Sessions


def test_signing_in_again_ends_the_session_before(locked: TestClient, tokens: dict[str, str]) -> None:
    locked.post("/sign-in", data={"token": tokens["ask"]})
    before = locked.cookies["session"]
    locked.post("/sign-in", data={"token": tokens["manage"]})
    assert locked.cookies["session"] != before
    locked.cookies.clear()
    assert locked.get("/documents", headers={"cookie": f"session={before}"}).status_code == 401


def test_a_session_that_was_planted_is_never_taken_up(locked: TestClient, tokens: dict[str, str]) -> None:
    planted = "0123456789abcdef_" + "A" * 43
    reply = locked.post("/sign-in", data={"token": tokens["ask"]}, headers={"cookie": f"session={planted}"})
    assert reply.status_code == 303
    assert planted not in reply.headers["set-cookie"]
    locked.cookies.clear()
    assert locked.get("/documents", headers={"cookie": f"session={planted}"}).status_code == 401


def test_a_session_is_ended_by_its_secret_not_by_its_name(access: Access, tokens: dict[str, str]) -> None:
    begun = access.sign_in(tokens["ask"])
    assert begun is not None
    access.sign_out(begun[0].partition("_")[0] + "_guess")
    assert access.session(begun[0]) is not None
    access.sign_out(begun[0])
    assert access.session(begun[0]) is None


@pytest.mark.parametrize("path", ["/sign-in", "/sign-out"])
@pytest.mark.parametrize(
    "headers", [{"origin": "null"}, {"origin": "http://testserver:81"}, {"sec-fetch-site": "same-site"}]
)
def test_no_other_site_signs_a_browser_in_or_out(
    locked: TestClient, tokens: dict[str, str], path: str, headers: dict[str, str]
) -> None:
    locked.post("/sign-in", data={"token": tokens["ask"]})
    reply = locked.post(path, data={"token": tokens["manage"]}, headers=headers)
    assert reply.status_code == 403
    assert "set-cookie" not in reply.headers
    assert locked.get("/health").json()["client"]["name"] == "reader"


def test_a_page_that_may_use_the_api_does_not_use_the_session_of_who_looks_at_it(
    make_library: Callable[..., Library], tokens: dict[str, str], seed: Document
) -> None:
    origin = "https://intranet.example"
    with TestClient(create_app(make_library(cors=origin)), follow_redirects=False) as client:
        client.post("/sign-in", data={"token": tokens["manage"]})
        foreign = {"origin": origin, "sec-fetch-site": "same-site", "sec-fetch-mode": "cors"}
        place = f"/documents/{seed.id}"
        assert client.delete(place, headers=foreign).status_code == 401
        assert client.delete(place, headers=foreign | bearer(tokens["ask"])).status_code == 403
        assert client.get(place).status_code == 200


@pytest.mark.parametrize(
    "named", ["", "https://intranet.example", "https://intranet.example:8443, http://localhost:3000"]
)
def test_only_an_origin_that_is_named_whole_may_use_the_api(
    make_library: Callable[..., Library], tokens: dict[str, str], named: str
) -> None:
    with TestClient(create_app(make_library(cors=named))) as client:
        for origin in (
            "https://evil.example",
            "null",
            "http://intranet.example",
            "https://intranet.example.evil.example",
        ):
            reply = client.get("/documents", headers={"origin": origin} | bearer(tokens["ask"]))
            assert reply.status_code == 403, origin
            assert "access-control-allow-origin" not in reply.headers


@pytest.mark.parametrize("named", ["*", "null", "intranet.example", "https://intranet.example/", "https://a@b.example"])
def test_what_is_no_origin_cannot_be_named(named: str) -> None:
    with pytest.raises(QAError, match="QA_CORS"):
        settings(cors=named)


@pytest.mark.parametrize("onward", ["/.//evil.example", "/a/..//evil.example", "/%2e//evil.example", "///evil.example"])
def test_no_path_leads_to_elsewhere_after_signing_in(locked: TestClient, tokens: dict[str, str], onward: str) -> None:
    reply = locked.post("/sign-in", data={"token": tokens["ask"], "next": onward})
    assert (reply.status_code, reply.headers["location"]) == (303, "/")


# What is sent in


def test_a_stranger_cannot_fill_the_disk_by_signing_in(locked: TestClient) -> None:
    file = {"token": ("a", b"\0" * (1 << 20))}
    assert code(locked.post("/sign-in", files=file)) == (413, "content_too_large")
    assert code(locked.post("/sign-in", data={"token": "x" * 20_000})) == (413, "content_too_large")


def test_much_can_be_sent_where_documents_come_in_and_nowhere_else(client: TestClient, seed: Document) -> None:
    over = b" " * (9 << 20)
    headers = {"content-type": "application/json"}
    for path in ("/ask", "/feedback", "/mcp"):
        assert code(client.post(path, content=over, headers=headers | ACCEPT)) == (413, "content_too_large"), path
    files = {"files": ("a.txt", over)}
    assert client.post("/ask", files=files).status_code == 413
    assert client.put(f"/documents/{seed.id}", content=over, headers=headers).status_code == 422
    assert client.post("/documents", files=files).status_code == 202


def test_the_longest_question_there_is_fits(client: TestClient) -> None:
    turn = {"question": "\U0001f426" * 2_000, "passages": ["\U0001f426" * 290 + ":0-1"] * 20}
    body = json.dumps({"question": "\U0001f426" * 2_000, "history": [turn] * 50})
    assert client.post("/ask", content=body, headers={"content-type": "application/json"}).status_code == 200


def test_a_body_that_is_packed_is_not_unpacked(client: TestClient) -> None:
    bomb = gzip.compress(b" " * (50 << 20) + b'{"question": "Who?"}')
    headers = {"content-type": "application/json", "content-encoding": "gzip"}
    assert code(client.post("/ask", content=bomb, headers=headers)) == (422, "invalid_request")


@pytest.mark.parametrize("words", ["' OR 1=1 --", '" OR ""="', "%", "0_0", "seeds%695", "'; DROP TABLE tags; --", "\\"])
def test_what_is_looked_for_is_never_part_of_a_statement(client: TestClient, words: str) -> None:
    for path in ("/documents?q=", "/documents?collections=", "/documents?tags=", "/documents?document_ids="):
        assert client.get(path + quote(words)).json()["total"] == 0, path
    assert client.get("/documents").json()["total"] == 1


@pytest.mark.parametrize(
    "name",
    ['a"; filename="b.html', "../../etc/passwd.txt", "a\r\nSet-Cookie: b.txt", "é'ü\u202e.txt", "a%0d%0a.txt"],
)
def test_the_name_of_a_file_is_a_label_and_nothing_in_a_header_or_a_folder(
    client: TestClient, library: Library, name: str
) -> None:
    sent = client.post("/documents?wait=true", files={"files": (name, b"Some words to be found.")})
    assert sent.status_code == 201
    added = sent.json()["documents"][0]["document_id"]
    reply = client.get(f"/documents/{added}/original")
    assert "set-cookie" not in reply.headers
    assert re.fullmatch(r"attachment; filename\*=UTF-8''[\w.~%-]+", reply.headers["content-disposition"])
    assert reply.headers["content-security-policy"].startswith("sandbox")
    inside = {one.relative_to(library.settings.data).parts[0] for one in library.settings.data.rglob("*")}
    kept = {"engine", "uploads", "writer.lock", "writer.pid", "jobs.lock", "engine.lock"}
    assert {one for one in inside if not one.startswith("catalogue.sqlite3")} <= kept
    assert not [one for one in library.settings.data.rglob("*") if "passwd" in one.name]
