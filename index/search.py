"""A question to ranked passages: both legs once, fused, the best candidates rescored by their sentences."""

from __future__ import annotations

import os
import threading
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass

import numpy as np

from index.build import catch_up
from index.catalogue import Catalogue
from index.engine import Engine, Snapshot
from index.errors import EngineError, QAError
from index.fusion import Asked, Mode, Scores, Vocabulary, by_words, cuts, familiarity, first_scores, scores
from index.mark import marked
from index.ranking import RANKING, Ranking
from index.rescore import Evidence
from index.rows import StoredPassage
from index.stages import Stages
from index.terms import terms
from index.types import Hit, Span, Stamp, Vector
from index.view import View

TURNS = max(2, os.cpu_count() or 1)
"""Searches at the same time: more of them only take turns at the same cores, and all end later."""
SHARED_TURNS = 12
"""The same where each holds a connection to a server, of which there are not many."""
PATIENCE = 0.25
"""Seconds that a question waits for the engine to catch up with what was written last."""
FILLING = 25.0
"""The same where it holds nothing yet, another process perhaps being about to fill it."""


@dataclass(frozen=True, slots=True)
class Found:
    """A passage with its scores; a leg's rank is None when that leg did not find it.

    `words`: its score by BM25 alone. `sentence`: the cosine of its telling sentence. `mark`: what tells.
    """

    stored: StoredPassage
    score: float
    dense: float | None
    dense_rank: int | None
    bm25: float | None
    bm25_rank: int | None
    words: float
    sentence: float | None
    mark: Span
    reranked: float | None = None


@dataclass(frozen=True, slots=True)
class Results:
    """`mode` is what was really done; `weights` are the question's terms with their idf; `familiar`: how far the
    embedding model knows its words, 0 to 1; milliseconds by stage. `degraded`: why passages may be missing."""

    question: str
    mode: Mode
    generation: int
    found: list[Found]
    weights: Mapping[str, float]
    familiar: float
    milliseconds: Mapping[str, float]
    degraded: str | None = None


@dataclass(frozen=True, slots=True)
class Gathered:
    """The candidates of a question, sorted by `ids`, with their BM25 (0 where that leg did not find one) and what is
    known of them. `dense` has the ranks in that leg, `sparse` ranks and scores. Not `complete` when some have gone
    meanwhile.
    """

    asked: Asked
    dense: Mapping[str, int]
    sparse: Mapping[str, tuple[int, float]]
    ids: Sequence[str]
    bm25: Scores
    evidence: Evidence
    complete: bool

    def ranked(self, fused: Scores) -> list[int]:
        """The places of the candidates, best first, ties by id."""
        order: list[int] = np.argsort(-fused, kind="stable").tolist()
        return order


