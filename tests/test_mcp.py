"""What an assistant gets by the Model Context Protocol, asked by the official client in this process."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from mcp import MCPError

from index.load import from_text
from index.types import Document
from qa.api import create_app
from qa.mcp import PAGE, SOURCE_CHARACTERS, server
from qa.wire import Library
from tests.assistants import ACCEPT, QUESTION, Assistant, connected, told
from tests.test_api import answer_of

COUNTED = re.compile(r"^qa_questions_total\{.*\} (\S+)$", re.MULTILINE)


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


def test_questions_are_counted_whichever_way_they_come(library: Library) -> None:
    asked = {"name": "ask", "arguments": {"question": QUESTION}}
    call = {"jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": asked}
    with TestClient(create_app(library)) as client:
        counts = []
        for _ in range(2):
            counts.append(sum(map(float, COUNTED.findall(client.get("/metrics").text))))
            assert client.post("/mcp", json=call, headers=ACCEPT).json()["result"]["structuredContent"]["passages"]
    assert counts[1] == counts[0] + 1


def test_the_service_may_be_started_again(library: Library) -> None:
    app = create_app(library)
    for _ in range(2):
        with TestClient(app) as client:
            reply = client.post("/mcp", json={"jsonrpc": "2.0", "id": 7, "method": "tools/list"}, headers=ACCEPT)
            assert reply.status_code == 200
