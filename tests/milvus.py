"""Real servers of Milvus, each a process in a folder of its own: 2.3.5, which PyPI carries, and Milvus Lite."""

from __future__ import annotations

import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from eval.bench.servers import answers
from index.catalogue import Catalogue
from index.ledger import Ledger

if TYPE_CHECKING:
    from index.milvus import MilvusEngine

_BEGINS = 150.0
"""Seconds that a server has to begin."""


class MilvusServer:
    """A standalone server on a free port; what it holds outlives `kill` and `stop`, until the next `start`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.port = _free_port()

    @property
    def uri(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + _BEGINS
        with (self._folder / "server.log").open("ab") as log:
            while not answers(self.uri):
                if time.monotonic() > end:
                    raise RuntimeError(f"{self._command()[0]} did not begin: see {self._folder}/server.log")
                if self._process is None or self._process.poll() is not None:  # as who looks after it would do
                    self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, start_new_session=True)
                time.sleep(0.25)

    def kill(self) -> None:
        """At once, as by a power failure."""
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def _end(self, how: signal.Signals) -> None:
        if self._process is None:
            return
        os.killpg(self._process.pid, how)  # the server is a child of what starts it
        try:
            self._process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(20)
        self._process = None

    def _command(self) -> list[str]:
        server = Path(sys.executable).with_name("milvus-server")
        return [str(server), "--data", str(self._folder), "--proxy-port", str(self.port)]


class LiteServer(MilvusServer):
    """Milvus Lite for several processes; it has sparse vectors too."""

    def _command(self) -> list[str]:
        lite = Path(sys.executable).with_name("milvus-lite")
        return [str(lite), "server", "--data-dir", str(self._folder), "--host", "127.0.0.1", "--port", str(self.port)]


def ledger_of(catalogue: Catalogue) -> Ledger:
    return Ledger(catalogue.read, catalogue.note, catalogue.database.mutex)


def lite_engine(folder: Path, **given: Any) -> MilvusEngine:
    """An engine on Milvus Lite inside this process, or on the server of QA_TEST_MILVUS, from which its collections are
    removed when it is closed; its ledger in a catalogue of its own."""
    from index.milvus import MilvusEngine

    class Passing(MilvusEngine):
        def close(self) -> None:
            for number in range(1, self._state.collection + 1):
                self._drop(number)
            super().close()

    ledger = ledger_of(Catalogue(folder / "catalogue", {}))
    uri = os.environ.get("QA_TEST_MILVUS")
    if uri:
        return Passing(uri, f"qa_test_{secrets.token_hex(6)}", ledger, **given)
    return MilvusEngine(str(folder / "milvus.db"), "test", ledger, **given)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