class Searcher:
    """Searches a catalogue through an engine, which it keeps up to date."""

    def __init__(
        self, catalogue: Catalogue, engine: Engine, vocabulary: Vocabulary | None = None, ranking: Ranking = RANKING
    ) -> None:
        """`vocabulary` is the embedding model's: without it every question counts as familiar to the model."""
        self.catalogue = catalogue
        self.engine = engine
        self.ranking = ranking
        self._vocabulary = vocabulary
        self._turns = threading.Semaphore(min(TURNS, SHARED_TURNS) if catalogue.database.shared else TURNS)
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="catch-up")
        self._starting = threading.Lock()
        self._catching_up: Future[None] | None = None
        self._closed = False

    def ranking_by(self, ranking: Ranking) -> Searcher:
        """The same catalogue and engine with another ranking, for as long as this one is open."""
        other = copy(self)
        other.ranking = ranking
        return other

    def over(self, catalogue: Catalogue, engine: Engine) -> Searcher:
        """The same ranking of other documents."""
        return Searcher(catalogue, engine, self._vocabulary, self.ranking)

    def refresh(self, patience: float | None = None) -> None:
        """Bring the engine up to the catalogue as it is now, or stop waiting for that after so many seconds.

        Raises IndexMismatch when another process has made the index anew with another model.
        """
        self._check_open()
        wanted = self.catalogue.stamp()
        for _ in range(2):  # the first may have begun too early to see what is wanted
            if self.engine.stamp == wanted and not self.engine.stale:
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
            self.refresh(PATIENCE if filled else FILLING if self.catalogue.database.shared else None)
            if self.engine.stamp == Stamp():
                raise EngineError("the search index is being filled", "Ask again in a while; /health/ready tells when.")
        except QAError:
            if not filled:
                raise
            # There is an answer from before, as long as its passages are there; /health tells the rest.

    def search(
        self,
        question: str,
        vector: Vector | None,
        k: int,
        mode: Mode = "hybrid",
        where: Collection[str] | None = None,
        last: str = "",
    ) -> Results:
        """The best `k` passages for a question, `vector` being its embedding; without one BM25 answers alone.

        Where it consists of several, its `last` one says what is marked.

        Raises IndexMismatch when the index was made anew with another model and what was before is not there any more.
        """
        for _ in range(2):  # again where a document changed after the snapshot was taken
            self._keep_up()
            results, complete = self._search(self.engine.snapshot(), question, vector, k, mode, where, last)
            if results is not None and complete:
                return results
        if results is None:
            self.refresh()
            results, _ = self._search(self.engine.snapshot(), question, vector, k, mode, where, last)
        if results is None:
            raise EngineError("the index changes faster than it can be read", "Ask again.")
        return results

    def gather(
        self,
        snapshot: Snapshot,
        view: View,
        question: str,
        vector: Vector | None,
        mode: Mode,
        where: Collection[str] | None = None,
        k: int = 0,
    ) -> Gathered:
        """The candidates of both legs in one snapshot, and what the catalogue knows of them: all that ranks them."""
        weights = snapshot.weights(terms(question))
        known = self._vocabulary if vector is not None else None
        asked = Asked(vector, weights, cuts(question, known) if known else 0.0)
        depth = max(self.ranking.candidates, k)
        dense = snapshot.dense(vector, depth, where) if vector is not None else []
        sparse = snapshot.sparse(weights, depth, where) if mode != "dense" else []
        chosen = self._chosen(dense, sparse, asked, mode)[: max(self.ranking.rescored, k)]
        candidates = sorted(view.candidates(chosen, snapshot.stamp), key=lambda one: one.passage_id)
        bm25 = {hit.passage_id: hit.score for hit in sparse}
        return Gathered(
            asked,
            {hit.passage_id: rank for rank, hit in enumerate(dense, 1)},
            {hit.passage_id: (rank, hit.score) for rank, hit in enumerate(sparse, 1)},
            [one.passage_id for one in candidates],
            np.array([bm25.get(one.passage_id, 0.0) for one in candidates]),
            Evidence.of(candidates, vector),
            complete=len(candidates) == len(chosen),
        )

    def _search(
        self,
        snapshot: Snapshot,
        question: str,
        vector: Vector | None,
        k: int,
        mode: Mode,
        where: Collection[str] | None,
        last: str,
    ) -> tuple[Results | None, bool]:
        """The results, and whether they are all there; none when the passages of that snapshot have gone."""
        mode = mode if vector is not None else "bm25"
        stages = Stages()
        with self._turns, self.catalogue.view() as view:
            if not view.holds(snapshot.stamp):
                return None, False
            gathered = self.gather(snapshot, view, question, vector if mode != "bm25" else None, mode, where, k)
            familiar = familiarity(gathered.asked, self.ranking)
            if mode == "hybrid" and not familiar:  # its vector says nothing
                mode = "bm25"
                gathered = self.gather(snapshot, view, question, None, mode, where, k)
            stages.lap("candidates")
            fused = scores(gathered.evidence, gathered.bm25, gathered.asked, self.ranking, mode)
            best = gathered.ranked(fused)[:k]
            stages.lap("ranking")
            stored = view.passages([gathered.ids[place] for place in best], snapshot.stamp)
        sentences = gathered.evidence.telling(gathered.asked.weights, self.ranking.mark_covered)
        found = [self._found(last or question, gathered, place, fused, sentences, stored) for place in best]
        stages.lap("reading")
        generation, asked = snapshot.stamp.generation, gathered.asked
        milliseconds, degraded = stages.milliseconds, self.engine.degraded
        results = Results(question, mode, generation, found, asked.weights, familiar, milliseconds, degraded)
        return results, gathered.complete

    def _found(
        self,
        question: str,
        gathered: Gathered,
        place: int,
        fused: Scores,
        sentences: Scores,
        stored: Mapping[str, StoredPassage],
    ) -> Found:
        one, evidence, asked = gathered.ids[place], gathered.evidence, set(terms(question))
        weights = {term: weight for term, weight in gathered.asked.weights.items() if term in asked}
        rank, bm25 = gathered.sparse.get(one, (None, None))
        embedded = evidence.embedded[place]
        return Found(
            stored[one],
            float(fused[place]),
            float(evidence.cosines[place]) if embedded else None,
            gathered.dense.get(one),
            bm25,
            rank,
            by_words(bm25 or 0.0, gathered.asked, self.ranking),
            float(sentences[place]) if embedded else None,
            marked(question, stored[one].passage, evidence, place, weights, self.ranking),
        )

    def _chosen(self, dense: Sequence[Hit], sparse: Sequence[Hit], asked: Asked, mode: Mode) -> list[str]:
        """The hits of both legs by their score so far; a passage that a leg left out counts as its last one."""
        cosines = {hit.passage_id: hit.score for hit in dense}
        bm25 = {hit.passage_id: hit.score for hit in sparse}
        lowest = min(cosines.values(), default=0.0)
        ids = list(dict.fromkeys([*cosines, *bm25]))
        so_far = first_scores(
            np.array([cosines.get(one, lowest) for one in ids]),
            np.array([bm25.get(one, 0.0) for one in ids]),
            asked,
            self.ranking,
            mode,
        )
        return [ids[place] for place in sorted(range(len(ids)), key=lambda place: (-so_far[place], ids[place]))]
