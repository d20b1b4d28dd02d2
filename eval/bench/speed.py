"""Embedding, BM25, FAISS and a whole search, each against what it is compared with, in turns."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.bench.corpus import Drawn, questions, short_documents, texts
from index import embed, torch_embedder
from index.embed import DEFAULT_MODEL
from index.lexical import Statistics
from index.load import from_text
from index.ranking import RANKING
from index.segment import Bags, Segment, Staged
from index.terms import terms
from index.vectors import EXHAUSTIVE, VectorIndex
from qa.config import Settings
from qa.wire import open_library

Row = dict[str, Any]
"""A line of a table: column -> value."""
SIZES = (20_000, 200_000, 1_000_000)


def milliseconds(call: Callable[..., object], given: Iterable[tuple[object, ...]]) -> list[float]:
    """How long each call took."""
    taken = []
    for arguments in given:
        began = time.perf_counter()
        call(*arguments)
        taken.append((time.perf_counter() - began) * 1e3)
    return taken


def median(values: Iterable[float]) -> float:
    return round(float(np.median(list(values))), 3)


def embedding(settings: Settings) -> list[Row]:
    """Passages/s on real passages, in turns; one question, median; the least cosine to float32."""
    library = torch_embedder.load(embed.locate(DEFAULT_MODEL), DEFAULT_MODEL)
    ours = embed.load(settings.model, settings.cache)
    passages, asked = texts()[:512], questions(200)
    speeds: dict[str, list[float]] = {}
    vectors = {}
    for _ in range(3):
        for name, embedder in (("ours", ours), ("sentence-transformers", library)):
            began = time.perf_counter()
            vectors[name] = embedder.passages(passages)
            speeds.setdefault(name, []).append(len(passages) / (time.perf_counter() - began))
    likeness = float(np.einsum("ij,ij->i", vectors["ours"], vectors["sentence-transformers"]).min())
    rows: list[Row] = []
    for name, embedder in (("ours", ours), ("sentence-transformers", library)):
        one = milliseconds(embedder.question, ((text,) for text in asked))
        rows.append(
            {
                "what": f"{name} ({embedder.runtime})",
                "passages/s": round(float(np.median(speeds[name])), 1),
                "times": round(float(np.median(np.array(speeds[name]) / np.array(speeds["sentence-transformers"]))), 2),
                "question ms": median(one),
                "least cosine": round(likeness, 5) if name == "ours" else 1.0,
            }
        )
    return rows


def bm25(drawn: Drawn, sizes: Iterable[int] = SIZES) -> list[Row]:
    """Queries/s of six terms, the numbers of the 100 best and their scores, against bm25s with its numba back end."""
    import bm25s

    rows: list[Row] = []
    for size in sizes:
        chance = np.random.default_rng(size)
        numbers = np.searchsorted(drawn.chances, chance.random((size, 80))).astype(np.int32)
        segment = _lexical_segment(numbers)
        frequencies = segment.frequencies(len(drawn.words))
        statistics = Statistics.of(size, int(segment.arrays.lengths.sum()), frequencies)
        norms = statistics.norms(segment.arrays.lengths)
        idf = np.log(size - frequencies + 0.5) - np.log(frequencies + 0.5)
        content = np.flatnonzero((frequencies > 0) & (frequencies < size / 20))
        asked = [chance.choice(np.intersect1d(row, content), 6) for row in numbers[chance.integers(size, size=300)]]
        asked = [np.unique(one) for one in asked]
        used = statistics.bm25
        weights = [[(int(term), float(idf[term]) * used.most) for term in one] for one in asked]
        peer = bm25s.BM25(method="atire", k1=used.k1, b=used.b, backend="numba")
        names = {str(term): term for term in range(len(drawn.words))}
        peer.index(bm25s.tokenization.Tokenized(ids=numbers.tolist(), vocab=names), show_progress=False)
        del numbers
        queries = [[str(term) for term in one] for one in asked]
        segment.rows_by_words(weights[0], norms, 100, None)
        peer.retrieve(queries[:2], k=100, show_progress=False)
        speeds: dict[str, list[float]] = {"ours": [], "bm25s": []}
        for _ in range(3):
            began = time.perf_counter()
            for one in weights:
                segment.rows_by_words(one, norms, 100, None)
            speeds["ours"].append(len(asked) / (time.perf_counter() - began))
            began = time.perf_counter()
            peer.retrieve(queries, k=100, show_progress=False)
            speeds["bm25s"].append(len(asked) / (time.perf_counter() - began))
        ours, theirs = (float(np.median(speeds[name])) for name in ("ours", "bm25s"))
        rows.append(
            {
                "passages": size,
                "ours queries/s": round(ours),
                "bm25s queries/s": round(theirs),
                "times": round(ours / theirs, 2),
            }
        )
    return rows


def _lexical_segment(numbers: NDArray[Any]) -> Segment:
    """Passages of term numbers (passages, words), as one document that has them all."""
    ordered = np.sort(numbers, axis=1)
    first = np.ones(ordered.shape, np.bool_)
    first[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    places = np.flatnonzero(first)
    counts = np.diff(np.append(places, ordered.size)).astype(np.uint16)
    firsts = np.append(0, np.cumsum(first.sum(axis=1))).astype(np.int64)
    spans = np.stack([np.arange(len(numbers)), np.arange(len(numbers)) + 1], axis=1)
    return Segment.of([Staged("d", spans, Bags(firsts, ordered.ravel()[places], counts), None)])


def bm25_scores() -> list[Row]:
    """The largest relative difference to `rank_bm25.BM25Okapi` on real passages and questions."""
    from rank_bm25 import BM25Okapi

    corpus = [terms(text) for text in texts()[:5_000]]
    used = RANKING.bm25
    oracle = BM25Okapi(corpus, k1=used.k1, b=used.b, epsilon=used.epsilon)
    vocabulary = {term: number for number, term in enumerate(dict.fromkeys(term for bag in corpus for term in bag))}
    staged = []
    for number, bag in enumerate(corpus):
        found, counts = np.unique([vocabulary[term] for term in bag], return_counts=True)
        bags = Bags(np.array([0, len(found)]), found.astype(np.int32), counts.astype(np.uint16))
        staged.append(Staged(f"{number:05}", np.array([[0, 1]]), bags, None))
    segment = Segment.of(staged)
    frequencies = segment.frequencies(len(vocabulary))
    statistics = Statistics.of(len(corpus), int(segment.arrays.lengths.sum()), frequencies)
    worst = 0.0
    for question in questions(50):
        asked = terms(question)
        expected = oracle.get_scores(asked)
        weights = statistics.weights(asked, vocabulary)
        numbered = [(vocabulary[term], weight * used.most) for term, weight in weights.items() if term in vocabulary]
        norms = statistics.norms(segment.arrays.lengths)
        for hit in segment.sparse(numbered, norms, len(corpus), None):
            score = expected[int(hit.passage_id.split(":")[0])]
            worst = max(worst, abs(hit.score - score) / abs(score))
    return [{"what": "against rank_bm25.BM25Okapi, 5,000 passages, 50 questions", "largest difference": f"{worst:.1e}"}]


def dense(drawn: Drawn, real: NDArray[Any], asked: NDArray[Any], most: int) -> list[Row]:
    """Median of one question's 100 nearest, and how many of the exact 100 nearest these are.

    Real vectors are searched with cells too, few as they are, and the larger sets in a graph (HNSW), for comparison.
    """
    graphs = [partial(_graph, depth=depth) for depth in (100, 200, 400)]
    rows = _compared("real", real, asked, [_ours, partial(_ours, exhaustive=0), *graphs])
    for size in (10_000, 50_000, 150_000, 200_000, 1_000_000):
        if size <= most:
            compared = graphs[-1:] if size > EXHAUSTIVE else []
            vectors = np.concatenate(list(_around(drawn, size)))
            rows += _compared("drawn around real", vectors, asked, [_ours, *compared])
    return rows


_Search = Callable[[NDArray[Any]], NDArray[Any]]
"""The 100 nearest of a vector."""


def _compared(
    name: str,
    vectors: NDArray[Any],
    asked: NDArray[Any],
    kinds: Sequence[Callable[[NDArray[Any]], tuple[str, _Search]]],
) -> list[Row]:
    import faiss

    exact = faiss.IndexFlatIP(vectors.shape[1])
    exact.add(vectors)
    _, nearest = exact.search(asked, 100)
    del exact
    rows: list[Row] = []
    for make in kinds:
        began = time.perf_counter()
        kind, search = make(vectors)
        made = time.perf_counter() - began
        found = [search(one) for one in asked]
        taken = milliseconds(search, ((one,) for one in asked))
        recall = sum(len(np.intersect1d(ours, theirs)) for ours, theirs in zip(found, nearest, strict=True))
        rows.append(
            {
                "vectors": name,
                "count": len(vectors),
                "index": kind,
                "ms": median(taken),
                "recall@100": round(recall / nearest.size, 4),
                "built in s": round(made, 1),
            }
        )
    return rows


def _ours(vectors: NDArray[Any], exhaustive: int | None = None) -> tuple[str, _Search]:
    index = VectorIndex.of(np.arange(len(vectors), dtype=np.int32), vectors, exhaustive)
    kind = f"IVF, {index.cells} cells, float16" if index.cells else "every vector, float16"
    return kind, lambda one: index.search(one, 100, None, False)[0]


def _graph(vectors: NDArray[Any], depth: int) -> tuple[str, _Search]:
    import faiss

    make: Any = faiss.IndexHNSWSQ  # FAISS's own types know only one of its constructors
    index = make(vectors.shape[1], faiss.ScalarQuantizer.QT_fp16, 32, faiss.METRIC_INNER_PRODUCT)
    index.train(vectors)
    index.add(vectors)
    index.hnsw.efSearch = depth
    return f"HNSW, 32 links, {depth} deep, float16", lambda one: np.asarray(index.search(one[None], 100)[1][0])


def _around(drawn: Drawn, size: int) -> Iterable[NDArray[Any]]:
    for start in range(0, size, 50_000):
        yield drawn.around(np.random.default_rng(start), min(50_000, size - start))


def search(settings: Settings, count: int = 11_000) -> list[Row]:
    """Indexing and a whole search in process, question embedded included, over short documents."""
    documents = short_documents(count)
    asked = questions(500)
    with tempfile.TemporaryDirectory(prefix="qa-bench-") as data:
        library = open_library(settings.model_copy(update={"data": Path(data)}), make=True, load_when_needed=True)
        library.model.load_once()
        began = time.perf_counter()
        for _ in library.builder.put_all(from_text(text, title="", id=f"d{n}") for n, text in enumerate(documents)):
            pass
        library.tidy()
        indexed = time.perf_counter() - began
        for text in asked[:100]:
            library.answerer.search(text, 5)
        taken = milliseconds(library.answerer.search, ((text, 5) for text in asked))
        library.close()
    return [
        {
            "documents": len(documents),
            "indexed documents/s": round(len(documents) / indexed, 1),
            "search ms": median(taken),
            "p99 ms": round(float(np.percentile(taken, 99)), 2),
        }
    ]


def cold_ask(settings: Settings) -> list[Row]:
    """`qa ask` as a process of its own, the converted model being there."""
    with tempfile.TemporaryDirectory(prefix="qa-bench-") as data:
        command = [sys.executable, "-m", "qa"]
        where = ["--data", data]
        subprocess.run([*command, "index", str(settings.seeds), *where], check=True, capture_output=True)
        ask = [*command, "ask", "Who would monitor the ceasefire?", *where]
        taken = milliseconds(lambda: subprocess.run(ask, check=True, capture_output=True), [()] * 7)
    return [{"what": "qa ask, cold", "s": round(median(taken) / 1e3, 2)}]
