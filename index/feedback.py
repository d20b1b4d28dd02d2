"""What people said: this passage answers that question, or does not; or nothing in the documents does.

It is not searched, so that it raises no generation. It goes with its document, and outlives a change of its text.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, NamedTuple

import sqlalchemy as sa

from index import tables
from index.errors import Conflict, DocumentError
from index.types import Span


class Place(NamedTuple):
    """A part of a document's text, as a citation names it."""

    document_id: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class JudgedPassage:
    """What was judged: `quote == text[start:end]` of the document when its text had this `sha256`."""

    document_id: str
    start: int
    end: int
    quote: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Judgement:
    """What was said last of a passage, or without one of all that is stored: nothing there answers the question.

    The same question after the same history has one judgement of each passage, and the `id` is made from these.
    `judged_at` is in seconds since 1970.
    """

    id: str
    question: str
    history: tuple[str, ...]
    helpful: bool
    passage: JudgedPassage | None
    judged_at: float


@dataclass(frozen=True, slots=True)
class Standing:
    """A judgement as of now: what its document is called (its source, else its id), and where the quote stands in it.

    `span` is None where the quote has gone from the text, or stands in several other places; both are None without a
    passage.
    """

    judgement: Judgement
    document: str | None
    span: Span | None


class Feedback:
    """The judgements of a catalogue. `read` and `note` open its transactions."""

    def __init__(
        self,
        read: Callable[[], AbstractContextManager[sa.Connection]],
        note: Callable[[], AbstractContextManager[sa.Connection]],
    ) -> None:
        self._read = read
        self._note = note

    def put(
        self, question: str, history: Sequence[str], helpful: bool, place: Place | None, quote: str | None = None
    ) -> Judgement:
        """Keep a judgement in the place of what was said before of the same. Without a place it says of everything
        that it does not help. `quote` is what was read there, if that is known.

        Raises Conflict when it is not what stands there now; DocumentError when the document is not stored, or has no
        words there; ValueError for "all of it helps".
        """
        if helpful and place is None:
            raise ValueError("what helps is a passage")
        with self._note() as connection:
            passage = _quoted(connection, place, quote) if place else None
            key = [question, [*history], *([*place, passage.quote] if place and passage else [])]
            name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:32]
            made = Judgement(name, question, tuple(history), helpful, passage, time.time())
            connection.execute(sa.delete(tables.feedback).where(tables.feedback.c.id == name))
            connection.execute(sa.insert(tables.feedback), _row(made))
        return made

    def remove(self, judgement_id: str) -> bool:
        """Take one back; False when there is none of that id."""
        with self._note() as connection:
            mine = tables.feedback.c.id == judgement_id
            return bool(connection.execute(sa.delete(tables.feedback).where(mine)).rowcount)

    def latest(self, limit: int, offset: int = 0) -> tuple[int, list[Judgement]]:
        """How many there are, and some of them, the newest first."""
        rows = tables.feedback.c
        query = sa.select(tables.feedback).order_by(rows.judged_at.desc(), rows.id).limit(limit).offset(offset)
        with self._read() as connection:
            total = connection.scalar(sa.select(sa.func.count()).select_from(tables.feedback)) or 0
            return total, [_judgement(row) for row in connection.execute(query)]

    def standing(self) -> list[Standing]:
        """All of them as of now, the oldest first."""
        rows, documents = tables.feedback.c, tables.documents.c
        query = sa.select(tables.feedback, documents.source, documents.sha256.label("now"))
        query = query.outerjoin(tables.documents, documents.id == rows.document_id).order_by(rows.document_id)
        with self._read() as connection:
            found = [
                one
                for _, group in groupby(connection.execute(query), key=lambda row: row.document_id)
                for one in _standing(connection, list(group))
            ]
        return sorted(found, key=lambda one: (one.judgement.judged_at, one.judgement.id))


def found_again(quote: str, start: int, text: str) -> Span | None:
    """Where a quote stands: at its old start, else at the only place where the text has it word for word."""
    if text.startswith(quote, start):
        return Span(start, start + len(quote))
    first = text.find(quote)
    return Span(first, first + len(quote)) if first >= 0 and text.find(quote, first + 1) < 0 else None


def feedback_of(connection: sa.Connection, document_ids: Collection[str]) -> list[dict[str, object]]:
    """The rows of documents that are about to be replaced, to be put back after."""
    query = sa.select(tables.feedback).where(tables.feedback.c.document_id.in_(document_ids))
    return [dict(row) for row in connection.execute(query).mappings()]


def _standing(connection: sa.Connection, rows: Sequence[sa.Row[Any]]) -> Iterator[Standing]:
    """Of one document's rows. Its text is read only where it is not the one that was judged."""
    text: str | None = None
    for row in rows:
        span = Span(row.start, row.end) if row.document_id else None
        if row.sha256 != row.now:
            if text is None:
                query = sa.select(tables.documents.c.text).where(tables.documents.c.id == row.document_id)
                text = str(connection.scalar(query))
            span = found_again(row.quote, row.start, text)
        yield Standing(_judgement(row), row.source or row.document_id, span)


def _quoted(connection: sa.Connection, place: Place, read: str | None) -> JudgedPassage:
    """Raises Conflict, DocumentError."""
    documents = tables.documents.c
    row = connection.execute(
        sa.select(documents.text, documents.sha256).where(documents.id == place.document_id)
    ).first()
    if row is None:
        raise DocumentError(f"there is no document {place.document_id[:200]!r}", "It may have been removed meanwhile.")
    quote = row.text[place.start : place.end] if 0 <= place.start < place.end <= len(row.text) else ""
    if read is not None and read != quote:
        raise Conflict("the document has changed since it was cited", "Ask again, and judge what it says now.")
    if not quote.strip():
        raise DocumentError(
            f"{place.start} to {place.end} is no passage of the document, which has {len(row.text)} characters",
            "Send the start and end of a citation.",
        )
    return JudgedPassage(*place, quote, row.sha256)


def _row(judgement: Judgement) -> dict[str, object]:
    passage = judgement.passage
    return {
        "id": judgement.id,
        "question": judgement.question,
        "history": list(judgement.history),
        "helpful": judgement.helpful,
        "judged_at": judgement.judged_at,
        **({name: getattr(passage, name) for name in JudgedPassage.__dataclass_fields__} if passage else {}),
    }


def _judgement(row: sa.Row[Any]) -> Judgement:
    passage = JudgedPassage(row.document_id, row.start, row.end, row.quote, row.sha256) if row.document_id else None
    return Judgement(row.id, row.question, tuple(row.history), row.helpful, passage, row.judged_at)
