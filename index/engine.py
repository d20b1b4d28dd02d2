"""The seam to a search engine: two legs, both inner products, so that every engine ranks alike."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Protocol

from index.types import Hit, Passage, Vector, Vectors

K1, B, EPSILON = 1.5, 0.75, 0.25
"""BM25's parameters, the defaults of `rank_bm25.BM25Okapi`; explicit, so that every engine ranks alike."""


class Engine(Protocol):
    """Finds candidates. The contract, each line a test in tests/test_engine.py:

    - ids are our strings; results are sorted by score, best first, ties by id; at most `k` of them;
    - `[]` when empty, never an error when k is larger than the engine; never a row that did not match;
    - `where` (document ids) narrows before ranking; an empty one leaves nothing;
    - writes are seen after `commit`, all at once; reads are thread-safe and never see half a document;
    - `replace` is idempotent, and with no passages it removes;
    - whatever goes wrong inside is raised as EngineError.
    """

    @property
    def generation(self) -> int:
        """The catalogue's generation up to which this engine has caught up; 0 when empty."""
        ...

    def replace(self, document_id: str, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        """Stage a document's passages with their vectors, (passages, dim); None while they are not embedded."""
        ...

    def commit(self, generation: int) -> None:
        """Show readers everything staged."""
        ...

    def weights(self, terms: Sequence[str]) -> dict[str, float]:
        """The query side of BM25: each distinct term's idf times how often it is asked for.

        A term that no passage holds has the idf that one would give it: it matches nothing, but counts as asked.
        """
        ...

    def dense(self, vector: Vector, k: int, where: Collection[str] | None = None) -> list[Hit]:
        """The k passages with the largest inner product with a unit vector (dim,)."""
        ...

    def sparse(self, weights: Mapping[str, float], k: int, where: Collection[str] | None = None) -> list[Hit]:
        """The k passages with the highest BM25 score among those that hold any of the terms."""
        ...

    def close(self) -> None: ...
