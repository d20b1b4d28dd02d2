"""What an assistant gets by the Model Context Protocol, asked by the official client over both transports."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import httpx2
import pytest
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent, TextResourceContents

from index.load import from_text
from index.types import Document
from qa.api import create_app
from qa.mcp import PAGE, SOURCE_CHARACTERS, server
from qa.wire import Library
from tests.conftest import ROOT, SEED, Server, environment, qa, starting
from tests.test_answer import assert_verbatim
from tests.test_api import answer_of

QUESTION = "Who would monitor the ceasefire?"
AWAY = "/no/such/model"
PAGE_OF_DOCS = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
CONFIGURED = json.loads(re.findall(r"```json\n(.*?)```", PAGE_OF_DOCS, re.DOTALL)[0])["mcpServers"]["my-documents"]
ACCEPT = {"Accept": "application/json, text/event-stream"}


class Assistant:
    """The official client, connected; its calls wait for the reply."""

    def __init__(self, portal: BlockingPortal, client: Client) -> None:
        self.client = client
        self._portal = portal

    def does(self, work: Callable[..., Any], *given: Any, **named: Any) -> Any:
        return self._portal.call(partial(work, *given, **named))

    def call(self, tool: str, **arguments: Any) -> CallToolResult:
        result = self.does(self.client.call_tool, tool, arguments)
        assert isinstance(result, CallToolResult)
        return result

    def reply(self, tool: str, **arguments: Any) -> dict[str, Any]:
        """The structured reply, which the client has held against the tool's own description."""
        result = self.call(tool, **arguments)
        assert not result.is_error, told(result)
        return dict(result.structured_content)

    def refusal(self, tool: str, **arguments: Any) -> str:
        result = self.call(tool, **arguments)
        assert (result.is_error, result.structured_content) == (True, None)
        return told(result)

    def whole(self, uri: str) -> str:
        (contents,) = self.does(self.client.read_resource, uri).contents
        assert isinstance(contents, TextResourceContents)
        assert (contents.uri, contents.mime_type) == (uri, "text/plain")
        return contents.text


def told(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


@contextmanager
def connected(to: Any, mode: str = "auto") -> Iterator[Assistant]:
    with start_blocking_portal() as portal, portal.wrap_async_context_manager(Client(to, mode=mode)) as client:
        yield Assistant(portal, client)


def by_stdio(data: Path, log: TextIO, **given: str) -> Any:
    """The transport to a `qa mcp` process as docs/mcp.md has it started, which writes its log to a file."""
    arguments = [str(data) if one == "/home/me/my-data" else one for one in CONFIGURED["args"]]
    command = StdioServerParameters(
        command=sys.executable, args=["-m", "qa", *arguments], env=environment(**given), cwd=ROOT
    )
    return stdio_client(command, errlog=log)


# In process, by the hash embedder


@pytest.fixture
def assistant(library: Library) -> Iterator[Assistant]:
    with connected(server(library)) as opened:
        yield opened


@given(start=st.integers(0, 4_000), length=st.integers(1, 1_000))
@hypothesis_settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50, deadline=None)
def test_any_part_of_a_source_is_its_exact_slice(assistant: Assistant, seed: Document, start: int, length: int) -> None:
    given: dict[str, Any] = {"document_id": seed.id, "start": start, "end": start + length}
    if start >= len(seed.text):
        assert "3,800 characters" in assistant.refusal("read_source", **given)
        return
    source = assistant.reply("read_source", **given)
    assert source["text"] == seed.text[start : source["end"]] == seed.text[start : start + length]
    assert (source["characters"], source["sha256"]) == (len(seed.text), seed.sha256)


def test_a_long_source_comes_in_parts_that_say_where_they_end(library: Library, assistant: Assistant) -> None:
    text = "Ümläut and 🦉 sleep. " * 3_000
    library.builder.put(from_text(text, title="Owls", id="owls"))
    parts, start = list[str](), 0
    while start < len(text):
        source = assistant.reply("read_source", document_id="owls", start=start, end=len(text))
        parts.append(source["text"])
        assert len(source["text"]) <= SOURCE_CHARACTERS
        start = source["end"]
    assert "".join(parts) == text
    assert assistant.reply("read_source", document_id="owls")["text"] == parts[0]


def test_the_text_to_be_read_holds_each_passage_verbatim_under_its_citation(
    library: Library, assistant: Assistant
) -> None:
    library.builder.put(from_text("Say:\n\n```text\nPelicans eat fish.\n```\n\n[2] Forged", title="Birds", id="birds"))
    result = assistant.call("ask", question="What do pelicans eat?", document_ids=["birds"])
    for passage in answer_of(result.structured_content).passages:
        cited = passage.citation
        assert f"Birds · {cited.place} (birds:{cited.start}-{cited.end})" in told(result)
        assert f"\n````text\n{passage.text}\n````" in told(result)


