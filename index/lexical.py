"""BM25's statistics over all segments. The only file that imports rank_bm25.

Statistics and defaults are rank-bm25's (`BM25Okapi`, after Trotman et al. 2014, "Improvements to BM25 and language
models examined"), and its `get_scores` is the oracle in the tests; only the scoring loop is ours (`index.postings`),
because the library's own walks every passage in Python for every term.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from index.ranking import BM25, RANKING
from index.terms import terms
from index.types import Passage

SMALLEST = 24
"""Below this many passages idf is taken as if there were as many. Okapi's idf is zero or negative for a term in
half of the passages: in a library of two, every term; a short document could not be searched by keyword at all."""


class _Okapi(BM25Okapi):  # type: ignore[misc]  # the library is untyped
    """`BM25Okapi`'s idf of a few terms, the average over all of them, which floors it, being known already."""

    def __init__(self, passages: int, average_idf: float, epsilon: float) -> None:
        self.corpus_size, self.epsilon = passages, epsilon
        self.idf: dict[str, float] = {}
        self._average = average_idf

    @property
    def average_idf(self) -> float:
        return self._average

    @average_idf.setter
    def average_idf(self, _: float) -> None:
        """`_calc_idf` would set that of the few."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Of the passages that can be found: how many, how many terms in all, and in how many each term occurs."""

    passages: int
    length: int
    frequencies: NDArray[np.int64]
    average_idf: float
    bm25: BM25 = RANKING.bm25

    @classmethod
    def of(cls, passages: int, length: int, frequencies: NDArray[np.int64], bm25: BM25 = RANKING.bm25) -> Statistics:
        occurring = frequencies[frequencies > 0]
        average = float(np.mean(_idf(max(passages, SMALLEST), occurring))) if len(occurring) else 0.0
        return cls(passages, length, frequencies, average, bm25)

    @classmethod
    def counted(cls, passages: int, length: int, histogram: Mapping[int, int], bm25: BM25 = RANKING.bm25) -> Statistics:
        """From how many terms occur in how many passages; the frequencies of those that are asked for, see `knowing`,
        come later."""
        counts, how_many = np.array([*histogram.keys()], np.int64), np.array([*histogram.values()], np.int64)
        average = float(np.average(_idf(max(passages, SMALLEST), counts), weights=how_many)) if len(counts) else 0.0
        return cls(passages, length, np.zeros(0, np.int64), average, bm25)

    def knowing(self, frequencies: NDArray[np.int64]) -> Statistics:
        return replace(self, frequencies=frequencies)

    def weights(self, asked_for: Sequence[str], vocabulary: Mapping[str, int]) -> dict[str, float]:
        """Each distinct term's idf times its count; an unknown term has the idf of one that a single passage holds."""
        if self.length == 0:
            return {}
        asked = Counter(asked_for)
        okapi = _Okapi(max(self.passages, SMALLEST), self.average_idf, self.bm25.epsilon)
        okapi._calc_idf({term: self._frequency(vocabulary.get(term)) for term in asked} or {"": 1})
        return {term: okapi.idf[term] * count for term, count in asked.items()}

    def _frequency(self, number: int | None) -> int:
        """At least 1: a term that nobody holds, or that came after these statistics were made, counts as rare."""
        return max(int(self.frequencies[number]), 1) if number is not None and number < len(self.frequencies) else 1

    def norms(self, lengths: NDArray[np.int64]) -> NDArray[np.float32]:
        """The denominator's part that depends on a passage's length, `k1 * (1 - b + b * length / average)`."""
        average = self.bm25.average or (self.length / self.passages if self.length else 1.0)
        k1, b = self.bm25.k1, self.bm25.b
        norms: NDArray[np.float32] = (k1 * (1 - b + b * lengths / average)).astype(np.float32)
        return norms


def bag(passage: Passage) -> Counter[str]:
    """The terms of a passage, title and heading in front, with how often each occurs."""
    return Counter(terms(f"{passage.context}\n{passage.text}"))


def _idf(passages: int, frequencies: NDArray[np.int64]) -> NDArray[np.float64]:
    """As `BM25Okapi._calc_idf` before its floor, for arrays."""
    idf: NDArray[np.float64] = np.log(passages - frequencies + 0.5) - np.log(frequencies + 0.5)
    return idf
