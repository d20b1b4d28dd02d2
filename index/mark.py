"""The telling sentence of a passage, or two adjacent ones: by what ranks it, and what the question expects."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from index.expected import expected, held
from index.ranking import Ranking
from index.rescore import Evidence
from index.terms import terms
from index.types import Passage, Span


def marked(
    question: str,
    passage: Passage,
    evidence: Evidence,
    candidate: int,
    weights: Mapping[str, float],
    ranking: Ranking,
) -> Span:
    """The stretch of the document that tells, from its first sentence to its last; of equals the first.

    A sentence scores by its cosine, by the share of the question's terms (`weights`: their idf) that it holds and
    that title and heading do not say anyway, and by holding the kind of answer that the question expects.
    """
    if not passage.sentences:
        return Span(passage.start, passage.end)
    scores = _scores(question, passage, evidence, candidate, weights, ranking)
    best = int(np.argmax(scores))
    first = last = best
    beside = [place for place in (best - 1, best + 1) if 0 <= place < len(scores)]
    if beside:
        other = max(beside, key=lambda place: (scores[place], -place))
        if scores[other] >= scores[best] - ranking.mark_both:
            first, last = min(best, other), max(best, other)
    return Span(passage.sentences[first].start, passage.sentences[last].end)


def _scores(
    question: str,
    passage: Passage,
    evidence: Evidence,
    candidate: int,
    weights: Mapping[str, float],
    ranking: Ranking,
) -> NDArray[np.float64]:
    said = set(terms(passage.context))
    telling = {term: weight for term, weight in weights.items() if term not in said}
    scores = evidence.sentences(candidate) + ranking.mark_covered * evidence.covered(telling, candidate)
    kinds = expected(question)
    if kinds and ranking.mark_expected:
        scores = scores + ranking.mark_expected * np.array(
            [held(kinds, sentence, weights) for sentence in passage.sentence_texts()]
        )
    return scores
