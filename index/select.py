"""Which documents are asked: narrowed before ranking, so that a narrow choice still fills the list."""

from __future__ import annotations

import re
from dataclasses import dataclass

import sqlalchemy as sa

from index import schema as tables
from index.errors import QAError

TYPES = {
    "pdf": "application/pdf",
    "docx": "application/vnd.openxmlformats-officedocument.wordprocessingml.document",
    "pptx": "application/vnd.openxmlformats-officedocument.presentationml.presentation",
    "xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "odt": "application/vnd.oasis.opendocument.text",
    "epub": "application/epub+zip",
    "eml": "message/rfc822",
    "html": "text/html",
    "csv": "text/csv",
    "json": "application/json",
    "jsonl": "application/jsonl",
    "md": "text/markdown",
    "txt": "text/plain",
}
"""Short names for media types."""
_DATE = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


@dataclass(frozen=True, slots=True)
class Filter:
    """Documents that are asked; what is empty does not narrow, what is given narrows together.

    One of `documents`, of `collections`, of `types` (short names or media types), every one of `tags`; dated from
    `after` to `before`, both included, each YYYY, YYYY-MM or YYYY-MM-DD. A document of unknown date is in no range.
    Raises QAError for a date of another form, or an unknown type.
    """

    documents: tuple[str, ...] | None = None
    collections: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    after: str = ""
    before: str = ""

    def __post_init__(self) -> None:
        for date in (self.after, self.before):
            if date and not _DATE.fullmatch(date):
                raise QAError(f"{date!r:.50} is not a date", "Write YYYY, YYYY-MM or YYYY-MM-DD.")
        for one in self.types:
            if "/" not in one and _type(one) == one:
                raise QAError(
                    f"{one!r:.50} is no type of document", f"Take one of {', '.join(TYPES)}, or a media type."
                )


def _type(name: str) -> str:
    """The media type of a short name; what is none stays as it is."""
    return TYPES.get(name.lower().lstrip("."), name)


EVERYTHING = Filter()


def selected(connection: sa.Connection, chosen: Filter) -> frozenset[str]:
    """The ids of the documents that a filter leaves."""
    documents, tags = tables.documents.c, tables.tags.c
    if chosen == Filter(chosen.documents) and chosen.documents is not None:
        return frozenset(chosen.documents)
    query = sa.select(documents.id)
    if chosen.collections:
        query = query.where(documents.collection.in_(chosen.collections))
    if chosen.types:
        query = query.where(documents.media_type.in_([_type(one) for one in chosen.types]))
    for tag in chosen.tags:
        query = query.where(documents.id.in_(sa.select(tags.document_id).where(tags.tag == tag)))
    if chosen.after or chosen.before:
        query = query.where(documents.dated != "")
    if chosen.after:
        query = query.where(documents.dated >= chosen.after)
    if chosen.before:  # "2024" includes all of 2024
        query = query.where(sa.func.substr(documents.dated, 1, len(chosen.before)) <= chosen.before)
    found = frozenset(connection.scalars(query))
    return found if chosen.documents is None else found & frozenset(chosen.documents)
