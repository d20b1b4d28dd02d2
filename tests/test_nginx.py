"""What docs/nginx.conf promises, by the real nginx in front of the real service, over TLS."""

from __future__ import annotations

import inspect
import json
import re
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx
import pytest
import uvicorn

from index.lock import WriterLock
from qa.config import settings
from qa.headers import HEADERS
from tests.conftest import ROOT, starting
from tests.fronting import NAME, SETTINGS, SHOWN, Stack, free_port, fronting, stacked
from tests.waiting import until

QUESTION = {"question": "Who would monitor the ceasefire?"}
SECRET = "heirloom"


def values(directive: str) -> list[tuple[str, str]]:
    """The values of a directive in the file, and the comment behind each."""
    return re.findall(rf"^ *{directive} +([^;]+);(?: *# *(.*))?$", SHOWN, re.MULTILINE)


def test_its_limits_are_the_services_defaults() -> None:
    defaults = settings()
    limits = values("client_max_body_size") + values("client_header_timeout")
    assert {variable for _, variable in limits} == {"QA_BODY_MB", "QA_UPLOAD_MB", "QA_IDLE_SECONDS"}
    for value, variable in limits:
        number = getattr(defaults, variable.removeprefix("QA_").lower())
        assert value in (f"{number:g}m", f"{number:g}s"), variable
    assert values("client_body_timeout")[0][0] == values("client_header_timeout")[0][0]
    assert int(values("proxy_read_timeout")[0][0].removesuffix("s")) > defaults.question_seconds
    closes = inspect.signature(uvicorn.Config).parameters["timeout_keep_alive"].default
    assert int(values("keepalive_timeout")[0][0].removesuffix("s")) < closes  # else a request may meet a closed one
    assert int(values("large_client_header_buffers")[0][0].split()[1].removesuffix("k")) << 10 > defaults.url_bytes


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    """With the limits of the file, for the tests that leave it as it is."""
    with stacked(tmp_path_factory.mktemp("stack")) as opened:
        yield opened


# TLS, HTTP/2, headers


@pytest.mark.server
def test_http_leads_to_https_of_the_same_name(stack: Stack) -> None:
    for named in (NAME, "evil.example"):
        address = f"http://127.0.0.1:{stack.front.plain_port}/library?q=a%20b"
        reply = httpx.get(address, headers={"Host": named}, trust_env=False)
        assert (reply.status_code, reply.headers["location"]) == (301, f"https://{NAME}/library?q=a%20b")


@pytest.mark.server
def test_a_certificate_can_be_asked_for_over_http(stack: Stack) -> None:
    shown = stack.front.folder / "html" / ".well-known" / "acme-challenge"
    shown.mkdir(parents=True)
    (shown / "token").write_text("proof")
    address = f"http://127.0.0.1:{stack.front.plain_port}/.well-known/acme-challenge/token"
    assert httpx.get(address, headers={"Host": NAME}, trust_env=False).text == "proof"


@pytest.mark.server
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_it_speaks_tls_of_today(stack: Stack, version: ssl.TLSVersion) -> None:
    trust = stack.front.trust()
    trust.minimum_version = trust.maximum_version = version
    with stack.front.connect(trust=trust) as connection:
        assert connection.version() == version.name.replace("_", ".")


@pytest.mark.server
def test_a_question_is_answered_by_http_2(stack: Stack) -> None:
    with stack.front.connect("h2", "http/1.1") as connection:
        assert connection.selected_alpn_protocol() == "h2"
    certificate, to = str(stack.front.folder / "certificate.pem"), f"{NAME}:{stack.front.port}:127.0.0.1"
    headers = [f"Authorization: Bearer {stack.token}", f"Origin: {stack.front.url}", "Content-Type: application/json"]
    command = ["curl", "--silent", "--http2", "--noproxy", "*", "--cacert", certificate, "--resolve", to]
    command += [part for header in headers for part in ("-H", header)]
    command += ["-d", json.dumps(QUESTION), "-w", "\n%{http_version}", f"{stack.front.url}/ask"]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    answer, version = done.stdout.rsplit("\n", 1)
    assert version == "2"
    assert "ceasefire monitoring" in json.loads(answer)["passages"][0]["text"]


