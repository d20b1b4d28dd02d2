"""What the optional models add to found passages: a better order, a narrower mark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from index.rerank import Reranker
from index.search import Found
from index.types import Span
from qa.reader import Reader
from qa.types import Reranking


def reranked(
    question: str, found: Sequence[Found], reranker: Reranker, milliseconds: float
) -> tuple[list[Found], Reranking]:
    """The first passages in the order of the reranker, as many as there was time for; the others follow as before."""
    rescored = reranker.rescored(question, [_with_context(one) for one in found], milliseconds / 1000)
    scored = list(zip(found, rescored.scores, strict=False))
    order = sorted(range(len(scored)), key=lambda place: (-scored[place][1], place))
    told = Reranking(reranker.name, len(scored), round(rescored.seconds * 1000, 2), milliseconds, rescored.complete)
    first = [replace(found[place], reranked=scored[place][1]) for place in order]
    return [*first, *found[len(scored) :]], told


def narrowed(question: str, found: Sequence[Found], reader: Reader) -> list[Found]:
    """The same passages, marked where the reader sees the answer; where it sees none the sentence stays marked."""
    spans = reader.spans(question, [one.stored.passage.text for one in found])
    return [
        one if span is None else replace(one, mark=_moved(span.start, span.end, one.stored.passage.start))
        for one, span in zip(found, spans, strict=True)
    ]


def _with_context(found: Found) -> str:
    passage = found.stored.passage
    return f"{passage.context}\n{passage.text}".lstrip("\n")


def _moved(start: int, end: int, by: int) -> Span:
    return Span(start + by, end + by)
