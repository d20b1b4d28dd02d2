"""Files of strangers, read in processes of their own with limits on time, memory and size.

Whatever a file does to its parser, the service goes on, and so do the other files.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from index.errors import DocumentError, EngineError
from index.load import codec
from index.load.draft import AS_THEY_ARE, Options
from index.load.worker import IDLE
from index.types import Document

_START = "import json, sys; sys.path[:] = json.loads(sys.argv[1]); from index.load.worker import main; main()"
PROCESSES = 3
"""Processes at the same time; whoever comes next waits for a turn."""
_REUSED = 200
"""Files after which a process makes room for a new one: what a library leaks does not add up."""
_WAITS = 30
"""So many times its limit may a file take in all, when page after page of it needs a part."""
_STARTED = 60.0
"""Seconds for a process to start."""
_MOST_REPLY = 1 << 30
_ENVIRONMENT = ("PATH", "LANG", "LC_ALL", "TESSDATA_PREFIX", "LD_LIBRARY_PATH", "SYSTEMROOT")


@dataclass(frozen=True, slots=True)
class Limits:
    """For one file: seconds (of a PDF: for some pages), bytes of memory, bytes of the file."""

    seconds: float = 120.0
    memory: int = 2 << 30
    bytes: int = 256 << 20


class _Gone(Exception):
    """The process ended, or was ended; `late` when its time was up."""

    def __init__(self, late: bool) -> None:
        super().__init__()
        self.late = late


class Sandbox:
    """Reads files and draws pages, several threads at once, each in a process of its own that is used again."""

    def __init__(self, limits: Limits = Limits()) -> None:
        self.limits = limits
        self._idle: list[_Worker] = []
        self._lock = threading.Lock()
        self._turn = threading.BoundedSemaphore(PROCESSES)
        self._closed = False

    def read(self, path: Path, source: str, options: Options = AS_THEY_ARE, name: str = "") -> Document:
        """The document in a file that is called `name`. Raises DocumentError, naming it."""
        name = name or path.name
        request = {
            "do": "read",
            "path": str(path.absolute()),
            "name": name,
            "source": source,
            "password": options.password,
            "ocr": options.ocr,
            "languages": options.languages,
        }
        began = time.monotonic()
        try:
            document = codec.loads(self._ask(request, name, options.page_read))
        except (ValueError, KeyError, TypeError) as error:
            raise self._failure(name, late=False) from error
        seconds = round(time.monotonic() - began, 3)
        return replace(document, reading=replace(document.reading, seconds=seconds))

    def page(
        self,
        path: Path,
        number: int,
        boxes: Sequence[Sequence[int]],
        width: int,
        name: str,
        password: str | None = None,
    ) -> bytes:
        """A PNG of a page, `width` pixels wide, with boxes (see `index.boxes`) marked.

        Raises IndexError when there is no such page, DocumentError when it cannot be drawn.
        """
        given = {"number": number, "boxes": [[int(edge) for edge in box] for box in boxes], "width": width}
        return self._ask({"do": "page", "path": str(path.absolute()), "password": password, **given}, name)

    def close(self) -> None:
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for worker in idle:
            worker.end()

    def _ask(self, request: dict[str, Any], name: str, beat: Callable[[int, int], None] = lambda *_: None) -> bytes:
        with self._turn:
            worker = self._taken()
            try:
                kind, payload = worker.ask(request, beat)
            except _Gone as gone:
                raise self._failure(name, gone.late) from gone
            except BaseException:
                worker.end()
                raise
            self._give_back(worker, kind)
        if kind == b"e":
            message, hint = json.loads(payload)
            raise DocumentError(_named(message, request["path"], name), hint)
        if kind == b"m":
            raise DocumentError(
                f"{name} needs more than {self.limits.memory >> 20} MB to be read",
                "Split it into smaller files, or raise QA_FILE_MEMORY_MB.",
            )
        if kind == b"i":
            raise IndexError(payload.decode())
        return payload

    def _failure(self, name: str, late: bool) -> DocumentError:
        if late:
            return DocumentError(
                f"{name} was not read within {self.limits.seconds:g} seconds",
                "Split it into smaller files, or raise QA_FILE_SECONDS.",
            )
        return DocumentError(
            f"{name} made its reader fail (out of memory, or a damaged file)",
            "Open it in its program and save it again, or raise QA_FILE_MEMORY_MB.",
        )

    def _taken(self) -> _Worker:
        with self._lock:
            if self._closed:
                raise EngineError("the library was closed", "Open it anew.")
            while self._idle:
                worker = self._idle.pop()
                if worker.alive():
                    return worker
                worker.end()
        return _Worker(self.limits)

    def _give_back(self, worker: _Worker, kind: bytes) -> None:
        with self._lock:
            if kind != b"m" and worker.used < _REUSED and not self._closed:
                self._idle.append(worker)
                return
        worker.end()


class _Worker:
    """One process; see `index.load.worker` for its side."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.used = 0
        path = json.dumps([os.path.abspath(one) for one in sys.path])  # noqa: PTH100  "" is this folder
        given = {"seconds": limits.seconds, "memory": limits.memory, "bytes": limits.bytes}
        kept = {name: os.environ[name] for name in _ENVIRONMENT if name in os.environ}
        self._process = subprocess.Popen(  # noqa: S603  our own code
            [sys.executable, "-c", _START, path, json.dumps(given)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=kept | {"OPENBLAS_NUM_THREADS": "1", "OMP_THREAD_LIMIT": "1", "PYTHONUTF8": "1"},
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._requests, self._replies = self._process.stdin, self._process.stdout

        self._rested = time.monotonic()
        try:
            self._exactly(1, self._rested + _STARTED)
        except _Gone as gone:
            self.end()
            raise EngineError("the process that reads files did not start", "Check the installation.") from gone

    def alive(self) -> bool:
        """Not ended for want of work, nor about to: a request would be lost."""
        return self._process.poll() is None and time.monotonic() - self._rested < IDLE / 2

    def ask(self, request: dict[str, Any], beat: Callable[[int, int], None]) -> tuple[bytes, bytes]:
        """The kind of the reply and the reply itself. Raises _Gone when the process ends, or its time is up."""
        self.used += 1
        began = time.monotonic()
        deadline = began + self._limits.seconds
        try:
            self._requests.write(json.dumps(request).encode() + b"\n")
            self._requests.flush()
            while True:
                head = self._exactly(9, deadline)
                payload = self._exactly(int.from_bytes(head[1:], "big"), deadline)
                if head[:1] != b"b":
                    self._rested = time.monotonic()
                    return head[:1], payload
                beat(*json.loads(payload))
                deadline = min(time.monotonic(), began + (_WAITS - 1) * self._limits.seconds) + self._limits.seconds
        except BrokenPipeError as error:
            self.end()
            raise _Gone(late=False) from error
        except _Gone:
            self.end()
            raise

    def _exactly(self, size: int, deadline: float) -> bytes:
        if size > _MOST_REPLY:
            raise _Gone(late=False)
        received = bytearray()
        while len(received) < size:
            if not wait([self._replies.fileno()], max(0.0, deadline - time.monotonic())):
                raise _Gone(late=True)
            block = os.read(self._replies.fileno(), min(size - len(received), 1 << 20))
            if not block:
                raise _Gone(late=False)
            received += block
        return bytes(received)

    def end(self) -> None:
        self._process.kill()
        for pipe in (self._requests, self._replies):
            with suppress(OSError):
                pipe.close()
        self._process.wait()


def _named(message: str, path: str, name: str) -> str:
    """An upload is read from a file with a name of ours: the person knows another."""
    return message if path.endswith(f"/{name}") else message.replace(path, name)
