"""Documents as rows of Milvus: an id, the document's hash, the batch, and the vector of a leg."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from index.holdings import Holding, document_code
from index.lexical import Statistics, bag
from index.milvus_client import Row
from index.ranking import BM25
from index.terms import code
from index.types import Passage, Vectors

_MOST_CODE = 2**32 - 2
"""The largest number that Milvus takes for a dimension of a sparse vector."""


@dataclass(frozen=True, slots=True)
class Staged:
    """One document on its way into Milvus: its passages' ids, how often each term occurs in each, by `term_code`, and
    how many terms that are; vectors (passages, dim) or None."""

    document: int
    ids: tuple[str, ...]
    bags: tuple[Mapping[int, int], ...]
    lengths: tuple[int, ...]
    vectors: Vectors | None

    @property
    def worded(self) -> int:
        """Passages with any term."""
        return sum(1 for one in self.bags if one)


def staged(document_id: str, passages: Sequence[Passage], vectors: Vectors | None) -> Staged:
    bags = []
    for passage in passages:
        counts = Counter[int]()
        for term, count in bag(passage).items():
            counts[term_code(term)] += count
        bags.append(dict(counts))
    return Staged(
        document_code(document_id),
        tuple(passage.id for passage in passages),
        tuple(bags),
        tuple(sum(one.values()) for one in bags),
        # Rounded as the embedded engine keeps them, so that both give the same scores.
        np.asarray(vectors, np.float16).astype(np.float32) if vectors is not None and len(passages) else None,
    )


def holding(one: Staged, words: bool) -> Holding:
    """With `words` where there is a leg for them."""
    terms = Counter(term for counts in one.bags for term in counts)
    embedded = 0 if one.vectors is None else len(one.ids)
    return Holding(one.document, len(one.ids), one.worded if words else 0, embedded, sum(one.lengths), terms)


def average_length(documents: Sequence[Staged]) -> float:
    """Terms of a passage; 1 where there are none."""
    lengths = [length for one in documents for length in one.lengths]
    return float(np.mean(lengths)) if any(lengths) else 1.0


def word_rows(documents: Sequence[Staged], batch: int, bm25: BM25) -> list[Row]:
    """Rows with BM25's weights of their terms but for idf; none for a passage without any term."""
    lengths = np.array([length for one in documents for length in one.lengths], np.int64)
    norms = iter(Statistics.of(0, 0, np.zeros(0, np.int64), bm25).norms(lengths).tolist())
    rows = list[Row]()
    for one in documents:
        for passage_id, counts in zip(one.ids, one.bags, strict=True):
            norm = next(norms)
            weights = {term: bm25.most * count / (count + norm) for term, count in counts.items()}
            if weights:
                rows.append(_row(one, passage_id, batch) | {"words": weights})
    return rows


def vector_rows(documents: Sequence[Staged], batch: int) -> list[Row]:
    return [
        _row(one, passage_id, batch) | {"vectors": vector}
        for one in documents
        if one.vectors is not None
        for passage_id, vector in zip(one.ids, one.vectors, strict=True)
    ]


def _row(one: Staged, passage_id: str, batch: int) -> Row:
    return {"id": f"{batch}:{passage_id}", "document": one.document, "batch": batch}


def term_code(term: str) -> int:
    return min(code(term), _MOST_CODE)
