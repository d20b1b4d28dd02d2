"""What the tests of faults share: whole replies, waiting for a state, disks that go away, connections held open."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.conftest import Server

QUESTION = "/ask?q=Who+would+monitor+the+ceasefire%3F"
NO_MODEL = {"QA_MODEL": "/no/such/model"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Message
    body: Any


def fetch(server: Server, path: str, body: object = None, token: str = "", method: str = "") -> Reply:
    """A whole reply, `body` sent as JSON or, where it is bytes, as a form; raises OSError where none comes."""
    kind = "application/x-www-form-urlencoded" if isinstance(body, bytes) else "application/json"
    headers = {"Content-Type": kind, "Accept": "application/json"}
    headers |= {"Authorization": f"Bearer {token}"} if token else {}
    data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
    with closing(HTTPConnection(urlsplit(server.url).netloc, timeout=60)) as connection:
        connection.request(method or ("GET" if data is None else "POST"), path, data, headers)
        reply = connection.getresponse()
        content = reply.read()
        return Reply(reply.status, reply.headers, json.loads(content) if content.startswith(b"{") else None)


def text(name: str, content: str = "") -> dict[str, object]:
    """A document to be sent."""
    said = content or f"The lamp of {name} burned colza oil."
    return {"documents": [{"id": name, "title": name, "text": said}]}


def answers(server: Server, token: str = "") -> bool:
    """Whether questions are answered from the seed, and health says so everywhere."""
    asked, health = fetch(server, QUESTION, token=token), fetch(server, "/health", token=token)
    return (
        asked.status == 200
        and bool(asked.body["passages"])
        and health.body["status"] == "ok"
        and health.body["ready"]
        and fetch(server, "/health/ready").status == 200
        and fetch(server, "/health/live").status == 200
    )


def assert_away(server: Server, reason: str) -> None:
    """No question is answered, and health says why; the process lives."""
    assert fetch(server, "/health/live").body == {"live": True}
    for path in (QUESTION, "/health/ready"):
        refused = fetch(server, path)
        assert (refused.status, refused.headers["Retry-After"]) == (503, "1")
        assert reason in refused.body["error"]["message"]
    health = fetch(server, "/health")
    assert (health.status, health.body["status"], health.body["ready"]) == (200, "failing", False)
    assert reason in health.body["reason"]


def stored(server: Server) -> set[str]:
    """The ids of all documents."""
    return {one["id"] for one in fetch(server, "/documents?limit=500").body["documents"]}


def assert_takes(server: Server, name: str) -> None:
    """A document that is sent is stored, and found."""
    sent = fetch(server, "/documents?wait=true", text(name))
    assert sent.status == 201, sent.body
    assert name in stored(server)


@contextmanager
def mounted(*arguments: str) -> Iterator[None]:
    """`mount` with these arguments, of which the last is the folder; the test is skipped where that is not allowed."""
    if not shutil.which("mount"):
        pytest.skip("there is no mount")
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", arguments[-1]], check=True)


def fill(folder: Path) -> Path:
    """A file that takes all the room there is."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while file.write(bytes(4096)):
            pass
    return filler


def connected(server: Server, sent: bytes = b"") -> socket.socket:
    """A connection of our own, on which this was sent."""
    address = urlsplit(server.url)
    assert address.hostname
    assert address.port
    opened = socket.create_connection((address.hostname, address.port), timeout=60)
    opened.sendall(sent)
    return opened


def received(opened: socket.socket, wanted: bytes) -> bytes:
    """What comes, up to and with what is wanted."""
    got = b""
    while wanted not in got:
        block = opened.recv(65_536)
        assert block, got
        got += block
    return got


def rest(opened: socket.socket) -> bytes:
    """What comes until the other side closes."""
    received = b""
    try:
        while block := opened.recv(65_536):
            received += block
    except ConnectionResetError:
        pass
    return received


def handles(pid: int) -> int:
    """Open files and connections of a process."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


def children(pid: int) -> list[int]:
    """Processes that it started, and that live."""
    found = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [int(child) for child in found.split()]
