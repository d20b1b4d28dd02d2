"""What is logged: one line a record to standard error, as text or as JSON, with the id of the request it belongs to.

Questions, and what documents say, are in no line unless QA_LOG_QUESTIONS is set: an exception of somebody else's may
quote them in its message, so that its kind and its place in the code are told instead.
"""

from __future__ import annotations

import logging
import os
import sqlite3
import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import TYPE_CHECKING

from pythonjsonlogger.core import RESERVED_ATTRS
from pythonjsonlogger.json import JsonFormatter

from index.errors import QAError

if TYPE_CHECKING:
    from qa.config import Settings

OURS = ("qa", "index", "eval")
_TRUSTED = (*OURS, "uvicorn", "py")
"""Loggers whose messages hold nothing of a question or a document; "py" is that of warnings."""
_TELLING = (QAError, OSError, sqlite3.Error)
"""Exceptions whose messages name files, settings and states only."""
_PLAIN = frozenset(RESERVED_ATTRS)
WAITING = 10_000
"""Lines that may wait for whoever reads standard error; further ones are dropped."""
_PATIENCE = 2.0
"""Seconds in which they are written at the end."""
_GATHERED = 0.02
"""Seconds in which lines are gathered, so that not each of them has to wake the thread that writes."""
_PIECE = 4096
"""Bytes that a pipe takes in one piece (PIPE_BUF)."""
_ESCAPED = {code: f"\\x{code:02x}" for code in (*range(32), *range(127, 160))} | {
    ord("\n"): "\\n",
    ord("\t"): " ",
    0x2028: "\\u2028",
    0x2029: "\\u2029",
}
"""So that nothing that came in begins a line, or speaks to a terminal."""


@dataclass(slots=True)
class Trace:
    """A request, as what is done for it knows it. `question` is set only where it may be logged."""

    id: str
    question: str | None = None


_TRACE: ContextVar[Trace | None] = ContextVar("trace", default=None)


@contextmanager
def traced(request_id: str | None) -> Iterator[Trace | None]:
    """What is logged inside belongs to that request, if there is one."""
    trace = Trace(request_id) if request_id else None
    token = _TRACE.set(trace)
    try:
        yield trace
    finally:
        _TRACE.reset(token)


def request_id() -> str | None:
    """The id of the request that is worked for."""
    trace = _TRACE.get()
    return trace.id if trace else None


def asked(question: str) -> None:
    """Have the question in the access record of the request that is worked for."""
    trace = _TRACE.get()
    if trace:
        trace.question = question


def configure(settings: Settings) -> None:
    """Send everything that this process logs, and its warnings, to standard error as the settings say."""
    level = logging.getLevelNamesMapping()[settings.log_level]
    handler = Lines(_formatter(settings.log_format), settings.log_questions)
    logging.basicConfig(handlers=[handler], level=max(level, logging.WARNING), force=True)
    for name in OURS:
        logging.getLogger(name).setLevel(level)
    logging.captureWarnings(True)
    threading.excepthook = _thread_failed


def _thread_failed(failure: threading.ExceptHookArgs) -> None:
    error = failure.exc_value
    if error is not None:
        name = failure.thread.name if failure.thread else "?"
        logging.getLogger(__name__).error("the thread %s ended", name, exc_info=error)


def _formatter(style: str) -> logging.Formatter:
    if style == "json":
        names = {"levelname": "level", "name": "logger", "exc_info": "exception"}
        return JsonFormatter(["time", "levelname", "name", "message"], rename_fields=names)
    return _Text("%(time)s %(levelname)s %(name)s [%(request_id)s]: %(message)s", defaults={"request_id": "-"})


