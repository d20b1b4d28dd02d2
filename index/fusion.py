"""Scores of candidates from what both legs and their sentences say: functions of arrays, with nothing looked up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

import numpy as np
import regex
from numpy.typing import NDArray

from index.ranking import Ranking
from index.rescore import Evidence
from index.types import Span, Vector

Mode = Literal["hybrid", "dense", "bm25"]
Scores = NDArray[np.float64]
_Number = TypeVar("_Number", float, Scores)

_LETTER = regex.compile(r"[\p{L}\p{N}]")
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


@dataclass(frozen=True, slots=True)
class Asked:
    """A question as the ranking sees it: its embedding, its terms with their idf, and how far the embedding model
    cuts its words up (see `cuts`); 0 where that is not known."""

    vector: Vector | None
    weights: Mapping[str, float]
    cuts: float = 0.0


class Vocabulary(Protocol):
    """What is asked of a model's tokenizer: the place of every word piece that it knows in a text."""

    def known(self, text: str) -> list[Span]: ...


def cuts(question: str, vocabulary: Vocabulary) -> float:
    """Cuts within words, to a letter: few in a language that the model was trained on, many in any other.

    Letters of no known piece count as cut off from each other.
    """
    letters = len(_LETTER.findall(question))
    known = [(span, len(_LETTER.findall(question, *span))) for span in vocabulary.known(question)]
    unknown = letters - sum(count for _, count in known)
    pieces = sum(count > 0 for _, count in known) + unknown
    return (pieces - len(_WORD.findall(question))) / letters if letters else 0.0


def familiarity(asked: Asked, ranking: Ranking) -> float:
    """How far the embedding model knows the words of a question, 0 to 1."""
    return min(max((ranking.foreign - asked.cuts) / (ranking.foreign - ranking.familiar), 0.0), 1.0)


def by_words(bm25: _Number, asked: Asked, ranking: Ranking) -> _Number:
    """BM25 as a share of the most that the question's terms could give, raised by the root of their number."""
    most = sum(weight for weight in asked.weights.values() if weight > 0) * ranking.bm25.most
    return bm25 * (math.sqrt(len(asked.weights) / ranking.usual_terms) / most if most else 0.0)


def first_scores(cosines: Scores, bm25: Scores, asked: Asked, ranking: Ranking, mode: Mode) -> Scores:
    """The scores by the two legs alone, to choose the candidates that are looked at closely."""
    lexical = by_words(bm25, asked, ranking)
    if mode == "bm25":
        return lexical
    if mode == "dense":
        return cosines
    return familiarity(asked, ranking) * ranking.dense * cosines + ranking.lexical * lexical


def scores(evidence: Evidence, bm25: Scores, asked: Asked, ranking: Ranking, mode: Mode) -> Scores:
    """The final score of each candidate."""
    lexical = by_words(bm25, asked, ranking)
    if mode == "bm25":
        return lexical
    if mode == "dense":
        return evidence.cosines
    sentences = evidence.telling(asked.weights, ranking.mark_covered)
    known = familiarity(asked, ranking)
    meaning, words, sentence = known * ranking.dense, ranking.lexical, known * ranking.sentence
    total = meaning + words + sentence
    fused = (meaning * evidence.cosines + words * lexical + sentence * sentences) / total
    if asked.vector is None or not ranking.feedback or not meaning:
        return fused
    moved = _moved(asked.vector, evidence, fused, ranking)
    return fused + meaning / total * (moved - evidence.cosines)


def _moved(vector: Vector, evidence: Evidence, fused: Scores, ranking: Ranking) -> Scores:
    """The cosines with the question moved towards the first passages."""
    ranked = np.argsort(-fused, kind="stable")
    first = ranked[evidence.embedded[ranked]][: ranking.feedback_passages]
    if not len(first):
        return evidence.cosines
    weights = np.exp((fused[first] - fused[first[0]]) / ranking.feedback_fall).astype(np.float32)
    moved = vector + ranking.feedback * (weights @ evidence.vectors[first]) / weights.sum()
    cosines: Scores = (evidence.vectors @ (moved / np.linalg.norm(moved))).astype(np.float64)
    return cosines
