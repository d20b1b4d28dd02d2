"""One state of what Milvus holds, as questions see it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from index.errors import EngineError
from index.holdings import State, document_code
from index.ledger import Account
from index.lexical import Statistics
from index.milvus_client import MOST, Found, Leg, Milvus, one_of
from index.milvus_rows import term_code
from index.ranking import BM25
from index.types import Hit, Stamp, Vector, document_of

SPARE = 20
"""Rows asked for beyond those wanted, among which may be equals of the last one."""
DIGITS = 4
"""Of scores: what differs by less is equal, since servers sum in an order of their own."""
_MANY = 10_000
"""Documents that a filter names at most, where the hits can be looked through instead."""


@dataclass(frozen=True, slots=True)
class MilvusSnapshot:
    """See `index.engine.Snapshot`. Until `fresh`, by the monotonic clock, reads ask for what was written last."""

    state: State
    statistics: Statistics
    account: Account
    milvus: Milvus
    collections: Mapping[Leg, str]
    legs: Sequence[Leg]
    fresh: float
    answered: Callable[[], None]
    in_force: str
    gone: Mapping[int, int] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        state: State,
        account: Account,
        milvus: Milvus,
        collections: Mapping[Leg, str],
        legs: Sequence[Leg],
        bm25: BM25,
        fresh: float,
        answered: Callable[[], None],
    ) -> MilvusSnapshot:
        statistics = Statistics.counted(state.passages, state.length, state.histogram, bm25)
        gone = {one: until for until, documents in sorted(state.superseded.items()) for one in documents}
        named = in_force(state, named=len(gone) <= _MANY)
        return cls(state, statistics, account, milvus, collections, legs, fresh, answered, named, gone)

    @property
    def stamp(self) -> Stamp:
        return self.state.stamp

    def weights(self, terms: Sequence[str]) -> dict[str, float]:
        distinct = list(dict.fromkeys(terms))
        codes = [term_code(term) for term in distinct]
        counts = self.account.frequencies(self.state, codes) if distinct and self.state.length else {}
        known = self.statistics.knowing(np.array([counts.get(one, 0) for one in codes], np.int64))
        return known.weights(terms, {term: number for number, term in enumerate(distinct)})

    def dense(self, vector: Vector, k: int, where: Collection[str] | None = None) -> list[Hit]:
        if self.state.dim not in (None, len(vector)):
            raise EngineError(f"a vector of {len(vector)} dimensions was asked of an index of {self.state.dim}")
        return self._best("vectors", np.asarray(vector, np.float32).tolist(), k, where)

    def sparse(self, weights: Mapping[str, float], k: int, where: Collection[str] | None = None) -> list[Hit]:
        asked: dict[int, float] = {}
        for term, weight in weights.items():
            asked[term_code(term)] = asked.get(term_code(term), 0.0) + weight
        if not asked or min(asked.values()) > 0:
            return [hit for hit in self._best("words", asked, k, where) if hit.score > 0] if asked else []
        return self._common(asked, k, where)

    def _common(self, asked: Mapping[int, float], k: int, where: Collection[str] | None) -> list[Hit]:
        """The same where idf is negative, in a small library that says one thing over and over: Milvus takes no such
        weights, so that it finds what matches at all, at most `MOST`, and the scores are made here."""
        narrowed = self._narrowed("words", k, where)
        if narrowed is None:
            return []
        matching = dict.fromkeys(asked, 1.0)
        rows = self._search("words", matching, MOST, narrowed(), with_vectors=True)
        scored = [
            (row_id, sum(weight * vector.get(one, 0.0) for one, weight in asked.items()), vector)
            for row_id, _, vector in rows
        ]
        return self._hits(scored, where)[:k]

    def _best(self, leg: Leg, query: Any, k: int, where: Collection[str] | None) -> list[Hit]:
        """The best k of at most `MOST`. To name many documents in a filter takes Milvus seconds: then the best of all
        are looked through first, which suffices unless those that are wanted are few of them."""
        narrowed = self._narrowed(leg, k, where)
        if narrowed is None:
            return []
        if where is not None and len(where) > _MANY:
            hits, complete = self._asked(leg, query, k, where, self.in_force)
            if complete:
                return hits
        return self._asked(leg, query, k, where, narrowed())[0]

    def _asked(
        self, leg: Leg, query: Any, k: int, where: Collection[str] | None, narrowed: str
    ) -> tuple[list[Hit], bool]:
        """The best k, more and more being asked for while equals of the last may be missing; whether none is."""
        limit = min(k + SPARE, MOST)
        while True:
            rows = self._search(leg, query, limit, narrowed)
            hits = self._hits(rows, where)
            complete = len(rows) < limit or (len(hits) >= k and hits[k - 1].score > round(rows[-1][1], DIGITS))
            if complete or limit == MOST:
                return hits[:k], complete
            limit = min(2 * limit, MOST)

    def _narrowed(self, leg: Leg, k: int, where: Collection[str] | None) -> Callable[[], str] | None:
        """What makes the filter of a question; None when there is nothing to be found."""
        if leg not in self.legs:
            raise EngineError(f"Milvus at {self.milvus.name} has no index for {leg}", "Use Milvus 2.4 or later.")
        if k <= 0 or leg not in self.collections or (where is not None and not where):
            return None
        if where is None:
            return lambda: self.in_force
        return lambda: f"{self.in_force} and {one_of('document', sorted(document_code(one) for one in where))}"

    def _search(self, leg: Leg, query: Any, limit: int, narrowed: str, with_vectors: bool = False) -> list[Found]:
        written = self.state.written if time.monotonic() < self.fresh and self.state.written else None
        found = self.milvus.search(self.collections[leg], leg, query, limit, narrowed, written, with_vectors)
        self.answered()
        return found

    def _hits(self, rows: Sequence[Found], where: Collection[str] | None) -> list[Hit]:
        hits = list[tuple[float, str, str]]()
        for row_id, score, _ in rows:
            batch, _, passage_id = row_id.partition(":")
            document_id = document_of(passage_id)
            if where is not None and document_id not in where:
                continue  # of another id with the same hash
            if len(self.gone) > _MANY and int(batch) < self.gone.get(document_code(document_id), 0):
                continue
            hits.append((-round(score, DIGITS), document_id, passage_id))
        return [Hit(passage_id, -score) for score, _, passage_id in sorted(hits)]


def in_force(state: State, named: bool = True) -> str:
    """An expression: the rows of a state; without those of superseded documents only where they are `named`."""
    parts = [f"batch <= {state.batch}"]
    if state.void:
        parts.append(f"not ({one_of('batch', state.void)})")
    for until, documents in sorted(state.superseded.items()) if named else ():
        parts.append(f"not (batch < {until} and {one_of('document', documents)})")
    return " and ".join(parts)
