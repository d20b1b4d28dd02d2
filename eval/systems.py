"""What is compared: the service as it is, and what it would be without one of its parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from eval.dataset import Question
from eval.library import names
from eval.run import Returned, Row
from index.fusion import Mode
from index.ranking import RANKING, Ranking
from index.types import Span
from qa.answer import Answerer
from qa.types import Answer, Turn
from qa.wire import Library

DEPTH = 100
"""Passages asked for: the most that the service gives; the first ones are the same however many are asked for."""


@dataclass(frozen=True, slots=True)
class System:
    """A name, the mode that is asked for, and the ranking."""

    name: str
    mode: Mode
    ranking: Ranking = RANKING


SYSTEMS = {
    one.name: one
    for one in (
        System("bm25", "bm25"),
        System("dense", "dense"),
        System("fused", "hybrid", replace(RANKING, sentence=0.0, feedback=0.0)),
        System("hybrid", "hybrid"),
    )
}
"""`fused` joins the two legs alone, without the scores of sentences and without feedback; `hybrid` is the service."""


class Asker:
    """Asks questions of a library in one system, conversations turn by turn."""

    def __init__(self, library: Library, system: System, depth: int = DEPTH) -> None:
        self._answerer: Answerer = library.answerer_with(system.ranking)
        self._names = names(library)
        self._mode = system.mode
        self._depth = depth
        self._shown: dict[tuple[str, ...], tuple[str, ...]] = {}

    def ask(self, questions: Sequence[Question]) -> Iterator[Row]:
        for question in questions:
            answer = self._answerer.ask(question.question, self._depth, self.turns(question.history), mode=self._mode)
            yield _row(question, answer, self._names)

    def turns(self, history: tuple[str, ...]) -> list[Turn]:
        """The earlier questions with what was shown for each, which is found out by asking them in their turn."""
        turns = list[Turn]()
        for number, question in enumerate(history, 1):
            asked = history[:number]
            if asked not in self._shown:
                shown = self._answerer.ask(question, history=turns, mode=self._mode).passages
                self._shown[asked] = tuple(passage.id for passage in shown)
            turns.append(Turn(question, self._shown[asked]))
        return turns


def _row(question: Question, answer: Answer, called: Mapping[str, str]) -> Row:
    return Row(
        question_id=question.id,
        effective_question=answer.effective_question,
        retrieval=answer.retrieval,
        answerable=answer.answerable,
        confidence=answer.confidence,
        passages=tuple(
            Returned(
                called.get(passage.citation.document_id, passage.citation.source or passage.citation.document_id),
                Span(passage.citation.start, passage.citation.end),
                passage.score,
                tuple(Span(mark.start, mark.end) for mark in passage.highlights),
            )
            for passage in answer.passages
        ),
        milliseconds={**answer.stages_ms, "total": answer.took_ms},
    )
