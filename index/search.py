"""A question to ranked passages: both legs once, fused, the best candidates rescored by their sentences."""

from __future__ import annotations

import math
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from typing import Literal

from index.build import catch_up
from index.catalogue import Catalogue
from index.engine import Engine, Snapshot
from index.errors import EngineError, QAError
from index.rescore import share, telling
from index.schema import StoredPassage
from index.terms import terms
from index.types import Hit, Span, Stamp, Vector

Mode = Literal["hybrid", "dense", "bm25"]

PATIENCE = 0.25
"""Seconds that a question waits for the engine to catch up with what was written last."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """Everything that tunes the ranking; where each value comes from stands in DECISIONS.md.

    A hybrid score is the weighted mean of three numbers on scales of their own, so that a weak match stays weak in
    a list of weaker ones: the passage's cosine, its BM25 as a share of the most that the question's terms could
    give, and the cosine of its best sentence. A long question rarely finds all of its terms in one passage, so that
    its share is raised by the root of its number of terms over `usual_terms`.
    """

    candidates: int = 100
    """Passages asked of each leg."""
    rescored: int = 50
    """Fused passages whose sentences are looked at."""
    dense: float = 1.0
    lexical: float = 1.0
    sentence: float = 0.5
    usual_terms: int = 5
    mark_lexical: float = 0.5
    """Share of the words, against the meaning, in choosing the telling sentence."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """A sentence of a found passage, and how well it matches: by words and meaning, and by meaning alone."""

    span: Span
    score: float
    cosine: float | None


@dataclass(frozen=True, slots=True)
class Found:
    """A passage with its scores; a leg's rank is None when that leg did not find it."""

    stored: StoredPassage
    score: float
    dense: float | None
    dense_rank: int | None
    bm25: float | None
    bm25_rank: int | None
    telling: Sentence


@dataclass(frozen=True, slots=True)
class Results:
    """`mode` is what was really done; `weights` are the question's terms with their idf."""

    question: str
    mode: Mode
    generation: int
    found: list[Found]
    weights: Mapping[str, float]