@pytest.mark.server
def test_every_reply_asks_for_tls_and_names_no_version(stack: Stack) -> None:
    with stack.client() as client:
        for path, status in (("/", 200), ("/ask?q=x", 200), ("/none", 404), ("/metrics", 404), ("/%00", 400)):
            reply = client.get(path)
            assert reply.status_code == status, path
            assert reply.headers.get_list("strict-transport-security") == ["max-age=31536000"]
            assert reply.headers.get_list("server") == ["nginx"]
            assert "nginx/" not in reply.text


@pytest.mark.server
def test_the_services_own_headers_pass_as_they_are(stack: Stack) -> None:
    with stack.client() as client:
        reply = client.get("/library")
    for name, value in HEADERS.items():
        assert reply.headers.get_list(name) == [value]


@pytest.mark.server
def test_packing_and_what_a_browser_has_already_stay_the_services_matter(stack: Stack) -> None:
    with stack.client() as client:
        for path, packed in (("/web/app.js", "gzip"), ("/", None)):
            reply = client.get(path, headers={"Accept-Encoding": "gzip"})
            assert reply.headers.get("content-encoding") == packed
            assert reply.headers["etag"].startswith('"')
        script = client.get("/web/app.js")
        assert client.get("/web/app.js", headers={"If-None-Match": script.headers["etag"]}).status_code == 304


# Who may


@pytest.mark.server
def test_signing_in_sets_a_cookie_for_this_host_over_tls_alone(stack: Stack) -> None:
    page = {"Origin": stack.front.url, "Sec-Fetch-Site": "same-origin"}
    with stack.front.client() as client:
        opened = client.get("/library", headers={"Accept": "text/html"})
        assert (opened.status_code, opened.headers["location"]) == (303, "/sign-in?next=%2Flibrary")
        form = {"token": stack.token, "next": "/library"}
        reply = client.post("/sign-in", data=form, headers=page | {"X-Forwarded-Proto": "http"})
        assert (reply.status_code, reply.headers["location"]) == (303, "/library")
        name, *attributes = reply.headers["set-cookie"].split("; ")
        assert name.startswith("__Host-session=")
        assert {"httponly", "secure", "samesite=strict", "path=/"} <= {one.lower() for one in attributes}
        assert client.get("/documents", headers=page).json()["total"] >= 1
        assert client.post("/ask", json=QUESTION, headers=page).json()["passages"]
        assert client.get("/health").json()["client"]["name"] == "tester"
        client.post("/sign-out", headers=page)
        assert client.get("/documents", headers=page).status_code == 401


@pytest.mark.server
def test_pages_of_other_sites_are_refused(stack: Stack) -> None:
    with stack.client() as client:
        for origin, status in (
            (stack.front.url, 200),
            (f"https://{NAME}", 403),  # another port is another site
            ("https://evil.example", 403),
            (f"https://{NAME}.evil.example:{stack.front.port}", 403),
            ("null", 403),
        ):
            assert client.post("/ask", json=QUESTION, headers={"Origin": origin}).status_code == status, origin
        crossing = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "cors"}
        assert client.get("/documents", headers=crossing).status_code == 403


@pytest.mark.server
def test_requests_for_other_names_are_refused(stack: Stack) -> None:
    with stack.client() as client:
        assert client.get("/documents", headers={"Host": "evil.example"}).status_code == 421


@pytest.mark.server
def test_metrics_are_for_this_machine_alone(stack: Stack) -> None:
    with stack.client() as client:
        for path in ("/metrics", "//metrics", "/%6detrics", "/x/../metrics", "/metrics/"):
            assert "qa_documents" not in client.get(path, follow_redirects=True).text, path
    shown = {"Authorization": f"Bearer {stack.token}"}
    assert "qa_documents" in httpx.get(f"{stack.server.url}/metrics", headers=shown, trust_env=False).text