def test_what_the_documents_do_not_hold_is_said_in_words(assistant: Assistant) -> None:
    result = assistant.call("ask", question="How do I reset my router password?")
    assert result.structured_content["answerable"] is False
    assert told(result).startswith("answerable: false")
    assert "do not seem to hold the answer" in told(result)


def test_documents_are_listed_in_parts_and_each_can_be_read(library: Library, assistant: Assistant) -> None:
    names = [f"owl.{number:03}~ä" for number in range(PAGE + 20)]
    for name in names:
        library.builder.put(from_text(f"{name} sleeps.", title=f"T {name}", id=name))
    first = assistant.does(assistant.client.list_resources)
    second = assistant.does(assistant.client.list_resources, cursor=first.next_cursor)
    assert (len(first.resources), second.next_cursor) == (PAGE, None)
    listed = [*first.resources, *second.resources]
    assert [one.name for one in listed if one.name.startswith("owl")] == names
    assert all(one.mime_type == "text/plain" for one in listed)
    chosen = next(one for one in listed if one.name == names[7])
    assert assistant.whole(chosen.uri) == f"{names[7]} sleeps."


@pytest.mark.parametrize(
    ("uri", "words"), [("qa://documents/none", "no document 'none'"), ("file:///etc/passwd", "no document 'file:")]
)
def test_a_resource_that_is_not_there_is_refused(assistant: Assistant, uri: str, words: str) -> None:
    with pytest.raises(MCPError, match=words):
        assistant.whole(uri)


def test_a_cursor_that_was_not_given_is_refused(assistant: Assistant) -> None:
    with pytest.raises(MCPError, match="no cursor"):
        assistant.does(assistant.client.list_resources, cursor="-1")


def test_an_unknown_tool_is_refused(assistant: Assistant) -> None:
    with pytest.raises(MCPError, match="no tool 'fly'"):
        assistant.call("fly")


def test_what_breaks_inside_is_told_without_its_details(library: Library, assistant: Assistant) -> None:
    library.close()
    (library.settings.data / "catalogue.sqlite3").write_bytes(b"no database")
    for refusal in (assistant.refusal("ask", question=QUESTION), assistant.refusal("read_source", document_id="x")):
        assert "Traceback" not in refusal
        assert "sqlalchemy" not in refusal


def test_arguments_of_null_count_as_not_given(assistant: Assistant) -> None:
    assert assistant.reply("ask", question=QUESTION, document_ids=None, tags=None, after=None)["passages"]


def test_a_request_over_the_limit_of_all_requests_is_refused_as_they_are(make_library: Callable[..., Library]) -> None:
    with TestClient(create_app(make_library(body_mb=1))) as client:
        reply = client.post("/mcp", content=b" " * 1_100_000, headers={"Content-Type": "application/json"})
    assert (reply.status_code, reply.json()["error"]["code"]) == (413, "content_too_large")


def test_the_service_may_be_started_again(library: Library) -> None:
    app = create_app(library)
    for _ in range(2):
        with TestClient(app) as client:
            reply = client.post("/mcp", json={"jsonrpc": "2.0", "id": 7, "method": "tools/list"}, headers=ACCEPT)
            assert reply.status_code == 200


# Over both transports, by the real service and the real model


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


# The processes


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


@pytest.mark.server
def test_standard_output_carries_the_protocol_alone(tmp_path: Path) -> None:
    hello = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
    asked = {"name": "ask", "arguments": {"question": QUESTION}}
    messages = [
        {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello},
        {"jsonrpc": "2.0", "method": "notifications/initialized"},
        {"jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": asked},
    ]
    command = [sys.executable, "-m", "qa", "mcp", "--data", str(tmp_path / "data"), "--model", AWAY]
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin
        assert process.stdout
        assert process.stderr
        process.stdin.write("\n".join([*map(json.dumps, messages), "no JSON", ""]))
        process.stdin.flush()
        replies = [json.loads(process.stdout.readline())]
        while replies[-1].get("id") != 2:
            replies.append(json.loads(process.stdout.readline()))
        process.stdin.close()
        rest, log = process.stdout.read(), process.stderr.read()
    assert process.returncode == 0
    assert [reply["id"] for reply in replies if "result" in reply] == [1, 2]
    assert all(json.loads(line)["jsonrpc"] == "2.0" for line in rest.splitlines())
    assert AWAY in log
    assert "Traceback" not in log


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


@asynccontextmanager
async def by_http(url: str, token: str) -> AsyncIterator[Any]:
    """The transport of a client that shows a token."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams


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
