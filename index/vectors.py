"""The dense leg: exact inner products by FAISS. The only file that imports faiss."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import faiss
import numpy as np

from index.types import Hit, Vector, Vectors, document_of

_TIES = 20
"""Hits looked at beyond k, so that equal scores at the end are cut by id and not by row."""


class VectorIndex:
    """Vectors of passages, never changed once made, so that threads may search it while a new one is built."""

    def __init__(self, ids: Sequence[str] = (), vectors: Vectors | None = None) -> None:
        self.ids = list(ids)
        self._index = None
        if vectors is not None and len(self.ids):
            self._index = faiss.IndexFlatIP(vectors.shape[1])
            self._index.add(np.ascontiguousarray(vectors, np.float32))

    def changed(self, dropped: Collection[str], ids: Sequence[str], vectors: Sequence[Vectors]) -> VectorIndex:
        """A new index without the passages of the `dropped` documents and with `ids` and their `vectors`."""
        kept = [row for row, passage_id in enumerate(self.ids) if document_of(passage_id) not in dropped]
        parts = list(vectors)
        if self._index is not None and kept:
            parts.insert(0, self._index.reconstruct_n(0, len(self.ids))[kept])
        return VectorIndex([*(self.ids[row] for row in kept), *ids], np.concatenate(parts) if parts else None)

    def search(self, vector: Vector, k: int, where: Collection[str] | None = None) -> list[Hit]:
        """At most k hits, best first, ties by id."""
        if self._index is None or k < 1:
            return []
        chosen = None
        if where is not None:
            inside = [row for row, passage_id in enumerate(self.ids) if document_of(passage_id) in where]
            selector = faiss.IDSelectorBatch(np.array(inside, np.int64))
            chosen = faiss.SearchParameters(sel=selector)  # type: ignore[call-arg]  # its stub leaves the field out
        query = np.ascontiguousarray(vector, np.float32)[None]
        scores, rows = self._index.search(query, min(k + _TIES, len(self.ids)), params=chosen)
        hits = [
            Hit(self.ids[row], float(score))
            for score, row in zip(scores[0].tolist(), rows[0].tolist(), strict=True)
            if row >= 0  # FAISS fills up with -1
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.passage_id))[:k]
