"""The nouns of the index. Offsets are Unicode code points, 0-based, end-exclusive, into `Document.text`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

Vector: TypeAlias = NDArray[np.float32]
"""Shape (dim,), unit length."""
Vectors: TypeAlias = NDArray[np.float32]
"""Shape (n, dim), unit rows."""

CONTEXT_CHARACTERS = 200
OPENING_CHARACTERS = 200
UNFIT = re.compile(
    "[\x00-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028\u2029\ufeff\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Characters that could make a label look like another, or drive a terminal. The joiners U+200C and U+200D, which words
of some scripts need, are none."""


class Span(NamedTuple):
    """Half-open range of characters."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Heading:
    """A title or heading line: where its words stand in the text, and its level, 1 the highest."""

    start: int
    end: int
    level: int


@dataclass(frozen=True, slots=True)
class PageLayout:
    """A page as it is displayed: its size in points, and the place of each character of its part of the text.

    `boxes` is packed by `index.boxes`: one box for each character from the page's start to the next page's.
    """

    width: float
    height: float
    boxes: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """How a file was read: what a report tells of it. Pages count from 1."""

    pages_without_text: tuple[int, ...] = ()
    pages_by_ocr: tuple[int, ...] = ()
    tables: int = 0
    warnings: tuple[str, ...] = ()
    seconds: float = 0.0

    @classmethod
    def of(cls, stored: Mapping[str, Any]) -> Reading:
        """From JSON, which has lists for tuples."""
        values: dict[str, Any] = {key: tuple(one) if isinstance(one, list) else one for key, one in stored.items()}
        return cls(**values)


@dataclass(frozen=True, slots=True)
class Document:
    """One source as it was read.

    `id` survives edits of the same source; `sha256` is of `text` in UTF-8; `pages` holds the start offset of
    each page and is empty for formats without pages; `layout` has an entry for each page where characters have places.
    `wrapped` says that lines may be broken anywhere in a paragraph; else each line is a paragraph, item or row.
    `original` is the SHA-256 of the file's bytes, empty for text that came without a file.
    `collection` and `tags` are the reader's own; `dated` is the document's own date (YYYY-MM-DD), empty when unknown.
    Title, source, collection and tags are without what is `UNFIT`, wherever they come from; the text is as it was.
    """

    id: str
    title: str
    source: str
    text: str
    sha256: str
    media_type: str = "text/plain"
    pages: tuple[int, ...] = ()
    headings: tuple[Heading, ...] = ()
    metadata: Mapping[str, object] = field(default_factory=dict)
    wrapped: bool = True
    original: str = ""
    collection: str = ""
    tags: tuple[str, ...] = ()
    dated: str = ""
    reading: Reading = field(default_factory=Reading, compare=False)
    layout: tuple[PageLayout, ...] = field(default=(), compare=False)

    def __post_init__(self) -> None:
        for name in ("title", "source", "collection"):
            object.__setattr__(self, name, as_label(getattr(self, name)))
        object.__setattr__(self, "tags", as_labels(self.tags))


@dataclass(frozen=True, slots=True)
class Passage:
    """A slice of a document: `text == document.text[start:end]`, its sentences in document offsets.

    Pages and lines are 1-based and inclusive; pages are None for formats without pages.
    """

    document_id: str
    title: str
    heading: str
    start: int
    end: int
    text: str
    sentences: tuple[Span, ...]
    line_start: int
    line_end: int
    page_start: int | None = None
    page_end: int | None = None

    @property
    def id(self) -> str:
        return f"{self.document_id}:{self.start}-{self.end}"

    @property
    def context(self) -> str:
        """Title and heading, set in front of the text for embedding and BM25; never part of `text`.

        A title that is but the text's own first line, or the beginning of it, would only say it twice.
        """
        said = as_label(opening(self.text))
        repeated = self.title == said or (len(self.title) == OPENING_CHARACTERS and self.title.startswith(said))
        return context("" if repeated else self.title, self.heading)

    def sentence_texts(self) -> list[str]:
        return [self.text[start - self.start : end - self.start] for start, end in self.sentences]


@dataclass(frozen=True, slots=True)
class PassageVectors:
    """What the embedder made of one passage: `passage` (dim,) and `sentences` (sentences, dim), unit rows."""

    passage: Vector
    sentences: Vectors


class Hit(NamedTuple):
    """A passage that one search leg found; a higher score is better."""

    passage_id: str
    score: float


class Stamp(NamedTuple):
    """A state of a catalogue: how many writes it has seen, and a word drawn at random with the last of them.

    The word tells two catalogues apart that have seen equally many, such as one and its restored backup.
    """

    generation: int = 0
    token: str = ""


def as_label(text: str) -> str:
    """Without what is `UNFIT`: where that is white space, a space stands for it inside."""
    return UNFIT.sub(lambda one: " " if one[0].isspace() else "", text).strip() if UNFIT.search(text) else text


def as_labels(names: Iterable[str]) -> tuple[str, ...]:
    """The same of several; each once, and none that is empty then."""
    return tuple(dict.fromkeys(filter(None, map(as_label, names))))


def opening(text: str) -> str:
    """The first line of a text, at most `OPENING_CHARACTERS` of it; stands in for a title."""
    return next(iter(text.strip()[:OPENING_CHARACTERS].splitlines()), "").rstrip()


def context(title: str, heading: str) -> str:
    """Title and heading on a line each, together at most `CONTEXT_CHARACTERS` long; the deepest heading is kept."""
    room = CONTEXT_CHARACTERS // (2 if title and heading else 1)
    return "\n".join(line for line in (title[:room], heading[-room:]) if line)


def document_of(passage_id: str) -> str:
    """The document id inside a passage id (`document_id:start-end`)."""
    return passage_id.rpartition(":")[0]
