"""Question (and history) to Answer: effective question, search, mark, confidence, citation."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace
from urllib.parse import quote

from index.embed import Embedder
from index.fusion import Mode
from index.rerank import Reranker
from index.search import Found, Results, Searcher
from index.select import EVERYTHING, Filter
from index.stages import Stages
from index.types import Vector
from qa.confidence import DEPTH, Calibration, confidence
from qa.followup import CITED, Stand, carried, cited, leans, on_the_same
from qa.reader import Reader
from qa.refine import narrowed, reranked
from qa.types import Answer, Citation, Highlight, RankedPassage, Reading, Reranking, Scores, Turn


def _none() -> None:
    return None


@dataclass(frozen=True, slots=True)
class Models:
    """The models as far as they are there: each is asked for at every question."""

    embedder: Callable[[], Embedder | None]
    reranker: Callable[[], Reranker | None] = _none
    reader: Callable[[], Reader | None] = _none
    rerank_top: int = 20
    rerank_ms: float = 300
    reranker_away: Callable[[], tuple[str, str] | None] = _none
    reader_away: Callable[[], tuple[str, str] | None] = _none


class Answerer:
    """Answers from a searcher, with the models that there are."""

    def __init__(self, searcher: Searcher, models: Models, calibration: Calibration) -> None:
        self._searcher = searcher
        self._models = models
        self._calibration = calibration

    def ask(
        self,
        question: str,
        top_k: int = 5,
        history: Sequence[Turn] = (),
        chosen: Filter = EVERYTHING,
        mode: Mode = "hybrid",
    ) -> Answer:
        """The passages that answer, best first. Not answerable is an answer too, never an error."""
        started, stages = time.perf_counter(), Stages()
        where = self._searcher.catalogue.selected(chosen) if chosen != EVERYTHING else None
        reranker = self._models.reranker()
        depth = max(top_k, self._models.rerank_top) if reranker else top_k
        results = self.search(question, depth, mode, where)
        stages.take(results.milliseconds)
        if history:
            results = self._in_conversation(question, results, depth, history, where, mode)
            stages.lap("conversation")
        probability, answerable = confidence(results, self._calibration)
        found, reranking = results.found, self._no_reranking()
        stages.lap("confidence")
        if reranker:
            first, reranking = reranked(
                results.question, found[: self._models.rerank_top], reranker, self._models.rerank_ms
            )
            found = [*first, *found[self._models.rerank_top :]]
            stages.lap("reranking")
        found, reader, reading = found[:top_k], self._models.reader(), self._no_reading()
        if reader:
            found, reading = narrowed(results.question, found, reader)
            stages.lap("reading the answer")
        return Answer(
            question=question,
            effective_question=results.question,
            retrieval=results.mode,
            answerable=answerable,
            confidence=round(probability, 4),
            calibrated=self._calibration.fitted or results.mode == "bm25",
            generation=results.generation,
            took_ms=round((time.perf_counter() - started) * 1000, 2),
            stages_ms={stage: round(milliseconds, 2) for stage, milliseconds in stages.milliseconds.items()},
            reranking=reranking,
            reading=reading,
            degraded=results.degraded,
            passages=[_ranked(rank, one) for rank, one in enumerate(found, 1)],
        )

    def _no_reranking(self) -> Reranking | None:
        """What to say where a reranker is wanted and not there."""
        away = self._models.reranker_away()
        return Reranking(away[0], 0, 0.0, self._models.rerank_ms, complete=False, failed=away[1]) if away else None

    def _no_reading(self) -> Reading | None:
        away = self._models.reader_away()
        return Reading(away[0], 0, away[1]) if away else None

    def search(
        self,
        question: str,
        top_k: int,
        mode: Mode = "hybrid",
        where: Collection[str] | None = None,
        last: str = "",
    ) -> Results:
        """The search behind `ask`, as deep as confidence looks however few passages are asked for."""
        stages = Stages()
        vector = self._vector(question, mode)
        stages.lap("embedding")
        results = self._searcher.search(question, vector, max(top_k, DEPTH), mode, where, last)
        return replace(results, milliseconds=stages.milliseconds | dict(results.milliseconds))

    def _vector(self, question: str, mode: Mode) -> Vector | None:
        embedder = self._models.embedder() if mode != "bm25" else None
        return embedder.question(question) if embedder else None

    def _in_conversation(
        self,
        question: str,
        alone: Results,
        depth: int,
        history: Sequence[Turn],
        where: Collection[str] | None,
        mode: Mode,
    ) -> Results:
        """The results of the question alone, or of the one that it is when the earlier ones are taken over."""
        if not leans(question, self.stand(question, alone, history, where, mode)):
            return alone
        return self.together(question, depth, history, mode, where)

    def together(
        self,
        question: str,
        top_k: int,
        history: Sequence[Turn],
        mode: Mode = "hybrid",
        where: Collection[str] | None = None,
    ) -> Results:
        """The results of a question with the last earlier ones, or only those on the document just cited: the surer."""
        ways = dict.fromkeys([carried(question, history), carried(question, on_the_same(history))])
        found = [self.search(way, top_k, mode, where, last=question) for way in ways]
        return max(found, key=lambda results: confidence(results, self._calibration)[0])

    def stand(
        self,
        question: str,
        alone: Results,
        history: Sequence[Turn],
        where: Collection[str] | None = None,
        mode: Mode = "hybrid",
    ) -> Stand:
        """How well a question, which found so much alone, is answered by the documents of the conversation."""
        known = self._cited(history, where, mode)
        searched = self._searcher.catalogue.counts.documents() if where is None else len(where)
        vector = self._vector(question, alone.mode)
        own = self._best(question, vector, known, alone.mode) if known else 0.0
        sure, _ = confidence(alone, self._calibration)
        return Stand(sure, own, self._best(question, vector, where, alone.mode), len(known) / max(searched, 1))

    def _best(self, question: str, vector: Vector | None, where: Collection[str] | None, mode: Mode) -> float:
        """The score of the first passage, without feedback, which would take the documents at hand for the answer."""
        plain = self._searcher.ranking_by(replace(self._searcher.ranking, feedback=0.0))
        found = plain.search(question, vector, 1, mode, where).found
        return found[0].score if found else 0.0

    def _cited(self, history: Sequence[Turn], where: Collection[str] | None, mode: Mode) -> list[str]:
        """The documents just cited; where the history does not say, those that its questions would find."""
        stored = self._searcher.catalogue.stored(cited(history))
        shown = [one for one in cited(history) if one in stored and (where is None or one in where)]
        if not shown:
            earlier = self.search(carried(history[-1].question, history[:-1]), DEPTH, mode, where)
            shown = list(dict.fromkeys(found.stored.passage.document_id for found in earlier.found))
        return shown[:CITED]


def _ranked(rank: int, found: Found) -> RankedPassage:
    passage, mark = found.stored.passage, found.mark
    return RankedPassage(
        id=passage.id,
        rank=rank,
        score=round(found.score, 4),
        scores=Scores(
            _rounded(found.bm25), _rounded(found.dense), found.bm25_rank, found.dense_rank, _rounded(found.reranked)
        ),
        text=passage.text,
        highlights=[
            Highlight(mark.start, mark.end, passage.text[mark.start - passage.start : mark.end - passage.start])
        ],
        citation=Citation(
            document_id=passage.document_id,
            title=passage.title,
            source=found.stored.source,
            heading=passage.heading,
            start=passage.start,
            end=passage.end,
            quote=passage.text,
            page_start=passage.page_start,
            page_end=passage.page_end,
            line_start=passage.line_start,
            line_end=passage.line_end,
            sha256=found.stored.sha256,
            url=f"{document_url(passage.document_id)}#char={passage.start},{passage.end}",
        ),
    )


def document_url(document_id: str) -> str:
    return f"/documents/{quote(document_id, safe='')}"


def _rounded(score: float | None) -> float | None:
    return None if score is None else round(score, 4)
