"""A real PostgreSQL for the tests: a cluster of databases in a temporary folder, a fresh database for each test."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

USER, PASSWORD = "qa", "s3cret-of-the-tests"
_OWNER = "postgres"
"""Who runs the server where the tests run as root, which it refuses."""
_LOCALES = ("--locale=C.UTF-8", "--locale-provider=icu", "--icu-locale=en-US")
"""An order of texts that is not that of their code points, as most servers have it."""


class Server:
    """PostgreSQL on a free port of this machine, stopped until `start` is called.

    With `durable` it writes to the disk before it answers, as a real one does; without, tests are faster.
    """

    def __init__(self, durable: bool = False) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="qa-postgres-"))
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._options = [] if durable else ["-c", "fsync=off", "-c", "synchronous_commit=off"]
        self._run: dict[str, Any] = {"cwd": "/"}
        if os.getuid() == 0:
            shutil.chown(self.folder, _OWNER, _OWNER)
            self._run |= {"user": _OWNER, "group": _OWNER, "extra_groups": []}
        word = self.folder / "password"
        word.write_text(PASSWORD)
        word.chmod(0o644)
        access = ("--auth=scram-sha-256", f"--username={USER}", f"--pwfile={word}")
        command = [_binary("initdb"), "--pgdata", self._data, "--encoding=UTF8", "--no-sync", *_LOCALES, *access]
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, **self._run)
        assert done.returncode == 0, done.stderr

    @property
    def _data(self) -> str:
        return str(self.folder / "data")

    def url(self, database: str = "") -> str:
        database = database or "postgres"
        return f"postgresql+psycopg://{USER}:{PASSWORD}@127.0.0.1:{self.port}/{database}"

    def start(self, seconds: float = 60) -> None:
        """Start it, and wait until it answers; after a kill what is left of the one before must be gone first."""
        end = time.monotonic() + seconds
        with (self.folder / "log").open("ab") as log:
            while not self._answers():
                assert time.monotonic() < end, (self.folder / "log").read_text()[-2000:]
                if self._process is None or self._process.poll() is not None:
                    self._process = subprocess.Popen(self._command(), stdout=log, stderr=log, **self._run)
                time.sleep(0.05)

    def _command(self) -> list[str]:
        network = ["-c", "listen_addresses=127.0.0.1", "-c", f"port={self.port}", "-c", "unix_socket_directories="]
        return [_binary("postgres"), "-D", self._data, *network, "-c", "max_connections=200", *self._options]

    def _answers(self) -> bool:
        ready = [_binary("pg_isready"), "--quiet", "--host=127.0.0.1", f"--port={self.port}"]
        return subprocess.run(ready, timeout=30).returncode == 0

    def stop(self) -> None:
        """In order: transactions under way are ended, nothing is lost."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """At once, as when the machine fails."""
        self._end(signal.SIGKILL)

    def _end(self, how: signal.Signals) -> None:
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    def remove(self) -> None:
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def execute(self, statement: str, database: str = "") -> list[tuple[Any, ...]]:
        """Run a statement outside of any transaction; its rows."""
        import psycopg

        url = self.url(database).replace("+psycopg", "")
        with psycopg.connect(url, autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def database(self) -> Iterator[str]:
        """The URL of a fresh database, which is dropped afterwards."""
        name = f"test_{secrets.token_hex(6)}"
        self.execute(f"CREATE DATABASE {name} ENCODING 'UTF8' TEMPLATE template0")
        try:
            yield self.url(name)
        finally:
            if self._process is not None or isinstance(self, Elsewhere):
                self.execute(f"DROP DATABASE {name} WITH (FORCE)")


class Elsewhere(Server):
    """One that is there already, whose user may create databases."""

    def __init__(self, url: str) -> None:
        self._url = sa.make_url(url)
        self._process = None

    def url(self, database: str = "") -> str:
        return self._url.set(database=database or self._url.database).render_as_string(hide_password=False)

    def start(self, seconds: float = 60) -> None:
        """Nothing is to be done."""

    def remove(self) -> None:
        """It stays."""


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """One server for all tests that leave it running: that of QA_TEST_POSTGRES, else one of their own."""
    given = os.environ.get("QA_TEST_POSTGRES")
    server = Elsewhere(given) if given else Server()
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(name="kept_in", params=["file", pytest.param("server", marks=pytest.mark.cluster)])
def on_both(request: pytest.FixtureRequest) -> Iterator[Callable[[str], dict[str, str]]]:
    """For modules whose tests are of either database, by import: takes the place of `kept_in` of tests/conftest.py."""
    if request.param == "file":
        yield lambda _: {}
        return
    server: Server = request.getfixturevalue("postgres")
    with ExitStack() as databases:
        yield cache(lambda _: {"catalogue": databases.enter_context(server.database())})


@pytest.fixture
def database_url(postgres: Server) -> Iterator[str]:
    """A fresh database of the server that the tests share."""
    with postgres.database() as url:
        yield url


def _binary(name: str) -> str:
    """Debian keeps those of the server outside of the path."""
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda folder: int(folder.parent.name))
    found = shutil.which(name, path=os.pathsep.join([*map(str, reversed(folders)), os.environ.get("PATH", "")]))
    assert found, "these tests need a PostgreSQL server: install the package postgresql"
    return found


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
