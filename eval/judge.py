"""What of an answer is right: documents by their grades, passages by overlap with the gold spans.

Labels by overlap stay valid however documents are cut into passages. A question has one answer, which may stand in
several passages: the first passage found that holds it stands for it, and is called by the question's first gold
span, so that the same qrels judge every system.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, get_args
from urllib.parse import quote

from eval.dataset import Gold, Question
from eval.run import Returned, Row, Run
from index.types import Span

DEPTH = 10
"""Passages among which a marked answer is looked for."""

_STEP = 1e-6
"""Between scores that must differ, as a share of them: trec_eval holds scores in 32 bits, with 7 digits."""

_SAFE = "/:!$&'()*+,;=@~"
"""What stays as it is in a name that is percent-encoded, besides letters, digits and `_.-`."""

Outcome = Literal["wrong", "answered in vain", "refused", "not marked", "right"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
"""From the worst to the best."""


@dataclass(frozen=True, slots=True)
class Judged:
    """What a measure sees of one question: grades and scores by docno, the scores strictly descending.

    `qrels` is empty for a question without an answer.
    """

    topic: str
    qrels: dict[str, int]
    run: dict[str, float]


def holds(span: Span, gold: Gold) -> bool:
    """Does a stretch of the gold's document hold at least half of the gold's characters?"""
    shared = min(span.end, gold.end) - max(span.start, gold.start)
    return 2 * shared >= gold.end - gold.start


def held(question: Question, passage: Returned) -> tuple[Gold, ...]:
    """The gold spans that a passage holds."""
    return tuple(gold for gold in question.gold if gold.document == passage.document and holds(passage.span, gold))


def relevant(question: Question, passage: Returned) -> bool:
    """Is a passage right? By the grade of its document where documents are judged, else by the gold it holds."""
    if question.relevant:
        return question.relevant.get(passage.document, 0) > 0
    return bool(held(question, passage))


def topic(question_id: str) -> str:
    """The name of a question in TREC files, where names hold no whitespace: percent-encoded."""
    return quote(question_id, safe=_SAFE, errors="surrogateescape")


def docno(document: str, span: Span | None = None) -> str:
    """The name of a document, or of a passage (`document:start-end`), in TREC files: percent-encoded."""
    name = quote(document, safe=_SAFE, errors="surrogateescape")
    return name if span is None else f"{name}:{span.start}-{span.end}"


def qrels(question: Question) -> dict[str, int]:
    """Grades by docno; without an answer none, so that the question is not among those that are averaged."""
    if not question.answerable:
        return {}
    return {docno(name): grade for name, grade in question.relevant.items()} or {_answer(question): 1}


def judged(question: Question, row: Row) -> Judged:
    """The first passage of a document stands for it, or the first that holds the answer for the answer.

    A score that is not below the one before it is lowered until it is, for tools that sort by score.
    """
    run: dict[str, float] = {}
    most = math.inf
    for passage in row.passages:
        if question.relevant:
            name = docno(passage.document)
        elif held(question, passage):
            name = _answer(question)
        else:
            name = docno(passage.document, passage.span)
        if name not in run:
            score = run[name] = min(passage.score, most)
            most = score - _STEP * max(1.0, abs(score))
    return Judged(topic(question.id), qrels(question), run)


def _answer(question: Question) -> str:
    first = question.gold[0]
    return docno(first.document, Span(first.start, first.end))


def first_right(question: Question, row: Row) -> bool:
    """Is the top passage right?"""
    return bool(row.passages) and relevant(question, row.passages[0])


def right_rank(question: Question, row: Row) -> int | None:
    """The rank of the first right passage, from 1; None if there is none."""
    return next((rank for rank, one in enumerate(row.passages, 1) if relevant(question, one)), None)


def marked(question: Question, row: Row) -> bool | None:
    """Does a mark of the first passage that holds gold, among the first ten, hold one itself?

    A mark is a sentence; of a longer gold it must hold half, as anything must. None if there is no such passage, or if
    all of it is gold, as where people said that it helps.
    """
    for passage in row.passages[:DEPTH]:
        if held(question, passage):
            golds = [gold for gold in question.gold if gold.document == passage.document]
            told = [gold for gold in golds if not (gold.start <= passage.span.start and passage.span.end <= gold.end)]
            if not told:
                return None
            return any(holds(mark, gold) for mark in passage.marks for gold in told)
    return None


def outcome(question: Question, row: Row) -> Outcome:
    """What became of a question, the worst that can be said of it.

    "answered in vain": said to be answerable, and is not. "refused": said not to be, though the top passage is right.
    """
    if not question.answerable:
        return "answered in vain" if row.answerable else "right"
    if not first_right(question, row):
        return "wrong"
    if not row.answerable:
        return "refused"
    return "not marked" if marked(question, row) is False else "right"


def asked(questions: Iterable[Question], run: Run) -> Iterator[tuple[Question, Row]]:
    """The answers of a run with their questions; answers to questions that are not among these are left out."""
    known = {question.id: question for question in questions}
    return ((known[row.question_id], row) for row in run.rows if row.question_id in known)
