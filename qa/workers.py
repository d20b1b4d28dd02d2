"""Several processes that serve one data folder, on one address.

uvicorn starts them, starts those anew that die, and ends them; each opens the library for itself. What they share
besides the data folder is in `qa.shared`.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Collection
from multiprocessing import connection, parent_process
from pathlib import Path

from starlette.types import Receive, Scope, Send
from uvicorn import Config
from uvicorn.supervisors import Multiprocess

from index.errors import QAError
from index.priority import take_turns
from qa import logs
from qa.config import Settings
from qa.ending import LAST, Timely

_GRACE = 0.5
METRICS = "metrics"
"""The folder, in the shared one, in which the processes count together."""


class Application:
    """The service in a process of its own, which gets this object and opens the library by itself."""

    def __init__(self, settings: Settings, hosts: Collection[str] | None, shared: Path) -> None:
        self._settings = settings
        self._hosts = hosts
        self._shared = shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(scope, receive, send)
        else:
            await self._app(scope, receive, send)

    async def _live(self, scope: Scope, receive: Receive, send: Send) -> None:
        from qa.api import create_app
        from qa.wire import open_library

        logs.configure(self._settings)
        take_turns()
        threading.Thread(target=_end_with_parent, name="parent", daemon=True).start()
        library = open_library(self._settings, serving=True, shared=self._shared)
        try:
            self._app = Timely(create_app(library, self._hosts))
            await self._app(scope, receive, send)
        finally:
            library.close()


class Processes(Multiprocess):
    """uvicorn's, which end in time also where one of them hangs."""

    _asked_to_end = False

    def __init__(self, config: Config, sockets: list[socket.socket]) -> None:
        super().__init__(config, sockets)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._end)

    def terminate_all(self) -> None:
        for one in self.sockets:  # else the system would still take connections, for nobody
            one.close()
        super().terminate_all()

    def run(self) -> None:
        """Raises QAError when a process could not begin."""
        super().run()
        if not self._asked_to_end:
            raise QAError("a process of the service could not begin", "What it logged tells why.")

    def _end(self, number: int, _: object) -> None:
        self._asked_to_end = True
        self.signal_queue.append(number)
        timer = threading.Timer(LAST, self._kill)
        timer.daemon = True
        timer.start()

    def _kill(self) -> None:
        for one in self.processes:
            one.process.kill()
        time.sleep(_GRACE)
        os._exit(0)  # the parent itself may be waiting for one that hung


def _end_with_parent() -> None:
    """Nobody would end this process, or start it anew, any more; and it would keep the address."""
    parent = parent_process()
    if parent:
        connection.wait([parent.sentinel])
        os.kill(os.getpid(), signal.SIGTERM)


def count_together(shared: Path) -> None:
    """Have the processes that are started from now on keep their metrics where each can read those of all."""
    folder = shared / METRICS
    folder.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)  # the library reads it there alone
