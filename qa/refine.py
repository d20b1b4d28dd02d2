"""What the optional models add to found passages: a better order, a narrower mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from index.errors import ModelError
from index.rerank import Reranker
from index.search import Found
from index.types import Span
from qa.reader import Reader
from qa.types import Reading, Reranking

MOST_READ = 10
"""Passages that a reader reads: it takes some 25 ms for each."""


def reranked(
    question: str, found: Sequence[Found], reranker: Reranker, milliseconds: float
) -> tuple[list[Found], Reranking]:
    """The first passages in the order of the reranker, as many as there was time for; the others follow as before."""
    try:
        rescored = reranker.rescored(question, [_with_context(one) for one in found], milliseconds / 1000)
    except ModelError as error:
        return list(found), Reranking(reranker.name, 0, 0.0, milliseconds, complete=False, failed=error.message)
    first = [replace(one, reranked=score) for one, score in zip(found, rescored.scores, strict=False)]
    first.sort(key=lambda one: -(one.reranked or 0.0))
    took = round(rescored.seconds * 1000, 2)
    told = Reranking(reranker.name, len(first), took, milliseconds, rescored.complete, failed=None)
    return [*first, *found[len(first) :]], told


def narrowed(question: str, found: Sequence[Found], reader: Reader) -> tuple[list[Found], Reading]:
    """The same passages, the first `MOST_READ` marked where the reader sees the answer; where it sees none, and in the
    others, the sentence stays marked."""
    try:
        spans = reader.spans(question, [one.stored.passage.text for one in found[:MOST_READ]])
    except ModelError as error:
        return list(found), Reading(reader.name, 0, error.message)
    marked = [
        one if span is None else replace(one, mark=_moved(span.start, span.end, one.stored.passage.start))
        for one, span in zip(found, spans, strict=False)
    ]
    return [*marked, *found[MOST_READ:]], Reading(reader.name, sum(span is not None for span in spans), None)


def _with_context(found: Found) -> str:
    passage = found.stored.passage
    return f"{passage.context}\n{passage.text}".lstrip("\n")


def _moved(start: int, end: int, by: int) -> Span:
    return Span(start + by, end + by)
