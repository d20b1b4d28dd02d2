"""`make bench-peers`: indexing and hybrid search against txtai and Haystack, same texts, same weights, same run.

Each has a process of its own, so that none disturbs another's threads or memory, and only one of them works at a time.
Needs an environment of its own, with both installed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated, Any

import typer

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

from eval.bench.corpus import questions, short_documents
from eval.bench.report import Section, text
from eval.bench.speed import median, milliseconds
from index import embed
from index.errors import ModelError
from index.load import from_text
from qa.config import settings
from qa.wire import open_library

_BLOCK = 20
_WARM_UP = 0.5
"""Seconds."""
Search = Callable[[str], object]
_searches: list[Search] = []
"""The search of this process."""


def main(
    count: Annotated[int, typer.Option(help="Short documents.")] = 11_000,
    asked: Annotated[int, typer.Option(help="Questions.")] = 400,
) -> None:
    """Index the same documents with each, then ask them the same questions, some at a time in turns."""
    documents, every = short_documents(count), questions(asked)
    rates: dict[str, float] = {}
    taken: dict[str, list[float]] = {name: [] for name in _MADE}
    with tempfile.TemporaryDirectory(prefix="qa-peers-") as data, ExitStack() as processes:
        workers = {name: processes.enter_context(ProcessPoolExecutor(1, get_context("spawn"))) for name in _MADE}
        for name, worker in workers.items():
            rates[name] = len(documents) / worker.submit(_index, name, documents, Path(data)).result()
        for start in range(0, asked, _BLOCK):
            for name, worker in workers.items():
                taken[name] += worker.submit(_ask, every[start : start + _BLOCK]).result()
    del rates["Haystack"]  # it was given vectors
    rows = [
        {
            "what": name,
            "search ms": median(times),
            "ours is faster by": round(median(times) / median(taken["ours"]), 1),
            "indexed documents/s": round(rates[name], 1) if name in rates else "",
            "ours indexes faster by": round(rates["ours"] / rates[name], 2) if name in rates else "",
        }
        for name, times in taken.items()
    ]
    aim = f"{len(documents):,} short documents; aim: search 4 times txtai's, 25 times Haystack's; indexing 3 times."
    typer.echo(f"{aim}\n\n{text(Section('Peers', aim, rows))}")


def _index(name: str, documents: list[str], data: Path) -> float:
    """Seconds to index them in this process, the model being loaded."""
    index = _MADE[name](data)
    began = time.perf_counter()
    _searches.append(index(documents))
    return time.perf_counter() - began


def _ask(block: list[str]) -> list[float]:
    """Milliseconds of each, after half a second of the same, since processors and caches take a while to wake up."""
    began = time.perf_counter()
    while time.perf_counter() - began < _WARM_UP:
        for question in block:
            _searches[0](question)
    return milliseconds(_searches[0], ((question,) for question in block))


def _ours(data: Path) -> Callable[[list[str]], Search]:
    library = open_library(settings(data=data), make=True, load_when_needed=True)
    if library.model.load_once() is None:
        raise ModelError(f"the model is needed: {library.model.reason}")

    def index(documents: list[str]) -> Search:
        for _ in library.builder.put_all(from_text(one, title="", id=f"d{n}") for n, one in enumerate(documents)):
            pass
        library.tidy()
        return lambda question: library.answerer.search(question, 5)

    return index


def _txtai(_: Path) -> Callable[[list[str]], Search]:
    from txtai import Embeddings

    embeddings: Any = Embeddings(
        path=str(embed.locate(embed.DEFAULT_MODEL)),
        method="sentence-transformers",
        gpu=False,
        hybrid=True,
        content=True,
    )

    def index(documents: list[str]) -> Search:
        embeddings.index((number, one, None) for number, one in enumerate(documents))
        return lambda question: embeddings.search(question, 5)

    return index


def _haystack(_: Path) -> Callable[[list[str]], Search]:
    """Its documents get our vectors, which are those of the same weights: only its search is timed."""
    from haystack import Document, Pipeline
    from haystack.components.embedders import SentenceTransformersTextEmbedder
    from haystack.components.joiners import DocumentJoiner
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    def index(documents: list[str]) -> Search:
        store = InMemoryDocumentStore(embedding_similarity_function="cosine")
        vectors = embed.load(embed.DEFAULT_MODEL, settings().cache).passages(documents).tolist()
        store.write_documents(
            [Document(content=one, embedding=row) for one, row in zip(documents, vectors, strict=True)]
        )
        pipeline = Pipeline()
        model = SentenceTransformersTextEmbedder(model=str(embed.locate(embed.DEFAULT_MODEL)), progress_bar=False)
        pipeline.add_component("embedder", model)
        pipeline.add_component("dense", InMemoryEmbeddingRetriever(store, top_k=100))
        pipeline.add_component("bm25", InMemoryBM25Retriever(store, top_k=100))
        pipeline.add_component("join", DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=5))
        pipeline.connect("embedder.embedding", "dense.query_embedding")
        pipeline.connect("dense", "join")
        pipeline.connect("bm25", "join")
        return lambda question: pipeline.run({"embedder": {"text": question}, "bm25": {"query": question}})

    return index


_MADE: dict[str, Callable[[Path], Callable[[list[str]], Search]]] = {
    "ours": _ours,
    "txtai": _txtai,
    "Haystack": _haystack,
}


if __name__ == "__main__":
    typer.run(main)