@pytest.mark.server
def test_a_client_is_known_by_its_own_address_which_it_cannot_make_up(tmp_path: Path) -> None:
    with stacked(tmp_path, QA_SIGN_INS="3") as stack:

        def tried(address: str, forged: str) -> int:
            made_up = {"X-Forwarded-For": forged, "X-Real-IP": forged, "Forwarded": f"for={forged}"}
            with stack.front.client("qa_none", address) as client:
                return client.get("/documents", headers=made_up).status_code

        assert [tried("127.0.0.2", f"203.0.113.{turn}") for turn in range(4)] == [401, 401, 401, 429]
        assert tried("127.0.0.3", "127.0.0.2") == 401  # another one is not locked out
        stack.server.process.terminate()
        _, log = stack.server.process.communicate(timeout=20)
    clients = [json.loads(line)["client"] for line in log.splitlines() if '"qa.access"' in line]
    assert clients == ["127.0.0.2"] * 4 + ["127.0.0.3"]


# What is sent, and what is kept of it


@pytest.mark.server
def test_the_largest_request_passes_whole_and_a_larger_one_is_refused(tmp_path: Path) -> None:
    limits = {"size 64m": "size 1m", "size 1024m": "size 8m"}
    with stacked(tmp_path, limits, QA_BODY_MB="1", QA_UPLOAD_MB="8") as stack, stack.client() as client:
        fits = page_of((8 << 20) - 1_000)
        taken = client.post("/documents?wait=true", files={"files": ("birds.html", fits)})
        assert taken.status_code == 201
        document = taken.json()["files"][0]["report"]["document_id"]
        assert client.get(f"/documents/{document}/original").content == fits
        for refused in (
            client.post("/documents", files={"files": ("birds.html", page_of(8 << 20))}),
            client.post("/ask", json={"question": "x" * (1 << 20)}),
        ):
            assert refused.status_code == 413
            assert refused.json()["error"].keys() == {"code", "message", "hint"}
            assert refused.json()["error"]["code"] == "content_too_large"
            assert refused.headers["strict-transport-security"]


def page_of(size: int) -> bytes:
    """A page of that many bytes that is soon read."""
    shown = "<html><title>Birds</title><p>Pelicans eat fish.</p><!---->"
    return shown.replace("<!--", "<!--" + "x" * (size - len(shown))).encode()


@pytest.mark.server
def test_an_upload_reaches_the_service_while_it_is_sent_and_is_written_nowhere_else(tmp_path: Path) -> None:
    with stacked(tmp_path, QA_UPLOADS="1") as stack, stack.front.connect() as slow, stack.client() as client:
        part = b'--b\r\nContent-Disposition: form-data; name="files"; filename="b.txt"\r\n\r\n'
        part += SECRET.encode() * (96 * 2**20 // len(SECRET))  # more than all buffers between here and there hold
        length, kind = f"Content-Length: {len(part) + 1}", "Content-Type: multipart/form-data; boundary=b"
        slow.sendall(stack.head("POST /documents", length, kind) + b"\r\n" + part)
        assert client.post("/documents", files={"files": ("a.txt", b"A.")}).status_code == 503  # so it is there
        assert SECRET not in stack.front.written()


@pytest.mark.server
def test_its_log_has_the_id_of_each_request_and_no_question(stack: Stack) -> None:
    with stack.client() as client:
        asked = client.get("/ask", params={"q": SECRET}, headers={"Referer": f"https://{SECRET}/"})
    until(lambda: asked.headers["x-request-id"] in stack.front.written())
    assert '"GET /ask HTTP/1.1" 200' in stack.front.written()
    assert SECRET not in stack.front.written()


# Events, assistants


@pytest.mark.server
def test_events_come_one_by_one_while_a_job_runs(tmp_path: Path) -> None:
    with stacked(tmp_path) as stack, stack.client() as client, ExitStack() as writing:
        writing.enter_context(WriterLock(stack.data).held())  # nothing can be stored, so that the job goes on
        job = client.post("/documents", files={"files": ("birds.txt", b"Pelicans eat fish.")}).json()
        with client.stream("GET", job["events_url"]) as stream:
            told = (line.removeprefix("event: ") for line in stream.iter_lines() if line.startswith("event: "))
            assert next(told) == "progress"
            assert client.get(job["url"]).json()["state"] != "done"
            writing.close()
            assert list(told)[-1] == "done"


@pytest.mark.server
def test_an_assistant_is_answered_through_it(stack: Stack) -> None:
    call = {"name": "ask", "arguments": QUESTION}
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}
    with stack.client() as client:
        reply = client.post("/mcp", json=request, headers={"Accept": "application/json, text/event-stream"})
    assert reply.status_code == 200, reply.text
    assert "ceasefire monitoring" in reply.text


