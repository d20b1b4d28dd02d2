"""Everything that tunes the ranking, in one place. `make tune` compares values over data sets; DECISIONS.md tells."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class BM25:
    """Robertson and Zaragoza 2009, equation 3.15; `epsilon` floors idf as `rank_bm25.BM25Okapi` does."""

    k1: float = 1.2
    b: float = 0.5
    epsilon: float = 0.25
    average: float | None = None
    """The passages' length that theirs are compared with; None takes that of the passages there are."""

    @property
    def most(self) -> float:
        """What a term of idf 1 gives at most."""
        return self.k1 + 1


@dataclass(frozen=True, slots=True)
class Ranking:
    """How candidates are fused, rescored, and marked.

    A hybrid score is the weighted mean of three numbers on scales of their own, so that a weak match stays weak in
    a list of weaker ones: the passage's cosine, its BM25 as a share of the most that the question's terms could
    give, and the cosine of its best sentence. A long question rarely finds all of its terms in one passage, so that
    its share is raised by the root of its number of terms over `usual_terms`.
    """

    bm25: BM25 = field(default_factory=BM25)
    candidates: int = 100
    """Passages asked of each leg."""
    rescored: int = 100
    """Fused passages whose sentences and vectors are looked at; as many as may be asked for."""
    dense: float = 1.0
    lexical: float = 1.1
    sentence: float = 0.5
    usual_terms: int = 5

    familiar: float = 0.13
    foreign: float = 0.20
    """Cuts within words to a letter of the question: up to `familiar` the embedding model knows the language and its
    words, from `foreign` on it does not, and meaning counts for nothing; between them for less."""

    feedback: float = 0.8  # below 1
    """How far the question's vector is moved towards those of the first passages (pseudo-relevance feedback,
    Rocchio 1971), which count by their scores; `feedback_passages` of them, at a difference of `feedback_fall` in
    score by 1/e less."""
    feedback_passages: int = 5
    feedback_fall: float = 0.02

    mark_covered: float = 1.0
    """In the mark, weight of the question's words that the sentence holds and the title does not, against 1 for
    its cosine."""
    mark_expected: float = 1.0
    """Weight of its holding what is asked for: a number, a time, a name."""
    mark_both: float = 0.5
    """An adjacent sentence is marked too unless it is so much worse."""


RANKING = Ranking()
"""The values in use."""
