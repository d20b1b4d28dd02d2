"""Some documents of a library as a library of their own, without embedding anything again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TypeAlias

from index.catalogue import Catalogue
from index.embed import Embedder
from index.local import LocalEngine
from index.types import Document, Passage, PassageVectors
from qa.answer import Answerer, Models
from qa.confidence import Calibration
from qa.wire import Library

Stored: TypeAlias = Mapping[str, tuple[Document, list[Passage], list[PassageVectors]]]
"""Documents with their passages and vectors, by id."""

_AT_ONCE = 500
"""Documents stored in one transaction."""


def taken_from(library: Library) -> Stored:
    """Every document of a library that is embedded."""
    return {name: taken for name in library.catalogue.document_ids() if (taken := _taken(library, name))}


def _taken(library: Library, document_id: str) -> tuple[Document, list[Passage], list[PassageVectors]] | None:
    document, stored = library.catalogue.document(document_id), library.catalogue.passages_of(document_id)
    vectors = [one.vectors for one in stored if one.vectors]
    return (document, [one.passage for one in stored], vectors) if document and len(vectors) == len(stored) else None


@contextmanager
def sublibrary(library: Library, documents: Stored, folder: Path) -> Iterator[Answerer]:
    """Searches these documents alone, stored in a folder; questions are embedded by the library's model, once."""
    catalogue = Catalogue(folder, {})
    searcher = library.searcher.over(catalogue, LocalEngine(bm25=library.ranking.bm25))
    try:
        every = list(documents.values())
        for start in range(0, len(every), _AT_ONCE):
            catalogue.put_all(every[start : start + _AT_ONCE])
        yield Answerer(searcher, Models(lambda: _embedder(library)), Calibration({}))
    finally:
        searcher.close()
        catalogue.close()


class _Remembering:
    """An embedder that keeps the vectors of questions: each is asked of several libraries, in several modes."""

    def __init__(self, embedder: Embedder) -> None:
        self.name, self.dim, self.runtime = embedder.name, embedder.dim, embedder.runtime
        self.passages = embedder.passages
        self.question = lru_cache(maxsize=100_000)(embedder.question)


@lru_cache(maxsize=1)
def _embedder(library: Library) -> Embedder | None:
    embedder = library.model.load_once()
    return _Remembering(embedder) if embedder else None
