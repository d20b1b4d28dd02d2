"""The service does what its description says, and nothing else, whatever is sent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from fastapi.testclient import TestClient

from index.types import Document
from qa.access import Access, Scope
from qa.api import create_app
from qa.wire import Library
from tests.conftest import Server
from tests.fuzzing import fuzzed
from tests.test_load_pdf import Writer

CHECKS = {
    "allow_header_conformance",
    "content_type_conformance",
    "ensure_resource_availability",
    "missing_required_header",
    "negative_data_rejection",
    "not_a_server_error",
    "object_level_authorization",
    "positive_data_acceptance",
    "response_headers_conformance",
    "response_schema_conformance",
    "status_code_conformance",
    "unsupported_method",
    "use_after_free",
}
"""All there are but `ignored_auth`, which needs tokens."""
READING = {
    "POST /ask",
    "GET /documents/{document_id}",
    "GET /documents/{document_id}/text",
    "GET /documents/{document_id}/pages/{number}.png",
    "GET /documents/{document_id}/pages/{number}/mark",
}
CHANGING = {"POST /documents", "GET /jobs/{job_id}", "POST /feedback", "GET /feedback", "GET /documents", "GET /ask"}
"""What has to succeed now and then in a run, or that run would try refusals alone. A run that may remove documents soon
has none left to read."""
UNCOUNTED = {"rate": 0, "sign_ins": 1_000_000}
"""Fuzzing is a flood: how many requests are let in is tested elsewhere."""


@pytest.fixture
def served(make_library: Callable[..., Library], seed: Document) -> Library:
    """The seed document and a file with a page."""
    library = make_library(**UNCOUNTED)
    library.builder.put(seed)
    with TestClient(create_app(library)) as client:
        page = Writer()
        page.text(50, 500, "Terns nest on the shingle beach.")
        sent = client.post("/documents?wait=true", files=[("files", ("terns.pdf", page.bytes()))])
        assert sent.status_code == 201, sent.text
    return library


def token(library: Library, scope: Scope) -> dict[str, str]:
    access = Access(library.settings.data)
    try:
        return {"Authorization": f"Bearer {access.create(scope, scope)[1]}"}
    finally:
        access.close()


def test_whatever_is_sent_the_service_does_as_it_is_described(served: Library) -> None:
    found = fuzzed(create_app(served), examples=6, without=["ignored_auth"])  # it is open: there are no tokens
    assert not found.failures, "\n\n".join(found.failures)
    assert found.checks.keys() >= CHECKS
    assert found.never(2).isdisjoint(CHANGING), "never answered: they are not tested"


def test_with_a_token_that_may_manage_it_does_so_too_and_without_it_nothing(served: Library) -> None:
    found = fuzzed(create_app(served), examples=4, headers=token(served, "manage"), coverage=False)
    assert not found.failures, "\n\n".join(found.failures)
    assert found.checks["ignored_auth"]


def test_with_a_token_that_may_ask_no_document_is_changed(served: Library) -> None:
    before = stored(served)
    found = fuzzed(create_app(served), examples=2, headers=token(served, "ask"))
    assert not found.failures, "\n\n".join(found.failures)
    assert found.never(2).isdisjoint(READING), "never answered: they are not tested"
    assert stored(served) == before


def stored(library: Library) -> object:
    """All that a token of the scope `ask` has to leave as it is."""
    summaries = library.catalogue.shelf.listed()
    texts = [library.catalogue.shelf.excerpt(one.id) for one in summaries[1]]
    return library.catalogue.generation(), summaries, texts, library.jobs.recent()


@pytest.mark.server
def test_over_a_socket_it_does_so_too(start: Callable[..., Server]) -> None:
    server = start(QA_MODEL="/no/such/model", QA_RATE="0")
    found = fuzzed(server.url, examples=4, without=["ignored_auth"], coverage=False)
    assert not found.failures, "\n\n".join(found.failures)
    assert server.get("/ask?q=ceasefire")[0] == 200
