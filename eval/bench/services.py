"""The services under load, and what they serve: the same texts and vectors, the same model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import numpy as np

from eval.bench.corpus import PASSAGES, drawn, short_documents, texts
from eval.bench.openloop import get, post
from eval.bench.process import Tree, fetched, free_port, running
from index import embed
from index.embed import Embedder
from index.errors import ModelError
from index.load import from_text
from index.types import Vectors
from qa.config import settings
from qa.wire import Library, open_library

TOP = 5
"""Passages asked for."""
_GROUP = 100
_UNLIMITED = {"QA_RATE": "0", "QA_SEEDS": "", "QA_HOST": "127.0.0.1"}
"""One address asks all the questions here."""


@dataclass(frozen=True, slots=True)
class Service:
    """One that runs. `question` makes the request that asks one; `uploads` are requests that are answered when done."""

    name: str
    url: str
    tree: Tree
    question: Callable[[str], bytes]
    uploads: bool


def prepare(folder: Path, size: int, from_public: bool, peer: bool) -> int:
    """Fill `folder` with a library (`data`), and with the same for `peer`; how many passages there are.

    In a process of its own, so that what it holds is gone before anything is measured.
    """
    library = open_library(settings(data=folder / "data", seeds=""), make=True, load_when_needed=True)
    embedder = library.model.load_once()
    if embedder is None:
        raise ModelError(f"the model is needed: {library.model.reason}")
    served, vectors = (_public if from_public else _drawn)(library, embedder, size)
    library.tidy()
    _, passages, pending = library.catalogue.counts.all()
    library.close()
    if pending:
        raise AssertionError(f"{pending} of {passages} passages are not embedded")
    if peer:
        (folder / "peer").mkdir()
        (folder / "peer" / "texts.json").write_text(json.dumps(served), encoding="utf-8")
        np.save(folder / "peer" / "vectors.npy", vectors)
    return passages


def _public(library: Library, embedder: Embedder, size: int) -> tuple[list[str], Vectors]:
    documents = short_documents(size)
    for _ in library.builder.put_all(from_text(one, title="", id=f"d{n}") for n, one in enumerate(documents)):
        pass
    return documents, embedder.passages(documents)


def _drawn(library: Library, embedder: Embedder, size: int) -> tuple[list[str], Vectors]:
    documents = drawn(embedder).documents(0, max(1, size // PASSAGES))
    served, rows = list[str](), []
    while group := list(islice(documents, _GROUP)):
        library.catalogue.put_all(group)
        served += [passage.text for _, passages, _ in group for passage in passages]
        rows += [one.passage for _, _, vectors in group for one in vectors]
    return served, np.stack(rows)


def uploaded(count: int, first: int = 3_000) -> Iterator[dict[str, Any]]:
    """Documents to send in: five paragraphs each of the public sets."""
    paragraphs = texts()
    for number in range(count):
        start = (first + 5 * number) % (len(paragraphs) - 5)
        text = "\n\n".join(paragraphs[start : start + 5])
        yield {"id": f"uploaded-{number}", "title": f"Document {number}", "text": text}


def knows_workers() -> bool:
    """Whether `qa serve` has the option."""
    said = subprocess.run([sys.executable, "-m", "qa", "serve", "--help"], capture_output=True, text=True, check=True)
    return "--workers" in said.stdout


@contextmanager
def ours(folder: Path, workers: int = 1) -> Iterator[Service]:
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "qa", "serve", "--port", str(port), "--data", str(folder / "data")]
    if workers > 1:
        command += ["--workers", str(workers)]
    hybrid = partial(_is_hybrid, url)
    with running(command, hybrid, folder / f"serve-{workers}.log", _UNLIMITED) as process:
        name = "ours" if workers == 1 else f"ours, {workers} workers"
        yield Service(name, url, Tree(process.pid), lambda text: post("/ask", {"question": text, "top_k": TOP}), True)


def _is_hybrid(url: str) -> bool:
    health = fetched(f"{url}/health")
    return bool(health) and json.loads(health)["retrieval"] == "hybrid"


@contextmanager
def txtai(folder: Path, python: Path) -> Iterator[Service]:
    """txtai's API, as its documentation starts it, without a line in a log for each request."""
    peer, port = folder / "peer", free_port()
    url = f"http://127.0.0.1:{port}"
    if not (peer / "app.json").exists():
        model = str(embed.locate(embed.DEFAULT_MODEL))
        script = str(Path(__file__).with_name("txtai_index.py"))
        subprocess.run([str(python), script, str(peer), model], check=True, env=os.environ | {"HF_HUB_OFFLINE": "1"})
    command = [str(python), "-m", "uvicorn", "txtai.api:app", "--port", str(port), "--no-access-log"]
    given = {"CONFIG": str(peer / "app.json"), "HF_HUB_OFFLINE": "1"}
    with running(command, lambda: bool(fetched(f"{url}{_search('ready')}")), peer / "serve.log", given) as process:
        yield Service("txtai", url, Tree(process.pid), lambda text: get(_search(text)), False)


def _search(text: str) -> str:
    return f"/search?{urlencode({'query': text, 'limit': TOP})}"
