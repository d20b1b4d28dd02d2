"""A document's text put together block by block by a loader that knows its structure."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from index.load.text import from_text
from index.types import Document, Heading, Reading

_SPACE = re.compile(r"[ \t\r\f\v\u00a0\u2000-\u200a\u202f\u205f\u3000]+")
_UNCLEAN = re.compile("^ | $|  |[^\\S ]|[\0\u00ad\u200b\ufeff]")
"""Whatever `clean` would change, and line breaks; most cells of a table hold none of it."""
_SOFT = re.compile("[\u00ad\u200b\ufeff]")


@dataclass(frozen=True, slots=True)
class Options:
    """What a person may say about how files are read.

    `ocr` reads pages without text by tesseract, where that is installed, in `languages` (its names, joined by "+").
    `depth` counts the files around this one: a mail holds a mail holds a file. `page_read` is called with the number
    of pages read and of all pages, after some pages, or one that takes long (OCR): whoever limits the time counts anew.
    """

    password: str | None = None
    ocr: bool = True
    languages: str = "eng"
    depth: int = 0
    page_read: Callable[[int, int], None] = lambda _done, _all: None


AS_THEY_ARE = Options()


class Draft:
    """Every block stands on lines of its own, none of which is broken in the middle of a paragraph.

    Words are cleaned on their way in: runs of spaces become one, soft hyphens go, a "\\n" inside stays a line break.
    """

    def __init__(self) -> None:
        self.title = ""
        self.dated = ""
        """The document's own date, YYYY-MM-DD."""
        self.metadata: dict[str, object] = {}
        """Facts for a reader: author, created, modified, language, … (strings, numbers, lists of them)."""
        self.warnings: list[str] = []
        self.tables = 0
        self._parts: list[str] = []
        self._length = 0
        self._last: Literal["", "heading", "paragraph", "item", "row"] = ""
        self._headings: list[Heading] = []

    def __len__(self) -> int:
        """Characters so far."""
        return self._length

    def heading(self, words: str, level: int) -> None:
        """A heading line; 1 is the highest level. Slides, sheets and attachments are headings too."""
        words = clean(words).replace("\n", " ")
        if words:
            self._block("heading")
            self._headings.append(Heading(self._length, self._length + len(words), max(1, level)))
            self._add(words + "\n")

    def paragraph(self, words: str) -> None:
        words = clean(words)
        if words:
            self._block("paragraph")
            self._add(words + "\n")

    def verbatim(self, words: str) -> None:
        """Lines whose inner spaces matter, such as program code."""
        lines = [_SOFT.sub("", line).rstrip() for line in words.expandtabs(4).splitlines()]
        words = "\n".join(lines).strip("\n")
        if words.strip():
            self._block("paragraph")
            self._add(words + "\n")

    def item(self, words: str, depth: int = 0, marker: str = "-") -> None:
        """An item of a list, `depth` 0 the outermost; `marker` is "-", or "3." and the like."""
        words = clean(words)
        if words:
            self._block("item")
            self._add(f"{'  ' * depth}{marker} {words}\n")

    def table(self, rows: Sequence[Sequence[str]], header: bool) -> None:
        """A table row by row. With a `header`, the first row names the columns, and its names stand in every row
        ("Name: Oslo | Country: Norway"), so that a question about a cell finds it."""
        cleaned = [[clean(cell).replace("\n", " ") for cell in row] for row in rows]
        cleaned = [row for row in cleaned if any(row)]
        if not cleaned:
            return
        self.table_begins()
        names = cleaned[0] if header and len(cleaned) > 1 else []
        for number, row in enumerate(cleaned):
            self._last = "row"
            self._add((_named(names, row) if names and number else " | ".join(cell for cell in row if cell)) + "\n")

    def table_begins(self) -> None:
        """Count a table whose rows follow one by one, and part it from a table right above."""
        self.tables += 1
        self._block("paragraph")
        self._last = ""

    def row(self, cells: Sequence[str], names: Sequence[str] = ()) -> None:
        """One row of a table after `table_begins`, so that it need not be held at once."""
        self._block("row")
        cleaned = [clean(cell).replace("\n", " ") for cell in cells]
        if any(cleaned):
            self._add(_named([clean(name) for name in names], cleaned) + "\n")

    def document(self, document: Document, levels: int = 1) -> None:
        """All of another document, such as a file attached to this one; its headings are `levels` deeper."""
        self._block("paragraph")
        start = len(self)
        self._headings += [
            Heading(start + one.start, start + one.end, one.level + levels)
            for one in document.headings
            if document.text[one.start : one.end].strip()
        ]
        self._add(document.text.rstrip("\n") + "\n")
        self.tables += document.reading.tables
        self.warnings += document.reading.warnings

    def done(self, *, name: str, source: str, media_type: str) -> Document:
        """The document; its title is the one set, else `name`. Raises DocumentError when nothing could be read."""
        return from_text(
            "".join(self._parts),
            title=" ".join(self.title.split()) or name,
            source=source,
            media_type=media_type,
            headings=tuple(self._headings),
            metadata=self.metadata,
            dated=self.dated,
            wrapped=False,
            reading=Reading(tables=self.tables, warnings=tuple(self.warnings)),
        )

    def _block(self, kind: Literal["heading", "paragraph", "item", "row"]) -> None:
        """A blank line before a block, but not between the items of a list or the rows of a table."""
        if self._last and not (kind == self._last and kind in ("item", "row")):
            self._add("\n")
        self._last = kind

    def _add(self, words: str) -> None:
        self._parts.append(words)
        self._length += len(words)


def clean(words: str) -> str:
    """Runs of spaces as one, no spaces at the ends of lines, no soft hyphens, no NUL, no blank lines."""
    if not _UNCLEAN.search(words):
        return words
    words = _SOFT.sub("", words.replace("\0", "").replace("\u2028", "\n").replace("\u2029", "\n"))
    lines = (_SPACE.sub(" ", line).strip() for line in words.split("\n"))
    return "\n".join(line for line in lines if line)


def _named(names: Sequence[str], row: Sequence[str]) -> str:
    cells = []
    for column, cell in enumerate(row):
        name = names[column] if column < len(names) else ""
        if cell:
            cells.append(f"{name.rstrip(':')}: {cell}" if name and name != cell else cell)
    return " | ".join(cells)