class Searcher:
    """Searches a catalogue through an engine, which it keeps up to date."""

    def __init__(self, catalogue: Catalogue, engine: Engine, ranking: Ranking = Ranking()) -> None:
        self.catalogue = catalogue
        self.engine = engine
        self.ranking = ranking
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="catch-up")
        self._starting = threading.Lock()
        self._catching_up: Future[None] | None = None
        self._closed = False

    def refresh(self, patience: float | None = None) -> None:
        """Bring the engine up to the catalogue as it is now, or stop waiting for that after so many seconds.

        Raises IndexMismatch when another process has made the index anew with another model.
        """
        self._check_open()
        wanted = self.catalogue.stamp()
        for _ in range(2):  # the first may have begun too early to see what is wanted
            if self.engine.stamp == wanted:
                return
            with self._starting:
                self._check_open()
                if self._catching_up is None or self._catching_up.done():
                    self._catching_up = self._worker.submit(catch_up, self.catalogue, self.engine)
                running = self._catching_up
            try:
                running.result(patience)
            except TimeoutError:
                return

    def close(self) -> None:
        with self._starting:
            self._closed = True
        self._worker.shutdown()
        self.engine.close()

    def _check_open(self) -> None:
        if self._closed:
            raise EngineError("the search index was closed", "Open it anew.")

    def _keep_up(self) -> None:
        """A question waits a moment for the newest documents, but not for many: then it is answered without them."""
        self._check_open()
        if self.catalogue.stamp() == self.engine.stamp:
            return
        filled = self.engine.stamp != Stamp()
        try:
            self.refresh(PATIENCE if filled else None)
        except QAError:
            if not filled:
                raise
            # There is an answer from before, as long as its passages are there; /health tells the rest.

    def search(
        self, question: str, vector: Vector | None, k: int, mode: Mode = "hybrid", where: Collection[str] | None = None
    ) -> Results:
        """The best `k` passages for a question, `vector` being its embedding; without one BM25 answers alone.

        Raises IndexMismatch when the index was made anew with another model and what was before is not there any more.
        """
        for _ in range(2):  # again where a document changed after the snapshot was taken
            self._keep_up()
            results, complete = self._search(self.engine.snapshot(), question, vector, k, mode, where)
            if results is not None and complete:
                return results
        if results is None:
            self.refresh()
            results, _ = self._search(self.engine.snapshot(), question, vector, k, mode, where)
        if results is None:
            raise EngineError("the index changes faster than it can be read", "Ask again.")
        return results

    def _search(
        self,
        snapshot: Snapshot,
        question: str,
        vector: Vector | None,
        k: int,
        mode: Mode,
        where: Collection[str] | None,
    ) -> tuple[Results | None, bool]:
        """The results, and whether they are all there; none when the passages of that snapshot have gone."""
        mode = mode if vector is not None else "bm25"
        depth = max(self.ranking.candidates, k)
        weights = snapshot.weights(terms(question))
        dense = snapshot.dense(vector, depth, where) if vector is not None and mode != "bm25" else []
        sparse = snapshot.sparse(weights, depth, where) if mode != "dense" else []
        chosen = self._fused(dense, sparse, weights, mode)[: max(self.ranking.rescored, k)]
        share_of_words = self.ranking.mark_lexical if mode == "hybrid" else 0.0
        bm25 = {hit.passage_id: hit.score for hit in sparse}
        lexical = self._lexical(weights)
        with self.catalogue.view() as view:
            if not view.holds(snapshot.stamp):
                return None, False
            candidates = view.candidates([hit.passage_id for hit in chosen], snapshot.stamp)
            tellings = telling(candidates, weights, vector if mode != "bm25" else None, share_of_words)
            scored = []
            for one, found in zip(candidates, tellings, strict=True):
                words = lexical * bm25.get(one.passage_id, 0.0)
                scored.append((self._score(mode, found.cosine, words, found.sentence_cosine), one, found))
            scored.sort(key=lambda one: (-one[0], one[1].passage_id))
            best = {one.passage_id: (score, found) for score, one, found in scored[:k]}
            stored = view.passages(list(best), snapshot.stamp)
        dense_ranks, ranks = _ranks(dense), _ranks(sparse)
        results = [
            Found(
                stored[one],
                score,
                found.cosine,
                dense_ranks.get(one),
                bm25.get(one),
                ranks.get(one),
                Sentence(stored[one].passage.sentences[found.sentence], found.match, found.sentence_cosine),
            )
            for one, (score, found) in best.items()
        ]
        return Results(question, mode, snapshot.stamp.generation, results, weights), len(candidates) == len(chosen)

    def _fused(
        self, dense: Sequence[Hit], sparse: Sequence[Hit], weights: Mapping[str, float], mode: Mode
    ) -> list[Hit]:
        """The hits of both legs by their score so far; a passage that a leg left out counts as its last one."""
        cosines = {hit.passage_id: hit.score for hit in dense}
        lexical = self._lexical(weights)
        words = {hit.passage_id: lexical * hit.score for hit in sparse}
        lowest = min(cosines.values(), default=0.0)
        hits = [
            Hit(one, self._score(mode, cosines.get(one, lowest), words.get(one, 0.0), None))
            for one in dict.fromkeys([*cosines, *words])
        ]
        return sorted(hits, key=lambda hit: (-hit.score, hit.passage_id))

    def _lexical(self, weights: Mapping[str, float]) -> float:
        """What turns a BM25 score into its part of the fused score."""
        return share(1.0, weights) * math.sqrt(len(weights) / self.ranking.usual_terms)

    def _score(self, mode: Mode, cosine: float | None, lexical: float, sentence: float | None) -> float:
        if mode == "bm25":
            return lexical
        if mode == "dense":
            return cosine or 0.0
        ranking = self.ranking
        total = ranking.dense + ranking.lexical + ranking.sentence
        return (
            ranking.dense * (cosine or 0.0) + ranking.lexical * lexical + ranking.sentence * (sentence or 0.0)
        ) / total


def _ranks(hits: Sequence[Hit]) -> dict[str, int]:
    return {hit.passage_id: rank for rank, hit in enumerate(hits, 1)}
