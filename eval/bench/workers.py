"""How many documents a second are taken in: by the service alone over SQLite, and by workers of a cluster."""

from __future__ import annotations

import json
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from eval.bench import servers
from eval.bench.corpus import short_documents
from eval.bench.process import fetched, free_port, running
from eval.bench.speed import Row

_POSTED = 500
"""Documents in a request."""
_WARM = 128
"""Documents that come first, so that every model is loaded."""
_LONGEST = 600.0
_QUIET = {"QA_SEEDS": "", "QA_RATE": "0"}


def intake(count: int, workers: Sequence[int]) -> list[Row]:
    """Documents/s from the first request until every job is done, each of them one passage, or hardly more."""
    texts = short_documents(count + _WARM)
    rows: list[Row] = []
    for number in (0, *workers):
        with tempfile.TemporaryDirectory(prefix="qa-bench-") as name, ExitStack() as ends:
            folder = Path(name)
            url = _cluster(folder, ends, number) if number else _serving(folder, ends, {})
            _taken_in(url, texts[:_WARM], "warm")
            seconds = _taken_in(url, texts[_WARM:], "d")
        what = f"PostgreSQL and Milvus Lite, workers: {number}" if number else "embedded, the service itself"
        rows.append({"what": what, "documents": len(texts) - _WARM, "documents/s": round(count / seconds, 1)})
    for row in rows:
        row["times"] = round(row["documents/s"] / rows[0]["documents/s"], 2)
    return rows


def _cluster(folder: Path, ends: ExitStack, workers: int) -> str:
    """The URL of a node that takes nothing in itself; its workers do."""
    given = {
        "QA_CATALOGUE": ends.enter_context(servers.postgresql(folder)),
        "QA_ENGINE": "milvus",
        "QA_ENGINE_URI": ends.enter_context(servers.milvus(folder, lite=True)),
        "QA_FILES": str(folder / "files"),
        "QA_INGEST": "false",
    }
    url = _serving(folder, ends, given)
    for number in range(workers):
        command = [sys.executable, "-m", "qa", "worker", "--data", str(folder / f"worker{number}")]
        ends.enter_context(running(command, lambda: True, folder / f"worker{number}.log", _QUIET | given))
    return url


def _serving(folder: Path, ends: ExitStack, given: dict[str, str]) -> str:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "qa", "serve", "--port", str(port), "--data", str(folder / "data")]

    def hybrid() -> bool:
        health = fetched(f"{url}/health")
        return bool(health) and json.loads(health)["model"]["state"] == "ready"

    ends.enter_context(running(command, hybrid, folder / "serve.log", _QUIET | given))
    return url


def _taken_in(url: str, texts: Sequence[str], name: str) -> float:
    """Seconds until all are done."""
    began = time.perf_counter()
    jobs = [_post(url, some) for some in _batches(texts, name)]
    while not all(json.loads(fetched(f"{url}/jobs/{one}"))["state"] == "done" for one in jobs):
        if time.perf_counter() - began > _LONGEST:
            raise TimeoutError(f"{len(texts)} documents were not taken in within {_LONGEST:.0f} s")
        time.sleep(0.25)
    return time.perf_counter() - began


def _batches(texts: Sequence[str], name: str) -> Iterator[list[dict[str, Any]]]:
    documents = [{"id": f"{name}{number}", "title": "", "text": text} for number, text in enumerate(texts)]
    for start in range(0, len(documents), _POSTED):
        yield documents[start : start + _POSTED]


def _post(url: str, documents: list[dict[str, Any]]) -> str:
    body = json.dumps({"documents": documents}).encode()
    request = urllib.request.Request(f"{url}/documents", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as reply:
        return str(json.loads(reply.read())["id"])