class _Text(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = super().format(record)
        return line if line.isprintable() else line.translate(_ESCAPED)


def _standard_error(line: bytes) -> None:
    os.write(sys.stderr.fileno(), line)


class Lines(logging.Handler):
    """Writes from a thread of its own: nobody waits for a slow reader of standard error.

    What does not fit in the queue is dropped, which is told once there is room again. `outspoken` leaves nothing out
    of what is logged.
    """

    def __init__(
        self, formatter: logging.Formatter, outspoken: bool, write: Callable[[bytes], object] = _standard_error
    ) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self._outspoken = outspoken
        self._write = write
        self._dropped = 0
        self._waiting: deque[bytes] = deque()
        self._some = threading.Event()
        self._writing = False
        threading.Thread(target=self._run, name="log", daemon=True).start()

    def format(self, record: logging.LogRecord) -> str:
        return super().format(prepared(record, self._outspoken))

    def emit(self, record: logging.LogRecord) -> None:
        try:
            self._put(self.format(record))
            if self._dropped and len(self._waiting) < WAITING:
                dropped, self._dropped = self._dropped, 0
                told = logging.LogRecord(__name__, logging.WARNING, "", 0, "%d lines were dropped", (dropped,), None)
                self._put(self.format(told))
        except Exception:  # noqa: BLE001  a record that cannot be shown stops nobody
            self._dropped += 1

    def flush(self) -> None:
        """Wait until the lines so far are written, but not for long."""
        end = time.monotonic() + _PATIENCE
        while (self._waiting or self._writing) and time.monotonic() < end:
            time.sleep(0.005)

    def _put(self, line: str) -> None:
        if len(self._waiting) >= WAITING:
            self._dropped += 1
            return
        self._waiting.append(line.encode(errors="backslashreplace") + b"\n")
        if not self._some.is_set():
            self._some.set()

    def _run(self) -> None:
        while True:
            self._some.wait()
            time.sleep(_GATHERED)
            self._some.clear()
            self._writing = True
            while self._waiting:
                with suppress(OSError, ValueError):  # nobody reads it any more
                    self._write(self._batch())
            self._writing = False

    def _batch(self) -> bytes:
        """The next lines, not more than the system writes in one piece: other processes write there too."""
        batch = self._waiting.popleft()
        while self._waiting and len(batch) + len(self._waiting[0]) <= _PIECE:
            batch += self._waiting.popleft()
        return batch


def prepared(record: logging.LogRecord, outspoken: bool) -> logging.LogRecord:
    """A record as it is shown: with its time and the id of its request, and without what may quote a text."""
    top = record.name.partition(".")[0]
    trusted = outspoken or top in _TRUSTED
    shown = {name: value for name, value in vars(record).items() if top in OURS or name in _PLAIN}
    # Of other libraries' messages, what stands before anything is filled in.
    message = record.getMessage() if trusted else str(record.msg).partition("\n")[0].partition(":")[0]
    told = "".join(explained(record.exc_info[1], outspoken)) if record.exc_info and record.exc_info[1] else None
    when = datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds").removesuffix("+00:00") + "Z"
    shown |= {"msg": message.rstrip(), "args": None, "exc_info": None, "exc_text": told, "stack_info": None}
    shown |= {"time": when} | ({"request_id": mine} if (mine := request_id()) else {})
    return logging.makeLogRecord(shown)


def explained(error: BaseException, outspoken: bool) -> Iterator[str]:
    """The lines of a traceback, with the causes first. Only messages that quote nothing are told, or with
    `outspoken` all."""
    if outspoken:
        yield from traceback.format_exception(error)
        return
    chain = list[BaseException]()
    link: BaseException | None = error
    while link is not None and link not in chain:
        chain.append(link)
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    for one in reversed(chain):
        yield from _one(one, one.__traceback__)


def _one(error: BaseException, place: TracebackType | None) -> Iterator[str]:
    yield "Traceback (most recent call last):\n"
    yield from traceback.format_tb(place)
    kind = f"{type(error).__module__}.{type(error).__qualname__}".removeprefix("builtins.")
    yield f"{kind}: {error if isinstance(error, _TELLING) else '(its message is not logged)'}\n"
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from explained(inner, outspoken=False)
