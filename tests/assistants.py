"""The official client of the Model Context Protocol, as the tests use it."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TextIO

import httpx2
from anyio.from_thread import BlockingPortal, start_blocking_portal
from mcp import Client, StdioServerParameters, stdio_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CallToolResult, TextContent, TextResourceContents

from tests.conftest import ROOT, environment

QUESTION = "Who would monitor the ceasefire?"
AWAY = "/no/such/model"
ACCEPT = {"Accept": "application/json, text/event-stream"}
PAGE_OF_DOCS = (ROOT / "docs" / "mcp.md").read_text(encoding="utf-8")
CONFIGURED = json.loads(re.findall(r"```json\n(.*?)```", PAGE_OF_DOCS, re.DOTALL)[0])["mcpServers"]["my-documents"]


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


@asynccontextmanager
async def by_http(url: str, token: str) -> AsyncIterator[Any]:
    """The transport of a client that shows a token."""
    async with (
        httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30) as client,
        streamable_http_client(url, http_client=client) as streams,
    ):
        yield streams
