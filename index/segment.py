"""A segment: the passages of some documents with all that searching them needs, never changed once made.

Documents are sorted by id and their rows by passage id, so that equal scores are in the order of their rows. Everything
is an array, so that a segment can be read from its files by mapping them into memory.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from index.postings import best, inverted
from index.types import Hit, Vector
from index.vectors import VectorIndex

_Number = TypeVar("_Number", bound=np.number[Any])
_NONE = np.zeros(0, np.bool_)


@dataclass(frozen=True, slots=True)
class Bags:
    """The distinct terms of each passage, by number, and how often each occurs: row r has `firsts[r]:firsts[r + 1]`."""

    firsts: NDArray[np.int64]
    terms: NDArray[np.int32]
    counts: NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class Staged:
    """One document on its way into a segment: spans (rows, 2) sorted by passage id, bags, vectors or None."""

    document_id: str
    spans: NDArray[np.int64]
    bags: Bags
    vectors: NDArray[np.float16] | None


@dataclass(frozen=True, slots=True)
class Arrays:
    """What a segment is made of, apart from its vectors.

    `names` are the ids of the documents in UTF-8, document d at `name_firsts[d]:name_firsts[d + 1]`, its rows
    `row_firsts[d]:row_firsts[d + 1]`. `terms` are the numbers of the terms that occur, ascending; term t of these has
    the postings `posting_firsts[t]:posting_firsts[t + 1]`. `vector_rows` are the rows that are embedded.
    """

    names: NDArray[np.uint8]
    name_firsts: NDArray[np.int64]
    row_firsts: NDArray[np.int64]
    spans: NDArray[np.int64]
    lengths: NDArray[np.int64]
    bag_firsts: NDArray[np.int64]
    bag_terms: NDArray[np.int32]
    bag_counts: NDArray[np.uint16]
    terms: NDArray[np.int32]
    posting_firsts: NDArray[np.int64]
    posting_rows: NDArray[np.int32]
    posting_counts: NDArray[np.uint16]
    vector_rows: NDArray[np.int32]


ARRAYS = tuple(field.name for field in fields(Arrays))


class Segment:
    """Arrays and vectors, and the searching of them."""

    def __init__(self, arrays: Arrays, vectors: VectorIndex | None) -> None:
        self.arrays = arrays
        self.vectors = vectors
        self._names = memoryview(arrays.names)  # type: ignore[arg-type]

    @classmethod
    def of(cls, documents: Iterable[Staged]) -> Segment:
        documents = sorted((one for one in documents if len(one.spans)), key=lambda one: one.document_id)
        names = [one.document_id.encode() for one in documents]
        rows = np.array([len(one.spans) for one in documents], np.int64)
        row_firsts = _cumulated(rows)
        embedded = [
            (first, one.vectors)
            for first, one in zip(row_firsts.tolist(), documents, strict=False)
            if one.vectors is not None
        ]
        return cls._made(
            names=np.frombuffer(b"".join(names), np.uint8),
            name_firsts=_cumulated([len(name) for name in names]),
            row_firsts=row_firsts,
            spans=_joined([one.spans for one in documents], np.zeros((0, 2), np.int64)),
            bags=Bags(
                _cumulated(_joined([np.diff(one.bags.firsts) for one in documents], np.zeros(0, np.int64))),
                _joined([one.bags.terms for one in documents], np.zeros(0, np.int32)),
                _joined([one.bags.counts for one in documents], np.zeros(0, np.uint16)),
            ),
            vector_rows=_joined(
                [np.arange(first, first + len(made), dtype=np.int32) for first, made in embedded], np.zeros(0, np.int32)
            ),
            vectors=np.concatenate([made for _, made in embedded]) if embedded else None,
        )

    @classmethod
    def merged(cls, parts: Sequence[tuple[Segment, NDArray[np.bool_] | None]]) -> Segment:
        """One segment of the rows of several that are not hidden; a document has its rows in one of them."""
        order = list[tuple[str, int]]()  # documents of all segments are numbered through, and so are rows and bags
        count = 0
        for segment, hidden in parts:
            for document, first in enumerate(segment.arrays.row_firsts[:-1].tolist()):
                if hidden is None or not hidden[first]:
                    order.append((segment.document_id(document), count + document))
            count += len(segment.arrays.row_firsts) - 1
        order.sort()
        chosen = np.array([document for _, document in order], np.int64)
        offsets = _cumulated([len(segment) for segment, _ in parts])
        starts = [segment.arrays.row_firsts[:-1] + offset for (segment, _), offset in zip(parts, offsets, strict=False)]
        firsts = np.concatenate(starts)[chosen]
        rows = np.concatenate([np.diff(segment.arrays.row_firsts) for segment, _ in parts])[chosen]
        source = _ranges(firsts, rows)
        sizes = np.concatenate([np.diff(segment.arrays.bag_firsts) for segment, _ in parts])
        all_firsts = _cumulated(sizes)
        places = _ranges(all_firsts[:-1][source], sizes[source])
        names = [name.encode() for name, _ in order]
        all_terms = np.concatenate([segment.arrays.bag_terms for segment, _ in parts])
        all_counts = np.concatenate([segment.arrays.bag_counts for segment, _ in parts])
        bags = Bags(_cumulated(sizes[source]), all_terms[places], all_counts[places])
        del all_terms, all_counts, places
        where = np.full(int(offsets[-1]), -1, np.int64)  # of every row: its vector, numbered through too
        count = 0
        for offset, (segment, _) in zip(offsets.tolist(), parts, strict=False):
            embedded = segment.arrays.vector_rows
            where[embedded + offset] = np.arange(count, count + len(embedded))
            count += len(embedded)
        wanted = where[source]
        vector_rows = np.flatnonzero(wanted >= 0).astype(np.int32)
        vectors = None
        if len(vector_rows):
            kept = [segment.vectors.vectors() for segment, _ in parts if segment.vectors is not None]
            vectors = np.concatenate(kept)[wanted[vector_rows]]
        return cls._made(
            names=np.frombuffer(b"".join(names), np.uint8),
            name_firsts=_cumulated([len(name) for name in names]),
            row_firsts=_cumulated(rows),
            spans=np.concatenate([segment.arrays.spans for segment, _ in parts])[source],
            bags=bags,
            vector_rows=vector_rows,
            vectors=vectors,
        )

    @classmethod
    def _made(
        cls,
        names: NDArray[np.uint8],
        name_firsts: NDArray[np.int64],
        row_firsts: NDArray[np.int64],
        spans: NDArray[np.int64],
        bags: Bags,
        vector_rows: NDArray[np.int32],
        vectors: NDArray[np.float16] | None,
    ) -> Segment:
        distinct = int(bags.terms.max()) + 1 if len(bags.terms) else 0
        firsts, rows, counts = inverted(bags.firsts, bags.terms, bags.counts, distinct)
        occurring = np.flatnonzero(np.diff(firsts))
        summed = np.zeros(len(bags.counts) + 1, np.int64)
        np.cumsum(bags.counts, out=summed[1:])
        arrays = Arrays(
            names=names,
            name_firsts=name_firsts,
            row_firsts=row_firsts,
            spans=spans,
            lengths=np.diff(summed[bags.firsts]),
            bag_firsts=bags.firsts,
            bag_terms=bags.terms,
            bag_counts=bags.counts,
            terms=occurring.astype(np.int32),
            posting_firsts=np.append(firsts[occurring], len(rows)).astype(np.int64),
            posting_rows=rows,
            posting_counts=counts,
            vector_rows=vector_rows,
        )
        return cls(arrays, VectorIndex.of(vector_rows, vectors) if vectors is not None else None)

    def __len__(self) -> int:
        return len(self.arrays.lengths)

    def document_id(self, number: int) -> str:
        first, last = self.arrays.name_firsts[number : number + 2]
        return str(self._names[first:last], "utf-8")

    def rows_of(self, document_ids: Collection[str]) -> NDArray[np.int64]:
        """The rows of those documents that are here."""
        arrays = self.arrays
        count = len(arrays.row_firsts) - 1
        found = list[NDArray[np.int64]]()
        for document_id in document_ids:
            number = bisect_left(range(count), document_id, key=self.document_id)
            if number < count and self.document_id(number) == document_id:
                found.append(np.arange(arrays.row_firsts[number], arrays.row_firsts[number + 1]))
        return _joined(found, np.zeros(0, np.int64))

    def documents_of(self, rows: NDArray[np.int64]) -> set[str]:
        numbers = np.unique(np.searchsorted(self.arrays.row_firsts, rows, side="right") - 1)
        return {self.document_id(number) for number in numbers.tolist()}

    def renumbered(self, new: NDArray[np.int32]) -> Segment:
        """The same with other numbers for its terms, in the same order: `new[old]`."""
        arrays = replace(self.arrays, terms=new[self.arrays.terms], bag_terms=new[self.arrays.bag_terms])
        return Segment(arrays, self.vectors)

    def frequencies(self, size: int, rows: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
        """In how many passages, or in how many of `rows`, each term below `size` occurs."""
        arrays = self.arrays
        counted = np.zeros(size, np.int64)
        if rows is None:
            counted[arrays.terms] = np.diff(arrays.posting_firsts)
            return counted
        firsts = arrays.bag_firsts[rows]
        places = _ranges(firsts, arrays.bag_firsts[rows + 1] - firsts)
        counted += np.bincount(arrays.bag_terms[places], minlength=size)
        return counted

    def sparse(
        self,
        weights: Sequence[tuple[int, float]],
        norms: NDArray[np.float32],
        k: int,
        hidden: NDArray[np.bool_] | None,
    ) -> list[Hit]:
        """The best by `weight * count / (count + norm)` for (term number, weight), best first, ties by row."""
        rows, scores = self.rows_by_words(weights, norms, k, hidden)
        order = np.lexsort((rows, -scores))
        return self._hits(rows[order], scores[order])

    def rows_by_words(
        self,
        weights: Sequence[tuple[int, float]],
        norms: NDArray[np.float32],
        k: int,
        hidden: NDArray[np.bool_] | None,
    ) -> tuple[NDArray[np.int32], NDArray[np.float32]]:
        """The k rows with the highest BM25 and their scores, in no order; see `index.postings.best`."""
        arrays = self.arrays
        return best(
            np.array([number for number, _ in weights], np.int32),
            np.array([weight for _, weight in weights], np.float32),
            arrays.terms,
            arrays.posting_firsts,
            arrays.posting_rows,
            arrays.posting_counts,
            norms,
            _NONE if hidden is None else hidden,
            min(k, len(self)),
        )

    def dense(self, vector: Vector, k: int, hidden: NDArray[np.bool_] | None, thorough: bool) -> list[Hit]:
        if self.vectors is None:
            return []
        return self._hits(*self.vectors.search(vector, k, hidden, thorough))

    def _hits(self, rows: NDArray[np.int32], scores: NDArray[np.float32]) -> list[Hit]:
        arrays = self.arrays
        documents = np.searchsorted(arrays.row_firsts, rows, side="right") - 1
        firsts, lasts = arrays.name_firsts[documents].tolist(), arrays.name_firsts[documents + 1].tolist()
        names = [str(self._names[first:last], "utf-8") for first, last in zip(firsts, lasts, strict=True)]
        spans = arrays.spans[rows].tolist()
        return [
            Hit(f"{name}:{start}-{end}", score)
            for name, (start, end), score in zip(names, spans, scores.tolist(), strict=True)
        ]


def _cumulated(sizes: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of parts of these sizes begins, and at last where all end."""
    firsts = np.zeros(len(sizes) + 1, np.int64)
    np.cumsum(sizes, out=firsts[1:])
    return firsts


def _ranges(firsts: NDArray[np.int64], sizes: NDArray[np.int64]) -> NDArray[np.int64]:
    """`firsts[0], firsts[0] + 1, ...` for each size, one range after the other."""
    ends = np.cumsum(sizes)
    places = np.arange(int(ends[-1]) if len(ends) else 0, dtype=np.int64)
    places += np.repeat(firsts - (ends - sizes), sizes)
    return places


def _joined(parts: Sequence[NDArray[_Number]], none: NDArray[_Number]) -> NDArray[_Number]:
    return np.concatenate(parts) if parts else none
