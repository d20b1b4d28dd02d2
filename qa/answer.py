"""Question (and history) to Answer: effective question, search, highlight, confidence, citation."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from urllib.parse import quote

from index.embed import Embedder
from index.search import Found, Mode, Results, Searcher
from index.select import EVERYTHING, Filter
from qa.confidence import DEPTH, confidence
from qa.followup import effective_question
from qa.types import Answer, Citation, Highlight, RankedPassage, Scores


class Answerer:
    """Answers from a searcher, with the embedding model while there is one."""

    def __init__(self, searcher: Searcher, embedder: Callable[[], Embedder | None]) -> None:
        self._searcher = searcher
        self._embedder = embedder

    def ask(
        self,
        question: str,
        top_k: int = 5,
        history: Sequence[str] = (),
        chosen: Filter = EVERYTHING,
        mode: Mode = "hybrid",
    ) -> Answer:
        """The passages that answer, best first. Not answerable is an answer too, never an error."""
        started = time.perf_counter()
        asked = effective_question(question, history)
        results = self.search(asked, top_k, chosen, mode)
        probability, answerable = confidence(results)
        return Answer(
            question=question,
            effective_question=asked,
            retrieval=results.mode,
            answerable=answerable,
            confidence=round(probability, 4),
            generation=results.generation,
            took_ms=round((time.perf_counter() - started) * 1000, 2),
            passages=[_ranked(rank, found) for rank, found in enumerate(results.found[:top_k], 1)],
        )

    def search(self, question: str, top_k: int, chosen: Filter = EVERYTHING, mode: Mode = "hybrid") -> Results:
        """The search behind `ask`, as deep as confidence looks however few passages are asked for."""
        embedder = self._embedder() if mode != "bm25" else None
        vector = embedder.question(question) if embedder else None
        where = self._searcher.catalogue.selected(chosen) if chosen != EVERYTHING else None
        return self._searcher.search(question, vector, max(top_k, DEPTH), mode, where)


def _ranked(rank: int, found: Found) -> RankedPassage:
    passage, telling = found.stored.passage, found.telling.span
    return RankedPassage(
        rank=rank,
        score=round(found.score, 4),
        scores=Scores(_rounded(found.bm25), _rounded(found.dense), found.bm25_rank, found.dense_rank),
        text=passage.text,
        highlights=[
            Highlight(
                telling.start, telling.end, passage.text[telling.start - passage.start : telling.end - passage.start]
            )
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
