"""Mixed traffic as a busy library meets it: questions, uploads, removals, reading, mistakes, and clients that leave."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from random import Random
from typing import Any

NAMES = 60
"""Documents that come and go: each is put, replaced and removed under the same id, so that the library stays small."""
_PARAGRAPHS = 6
_SECONDS = 60.0
"""That a reply may take."""
_BOUNDARY = "a-line-between-parts"
_MISTAKES: tuple[tuple[str, str, bytes, Mapping[str, str]], ...] = (
    ("POST", "/ask", b"{", {"Content-Type": "application/json"}),
    ("POST", "/ask", b'{"question": ""}', {"Content-Type": "application/json"}),
    ("POST", "/ask", json.dumps({"question": "x" * 100_000}).encode(), {"Content-Type": "application/json"}),
    ("POST", "/documents", b"text", {"Content-Type": "text/plain"}),
    ("GET", "/documents/none/text", b"", {}),
    ("GET", "/jobs/none", b"", {}),
    ("GET", "/nowhere", b"", {}),
    ("PUT", "/ask", b"{}", {"Content-Type": "application/json"}),
)
"""Method, path, body and headers of requests that are refused."""


class Person:
    """One client after its own mind; `kinds` counts what it did, by kind and status (0: no reply)."""

    def __init__(self, host: str, port: int, words: list[str], seed: int) -> None:
        self._host, self._port, self._words = host, port, words
        self._chance = Random(seed)
        self._connection = http.client.HTTPConnection(host, port, timeout=_SECONDS)
        self.kinds: Counter[tuple[str, int]] = Counter()
        self._acts: list[Callable[[], int]] = [
            *[self.ask] * 8,
            *[self.upload_text, self.upload_file, self.remove, self.list_documents, self.read] * 2,
            self.make_a_mistake,
            self.leave,
            self.leave_with_half_a_request,
            self.follow_a_job,
        ]

    def keep_going(self, over: threading.Event, pause: float) -> None:
        """One thing after another, each after a pause of about so many seconds."""
        while not over.wait(self._chance.expovariate(1 / pause)):
            self.act(self._chance.choice(self._acts))
        self._connection.close()

    def act(self, act: Callable[[], int]) -> None:
        try:
            status = act()
        except (OSError, http.client.HTTPException):
            status = 0
            self._connection.close()  # the next request opens it again
        self.kinds[act.__name__, status] += 1

    def ask(self) -> int:
        return self._sent("POST", "/ask", {"question": " ".join(self._some(6)), "top_k": 5})[0]

    def upload_text(self) -> int:
        document = {"id": self._name(), "title": " ".join(self._some(3)), "text": self._text()}
        return self._sent("POST", "/documents?wait=true", {"documents": [document]})[0]

    def upload_file(self) -> int:
        return self._posted_file()[0]

    def remove(self) -> int:
        return self._sent("DELETE", f"/documents/{self._name()}")[0]

    def list_documents(self) -> int:
        return self._sent("GET", "/documents")[0]

    def read(self) -> int:
        return self._sent("GET", f"/documents/{self._name()}/text")[0]

    def make_a_mistake(self) -> int:
        """It is to be refused, not to fail."""
        method, path, body, headers = self._chance.choice(_MISTAKES)
        return self._reply(method, path, body, headers)[0]

    def leave(self) -> int:
        """Ask, and go away before the answer."""
        body = json.dumps({"question": " ".join(self._some(6))})
        head = f"POST /ask HTTP/1.1\r\nHost: {self._host}\r\nContent-Type: application/json\r\n"
        return self._abandoned(f"{head}Content-Length: {len(body)}\r\n\r\n{body}".encode())

    def leave_with_half_a_request(self) -> int:
        return self._abandoned(f"POST /ask HTTP/1.1\r\nHost: {self._host}\r\nContent-Length: 500\r\n\r\n{{".encode())

    def follow_a_job(self) -> int:
        """Its events, to the end or, as often, to the first one."""
        _, body = self._posted_file()
        job = json.loads(body).get("id", "none")
        status, stream = self._stream(f"/jobs/{job}/events")
        if status == 200 and self._chance.random() < 0.5:
            stream.read()
        else:
            stream.readline()
        stream.close()
        self._connection.close()
        return status

    def _abandoned(self, request: bytes) -> int:
        with socket.create_connection((self._host, self._port), _SECONDS) as gone:
            gone.sendall(request)
        return 0

    def _posted_file(self) -> tuple[int, bytes]:
        name = f"{self._name()}.txt"
        head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="files"; filename="{name}"\r\n\r\n'
        body = f"{head}{self._text()}\r\n--{_BOUNDARY}--\r\n".encode()
        return self._reply("POST", "/documents", body, {"Content-Type": f"multipart/form-data; boundary={_BOUNDARY}"})

    def _sent(self, method: str, path: str, body: Any = None) -> tuple[int, bytes]:
        content = b"" if body is None else json.dumps(body).encode()
        return self._reply(method, path, content, {"Content-Type": "application/json"} if content else {})

    def _reply(self, method: str, path: str, body: bytes, headers: Mapping[str, str]) -> tuple[int, bytes]:
        self._connection.request(method, path, body or None, dict(headers))
        reply = self._connection.getresponse()
        return reply.status, reply.read()

    def _stream(self, path: str) -> tuple[int, http.client.HTTPResponse]:
        self._connection.request("GET", path, headers={"Accept": "text/event-stream"})
        reply = self._connection.getresponse()
        return reply.status, reply

    def _name(self) -> str:
        return f"soak-{self._chance.randrange(NAMES)}"

    def _some(self, count: int) -> list[str]:
        return self._chance.choices(self._words, k=count)

    def _text(self) -> str:
        return "\n\n".join(f"{' '.join(self._some(60)).capitalize()}." for _ in range(_PARAGRAPHS))
