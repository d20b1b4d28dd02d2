"""The same on the wire: addresses, heads and pages as an attacker would write them, sent to the process itself."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import httpx
import pytest
from playwright.sync_api import Page, expect

from qa.headers import HEADERS
from tests.conftest import Server, qa, starting
from tests.test_logs import Log

Start = Callable[..., Server]


def token(data: Path, scope: str) -> str:
    made = qa("token", "create", "--name", scope, "--scope", scope, QA_DATA=str(data))
    assert made.returncode == 0, made.stderr
    return made.stdout.strip()


def bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, dict[str, str]]]:
    """The service, where people sign in, and its tokens."""
    data = tmp_path_factory.mktemp("guarded") / "data"
    names = ("ask", "manage")
    made = {
        one: qa("token", "create", "--name", one, "--scope", one, QA_DATA=str(data)).stdout.strip() for one in names
    }
    with starting(data) as run:
        yield run(QA_MODEL="/none", QA_IDLE_SECONDS="2", QA_SIGN_INS="2"), made


def sent(server: Server, request: bytes) -> bytes:
    """All that comes back until the connection is closed."""
    address, received = urlsplit(server.url), b""
    with socket.create_connection((address.hostname, address.port), timeout=20) as connection:
        try:
            connection.sendall(request)
            while part := connection.recv(65_536):
                received += part
        except ConnectionError:  # it need not read to its end what it refuses
            pass
    return received


HEAD = b"Host: 127.0.0.1\r\nConnection: close\r\n"


@pytest.mark.server
@pytest.mark.parametrize(
    ("request_", "status"),
    [
        (b"no HTTP\r\n\r\n", b"400"),
        (b"GET / HTTP/1.1\r\nHost", b"408"),
        (b"GET / HTTP/1.1\r\nX: " + b"x" * (1 << 17) + b"\r\n\r\n", b"431"),
    ],
    ids=["400", "408", "431"],
)
def test_what_is_refused_before_it_is_a_request_has_the_headers_too(
    guarded: tuple[Server, dict[str, str]], request_: bytes, status: bytes
) -> None:
    head, _, body = sent(guarded[0], request_).partition(b"\r\n\r\n")
    assert head.split(b" ", 2)[1] == status
    told = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:])
    assert {name.lower(): value for name, value in HEADERS.items()}.items() <= told.items()
    assert "server" not in told
    assert set(json.loads(body)) == {"error"}


TRICKS = [
    b"/web/../documents",
    b"/web/%2e%2e/documents",
    b"/web/..%2fdocuments",
    b"/web/%2e%2e%2f%2e%2e%2fqa%2fapi.py",
    b"/web/..%5c..%5cqa%5capi.py",
    b"/web//etc/passwd",
    b"/web/%00",
    b"/web/%0a/../documents",
    b"/swagger/%2e%2e/%2e%2e/RECORD",
    b"/sign-in/../documents",
    b"/sign-in%2f..%2fdocuments",
    b"/health/live/../../documents",
    b"/health/live%00/documents",
    b"/favicon.ico/../documents",
    b"//documents",
    b"/documents/",
    b"/%64ocuments",
    b"/documents%2f",
    b"/documents;/web/x",
    b"/documents?/web/",
    b"/documents%23/web/",
    b"/DOCUMENTS",
    b"/documents.",
    b"http://127.0.0.1/documents",
    b"http://evil.example/web/../documents",
    b"*",
]


@pytest.mark.server
@pytest.mark.parametrize("target", TRICKS, ids=lambda one: one.decode())
def test_no_way_of_writing_an_address_leads_past_the_gate(
    guarded: tuple[Server, dict[str, str]], target: bytes
) -> None:
    reply = sent(guarded[0], b"GET " + target + b" HTTP/1.1\r\n" + HEAD + b"\r\n")
    assert reply.split(b" ", 2)[1] in (b"400", b"401", b"404"), reply
    assert b'"total"' not in reply
    assert b"root:" not in reply
    assert b"import " not in reply


@pytest.mark.server
@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\n",
        b"Content-Length: 4\r\nContent-Length: 5\r\n\r\nabcd",
        b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
        b"X: y\r\n Content-Length: 4\r\n\r\n",
        b"Content-Length: +4\r\n\r\nabcd",
        b"Transfer-Encoding: chunked\r\n\r\n2\nab\n0\n\n",
    ],
)
def test_a_request_that_two_may_read_differently_is_refused_and_nothing_after_it_is_read(
    guarded: tuple[Server, dict[str, str]], framing: bytes
) -> None:
    token = f"Authorization: Bearer {guarded[1]['ask']}\r\n".encode()
    head = b"POST /ask HTTP/1.1\r\nHost: 127.0.0.1\r\n" + token + b"Content-Type: application/json\r\n"
    smuggled = b"GET /documents HTTP/1.1\r\n" + HEAD + token + b"\r\n"
    reply = sent(guarded[0], head + framing + smuggled)
    assert reply.count(b"HTTP/1.1 ") <= 1
    assert reply.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 422 ")) or not reply
    assert b'"total"' not in reply


@pytest.mark.server
def test_nobody_is_believed_about_its_address_or_tls_where_no_proxy_is_set(start: Start, tmp_path: Path) -> None:
    right = token(tmp_path / "served", "ask")
    server = start(QA_MODEL="/none", QA_SEEDS="", QA_SIGN_INS="2")
    with httpx.Client(base_url=server.url) as client:
        for number, status in enumerate((401, 401, 429)):
            headers = {"X-Forwarded-For": f"10.0.0.{number}", "Forwarded": f"for=10.0.0.{number}"}
            assert client.post("/sign-in", data={"token": "wrong"}, headers=headers).status_code == status
        reply = client.post("/sign-in", data={"token": right}, headers={"X-Forwarded-Proto": "https"})
        assert reply.headers["set-cookie"].startswith("session=")


@pytest.mark.server
def test_no_secret_is_in_the_log_the_address_or_the_list_of_processes(start: Start, tmp_path: Path) -> None:
    right = token(tmp_path / "served", "manage")
    server = start(QA_MODEL="/none", QA_SEEDS="", QA_LOG_LEVEL="DEBUG")
    wrong = "qa_00000000_a-guess-that-is-wrong"
    with httpx.Client(base_url=server.url) as client:
        assert client.post("/sign-in", data={"token": wrong}).status_code == 401
        reply = client.post("/sign-in", data={"token": right})
        session = client.cookies["session"]
        assert not any(one in reply.headers["location"] for one in (right, session))
        for headers in (bearer(right), bearer(wrong), {}):
            told = client.get(f"/documents/{right}?token={right}&x={wrong}", headers=headers).text
            assert session not in told
        assert client.get(f"/{right}", headers={"cookie": f"session={session}x"}).status_code == 401
    folder = Path("/proc") / str(server.process.pid)
    shown = (folder / "cmdline").read_bytes() + (folder / "environ").read_bytes() if folder.exists() else b""
    log = Log(server).text
    for secret in (right, session, wrong):
        told = secret[secret.rindex("_", 0, 20) + 1 :]  # without what stands before the secret itself
        assert told not in log
        assert told.encode() not in shown
    assert "/sign-in 401" in log  # what was tried is told, without what it was tried with
    assert " token='manage'" in log


@pytest.mark.server
@pytest.mark.browser
def test_the_page_to_sign_in_leads_no_one_who_is_signed_in_to_elsewhere(
    guarded: tuple[Server, dict[str, str]], page: Page
) -> None:
    server, made = guarded
    page.goto(f"{server.url}/sign-in")
    page.get_by_label("Your token").fill(made["ask"])
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_label("Your question")).to_be_visible()
    for onward in ("/.//evil.example/", f"{server.url}//evil.example/", "//evil.example/", "https://evil.example/"):
        page.goto(f"{server.url}/sign-in?next={quote(onward, safe='')}")
        page.wait_for_url(f"{server.url}/")
    page.goto(f"{server.url}/sign-in?next={quote('javascript:alert(1)')}")
    page.wait_for_url(f"{server.url}/")


@pytest.mark.server
@pytest.mark.browser
def test_after_signing_out_the_way_back_shows_nothing_that_is_stored(
    guarded: tuple[Server, dict[str, str]], page: Page
) -> None:
    server, made = guarded
    page.goto(f"{server.url}/sign-in?next=%2Flibrary")
    page.get_by_label("Your token").fill(made["ask"])
    page.get_by_role("button", name="Sign in").click()
    title = page.get_by_text("695fc2132dea3454").or_(page.get_by_role("article")).first
    expect(title).to_be_visible()
    page.goto(f"{server.url}/")
    page.get_by_role("button", name="Sign out").click()
    page.wait_for_url(f"{server.url}/sign-in*")
    for _ in range(2):
        page.go_back()
        expect(page.get_by_label("Your token")).to_be_visible()
    assert page.context.cookies() == []
