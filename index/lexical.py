"""The sparse leg: BM25 over postings. The only file that imports rank_bm25.

Statistics and defaults are rank-bm25's (`BM25Okapi`, after Trotman et al. 2014, "Improvements to BM25 and language
models examined"), and its `get_scores` is the oracle in the tests; only the scoring loop is ours, because the
library's own walks every passage in Python for every term.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rank_bm25 import BM25Okapi

from index.engine import EPSILON, K1, B
from index.types import Hit, document_of

SMALLEST = 24
"""Below this many passages idf is taken as if there were as many. Okapi's idf is zero or negative for a term in
half of the passages: in a library of two, every term; a short document could not be searched by keyword at all."""


@dataclass(frozen=True, slots=True)
class _Bag:
    """The distinct terms of one passage, by number, and how often each occurs."""

    terms: NDArray[np.int64]
    counts: NDArray[np.int64]


class _Statistics(BM25Okapi):  # type: ignore[misc]  # the library is untyped
    """`BM25Okapi` given the counts instead of a corpus to walk."""

    def __init__(self, document_frequencies: Mapping[str, int], lengths: NDArray[np.int64]) -> None:
        self.k1, self.b, self.epsilon = K1, B, EPSILON
        self.corpus_size = max(len(lengths), SMALLEST)
        self.avgdl = float(lengths.mean())
        self.idf: dict[str, float] = {}
        self._calc_idf(document_frequencies)


class LexicalIndex:
    """Postings of passages, never changed once made, so that threads may search it while a new one is built."""

    def __init__(
        self, ids: Sequence[str] = (), bags: Sequence[_Bag] = (), vocabulary: dict[str, int] | None = None
    ) -> None:
        self.ids = list(ids)
        self._bags = list(bags)
        self._vocabulary = {} if vocabulary is None else vocabulary  # only ever grows: older indexes stay right
        self._statistics: _Statistics | None = None
        if not any(len(bag.terms) for bag in self._bags):
            return  # nothing to find: passages of punctuation, or none
        terms = np.concatenate([bag.terms for bag in self._bags])
        counts = np.concatenate([bag.counts for bag in self._bags])
        rows = np.repeat(np.arange(len(self.ids), dtype=np.int32), [len(bag.terms) for bag in self._bags])
        lengths = np.array([bag.counts.sum() for bag in self._bags], np.int64)
        order = np.argsort(terms, kind="stable")
        frequencies = np.bincount(terms, minlength=len(self._vocabulary))
        self._starts = np.concatenate([[0], np.cumsum(frequencies)])
        self._rows = rows[order]
        known = {
            term: int(frequencies[number]) for term, number in list(self._vocabulary.items()) if frequencies[number]
        }
        self._statistics = statistics = _Statistics(known, lengths)
        norm = K1 * (1 - B + B * lengths / statistics.avgdl)
        tf = counts[order].astype(np.float64)
        self._weights = tf * (K1 + 1) / (tf + norm[self._rows])

    def changed(self, dropped: Collection[str], texts: Mapping[str, Sequence[str]]) -> LexicalIndex:
        """A new index without the passages of the `dropped` documents and with new ones: passage id -> its terms."""
        kept = [row for row, passage_id in enumerate(self.ids) if document_of(passage_id) not in dropped]
        bags = [self._bags[row] for row in kept] + [self._bag(terms) for terms in texts.values()]
        return LexicalIndex([*(self.ids[row] for row in kept), *texts], bags, self._vocabulary)

    def _bag(self, terms: Sequence[str]) -> _Bag:
        counts = Counter(terms)
        numbers = [self._vocabulary.setdefault(term, len(self._vocabulary)) for term in counts]
        return _Bag(np.array(numbers, np.int64), np.array(list(counts.values()), np.int64))

    def weights(self, terms: Sequence[str]) -> dict[str, float]:
        """Each distinct term's idf times its count; an unknown term has the idf of one that a single passage holds."""
        if self._statistics is None:
            return {}
        size = self._statistics.corpus_size
        unknown = math.log(size - 0.5) - math.log(1.5)
        return {term: self._statistics.idf.get(term, unknown) * count for term, count in Counter(terms).items()}

    def search(self, weights: Mapping[str, float], k: int, where: Collection[str] | None = None) -> list[Hit]:
        """At most k passages that hold any of the terms, best first, ties by id."""
        if self._statistics is None or k < 1:
            return []
        scores = np.zeros(len(self.ids))
        matched = np.zeros(len(self.ids), bool)
        for term, weight in weights.items():
            number = self._vocabulary.get(term, -1)
            if 0 <= number < len(self._starts) - 1:
                postings = slice(self._starts[number], self._starts[number + 1])
                scores[self._rows[postings]] += weight * self._weights[postings]
                matched[self._rows[postings]] = True
        found = np.flatnonzero(matched)
        if where is not None:
            found = np.array([row for row in found if document_of(self.ids[row]) in where], np.int64)
        if len(found) > k:
            lowest = -np.partition(-scores[found], k - 1)[k - 1]
            found = found[scores[found] >= lowest]  # ties at the end are cut by id, below
        hits = [Hit(self.ids[row], float(scores[row])) for row in found]
        return sorted(hits, key=lambda hit: (-hit.score, hit.passage_id))[:k]
