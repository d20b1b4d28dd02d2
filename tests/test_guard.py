"""Who may send a request, and what a browser may keep of the reply."""

from __future__ import annotations

import pytest
from fastapi.testclient import TestClient

from index.types import Document

CROSS, SAME = {"sec-fetch-site": "cross-site"}, {"sec-fetch-site": "same-origin", "sec-fetch-mode": "cors"}
FOLLOWED = {"sec-fetch-mode": "navigate", "sec-fetch-dest": "document", "accept": "text/html,*/*"}


@pytest.mark.parametrize(
    "headers",
    [
        CROSS | {"sec-fetch-mode": "no-cors", "sec-fetch-dest": "image"},
        CROSS | {"sec-fetch-mode": "cors"},
        {"sec-fetch-site": "same-site", "sec-fetch-mode": "no-cors"},
        {"origin": "https://evil.example"},  # of a browser that says nothing more
    ],
)
def test_pages_of_other_sites_cannot_make_it_work(client: TestClient, seed: Document, headers: dict[str, str]) -> None:
    document = f"/documents/{seed.id}"
    for path in (
        "/",
        "/ask?q=ceasefire",
        "/feedback",
        "/documents",
        document,
        f"{document}/pages/1.png",
        "/web/app.js",
    ):
        for method in ("GET", "HEAD", "OPTIONS"):
            reply = client.request(method, path, headers=headers)
            assert reply.status_code == 403, (method, path)
    assert client.get("/health", headers=headers).json()["error"]["code"] == "forbidden"


def test_a_link_on_another_site_leads_to_pages_alone(client: TestClient, seed: Document) -> None:
    document = f"/documents/{seed.id}"
    for site in ("cross-site", "same-site"):
        headers = FOLLOWED | {"sec-fetch-site": site}
        for path in ("/", "/?q=ceasefire", "/library", "/docs", document):
            reply = client.get(path, headers=headers)
            assert (reply.status_code, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
        for path in (
            "/ask?q=ceasefire",
            "/feedback",
            "/documents",
            f"{document}/text",
            f"{document}/original",
            "/jobs",
        ):
            assert client.get(path, headers=headers).status_code == 403, path
        assert client.post("/ask", json={"question": "ceasefire"}, headers=headers).status_code == 403


@pytest.mark.parametrize("headers", [SAME, FOLLOWED | {"sec-fetch-site": "none"}, {}])
def test_its_own_page_a_person_and_a_program_may_ask(client: TestClient, headers: dict[str, str]) -> None:
    for path in ("/", "/ask?q=ceasefire", "/feedback", "/documents", "/health"):
        assert client.get(path, headers=headers).status_code == 200


def test_browsers_keep_no_answers_and_no_texts(client: TestClient, seed: Document) -> None:
    document = f"/documents/{seed.id}"
    feedback = client.post("/feedback", json={"question": "Who?", "helpful": False, "passage": None})
    for path, kept in {
        "/ask?q=ceasefire": "no-store",
        "/ask": "no-store",
        "/feedback": "no-store",
        f"{document}/text": "no-store",
        f"{document}/matches?q=a": "no-store",
        f"{document}/original": "no-store",
        document: "private, no-cache",
        "/documents": "private, no-cache",
        f"{document}/pages": "private, no-cache",
        f"{document}/pages/1.png": "private, no-cache",
        "/labels": "private, no-cache",
        "/jobs": "private, no-cache",
        "/": "no-cache",
        "/web/app.js": "no-cache",
    }.items():
        assert client.get(path).headers["cache-control"] == kept, path
    assert feedback.headers["cache-control"] == "no-store"
    assert client.delete(f"/feedback/{feedback.json()['id']}").headers["cache-control"] == "no-store"
