"""What an answer is made of. Offsets are code points into the stored text of the whole document."""

from __future__ import annotations

from dataclasses import dataclass

from index.fusion import Mode


@dataclass(frozen=True, slots=True)
class Turn:
    """An earlier question of the conversation, and the ids of the passages that were shown for it, best first."""

    question: str
    passages: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Highlight:
    """What tells: a sentence, or two adjacent ones, or with a reader the words that answer. A verbatim slice."""

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
    reranker: float | None


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

    @property
    def place(self) -> str:
        """For people: the page, or without pages the line."""
        if self.page_start is not None and self.page_end is not None:
            return _range("page", self.page_start, self.page_end)
        return _range("line", self.line_start, self.line_end)


def _range(name: str, first: int, last: int) -> str:
    return f"{name} {first}" if first == last else f"{name}s {first}–{last}"


@dataclass(frozen=True, slots=True)
class RankedPassage:
    """`id` names the passage in the `history` of later questions."""

    id: str
    rank: int
    score: float
    scores: Scores
    text: str
    highlights: list[Highlight]
    citation: Citation


@dataclass(frozen=True, slots=True)
class Reranking:
    """What a cross-encoder did: it rescored the first `passages`, which are in its order; `complete` unless the
    budget ended it early, or it `failed`, and why."""

    model: str
    passages: int
    took_ms: float
    budget_ms: float
    complete: bool
    failed: str | None


@dataclass(frozen=True, slots=True)
class Reading:
    """What a reader did: it narrowed the marks of so many `passages`, or `failed`, and why."""

    model: str
    passages: int
    failed: str | None


@dataclass(frozen=True, slots=True)
class Answer:
    """Ranked passages, never generated text. `answerable` is false where the documents seem not to hold the answer.

    `retrieval` is what was really done: BM25 alone while the model is away, and for a question in words that the model
    does not know. `confidence` is the probability that the first passage answers, in the order of the search, before
    any reranker; `calibrated` is false when it was fitted with another embedding model (`qa calibrate` fits it).
    `degraded` says why passages may be missing, while a search engine on other machines does not hold all of them; else
    it is None. `stages_ms`: where the time went.
    """

    question: str
    effective_question: str
    retrieval: Mode
    answerable: bool
    confidence: float
    calibrated: bool
    generation: int
    took_ms: float
    stages_ms: dict[str, float]
    reranking: Reranking | None
    reading: Reading | None
    degraded: str | None
    passages: list[RankedPassage]
