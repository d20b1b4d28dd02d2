"""Which documents are asked: narrowed before ranking, so that a narrow choice still fills the list."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import sqlalchemy as sa

from index import tables
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
_SHORT = {media_type: name for name, media_type in TYPES.items()}
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


def short_type(media_type: str) -> str:
    """The short name of a media type; one without stays as it is."""
    return _SHORT.get(media_type, media_type)


EVERYTHING = Filter()


def selected(connection: sa.Connection, chosen: Filter) -> frozenset[str]:
    """The ids of the documents that a filter leaves."""
    if chosen == Filter(chosen.documents) and chosen.documents is not None:
        return frozenset(chosen.documents)
    others = conditions(replace(chosen, documents=None))  # ids may be more than SQLite takes in a statement
    found = frozenset(connection.scalars(sa.select(tables.documents.c.id).where(*others)))
    return found if chosen.documents is None else found & frozenset(chosen.documents)


def conditions(chosen: Filter) -> list[sa.ColumnElement[bool]]:
    """What a filter asks of the rows of `documents`."""
    documents, tags = tables.documents.c, tables.tags.c
    found = list[sa.ColumnElement[bool]]()
    if chosen.documents is not None:
        found.append(documents.id.in_(chosen.documents))
    if chosen.collections:
        found.append(documents.collection.in_(chosen.collections))
    if chosen.types:
        found.append(documents.media_type.in_([_type(one) for one in chosen.types]))
    found += [documents.id.in_(sa.select(tags.document_id).where(tags.tag == tag)) for tag in chosen.tags]
    if chosen.after or chosen.before:
        found.append(documents.dated != "")
    if chosen.after:
        found.append(documents.dated >= chosen.after)
    if chosen.before:  # "2024" includes all of 2024
        found.append(sa.func.substr(documents.dated, 1, len(chosen.before)) <= chosen.before)
    return found
