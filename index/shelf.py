"""What a list of documents and a reader of one of them need: chosen, ordered, counted by label, cut out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles

from index import tables
from index.history import in_use
from index.rows import DocumentSummary, summary_rows
from index.select import EVERYTHING, Filter, conditions, short_type
from index.sources import summaries_of
from index.sqlite import alike
from index.types import PageLayout, Span

_LONGEST = 2**31 - 2
"""More characters than a text has, and a number that every database takes."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """Part of a document's text; `characters` (code points) and `sha256` are of the whole."""

    text: str
    characters: int
    sha256: str


@dataclass(frozen=True, slots=True)
class LabelCount:
    """A label, and how many documents have it."""

    name: str
    documents: int


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """What documents can be narrowed by, each in the order of the names."""

    collections: list[LabelCount]
    tags: list[LabelCount]
    types: list[LabelCount]


class Shelf:
    """The documents of a catalogue. `read` opens its transactions."""

    def __init__(self, read: Callable[[], AbstractContextManager[sa.Connection]]) -> None:
        self._read = read

    def listed(
        self,
        chosen: Filter = EVERYTHING,
        words: str = "",
        newest: bool = False,
        limit: int = 1000,
        offset: int = 0,
    ) -> tuple[int, list[DocumentSummary]]:
        """How many documents a filter leaves, and some of them, by title or the newest first.

        Each of the words must occur in the title, a source, the collection or a tag, case aside.
        """
        own = tables.documents.c
        order = (own.added_at.desc(), own.id) if newest else (sa.func.lower(own.title), own.id)
        said = [_says(word) for word in dict.fromkeys(alike(words).split())]
        query = sa.select(own.id).where(*conditions(chosen), *said).order_by(*order)
        with self._read() as connection:
            every = connection.scalars(query).all()
            ids = every[offset : offset + limit]
            summaries = summary_rows(in_use(connection)).where(own.id.in_(ids))
            found = {one.id: one for one in summaries_of(connection, summaries)}
        return len(every), [found[one] for one in ids]

    def labels(self) -> LabelCounts:
        documents, tags = tables.documents.c, tables.tags.c
        with self._read() as connection:
            collections, tagged, types = (
                [
                    (name, count)
                    for name, count in connection.execute(sa.select(column, sa.func.count()).group_by(column))
                ]
                for column in (documents.collection, tags.tag, documents.media_type)
            )
        named = Counter[str]()
        for media_type, count in types:
            named[short_type(media_type)] += count
        return LabelCounts(_counted(collections), _counted(tagged), _counted(named.items()))

    def excerpt(self, document_id: str, start: int = 0, end: int | None = None) -> Excerpt | None:
        """The text from `start` to `end` (code points; to its end without one), as far as there is any; None for an
        unknown document. The database cuts it, so that little is read for little."""
        own = tables.documents.c
        whole = start == 0 and end is None
        start = min(start, _LONGEST)
        length = () if end is None else (max(min(end, _LONGEST) - start, 0),)
        text = own.text if whole else sa.func.substr(own.text, start + 1, *length)
        query = sa.select(text.label("text"), own.characters, own.sha256).where(own.id == document_id)
        with self._read() as connection:
            row = connection.execute(query).first()
        return Excerpt(row.text, row.characters, row.sha256) if row else None

    def pages(self, document_id: str) -> list[Span] | None:
        """Which part of the text stands on each page; None for an unknown document."""
        own = tables.documents.c
        with self._read() as connection:
            row = connection.execute(sa.select(own.pages, own.characters).where(own.id == document_id)).first()
        if row is None:
            return None
        return [Span(*span) for span in pairwise([*row.pages, row.characters])]

    def page(self, document_id: str, number: int) -> tuple[Span, PageLayout] | None:
        """Which part of the text stands on a page (from 1), and where; None where places are not known."""
        rows, documents = tables.layouts.c, tables.documents.c
        query = sa.select(documents.pages, documents.characters, rows.width, rows.height, rows.boxes).join(
            tables.documents, documents.id == rows.document_id
        )
        with self._read() as connection:
            row = connection.execute(query.where(rows.document_id == document_id, rows.page == number)).first()
        if row is None:
            return None
        starts = [*row.pages, row.characters]
        return Span(starts[number - 1], starts[number]), PageLayout(row.width, row.height, row.boxes)


def _says(word: str) -> sa.ColumnElement[bool]:
    """Whether a document's title, a source, its collection or a tag holds a word, which is `alike` already."""
    own, tags, sources = tables.documents.c, tables.tags.c, tables.sources.c
    other = tables.documents.alias().c
    return sa.or_(
        _holds(own.title, word),
        own.id.in_(sa.select(sources.document_id).where(_holds(sources.source, word))),
        own.id.in_(sa.select(tags.document_id).where(_among(tags.tag, word))),
        own.id.in_(sa.select(other.id).where(_among(other.collection, word))),
    )


def _among(column: sa.ColumnElement[str], word: str) -> sa.ColumnElement[bool]:
    """The same for a column of few values, each of which is looked at once."""
    values = sa.select(column.label("value")).distinct().subquery().c
    return column.in_(sa.select(values.value).where(_holds(values.value, word)))


def _holds(column: sa.ColumnElement[str], word: str) -> sa.ColumnElement[bool]:
    return _Place(column, sa.literal(word)) > 0


class _Place(sa.sql.functions.FunctionElement[int]):
    """Where a text holds a word that is `alike` already, from 1; 0 where it does not."""

    inherit_cache = True
    type = sa.Integer()


@compiles(_Place)
def _place(element: _Place, compiler: Any, **given: Any) -> str:
    column, word = (compiler.process(one, **given) for one in element.clauses)
    return f"instr(alike({column}), {word})"


@compiles(_Place, "postgresql")
def _place_by_server(element: _Place, compiler: Any, **given: Any) -> str:
    """Its own `alike` is made of what the server knows of letters: both sides go through it."""
    column, word = (compiler.process(one, **given) for one in element.clauses)
    return f"strpos(alike({column}), alike({word}))"


def _counted(counts: Iterable[tuple[str, int]]) -> list[LabelCount]:
    named = [LabelCount(name, count) for name, count in counts if name]
    return sorted(named, key=lambda one: (one.name.casefold(), one.name))
