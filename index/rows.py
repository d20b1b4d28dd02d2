"""Rows of the catalogue's tables as the types of the index, and back."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
import sqlalchemy as sa

from index.rescore import Candidate, packed_terms
from index.tables import documents, originals
from index.terms import terms
from index.types import Document, Heading, Passage, PassageVectors, Reading, Span


class Row(Protocol):
    """A row of a query, by SQLAlchemy or by the driver alone."""

    def __getitem__(self, name: str, /) -> Any: ...


@dataclass(frozen=True, slots=True)
class DocumentSummary:
    """A document as lists show it, without its text. `added_at` is in seconds since 1970."""

    id: str
    title: str
    source: str
    sha256: str
    media_type: str
    characters: int
    passages: int
    passages_not_embedded: int
    pages: int | None
    added_at: float
    metadata: Mapping[str, object]
    original: str
    kept: bool
    """Whether the file itself is stored."""
    collection: str
    dated: str
    reading: Reading
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class StoredPassage:
    """A passage with what a citation and sentence rescoring need; `vectors` is None until it is embedded."""

    passage: Passage
    source: str
    sha256: str
    vectors: PassageVectors | None


def summary_rows(passages: sa.Table) -> sa.Select[Any]:
    columns = [column for column in documents.c if column.name not in ("text", "headings", "wrapped")]
    own = sa.select(sa.func.count()).where(passages.c.document_id == documents.c.id)
    counts = (
        own.scalar_subquery().label("passages"),
        own.where(passages.c.vector.is_(None)).scalar_subquery().label("passages_not_embedded"),
    )
    kept = sa.exists().where(originals.c.sha256 == documents.c.original)
    return sa.select(*columns, *counts, kept.label("kept"))


def passage_rows(passages: sa.Table) -> sa.Select[Any]:
    """Rows for `to_passage`."""
    columns = [column for column in passages.c if column.name not in ("sentences", "sentence_terms")]
    spans = sa.cast(passages.c.sentences, sa.Text).label("sentences")
    return sa.select(*columns, spans, documents.c.title, documents.c.source, documents.c.sha256).join(
        documents, documents.c.id == passages.c.document_id
    )


def candidate_rows(passages: sa.Table) -> sa.Select[Any]:
    """Rows for `to_candidate`: what rescoring needs, and the text only where its terms are not kept."""
    table = passages.c
    missing = table.sentence_terms.is_(None)
    text = sa.case((missing, table.text)).label("text")
    spans = sa.case((missing, sa.cast(table.sentences, sa.Text))).label("sentences")
    return sa.select(table.id, table.start, table.vector, table.sentence_vectors, table.sentence_terms, text, spans)


def document_row(document: Document) -> dict[str, object]:
    return {
        "id": document.id,
        "title": document.title,
        "source": document.source,
        "text": document.text,
        "sha256": document.sha256,
        "media_type": document.media_type,
        "pages": list(document.pages),
        "headings": [asdict(heading) for heading in document.headings],
        "metadata": dict(document.metadata),
        "characters": len(document.text),
        "added_at": time.time(),
        "wrapped": document.wrapped,
        "original": document.original,
        "collection": document.collection,
        "dated": document.dated,
        "reading": asdict(document.reading),
    }


def layout_rows(document: Document) -> list[dict[str, object]]:
    pages = enumerate(document.layout, 1)
    return [{"document_id": document.id, "page": number, **asdict(page)} for number, page in pages]


def to_document(row: sa.Row[Any], tags: Sequence[str] = ()) -> Document:
    """Without its layout."""
    return Document(
        id=row.id,
        title=row.title,
        source=row.source,
        text=row.text,
        sha256=row.sha256,
        media_type=row.media_type,
        pages=tuple(row.pages),
        headings=tuple(Heading(**heading) for heading in row.headings),
        metadata=row.metadata,
        wrapped=row.wrapped,
        original=row.original,
        collection=row.collection,
        tags=tuple(tags),
        dated=row.dated,
        reading=Reading.of(row.reading),
    )


def to_summary(row: sa.Row[Any], tags: Sequence[str] = (), sources: Sequence[str] = ()) -> DocumentSummary:
    return DocumentSummary(
        id=row.id,
        title=row.title,
        source=row.source,
        sha256=row.sha256,
        media_type=row.media_type,
        characters=row.characters,
        passages=row.passages,
        passages_not_embedded=row.passages_not_embedded,
        pages=len(row.pages) or None,
        added_at=row.added_at,
        metadata=row.metadata,
        original=row.original,
        kept=row.kept,
        collection=row.collection,
        dated=row.dated,
        reading=Reading.of(row.reading),
        tags=tuple(tags),
        sources=tuple(sources),
    )


def passage_rows_of(
    document: Document, passages: Sequence[Passage], vectors: Sequence[PassageVectors] | None
) -> list[dict[str, object]]:
    """Raises ValueError for a passage that is not a slice of its document: that is a bug."""
    for passage in passages:
        if passage.text != document.text[passage.start : passage.end] or passage.document_id != document.id:
            raise ValueError(f"{passage.id} is not a slice of its document")
    return [_passage_row(number, one, vectors[number] if vectors else None) for number, one in enumerate(passages)]


def _passage_row(ordinal: int, passage: Passage, vectors: PassageVectors | None) -> dict[str, object]:
    return {
        "id": passage.id,
        "document_id": passage.document_id,
        "ordinal": ordinal,
        "heading": passage.heading,
        "start": passage.start,
        "end": passage.end,
        "text": passage.text,
        "sentences": [list(span) for span in passage.sentences],
        "line_start": passage.line_start,
        "line_end": passage.line_end,
        "page_start": passage.page_start,
        "page_end": passage.page_end,
        "sentence_terms": _sentence_terms(passage),
        **(blobs(vectors) if vectors else {"vector": None, "sentence_vectors": None}),
    }


def _sentence_terms(passage: Passage) -> bytes:
    return packed_terms([terms(text) for text in passage.sentence_texts()])


def to_candidate(row: Row) -> Candidate:
    packed = row["sentence_terms"]
    if packed is None:  # stored by a version that did not keep them
        text, first = row["text"], row["start"]
        spans = json.loads(row["sentences"])
        packed = packed_terms([terms(text[start - first : end - first]) for start, end in spans])
    return Candidate(row["id"], row["vector"], row["sentence_vectors"], packed)


def blobs(vectors: PassageVectors) -> dict[str, bytes]:
    """Little-endian: float32 for the passage, half that for its sentences, which only reorder candidates."""
    return {
        "vector": vectors.passage.astype("<f4").tobytes(),
        "sentence_vectors": vectors.sentences.astype("<f2").tobytes(),
    }


def to_passage(row: Row) -> StoredPassage:
    sentences = tuple(Span(*span) for span in json.loads(row["sentences"]))
    vectors = None
    if row["vector"] is not None:
        matrix = np.frombuffer(row["sentence_vectors"], "<f2").reshape(len(sentences), -1).astype(np.float32)
        vectors = PassageVectors(np.frombuffer(row["vector"], "<f4"), matrix)
    passage = Passage(
        document_id=row["document_id"],
        title=row["title"],
        heading=row["heading"],
        start=row["start"],
        end=row["end"],
        text=row["text"],
        sentences=sentences,
        line_start=row["line_start"],
        line_end=row["line_end"],
        page_start=row["page_start"],
        page_end=row["page_end"],
    )
    return StoredPassage(passage, row["source"], row["sha256"], vectors)
