"""Documents into the catalogue, and the engine up to the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from index.catalogue import Catalogue
from index.chunk import Chunking, WordPieces, chunk
from index.embed import Embedder
from index.engine import Engine
from index.errors import DocumentError
from index.schema import StoredPassage
from index.types import Document, Passage, PassageVectors

_BATCH_TEXTS = 256
"""Texts embedded at a time: enough to fill the model's batches, few enough to show progress."""

Progress = Callable[[int], None]
"""Called with the number of texts embedded since the last call."""


State = Literal["added", "replaced", "unchanged"]


@dataclass(frozen=True, slots=True)
class Report:
    """What became of one document."""

    document_id: str
    title: str
    source: str
    state: State
    characters: int
    passages: int
    embedded: bool


class Builder:
    """Adds, replaces and removes documents.

    `embedder` gives the model, or None while there is none: then documents are searchable by BM25 at once, and
    by meaning after `embed_pending`.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        pieces: WordPieces,
        chunking: Chunking,
        embedder: Callable[[], Embedder | None],
    ) -> None:
        self.catalogue = catalogue
        self._pieces = pieces
        self._chunking = chunking
        self._embedder = embedder

    def put(self, document: Document, progress: Progress | None = None) -> Report:
        """Add a document, or replace the one with its id; nothing is done when it is the same.

        Raises DocumentError when there is nothing in it to find.
        """
        before = self.catalogue.document(document.id)
        if before == document:
            self._embed(document.id, progress)
            return _report(document, "unchanged", self.catalogue.passages_of(document.id))
        return self._put(document, "replaced" if before else "added", progress)

    def _put(self, document: Document, state: State, progress: Progress | None) -> Report:
        passages = chunk(document, self._pieces, self._chunking)
        if not passages:
            raise DocumentError(f"{document.source or document.title} holds no text", "Leave it out.")
        embedder = self._embedder()
        vectors = embed(passages, embedder, progress) if embedder else None
        self.catalogue.put(document, passages, vectors)
        if vectors is None:  # the model may have come while this was being stored
            self._embed(document.id, progress)
        return _report(document, state, self.catalogue.passages_of(document.id))

    def embed_pending(self, embedder: Embedder, progress: Progress | None = None) -> int:
        """Embed what was added without a model, a document at a time; returns how many documents."""
        waiting = self.catalogue.unembedded()
        for document_id in waiting:
            self._embed(document_id, progress, embedder)
        return len(waiting)

    def _embed(self, document_id: str, progress: Progress | None, embedder: Embedder | None = None) -> None:
        passages = [stored.passage for stored in self.catalogue.passages_of(document_id) if stored.vectors is None]
        embedder = embedder or (self._embedder() if passages else None)
        if passages and embedder:
            vectors = embed(passages, embedder, progress)
            self.catalogue.embedded(document_id, list(zip(passages, vectors, strict=True)))

    def rebuild(self, progress: Progress | None = None) -> Iterator[Report]:
        """Cut and embed every stored document again; see `Catalogue.refitted`."""
        for document_id in self.catalogue.document_ids():
            document = self.catalogue.document(document_id)
            if document:
                yield self._put(document, "replaced", progress)


def _report(document: Document, state: State, passages: Sequence[StoredPassage]) -> Report:
    return Report(
        document_id=document.id,
        title=document.title,
        source=document.source,
        state=state,
        characters=len(document.text),
        passages=len(passages),
        embedded=all(passage.vectors for passage in passages),
    )


def embed(passages: Sequence[Passage], embedder: Embedder, progress: Progress | None = None) -> list[PassageVectors]:
    """Vectors of passages, title and heading in front, and of each of their sentences as it stands."""
    texts = [f"{passage.context}\n{passage.text}".lstrip("\n") for passage in passages]
    for passage in passages:
        texts += passage.sentence_texts()
    made = []
    for start in range(0, len(texts), _BATCH_TEXTS):
        batch = texts[start : start + _BATCH_TEXTS]
        made.append(embedder.passages(batch))
        if progress:
            progress(len(batch))
    rows = np.concatenate(made) if made else np.zeros((0, embedder.dim), np.float32)
    vectors, position = [], len(passages)
    for number, passage in enumerate(passages):
        vectors.append(PassageVectors(rows[number], rows[position : position + len(passage.sentences)]))
        position += len(passage.sentences)
    return vectors


def catch_up(catalogue: Catalogue, engine: Engine) -> None:
    """Bring an engine up to the catalogue; nothing is embedded."""
    if catalogue.generation() == engine.generation:
        return
    generation, changes = catalogue.changes(engine.generation)
    for change in changes:
        vectors = [stored.vectors.passage for stored in change.passages if stored.vectors]
        complete = len(vectors) == len(change.passages) > 0
        engine.replace(
            change.document_id,
            [stored.passage for stored in change.passages],
            np.stack(vectors) if complete else None,
        )
    engine.commit(generation)
