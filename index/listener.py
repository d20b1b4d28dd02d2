"""Hearing from a server that something was written, on a connection of its own."""

from __future__ import annotations

import selectors
import socket
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

from index.errors import QAError

_AGAIN = 1.0
"""Seconds until a connection that was lost is tried again."""


class Listener:
    """Wakes those who wait for what is told on a channel; a thread listens from the first wait on.

    `connect` opens a connection of psycopg's outside of any transaction, and raises QAError when it cannot.
    """

    def __init__(self, connect: Callable[[], AbstractContextManager[Any]], channel: str) -> None:
        self._connect = connect
        self._channel = channel
        self._news = threading.Condition()
        self._heard = 0
        self._closed = False
        self._thread: threading.Thread | None = None
        self._own = threading.local()
        self._ends: tuple[socket.socket, socket.socket] | None = None
        """Of a wire to the thread: it ends when the first of them is closed."""

    def wait(self, seconds: float) -> None:
        """Until something was told since this thread last waited; at the latest after so many seconds, or `close`."""
        with self._news:
            if self._thread is None and not self._closed:
                self._ends = socket.socketpair()
                self._thread = threading.Thread(target=self._run, name="listener", daemon=True)
                self._thread.start()
            seen = getattr(self._own, "seen", self._heard)
            self._news.wait_for(lambda: self._closed or self._heard != seen, seconds)
            self._own.seen = self._heard

    def close(self) -> None:
        with self._news:
            if self._closed:
                return
            self._closed = True
            self._news.notify_all()
        if self._ends and self._thread:
            self._ends[0].close()
            self._thread.join(timeout=10)
            self._ends[1].close()

    def _run(self) -> None:
        while not self._closed:
            try:
                with self._connect() as connection:
                    connection.execute(f"LISTEN {self._channel}")
                    self._tell()  # of what was written while nobody listened
                    self._listen(connection)
            except QAError:
                self._ended(_AGAIN)

    def _listen(self, connection: Any) -> None:
        while not self._ended(None, connection):
            if list(connection.notifies(timeout=0)):
                self._tell()

    def _tell(self) -> None:
        with self._news:
            self._heard += 1
            self._news.notify_all()

    def _ended(self, seconds: float | None, *others: Any) -> bool:
        """Wait until there is something to read, or this is closed: whether it is closed."""
        assert self._ends
        with selectors.DefaultSelector() as ready:
            for one in (self._ends[1], *others):
                ready.register(one, selectors.EVENT_READ)
            ready.select(seconds)
        return self._closed
