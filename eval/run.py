"""A run: what the service answered to each question of a set."""

from __future__ import annotations

from dataclasses import dataclass

from index.types import Span


@dataclass(frozen=True, slots=True)
class Returned:
    """A passage that was returned: where it stands, its score, and what is marked in it."""

    document: str
    span: Span
    score: float
    marks: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """The answer to one question; `passages` best first, `milliseconds` by stage and in all ("total")."""

    question_id: str
    effective_question: str
    retrieval: str
    answerable: bool
    confidence: float
    passages: tuple[Returned, ...]
    milliseconds: dict[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """`facts` say what was asked of what: the set, its key, the system, its settings, when."""

    set_name: str
    system: str
    facts: dict[str, str]
    rows: tuple[Row, ...]