# When something is amiss


@pytest.mark.server
def test_a_service_that_is_down_is_told_as_the_page_expects_it_and_back_when_it_is_there(tmp_path: Path) -> None:
    expected = re.search(r"isAway = .*\[(.*)\]\.includes\(status\)", (ROOT / "web" / "api.js").read_text())
    assert expected
    port = free_port()
    with fronting(tmp_path / "nginx", f"http://127.0.0.1:{port}", {}) as front, front.client() as client:
        for _ in range(3):
            reply = client.get("/ask", params={"q": SECRET})
            assert str(reply.status_code) in expected[1].split(", ")
            assert "error" not in reply.headers["content-type"] + reply.text
            assert reply.headers["strict-transport-security"]
        with starting(tmp_path / "data") as run:
            run(**SETTINGS | {"QA_PORT": str(port), "QA_INSECURE": "1"})
            assert client.post("/ask", json=QUESTION).json()["passages"]
        assert SECRET not in front.written()


@pytest.mark.server
def test_a_long_address_is_refused_by_the_service_and_a_long_header_by_nginx(stack: Stack) -> None:
    with stack.client() as client:
        long = client.get(f"/ask?q={'x' * 9_000}")
        assert (long.status_code, long.json()["error"]["code"]) == (414, "uri_too_long")
        assert client.get("/", headers={"X-Long": "x" * 20_000}).status_code == 400
        assert client.get("/health/live").status_code == 200


@pytest.mark.server
def test_slow_clients_hold_up_nobody_and_are_sent_away(tmp_path: Path) -> None:
    limits = {
        "client_header_timeout 20s": "client_header_timeout 1s",
        "client_body_timeout 20s": "client_body_timeout 1s",
    }
    with stacked(tmp_path, limits) as stack, ExitStack() as opened, stack.client() as client:
        slow = [opened.enter_context(stack.front.connect()) for _ in range(60)]
        for number, connection in enumerate(slow):
            body = "Content-Type: application/json", "Content-Length: 9", "", "{"
            connection.sendall(stack.head("POST /ask", *(body if number % 2 else ()))[:-2])
        assert client.post("/ask", json=QUESTION).json()["passages"]
        for connection in slow:
            received = b"".join(iter(partial(connection.recv, 4_096), b""))
            assert received.startswith(b"HTTP/1.1 408") or not received


@pytest.mark.server
def test_one_address_cannot_take_all_the_places(tmp_path: Path) -> None:
    limits = {"chapter_verse_addresses 100": "chapter_verse_addresses 4"}
    with stacked(tmp_path, limits) as stack, ExitStack() as opened:
        for _ in range(4):
            held = opened.enter_context(stack.front.connect())
            held.sendall(stack.head("POST /ask", "Content-Type: application/json", "Content-Length: 9") + b"\r\n{")
        with stack.client() as same, stack.client("127.0.0.2") as other:
            until(lambda: same.get("/health/live").status_code == 429)
            refused = same.get("/health/live")
            assert refused.json()["error"]["code"] == "too_many_requests"
            assert other.post("/ask", json=QUESTION).json()["passages"]
