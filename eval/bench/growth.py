"""How it grows: libraries of a thousand to a million passages, built, opened by a new process, searched and changed."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import numpy as np

from eval.bench.corpus import PASSAGES, Drawn
from eval.bench.speed import Row, median, milliseconds
from index.catalogue import Catalogue
from index.local import LocalEngine
from index.search import Searcher
from index.terms import terms

SIZES = (1_000, 10_000, 100_000, 200_000, 1_000_000)
_GROUP = 100
_QUESTIONS = 300


def growth(drawn: Drawn, sizes: Iterable[int] = SIZES) -> list[Row]:
    """A row for each size."""
    return [_size(drawn, size) for size in sizes]


def _size(drawn: Drawn, size: int) -> Row:
    with tempfile.TemporaryDirectory(prefix="qa-bench-") as name:
        folder = Path(name)
        began = time.perf_counter()
        catalogue = Catalogue(folder, {})
        documents = drawn.documents(0, size // PASSAGES)
        while group := list(islice(documents, _GROUP)):
            catalogue.put_all(group)
        stored = time.perf_counter() - began
        began = time.perf_counter()
        engine = LocalEngine(folder / "engine")
        searcher = Searcher(catalogue, engine)
        searcher.refresh()
        engine.maintain()
        indexed = time.perf_counter() - began
        searcher.close()
        catalogue.checkpoint()
        catalogue.close()
        disk = sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
        _questions(drawn, size, folder / "questions.npz")
        command = [sys.executable, "-m", "eval.bench.growth", name]
        measured = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
        return {
            "passages": size,
            "stored in s": round(stored, 1),
            "index built in s": round(indexed, 1),
            "disk GB": round(disk / 1e9, 2),
            **json.loads(measured.stdout.splitlines()[-1]),
        }


def _questions(drawn: Drawn, size: int, file: Path) -> None:
    """Six words of a passage that is there, a vector near its own; and documents to add."""
    chance = np.random.default_rng(size)
    asked = [" ".join(chance.choice(text.split(), 6)) for text in drawn.passages(chance, _QUESTIONS)]
    added = drawn.passages(chance, 12)
    np.savez(file, asked=asked, added=added, vectors=drawn.around(chance, _QUESTIONS))


def measure(folder: Path) -> Iterator[tuple[str, object]]:
    """In a process of its own: open, search, change."""
    from eval.bench.corpus import Drawn as _Drawn

    given = np.load(folder / "questions.npz")
    began = time.perf_counter()
    catalogue = Catalogue(folder, {})
    engine = LocalEngine(folder / "engine", in_background=True)
    searcher = Searcher(catalogue, engine)
    searcher.refresh()
    searcher.search("warm", given["vectors"][0], 5)
    yield "opened in s", round(time.perf_counter() - began, 2)
    pairs = list(zip(given["asked"].tolist(), given["vectors"], strict=True))
    for question, vector in pairs[:50]:
        searcher.search(question, vector, 5)
    taken = milliseconds(searcher.search, ((question, vector, 5) for question, vector in pairs))
    yield "search ms", median(taken)
    yield "p99 ms", round(float(np.percentile(taken, 99)), 1)
    snapshot = engine.snapshot()
    yield "dense ms", median(milliseconds(snapshot.dense, ((vector, 100) for _, vector in pairs)))
    weights = [snapshot.weights(terms(question)) for question, _ in pairs]
    yield "BM25 ms", median(milliseconds(snapshot.sparse, ((one, 100) for one in weights)))
    yield "memory GB", _resident()
    maker = _Drawn(np.array([]), np.array([]), given["vectors"])
    for what, name, texts in (
        ("one more in s", "new", given["added"][:4]),
        ("replaced in s", "new", given["added"][4:8]),
        ("another replaced in s", "d0000007", given["added"][8:]),
    ):
        document = maker._document(name, texts.tolist(), np.random.default_rng(0))
        question = " ".join(texts[0].split()[:6])
        began = time.perf_counter()
        catalogue.put(*document)
        searcher.refresh()
        found = searcher.search(question, document[2][0].passage, 5).found
        yield what, round(time.perf_counter() - began, 3)
        assert name in {one.stored.passage.document_id for one in found}, "what was added is not found"
    began = time.perf_counter()
    catalogue.remove("new")
    searcher.refresh()
    searcher.search("gone", given["vectors"][0], 5)
    yield "removed in s", round(time.perf_counter() - began, 3)
    searcher.close()
    catalogue.close()


def _resident() -> float:
    """Gigabytes of memory in use by this process, memory-mapped files included."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return round(next(int(line.split()[1]) for line in lines if line.startswith("VmRSS")) / 1e6, 2)


if __name__ == "__main__":
    sys.stdout.write(json.dumps(dict(measure(Path(sys.argv[1])))))
