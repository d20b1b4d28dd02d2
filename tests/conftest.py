"""Real parts for the tests: a deterministic embedder, libraries on disk, the service as a process."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from hypothesis import settings as hypothesis_settings

from index.embed import Embedder
from index.embed import load as load_model
from index.load import load_file
from index.terms import terms
from index.types import Document, Vector, Vectors
from qa.access import Access
from qa.api import create_app
from qa.config import settings
from qa.wire import Library, open_library
from tests.postgres import database_url, postgres  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

ROOT = Path(__file__).parent.parent
hypothesis_settings.register_profile("qa", deadline=None)  # what is compiled at its first call takes longer then
hypothesis_settings.load_profile("qa")
PATIENCE = 30_000
"""Milliseconds that a page has for what it should show, on a machine that does much else."""
SEED = ROOT / "seeds" / "000_695fc2132dea3454.txt"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Fast tests first, then those with real files, the real model, the real server, the real browser."""
    slow = ("samples", "model", "server", "browser")
    items.sort(
        key=lambda item: max(
            (slow.index(mark.name) + 1 for mark in item.iter_markers() if mark.name in slow), default=0
        )
    )


class HashEmbedder:
    """A real embedder of bags of terms: each term is a fixed random direction, so shared words mean likeness."""

    name = "hash"
    dim = 64
    runtime = "hashing"

    def passages(self, texts: Sequence[str]) -> Vectors:
        rows = np.stack([self.question(text) for text in texts]) if texts else np.zeros((0, self.dim))
        return rows.astype(np.float32)

    def question(self, text: str) -> Vector:
        total = np.full(self.dim, 1e-3)
        for term in terms(text):
            seed = int.from_bytes(hashlib.sha256(term.encode()).digest()[:8], "big")
            total += np.random.default_rng(seed).standard_normal(self.dim)
        return np.asarray(total / np.linalg.norm(total), np.float32)


@pytest.fixture(scope="session")
def embedder() -> Embedder:
    """The real default model, loaded once."""
    return load_model(cache=settings().cache)


@pytest.fixture
def seed() -> Document:
    return load_file(SEED, "seeds/000_695fc2132dea3454.txt")


@pytest.fixture
def kept_in() -> Callable[[str], dict[str, str]]:
    """Settings that say where the library of a name is stored: by itself in its folder. Some modules have another."""
    return lambda _: {}


@pytest.fixture
def make_library(tmp_path: Path, kept_in: Callable[[str], dict[str, str]]) -> Iterator[Callable[..., Library]]:
    """Opens libraries under the test's own folder, with a hash embedder, another one, or (None) none."""
    opened: list[Library] = []

    def make(embedder: Any = HashEmbedder(), name: str = "data", **given: object) -> Library:  # noqa: B008
        library = open_library(settings(data=tmp_path / name, **kept_in(name) | given), make=True)
        if embedder is not None:
            library.model.embedder, library.model.state, library.model.reason = embedder, "ready", None
        opened.append(library)
        return library

    yield make
    for library in opened:
        library.close()


@pytest.fixture
def library(make_library: Callable[..., Library], seed: Document) -> Library:
    """The seed document, embedded by the hash embedder."""
    made = make_library()
    made.builder.put(seed)
    return made


@pytest.fixture
def client(library: Library) -> Iterator[TestClient]:
    """The real application over the seed document; errors of the service are replies, as for a real client."""
    with TestClient(create_app(library), raise_server_exceptions=False) as opened:
        yield opened


@pytest.fixture
def access(library: Library) -> Iterator[Access]:
    opened = Access(library.settings.data)
    yield opened
    opened.close()


@pytest.fixture
def tokens(access: Access) -> dict[str, str]:
    return {"ask": access.create("reader", "ask")[1], "manage": access.create("editor", "manage")[1]}


@pytest.fixture
def locked(tokens: dict[str, str], library: Library) -> Iterator[TestClient]:
    """The service where people sign in."""
    with TestClient(create_app(library), raise_server_exceptions=False, follow_redirects=False) as client:
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


@dataclass
class Server:
    """The service as a process."""

    process: subprocess.Popen[str]
    url: str

    def get(self, path: str, body: object = None, method: str | None = None) -> tuple[int, Any]:
        """Status and JSON of a reply."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            self.url + path, data, {"Content-Type": "application/json", "Accept": "application/json"}, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as reply:
                return reply.status, json.loads(reply.read())
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.loads(error.read())

    def until_hybrid(self, seconds: float = 120) -> dict[str, Any]:
        """Wait until the model is ready; its health then."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            _, health = self.get("/health")
            if health["model"]["state"] in ("ready", "failed"):
                return dict(health)
            time.sleep(0.2)
        raise AssertionError(f"still {health}")


def environment(**given: str) -> dict[str, str]:
    """This process's environment without its own QA_ settings, and with those given."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("QA_")}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONWARNINGS": "default"} | given


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Server]]:
    """Starts `qa serve` on a free port over the test's own data folder; stopped at the end."""
    with starting(tmp_path / "served") as run:
        yield run


@contextmanager
def starting(data: Path, command: Sequence[str] = ("serve",)) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def run(prefix: Sequence[str] = (), cwd: Path = ROOT, **given: str) -> Server:
        values = environment(**({"QA_DATA": str(data), "QA_PORT": "0"} | given))
        process = subprocess.Popen(
            [*prefix, sys.executable, "-m", "qa", *command],
            cwd=cwd,
            env=values,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        server = Server(process, _address(process))
        servers.append(server)
        return server

    try:
        yield run
    finally:
        for server in servers:
            server.process.terminate()
            server.process.communicate(timeout=20)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One service with the real model and the seed document, for the tests of a module that leave it as it is."""
    with starting(tmp_path_factory.mktemp("service")) as run:
        server = run()
        server.until_hybrid()
        yield server


@contextmanager
def chromium() -> Iterator[Browser]:
    """Debian's Chromium, or another one."""
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=PATIENCE)
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    assert found, "the browser tests need Chromium: install the package chromium"
    with sync_playwright() as playwright:
        arguments = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        browser = playwright.chromium.launch(executable_path=found, args=arguments)
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    with chromium() as opened:
        yield opened


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A person's browser; its pages fail the test on any script error, refused resource or request to elsewhere."""
    context = browser.new_context(
        permissions=["clipboard-read", "clipboard-write"], viewport={"width": 1100, "height": 850}
    )
    context.set_default_timeout(PATIENCE)
    problems: list[str] = []
    context.on("weberror", lambda error: problems.append(str(error.error)))
    context.on("console", lambda message: problems.append(message.text) if "Content Security" in message.text else None)
    context.on("dialog", lambda dialog: problems.append(dialog.message))
    local = ("http://127.0.0.1:", "blob:", "data:")
    context.on("request", lambda asked: None if asked.url.startswith(local) else problems.append(asked.url))
    yield context
    context.close()
    assert problems == []


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


def _address(process: subprocess.Popen[str]) -> str:
    output: IO[str] = process.stdout  # type: ignore[assignment]
    for line in output:
        found = re.search(r"http://\S+", line)
        if found:
            return found.group()
    _, errors = process.communicate(timeout=10)
    raise AssertionError(f"the service did not start: {errors}")


def qa(*arguments: str, **given: str) -> subprocess.CompletedProcess[str]:
    """Run a `qa` command as a process."""
    return subprocess.run(
        [sys.executable, "-m", "qa", *arguments],
        cwd=ROOT,
        env=environment(**given),
        capture_output=True,
        text=True,
        timeout=120,
    )
