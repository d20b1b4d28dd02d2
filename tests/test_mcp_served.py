"""The same over both transports: the real processes `qa mcp` and `qa serve`, and the real model."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.assistants import ACCEPT, AWAY, QUESTION, Assistant, by_http, by_stdio, connected
from tests.conftest import ROOT, SEED, Server, environment, qa, starting
from tests.test_answer import assert_verbatim
from tests.test_api import answer_of


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    """The real service over the seed document, and its data folder."""
    folder = tmp_path_factory.mktemp("mcp") / "served"
    with starting(folder) as run:
        service = run()
        service.until_hybrid()
        yield service, folder


@pytest.fixture(scope="module", params=["stdio", "http", "stdio-2025", "http-2025"])
def either(
    request: pytest.FixtureRequest, served: tuple[Server, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Assistant]:
    """By `qa mcp`, which opens the data folder of the running service, or by the service; today's protocol and the one
    before, which most assistants speak."""
    service, folder = served
    log = tmp_path_factory.mktemp("log") / "stderr.txt"
    with log.open("w") as errors:
        to = by_stdio(folder, errors) if request.param.startswith("stdio") else f"{service.url}/mcp"
        with connected(to, "legacy" if request.param.endswith("2025") else "auto") as opened:
            yield opened
    assert not {"WARNING", "ERROR", "Traceback"} & set(re.findall(r"[A-Za-z]+", log.read_text()))


@pytest.mark.model
@pytest.mark.server
def test_the_tools_say_what_they_are_for_and_change_nothing(either: Assistant) -> None:
    tools = {tool.name: tool for tool in either.does(either.client.list_tools).tools}
    assert set(tools) == {"ask", "read_source"}
    for tool in tools.values():
        assert tool.annotations
        assert (tool.annotations.read_only_hint, tool.annotations.destructive_hint) == (True, False)
        assert tool.output_schema
    asking = tools["ask"]
    assert asking.description
    assert all(word in asking.description for word in ("verbatim", "offsets", "`answerable` false"))
    assert set(asking.input_schema["properties"]) == {
        *("question", "top_k", "history", "document_ids", "collections", "tags", "types", "after", "before", "mode")
    }
    assert all("description" in one for one in asking.input_schema["properties"].values())
    assert set(tools["read_source"].input_schema["properties"]) == {"document_id", "start", "end"}
    assert "verbatim" in (either.client.instructions or "")


@pytest.mark.model
@pytest.mark.server
@pytest.mark.parametrize("question", [QUESTION, "What army could Ukraine keep?", "How do I reset my router password?"])
def test_every_passage_is_what_its_source_says_there(either: Assistant, question: str) -> None:
    answer = answer_of(either.reply("ask", question=question, top_k=10))
    assert answer.retrieval == "hybrid"
    assert answer.passages
    assert_verbatim(answer, SEED.read_text(encoding="utf-8"))
    for passage in answer.passages:
        cited = passage.citation
        source = either.reply("read_source", document_id=cited.document_id, start=cited.start, end=cited.end)
        assert passage.text == source["text"]
        assert source["sha256"] == cited.sha256


@pytest.mark.model
@pytest.mark.server
def test_it_answers_as_the_service_does(either: Assistant, served: tuple[Server, Path]) -> None:
    asked = {"question": "And how large is it?", "history": ["What army could Ukraine keep?"], "top_k": 3}
    _, answer = served[0].get("/ask", asked)
    timeless: dict[str, Any] = {"took_ms": 0, "stages_ms": {}}
    assert either.reply("ask", **asked) | timeless == answer | timeless


@pytest.mark.model
@pytest.mark.server
def test_a_document_is_a_resource_with_its_stored_text(either: Assistant) -> None:
    (template,) = either.does(either.client.list_resource_templates).resource_templates
    (resource,) = either.does(either.client.list_resources).resources
    assert template.uri_template.replace("{document_id}", resource.name) == resource.uri
    assert resource.title.startswith("US pushes")
    assert either.whole(resource.uri) == SEED.read_text(encoding="utf-8")


@pytest.mark.model
@pytest.mark.server
@pytest.mark.parametrize(
    ("tool", "given", "words"),
    [
        ("ask", {}, "question: Field required"),
        ("ask", {"question": " "}, "question: is empty"),
        ("ask", {"question": "x" * 2001}, "2000 characters"),
        ("ask", {"question": QUESTION, "top_k": 1000}, "top_k"),
        ("ask", {"question": QUESTION, "mode": "magic"}, "mode"),
        ("ask", {"question": QUESTION, "flavour": 1}, "flavour"),
        ("ask", {"question": QUESTION, "document_ids": ["none"]}, "no document 'none'. List the documents"),
        ("read_source", {"document_id": "none"}, "no document 'none'"),
        ("read_source", {"document_id": "none", "start": -1}, "start"),
        ("read_source", {"document_id": "none", "start": 5, "end": 5}, "end 5 is not after start 5"),
    ],
)
def test_what_cannot_be_done_is_an_error_of_the_tool(
    either: Assistant, tool: str, given: dict[str, Any], words: str
) -> None:
    refusal = either.refusal(tool, **given)
    assert words in refusal
    assert "Traceback" not in refusal


@pytest.mark.server
def test_a_new_folder_stays_empty_and_what_is_indexed_later_is_found(tmp_path: Path) -> None:
    with (tmp_path / "log").open("w") as log, connected(by_stdio(tmp_path / "data", log, QA_MODEL=AWAY)) as assistant:
        assert "nothing is indexed yet" in assistant.refusal("ask", question=QUESTION)
        assert assistant.does(assistant.client.list_resources).resources == []
        done = qa("index", str(SEED), QA_DATA=str(tmp_path / "data"), QA_MODEL=AWAY)
        assert done.returncode == 0, done.stderr
        answer = assistant.reply("ask", question=QUESTION)
        assert answer["retrieval"] == "bm25"
        assert "ceasefire monitoring" in answer["passages"][0]["text"]


HELLO = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
GREETING = [
    {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HELLO},
    {"jsonrpc": "2.0", "method": "notifications/initialized"},
]


@pytest.fixture
def spoken(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """`qa mcp`, to speak with by hand."""
    process = subprocess.Popen(
        [sys.executable, "-m", "qa", "mcp", "--data", str(tmp_path / "data"), "--model", AWAY],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with process:
        yield process


def say(process: subprocess.Popen[str], *messages: object) -> None:
    assert process.stdin
    process.stdin.write("".join(f"{json.dumps(message)}\n" for message in messages))
    process.stdin.flush()


def heard(process: subprocess.Popen[str], number: int) -> list[Any]:
    """All that comes until the reply to that request."""
    assert process.stdout
    replies = [json.loads(process.stdout.readline())]
    while replies[-1].get("id") != number:
        replies.append(json.loads(process.stdout.readline()))
    return replies


@pytest.mark.server
def test_standard_output_carries_the_protocol_alone(spoken: subprocess.Popen[str]) -> None:
    asked = {"name": "ask", "arguments": {"question": QUESTION}}
    say(spoken, *GREETING, "no message", {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": asked})
    replies = heard(spoken, 2)
    rest, log = spoken.communicate(timeout=60)
    assert spoken.returncode == 0
    assert [reply["id"] for reply in replies if "result" in reply] == [1, 2]
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
    assert AWAY in log
    assert "Traceback" not in log


@pytest.mark.server
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_at_once_though_it_waits_for_input(spoken: subprocess.Popen[str], number: int) -> None:
    say(spoken, *GREETING)
    heard(spoken, 1)
    spoken.send_signal(number)
    assert spoken.wait(timeout=60) == -number


@pytest.mark.server
def test_a_folder_that_cannot_be_used_ends_the_command_with_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = qa("mcp", "--data", str(tmp_path / "file" / "data"))
    assert (done.returncode, done.stdout) == (1, "")
    assert "Error: " in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """The service that `qa mcp --http` runs, in two processes, empty and without a model."""
    with starting(tmp_path_factory.mktemp("mcp") / "data", ["mcp", "--http"]) as run:
        yield run(QA_SEEDS="", QA_MODEL=AWAY, QA_WORKERS="2")


def post(url: str, body: bytes, **headers: str) -> tuple[int, dict[str, str], bytes]:
    given = {"Content-Type": "application/json"} | ACCEPT | headers
    request = urllib.request.Request(url, body, given)
    try:
        with urllib.request.urlopen(request, timeout=30) as reply:
            return reply.status, dict(reply.headers), reply.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, dict(error.headers), error.read()


@pytest.mark.server
def test_the_address_takes_requests_as_it_stands_and_keeps_nothing_between_them(bare: Server) -> None:
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/list"}
    status, headers, body = post(f"{bare.url}/mcp", json.dumps(call).encode())
    assert (status, headers["content-type"]) == (200, "application/json")
    assert len(json.loads(body)["result"]["tools"]) == 2
    assert "mcp-session-id" not in headers


@pytest.mark.server
def test_where_people_sign_in_an_assistant_shows_a_token_that_may_ask(
    start: Callable[..., Server], tmp_path: Path
) -> None:
    made = qa("token", "create", "--name", "assistant", "--scope", "ask", QA_DATA=str(tmp_path / "served"))
    url = f"{start(QA_MODEL=AWAY).url}/mcp"
    with connected(by_http(url, made.stdout.strip())) as assistant:
        assert assistant.reply("ask", question=QUESTION)["passages"]
    status, _, told = post(url, b"{}", Authorization="Bearer wrong")
    assert (status, json.loads(told)["error"]["code"]) == (401, "unauthorized")


@pytest.mark.server
def test_an_empty_service_says_that_nothing_is_indexed(bare: Server) -> None:
    with connected(f"{bare.url}/mcp") as assistant:
        assert "nothing is indexed yet" in assistant.refusal("ask", question=QUESTION)
        assert assistant.does(assistant.client.list_resources).resources == []


@pytest.mark.server
@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"no JSON", {}, 400),
        (b"[]", {}, 400),
        (b"\xff", {}, 400),
        (b"[" * 100_000, {}, 400),
        (b"{}", {"Content-Type": "text/plain"}, 400),
        (b"{}", {"Accept": "text/html"}, 406),
        (b"{}", {"Mcp-Protocol-Version": "1999-01-01"}, 400),
        (b"{}", {"Origin": "https://evil.example"}, 403),
        (b"{}", {"Host": "evil.example"}, 421),
    ],
)
def test_what_is_no_request_is_refused(bare: Server, body: bytes, headers: dict[str, str], status: int) -> None:
    found, _, told = post(f"{bare.url}/mcp", body, **headers)
    assert found == status, told
    assert b"Traceback" not in told


@pytest.mark.server
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
def test_other_methods_are_not_allowed(bare: Server, method: str) -> None:
    status, reply = bare.get("/mcp", method=method)
    assert (status, reply["error"]["code"]) == (405, "method_not_allowed")
