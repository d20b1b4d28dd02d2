"""`make bench-peers`: indexing and hybrid search against txtai and Haystack, same texts, same weights, same run.

Needs an environment of its own, with both installed.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

os.environ["HAYSTACK_TELEMETRY_ENABLED"] = "False"
os.environ["HF_HUB_OFFLINE"] = "1"

from eval.bench.corpus import questions, short_documents
from eval.bench.report import Section, text
from eval.bench.speed import median, milliseconds
from index.embed import DEFAULT_MODEL, Embedder, locate
from index.load import from_text
from qa.config import settings
from qa.wire import Library, open_library

_BLOCK = 25
Search = Callable[[str], object]


def main(
    count: Annotated[int, typer.Option(help="Short documents.")] = 11_000,
    asked: Annotated[int, typer.Option(help="Questions.")] = 100,
) -> None:
    """Index the same documents with each, then ask them the same questions, some at a time in turns."""
    documents = short_documents(count)
    with tempfile.TemporaryDirectory(prefix="qa-peers-") as data:
        library = open_library(settings(data=Path(data)), make=True, load_when_needed=True)
        embedder = library.model.load_once()
        assert embedder
        rates: dict[str, float] = {}
        searches: dict[str, Search] = {}
        made: dict[str, Callable[[], Search]] = {
            "ours": lambda: _ours(library, documents),
            "txtai": lambda: _txtai(documents),
        }
        for name, index in made.items():
            began = time.perf_counter()
            searches[name] = index()
            rates[name] = len(documents) / (time.perf_counter() - began)
        searches["Haystack"] = _haystack(documents, embedder)
        taken: dict[str, list[float]] = {name: [] for name in searches}
        every = questions(asked)
        for start in range(0, asked, _BLOCK):  # in turns, the first of each to wake it up
            block = [(question,) for question in every[start : start + _BLOCK]]
            for name, search in searches.items():
                taken[name] += milliseconds(search, block[:2] + block)[2:]
        library.close()
    ours = median(taken["ours"])
    rows = [
        {
            "what": name,
            "search ms": median(times),
            "ours is faster by": round(median(times) / ours, 1),
            "indexed documents/s": round(rates[name], 1) if name in rates else "",
            "ours indexes faster by": round(rates["ours"] / rates[name], 2) if name in rates else "",
        }
        for name, times in taken.items()
    ]
    aim = f"{len(documents):,} short documents; aim: search 4 times txtai's, 25 times Haystack's; indexing 3 times."
    typer.echo(f"{aim}\n\n{text(Section('Peers', aim, rows))}")


def _ours(library: Library, documents: list[str]) -> Search:
    for _ in library.builder.put_all(from_text(one, title="", id=f"d{n}") for n, one in enumerate(documents)):
        pass
    library.tidy()
    return lambda question: library.answerer.search(question, 5)


def _txtai(documents: list[str]) -> Search:
    from txtai import Embeddings

    embeddings: Any = Embeddings(
        path=str(locate(DEFAULT_MODEL)), method="sentence-transformers", gpu=False, hybrid=True, content=True
    )
    embeddings.index((number, one, None) for number, one in enumerate(documents))
    return lambda question: embeddings.search(question, 5)


def _haystack(documents: list[str], embedder: Embedder) -> Search:
    """Its documents get our vectors, which are those of the same weights: only its search is timed."""
    from haystack import Document, Pipeline
    from haystack.components.embedders import SentenceTransformersTextEmbedder
    from haystack.components.joiners import DocumentJoiner
    from haystack.components.retrievers.in_memory import InMemoryBM25Retriever, InMemoryEmbeddingRetriever
    from haystack.document_stores.in_memory import InMemoryDocumentStore

    store = InMemoryDocumentStore(embedding_similarity_function="cosine")
    vectors = embedder.passages(documents).tolist()
    store.write_documents([Document(content=one, embedding=row) for one, row in zip(documents, vectors, strict=True)])
    pipeline = Pipeline()
    model = SentenceTransformersTextEmbedder(model=str(locate(DEFAULT_MODEL)), progress_bar=False)
    pipeline.add_component("embedder", model)
    pipeline.add_component("dense", InMemoryEmbeddingRetriever(store, top_k=100))
    pipeline.add_component("bm25", InMemoryBM25Retriever(store, top_k=100))
    pipeline.add_component("join", DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=5))
    pipeline.connect("embedder.embedding", "dense.query_embedding")
    pipeline.connect("dense", "join")
    pipeline.connect("bm25", "join")
    return lambda question: pipeline.run({"embedder": {"text": question}, "bm25": {"query": question}})


if __name__ == "__main__":
    typer.run(main)
