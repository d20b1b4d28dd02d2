"""What readers of the embedded engine see: segments, what is hidden in them, and BM25's statistics over all of them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from index.errors import EngineError, QAError
from index.files import Hidden, Kept
from index.lexical import Statistics
from index.ranking import BM25, RANKING
from index.segment import Segment
from index.types import Hit, Stamp, Vector, document_of

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Part:
    """A segment as one state sees it; rows that are `hidden` are gone. `kept` is where it is saved.

    `key` tells it from other parts, whatever becomes of the rest.
    """

    segment: Segment
    hidden: Hidden | None = None
    kept: Kept | None = None
    key: int = field(default_factory=count().__next__)

    @property
    def gone(self) -> int:
        return 0 if self.hidden is None else int(np.count_nonzero(self.hidden))

    @property
    def live(self) -> int:
        return len(self.segment) - self.gone

    @property
    def length(self) -> int:
        """Terms in the rows that are not hidden."""
        lengths = self.segment.arrays.lengths
        return int(lengths.sum()) - (0 if self.hidden is None else int(lengths[self.hidden].sum()))

    def rows_of(self, document_ids: Collection[str]) -> NDArray[np.int64]:
        """The rows of those documents that are here and not hidden."""
        rows = self.segment.rows_of(document_ids)
        return rows if self.hidden is None else rows[~self.hidden[rows]]

    def hiding(self, rows: NDArray[np.int64]) -> Part:
        hidden = np.zeros(len(self.segment), np.bool_) if self.hidden is None else self.hidden.copy()
        hidden[rows] = True
        return replace(self, hidden=hidden)

    def frequencies(self, size: int) -> NDArray[np.int64]:
        """In how many of the rows that are not hidden each term below `size` occurs."""
        counted = self.segment.frequencies(size)
        return counted if self.hidden is None else counted - self.segment.frequencies(size, np.flatnonzero(self.hidden))


@dataclass(frozen=True, slots=True)
class State:
    """One state of the engine, never changed: see `index.engine.Snapshot`. The largest part comes first."""

    stamp: Stamp = field(default_factory=Stamp)
    vocabulary: Mapping[str, int] = field(default_factory=dict)
    parts: tuple[Part, ...] = ()
    statistics: Statistics = field(default_factory=lambda: Statistics.of(0, 0, np.zeros(0, np.int64)))
    norms: tuple[NDArray[np.float32], ...] = ()

    @classmethod
    def of(
        cls,
        stamp: Stamp,
        vocabulary: Mapping[str, int],
        parts: Iterable[Part],
        frequencies: NDArray[np.int64],
        bm25: BM25 = RANKING.bm25,
    ) -> State:
        """`frequencies` of each term in the rows of the parts that are not hidden."""
        kept = sorted((part for part in parts if part.live), key=lambda part: -len(part.segment))
        statistics = Statistics.of(
            sum(part.live for part in kept), sum(part.length for part in kept), frequencies, bm25
        )
        norms = tuple(statistics.norms(part.segment.arrays.lengths) for part in kept)
        return cls(stamp, vocabulary, tuple(kept), statistics, norms)

    def weights(self, terms: Sequence[str]) -> dict[str, float]:
        return self.statistics.weights(terms, self.vocabulary)

    def dense(self, vector: Vector, k: int, where: Collection[str] | None = None) -> list[Hit]:
        return guarded(
            lambda: _best(
                k,
                [
                    part.segment.dense(vector, k, hidden, thorough=where is not None)
                    for part, _, hidden in self._narrowed(k, where)
                ],
            )
        )

    def sparse(self, weights: Mapping[str, float], k: int, where: Collection[str] | None = None) -> list[Hit]:
        most = self.statistics.bm25.most
        known = [(self.vocabulary[term], weight * most) for term, weight in weights.items() if term in self.vocabulary]
        return guarded(
            lambda: _best(
                k,
                [part.segment.sparse(known, norms, k, hidden) for part, norms, hidden in self._narrowed(k, where)],
            )
        )

    def _narrowed(
        self, k: int, where: Collection[str] | None
    ) -> Iterator[tuple[Part, NDArray[np.float32], Hidden | None]]:
        """The parts to be searched with their norms and the rows that are left out."""
        for part, norms in zip(self.parts if k > 0 else (), self.norms, strict=False):
            if where is None:
                yield part, norms, part.hidden
                continue
            rows = part.rows_of(where)
            if len(rows):
                hidden = np.ones(len(part.segment), np.bool_)
                hidden[rows] = False
                yield part, norms, hidden


def _best(k: int, found: Sequence[list[Hit]]) -> list[Hit]:
    """The best of the parts together, each of which is in order."""
    if len(found) == 1:
        return found[0][:k]
    every = [hit for hits in found for hit in hits]
    return sorted(every, key=lambda hit: (-hit.score, document_of(hit.passage_id), hit.passage_id))[:k]


def guarded(work: Callable[[], _Result]) -> _Result:
    """Run a step of the engine; whatever FAISS, numba or NumPy raise becomes an EngineError with its cause."""
    try:
        return work()
    except QAError:
        raise
    except Exception as error:
        raise EngineError(f"the search engine failed: {error}", "Restart the service; the index is rebuilt.") from error
