"""What an answer is made of. Offsets are code points into the stored text of the whole document."""

from __future__ import annotations

from dataclasses import dataclass

from index.search import Mode


@dataclass(frozen=True, slots=True)
class Highlight:
    """The sentence that tells: a verbatim slice of the document."""

    start: int
    end: int
    text: str


@dataclass(frozen=True, slots=True)
class Scores:
    """Why a passage was found: each leg's own score and rank, null where that leg did not find it."""

    bm25: float | None
    dense: float | None
    bm25_rank: int | None
    dense_rank: int | None


@dataclass(frozen=True, slots=True)
class Citation:
    """Where a passage stands: `quote == text[start:end]` of the document whose text has this `sha256`.

    Lines and pages are 1-based and inclusive; `url` opens the source at that place.
    """

    document_id: str
    title: str
    source: str
    heading: str
    start: int
    end: int
    quote: str
    page_start: int | None
    page_end: int | None
    line_start: int
    line_end: int
    sha256: str
    url: str


@dataclass(frozen=True, slots=True)
class RankedPassage:
    rank: int
    score: float
    scores: Scores
    text: str
    highlights: list[Highlight]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Answer:
    """Ranked passages, never generated text. `answerable` is false where the documents seem not to hold the answer.

    `retrieval` is what was really done; `confidence` is the probability that the passages hold the answer.
    """

    question: str
    effective_question: str
    retrieval: Mode
    answerable: bool
    confidence: float
    generation: int
    took_ms: float
    passages: list[RankedPassage]
