"""Limits: each has a setting, a default and a clear refusal."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import anyio
import pytest
from fastapi.testclient import TestClient

from index.errors import Busy
from index.types import Document
from qa.access import Access
from qa.api import create_app
from qa.asking import THREADS, Asking
from qa.config import settings
from qa.wire import Library

MEGABYTE = 1 << 20


@pytest.fixture
def limited(make_library: Callable[..., Library], seed: Document) -> Iterator[Callable[..., TestClient]]:
    """A client of the service with some limits set."""
    opened: list[TestClient] = []

    def make(**given: object) -> TestClient:
        library = make_library(**given)
        library.builder.put(seed)
        opened.append(TestClient(create_app(library), raise_server_exceptions=False).__enter__())
        return opened[-1]

    yield make
    for client in opened:
        client.__exit__()


def refusal(reply: object) -> tuple[int, str]:
    return reply.status_code, reply.json()["error"]["code"]  # type: ignore[attr-defined]


def test_a_request_without_files_is_so_long_and_no_longer(limited: Callable[..., TestClient]) -> None:
    client = limited(body_mb=1)
    fits, over = "x" * (MEGABYTE - 200), "x" * (MEGABYTE + 1)
    assert client.post("/documents", json={"documents": [{"title": "t", "text": fits}]}).status_code == 202
    reply = client.post("/documents", json={"documents": [{"title": "t", "text": over}]})
    assert refusal(reply) == (413, "content_too_large")
    assert "1 MB" in reply.json()["error"]["message"]
    reply = client.post("/ask", content=over, headers={"content-type": "application/json"})
    assert refusal(reply) == (413, "content_too_large")


def test_files_are_so_large_and_so_many_and_no_more(limited: Callable[..., TestClient]) -> None:
    client = limited(upload_mb=1, upload_files=2)
    files = [("files", (f"{number}.txt", b"Some words.")) for number in range(3)]
    assert client.post("/documents", files=files[:2]).status_code == 202
    reply = client.post("/documents", files=files)
    assert refusal(reply) == (413, "content_too_large")
    large = [("files", ("large.txt", b"x" * MEGABYTE))]
    assert refusal(client.post("/documents", files=large)) == (413, "content_too_large")


def test_an_address_is_so_long_and_no_longer(limited: Callable[..., TestClient]) -> None:
    client = limited(url_bytes=300)
    assert client.get("/ask?q=" + "why+" * 60).status_code == 200
    reply = client.get("/ask?q=" + "why+" * 90)
    assert refusal(reply) == (414, "uri_too_long")
    assert "POST /ask" in reply.json()["error"]["hint"]
    assert refusal(client.get("/documents/" + "x" * 300)) == (414, "uri_too_long")


def test_a_question_and_its_history_are_so_long_and_no_longer(limited: Callable[..., TestClient]) -> None:
    client = limited(question_characters=20, history_turns=1)
    assert client.post("/ask", json={"question": "Who is it?", "history": ["What?"]}).status_code == 200
    for body in ({"question": "x" * 21}, {"question": "Who?", "history": ["What?", "When?"]}):
        reply = client.post("/ask", json=body)
        assert refusal(reply) == (422, "invalid_request")
        assert "over" in reply.json()["error"]["message"]
    assert refusal(client.get("/ask?q=" + "x" * 21)) == (422, "invalid_request")


def test_without_sign_in_on_this_machine_nobody_is_counted(limited: Callable[..., TestClient]) -> None:
    client = limited(rate=2)
    assert {client.get("/labels").status_code for _ in range(5)} == {200}


def test_an_address_comes_so_often_and_no_more(limited: Callable[..., TestClient]) -> None:
    client = limited(rate=3, host="0.0.0.0", insecure=True)
    statuses = [client.get("/labels").status_code for _ in range(5)]
    assert statuses == [200, 200, 200, 429, 429]
    reply = client.get("/labels")
    assert refusal(reply) == (429, "too_many_requests")
    assert 1 <= int(reply.headers["retry-after"]) <= 60
    for path in ("/web/app.js", "/health", "/health/live", "/metrics"):  # what a page and a monitor ask by themselves
        assert client.get(path).status_code == 200, path


def test_a_token_comes_so_often_and_another_is_not_held_up(limited: Callable[..., TestClient]) -> None:
    client = limited(rate=2)
    access = Access(settings(data=client.app.state.library.settings.data).data)  # type: ignore[attr-defined]
    one, other = ({"Authorization": f"Bearer {access.create(name, 'ask')[1]}"} for name in ("one", "other"))
    access.close()
    while client.get("/labels").status_code == 200:
        threading.Event().wait(0.05)
    assert [client.get("/labels", headers=one).status_code for _ in range(3)] == [200, 200, 429]
    assert client.get("/labels", headers=other).status_code == 200


def test_who_shows_wrong_tokens_is_slowed_down(limited: Callable[..., TestClient]) -> None:
    client = limited(sign_ins=3)
    access = Access(client.app.state.library.settings.data)  # type: ignore[attr-defined]
    headers = {"Authorization": f"Bearer {access.create('one', 'ask')[1]}"}
    access.close()
    while client.get("/labels").status_code == 200:
        threading.Event().wait(0.05)
    statuses = [client.get("/labels", headers={"Authorization": f"Bearer qa_{n}"}).status_code for n in range(5)]
    assert statuses == [401, 401, 401, 429, 429]
    assert client.get("/labels", headers=headers).status_code == 200  # a right one is not among them
    assert client.get("/labels").status_code == 401  # nor is showing none


async def _busy(asking: Asking, count: int, held: threading.Event) -> list[object]:
    """What becomes of so many questions that come at once and wait to be let go."""
    outcomes: list[object] = []

    async def one() -> None:
        try:
            outcomes.append(await asking.run(lambda: held.wait(20)))
        except Busy as error:
            outcomes.append(error)

    async with anyio.create_task_group() as group:
        for _ in range(count):
            group.start_soon(one)
        await anyio.sleep(0.05)
        while asking.taken > asking.most or len(outcomes) + asking.taken < count:
            await anyio.sleep(0.01)
        held.set()
    return outcomes


def test_so_many_questions_wait_and_the_others_are_told_to_come_back() -> None:
    asking = Asking(THREADS + 4, 20)
    outcomes = anyio.run(_busy, asking, THREADS + 10, threading.Event())
    assert sum(outcome is True for outcome in outcomes) == THREADS + 4
    assert sum(isinstance(outcome, Busy) for outcome in outcomes) == 6
    assert asking.taken == 0
    asking.close()


def test_a_question_that_takes_too_long_is_given_up() -> None:
    asking, held = Asking(8, 0.05), threading.Event()

    async def ask() -> None:
        with pytest.raises(Busy, match=r"0\.05 seconds"):
            await asking.run(lambda: held.wait(20))

    anyio.run(ask)
    assert asking.taken == 0
    held.set()
    asking.close()


def test_questions_over_the_limit_get_503_and_when_to_come_back(limited: Callable[..., TestClient]) -> None:
    client = limited(questions=1)
    asking = client.app.state.asking  # type: ignore[attr-defined]
    asking.taken = 1
    for reply in (client.get("/ask?q=who"), client.post("/ask", json={"question": "Who?"})):
        assert refusal(reply) == (503, "busy")
        assert int(reply.headers["retry-after"]) >= 1
    assert client.get("/labels").status_code == 200
    asking.taken = 0
    assert client.get("/ask?q=who").status_code == 200
