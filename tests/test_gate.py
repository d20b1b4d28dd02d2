"""Who is let in, and to what."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from index.types import Document
from qa import holders
from qa.access import Access
from qa.api import create_app
from qa.wire import Library
from tests.conftest import bearer

PAGE = {"accept": "text/html,*/*", "sec-fetch-mode": "navigate", "sec-fetch-site": "none"}
CHANGING = [
    ("POST", "/documents"),
    ("PUT", "/documents/{id}"),
    ("PATCH", "/documents/{id}"),
    ("DELETE", "/documents/{id}"),
]


def test_without_tokens_everything_is_open(client: TestClient) -> None:
    assert client.get("/documents").status_code == 200
    assert client.get("/health").json()["client"] is None


@pytest.mark.parametrize("path", ["/ask?q=ceasefire", "/documents", "/health", "/metrics", "/openapi.json", "/jobs"])
def test_nothing_stored_is_told_to_who_does_not_sign_in(locked: TestClient, path: str) -> None:
    reply = locked.get(path)
    assert (reply.status_code, reply.json()["error"]["code"]) == (401, "unauthorized")
    assert reply.headers["www-authenticate"] == "Bearer"
    assert reply.headers["x-content-type-options"] == "nosniff"
    for token in ("qa_00000000_x", "nonsense", "", "é"):
        again = locked.get(path, headers=[(b"authorization", f"Bearer {token}".encode())])
        assert again.status_code == 401
    assert locked.get(path, headers={"Authorization": "Basic cmVhZGVyOng="}).status_code == 401


def test_whether_it_is_there_and_the_page_to_sign_in_are_open(locked: TestClient, library: Library) -> None:
    library.open_index()
    for path in ("/health/live", "/health/ready", "/sign-in", "/web/app.js", "/web/sign-in.js", "/favicon.ico"):
        assert locked.get(path).status_code == 200, path


def test_a_person_is_led_to_sign_in_and_back(locked: TestClient, seed: Document) -> None:
    for path in ("/", "/library", "/?q=who%20%26%20why", f"/documents/{seed.id}", "/docs"):
        reply = locked.get(path, headers=PAGE)
        assert reply.status_code == 303
        assert reply.headers["location"].startswith("/sign-in?next=%2F")
    assert locked.get("/?q=a%26b", headers=PAGE).headers["location"] == "/sign-in?next=%2F%3Fq%3Da%2526b"


def test_the_scope_ask_reads_everything_and_changes_no_document(
    locked: TestClient, tokens: dict[str, str], seed: Document, library: Library
) -> None:
    headers, before = bearer(tokens["ask"]), library.catalogue.stamp()
    for path in ("/documents", f"/documents/{seed.id}", f"/documents/{seed.id}/text", "/labels", "/health", "/metrics"):
        assert locked.get(path, headers=headers).status_code == 200, path
    assert locked.get("/health", headers=headers).json()["client"] == {"name": "reader", "scope": "ask"}
    for method, path in CHANGING:
        reply = locked.request(method, path.format(id=seed.id), headers=headers, json={"text": "x", "title": "x"})
        assert (reply.status_code, reply.json()["error"]["code"]) == (403, "forbidden"), (method, path)
    for method, path in (("GET", "/feedback"), ("GET", "/jobs"), ("GET", "/jobs/x"), ("GET", "/jobs/x/events")):
        assert locked.request(method, path, headers=headers).status_code == 403, path
    for path in (f"/documents/{seed.id}/", "//documents", "/documents/../documents", "/DOCUMENTS", "/documents%2F"):
        assert locked.delete(path, headers=headers).status_code == 403, path
    assert library.catalogue.stamp() == before


def test_the_scope_ask_may_say_what_helps_and_take_it_back(locked: TestClient, tokens: dict[str, str]) -> None:
    headers = bearer(tokens["ask"])
    said = locked.post("/feedback", headers=headers, json={"question": "Who?", "helpful": False, "passage": None})
    assert said.status_code == 201
    assert locked.delete(f"/feedback/{said.json()['id']}", headers=headers).status_code == 200


def test_the_scope_manage_changes_documents(locked: TestClient, tokens: dict[str, str], seed: Document) -> None:
    headers = bearer(tokens["manage"])
    assert locked.get("/jobs", headers=headers).status_code == 200
    assert locked.delete(f"/documents/{seed.id}", headers=headers).status_code == 200


def test_a_token_made_or_revoked_meanwhile_counts(
    library: Library, access: Access, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(holders, "GLANCE", 0.0)
    with TestClient(create_app(library)) as client:
        assert client.get("/documents").status_code == 200
        _, secret = access.create("late", "ask")
        assert client.get("/documents").status_code == 401
        assert client.get("/documents", headers=bearer(secret)).status_code == 200
        access.revoke("late")
        assert client.get("/documents", headers=bearer(secret)).status_code == 401
        access.path.unlink()
        assert client.get("/documents").status_code == 401  # what was locked once stays so


def test_insecure_asks_nobody(tokens: dict[str, str], make_library: Callable[..., Library]) -> None:
    with TestClient(create_app(make_library(insecure=True))) as client:
        assert client.get("/documents").status_code == 200


def sign_in(client: TestClient, token: str, onward: str = "/") -> str:
    reply = client.post("/sign-in", data={"token": token, "next": onward})
    assert reply.status_code == 303
    return reply.headers["location"]


def test_signing_in_gives_a_cookie_that_scripts_and_other_sites_do_not_get(
    locked: TestClient, tokens: dict[str, str]
) -> None:
    reply = locked.post("/sign-in", data={"token": f" {tokens['ask']} "})
    told = reply.headers["set-cookie"].lower()
    assert all(part in told for part in ("httponly", "samesite=strict", "path=/", "max-age=43200"))
    assert tokens["ask"].lower() not in told
    assert "secure" not in told
    assert locked.get("/documents").status_code == 200
    assert locked.get("/health").json()["client"]["name"] == "reader"


def test_over_tls_the_cookie_is_for_this_host_alone(library: Library, tokens: dict[str, str]) -> None:
    with TestClient(create_app(library), base_url="https://testserver", follow_redirects=False) as client:
        told = client.post("/sign-in", data={"token": tokens["ask"]}).headers["set-cookie"]
        assert told.startswith("__Host-session=")
        assert "secure" in told.lower()
        assert client.get("/documents").status_code == 200


def test_a_wrong_token_is_told_on_the_page_and_not_forever(locked: TestClient) -> None:
    replies = [locked.post("/sign-in", data={"token": f"qa_00000000_{number}"}) for number in range(22)]
    assert {reply.status_code for reply in replies[:20]} == {401}
    assert "does not hold" in replies[0].text
    assert "set-cookie" not in replies[0].headers
    assert replies[-1].status_code == 429
    assert int(replies[-1].headers["retry-after"]) >= 1


@pytest.mark.parametrize(
    "onward",
    ["https://evil.example/", "//evil.example", "/\\evil.example", "javascript:alert(1)", "", "/a\r\nb", "\t//x"],
)
def test_signing_in_leads_to_this_service_alone(locked: TestClient, tokens: dict[str, str], onward: str) -> None:
    assert sign_in(locked, tokens["ask"], onward) == "/"
    assert sign_in(locked, tokens["ask"], "/documents/a?b=c#char=1,2") == "/documents/a?b=c#char=1,2"


def test_another_site_cannot_sign_a_browser_in_or_use_its_session(
    locked: TestClient, tokens: dict[str, str], seed: Document
) -> None:
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "cross-site"}):
        assert locked.post("/sign-in", data={"token": tokens["ask"]}, headers=headers).status_code == 403
    sign_in(locked, tokens["manage"])
    for headers in ({"origin": "https://evil.example"}, {"sec-fetch-site": "same-site"}):
        assert locked.delete(f"/documents/{seed.id}", headers=headers).status_code == 403
    assert locked.get(f"/documents/{seed.id}").status_code == 200


def test_signing_out_ends_the_session_also_for_who_copied_it(locked: TestClient, tokens: dict[str, str]) -> None:
    sign_in(locked, tokens["ask"])
    copied = locked.cookies["session"]
    assert locked.post("/sign-out").headers["location"] == "/sign-in"
    locked.cookies.clear()
    assert locked.get("/documents", headers={"cookie": f"session={copied}"}).status_code == 401


def test_pages_of_named_origins_may_ask_with_a_token(
    make_library: Callable[..., Library], tokens: dict[str, str]
) -> None:
    origin = "https://intranet.example"
    with TestClient(create_app(make_library(cors=f"{origin}, https://other.example"))) as client:
        asked = {"Origin": origin, "sec-fetch-site": "cross-site", "sec-fetch-mode": "cors"}
        wanted = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}
        allowed = client.options("/ask", headers=asked | wanted)
        assert (allowed.status_code, allowed.headers["access-control-allow-origin"]) == (200, origin)
        reply = client.get("/documents", headers=asked | bearer(tokens["ask"]))
        assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (200, origin)
        assert "access-control-allow-credentials" not in reply.headers
        other = asked | {"Origin": "https://evil.example"}
        refused = client.get("/documents", headers=other | bearer(tokens["ask"]))
        assert refused.status_code == 403
        assert "access-control-allow-origin" not in refused.headers


def test_by_default_no_origin_is_named(client: TestClient) -> None:
    reply = client.get("/documents", headers={"Origin": "http://testserver"})
    assert reply.status_code == 200
    assert not [name for name in reply.headers if name.startswith("access-control")]
